//! A bank: accounts with a PIN and a balance, and a journal of all payments.
//!
//! Invariants: an answer is sent after its change is on the disk. One worker changes accounts, in transactions, so
//! sessions may share an account. Only the threads that hash PINs see them. Each nonempty line has one answer, and
//! nothing else is sent, except a welcome. Deposits and withdrawals are only recorded: any client may deposit.

#[cfg(feature = "cli")]
mod args;

#[cfg(feature = "cli")]
pub use args::BankServer;

mod command;
mod ledger;
mod money;
mod pin;
mod texts;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rusqlite::Connection;

use crate::connection::origin::{Origin, Peer};
use crate::framing::{Lines, MessageHandler};
use crate::handler::commands as operator;
use crate::handler::context::Context;
use crate::state::admission::HostKey;
use crate::state::operator::PendingAnswer;
use crate::state::throttle::Throttle;
use crate::workers::storage::{Schema, Store, StoreError, StoreErrorKind};
use crate::workers::{Busy, Done, Workers};

use crate::servers::text::{counted, refuse_http, reply};
use command::{Command, Request};
use ledger::{Account, Attempt, Found, HistoryRow, Hosts, Outcome, Paid, Proof, Purpose};
use money::InterestRate;
use pin::{Cost, Hash, Pin};

/// The options of a bank.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BankOptions {
    /// The longest line, in bytes, without its end. A longer line gets a notice and is not carried out.
    pub max_line: usize,
    /// How long three wrong PINs in a row lock a name, and how long a wrong PIN counts. Zero disables locks.
    ///
    /// Each host from which the account was logged in to before has a count of its own, and all other hosts share one.
    pub lock: Duration,
}

impl Default for BankOptions {
    fn default() -> Self {
        BankOptions { max_line: 4096, lock: Duration::from_secs(60) }
    }
}

/// A bank; the handler that [`Bank::lines`] wraps.
///
/// ```
/// use switchboard::Sim;
/// use switchboard::servers::{Bank, BankOptions};
/// use switchboard::workers::storage::{DataFile, Store};
///
/// let store = Store::open(&DataFile::Memory, &Bank::SCHEMA)?;
/// let mut sim = Sim::new(Bank::lines(store, BankOptions::default()));
/// let ann = sim.connect();
/// sim.send(ann, b"OPEN ann 1234\nLOGIN ann 1234\nDEPOSIT 12.50\n");
/// let answers = String::from_utf8(sim.received(ann)).expect("text");
/// let lines: Vec<&str> = answers.lines().skip(1).collect();
/// assert_eq!(lines, ["ok opened ann", "ok logged in as ann", "ok entry 1 balance 12.50"]);
/// # Ok::<(), switchboard::workers::storage::OpenError>(())
/// ```
#[derive(Debug)]
pub struct Bank {
    store: Workers<Store>,
    hashers: Workers<()>,
    cost: Cost,
    lock: Duration,
    /// The answers to `interest`, in the order in which it is paid.
    interest: VecDeque<PendingAnswer>,
    /// Limits for log lines that a client can cause at any rate.
    locks: Throttle,
    failures: Throttle,
}

/// Threads that hash PINs.
const HASHERS: usize = 2;
/// PINs that may wait for a hasher. The last one waits for less than a second.
const MOST_PINS: usize = 64;
/// Requests that may wait for the data file.
const MOST_REQUESTS: usize = 4096;

/// The state of a connection.
#[derive(Debug)]
pub struct BankSession {
    /// The host under which wrong PINs are counted.
    host: Arc<str>,
    /// The account that is logged in.
    account: Option<Account>,
    step: Step,
}

/// The job that runs for a session, with the data for its next step.
#[derive(Debug, Default)]
enum Step {
    #[default]
    Nothing,
    /// `OPEN`: the PIN is being hashed. The account is opened next.
    Hash { name: Box<str> },
    /// `LOGIN`, `PIN`, `CLOSE`: the account is being looked up. The PIN is compared next.
    Find(Trial),
    /// `LOGIN`, `PIN`, `CLOSE`: the PIN is being compared. The outcome is decided next.
    Compare { name: Box<str>, found: Option<(Account, Hash)> },
    /// The last step of these four, and the only step of all other requests.
    Book,
}

