//! Storage: a data file that one worker writes (SQLite).
//!
//! Invariants: what a job wrote is on the disk before its result goes home (write-ahead log, `synchronous=FULL`, one
//! commit for all jobs that wait); a job that fails has written nothing. Waits for no lock but when it writes, and then
//! for two seconds at most. The state are the servers' own.
//!
//! See <https://www.sqlite.org/wal.html> for the log, and <https://www.sqlite.org/lang_savepoint.html> for what keeps
//! the jobs of a batch apart.

mod error;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use directories::ProjectDirs;
use rusqlite::{Connection, MAIN_DB, OpenFlags};

pub use error::{OpenError, StoreError, Trouble};

use crate::workers::Worker;

/// Where data is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataFile {
    /// Nowhere: it is gone with the process.
    Memory,
    /// In a file, and two beside it while it is open (`-wal`, `-shm`).
    Path(PathBuf),
}

impl DataFile {
    /// The file of this name in the user's data directory (by the XDG Base Directory Specification,
    /// `~/.local/share/switchboard`), which is made if it is missing.
    ///
    /// # Errors
    /// When there is no home, or the directory cannot be made.
    pub fn of_user(name: &str) -> Result<Self, OpenError> {
        let Some(places) = ProjectDirs::from("", "", "switchboard") else {
            return Err(OpenError::new(Path::new(name), "there is no home directory for it; name a file with --data"));
        };
        let directory = places.data_dir();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| OpenError::new(directory, error))?;
        Ok(DataFile::Path(directory.join(format!("{name}.db"))))
    }
}

impl From<OsString> for DataFile {
    /// `:memory:`, or a path.
    fn from(text: OsString) -> Self {
        if text == ":memory:" { DataFile::Memory } else { DataFile::Path(text.into()) }
    }
}

/// What a server keeps in its file.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Tells the files of one server from those of others (`PRAGMA application_id`).
    pub application_id: i32,
    /// Statements that make the state, from each version to the next. A file knows how many were carried out (`PRAGMA
    /// user_version`): append, and never change one that was released.
    pub migrations: &'static [&'static str],
}

/// An open data file: the state of one worker.
#[derive(Debug)]
pub struct Store {
    db: Connection,
    /// A transaction was begun in this batch.
    has_begun: bool,
    /// Why none could be begun. It is not tried again within the batch, or each of its jobs would wait for the lock
    /// anew.
    refusal: Option<StoreError>,
}

/// How long a write waits for another program that holds the file's lock.
const LOCK_WAIT: Duration = Duration::from_secs(2);

impl Store {
    /// Opens a data file, makes it if it is missing, checks that it is whole, and brings it to the schema's version.
    ///
    /// The check reads all of the file: about a second for a gigabyte.
    ///
    /// # Errors
    /// With the path, what is wrong, and what can be done: the file cannot be read or written, is damaged, belongs to
    /// another program or a newer version, or is locked.
    pub fn open(file: &DataFile, schema: &Schema) -> Result<Self, OpenError> {
        match file {
            DataFile::Memory => Connection::open_in_memory()
                .map_err(StoreError::from)
                .and_then(|db| prepare(db, schema))
                .map_err(|error| OpenError::new(Path::new(":memory:"), error)),
            DataFile::Path(path) => {
                create(path).map_err(|error| OpenError::new(path, error))?;
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let db = Connection::open_with_flags(path, flags).map_err(StoreError::from);
                db.and_then(|db| prepare(db, schema)).map_err(|error| OpenError::new(path, error))
            }
        }
    }

    /// Looks something up. Waits for nobody.
    ///
    /// # Errors
    /// The job's own, and those of the file.
    pub fn read<T>(&mut self, job: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        job(&self.db)
    }

    /// Changes something. On an error nothing is changed.
    ///
    /// # Errors
    /// The job's own, and those of the file.
    pub fn write<T>(&mut self, job: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.begin_once()?;
        self.check()?;
        self.run("SAVEPOINT job")?;
        let result = job(&self.db);
        if self.check().is_err() {
            // A failure of the disk has undone the whole transaction: there is no savepoint any more.
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
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        let begun = self.run("BEGIN IMMEDIATE");
        self.has_begun = begun.is_ok();
        self.refusal = begun.as_ref().err().cloned();
        begun
    }

    /// Moves what the log holds to its place in the file, so that the log begins anew: on a disk without room it may be
    /// the log that takes it, a thousand pages by default. Waits for nobody; where it fails, the log stays as it is.
    fn shorten_log(&self) {
        if let Err(error) = self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            log::debug!("the log of the data file was not shortened: {error}");
        }
    }

    fn run(&self, statement: &str) -> Result<(), StoreError> {
        self.db.prepare_cached(statement)?.execute([])?;
        Ok(())
    }

    /// The transaction of this batch is still there: SQLite undoes all of it when the disk is full or fails.
    fn check(&self) -> Result<(), StoreError> {
        if self.db.is_autocommit() { Err(StoreError::undone()) } else { Ok(()) }
    }
}

impl Worker for Store {
    type Output<T: Send + 'static> = Result<T, StoreError>;
    type Error = StoreError;

    /// As many share the cost of one commit: two flushes of the disk.
    const BATCH: usize = 256;

    fn commit(&mut self) -> Result<(), StoreError> {
        self.refusal = None;
        if !std::mem::take(&mut self.has_begun) {
            return Ok(());
        }
        let committed = self.check().and_then(|()| self.run("COMMIT"));
        if committed.is_err() {
            if !self.db.is_autocommit() {
                // What matters is the first error; the next batch begins anew in any case.
                let _ = self.run("ROLLBACK");
            }
            self.shorten_log();
        }
        committed
    }

    fn failed<T: Send + 'static>(error: StoreError) -> Result<T, StoreError> {
        Err(error)
    }
}

/// Makes a missing file, for its owner only: SQLite would let everybody read it.
fn create(path: &Path) -> io::Result<()> {
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result.map(drop),
    }
}

fn prepare(mut db: Connection, schema: &Schema) -> Result<Store, StoreError> {
    db.busy_timeout(LOCK_WAIT)?;
    // The first look at the file: this is where one that is no database is found out.
    let (id, version): (i32, u32) = db.query_row(
        "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let is_new = db.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
    if id != schema.application_id && !(is_new && id == 0) {
        return Err(StoreError::new(Trouble::Foreign, "it belongs to another program; name another file with --data"));
    }
    let Some(missing) = schema.migrations.get(version as usize..) else {
        return Err(StoreError::new(Trouble::Foreign, "it was written by a newer version of this program"));
    };
    if db.is_readonly(MAIN_DB)? {
        return Err(StoreError::new(Trouble::ReadOnly, "it cannot be written to; look at its permissions"));
    }
    let verdict: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        let verdict = verdict.replace('\n', " ");
        return Err(StoreError::new(Trouble::Damaged, format!("it is damaged ({verdict}); restore a copy")));
    }
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    if !missing.is_empty() {
        migrate(&mut db, schema, missing)?;
    }
    Ok(Store { db, has_begun: false, refusal: None })
}

/// Carries out what is missing, all or nothing.
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
