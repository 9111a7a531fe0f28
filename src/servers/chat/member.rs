//! What newcomers and members ask for, at any door.

use std::sync::Arc;

use crate::connection::closed::Closed;
use crate::connection::origin::Origin;
use crate::handler::context::Context;
use crate::handler::sanitize::sanitize;
use crate::servers::text::counted;

use super::Chat;
use super::answers::Parting;
use super::command::Command;
use super::crowd::Change;
use super::line::after_colon;
use super::rendering::Rendering;
use super::room::nickname;
use super::room::{Refusal, RoomId, RoomName, What};
use super::session::{ChatSession, Newcomer, Seat, Stage, Waiting};
use super::texts;

impl Chat {
    /// Begins the session of a connection. `rendering` is that of its door.
    pub(super) fn admit(&mut self, origin: &Origin, rendering: Rendering, cx: &mut Context<'_>) -> ChatSession {
        if self.bans.has_host_of(origin.peer, cx.now()) {
            rendering.answer(texts::BANNED, &[], cx);
            rendering.close(Parting::Refusal, cx);
        }
        rendering.prompt(cx);
        let timer = self.handshake.map(|time| cx.set_timer(time));
        ChatSession::new(origin, rendering, Newcomer { timer, ..Newcomer::default() })
    }

    /// Handles a line.
    pub(super) fn hear(&mut self, session: &mut ChatSession, line: &[u8], cx: &mut Context<'_>) {
        match &session.stage {
            Stage::Newcomer(_) => self.enter(session, line, cx),
            Stage::Member(_) => self.obey_member(session, &sanitize(line), cx),
            Stage::Removed => {}
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
        let (peer, rendering) = (session.peer(cx), session.rendering);
        let Stage::Newcomer(newcomer) = &mut session.stage else { return };
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
        session.rendering.answer(texts::KICKED, &[&after_colon(reason)], cx);
        if let Some(seat) = session.seat().cloned() {
            session.stage = Stage::Removed;
            self.leave(session.rendering, &seat, (&Closed::ByOperator, Some(reason)), cx);
        }
    }

    /// Ends a session whose connection is closed.
    pub(super) fn end(&mut self, session: ChatSession, cause: &Closed, cx: &mut Context<'_>) {
        let peer = session.peer(cx);
        match session.stage {
            Stage::Newcomer(mut newcomer) => {
                // An armed timer would outlive a peer that connects and vanishes.
                newcomer.stop_timer(cx);
                if let Some(waiting) = &newcomer.waiting {
                    self.turnstile.leave(waiting.place, peer, cx);
                }
            }
            Stage::Member(seat) => self.leave(session.rendering, &seat, (cause, None), cx),
            Stage::Removed => {}
        }
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
            session.rendering.answer(texts::STOPPING, &[], cx);
            return session.rendering.close(Parting::Stop, cx);
        }
        let Some(nick) = self.check(session, line, cx) else { return };
        let peer = session.peer(cx);
        let Stage::Newcomer(newcomer) = &mut session.stage else { return };
        newcomer.stop_timer(cx);
        let place = if newcomer.has_waited { None } else { self.turnstile.enter(session.token, peer, cx) };
        match place {
            Some(place) => {
                session.rendering.answer(texts::WAIT, &[], cx);
                cx.hold_input();
                newcomer.waiting = Some(Waiting { place, nick });
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

    fn restart_timer(&self, session: &mut ChatSession, cx: &mut Context<'_>) {
        if let Stage::Newcomer(newcomer) = &mut session.stage {
            newcomer.timer = self.handshake.map(|time| cx.set_timer(time));
        }
    }

    /// Handles `/join` of a newcomer: the room is entered with its nickname. Without a prompt, the nickname may be on
    /// its way, and is refused if the room is. Otherwise it would enter the first room.
    fn choose_room(&self, session: &mut ChatSession, request: &str, cx: &mut Context<'_>) {
        if session.rendering.has_prompt() {
            let Ok(room) = request.parse::<RoomName>() else { return session.refuse(texts::BAD_ROOM, &[], cx) };
            if self.rooms.check_room(room.as_str(), None).is_err() {
                return session.refuse(texts::TOO_MANY_ROOMS, &[room.as_str()], cx);
            }
        }
        if let Stage::Newcomer(newcomer) = &mut session.stage {
            newcomer.room = Some(request.into());
            session.rendering.prompt(cx);
        }
    }

    /// Makes a newcomer a member.
    fn join_first(&mut self, session: &mut ChatSession, nick: &str, cx: &mut Context<'_>) {
        let Stage::Newcomer(newcomer) = &mut session.stage else { return };
        match newcomer.room.take().map_or_else(|| Ok(self.first.clone()), |request| request.parse()) {
            Ok(room) if self.join(session, nick, &room, cx).is_ok() => return,
            Ok(room) => session.refuse(texts::TOO_MANY_ROOMS, &[room.as_str()], cx),
            Err(_) => session.refuse(texts::BAD_ROOM, &[], cx),
        }
        self.restart_timer(session, cx);
    }

    /// Handles `/join` of a member: it goes to another room.
    fn change_room(&mut self, session: &mut ChatSession, request: &str, cx: &mut Context<'_>) {
        let (rendering, Some(Seat { nick, room: old, .. })) = (session.rendering, session.seat().cloned()) else {
            return;
        };
        let Ok(room) = request.parse::<RoomName>() else { return rendering.answer(texts::BAD_ROOM, &[], cx) };
        let part = match self.perform(What::Part { nick: &nick, to: room.as_str() }, cx) {
            Ok(part) => part,
            Err(Refusal::SameRoom) => return rendering.answer(texts::SAME_ROOM, &[room.as_str()], cx),
            Err(_) => return rendering.answer(texts::TOO_MANY_ROOMS, &[room.as_str()], cx),
        };
        self.audience(old).remove(rendering, cx);
        if self.audience(old).crowd.note(Change::Leave, &nick, cx) {
            self.announce(old, &part, cx);
        }
        let joined = self.join(session, &nick, &room, cx);
        debug_assert!(joined.is_ok(), "the part was possible");
        self.sweep(old, cx);
    }

    /// Makes a connection a member of a room.
    fn join(
        &mut self,
        session: &mut ChatSession,
        nick: &str,
        room: &RoomName,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let event = self.perform(What::Join { nick, room: room.as_str(), link: session.link() }, cx)?;
        let Some(member) = self.rooms.member(nick) else { return Ok(()) };
        let mut seat = Seat { nick: Arc::clone(&member.nick), room: member.room, since: event.id };
        cx.set_name(Arc::clone(&seat.nick));
        let (place, persons) = self.place(seat.room);
        log::info!("{} joins {place} ({persons})", cx.peer());
        // The others see the event, and the newcomer its entrance. Then it follows the feed, so no event is missing or
        // shown twice.
        if self.audience(seat.room).crowd.note(Change::Join, &seat.nick, cx) {
            self.announce(seat.room, &event, cx);
        }
        self.show_entrance(session, &mut seat, &event, cx);
        self.audience(seat.room).add(session.rendering, cx);
        session.stage = Stage::Member(seat);
        Ok(())
    }

    /// A room and the number of its members, for the log.
    fn place(&mut self, room: RoomId) -> (String, String) {
        let place =
            self.audience(room).log_name.as_ref().map_or("the room".to_owned(), |name| format!("the room {name}"));
        (place, counted(self.rooms.count(room), "person"))
    }

    /// Ends the membership of a member. With the reason of a kick, that event precedes its leave.
    fn leave(
        &mut self,
        rendering: Rendering,
        seat: &Seat,
        (cause, kick): (&Closed, Option<&str>),
        cx: &mut Context<'_>,
    ) {
        self.audience(seat.room).remove(rendering, cx);
        let (nick, text) = (&*seat.nick, cause.to_string());
        let kick = kick.map(|reason| What::Kick { nick, reason });
        let whats = kick.into_iter().chain([What::Leave { nick, cause: &text }]);
        let events: Vec<_> = whats.flat_map(|what| self.perform(what, cx)).collect();
        let (place, persons) = self.place(seat.room);
        log::info!("{} leaves {place}: {cause} ({persons})", cx.peer());
        // After the event of the stop, the end of each member is no event of its own.
        if !matches!(cause, Closed::Stopping) && self.audience(seat.room).crowd.note(Change::Leave, &seat.nick, cx) {
            for event in &events {
                self.announce(seat.room, event, cx);
            }
        }
        self.sweep(seat.room, cx);
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
            session.rendering.answer(text, values, cx);
            if session.seat().is_none() {
                session.rendering.close(Parting::Refusal, cx);
            }
            return None;
        }
        if self.rooms.member(&nick).is_some_and(|member| member.link != session.link()) {
            session.refuse(texts::TAKEN_NICK, &[&nick], cx);
            return None;
        }
        Some(nick)
    }

    /// Handles a line of a member.
    fn obey_member(&mut self, session: &mut ChatSession, line: &str, cx: &mut Context<'_>) {
        let Stage::Member(seat) = &session.stage else { return };
        let (nick, rendering) = (&*seat.nick, session.rendering);
        match Command::parse(line) {
            Command::Say(text) => self.perform_in(seat.room, What::Say { nick, text }, cx),
            Command::Act(text) => self.perform_in(seat.room, What::Act { nick, text }, cx),
            Command::Message { nick: to, text } => self.send_private(session, to, text, cx),
            Command::Rename(new) => self.rename(session, new, cx),
            Command::Join(room) => self.change_room(session, room, cx),
            Command::Rooms => self.list_rooms(rendering, cx),
            Command::Who => self.list(session, cx),
            Command::History(count) => self.show_history(rendering, seat, count, cx),
            Command::Help => rendering.answer(texts::HELP, &[], cx),
            Command::Quit => session.quit(cx),
            Command::Nothing => {}
            Command::Incomplete(usage) => rendering.answer(texts::USAGE, &[usage], cx),
            Command::Unknown(command) => rendering.answer(texts::UNKNOWN, &[command], cx),
        }
    }

    fn rename(&mut self, session: &mut ChatSession, request: &str, cx: &mut Context<'_>) {
        let Some(new) = self.check(session, request.as_bytes(), cx) else { return };
        let Stage::Member(seat) = &mut session.stage else { return };
        let old = Arc::clone(&seat.nick);
        let Ok(event) = self.perform(What::Rename { old: &old, nick: &new }, cx) else { return };
        let Some(member) = self.rooms.member(&new) else { return };
        seat.nick = Arc::clone(&member.nick);
        log::info!("{} is now known as {new}", cx.peer());
        cx.set_name(Arc::clone(&seat.nick));
        self.audience(seat.room).crowd.rename(&old, &seat.nick);
        self.announce(seat.room, &event, cx);
    }

    /// Handles `/who`.
    fn list(&self, session: &ChatSession, cx: &mut Context<'_>) {
        let Some(seat) = session.seat() else { return };
        match self.rooms.nicks(seat.room)[..] {
            [nick] => session.rendering.answer(texts::WHO_ALONE, &[nick], cx),
            ref nicks => session.rendering.answer(texts::WHO, &[&nicks.len().to_string(), &nicks.join(", ")], cx),
        }
    }

    /// Handles `/rooms`.
    fn list_rooms(&self, rendering: Rendering, cx: &mut Context<'_>) {
        let rooms: Vec<_> = self.rooms.iter().map(|room| format!("{} ({})", room.name, room.members)).collect();
        match &rooms[..] {
            [room] => rendering.answer(texts::ROOMS_ALONE, &[room], cx),
            _ => rendering.answer(texts::ROOMS, &[&rooms.len().to_string(), &rooms.join(", ")], cx),
        }
    }

    /// Handles `/msg`. The sender receives a copy.
    fn send_private(&mut self, session: &ChatSession, to: &str, text: &str, cx: &mut Context<'_>) {
        let Some(seat) = session.seat() else { return };
        let Some(member) = self.rooms.member(to) else {
            return session.rendering.answer(texts::UNKNOWN_NICK, &[to], cx);
        };
        let (to, link) = (Arc::clone(&member.nick), member.link);
        let Ok(event) = self.perform(What::Tell { from: &seat.nick, to: &to, text }, cx) else { return };
        let stamp = self.stamp(event.at);
        if session.rendering.shows_own_talk() {
            self.text.clear();
            session.rendering.render(&event, &stamp, &mut self.text);
            cx.reply(&self.text);
            if link == session.link() {
                return;
            }
        } else {
            session.rendering.answer(texts::PRIVATE_SENT, &[&to, text], cx);
        }
        self.text.clear();
        link.rendering.render(&event, &stamp, &mut self.text);
        cx.send(link.token, &self.text);
    }
}
