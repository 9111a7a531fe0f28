//! The chunking law at the web door.

use proptest::prelude::*;

use super::*;
use crate::servers::chunking::{play, steps, tight};
use crate::state::limits::Limits;

/// Lines of which each has an answer, or is said to the room.
fn lines() -> impl Strategy<Value = Vec<String>> {
    let line = prop_oneof![
        "[a-z \"<é€]{0,12}",
        Just("/who".to_owned()),
        Just("/nick bob".to_owned()),
        Just("/join garden".to_owned()),
        Just("/history".to_owned()),
        Just("/resume x 1".to_owned()),
    ];
    proptest::collection::vec(line, 0..6)
}

/// What a page is sent that sends `script` in these steps. Without keys, times and pings.
fn transcript(script: &[u8], steps: &[crate::servers::chunking::Step]) -> Vec<String> {
    let options = ChatOptions { record: Some(record()), rate: None, handshake: None, ..ChatOptions::default() };
    let limits = Limits { queue_time: None, ..tight() };
    let mut sim = Sim::with_limits(Doors::new(Chat::room(options), WebSocketOptions::default()), limits);
    let page = open(&mut sim);
    let bytes = play(&mut sim, page, script, steps);
    let messages = messages(&bytes).into_iter().filter(|message| message != "ping");
    messages.map(|message| if message.contains("\"key\"") { take_key(&message).1 } else { undated(&message) }).collect()
}

/// A message without the times of its events.
fn undated(message: &str) -> String {
    let mut parts = message.split(r#","at":"#);
    let first = parts.next().unwrap_or_default().to_owned();
    first + &parts.map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit())).collect::<String>()
}

proptest! {
    #[test]
    fn no_split_pause_or_slow_reader_changes_what_a_page_sees(lines in lines(), steps in steps()) {
        let lines = ["*".to_owned(), "ann".to_owned()].into_iter().chain(lines).chain(["/quit".to_owned()]);
        let script: Vec<u8> = lines.flat_map(|line| frame(0x81, line.as_bytes())).collect();
        let whole = transcript(&script, &[]);
        prop_assert_eq!(whole.last().map(String::as_str), Some("close 1000 "));
        prop_assert_eq!(transcript(&script, &steps), whole);
    }
}
