//! Who is in the practice, and what of them the data file does not have yet.
//!
//! Invariants: one save is under way at a time, and what changes meanwhile goes with the next one; a patient is in memory
//! while he or she is here, or is not saved; nobody new is let in while [`MOST_AWAY`] others are not saved. What the file
//! has is never overwritten by who has not read it. Knows no therapist, and says nothing to anybody.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::connection::closed::Closed;
use crate::connection::timer_id::TimerId;
use crate::handler::context::Context;
use crate::servers::doctor::Conversation;
use crate::state::throttle::Throttle;
use crate::workers::storage::{Store, StoreError};
use crate::workers::{Busy, Done, Workers};

use super::table::{self, Outcome, Record};

/// Somebody who may have been here before.
#[derive(Debug)]
pub(super) struct Newcomer {
    /// The folded name.
    pub(super) key: Arc<str>,
    /// What begins if not.
    pub(super) conversation: Conversation,
}

/// The patients of a practice.
#[derive(Debug)]
pub(super) struct Patients {
    store: Workers<Store>,
    /// By folded name.
    known: HashMap<Arc<str>, Patient>,
    /// How many of them are here.
    here: usize,
    /// Those who have changed since they were last saved, each once.
    unsaved: Vec<Arc<str>>,
    /// Those of the save that is under way.
    saving: Vec<Arc<str>>,
    /// A save has failed, and the next one waits for this.
    retry: Option<TimerId>,
    /// Each look-up that waits has a clone.
    look_ups: Arc<()>,
    failures: Throttle,
    unreadable: Throttle,
}

#[derive(Debug)]
struct Patient {
    /// Shared with the save that is under way.
    conversation: Arc<Conversation>,
    /// When the first and the last of the visits began that are in memory: seconds since 1970.
    visits: (i64, i64),
    /// Connections that talk under this name.
    sessions: usize,
    /// What the file has of earlier visits, if anything, is in the conversation.
    is_complete: bool,
    /// Is in the list of the unsaved.
    is_unsaved: bool,
    /// Is in the save that is under way.
    is_saving: bool,
}

/// Look-ups that may wait for the file. 8192: as many clients can come at once to a slow disk, and together they hold a
/// few megabytes.
pub(super) const MOST_LOOK_UPS: usize = 8192;

/// Patients who have left and are not saved, beyond whom nobody new is let in: the file is in trouble. 10,000: of a short
/// visit each, a dozen megabytes; of the longest ones, 200.
pub(super) const MOST_AWAY: usize = 10_000;

/// How long after a failure saving is tried again. 2 s: as long as a save waits for the lock of another program at most, so
/// look-ups, which wait for no lock, have half of the worker's time for themselves.
pub(super) const RETRY: Duration = Duration::from_secs(2);

impl Patients {
    pub(super) fn new(store: Store) -> Self {
        Patients {
            // Look-ups leave room for a save, so that it is never refused.
            store: Workers::new("doctor", MOST_LOOK_UPS + 1, vec![store]),
            known: HashMap::new(),
            here: 0,
            unsaved: Vec::new(),
            saving: Vec::new(),
            retry: None,
            look_ups: Arc::default(),
            failures: Throttle::new(),
            unreadable: Throttle::new(),
        }
    }

    /// Whether this patient is in memory, so that the file need not be asked.
    pub(super) fn is_known(&self, key: &str) -> bool {
        self.known.contains_key(key)
    }

    /// Whether what the file has of a known patient is in memory.
    pub(super) fn has_notes(&self, key: &str) -> bool {
        self.known.get(key).is_some_and(|patient| patient.is_complete)
    }

    /// Asks the file for the session of this callback.
    ///
    /// # Errors
    /// When too many wait for it, or are waited for.
    pub(super) fn look_up(&self, key: &Arc<str>, cx: &mut Context<'_>) -> Result<(), Busy> {
        let away = self.known.len() - self.here;
        if Arc::strong_count(&self.look_ups) > MOST_LOOK_UPS || away >= MOST_AWAY {
            return Err(Busy);
        }
        let (key, place) = (Arc::clone(key), Arc::clone(&self.look_ups));
        cx.offload(&self.store, move |store| {
            drop(place);
            store.read(|db| table::find(db, &key))
        })
    }

    /// Makes a patient known by what the file has said, unless another connection of the same name was faster.
    pub(super) fn admit(&mut self, newcomer: &Newcomer, found: Result<Outcome, StoreError>, cx: &mut Context<'_>) {
        if self.is_known(&newcomer.key) {
            return;
        }
        let notes = match found {
            Ok(Outcome::Found(earlier)) => Some(earlier),
            Ok(Outcome::Nobody | Outcome::Saved) => Some(newcomer.conversation.clone()),
            Ok(Outcome::Unreadable(error)) => {
                self.report_unreadable(newcomer.conversation.name(), &error, cx);
                None
            }
            Err(error) => {
                self.report(&error, cx);
                None
            }
        };
        let now = seconds(cx.system_time());
        let patient = Patient {
            is_complete: notes.is_some(),
            conversation: Arc::new(notes.unwrap_or_else(|| newcomer.conversation.clone())),
            visits: (now, now),
            sessions: 0,
            is_unsaved: false,
            is_saving: false,
        };
        self.known.insert(Arc::clone(&newcomer.key), patient);
    }

    /// A visit of a known patient begins with what `greet` does.
    pub(super) fn enter<T>(
        &mut self,
        key: &Arc<str>,
        at: SystemTime,
        greet: impl FnOnce(&mut Conversation) -> T,
    ) -> Option<T> {
        let patient = self.known.get_mut(key)?;
        self.here += usize::from(patient.sessions == 0);
        patient.sessions += 1;
        patient.visits.1 = seconds(at);
        let greeting = self.change(key, greet);
        let conversation = &self.known.get(key)?.conversation;
        log::info!("{} is here, visit {} ({} patients)", conversation.name(), conversation.visits(), self.here);
        greeting
    }

