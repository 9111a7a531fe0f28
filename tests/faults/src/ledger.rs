//! The bytes that one hearer expects from one speaker, and the sum of many such ledgers.
//!
//! Invariant: every owed byte is heard once, in order, or counted as lost; every heard byte that is not the next one
//! owed, or one behind a gap, is counted as wrong. Knows lines only: who cuts them out of the stream is another part.

use crate::kind::Kind;
use crate::{site, speech};

/// Bytes, and the first thing that was wrong with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) owed: u64,
    pub(crate) lost: u64,
    pub(crate) wrong: u64,
    /// What happened first, in words.
    pub(crate) first: Option<String>,
}

impl Tally {
    pub(crate) fn wrong(&mut self, bytes: usize, what: impl FnOnce() -> String) {
        self.wrong += bytes as u64;
        self.first.get_or_insert_with(what);
    }

    fn lost(&mut self, bytes: usize, what: impl FnOnce() -> String) {
        self.lost += bytes as u64;
        self.first.get_or_insert_with(what);
    }

    /// Adds another one to this one.
    pub(crate) fn add(&mut self, other: Tally) {
        self.owed += other.owed;
        self.lost += other.lost;
        self.wrong += other.wrong;
        self.first = self.first.take().or(other.first);
    }
}

/// What one hearer is owed of one speaker.
#[derive(Debug)]
pub(crate) struct Ledger {
    kind: Kind,
    speaker: usize,
    said: u64,
    /// The number of the next line to be heard.
    next: u64,
}

impl Ledger {
    pub(crate) fn new(kind: Kind, speaker: usize) -> Self {
        Ledger { kind, speaker, said: 0, next: 0 }
    }

    /// The speaker has said one more line.
    pub(crate) fn owe(&mut self, tally: &mut Tally) {
        tally.owed += self.length(self.said) as u64;
        self.said += 1;
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.next == self.said
    }

    /// A line of this speaker, without its end. Returns its number if it was owed.
    pub(crate) fn hear(&mut self, line: &str, tally: &mut Tally) -> Option<u64> {
        let number = line.get(self.kind.mark(self.speaker).len()..).and_then(speech::number);
        let name = || speech::name(self.speaker);
        match number {
            Some(number) if line != self.kind.heard(self.speaker, number) => {
                tally.wrong(line.len() + 1, || format!("line {number} of {} was changed: {line:?}", name()));
            }
            Some(number) if number < self.next => {
                tally.wrong(line.len() + 1, || format!("line {number} of {} came again, or late", name()));
            }
            Some(number) if number >= self.said => {
                tally.wrong(line.len() + 1, || format!("line {number} of {} was never said", name()));
            }
            Some(number) => {
                self.skip(number, tally);
                self.next = number + 1;
                return Some(number);
            }
            None => tally.wrong(line.len() + 1, || format!("{} never said {line:?}", name())),
        }
        None
    }

    /// The page of an answer. Answers have the order of the requests. Returns the number of the request if it was owed.
    pub(crate) fn hear_page(&mut self, page: &[u8], tally: &mut Tally) -> Option<u64> {
        let (number, name) = (self.next, || speech::name(self.speaker));
        if number >= self.said {
            tally.wrong(page.len(), || format!("{} got an answer without a request", name()));
            return None;
        }
        self.next += 1;
        if page != site::page(number).as_bytes() {
            tally.wrong(page.len(), || format!("{} got another page than {}", name(), site::path(number)));
            return None;
        }
        Some(number)
    }

    /// What has not been heard by now never will be.
    pub(crate) fn close(&mut self, tally: &mut Tally) {
        self.skip(self.said, tally);
        self.next = self.said;
    }

    fn skip(&self, until: u64, tally: &mut Tally) {
        for number in self.next..until {
            tally.lost(self.length(number), || format!("line {number} of {} was lost", speech::name(self.speaker)));
        }
    }

    fn length(&self, number: u64) -> usize {
        self.kind.owed(self.speaker, number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEAKER: usize = 3;

    /// Five lines are owed, and the lines with these numbers are heard.
    fn heard(kind: Kind, numbers: &[u64]) -> (Tally, Vec<u64>) {
        let (mut ledger, mut tally) = (Ledger::new(kind, SPEAKER), Tally::default());
        (0..5).for_each(|_| ledger.owe(&mut tally));
        let taken =
            numbers.iter().filter_map(|number| ledger.hear(&kind.heard(SPEAKER, *number), &mut tally)).collect();
        ledger.close(&mut tally);
        assert!(ledger.is_settled());
        (tally, taken)
    }

    fn length(kind: Kind, number: u64) -> u64 {
        kind.heard(SPEAKER, number).len() as u64 + 1
    }

    #[test]
    fn what_is_owed_and_heard_is_well() {
        for kind in [Kind::Echo, Kind::Uppercase, Kind::Chat] {
            let (tally, taken) = heard(kind, &[0, 1, 2, 3, 4]);
            let owed = (0..5).map(|number| length(kind, number)).sum();
            assert_eq!(tally, Tally { owed, ..Tally::default() });
            assert_eq!(taken, [0, 1, 2, 3, 4]);
        }
    }

    #[test]
    fn a_lost_line_is_found_in_the_middle_and_at_the_end() {
        let (tally, _) = heard(Kind::Chat, &[0, 2, 3]);
        assert_eq!((tally.lost, tally.wrong), (length(Kind::Chat, 1) + length(Kind::Chat, 4), 0));
        assert_eq!(tally.first.as_deref(), Some("line 1 of polite03 was lost"));
    }

    #[test]
    fn a_doubled_line_and_one_out_of_order_are_wrong() {
        let (tally, taken) = heard(Kind::Echo, &[0, 1, 1, 2, 3, 4]);
        assert_eq!((tally.lost, tally.wrong, taken.len()), (0, length(Kind::Echo, 1), 5));
        let (tally, _) = heard(Kind::Echo, &[0, 2, 1, 3, 4]);
        assert_eq!((tally.lost, tally.wrong), (length(Kind::Echo, 1), length(Kind::Echo, 1)));
    }

    #[test]
    fn a_line_that_was_never_said_is_wrong() {
        let (tally, taken) = heard(Kind::Chat, &[0, 1, 2, 3, 4, 5]);
        assert_eq!((tally.lost, tally.wrong, taken.len()), (0, length(Kind::Chat, 5), 5));
    }

    #[test]
    fn a_changed_byte_is_wrong_wherever_it_is() {
        let line = Kind::Chat.heard(SPEAKER, 0);
        for place in line.char_indices().map(|(place, _)| place).filter(|place| line.is_char_boundary(place + 1)) {
            let mut changed = line.clone().into_bytes();
            changed[place] ^= 1;
            let changed = String::from_utf8(changed).expect("a bit of an ASCII character makes another one");
            let (mut ledger, mut tally) = (Ledger::new(Kind::Chat, SPEAKER), Tally::default());
            (0..2).for_each(|_| ledger.owe(&mut tally));
            assert_eq!(ledger.hear(&changed, &mut tally), None, "{changed:?}");
            assert_eq!(tally.wrong, length(Kind::Chat, 0), "{changed:?}");
        }
    }

    #[test]
    fn a_sum_keeps_the_first_word() {
        let (mut sum, _) = heard(Kind::Echo, &[0, 1, 2, 3, 4]);
        let (other, _) = heard(Kind::Echo, &[]);
        sum.add(other.clone());
        assert_eq!((sum.owed, sum.lost, sum.first), (2 * other.owed, other.owed, other.first));
    }
}
