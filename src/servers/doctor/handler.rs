//! The server: asks each patient for a name, lets the therapist answer, and keeps the conversation for the next visit.
//!
//! Invariants: all connections under one name share one conversation. An answer does not wait for the data file. At
//! most one save is under way, and later changes go with the next one. A conversation stays in memory while it has
//! sessions or unsaved changes. It overwrites only what it continues. Input reaches the therapist and the log through
//! [`sanitize`].

mod table;
mod texts;

use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::io;
use std::mem;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use self::table::{Notes, Patient};
use super::conversation::Conversation;
use super::therapist::Therapist;
use crate::framing::{Lines, MessageHandler};
use crate::servers::text::{counted, fold, refuse_http, reply};
use crate::state::throttle::Throttles;
use crate::workers::storage::{Schema, Store, StoreError, StoreErrorKind};
use crate::{Busy, Closed, Context, Done, Origin, TimerId, Workers, sanitize};

/// Look-ups that can wait for the file. Together they hold a few megabytes.
const MAX_LOOK_UPS: usize = 8192;

/// Patients who have left unsaved; at this number the file is in trouble, and no new patient is admitted. They hold a
/// dozen megabytes after short visits, and 200 after the longest ones.
const MAX_AWAY: usize = 10_000;

/// The time from a failed save to the next one. A save waits as long for the lock of another program at most, so
/// look-ups, which need no lock, have half of the worker's time.
const RETRY: Duration = Duration::from_secs(2);

/// A therapist who receives patients; the handler that [`Doctor::lines`] wraps.
///
/// ```
/// use switchboard::servers::doctor::{Doctor, Therapist};
/// use switchboard::workers::storage::{DataFile, Store};
///
/// let store = Store::open(&DataFile::Memory, &Doctor::SCHEMA)?;
/// let mut sim = switchboard::Sim::new(Doctor::lines(Therapist::built_in(), store, 4096));
/// let peer = sim.connect();
/// assert_eq!(sim.received(peer), b"Good day. What is your name?\n");
/// # Ok::<(), switchboard::workers::storage::OpenError>(())
/// ```
#[derive(Debug)]
pub struct Doctor {
    therapist: Therapist,
    store: Workers<Store>,
    /// By folded name.
    patients: HashMap<Arc<str>, Patient>,
    /// The number of patients with sessions.
    here: usize,
    /// Patients who have changed since the last save began.
    unsaved: BTreeSet<Arc<str>>,
    /// Patients of the save that is under way.
    saving: BTreeSet<Arc<str>>,
    /// Set after a failed save; the next one waits for it.
    retry: Option<TimerId>,
    /// Each waiting look-up holds a clone.
    look_ups: Arc<()>,
    /// Failures of the file and of single rows.
    failures: Throttles<&'static str>,
}

/// The state of one connection.
#[derive(Debug)]
pub struct DoctorSession(Stage);

#[derive(Debug)]
enum Stage {
    Asked,
    /// The name is looked up. If the patient is new, this conversation begins.
    LookingUp(Box<Conversation>),
    /// The folded name.
    Talking(Arc<str>),
}

impl Doctor {
    /// The schema of the data file.
    pub const SCHEMA: Schema = table::SCHEMA;

    /// Creates a doctor from an open file with this [`SCHEMA`](Self::SCHEMA). Its patients send lines of at most
    /// `max_line` bytes.
    #[must_use]
    pub fn lines(therapist: Therapist, store: Store, max_line: usize) -> Lines<Doctor> {
        let doctor = Doctor {
            therapist,
            // One place more than look-ups can take, so that a save is never refused.
            store: Workers::new("doctor", MAX_LOOK_UPS + 1, vec![store]),
            patients: HashMap::new(),
            here: 0,
            unsaved: BTreeSet::new(),
            saving: BTreeSet::new(),
            retry: None,
            look_ups: Arc::default(),
            failures: Throttles::new(),
        };
        Lines::new(doctor, max_line)
    }

    /// Starts the thread that uses the data file now, rather than with the first request. Not for a simulation.
    ///
    /// # Errors
    /// If the system refuses the thread.
    pub fn start_thread(&self) -> io::Result<()> {
        self.store.start()
    }

    /// Answers a line of a patient, from any door. Returns `Break` after a farewell, which ends the connection.
    pub(super) fn hear(&mut self, session: &mut DoctorSession, line: &[u8], cx: &mut Context<'_>) -> ControlFlow<()> {
        match &session.0 {
            Stage::Asked => self.receive_name(session, line, cx),
            Stage::Talking(key) => return self.answer(key, line, cx),
            Stage::LookingUp(_) => debug_assert!(false, "input waits for the job of its session"),
        }
        ControlFlow::Continue(())
    }

