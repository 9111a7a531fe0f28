//! The order of events: what a member's line asks for, and what happens then.
//!
//! There is one way for all changes. A change is *asked for*; when it is in the order of its room, it *happens*: it
//! changes the rooms and seats, and is shown and recorded. Without a bus, both are one step. With a bus, what happens
//! is what is read back (`shared`, `heard`).

#[cfg(feature = "bus")]
mod heard;
#[cfg(feature = "bus")]
mod shared;

use std::sync::Arc;

use crate::connection::token::Token;
use crate::handler::context::Context;
use crate::servers::text::counted;

use super::Chat;
use super::crowd::Change;
use super::room::{Event, Home, Refusal, RoomId, RoomName, What};
use super::seats::{Entering, Seat};
use super::session::ChatSession;
#[cfg(feature = "bus")]
pub(super) use shared::Shared;

impl Chat {
    /// Asks for a change in the room of a member.
    pub(super) fn ask(&mut self, by: Token, room: RoomId, what: What<&str>, cx: &mut Context<'_>) {
        #[cfg(feature = "bus")]
        if self.shared.is_some() {
            return self.ask_bus(by, room, &what, cx);
        }
        if self.rooms.check(&what).is_ok() {
            let event = self.rooms.event(what, Some(by), cx.system_time());
            self.happen(room, &event, cx);
        }
    }

    /// Asks for a change in all rooms, for the operator.
    pub(super) fn ask_everywhere(&mut self, what: What<&str>, cx: &mut Context<'_>) {
        #[cfg(feature = "bus")]
        if self.shared.is_some() {
            return self.ask_bus(Token::none(), RoomId::FIRST, &what, cx);
        }
        self.happen_everywhere(what, cx);
    }

    /// Asks to enter a room, for a newcomer or a member of another room.
    ///
    /// # Errors
    /// The rooms do not allow it. Then nothing has changed.
    pub(super) fn ask_to_enter(
        &mut self,
        session: &mut ChatSession,
        nick: &str,
        name: &RoomName,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        #[cfg(feature = "bus")]
        if self.shared.is_some() {
            return self.ask_bus_to_enter(session, nick, name, cx);
        }
        let (token, at) = (session.token, cx.system_time());
        let part = self.seats.get(token).map(|seat| (seat.room, What::Part { nick, to: name.as_str() }));
        let join = What::Join { nick, room: name.as_str(), home: Home::Here(token) };
        self.rooms.check(part.as_ref().map_or(&join, |(_, part)| part))?;
        let room = self.rooms.find_or_begin(name.as_str());
        self.begin_entering(session, nick, room);
        if let Some((from, part)) = part {
            let part = self.rooms.event(part, Some(token), at);
            self.happen(from, &part, cx);
        }
        let join = self.rooms.event(join, Some(token), at);
        self.happen(room, &join, cx);
        Ok(())
    }

    fn begin_entering(&mut self, session: &mut ChatSession, nick: &str, room: RoomId) {
        let entering = Entering {
            nick: nick.into(),
            room,
            from: self.seats.get(session.token).map(|seat| seat.room),
            rendering: session.rendering(),
            #[cfg(feature = "web")]
            arrival: self.begin_arrival(session),
        };
        session.newcomer = None;
        self.audience(room).entering += 1;
        self.seats.begin_entering(session.token, entering);
    }

    /// Ends that a connection enters a room: it is inside, is refused or has gone.
    pub(super) fn end_entering(&mut self, token: Token) -> Option<Entering> {
        let entering = self.seats.end_entering(token)?;
        self.audience(entering.room).entering -= 1;
        Some(entering)
    }

    /// Lets an event happen that is in the order of its room.
    pub(super) fn happen(&mut self, room: RoomId, event: &Event<'_>, cx: &mut Context<'_>) {
        if !self.rooms.apply(room, event) {
            return;
        }
        match event.what {
            What::Join { nick, home, .. } => self.let_in(room, event, (nick, home), cx),
            What::Part { nick, .. } => {
                if let Some(by) = event.by.filter(|by| self.seats.get(*by).is_some_and(|seat| seat.room == room)) {
                    self.unseat(by, cx);
                }
                self.let_out(room, event, nick, cx);
            }
            What::Leave { nick, cause } => {
                if let Some(by) = event.by {
                    let (place, persons) = self.place(room);
                    // On a bus, its connection may be gone by now.
                    let peer = cx.address_of(by).map_or_else(|| nick.to_owned(), |_| cx.peer_of(by).to_string());
                    log::info!("{peer} leaves {place}: {cause} ({persons})");
                }
                self.let_out(room, event, nick, cx);
                #[cfg(feature = "bus")]
                self.reenter_if_seated(room, event.by, cx);
            }
            What::Rename { old, nick } => {
                if let Some(by) = event.by {
                    self.rename_seat(by, room, nick, cx);
                }
                self.audience(room).crowd.rename(old, nick);
                self.announce(room, event, cx);
            }
            // All servers append it to each room. The log has it once.
            #[cfg(feature = "bus")]
            What::Operator { .. } => {
                self.show(room, event, cx);
                if let Some(record) = self.record.as_mut().filter(|_| room == RoomId::FIRST) {
                    record.log(event, None, cx);
                }
            }
            // It is shown if the leave that follows is.
            What::Kick { .. } if !self.audience(room).crowd.shows_next(cx) => {}
            _ => self.announce(room, event, cx),
        }
    }

