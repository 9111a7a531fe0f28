//! The books of the polite clients, kept on a thread of its own: what was said, what was heard, and how long it took.
//!
//! Times come with the events, so that the time that the books take is not measured. Events come in the order
//! in which they happened: a line is owed before it can be heard.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::hearing::Hearing;
use crate::kind::Kind;
use crate::ledger::Tally;
use crate::polite::Phase;
use crate::process::yield_to_others;
use crate::speech;

/// What there is to write down.
#[derive(Debug)]
pub(crate) enum Event {
    /// This client has said its next line, which counts for this phase.
    Said(usize, Phase, Instant),
    /// This client has got bytes.
    Heard(usize, Vec<u8>, Instant),
    /// This client was closed, and how.
    Closed(usize, String),
    /// No more lines are said.
    Leaving,
}

/// What the polite have seen.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) tally: Tally,
    /// How long a line took, in microseconds, for each line and each who was owed it: sorted.
    pub(crate) quiet: Vec<u32>,
    pub(crate) during: Vec<u32>,
    /// Lines heard that no polite client had said.
    pub(crate) others: u64,
    /// The closed clients, and how each was closed.
    pub(crate) closed: Vec<String>,
}

/// The books, as who fills them sees them.
#[derive(Debug)]
pub(crate) struct Books {
    events: Sender<Event>,
    is_settled: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Report>>,
}

impl Books {
    pub(crate) fn open(kind: Kind, crowd: usize) -> Books {
        let (events, receiver) = mpsc::channel();
        let is_settled = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_settled);
        let thread = thread::spawn(move || {
            yield_to_others()?;
            Ok(Keeper::new(kind, crowd).keep(&receiver, &told))
        });
        Books { events, is_settled, thread }
    }

    pub(crate) fn note(&self, event: Event) {
        // Fails when the thread has panicked, which closing the books tells.
        self.events.send(event).ok();
    }

    /// Whether all has been heard that is owed to those who are still there, once they say no more.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_settled.load(Ordering::Relaxed)
    }

    /// What has not been heard by now never will be.
    pub(crate) fn close(self) -> io::Result<Report> {
        drop(self.events);
        self.thread.join().map_err(|_| io::Error::other("the books panicked: a bug of this program"))?
    }
}

struct Keeper {
    hearings: Vec<Hearing>,
    /// When each line of each client was said, and what for.
    said: Vec<Vec<(Instant, Phase)>>,
    closed: BTreeMap<usize, String>,
    report: Report,
    is_leaving: bool,
}

impl Keeper {
    fn new(kind: Kind, crowd: usize) -> Keeper {
        let hearings = (0..crowd).map(|me| Hearing::new(kind, me, crowd)).collect();
        let said = vec![Vec::new(); crowd];
        Keeper { hearings, said, closed: BTreeMap::new(), report: Report::default(), is_leaving: false }
    }

    fn keep(mut self, events: &Receiver<Event>, is_settled: &AtomicBool) -> Report {
        for event in events {
            self.write_down(event);
            if self.is_leaving && self.is_settled() {
                is_settled.store(true, Ordering::Relaxed);
            }
        }
        self.close()
    }

    fn write_down(&mut self, event: Event) {
        match event {
            Event::Said(speaker, phase, at) => {
                self.said[speaker].push((at, phase));
                self.hearings.iter_mut().for_each(|hearing| hearing.owe(speaker));
            }
            Event::Heard(hearer, bytes, at) => {
                let Keeper { hearings, said, report, .. } = self;
                hearings[hearer].hear(&bytes, |speaker, number| {
                    let (said, phase) = said[speaker][number as usize];
                    let micros = at.saturating_duration_since(said).as_micros() as u32;
                    match phase {
                        Phase::Quiet => report.quiet.push(micros),
                        Phase::Fault => report.during.push(micros),
                        Phase::Between | Phase::Leaving => {}
                    }
                });
            }
            Event::Closed(who, how) => drop(self.closed.insert(who, how)),
            Event::Leaving => self.is_leaving = true,
        }
    }

    fn is_settled(&self) -> bool {
        let mut present = self.hearings.iter().enumerate().filter(|(nth, _)| !self.closed.contains_key(nth));
        present.all(|(_, hearing)| hearing.is_settled())
    }

    fn close(mut self) -> Report {
        for mut hearing in self.hearings {
            hearing.close();
            self.report.tally.add(hearing.tally);
            self.report.others += hearing.others;
        }
        let closed = self.closed.into_iter();
        self.report.closed = closed.map(|(who, how)| format!("{}: {how}", speech::name(who))).collect();
        self.report.quiet.sort_unstable();
        self.report.during.sort_unstable();
        self.report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// The report of two members of a room, of whom the second says a line in each of these phases and the first hears
    /// all but the last `lost` of them, 7 microseconds later.
    fn report(phases: &[Phase], lost: usize) -> Report {
        let books = Books::open(Kind::Chat, 2);
        let now = Instant::now();
        for (number, phase) in phases.iter().enumerate() {
            books.note(Event::Said(1, *phase, now));
            if number + lost < phases.len() {
                let line = Kind::Chat.heard(1, number as u64) + "\n";
                books.note(Event::Heard(0, line.into_bytes(), now + Duration::from_micros(7)));
            }
        }
        books.note(Event::Leaving);
        books.close().expect("the books are kept")
    }

    #[test]
    fn a_line_counts_for_the_phase_in_which_it_was_said() {
        let report = report(&[Phase::Between, Phase::Quiet, Phase::Fault, Phase::Fault, Phase::Between], 0);
        assert_eq!((report.quiet, report.during), (vec![7], vec![7, 7]));
        assert_eq!((report.tally.lost, report.tally.wrong), (0, 0));
    }

    #[test]
    fn what_was_said_last_is_missed_too() {
        let whole = report(&[Phase::Fault; 3], 0).tally;
        let report = report(&[Phase::Fault; 3], 1);
        let last = Kind::Chat.heard(1, 2).len() as u64 + 1;
        assert_eq!((report.tally.owed, report.tally.lost), (whole.owed, last));
    }

    #[test]
    fn a_closed_client_is_reported_and_its_lines_count_as_lost() {
        let books = Books::open(Kind::Chat, 2);
        books.note(Event::Closed(0, "a reset".into()));
        books.note(Event::Said(1, Phase::Fault, Instant::now()));
        books.note(Event::Leaving);
        while !books.is_settled() {
            thread::yield_now();
        }
        let report = books.close().expect("the books are kept");
        assert_eq!(report.closed, ["polite00: a reset"]);
        assert_eq!(report.tally.lost, report.tally.owed);
    }

    #[test]
    fn the_books_are_not_settled_before_all_is_heard() {
        let mut keeper = Keeper::new(Kind::Echo, 1);
        assert!(keeper.is_settled());
        keeper.write_down(Event::Said(0, Phase::Quiet, Instant::now()));
        assert!(!keeper.is_settled());
        let line = Kind::Echo.heard(0, 0) + "\n";
        keeper.write_down(Event::Heard(0, line.into_bytes(), Instant::now()));
        assert!(keeper.is_settled());
    }
}
