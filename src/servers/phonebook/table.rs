//! The table of entries in the data file.
//!
//! Invariant: no two entries have the same key. Each function is one job, which uses the file for one entry or for one
//! page of a listing.

use rusqlite::{Connection, OptionalExtension};

use super::entry::{Entry, Name};
use crate::workers::storage::{Schema, StoreError};

/// The application id is `SwPb`. Keys are ordered by their bytes, which in UTF-8 is the order of code points.
pub(super) const SCHEMA: Schema = Schema {
    application_id: 0x5377_5062,
    migrations: &[
        "CREATE TABLE entry (key TEXT PRIMARY KEY, name TEXT NOT NULL, number TEXT NOT NULL) STRICT, WITHOUT ROWID",
    ],
};

/// Entries per page of a listing. 256 entries delay other jobs by a tenth of a millisecond and take at most 100 KB.
pub(super) const PAGE: u32 = 256;

/// The result of a command.
#[derive(Debug)]
pub(super) enum Outcome {
    Found(Entry),
    /// No entry has this name.
    NotFound(Name),
    Added(Entry),
    /// This entry already has the name.
    Exists(Entry),
    /// The entry and its former number.
    Changed(Entry, Box<str>),
    Removed(Entry),
    Page(Page),
}

/// A page of a listing.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) entries: Vec<Entry>,
    /// The first key of the next page.
    pub(super) next: Option<Box<str>>,
}

pub(super) fn find(db: &Connection, name: Name) -> Result<Outcome, StoreError> {
    Ok(look_up(db, &name)?.map_or(Outcome::NotFound(name), Outcome::Found))
}

pub(super) fn add(db: &Connection, name: Name, number: Box<str>) -> Result<Outcome, StoreError> {
    if let Some(entry) = look_up(db, &name)? {
        return Ok(Outcome::Exists(entry));
    }
    db.prepare_cached("INSERT INTO entry (key, name, number) VALUES (?1, ?2, ?3)")?.execute([
        &name.key,
        &name.shown,
        &number,
    ])?;
    Ok(Outcome::Added(Entry { name: name.shown, number }))
}

pub(super) fn change(db: &Connection, name: Name, number: Box<str>) -> Result<Outcome, StoreError> {
    let Some(Entry { name: shown, number: former }) = look_up(db, &name)? else {
        return Ok(Outcome::NotFound(name));
    };
    db.prepare_cached("UPDATE entry SET number = ?2 WHERE key = ?1")?.execute([&name.key, &number])?;
    Ok(Outcome::Changed(Entry { name: shown, number }, former))
}

pub(super) fn remove(db: &Connection, name: Name) -> Result<Outcome, StoreError> {
    let Some(entry) = look_up(db, &name)? else { return Ok(Outcome::NotFound(name)) };
    db.prepare_cached("DELETE FROM entry WHERE key = ?1")?.execute([&name.key])?;
    Ok(Outcome::Removed(entry))
}

/// Lists up to [`PAGE`] entries in order, from the key `start` on, whose keys begin with `prefix`.
pub(super) fn list(db: &Connection, prefix: &str, start: &str) -> Result<Outcome, StoreError> {
    let mut statement =
        db.prepare_cached("SELECT key, name, number FROM entry WHERE key >= ?1 ORDER BY key LIMIT ?2")?;
    let mut rows = statement.query((start, PAGE + 1))?;
    let mut page = Page { entries: Vec::new(), next: None };
    while let Some(row) = rows.next()? {
        let key: Box<str> = row.get(0)?;
        if !key.starts_with(prefix) {
            break;
        }
        if page.entries.len() == PAGE as usize {
            page.next = Some(key);
            break;
        }
        page.entries.push(Entry { name: row.get(1)?, number: row.get(2)? });
    }
    Ok(Outcome::Page(page))
}

fn look_up(db: &Connection, name: &Name) -> Result<Option<Entry>, StoreError> {
    let mut statement = db.prepare_cached("SELECT name, number FROM entry WHERE key = ?1")?;
    let entry = statement.query_row([&name.key], |row| Ok(Entry { name: row.get(0)?, number: row.get(1)? }));
    Ok(entry.optional()?)
}
