//! What a session is owed and has said, as a handler's own books have it: the model that the reactor is held to.

use std::collections::BTreeMap;
use std::time::Instant;

use switchboard::{Closed, TimerId, Token};

use super::machine::Act;

/// How far a session has come.
#[derive(Debug)]
pub(super) enum Life {
    Open,
    /// The handler has closed it: all that it is owed is to reach its peer.
    Closing,
    /// The handler has ended it at once: some of what it is owed may reach its peer.
    Cut,
    /// It was told to be over.
    Over {
        why: Closed,
        debt: Debt,
    },
}

/// How much of what a session was owed has to reach a peer that reads, now that it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Debt {
    /// All: the handler closed it, and nothing else had ended it before.
    All,
    /// All that it was owed when the reactor closed it, which the handler was told later.
    Known,
    /// Nothing: it was ended at once.
    Nothing,
}

/// The books of one session.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) token: Token,
    pub(super) life: Life,
    /// All that was sent to it while it was open, in order: replies, what others sent, what was published.
    pub(super) owed: Vec<u8>,
    /// All of its input that was used.
    pub(super) heard: Vec<u8>,
    /// The number of the feed that it follows.
    pub(super) follows: Option<usize>,
    /// Our side was shut down.
    pub(super) is_mute: bool,
    /// Its peer's side has ended, and it was told so.
    pub(super) has_ended: bool,
    /// What follows the job under way.
    pub(super) job: Option<Act>,
    /// Until when it is shown no input for certain, and until when perhaps.
    rests_until: Option<Instant>,
    may_rest_until: Option<Instant>,
    pub(super) timers: BTreeMap<TimerId, (Instant, Act)>,
    /// What follows its end.
    pub(super) last_will: Act,
}

impl Account {
    pub(super) fn new(token: Token, last_will: Act) -> Self {
        Account {
            token,
            life: Life::Open,
            owed: Vec::new(),
            heard: Vec::new(),
            follows: None,
            is_mute: false,
            has_ended: false,
            job: None,
            rests_until: None,
            may_rest_until: None,
            timers: BTreeMap::new(),
            last_will,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.life, Life::Open)
    }

    /// It asked to be shown no input for a while. While it rests that is passed over; in the moment in which a rest
    /// ends it may be, since what else is due then is told before or after.
    pub(super) fn rest(&mut self, now: Instant, until: Instant) {
        if self.may_rest_until.is_none_or(|old| old < now) {
            self.rests_until = Some(until);
            self.may_rest_until = Some(until);
        } else if !self.rests(now) {
            self.may_rest_until = self.may_rest_until.max(Some(until));
        }
    }

    pub(super) fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| until > now)
    }

    pub(super) fn may_rest(&self, now: Instant) -> bool {
        self.may_rest_until.is_some_and(|until| until > now)
    }

    /// Bytes were sent to it. Those sent to a session that is closing, or after our side was shut down, are dropped.
    pub(super) fn credit(&mut self, bytes: &[u8]) {
        if self.is_open() && !self.is_mute {
            self.owed.extend_from_slice(bytes);
        }
    }

    pub(super) fn close(&mut self) {
        if self.is_open() {
            self.life = Life::Closing;
        }
    }

    pub(super) fn cut(&mut self) {
        if matches!(self.life, Life::Open | Life::Closing) {
            self.life = Life::Cut;
        } else if let Life::Over { debt, .. } = &mut self.life {
            *debt = Debt::Nothing;
        }
    }

    /// The handler is told that it is over.
    pub(super) fn end(&mut self, why: Closed) {
        let was_closed = matches!(self.life, Life::Closing);
        let was_cut = matches!(self.life, Life::Cut);
        let by_handler = matches!(why, Closed::ByHandler);
        assert!(!matches!(self.life, Life::Over { .. }), "a session ends once");
        assert!(was_closed || was_cut || !by_handler, "the handler did not close it");
        let debt = match why {
            Closed::ByHandler if was_closed => Debt::All,
            Closed::Idle(_) | Closed::Stopping if !was_cut => Debt::Known,
            _ => Debt::Nothing,
        };
        self.life = Life::Over { why, debt };
    }

    /// How much of what it is owed has to have reached a peer that reads everything.
    pub(super) fn debt(&self) -> Debt {
        match self.life {
            Life::Open => Debt::All,
            // These are over as soon as the reactor has nothing left to do.
            Life::Closing | Life::Cut => panic!("a session was ended and not told of it"),
            Life::Over { debt, .. } => debt,
        }
    }
}
