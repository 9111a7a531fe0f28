//! The state of a connection to the chat, at whichever door.

use std::sync::Arc;

use crate::connection::origin::{Origin, Peer};
use crate::connection::timer_id::TimerId;
use crate::connection::token::Token;
use crate::handler::context::Context;
use crate::state::rate::Bucket;

use super::rendering::Rendering;
use super::room::{Link, RoomId};
use super::turnstile::Place;
#[cfg(feature = "web")]
use super::web::Page;

/// The state of a connection.
#[derive(Debug)]
pub struct ChatSession {
    pub(super) token: Token,
    pub(super) rendering: Rendering,
    pub(super) stage: Stage,
    /// How much of the rate is used.
    pub(super) bucket: Bucket,
    /// What a connection at the web door has besides.
    #[cfg(feature = "web")]
    pub(super) page: Option<Box<Page>>,
}

/// How far a connection is. Most have a nickname, so what is needed before that does not count in the size.
#[derive(Debug)]
pub(super) enum Stage {
    Newcomer(Box<Newcomer>),
    Member(Seat),
    /// The operator has removed the member.
    Removed,
}

/// A connection without a nickname.
#[derive(Debug, Default)]
pub(super) struct Newcomer {
    /// The room to enter, as it was requested. `None`: the first one.
    pub(super) room: Option<Box<str>>,
    /// Fires if no nickname is chosen in time.
    pub(super) timer: Option<TimerId>,
    /// Set while a chosen nickname waits for its turn to join.
    pub(super) waiting: Option<Waiting>,
    /// It has waited for its turn, but has not joined: its nickname was taken meanwhile.
    pub(super) has_waited: bool,
}

/// A newcomer over the rate of joins.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) place: Place,
    pub(super) nick: Box<str>,
}

/// The place of a member.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    /// The nickname as shown.
    pub(super) nick: Arc<str>,
    pub(super) room: RoomId,
    /// The id of the event with which it has entered the room.
    pub(super) since: u64,
}

impl ChatSession {
    /// A session of a connection that has just opened.
    pub(super) fn new(origin: &Origin, rendering: Rendering, newcomer: Newcomer) -> Self {
        let (token, stage) = (origin.token, Stage::Newcomer(Box::new(newcomer)));
        ChatSession {
            token,
            rendering,
            stage,
            bucket: Bucket::default(),
            #[cfg(feature = "web")]
            page: None,
        }
    }

    /// The peer of the connection, which the session need not keep. Works in [`closed`](crate::Handler::closed), too.
    pub(super) fn peer(&self, cx: &Context<'_>) -> Peer {
        cx.address_of(self.token).unwrap_or(Peer::Unix)
    }

    /// The connection as the rooms know it.
    pub(super) fn link(&self) -> Link {
        Link { token: self.token, rendering: self.rendering }
    }

    /// The place of a member. `None` without a nickname.
    pub(super) fn seat(&self) -> Option<&Seat> {
        if let Stage::Member(seat) = &self.stage { Some(seat) } else { None }
    }
}

impl Newcomer {
    /// Stops the time that the newcomer has to choose a nickname.
    pub(super) fn stop_timer(&mut self, cx: &mut Context<'_>) {
        if let Some(timer) = self.timer.take() {
            cx.cancel_timer(timer);
        }
    }
}
