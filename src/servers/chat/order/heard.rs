//! The chat on a bus: what it hears of the broker, and what happens then.
//!
//! Invariants: nothing is shown before it is read back, except answers to the asker. A member that the broker has
//! forgotten or taken for gone is entered again while its connection is open; if its nickname is taken by then, it is
//! closed.

use std::time::{Duration, SystemTime};

use crate::connection::token::Token;
use crate::handler::context::Context;
use crate::servers::chat::Chat;
use crate::servers::chat::answers::Parting;
use crate::servers::chat::bus::{Ask, Asked, Bus, Entry, Happened, Heard, HearsBus, Reason, Snapshot};
use crate::servers::chat::rendering::Rendering;
use crate::servers::chat::room::{Event, Home, Refusal, RoomId, What};
use crate::servers::chat::seats::Seat;
use crate::servers::chat::texts;
#[cfg(feature = "web")]
use crate::servers::doors::Doors;
use crate::servers::text::counted;

use super::shared::Refused;

/// The members that are entered again at once. The others follow with the answers.
const REENTERED_AT_ONCE: usize = 1000;

/// The cause in the log for members whose server is gone.
const SERVER_GONE: &str = "their server is gone";

/// The cause in the log for a member that the broker knows after its end.
const LEFT_BEFORE: &str = "it has left before";

impl HearsBus for Chat {
    fn bus(&mut self) -> &mut Bus {
        &mut self.shared.as_mut().expect("the chat was put on a bus").bus
    }

    fn heard(&mut self, heard: Heard, cx: &mut Context<'_>) {
        match heard {
            Heard::Acknowledged { by, asked } => {
                if let Asked::Tell { to, text } = &asked {
                    self.confirm_tell(by, to, text, cx);
                }
                self.answered(by, cx);
            }
            Heard::Refused { by, asked, refusal } => {
                self.refused(by, asked, refusal, cx);
                self.answered(by, cx);
            }
            Heard::Entry { room, entry } => self.read(&room, &entry, cx),
            Heard::Snapshot(snapshot) => self.load(&snapshot, cx),
            Heard::Told { from, to, nick: _, text } => self.deliver(&from, to, &text, cx),
            Heard::Rooms { by, rooms } => {
                self.show_rooms(by, rooms, cx);
                self.answered(by, cx);
            }
            Heard::Forgotten => self.reenter_all(cx),
            Heard::OutageBegan => self.begin_outage(cx),
            Heard::OutageEnded => {}
        }
    }
}

#[cfg(feature = "web")]
impl HearsBus for Doors<Chat> {
    fn bus(&mut self) -> &mut Bus {
        self.get_mut().bus()
    }

    fn heard(&mut self, heard: Heard, cx: &mut Context<'_>) {
        self.get_mut().heard(heard, cx);
    }
}

impl Chat {
    fn answered(&mut self, by: Token, cx: &mut Context<'_>) {
        if let Some(shared) = &mut self.shared {
            shared.answered(by, cx);
            if let Some(next) = shared.forgotten.pop_front() {
                self.reenter(next, cx);
            }
        }
    }

    /// Tells members that lines wait for the broker, and newcomers that they do.
    fn begin_outage(&mut self, cx: &mut Context<'_>) {
        let rooms: Vec<RoomId> = self.audiences.keys().copied().collect();
        for room in rooms {
            self.notify_room(room, texts::CATCHING_UP, cx);
        }
        let refuses = self.refuses_newcomers();
        let newcomers: Vec<Token> = self.seats.newcomers().collect();
        for token in newcomers {
            match self.seats.entering(token).map(|entering| entering.rendering) {
                Some(rendering) if refuses => {
                    rendering.close_other(token, Parting::Stop, (texts::UNREACHABLE, &[]), cx);
                }
                Some(rendering) => rendering.answer_to(token, texts::WAIT_FOR_ROOM, &[], cx),
                None => {}
            }
        }
    }

