//! Boxes that connections borrow while they need them, kept for the next one.
//!
//! Invariant: what is taken from a pool is empty, and what a pool keeps is bounded in count and in capacity.

use crate::connection::feed::Splices;
use crate::connection::inbox::Inbox;
use crate::connection::outbox::Outbox;

/// How many boxes a pool keeps. 64: the connections that are busy in the same turn.
const KEPT: usize = 64;
/// Capacity beyond which a buffer is given back to the allocator.
const KEPT_CAPACITY: usize = 64 * 1024;

/// The pools of one reactor.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    pub(crate) inboxes: Pool<Inbox>,
    pub(crate) outboxes: Pool<Outbox>,
    pub(crate) splices: Pool<Splices>,
}

/// Something that can be emptied and used again.
pub(crate) trait Reuse: Default {
    fn clear(&mut self);
    /// Bytes for which it keeps memory.
    fn held(&self) -> usize;
}

#[derive(Debug, Default)]
pub(crate) struct Pool<T> {
    free: Vec<Box<T>>,
}

impl<T: Reuse> Pool<T> {
    #[expect(clippy::unnecessary_box_returns, reason = "the boxes themselves are what is kept")]
    pub(crate) fn take(&mut self) -> Box<T> {
        self.free.pop().unwrap_or_default()
    }

    pub(crate) fn give(&mut self, mut item: Box<T>) {
        if self.free.len() < KEPT && item.held() <= KEPT_CAPACITY {
            item.clear();
            self.free.push(item);
        }
    }
}

impl Reuse for Inbox {
    fn clear(&mut self) {
        self.clear();
    }

    fn held(&self) -> usize {
        self.capacity()
    }
}

impl Reuse for Outbox {
    fn clear(&mut self) {
        self.clear();
    }

    fn held(&self) -> usize {
        self.capacity()
    }
}

impl Reuse for Splices {
    fn clear(&mut self) {
        self.clear();
    }

    fn held(&self) -> usize {
        self.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_empty_boxes_and_forgets_large_ones() {
        let mut pool = Pool::<Outbox>::default();
        let mut small = pool.take();
        small.push(b"left over");
        pool.give(small);
        let again = pool.take();
        assert_eq!(again.len(), 0);
        assert!(again.capacity() >= 9, "the buffer is reused");
        let mut large = pool.take();
        large.push(&vec![0; KEPT_CAPACITY + 1]);
        pool.give(large);
        assert_eq!(pool.free.len(), 0);
    }

    #[test]
    fn keeps_a_bounded_number() {
        let mut pool = Pool::<Inbox>::default();
        for _ in 0..KEPT + 10 {
            pool.give(Box::default());
        }
        assert_eq!(pool.free.len(), KEPT);
    }
}
