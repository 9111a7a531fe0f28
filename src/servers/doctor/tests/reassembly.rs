//! Templates: how they are filled, and which ones are refused.

use super::super::reassembly::{MAX_PART, MAX_PART_TEXT, Template};
use super::super::vocabulary::clauses;
use super::*;

/// A template, filled with the parts `one`, nothing, and `é three`.
fn filled(text: &str) -> String {
    let parts = ["one", "", "é three"].map(str::to_owned);
    Template::parse(text, 3).expect("a template").fill(&parts, "Ann")
}

#[test]
fn gaps_are_filled() {
    assert_eq!(filled("Why {1} and {3}, {name}?"), "Why one and é three, Ann?");
    assert_eq!(filled("No gaps."), "No gaps.");
}

#[test]
fn an_empty_part_leaves_no_hole() {
    assert_eq!(filled("Why {2}?"), "Why?");
    assert_eq!(filled("Why {2} now?"), "Why now?");
    assert_eq!(filled("{2} and then?"), "and then?");
    assert_eq!(filled("And {2}"), "And");
}

#[test]
fn a_part_that_opens_a_sentence_gets_a_capital() {
    assert_eq!(filled("{1}? {3}! You say {1}."), "One? É three! You say one.");
}

#[test]
fn a_wrong_template_is_refused_with_a_remedy() {
    for (text, parts, remedy) in [
        ("", 1, "an answer needs text outside of its braces: add some"),
        (" {1} ", 1, "an answer needs text outside of its braces: add some"),
        ("a\nb", 1, "an answer is one line without control characters: remove them"),
        ("a\u{202E}b", 1, "an answer is one line without control characters: remove them"),
        ("{1", 1, "a { without a }: write {1} or {name}"),
        ("1}", 1, "a } without a {: write {1} or {name}"),
        ("{2}", 1, "{2}: the pattern has one part; write {1}"),
        ("{0}", 1, "{0}: the pattern has one part; write {1}"),
        ("{3}", 2, "{3}: the pattern has 2 parts; write {1} to {2}"),
        ("{x}", 2, "{x} has no meaning: write {1} for the first part, or {name} for the patient"),
        ("{1}", 0, "{1}: there are no parts here; only a rule with *, +, _ or @GROUP in its pattern has"),
    ] {
        assert_eq!(Template::parse(text, parts).expect_err(text), remedy);
    }
}

#[test]
fn a_template_that_can_become_too_long_is_refused() {
    let text = "x".repeat(MAX_ANSWER);
    Template::parse(&text, 0).expect("exactly the limit");
    let error = Template::parse(&format!("{text}y"), 0).expect_err("a byte more");
    assert!(error.starts_with("this answer can become 1025 bytes long, and the limit is 1024"), "{error}");
    Template::parse(&format!("{}{{1}}{{1}}", "x".repeat(MAX_ANSWER - 2 * MAX_PART)), 1).expect("two parts fit");
    Template::parse("{1}{1}{1}{1}?", 1).expect_err("a byte more than four parts");
    Template::parse(&format!("{}{{name}}", "x".repeat(MAX_ANSWER - MAX_NAME)), 0).expect("a name fits");
}

/// The clauses of a line, reflected by a few phrases.
fn reflected(line: &str) -> String {
    let phrases =
        "reflect = { i = 'you', my = 'your', you = 'I', 'you.' = 'me', 'you are' = 'I am', 'love you' = 'love me' }";
    let vocabulary = script(phrases).vocabulary;
    let words = vocabulary.read(line);
    clauses(&words).iter().map(|clause| vocabulary.reflect(clause)).collect::<Vec<_>>().join(" | ")
}

#[test]
fn no_word_is_reflected_twice() {
    assert_eq!(reflected("I know my Anna"), "you know your Anna");
    assert_eq!(reflected("you know that i know that you know"), "I know that you know that I know");
}

#[test]
fn the_longest_phrase_goes_first_and_the_end_is_special() {
    assert_eq!(reflected("I think you are late"), "you think I am late");
    assert_eq!(reflected("I hate you"), "you hate me");
    assert_eq!(reflected("I love you dearly"), "you love me dearly");
    assert_eq!(reflected("I saw you, you saw"), "you saw me | I saw");
}

#[test]
fn long_parts_are_cut_at_words_and_words_at_characters() {
    let long = reflected(&"ähnlich ".repeat(200));
    assert!(long.len() <= MAX_PART && long.len() > MAX_PART - 20, "{}", long.len());
    assert!(long.ends_with("ähnlich…"), "{long}");
    let word = reflected(&"ß".repeat(2000));
    assert!(word.len() <= MAX_PART && word.ends_with("ß…"), "{word}");
    let just = "x".repeat(MAX_PART_TEXT);
    assert_eq!(reflected(&just), just);
    assert_eq!(reflected(&format!("{just} y")), format!("{just}…"));
}
