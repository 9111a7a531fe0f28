//! Chat: rooms whose members have nicknames and read what the others say, at several doors.
//!
//! ```text
//!  line door --AtLine--> Chat: what a member's line does (member)
//!                          | ask
//!                          v
//!                        the order --Event--> happen: Rooms, the pure core, and seats change; then it is announced:
//!                                             one feed for each room and rendering
//! ```
//!
//! Invariants: a connection follows a feed of its room exactly while it has a seat. What a member types reaches
//! others, and the log, only through [`sanitize`](crate::sanitize) and after a mark that begins no other text (see
//! `texts`). A line costs one append to each feed of its room, whatever the number of members, and allocates only if a
//! record is kept. What joining and leaving costs the others is limited twice: by host (`turnstile`) and in all
//! (`crowd`).

#[cfg(feature = "cli")]
mod args;

#[cfg(feature = "cli")]
pub use args::ChatServer;

mod answers;
mod audience;
mod bans;
#[cfg(feature = "bus")]
mod bus;
mod chat_log;
mod command;
mod crowd;
mod line;
mod member;
mod operator;
mod order;
mod record;
mod rendering;
mod room;
mod seats;
mod session;
mod texts;
mod turnstile;
#[cfg(feature = "web")]
mod web;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::connection::closed::Closed;
use crate::connection::origin::Origin;
use crate::framing::{Framed, FramedSession, LineFramer, LineState};
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::handler::events::events;
use crate::state::rate::Rate;

use audience::Audience;
use bans::Bans;
use line::AtLine;
use room::{RoomId, Rooms};
use seats::Seats;
use turnstile::Turnstile;
#[cfg(feature = "web")]
use web::Pages;

pub use chat_log::ChatLog;
pub use record::Record;
pub use room::RoomName;
pub use session::ChatSession;

/// The options of a chat server.
#[derive(Debug)]
#[non_exhaustive]
pub struct ChatOptions {
    /// The longest line, in bytes, without its end. A longer line gets a notice and is not sent.
    pub max_line: usize,
    /// How often a member may send a line. A faster member is not read for a while; no line is lost.
    pub rate: Option<Rate>,
    /// How often newcomers of one host may join. For IPv6, a host is a /64; all peers of Unix sockets are one host. A
    /// newcomer above the rate waits.
    pub join_rate: Option<Rate>,
    /// How many joins and leaves of one second have a notice of their own. Above that, members receive one line with
    /// the numbers.
    pub crowd: usize,
    /// How long a newcomer may take to choose a nickname.
    pub handshake: Option<Duration>,
    /// The name of the first room, in which members begin.
    pub room: RoomName,
    /// The most rooms at a time.
    pub max_rooms: Option<usize>,
    /// The record of the rooms. `None`: nothing is kept.
    pub record: Option<Record>,
}

impl Default for ChatOptions {
    fn default() -> Self {
        let per = Duration::from_secs(1);
        ChatOptions {
            max_line: 4096,
            // Faster than a person types. The burst is for pasted text.
            rate: Some(Rate { count: 5, per, burst: 100 }),
            // The burst is for a class behind one address that arrives together.
            join_rate: Some(Rate { count: 2, per, burst: 200 }),
            // About as many lines as can be read in a second.
            crowd: 20,
            handshake: Some(Duration::from_secs(30)),
            room: RoomName::lobby(),
            // More than a list shows well.
            max_rooms: Some(100),
            record: None,
        }
    }
}

/// A chat server.
///
/// ```
/// use switchboard::Sim;
/// use switchboard::servers::{Chat, ChatOptions};
///
/// let mut sim = Sim::new(Chat::room(ChatOptions::default()));
/// let ann = sim.connect();
/// assert_eq!(sim.received(ann), b"Enter your nickname: ");
/// sim.send(ann, b"ann\n");
/// assert_eq!(sim.received(ann), b"Welcome ann to the room!\n1 person is here.\n");
/// ```
#[derive(Debug)]
pub struct Chat {
    rooms: Rooms,
    seats: Seats,
    /// The room in which members begin.
    first: RoomName,
    audiences: BTreeMap<RoomId, Audience>,
    max_line: usize,
    rate: Option<Rate>,
    turnstile: Turnstile,
    crowd: usize,
    handshake: Option<Duration>,
    record: Option<Record>,
    bans: Bans,
    is_stopping: bool,
    /// What is kept on a bus. `None`: this server is alone.
    #[cfg(feature = "bus")]
    shared: Option<Box<order::Shared>>,
    #[cfg(feature = "web")]
    pages: Pages,
    /// A buffer for the text being sent, kept for reuse.
    text: Vec<u8>,
}

impl Chat {
    /// Creates an empty room whose members send lines.
    #[must_use]
    pub fn room(options: ChatOptions) -> Chat {
        let ChatOptions { max_line, rate, join_rate, crowd, handshake, room, max_rooms, record } = options;
        let mut chat = Chat {
            rooms: Rooms::new(room.as_str(), max_rooms.unwrap_or(usize::MAX)),
            seats: Seats::default(),
            first: room,
            audiences: BTreeMap::new(),
            max_line,
            rate,
            turnstile: Turnstile::new(join_rate),
            crowd,
            handshake,
            record,
            bans: Bans::default(),
            is_stopping: false,
            #[cfg(feature = "bus")]
            shared: None,
            #[cfg(feature = "web")]
            pages: Pages::default(),
            text: Vec::new(),
        };
        // The first room has a history also before its first member.
        chat.audience(RoomId::FIRST);
        chat
    }

    /// Returns the number of members in all rooms.
    #[must_use]
    pub fn persons(&self) -> usize {
        self.rooms.persons()
    }

    /// The handler of the line door, made for one callback.
    fn line(&mut self) -> Framed<LineFramer, AtLine<'_>> {
        let framer = LineFramer::new(self.max_line);
        Framed::with_framer(AtLine(self), framer)
    }
}

impl Handler for Chat {
    type Session = FramedSession<ChatSession, LineState>;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Self::Session {
        self.line().open(origin, cx)
    }

    fn data<'a>(&mut self, session: &mut Self::Session, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        self.line().data(session, input, cx)
    }

    fn kicked(&mut self, session: &mut Self::Session, reason: &str, cx: &mut Context<'_>) {
        self.line().kicked(session, reason, cx);
    }

    fn closed(&mut self, session: Self::Session, cause: &Closed, cx: &mut Context<'_>) {
        self.line().closed(session, cause, cx);
    }

    events! { connection => forward(self, session, cx) to self.line(), session }
    events! { service => forward(self, cx) to self.line() }
    events! { process => forward(self, cx) to self.line() }
}

#[cfg(test)]
mod tests;
