//! What a callback asks for another connection: feeds and names. It has the effect that the callback of that connection
//! would have.

use proptest::prelude::*;

use super::*;

/// Two rooms and three members, which act in turns.
const ROOMS: usize = 2;
const MEMBERS: usize = 3;

/// An action of one member.
#[derive(Clone, Copy, Debug)]
enum Act {
    Follow(usize),
    Unfollow,
    /// Publishes to a room, except to itself.
    Publish(usize),
    Reply,
    /// Its peer reads this number of bytes more.
    Read(usize),
}

/// From where the actions of a member are carried out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// In a callback of the member, with the methods for this connection.
    Own,
    /// In a callback of the member, with the methods for another connection.
    OwnAsOther,
    /// In a callback of another connection.
    Other,
    /// In a callback without a connection.
    Service,
}

/// Carries out the actions of a turn, one byte each, with the number of the action as the text.
struct Actors {
    place: Place,
    acts: Vec<(usize, Act)>,
    tokens: Vec<Token>,
    rooms: Vec<FeedId>,
}

impl Actors {
    /// Carries out the action `number`, whose member is `this` connection, or another one.
    fn carry_out(&self, number: usize, cx: &mut Context<'_>) {
        let (member, act) = self.acts[number];
        let (token, text) = (self.tokens[member], format!("{number} by {member};"));
        let is_own = self.place == Place::Own;
        match act {
            Act::Follow(room) if is_own => cx.follow(self.rooms[room]),
            Act::Follow(room) => cx.follow_other(token, self.rooms[room]),
            Act::Unfollow if is_own => cx.unfollow(),
            Act::Unfollow => cx.unfollow_other(token),
            Act::Publish(room) if is_own => cx.publish_others(self.rooms[room], text.as_bytes()),
            Act::Publish(room) => cx.publish_except(self.rooms[room], token, text.as_bytes()),
            Act::Reply if is_own => cx.reply(text.as_bytes()),
            Act::Reply => cx.send(token, text.as_bytes()),
            Act::Read(_) => {}
        }
    }
}

impl Handler for Actors {
    type Session = ();

    fn started(&mut self, cx: &mut Context<'_>) {
        self.rooms = (0..ROOMS).map(|_| cx.create_feed()).collect();
    }

    fn open(&mut self, origin: &Origin, _: &mut Context<'_>) {
        self.tokens.push(origin.token);
    }

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        for &number in input.iter() {
            self.carry_out(number.into(), cx);
        }
        input.len()
    }
}

/// What each member receives if these actions are carried out in turns of `length` actions of one member.
fn play(place: Place, acts: &[(usize, Act)]) -> Vec<String> {
    let actors = Actors { place, acts: acts.to_vec(), tokens: Vec::new(), rooms: Vec::new() };
    let mut sim = Sim::new(actors);
    let members = [(); MEMBERS].map(|()| sim.connect());
    let conductor = sim.connect();
    for peer in members {
        sim.stall(peer);
    }
    for turn in (0..acts.len()).collect::<Vec<_>>().chunk_by(|&a, &b| acts[a].0 == acts[b].0) {
        let member = members[acts[turn[0]].0];
        let numbers: Vec<u8> = turn.iter().map(|&number| number as u8).collect();
        match place {
            Place::Own | Place::OwnAsOther => sim.send(member, &numbers),
            Place::Other => sim.send(conductor, &numbers),
            Place::Service => sim.with_context(|actors, cx| {
                for &number in turn {
                    actors.carry_out(number, cx);
                }
            }),
        }
        sim.run();
        for (_, act) in turn.iter().map(|&number| acts[number]) {
            if let Act::Read(count) = act {
                sim.allow(member, count);
            }
        }
    }
    members
        .map(|peer| {
            sim.resume(peer);
            String::from_utf8(sim.received(peer)).expect("texts")
        })
        .to_vec()
}

fn acts() -> impl Strategy<Value = Vec<(usize, Act)>> {
    let act = prop_oneof![
        2 => (0..ROOMS).prop_map(Act::Follow),
        1 => Just(Act::Unfollow),
        4 => (0..ROOMS).prop_map(Act::Publish),
        3 => Just(Act::Reply),
        2 => (1..30_usize).prop_map(Act::Read),
    ];
    prop::collection::vec((0..MEMBERS, act), 0..60)
}

proptest! {
    #[test]
    fn it_does_not_matter_in_which_callback_a_member_acts(acts in acts()) {
        let own = play(Place::Own, &acts);
        for place in [Place::OwnAsOther, Place::Other, Place::Service] {
            prop_assert_eq!(&play(place, &acts), &own, "{:?}", place);
        }
    }
}

#[test]
fn a_publication_may_leave_out_any_follower() {
    let mut sim = Sim::new(scene(|notes, _, call, cx| {
        let room = notes.room(cx);
        match call {
            Call::Open => cx.follow(room),
            Call::Data(input) => {
                cx.reply(b"(mine)");
                cx.publish_except(room, notes.tokens[0], input);
            }
            _ => {}
        }
    }));
    let peers = [(); 3].map(|()| sim.connect());
    sim.send(peers[1], b"hello");
    assert_eq!(peers.map(|peer| sim.received(peer)), [b"".to_vec(), b"(mine)hello".to_vec(), b"hello".to_vec()]);
    sim.publish(b"!");
    assert_eq!(peers.map(|peer| sim.received(peer)), [b"!"; 3]);
}

#[test]
fn a_lone_follower_that_is_left_out_costs_nothing() {
    let mut sim = Sim::new(scene(|notes, _, call, cx| hear_others(notes, &call, cx)));
    let peer = sim.connect();
    sim.run();
    sim.with_context(|handler, cx| {
        let room = handler.notes.room(cx);
        cx.publish_except(room, handler.notes.tokens[0], b"to none");
    });
    assert_eq!(sim.dispatcher.state.stats().in_feeds, 0);
    assert_eq!(sim.received(peer), b"");
}

#[test]
fn a_connection_that_is_gone_follows_nothing_and_has_no_name() {
    let mut sim = Sim::new(scene(|_, _, _, _| {}));
    let (gone, left) = (sim.connect(), sim.connect());
    sim.reset(gone);
    sim.run();
    sim.with_context(|handler, cx| {
        let (room, [gone, left]) = (handler.notes.room(cx), handler.notes.tokens[..2].try_into().expect("two"));
        cx.follow_other(gone, room);
        cx.unfollow_other(gone);
        cx.set_name_of(gone, "gone");
        cx.set_name_of(left, "left\x07");
        cx.publish_except(room, gone, b"x");
    });
    assert_eq!(sim.stats().in_feeds, 0, "the room has no follower");
    sim.console(b"who");
    let listing = sim.stderr();
    assert!(listing.contains(" left\u{fffd} ") && !listing.contains("gone"), "{listing}");
    let reused = sim.connect();
    sim.console(b"who");
    assert!(!sim.stderr().contains("gone"));
    assert_eq!((sim.received(left), sim.received(reused)), (Vec::new(), Vec::new()));
}
