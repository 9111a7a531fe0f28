//! Several rooms: moving, listing, and what stays apart.

use super::*;

#[test]
fn a_member_that_moves_leaves_one_room_and_enters_another() {
    let (mut room, [ann, bob, eve]) = Room::of(["ann", "bob", "eve"]);
    room.says(ann, "/join rust");
    assert_eq!(room.sees(ann), "Welcome ann to the room!\n1 person is here.\n");
    assert_eq!(room.sees(bob), "ann leaves the room!\n");
    room.says(bob, "/join Rust");
    assert_eq!(room.sees(bob), "Welcome bob to the room!\n2 persons are here.\n");
    assert_eq!(room.sees(ann), "Welcome bob to the room!\n");
    assert_eq!(room.sees(eve), "ann leaves the room!\nbob leaves the room!\n");
    room.says(ann, "hello\n/who\n/rooms");
    room.says(eve, "alone\n/who\n/msg ann are you there?\n/nick ann");
    assert_eq!(room.sees(bob), "ann: hello\n");
    let private = "[eve] are you there?\n";
    assert_eq!(
        room.sees(ann),
        format!("2 persons are here: ann, bob.\n2 rooms are open: lobby (1), rust (2).\n{private}")
    );
    assert_eq!(
        room.sees(eve),
        "1 person is here: eve.\n[to ann] are you there?\nThe nickname ann is taken (please choose another one)\n"
    );
}

#[test]
fn a_room_ends_with_its_last_member() {
    let (mut room, [ann, bob]) = Room::of(["ann", "bob"]);
    room.says(ann, "/rooms\n/join a\n/join b");
    room.says(bob, "/join c\n/rooms");
    room.sim.run();
    assert!(room.sees(ann).starts_with("1 room is open: lobby (2).\n"));
    assert!(room.sees(bob).ends_with("3 rooms are open: lobby (0), b (1), c (1).\n"));
    room.sim.reset(ann);
    room.sim.run();
    room.says(bob, "/join lobby\n/rooms");
    assert!(room.sees(bob).ends_with("1 person is here.\n1 room is open: lobby (1).\n"));
}

#[test]
fn a_newcomer_may_choose_its_room_before_its_nickname() {
    let (mut room, [ann]) = Room::of(["ann"]);
    let bob = room.sim.connect();
    room.says(bob, "/join rust\nann\nbob\n/rooms");
    assert_eq!(
        room.sees(bob),
        "Enter your nickname: Enter your nickname: The nickname ann is taken (please choose another one)\n\
         Enter your nickname: Welcome bob to the room!\n1 person is here.\n2 rooms are open: lobby (1), rust (1).\n"
    );
    assert_eq!(room.sees(ann), "");
}

#[test]
fn members_that_move_lose_and_double_nothing() {
    let mut room =
        Room::with(ChatOptions { rate: None, crowd: usize::MAX, ..ChatOptions::default() }, Limits::default());
    let [low, rusty] = ["low", "rusty"].map(|nick| room.join(nick));
    let movers = ["reads", "stalls"].map(|nick| room.join(nick));
    room.says(rusty, "/join rust");
    room.sim.run();
    for mover in movers {
        room.sees(mover);
    }
    room.sim.stall(movers[1]);
    let mut seen = String::new();
    for round in 0..100 {
        for mover in movers {
            room.says(mover, if round % 2 == 0 { "/join rust" } else { "/join lobby" });
        }
        for speaker in [low, rusty] {
            room.says(speaker, &round.to_string());
        }
        // Some of what was said is pending at the next move.
        room.sim.allow(movers[1], 20);
        seen += &room.sees(movers[1]);
    }
    room.sim.resume(movers[1]);
    seen += &room.sees(movers[1]);
    let said = |text: &str| text.lines().filter(|line| line.contains(": ")).map(str::to_owned).collect::<Vec<_>>();
    let speaker = |round| if round % 2 == 0 { "rusty" } else { "low" };
    let wanted: Vec<_> = (0..100).map(|round| format!("{}: {round}", speaker(round))).collect();
    assert_eq!((said(&room.sees(movers[0])), said(&seen)), (wanted.clone(), wanted));
    assert_eq!(room.feeds(), 2);
}

#[test]
fn a_stalled_member_cannot_queue_more_by_moving() {
    let limits = Limits { feed_buffer: Some(10_000), ..Limits::default() };
    let mut room = Room::with(ChatOptions { rate: None, ..ChatOptions::default() }, limits);
    let [low, rusty, stuck] = ["low", "rusty", "stuck"].map(|nick| room.join(nick));
    room.says(rusty, "/join rust");
    room.sim.run();
    room.sim.stall(stuck);
    let mut most = 0;
    for round in 0..100 {
        room.says(stuck, if round % 2 == 0 { "/join rust" } else { "/join lobby" });
        for speaker in [low, rusty] {
            room.says(speaker, &"x".repeat(1000));
        }
        room.sim.run();
        most = most.max(room.sim.stats().queued);
    }
    assert!((8_000..12_000).contains(&most), "{most} bytes were queued");
    assert_eq!((room.sim.ending(stuck), room.persons()), (Some(Ending::Reset), 2));
}

#[test]
fn what_no_room_can_be_made_of_is_refused() {
    let options = ChatOptions { max_rooms: Some(2), ..ChatOptions::default() };
    let mut room = Room::with(options, Limits::default());
    let [ann, bob] = ["ann", "bob"].map(|nick| room.join(nick));
    room.sees(ann);
    room.sees(bob);
    room.says(ann, "/join\n/join a b\n/join lobby\n/join a");
    assert_eq!(
        room.sees(ann),
        "This command needs more: /join ROOM\n\
         The name of a room is 1 to 32 letters and digits, and any of _-. after the first (please choose another one)\n\
         You are in the room lobby already\n\
         Welcome ann to the room!\n1 person is here.\n"
    );
    assert_eq!(room.sees(bob), "ann leaves the room!\n");
    room.says(bob, "/join b");
    assert_eq!(room.sees(bob), "There are too many rooms to begin b (type /rooms for a list)\n");
    room.says(ann, "/join b");
    assert_eq!(room.sees(ann), "Welcome ann to the room!\n1 person is here.\n", "its former room has ended");
    let eve = room.sim.connect();
    room.says(eve, "/join c\n/join a:b\n/join B\neve");
    let seen = room.sees(eve);
    assert!(seen.contains("too many rooms to begin c (type /rooms for a list)\nEnter your nickname: "), "{seen}");
    assert!(seen.ends_with("Enter your nickname: Welcome eve to the room!\n2 persons are here.\n"), "{seen}");
}

#[test]
fn a_room_that_cannot_begin_any_more_is_chosen_anew() {
    let options = ChatOptions { max_rooms: Some(2), ..ChatOptions::default() };
    let mut room = Room::with(options, Limits::default());
    let slow = room.sim.connect();
    room.says(slow, "/join a");
    room.sim.run();
    let ann = room.join("ann");
    room.says(ann, "/join b");
    room.sim.run();
    room.says(slow, "slow\nslow");
    let seen = room.sees(slow);
    let refused = "There are too many rooms to begin a (type /rooms for a list)\nEnter your nickname: ";
    assert!(seen.ends_with(&format!("{refused}Welcome slow to the room!\n1 person is here.\n")), "{seen}");
    room.sim.advance(Duration::from_secs(60));
    assert_eq!((room.sim.ending(slow), room.sim.timers()), (None, 0));
}
