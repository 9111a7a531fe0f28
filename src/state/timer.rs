//! Timers: set, cancel, and take those that are due.
//!
//! Invariants: a timer that was set is in the tree, was cancelled, or was taken once. Cancelling removes it at once, so
//! setting and cancelling a million times leaves nothing behind. Deadlines are monotonic. Two timers with the same
//! deadline are distinct, and fire in the order in which they were set.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::ops::Bound;
use std::time::{Duration, Instant};

use crate::connection::timer_id::TimerId;

/// The timers that are set, each with its target.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    origin: Instant,
    pending: BTreeMap<TimerId, T>,
    next: NonZeroU64,
    /// Number of the first timer that does not belong to this round.
    round: NonZeroU64,
    /// The last timer that this round has looked at, if it waits.
    last: Option<TimerId>,
    /// The timers that are due and wait, each with the number of rounds. Few timers do.
    waits: BTreeMap<TimerId, u32>,
    /// Number of timers at which the next sweep is due.
    sweep_at: usize,
}

/// Number of timers below which there is no sweep.
const MIN_SWEEP: usize = 1024;

/// Rounds that a timer waits at most. 128: with 64 KiB a turn, 8 MiB of input are read, which is more than Linux keeps
/// for one socket by default (tcp(7), `tcp_rmem`).
const MAX_WAIT: u32 = 128;

impl<T> Timers<T> {
    pub(crate) fn new(origin: Instant) -> Self {
        Timers {
            origin,
            pending: BTreeMap::new(),
            next: NonZeroU64::MIN,
            round: NonZeroU64::MAX,
            last: None,
            waits: BTreeMap::new(),
            sweep_at: MIN_SWEEP,
        }
    }

    /// Sets a timer. A deadline in the past is due at once, and one after 584 years is never due.
    pub(crate) fn set(&mut self, deadline: Instant, target: T) -> TimerId {
        let id = TimerId { due: self.nanos(deadline), number: self.next };
        self.next = self.next.saturating_add(1);
        self.pending.insert(id, target);
        id
    }

    /// The deadline of a timer.
    pub(crate) fn deadline(&self, id: TimerId) -> Instant {
        self.origin + Duration::from_nanos(id.due)
    }

    /// Cancels a timer. Returns its target, or `None` if it has fired or was cancelled before.
    pub(crate) fn cancel(&mut self, id: TimerId) -> Option<T> {
        self.pending.remove(&id)
    }

    /// Begins a round. A timer set from now on belongs to the next round.
    pub(crate) fn begin_round(&mut self) {
        self.round = self.next;
        self.last = None;
        if !self.waits.is_empty() {
            self.waits.retain(|id, _| self.pending.contains_key(id));
        }
    }

    /// Takes the earliest timer of this round that is due at `now`, unless `must_wait` is true for it: such a timer
    /// stays for a later round, but at most [`MAX_WAIT`] times. Call this until it returns `None`.
    ///
    /// A timer set since the round began is due no earlier than `now` and has a higher number, so it sorts last.
    pub(crate) fn pop_due(&mut self, now: Instant, must_wait: impl Fn(&T) -> bool) -> Option<(TimerId, T)> {
        let due = self.nanos(now);
        loop {
            let (&id, target) = match self.last {
                None => self.pending.first_key_value(),
                Some(last) => self.pending.range((Bound::Excluded(last), Bound::Unbounded)).next(),
            }?;
            if id.due > due || id.number >= self.round {
                return None;
            }
            if !must_wait(target) || self.waits.get(&id).is_some_and(|&rounds| rounds >= MAX_WAIT) {
                return self.pending.remove(&id).map(|target| (id, target));
            }
            *self.waits.entry(id).or_default() += 1;
            self.last = Some(id);
        }
    }

    /// Cancels the timers for which `keep` is false, if there are twice as many as the last sweep has left. So a sweep
    /// looks at each timer at most twice, on average.
    pub(crate) fn sweep(&mut self, mut keep: impl FnMut(&T) -> bool) {
        if self.pending.len() >= self.sweep_at {
            self.pending.retain(|_, target| keep(target));
            self.sweep_at = (2 * self.pending.len()).max(MIN_SWEEP);
        }
    }

    /// The earliest deadline, or `None` if no timer is set.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let (id, _) = self.pending.first_key_value()?;
        self.origin.checked_add(Duration::from_nanos(id.due))
    }

    /// The number of timers.
    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }

    fn nanos(&self, at: Instant) -> u64 {
        nanos_between(self.origin, at)
    }
}

