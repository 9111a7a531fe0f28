//! What can go wrong with a data file, in words for the operator.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why a job failed. It has changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    trouble: Trouble,
    text: String,
}

/// The kinds of trouble with a data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// The disk has no room for the file.
    Full,
    /// Another program holds the lock of the file.
    Locked,
    /// The file cannot be written to.
    ReadOnly,
    /// The content of the file is damaged, or the file is not a database.
    Damaged,
    /// The file belongs to another program or to a newer version.
    Foreign,
    /// The disk failed.
    Failed,
    /// A statement is wrong: a bug of the server.
    Bug,
}

impl StoreError {
    pub(super) fn new(trouble: Trouble, text: impl Into<String>) -> Self {
        StoreError { trouble, text: text.into() }
    }

    /// The error of a job whose transaction was rolled back because of an earlier failure.
    pub(super) fn undone() -> Self {
        StoreError::new(Trouble::Failed, "the disk is full or has failed; nothing was changed")
    }

    /// Returns the kind of trouble.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        self.trouble
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let (trouble, remedy) = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => (Trouble::Full, "make room on the disk"),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                (Trouble::Locked, "another program is using it; stop that program")
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                (Trouble::ReadOnly, "look at its permissions, and at those of its directory")
            }
            Some(ErrorCode::DatabaseCorrupt) => (Trouble::Damaged, "restore a copy"),
            Some(ErrorCode::NotADatabase) => (Trouble::Damaged, "name another file with --data"),
            Some(ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed) => {
                (Trouble::Failed, "look at the disk")
            }
            _ => (Trouble::Bug, "this is a mistake in the program"),
        };
        StoreError::new(trouble, format!("{error}; {remedy}"))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for StoreError {}

/// Why a data file could not be opened: its path, the cause and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenError {
    path: PathBuf,
    text: String,
}

impl OpenError {
    pub(super) fn new(path: &Path, text: impl fmt::Display) -> Self {
        OpenError { path: path.into(), text: text.to_string() }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use {}: {}", self.path.display(), self.text)
    }
}

impl Error for OpenError {}
