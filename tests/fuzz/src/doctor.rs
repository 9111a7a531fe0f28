//! The doctor: any bytes as a script, and any lines to a therapist with that script or the built-in one.
//!
//! A script is either refused with an error that any terminal can show, or its therapist answers everything: with one
//! line of bounded length that is not empty, the same answer to the same lines, and a bounded memory.

use std::sync::LazyLock;

use switchboard::sanitize;
use switchboard::servers::doctor::{Conversation, MAX_ANSWER, MAX_MEMORIES, MAX_NAME, Therapist};

use crate::show;

/// Parsed once for all inputs.
static BUILT_IN: LazyLock<Therapist> = LazyLock::new(Therapist::built_in);

/// The input is a script, or nothing for the built-in one, then a name, and then lines, with a zero byte between each
/// two.
pub fn run(bytes: &[u8]) {
    let (script, talk) = bytes.split_at(bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len()));
    let mut lines = talk.split(|&byte| byte == 0).skip(1).map(sanitize);
    let own = if script.is_empty() { None } else { Some(parse(script)) };
    let Some(therapist) = own.as_ref().map_or(Some(&*BUILT_IN), Option::as_ref) else { return };
    assert!(!therapist.ask_name().is_empty());
    let name = lines.next().unwrap_or_default();
    let Some(mut conversation) = Conversation::new(&name) else { return };
    assert!((1..=MAX_NAME).contains(&conversation.name().len()));
    check(&therapist.greet(&mut conversation));
    for line in lines {
        let before = conversation.clone();
        let answer = therapist.answer(&mut conversation, &line);
        show(&(&line, &answer));
        check(&answer.text);
        assert!(conversation.memories().len() <= MAX_MEMORIES);
        conversation.memories().for_each(check);
        let (mut again, after) = (before, conversation.clone());
        assert_eq!((therapist.answer(&mut again, &line), again), (answer, after), "another answer to the same line");
    }
    assert_eq!(conversation.visits(), 1);
    check(&therapist.greet(&mut conversation));
}

/// Parses a script, and checks the error if it is not one.
fn parse(script: &[u8]) -> Option<Therapist> {
    match Therapist::parse(script) {
        Ok(therapist) => Some(therapist),
        Err(error) => {
            show(&error);
            let lines = script.split(|&byte| byte == b'\n').count();
            assert!((1..=lines).contains(&error.line), "{error}");
            assert!(error.column >= 1, "{error}");
            let shown = error.to_string();
            assert_eq!(sanitize(shown.replace('\n', "").as_bytes()), shown.replace('\n', ""));
            None
        }
    }
}

fn check(answer: &str) {
    assert!((1..=MAX_ANSWER).contains(&answer.len()), "{answer:?}");
    assert!(!answer.contains(char::is_control), "{answer:?}");
}
