//! Scripts for a [`Sim`] whose handler relays: each client is joined to a server that it connects to, or to a program
//! that it starts. The peers of both ends send, read slowly, end their sides, reset and exit. Time passes, and the
//! reactor stops.
//!
//! What an end has received is the beginning of what the other end has sent. It is all of it whenever the reactor has
//! nothing left to do, unless an end was lost, or does not read. The memory for relays is bounded. In the end nothing
//! is left.

mod proxy;
mod script;

use std::time::Duration;

use arbitrary::Unstructured;
use switchboard::{Limits, Sim, SimPeer};

use crate::show;
use proxy::{Proxy, address};
use script::{Frame, Step};

/// Plays the bytes as a script.
pub fn run(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let Ok(frame) = bytes.arbitrary::<Frame>() else { return };
    let mut world = World::new(frame.limits());
    while let Ok(step) = bytes.arbitrary::<Step<'_>>() {
        show(&step);
        world.take(&step);
    }
    world.end();
}

/// The most pairs of one script.
const MOST_PAIRS: usize = 4;

/// One end of a pair, as the test plays it.
struct End {
    handle: SimPeer,
    sent: Vec<u8>,
    received: Vec<u8>,
    has_shut_down: bool,
    /// How long it has read less than everything, at most; `None` if it reads everything.
    slow_for: Option<Duration>,
}

impl End {
    fn new(handle: SimPeer) -> End {
        End { handle, sent: Vec::new(), received: Vec::new(), has_shut_down: false, slow_for: None }
    }
}

/// A client, and the other end once there is one.
struct Pair {
    ends: [Option<End>; 2],
    is_child: bool,
    /// By direction: bytes for this end may be missing, since an end was lost.
    may_lack: [bool; 2],
}

/// The client of a pair, and what it is joined to.
const CLIENT: usize = 0;
const SERVER: usize = 1;

struct World {
    sim: Sim<Proxy>,
    limits: Limits,
    pairs: Vec<Pair>,
    is_stopping: bool,
    /// How long it has been stopping, at most.
    stopping_for: Duration,
}

impl World {
    fn new(limits: Limits) -> World {
        let sim = Sim::with_limits(Proxy::default(), limits.clone());
        World { sim, limits, pairs: Vec::new(), is_stopping: false, stopping_for: Duration::ZERO }
    }

    fn take(&mut self, step: &Step<'_>) {
        match *step {
            Step::Connect { is_child } => self.connect(is_child),
            Step::Send { end, bytes } => self.send(end, bytes),
            Step::ShutDown { end } => self.shut_down(end),
            Step::Reset { end } => self.reset(end),
            Step::Stall { end } => {
                if let Some(end) = self.end_of(end) {
                    end.slow_for.get_or_insert_default();
                    let handle = end.handle;
                    self.sim.stall(handle);
                }
            }
            Step::Allow { end, count } => {
                if let Some(handle) = self.end_of(end).map(|end| end.handle) {
                    self.sim.allow(handle, count.into());
                }
            }
            Step::Resume { end } => {
                if let Some(end) = self.end_of(end) {
                    end.slow_for = None;
                    let handle = end.handle;
                    self.sim.resume(handle);
                }
            }
            Step::LimitWrites { end, count } => {
                if let Some(handle) = self.end_of(end).map(|end| end.handle) {
                    self.sim.limit_writes(handle, count.into());
                }
            }
            Step::Answer { is_refused } => self.answer(is_refused),
            Step::Exit { pair, code } => self.leave(pair, |sim, child| sim.exit(child, code)),
            Step::CloseInput { pair } => self.leave(pair, Sim::close_input),
            Step::Advance { millis } => self.advance(Duration::from_millis(millis.into())),
            Step::Look => self.look(),
            Step::Stop => self.stop(),
        }
    }

    /// The end with this number: the pair by its lower bits, the end by the highest.
    fn find(&self, number: u8) -> Option<(usize, usize)> {
        let pair = usize::from(number & 0x7f).checked_rem(self.pairs.len())?;
        let end = usize::from(number >> 7);
        self.pairs[pair].ends[end].is_some().then_some((pair, end))
    }

    fn end_of(&mut self, number: u8) -> Option<&mut End> {
        let (pair, end) = self.find(number)?;
        self.pairs[pair].ends[end].as_mut()
    }

    fn connect(&mut self, is_child: bool) {
        if self.pairs.len() == MOST_PAIRS || self.is_stopping {
            return;
        }
        self.sim.handler_mut().starts_child = is_child;
        let client = End::new(self.sim.connect());
        let child = self.sim.spawned().pop().map(|(child, _)| End::new(child));
        assert_eq!(child.is_some(), is_child);
        self.pairs.push(Pair { ends: [Some(client), child], is_child, may_lack: [false; 2] });
    }

    /// Establishes the oldest connection that the handler waits for, or refuses it.
    fn answer(&mut self, is_refused: bool) {
        self.sim.pending_connects();
        let Some(number) = self.sim.handler_mut().waiting.first().copied() else { return };
        let pair = &mut self.pairs[number];
        if is_refused {
            pair.may_lack = [true; 2];
            self.sim.refused(&address(number), std::io::ErrorKind::ConnectionRefused.into());
        } else {
            pair.ends[SERVER] = Some(End::new(self.sim.connected(&address(number))));
        }
    }

