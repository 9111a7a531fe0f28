//! The link handler: both links of a [`Bus`], beside the connections of the server that is on it.
//!
//! Invariants: what the bus says is passed on in callbacks of a link or of the service, never in one of a member. What
//! is asked for in one turn is sent together in the next one. All other output is sent when the callback ends that has
//! caused it.

use std::fmt::Display;
use std::io;
use std::mem::{Discriminant, discriminant};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::connection::closed::Closed;
use crate::connection::link::{Link, LinkLimits};
use crate::connection::origin::{Origin, Source, Via};
use crate::connection::timer_id::TimerId;
use crate::connection::token::Token;
use crate::framing::{Element, Frame, Framer, RespFramer, RespState};
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::net::Address;
use crate::state::throttle::Throttles;
use crate::workers::Done;

use super::{Bus, Fault, Heard, LinkKind, Step};

/// A server that is on a bus.
pub(crate) trait HearsBus: Handler {
    /// The client of the broker.
    fn bus(&mut self) -> &mut Bus;

    /// Handles what the bus says. It may ask again.
    ///
    /// The callback is that of a link or of the service, so a reply would go to the broker: what concerns a member is
    /// sent to its token.
    fn heard(&mut self, heard: Heard, cx: &mut Context<'_>);

    /// A link is lost, or could not be made. It is made again.
    #[allow(unused_variables, reason = "the default does nothing")]
    fn link_lost(&mut self, fault: &Fault, cx: &mut Context<'_>) {}
}

/// A [`Handler`] made of a server on a bus, and the links of that bus.
#[derive(Debug)]
pub(crate) struct OnBus<D> {
    inner: D,
    /// The broker.
    to: Address,
    framer: RespFramer,
    /// By [`LinkKind`]: the connection that is made, or is open.
    links: [Option<Token>; 2],
    /// Fires at the next deadline of the bus, or before.
    timer: Option<(Instant, TimerId)>,
    /// Fires in the next turn: what was asked for in one turn is sent together.
    sending: Option<TimerId>,
    /// Lost links in the log, by the kind of the reason: a wrong password is logged although the link was just lost.
    /// `None`: the log has nothing about links.
    warnings: Option<Throttles<Discriminant<Fault>>>,
}

/// The session of a connection of the server, or of a link.
#[derive(Debug)]
pub(crate) enum BusSession<S> {
    Inner(S),
    Link(LinkSession),
}

/// A link.
#[derive(Debug)]
pub(crate) struct LinkSession {
    kind: LinkKind,
    token: Token,
    state: RespState,
}

/// The longest string of the broker, in bytes. The texts of members are much shorter.
const MAX_STRING: usize = 1 << 20;

/// The most bytes that wait on a link: all asks that a [`Bus`] keeps, and as much again for what else it sends.
const MAX_QUEUE: usize = 32 << 20;

/// How a link is connected. That for commands closes last, so that the members that leave at a stop are announced.
fn options(kind: LinkKind) -> Link {
    let limits = LinkLimits { inbox: MAX_STRING + 64, max_queue: Some(MAX_QUEUE), ..LinkLimits::default() };
    Link { tag: kind as u64, limits: Some(limits), closes_last: kind == LinkKind::Command }
}

impl<D: HearsBus> OnBus<D> {
    /// Puts the links to the broker at `to` beside the connections of `inner`.
    pub(crate) fn new(inner: D, to: Address) -> Self {
        let warnings = Some(Throttles::new());
        OnBus { inner, to, framer: RespFramer::new(MAX_STRING), links: [None; 2], timer: None, sending: None, warnings }
    }

    /// Keeps everything about the links out of the log.
    pub(crate) fn without_log(self) -> Self {
        OnBus { warnings: None, ..self }
    }

    /// Returns the server.
    pub(crate) fn into_inner(self) -> D {
        self.inner
    }

    /// Returns the server.
    #[cfg(all(test, feature = "web"))]
    pub(super) fn inner_mut(&mut self) -> &mut D {
        &mut self.inner
    }

    /// Takes all steps of the bus, and ends the callback.
    fn go_on(&mut self, cx: &mut Context<'_>) {
        while let Some(step) = self.inner.bus().poll() {
            match step {
                Step::Connect(kind) => {
                    self.links[kind as usize] = Some(cx.connect(self.to.clone(), options(kind)));
                }
                Step::Abort(link, fault) => {
                    if let Some(token) = self.links[link as usize].take() {
                        cx.abort_other(token);
                    }
                    self.report(link, &fault, cx);
                }
                Step::Hear(heard) => {
                    self.log(&heard);
                    self.inner.heard(heard, cx);
                }
            }
        }
        self.finish(cx);
    }

    /// Ends a callback: sends the output of the bus, and sets the timer for its next deadline.
    fn finish(&mut self, cx: &mut Context<'_>) {
        let bus = self.inner.bus();
        if bus.has_unsent() && self.sending.is_none() {
            self.sending = Some(cx.set_service_timer(Duration::ZERO));
        }
        for link in LinkKind::ALL {
            let output = bus.output(link);
            if let Some(token) = self.links[link as usize].filter(|_| !output.is_empty()) {
                cx.send(token, output);
                output.clear();
            }
        }
        let Some(deadline) = bus.next_deadline() else { return };
        if self.timer.is_none_or(|(set, _)| deadline < set) {
            if let Some((_, timer)) = self.timer.take() {
                cx.cancel_timer(timer);
            }
            self.timer = Some((deadline, cx.set_service_timer(deadline.saturating_duration_since(cx.now()))));
        }
    }

    /// Handles the end of a link that the bus has not asked for.
    fn lose(&mut self, link: LinkKind, cause: &dyn Display, cx: &mut Context<'_>) {
        self.links[link as usize] = None;
        self.inner.bus().lost(link, cx.now());
        self.report(link, &Fault::Ended(cause.to_string()), cx);
        self.go_on(cx);
    }

    fn report(&mut self, link: LinkKind, fault: &Fault, cx: &mut Context<'_>) {
        let warnings = self.warnings.as_mut();
        if let Some(repeats) = warnings.and_then(|warnings| warnings.note(discriminant(fault), cx.now())) {
            log::warn!("the {link} to the broker at {} is lost: {fault}{repeats}", self.to);
        }
        self.inner.link_lost(fault, cx);
    }

    fn log(&self, heard: &Heard) {
        match heard {
            _ if self.warnings.is_none() => {}
            Heard::OutageBegan => log::warn!("the broker at {} does not answer: members wait", self.to),
            Heard::OutageEnded => log::info!("the broker at {} answers again", self.to),
            Heard::Forgotten => log::warn!("the broker at {} has lost data: members enter again", self.to),
            _ => {}
        }
    }

    /// Takes the elements that have arrived on a link.
    fn read<'a>(&mut self, link: &mut LinkSession, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        let mut used = 0;
        while used < input.len() && cx.may_continue() && self.links[link.kind as usize] == Some(link.token) {
            let rest = &mut input[used..];
            let frame = self.framer.next(&mut link.state, rest);
            used += frame.used();
            let bus = self.inner.bus();
            match frame {
                Frame::Message { body, .. } => bus.receive(link.kind, &Element::of(&rest[body]), cx.now()),
                // The text of a server with a much larger --max-line.
                Frame::TooLong { .. } => bus.receive(link.kind, &Element::Bytes(b""), cx.now()),
                Frame::Discard(_) => continue,
                Frame::Partial { .. } => break,
                Frame::Failed(error) => bus.give_up(link.kind, Fault::Foreign(error.to_string()), cx.now()),
            }
            self.go_on(cx);
        }
        used
    }
}

impl<D: HearsBus> Handler for OnBus<D> {
    type Session = BusSession<D::Session>;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Self::Session {
        let kind = LinkKind::ALL.into_iter().find(|&kind| self.links[kind as usize] == Some(origin.token));
        let (Some(kind), Via::Connect { .. }) = (kind, &origin.via) else {
            let session = self.inner.open(origin, cx);
            self.finish(cx);
            return BusSession::Inner(session);
        };
        cx.set_name(kind.to_string());
        self.inner.bus().opened(kind, cx.now());
        self.go_on(cx);
        BusSession::Link(LinkSession { kind, token: origin.token, state: RespState::default() })
    }

