//! The whole therapist, with small scripts, with the built-in one, and with any input.

mod bounds;
mod conversation;
pub(super) mod decomposition;
mod faults;
mod reading;
mod reassembly;
mod replay;

use super::*;

/// The beginning of a script. Each test adds its rules.
const TOP: &str = r#"
ask_name = "Name?"
greeting = ["Hello {name}.", "Hello again, stranger."]
farewell = ["Bye {name}.", "Bye bye {name}."]
default = ["Default one.", "Default two."]
quit = ["bye", "@bye doctor"]
breaks = ["but"]
plain = ["the"]
replace = { "don't" = "do not", "doc" = "doctor" }
reflect = { "i" = "you", "me" = "you", "my" = "your", "you" = "I", "you." = "me" }
synonyms = { bye = ["bye", "cheers"], colour = ["red", "blue"] }
"#;

/// A therapist with these rules.
fn therapist(rules: &str) -> Therapist {
    Therapist::parse(format!("{TOP}{rules}")).expect("a script")
}

/// A therapist with these entries and nothing else.
fn script(entries: &str) -> Therapist {
    let top = "ask_name = '?'\ngreeting = ['a']\nfarewell = ['a']\ndefault = ['a']\nquit = ['bye']\n";
    Therapist::parse(format!("{top}{entries}")).expect("a script")
}

fn ann() -> Conversation {
    Conversation::new("Ann").expect("a name")
}

/// The answers to the lines of a new patient.
fn answers<const N: usize>(therapist: &Therapist, lines: [&str; N]) -> [String; N] {
    let mut conversation = ann();
    lines.map(|line| therapist.answer(&mut conversation, line).text)
}

#[test]
fn the_highest_rank_answers_and_of_equals_the_first() {
    let rules = r#"
        keyword = [
            { words = ["low"], rule = [{ match = "*", answers = ["low"] }] },
            { words = ["one"], rank = 7, rule = [{ match = "*", answers = ["one"] }] },
            { words = ["two"], rank = 7, rule = [{ match = "*", answers = ["two"] }] },
            { words = ["high"], rank = 100, rule = [{ match = "*", answers = ["high"] }] },
        ]"#;
    let heard = answers(&therapist(rules), ["low one", "two low one", "one two high", "low, high", "LOW"]);
    assert_eq!(heard, ["one", "two", "high", "low", "low"], "a rank counts within a clause only");
}

#[test]
fn rules_are_tried_in_order_then_keywords_then_clauses() {
    let rules = r#"
        [[keyword]]
        words = ["my"]
        rank = 1
        rule = [{ match = "my @colour", answers = ["your {1}"] }, { match = "my + car", answers = ["{1} car"] }]
        [[keyword]]
        words = ["car"]
        rule = [{ match = "* car *", answers = ["any car"] }]
    "#;
    let therapist = therapist(rules);
    let heard = answers(&therapist, ["my red", "my blue car", "my car", "my green, but a car", "my green"]);
    assert_eq!(heard, ["your red", "Blue car", "any car", "any car", "Default one."]);
}

#[test]
fn a_goto_needs_a_matching_rule_of_the_other_keyword() {
    let rules = r#"
        [[keyword]]
        words = ["a"]
        rank = 3
        rule = [{ match = "a *", answers = ["goto b", "a itself: {1}"] }]
        [[keyword]]
        words = ["b"]
        rank = 2
        rule = [{ match = "* c", answers = ["goto c"] }, { match = "b", answers = ["b alone"] }]
        [[keyword]]
        words = ["c"]
        rule = [{ match = "+ c", answers = ["c after {1}"] }]
    "#;
    let heard = answers(&therapist(rules), ["a x c", "a x", "a x", "a y b", "b"]);
    assert_eq!(heard, ["c after a x", "a itself: x", "Default one.", "a itself: y b", "b alone"]);
}

#[test]
fn answers_of_each_list_come_in_turn() {
    let rules = r#"
        [[keyword]]
        words = ["x"]
        rule = [{ match = "x", answers = ["1", "2", "3"] }, { match = "*", answers = ["other 1", "other 2"] }]
    "#;
    let therapist = therapist(rules);
    let heard = answers(&therapist, ["x", "x y", "x", "z", "x", "x", "x y", "z", "x y", "z"]);
    let expected =
        ["1", "other 1", "2", "Default one.", "3", "1", "other 2", "Default two.", "other 1", "Default one."];
    assert_eq!(heard, expected);
    assert_eq!(answers(&therapist, ["x", "x"]), ["1", "2"], "each patient has separate turns");
}

