//! The feeds of one reactor, and the ids by which handlers name them.
//!
//! Invariants: an id names at most one feed, and a removed feed has no id. The feed of a free slot is empty: it has no
//! followers and no bytes. So a [`FeedSlot`] always leads to a feed, and the paths of the flush need not ask whether
//! its feed was removed.

use std::num::NonZeroU32;
use std::ops::{Index, IndexMut};

use crate::connection::feed::Feed;
use crate::connection::ids::ServiceId;

/// Names a feed of one reactor. Made by [`Context::create_feed`](crate::Context::create_feed).
///
/// After [`Context::remove_feed`](crate::Context::remove_feed), the id names no feed, and its use does nothing. The
/// memory of the feed is used again for another one, with another id. A memory place has 4,096 ids, which are then
/// used again: a handler that keeps the id of a removed feed while 4,096 more feeds come and go could publish to the
/// wrong one. In another reactor, the id names another feed or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedId(
    /// The slot in the low bits, which is not zero, and the generation in the high ones.
    NonZeroU32,
);

/// The place of a feed: its index plus one, so that the `Option<FollowerRef>` of each connection needs no more memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FeedSlot(NonZeroU32);

/// Bits of an id that are its slot. 20: a million feeds at a time. The other 12 are the generation, which increases
/// with each removal and wraps. That suffices, since only handlers keep ids: followers and work lists have slots.
const SLOT_BITS: u32 = 20;

impl FeedId {
    fn slot(self) -> FeedSlot {
        let slot = self.0.get() & ((1 << SLOT_BITS) - 1);
        FeedSlot(NonZeroU32::new(slot).expect("the slot of an id is not zero"))
    }

    /// The id of the next feed in the same slot.
    fn next(self) -> FeedId {
        let next = self.0.get().wrapping_add(1 << SLOT_BITS);
        FeedId(NonZeroU32::new(next).expect("the slot of an id is not zero"))
    }
}

impl FeedSlot {
    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// The feeds of one reactor.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    by_slot: Vec<Feed>,
    /// The id of each feed, by slot. `None` if the slot is free. Apart from the feeds, since a flush needs no id.
    ids: Vec<Option<FeedId>>,
    /// The next id of each free slot.
    free: Vec<FeedId>,
}

impl Feeds {
    /// Adds an empty feed of a service.
    ///
    /// # Panics
    /// If there are 2^20 - 1 feeds already.
    pub(crate) fn insert(&mut self, service: ServiceId) -> FeedId {
        let id = self.free.pop().unwrap_or_else(|| self.add_slot());
        let slot = id.slot();
        self.ids[slot.index()] = Some(id);
        self[slot].service = service;
        id
    }

    fn add_slot(&mut self) -> FeedId {
        self.by_slot.push(Feed::default());
        self.ids.push(None);
        let slot = u32::try_from(self.by_slot.len()).ok().filter(|&slot| slot < 1 << SLOT_BITS);
        FeedId(slot.and_then(NonZeroU32::new).expect("a reactor has fewer than 2^20 feeds"))
    }

    /// Removes a feed without followers.
    pub(crate) fn remove(&mut self, id: FeedId) {
        let Some(slot) = self.find(id) else { return };
        let feed = &mut self[slot];
        debug_assert!(feed.followers.is_empty(), "a removed feed has no followers");
        // The slot stays on the list of dirty feeds, where it is at most once.
        *feed = Feed { is_dirty: feed.is_dirty, ..Feed::default() };
        self.ids[slot.index()] = None;
        self.free.push(id.next());
    }

    /// The slot of a feed, unless the feed was removed.
    pub(crate) fn find(&self, id: FeedId) -> Option<FeedSlot> {
        let slot = id.slot();
        (*self.ids.get(slot.index())? == Some(id)).then_some(slot)
    }

    /// Bytes kept in all feeds.
    pub(crate) fn bytes(&self) -> usize {
        self.by_slot.iter().map(|feed| feed.log.len()).sum()
    }

    /// The service of each feed, and the bytes kept in it.
    #[cfg(feature = "metrics")]
    pub(crate) fn sizes(&self) -> impl Iterator<Item = (ServiceId, usize)> {
        let used = self.by_slot.iter().zip(&self.ids).filter(|(_, id)| id.is_some());
        used.map(|(feed, _)| (feed.service, feed.log.len()))
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Feed> {
        self.by_slot.iter()
    }
}

impl Index<FeedSlot> for Feeds {
    type Output = Feed;

    fn index(&self, slot: FeedSlot) -> &Feed {
        &self.by_slot[slot.index()]
    }
}

impl IndexMut<FeedSlot> for Feeds {
    fn index_mut(&mut self, slot: FeedSlot) -> &mut Feed {
        &mut self.by_slot[slot.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::feed::{Follower, FollowerRef};
    use crate::connection::token::Token;

    #[test]
    fn ids_and_positions_are_as_small_as_without_an_option() {
        assert_eq!((size_of::<FeedId>(), size_of::<Option<FeedId>>()), (4, 4));
        assert_eq!((size_of::<FollowerRef>(), size_of::<Option<FollowerRef>>()), (8, 8));
    }

    #[test]
    fn a_removed_id_names_no_feed() {
        let mut feeds = Feeds::default();
        let [first, second] = [(); 2].map(|()| feeds.insert(ServiceId::DEFAULT));
        feeds.remove(first);
        assert_eq!(feeds.find(first), None);
        let third = feeds.insert(ServiceId::DEFAULT);
        assert_eq!(third.slot(), first.slot(), "the slot is used again");
        assert!(third != first && feeds.find(first).is_none() && feeds.find(third).is_some());
        feeds.remove(first);
        assert!(feeds.find(second).is_some() && feeds.find(third).is_some(), "it removed none of them");
    }

    #[test]
    fn an_id_of_another_reactor_names_no_feed() {
        let mut others = Feeds::default();
        let ids = [(); 3].map(|()| others.insert(ServiceId::DEFAULT));
        assert!(ids.iter().all(|&id| Feeds::default().find(id).is_none()));
    }

    #[test]
    fn the_ids_of_a_slot_repeat_after_4096_feeds() {
        let mut feeds = Feeds::default();
        let first = feeds.insert(ServiceId::DEFAULT);
        feeds.remove(first);
        for _ in 1..4096 {
            let id = feeds.insert(ServiceId::DEFAULT);
            assert_eq!((id.slot(), feeds.find(first)), (first.slot(), None));
            feeds.remove(id);
        }
        assert_eq!(feeds.find(first), None, "the slot is free");
        assert_eq!(feeds.insert(ServiceId::DEFAULT), first);
    }

    #[test]
    fn feeds_that_come_and_go_need_no_more_memory() {
        let mut feeds = Feeds::default();
        for _ in 0..10_000 {
            let ids = [(); 3].map(|()| feeds.insert(ServiceId::DEFAULT));
            for id in ids {
                let slot = feeds.find(id).expect("a feed that was just made");
                feeds[slot].log.append(&[0; 100]);
                feeds[slot].followers.push(Follower::new(Token::none(), 0));
                feeds[slot].followers.clear();
                feeds.remove(id);
            }
        }
        assert_eq!((feeds.by_slot.len(), feeds.ids.len(), feeds.free.len(), feeds.bytes()), (3, 3, 3, 0));
        assert!(feeds.iter().all(|feed| feed.log.capacity() == 0 && feed.followers.capacity() == 0));
    }
}
