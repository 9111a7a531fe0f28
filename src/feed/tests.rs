use super::*;
use proptest::prelude::*;

/// What a follower receives when it is sent everything that is due, at most `step` bytes at a time.
fn receive(follower: &mut Follower, feed: &Feed, outbox: &mut Outbox, step: usize) -> Vec<u8> {
    let mut seen = Vec::new();
    loop {
        let Some(segment) = follower.segments(feed.end()).next() else { break };
        let piece = match segment {
            Segment::Feed(range) => feed.slice(range),
            Segment::Own(range) => &outbox.unsent()[range],
        };
        let piece = piece[..piece.len().min(step)].to_vec();
        follower.advance(piece.len(), Some(outbox));
        seen.extend(piece);
    }
    follower.advance(0, Some(outbox));
    seen
}

fn follower_of(feed: &Feed) -> Follower {
    let mut follower = Follower::default();
    follower.begin(FeedId::default(), feed.end(), 0);
    follower
}

#[test]
fn a_follower_gets_what_is_published_after_it_began() {
    let mut feed = Feed::default();
    feed.append(b"before ");
    let mut follower = follower_of(&feed);
    feed.append(b"after");
    assert_eq!(receive(&mut follower, &feed, &mut Outbox::default(), 3), b"after");
    assert!(follower.is_caught_up(feed.end()));
}

#[test]
fn what_was_owed_before_following_comes_first() {
    let (mut feed, mut outbox, mut follower) = (Feed::default(), Outbox::default(), Follower::default());
    outbox.push(b"hello ");
    follower.begin(FeedId::default(), feed.end(), outbox.len());
    feed.append(b"world");
    assert!(!follower.is_caught_up(feed.end()));
    assert_eq!(receive(&mut follower, &feed, &mut outbox, 100), b"hello world");
}

#[test]
fn neighbouring_splices_merge() {
    let feed = Feed::default();
    let mut follower = follower_of(&feed);
    for at in 0..1000 {
        follower.splice_skip(at, 1);
    }
    follower.splice_own(1000, 2);
    follower.splice_own(1000, 3);
    follower.splice_own(1000, 0);
    assert_eq!(follower.splice_bytes(), 2 * size_of::<Splice>());
    follower.splice_skip(1000, 0);
    assert_eq!(follower.splice_bytes(), 2 * size_of::<Splice>());
    let segments: Vec<_> = follower.segments(1000).collect();
    assert_eq!(segments, [Segment::Own(0..5)]);
}

#[test]
fn a_follower_that_is_used_again_keeps_its_memory() {
    let mut follower = follower_of(&Feed::default());
    for at in 0..100 {
        follower.splice_own(2 * at, 1);
    }
    follower.clear();
    let held = follower.capacity();
    follower.begin(FeedId::default(), 7, 0);
    assert_eq!((follower.capacity(), follower.cursor, follower.splice_bytes()), (held, 7, 0));
    assert!(held >= 100 * size_of::<Splice>());
    let lent = follower.give_back().expect("it has no splices");
    assert_eq!((follower.capacity(), lent.capacity()), (0, held));
}

#[test]
fn what_is_unsent_of_the_feed_leaves_out_what_is_skipped() {
    let mut feed = Feed::default();
    feed.append(&[0; 100]);
    let mut follower = follower_of(&feed);
    feed.append(&[0; 10]);
    follower.splice_skip(feed.end(), 5);
    feed.append(&[0; 5]);
    follower.splice_own(feed.end(), 3);
    feed.append(&[0; 7]);
    assert_eq!(follower.unsent_feed(feed.end()), 17);
}

#[test]
fn the_log_is_moved_only_when_less_is_left_than_was_passed() {
    let mut feed = Feed::default();
    feed.append(&[0; 100]);
    feed.trim(50);
    assert_eq!(feed.base, 0, "moving 50 bytes to forget 50 is no gain");
    feed.trim(51);
    assert_eq!(feed.base, 51);
}

#[test]
fn a_closing_follower_gets_nothing_that_is_published_later() {
    let mut feed = Feed::default();
    let mut follower = follower_of(&feed);
    feed.append(b"now");
    follower.finish_at(feed.end());
    feed.append(b"later");
    follower.finish_at(feed.end());
    assert_eq!(receive(&mut follower, &feed, &mut Outbox::default(), 2), b"now");
    assert!(follower.is_caught_up(feed.end()));
}

#[test]
fn trimming_keeps_offsets_and_gives_memory_back() {
    let mut feed = Feed::default();
    feed.append(&[b'x'; 100]);
    feed.append(b"tail");
    feed.trim(40);
    assert_eq!((feed.slice(100..104), feed.end()), (&b"tail"[..], 104));
    feed.trim(100);
    assert_eq!((feed.slice(100..104), feed.end(), feed.log.len()), (&b"tail"[..], 104, 4));
    feed.append(&vec![0; 60_000]);
    feed.trim(feed.end());
    assert!(feed.log.capacity() >= 60_000, "a small buffer is kept for the next publication");
    feed.append(&vec![0; 1 << 20]);
    feed.trim(feed.end());
    assert_eq!((feed.log.len(), feed.end()), (0, 104 + 60_000 + (1 << 20)));
    assert!(feed.log.capacity() <= 65_536, "a large one is given back");
    feed.append(b"on");
    assert_eq!(feed.slice(feed.end() - 2..feed.end()), b"on");
}

#[test]
fn what_was_not_flushed_is_counted() {
    let mut feed = Feed::default();
    feed.append(&[0; 10]);
    assert_eq!(feed.unflushed(), 10);
    feed.flushed = 4;
    assert_eq!(feed.unflushed(), 6);
}

/// What may happen to a follower, for the model below.
#[derive(Clone, Debug)]
enum Step {
    Others(Vec<u8>),
    Own(Vec<u8>),
    Reply(Vec<u8>),
    Take(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..8);
    prop_oneof![
        bytes().prop_map(Step::Others),
        bytes().prop_map(Step::Own),
        bytes().prop_map(Step::Reply),
        (0usize..20).prop_map(Step::Take),
    ]
}

proptest! {
    #[test]
    fn every_follower_sees_an_exact_order(steps in proptest::collection::vec(step(), 0..60)) {
        let (mut feed, mut outbox) = (Feed::default(), Outbox::default());
        let mut follower = follower_of(&feed);
        let (mut want, mut seen) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Others(bytes) => { feed.append(&bytes); want.extend(bytes); }
                Step::Own(bytes) => { follower.splice_skip(feed.end(), bytes.len()); feed.append(&bytes); }
                Step::Reply(bytes) => {
                    follower.splice_own(feed.end(), bytes.len());
                    outbox.push(&bytes);
                    want.extend(bytes);
                }
                Step::Take(count) => {
                    let segments: Vec<_> = follower.segments(feed.end()).collect();
                    let due: Vec<u8> = segments.into_iter().flat_map(|segment| match segment {
                        Segment::Feed(range) => feed.slice(range).to_vec(),
                        Segment::Own(range) => outbox.unsent()[range].to_vec(),
                    }).collect();
                    let taken = count.min(due.len());
                    seen.extend(&due[..taken]);
                    follower.advance(taken, Some(&mut outbox));
                    feed.trim(follower.cursor);
                }
            }
        }
        seen.extend(receive(&mut follower, &feed, &mut outbox, usize::MAX));
        prop_assert_eq!(seen, want);
        prop_assert!(follower.is_caught_up(feed.end()));
        prop_assert_eq!(outbox.len(), 0);
    }
}
