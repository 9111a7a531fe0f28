//! Many newcomers: the rate of joins of a host, and crowds.

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const WAIT: &str = "Too many people join from your address at once. Please wait for your turn.\n";

/// A room in which three newcomers of a host may join at once, and then two a second.
fn narrow_room() -> Room {
    let join_rate = Some(Rate { count: 2, per: SECOND, burst: 3 });
    Room::with(ChatOptions { join_rate, ..ChatOptions::default() }, Limits::default())
}

/// A room in which three joins and leaves of a second have notices.
fn small_room() -> Room {
    Room::with(ChatOptions { join_rate: None, crowd: 3, ..ChatOptions::default() }, Limits::default())
}

impl Room {
    fn join_all<const N: usize>(&mut self, nicks: [&str; N]) -> [SimPeer; N] {
        nicks.map(|nick| self.join(nick))
    }

    /// What a peer sees, without the prompt.
    fn answers(&mut self, peer: SimPeer) -> String {
        self.sees(peer).replace(texts::PROMPT, "")
    }

    fn advance_ms(&mut self, time: u64) {
        self.sim.advance(Duration::from_millis(time));
    }
}

#[test]
fn newcomers_over_the_rate_wait_and_join_in_order() {
    let mut room = narrow_room();
    let [ann, _, _, first, second] = room.join_all(["ann", "b", "c", "first", "second"]);
    room.sees(ann);
    room.says(first, "good morning");
    assert_eq!((room.answers(first), room.answers(second)), (WAIT.into(), WAIT.into()));
    let elsewhere = room.sim.connect_from([192, 0, 2, 1].into());
    room.says(elsewhere, "elsewhere");
    assert_eq!(room.answers(elsewhere), "Welcome elsewhere to the room!\n4 persons are here.\n");
    assert_eq!(room.sees(ann), "Welcome elsewhere to the room!\n");
    room.advance_ms(499);
    assert_eq!(room.sees(ann), "");
    room.advance_ms(1);
    assert_eq!(room.sees(ann), "Welcome first to the room!\nfirst: good morning\n");
    assert_eq!(room.sees(first), "Welcome first to the room!\n5 persons are here.\n");
    room.advance_ms(500);
    assert_eq!(room.sees(ann), "Welcome second to the room!\n");
    room.advance_ms(10_000);
    let [last] = room.join_all(["last"]);
    assert_eq!(room.answers(last), "Welcome last to the room!\n7 persons are here.\n", "the burst is back");
    assert_eq!(room.sim.timers(), 0);
}

#[test]
fn a_newcomer_that_has_gone_holds_up_no_other() {
    let mut room = narrow_room();
    let [ann, _, _, quits, script, person] = room.join_all(["ann", "b", "c", "quits", "script", "person"]);
    let gone = room.join("gone");
    room.sees(ann);
    room.sim.reset(gone);
    room.says(quits, "/quit");
    for peer in [quits, script] {
        room.sim.shut_down(peer);
    }
    room.sees(person);
    room.advance_ms(500);
    assert_eq!(room.sees(ann), "Welcome person to the room!\n", "people come before scripts that have ended");
    room.advance_ms(1000);
    assert_eq!(
        room.sees(ann),
        "Welcome quits to the room!\nquits leaves the room!\nWelcome script to the room!\nscript leaves the room!\n"
    );
    room.advance_ms(500);
    assert_eq!((room.sees(ann), room.sim.ending(gone).is_some()), (String::new(), true), "it has not waited");
    assert_eq!((room.persons(), room.sim.timers()), (4, 0));
}

#[test]
fn a_nickname_that_is_taken_meanwhile_is_asked_for_again() {
    let mut room = narrow_room();
    let [_, _, _, first, second] = room.join_all(["ann", "b", "c", "eve", "Eve"]);
    room.sees(first);
    room.sees(second);
    room.advance_ms(1000);
    assert_eq!(room.sees(first), "Welcome eve to the room!\n4 persons are here.\n");
    let again = "The nickname Eve is taken (please choose another one)\nEnter your nickname: ";
    assert_eq!(room.sees(second), again);
    room.advance_ms(30_000);
    assert_eq!(room.sees(second), texts::TOO_LATE, "the time to choose begins anew");
}

