//! A data file that one worker writes (SQLite).
//!
//! Invariants: what a job wrote is on the disk, in the file at the path, before its result is delivered (write-ahead
//! log, `synchronous=FULL`, one commit for all queued jobs); a job that fails has written nothing. Only a write waits
//! for a lock, for at most two seconds. Deliberately not here: tables and statements, which belong to each server.
//!
//! See <https://www.sqlite.org/wal.html> for the write-ahead log, and <https://www.sqlite.org/lang_savepoint.html> for
//! how the jobs of a batch are kept apart.

mod error;
mod place;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use directories::ProjectDirs;
use rusqlite::{Connection, OpenFlags};

pub use error::{OpenError, StoreError, StoreErrorKind};
/// The crate of the connection that the jobs of a [`Store`] get.
pub use rusqlite;

use self::place::Place;
use crate::workers::Worker;

/// The location of a server's data.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataFile {
    /// In memory. The data is lost at the end of the process.
    Memory,
    /// In a file of exactly this name. While it is open, SQLite keeps two more files beside it (`-wal`, `-shm`).
    Path(PathBuf),
}

impl DataFile {
    /// Returns the file `name.db` in the user's data directory. Creates the directory if it is missing.
    ///
    /// The directory is that of the XDG Base Directory Specification: `~/.local/share/switchboard`.
    ///
    /// # Errors
    /// If there is no home directory, or the data directory cannot be created.
    pub fn of_user(name: &str) -> Result<Self, OpenError> {
        let Some(project) = ProjectDirs::from("", "", "switchboard") else {
            return Err(OpenError::new(Path::new(name), "there is no home directory for it; name a file with --data"));
        };
        let directory = project.data_dir();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| OpenError::new(directory, error))?;
        Ok(DataFile::Path(directory.join(format!("{name}.db"))))
    }
}

impl From<OsString> for DataFile {
    /// `:memory:` is [`DataFile::Memory`]. Any other text is a path.
    fn from(text: OsString) -> Self {
        if text == ":memory:" { DataFile::Memory } else { DataFile::Path(text.into()) }
    }
}

/// The tables of a server.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Identifies the files of this server (`PRAGMA application_id`).
    pub application_id: i32,
    /// The statements that upgrade the tables, one entry for each version. A file stores the number of entries that
    /// were applied to it (`PRAGMA user_version`), so append new entries and never change a released one.
    pub migrations: &'static [&'static str],
}

/// An open data file: the state of one worker.
///
/// Only one `Store` can have a file open. If the file is moved, deleted or replaced, each job fails with
/// [`StoreErrorKind::Moved`] until it is back at its path. The log has a line for both. A running
/// [`Workers`](crate::Workers) notices it within a second.
#[derive(Debug)]
pub struct Store {
    /// The error while the file is not at its path. Dropped before `place`, which says why.
    db: Result<Connection, StoreError>,
    /// `None` in memory.
    place: Option<Place>,
    schema: Schema,
    /// The batch has begun a transaction.
    has_begun: bool,
    /// The error if the batch could not begin a transaction. It is kept, because another attempt would make each job of
    /// the batch wait for the lock.
    begin_error: Option<StoreError>,
}

/// Time for which a write waits if another program holds the lock of the file.
const LOCK_WAIT: Duration = Duration::from_secs(2);

impl Store {
    /// Opens a data file, creates it if it is missing, checks its integrity, and migrates it to the version of
    /// `schema`.
    ///
    /// The check reads the whole file: about a second for a gigabyte.
    ///
    /// # Errors
    /// With the path, the cause and the remedy, if the file cannot be read or written, is damaged, is locked, or
    /// belongs to another program or a newer version.
    pub fn open(file: &DataFile, schema: &Schema) -> Result<Self, OpenError> {
        let (path, opened) = match file {
            DataFile::Memory => (Path::new(":memory:"), open_in_memory(schema).map(|db| (db, None))),
            DataFile::Path(path) => (path.as_path(), open_at(path, schema)),
        };
        let (db, place) = opened.map_err(|error| OpenError::new(path, error))?;
        Ok(Store { db: Ok(db), place, schema: *schema, has_begun: false, begin_error: None })
    }

