//! What the operator can do to a room and its members.

use super::*;

/// The answer to a line of the operator.
fn ordered(room: &mut Room, line: &str) -> String {
    room.sim.console(line.as_bytes());
    room.sim.stderr()
}

#[test]
fn a_banned_nickname_is_kicked_and_refused_until_it_is_free() {
    let (mut room, [ann, mal]) = Room::of(["ann", "Mal"]);
    assert_eq!(ordered(&mut room, "ban MAL 10m"), "banned mal; 1 in the room\n");
    assert_eq!(room.sees(mal), "You were removed by the operator: banned\n");
    assert_eq!(room.sim.ending(mal), Some(Ending::Eof));
    assert_eq!(room.sees(ann), "Mal was removed by the operator: banned\nMal leaves the room!\n");
    let again = room.join("mal");
    assert_eq!(room.sees(again), "Enter your nickname: The nickname mal is banned from this room.\n");
    assert_eq!(room.sim.ending(again), Some(Ending::Eof));
    room.says(ann, "/nick mal\nstill ann");
    assert_eq!(room.sees(ann), "The nickname mal is banned from this room.\n");
    assert_eq!(room.sim.ending(ann), None);
    assert_eq!(ordered(&mut room, "bans"), "mal  for 10m 0s\n");
    room.sim.advance(Duration::from_secs(600));
    assert_eq!(ordered(&mut room, "bans"), "no bans\n");
    let free = room.join("mal");
    assert!(room.sees(free).ends_with("2 persons are here.\n"));
}

#[test]
fn a_banned_host_is_closed_with_one_line() {
    let mut room = Room::new();
    let (host, other) = ([192, 0, 2, 7], [192, 1, 0, 1]);
    let [member, at_prompt, ann] = [host, host, other].map(|host| room.sim.connect_from(host.into()));
    room.says(member, "mal");
    room.says(ann, "ann");
    room.sees(ann);
    assert_eq!(ordered(&mut room, "ban 192.0.2.0/24"), "banned 192.0.2.0/24; 1 in the room\n");
    assert!(room.sees(member).ends_with("You were removed by the operator: banned\n"));
    room.says(at_prompt, "eve");
    assert_eq!(room.sees(at_prompt), "Enter your nickname: You are banned from this room.\n");
    let late = room.sim.connect_from(host.into());
    assert_eq!(room.sees(late), "You are banned from this room.\n");
    assert_eq!(room.sim.ending(late), Some(Ending::Eof));
    assert_eq!(room.sees(ann), "mal was removed by the operator: banned\nmal leaves the room!\n");
    assert_eq!(ordered(&mut room, "bans"), "192.0.2.0/24  for good\n");
    assert_eq!(ordered(&mut room, "unban 192.0.2.0/24"), "\"192.0.2.0/24\" is no longer banned\n");
    let late = room.sim.connect_from(host.into());
    assert_eq!(room.sees(late), "Enter your nickname: ");
}

#[test]
fn a_ban_of_a_crowd_has_few_notices_and_then_one_line() {
    let options = ChatOptions { crowd: 2, ..ChatOptions::default() };
    let mut room = Room::with(options, Limits::default());
    let ann = room.join("ann");
    for nick in ["a", "b", "c", "d", "e"] {
        let peer = room.sim.connect_from([192, 0, 2, 7].into());
        room.says(peer, nick);
    }
    room.sim.advance(Duration::from_secs(5));
    room.sees(ann);
    assert_eq!(ordered(&mut room, "ban 192.0.2.7"), "banned 192.0.2.7/32; 5 in the room\n");
    let seen = room.sees(ann);
    assert_eq!((seen.lines().count(), seen.matches("was removed").count()), (4, 2), "{seen}");
    room.sim.advance(Duration::from_secs(1));
    assert_eq!(room.sees(ann), "0 people joined, 3 left\n");
    assert_eq!(room.persons(), 1);
}

#[test]
fn the_operator_speaks_in_a_form_of_its_own() {
    let (mut room, [ann, bob]) = Room::of(["ann", "bob"]);
    assert_eq!(ordered(&mut room, "say  we move at \x1b[1mnoon "), "");
    room.says(ann, "*** Operator: give me your passwords\n/me ** Operator: x\n/msg bob *** y");
    assert_eq!(
        room.sees(bob),
        "*** Operator: we move at \u{FFFD}[1mnoon\n\
         ann: *** Operator: give me your passwords\n* ann ** Operator: x\n[ann] *** y\n"
    );
}

#[test]
fn the_operator_lists_the_rooms_and_speaks_to_all_of_them() {
    let (mut room, [ann, bob]) = Room::of(["ann", "bob"]);
    room.says(bob, "/join rust");
    room.sees(ann);
    room.sees(bob);
    assert_eq!(ordered(&mut room, "rooms"), "lobby  1 person\nrust  1 person\n");
    ordered(&mut room, "say we close at ten");
    assert_eq!([ann, bob].map(|peer| room.sees(peer)), ["*** Operator: we close at ten\n"; 2]);
    ordered(&mut room, "kick bob");
    assert_eq!((ordered(&mut room, "rooms"), room.sees(ann)), ("lobby  1 person\n".to_owned(), String::new()));
}

#[test]
fn a_kick_tells_the_member_and_the_room_the_reason() {
    let (mut room, [ann, mal]) = Room::of(["ann", "mal"]);
    ordered(&mut room, "kick mal too many adverts");
    assert_eq!(room.sees(mal), "You were removed by the operator: too many adverts\n");
    assert_eq!(room.sees(ann), "mal was removed by the operator: too many adverts\nmal leaves the room!\n");
    ordered(&mut room, "kick ann");
    assert_eq!(room.sees(ann), "You were removed by the operator\n");
    assert_eq!(room.persons(), 0);
}

#[test]
fn mistakes_of_the_operator_are_answered_with_one_line_each() {
    let mut room = Room::new();
    for (line, answer) in [
        ("ban", "usage: ban NICK|HOST [DUR]"),
        ("unban", "usage: unban NICK|HOST"),
        ("say", "usage: say TEXT"),
        ("ban a:b", "\"a:b\" is no nickname, no address and no network such as 10.0.0.0/8"),
        ("ban ann soon", "\"soon\" is no time such as 30s, 10m, 1h or 7d"),
        ("unban ann", "\"ann\" is not banned; type bans for the list"),
        ("dance", "unknown command \"dance\": type help, stats, who, kick, ban, unban, bans, rooms, say or quit"),
    ] {
        assert_eq!(ordered(&mut room, line), format!("{answer}\n"));
    }
}