/// A PIN to compare with that of an account.
#[derive(Debug)]
struct Trial {
    name: Box<str>,
    pin: Pin,
    wish: Wish,
}

/// The request that the PIN is for.
#[derive(Debug)]
enum Wish {
    LogIn,
    ChangePin { new: Pin },
    Close,
}

/// The operator's commands, in addition to those of every server.
const INTEREST: operator::CommandHelp =
    operator::CommandHelp { word: "interest", arguments: "PERCENT", what: "pay interest to all accounts" };

impl Bank {
    /// The schema of the data file.
    pub const SCHEMA: Schema = ledger::SCHEMA;

    /// Creates a bank from an open file with this [`SCHEMA`](Self::SCHEMA). Its clients send lines.
    #[must_use]
    pub fn lines(store: Store, options: BankOptions) -> Lines<Bank> {
        Bank::with_cost(store, options, Cost::default())
    }

    /// Creates a bank whose PINs are hashed at the lowest cost that the algorithm allows.
    ///
    /// For simulations that log in a thousand times a second: PINs are easily recovered from the data file of such a
    /// bank.
    #[must_use]
    pub fn with_cheap_pins(store: Store, options: BankOptions) -> Lines<Bank> {
        Bank::with_cost(store, options, Cost::least())
    }

    /// Starts the threads for the data file and for PINs now, rather than with the first request. Not for a simulation.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn start_threads(&self) -> io::Result<()> {
        self.store.start()?;
        self.hashers.start()
    }

    fn with_cost(store: Store, options: BankOptions, cost: Cost) -> Lines<Bank> {
        let store = Workers::new("books", MOST_REQUESTS, vec![store]);
        let hashers = Workers::new("pins", MOST_PINS, vec![(); HASHERS]);
        let (locks, failures) = (Throttle::new(), Throttle::new());
        let (lock, interest) = (options.lock, VecDeque::new());
        Lines::new(Bank { store, hashers, cost, lock, interest, locks, failures }, options.max_line)
    }
}

impl MessageHandler for Bank {
    type Session = BankSession;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> BankSession {
        reply(texts::WELCOME, &[], cx);
        let host = match origin.peer {
            Peer::Inet(address) => HostKey::of(address.ip()).to_string(),
            peer => peer.to_string(),
        };
        BankSession { host: host.into(), account: None, step: Step::Nothing }
    }