    /// Lets an event happen in all rooms. The log has it once.
    pub(super) fn happen_everywhere(&mut self, what: What<&str>, cx: &mut Context<'_>) {
        let event = self.rooms.event(what, None, cx.system_time());
        let rooms: Vec<RoomId> = self.audiences.keys().copied().collect();
        for room in rooms {
            self.show(room, &event, cx);
        }
        if let Some(record) = &mut self.record {
            record.log(&event, None, cx);
        }
    }

    /// Shows a member that has entered a room, and the room to it.
    fn let_in(&mut self, room: RoomId, event: &Event<'_>, (nick, home): (&str, Home), cx: &mut Context<'_>) {
        let is_entering = |token: &Token| self.seats.entering(*token).is_some_and(|entering| entering.room == room);
        let newcomer = home.token().filter(is_entering);
        if let Some(token) = newcomer {
            let (place, persons) = self.place(room);
            cx.set_name_of(token, self.shown_nick(room, nick));
            log::info!("{} joins {place} ({persons})", cx.peer_of(token));
            // It may come from a room whose event is read later.
            self.unseat(token, cx);
        }
        // The others see the event, and the newcomer its entrance. Then it follows the feed, so no event is missing or
        // shown twice.
        if self.audience(room).crowd.note(Change::Join, nick, cx) {
            self.announce(room, event, cx);
        }
        if let Some(token) = newcomer {
            self.seat_newcomer(token, room, event, cx);
        }
    }

    /// Gives its seat to a connection that has entered a room with the event `join`.
    fn seat_newcomer(&mut self, token: Token, room: RoomId, join: &Event<'_>, cx: &mut Context<'_>) {
        let Some(entering) = self.end_entering(token) else { return };
        let seat = self.show_entrance(token, room, entering, join, cx);
        self.audience(room).add(token, seat.rendering, cx);
        self.seats.give(token, seat);
        #[cfg(feature = "bus")]
        self.stop_waiting(token, cx);
    }

    /// Shows that a member has left a room.
    fn let_out(&mut self, room: RoomId, event: &Event<'_>, nick: &str, cx: &mut Context<'_>) {
        if self.audience(room).crowd.note(Change::Leave, nick, cx) {
            self.announce(room, event, cx);
        }
        self.sweep(room, cx);
    }

    /// Takes the seat of a member, if it has one: it follows its room no longer.
    pub(super) fn unseat(&mut self, token: Token, cx: &mut Context<'_>) -> Option<Seat> {
        let seat = self.seats.take(token)?;
        self.audience(seat.room).remove(token, seat.rendering, cx);
        Some(seat)
    }

    /// Gives a member of this server its new nickname.
    fn rename_seat(&mut self, token: Token, room: RoomId, nick: &str, cx: &mut Context<'_>) {
        let nick = self.shown_nick(room, nick);
        if let Some(seat) = self.seats.get_mut(token) {
            log::info!("{} is now known as {nick}", cx.peer_of(token));
            seat.nick = Arc::clone(&nick);
            cx.set_name_of(token, nick);
        }
        #[cfg(feature = "bus")]
        self.stop_waiting(token, cx);
    }

    /// The nickname of a member of a room, which is kept once.
    pub(super) fn shown_nick(&self, room: RoomId, nick: &str) -> Arc<str> {
        let kept = self.rooms.get(room).and_then(|room| room.nick(nick));
        kept.map_or_else(|| nick.into(), Arc::clone)
    }

    /// A room and the number of its members, for the log.
    fn place(&mut self, room: RoomId) -> (String, String) {
        let place =
            self.audience(room).log_name.as_ref().map_or("the room".to_owned(), |name| format!("the room {name}"));
        (place, counted(self.rooms.count(room), "person"))
    }
}

#[cfg(all(test, feature = "bus"))]
mod tests;
