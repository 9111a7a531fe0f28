//! The web door: the rooms for pages in a browser, and for programs that speak WebSocket.
//!
//! A message up is a line as at the line door, and a message down is a JSON object (see `render`). A page that has lost
//! its connection [resumes](Chat::resume) its visit with a key.
//!
//! Invariants: a page has a key from its first entrance on. The events of an entrance end where the feed begins, so a
//! page that resumes misses none and sees none twice.

mod keys;
mod render;

use std::sync::LazyLock;
use std::time::Duration;

use crate::connection::closed::Closed;
use crate::connection::origin::Origin;
use crate::connection::timer_id::TimerId;
use crate::connection::token::Token;
use crate::framing::http::{Exchange, Request};
use crate::framing::websocket::{CloseCode, Message, WebSocketHandler, close, close_frame, ping_frame};
use crate::framing::{FramedSession, LineState};
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::servers::doors::AtDoors;
use crate::servers::page;
use crate::servers::text::fill;

use super::Chat;
use super::answers::Parting;
use super::audience::Audience;
use super::rendering::Rendering;
use super::room::{Event, Past};
use super::seats::Seat;
use super::session::ChatSession;
use super::texts;
use keys::{Former, Found, Key, Keys};
use render::{Answer, Shown, append};

pub(crate) use render::render;

/// The page and its files.
static PAGE: LazyLock<page::Page> = LazyLock::new(|| {
    let files = [("/chat.css", include_str!("chat.css")), ("/chat.js", include_str!("chat.js"))];
    page::Page::new(include_str!("chat.html"), &files)
});

/// How often each page is sent a ping. Below the minute after which many proxies drop a silent connection.
const PING: Duration = Duration::from_secs(30);

/// The longest `/resume KEY ID`, in bytes: a page can send it however short lines must be.
#[cfg(any(test, feature = "cli"))]
const LONGEST_RESUME: usize = "/resume ".len() + 32 + " ".len() + 20;

/// What the chat keeps for all pages.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    keys: Keys,
    /// Fires when the next pings are due. Set while there is a page in a room.
    ping: Option<TimerId>,
}

/// What a session has at the web door alone: how it comes to its key.
#[derive(Debug)]
pub(crate) enum Page {
    /// It has not entered a room.
    New,
    /// Its former connection is about to be closed. Then the timer fires.
    TakingOver(Box<Takeover>),
    /// Its next entrance resumes a visit.
    Resuming(Box<Resumed>),
    /// It is in a room, or has asked to enter one, and may come back with this key.
    Inside(Key),
}

/// A visit that a page resumes as soon as its former connection is closed.
#[derive(Debug)]
pub(crate) struct Takeover {
    timer: TimerId,
    key: Key,
    /// The last event that the page has.
    after: u64,
}

/// A visit that a page resumes.
#[derive(Debug)]
pub(crate) struct Resumed {
    key: Key,
    /// The last event that the page has.
    after: u64,
    former: Former,
}

/// What a page brings along that has asked to enter a room.
#[derive(Debug)]
pub(crate) struct Arrival {
    key: Key,
    resumed: Option<Box<Resumed>>,
}

/// The longest message of a page, in bytes, if the longest line is this long.
#[cfg(any(test, feature = "cli"))]
pub(crate) fn longest_message(max_line: usize) -> usize {
    max_line.max(LONGEST_RESUME)
}

impl AtDoors for Chat {
    type LineSession = FramedSession<ChatSession, LineState>;

    fn line(&mut self) -> impl Handler<Session = Self::LineSession> {
        self
    }
}

impl WebSocketHandler for Chat {
    type Session = ChatSession;

    fn open(&mut self, origin: &Origin, _: &Request<'_>, cx: &mut Context<'_>) -> ChatSession {
        let session = self.admit(origin, Rendering::Web, cx);
        ChatSession { page: Some(Box::new(Page::New)), ..session }
    }

    fn message(&mut self, session: &mut ChatSession, message: Message<'_>, cx: &mut Context<'_>) {
        let Message::Text(text) = message else { return close(CloseCode::UNSUPPORTED_DATA, "only text", cx) };
        let line = text.trim_end_matches(['\r', '\n']);
        if session.is_newcomer() {
            session.page = Some(Box::new(Page::New));
            if let Some(request) = line.strip_prefix("/resume ") {
                self.resume(session, request, cx);
                return self.slow_down(session, cx);
            }
        }
        if line.len() > self.max_line {
            return close(CloseCode::MESSAGE_TOO_BIG, "a message is too long", cx);
        }
        self.hear(session, line.as_bytes(), cx);
    }

    fn timer(&mut self, session: &mut ChatSession, timer: TimerId, cx: &mut Context<'_>) {
        match session.page.as_deref() {
            Some(Page::TakingOver(takeover)) if takeover.timer == timer => {
                let Takeover { key, after, .. } = **takeover;
                cx.release_input();
                self.resume_visit(session, key, after, cx);
            }
            _ => self.wake(session, cx),
        }
    }

    fn kicked(&mut self, session: &mut ChatSession, reason: &str, cx: &mut Context<'_>) {
        self.remove(session, reason, cx);
        cx.reply(&close_frame(CloseCode::POLICY_VIOLATION, reason));
    }