const MEMORY: &str = r#"
    [[keyword]]
    words = ["my"]
    rule = [{ match = "my +", answers = ["Yes: {1}."], remember = ["Once: your {1}.", "Before, {name}: your {1}."] }]
"#;

#[test]
fn a_memory_is_said_later_when_no_rule_fits() {
    let therapist = therapist(MEMORY);
    let heard = answers(&therapist, ["my cat saw me", "hm", "hm", "hm", "my cat", "my dog", "my dog", "hm", "", "hm"]);
    let expected = [
        "Yes: cat saw you.",
        "Default one.",
        "Once: your cat saw you.",
        "Default two.",
        "Yes: cat.",
        "Yes: dog.",
        "Yes: dog.",
        "Before, Ann: your cat.",
        "Default one.",
        "Once: your dog.",
    ];
    assert_eq!(heard, expected);
}

#[test]
fn a_talk_goes_on_from_where_it_was_stored() {
    let lines = ["my cat", "my dog", "don't", "hm", "my cow", "hm", "hm", "hm", "bye"];
    let therapist = therapist(MEMORY);
    let expected = answers(&therapist, lines);
    for stop in 0..lines.len() {
        let mut conversation = ann();
        let mut heard = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            if index == stop {
                let stored = toml::to_string(&conversation).expect("plain data");
                conversation = toml::from_str(&stored).expect("what was stored");
            }
            heard.push(therapist.answer(&mut conversation, line).text);
        }
        assert_eq!(heard, expected, "stored before line {stop}");
    }
}

#[test]
fn a_talk_survives_a_change_of_the_script() {
    let mut conversation = ann();
    let therapists = [Therapist::built_in(), therapist(MEMORY), therapist("")];
    for therapist in therapists.iter().chain(therapists.iter().rev()) {
        assert!(!therapist.greet(&mut conversation).is_empty());
        for line in ["my cat", "bye", "", "I hate my mother", "hm"] {
            assert!(!therapist.answer(&mut conversation, line).text.is_empty());
        }
    }
}

#[test]
fn a_goodbye_is_in_the_first_or_last_clause() {
    let therapist = therapist("");
    let mut conversation = ann();
    let mut is_farewell = |line| therapist.answer(&mut conversation, line).is_farewell;
    for line in ["bye", "BYE!!!", "\"Bye.\"", "well, bye", "bye, and thanks", "cheers doc", "no but bye doctor"] {
        assert!(is_farewell(line), "{line}");
    }
    for line in ["", "bye now", "he said: bye, and left", "goodbye", "doctor"] {
        assert!(!is_farewell(line), "{line}");
    }
    assert_eq!(answers(&therapist, ["bye", "bye", "bye"]), ["Bye Ann.", "Bye bye Ann.", "Bye Ann."]);
}

#[test]
fn a_second_visit_gets_another_greeting() {
    let mut conversation = ann();
    let simple = therapist("");
    assert_eq!(simple.ask_name(), "Name?");
    assert_eq!(simple.greet(&mut conversation), "Hello Ann.");
    assert_eq!(simple.greet(&mut conversation), "Hello again, stranger.", "without welcome_back, the greetings go on");
    let full =
        Therapist::parse(TOP.replace("farewell", "welcome_back = ['Back, {name}?']\nsilence = ['...?']\nfarewell"));
    let full = full.expect("a script");
    assert_eq!(full.greet(&mut conversation), "Back, Ann?");
    assert_eq!(full.greet(&mut ann()), "Hello Ann.");
    assert_eq!(answers(&full, ["", "hm"]), ["...?", "Default one."]);
    assert_eq!(answers(&simple, [" \t", "?"]), ["Default one.", "Default two."], "without silence, a default");
}

#[test]
fn replacements_breaks_and_capitals_work_together() {
    let rules = r#"
        [[keyword]]
        words = ["not", "the"]
        rule = [{ match = "* not *", answers = ["<{1}> <{2}>"] }, { match = "the +.", answers = ["{1}!"] }]
    "#;
    let heard =
        answers(&therapist(rules), ["Red things I Don’t like", "The Doc.", "THE DOC BUT NOT ME", "the x but y"]);
    assert_eq!(heard, ["<red things you do> <like>", "Doctor!", "<> <you>", "Default one."]);
}
