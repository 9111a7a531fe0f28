//! What all clients share: the addresses of the services, the bell that calls them home, and the counters.
//!
//! Invariant: once the hall is closed, every client leaves by itself within seconds; it closes when a client fails,
//! too.

use crate::support::data::{Random, noise};
use crate::support::peer::Peer;
use socket2::Socket;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The first line of the phone book.
pub(super) const WELCOME: &str = "Welcome to the phone book. HELP lists the commands.\n";

/// Places to go to, and whether one may stay.
pub(super) struct Hall {
    addresses: BTreeMap<&'static str, String>,
    is_open: Mutex<bool>,
    bell: Condvar,
    serials: AtomicU64,
    tally: Mutex<Tally>,
}

/// What has happened so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Connections, and sockets for datagrams.
    pub(super) connections: u64,
    /// Bytes that came and were compared with what they had to be.
    pub(super) checked: u64,
    /// Clients that the server has dropped, as it should.
    pub(super) dropped: u64,
    /// Clients that were closed in good order for saying nothing.
    pub(super) timed_out: u64,
    /// How often each manner was there.
    pub(super) visits: BTreeMap<&'static str, u64>,
}

impl Hall {
    /// Closed at first. `names` are the services in the order of their `addresses`.
    pub(super) fn new(names: &[&'static str], addresses: Vec<String>) -> Self {
        assert_eq!(names.len(), addresses.len(), "{addresses:?}");
        let addresses = names.iter().copied().zip(addresses).collect();
        let (serials, tally) = (AtomicU64::new(0), Mutex::default());
        Self { addresses, is_open: Mutex::new(false), bell: Condvar::new(), serials, tally }
    }

    pub(super) fn address(&self, service: &str) -> &str {
        &self.addresses[service]
    }

    pub(super) fn set_open(&self, open: bool) {
        *self.lock() = open;
        self.bell.notify_all();
    }

    pub(super) fn is_open(&self) -> bool {
        *self.lock()
    }

    /// Lets `time` pass; less if the hall closes meanwhile. Returns whether it is open.
    pub(super) fn pause(&self, time: Duration) -> bool {
        self.pause_until(Instant::now() + time)
    }

    pub(super) fn pause_until(&self, end: Instant) -> bool {
        let mut open = self.lock();
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| *open && !left.is_zero()) {
            open = self.bell.wait_timeout(open, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *open
    }

    /// A number that no other client has.
    pub(super) fn serial(&self) -> u64 {
        self.serials.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn note(&self, note: impl FnOnce(&mut Tally)) {
        note(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is_open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the hall when its owner panics, so that the test does not wait for the other clients.
pub(super) struct Closing<'a>(pub(super) &'a Hall);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.set_open(false);
        }
    }
}

/// A client, from its first connection to its last.
pub(super) struct Visit<'a> {
    pub(super) hall: &'a Hall,
    pub(super) random: &'a mut Random,
    /// Its own in the whole run.
    pub(super) serial: u64,
}

impl Visit<'_> {
    #[track_caller]
    pub(super) fn connect(&self, service: &str) -> Peer {
        let mut peer = self.connect_tuned(service, |_| Ok(()));
        if service == "phonebook" {
            peer.expect(WELCOME);
        }
        peer
    }

    /// With a receive buffer of `bytes`, for clients that do not read: the kernel would take megabytes for them.
    #[track_caller]
    pub(super) fn connect_narrow(&self, service: &str, bytes: usize) -> Peer {
        self.connect_tuned(service, |socket| socket.set_recv_buffer_size(bytes))
    }

    #[track_caller]
    fn connect_tuned(&self, service: &str, tune: impl FnOnce(&Socket) -> io::Result<()>) -> Peer {
        self.hall.note(|tally| tally.connections += 1);
        Peer::tuned(self.hall.address(service), tune)
    }

    /// From `least` to `most`, both included.
    pub(super) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.random.below(most - least + 1)
    }

    pub(super) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.random.below(choices.len() as u64) as usize]
    }

    /// Pauses for a random time up to `most` milliseconds. Returns whether the hall is open.
    pub(super) fn pause(&mut self, most: u64) -> bool {
        let time = Duration::from_millis(self.between(most / 4, most));
        self.hall.pause(time)
    }

    /// Random bytes, none of them a digit: what they say is never a number.
    pub(super) fn gibberish(&mut self, length: u64) -> Vec<u8> {
        let mut bytes = noise(length as usize, self.random.below(1 << 31) + 1);
        bytes.iter_mut().filter(|byte| byte.is_ascii_digit()).for_each(|byte| *byte |= 0x80);
        bytes
    }

    /// Random letters, at least one.
    pub(super) fn letters(&mut self, length: u64) -> String {
        (0..length.max(1)).map(|_| char::from(b'a' + self.random.below(26) as u8)).collect()
    }

    /// What comes next has to be this.
    #[track_caller]
    pub(super) fn expect(&self, peer: &mut Peer, wanted: impl AsRef<[u8]>) {
        let wanted = wanted.as_ref();
        peer.expect(wanted);
        self.checked(wanted.len());
    }

    /// What comes next has to be this, and the end.
    #[track_caller]
    pub(super) fn expect_last(&self, peer: &mut Peer, wanted: impl AsRef<[u8]>) {
        self.expect(peer, wanted);
        peer.expect_eof();
    }

    pub(super) fn checked(&self, length: usize) {
        self.hall.note(|tally| tally.checked += length as u64);
    }
}
