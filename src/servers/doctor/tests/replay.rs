//! Whole conversations in transcripts and on the page. Lines of the patient begin with `>`; the others are answers.
//!
//! A conversation begins with the question for the name, the name, and the greeting. Lines that begin with `#` are
//! comments.

use std::fs;
use std::path::Path;

use super::*;

/// Replays a transcript. `place` is for messages.
#[track_caller]
fn replay(place: &str, therapist: &Therapist, transcript: &str) {
    let mut lines = transcript.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(lines.next(), Some(therapist.ask_name()), "{place}: the first line");
    let mut conversation = None;
    let mut is_over = false;
    while let Some(line) = lines.next() {
        let said = line.strip_prefix('>').unwrap_or_else(|| panic!("{place}: two answers in a row: {line}"));
        let said = said.strip_prefix(' ').unwrap_or(said);
        assert_eq!(crate::sanitize(said.as_bytes()), said, "{place}: a server would hear something else");
        assert!(!is_over, "{place}: the conversation was over before {said:?}");
        let answer = match &mut conversation {
            None => therapist.greet(conversation.insert(Conversation::new(said).expect("a name"))),
            Some(conversation) => {
                let answer = therapist.answer(conversation, said);
                is_over = answer.is_farewell;
                answer.text
            }
        };
        assert_eq!(Some(answer.as_str()), lines.next(), "{place}: to {said:?}");
    }
    assert!(conversation.is_some(), "{place}: no name was given");
}

#[test]
fn every_transcript_is_replayed_word_by_word() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/doctor");
    let therapist = Therapist::built_in();
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the transcripts") {
        let path = entry.expect("a readable directory").path();
        let place = path.display().to_string();
        let transcript = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{place}: {error}"));
        replay(&place, &therapist, &transcript);
        count += 1;
    }
    assert!(count >= 12, "only {count} transcripts were found");
}

const PAGE: &str = include_str!("../../../../docs/doctor-script.md");

/// The code blocks of a language on the page.
fn blocks(language: &str) -> Vec<&'static str> {
    let parts = PAGE.split("```");
    parts.skip(1).step_by(2).filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
}

#[test]
fn the_page_shows_a_working_script_and_talk() {
    let (scripts, texts) = (blocks("toml"), blocks("text"));
    let therapist = Therapist::parse(scripts[0]).expect("the script on the page");
    replay("docs/doctor-script.md", &therapist, texts[0]);
    let faulty = scripts[0].replacen("@plant", "@plants", 1);
    let error = Therapist::parse(&faulty).expect_err("the page shows an error");
    assert_eq!(format!("{error}\n"), texts[1]);
}

#[test]
fn the_page_explains_every_key_and_names_every_limit() {
    // The error for an unknown key lists all keys.
    let minimal = "[[keyword]]\nwords = ['a']\n";
    let probes = ["oops = 1".to_owned(), format!("{minimal}oops = 1"), format!("{minimal}[[keyword.rule]]\noops = 1")];
    let mut count = 0;
    for probe in probes {
        let message = Therapist::parse(&probe).expect_err("an unknown key").to_string();
        let (_, keys) = message.split_once("expected one of ").expect("a list of keys");
        for key in keys.split(", ") {
            let name = key.trim_matches('`');
            let is_there = [format!("| {key} |"), format!("| `[{name}]` |"), format!("| `[[{name}]]` |")];
            assert!(is_there.iter().any(|text| PAGE.contains(text)), "{name} is not on the page");
            count += 1;
        }
    }
    assert_eq!(count, 14 + 3 + 3);
    let (_, limits) = PAGE.split_once("## Limits").expect("the heading");
    for limit in [MAX_WORDS, MAX_ANSWER, super::super::reassembly::MAX_PART, MAX_MEMORIES, MAX_NAME, MAX_ELEMENTS] {
        let is_there =
            [format!("| {limit} |"), format!("| {limit};")].iter().any(|text| limits.contains(text.as_str()));
        assert!(is_there, "the limit {limit} is not on the page");
    }
}