    /// Handles a refusal. Nothing has changed.
    fn refused(&mut self, by: Token, asked: Asked, refusal: Refusal, cx: &mut Context<'_>) {
        let rendering = self.seats.get(by).map(|seat| seat.rendering);
        match asked {
            Asked::Join { nick, room } => match self.end_entering(by) {
                Some(entering) if entering.from.is_none() => {
                    let (text, value) = match refusal {
                        Refusal::TooManyRooms => (texts::TOO_MANY_ROOMS, room),
                        _ => (texts::TAKEN_NICK, nick),
                    };
                    self.sweep(entering.room, cx);
                    let Some(shared) = &mut self.shared else { return };
                    #[cfg(feature = "web")]
                    let refused = Refused { text, value, arrival: entering.arrival };
                    #[cfg(not(feature = "web"))]
                    let refused = Refused { text, value };
                    shared.refused.insert(by, refused);
                    // Its session asks again.
                    cx.set_timer_of(by, Duration::ZERO);
                }
                Some(entering) => {
                    entering.rendering.close_other(by, Parting::Refusal, (texts::LOST_NICK, &[&nick]), cx);
                }
                None => self.close_nameless(by, cx),
            },
            Asked::Move { to } => {
                if let Some(entering) = self.end_entering(by) {
                    self.sweep(entering.room, cx);
                }
                match rendering {
                    Some(rendering) if refusal == Refusal::TooManyRooms => {
                        rendering.answer_to(by, texts::TOO_MANY_ROOMS, &[&to], cx);
                        self.stop_waiting(by, cx);
                    }
                    _ => self.close_nameless(by, cx),
                }
            }
            Asked::Rename { nick } => {
                if let Some(rendering) = rendering {
                    rendering.answer_to(by, texts::TAKEN_NICK, &[&nick], cx);
                }
                self.stop_waiting(by, cx);
            }
            Asked::Tell { to, .. } => {
                if let Some(rendering) = rendering {
                    rendering.answer_to(by, texts::UNKNOWN_NICK, &[&to], cx);
                }
            }
            Asked::Say | Asked::Act => self.close_nameless(by, cx),
            Asked::Kick | Asked::Leave | Asked::Operator | Asked::Depart => {}
        }
    }

    /// Closes the connection of a member whose nickname belongs to another one by now.
    fn close_nameless(&mut self, by: Token, cx: &mut Context<'_>) {
        if let Some(seat) = self.seats.get(by) {
            seat.rendering.close_other(by, Parting::Refusal, (texts::LOST_NICK, &[&seat.nick]), cx);
        }
    }

    /// Lets an entry happen.
    fn read(&mut self, room: &str, entry: &Entry, cx: &mut Context<'_>) {
        let (Some(shared), Some(id)) = (&self.shared, self.rooms.find_folded(room)) else { return };
        let home = shared.home(entry.by);
        if let Happened::Gone { nicks } = &entry.what {
            for nick in nicks {
                let found = self.rooms.get(id).and_then(|room| room.home(nick));
                if let Some(found) = found.filter(|found| found.is_beside(home)) {
                    let what = What::Leave { nick: nick.as_str(), cause: SERVER_GONE };
                    let event = self.rooms.event(what, found.token(), entry.at);
                    self.happen(id, &event, cx);
                }
            }
        } else if let Some(what) = what(&entry.what, room, home) {
            let former = match what {
                What::Join { nick, .. } | What::Rename { nick, .. } => self.member_at(id, nick),
                _ => None,
            };
            let event = self.rooms.event(what, home.token(), entry.at);
            self.happen(id, &event, cx);
            // Another one has the nickname by now: the broker had lost it. The refusal closes the former member.
            self.reenter_if_seated(id, former.filter(|former| Some(*former) != home.token()), cx);
        }
    }

    /// The connection of a member of this server in a room.
    fn member_at(&self, room: RoomId, nick: &str) -> Option<Token> {
        self.rooms.get(room)?.home(nick)?.token()
    }

