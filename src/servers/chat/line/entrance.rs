//! The room as a newcomer sees it, and its past.

use crate::connection::token::Token;
use crate::handler::context::Context;
use crate::servers::chat::Chat;
use crate::servers::chat::room::{Event, Past};
use crate::servers::chat::seats::Seat;
use crate::servers::chat::texts;
use crate::servers::text::fill;

use super::render;

/// Sends a newcomer what was said, the welcome, and the number of members.
pub(crate) fn show_entrance(chat: &mut Chat, token: Token, seat: &Seat, join: &Event<'_>, cx: &mut Context<'_>) {
    let mut entrance = Vec::new();
    if let Some(history) = chat.audiences.get(&seat.room).and_then(|audience| audience.history.as_ref()) {
        append_past(chat, history.talk(), &mut entrance, cx);
    }
    entrance.extend_from_slice(chat.stamp(join.at).as_bytes());
    render(&join.what, &mut entrance);
    match chat.rooms.count(seat.room) {
        1 => fill(&mut entrance, texts::COUNT_ALONE, &[]),
        count => fill(&mut entrance, texts::COUNT, &[&count.to_string()]),
    }
    cx.reply_to(token, &entrance);
}

/// Replies with events, each after its local time.
pub(crate) fn show_past<'a>(chat: &Chat, events: impl Iterator<Item = &'a Past>, cx: &mut Context<'_>) {
    let mut lines = Vec::new();
    append_past(chat, events, &mut lines, cx);
    cx.reply(&lines);
}

/// Appends events, each after its local time. An event of another day than today has its date.
fn append_past<'a>(chat: &Chat, events: impl Iterator<Item = &'a Past>, out: &mut Vec<u8>, cx: &Context<'_>) {
    let Some(record) = &chat.record else { return };
    let today = record.local_time(cx.system_time()).date;
    for event in events.map(Past::event) {
        let at = record.local_time(event.at);
        if at.date != today {
            out.extend_from_slice(format!("{} ", at.date).as_bytes());
        }
        out.extend_from_slice(at.stamp().as_bytes());
        render(&event.what, out);
    }
}