    fn closed(&mut self, session: ChatSession, cause: &Closed, cx: &mut Context<'_>) {
        self.keep(&session, cause, cx);
        self.end(session, cause, cx);
    }

    fn wants_socket(&self, request: &Request<'_>) -> bool {
        page::wants_socket(request)
    }

    fn request(&mut self, request: &Request<'_>, exchange: &mut Exchange, cx: &mut Context<'_>) {
        PAGE.respond(request, exchange, cx);
    }
}

impl Chat {
    /// Handles `/resume KEY ID` of a newcomer: a page wants to be the member that it was, and to see what has happened
    /// after the event with this id.
    fn resume(&mut self, session: &mut ChatSession, request: &str, cx: &mut Context<'_>) {
        let (key, after) = request.trim().split_once(' ').unwrap_or((request, ""));
        match (Key::parse(key), after.parse()) {
            (Some(key), Ok(after)) => self.resume_visit(session, key, after, cx),
            _ => answer(&Answer::Expired, cx),
        }
    }

    fn resume_visit(&mut self, session: &mut ChatSession, key: Key, after: u64, cx: &mut Context<'_>) {
        match self.pages.keys.find(key, cx.now()) {
            None => answer(&Answer::Expired, cx),
            Some(Found::Open(former)) => {
                // The end of the former connection frees the nickname in this turn, before its timers.
                part_other(former, Parting::Refusal, (texts::TAKEN_OVER, &[]), cx);
                cx.hold_input();
                let timer = cx.set_timer(Duration::ZERO);
                session.page = Some(Box::new(Page::TakingOver(Box::new(Takeover { timer, key, after }))));
            }
            Some(Found::Ended(former)) => {
                let nick = former.seat.nick.clone();
                if let Some(newcomer) = &mut session.newcomer {
                    newcomer.room = Some((*former.room).into());
                }
                session.page = Some(Box::new(Page::Resuming(Box::new(Resumed { key, after, former: *former }))));
                self.enter(session, nick.as_bytes(), cx);
            }
        }
    }

    /// If another connection has resumed the visit of a page while this one waited for its turn, takes that one over.
    /// Returns whether it does.
    pub(crate) fn resume_again(&mut self, session: &mut ChatSession, cx: &mut Context<'_>) -> bool {
        let Some(Page::Resuming(resumed)) = session.page.as_deref() else { return false };
        let &Resumed { key, after, .. } = &**resumed;
        let is_open = matches!(self.pages.keys.find(key, cx.now()), Some(Found::Open(_)));
        if is_open {
            self.resume_visit(session, key, after, cx);
        }
        is_open
    }

    /// What a page brings along that asks to enter a room now: its key, which is new for a newcomer.
    pub(crate) fn begin_arrival(&mut self, session: &mut ChatSession) -> Option<Box<Arrival>> {
        let page = session.page.as_deref_mut()?;
        let arrival = match std::mem::replace(page, Page::New) {
            Page::Resuming(resumed) => Arrival { key: resumed.key, resumed: Some(resumed) },
            Page::Inside(key) => Arrival { key, resumed: None },
            Page::New | Page::TakingOver(_) => Arrival { key: self.pages.keys.issue(session.token), resumed: None },
        };
        *page = Page::Inside(arrival.key);
        Some(Box::new(arrival))
    }

    /// Undoes the arrival of a page that is refused. If another connection has resumed its visit meanwhile, takes that
    /// one over, and returns true.
    #[cfg(feature = "bus")]
    pub(crate) fn end_arrival(
        &mut self,
        session: &mut ChatSession,
        arrival: Option<Box<Arrival>>,
        cx: &mut Context<'_>,
    ) -> bool {
        let Some(Arrival { key, resumed }) = arrival.map(|arrival| *arrival) else { return false };
        if let Some(resumed) = resumed {
            session.page = Some(Box::new(Page::Resuming(resumed)));
            if self.resume_again(session, cx) {
                return true;
            }
        } else {
            self.pages.keys.forget(key);
        }
        session.page = Some(Box::new(Page::New));
        false
    }

    /// Keeps the place of a page that has gone, unless the operator has removed it.
    #[cfg_attr(not(feature = "bus"), expect(unused_variables, reason = "without a bus, no page waits for its room"))]
    fn keep(&mut self, session: &ChatSession, cause: &Closed, cx: &Context<'_>) {
        let Some(&Page::Inside(key)) = session.page.as_deref() else { return };
        match self.seats.get(session.token).and_then(|seat| Some((seat, self.rooms.get(seat.room)?))) {
            Some((seat, room)) => {
                self.pages.keys.end(key, Former { seat: seat.clone(), room: room.name.clone() }, cx.now());
            }
            // It has not come back yet, and may try again.
            #[cfg(feature = "bus")]
            None if self.is_resuming(session.token) && !matches!(cause, Closed::ByOperator) => {}
            None => self.pages.keys.forget(key),
        }
    }

