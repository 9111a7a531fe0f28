//! Scripts for a [`Sim`]: peers that come, speak, read slowly and go, time that passes, an operator, workers that are
//! slow, and a handler that does all that it may. What the handler did is in its books; the reactor is held to them.
//!
//! A peer that reads has received exactly its output, whenever the reactor has nothing left to do. A peer that does not
//! has received the beginning of it. All that was sent is used, in order. Timers fire at their time, jobs come home,
//! sessions end once and for a reason that is true, figures add up. In the end nothing is left.

mod account;
mod machine;
mod script;

use std::time::{Duration, Instant};

use arbitrary::Unstructured;
use switchboard::{Closed, Ending, Limits, Sim, SimPeer};

use crate::show;
use account::{Account, Debt, Life};
use machine::{ACT, LONGEST_TIMER, Machine};
use script::{Frame, Step};

/// Plays the bytes as a script.
pub fn run(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let Ok(frame) = bytes.arbitrary::<Frame>() else { return };
    let mut world = World::new(frame.limits());
    while let Ok(step) = bytes.arbitrary::<Step<'_>>() {
        world.take(&step);
    }
    world.end();
}

/// The most peers of one script.
const MOST_PEERS: usize = 8;

/// The peer's side of a connection.
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
struct Peer {
    handle: SimPeer,
    sent: Vec<u8>,
    received: Vec<u8>,
    has_shut_down: bool,
    was_reset: bool,
    /// How long it has read less than everything, at most; `None` for one that reads everything.
    slow_for: Option<Duration>,
    /// It was slow at some time since the last look.
    was_slow: bool,
    /// It read nothing for so long, or the server ended in such haste, that it may have lost what it was owed.
    may_lack: bool,
    /// The reason for which its session ended was looked at.
    end_was_seen: bool,
    /// Bytes that it was owed when it was last looked at, while its session was open.
    owed_for_sure: usize,
}

/// A simulation, and all that is known of it from outside. A peer has the number of its account.
///
/// Steps do not look at the handler but by [`Sim::start`]: everything else has the simulation run, and what several
/// steps do is to come in one turn now and then.
struct World {
    sim: Sim<Machine>,
    limits: Limits,
    peers: Vec<Peer>,
    began: Instant,
    passed: Duration,
    /// How long it has been stopping, at most.
    stopping_for: Duration,
    /// It was told to stop at once.
    is_hasty: bool,
    holds_jobs: bool,
    /// Connections that the handler has requested and that were established.
    connected: usize,
    datagram_bytes: usize,
    printed: Vec<u8>,
    told: String,
}

impl World {
    fn new(limits: Limits) -> Self {
        let mut sim = Sim::with_limits(Machine::new(), limits.clone());
        let mut began = None;
        sim.with_context(|machine, cx| {
            machine.make_feeds(cx);
            began = Some(cx.now());
        });
        World {
            sim,
            limits,
            peers: Vec::new(),
            began: began.expect("the start was called"),
            passed: Duration::ZERO,
            stopping_for: Duration::ZERO,
            is_hasty: false,
            holds_jobs: false,
            connected: 0,
            datagram_bytes: 0,
            printed: Vec::new(),
            told: String::new(),
        }
    }

    fn take(&mut self, step: &Step<'_>) {
        show(step);
        match *step {
            Step::Connect { first, last_will } => self.connect(first, last_will),
            Step::Send { peer, bytes } => self.send(peer, bytes),
            Step::ShutDown { peer } => self.shut_down(peer),
            Step::Reset { peer } => self.reset(peer),
            Step::Stall { peer } => self.stall(peer),
            Step::Allow { peer, count } => self.allow(peer, count.into()),
            Step::Resume { peer } => self.resume(peer),
            Step::LimitWrites { peer, count } => {
                if let Some(peer) = pick(&mut self.peers, peer) {
                    self.sim.limit_writes(peer.handle, count.into());
                }
            }
            Step::Advance { millis } => self.advance(Duration::from_millis(millis.into())),
            Step::Look => self.look(),
            Step::Console { line } => self.sim.console(line),
            Step::ConsoleEnd => self.sim.console_end(),
            Step::Datagram { bytes } => self.datagram(bytes),
            Step::HoldJobs => {
                self.sim.hold_jobs();
                self.holds_jobs = true;
            }
            Step::ReleaseJobs => {
                self.sim.release_jobs();
                self.holds_jobs = false;
            }
            Step::Answer { is_refused } => self.answer(is_refused),
            Step::Stop => self.stop(),
        }
    }

