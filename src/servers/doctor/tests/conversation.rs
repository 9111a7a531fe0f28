//! Conversations: their limits, turns and memories, and what is restored.

use super::super::therapist::List;
use super::*;

/// A list of the numbers below `length`.
fn list(id: usize, length: usize) -> List<usize> {
    List { id, choices: (0..length).collect() }
}

#[test]
fn a_name_is_one_line_of_bounded_length() {
    let name = |text: &str| Conversation::new(text).map(|conversation| conversation.name().to_owned());
    assert_eq!(name("  Ann\t Lee\r\n").as_deref(), Some("Ann Lee"));
    assert_eq!(name("Олег").as_deref(), Some("Олег"));
    assert_eq!(name("a\u{202E}b").as_deref(), Some("a\u{FFFD}b"));
    for nothing in ["", " \t", "\u{0}", "...", "\u{202E}", "\u{3164}", "a\u{200B}", "\u{93E}"] {
        assert_eq!(name(nothing), None, "{nothing:?}");
    }
    assert_eq!(name(&"x".repeat(1000)).map(|name| name.len()), Some(MAX_NAME));
    assert_eq!(name(&format!("a{}", "ß".repeat(1000))).map(|name| name.len()), Some(MAX_NAME - 1));
}

#[test]
fn an_introduction_is_not_a_part_of_the_name() {
    let therapist = Therapist::built_in();
    for (line, name) in [
        ("Tom", "Tom"),
        (" Tom. ", "Tom"),
        ("Hi, I am Tom", "Tom"),
        ("hello doctor! I’m Tom.", "Tom"),
        ("My name's Tom, and I am sad.", "Tom"),
        ("GOOD MORNING - THIS IS DR. TOM O'BRIEN!", "DR. TOM O'BRIEN"),
        ("Smith, Tom", "Smith, Tom"),
        ("Himmel", "Himmel"),
        ("Hi-Ho", "Hi-Ho"),
        ("Ismael", "Ismael"),
        ("Hello", ""),
        ("Good evening, doctor", "doctor"),
        ("I am", ""),
        ("ï", "ï"),
        ("", ""),
    ] {
        assert_eq!(therapist.name_in(line), name, "{line:?}");
    }
}

#[test]
fn lists_turn_round_each_by_itself() {
    let mut conversation = Conversation::new("Ann").expect("a name");
    conversation.begin_line(2);
    let three = list(0, 3);
    let chosen: Vec<_> = (0..4).map(|_| *conversation.next(&three)).collect();
    assert_eq!(chosen, [0, 1, 2, 0]);
    assert_eq!(*conversation.next(&list(1, 2)), 0);
}

#[test]
fn the_oldest_is_forgotten_and_the_newest_waits_a_line() {
    let mut conversation = Conversation::new("Ann").expect("a name");
    for number in 0..MAX_MEMORIES + 2 {
        conversation.remember(number.to_string());
        conversation.remember(number.to_string());
    }
    assert_eq!(conversation.memories().len(), MAX_MEMORIES);
    conversation.begin_line(0);
    assert_eq!(conversation.recall().as_deref(), Some("2"));
    while conversation.recall().is_some() {}
    assert_eq!(conversation.memories().collect::<Vec<_>>(), [(MAX_MEMORIES + 1).to_string()]);
    conversation.begin_line(0);
    assert!(conversation.recall().is_some());
    assert_eq!(conversation.recall(), None);
}

#[cfg(feature = "storage")]
#[test]
fn an_earlier_conversation_comes_first() {
    let mut earlier = Conversation::new("Ann").expect("a name");
    let mut later = Conversation::new("ANN").expect("a name");
    for sentence in ["both", "old"] {
        earlier.remember(sentence.to_owned());
    }
    for sentence in ["new", "both"] {
        later.remember(sentence.to_owned());
    }
    (earlier.visits, later.visits, later.lines_since) = (2, 1, 5);
    later.follow(earlier);
    assert_eq!((later.name(), later.visits(), later.lines_since), ("Ann", 3, 5));
    assert_eq!(later.memories().collect::<Vec<_>>(), ["both", "old", "new"]);

    let mut full = Conversation::new("Ann").expect("a name");
    (0..MAX_MEMORIES).for_each(|number| full.remember(number.to_string()));
    later.follow(full);
    assert_eq!(later.memories().len(), MAX_MEMORIES);
    assert_eq!(later.memories().last(), Some("new"));
}

#[test]
fn a_restored_conversation_keeps_the_limits() {
    let memories: Vec<_> = (0..100).map(|number| format!("{number} \\n{}", "ü".repeat(2000))).collect();
    let stored = format!("name = 'Ann'\npositions = [7]\nmemories = {memories:?}").replace("\\\\n", "\\n");
    let mut restored: Conversation = toml::from_str(&stored).expect("a conversation");
    assert_eq!(restored.memories().len(), MAX_MEMORIES);
    assert!(restored.memories().all(|memory| memory.len() <= MAX_ANSWER && !memory.contains('\n')));
    assert!(restored.memories().next().is_some_and(|oldest| oldest.starts_with("84 ü")));
    restored.begin_line(3);
    assert_eq!(*restored.next(&list(0, 4)), 3, "a position beyond the list is brought into it");
    let error = toml::from_str::<Conversation>("name = ''").expect_err("no name");
    assert_eq!(error.message(), "a name needs a letter or digit, and no invisible character");
}
