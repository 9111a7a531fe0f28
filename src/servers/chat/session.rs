//! The state of a connection to the chat, at whichever door.

use crate::connection::origin::{Origin, Peer};
use crate::connection::timer_id::TimerId;
use crate::connection::token::Token;
use crate::handler::context::Context;
use crate::state::rate::Bucket;

use super::rendering::Rendering;
use super::turnstile::Place;
#[cfg(feature = "web")]
use super::web::Page;

/// The state of a connection. Where its member is, is in `Seats`.
#[derive(Debug)]
pub struct ChatSession {
    pub(super) token: Token,
    /// What is kept for a newcomer. A member has a seat, or has asked for one.
    pub(super) newcomer: Option<Box<Newcomer>>,
    /// How much of the rate is used.
    pub(super) bucket: Bucket,
    /// What a connection at the web door has besides. `None` at the line door.
    #[cfg(feature = "web")]
    pub(super) page: Option<Box<Page>>,
}

/// A connection without a nickname. Most have one, so what is needed before that does not count in the size of a
/// session.
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

impl ChatSession {
    /// A session of a connection that has just opened.
    pub(super) fn new(origin: &Origin, newcomer: Newcomer) -> Self {
        ChatSession {
            token: origin.token,
            newcomer: Some(Box::new(newcomer)),
            bucket: Bucket::default(),
            #[cfg(feature = "web")]
            page: None,
        }
    }

    /// The peer of the connection, which the session need not keep. Works in [`closed`](crate::Handler::closed), too.
    pub(super) fn peer(&self, cx: &Context<'_>) -> Peer {
        cx.address_of(self.token).unwrap_or(Peer::Unix)
    }

    /// The rendering of its door.
    #[cfg_attr(not(feature = "web"), expect(clippy::unused_self, reason = "there is one door"))]
    pub(super) fn rendering(&self) -> Rendering {
        #[cfg(feature = "web")]
        if self.page.is_some() {
            return Rendering::Web;
        }
        Rendering::Line
    }

    /// Whether the connection has no nickname yet, and has not asked to enter with one.
    pub(super) fn is_newcomer(&self) -> bool {
        self.newcomer.is_some()
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
