//! Pending output: bytes that were queued for a connection and that the kernel has not taken yet.

/// The pending output of one connection, or of standard output.
///
/// Invariants: `bytes[start..]` is the unsent output, oldest byte first; `others` is at most its length. `others`
/// counts the bytes that others have queued, which [`max_queue`](crate::Limits::max_queue) limits.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    start: usize,
    others: usize,
    /// Number of unsent bytes up to the last one that others, except the console, have queued. If the peer does not
    /// take them in time, it is closed.
    others_end: usize,
}

impl Outbox {
    /// Queues output that the peer's own input caused.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        // The unsent bytes are moved to the front when no more of them are left than were sent. So each byte is moved
        // at most once.
        if self.start >= self.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Queues output that another connection, a timer or a worker caused.
    pub(crate) fn push_others(&mut self, bytes: &[u8]) {
        self.push_console(bytes);
        self.others_end = self.len();
    }

    /// Queues output that the operator caused.
    pub(crate) fn push_console(&mut self, bytes: &[u8]) {
        self.push(bytes);
        self.others += bytes.len();
    }

    /// The unsent bytes.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// The number of unsent bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// An upper bound of the unsent bytes that others, including the console, have queued: the peer's own bytes count
    /// as sent first.
    pub(crate) fn others(&self) -> usize {
        self.others
    }

    /// Whether there are unsent bytes that others, except the console, have queued.
    pub(crate) fn has_others(&self) -> bool {
        self.others_end > 0
    }

    /// Removes the oldest `count` bytes, which the kernel has taken.
    ///
    /// # Panics
    /// If there are fewer than `count` bytes, which is a bug of the caller.
    pub(crate) fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "consumed {count} of {} bytes", self.len());
        self.start += count;
        self.others = self.others.min(self.len());
        self.others_end = self.others_end.saturating_sub(count);
        if self.start == self.bytes.len() {
            self.clear();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
        self.others = 0;
        self.others_end = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_count_of_others_is_at_most_what_is_left() {
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
    fn output_of_the_console_does_not_count_as_others() {
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
        assert!(outbox.bytes.capacity() <= 8000, "{}", outbox.bytes.capacity());
    }

    #[test]
    fn bytes_move_only_when_no_more_are_left_than_sent() {
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
        fn is_a_queue_of_bytes(
            steps in proptest::collection::vec((any::<Vec<u8>>(), any::<prop::sample::Index>()), 0..40),
        ) {
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
