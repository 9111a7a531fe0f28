//! Talk on a bus that works, however its bytes are split.

use super::*;

fn own(text: &str) -> String {
    text.to_owned()
}

fn join(nick: &str) -> Happened {
    Happened::Join { nick: own(nick) }
}

fn say(nick: &str, text: &str) -> Happened {
    Happened::Say { nick: own(nick), text: own(text) }
}

#[test]
fn a_server_knows_the_first_room_at_once() {
    let mut world = World::new(1);
    let snapshot = Snapshot { room: "lobby".into(), reason: Reason::Followed, members: vec![], history: vec![] };
    assert_eq!(world.heard(0), [Heard::Snapshot(snapshot)]);
    assert!(world.servers[0].bus.is_ready() && !world.servers[0].bus.is_out());
    world.pass(10_000);
    assert_eq!((world.heard(0), &*world.servers[0].faults), (vec![], &[][..]), "silence is no outage");
}

#[test]
fn both_servers_hear_one_order_and_one_time() {
    let mut world = World::new(2);
    world.join(0, 1, "ann", "Lobby");
    world.join(1, 1, "bob", "Lobby");
    for round in 0..3 {
        world.say(0, 1, "ann", &format!("a{round}"));
        world.say(1, 1, "bob", &format!("b{round}"));
        world.pass(20);
    }
    let (one, other) = (world.heard(0), world.heard(1));
    let entries = |heard: &[Heard]| -> Vec<Entry> {
        let entry = |heard: &Heard| if let Heard::Entry { entry, .. } = heard { Some(entry.clone()) } else { None };
        heard.iter().filter_map(entry).collect()
    };
    assert_eq!(entries(&one), entries(&other));
    let what: Vec<_> = entries(&one).into_iter().map(|entry| entry.what).collect();
    assert_eq!(what[..4], [join("ann"), join("bob"), say("ann", "a0"), say("bob", "b0")]);
    assert_eq!(what.len(), 8);
    assert_eq!(entries(&one)[1].by, Author { server: server(2), connection: token(1).to_bits() });
    let acknowledged =
        |heard: &[Heard]| heard.iter().filter(|heard| matches!(heard, Heard::Acknowledged { .. })).count();
    assert_eq!((acknowledged(&one), acknowledged(&other)), (4, 4));
}

/// All that members can ask for, by two servers.
fn talk(world: &mut World) {
    world.join(0, 1, "Ann", "Lobby");
    world.join(1, 7, "bob", "Lobby");
    world.join(1, 8, "ann", "Lobby");
    world.ask(0, 1, Ask::Act { nick: "Ann", room: "Lobby", text: "waves\u{e9}" });
    world.ask(0, 1, Ask::Rename { old: "Ann", nick: "Cat", room: "Lobby" });
    world.run();
    world.ask(0, 1, Ask::Tell { from: "Cat", to: "BOB", text: "psst  psst" });
    world.ask(0, 1, Ask::Tell { from: "Cat", to: "zoe", text: "psst" });
    world.run();
    world.ask(1, 7, Ask::Kick { nick: "bob", room: "Lobby", reason: "why not" });
    world.ask(1, 7, Ask::Leave { nick: "bob", room: "Lobby", cause: "by the operator" });
    world.run();
    world.servers[0].bus.follow("Rust");
    world.ask(0, 1, Ask::Move { nick: "Cat", from: "Lobby", to: "Rust" });
    world.run();
    world.ask(1, 0, Ask::Operator { text: "bye" });
    world.ask(1, 0, Ask::Rooms);
    world.run();
}

#[test]
fn each_change_is_heard_as_it_was_asked() {
    let mut world = World::new(2);
    talk(&mut world);
    let heard = world.heard(0);
    let entries = |room: &str| -> Vec<Happened> {
        let entry = |heard: &Heard| match heard {
            Heard::Entry { room: of, entry } if **of == *room => Some(entry.what.clone()),
            _ => None,
        };
        heard.iter().filter_map(entry).collect()
    };
    let nick = own("bob");
    assert_eq!(
        entries("lobby"),
        [
            join("Ann"),
            join("bob"),
            Happened::Act { nick: own("Ann"), text: own("waves\u{e9}") },
            Happened::Rename { old: own("Ann"), nick: own("Cat") },
            Happened::Kick { nick: nick.clone(), reason: own("why not") },
            Happened::Leave { nick, cause: own("by the operator") },
            Happened::Part { nick: own("Cat"), to: own("Rust") },
            Happened::Operator { text: own("bye") },
        ]
    );
    assert_eq!(entries("rust"), [join("Cat"), Happened::Operator { text: own("bye") }]);
    let told = |to: &str, text: &str| Asked::Tell { to: to.into(), text: text.into() };
    assert!(heard.contains(&Heard::Acknowledged { by: token(1), asked: told("bob", "psst  psst") }));
    let refusal = Refusal::UnknownNick;
    assert!(heard.contains(&Heard::Refused { by: token(1), asked: told("zoe", "psst"), refusal }));

    let heard = world.heard(1);
    let asked = Asked::Join { nick: "ann".into(), room: "Lobby".into() };
    assert!(heard.contains(&Heard::Refused { by: token(8), asked, refusal: Refusal::TakenNick }));
    let told = Heard::Told { from: own("Cat"), to: token(7), nick: own("bob"), text: own("psst  psst") };
    assert_eq!(heard.iter().filter(|heard| matches!(heard, Heard::Told { .. })).collect::<Vec<_>>(), [&told]);
    let Some(Heard::Rooms { rooms, .. }) = heard.last() else { panic!("{heard:?}") };
    let mut rooms = rooms.clone();
    rooms.sort();
    assert_eq!(rooms, [(own("Lobby"), 0), (own("Rust"), 1)]);
    assert!(heard.iter().all(|heard| !matches!(heard, Heard::Entry { room, .. } if **room == *"rust")));
}

