//! The turnstile: how often newcomers of one host may join.
//!
//! Invariants: the newcomers of a host that wait join one by one, those with a peer that has ended its side last, and
//! otherwise in the order of their requests. The first of them has a timer, and no other newcomer of its host joins
//! before it. A newcomer leaves at once if its peer resets the connection. A host is kept while a newcomer waits or a
//! part of its burst is used.

use std::collections::{BTreeMap, HashMap};

use crate::connection::origin::Peer;
use crate::connection::timer_id::TimerId;
use crate::connection::token::Token;
use crate::handler::context::Context;
use crate::state::admission::HostKey;
use crate::state::rate::{Bucket, Rate};

/// Limits how often newcomers of one host may join.
#[derive(Debug)]
pub(super) struct Turnstile {
    rate: Option<Rate>,
    /// All peers of Unix sockets are one host, `None`.
    hosts: HashMap<Option<HostKey>, Host>,
    next_ticket: u64,
    /// Number of hosts at which those without a use are dropped.
    sweep_at: usize,
}

#[derive(Debug, Default)]
struct Host {
    bucket: Bucket,
    waiting: BTreeMap<Place, Token>,
    /// The timer of the first newcomer that waits.
    timer: Option<TimerId>,
}

/// A place among the newcomers of one host. A script that connects, writes and closes has a place behind the people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    is_peer_ending: bool,
    ticket: u64,
}

/// Number of hosts below which none is dropped.
const MIN_SWEEP: usize = 1024;

impl Turnstile {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Turnstile { rate, hosts: HashMap::new(), next_ticket: 0, sweep_at: MIN_SWEEP }
    }

    /// Lets the newcomer of this connection pass and returns `None`, or gives it a place. At its turn, its timer fires.
    pub(super) fn enter(&mut self, token: Token, peer: Peer, cx: &mut Context<'_>) -> Option<Place> {
        let rate = self.rate?;
        self.sweep(cx);
        let host = self.hosts.entry(key(peer)).or_default();
        if host.waiting.is_empty() && host.bucket.try_take(&rate, cx.now()) {
            return None;
        }
        let place = Place { is_peer_ending: cx.is_peer_ending(), ticket: self.next_ticket };
        self.next_ticket += 1;
        host.waiting.insert(place, token);
        host.call_first(&rate, cx);
        Some(place)
    }

    /// Lets the newcomer pass whose timer has fired, if it is first. Returns its new place if it waits on.
    pub(super) fn turn(&mut self, place: Place, peer: Peer, cx: &mut Context<'_>) -> Option<Place> {
        let rate = self.rate?;
        let host = self.hosts.get_mut(&key(peer))?;
        let token = host.waiting.remove(&place)?;
        let place = Place { is_peer_ending: cx.is_peer_ending(), ..place };
        let is_first = host.waiting.first_key_value().is_none_or(|(first, _)| place < *first);
        let passes = is_first && host.bucket.try_take(&rate, cx.now());
        if !passes {
            host.waiting.insert(place, token);
        }
        host.call_first(&rate, cx);
        (!passes).then_some(place)
    }

    /// Frees the place of a newcomer that has gone.
    pub(super) fn leave(&mut self, place: Place, peer: Peer, cx: &mut Context<'_>) {
        if let (Some(rate), Some(host)) = (self.rate, self.hosts.get_mut(&key(peer))) {
            host.waiting.remove(&place);
            host.call_first(&rate, cx);
        }
    }

    /// Drops the hosts without a use, if there are twice as many as the last sweep has left.
    fn sweep(&mut self, cx: &Context<'_>) {
        if self.hosts.len() >= self.sweep_at {
            self.hosts.retain(|_, host| !host.waiting.is_empty() || !host.bucket.is_full(cx.now()));
            self.sweep_at = (2 * self.hosts.len()).max(MIN_SWEEP);
        }
    }
}

impl Host {
    /// Sets the timer of the newcomer that is first now.
    fn call_first(&mut self, rate: &Rate, cx: &mut Context<'_>) {
        if let Some(timer) = self.timer.take() {
            cx.cancel_timer(timer);
        }
        if let Some((_, &first)) = self.waiting.first_key_value() {
            self.timer = Some(cx.set_timer_of(first, self.bucket.wait(rate, cx.now())));
        }
    }
}

fn key(peer: Peer) -> Option<HostKey> {
    if let Peer::Inet(address) = peer { Some(HostKey::of(address.ip())) } else { None }
}