    /// Something is said in the conversation of a known patient.
    pub(super) fn change<T>(&mut self, key: &Arc<str>, change: impl FnOnce(&mut Conversation) -> T) -> Option<T> {
        self.mark(key);
        self.known.get_mut(key).map(|patient| change(Arc::make_mut(&mut patient.conversation)))
    }

    /// A connection that talked under this name is over.
    pub(super) fn leave(&mut self, key: &str, why: &Closed) {
        let Some(patient) = self.known.get_mut(key) else { return };
        patient.sessions -= 1;
        self.here -= usize::from(patient.sessions == 0);
        log::info!("{} leaves: {why} ({} patients)", patient.conversation.name(), self.here);
        self.forget_if_done(key);
    }

    /// Saves what has changed, unless a save is under way or waits: then it goes with the next one.
    pub(super) fn save(&mut self, cx: &mut Context<'_>) {
        if self.unsaved.is_empty() || !self.saving.is_empty() || self.retry.is_some() {
            return;
        }
        let mut records = Vec::with_capacity(self.unsaved.len());
        for key in std::mem::take(&mut self.unsaved) {
            let Some(patient) = self.known.get_mut(&key) else { continue };
            (patient.is_unsaved, patient.is_saving) = (false, true);
            records.push(Record {
                key: Arc::clone(&key),
                conversation: Arc::clone(&patient.conversation),
                visits: patient.visits,
                is_complete: patient.is_complete,
            });
            self.saving.push(key);
        }
        let taken = cx.offload_detached(&self.store, move |store| store.write(|db| table::save(db, &records)));
        debug_assert!(taken.is_ok(), "look-ups leave room for a save");
    }

    /// The same, and no failure before is waited for: there may be no later.
    pub(super) fn save_at_once(&mut self, cx: &mut Context<'_>) {
        // Its timer is not heeded any more.
        self.retry = None;
        self.save(cx);
    }

    /// A timer is due.
    pub(super) fn service_timer(&mut self, timer: TimerId, cx: &mut Context<'_>) {
        if self.retry.take_if(|retry| *retry == timer).is_some() {
            self.save(cx);
        }
    }

    /// A save is done.
    pub(super) fn service_done(&mut self, done: Done, cx: &mut Context<'_>) {
        let saving = std::mem::take(&mut self.saving);
        for key in &saving {
            if let Some(patient) = self.known.get_mut(key) {
                patient.is_saving = false;
            }
        }
        match done.downcast::<Result<Vec<Outcome>, StoreError>>().expect("the only detached job is a save") {
            Ok(outcomes) => {
                for (key, outcome) in saving.iter().zip(outcomes) {
                    self.settle(key, outcome, cx);
                    self.forget_if_done(key);
                }
                self.save(cx);
            }
            Err(error) => {
                for key in &saving {
                    self.mark(key);
                }
                self.report(&error, cx);
                self.retry = Some(cx.set_timer(RETRY));
            }
        }
    }

    /// What has become of a patient in a save.
    fn settle(&mut self, key: &Arc<str>, outcome: Outcome, cx: &mut Context<'_>) {
        let Some(patient) = self.known.get_mut(key) else { return };
        match outcome {
            Outcome::Saved | Outcome::Nobody => patient.is_complete = true,
            Outcome::Found(earlier) => {
                patient.is_complete = true;
                Arc::make_mut(&mut patient.conversation).follow(earlier);
                self.mark(key);
            }
            Outcome::Unreadable(error) => {
                let name = patient.conversation.name().to_owned();
                self.report_unreadable(&name, &error, cx);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    #[cfg(test)]
    pub(super) fn saving(&self) -> usize {
        self.saving.len()
    }

    /// A patient is to be saved.
    fn mark(&mut self, key: &Arc<str>) {
        if let Some(patient) = self.known.get_mut(key)
            && !std::mem::replace(&mut patient.is_unsaved, true)
        {
            self.unsaved.push(Arc::clone(key));
        }
    }

    /// Who has left and is saved need not be in memory.
    fn forget_if_done(&mut self, key: &str) {
        let is_done = |patient: &Patient| patient.sessions == 0 && !patient.is_unsaved && !patient.is_saving;
        if self.known.get(key).is_some_and(is_done) {
            self.known.remove(key);
        }
    }

    /// The file is in trouble: patients need not know, the operator does.
    fn report(&mut self, error: &StoreError, cx: &mut Context<'_>) {
        if let Some(count) = self.failures.note(cx.now()) {
            log::error!("doctor: {error} (patients not saved: {}, failures: {count})", self.unsaved.len());
        }
    }

    fn report_unreadable(&mut self, name: &str, error: &str, cx: &mut Context<'_>) {
        if let Some(count) = self.unreadable.note(cx.now()) {
            let error = error.trim_end().replace('\n', "; ");
            log::error!(
                "doctor: the conversation of {name} in the data file cannot be read: {error}; correct it, or delete the \
                 row: nothing is saved of this patient before (such failures: {count})"
            );
        }
    }
}

impl Drop for Patients {
    fn drop(&mut self) {
        let missing = self.known.values().filter(|patient| patient.is_unsaved || patient.is_saving).count();
        if missing > 0 {
            // What is under way may still be written.
            let sure = if self.saving.is_empty() { "" } else { "up to " };
            log::error!("doctor: what {sure}{missing} patients have said last was not saved");
        }
    }
}

/// Seconds since 1970, UTC.
fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