    fn connect(&mut self, first: machine::Act, last_will: machine::Act) {
        if self.peers.len() == MOST_PEERS {
            return;
        }
        self.sim.with_context(|machine, _| machine.next_comer = (first, last_will));
        let handle = self.sim.connect();
        self.welcome(handle);
    }

    /// Notes a peer, if it was let in.
    fn welcome(&mut self, handle: SimPeer) {
        let mut accounts = 0;
        self.sim.with_context(|machine, _| accounts = machine.accounts.len());
        if accounts > self.peers.len() {
            self.peers.push(Peer {
                handle,
                sent: Vec::new(),
                received: Vec::new(),
                has_shut_down: false,
                was_reset: false,
                slow_for: None,
                was_slow: false,
                may_lack: self.is_hasty,
                end_was_seen: false,
                owed_for_sure: 0,
            });
        }
        assert_eq!(accounts, self.peers.len(), "each peer has a session");
    }

    /// What the handler asked for comes about, or does not.
    fn answer(&mut self, is_refused: bool) {
        for address in self.sim.pending_connects() {
            if is_refused || self.peers.len() >= MOST_PEERS {
                self.sim.refused(&address, std::io::ErrorKind::ConnectionRefused.into());
            } else {
                let handle = self.sim.connected(&address);
                self.connected += 1;
                self.welcome(handle);
            }
        }
    }

    fn send(&mut self, peer: u8, bytes: &[u8]) {
        if let Some(peer) = pick(&mut self.peers, peer)
            && !peer.has_shut_down
            && !peer.was_reset
        {
            self.sim.send(peer.handle, bytes);
            peer.sent.extend_from_slice(bytes);
        }
    }

    fn shut_down(&mut self, peer: u8) {
        if let Some(peer) = pick(&mut self.peers, peer)
            && !peer.was_reset
        {
            self.sim.shut_down(peer.handle);
            peer.has_shut_down = true;
        }
    }

    fn reset(&mut self, peer: u8) {
        if let Some(peer) = pick(&mut self.peers, peer) {
            self.sim.reset(peer.handle);
            peer.was_reset = true;
        }
    }

    fn stall(&mut self, peer: u8) {
        if let Some(peer) = pick(&mut self.peers, peer) {
            self.sim.stall(peer.handle);
            peer.slow_for.get_or_insert_default();
            peer.was_slow = true;
        }
    }

    fn allow(&mut self, peer: u8, count: usize) {
        if let Some(peer) = pick(&mut self.peers, peer) {
            self.sim.allow(peer.handle, count);
        }
    }

    fn resume(&mut self, peer: u8) {
        if let Some(peer) = pick(&mut self.peers, peer) {
            self.sim.resume(peer.handle);
            peer.slow_for = None;
        }
    }

    fn advance(&mut self, time: Duration) {
        let patience = self.limits.flush_stall.min(self.limits.drain);
        for peer in &mut self.peers {
            if let Some(slow_for) = &mut peer.slow_for {
                *slow_for += time;
                peer.may_lack |= *slow_for >= patience;
            }
        }
        self.sim.advance(time);
        self.passed += time;
        if self.sim.handler_mut().is_stopping {
            self.stopping_for += time;
        }
        if self.stopping_for >= self.limits.drain {
            // A peer that still waited for a job was dropped.
            self.lower_hopes();
        }
    }

