//! What heals: members that were taken for gone, a broker that has lost its data, and rooms whose entries were missed.

use super::*;

fn present(nick: &str, home: Author) -> Present {
    Present { nick: nick.to_owned(), home }
}

fn snapshot(room: &str, reason: Reason, members: Vec<Present>) -> Heard {
    Heard::Snapshot(Snapshot { room: room.into(), reason, members, history: Vec::new() })
}

#[test]
fn a_member_that_was_taken_for_gone_is_entered_again() {
    let mut server = Server::new();
    let ((ann, ann_token), (_bob, bob_token)) = (server.member("ann"), server.member("bob"));
    server.read("lobby", other(7), join("eve"));
    server.sees(ann);
    let reaped = Author { connection: 0, ..own(bob_token) };
    server.read("lobby", reaped, gone(&["ann", "bob", "eve", "nobody"]));
    assert_eq!(server.sees(ann), "ann leaves the room!\nbob leaves the room!\n", "eve is at another server");
    let again = [(ann_token, asked_join("ann", "lobby")), (bob_token, asked_join("bob", "lobby"))];
    assert_eq!(server.asked(), again);
    server.read("lobby", own(ann_token), join("ann"));
    server.read("lobby", own(ann_token), join("ann"));
    server.acknowledge(ann_token, asked_join("ann", "lobby"));
    assert_eq!(server.sees(ann), "Welcome ann to the room!\n", "it has been here all the time");
    server.says(ann, "/who");
    assert_eq!(server.sees(ann), "2 persons are here: ann, eve.\n");
    server.read("lobby", other(7), gone(&["eve"]));
    assert_eq!((server.sees(ann), server.asks()), ("eve leaves the room!\n".to_owned(), vec![]));
}

#[test]
fn a_member_whose_nickname_is_lost_is_closed() {
    let mut server = Server::new();
    let ((ann, token), (bob, bob_token)) = (server.member("ann"), server.member("bob"));
    server.sees(ann);
    server.read("lobby", Author { connection: 0, ..own(token) }, gone(&["ann", "bob"]));
    server.read("lobby", other(7), join("ann"));
    server.sees(ann);
    server.refuse(token, asked_join("ann", "lobby"), Refusal::TakenNick);
    assert_eq!(server.sees(ann), "Another member has taken the nickname ann meanwhile.\n");
    assert_eq!(server.sim.ending(ann), Some(Ending::Eof));
    server.sees(bob);
    server.says(bob, "hello?");
    server.refuse(bob_token, Asked::Say, Refusal::TakenNick);
    assert_eq!(server.sees(bob), "Another member has taken the nickname bob meanwhile.\n");
    server.read("lobby", other(7), say("ann", "I am the other one"));
    assert_eq!(server.chat().persons(), 1);
}

#[test]
fn all_members_are_entered_again_after_a_loss() {
    let mut server = Server::new();
    let (_ann, ann) = server.member("ann");
    let (new, new_token) = server.newcomer("new");
    let (_late, late) = server.newcomer("late");
    server.acknowledge(late, asked_join("late", "lobby"));
    server.hear([Heard::Forgotten]);
    let asked = server.asked();
    assert_eq!(asked, [(ann, asked_join("ann", "lobby")), (late, asked_join("late", "lobby"))], "new is not answered");
    server.read("lobby", own(new_token), join("new"));
    assert!(server.sees(new).ends_with("2 persons are here.\n"));
}

#[test]
fn many_members_are_entered_again_little_by_little() {
    let mut server = Server::with(ChatOptions { crowd: usize::MAX, ..ChatOptions::default() }, false);
    let members: Vec<_> = (0..1010).map(|number| server.newcomer(&format!("n{number}")).1).collect();
    let numbered = members.iter().enumerate();
    server.hear(numbered.map(|(number, token)| entry("lobby", own(*token), join(&format!("n{number}")))));
    server.hear([Heard::Forgotten]);
    assert_eq!(server.asked().len(), 1000);
    for token in &members {
        server.acknowledge(*token, Asked::Say);
    }
    assert_eq!(server.asked().len(), 10);
}