    fn message<'a>(&mut self, session: &mut BankSession, line: &'a mut [u8], cx: &mut Context<'a>) {
        if session.account.is_some() || !refuse_http(line, texts::NO_HTTP, cx) {
            self.obey(session, Command::parse(line), cx);
        }
        // The line may contain a PIN, and the buffer is reused.
        line.fill(0);
    }

    fn too_long(&mut self, _: &mut BankSession, limit: usize, cx: &mut Context<'_>) {
        reply(texts::TOO_LONG, &[&limit.to_string()], cx);
    }

    fn kicked(&mut self, _: &mut BankSession, reason: &str, cx: &mut Context<'_>) {
        let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        reply(texts::KICKED, &[&reason], cx);
    }

    fn done(&mut self, session: &mut BankSession, done: Done, cx: &mut Context<'_>) {
        match std::mem::take(&mut session.step) {
            Step::Nothing => unreachable!("each job is started with a step"),
            Step::Hash { name } => {
                match done.downcast::<Result<Hash, String>>().expect("Hash offloads the hash of a PIN") {
                    Ok(hash) => self.open_account(session, name, hash, cx),
                    Err(error) => reply(texts::TROUBLE, &[&error], cx),
                }
            }
            Step::Find(trial) => match done.downcast::<Result<Found, StoreError>>().expect("Find offloads a look-up") {
                // The account of the session was found, until another session has closed it.
                Ok(Found::Free(None)) if session.account.is_some() => self.conclude(session, Outcome::Gone, cx),
                Ok(Found::Free(found)) => self.compare(session, trial, found, cx),
                Ok(Found::Locked(time)) => self.conclude(session, Outcome::Locked(time), cx),
                Err(error) => self.fail(&error, cx),
            },
            Step::Compare { name, found } => {
                match done.downcast::<Result<Option<Purpose>, String>>().expect("Compare offloads a comparison") {
                    Ok(purpose) => {
                        let proof = found.zip(purpose);
                        let proof = proof.map(|((account, hash), purpose)| Proof { account, hash, purpose });
                        self.decide(session, name, proof, cx);
                    }
                    Err(error) => reply(texts::TROUBLE, &[&error], cx),
                }
            }
            Step::Book => match done.downcast::<Result<Outcome, StoreError>>().expect("Book offloads a transaction") {
                Ok(outcome) => self.conclude(session, outcome, cx),
                Err(error) => self.fail(&error, cx),
            },
        }
    }

    fn console(&mut self, line: &[u8], cx: &mut Context<'_>) {
        let text = String::from_utf8_lossy(line);
        let words: Vec<_> = text.split_whitespace().collect();
        match words[..] {
            ["interest", percent] => self.pay_interest(percent, cx),
            ["interest", ..] => operator::answer(&format!("usage: {}", INTEREST.usage()), cx),
            _ => operator::run_common(&[INTEREST], line, cx),
        }
    }

    fn service_done(&mut self, done: Done, cx: &mut Context<'_>) {
        let done = done.downcast::<Result<(InterestRate, Paid), StoreError>>().expect("only interest is a service job");
        let line = match done {
            Ok((rate, Paid { total, accounts, full })) => {
                let skipped = match full {
                    0 => String::new(),
                    full => format!("; skipped {} whose balance would be too large", counted(full, "account")),
                };
                format!("interest of {rate}: {total} paid to {}{skipped}", counted(accounts, "account"))
            }
            Err(error) => format!("no interest was paid: {error}"),
        };
        if let Some(answer) = self.interest.pop_front() {
            cx.answer_operator(answer, &line);
        }
    }
}

impl Bank {
    fn obey(&mut self, session: &mut BankSession, command: Command<'_>, cx: &mut Context<'_>) {
        match (command, &session.account) {
            (Command::Nothing, _) => {}
            (Command::Wrong(text, values), _) => reply(text, values, cx),
            (Command::Help, _) => {
                reply(texts::LINES, &[&texts::HELP.lines().count().to_string()], cx);
                reply(texts::HELP, &[], cx);
            }
            (Command::Quit, _) => {
                reply(texts::BYE, &[], cx);
                cx.close();
            }
            (Command::Open { name, pin }, _) => {
                let cost = self.cost.clone();
                let taken = cx.offload(&self.hashers, move |()| cost.hash(&pin));
                session.expect(Step::Hash { name: name.into() }, taken, cx);
            }
            (Command::Login { name, pin }, None) => {
                self.find(session, Trial { name: name.into(), pin, wish: Wish::LogIn }, cx);
            }
            (Command::Login { .. }, Some(account)) => reply(texts::LOG_OUT, &[&account.name], cx),
            (_, None) => reply(texts::LOG_IN, &[], cx),
            (Command::ChangePin { old, new }, Some(account)) => {
                let trial = Trial { name: account.name.clone(), pin: old, wish: Wish::ChangePin { new } };
                self.find(session, trial, cx);
            }
            (Command::Close { pin }, Some(account)) => {
                let trial = Trial { name: account.name.clone(), pin, wish: Wish::Close };
                self.find(session, trial, cx);
            }
            (Command::Logout, Some(_)) => {
                session.account = None;
                cx.set_name("");
                reply(texts::LOGGED_OUT, &[], cx);
            }
            (Command::Request(request), Some(account)) => {
                let (id, now) = (account.id, now(cx));
                let only_reads = matches!(request, Request::Balance | Request::History(_));
                let job = move |db: &Connection| ledger::carry_out(db, id, &request, now);
                if only_reads {
                    let taken = cx.offload(&self.store, move |store| store.read(job));
                    session.expect(Step::Book, taken, cx);
                } else {
                    self.book(session, job, cx);
                }
            }
        }
    }

