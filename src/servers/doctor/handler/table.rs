//! The table of patients in the data file. Each function is one job for a worker.
//!
//! Invariant: a conversation in the file is overwritten only by one that continues it.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::super::conversation::Conversation;
use crate::workers::storage::{Schema, StoreError};

/// Times are seconds since 1970, UTC. The conversation is TOML, which contains the name and the visits, too; their
/// columns help a person who looks into the file. The application id is `SwDr`.
pub(super) const SCHEMA: Schema = Schema {
    application_id: 0x5377_4472,
    migrations: &["CREATE TABLE patient (key TEXT PRIMARY KEY, name TEXT NOT NULL, visits INTEGER NOT NULL, \
                   first_visit INTEGER NOT NULL, last_visit INTEGER NOT NULL, conversation TEXT NOT NULL) STRICT"],
};

/// A patient in memory. A save has a clone of it.
#[derive(Clone, Debug)]
pub(super) struct Patient {
    pub(super) conversation: Arc<Conversation>,
    /// The times of the first and the last visit that are in memory, in seconds since 1970.
    pub(super) visits: (i64, i64),
    /// Whether the conversation continues what the file has of earlier visits, if there is anything.
    pub(super) is_complete: bool,
    /// The number of connections under this name.
    pub(super) sessions: usize,
}

/// What the file has of a patient, or the reason why its row is not a conversation.
pub(super) type Notes = Result<Option<Conversation>, String>;

pub(super) fn find(db: &Connection, key: &str) -> Result<Notes, StoreError> {
    let mut statement = db.prepare_cached("SELECT conversation FROM patient WHERE key = ?1")?;
    let text: Option<String> = statement.query_row([key], |row| row.get(0)).optional()?;
    let notes = text.map(|text| toml::from_str(&text)).transpose();
    Ok(notes.map_err(|error: toml::de::Error| error.message().trim_end().replace('\n', "; ")))
}

/// The notes that a patient lacks, by key, in place of saving the patient.
pub(super) type Saved = Result<Vec<(Arc<str>, Notes)>, StoreError>;

/// Saves patients under their keys, all or none.
pub(super) fn save(db: &Connection, patients: Vec<(Arc<str>, Patient)>) -> Saved {
    patients.into_iter().map(|(key, patient)| save_one(db, &key, &patient).map(|notes| (key, notes))).collect()
}

fn save_one(db: &Connection, key: &str, patient: &Patient) -> Result<Notes, StoreError> {
    let notes = if patient.is_complete { Ok(None) } else { find(db, key)? };
    if let Ok(None) = notes {
        let Patient { conversation, visits: (first, last), .. } = patient;
        let text =
            toml::to_string(&**conversation).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        db.prepare_cached(
            "INSERT INTO patient (key, name, visits, first_visit, last_visit, conversation) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (key) DO UPDATE SET name = excluded.name, \
             visits = excluded.visits, first_visit = min(first_visit, excluded.first_visit), \
             last_visit = excluded.last_visit, conversation = excluded.conversation",
        )?
        .execute((key, conversation.name(), conversation.visits(), first, last, text))?;
    }
    Ok(notes)
}
