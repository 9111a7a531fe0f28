//! Pages of a server on a bus.

use serde_json::Value;

use super::*;
use crate::framing::websocket::WebSocketOptions;
use crate::servers::chat::web::tests::messages;
use crate::servers::doors::Doors;
use crate::servers::doors::tests::{frame, open};

/// A server on a bus with both doors.
struct WebServer {
    sim: Sim<Scripted<Doors<Chat>>>,
}

impl WebServer {
    fn new() -> WebServer {
        let chat = chat(ChatOptions { record: Some(record()), ..ChatOptions::default() }, false);
        let chat = Doors::new(chat, WebSocketOptions::default());
        WebServer { sim: Sim::new(Scripted { chat, heard: Vec::new() }) }
    }

    /// A page that has sent a line, and the connection with which it has asked to join.
    fn page(&mut self, line: &str) -> (SimPeer, Token) {
        let page = open(&mut self.sim);
        self.say(page, line);
        let (token, _) = self.asked().pop().expect("an ask");
        (page, token)
    }

    /// A page that is inside, and its key.
    fn member(&mut self, nick: &str) -> (SimPeer, Token, String) {
        let (page, token) = self.page(nick);
        self.read(own(token), join(nick));
        let key = self.sees(page)[0]["key"].as_str().expect("a key").to_owned();
        (page, token, key)
    }

    fn say(&mut self, page: SimPeer, line: &str) {
        self.sim.send(page, &frame(0x81, line.as_bytes()));
        self.sim.run();
    }

    fn read(&mut self, by: Author, what: Happened) {
        hear(&mut self.sim, [entry("lobby", by, what)]);
    }

    fn asked(&mut self) -> Vec<(Token, Asked)> {
        self.sim.run();
        self.sim.handler_mut().chat.bus().take_asked()
    }

    fn sees(&mut self, page: SimPeer) -> Vec<Value> {
        let messages = messages(&self.sim.received(page));
        messages.iter().filter_map(|message| serde_json::from_str(message).ok()).collect()
    }

    /// The type, the nickname and the text of each message.
    fn shown(&mut self, page: SimPeer) -> Vec<String> {
        let text = |message: &Value, name: &str| message[name].as_str().unwrap_or_default().to_owned();
        let messages = self.sees(page);
        let shown = messages.iter().map(|message| ["type", "nick", "text"].map(|name| text(message, name)).join(" "));
        shown.map(|shown| shown.trim_end().to_owned()).collect()
    }
}

#[test]
fn a_page_sees_its_own_line_in_the_order_of_all() {
    let mut server = WebServer::new();
    let (page, token, _) = server.member("ann");
    server.say(page, "mine");
    assert_eq!(server.shown(page), [""; 0]);
    server.read(other(7), join("bob"));
    server.read(other(7), say("bob", "first"));
    server.read(own(token), say("ann", "mine"));
    assert_eq!(server.shown(page), ["join bob", "say bob first", "say ann mine"]);
    hear(&mut server.sim, [Heard::OutageBegan]);
    assert_eq!(server.shown(page), ["notice  The room is catching up."]);
}

#[test]
fn a_refused_page_chooses_again_and_gets_a_new_key() {
    let mut server = WebServer::new();
    let (page, token) = server.page("ann");
    let refused = Heard::Refused { by: token, asked: asked_join("ann", "lobby"), refusal: Refusal::TakenNick };
    hear(&mut server.sim, [refused]);
    assert_eq!(server.shown(page), ["refused  The nickname ann is taken (please choose another one)"]);
    server.say(page, "anna");
    server.read(own(token), join("anna"));
    let entrance = server.sees(page);
    assert_eq!((&entrance[0]["nick"], &entrance[0]["is_resumed"]), (&"anna".into(), &false.into()));
}

