//! A phone book for all clients, kept in a data file: one command per line, one answer per line.
//!
//! Invariants: a change is answered after it is on the disk. A client's answers have the order of its commands. The
//! words of clients are shown through [`quoted`] or [`sanitize`]. A listing is fetched page by page, each page by a job
//! of its own and only as fast as the client reads, so a long listing blocks neither the file nor memory.

#[cfg(feature = "cli")]
mod args;

#[cfg(feature = "cli")]
pub use args::PhonebookServer;

mod command;
mod entry;
mod table;
mod texts;
#[cfg(feature = "web")]
mod web;

use std::io;
use std::ops::ControlFlow;

use crate::connection::origin::Origin;
use crate::framing::{Lines, MessageHandler};
use crate::handler::context::Context;
use crate::handler::sanitize::sanitize;
use crate::state::throttle::Throttles;
use crate::workers::storage::{Schema, Store, StoreError, StoreErrorKind};
use crate::workers::{Done, Workers};

use crate::servers::text::{refuse_http, reply};
use command::{Command, Mistake};
use entry::Entry;
use table::{Outcome, Page};
use texts::quoted;

/// The options of a phone book.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PhonebookOptions {
    /// The longest line, in bytes, without its end. A longer line gets a notice.
    pub max_line: usize,
}

impl Default for PhonebookOptions {
    fn default() -> Self {
        PhonebookOptions { max_line: 4096 }
    }
}

/// A phone book; the handler that [`Phonebook::lines`] wraps.
///
/// ```
/// use switchboard::Sim;
/// use switchboard::servers::{Phonebook, PhonebookOptions};
/// use switchboard::workers::storage::{DataFile, Store};
///
/// let store = Store::open(&DataFile::Memory, &Phonebook::SCHEMA)?;
/// let mut sim = Sim::new(Phonebook::lines(store, PhonebookOptions::default()));
/// let peer = sim.connect();
/// sim.send(peer, b"ADD Ann 555-0123\nfind ann\n");
/// let answers = String::from_utf8(sim.received(peer)).expect("text");
/// let lines: Vec<&str> = answers.lines().skip(1).collect();
/// assert_eq!(lines, ["Added: \"Ann\" \"555-0123\"", "\"Ann\" \"555-0123\""]);
/// # Ok::<(), switchboard::workers::storage::OpenError>(())
/// ```
#[derive(Debug)]
pub struct Phonebook {
    store: Workers<Store>,
    /// Limits for log lines about the data file, for each kind of error.
    failures: Throttles<StoreErrorKind>,
}

/// The state of a connection.
#[derive(Debug)]
pub struct PhonebookSession {
    listing: Option<Listing>,
}

/// An unfinished listing.
#[derive(Debug)]
struct Listing {
    prefix: Box<str>,
    /// The first key of the next page.
    next: Box<str>,
    /// Entries sent so far.
    count: u64,
    /// Whether the next page waits until the client has read.
    waits: bool,
}

/// Jobs that may wait for the file. 8192: one command of each of as many clients, which take a few megabytes.
const WAITING: usize = 8192;

impl Phonebook {
    /// The schema of the data file.
    pub const SCHEMA: Schema = table::SCHEMA;

    /// Creates a phone book from an open file with this [`SCHEMA`](Self::SCHEMA). Its clients send lines.
    #[must_use]
    pub fn lines(store: Store, options: PhonebookOptions) -> Lines<Phonebook> {
        let store = Workers::new("phonebook", WAITING, vec![store]);
        Lines::new(Phonebook { store, failures: Throttles::new() }, options.max_line)
    }

    /// Starts the thread that uses the data file now, rather than with the first request. Not for a simulation.
    ///
    /// # Errors
    /// If the system refuses the thread.
    pub fn start_thread(&self) -> io::Result<()> {
        self.store.start()
    }
}

impl MessageHandler for Phonebook {
    type Session = PhonebookSession;

    fn open(&mut self, _: &Origin, cx: &mut Context<'_>) -> PhonebookSession {
        reply(texts::WELCOME, &[], cx);
        PhonebookSession { listing: None }
    }

