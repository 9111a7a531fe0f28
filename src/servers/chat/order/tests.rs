//! A chat on a bus without a broker: the tests say what it hears, and look at what it asks.

mod healing;
#[cfg(feature = "web")]
mod pages;
mod waiting;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::connection::closed::Closed;
use crate::connection::origin::Origin;
use crate::connection::timer_id::TimerId;
use crate::handler::Handler;
use crate::servers::chat::bus::{
    Asked, Author, Bus, BusOptions, Entry, Happened, Heard, HearsBus, Present, Reason, ServerId, Snapshot,
};
use crate::servers::chat::{ChatOptions, Record, texts};
use crate::servers::local_time::{LocalDate, LocalTime};
use crate::sim::{Ending, Sim, SimPeer};
use crate::state::limits::Limits;

/// A chat that hears what a test has put down, in a callback of the service.
struct Scripted<D> {
    chat: D,
    heard: Vec<Heard>,
}

impl<D: HearsBus> Handler for Scripted<D> {
    type Session = D::Session;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Self::Session {
        self.chat.open(origin, cx)
    }

    fn data<'a>(&mut self, session: &mut Self::Session, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        self.chat.data(session, input, cx)
    }

    fn eof(&mut self, session: &mut Self::Session, cx: &mut Context<'_>) {
        self.chat.eof(session, cx);
    }

    fn timer(&mut self, session: &mut Self::Session, timer: TimerId, cx: &mut Context<'_>) {
        self.chat.timer(session, timer, cx);
    }

    fn kicked(&mut self, session: &mut Self::Session, reason: &str, cx: &mut Context<'_>) {
        self.chat.kicked(session, reason, cx);
    }

    fn closed(&mut self, session: Self::Session, cause: &Closed, cx: &mut Context<'_>) {
        self.chat.closed(session, cause, cx);
    }

    fn stopping(&mut self, cx: &mut Context<'_>) {
        self.chat.stopping(cx);
    }

    fn console(&mut self, line: &[u8], cx: &mut Context<'_>) {
        if line == b"hear" {
            cx.set_service_timer(Duration::ZERO);
        } else {
            self.chat.console(line, cx);
        }
    }

    fn service_timer(&mut self, timer: TimerId, cx: &mut Context<'_>) {
        for heard in std::mem::take(&mut self.heard) {
            self.chat.heard(heard, cx);
        }
        self.chat.service_timer(timer, cx);
    }
}

/// A server on a bus.
struct Server {
    sim: Sim<Scripted<Chat>>,
}

const OWN: u64 = 1;
const OTHER: u64 = 2;

fn server_id(number: u64) -> ServerId {
    ServerId(number.try_into().expect("not 0"))
}

/// A member of another server.
fn other(connection: u64) -> Author {
    Author { server: server_id(OTHER), connection }
}

fn own(token: Token) -> Author {
    Author { server: server_id(OWN), connection: token.to_bits() }
}

/// A record with a stopped clock.
fn record() -> Record {
    let date = LocalDate { year: 2000, month: 1, day: 1 };
    Record::new(move |_| LocalTime { date, hour: 12, minute: 0, second: 0, offset: 0 }).with_history(10, 10_000)
}

fn join(nick: &str) -> Happened {
    Happened::Join { nick: nick.to_owned() }
}

fn say(nick: &str, text: &str) -> Happened {
    Happened::Say { nick: nick.to_owned(), text: text.to_owned() }
}

fn leave(nick: &str) -> Happened {
    Happened::Leave { nick: nick.to_owned(), cause: "done".to_owned() }
}

fn gone(nicks: &[&str]) -> Happened {
    Happened::Gone { nicks: nicks.iter().map(|&nick| nick.to_owned()).collect() }
}

fn asked_join(nick: &str, room: &str) -> Asked {
    Asked::Join { nick: nick.into(), room: room.into() }
}

fn chat(options: ChatOptions, is_required: bool) -> Chat {
    let bus = BusOptions { first: "lobby".to_owned(), is_required, ..BusOptions::default() };
    let options = ChatOptions { rate: None, join_rate: None, ..options };
    Chat::room(options).share(Bus::new(server_id(OWN), bus, Instant::now()))
}

