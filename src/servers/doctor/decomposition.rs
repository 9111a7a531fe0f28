//! Decomposition: a pattern divides a clause into parts.
//!
//! Invariant: matching never goes back behind a gap that it has passed. Each gap takes as few words as possible, and
//! the last one takes the rest. This finds a match if there is one, with at most as many comparisons as the clause has
//! words times the pattern has elements.

use std::sync::Arc;

use super::vocabulary::{Word, WordId};

/// A decomposition rule.
#[derive(Debug)]
pub(super) struct Pattern {
    /// At least one.
    pub(super) elements: Vec<Element>,
    /// Whether the clause has to be the last one of its line.
    pub(super) is_final: bool,
}

/// An element of a pattern. All except [`Word`](Self::Word) are parts.
#[derive(Debug)]
pub(super) enum Element {
    Word(WordId),
    /// `@NAME`: one of these words, sorted by id.
    Group(Arc<[WordId]>),
    /// `_`: one word.
    One,
    /// `*` and `+`: at least this many words.
    Gap(usize),
}

impl Pattern {
    /// The number of parts of a match.
    pub(super) fn parts(&self) -> usize {
        self.elements.iter().filter(|element| !matches!(element, Element::Word(_))).count()
    }

    /// Returns the parts in order, if the words of a clause match as a whole.
    pub(super) fn decompose<'a>(&self, words: &'a [Word<'a>]) -> Option<Vec<&'a [Word<'a>]>> {
        if self.is_final && words.first()?.clause > 0 {
            return None;
        }
        let (mut parts, mut end) = (Vec::new(), 0);
        // A run is a gap and the single words after it. Only the first run can lack a gap.
        let mut runs = self.elements.chunk_by(|_, next| !matches!(next, Element::Gap(_))).peekable();
        while let Some(run) = runs.next() {
            let (gap, singles) =
                if let [Element::Gap(least), rest @ ..] = run { (Some(least), rest) } else { (None, run) };
            let room = words.len().checked_sub(singles.len())?;
            let earliest = end + gap.unwrap_or(&0);
            let earliest = if runs.peek().is_none() { earliest.max(room) } else { earliest };
            let latest = if gap.is_some() { room } else { 0 };
            let start = (earliest..=latest).find(|&start| fits(singles, &words[start..]))?;
            parts.extend(gap.map(|_| &words[end..start]));
            end = start + singles.len();
            let taken = singles.iter().zip(words[start..end].chunks(1));
            parts.extend(taken.filter(|(single, _)| !matches!(single, Element::Word(_))).map(|(_, word)| word));
        }
        Some(parts)
    }
}

/// Whether the words begin with words that these elements accept.
fn fits(singles: &[Element], words: &[Word<'_>]) -> bool {
    singles.iter().zip(words).all(|(single, word)| {
        #[cfg(test)]
        super::tests::decomposition::COMPARISONS.with(|count| count.set(count.get() + 1));
        match single {
            Element::Word(id) => word.id == Some(*id),
            Element::Group(ids) => word.id.is_some_and(|id| ids.binary_search(&id).is_ok()),
            Element::One | Element::Gap(_) => true,
        }
    })
}
