//! The exact bytes that each peer receives, compared with a model that has one vector for each peer.

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

const PEERS: usize = 4;

/// The act of a handler for one letter of input.
#[derive(Clone, Copy, Debug)]
enum Act {
    Reply,
    ReplyFile,
    Publish(usize),
    PublishOthers(usize),
    Send(usize),
    Follow(usize),
    Unfollow,
    CreateRoom,
    RemoveRoom(usize),
    Close,
    CloseOther(usize),
}

/// As letters: an act and the peer or the room that it concerns.
fn letters(act: Act) -> [u8; 2] {
    match act {
        Act::Reply => *b"r ",
        Act::ReplyFile => *b"F ",
        Act::Publish(room) => [b'p', room as u8],
        Act::PublishOthers(room) => [b'o', room as u8],
        Act::Send(index) => [b's', index as u8],
        Act::Follow(room) => [b'f', room as u8],
        Act::Unfollow => *b"u ",
        Act::CreateRoom => *b"n ",
        Act::RemoveRoom(room) => [b'd', room as u8],
        Act::Close => *b"c ",
        Act::CloseOther(index) => [b'x', index as u8],
    }
}

/// The content of the file that is sent.
const CONTENT: &[u8] = b"<abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ>";

/// The range of the file that the act with this number sends.
fn range(number: u32) -> Range<usize> {
    let start = 7 * number as usize % (CONTENT.len() - 20);
    start..start + number as usize % 20
}

/// A file with [`CONTENT`].
fn file() -> Arc<File> {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(CONTENT).expect("room for a few bytes");
    Arc::new(file)
}

/// What acts share.
struct Props {
    number: u32,
    /// All rooms ever created, also those that were removed.
    rooms: Vec<FeedId>,
    file: Arc<File>,
}

fn perform(props: &mut Props, tokens: &[Token], letters: &[u8], cx: &mut Context<'_>) {
    props.number += 1;
    let (text, index) = (format!("{} ", props.number), usize::from(letters[1]));
    let room = props.rooms[index % props.rooms.len()];
    match letters[0] {
        b'r' => cx.reply(text.as_bytes()),
        b'F' => {
            let range = range(props.number);
            // A follower receives no file.
            let _ = cx.reply_file(props.file.clone(), range.start as u64..range.end as u64);
        }
        b'p' => cx.publish(room, text.as_bytes()),
        b'o' => cx.publish_others(room, text.as_bytes()),
        b's' => cx.send(tokens[index], text.as_bytes()),
        b'f' => cx.follow(room),
        b'u' => cx.unfollow(),
        b'n' => props.rooms.push(cx.create_feed()),
        b'd' => cx.remove_feed(room),
        b'c' => cx.close(),
        _ => cx.close_other(tokens[index]),
    }
}

/// A peer of the model: the bytes to receive, the room that it follows, and whether it is open.
#[derive(Clone, Default)]
struct Member {
    owed: Vec<u8>,
    room: Option<usize>,
    is_open: bool,
}

struct Model {
    members: Vec<Member>,
    /// Whether each room exists still.
    rooms: Vec<bool>,
    number: u32,
    ended: Vec<usize>,
}

impl Model {
    fn publish(&mut self, room: usize, text: &str, but: Option<usize>) {
        for (index, member) in self.members.iter_mut().enumerate() {
            if member.is_open && member.room == Some(room) && but != Some(index) {
                member.owed.extend(text.as_bytes());
            }
        }
    }

    fn give(&mut self, index: usize, text: &str) {
        if self.members[index].is_open {
            self.members[index].owed.extend(text.as_bytes());
        }
    }

    fn close(&mut self, index: usize) {
        if std::mem::take(&mut self.members[index].is_open) {
            self.ended.push(index);
        }
    }

    fn perform(&mut self, who: usize, acts: &[Act]) {
        if !self.members[who].is_open {
            return;
        }
        for &act in acts {
            self.number += 1;
            let text = format!("{} ", self.number);
            match act {
                Act::Reply => self.give(who, &text),
                Act::ReplyFile if self.members[who].room.is_none() => {
                    self.give(who, &String::from_utf8_lossy(&CONTENT[range(self.number)]));
                }
                Act::Publish(room) => self.publish(room % self.rooms.len(), &text, None),
                Act::PublishOthers(room) => self.publish(room % self.rooms.len(), &text, Some(who)),
                Act::Send(index) => self.give(index, &text),
                Act::Follow(room) if self.rooms[room % self.rooms.len()] => {
                    self.members[who].room = Some(room % self.rooms.len());
                }
                Act::ReplyFile | Act::Follow(_) => {}
                Act::CreateRoom => self.rooms.push(true),
                Act::RemoveRoom(room) => self.remove_room(room % self.rooms.len()),
                Act::Unfollow => self.members[who].room = None,
                Act::Close => self.close(who),
                Act::CloseOther(index) => self.close(index),
            }
        }
    }

    fn remove_room(&mut self, room: usize) {
        self.rooms[room] = false;
        for member in self.members.iter_mut().filter(|member| member.room == Some(room)) {
            member.room = None;
        }
    }

