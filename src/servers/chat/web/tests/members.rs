//! The list of members that a page keeps by the events alone, also while crowds come and go.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Some differ only in case.
const NICKS: [&str; 4] = ["ann", "Ann", "bob", "cid"];

#[derive(Clone, Copy, Debug)]
enum Deed {
    Enter(usize),
    Rename(usize),
    Move(bool),
    Leave,
    /// Milliseconds.
    Wait(u64),
}

/// The nicknames in a field of a message.
fn nicks(message: &Value, field: &str) -> Vec<String> {
    let nicks = message[field].as_array().into_iter().flatten();
    nicks.filter_map(|nick| nick.as_str().map(str::to_owned)).collect()
}

/// Changes a list of members as a page does.
fn apply(members: &mut BTreeSet<String>, message: &str) {
    let Ok(message) = serde_json::from_str::<Value>(message) else { return };
    let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
    let (gone, new) = match &*text("type") {
        "entrance" => (std::mem::take(members).into_iter().collect(), nicks(&message, "members")),
        "join" => (vec![], vec![text("nick")]),
        "part" | "leave" | "kick" => (vec![text("nick")], vec![]),
        "rename" => (vec![text("nick")], vec![text("to")]),
        "crowd" => (nicks(&message, "left"), nicks(&message, "joined")),
        _ => return,
    };
    members.retain(|nick| !gone.contains(nick));
    members.extend(new);
}

fn deeds() -> impl Strategy<Value = Vec<(usize, Deed)>> {
    let deed = prop_oneof![
        6 => (0..NICKS.len()).prop_map(Deed::Enter),
        4 => (0..NICKS.len()).prop_map(Deed::Rename),
        2 => any::<bool>().prop_map(Deed::Move),
        4 => Just(Deed::Leave),
        2 => (1..1500_u64).prop_map(Deed::Wait),
    ];
    proptest::collection::vec((0..3_usize, deed), 0..60)
}

proptest! {
    #[test]
    fn a_page_lists_the_members_by_events_alone(deeds in deeds(), crowd in 0..3_usize, enters_at in 0..60_usize) {
        let mut server = Server::with(ChatOptions { crowd, join_rate: None, rate: None, ..ChatOptions::default() });
        let (mut page, mut peers, mut members) = (None, [None; 3], BTreeSet::new());
        for (number, (who, deed)) in deeds.into_iter().enumerate() {
            if number == enters_at || number == 0 {
                page = Some(server.page(&[&format!("page{number}")]));
            }
            match (deed, peers[who]) {
                (Deed::Wait(time), _) => server.sim.advance(Duration::from_millis(time)),
                (Deed::Leave, Some(peer)) => {
                    server.reset(peer);
                    peers[who] = None;
                }
                (Deed::Enter(nick), None) => peers[who] = Some(server.nc(NICKS[nick])),
                (Deed::Enter(nick) | Deed::Rename(nick), Some(peer)) => {
                    server.sim.send(peer, format!("/nick {}\n", NICKS[nick]).as_bytes());
                }
                (Deed::Move(is_back), Some(peer)) => {
                    server.sim.send(peer, if is_back { b"/join lobby\n" } else { b"/join rust\n" });
                }
                _ => {}
            }
            server.sim.run();
            if let Some(page) = page {
                server.sees(page).iter().for_each(|message| apply(&mut members, message));
            }
        }
        let Some(page) = page else { return Ok(()) };
        let other = server.page(&["other"]);
        let mut wanted = BTreeSet::new();
        apply(&mut wanted, &server.sees(other)[0]);
        server.sim.advance(Duration::from_secs(1));
        server.sees(page).iter().for_each(|message| apply(&mut members, message));
        prop_assert_eq!(members, wanted);
    }
}
