//! The line door: the room for any program that sends lines.

mod entrance;
mod render;

use crate::connection::closed::Closed;
use crate::connection::origin::Origin;
use crate::connection::timer_id::TimerId;
use crate::framing::MessageHandler;
use crate::handler::context::Context;
use crate::servers::text::refuse_http;
use crate::workers::Done;

use super::Chat;
use super::rendering::Rendering;
use super::session::ChatSession;
use super::texts;

pub(crate) use entrance::{show_entrance, show_past};
pub(crate) use render::{after_colon, render};

/// The chat as it is at the line door. Made for one callback.
#[derive(Debug)]
pub(crate) struct AtLine<'a>(pub(crate) &'a mut Chat);

impl MessageHandler for AtLine<'_> {
    type Session = ChatSession;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> ChatSession {
        self.0.admit(origin, Rendering::Line, cx)
    }

    fn message<'a>(&mut self, session: &mut ChatSession, line: &'a mut [u8], cx: &mut Context<'a>) {
        if session.is_newcomer() && refuse_http(line, texts::NO_HTTP, cx) {
            return;
        }
        self.0.hear(session, line, cx);
    }

    fn too_long(&mut self, session: &mut ChatSession, limit: usize, cx: &mut Context<'_>) {
        self.0.refuse_long(session, limit, cx);
    }

    fn timer(&mut self, session: &mut ChatSession, _: TimerId, cx: &mut Context<'_>) {
        self.0.wake(session, cx);
    }

    fn kicked(&mut self, session: &mut ChatSession, reason: &str, cx: &mut Context<'_>) {
        self.0.remove(session, reason, cx);
    }

    fn closed(&mut self, session: ChatSession, cause: &Closed, cx: &mut Context<'_>) {
        self.0.end(session, cause, cx);
    }

    fn console(&mut self, line: &[u8], cx: &mut Context<'_>) {
        self.0.obey(line, cx);
    }

    fn reload(&mut self, cx: &mut Context<'_>) {
        if let Some(record) = &mut self.0.record {
            record.reload(cx);
        }
    }

    fn stopping(&mut self, cx: &mut Context<'_>) {
        self.0.stop(cx);
    }

    fn service_done(&mut self, done: Done, cx: &mut Context<'_>) {
        if let Some(record) = &mut self.0.record {
            record.service_done(done, cx);
        }
    }

    fn service_timer(&mut self, timer: TimerId, cx: &mut Context<'_>) {
        self.0.end_crowd(timer, cx);
        #[cfg(feature = "bus")]
        self.0.sweep_rooms(timer, cx);
        #[cfg(feature = "web")]
        self.0.ping_pages(timer, cx);
        if let Some(record) = &mut self.0.record {
            record.service_timer(timer, cx);
        }
    }
}