#[test]
fn no_split_of_the_answers_changes_what_is_heard() {
    let hear = |piece| {
        let mut world = World::new(2);
        world.piece = piece;
        talk(&mut world);
        (world.heard(0), world.heard(1))
    };
    let whole = hear(usize::MAX);
    for piece in [1, 2, 3, 5, 7, 64] {
        assert_eq!(hear(piece), whole, "pieces of {piece} bytes");
    }
}

#[test]
fn a_room_is_followed_from_its_present_state_on() {
    let mut world = World::new(2);
    world.join(0, 1, "ann", "Lobby");
    world.join(0, 2, "bob", "Rust");
    for text in 0..12 {
        world.ask(0, 2, Ask::Say { nick: "bob", room: "Rust", text: &text.to_string() });
    }
    world.run();
    assert!(world.lobby(1).len() == 1);
    world.servers[1].bus.follow("RUST");
    world.join(1, 5, "cat", "Rust");
    let heard = world.heard(1);
    let [Heard::Snapshot(snapshot), rest @ ..] = &heard[..] else { panic!("{heard:?}") };
    let home = Author { server: server(1), connection: token(2).to_bits() };
    assert_eq!((&*snapshot.room, snapshot.reason), ("rust", Reason::Followed));
    assert_eq!(snapshot.members, [Present { nick: own("bob"), home }]);
    let history: Vec<_> = snapshot.history.iter().map(|entry| entry.what.clone()).collect();
    assert_eq!(history, (2..12).map(|text| say("bob", &text.to_string())).collect::<Vec<_>>(), "the last ten");
    assert!(
        matches!(rest, [Heard::Acknowledged { .. }, Heard::Entry { entry, .. }]
        | [Heard::Entry { entry, .. }, Heard::Acknowledged { .. }] if entry.what == join("cat")),
        "{rest:?}"
    );

    world.servers[1].bus.unfollow("Rust");
    world.ask(0, 2, Ask::Say { nick: "bob", room: "Rust", text: "alone" });
    world.servers[1].bus.unfollow("Lobby");
    world.say(0, 1, "ann", "hello");
    world.pass(1000);
    assert_eq!(world.lobby(1), [say("ann", "hello")], "the first room is always followed");
}

#[test]
fn rooms_and_their_limit_are_of_all_servers() {
    let mut world = World::new(2);
    world.join(0, 1, "ann", "One");
    world.join(1, 1, "bob", "Two");
    world.heard(1);
    world.join(1, 2, "cat", "Three");
    let asked = Asked::Join { nick: "cat".into(), room: "Three".into() };
    let refused = Heard::Refused { by: token(2), asked, refusal: Refusal::TooManyRooms };
    assert!(world.heard(1).contains(&refused));
    // The room of a member that is alone ends with its move.
    world.ask(1, 1, Ask::Move { nick: "bob", from: "Two", to: "Three" });
    world.run();
    assert!(world.heard(1).contains(&Heard::Acknowledged { by: token(1), asked: Asked::Move { to: "Three".into() } }));
}

#[test]
fn a_server_that_stops_takes_its_members_along() {
    let mut world = World::new(2);
    for member in 0..150 {
        world.join(0, member, &format!("member{member}"), "Lobby");
    }
    world.join(1, 1, "bob", "Lobby");
    world.lobby(1);
    world.ask(0, 0, Ask::Depart);
    world.say(0, 0, "member0", "too late");
    world.run();
    let gone = world.lobby(1);
    let counts: Vec<_> =
        gone.iter().map(|what| if let Happened::Gone { nicks } = what { nicks.len() } else { 0 }).collect();
    assert_eq!(counts, [100, 50]);
    let asks = world.servers[0].attempts.len();
    world.cut(0, LinkKind::Command);
    world.pass(5000);
    assert_eq!((world.servers[0].attempts.len(), world.servers[0].bus.next_deadline()), (asks, None));
}