#[test]
fn a_page_comes_back_to_its_server_and_misses_nothing() {
    let mut server = WebServer::new();
    let (page, token, key) = server.member("ann");
    server.read(other(7), join("bob"));
    let last = server.sees(page)[0]["id"].as_u64().expect("an id");
    server.sim.reset(page);
    assert_eq!(server.asked(), [(token, Asked::Leave)]);
    let (back, again) = server.page(&format!("/resume {key} {last}"));
    server.read(other(7), say("bob", "meanwhile"));
    server.read(own(token), leave("ann"));
    server.read(own(again), join("ann"));
    let entrance = &server.sees(back)[0];
    let missed = entrance["history"].as_array().expect("a list").iter();
    let missed: Vec<&str> = missed.filter_map(|event| event["type"].as_str()).collect();
    assert_eq!((missed, &entrance["has_gap"]), (vec!["say", "leave"], &false.into()));
    assert_eq!((&entrance["is_resumed"], &entrance["key"]), (&true.into(), &key.into()));
}

#[test]
fn a_page_that_comes_back_after_missed_entries_has_a_gap() {
    let mut server = WebServer::new();
    let (page, token, key) = server.member("ann");
    server.sim.reset(page);
    server.read(own(token), leave("ann"));
    server.asked();
    let (room, reason) = ("lobby".into(), Reason::Missed);
    hear(&mut server.sim, [Heard::Snapshot(Snapshot { room, reason, members: vec![], history: vec![] })]);
    let (back, again) = server.page(&format!("/resume {key} 1"));
    server.read(own(again), join("ann"));
    let entrance = &server.sees(back)[0];
    assert_eq!((&entrance["is_resumed"], &entrance["has_gap"]), (&true.into(), &true.into()));
}

#[test]
fn a_page_that_takes_over_a_connection_leaves_before_it_joins() {
    let mut server = WebServer::new();
    let (page, token, key) = server.member("ann");
    let back = open(&mut server.sim);
    server.say(back, &format!("/resume {key} 1"));
    server.sim.advance(Duration::ZERO);
    let asked = server.asked();
    let again = asked[1].0;
    assert_eq!(asked, [(token, Asked::Leave), (again, asked_join("ann", "lobby"))]);
    server.read(own(token), leave("ann"));
    server.read(own(again), join("ann"));
    assert_eq!(server.sees(back)[0]["is_resumed"], true);
    assert_eq!(server.shown(page), ["notice  You have come back on another connection."]);
}

/// The page `ann` was inside, and its connection is lost. Returns the line with which it comes back.
fn cut_off(server: &mut WebServer) -> String {
    let (page, token, key) = server.member("ann");
    server.sim.reset(page);
    assert_eq!(server.asked(), [(token, Asked::Leave)]);
    format!("/resume {key} 1")
}

#[test]
fn a_page_that_is_lost_on_its_way_back_may_try_again() {
    let mut server = WebServer::new();
    let resume = cut_off(&mut server);
    for _ in 0..3 {
        let (back, token) = server.page(&resume);
        server.sim.reset(back);
        assert_eq!((server.asked(), server.shown(back)), (vec![(token, Asked::Leave)], vec![]));
    }
    let (back, token) = server.page(&resume);
    server.read(own(token), join("ann"));
    assert_eq!(server.sees(back)[0]["is_resumed"], true);
}

#[test]
fn a_page_takes_over_its_connection_that_was_first() {
    let mut server = WebServer::new();
    let resume = cut_off(&mut server);
    let ((first, first_token), (second, token)) = (server.page(&resume), server.page(&resume));
    server.read(own(first_token), join("ann"));
    assert_eq!(server.sees(first)[0]["is_resumed"], true);
    let asked = asked_join("ann", "lobby");
    hear(&mut server.sim, [Heard::Refused { by: token, asked: asked.clone(), refusal: Refusal::TakenNick }]);
    assert_eq!(server.shown(first), ["notice  You have come back on another connection."]);
    assert_eq!(server.asked(), [(first_token, Asked::Leave), (token, asked)]);
    server.read(own(first_token), leave("ann"));
    server.read(own(token), join("ann"));
    assert_eq!(server.sees(second)[0]["is_resumed"], true);
}