/// Lets a server hear this.
fn hear<D: HearsBus>(sim: &mut Sim<Scripted<D>>, heard: impl IntoIterator<Item = Heard>) {
    sim.handler_mut().heard.extend(heard);
    sim.console(b"hear");
    sim.advance(Duration::ZERO);
    sim.run();
}

fn entry(room: &str, by: Author, what: Happened) -> Heard {
    Heard::Entry { room: room.into(), entry: Entry { at: SystemTime::UNIX_EPOCH, by, what } }
}

impl Server {
    fn new() -> Server {
        Server::with(ChatOptions::default(), false)
    }

    fn with(options: ChatOptions, is_required: bool) -> Server {
        let chat = chat(options, is_required);
        Server { sim: Sim::with_limits(Scripted { chat, heard: Vec::new() }, Limits::default()) }
    }

    fn chat(&mut self) -> &mut Chat {
        &mut self.sim.handler_mut().chat
    }

    fn hear(&mut self, heard: impl IntoIterator<Item = Heard>) {
        hear(&mut self.sim, heard);
    }

    /// Lets the server read an entry of a room.
    fn read(&mut self, room: &str, by: Author, what: Happened) {
        self.hear([entry(room, by, what)]);
    }

    fn acknowledge(&mut self, by: Token, asked: Asked) {
        self.hear([Heard::Acknowledged { by, asked }]);
    }

    fn refuse(&mut self, by: Token, asked: Asked, refusal: Refusal) {
        self.hear([Heard::Refused { by, asked, refusal }]);
    }

    /// What the server has asked for since the last call.
    fn asked(&mut self) -> Vec<(Token, Asked)> {
        self.sim.run();
        self.chat().bus().take_asked()
    }

    /// What it has asked for, without the connections.
    fn asks(&mut self) -> Vec<Asked> {
        self.asked().into_iter().map(|(_, asked)| asked).collect()
    }

    /// A newcomer that has asked to join.
    fn newcomer(&mut self, nick: &str) -> (SimPeer, Token) {
        let peer = self.sim.connect();
        self.says(peer, nick);
        let (token, asked) = self.asked().pop().expect("an ask");
        assert_eq!(asked, asked_join(nick, "lobby"));
        (peer, token)
    }

    /// A member that has read its welcome.
    fn member(&mut self, nick: &str) -> (SimPeer, Token) {
        let (peer, token) = self.newcomer(nick);
        self.read("lobby", own(token), join(nick));
        self.acknowledge(token, asked_join(nick, "lobby"));
        self.sees(peer);
        (peer, token)
    }

    fn says(&mut self, peer: SimPeer, line: &str) {
        self.sim.send(peer, format!("{line}\n").as_bytes());
        self.sim.run();
    }

    fn sees(&mut self, peer: SimPeer) -> String {
        let seen = String::from_utf8(self.sim.received(peer)).expect("UTF-8");
        seen.replace(texts::PROMPT, "")
    }
}

#[test]
fn a_newcomer_is_inside_when_its_join_is_read() {
    let mut server = Server::new();
    let (ann, token) = server.newcomer("ann");
    server.says(ann, "hello");
    assert_eq!((server.sees(ann), server.asks()), (String::new(), vec![]), "it waits, and so does its line");
    server.read("lobby", own(token), join("ann"));
    assert_eq!(server.sees(ann), "Welcome ann to the room!\n1 person is here.\n");
    assert_eq!(server.asked(), [(token, Asked::Say)]);
}

#[test]
fn a_line_is_shown_when_it_is_read() {
    let mut server = Server::new();
    let ((ann, token), (bob, _)) = (server.member("ann"), server.member("bob"));
    server.sees(ann);
    server.says(ann, "hello");
    assert_eq!((server.asked(), server.sees(bob)), (vec![(token, Asked::Say)], String::new()));
    server.read("lobby", other(7), join("eve"));
    server.read("lobby", own(token), say("ann", "hello"));
    server.read("lobby", other(7), say("eve", "hi"));
    assert_eq!(server.sees(bob), "Welcome eve to the room!\nann: hello\neve: hi\n");
    assert_eq!(server.sees(ann), "Welcome eve to the room!\neve: hi\n", "its terminal has shown its own line");
    server.says(bob, "/who");
    assert_eq!(server.sees(bob), "3 persons are here: ann, bob, eve.\n");
}

