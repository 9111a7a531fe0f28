//! What is known of the kernel's side of a connection, and which lists it is on: one bit each.
//!
//! Most connections have none of them set most of the time, which is one comparison to find out.

bitflags::bitflags! {
    /// The facts of one connection.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) struct Flags: u16 {
        /// The kernel may have input for us: there was an edge, and no read has met `WouldBlock` since.
        const MAY_READ = 1;
        /// A short read does not prove that there is no more: read to `WouldBlock`.
        const DRAIN_FULLY = 1 << 1;
        /// The peer has shut down its side.
        const EOF = 1 << 2;
        /// Too much is queued: not read until it has drained.
        const PAUSED = 1 << 3;
        /// The pause is over, and the handler is to be told.
        const TELL_DRAINED = 1 << 4;
        /// A worker has a job of this session: nothing more is read or shown until it is done.
        const HAS_JOB = 1 << 5;
        /// The handler wants no input for a while: nothing more is read or shown until then.
        const INPUT_PAUSED = 1 << 6;
        /// What the handler did not use is to be shown to it again.
        const SHOW_AGAIN = 1 << 7;
        /// The handler was told of the end of input.
        const EOF_TOLD = 1 << 8;
        /// The kernel refused output: wait for a writable edge.
        const BLOCKED = 1 << 9;
        /// Writable edges are registered.
        const WRITABLE_ARMED = 1 << 10;
        /// Shut down our side once the outbox is empty, and go on reading.
        const SHUT_DOWN = 1 << 11;
        /// On the ready list.
        const READY = 1 << 12;
        /// On the dirty list.
        const DIRTY = 1 << 13;

        /// It is for us, not for the peer, to go on.
        const WAITS = Self::HAS_JOB.bits() | Self::INPUT_PAUSED.bits();
        /// The handler is to be called before more is read.
        const OWES_HANDLER = Self::TELL_DRAINED.bits() | Self::SHOW_AGAIN.bits();
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
}
