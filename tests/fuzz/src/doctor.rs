//! The doctor: any text as a script, and any lines said to a therapist who has it, or the script that is built in.
//!
//! A script is refused in words that any terminal can show, or answers everything: in one line of bounded length that is not
//! empty, the same to the same lines, and with a memory that does not grow.

use std::sync::LazyLock;

use switchboard::sanitize;
use switchboard::servers::doctor::{Conversation, MAX_ANSWER, MAX_MEMORIES, MAX_NAME, Script, Therapist};

use crate::show;

/// Read once: it is the same for all inputs.
static BUILT_IN: LazyLock<Therapist> = LazyLock::new(|| Therapist::new(Script::built_in()));

/// Before the first zero byte: a script, or nothing for the one that is built in. After it, each with a zero byte between: a
/// name, and lines.
pub fn run(bytes: &[u8]) {
    let (script, talk) = bytes.split_at(bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len()));
    let mut lines = talk.split(|&byte| byte == 0).skip(1).map(sanitize);
    let own = if script.is_empty() { None } else { Some(parse(script)) };
    let Some(therapist) = own.as_ref().map_or(Some(&*BUILT_IN), Option::as_ref) else { return };
    assert!(!therapist.ask_name().is_empty());
    let name = lines.next().unwrap_or_default();
    let Ok(mut conversation) = Conversation::new(&name) else { return };
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
        assert_eq!((therapist.answer(&mut again, &line), again), (answer, after), "answered in another way");
    }
    assert_eq!(conversation.visits(), 1);
    check(&therapist.greet(&mut conversation));
}

/// A therapist with this script, if it is one.
fn parse(script: &[u8]) -> Option<Therapist> {
    match Script::from_bytes(script) {
        Ok(script) => Some(Therapist::new(script)),
        Err(error) => {
            show(&error);
            let lines = script.split(|&byte| byte == b'\n').count();
            assert!((1..=lines).contains(&error.line()), "{error}");
            assert!(error.column() >= 1, "{error}");
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
