//! What newcomers and members ask for, at any door.

use crate::connection::closed::Closed;
use crate::connection::origin::Origin;
use crate::connection::token::Token;
use crate::handler::context::Context;
use crate::handler::sanitize::sanitize;

use super::Chat;
use super::answers::Parting;
use super::command::Command;
use super::line::after_colon;
use super::rendering::Rendering;
use super::room::nickname;
use super::room::{Refusal, RoomName, What};
use super::seats::Seat;
use super::session::{ChatSession, Newcomer, Waiting};
use super::texts;

impl Chat {
    /// Begins the session of a connection. `rendering` is that of its door.
    pub(super) fn admit(&mut self, origin: &Origin, rendering: Rendering, cx: &mut Context<'_>) -> ChatSession {
        if self.bans.has_host_of(origin.peer, cx.now()) {
            rendering.answer(texts::BANNED, &[], cx);
            rendering.close(Parting::Refusal, cx);
        }
        #[cfg(feature = "bus")]
        if self.refuses_newcomers() {
            rendering.answer(texts::UNREACHABLE, &[], cx);
            rendering.close(Parting::Stop, cx);
        }
        rendering.prompt(cx);
        let timer = self.handshake.map(|time| cx.set_timer(time));
        ChatSession::new(origin, Newcomer { timer, ..Newcomer::default() })
    }

    /// Handles a line.
    pub(super) fn hear(&mut self, session: &mut ChatSession, line: &[u8], cx: &mut Context<'_>) {
        if session.is_newcomer() {
            self.enter(session, line, cx);
        } else {
            self.obey_member(session, &sanitize(line), cx);
        }
        self.slow_down(session, cx);
    }

    /// Handles a line over the limit.
    pub(super) fn refuse_long(&mut self, session: &mut ChatSession, limit: usize, cx: &mut Context<'_>) {
        session.refuse(texts::TOO_LONG, &[&limit.to_string()], cx);
        self.slow_down(session, cx);
    }

    /// Handles the timer of a newcomer: its time is up, or it is its turn to join.
    pub(super) fn wake(&mut self, session: &mut ChatSession, cx: &mut Context<'_>) {
        #[cfg(feature = "bus")]
        if self.turn_away(session, cx) {
            return;
        }
        let (peer, rendering) = (session.peer(cx), session.rendering());
        let Some(newcomer) = &mut session.newcomer else { return };
        let Some(Waiting { place, nick }) = newcomer.waiting.take() else {
            rendering.answer(texts::TOO_LATE, &[], cx);
            return rendering.close(Parting::Refusal, cx);
        };
        if let Some(place) = self.turnstile.turn(place, peer, cx) {
            newcomer.waiting = Some(Waiting { place, nick });
        } else {
            newcomer.has_waited = true;
            self.end_wait(session, &nick, cx);
        }
    }

    /// Ends the membership of a member that the operator removes. Its connection is about to be closed.
    pub(super) fn remove(&mut self, session: &mut ChatSession, reason: &str, cx: &mut Context<'_>) {
        session.rendering().answer(texts::KICKED, &[&after_colon(reason)], cx);
        if let Some(seat) = self.unseat(session.token, cx) {
            self.ask(session.token, seat.room, What::Kick { nick: &seat.nick, reason }, cx);
            self.leave(session.token, &seat, &Closed::ByOperator, cx);
        }
    }

    /// Ends a session whose connection is closed.
    pub(super) fn end(&mut self, session: ChatSession, cause: &Closed, cx: &mut Context<'_>) {
        let peer = session.peer(cx);
        if let Some(mut newcomer) = session.newcomer {
            // An armed timer would outlive a peer that connects and vanishes.
            newcomer.stop_timer(cx);
            if let Some(waiting) = &newcomer.waiting {
                self.turnstile.leave(waiting.place, peer, cx);
            }
        }
        if let Some(seat) = self.unseat(session.token, cx) {
            self.leave(session.token, &seat, cause, cx);
        }
        #[cfg(feature = "bus")]
        self.end_asking(session.token, cause, cx);
    }

    /// Handles a line of a newcomer.
    pub(super) fn enter(&mut self, session: &mut ChatSession, line: &[u8], cx: &mut Context<'_>) {
        if line == b"/quit" {
            return session.quit(cx);
        }
        if let Some(room) = line.strip_prefix(b"/join ") {
            return self.choose_room(session, &sanitize(room), cx);
        }
        if self.is_stopping {
            session.rendering().answer(texts::STOPPING, &[], cx);
            return session.rendering().close(Parting::Stop, cx);
        }
        let Some(nick) = self.check(session, line, cx) else { return };
        let peer = session.peer(cx);
        let Some(newcomer) = &mut session.newcomer else { return };
        newcomer.stop_timer(cx);
        let place = if newcomer.has_waited { None } else { self.turnstile.enter(session.token, peer, cx) };
        match place {
            Some(place) => {
                newcomer.waiting = Some(Waiting { place, nick });
                session.rendering().answer(texts::WAIT, &[], cx);
                cx.hold_input();
            }
            None => self.join_first(session, &nick, cx),
        }
    }

