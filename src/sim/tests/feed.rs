//! Feeds: the cost of one log for many followers, and what it keeps for them.

use super::*;
use crate::connection::feed::Follower;

fn chat(notes: &mut Notes, who: usize, call: Call<'_>, cx: &mut Context<'_>) {
    let room = notes.room(cx);
    match call {
        Call::Open => cx.follow(room),
        Call::Data(input) => {
            for line in input.split_inclusive(|&byte| byte == b'\n') {
                cx.publish_others(room, &[format!("n{who:03}: ").as_bytes(), line].concat());
            }
        }
        _ => {}
    }
}

impl<F> Sim<Scene<F>>
where
    F: FnMut(&mut Notes, usize, Call<'_>, &mut Context<'_>),
{
    /// Capacity of the room's log, in bytes.
    fn room_capacity(&self) -> usize {
        let feeds = &self.dispatcher.state.feeds;
        let slot = self.dispatcher.handler.notes.room.and_then(|room| feeds.find(room));
        slot.map_or(0, |slot| feeds[slot].log.capacity())
    }
}

#[test]
fn short_lines_stay_within_the_memory_of_the_room() {
    let mut most = 0;
    // Only three of them read. All would receive 10 GB, from the same log.
    let mut sim = Sim::new(scene(|notes, who, call, cx| {
        if who < 3 || !matches!(call, Call::Open) {
            chat(notes, who, call, cx);
        }
    }));
    let peers: Vec<_> = (0..200).map(|_| sim.connect()).collect();
    let lines = b"x\n".repeat(32 * 1024);
    for &peer in &peers {
        sim.send(peer, &lines);
    }
    while !sim.touched.is_empty() || !sim.dispatcher.state.work.ready.is_empty() {
        sim.turn();
        most = most.max(sim.room_capacity());
        for &peer in &peers[1..] {
            sim.peers[peer.0].end.wires().from_server.clear();
        }
    }
    let received = sim.received(peers[0]);
    assert_eq!(received.len(), 199 * 32 * 1024 * 8);
    assert!(!received.windows(5).step_by(8).any(|line| line == b"n000:"), "no talker receives its own line");
    assert!(most < 8 << 20, "{most} bytes of feed");
    assert!(sim.room_capacity() <= 64 * 1024, "freed when every follower has caught up");
}

#[test]
fn a_stalled_member_costs_no_more_than_twice_the_room() {
    let mut most = 0;
    let mut sim = Sim::new(scene(chat));
    let (talker, stuck) = (sim.connect(), sim.connect());
    sim.stall(stuck);
    for _ in 0..200 {
        sim.send(talker, &vec![b'x'; 50_000]);
        sim.run();
        most = most.max(sim.room_capacity());
    }
    assert_eq!(sim.ending(stuck), Some(Ending::Reset));
    assert!(most < 10 << 20, "{most} bytes of feed");
    assert!(sim.room_capacity() <= 64 * 1024);
}

#[test]
fn the_log_goes_as_soon_as_the_slowest_member_has_caught_up() {
    let mut sim = Sim::new(scene(chat));
    let (talker, slow) = (sim.connect(), sim.connect());
    sim.stall(slow);
    sim.send(talker, &vec![b'x'; 500_000]);
    sim.run();
    assert!(sim.room_capacity() >= 500_000, "kept for the slow one");
    sim.resume(slow);
    assert!(sim.received(slow).len() > 500_000);
    assert!(sim.room_capacity() <= 64 * 1024, "nothing has to be published for that");
}

#[test]
fn a_line_to_a_thousand_stalled_members_allocates_nothing() {
    let mut sim = Sim::new(scene(chat));
    let talker = sim.connect();
    let crowd: Vec<_> = (0..1000).map(|_| sim.connect()).collect();
    for &peer in &crowd {
        sim.stall(peer);
    }
    sim.send(talker, b"first\n");
    sim.run();
    let before = sim.room_capacity();
    sim.send(talker, &[b'x'; 64]);
    sim.run();
    assert!(sim.room_capacity() - before < 1024);
    for connection in sim.dispatcher.state.connections.values() {
        assert!(connection.outbox.is_none() && connection.inbox.is_none());
    }
    assert_eq!(room_for_differences(&sim), [0; 1001]);
    assert_eq!(sim.stats().queued, 0);
}