    fn send(&mut self, number: u8, bytes: &[u8]) {
        let Some((pair, end)) = self.find(number) else { return };
        let has_ended = self.is_over(pair);
        if let Some(found) = &mut self.pairs[pair].ends[end]
            && !found.has_shut_down
            && !has_ended
        {
            found.sent.extend_from_slice(bytes);
            self.sim.send(found.handle, bytes);
        }
    }

    /// Whether the handler knows that an end of the pair is gone. What is sent after that reaches nothing.
    fn is_over(&mut self, pair: usize) -> bool {
        self.sim.handler_mut().pairs[pair].is_over
    }

    fn shut_down(&mut self, number: u8) {
        if let Some(end) = self.end_of(number)
            && !end.has_shut_down
        {
            end.has_shut_down = true;
            let handle = end.handle;
            self.sim.shut_down(handle);
        }
    }

    fn reset(&mut self, number: u8) {
        let Some((pair, end)) = self.find(number) else { return };
        // A pipe has no reset.
        if end == SERVER && self.pairs[pair].is_child {
            return;
        }
        self.pairs[pair].may_lack = [true; 2];
        if let Some(end) = &mut self.pairs[pair].ends[end] {
            end.has_shut_down = true;
            self.sim.reset(end.handle);
        }
    }

    /// A child exits, or closes its standard input. Its output may go on.
    fn leave(&mut self, pair: u8, leave: impl FnOnce(&mut Sim<Proxy>, SimPeer)) {
        let Some((pair, SERVER)) = self.find(pair | 0x80) else { return };
        let pair = &mut self.pairs[pair];
        if let Some(child) = pair.ends[SERVER].as_ref().filter(|_| pair.is_child) {
            pair.may_lack[SERVER] = true;
            leave(&mut self.sim, child.handle);
        }
    }

    fn advance(&mut self, time: Duration) {
        let Limits { flush_stall, drain, linger, .. } = self.limits;
        for pair in &mut self.pairs {
            let has_ended = pair.ends.iter().flatten().any(|end| end.has_shut_down);
            for (end, may_lack) in pair.ends.iter_mut().zip(&mut pair.may_lack) {
                if let Some(slow_for) = end.as_mut().and_then(|end| end.slow_for.as_mut()) {
                    *slow_for += time;
                    // A closing connection that takes nothing, and a child that does not exit, are dropped.
                    *may_lack |= has_ended && *slow_for >= flush_stall.min(linger);
                }
            }
            // The attempt may have timed out. A client that waits for a child that does not exit is not lost.
            if pair.ends[SERVER].is_none() && time > Duration::ZERO {
                pair.may_lack = [true; 2];
            }
        }
        self.sim.advance(time);
        if self.is_stopping {
            self.stopping_for += time;
            if self.stopping_for >= drain {
                self.lower_hopes();
            }
        }
    }

    fn lower_hopes(&mut self) {
        for pair in &mut self.pairs {
            pair.may_lack = [true; 2];
        }
    }

    /// Stops the reactor. Relays may finish; what has relayed nothing so far is closed at once. A second stop drops
    /// all.
    fn stop(&mut self) {
        self.look();
        if self.is_stopping {
            self.lower_hopes();
        }
        self.is_stopping = true;
        for pair in &mut self.pairs {
            let has_relayed = pair.ends.iter().flatten().any(|end| !end.received.is_empty());
            if !has_relayed {
                pair.may_lack = [true; 2];
            }
        }
        self.sim.stop();
    }

    /// Lets the reactor finish its work, and compares both ends of each pair.
    fn look(&mut self) {
        self.sim.run();
        for (number, pair) in self.pairs.iter_mut().enumerate() {
            for end in pair.ends.iter_mut().flatten() {
                end.received.extend(self.sim.received(end.handle));
            }
            let Pair { ends: [Some(client), Some(server)], may_lack, .. } = &*pair else { continue };
            for (to, from, may_lack) in [(client, server, may_lack[CLIENT]), (server, client, may_lack[SERVER])] {
                let (received, sent) = (&to.received, &from.sent);
                assert!(sent.starts_with(received), "pair {number}: {received:?} is not the beginning of {sent:?}");
                let is_whole = may_lack || to.slow_for.is_some() || received == sent;
                assert!(is_whole, "pair {number}: received {} bytes of {}", received.len(), sent.len());
            }
        }
        // Above the high mark the source is not read, but one buffer may come on top.
        let most = (self.limits.high_mark() + self.limits.read_buffer) * 2 * self.pairs.len();
        let queued = self.sim.stats().queued;
        assert!(queued <= most, "{queued} bytes are queued, at most {most} are needed");
    }

    /// All read and end their sides, children exit, and the reactor stops.
    fn end(mut self) {
        self.look();
        for number in 0..self.pairs.len() as u8 {
            for end in [number, number | 0x80] {
                self.take(&Step::Resume { end });
            }
        }
        self.look();
        while !self.sim.handler_mut().waiting.is_empty() {
            self.answer(true);
        }
        for number in 0..self.pairs.len() as u8 {
            self.shut_down(number);
            self.shut_down(number | 0x80);
        }
        self.look();
        for number in 0..self.pairs.len() as u8 {
            self.leave(number, |sim, child| sim.exit(child, 0));
        }
        self.look();
        self.stop();
        self.advance(Duration::from_secs(60));
        assert!(self.sim.is_stopped(), "both ends have gone: no peer is left to wait for");
        let stats = self.sim.stats();
        assert_eq!((stats.connections, stats.queued, stats.children, self.sim.timers()), (0, 0, 0, 0));
        assert!(self.sim.handler_mut().pairs.iter().all(|pair| pair.sessions == 0), "each session was told its end");
    }
}
