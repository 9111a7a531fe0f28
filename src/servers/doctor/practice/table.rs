//! The patients as a table of the data file.
//!
//! Invariants: no two have the same key; notes that have not been read are not overwritten. Each function is one job.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use crate::servers::doctor::Conversation;
use crate::workers::storage::{Schema, StoreError};

/// `SwDr`. The times are seconds since 1970, UTC. The conversation is TOML; the name and the number of visits are in it,
/// too, and have columns for whoever looks into the file.
pub(super) const SCHEMA: Schema = Schema {
    application_id: 0x5377_4472,
    migrations: &["CREATE TABLE patient (key TEXT PRIMARY KEY, name TEXT NOT NULL, visits INTEGER NOT NULL, \
                   first_visit INTEGER NOT NULL, last_visit INTEGER NOT NULL, conversation TEXT NOT NULL) STRICT"],
};

/// A patient to be saved.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) key: Arc<str>,
    pub(super) conversation: Arc<Conversation>,
    /// The first visit that is known of, and the last one: seconds since 1970.
    pub(super) visits: (i64, i64),
    /// What the file has of earlier visits, if anything, is in the conversation.
    pub(super) is_complete: bool,
}

/// What the file says of a patient.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It has nothing.
    Nobody,
    /// It has this.
    Found(Conversation),
    /// It has something that is no conversation.
    Unreadable(String),
    /// It has what was to be saved.
    Saved,
}

pub(super) fn find(db: &Connection, key: &str) -> Result<Outcome, StoreError> {
    let mut statement = db.prepare_cached("SELECT conversation FROM patient WHERE key = ?1")?;
    let text: Option<String> = statement.query_row([key], |row| row.get(0)).optional()?;
    Ok(match text.as_deref().map(toml::from_str) {
        None => Outcome::Nobody,
        Some(Ok(conversation)) => Outcome::Found(conversation),
        Some(Err(error)) => Outcome::Unreadable(error.message().to_owned()),
    })
}

/// Saves these, all or none. Of one that is not complete, what the file has is fetched instead.
pub(super) fn save(db: &Connection, records: &[Record]) -> Result<Vec<Outcome>, StoreError> {
    records.iter().map(|record| save_one(db, record)).collect()
}

fn save_one(db: &Connection, record: &Record) -> Result<Outcome, StoreError> {
    if !record.is_complete {
        let found = find(db, &record.key)?;
        if !matches!(found, Outcome::Nobody) {
            return Ok(found);
        }
    }
    let Record { key, conversation, visits: (first, last), .. } = record;
    let text =
        toml::to_string(&**conversation).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    db.prepare_cached(
        "INSERT INTO patient (key, name, visits, first_visit, last_visit, conversation) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (key) DO UPDATE SET name = excluded.name, visits = excluded.visits, \
         first_visit = min(first_visit, excluded.first_visit), last_visit = excluded.last_visit, \
         conversation = excluded.conversation",
    )?
    .execute((key, conversation.name(), conversation.visits(), first, last, text))?;
    Ok(Outcome::Saved)
}