    /// Continues `OPEN` with the hash of the PIN.
    fn open_account(&self, session: &mut BankSession, name: Box<str>, hash: Hash, cx: &mut Context<'_>) {
        let attempt = self.attempt(session, name, cx);
        self.book(session, move |db| ledger::open(db, &attempt, &hash), cx);
    }

    /// Starts the comparison of a PIN with a look-up of the account.
    fn find(&self, session: &mut BankSession, trial: Trial, cx: &mut Context<'_>) {
        let attempt = self.attempt(session, trial.name.clone(), cx);
        let taken = cx.offload(&self.store, move |store| store.write(|db| ledger::find(db, &attempt)));
        session.expect(Step::Find(trial), taken, cx);
    }

    /// Continues with the account, if there is one. An unknown name costs as much as a known one.
    fn compare(
        &self,
        session: &mut BankSession,
        Trial { name, pin, wish }: Trial,
        found: Option<(Account, Hash)>,
        cx: &mut Context<'_>,
    ) {
        let hash = found.as_ref().map_or_else(|| self.cost.unmatchable_hash(), |(_, hash)| hash.clone());
        let cost = self.cost.clone();
        let compare = move |(): &mut ()| {
            if !hash.matches(&pin) {
                return Ok(None);
            }
            Ok::<_, String>(Some(match wish {
                Wish::LogIn => Purpose::LogIn,
                Wish::ChangePin { new } => Purpose::ChangePin(cost.hash(&new)?),
                Wish::Close => Purpose::Close,
            }))
        };
        let taken = cx.offload(&self.hashers, compare);
        session.expect(Step::Compare { name, found }, taken, cx);
    }

    /// Continues with the proof, if the PIN is right.
    fn decide(&self, session: &mut BankSession, name: Box<str>, proof: Option<Proof>, cx: &mut Context<'_>) {
        let attempt = self.attempt(session, name, cx);
        let job = move |db: &Connection| match proof {
            Some(proof) => ledger::admit(db, proof, &attempt),
            None => ledger::refuse(db, &attempt),
        };
        self.book(session, job, cx);
    }

    /// Starts the last step of a request, as a transaction.
    fn book(
        &self,
        session: &mut BankSession,
        job: impl FnOnce(&Connection) -> Result<Outcome, StoreError> + Send + 'static,
        cx: &mut Context<'_>,
    ) {
        let taken = cx.offload(&self.store, move |store| store.write(job));
        session.expect(Step::Book, taken, cx);
    }

    /// Replies with the outcome of a request.
    fn conclude(&mut self, session: &mut BankSession, outcome: Outcome, cx: &mut Context<'_>) {
        match outcome {
            Outcome::Opened(name) => {
                log::info!("{} opened the account {name}", cx.peer());
                reply(texts::OPENED, &[&name], cx);
            }
            Outcome::Taken(name) => reply(texts::TAKEN, &[&name], cx),
            Outcome::LoggedIn(account) => {
                log::info!("{} logged in as {}", cx.peer(), account.name);
                cx.set_name(&*account.name);
                reply(texts::LOGGED_IN, &[&account.name], cx);
                session.account = Some(account);
            }
            Outcome::PinChanged => reply(texts::PIN_CHANGED, &[], cx),
            Outcome::Closed(name) => {
                log::info!("{} closed the account {name}", cx.peer());
                reply(texts::CLOSED, &[&name], cx);
                session.account = None;
                cx.set_name("");
            }
            Outcome::NotEmpty(balance) => reply(texts::NOT_EMPTY, &[&balance.to_string()], cx),
            Outcome::Gone => {
                reply(texts::GONE, &[], cx);
                session.account = None;
                cx.set_name("");
            }
            Outcome::Wrong { name, locks } => {
                log::info!("{} gave a wrong name or PIN for {name}", cx.peer());
                if let Some(hosts) = locks {
                    self.warn_of_lock(&name, hosts, cx);
                }
                reply(if session.account.is_some() { texts::WRONG_PIN } else { texts::WRONG }, &[], cx);
            }
            Outcome::Locked(time) => {
                let seconds = time.as_millis().div_ceil(1000);
                reply(texts::LOCKED, &[&seconds.to_string()], cx);
            }
            Outcome::Balance(balance) => reply(texts::BALANCE, &[&balance.to_string()], cx),
            Outcome::Booked { entry, balance } => {
                reply(texts::BOOKED, &[&entry.to_string(), &balance.to_string()], cx);
            }
            Outcome::Short(balance) => reply(texts::SHORT, &[&balance.to_string()], cx),
            Outcome::Full => reply(texts::FULL, &[], cx),
            Outcome::UnknownReceiver(name) => reply(texts::UNKNOWN_RECEIVER, &[&name], cx),
            Outcome::Oneself => reply(texts::SELF, &[], cx),
            Outcome::History(rows) => list(&rows, cx),
        }
    }