    /// Ends a turn: the ends of sessions are announced.
    fn reap(&mut self) {
        for who in std::mem::take(&mut self.ended) {
            self.publish(0, &format!("-{who} "), None);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Makes these peers send in one poll.
    Poll(Vec<Vec<Act>>),
    Stall(usize),
    Allow(usize, usize),
    Resume(usize),
    LimitWrites(usize, usize),
}

/// Mostly one of the first rooms, which nearly all follow.
fn room() -> impl Strategy<Value = usize> {
    prop_oneof![4 => Just(0), 2 => Just(1), 3 => 2..9_usize]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => Just(Act::Reply),
        6 => Just(Act::ReplyFile),
        6 => room().prop_map(Act::Publish),
        6 => room().prop_map(Act::PublishOthers),
        4 => (0..PEERS).prop_map(Act::Send),
        2 => room().prop_map(Act::Follow),
        2 => Just(Act::Unfollow),
        1 => Just(Act::CreateRoom),
        1 => room().prop_map(Act::RemoveRoom),
        1 => Just(Act::Close),
        1 => (0..PEERS).prop_map(Act::CloseOther),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let acts = proptest::collection::vec(act(), 0..6);
    prop_oneof![
        6 => proptest::collection::vec(acts, PEERS).prop_map(Step::Poll),
        2 => (0..PEERS).prop_map(Step::Stall),
        3 => (0..PEERS, 0..12_usize).prop_map(|(who, count)| Step::Allow(who, count)),
        1 => (0..PEERS).prop_map(Step::Resume),
        1 => (0..PEERS, 1..9_usize).prop_map(|(who, count)| Step::LimitWrites(who, count)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_peer_receives_exactly_its_output_in_order(
        steps in proptest::collection::vec(step(), 1..30),
        feed_buffer in prop_oneof![Just(None), Just(Some(100_000))],
        tiny_flush in any::<bool>(),
    ) {
        // A tiny limit flushes within a callback. Otherwise it is off, or too large to close a peer.
        let feed_buffer = if tiny_flush { Some(3000) } else { feed_buffer };
        let mut props = Props { number: 0, rooms: Vec::new(), file: file() };
        let mut sim = Sim::with_limits(scene(move |notes, who, call, cx| {
            if props.rooms.is_empty() {
                props.rooms = vec![notes.room(cx), cx.create_feed()];
            }
            match call {
                Call::Open => cx.follow(props.rooms[0]),
                Call::Data(input) => {
                    for letters in input.chunks(2) {
                        perform(&mut props, &notes.tokens, letters, cx);
                    }
                }
                Call::Closed(_) => cx.publish(props.rooms[0], format!("-{who} ").as_bytes()),
                _ => {}
            }
        }), Limits { feed_buffer, ..Limits::default() });
        let peers: Vec<_> = (0..PEERS).map(|_| sim.connect()).collect();
        let members = vec![Member { room: Some(0), is_open: true, ..Member::default() }; PEERS];
        let mut model = Model { members, rooms: vec![true; 2], number: 0, ended: Vec::new() };
        let mut got = vec![Vec::new(); PEERS];
        for step in steps {
            match step {
                Step::Poll(inputs) => {
                    for (who, acts) in inputs.iter().enumerate().filter(|(_, acts)| !acts.is_empty()) {
                        let input: Vec<u8> = acts.iter().flat_map(|&act| letters(act)).collect();
                        sim.send(peers[who], &input);
                        model.perform(who, acts);
                    }
                    sim.run();
                    model.reap();
                }
                Step::Stall(who) => { sim.run(); sim.stall(peers[who]); }
                Step::Allow(who, count) => sim.allow(peers[who], count),
                Step::Resume(who) => sim.resume(peers[who]),
                Step::LimitWrites(who, count) => sim.limit_writes(peers[who], count),
            }
            for who in 0..PEERS {
                got[who].extend(sim.received(peers[who]));
                prop_assert!(model.members[who].owed.starts_with(&got[who]));
            }
        }
        for who in 0..PEERS {
            sim.resume(peers[who]);
            got[who].extend(sim.received(peers[who]));
            prop_assert_eq!(String::from_utf8_lossy(&got[who]), String::from_utf8_lossy(&model.members[who].owed));
            let is_open = model.members[who].is_open;
            prop_assert_eq!(sim.ending(peers[who]), if is_open { None } else { Some(Ending::Eof) });
            prop_assert_eq!(sim.handler_mut().notes.closings(who), usize::from(!is_open));
        }
        prop_assert_eq!((sim.stats().queued, sim.stats().in_feeds), (0, 0));
    }
}

#[test]
fn one_callback_keeps_the_order_of_all_its_ways_to_send() {
    let mut sim = Sim::new(scene(|notes, who, call, cx| {
        let room = notes.room(cx);
        match call {
            Call::Open => cx.follow(room),
            Call::Data(_) => {
                cx.reply(b"1");
                cx.publish(room, b"2");
                cx.send(notes.tokens[who], b"3");
                cx.publish_others(room, b"-");
                cx.reply(b"4");
                cx.unfollow();
                cx.publish(room, b"+");
                cx.reply(b"5");
                cx.follow(room);
                cx.publish(room, b"6");
                cx.reply(b"7");
                cx.close();
                cx.reply(b"8");
                cx.publish(room, b"9");
            }
            _ => {}
        }
    }));
    let (listener, talker) = (sim.connect(), sim.connect());
    sim.send(talker, b"x");
    assert_eq!((sim.received(talker), sim.ending(talker)), (b"1234567".to_vec(), Some(Ending::Eof)));
    assert_eq!(sim.received(listener), b"2-+69");
}