#[test]
fn a_lingering_member_does_not_hold_the_log() {
    let limits = Limits { feed_buffer: Some(100_000), ..Limits::default() };
    let mut sim = Sim::with_limits(
        scene(
            |notes, who, call, cx| {
                if let Call::Data(b"bye") = call { cx.close() } else { chat(notes, who, call, cx) }
            },
        ),
        limits,
    );
    let (stays, leaves) = (sim.connect(), sim.connect());
    sim.send(leaves, b"bye");
    sim.run();
    for _ in 0..10 {
        sim.publish(&vec![b'x'; 50_000]);
    }
    assert_eq!(sim.received(stays).len(), 500_000);
    assert_eq!(sim.connections(), 2, "it has its second to end in good order");
    assert!(sim.room_capacity() <= 100_000, "{}", sim.room_capacity());
    sim.shut_down(leaves);
    assert_eq!((sim.connections(), sim.ending(leaves)), (1, Some(Ending::Eof)));
}

#[test]
fn a_closing_member_gets_what_was_published_before() {
    let mut sim = Sim::new(scene(
        |notes, who, call, cx| {
            if let Call::Data(b"bye") = call { cx.close() } else { chat(notes, who, call, cx) }
        },
    ));
    let (stays, leaves) = (sim.connect(), sim.connect());
    sim.stall(leaves);
    sim.publish(b"before ");
    sim.send(leaves, b"bye");
    sim.run();
    for _ in 0..100 {
        sim.publish(&[b'x'; 1000]);
    }
    assert_eq!(sim.received(stays).len(), 100_007);
    sim.resume(leaves);
    assert_eq!((sim.received(leaves), sim.ending(leaves)), (b"before ".to_vec(), Some(Ending::Eof)));
    sim.publish(b"on");
    assert!(sim.room_capacity() <= 64 * 1024);
    assert_eq!(sim.received(stays), b"on");
}

#[test]
fn a_closed_member_gets_nothing_that_is_published_later() {
    let mut sim = Sim::new(scene(|notes, _, call, cx| {
        let room = notes.room(cx);
        match call {
            Call::Open => cx.follow(room),
            Call::Data(_) => {
                cx.publish(room, b"1");
                cx.close();
                cx.publish(room, b"2");
                cx.publish_others(room, b"3");
                cx.publish(room, b"4");
            }
            _ => {}
        }
    }));
    let (stays, leaves) = (sim.connect(), sim.connect());
    sim.send(leaves, b"x");
    assert_eq!(sim.received(stays), b"1234");
    assert_eq!((sim.received(leaves), sim.ending(leaves)), (b"1".to_vec(), Some(Ending::Eof)));
}

#[test]
fn a_talker_behind_by_its_own_words_can_leave_the_room() {
    // It is dropped within its own callback, the log at its cursor is dropped, and then it asks to unfollow.
    for asks in 0..3 {
        let limits = Limits { feed_buffer: Some(1000), ..Limits::default() };
        let mut sim = Sim::with_limits(
            scene(move |notes, who, call, cx| {
                let room = notes.room(cx);
                match call {
                    Call::Open => cx.follow(room),
                    Call::Data(_) => {
                        cx.publish(room, &[b'x'; 1500]);
                        cx.publish_others(room, &[b'y'; 1500]);
                        match asks {
                            0 => cx.unfollow(),
                            1 => cx.follow(room),
                            _ => cx.reply(b"sorry"),
                        }
                        cx.publish(room, format!("{who}").as_bytes());
                    }
                    _ => {}
                }
            }),
            limits,
        );
        let (stays, talker) = (sim.connect(), sim.connect());
        sim.stall(talker);
        sim.publish(b"...");
        sim.send(talker, b"x");
        assert_eq!(sim.received(stays).len(), 3 + 3000 + 1);
        assert_eq!(sim.ending(talker), Some(Ending::Reset));
        assert_eq!(sim.handler_mut().notes.closings(1), 1);
    }
}

#[test]
fn aborting_and_leaving_the_room_in_one_callback_is_harmless() {
    let mut sim = Sim::new(scene(|notes, _, call, cx| {
        let room = notes.room(cx);
        match call {
            Call::Open => cx.follow(room),
            Call::Data(_) => {
                cx.abort();
                cx.publish(room, &vec![b'x'; 3_000_000]);
                cx.unfollow();
                cx.follow(room);
            }
            _ => {}
        }
    }));
    let (stays, leaves) = (sim.connect(), sim.connect());
    sim.stall(leaves);
    sim.publish(b"...");
    sim.send(leaves, b"x");
    assert_eq!(sim.received(stays).len(), 3_000_003);
    assert_eq!(sim.connections(), 1);
}