fn nanos_between(origin: Instant, at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(origin).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: fn(&&str) -> bool = |_| false;
    const MS: Duration = Duration::from_millis(1);

    fn timers() -> (Instant, Timers<&'static str>) {
        let origin = Instant::now();
        (origin, Timers::new(origin))
    }

    #[test]
    fn fires_in_order_of_deadline_and_then_of_setting() {
        let (t0, mut timers) = timers();
        timers.set(t0 + 2 * MS, "late");
        timers.set(t0 + MS, "first");
        timers.set(t0 + MS, "second");
        let due: Vec<_> = std::iter::from_fn(|| timers.pop_due(t0 + 2 * MS, NEVER)).map(|(_, what)| what).collect();
        assert_eq!(due, ["first", "second", "late"]);
    }

    #[test]
    fn never_fires_early_and_fires_exactly_at_its_deadline() {
        let (t0, mut timers) = timers();
        let id = timers.set(t0 + MS, "a");
        assert_eq!(timers.pop_due(t0 + Duration::from_nanos(999_999), NEVER), None);
        assert_eq!(timers.pop_due(t0 + MS, NEVER), Some((id, "a")));
        assert_eq!(timers.pop_due(t0 + MS, NEVER), None);
    }

    #[test]
    fn a_deadline_before_the_origin_is_due_at_once() {
        let (t0, mut timers) = timers();
        let later = t0 + MS;
        let mut late = Timers::new(later);
        late.set(t0, "past");
        assert_eq!(late.pop_due(later, NEVER).map(|(_, what)| what), Some("past"));
        assert_eq!(timers.next_deadline(), None);
        timers.set(later, "b");
        assert_eq!(timers.next_deadline(), Some(later));
    }

    #[test]
    fn cancelling_is_real_and_happens_once() {
        let (t0, mut timers) = timers();
        let a = timers.set(t0 + MS, "a");
        let b = timers.set(t0 + MS, "b");
        assert_ne!(a, b);
        assert_eq!(timers.cancel(a), Some("a"));
        assert_eq!(timers.cancel(a), None);
        assert_eq!(timers.pop_due(t0 + MS, NEVER), Some((b, "b")));
        assert_eq!(timers.cancel(b), None);
        assert_eq!(timers.len(), 0);
    }

    #[test]
    fn what_is_armed_in_a_round_waits_for_the_next() {
        let (t0, mut timers) = timers();
        timers.set(t0, "old");
        timers.begin_round();
        timers.set(t0, "new");
        assert_eq!(timers.pop_due(t0, NEVER).map(|(_, what)| what), Some("old"));
        assert_eq!(timers.pop_due(t0, NEVER), None);
        timers.begin_round();
        assert_eq!(timers.pop_due(t0, NEVER).map(|(_, what)| what), Some("new"));
    }

    #[test]
    fn a_timer_that_must_wait_is_passed_over_and_can_be_cancelled() {
        let (t0, mut timers) = timers();
        let waits = timers.set(t0, "waits");
        let gone = timers.set(t0, "waits");
        timers.set(t0, "fires");
        timers.begin_round();
        let must_wait = |target: &&str| *target == "waits";
        assert_eq!(timers.pop_due(t0, must_wait).map(|(_, what)| what), Some("fires"));
        assert_eq!((timers.pop_due(t0, must_wait), timers.waits.len()), (None, 2));
        timers.cancel(gone);
        timers.begin_round();
        assert_eq!(timers.waits.len(), 1);
        assert_eq!(timers.pop_due(t0, |_| false), Some((waits, "waits")));
    }

    #[test]
    fn no_timer_waits_for_ever() {
        let (t0, mut timers) = timers();
        timers.set(t0, "waits");
        for _ in 0..MAX_WAIT {
            timers.begin_round();
            assert_eq!(timers.pop_due(t0, |_| true), None);
        }
        timers.begin_round();
        assert!(timers.pop_due(t0, |_| true).is_some());
    }

    #[test]
    fn a_million_rearmings_stay_flat() {
        let (t0, mut timers) = timers();
        let mut id = timers.set(t0, "idle");
        for round in 1..=1_000_000u32 {
            assert_eq!(timers.cancel(id), Some("idle"));
            id = timers.set(t0 + MS * round, "idle");
            assert_eq!(timers.len(), 1);
        }
        assert_eq!(timers.next_deadline(), Some(t0 + MS * 1_000_000));
    }
}
