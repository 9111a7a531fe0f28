//! Feeds that are removed while they have followers, unsent bytes, or both.

use std::fs;
use std::fs::File;
use std::sync::Arc;

use super::*;

/// All follow the room. `end` removes it in the middle of what its sender says; all else is published.
fn removable(notes: &mut Notes, _: usize, call: Call<'_>, cx: &mut Context<'_>) {
    let room = notes.room(cx);
    match call {
        Call::Open => cx.follow(room),
        Call::Data(b"end") => {
            cx.reply(b"1");
            cx.publish(room, b"2");
            cx.publish_others(room, b"3");
            cx.reply(b"4");
            cx.remove_feed(room);
            cx.publish(room, b"-");
            cx.publish_others(room, b"-");
            cx.reply(b"5");
            cx.follow(room);
            cx.remove_feed(room);
        }
        Call::Data(input) => cx.publish(room, input),
        _ => {}
    }
}

fn is_without_followers<H: Handler>(sim: &Sim<H>) -> bool {
    let state = &sim.dispatcher.state;
    state.feeds.iter().all(|feed| feed.followers.is_empty() && !feed.is_dirty)
        && state.connections.values().all(|connection| connection.follower_ref.is_none())
}

#[test]
fn followers_receive_what_was_published_before_and_no_more() {
    let mut sim = Sim::new(scene(removable));
    let (stays, ends, stuck) = (sim.connect(), sim.connect(), sim.connect());
    sim.stall(stuck);
    sim.publish(b"0");
    sim.send(ends, b"end");
    assert_eq!((sim.received(stays), sim.received(ends)), (b"023".to_vec(), b"01245".to_vec()));
    assert!(is_without_followers(&sim));
    assert_eq!((sim.stats().in_feeds, sim.stats().queued), (0, 3), "the stuck peer has a copy of its own");
    sim.send(stays, b"more");
    sim.resume(stuck);
    assert_eq!(sim.received(stuck), b"023");
    assert_eq!((sim.stats().queued, sim.connections()), (0, 3));
}

#[test]
fn a_new_feed_in_the_same_turn_gets_nothing_of_the_old_one() {
    let mut sim = Sim::new(scene(|notes, who, call, cx| {
        let room = notes.room(cx);
        match call {
            Call::Open => cx.follow(room),
            Call::Data(_) => {
                cx.publish(room, b"old ");
                cx.remove_feed(room);
                notes.room = None;
                let new = notes.room(cx);
                cx.follow(new);
                cx.publish(room, b"lost ");
                cx.publish(new, format!("new {who}").as_bytes());
            }
            _ => {}
        }
    }));
    let (stays, moves) = (sim.connect(), sim.connect());
    sim.send(moves, b"x");
    assert_eq!((sim.received(stays), sim.received(moves)), (b"old ".to_vec(), b"old new 1".to_vec()));
    assert_eq!(sim.dispatcher.state.feeds.iter().count(), 1, "the slot was used again");
    sim.publish(b"!");
    assert_eq!((sim.received(stays), sim.received(moves)), (b"".to_vec(), b"!".to_vec()));
}

#[test]
fn a_feed_is_removed_by_the_end_of_its_last_follower() {
    let mut sim = Sim::new(scene(|notes, who, call, cx| {
        if let Call::Closed(_) = call {
            let room = notes.room(cx);
            cx.publish(room, b"bye");
            cx.remove_feed(room);
        } else {
            removable(notes, who, call, cx);
        }
    }));
    let (stays, leaves) = (sim.connect(), sim.connect());
    sim.stall(leaves);
    sim.publish(b"hello ");
    sim.reset(leaves);
    sim.run();
    assert_eq!(sim.received(stays), b"hello bye");
    assert!(is_without_followers(&sim));
    assert_eq!((sim.stats().in_feeds, sim.stats().queued), (0, 0));
}

#[test]
fn a_follower_far_behind_a_removed_feed_is_closed() {
    let limits = Limits { feed_buffer: Some(1000), ..Limits::default() };
    let mut sim = Sim::with_limits(
        scene(|notes, who, call, cx| {
            if let Call::Data(b"flood") = call {
                let room = notes.room(cx);
                cx.publish(room, &[b'x'; 1500]);
                cx.remove_feed(room);
            } else {
                removable(notes, who, call, cx);
            }
        }),
        limits,
    );
    let (floods, stuck) = (sim.connect(), sim.connect());
    sim.stall(stuck);
    sim.send(floods, b"flood");
    assert_eq!((sim.received(floods).len(), sim.ending(stuck)), (1500, Some(Ending::Reset)));
    assert!(is_without_followers(&sim));
    assert_eq!((sim.stats().in_feeds, sim.stats().queued, sim.connections()), (0, 0, 1));
}

#[test]
fn a_closing_follower_of_a_removed_feed_gets_its_rest() {
    let mut sim = Sim::new(scene(|notes, who, call, cx| match call {
        Call::Data(b"bye") => cx.close(),
        _ => removable(notes, who, call, cx),
    }));
    let (stays, leaves) = (sim.connect(), sim.connect());
    sim.stall(leaves);
    sim.publish(b"before ");
    sim.send(leaves, b"bye");
    sim.publish(b"after ");
    sim.send(stays, b"end");
    sim.run();
    assert_eq!(sim.received(stays), b"before after 1245");
    sim.resume(leaves);
    assert_eq!((sim.received(leaves), sim.ending(leaves)), (b"before ".to_vec(), Some(Ending::Eof)));
}

#[test]
fn a_file_is_sent_before_what_a_removed_feed_leaves() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let content = fs::read(path).expect("a file of this crate");
    let file = Arc::new(File::open(path).expect("a file of this crate"));
    let length = content.len() as u64;
    let mut sim = Sim::new(scene(move |notes, who, call, cx| match call {
        Call::Open => {
            cx.reply_file(file.clone(), 0..length).expect("it follows no feed yet");
            removable(notes, who, call, cx);
        }
        _ => removable(notes, who, call, cx),
    }));
    let (first, ends) = (sim.connect(), sim.connect());
    sim.limit_writes(first, 10);
    sim.stall(first);
    assert_eq!(sim.received(ends), content);
    sim.send(ends, b"end");
    sim.run();
    sim.resume(first);
    assert!(sim.received(first) == [content, b"23".to_vec()].concat(), "the file, then the rest of the feed");
}

#[test]
fn the_followers_of_a_feed_removed_at_a_stop_get_its_rest() {
    struct Room {
        feed: Option<FeedId>,
    }

    impl Handler for Room {
        type Session = ();

        fn open(&mut self, _: &Origin, cx: &mut Context<'_>) {
            let feed = *self.feed.get_or_insert_with(|| cx.create_feed());
            cx.follow(feed);
        }

        fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], _: &mut Context<'a>) -> usize {
            input.len()
        }

        fn stopping(&mut self, cx: &mut Context<'_>) {
            if let Some(feed) = self.feed.take() {
                cx.publish(feed, b"the end");
                cx.remove_feed(feed);
                cx.publish(feed, b"?");
            }
        }
    }

    let mut sim = Sim::new(Room { feed: None });
    let (reads, stuck) = (sim.connect(), sim.connect());
    sim.stall(stuck);
    sim.stop();
    sim.run();
    sim.resume(stuck);
    for peer in [reads, stuck] {
        assert_eq!((sim.received(peer), sim.ending(peer)), (b"the end".to_vec(), Some(Ending::Eof)));
    }
}