    /// All connections may have been dropped. Who reads and was told the end already has got everything.
    fn lower_hopes(&mut self) {
        for peer in &mut self.peers {
            peer.may_lack |= !peer.end_was_seen || peer.was_slow;
        }
    }

    fn datagram(&mut self, bytes: &[u8]) {
        let bytes = &bytes[..bytes.len().min(self.limits.read_buffer)];
        let answer = self.sim.datagram(([127, 0, 0, 1], 5000).into(), bytes);
        assert_eq!(answer, Some([b"> ", bytes].concat()));
        self.datagram_bytes += bytes.len();
    }

    /// A first wish is obeyed in good order, a second one at once.
    fn stop(&mut self) {
        let mut was_stopping = false;
        self.sim.with_context(|machine, _| was_stopping = std::mem::replace(&mut machine.is_stopping, true));
        if was_stopping {
            self.is_hasty = true;
            self.lower_hopes();
        }
        self.sim.stop();
    }

    /// Lets the reactor finish its work, and compares every peer with the books.
    fn look(&mut self) {
        loop {
            let printed = self.sim.stdout();
            if printed.is_empty() {
                break;
            }
            self.printed.extend(printed);
        }
        self.told.push_str(&self.sim.stderr());
        for peer in &mut self.peers {
            peer.received.extend(self.sim.received(peer.handle));
        }
        let now = self.began + self.passed;
        for number in 0..self.peers.len() {
            let unread = self.sim.unread(self.peers[number].handle);
            let ending = self.sim.ending(self.peers[number].handle);
            let account = &self.sim.handler_mut().accounts[number];
            let peer = &mut self.peers[number];
            // What a connection that is closing keeps is bounded, too: it may have been dropped for that.
            let is_bounded = self.limits.memory_limit.is_some() || peer.was_slow && self.limits.feed_buffer.is_some();
            peer.may_lack |= is_bounded && !account.is_open();
            peer.check_output(account, ending);
            peer.check_input(account, unread, now);
            peer.check_end(&account.life, &self.limits);
            if account.is_open() {
                assert!(account.timers.values().all(|&(deadline, _)| deadline > now), "a timer is late");
                assert!(account.job.is_none() || self.holds_jobs, "a job has not come home");
                peer.owed_for_sure = account.owed.len();
            }
            peer.was_slow = peer.slow_for.is_some();
        }
        let machine = self.sim.handler_mut();
        assert_eq!((&self.printed, &self.told), (&machine.printed, &machine.told));
        assert!(machine.alarms.values().all(|&(deadline, _)| deadline > now), "an alarm is late");
        assert!(machine.chores == 0 || self.holds_jobs, "a job without a peer has not come home");
        self.check_figures();
    }

    fn check_figures(&mut self) {
        let stats = self.sim.stats();
        let machine = self.sim.handler_mut();
        let open = machine.accounts.iter().filter(|account| account.is_open()).count();
        let pending = machine.wanted - machine.refused - self.connected;
        assert!((open..=self.peers.len() + pending).contains(&stats.connections));
        assert_eq!(stats.accepted, (self.peers.len() - self.connected) as u64);
        assert_eq!(stats.bytes_out, self.peers.iter().map(|peer| peer.received.len() as u64).sum::<u64>());
        // What a reset has swept away was read or not.
        let (mut least, mut most) = (self.datagram_bytes, self.datagram_bytes);
        for peer in &self.peers {
            let unread = self.sim.unread(peer.handle);
            let sent = peer.sent.len() - unread;
            most += sent;
            least += if peer.was_reset { 0 } else { sent };
        }
        assert!((least as u64..=most as u64).contains(&stats.bytes_in), "{stats:?}: {least} to {most} bytes in");
        assert_eq!((stats.refused, stats.stdout_queued, stats.datagrams_dropped), (0, 0, 0));
        if self.peers.iter().all(|peer| peer.slow_for.is_none()) {
            assert_eq!(stats.queued, 0);
        }
    }