#[test]
fn a_newcomer_waits_for_one_turn_only() {
    let mut room = narrow_room();
    let [_, _, _, _, second, last] = room.join_all(["ann", "b", "c", "eve", "Eve", "last"]);
    room.advance_ms(1000);
    room.sees(second);
    room.says(second, "eva");
    assert_eq!(room.sees(second), "Welcome eva to the room!\n5 persons are here.\n");
    assert_eq!(room.answers(last), WAIT);
}

#[test]
fn a_stop_ends_the_wait_of_newcomers() {
    let mut room = narrow_room();
    let peers = room.join_all(["ann", "b", "c", "first\nsaid too early", "second"]);
    room.sim.stop();
    assert_eq!(room.answers(peers[3]), [WAIT, texts::STOPPING].concat());
    assert_eq!(room.answers(peers[4]), WAIT);
    for &peer in &peers {
        room.sim.shut_down(peer);
    }
    assert!(room.sim.is_stopped());
    assert_eq!(room.sim.timers(), 0);
}

#[test]
fn a_wait_has_no_handshake_timeout() {
    let join_rate = Some(Rate { count: 1, per: 60 * SECOND, burst: 1 });
    let mut room = Room::with(ChatOptions { join_rate, ..ChatOptions::default() }, Limits::default());
    let [_, waits] = room.join_all(["ann", "waits"]);
    room.advance_ms(59_000);
    assert_eq!(room.answers(waits), WAIT);
    room.advance_ms(1000);
    assert_eq!(room.sees(waits), "Welcome waits to the room!\n2 persons are here.\n");
}

#[test]
fn a_crowd_is_one_line_and_each_newcomer_is_welcomed() {
    let mut room = small_room();
    let [ann] = room.join_all(["ann"]);
    room.sees(ann);
    room.advance_ms(2000);
    let [reset, quits, speaker, fourth, fifth] = room.join_all(["a", "b", "c", "d", "e"]);
    assert_eq!(room.sees(ann), "Welcome a to the room!\nWelcome b to the room!\nWelcome c to the room!\n");
    assert_eq!(room.answers(fourth), "Welcome d to the room!\n5 persons are here.\n");
    assert_eq!(room.answers(fifth), "Welcome e to the room!\n6 persons are here.\n");
    room.sim.reset(reset);
    room.says(quits, "/quit");
    room.says(speaker, "hello");
    room.sim.run();
    assert_eq!(room.sees(ann), "c: hello\n");
    room.advance_ms(999);
    assert_eq!(room.sees(ann), "");
    room.advance_ms(1);
    assert_eq!(room.sees(ann), "2 people joined, 2 left\n");
    assert_eq!(room.sees(fourth), "c: hello\n2 people joined, 2 left\n");
}

#[test]
fn a_crowd_that_goes_on_is_one_line_a_second() {
    let mut room = small_room();
    let [ann] = room.join_all(["ann"]);
    room.sees(ann);
    let mut lines = 0;
    for second in 0..5 {
        for number in 0..50 {
            let guest = room.join(&format!("g{second}-{number}"));
            room.says(guest, "/quit");
            room.sim.run();
        }
        room.advance_ms(1000);
        lines += room.sees(ann).lines().count();
    }
    // In the first second, ann has joined, too.
    assert_eq!(lines, 2 + 5);
    let [bob] = room.join_all(["bob"]);
    assert_eq!(room.answers(bob), "Welcome bob to the room!\n2 persons are here.\n");
    room.advance_ms(1000);
    assert_eq!(room.sees(ann), "1 person joined, 0 left\n", "the crowd might have gone on");
    room.join("eve");
    assert_eq!(room.sees(ann), "Welcome eve to the room!\n");
    room.advance_ms(1000);
    assert_eq!((room.sees(ann), room.sim.timers()), (String::new(), 0));
}

#[test]
fn a_stop_counts_the_crowd_before_its_notice() {
    let mut room = small_room();
    let [ann, _, _, _, _] = room.join_all(["ann", "b", "c", "d", "e"]);
    room.sees(ann);
    room.sim.stop();
    assert_eq!(room.sees(ann), "2 people joined, 0 left\nThe server is stopping.\n");
    room.sim.shut_down(ann);
    room.sim.advance(10 * SECOND);
    assert!(room.sim.is_stopped());
    assert_eq!(room.sim.timers(), 0);
}