    /// Loads the state of a room, and shows the difference.
    fn load(&mut self, snapshot: &Snapshot, cx: &mut Context<'_>) {
        let (Some(shared), Some(room)) = (&self.shared, self.rooms.find_folded(&snapshot.room)) else { return };
        let members: Vec<(String, Home)> =
            snapshot.members.iter().map(|present| (present.nick.clone(), shared.home(present.home))).collect();
        // What was counted before comes first.
        if let Some(tally) = self.audience(room).crowd.take() {
            self.count_crowd(room, tally, cx);
        }
        let (tally, missing) = self.rooms.load(room, &members);
        match snapshot.reason {
            Reason::Followed => self.remember_after(room, None, &snapshot.history),
            Reason::Missed => {
                let last = self.rooms.last_id();
                if let Some(history) = &mut self.audience(room).history {
                    history.note_gap(last);
                    let known = history.last_said();
                    self.remember_after(room, known, &snapshot.history);
                }
                self.notify_room(room, texts::MISSING, cx);
            }
            Reason::Renewed => {}
        }
        if snapshot.reason != Reason::Followed && tally.joined + tally.left > 0 {
            self.count_crowd(room, tally, cx);
        }
        for (nick, home) in &members {
            if let Some(token) = home.token() {
                self.find_own(room, token, nick, cx);
            }
        }
        for token in missing {
            self.reenter_if_seated(room, Some(token), cx);
        }
    }

    /// A member of this server is in a room by the state of that room. The event of its join or of its new name may
    /// have been missed.
    fn find_own(&mut self, room: RoomId, token: Token, nick: &str, cx: &mut Context<'_>) {
        if self.seats.entering(token).is_some_and(|entering| entering.room == room) {
            let (nick, name) = (self.shown_nick(room, nick), self.rooms.get(room).map(|room| room.name.clone()));
            let (name, home) = (name.unwrap_or_default(), Home::Here(token));
            let join = self.rooms.event(What::Join { nick: &nick, room: &name, home }, None, cx.system_time());
            cx.set_name_of(token, nick.clone());
            self.unseat(token, cx);
            self.seat_newcomer(token, room, &join, cx);
        } else if self.seats.get(token).is_some_and(|seat| seat.room == room && *seat.nick != *nick) {
            self.rename_seat(token, room, nick, cx);
        } else if !self.seats.has(token) {
            // It has left already, but the broker has lost that.
            let (Some(shared), Some(room)) = (&mut self.shared, self.rooms.get(room)) else { return };
            shared.ask(token, Ask::Leave { nick, room: &room.name, cause: LEFT_BEFORE }, cx);
        }
    }

    /// Adds those entries to the history of a room that are newer than what is known.
    fn remember_after(&mut self, room: RoomId, known: Option<SystemTime>, entries: &[Entry]) {
        for entry in entries.iter().filter(|entry| known.is_none_or(|known| entry.at > known)) {
            let Some(home) = self.shared.as_ref().map(|shared| shared.home(entry.by)) else { return };
            if let Some(what) = what(&entry.what, "", home) {
                let event = self.rooms.event(what, None, entry.at);
                self.remember(room, &event);
            }
        }
    }

    /// Shows a private message from another server to its receiver.
    fn deliver(&mut self, from: &str, to: Token, text: &str, cx: &mut Context<'_>) {
        let Some(Seat { nick, rendering, .. }) = self.seats.get(to).cloned() else { return };
        let event = self.rooms.event(What::Tell { from, to: &nick, text }, None, cx.system_time());
        self.send_event(to, rendering, &event, cx);
    }

    /// Shows a member that its private message was passed on.
    fn confirm_tell(&mut self, by: Token, to: &str, text: &str, cx: &mut Context<'_>) {
        let Some(Seat { nick, rendering, .. }) = self.seats.get(by).cloned() else { return };
        if rendering.shows_own_talk() {
            let event = self.rooms.event(What::Tell { from: &nick, to, text }, None, cx.system_time());
            self.send_event(by, rendering, &event, cx);
        } else {
            rendering.answer_to(by, texts::PRIVATE_SENT, &[to, text], cx);
        }
    }

