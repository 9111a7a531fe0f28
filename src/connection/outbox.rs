//! What a connection is owed and the kernel has not taken yet.
//!
//! Invariant: `bytes[start..]` is exactly the unsent output, oldest first; `others` is at most its length and counts what
//! *others* queued, which is what the hard limit bounds. Exists only while something is unsent. Does no I/O.

/// The unsent output of one connection.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    start: usize,
    others: usize,
    /// How far the last byte reaches that somebody other than the console queued: it is that which a peer may be late for.
    others_reach: usize,
    /// See [`Connection::stalled_since`](crate::connection::Connection::stalled_since).
    pub(crate) stalled_since: u64,
}

impl Outbox {
    /// Queues output that the peer's own input caused.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        // Moving the rest to the front costs no more than the bytes already sent, so each byte is moved at most once.
        if self.start >= self.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Queues output that another connection or an alarm caused.
    pub(crate) fn push_others(&mut self, bytes: &[u8]) {
        self.push_console(bytes);
        self.others_reach = self.len();
    }

    /// Queues output that the console caused.
    pub(crate) fn push_console(&mut self, bytes: &[u8]) {
        self.push(bytes);
        self.others += bytes.len();
    }

    /// The unsent bytes.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// How many of the unsent bytes others queued, at most.
    pub(crate) fn others(&self) -> usize {
        self.others
    }

    /// Whether anything is unsent that others queued, the console left out.
    pub(crate) fn has_others(&self) -> bool {
        self.others_reach > 0
    }

    /// Forgets the oldest `count` bytes: the kernel took them.
    ///
    /// # Panics
    /// When `count` is more than there is, which is a bug of the caller.
    pub(crate) fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "consumed {count} of {} bytes", self.len());
        self.start += count;
        self.others = self.others.min(self.len());
        self.others_reach = self.others_reach.saturating_sub(count);
        if self.start == self.bytes.len() {
            self.clear();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
        self.others = 0;
        self.others_reach = 0;
        self.stalled_since = 0;
    }

    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counts_what_others_queued_and_never_more_than_is_left() {
        let mut outbox = Outbox::default();
        outbox.push(b"own");
        outbox.push_others(b"others");
        assert_eq!((outbox.len(), outbox.others()), (9, 6));
        outbox.consume(3);
        assert_eq!((outbox.unsent(), outbox.others()), (&b"others"[..], 6));
        outbox.consume(5);
        assert_eq!((outbox.unsent(), outbox.others()), (&b"s"[..], 1));
        outbox.consume(1);
        assert_eq!((outbox.len(), outbox.others()), (0, 0));
    }

    #[test]
    fn knows_how_long_others_than_the_console_have_something_in_it() {
        let mut outbox = Outbox::default();
        outbox.push_console(b"typed");
        assert_eq!((outbox.others(), outbox.has_others()), (5, false));
        outbox.push_others(b"sent");
        outbox.push_console(b"typed");
        outbox.consume(8);
        assert!(outbox.has_others());
        outbox.consume(1);
        assert_eq!((outbox.unsent(), outbox.others(), outbox.has_others()), (&b"typed"[..], 5, false));
        outbox.push_others(b"sent");
        outbox.clear();
        assert!(!outbox.has_others());
    }

    #[test]
    #[should_panic(expected = "consumed 4 of 3 bytes")]
    fn consuming_more_than_is_queued_is_a_bug() {
        let mut outbox = Outbox::default();
        outbox.push(b"abc");
        outbox.consume(4);
    }

    #[test]
    fn the_buffer_does_not_grow_if_it_is_drained_as_fast() {
        let mut outbox = Outbox::default();
        outbox.push(&[0; 1000]);
        for _ in 0..10_000 {
            outbox.push(&[0; 100]);
            outbox.consume(100);
        }
        assert_eq!(outbox.len(), 1000);
        assert!(outbox.capacity() <= 8000, "{}", outbox.capacity());
    }

    #[test]
    fn bytes_are_moved_only_when_no_more_are_left_than_were_sent() {
        let mut outbox = Outbox::default();
        outbox.push(&[0; 10]);
        outbox.consume(4);
        outbox.push(&[0; 1]);
        assert_eq!(outbox.start, 4, "moving 6 bytes would cost more than the 4 sent");
        outbox.consume(3);
        outbox.push(&[0; 1]);
        assert_eq!((outbox.start, outbox.len()), (0, 5), "moving 4 bytes after 7 sent is cheap");
    }

    proptest! {
        #[test]
        fn is_a_queue_of_bytes(steps in proptest::collection::vec((any::<Vec<u8>>(), any::<prop::sample::Index>()), 0..40)) {
            let (mut outbox, mut model) = (Outbox::default(), Vec::new());
            for (bytes, index) in steps {
                outbox.push(&bytes);
                model.extend_from_slice(&bytes);
                let count = index.index(model.len() + 1);
                outbox.consume(count);
                model.drain(..count);
                prop_assert_eq!(outbox.unsent(), &model[..]);
                prop_assert_eq!(outbox.len(), model.len());
            }
        }
    }
}
