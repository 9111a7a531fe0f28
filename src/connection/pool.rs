//! Boxes of splices that followers borrow while they have splices.
//!
//! Invariant: the boxes of a pool are empty, and their number and capacity are bounded.

use crate::connection::feed::Splices;

/// Number of boxes kept. 64: enough for the followers with splices in one turn.
const MAX_KEPT: usize = 64;
/// Capacity in bytes above which a box is freed instead of kept.
const MAX_CAPACITY: usize = 64 * 1024;

/// The pool of one reactor.
///
/// Without it, each line to a room costs two allocations for the splice of its sender, which does not receive that line
/// (counted by `tests/heap.rs`). A box kept by each follower would waste memory, since most members of a room never
/// send.
#[derive(Debug, Default)]
pub(crate) struct SplicePool {
    #[expect(clippy::vec_box, reason = "a follower borrows the box itself")]
    free: Vec<Box<Splices>>,
}

impl SplicePool {
    #[expect(clippy::unnecessary_box_returns, reason = "the boxes themselves are kept")]
    pub(crate) fn take(&mut self) -> Box<Splices> {
        self.free.pop().unwrap_or_default()
    }

    pub(crate) fn give(&mut self, mut splices: Box<Splices>) {
        if self.free.len() < MAX_KEPT && splices.capacity() <= MAX_CAPACITY {
            splices.clear();
            self.free.push(splices);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_reused_and_large_ones_freed() {
        let mut pool = SplicePool::default();
        let small = pool.take();
        let address = std::ptr::from_ref(&*small);
        pool.give(small);
        assert_eq!(std::ptr::from_ref(&*pool.take()), address);
        pool.give(Box::new(Splices::with_capacity(MAX_CAPACITY)));
        assert!(pool.free.is_empty(), "each splice takes more than a byte");
    }

    #[test]
    fn the_number_of_kept_boxes_is_bounded() {
        let mut pool = SplicePool::default();
        for _ in 0..MAX_KEPT + 10 {
            pool.give(Box::default());
        }
        assert_eq!(pool.free.len(), MAX_KEPT);
    }
}
