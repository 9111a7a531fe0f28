//! What waits: sessions with many asks, during an outage, and at a stop.

use super::*;
use crate::servers::chat::bus::Step;

#[test]
fn a_session_with_many_lines_without_an_answer_is_held() {
    let mut server = Server::new();
    let (ann, token) = server.member("ann");
    server.says(ann, &"x\n".repeat(100));
    assert_eq!(server.asked().len(), 64);
    for answered in 1..64 {
        server.acknowledge(token, Asked::Say);
        let asked = server.asked().len();
        assert_eq!(asked, if answered == 32 { 32 } else { 0 }, "after {answered} answers");
    }
    for _ in 0..32 {
        server.acknowledge(token, Asked::Say);
    }
    assert_eq!(server.asked().len(), 100 - 64 - 32);
}

#[test]
fn a_session_that_has_ended_is_waited_for_no_longer() {
    let mut server = Server::new();
    let (ann, token) = server.member("ann");
    server.says(ann, &"x\n".repeat(64));
    server.sim.reset(ann);
    assert_eq!(server.asks().last(), Some(&Asked::Leave));
    for _ in 0..64 {
        server.acknowledge(token, Asked::Say);
    }
    server.acknowledge(token, Asked::Leave);
    assert_eq!(server.chat().shared.as_ref().map(|shared| shared.asking.len()), Some(0));
}

#[test]
fn a_session_may_end_while_its_join_is_on_the_way() {
    let mut server = Server::new();
    let (bob, _) = server.member("bob");
    let (ann, token) = server.newcomer("ann");
    server.sim.reset(ann);
    assert_eq!(server.asked(), [(token, Asked::Leave)]);
    server.read("lobby", own(token), join("ann"));
    server.acknowledge(token, asked_join("ann", "lobby"));
    server.read("lobby", own(token), leave("ann"));
    server.acknowledge(token, Asked::Leave);
    assert_eq!(server.sees(bob), "Welcome ann to the room!\nann leaves the room!\n");
    assert_eq!((server.asks(), server.chat().persons()), (vec![], 1));
    let (ann, token) = server.newcomer("ann");
    server.sim.reset(ann);
    server.refuse(token, asked_join("ann", "lobby"), Refusal::TakenNick);
    assert_eq!(server.asks(), [Asked::Leave]);
}

#[test]
fn a_member_may_end_while_it_moves() {
    let mut server = Server::new();
    let ((bob, _), (ann, token)) = (server.member("bob"), server.member("ann"));
    server.sees(bob);
    server.says(ann, "/join rust");
    server.sim.reset(ann);
    assert_eq!(server.asks(), [Asked::Move { to: "rust".into() }, Asked::Leave, Asked::Leave]);
    server.read("lobby", own(token), Happened::Part { nick: "ann".to_owned(), to: "rust".to_owned() });
    server.read("rust", own(token), join("ann"));
    server.read("rust", own(token), leave("ann"));
    assert_eq!(server.sees(bob), "ann leaves the room!\n");
    assert_eq!((server.chat().rooms.find("rust"), server.chat().persons()), (None, 1));
}

#[test]
fn members_are_told_of_an_outage_once_and_newcomers_wait() {
    let mut server = Server::new();
    let (ann, _) = server.member("ann");
    let (early, _) = server.newcomer("early");
    server.sees(early);
    server.begin_outage();
    assert_eq!(server.sees(ann), "The room is catching up.\n");
    assert_eq!(server.sees(early), texts::WAIT_FOR_ROOM);
    let (late, token) = server.newcomer("late");
    assert_eq!(server.sees(late), texts::WAIT_FOR_ROOM);
    server.says(ann, "a line");
    assert_eq!(server.sees(ann), "");
    server.hear([Heard::OutageEnded]);
    server.read("lobby", own(token), join("late"));
    assert_eq!(server.sees(late), "Welcome late to the room!\n2 persons are here.\n");
}

#[test]
fn newcomers_are_refused_in_an_outage_if_the_bus_is_required() {
    let mut server = Server::with(ChatOptions::default(), true);
    let (ann, _) = server.member("ann");
    let prompted = server.sim.connect();
    let (early, _) = server.newcomer("early");
    server.sees(early);
    server.begin_outage();
    server.says(prompted, "late");
    let late = server.sim.connect();
    server.sim.run();
    for refused in [early, prompted, late] {
        assert_eq!(server.sees(refused), texts::UNREACHABLE);
        assert_eq!(server.sim.ending(refused), Some(Ending::Eof));
    }
    assert_eq!((server.sees(ann), server.sim.ending(ann)), (texts::CATCHING_UP.to_owned(), None));
}

#[test]
fn members_depart_together_after_the_last_session_has_ended() {
    let mut server = Server::new();
    let ((ann, _), (bob, _)) = (server.member("ann"), server.member("bob"));
    let (new, _) = server.newcomer("new");
    server.sees(ann);
    server.says(ann, "last words");
    server.sim.stop();
    assert_eq!(server.asks(), [Asked::Say, Asked::Depart]);
    for peer in [ann, bob] {
        assert_eq!(server.sees(peer), texts::STOPPING);
    }
    assert_eq!(server.sees(new), "");
    let mut empty = Server::new();
    empty.sim.stop();
    assert_eq!(empty.asks(), [Asked::Depart]);
}

impl Server {
    /// The broker cannot be reached.
    fn begin_outage(&mut self) {
        let bus = self.chat().bus();
        let mut later = Instant::now() + Duration::from_secs(60);
        let mut is_out = false;
        while !is_out {
            later += Duration::from_secs(1);
            bus.tick(later);
            is_out = std::iter::from_fn(|| bus.poll()).any(|step| step == Step::Hear(Heard::OutageBegan));
        }
        self.hear([Heard::OutageBegan]);
    }
}