#[test]
fn members_of_another_server_are_as_those_here() {
    let mut server = Server::new();
    let (ann, _) = server.member("ann");
    let rename = Happened::Rename { old: "bob".to_owned(), nick: "Bea".to_owned() };
    let kick = Happened::Kick { nick: "Bea".to_owned(), reason: "no adverts".to_owned() };
    for what in [join("bob"), join("bob"), say("bob", "hi"), rename, kick, leave("Bea"), leave("Bea")] {
        server.read("lobby", other(7), what);
    }
    assert_eq!(
        server.sees(ann),
        "Welcome bob to the room!\nbob: hi\nbob is now known as Bea.\n\
         Bea was removed by the operator: no adverts\nBea leaves the room!\n"
    );
}

#[test]
fn a_refused_newcomer_is_asked_again_and_again() {
    let mut server = Server::new();
    let (ann, token) = server.newcomer("ann");
    server.refuse(token, asked_join("ann", "lobby"), Refusal::TakenNick);
    assert_eq!(server.sees(ann), "The nickname ann is taken (please choose another one)\n");
    server.says(ann, "/join rust\nanna");
    assert_eq!(server.asks(), [asked_join("anna", "rust")]);
    server.refuse(token, asked_join("anna", "rust"), Refusal::TooManyRooms);
    assert_eq!(server.sees(ann), "There are too many rooms to begin rust (type /rooms for a list)\n");
    assert_eq!(server.chat().rooms.find("rust"), None, "the room is followed no longer");
    server.says(ann, "anna");
    server.read("lobby", own(token), join("anna"));
    assert_eq!(server.sees(ann), "Welcome anna to the room!\n1 person is here.\n");
    assert_eq!(server.sim.timers(), 0);
}

#[test]
fn a_refused_newcomer_has_little_time_again() {
    let mut server = Server::new();
    let (ann, token) = server.newcomer("ann");
    server.sim.advance(Duration::from_secs(100));
    server.refuse(token, asked_join("ann", "lobby"), Refusal::TakenNick);
    server.sees(ann);
    server.sim.advance(Duration::from_secs(30));
    assert_eq!(server.sees(ann), texts::TOO_LATE);
}

#[test]
fn a_member_moves_in_whichever_order_its_rooms_are_read() {
    for part_first in [true, false] {
        let mut server = Server::new();
        let ((ann, token), (bob, _)) = (server.member("ann"), server.member("bob"));
        server.sees(ann);
        server.says(ann, "/join rust\nhello");
        assert_eq!(server.asked(), [(token, Asked::Move { to: "rust".into() })]);
        server.read("lobby", other(7), say("bob", "before"));
        for peer in [ann, bob] {
            assert_eq!(server.sees(peer), "bob: before\n", "both are there until the part is read");
        }
        let (part, into) = (Happened::Part { nick: "ann".to_owned(), to: "rust".to_owned() }, join("ann"));
        let mut entries = [("lobby", part), ("rust", into)];
        if !part_first {
            entries.reverse();
        }
        for (room, what) in entries {
            server.read(room, own(token), what);
        }
        assert_eq!(server.sees(ann), "Welcome ann to the room!\n1 person is here.\n");
        assert_eq!(server.sees(bob), "ann leaves the room!\n");
        assert_eq!(server.asked(), [(token, Asked::Say)]);
        server.read("lobby", other(7), join("eve"));
        server.read("rust", own(token), say("ann", "hello"));
        assert_eq!((server.sees(ann), server.sees(bob)), (String::new(), "Welcome eve to the room!\n".to_owned()));
        server.sim.reset(ann);
        assert_eq!(server.asks(), [Asked::Leave]);
        server.read("rust", own(token), leave("ann"));
        assert_eq!(server.chat().rooms.find("rust"), None, "no member here is in it");
    }
}

#[test]
fn a_move_that_is_refused_changes_nothing() {
    let mut server = Server::new();
    let (ann, token) = server.member("ann");
    server.says(ann, "/join lobby\n/join rust\nstill here");
    assert_eq!(server.sees(ann), "You are in the room lobby already\n");
    server.asked();
    server.refuse(token, Asked::Move { to: "rust".into() }, Refusal::TooManyRooms);
    assert_eq!(server.sees(ann), "There are too many rooms to begin rust (type /rooms for a list)\n");
    assert_eq!((server.asks(), server.chat().rooms.find("rust")), (vec![Asked::Say], None));
}