    /// Each peer reads and goes, the server stops, and all timers come due.
    fn end(mut self) {
        self.take(&Step::ReleaseJobs);
        for number in 0..self.peers.len() {
            self.resume(number as u8);
        }
        self.look();
        self.answer(true);
        let machine = self.sim.handler_mut();
        let pending = machine.wanted - machine.refused - self.connected;
        assert!(pending == 0 || machine.is_stopping, "a request has neither opened nor failed");
        self.look();
        if !self.sim.handler_mut().is_stopping {
            self.stop();
        }
        self.look();
        for number in 0..self.peers.len() {
            self.shut_down(number as u8);
        }
        self.look();
        assert!(self.sim.is_stopped(), "all have read everything and gone: no peer is left to wait for");
        let machine = self.sim.handler_mut();
        assert!(machine.accounts.iter().all(|account| matches!(account.life, Life::Over { .. })));
        // What is due from now on does nothing, so nothing new is set.
        machine.acts_left = 0;
        self.advance(LONGEST_TIMER);
        self.look();
        assert_eq!((self.sim.timers(), self.sim.stats().connections), (0, 0));
    }
}

impl Peer {
    /// What was received is the output of the books, or the beginning of it.
    fn check_output(&self, account: &Account, ending: Option<Ending>) {
        let (received, owed) = (&self.received, &account.owed);
        assert!(owed.starts_with(received), "received what was not sent: {received:?} of {owed:?}");
        if self.slow_for.is_some() || self.was_reset || self.may_lack {
            return;
        }
        let least = match account.debt() {
            Debt::All => owed.len(),
            Debt::Known => self.owed_for_sure,
            Debt::Nothing => return,
        };
        assert!(received.len() >= least, "received {} bytes of {least}: {:?}", received.len(), account.life);
        // What it sends after that may find the connection gone.
        if !account.is_open() && !self.end_was_seen {
            assert_eq!(ending, Some(Ending::Eof), "{:?}", account.life);
        }
    }

    /// What was used is what was sent, or the beginning of it.
    fn check_input(&self, account: &Account, unread: usize, now: Instant) {
        let (sent, heard) = (&self.sent, &account.heard);
        assert!(sent.starts_with(heard), "heard what was not said: {heard:?} of {sent:?}");
        if !account.is_open()
            || self.was_reset
            || self.slow_for.is_some()
            || account.job.is_some()
            || account.may_rest(now)
        {
            return;
        }
        assert_eq!((heard.len(), unread), (sent.len() / ACT * ACT, 0), "all that is whole is used");
        assert_eq!(account.has_ended, self.has_shut_down, "the end of input is told");
    }

    /// The reason for which a session has ended is true.
    fn check_end(&mut self, life: &Life, limits: &Limits) {
        let Life::Over { why, .. } = life else { return };
        if std::mem::replace(&mut self.end_was_seen, true) {
            return;
        }
        match *why {
            Closed::Failed(_) => assert!(self.was_reset, "{why}"),
            Closed::Idle(limit) => assert_eq!(Some(limit), limits.idle_timeout),
            Closed::QueueFull { queued, limit } => {
                assert!(queued > limit && Some(limit) == limits.max_queue && self.was_slow, "{why}");
            }
            Closed::FeedBehind { behind, limit } => {
                assert!(behind > limit && Some(limit) == limits.feed_buffer && self.was_slow, "{why}");
            }
            Closed::QueueStalled { queued, limit } => {
                assert!(queued > 0 && Some(limit) == limits.queue_time && self.was_slow, "{why}");
            }
            Closed::MemoryFull { pending, limit } => {
                assert!(pending > 0 && Some(limit) == limits.memory_limit, "{why}");
            }
            Closed::InboxFull(_) => panic!("{why}: less than an act is ever left"),
            _ => {}
        }
    }
}

fn pick(peers: &mut [Peer], number: u8) -> Option<&mut Peer> {
    if peers.is_empty() {
        return None;
    }
    let number = usize::from(number) % peers.len();
    Some(&mut peers[number])
}