    fn data<'a>(&mut self, session: &mut Self::Session, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        match session {
            BusSession::Inner(session) => {
                let used = self.inner.data(session, input, cx);
                self.finish(cx);
                used
            }
            BusSession::Link(link) => self.read(link, input, cx),
        }
    }

    fn eof(&mut self, session: &mut Self::Session, cx: &mut Context<'_>) {
        match session {
            BusSession::Inner(session) => self.inner.eof(session, cx),
            BusSession::Link(link) if self.links[link.kind as usize] == Some(link.token) => {
                cx.close();
                self.lose(link.kind, &"it has closed the connection", cx);
            }
            BusSession::Link(_) => {}
        }
        self.finish(cx);
    }

    fn drained(&mut self, session: &mut Self::Session, cx: &mut Context<'_>) {
        if let BusSession::Inner(session) = session {
            self.inner.drained(session, cx);
            self.finish(cx);
        }
    }

    fn timer(&mut self, session: &mut Self::Session, timer: TimerId, cx: &mut Context<'_>) {
        if let BusSession::Inner(session) = session {
            self.inner.timer(session, timer, cx);
            self.finish(cx);
        }
    }

    fn done(&mut self, session: &mut Self::Session, done: Done, cx: &mut Context<'_>) {
        if let BusSession::Inner(session) = session {
            self.inner.done(session, done, cx);
            self.finish(cx);
        }
    }

    fn exited(&mut self, session: &mut Self::Session, status: ExitStatus, cx: &mut Context<'_>) {
        if let BusSession::Inner(session) = session {
            self.inner.exited(session, status, cx);
            self.finish(cx);
        }
    }

    fn dismissed(&mut self, session: &mut Self::Session, cx: &mut Context<'_>) {
        if let BusSession::Inner(session) = session {
            self.inner.dismissed(session, cx);
            self.finish(cx);
        }
    }

    fn kicked(&mut self, session: &mut Self::Session, reason: &str, cx: &mut Context<'_>) {
        if let BusSession::Inner(session) = session {
            self.inner.kicked(session, reason, cx);
            self.finish(cx);
        }
    }

    fn closed(&mut self, session: Self::Session, cause: &Closed, cx: &mut Context<'_>) {
        match session {
            BusSession::Inner(session) => {
                self.inner.closed(session, cause, cx);
                self.finish(cx);
            }
            BusSession::Link(_) if matches!(cause, Closed::Stopping) => {}
            // A link that the bus has aborted is another one by now.
            BusSession::Link(link) if self.links[link.kind as usize] == Some(link.token) => {
                self.lose(link.kind, cause, cx);
            }
            BusSession::Link(_) => {}
        }
    }

    fn datagram<'a>(&mut self, source: &Source, input: &'a mut [u8], cx: &mut Context<'a>) {
        self.inner.datagram(source, input, cx);
        self.finish(cx);
    }

    fn receipt(&mut self, ticket: u64, unsent: u64, cx: &mut Context<'_>) {
        self.inner.receipt(ticket, unsent, cx);
        self.finish(cx);
    }

    fn service_timer(&mut self, timer: TimerId, cx: &mut Context<'_>) {
        if self.timer.take_if(|(_, own)| *own == timer).is_some() {
            self.inner.bus().tick(cx.now());
        } else if self.sending.take_if(|own| *own == timer).is_some() {
            self.inner.bus().send_pending();
        } else {
            self.inner.service_timer(timer, cx);
        }
        self.go_on(cx);
    }

    fn service_done(&mut self, done: Done, cx: &mut Context<'_>) {
        self.inner.service_done(done, cx);
        self.finish(cx);
    }

    fn connect_failed(&mut self, requested: Token, to: &Address, error: &io::Error, cx: &mut Context<'_>) {
        match LinkKind::ALL.into_iter().find(|&kind| self.links[kind as usize] == Some(requested)) {
            Some(link) => self.lose(link, error, cx),
            None => self.inner.connect_failed(requested, to, error, cx),
        }
    }

    fn started(&mut self, cx: &mut Context<'_>) {
        self.inner.started(cx);
        self.inner.bus().tick(cx.now());
        self.go_on(cx);
    }

    fn console(&mut self, line: &[u8], cx: &mut Context<'_>) {
        self.inner.console(line, cx);
        self.finish(cx);
    }

    fn console_end(&mut self, cx: &mut Context<'_>) {
        self.inner.console_end(cx);
        self.finish(cx);
    }

    fn reload(&mut self, cx: &mut Context<'_>) {
        self.inner.reload(cx);
        self.finish(cx);
    }

    fn stopping(&mut self, cx: &mut Context<'_>) {
        self.inner.stopping(cx);
        self.finish(cx);
    }
}
