//! The practice: patients come, say who they are, and talk with the therapist, who remembers them at their next visit.
//!
//! Invariants: all connections of one name share one conversation, so none of them can undo what another one has said; an
//! answer waits for no file; what was said is in memory until the file has it. What a patient says goes to the therapist,
//! and to the log, through [`sanitize`] only.
//!
//! A name is all it takes to be recognised: there are no secrets here.

mod patients;
mod table;
mod texts;

use std::sync::Arc;

use crate::connection::closed::Closed;
use crate::connection::origin::Origin;
use crate::connection::timer_id::TimerId;
use crate::framing::{Lines, MessageHandler};
use crate::handler::context::Context;
use crate::handler::sanitize::sanitize;
use crate::servers::text::{fold, refuse_http, reply};
use crate::workers::Done;
use crate::workers::storage::{Schema, Store, StoreError};

use super::conversation::Conversation;
use super::therapist::Therapist;
use patients::{Newcomer, Patients};
use table::Outcome;

/// What can be chosen about a practice.
#[derive(Clone, Copy, Debug)]
pub struct PracticeOptions {
    /// The longest line, in bytes, its end not counted. A longer one gets a notice, and is not heard.
    pub max_line: usize,
}

impl Default for PracticeOptions {
    fn default() -> Self {
        PracticeOptions { max_line: 4096 }
    }
}

/// A therapist's practice: what [`Practice::of`] wraps.
///
/// ```
/// use switchboard::Sim;
/// use switchboard::servers::doctor::{Practice, PracticeOptions, Script, Therapist};
/// use switchboard::workers::storage::{DataFile, Store};
///
/// let therapist = Therapist::new(Script::built_in());
/// let store = Store::open(&DataFile::Memory, &Practice::SCHEMA)?;
/// let mut sim = Sim::new(Practice::of(therapist, store, PracticeOptions::default()));
/// let peer = sim.connect();
/// assert_eq!(sim.received(peer), b"Good day. What is your name?\n");
/// sim.send(peer, b"Ann\n");
/// assert_eq!(sim.received(peer), b"Welcome, Ann. What is on your mind?\n");
/// # Ok::<(), switchboard::workers::storage::OpenError>(())
/// ```
#[derive(Debug)]
pub struct Practice {
    therapist: Therapist,
    patients: Patients,
}

/// What is kept for each connection.
#[derive(Debug)]
pub struct PracticeSession {
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Was asked for a name.
    Asked,
    /// Has given one, which is looked up in the file.
    Sought(Box<Newcomer>),
    /// Talks under this folded name.
    Here(Arc<str>),
}

impl Practice {
    /// The table that a practice keeps in its file.
    pub const SCHEMA: Schema = table::SCHEMA;

    /// The practice of this therapist, by lines, with what is known of patients in an open file of this
    /// [`SCHEMA`](Self::SCHEMA).
    #[must_use]
    pub fn of(therapist: Therapist, store: Store, options: PracticeOptions) -> Lines<Practice> {
        Lines::new(Practice { therapist, patients: Patients::new(store) }, options.max_line)
    }
}

impl MessageHandler for Practice {
    type Session = PracticeSession;

    fn open(&mut self, _: &Origin, cx: &mut Context<'_>) -> PracticeSession {
        self.ask_name(cx);
        PracticeSession { stage: Stage::Asked }
    }

    fn message<'a>(&mut self, session: &mut PracticeSession, line: &'a mut [u8], cx: &mut Context<'a>) {
        match &session.stage {
            Stage::Asked => self.receive(session, line, cx),
            Stage::Here(key) => self.listen(key, line, cx),
            Stage::Sought(_) => debug_assert!(false, "no input is shown while a job is under way"),
        }
    }

    fn too_long(&mut self, session: &mut PracticeSession, limit: usize, cx: &mut Context<'_>) {
        reply(texts::TOO_LONG, &[&limit.to_string()], cx);
        if let Stage::Asked = session.stage {
            self.ask_name(cx);
        }
    }

    fn done(&mut self, session: &mut PracticeSession, done: Done, cx: &mut Context<'_>) {
        let found = done.downcast::<Result<Outcome, StoreError>>().expect("the only job of a session is a look-up");
        if let Stage::Sought(newcomer) = std::mem::replace(&mut session.stage, Stage::Asked) {
            self.patients.admit(&newcomer, found, cx);
            self.welcome(session, newcomer.key, cx);
        }
    }

    fn closed(&mut self, session: PracticeSession, why: &Closed, cx: &mut Context<'_>) {
        if let Stage::Here(key) = session.stage {
            self.patients.leave(&key, why);
        }
        if let Closed::Stopping = why {
            self.patients.save_at_once(cx);
        }
    }

    fn service_timer(&mut self, timer: TimerId, cx: &mut Context<'_>) {
        self.patients.service_timer(timer, cx);
    }

    fn service_done(&mut self, done: Done, cx: &mut Context<'_>) {
        self.patients.service_done(done, cx);
    }
}

impl Practice {
    /// A line of somebody who has no name yet.
    fn receive(&mut self, session: &mut PracticeSession, line: &[u8], cx: &mut Context<'_>) {
        if refuse_http(line, texts::NO_HTTP, cx) {
            return;
        }
        let Ok(conversation) = Conversation::new(&sanitize(line)) else {
            cx.reply(texts::BAD_NAME.as_bytes());
            return self.ask_name(cx);
        };
        let key = Arc::from(fold(conversation.name()));
        if self.patients.is_known(&key) {
            self.welcome(session, key, cx);
        } else if self.patients.look_up(&key, cx).is_ok() {
            session.stage = Stage::Sought(Box::new(Newcomer { key, conversation }));
        } else {
            cx.reply(texts::BUSY.as_bytes());
            self.ask_name(cx);
        }
    }

    /// Greets a patient who is known.
    fn welcome(&mut self, session: &mut PracticeSession, key: Arc<str>, cx: &mut Context<'_>) {
        if !self.patients.has_notes(&key) {
            cx.reply(texts::NO_NOTES.as_bytes());
        }
        let greeting = self.patients.enter(&key, cx.system_time(), |conversation| self.therapist.greet(conversation));
        let Some(greeting) = greeting else { return };
        session.stage = Stage::Here(key);
        say(&greeting, cx);
        self.patients.save(cx);
    }

    /// A line of a patient.
    fn listen(&mut self, key: &Arc<str>, line: &[u8], cx: &mut Context<'_>) {
        let line = sanitize(line);
        let answer = self.patients.change(key, |conversation| self.therapist.answer(conversation, &line));
        let Some(answer) = answer else { return };
        say(&answer.text, cx);
        if answer.is_farewell {
            cx.close();
        }
        self.patients.save(cx);
    }

    fn ask_name(&self, cx: &mut Context<'_>) {
        say(self.therapist.ask_name(), cx);
    }
}

/// A line of the therapist's.
fn say(line: &str, cx: &mut Context<'_>) {
    cx.reply(line.as_bytes());
    cx.reply(b"\n");
}

#[cfg(test)]
mod tests;
