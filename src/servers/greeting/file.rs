//! The file that greets each client.
//!
//! Invariants: each client gets the file that is at the path when it connects. A thread opens the file, since that may
//! take long on a network. Clients that get the same file share one descriptor.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Weak};

use rustix::fs::OFlags;

use crate::handler::context::Context;
use crate::state::throttle::Throttle;
use crate::workers::{Done, Workers};

/// Clients that may wait for the file to be opened. 4096: opening takes microseconds, so only a file system that hangs
/// fills the queue.
const WAITING: usize = 4096;

/// A regular file, found by its path for each client anew.
#[derive(Debug)]
pub(super) struct GreetingFile {
    path: Arc<Path>,
    workers: Workers<()>,
    /// The file of the last client, if a client still gets it.
    last: (Weak<File>, FileId),
    failures: Throttle,
}

/// The device and the inode number.
type FileId = (u64, u64);

/// An open file, with its length in bytes.
struct Opened {
    file: File,
    id: FileId,
    length: u64,
}

impl GreetingFile {
    /// Checks that the path leads to a regular file that can be read.
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        open(path)?;
        let workers = Workers::new("greeting", WAITING, vec![()]);
        Ok(GreetingFile { path: path.into(), workers, last: Default::default(), failures: Throttle::new() })
    }

    /// Starts the thread that opens the file.
    #[cfg(feature = "cli")]
    pub(super) fn start_thread(&self) -> io::Result<()> {
        self.workers.start()
    }

    /// Opens the file for a new session. [`reply`](Self::reply) follows when that is done. If the queue is full, the
    /// session is closed.
    pub(super) fn open(&mut self, cx: &mut Context<'_>) {
        let path = Arc::clone(&self.path);
        if let Err(busy) = cx.offload(&self.workers, move |()| open(&path)) {
            self.fail(&io::Error::other(busy), cx);
        }
    }

    /// Replies with the file. If it could not be opened, the session is closed.
    pub(super) fn reply(&mut self, done: Done, cx: &mut Context<'_>) {
        let opened = done.downcast::<io::Result<Opened>>().expect("the one kind of job returns a file");
        if let Err(error) = opened.and_then(|opened| self.send(opened, cx)) {
            self.fail(&error, cx);
        }
    }

    fn send(&mut self, opened: Opened, cx: &mut Context<'_>) -> io::Result<()> {
        let Opened { file, id, length } = opened;
        let file = match self.last.0.upgrade() {
            Some(last) if self.last.1 == id => last,
            _ => Arc::new(file),
        };
        self.last = (Arc::downgrade(&file), id);
        cx.reply_file(file, 0..length)
    }

    fn fail(&mut self, error: &io::Error, cx: &mut Context<'_>) {
        if let Some(repeats) = self.failures.note(cx.now()) {
            log::warn!("{} is not sent to {}: {error}{repeats}", self.path.display(), cx.peer());
        }
        cx.abort();
    }
}

/// Opens a regular file.
///
/// # Errors
/// Fails if the system refuses, or if the path leads to something else.
fn open(path: &Path) -> io::Result<Opened> {
    // Nonblocking: without a writer, the open of a named pipe would wait for one. For a file it has no effect.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let found = file.metadata()?;
    let kind = found.file_type();
    let other = match kind {
        _ if kind.is_file() => {
            return Ok(Opened { file, id: (found.dev(), found.ino()), length: found.len() });
        }
        _ if kind.is_dir() => "a directory",
        _ if kind.is_fifo() => "a pipe",
        _ => "a device",
    };
    Err(io::Error::other(format!("it is {other}, not a regular file")))
}