    /// Runs a job that only reads. It waits for no lock.
    ///
    /// # Errors
    /// Those of `job`.
    pub fn read<T>(&mut self, job: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        job(self.db()?)
    }

    /// Runs a job that writes. If it fails, nothing is changed.
    ///
    /// # Errors
    /// Those of `job` and of the transaction: the file is locked, full, read-only or damaged.
    pub fn write<T>(&mut self, job: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.begin_once()?;
        self.check()?;
        self.run("SAVEPOINT job")?;
        let result = job(self.db()?);
        if self.check().is_err() {
            // SQLite has rolled back the whole transaction, with its savepoints: the disk is full or has failed.
            return result.and(Err(StoreError::undone()));
        }
        if result.is_err() {
            self.run("ROLLBACK TO job")?;
        }
        self.run("RELEASE job")?;
        result
    }

    fn begin_once(&mut self) -> Result<(), StoreError> {
        if self.has_begun {
            return Ok(());
        }
        if let Some(error) = &self.begin_error {
            return Err(error.clone());
        }
        let begun = self.run("BEGIN IMMEDIATE");
        self.has_begun = begun.is_ok();
        self.begin_error = begun.as_ref().err().cloned();
        begun
    }

    /// Looks for the file at its path, and closes it or opens it again if that has changed.
    ///
    /// A file that was moved gets all that was acknowledged. A file that has taken its place is not touched. If only
    /// the files beside it were removed, nothing is lost: the content of the log moves to the file first.
    fn look_for_file(&mut self) -> Result<(), StoreError> {
        let Some(place) = &mut self.place else { return Ok(()) };
        if let Err(what) = place.find() {
            if let Ok(db) = &self.db {
                log::error!("{} {what}: nothing is saved; put it back, or stop the server", place.path().display());
                if let Err(error) = empty_log(db) {
                    log::warn!("the last changes stay in the -wal file: {error}");
                }
            }
            let error = StoreError::new(StoreErrorKind::Moved, format!("the data file {what}"));
            self.db = Err(error.clone());
            place.forget_side_files();
            return Err(error);
        }
        let what = match &self.db {
            Ok(_) if place.has_side_files() => return Ok(()),
            Ok(db) => empty_log(db).map(|()| "has lost its -wal or -shm file, and no change")?,
            Err(_) => "is back, and is used again",
        };
        // The former connection is closed before the next one is opened.
        self.db = Err(StoreError::new(StoreErrorKind::Moved, "the data file is being opened again"));
        self.db = connect(place, &self.schema);
        if self.db.is_ok() {
            log::warn!("{} {what}", place.path().display());
        }
        self.db().map(drop)
    }

    fn db(&self) -> Result<&Connection, StoreError> {
        self.db.as_ref().map_err(Clone::clone)
    }

    /// Moves the content of the write-ahead log to the file, so that the log starts over. This may free space on a full
    /// disk: by default, the log grows to a thousand pages. Waits for no lock. If it fails, the log is unchanged.
    fn shorten_log(&self) {
        if let Ok(db) = &self.db
            && let Err(error) = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
        {
            log::debug!("the log of the data file was not shortened: {error}");
        }
    }

    fn run(&self, statement: &str) -> Result<(), StoreError> {
        self.db()?.prepare_cached(statement)?.execute([])?;
        Ok(())
    }

    /// Checks that the transaction of this batch still exists. SQLite rolls it back if the disk is full or fails.
    fn check(&self) -> Result<(), StoreError> {
        if self.db()?.is_autocommit() { Err(StoreError::undone()) } else { Ok(()) }
    }
}