/// All follow the room. `end` half-closes, `follow` follows again, and any other input goes to the others.
fn half_closing(notes: &mut Notes, who: usize, call: Call<'_>, cx: &mut Context<'_>) {
    let room = notes.room(cx);
    match call {
        Call::Open | Call::Data(b"follow") => cx.follow(room),
        Call::Data(b"end") => cx.shut_down_other(notes.tokens[who]),
        Call::Data(input) => cx.publish_others(room, input),
        _ => {}
    }
}

#[test]
fn a_half_closed_follower_costs_nothing_and_stays() {
    let limits = Limits { feed_buffer: Some(1000), ..Limits::default() };
    let mut sim = Sim::with_limits(scene(half_closing), limits);
    let (stays, ends) = (sim.connect(), sim.connect());
    sim.stall(ends);
    sim.publish(b"last");
    sim.send(ends, b"end");
    for _ in 0..10 {
        sim.publish(&[b'x'; 600]);
    }
    assert_eq!(sim.received(stays).len(), 4 + 10 * 600);
    assert!(sim.dispatcher.state.feeds.iter().all(|feed| feed.log.is_empty()), "no follower needs the log");
    sim.resume(ends);
    assert_eq!((sim.received(ends), sim.ending(ends)), (b"last".to_vec(), Some(Ending::Eof)));
    sim.send(ends, b"still here");
    assert_eq!(sim.received(stays), b"still here");
    assert_eq!((sim.connections(), sim.handler_mut().notes.closings(1)), (2, 0));
}

#[test]
fn a_half_closed_peer_gets_nothing_from_a_feed() {
    let mut sim = Sim::new(scene(half_closing));
    let (stays, ends) = (sim.connect(), sim.connect());
    for input in ["end", "one", "follow", "two"] {
        sim.send(ends, input.as_bytes());
        sim.publish(b".");
    }
    assert_eq!(sim.received(stays), b".one..two.");
    assert_eq!((sim.received(ends), sim.ending(ends)), (b"".to_vec(), Some(Ending::Eof)));
    assert_eq!(sim.handler_mut().notes.closings(1), 0);
}

#[test]
fn what_was_owed_before_following_comes_first() {
    let mut sim = Sim::new(scene(|notes: &mut Notes, _, call, cx| {
        if let Call::Data(_) = call {
            cx.reply(b"hello ");
            let room = notes.room(cx);
            cx.follow(room);
            cx.reply(b"and ");
            cx.publish(room, b"welcome");
        }
    }));
    let peer = sim.connect();
    sim.stall(peer);
    sim.send(peer, b"join");
    sim.run();
    sim.resume(peer);
    assert_eq!(sim.received(peer), b"hello and welcome");
}

#[test]
fn a_feed_without_followers_remembers_nothing() {
    let mut sim = Sim::new(scene(hear_others_only));
    let peer = sim.connect();
    sim.send(peer, &vec![b'x'; 60_000]);
    sim.publish(&vec![b'x'; 60_000]);
    assert_eq!(sim.room_capacity(), 0);
}

fn hear_others_only(notes: &mut Notes, _: usize, call: Call<'_>, cx: &mut Context<'_>) {
    if let Call::Open = call {
        let room = notes.room(cx);
        cx.follow(room);
        cx.unfollow();
    } else {
        hear_others(notes, &call, cx);
    }
}

#[test]
fn a_follower_of_the_whole_feed_holds_no_pieces_of_its_own() {
    use crate::servers::{Chat, ChatOptions};
    let mut sim = Sim::new(Chat::room(ChatOptions::default()));
    let peers: Vec<_> = (0..200).map(|_| sim.connect()).collect();
    for (number, &peer) in peers.iter().enumerate() {
        sim.send(peer, format!("member{number}\nhello\n").as_bytes());
        if number % 3 == 0 {
            sim.run();
        }
    }
    sim.run();
    for &peer in &peers[..100] {
        sim.stall(peer);
    }
    sim.send(peers[150], b"who is there?\n");
    sim.run();
    assert_eq!(room_for_differences(&sim), [0; 200]);
}

/// Capacity of the splices of each follower, in bytes.
fn room_for_differences<H: Handler>(sim: &Sim<H>) -> Vec<usize> {
    let followers = sim.dispatcher.state.feeds.iter().flat_map(|feed| &feed.followers);
    followers.map(Follower::capacity).collect()
}