    fn receive_name(&mut self, session: &mut DoctorSession, line: &[u8], cx: &mut Context<'_>) {
        let line = sanitize(line);
        let name = self.therapist.name_in(&line);
        let Some(conversation) = Conversation::new(name) else {
            if !line.contains(char::is_alphanumeric) || !name.is_empty() {
                reply(texts::BAD_NAME, &[], cx);
            }
            return say(&self.therapist.ask_name, cx);
        };
        let key = key_of(&conversation);
        if self.patients.contains_key(&key) {
            self.welcome(session, key, cx);
        } else if self.look_up(key, cx).is_ok() {
            session.0 = Stage::LookingUp(Box::new(conversation));
        } else {
            reply(texts::BUSY, &[], cx);
            say(&self.therapist.ask_name, cx);
        }
    }

    fn look_up(&self, key: Arc<str>, cx: &mut Context<'_>) -> Result<(), Busy> {
        if Arc::strong_count(&self.look_ups) > MAX_LOOK_UPS || self.patients.len() - self.here >= MAX_AWAY {
            return Err(Busy);
        }
        let waiting = Arc::clone(&self.look_ups);
        cx.offload(&self.store, move |store| {
            drop(waiting);
            store.read(|db| table::find(db, &key))
        })
    }

    fn welcome(&mut self, session: &mut DoctorSession, key: Arc<str>, cx: &mut Context<'_>) {
        let Some(patient) = self.patients.get_mut(&key) else { return };
        if !patient.is_complete {
            reply(texts::NO_NOTES, &[], cx);
        }
        self.here += usize::from(patient.sessions == 0);
        patient.sessions += 1;
        patient.visits.1 = seconds(cx.system_time());
        let conversation = Arc::make_mut(&mut patient.conversation);
        say(&self.therapist.greet(conversation), cx);
        let (name, visit, here) = (conversation.name(), conversation.visits(), counted(self.here, "patient"));
        cx.set_name(name);
        log::info!("{} is here, visit {visit} ({here})", cx.peer());
        session.0 = Stage::Talking(Arc::clone(&key));
        self.unsaved.insert(key);
        self.save(cx);
    }

