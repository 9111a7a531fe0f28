//! The state of one link: whether it is connected, and the times at which something is done about it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::cursor::Cursor;

/// A link as the client sees it.
#[derive(Debug)]
pub(super) struct Link<E> {
    pub(super) state: LinkState,
    /// Bytes to be sent.
    pub(super) output: Vec<u8>,
    /// The answers that will follow, in order.
    pub(super) expected: VecDeque<E>,
    pub(super) cursor: Cursor,
    /// The time before the next attempt after a failure.
    back_off: Duration,
    /// Until then, the link is taken to work.
    pub(super) fine_until: Instant,
    /// The link is given up at this time, unless it answers.
    pub(super) give_up: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkState {
    /// An attempt follows at this time.
    Down {
        retry: Instant,
    },
    Connecting,
    /// Connected, while its set-up is not answered.
    SettingUp,
    Up,
    /// This server stops.
    Ended,
}

/// Back-off after a failure: the first time, doubled up to the longest one.
const FIRST_BACK_OFF: Duration = Duration::from_millis(100);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(2);

/// The time that a connection may take. The kernel repeats a lost SYN after 1 s.
const CONNECT_TIME: Duration = Duration::from_secs(3);

/// How long a link that is lost, or does not answer, is no outage.
pub(super) const GRACE: Duration = Duration::from_secs(1);

impl<E> Link<E> {
    /// A link that connects at once.
    pub(super) fn new(now: Instant) -> Self {
        Link {
            state: LinkState::Down { retry: now },
            output: Vec::new(),
            expected: VecDeque::new(),
            cursor: Cursor::default(),
            back_off: FIRST_BACK_OFF,
            fine_until: now + GRACE,
            give_up: None,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.state == LinkState::Up
    }

    /// Begins to connect.
    pub(super) fn connect(&mut self, now: Instant) {
        self.state = LinkState::Connecting;
        self.give_up = Some(now + CONNECT_TIME);
    }

    /// The link is connected.
    pub(super) fn open(&mut self, give_up: Instant) {
        self.state = LinkState::SettingUp;
        self.give_up = Some(give_up);
    }

    /// The link has worked for a while.
    pub(super) fn calm(&mut self) {
        self.back_off = FIRST_BACK_OFF;
    }

    /// The link is lost, or could not be made. What it has said last is worth nothing.
    pub(super) fn fail(&mut self, now: Instant) {
        self.state = LinkState::Down { retry: now + self.back_off };
        self.back_off = (self.back_off * 2).min(LONGEST_BACK_OFF);
        self.fine_until = self.fine_until.min(now + GRACE);
        self.end();
    }

    /// Forgets the connection.
    pub(super) fn end(&mut self) {
        self.output.clear();
        self.expected.clear();
        self.cursor.reset();
        self.give_up = None;
    }

    /// The next time at which something is done.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if let LinkState::Down { retry } = self.state { Some(retry) } else { self.give_up }
    }
}
