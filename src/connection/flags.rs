//! The one-bit states of a connection.
//!
//! Most connections have no flag set most of the time. One comparison checks them all.

use mio::Interest;

bitflags::bitflags! {
    /// The flags of one connection.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) struct Flags: u32 {
        /// The kernel may have input: there was an edge, and no read has met `WouldBlock` since.
        const MAY_READ = 1;
        /// A short read does not prove that the socket is empty: read until `WouldBlock`.
        const DRAIN_FULLY = 1 << 1;
        /// The peer has shut down its side.
        const EOF = 1 << 2;
        /// Output is over the high mark: the peer is not read until its output has drained.
        const OUTPUT_FULL = 1 << 3;
        /// Output has drained: call [`Handler::drained`](crate::Handler::drained).
        const NOTIFY_DRAINED = 1 << 4;
        /// A worker has a job of this session: no input is read or delivered until it is done.
        const HAS_JOB = 1 << 5;
        /// The handler has paused the input for a time: none is read or delivered until the pause ends.
        const INPUT_PAUSED = 1 << 6;
        /// Deliver the unused input again.
        const REDELIVER = 1 << 7;
        /// [`Handler::eof`](crate::Handler::eof) was called.
        const EOF_DELIVERED = 1 << 8;
        /// The kernel has refused output: wait for a writable edge.
        const WRITE_BLOCKED = 1 << 9;
        /// Writable edges are registered.
        const WRITABLE_ARMED = 1 << 10;
        /// Shut down the server's side once the outbox is empty, and continue to read.
        const SHUT_DOWN = 1 << 11;
        /// On the ready list.
        const READY = 1 << 12;
        /// On the dirty list.
        const DIRTY = 1 << 13;
        /// The kernel has reported the end of the peer's side. Input before it may still be unread.
        const PEER_ENDING = 1 << 14;
        /// The handler has requested the connection: the limits on the number of connections do not count it.
        const OUTBOUND = 1 << 15;
        /// The handler holds the input until it releases it: none is read or delivered until then.
        const HELD = 1 << 16;
        /// The destination to which this input is relayed is full: none is read or delivered until it has drained.
        const RELAY_FULL = 1 << 17;
        /// Sources of a relay wait until the output of this connection has drained.
        const AWAITED = 1 << 18;
        /// Bytes were relayed from or to this connection: a stop lets it finish.
        const RELAYING = 1 << 19;
        /// The peer is a proxy, and its PROXY header was not read yet: the host of the client is not known.
        const HOST_UNKNOWN = 1 << 20;
        /// The peer is no proxy of its service: if its first input is a PROXY header, it is closed.
        const CHECK_INPUT = 1 << 21;
        /// Accepted without TLS, and no input was read yet.
        const FRESH = 1 << 22;
        /// The server's side was shut down. The kernel answers each shutdown with a writable edge, even a second one,
        /// so a shutdown at each of these edges would never end.
        const END_SENT = 1 << 23;
        /// The connection has limits of its own, in place of those of its service.
        const OWN_LIMITS = 1 << 24;
        /// A stop ends the connection after all others of its service.
        const CLOSES_LAST = 1 << 25;

        /// The input is suspended by the server: the peer waits for it.
        const SUSPENDED =
            Self::HAS_JOB.bits() | Self::INPUT_PAUSED.bits() | Self::HELD.bits() | Self::RELAY_FULL.bits();
        /// A stop lets the connection go on for a while.
        const GOES_ON = Self::RELAYING.bits() | Self::CLOSES_LAST.bits();
        /// The handler is called before more is read.
        const CALL_FIRST = Self::NOTIFY_DRAINED.bits() | Self::REDELIVER.bits();
        /// A read has to be looked at more closely than usual.
        const LOOK_CLOSELY = Self::DRAIN_FULLY.bits() | Self::FRESH.bits();
        /// There is work before more is read.
        const BEFORE_READ = Self::CALL_FIRST.bits() | Self::CHECK_INPUT.bits();
    }
}

impl Flags {
    /// Clears a flag. Returns whether it was set.
    pub(crate) fn take(&mut self, flag: Flags) -> bool {
        let was_set = self.intersects(flag);
        self.remove(flag);
        was_set
    }

    /// Sets a flag. Returns whether it was set before.
    pub(crate) fn put(&mut self, flag: Flags) -> bool {
        let was_set = self.intersects(flag);
        self.insert(flag);
        was_set
    }

    /// The edges to be registered for.
    pub(crate) fn interest(self) -> Interest {
        // PRIORITY, since urgent data cuts a read short, as if the socket were empty (Linux, tcp(7)).
        let interest = Interest::READABLE | Interest::PRIORITY;
        if self.contains(Flags::WRITABLE_ARMED) { interest | Interest::WRITABLE } else { interest }
    }
}