    /// Shows the rooms of all servers: the first one, and the others by name.
    fn show_rooms(&mut self, by: Token, mut rooms: Vec<(String, u64)>, cx: &mut Context<'_>) {
        rooms.sort_unstable_by_key(|(name, _)| (self.rooms.find(name) != Some(RoomId::FIRST), name.to_lowercase()));
        if by == Token::none() {
            let waiting = self.shared.as_mut().and_then(|shared| shared.operators.pop_front());
            let lines = rooms.iter().map(|(name, members)| format!("{name}  {}", counted(members, "person")));
            if let Some(waiting) = waiting {
                cx.answer_operator(waiting, &lines.collect::<Vec<_>>().join("\n"));
            }
            return;
        }
        let Some(rendering) = self.seats.get(by).map(|seat| seat.rendering) else { return };
        let shown: Vec<String> = rooms.iter().map(|(name, members)| format!("{name} ({members})")).collect();
        match &shown[..] {
            [room] => rendering.answer_to(by, texts::ROOMS_ALONE, &[room], cx),
            _ => rendering.answer_to(by, texts::ROOMS, &[&shown.len().to_string(), &shown.join(", ")], cx),
        }
    }

    /// A member has left, by an event. If it has its seat in that room still, it has not asked for that: it is entered
    /// again.
    pub(super) fn reenter_if_seated(&mut self, room: RoomId, member: Option<Token>, cx: &mut Context<'_>) {
        if let Some(token) = member
            && self.seats.get(token).is_some_and(|seat| seat.room == room)
        {
            self.reenter(token, cx);
        }
    }

    /// Enters a member of this server again that the broker does not know any more.
    fn reenter(&mut self, token: Token, cx: &mut Context<'_>) {
        let Some(shared) = &mut self.shared else { return };
        let place = match (self.seats.entering(token), self.seats.get(token)) {
            (Some(entering), _) => Some((&entering.nick, entering.room)),
            (None, Some(seat)) => Some((&seat.nick, seat.room)),
            (None, None) => None,
        };
        if let Some((nick, room)) = place.and_then(|(nick, room)| Some((nick, self.rooms.get(room)?))) {
            shared.ask(token, Ask::Join { nick, room: &room.name }, cx);
        }
    }

    /// Enters all members again: the broker has lost its data.
    fn reenter_all(&mut self, cx: &mut Context<'_>) {
        let Some(shared) = &mut self.shared else { return };
        // An ask without an answer is carried out anew. One that was answered is lost with its entry, if that was not
        // read.
        let is_answered = |token: &Token| shared.asking.get(token).is_none_or(|asking| asking.waits == Some(0));
        let entering: Vec<Token> = self.seats.tokens_entering().collect();
        let renamed = shared.asking.iter().filter(|(_, asking)| asking.waits == Some(0)).map(|(token, _)| *token);
        let renamed: Vec<Token> = renamed.filter(|token| self.seats.entering(*token).is_none()).collect();
        let entering: Vec<Token> = entering.into_iter().filter(is_answered).collect();
        let seated = self.seats.tokens().filter(|token| self.seats.entering(*token).is_none());
        shared.forgotten = seated.chain(entering).collect();
        for token in renamed {
            shared.stop_waiting(token, cx);
        }
        for _ in 0..REENTERED_AT_ONCE {
            let Some(next) = self.shared.as_mut().and_then(|shared| shared.forgotten.pop_front()) else { break };
            self.reenter(next, cx);
        }
    }

    fn send_event(&mut self, to: Token, rendering: Rendering, event: &Event<'_>, cx: &mut Context<'_>) {
        let stamp = self.stamp(event.at);
        self.text.clear();
        rendering.render(event, &stamp, &mut self.text);
        cx.send(to, &self.text);
    }
}

/// What has happened, as the rooms know it. `None` for what is several events.
fn what<'a>(happened: &'a Happened, room: &'a str, home: Home) -> Option<What<&'a str>> {
    Some(match happened {
        Happened::Join { nick } => What::Join { nick, room, home },
        Happened::Part { nick, to } => What::Part { nick, to },
        Happened::Leave { nick, cause } => What::Leave { nick, cause },
        Happened::Rename { old, nick } => What::Rename { old, nick },
        Happened::Say { nick, text } => What::Say { nick, text },
        Happened::Act { nick, text } => What::Act { nick, text },
        Happened::Kick { nick, reason } => What::Kick { nick, reason },
        Happened::Operator { text } => What::Operator { text },
        Happened::Gone { .. } => return None,
    })
}
