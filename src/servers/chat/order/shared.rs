//! The chat on a bus: what it asks of the broker, and how its sessions wait for that.
//!
//! Invariants: a session is held while it has many asks without an answer, and from an ask that gives it another room
//! or name until that has happened or is refused. So what is typed after it is about the new room or name.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::connection::closed::Closed;
use crate::connection::timer_id::TimerId;
use crate::connection::token::Token;
use crate::handler::context::Context;
use crate::state::operator::PendingAnswer;

use crate::servers::chat::Chat;
use crate::servers::chat::bus::{Ask, Author, Bus};
use crate::servers::chat::room::{Home, Refusal, RoomId, RoomName, What};
use crate::servers::chat::seats::Seat;
use crate::servers::chat::session::{ChatSession, Newcomer};
use crate::servers::chat::texts;
#[cfg(feature = "web")]
use crate::servers::chat::web::Arrival;

/// What a chat keeps on a bus.
#[derive(Debug)]
pub(in crate::servers::chat) struct Shared {
    pub(super) bus: Bus,
    /// The sessions that have asked for something without an answer, or wait for what they have asked for.
    pub(super) asking: HashMap<Token, Asking>,
    /// Newcomers that are refused, until their sessions are woken.
    pub(super) refused: HashMap<Token, Refused>,
    /// Members to be entered again, after the broker has lost its data.
    pub(super) forgotten: VecDeque<Token>,
    /// The operators that wait for the list of rooms, in order.
    pub(super) operators: VecDeque<PendingAnswer>,
    /// Fires when rooms that were left are looked at. A room is kept until the leave of its last member is read back.
    sweep: Option<TimerId>,
    has_departed: bool,
}

/// What a session has asked for.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// The number of its asks without an answer.
    unanswered: usize,
    /// Its input is held because it has too many of them.
    is_over: bool,
    /// Its input is held until it is in another room or has another name. The number is that of the asks that are
    /// answered before that one is.
    pub(super) waits: Option<usize>,
}

/// The answer to a newcomer that is refused.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) text: &'static str,
    pub(super) value: Box<str>,
    #[cfg(feature = "web")]
    pub(super) arrival: Option<Box<Arrival>>,
}

/// The asks without an answer at which a session is held, and those at which it goes on.
const MOST_ASKS: usize = 64;
const FEW_ASKS: usize = 32;

/// How long a room is kept for the leave of its last member here.
const KEPT: Duration = Duration::from_secs(5);

impl Shared {
    /// Asks for a change. The session of this callback is held if it has too many asks without an answer.
    pub(super) fn ask(&mut self, by: Token, ask: Ask<'_>, cx: &mut Context<'_>) {
        self.bus.ask(by, ask);
        if by == Token::none() {
            return;
        }
        let asking = self.asking.entry(by).or_default();
        asking.unanswered += 1;
        if asking.unanswered >= MOST_ASKS || self.bus.is_full() {
            asking.is_over = true;
            if cx.session() == Some(by) {
                cx.hold_input();
            }
        }
    }

    /// Holds the session of this callback until its last ask is read back or refused.
    fn wait(&mut self, by: Token, cx: &mut Context<'_>) {
        if let Some(asking) = self.asking.get_mut(&by) {
            asking.waits = Some(asking.unanswered);
            cx.hold_input();
        }
    }

    /// Counts an answer.
    pub(super) fn answered(&mut self, by: Token, cx: &mut Context<'_>) {
        let Some(asking) = self.asking.get_mut(&by) else { return };
        asking.unanswered = asking.unanswered.saturating_sub(1);
        asking.waits = asking.waits.map(|before| before.saturating_sub(1));
        if asking.unanswered <= FEW_ASKS && asking.is_over {
            asking.is_over = false;
            self.release(by, cx);
        } else if asking.unanswered == 0 && asking.waits.is_none() {
            self.asking.remove(&by);
        }
    }

    pub(super) fn stop_waiting(&mut self, by: Token, cx: &mut Context<'_>) {
        if let Some(asking) = self.asking.get_mut(&by)
            && asking.waits.take().is_some()
        {
            self.release(by, cx);
        }
    }

    /// Releases the input of a session, unless it is held for another reason.
    fn release(&mut self, by: Token, cx: &mut Context<'_>) {
        let Some(asking) = self.asking.get(&by) else { return };
        if !asking.is_over && asking.waits.is_none() {
            cx.release_input_of(by);
            if asking.unanswered == 0 {
                self.asking.remove(&by);
            }
        }
    }

    /// The home of a member, as it is known at this server.
    pub(super) fn home(&self, of: Author) -> Home {
        if of.server == self.bus.id() {
            Home::Here(Token::from_bits(of.connection))
        } else {
            Home::Elsewhere { server: of.server.0, connection: of.connection }
        }
    }
}

impl Chat {
    /// Puts this server on a bus: other servers on it have the same rooms.
    pub(crate) fn share(self, bus: Bus) -> Chat {
        let shared = Shared {
            bus,
            asking: HashMap::new(),
            refused: HashMap::new(),
            forgotten: VecDeque::new(),
            operators: VecDeque::new(),
            sweep: None,
            has_departed: false,
        };
        Chat { shared: Some(Box::new(shared)), ..self }
    }