    /// Logs an error of the data file, and replies with it.
    fn fail(&mut self, error: &StoreError, cx: &mut Context<'_>) {
        if error.kind() != StoreErrorKind::Moved
            && let Some(repeats) = self.failures.note(cx.now())
        {
            log::error!("data file: {error}{repeats}");
        }
        reply(texts::TROUBLE, &[&error.to_string()], cx);
    }

    /// Handles `interest` of the operator.
    fn pay_interest(&mut self, percent: &str, cx: &mut Context<'_>) {
        let Some(rate) = InterestRate::parse(percent) else {
            return operator::answer("interest is a percentage such as 2, 2.5 or 2.50: more than 0, at most 100", cx);
        };
        let now = now(cx);
        let job = move |db: &Connection| Ok((rate, ledger::pay_interest(db, rate, now)?));
        match cx.offload(&self.store, move |store| store.write(job)) {
            Ok(()) => self.interest.push_back(cx.answer_later()),
            Err(busy) => operator::answer(&busy.to_string(), cx),
        }
    }

    fn warn_of_lock(&mut self, name: &str, hosts: Hosts, cx: &Context<'_>) {
        if let Some(repeats) = self.locks.note(cx.now()) {
            let place = match hosts {
                Hosts::Known => "for this host",
                Hosts::Unknown => "for hosts that have not logged in to it before",
            };
            let (time, peer) = (self.lock, cx.peer());
            log::warn!("{name} is locked for {time:?} {place}, after 3 wrong PINs, the last from {peer}{repeats}");
        }
    }

    fn attempt(&self, session: &BankSession, name: Box<str>, cx: &Context<'_>) -> Attempt {
        Attempt { name, host: Arc::clone(&session.host), now: now(cx), lock: millis(self.lock) }
    }
}

/// Returns the current time, in the form of the journal. A time before 1970 becomes the beginning of 1970.
fn now(cx: &Context<'_>) -> i64 {
    millis(cx.system_time().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

impl BankSession {
    /// Sets the step that handles the result of a job. If the job was not taken, replies that the bank is busy.
    fn expect(&mut self, step: Step, taken: Result<(), Busy>, cx: &mut Context<'_>) {
        match taken {
            Ok(()) => self.step = step,
            Err(Busy) => reply(texts::BUSY, &[], cx),
        }
    }
}

fn list(rows: &[HistoryRow], cx: &mut Context<'_>) {
    reply(texts::LINES, &[&rows.len().to_string()], cx);
    for row in rows {
        let sign = if row.is_out { '-' } else { '+' };
        let (entry, amount) = (row.entry.to_string(), format!("{sign}{}", row.amount));
        match &row.other {
            Some(other) => reply(texts::ENTRY_WITH, &[&entry, &row.time, &row.kind, &amount, other], cx),
            None => reply(texts::ENTRY, &[&entry, &row.time, &row.kind, &amount], cx),
        }
    }
}

#[cfg(test)]
mod tests;