    /// Whether a page has asked to enter as the member that it was.
    #[cfg(feature = "bus")]
    fn is_resuming(&self, token: Token) -> bool {
        let arrival = self.seats.entering(token).and_then(|entering| entering.arrival.as_ref());
        arrival.is_some_and(|arrival| arrival.resumed.is_some())
    }
}

impl Chat {
    /// If this is the timer of the pings, sends one to each page in a room. A page that has vanished is found out this
    /// way, and a proxy sees that the connection is in use.
    pub(crate) fn ping_pages(&mut self, timer: TimerId, cx: &mut Context<'_>) {
        if self.pages.ping.take_if(|own| *own == timer).is_none() {
            return;
        }
        let feeds = self.audiences.values().flat_map(Audience::feeds);
        for (_, feed) in feeds.filter(|(rendering, _)| *rendering == Rendering::Web) {
            cx.publish(feed, &ping_frame(b""));
            self.pages.ping.get_or_insert_with(|| cx.set_service_timer(PING));
        }
    }
}

/// Closes the connection of another page, after a last answer to it.
pub(crate) fn part_other(other: Token, parting: Parting, (text, values): (&str, &[&str]), cx: &mut Context<'_>) {
    let mut farewell = Vec::new();
    append_notice(text, values, &mut farewell);
    farewell.extend(close_frame(close_code(parting), ""));
    cx.send(other, &farewell);
    cx.close_other(other);
}

/// Sends a page the room that it has entered, and what has been said there, or what it has missed. Returns its seat.
pub(crate) fn show_entrance(
    chat: &mut Chat,
    token: Token,
    (mut seat, arrival): (Seat, Option<Box<Arrival>>),
    join: &Event<'_>,
    cx: &mut Context<'_>,
) -> Seat {
    let Some(Arrival { key, resumed }) = arrival.map(|arrival| *arrival) else { return seat };
    let history = chat.audiences.get(&seat.room).and_then(|audience| audience.history.as_ref());
    let (mut shown, mut has_gap) = (Vec::new(), false);
    if let Some(resumed) = &resumed {
        chat.pages.keys.resume(key, token);
        let is_same_room = resumed.former.seat.room == seat.room;
        if is_same_room {
            seat.since = resumed.former.seat.since;
        }
        has_gap = !is_same_room || history.is_none();
        if let Some(history) = history.filter(|_| is_same_room) {
            let (missed, is_cut) = history.between(resumed.after.max(seat.since), join.id);
            shown = missed.map(|past| Shown(past.event())).collect();
            // A page that does not know its last entrance may also have missed what came before it.
            has_gap = is_cut || resumed.after < seat.since;
        }
    } else if let Some(history) = history {
        shown = history.talk().map(|past| Shown(past.event())).collect();
    }
    let room = chat.rooms.get(seat.room);
    let entrance = Answer::Entrance {
        room: room.map_or("", |room| &room.name),
        nick: &seat.nick,
        key: key.to_string(),
        id: join.id,
        max_line: Some(chat.max_line).filter(|&most| most < usize::MAX),
        members: room.map(|room| room.nicks().collect()).unwrap_or_default(),
        history: shown,
        is_resumed: resumed.is_some(),
        has_gap,
    };
    let mut frame = Vec::new();
    append(&entrance, &mut frame);
    cx.reply_to(token, &frame);
    chat.pages.ping.get_or_insert_with(|| cx.set_service_timer(PING));
    seat
}

/// Replies with events of the past.
pub(crate) fn show_past<'a>(events: impl Iterator<Item = &'a Past>, cx: &mut Context<'_>) {
    answer(&Answer::History { events: events.map(|past| Shown(past.event())).collect() }, cx);
}

/// Answers a line. Each name in braces of `text` is replaced by the next of `values`.
pub(crate) fn notify(text: &str, values: &[&str], cx: &mut Context<'_>) {
    answer(&Answer::Notice { text: filled(text, values).trim_end() }, cx);
}

/// Appends the answer to a line.
pub(crate) fn append_notice(text: &str, values: &[&str], out: &mut Vec<u8>) {
    append(&Answer::Notice { text: filled(text, values).trim_end() }, out);
}

/// Refuses a nickname or a room.
pub(crate) fn refuse(text: &str, values: &[&str], cx: &mut Context<'_>) {
    answer(&Answer::Refused { text: filled(text, values).trim_end() }, cx);
}

/// Closes this connection.
pub(crate) fn part(parting: Parting, cx: &mut Context<'_>) {
    close(close_code(parting), "", cx);
}

fn close_code(parting: Parting) -> CloseCode {
    match parting {
        Parting::Quit => CloseCode::NORMAL,
        Parting::Refusal => CloseCode::POLICY_VIOLATION,
        Parting::Stop => CloseCode::GOING_AWAY,
    }
}

fn filled(text: &str, values: &[&str]) -> String {
    let mut filled = Vec::new();
    fill(&mut filled, text, values);
    String::from_utf8_lossy(&filled).into_owned()
}

fn answer(message: &Answer<'_>, cx: &mut Context<'_>) {
    let mut frame = Vec::new();
    append(message, &mut frame);
    cx.reply(&frame);
}

#[cfg(test)]
pub(crate) mod tests;