    /// Whether newcomers are refused because the broker cannot be reached.
    pub(in crate::servers::chat) fn refuses_newcomers(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.bus.refuses_newcomers())
    }

    pub(super) fn ask_bus(&mut self, by: Token, room: RoomId, what: &What<&str>, cx: &mut Context<'_>) {
        let (Some(shared), Some(room)) = (&mut self.shared, self.rooms.get(room)) else { return };
        let room = &*room.name;
        let ask = match *what {
            What::Say { nick, text } => Ask::Say { nick, room, text },
            What::Act { nick, text } => Ask::Act { nick, room, text },
            What::Rename { old, nick } => Ask::Rename { old, nick, room },
            What::Kick { nick, reason } => Ask::Kick { nick, room, reason },
            What::Leave { nick, cause } => Ask::Leave { nick, room, cause },
            What::Operator { text } => Ask::Operator { text },
            _ => return debug_assert!(false, "{what:?} is not asked for"),
        };
        shared.ask(by, ask, cx);
        if let What::Rename { .. } = what {
            shared.wait(by, cx);
        }
    }

    pub(super) fn ask_bus_to_enter(
        &mut self,
        session: &mut ChatSession,
        nick: &str,
        name: &RoomName,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let (token, to) = (session.token, name.as_str());
        let from = self.seats.get(token).map(|seat| seat.room);
        if from.is_some() && self.rooms.find(to) == from {
            return Err(Refusal::SameRoom);
        }
        let room = self.rooms.find_or_begin(to);
        self.begin_entering(session, nick, room);
        let Some(shared) = &mut self.shared else { return Ok(()) };
        // What follows the state of the room is read, and so is this ask.
        shared.bus.follow(to);
        let ask = match from.and_then(|from| self.rooms.get(from)) {
            Some(from) => Ask::Move { nick, from: &from.name, to },
            None => Ask::Join { nick, room: to },
        };
        shared.ask(token, ask, cx);
        shared.wait(token, cx);
        if shared.bus.is_out() {
            session.rendering().answer(texts::WAIT_FOR_ROOM, &[], cx);
        }
        Ok(())
    }

    /// Asks for a private message to a member of another server.
    pub(in crate::servers::chat) fn ask_to_tell(
        &mut self,
        by: Token,
        seat: &Seat,
        (to, text): (&str, &str),
        cx: &mut Context<'_>,
    ) {
        if let Some(shared) = &mut self.shared {
            shared.ask(by, Ask::Tell { from: &seat.nick, to, text }, cx);
        }
    }

    /// Asks for the rooms of all servers, for a member, or for the operator of this callback.
    pub(in crate::servers::chat) fn ask_rooms(&mut self, by: Token, cx: &mut Context<'_>) {
        let Some(shared) = &mut self.shared else { return };
        if by == Token::none() {
            shared.operators.push_back(cx.answer_later());
        }
        shared.ask(by, Ask::Rooms, cx);
    }

    /// Ends what a session has asked for whose connection is closed, and whose seat is taken.
    pub(in crate::servers::chat) fn end_asking(&mut self, token: Token, cause: &Closed, cx: &mut Context<'_>) {
        let entering = self.end_entering(token);
        let Some(shared) = &mut self.shared else { return };
        if let Some(entering) = &entering
            && let Some(room) = self.rooms.get(entering.room)
            && !matches!(cause, Closed::Stopping)
        {
            // Its join is on the way, and this follows it.
            shared.ask(token, Ask::Leave { nick: &entering.nick, room: &room.name, cause: &cause.to_string() }, cx);
        }
        shared.asking.remove(&token);
        shared.refused.remove(&token);
        if shared.sweep.is_none() {
            shared.sweep = Some(cx.set_service_timer(KEPT));
        }
        self.depart_if_empty();
    }

    /// Ends the rooms in which no member of this server is left, if this is the timer for that.
    pub(in crate::servers::chat) fn sweep_rooms(&mut self, timer: TimerId, cx: &mut Context<'_>) {
        let Some(shared) = &mut self.shared else { return };
        if shared.sweep.take_if(|own| *own == timer).is_some() {
            let rooms: Vec<RoomId> = self.audiences.keys().copied().collect();
            for room in rooms {
                self.sweep(room, cx);
            }
        }
    }

    /// A room of this server has ended.
    pub(in crate::servers::chat) fn unfollow(&mut self, room: RoomId) {
        if let (Some(shared), Some(room)) = (&mut self.shared, self.rooms.get(room)) {
            shared.bus.unfollow(&room.name);
        }
    }

    /// While the server stops, lets all members leave at once that the broker may still know here, when the last
    /// session with a nickname has ended. What those have said comes before that.
    pub(in crate::servers::chat) fn depart_if_empty(&mut self) {
        if let Some(shared) = self.shared.as_mut().filter(|shared| !shared.has_departed)
            && self.is_stopping
            && self.seats.is_empty()
        {
            shared.has_departed = true;
            shared.bus.ask(Token::none(), Ask::Depart);
        }
    }

    /// If the bus has refused this newcomer, asks it for another nickname or room. Returns whether it has.
    pub(in crate::servers::chat) fn turn_away(&mut self, session: &mut ChatSession, cx: &mut Context<'_>) -> bool {
        let refused = self.shared.as_mut().and_then(|shared| shared.refused.remove(&session.token));
        let Some(refused) = refused else { return false };
        session.newcomer = Some(Box::new(Newcomer { has_waited: true, ..Newcomer::default() }));
        self.stop_waiting(session.token, cx);
        #[cfg(feature = "web")]
        if self.end_arrival(session, refused.arrival, cx) {
            return true;
        }
        session.refuse(refused.text, &[&refused.value], cx);
        self.restart_timer(session, cx);
        true
    }

    pub(super) fn stop_waiting(&mut self, token: Token, cx: &mut Context<'_>) {
        if let Some(shared) = &mut self.shared {
            shared.stop_waiting(token, cx);
        }
    }
}