#[test]
fn missed_entries_are_told_and_the_difference_is_shown() {
    let mut server = Server::with(ChatOptions { record: Some(record()), ..ChatOptions::default() }, false);
    let ((ann, token), (_bob, bob_token)) = (server.member("ann"), server.member("bob"));
    let (new, new_token) = server.newcomer("new");
    server.read("lobby", other(7), join("eve"));
    server.sees(ann);
    let members = vec![present("Anna", own(token)), present("new", own(new_token)), present("fay", other(8))];
    server.hear([snapshot("lobby", Reason::Missed, members)]);
    let told = "Some lines are missing here.\n3 people joined, 3 left\n";
    assert_eq!(server.sees(ann), told);
    assert_eq!(server.sees(new), "Welcome new to the room!\n3 persons are here.\n");
    assert_eq!(server.asked(), [(bob_token, asked_join("bob", "lobby"))], "bob was taken for gone");
    server.says(ann, "x\n/who");
    assert_eq!(server.sees(ann), "3 persons are here: Anna, fay, new.\n");
}

#[test]
fn a_renewed_room_shows_the_difference_alone() {
    let mut server = Server::new();
    let (ann, token) = server.member("ann");
    server.read("lobby", other(7), join("eve"));
    server.sees(ann);
    server.hear([snapshot("lobby", Reason::Renewed, vec![present("ann", own(token)), present("eve", other(7))])]);
    assert_eq!(server.sees(ann), "");
    server.hear([snapshot("lobby", Reason::Renewed, vec![present("ann", own(token))])]);
    assert_eq!(server.sees(ann), "0 people joined, 1 left\n");
}

/// The broker has lost the leave.
#[test]
fn a_member_that_has_left_before_leaves_again() {
    let mut server = Server::new();
    let ((ann, token), (_new, new_token)) = (server.member("ann"), server.newcomer("new"));
    server.sim.reset(ann);
    server.read("lobby", own(token), leave("ann"));
    server.asked();
    let members = vec![present("ann", own(token)), present("new", own(new_token)), present("eve", other(7))];
    server.hear([snapshot("lobby", Reason::Renewed, members)]);
    assert_eq!(server.asked(), [(token, Asked::Leave)]);
    server.acknowledge(token, Asked::Leave);
    server.read("lobby", own(token), leave("ann"));
    assert_eq!((server.asked(), server.chat().persons()), (vec![], 2));
}

#[test]
fn a_room_begins_with_its_members_and_its_history() {
    let mut server = Server::with(ChatOptions { record: Some(record()), ..ChatOptions::default() }, false);
    let entry = |by, what| Entry { at: SystemTime::UNIX_EPOCH, by, what };
    let history = vec![entry(other(7), join("eve")), entry(other(7), say("eve", "hello"))];
    let (room, members) = (Arc::from("lobby"), vec![present("Eve", other(7)), present("fay", other(8))]);
    server.hear([Heard::Snapshot(Snapshot { room, reason: Reason::Followed, members, history })]);
    let (ann, token) = server.newcomer("ann");
    server.read("lobby", own(token), join("ann"));
    assert_eq!(server.sees(ann), "12:00 eve: hello\nWelcome ann to the room!\n3 persons are here.\n");
    server.says(ann, "/who");
    assert_eq!(server.sees(ann), "3 persons are here: ann, Eve, fay.\n");
}

#[test]
fn newcomers_are_shown_what_was_missed_if_it_is_kept() {
    let mut server = Server::with(ChatOptions { record: Some(record()), ..ChatOptions::default() }, false);
    server.read("lobby", other(7), join("eve"));
    server.read("lobby", other(7), say("eve", "one"));
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let entry = |seconds, text| Entry { at: at(seconds), by: other(7), what: say("eve", text) };
    let (room, members) = (Arc::from("lobby"), vec![present("eve", other(7))]);
    let history = vec![entry(0, "one"), entry(1, "two"), entry(2, "three")];
    server.hear([Heard::Snapshot(Snapshot { room, reason: Reason::Missed, members, history })]);
    let (ann, token) = server.newcomer("ann");
    server.read("lobby", own(token), join("ann"));
    let said = "12:00 eve: one\n12:00 eve: two\n12:00 eve: three\n";
    assert_eq!(server.sees(ann), format!("{said}Welcome ann to the room!\n2 persons are here.\n"));
}