#[test]
fn a_new_nickname_counts_for_the_lines_after_it() {
    let mut server = Server::new();
    let (ann, token) = server.member("ann");
    server.says(ann, "/nick Bea\nhello");
    assert_eq!(server.asks(), [Asked::Rename { nick: "Bea".into() }]);
    server.acknowledge(token, Asked::Rename { nick: "Bea".into() });
    assert_eq!(server.asks(), [], "it is not read yet");
    server.read("lobby", own(token), Happened::Rename { old: "ann".to_owned(), nick: "Bea".to_owned() });
    assert_eq!((server.asks(), server.sees(ann)), (vec![Asked::Say], "ann is now known as Bea.\n".to_owned()));
    server.says(ann, "/nick bob\nhello");
    server.refuse(token, Asked::Rename { nick: "bob".into() }, Refusal::TakenNick);
    assert_eq!(server.sees(ann), "The nickname bob is taken (please choose another one)\n");
    assert_eq!(server.asks(), [Asked::Rename { nick: "bob".into() }, Asked::Say]);
}

#[test]
fn a_kick_is_asked_for_before_the_leave() {
    let mut server = Server::new();
    let ((ann, _), (mal, token)) = (server.member("ann"), server.member("mal"));
    server.sees(ann);
    server.sim.console(b"kick mal no adverts");
    assert_eq!(server.sees(mal), "You were removed by the operator: no adverts\n");
    assert_eq!((server.asks(), server.sees(ann)), (vec![Asked::Kick, Asked::Leave], String::new()));
    server.read("lobby", own(token), Happened::Kick { nick: "mal".to_owned(), reason: "no adverts".to_owned() });
    server.read("lobby", own(token), leave("mal"));
    assert_eq!(server.sees(ann), "mal was removed by the operator: no adverts\nmal leaves the room!\n");
}

#[test]
fn private_messages_go_to_other_servers() {
    let mut server = Server::new();
    let ((ann, token), (bob, _)) = (server.member("ann"), server.member("bob"));
    server.sees(ann);
    server.says(ann, "/msg bob here\n/msg eve there\n/msg nobody x");
    assert_eq!((server.sees(ann), server.sees(bob)), ("[to bob] here\n".to_owned(), "[ann] here\n".to_owned()));
    assert_eq!(server.asked().len(), 2);
    server.acknowledge(token, Asked::Tell { to: "Eve".into(), text: "there".into() });
    server.refuse(token, Asked::Tell { to: "nobody".into(), text: "x".into() }, Refusal::UnknownNick);
    assert_eq!(server.sees(ann), "[to Eve] there\nNo member is called nobody\n");
    let told = ("Eve".to_owned(), "psst".to_owned());
    server.hear([Heard::Told { from: told.0, to: token, nick: "ann".to_owned(), text: told.1 }]);
    assert_eq!(server.sees(ann), "[Eve] psst\n");
}

#[test]
fn the_rooms_of_all_servers_are_listed() {
    let mut server = Server::new();
    let (ann, token) = server.member("ann");
    let rooms = || vec![("Zoo".to_owned(), 3), ("ants".to_owned(), 2), ("lobby".to_owned(), 1)];
    server.says(ann, "/rooms");
    server.hear([Heard::Rooms { by: token, rooms: rooms() }]);
    assert_eq!(server.sees(ann), "3 rooms are open: lobby (1), ants (2), Zoo (3).\n");
    server.sim.console(b"rooms");
    server.hear([Heard::Rooms { by: Token::none(), rooms: rooms() }]);
    assert_eq!(server.sim.stderr(), "lobby  1 person\nants  2 persons\nZoo  3 persons\n");
}

#[test]
fn the_operator_speaks_to_all_rooms() {
    let mut server = Server::new();
    let (ann, token) = server.member("ann");
    server.sim.console(b"say we close");
    assert_eq!((server.asks(), server.sees(ann)), (vec![Asked::Operator], String::new()));
    server.acknowledge(Token::none(), Asked::Operator);
    server.read("lobby", Author { connection: 0, ..own(token) }, Happened::Operator { text: "we close".to_owned() });
    assert_eq!(server.sees(ann), "*** Operator: we close\n");
}
