use super::*;
use proptest::prelude::*;

/// What a follower receives when it is sent everything that is due, at most `step` bytes at a time.
fn receive(follower: &mut Follower, log: &Log, outbox: &mut Outbox, step: usize) -> Vec<u8> {
    let mut seen = Vec::new();
    loop {
        let Some(segment) = follower.segments(log.end()).next() else { break };
        let piece = match segment {
            Segment::Feed(range) => log.slice(range),
            Segment::Own(range) => &outbox.unsent()[range],
        };
        let piece = piece[..piece.len().min(step)].to_vec();
        follower.advance(piece.len(), Some(outbox));
        seen.extend(piece);
    }
    follower.advance(0, Some(outbox));
    seen
}

fn follower_of(log: &Log) -> Follower {
    Follower::new(Token::none(), log.end())
}

#[test]
fn a_follower_gets_what_is_published_after_it_began() {
    let mut log = Log::default();
    log.append(b"before ");
    let mut follower = follower_of(&log);
    log.append(b"after");
    assert_eq!(receive(&mut follower, &log, &mut Outbox::default(), 3), b"after");
    assert!(follower.is_caught_up(log.end()));
}

#[test]
fn neighbouring_splices_merge() {
    let log = Log::default();
    let mut follower = follower_of(&log);
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
fn an_empty_box_of_splices_is_given_back() {
    let mut log = Log::default();
    let (mut follower, mut outbox) = (follower_of(&log), Outbox::default());
    log.append(b"before");
    follower.lend(Box::default);
    follower.splice_own(log.end(), 2);
    outbox.push(b"me");
    assert_eq!(follower.plain(log.end()), None);
    assert!(follower.give_back().is_none(), "it is in use");
    assert_eq!(receive(&mut follower, &log, &mut outbox, 3), b"beforeme");
    let lent = follower.give_back().expect("it has no splices");
    assert!(follower.capacity() == 0 && lent.capacity() > 0);
    log.append(b"on");
    assert_eq!(follower.plain(log.end()), Some(6..8));
}

#[test]
fn a_feed_that_many_leave_gives_memory_back() {
    let mut feed = Feed::default();
    feed.followers.extend((0..1000).map(|at| Follower::new(Token::none(), at)));
    while feed.followers.len() > 10 {
        let last = feed.followers.len() as u64 - 1;
        assert_eq!(feed.remove(3).cursor, if last == 999 { 3 } else { last + 1 });
        assert!(last < 250 || feed.followers.capacity() >= 1000, "{last} are left: who comes again finds room");
    }
    assert!((11..=KEPT_FOLLOWERS).contains(&feed.followers.capacity()), "{}", feed.followers.capacity());
}

#[test]
fn what_is_unsent_of_the_feed_leaves_out_what_is_skipped() {
    let mut log = Log::default();
    log.append(&[0; 100]);
    let mut follower = follower_of(&log);
    log.append(&[0; 10]);
    follower.splice_skip(log.end(), 5);
    log.append(&[0; 5]);
    follower.splice_own(log.end(), 3);
    log.append(&[0; 7]);
    assert_eq!(follower.unsent_feed(log.end()), 17);
}

#[test]
fn the_log_is_moved_only_when_less_is_left_than_was_passed() {
    let mut log = Log::default();
    log.append(&[0; 100]);
    log.trim(50);
    assert_eq!(log.base, 0, "moving 50 bytes to forget 50 is no gain");
    log.trim(51);
    assert_eq!(log.base, 51);
}

#[test]
fn a_closing_follower_gets_nothing_that_is_published_later() {
    let mut log = Log::default();
    let mut follower = follower_of(&log);
    log.append(b"now");
    follower.finish_at(log.end());
    log.append(b"later");
    follower.finish_at(log.end());
    assert_eq!(receive(&mut follower, &log, &mut Outbox::default(), 2), b"now");
    assert!(follower.is_caught_up(log.end()));
}

#[test]
fn trimming_keeps_offsets_and_gives_memory_back() {
    let mut log = Log::default();
    log.append(&[b'x'; 100]);
    log.append(b"tail");
    log.trim(40);
    assert_eq!((log.slice(100..104), log.end()), (&b"tail"[..], 104));
    log.trim(100);
    assert_eq!((log.slice(100..104), log.end(), log.bytes.len()), (&b"tail"[..], 104, 4));
    log.append(&vec![0; 60_000]);
    log.trim(log.end());
    assert!(log.bytes.capacity() >= 60_000, "a small buffer is kept for the next publication");
    log.append(&vec![0; 1 << 20]);
    log.trim(log.end());
    assert_eq!((log.bytes.len(), log.end()), (0, 104 + 60_000 + (1 << 20)));
    assert!(log.bytes.capacity() <= 65_536, "a large one is given back");
    log.append(b"on");
    assert_eq!(log.slice(log.end() - 2..log.end()), b"on");
}

#[test]
fn what_was_not_flushed_is_counted() {
    let mut feed = Feed::default();
    feed.log.append(&[0; 10]);
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
        let (mut log, mut outbox) = (Log::default(), Outbox::default());
        let mut follower = follower_of(&log);
        let (mut want, mut seen) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Others(bytes) => { log.append(&bytes); want.extend(bytes); }
                Step::Own(bytes) => { follower.splice_skip(log.end(), bytes.len()); log.append(&bytes); }
                Step::Reply(bytes) => {
                    follower.splice_own(log.end(), bytes.len());
                    outbox.push(&bytes);
                    want.extend(bytes);
                }
                Step::Take(count) => {
                    let segments: Vec<_> = follower.segments(log.end()).collect();
                    let due: Vec<u8> = segments.into_iter().flat_map(|segment| match segment {
                        Segment::Feed(range) => log.slice(range).to_vec(),
                        Segment::Own(range) => outbox.unsent()[range].to_vec(),
                    }).collect();
                    let taken = count.min(due.len());
                    seen.extend(&due[..taken]);
                    follower.advance(taken, Some(&mut outbox));
                    log.trim(follower.cursor);
                }
            }
        }
        seen.extend(receive(&mut follower, &log, &mut outbox, usize::MAX));
        prop_assert_eq!(seen, want);
        prop_assert!(follower.is_caught_up(log.end()));
        prop_assert_eq!(outbox.len(), 0);
    }
}