    fn answer(&mut self, key: &Arc<str>, line: &[u8], cx: &mut Context<'_>) -> ControlFlow<()> {
        let Some(patient) = self.patients.get_mut(key) else { return ControlFlow::Continue(()) };
        let answer = self.therapist.answer(Arc::make_mut(&mut patient.conversation), &sanitize(line));
        say(&answer.text, cx);
        self.unsaved.insert(Arc::clone(key));
        self.save(cx);
        if answer.is_farewell { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Saves all changes, unless a save is under way or waits for a retry; the changes then go with the next one.
    fn save(&mut self, cx: &mut Context<'_>) {
        if self.unsaved.is_empty() || !self.saving.is_empty() || self.retry.is_some() {
            return;
        }
        self.saving = mem::take(&mut self.unsaved);
        let patients = self.saving.iter().filter_map(|key| self.patients.get_key_value(key));
        let patients: Vec<_> = patients.map(|(key, patient)| (Arc::clone(key), patient.clone())).collect();
        let taken = cx.offload_detached(&self.store, move |store| store.write(|db| table::save(db, patients)));
        if taken.is_err() {
            // Look-ups leave a place for a save, so the system refuses a thread, which is logged.
            self.retry_save(cx);
        }
    }

    /// Saves the patients of a failed save later.
    fn retry_save(&mut self, cx: &mut Context<'_>) {
        self.unsaved.append(&mut self.saving);
        self.retry = Some(cx.set_service_timer(RETRY));
    }

    /// Joins a conversation with what the file has of earlier visits.
    fn complete(&mut self, key: &Arc<str>, notes: Notes, cx: &mut Context<'_>) {
        let Some(patient) = self.patients.get_mut(key) else { return };
        match notes {
            Ok(earlier) => {
                patient.is_complete = true;
                if let Some(earlier) = earlier {
                    Arc::make_mut(&mut patient.conversation).follow(earlier);
                    self.unsaved.insert(Arc::clone(key));
                }
            }
            Err(error) => {
                let problem = format!("the conversation of {} in the data file", patient.conversation.name());
                let remedy = "correct it, or delete the row, so that it can be saved";
                self.report("row", format_args!("{problem} cannot be read: {error}; {remedy}"), cx);
            }
        }
    }

    /// Removes a patient from memory who has left and is saved.
    fn forget_if_done(&mut self, key: &str) {
        let is_here = self.patients.get(key).is_some_and(|patient| patient.sessions > 0);
        if !is_here && !self.unsaved.contains(key) && !self.saving.contains(key) {
            self.patients.remove(key);
        }
    }

    /// Logs an error of the data file. A file that was moved is in the log already.
    fn report_file(&mut self, error: &StoreError, cx: &Context<'_>) {
        if error.kind() != StoreErrorKind::Moved {
            self.report("file", error, cx);
        }
    }

    fn report(&mut self, kind: &'static str, problem: impl Display, cx: &Context<'_>) {
        if let Some(repeats) = self.failures.note(kind, cx.now()) {
            log::error!("doctor: {problem} (patients not saved: {}){repeats}", self.unsaved.len());
        }
    }
}

impl MessageHandler for Doctor {
    type Session = DoctorSession;

    fn open(&mut self, _: &Origin, cx: &mut Context<'_>) -> DoctorSession {
        say(&self.therapist.ask_name, cx);
        DoctorSession(Stage::Asked)
    }

    fn message<'a>(&mut self, session: &mut DoctorSession, line: &'a mut [u8], cx: &mut Context<'a>) {
        let is_refused = matches!(session.0, Stage::Asked) && refuse_http(line, texts::NO_HTTP, cx);
        if !is_refused && self.hear(session, line, cx).is_break() {
            cx.close();
        }
    }

    fn too_long(&mut self, session: &mut DoctorSession, limit: usize, cx: &mut Context<'_>) {
        reply(texts::TOO_LONG, &[&limit.to_string()], cx);
        if let Stage::Asked = session.0 {
            say(&self.therapist.ask_name, cx);
        }
    }

    fn done(&mut self, session: &mut DoctorSession, done: Done, cx: &mut Context<'_>) {
        let found = done.downcast::<Result<Notes, StoreError>>().expect("a session offloads look-ups only");
        let Stage::LookingUp(conversation) = mem::replace(&mut session.0, Stage::Asked) else { return };
        let key = key_of(&conversation);
        // Another connection of the same name can have been faster.
        if !self.patients.contains_key(&key) {
            let now = seconds(cx.system_time());
            let conversation = Arc::from(conversation);
            let patient = Patient { conversation, visits: (now, now), is_complete: false, sessions: 0 };
            self.patients.insert(Arc::clone(&key), patient);
            match found {
                Ok(notes) => self.complete(&key, notes, cx),
                Err(error) => self.report_file(&error, cx),
            }
        }
        self.welcome(session, key, cx);
    }

    fn closed(&mut self, session: DoctorSession, why: &Closed, cx: &mut Context<'_>) {
        if let Stage::Talking(key) = session.0
            && let Some(patient) = self.patients.get_mut(&key)
        {
            patient.sessions -= 1;
            self.here -= usize::from(patient.sessions == 0);
            log::info!("{} leaves: {why} ({})", cx.peer(), counted(self.here, "patient"));
            self.forget_if_done(&key);
        }
        if let Closed::Stopping = why {
            // There is no time for a retry.
            self.retry = None;
            self.save(cx);
        }
    }

    fn service_timer(&mut self, timer: TimerId, cx: &mut Context<'_>) {
        if self.retry.take_if(|retry| *retry == timer).is_some() {
            self.save(cx);
        }
    }

    fn service_done(&mut self, done: Done, cx: &mut Context<'_>) {
        let saving = mem::take(&mut self.saving);
        match done.downcast::<table::Saved>().expect("only saves are detached") {
            Ok(saved) => {
                for (key, notes) in saved {
                    self.complete(&key, notes, cx);
                    self.forget_if_done(&key);
                }
                self.save(cx);
            }
            Err(error) => {
                self.saving = saving;
                self.retry_save(cx);
                self.report_file(&error, cx);
            }
        }
    }
}

impl Drop for Doctor {
    fn drop(&mut self) {
        let unsaved = self.unsaved.union(&self.saving).count();
        if unsaved > 0 {
            // A save that is under way can still succeed.
            let up_to = if self.saving.is_empty() { "" } else { "up to " };
            log::error!("doctor: the last words of {up_to}{} were not saved", counted(unsaved, "patient"));
        }
    }
}

fn say(line: &str, cx: &mut Context<'_>) {
    cx.reply(line.as_bytes());
    cx.reply(b"\n");
}

fn key_of(conversation: &Conversation) -> Arc<str> {
    fold(conversation.name()).into()
}

/// Seconds since 1970, UTC.
fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
