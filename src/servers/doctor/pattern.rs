//! Decomposition: a pattern takes a clause apart.
//!
//! Invariant: matching never goes back behind a gap that it has passed. Each gap takes as few words as it can, and the
//! last one what is left, so a match is found if there is one, in at most as many comparisons as the clause has words
//! times the pattern has elements. No input makes it slower.

use std::ops::Range;
use std::sync::Arc;

use super::hearing::{Clause, Word};
use super::vocabulary::WordId;

/// What a pattern is written with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Single(Single),
    /// `*`: any number of words.
    Any,
    /// `+`: at least one word.
    More,
    /// `.` at the end: nothing follows in the line.
    End,
}

/// An element that takes exactly one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Single {
    /// This word.
    Word(WordId),
    /// `@NAME`: one of these words, in order of their numbers.
    Group(Arc<[WordId]>),
    /// `_`: any word.
    One,
}

/// What a clause is compared with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// What the clause begins with.
    head: Box<[Single]>,
    gaps: Box<[Gap]>,
    /// Whether nothing may follow the clause.
    is_final: bool,
    /// How many elements are parts.
    parts: usize,
}

/// A `*` or `+`, and what follows it up to the next one.
#[derive(Debug, PartialEq, Eq)]
struct Gap {
    /// The fewest words that it takes.
    least: usize,
    then: Box<[Single]>,
}

/// Words of a clause that a part of a pattern took.
pub(super) type Part = Range<usize>;

impl Pattern {
    pub(super) fn new(elements: &[Element]) -> Pattern {
        let mut runs: Vec<(usize, Vec<Single>)> = vec![(0, Vec::new())];
        for element in elements {
            match element {
                Element::Single(single) => runs.last_mut().expect("never empty").1.push(single.clone()),
                Element::Any => runs.push((0, Vec::new())),
                Element::More => runs.push((1, Vec::new())),
                Element::End => {}
            }
        }
        let literals = runs.iter().flat_map(|(_, run)| run).filter(|single| matches!(single, Single::Word(_))).count();
        let is_final = elements.last() == Some(&Element::End);
        let parts = elements.len() - literals - usize::from(is_final);
        let mut gaps = runs.into_iter().map(|(least, run)| Gap { least, then: run.into() });
        let head = gaps.next().map(|gap| gap.then).unwrap_or_default();
        Pattern { head, gaps: gaps.collect(), is_final, parts }
    }

    /// How many parts a match has.
    pub(super) fn parts(&self) -> usize {
        self.parts
    }

    /// The parts in order, if the whole clause matches.
    pub(super) fn take_apart(&self, clause: Clause<'_, '_>) -> Option<Vec<Part>> {
        let words = clause.words;
        if (self.is_final && !clause.is_last) || !fits(&self.head, words, 0) {
            return None;
        }
        let mut parts = Vec::new();
        note(&self.head, 0, &mut parts);
        let mut at = self.head.len();
        let Some((last, gaps)) = self.gaps.split_last() else {
            return (at == words.len()).then_some(parts);
        };
        for gap in gaps {
            let after = (at + gap.least..=words.len()).find(|&after| fits(&gap.then, words, after))?;
            at = gap.close(at..after, &mut parts);
        }
        let after = words.len().checked_sub(last.then.len())?;
        if after < at + last.least || !fits(&last.then, words, after) {
            return None;
        }
        last.close(at..after, &mut parts);
        Some(parts)
    }
}

impl Gap {
    /// Notes the parts of a gap that took these words. Returns where the next gap begins.
    fn close(&self, took: Part, parts: &mut Vec<Part>) -> usize {
        let after = took.end;
        parts.push(took);
        note(&self.then, after, parts);
        after + self.then.len()
    }
}

/// Whether these elements are met, in order, from a place on.
fn fits(run: &[Single], words: &[Word<'_>], at: usize) -> bool {
    words.get(at..at + run.len()).is_some_and(|words| run.iter().zip(words).all(|(single, word)| is_met(single, word)))
}

fn is_met(single: &Single, word: &Word<'_>) -> bool {
    #[cfg(test)]
    tests::COMPARISONS.with(|count| count.set(count.get() + 1));
    match single {
        Single::Word(id) => word.id == Some(*id),
        Single::Group(ids) => word.id.is_some_and(|id| ids.binary_search(&id).is_ok()),
        Single::One => true,
    }
}

/// Notes the parts among elements that were met from a place on.
fn note(run: &[Single], at: usize, parts: &mut Vec<Part>) {
    let taken = run.iter().enumerate().filter(|(_, single)| !matches!(single, Single::Word(_)));
    parts.extend(taken.map(|(index, _)| at + index..at + index + 1));
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::super::hearing::Lexicon;
    use super::*;

    thread_local! {
        /// How many words were compared by this thread.
        pub(in super::super) static COMPARISONS: Cell<usize> = const { Cell::new(0) };
    }

    /// A lexicon with the letters, and a pattern of them; `@v` is the group of the vowels.
    fn prepare(pattern: &str) -> (Lexicon, Pattern) {
        let mut lexicon = Lexicon::default();
        let letters: Vec<_> = ('a'..='z').map(|letter| lexicon.vocabulary.add(&letter.to_string())).collect();
        let vowels: Arc<[WordId]> = "aeiou".bytes().map(|letter| letters[usize::from(letter - b'a')]).collect();
        let elements: Vec<_> = pattern
            .split_whitespace()
            .map(|text| match text {
                "*" => Element::Any,
                "+" => Element::More,
                "_" => Element::Single(Single::One),
                "." => Element::End,
                "@v" => Element::Single(Single::Group(vowels.clone())),
                word => Element::Single(Single::Word(lexicon.vocabulary.find(word).expect("a letter"))),
            })
            .collect();
        (lexicon, Pattern::new(&elements))
    }

    /// What the parts of a pattern take of the first clause of a line, in brackets.
    fn parts(pattern: &str, line: &str) -> Option<String> {
        let (lexicon, pattern) = prepare(pattern);
        let heard = lexicon.hear(line);
        let clause = heard.clauses().next().expect("a word");
        let parts = pattern.take_apart(clause)?;
        assert_eq!(parts.len(), pattern.parts());
        let texts = parts.into_iter().map(|part| {
            let words: Vec<_> = clause.words[part].iter().map(|word| &*word.text).collect();
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
    fn gaps_take_what_they_may() {
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
    fn nothing_makes_it_go_back() {
        let line = "a ".repeat(256);
        for text in
            ["* a * a * a * a * a * a * a b", "* a a a a a a a b * a", "+ a + a + a + a + a + a + b", "* b * b *"]
        {
            let (lexicon, pattern) = prepare(text);
            let heard = lexicon.hear(&line);
            COMPARISONS.set(0);
            assert_eq!(pattern.take_apart(heard.clauses().next().expect("a word")), None);
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
}