    fn message<'a>(&mut self, session: &mut PhonebookSession, line: &'a mut [u8], cx: &mut Context<'a>) {
        if refuse_http(line, texts::NO_HTTP, cx) {
            return;
        }
        match str::from_utf8(line) {
            Ok(line) if self.obey(session, line, cx).is_break() => cx.close(),
            Ok(_) => {}
            Err(_) => reply(texts::NOT_UTF8, &[], cx),
        }
    }

    fn too_long(&mut self, _: &mut PhonebookSession, limit: usize, cx: &mut Context<'_>) {
        reply(texts::TOO_LONG, &[&limit.to_string()], cx);
    }

    fn done(&mut self, session: &mut PhonebookSession, done: Done, cx: &mut Context<'_>) {
        match done.downcast::<Result<Outcome, StoreError>>().expect("every job returns an outcome") {
            Ok(Outcome::Found(entry)) => reply_entry(texts::ENTRY, &entry, cx),
            Ok(Outcome::NotFound(name)) => reply(texts::NOT_FOUND, &[&quoted(&name.shown)], cx),
            Ok(Outcome::Added(entry)) => reply_entry(texts::ADDED, &entry, cx),
            Ok(Outcome::Exists(entry)) => reply_entry(texts::EXISTS, &entry, cx),
            Ok(Outcome::Changed(Entry { name, number }, former)) => {
                reply(texts::CHANGED, &[&quoted(&name), &quoted(&number), &quoted(&former)], cx);
            }
            Ok(Outcome::Removed(entry)) => reply_entry(texts::REMOVED, &entry, cx),
            Ok(Outcome::Page(page)) => self.show(session, page, cx),
            Err(error) => {
                session.listing = None;
                self.fail(&error, cx);
            }
        }
    }

    fn drained(&mut self, session: &mut PhonebookSession, cx: &mut Context<'_>) {
        if let Some(listing) = &mut session.listing
            && std::mem::take(&mut listing.waits)
        {
            self.fetch(session, cx);
        }
    }
}

impl Phonebook {
    /// Obeys a line of a client, from any door. Returns `Break` after `QUIT`, which ends the connection.
    fn obey(&mut self, session: &mut PhonebookSession, line: &str, cx: &mut Context<'_>) -> ControlFlow<()> {
        match Command::parse(line) {
            Ok(command) => return self.run(session, command, cx),
            Err(mistake) => refuse(&mistake, cx),
        }
        ControlFlow::Continue(())
    }

    fn run(&mut self, session: &mut PhonebookSession, command: Command, cx: &mut Context<'_>) -> ControlFlow<()> {
        let taken = match command {
            Command::Find(name) => cx.offload(&self.store, |store| store.read(|db| table::find(db, name))),
            Command::Add(name, number) => {
                cx.offload(&self.store, |store| store.write(|db| table::add(db, name, number)))
            }
            Command::Change(name, number) => {
                cx.offload(&self.store, |store| store.write(|db| table::change(db, name, number)))
            }
            Command::Remove(name) => cx.offload(&self.store, |store| store.write(|db| table::remove(db, name))),
            Command::List(prefix) => {
                session.listing = Some(Listing { next: prefix.clone(), prefix, count: 0, waits: false });
                self.fetch(session, cx);
                Ok(())
            }
            Command::Help => {
                reply(texts::HELP, &[], cx);
                Ok(())
            }
            Command::Quit => {
                reply(texts::BYE, &[], cx);
                return ControlFlow::Break(());
            }
            Command::Nothing => Ok(()),
        };
        if taken.is_err() {
            reply(texts::BUSY, &[], cx);
        }
        ControlFlow::Continue(())
    }

    /// Requests the next page of a listing.
    fn fetch(&mut self, session: &mut PhonebookSession, cx: &mut Context<'_>) {
        let Some(listing) = &session.listing else { return };
        let (prefix, start) = (listing.prefix.clone(), listing.next.clone());
        if cx.offload(&self.store, move |store| store.read(|db| table::list(db, &prefix, &start))).is_err() {
            session.listing = None;
            reply(texts::BUSY, &[], cx);
        }
    }

    /// Sends a page of a listing, and requests the next one if the client keeps up.
    fn show(&mut self, session: &mut PhonebookSession, page: Page, cx: &mut Context<'_>) {
        let Some(listing) = &mut session.listing else { return };
        listing.count += page.entries.len() as u64;
        for entry in &page.entries {
            reply_entry(texts::ENTRY, entry, cx);
        }
        let Some(next) = page.next else {
            reply(texts::TOTAL, &[&listing.count.to_string()], cx);
            session.listing = None;
            return;
        };
        listing.next = next;
        listing.waits = !cx.is_writable();
        if !listing.waits {
            self.fetch(session, cx);
        }
    }

    /// Reports an error of the data file. The client receives a notice, and the log contains the reason.
    fn fail(&mut self, error: &StoreError, cx: &mut Context<'_>) {
        reply(texts::FAILED, &[], cx);
        if error.kind() != StoreErrorKind::Moved
            && let Some(repeats) = self.failures.note(error.kind(), cx.now())
        {
            log::error!("phone book: {error}{repeats}");
        }
    }
}

fn refuse(mistake: &Mistake, cx: &mut Context<'_>) {
    match mistake {
        Mistake::Unknown(word) => reply(texts::UNKNOWN, &[&sanitize(word.as_bytes())], cx),
        Mistake::Usage("QUIT") => reply(texts::USAGE_ALONE, &["QUIT"], cx),
        Mistake::Usage(usage) => reply(texts::USAGE, &[usage], cx),
        Mistake::Quotes => reply(texts::BAD_QUOTES, &[], cx),
        Mistake::Name => reply(texts::BAD_NAME, &[], cx),
        Mistake::Number => reply(texts::BAD_NUMBER, &[], cx),
    }
}

fn reply_entry(text: &str, entry: &Entry, cx: &mut Context<'_>) {
    reply(text, &[&quoted(&entry.name), &quoted(&entry.number)], cx);
}

#[cfg(test)]
mod tests;