    /// Lets a newcomer join that has waited, unless its nickname was taken meanwhile.
    fn end_wait(&mut self, session: &mut ChatSession, nick: &str, cx: &mut Context<'_>) {
        cx.release_input();
        #[cfg(feature = "web")]
        if self.resume_again(session, cx) {
            return;
        }
        if let Some(nick) = self.check(session, nick.as_bytes(), cx) {
            return self.join_first(session, &nick, cx);
        }
        self.restart_timer(session, cx);
    }

    pub(super) fn restart_timer(&self, session: &mut ChatSession, cx: &mut Context<'_>) {
        if let Some(newcomer) = &mut session.newcomer {
            newcomer.timer = self.handshake.map(|time| cx.set_timer(time));
        }
    }

    /// Handles `/join` of a newcomer: the room is entered with its nickname. Without a prompt, the nickname may be on
    /// its way, and is refused if the room is. Otherwise it would enter the first room.
    fn choose_room(&self, session: &mut ChatSession, request: &str, cx: &mut Context<'_>) {
        if session.rendering().has_prompt() {
            let Ok(room) = request.parse::<RoomName>() else { return session.refuse(texts::BAD_ROOM, &[], cx) };
            if self.is_alone() && self.rooms.check_room(room.as_str(), None).is_err() {
                return session.refuse(texts::TOO_MANY_ROOMS, &[room.as_str()], cx);
            }
        }
        if let Some(newcomer) = &mut session.newcomer {
            newcomer.room = Some(request.into());
            session.rendering().prompt(cx);
        }
    }

    /// Makes a newcomer a member.
    fn join_first(&mut self, session: &mut ChatSession, nick: &str, cx: &mut Context<'_>) {
        #[cfg(feature = "bus")]
        if self.refuses_newcomers() {
            session.rendering().answer(texts::UNREACHABLE, &[], cx);
            return session.rendering().close(Parting::Stop, cx);
        }
        let Some(newcomer) = &mut session.newcomer else { return };
        match newcomer.room.take().map_or_else(|| Ok(self.first.clone()), |request| request.parse()) {
            Ok(room) if self.ask_to_enter(session, nick, &room, cx).is_ok() => return,
            Ok(room) => session.refuse(texts::TOO_MANY_ROOMS, &[room.as_str()], cx),
            Err(_) => session.refuse(texts::BAD_ROOM, &[], cx),
        }
        self.restart_timer(session, cx);
    }

    /// Handles `/join` of a member: it goes to another room.
    fn change_room(&mut self, session: &mut ChatSession, nick: &str, request: &str, cx: &mut Context<'_>) {
        let Ok(room) = request.parse::<RoomName>() else { return session.refuse(texts::BAD_ROOM, &[], cx) };
        match self.ask_to_enter(session, nick, &room, cx) {
            Ok(()) => {}
            Err(Refusal::SameRoom) => session.refuse(texts::SAME_ROOM, &[room.as_str()], cx),
            Err(_) => session.refuse(texts::TOO_MANY_ROOMS, &[room.as_str()], cx),
        }
    }

    /// Ends the membership of a member whose seat was taken.
    fn leave(&mut self, token: Token, seat: &Seat, cause: &Closed, cx: &mut Context<'_>) {
        let leave = What::Leave { nick: &*seat.nick, cause: &*cause.to_string() };
        // After the event of the stop, the end of each member is no event of its own.
        if matches!(cause, Closed::Stopping) {
            let event = self.rooms.event(leave, Some(token), cx.system_time());
            self.rooms.apply(seat.room, &event);
            self.sweep(seat.room, cx);
        } else {
            self.ask(token, seat.room, leave, cx);
        }
    }

    /// Pauses the input of a member that sends faster than the rate.
    pub(super) fn slow_down(&self, session: &mut ChatSession, cx: &mut Context<'_>) {
        if let Some(rate) = &self.rate {
            cx.pause_input(session.bucket.take(rate, cx.now()));
        }
    }

    /// Returns the requested nickname as it is shown, or gives the reason for a refusal. A banned newcomer is closed.
    fn check(&self, session: &ChatSession, request: &[u8], cx: &mut Context<'_>) -> Option<Box<str>> {
        let Some(nick) = nickname::parse(request) else {
            session.refuse(texts::BAD_NICK, &[], cx);
            return None;
        };
        let bans = [
            (self.bans.has_host_of(session.peer(cx), cx.now()), texts::BANNED, &[][..]),
            (self.bans.has_nick(&nick, cx.now()), texts::BANNED_NICK, &[&*nick][..]),
        ];
        if let Some((_, text, values)) = bans.into_iter().find(|(is_banned, ..)| *is_banned) {
            session.rendering().answer(text, values, cx);
            if session.is_newcomer() {
                session.rendering().close(Parting::Refusal, cx);
            }
            return None;
        }
        if self.is_alone() && self.rooms.member(&nick).is_some_and(|(_, owner)| owner != session.token) {
            session.refuse(texts::TAKEN_NICK, &[&nick], cx);
            return None;
        }
        Some(nick)
    }

