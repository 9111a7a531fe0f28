//! Patterns: what matches, which parts it gives, and how many comparisons it takes.

use std::cell::Cell;

use proptest::prelude::*;

use super::super::vocabulary::clauses;
use super::*;

thread_local! {
    /// The number of words that this thread has compared.
    pub(in super::super) static COMPARISONS: Cell<usize> = const { Cell::new(0) };
}

/// A therapist whose `quit` is one pattern; `@v` is the group of the vowels.
fn quits_by(pattern: &str) -> Therapist {
    let top = TOP.replace("[\"bye\", \"@bye doctor\"]", &format!("['{pattern}']"));
    let top = top.replace("colour =", "v = ['a', 'e', 'i', 'o', 'u'], colour =");
    Therapist::parse(top).expect("a script")
}

/// The parts of the first clause of a line, in brackets.
fn parts(pattern: &str, line: &str) -> Option<String> {
    let therapist = quits_by(pattern);
    let words = therapist.vocabulary.read(line);
    let parts = therapist.quit[0].decompose(clauses(&words)[0])?;
    assert_eq!(parts.len(), therapist.quit[0].parts());
    let texts = parts.into_iter().map(|part| {
        let words: Vec<_> = part.iter().map(|word| &*word.text).collect();
        format!("[{}]", words.join(" "))
    });
    Some(texts.collect())
}

#[test]
fn words_match_themselves_in_order() {
    assert_eq!(parts("a b", "a b").as_deref(), Some(""));
    for other in ["a", "b a", "a b c", "x a b"] {
        assert_eq!(parts("a b", other), None, "{other}");
    }
}

#[test]
fn gaps_take_as_few_words_as_possible() {
    assert_eq!(parts("*", "x y").as_deref(), Some("[x y]"));
    assert_eq!(parts("* a *", "a").as_deref(), Some("[][]"));
    assert_eq!(parts("* a *", "x a y a z").as_deref(), Some("[x][y a z]"));
    assert_eq!(parts("* a", "a x a").as_deref(), Some("[a x]"));
    assert_eq!(parts("a + b", "a b b").as_deref(), Some("[b]"));
    assert_eq!(parts("a + b", "a b"), None);
    assert_eq!(parts("+ + +", "x y z w").as_deref(), Some("[x][y][z w]"));
    assert_eq!(parts("+ + +", "x y"), None);
    assert_eq!(parts("* + a", "x a").as_deref(), Some("[][x]"));
}

#[test]
fn single_words_and_groups_are_parts() {
    assert_eq!(parts("_ b @v", "x b e").as_deref(), Some("[x][e]"));
    assert_eq!(parts("_ b @v", "x b c"), None);
    assert_eq!(parts("* @v *", "x e a").as_deref(), Some("[x][e][a]"));
    assert_eq!(parts("* @v", "x 你"), None, "a word that no script knows is in no group");
}

#[test]
fn a_dot_is_the_end_of_the_line() {
    assert_eq!(parts("a .", "a").as_deref(), Some(""));
    assert_eq!(parts("a .", "a?!").as_deref(), Some(""));
    assert_eq!(parts("a .", "a, b"), None);
    assert_eq!(parts("* .", "x y").as_deref(), Some("[x y]"));
}

#[test]
fn matching_never_goes_back() {
    let line = "a ".repeat(256);
    for text in ["* a * a * a * a * a * a * a b", "* a a a a a a a b * a", "+ a + a + a + a + a + a + b", "* b * b *"] {
        let therapist = quits_by(text);
        let words = therapist.vocabulary.read(&line);
        COMPARISONS.set(0);
        assert!(therapist.quit[0].decompose(clauses(&words)[0]).is_none());
        let (count, elements) = (COMPARISONS.get(), text.split_whitespace().count());
        assert!(count > 0 && count <= 256 * elements, "{text}: {count}");
    }
}

/// The plain meaning of a pattern, which tries every length of every gap.
fn is_match(pattern: &[&str], words: &[&str]) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return words.is_empty() };
    let least = usize::from(*first != "*");
    let most = if matches!(*first, "*" | "+") { words.len() } else { 1 };
    (least..=most.min(words.len())).any(|taken| {
        let is_taken = match *first {
            "*" | "+" | "_" => true,
            "@v" => matches!(words[0], "a" | "e"),
            letter => words[0] == letter,
        };
        is_taken && is_match(rest, &words[taken..])
    })
}

proptest! {
    #[test]
    fn a_match_is_found_exactly_if_there_is_one(
        pattern in prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "+", "_", "@v"]), 1..7),
        words in prop::collection::vec(prop::sample::select(vec!["a", "b", "e", "x"]), 1..9),
    ) {
        let found = parts(&pattern.join(" "), &words.join(" "));
        prop_assert_eq!(found.is_some(), is_match(&pattern, &words));
    }
}