impl Worker for Store {
    type Output<T: Send + 'static> = Result<T, StoreError>;
    type Error = StoreError;

    /// A commit costs two flushes of the disk, which up to 256 jobs share.
    const BATCH: usize = 256;
    const IDLE_INTERVAL: Option<Duration> = Some(Duration::from_secs(1));

    fn begin(&mut self) -> Result<(), StoreError> {
        self.look_for_file()
    }

    /// Acknowledges a change only if the next start will find it: the file is still at its path after the commit.
    fn commit(&mut self) -> Result<(), StoreError> {
        self.begin_error = None;
        if !std::mem::take(&mut self.has_begun) {
            return Ok(());
        }
        let committed = self.check().and_then(|()| self.run("COMMIT"));
        if committed.is_err() {
            if self.check().is_ok() {
                // Only the first error is reported. The next batch begins a new transaction in any case.
                let _ = self.run("ROLLBACK");
            }
            self.shorten_log();
        }
        committed.and_then(|()| self.look_for_file())
    }

    fn idle(&mut self) {
        // The log has the error already.
        let _ = self.look_for_file();
    }

    fn failed<T: Send + 'static>(error: StoreError) -> Result<T, StoreError> {
        Err(error)
    }
}

impl Drop for Store {
    /// A file that was moved since the last look gets all that was acknowledged. SQLite closes it without that.
    fn drop(&mut self) {
        // The log has the error already.
        let _ = self.look_for_file();
    }
}

fn open_in_memory(schema: &Schema) -> Result<Connection, StoreError> {
    let mut db = Connection::open_in_memory()?;
    prepare(&mut db, schema)?;
    Ok(db)
}

fn open_at(path: &Path, schema: &Schema) -> Result<(Connection, Option<Place>), StoreError> {
    let mut place = Place::open(path)?;
    Ok((connect(&mut place, schema)?, Some(place)))
}

/// Opens the file at its place.
fn connect(place: &mut Place, schema: &Schema) -> Result<Connection, StoreError> {
    place.lock_log()?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(place.path(), flags)?;
    prepare(&mut db, schema)?;
    place.note_side_files()?;
    Ok(db)
}

/// Checks the file, sets its pragmas, and migrates it.
fn prepare(db: &mut Connection, schema: &Schema) -> Result<(), StoreError> {
    db.busy_timeout(LOCK_WAIT)?;
    // There may be no directory for temporary files, for example if the root file system is read-only.
    db.pragma_update(None, "temp_store", "MEMORY")?;
    // The first access to the file: it fails if the file is not a database.
    let (id, version): (i32, u32) = db.query_row(
        "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let is_new = db.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
    if id != schema.application_id && !(is_new && id == 0) {
        return Err(StoreError::new(
            StoreErrorKind::Foreign,
            "it belongs to another program; name another file with --data",
        ));
    }
    let Some(missing) = schema.migrations.get(version as usize..) else {
        return Err(StoreError::new(StoreErrorKind::Foreign, "it was written by a newer version of this program"));
    };
    let verdict: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        let verdict = verdict.replace('\n', " ");
        return Err(StoreError::new(StoreErrorKind::Damaged, format!("it is damaged ({verdict}); restore a copy")));
    }
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    if !missing.is_empty() {
        migrate(db, schema, missing)?;
    }
    Ok(())
}

/// Moves all of the write-ahead log to the file.
fn empty_log(db: &Connection) -> Result<(), StoreError> {
    let is_busy = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if is_busy { Err(StoreError::new(StoreErrorKind::Locked, "another program is using it")) } else { Ok(()) }
}

/// Runs the `missing` migrations in one transaction.
fn migrate(db: &mut Connection, schema: &Schema, missing: &[&str]) -> Result<(), StoreError> {
    let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for migration in missing {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", schema.application_id)?;
    transaction.pragma_update(None, "user_version", schema.migrations.len() as u32)?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests;
