//! The room as a newcomer sees it, and its past.

use crate::handler::context::Context;
use crate::servers::chat::Chat;
use crate::servers::chat::room::{Event, Past};
use crate::servers::chat::session::Seat;
use crate::servers::chat::texts;
use crate::servers::text::reply;

use super::render;

/// Replies with what was said, the welcome, and the number of members.
pub(crate) fn show_entrance(chat: &mut Chat, seat: &Seat, join: &Event<'_>, cx: &mut Context<'_>) {
    if let Some(history) = chat.audiences.get(&seat.room).and_then(|audience| audience.history.as_ref()) {
        show_past(chat, history.talk(), cx);
    }
    let mut welcome = chat.stamp(join.at).into_bytes();
    render(&join.what, &mut welcome);
    cx.reply(&welcome);
    match chat.rooms.count(seat.room) {
        1 => reply(texts::COUNT_ALONE, &[], cx),
        count => reply(texts::COUNT, &[&count.to_string()], cx),
    }
}

/// Replies with events, each after its local time. An event of another day than today has its date.
pub(crate) fn show_past<'a>(chat: &Chat, events: impl Iterator<Item = &'a Past>, cx: &mut Context<'_>) {
    let Some(record) = &chat.record else { return };
    let today = record.local_time(cx.system_time()).date;
    let mut line = Vec::new();
    for event in events.map(Past::event) {
        let at = record.local_time(event.at);
        if at.date != today {
            cx.reply(format!("{} ", at.date).as_bytes());
        }
        cx.reply(at.stamp().as_bytes());
        line.clear();
        render(&event.what, &mut line);
        cx.reply(&line);
    }
}