    /// Whether no bus decides what is refused.
    #[cfg_attr(not(feature = "bus"), expect(clippy::unused_self, reason = "without a bus, each chat is alone"))]
    fn is_alone(&self) -> bool {
        #[cfg(feature = "bus")]
        return self.shared.is_none();
        #[cfg(not(feature = "bus"))]
        true
    }

    /// Handles a line of a member.
    fn obey_member(&mut self, session: &mut ChatSession, line: &str, cx: &mut Context<'_>) {
        let Some(seat) = self.seats.get(session.token).cloned() else { return };
        let (token, nick, room) = (session.token, &*seat.nick, seat.room);
        match Command::parse(line) {
            Command::Say(text) => self.ask(token, room, What::Say { nick, text }, cx),
            Command::Act(text) => self.ask(token, room, What::Act { nick, text }, cx),
            Command::Message { nick: to, text } => self.send_private(token, &seat, (to, text), cx),
            Command::Rename(new) => self.rename(session, &seat, new, cx),
            Command::Join(room) => self.change_room(session, nick, room, cx),
            #[cfg(feature = "bus")]
            Command::Rooms if !self.is_alone() => self.ask_rooms(token, cx),
            Command::Rooms => self.list_rooms(seat.rendering, cx),
            Command::Who => self.list(&seat, cx),
            Command::History(count) => self.show_history(&seat, count, cx),
            Command::Help => seat.rendering.answer(texts::HELP, &[], cx),
            Command::Quit => session.quit(cx),
            Command::Nothing => {}
            Command::Incomplete(usage) => seat.rendering.answer(texts::USAGE, &[usage], cx),
            Command::Unknown(command) => seat.rendering.answer(texts::UNKNOWN, &[command], cx),
        }
    }

    fn rename(&mut self, session: &ChatSession, seat: &Seat, request: &str, cx: &mut Context<'_>) {
        if let Some(new) = self.check(session, request.as_bytes(), cx) {
            self.ask(session.token, seat.room, What::Rename { old: &seat.nick, nick: &new }, cx);
        }
    }

    /// Handles `/who`.
    fn list(&self, seat: &Seat, cx: &mut Context<'_>) {
        let Some(room) = self.rooms.get(seat.room) else { return };
        match room.nicks().collect::<Vec<_>>()[..] {
            [nick] => seat.rendering.answer(texts::WHO_ALONE, &[nick], cx),
            ref nicks => seat.rendering.answer(texts::WHO, &[&nicks.len().to_string(), &nicks.join(", ")], cx),
        }
    }

    /// Handles `/rooms`.
    fn list_rooms(&self, rendering: Rendering, cx: &mut Context<'_>) {
        let rooms: Vec<_> = self.rooms.iter().map(|room| format!("{} ({})", room.name, room.count())).collect();
        match &rooms[..] {
            [room] => rendering.answer(texts::ROOMS_ALONE, &[room], cx),
            _ => rendering.answer(texts::ROOMS, &[&rooms.len().to_string(), &rooms.join(", ")], cx),
        }
    }

    /// Handles `/msg`. The sender receives a copy.
    fn send_private(&mut self, token: Token, seat: &Seat, (to, text): (&str, &str), cx: &mut Context<'_>) {
        let receiver = self.rooms.member(to).map(|(_, receiver)| receiver);
        let Some((receiver, Seat { nick: to, rendering, .. })) =
            receiver.and_then(|receiver| Some((receiver, self.seats.get(receiver)?.clone())))
        else {
            #[cfg(feature = "bus")]
            if self.shared.is_some() {
                return self.ask_to_tell(token, seat, (to, text), cx);
            }
            return seat.rendering.answer(texts::UNKNOWN_NICK, &[to], cx);
        };
        let event = self.rooms.event(What::Tell { from: &seat.nick, to: &to, text }, Some(token), cx.system_time());
        let stamp = self.stamp(event.at);
        if seat.rendering.shows_own_talk() {
            self.text.clear();
            seat.rendering.render(&event, &stamp, &mut self.text);
            cx.reply(&self.text);
            if receiver == token {
                return;
            }
        } else {
            seat.rendering.answer(texts::PRIVATE_SENT, &[&to, text], cx);
        }
        self.text.clear();
        rendering.render(&event, &stamp, &mut self.text);
        cx.send(receiver, &self.text);
    }
}
