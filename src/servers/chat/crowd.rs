//! Crowds: a count of joins and leaves, in place of an event for each.
//!
//! Invariant: in each second, at most [`Crowd::most`] joins and leaves of a room have an event of their own. The others
//! are counted, and one event follows at the end of that second. While a crowd comes or goes, a second has only that
//! event.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::connection::timer_id::TimerId;
use crate::handler::context::Context;

use super::room::Tally;

/// Counts joins and leaves.
#[derive(Debug)]
pub(super) struct Crowd {
    /// The most joins and leaves of a second that have an event of their own.
    most: usize,
    /// The end of the current second.
    end: Option<Instant>,
    /// Joins and leaves in the current second.
    count: usize,
    /// Those without an event.
    joined: u64,
    left: u64,
    /// The nicknames that are new since the last event, and those that are gone.
    newcomers: BTreeSet<Arc<str>>,
    leavers: BTreeSet<Arc<str>>,
    /// Fires at the end of the current second. Set while there are no events.
    timer: Option<TimerId>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Join,
    Leave,
}

/// The time for which joins and leaves are counted together.
const SECOND: Duration = Duration::from_secs(1);

impl Crowd {
    pub(super) fn new(most: usize) -> Self {
        let (newcomers, leavers) = (BTreeSet::new(), BTreeSet::new());
        Crowd { most, end: None, count: 0, joined: 0, left: 0, newcomers, leavers, timer: None }
    }

    /// Counts a join or a leave. Returns whether it has an event of its own.
    pub(super) fn note(&mut self, change: Change, nick: &str, cx: &mut Context<'_>) -> bool {
        let end = self.end.filter(|&end| self.timer.is_some() || cx.now() < end).unwrap_or_else(|| {
            self.count = 0;
            cx.now() + SECOND
        });
        self.end = Some(end);
        self.count += 1;
        if self.timer.is_none() {
            if self.count <= self.most {
                return true;
            }
            self.timer = Some(cx.set_service_timer(end.saturating_duration_since(cx.now())));
        }
        let (count, to, from) = match change {
            Change::Join => (&mut self.joined, &mut self.newcomers, &mut self.leavers),
            Change::Leave => (&mut self.left, &mut self.leavers, &mut self.newcomers),
        };
        *count += 1;
        // A page that has entered since may list a nickname that comes and goes within the second, so it is named.
        from.remove(nick);
        to.insert(nick.into());
        false
    }

    /// Whether the next join or leave has an event of its own, if it comes now.
    pub(super) fn shows_next(&self, cx: &Context<'_>) -> bool {
        let count = if self.end.is_some_and(|end| cx.now() < end) { self.count } else { 0 };
        self.timer.is_none() && count < self.most
    }

    /// A member has an event with its new nickname. The old one is known from the members, unless it is counted here.
    pub(super) fn rename(&mut self, old: &str, new: &str) {
        self.leavers.remove(new);
        if self.newcomers.remove(old) {
            self.newcomers.insert(new.into());
        }
    }

    /// If this is the timer of a crowd, ends its second. Returns what was counted, if anything was.
    pub(super) fn end_second(&mut self, timer: TimerId, cx: &mut Context<'_>) -> Option<Tally> {
        self.timer.take_if(|own| *own == timer)?;
        if self.count > self.most {
            // The crowd may not be over, so the next second begins without events.
            self.count = 0;
            self.timer = Some(cx.set_service_timer(SECOND));
        }
        self.take()
    }

    /// Ends the count. Returns what was counted since the last event, if anything was.
    pub(super) fn stop(&mut self, cx: &mut Context<'_>) -> Option<Tally> {
        if let Some(timer) = self.timer.take() {
            cx.cancel_timer(timer);
        }
        self.most = usize::MAX;
        self.take()
    }

    /// Ends the count of this second, but not the second. Returns what was counted since the last event.
    pub(super) fn take(&mut self) -> Option<Tally> {
        let (joined, left) = (std::mem::take(&mut self.joined), std::mem::take(&mut self.left));
        let newcomers = std::mem::take(&mut self.newcomers).into_iter().collect();
        let leavers = std::mem::take(&mut self.leavers).into_iter().collect();
        (joined + left > 0).then_some(Tally { joined, left, newcomers, leavers })
    }
}
