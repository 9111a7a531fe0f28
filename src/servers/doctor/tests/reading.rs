//! What the vocabulary reads of a line: words, clauses, replacements, capitals.

use super::super::vocabulary::{Token, Vocabulary, clauses, tokens};
use super::*;

fn vocabulary() -> Vocabulary {
    let words = "breaks = ['but']\nplain = ['my']\nreplace = { \"don't\" = 'do not' }";
    script(words).vocabulary
}

/// The clauses of a line, with a bar between them.
fn read(line: &str) -> String {
    let vocabulary = vocabulary();
    let words = vocabulary.read(line);
    let clauses: Vec<_> = clauses(&words)
        .iter()
        .map(|clause| clause.iter().map(|word| &*word.text).collect::<Vec<_>>().join(" "))
        .collect();
    clauses.join(" | ")
}

#[test]
fn punctuation_and_some_words_divide_a_line() {
    assert_eq!(
        read("one two. three, four;five!six?seven: eight"),
        "one two | three | four | five | six | seven | eight"
    );
    assert_eq!(read("one but two BUT three"), "one | two | three");
    assert_eq!(read("one - two -- three — four–five… six"), "one | two | three | four | five | six");
    assert_eq!(read("你好，世界。再见"), "你好 | 世界 | 再见");
    assert_eq!(read("¿qué? ¡nada!"), "qué | nada");
    for nothing in ["", "  \t ", "...", "?!", " - ", "()", "''", "\"", "but", ":-)", "*"] {
        assert_eq!(read(nothing), "", "{nothing:?}");
    }
}

#[test]
fn numbers_and_compounds_are_words() {
    assert_eq!(read("at 12:30 I paid 10,000.50."), "at 12:30 I paid 10,000.50");
    assert_eq!(read("self-esteem rock'n'roll C++ 50% you & me"), "self-esteem rock'n'roll C++ 50% you & me");
}

#[test]
fn quotes_and_brackets_are_not_part_of_a_word() {
    assert_eq!(read("(so \"called\" 'friends') *sigh* [x] “y” «z»"), "so called friends sigh x y z");
    assert_eq!(read("it's my parents' house"), "it's my parents' house");
    assert_eq!(read("'dogs'"), "dogs");
    assert_eq!(read("I see 👋🏽 😀 мир"), "I see 👋🏽 😀 мир");
}

#[test]
fn words_are_replaced_before_anything_else() {
    assert_eq!(read("I Don’t know"), "I do not know");
}

#[test]
fn a_known_word_loses_its_first_capital_and_a_name_does_not() {
    assert_eq!(read("My Anna. My Bob, My Eve"), "my Anna | my Bob | My Eve");
    assert_eq!(read("Anna is my sister"), "Anna is my sister");
}

#[test]
fn a_shouted_line_is_read_in_small_letters() {
    assert_eq!(read("MY ÄRGER IS BIG!!!"), "my ärger is big");
    assert_eq!(read("I LIKE it"), "I LIKE it", "one small letter is enough");
    assert_eq!(read("NASA"), "NASA", "a single word may be a name");
    assert_eq!(read("I A 5"), "I A 5");
}

#[test]
fn control_characters_are_spaces() {
    assert_eq!(read("a\u{0}b\nc\u{2028}d\u{85}e\u{1b}f"), "a b c d e f");
}

#[test]
fn words_beyond_the_limit_are_ignored() {
    let vocabulary = vocabulary();
    for line in ["x ".repeat(1000), "don't ".repeat(1000), "x,".repeat(1000)] {
        let words = vocabulary.read(&line);
        assert_eq!(words.len(), MAX_WORDS);
        assert!(words.last().is_some_and(|word| word.clause == 0));
        assert_eq!(tokens(&line).filter(|token| matches!(token, Token::Word(_))).count(), MAX_WORDS);
    }
    assert!(vocabulary.read(&",.".repeat(1000)).is_empty());
    assert_eq!(read(",;a.,b"), "a | b");
}

#[test]
fn case_composition_and_apostrophes_do_not_matter() {
    let mut words = Vocabulary::default();
    let don = words.add("don't");
    for typed in ["DON'T", "Don’t", "don`t", "don´t", "donʼt"] {
        assert_eq!(words.find(typed), Some(don), "{typed}");
    }
    let mother = words.add("Mütter");
    assert_eq!(words.find("MU\u{308}TTER"), Some(mother));
    assert_eq!(words.find("mutter"), None);
    assert_ne!(don, mother);
}

#[test]
fn a_word_is_spelled_as_it_was_first() {
    let mut words = Vocabulary::default();
    let id = words.add("I");
    assert_eq!(words.add("i"), id);
    assert_eq!(words.entries[id].spelling, "I");
}
