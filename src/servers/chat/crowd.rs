//! Crowds: a count of joins and leaves, in place of a notice for each.
//!
//! Invariant: in each second, at most [`Crowd::most`] joins and leaves have a notice of their own. The others are
//! counted, and one line follows at the end of that second. While a crowd comes or goes, a second has only that line.

use std::time::{Duration, Instant};

use crate::connection::timer_id::TimerId;
use crate::handler::context::Context;

/// Counts joins and leaves.
#[derive(Debug)]
pub(super) struct Crowd {
    /// The most joins and leaves of a second that have a notice of their own.
    most: usize,
    /// The end of the current second.
    end: Option<Instant>,
    /// Joins and leaves in the current second.
    count: usize,
    /// Those without a notice.
    tally: Tally,
    /// Fires at the end of the current second. Set while there are no notices.
    timer: Option<TimerId>,
}

/// The number of members that have joined and left without a notice of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) joined: u64,
    pub(super) left: u64,
}

/// The time for which joins and leaves are counted together.
const SECOND: Duration = Duration::from_secs(1);

impl Crowd {
    pub(super) fn new(most: usize) -> Self {
        Crowd { most, end: None, count: 0, tally: Tally::default(), timer: None }
    }

    /// Counts a join or a leave. Returns whether it has a notice of its own.
    pub(super) fn note(&mut self, is_join: bool, cx: &mut Context<'_>) -> bool {
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
        *if is_join { &mut self.tally.joined } else { &mut self.tally.left } += 1;
        false
    }

    /// If this is the timer of a crowd, ends its second. Returns what was counted, if anything was.
    pub(super) fn end_second(&mut self, timer: TimerId, cx: &mut Context<'_>) -> Option<Tally> {
        self.timer.take_if(|own| *own == timer)?;
        if self.count > self.most {
            // The crowd may not be over, so the next second begins without notices.
            self.count = 0;
            self.timer = Some(cx.set_service_timer(SECOND));
        }
        self.take()
    }

    /// Ends the count. Returns what was counted since the last line, if anything was.
    pub(super) fn stop(&mut self, cx: &mut Context<'_>) -> Option<Tally> {
        if let Some(timer) = self.timer.take() {
            cx.cancel_timer(timer);
        }
        self.most = usize::MAX;
        self.take()
    }

    fn take(&mut self) -> Option<Tally> {
        Some(std::mem::take(&mut self.tally)).filter(|tally| *tally != Tally::default())
    }
}
