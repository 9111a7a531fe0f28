//! What a session is told by itself: answers to its lines, and its entrance.
//!
//! The words are the same at each door, and their form is that of its rendering.

use crate::connection::token::Token;
use crate::handler::context::Context;
#[cfg(feature = "bus")]
use crate::servers::text::fill;
use crate::servers::text::reply;

use super::Chat;
use super::line;
use super::rendering::Rendering;
use super::room::{Event, RoomId};
use super::seats::{Entering, Seat};
use super::session::ChatSession;
use super::texts;
#[cfg(feature = "web")]
use super::web;

/// Why the chat closes a connection. A page comes back after [`Stop`](Self::Stop) only.
#[derive(Clone, Copy, Debug)]
pub(super) enum Parting {
    /// The member has asked for it.
    Quit,
    /// A rule of the server.
    Refusal,
    /// The server stops.
    Stop,
}

impl Rendering {
    /// Asks for a nickname, when a connection opens.
    pub(super) fn prompt(self, cx: &mut Context<'_>) {
        match self {
            Rendering::Line => reply(texts::PROMPT, &[], cx),
            // The page has a form.
            #[cfg(feature = "web")]
            Rendering::Web => {}
        }
    }

    /// Answers a line. Each name in braces of `text` is replaced by the next of `values`.
    pub(super) fn answer(self, text: &str, values: &[&str], cx: &mut Context<'_>) {
        match self {
            Rendering::Line => reply(text, values, cx),
            #[cfg(feature = "web")]
            Rendering::Web => web::notify(text, values, cx),
        }
    }

    /// Appends an answer, as [`answer`](Self::answer) sends it.
    #[cfg(feature = "bus")]
    pub(super) fn append_answer(self, text: &str, values: &[&str], out: &mut Vec<u8>) {
        match self {
            Rendering::Line => fill(out, text, values),
            #[cfg(feature = "web")]
            Rendering::Web => web::append_notice(text, values, out),
        }
    }

    /// Answers a line of another connection.
    #[cfg(feature = "bus")]
    pub(super) fn answer_to(self, to: Token, text: &str, values: &[&str], cx: &mut Context<'_>) {
        let mut answer = Vec::new();
        self.append_answer(text, values, &mut answer);
        cx.reply_to(to, &answer);
    }

    /// Closes another connection, after a last answer to it.
    #[cfg(feature = "bus")]
    #[cfg_attr(not(feature = "web"), expect(unused_variables, reason = "a line door has no close codes"))]
    pub(super) fn close_other(self, other: Token, parting: Parting, answer: (&str, &[&str]), cx: &mut Context<'_>) {
        match self {
            Rendering::Line => {
                self.answer_to(other, answer.0, answer.1, cx);
                cx.close_other(other);
            }
            #[cfg(feature = "web")]
            Rendering::Web => web::part_other(other, parting, answer, cx),
        }
    }

    /// Refuses what a newcomer has asked for, and asks again.
    fn refuse(self, text: &str, values: &[&str], cx: &mut Context<'_>) {
        match self {
            Rendering::Line => {
                reply(text, values, cx);
                reply(texts::PROMPT, &[], cx);
            }
            #[cfg(feature = "web")]
            Rendering::Web => web::refuse(text, values, cx),
        }
    }

    /// Closes this connection, after the last answer to it.
    #[cfg_attr(not(feature = "web"), expect(unused_variables, reason = "a line door has no close codes"))]
    pub(super) fn close(self, parting: Parting, cx: &mut Context<'_>) {
        match self {
            Rendering::Line => cx.close(),
            #[cfg(feature = "web")]
            Rendering::Web => web::part(parting, cx),
        }
    }
}

impl ChatSession {
    /// Refuses what a newcomer or a member has asked for.
    pub(super) fn refuse(&self, text: &str, values: &[&str], cx: &mut Context<'_>) {
        if self.is_newcomer() {
            self.rendering().refuse(text, values, cx);
        } else {
            self.rendering().answer(text, values, cx);
        }
    }

    /// Handles `/quit`.
    pub(super) fn quit(&self, cx: &mut Context<'_>) {
        self.rendering().answer(texts::BYE, &[], cx);
        self.rendering().close(Parting::Quit, cx);
    }
}

impl Chat {
    /// Shows a room to the member that has entered it with the event `join`. Returns its seat.
    pub(super) fn show_entrance(
        &mut self,
        token: Token,
        room: RoomId,
        entering: Entering,
        join: &Event<'_>,
        cx: &mut Context<'_>,
    ) -> Seat {
        let Entering { nick, rendering, .. } = entering;
        let seat = Seat { nick: self.shown_nick(room, &nick), room, since: join.id, rendering };
        match rendering {
            Rendering::Line => line::show_entrance(self, token, &seat, join, cx),
            #[cfg(feature = "web")]
            Rendering::Web => return web::show_entrance(self, token, (seat, entering.arrival), join, cx),
        }
        seat
    }

    /// Handles `/history`.
    pub(super) fn show_history(&self, seat: &Seat, count: Option<usize>, cx: &mut Context<'_>) {
        let rendering = seat.rendering;
        let history = self.audiences.get(&seat.room).and_then(|audience| audience.history.as_ref());
        match (history, count) {
            (_, None) => rendering.answer(texts::HISTORY_USAGE, &[], cx),
            (None, _) => rendering.answer(texts::NO_HISTORY, &[], cx),
            (Some(history), Some(count)) => match rendering {
                Rendering::Line => line::show_past(self, history.last(count, seat.since), cx),
                #[cfg(feature = "web")]
                Rendering::Web => web::show_past(history.last(count, seat.since), cx),
            },
        }
    }
}
