//! The ledger: accounts, the journal, and the counts of wrong PINs, as tables of SQLite.
//!
//! Invariants, enforced by the tables: a balance changes only with a new row of the journal. A balance is never
//! negative, and that of a closed account is 0. A row of the journal is never changed or removed. So each balance is
//! the sum of the payments to the account, minus the payments from it. Times are arguments, in milliseconds since 1970
//! (UTC).

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::command::Request;
use super::money::{InterestRate, Money, Total};
use super::pin::Hash;
use crate::workers::storage::{Schema, StoreError};

/// The schema of the data file. The application id is `Bank`.
pub(super) const SCHEMA: Schema = Schema { application_id: 0x4261_6E6B, migrations: &[TABLES, CLOSING] };

const TABLES: &str = "
CREATE TABLE account (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    pin TEXT NOT NULL,
    balance INTEGER NOT NULL DEFAULT 0 CHECK (balance >= 0),
    opened INTEGER NOT NULL
) STRICT;

-- All payments. A deposit and interest have no payer, a withdrawal has no receiver.
CREATE TABLE journal (
    entry INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('deposit', 'withdrawal', 'transfer', 'interest')),
    payer INTEGER REFERENCES account,
    receiver INTEGER REFERENCES account,
    amount INTEGER NOT NULL CHECK (amount > 0),
    CHECK ((payer IS NULL) = (kind IN ('deposit', 'interest'))),
    CHECK ((receiver IS NULL) = (kind = 'withdrawal')),
    CHECK (payer IS NOT receiver)
) STRICT;
CREATE INDEX journal_payer ON journal (payer, entry) WHERE payer IS NOT NULL;
CREATE INDEX journal_receiver ON journal (receiver, entry) WHERE receiver IS NOT NULL;

CREATE TRIGGER journal_counts AFTER INSERT ON journal BEGIN
    UPDATE account SET balance = balance - NEW.amount WHERE id = NEW.payer;
    UPDATE account SET balance = balance + NEW.amount WHERE id = NEW.receiver;
END;
CREATE TRIGGER journal_stays BEFORE UPDATE ON journal BEGIN SELECT RAISE(ABORT, 'the journal is only added to'); END;
CREATE TRIGGER journal_is_kept BEFORE DELETE ON journal BEGIN SELECT RAISE(ABORT, 'the journal is only added to'); END;

-- Wrong PINs in a row, by name. Unknown names count too, so that they cannot be distinguished from known ones.
CREATE TABLE attempt (
    name TEXT PRIMARY KEY COLLATE NOCASE,
    failures INTEGER NOT NULL,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX attempt_last ON attempt (last);
";

const CLOSING: &str = "
-- When the account was closed. Its name stays taken, so that no payment to it can reach another person.
ALTER TABLE account ADD COLUMN closed INTEGER CHECK (closed IS NULL OR balance = 0);

-- Hosts from which an account was opened or logged in to.
CREATE TABLE known_host (
    account INTEGER NOT NULL REFERENCES account,
    host TEXT NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (account, host)
) STRICT, WITHOUT ROWID;

-- Wrong PINs in a row, by name and host. The host is empty for all unknown hosts together.
DROP TABLE attempt;
CREATE TABLE attempt (
    name TEXT NOT NULL COLLATE NOCASE,
    host TEXT NOT NULL,
    failures INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (name, host)
) STRICT, WITHOUT ROWID;
CREATE INDEX attempt_last ON attempt (last);
";

/// The number of wrong PINs in a row that locks a name.
const MOST_FAILURES: u32 = 3;
/// Known hosts of an account; one more displaces the one that was used least recently. 8: several machines and networks
/// of one person.
const MOST_HOSTS: u32 = 8;

/// The account of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) id: i64,
    /// The name in the form in which the account was opened.
    pub(super) name: Box<str>,
}

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Opened(Box<str>),
    /// The name is taken.
    Taken(Box<str>),
    LoggedIn(Account),
    PinChanged,
    Closed(Box<str>),
    /// The account cannot be closed, because it has this balance.
    NotEmpty(Money),
    /// The account was closed by another session.
    Gone,
    /// No such account, or a wrong PIN; and the hosts for which the name is locked from now on.
    Wrong {
        name: Box<str>,
        locks: Option<Hosts>,
    },
    /// The name is locked for this long.
    Locked(Duration),
    Balance(Money),
    Booked {
        entry: i64,
        balance: Money,
    },
    /// The balance is too small.
    Short(Money),
    /// A balance would exceed the maximum.
    Full,
    /// No account has the receiver's name.
    UnknownReceiver(Box<str>),
    /// A transfer from an account to itself.
    Oneself,
    History(Vec<HistoryRow>),
}

/// A row of the journal, from the view of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HistoryRow {
    pub(super) entry: i64,
    /// In UTC, to the second (RFC 3339).
    pub(super) time: String,
    pub(super) kind: String,
    /// Whether the account paid.
    pub(super) is_out: bool,
    pub(super) amount: Money,
    /// The other account of a transfer.
    pub(super) other: Option<String>,
}

/// The hosts that a lock concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hosts {
    /// One host from which the account was opened or logged in to before.
    Known,
    /// All other hosts together, so that guesses from many hosts are as few as those from one.
    Unknown,
}

/// An attempt to log in, or to confirm a request with a PIN.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) name: Box<str>,
    /// The host of the peer.
    pub(super) host: Arc<str>,
    /// Milliseconds since 1970 (UTC).
    pub(super) now: i64,
    /// How long a name is locked and a wrong PIN counts, in milliseconds.
    pub(super) lock: i64,
}

/// What a right PIN is for.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    LogIn,
    /// Replaces the hash of the PIN.
    ChangePin(Hash),
    Close,
}

/// Opens an account.
pub(super) fn open(db: &Connection, attempt: &Attempt, pin: &Hash) -> Result<Outcome, StoreError> {
    let Attempt { name, host, now, .. } = attempt;
    let mut insert =
        db.prepare_cached("INSERT INTO account (name, pin, opened) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING")?;
    if insert.execute(params![name, pin.0, now])? == 0 {
        return Ok(Outcome::Taken(name.clone()));
    }
    know_host(db, db.last_insert_rowid(), host, *now)?;
    Ok(Outcome::Opened(name.clone()))
}

/// The result of the look-up that begins an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The name is locked for this long, whether the account exists or not.
    Locked(Duration),
    /// The account, if it exists and is not closed, and the hash of its PIN.
    Free(Option<(Account, Hash)>),
}

/// Looks up the account of an attempt.
pub(super) fn find(db: &Connection, attempt: &Attempt) -> Result<Found, StoreError> {
    if let Some(time) = locked_for(db, attempt)? {
        return Ok(Found::Locked(time));
    }
    let mut select = db.prepare_cached("SELECT id, name, pin FROM account WHERE name = ?1 AND closed IS NULL")?;
    let found = select
        .query_row([&attempt.name], |row| Ok((Account { id: row.get(0)?, name: row.get(1)? }, Hash(row.get(2)?))));
    Ok(Found::Free(found.optional()?))
}

/// A right PIN: the account, the hash that it matched, and what it is for.
#[derive(Clone, Debug)]
pub(super) struct Proof {
    pub(super) account: Account,
    pub(super) hash: Hash,
    pub(super) purpose: Purpose,
}

/// Ends an attempt with the right PIN, unless wrong PINs have locked the name in the meantime, or the PIN was changed.
/// So sessions that try PINs at the same time learn no more than a session that tries them in turn.
pub(super) fn admit(db: &Connection, proof: Proof, attempt: &Attempt) -> Result<Outcome, StoreError> {
    let Proof { account, hash, purpose } = proof;
    if let Some(time) = locked_for(db, attempt)? {
        return Ok(Outcome::Locked(time));
    }
    if !matches!(purpose, Purpose::LogIn) && !is_open(db, account.id)? {
        return Ok(Outcome::Gone);
    }
    let mut is_same = db.prepare_cached("SELECT pin = ?2 FROM account WHERE id = ?1")?;
    if !is_same.query_row(params![account.id, hash.0], |row| row.get::<_, bool>(0))? {
        return refuse(db, attempt);
    }
    let hosts = key(db, attempt)?.0;
    db.prepare_cached("DELETE FROM attempt WHERE name = ?1 AND host = ?2")?.execute([&attempt.name, hosts])?;
    match purpose {
        Purpose::LogIn => {
            know_host(db, account.id, &attempt.host, attempt.now)?;
            Ok(Outcome::LoggedIn(account))
        }
        Purpose::ChangePin(hash) => {
            db.prepare_cached("UPDATE account SET pin = ?2 WHERE id = ?1")?.execute(params![account.id, hash.0])?;
            // The old PIN may have been known at the other hosts.
            forget_hosts(db, account.id)?;
            know_host(db, account.id, &attempt.host, attempt.now)?;
            Ok(Outcome::PinChanged)
        }
        Purpose::Close => {
            let balance = balance(db, account.id)?;
            if balance != Money::default() {
                return Ok(Outcome::NotEmpty(balance));
            }
            let mut close = db.prepare_cached("UPDATE account SET closed = ?2, pin = '' WHERE id = ?1")?;
            close.execute(params![account.id, attempt.now])?;
            forget_hosts(db, account.id)?;
            Ok(Outcome::Closed(account.name))
        }
    }
}

/// Ends an attempt with a wrong PIN or an unknown name.
pub(super) fn refuse(db: &Connection, attempt: &Attempt) -> Result<Outcome, StoreError> {
    if let Some(time) = locked_for(db, attempt)? {
        return Ok(Outcome::Locked(time));
    }
    let Attempt { name, now, lock, .. } = attempt;
    // Expired rows are deleted, which bounds the table by the attempts within the time of a lock.
    db.prepare_cached("DELETE FROM attempt WHERE last <= ?1")?.execute([now.saturating_sub(*lock)])?;
    let mut count = db.prepare_cached(
        "INSERT INTO attempt (name, host, failures, last) VALUES (?1, ?2, 1, ?3)
         ON CONFLICT (name, host) DO UPDATE SET failures = failures + 1, last = excluded.last RETURNING failures",
    )?;
    let (host, hosts) = key(db, attempt)?;
    let failures: u32 = count.query_row(params![name, host, now], |row| row.get(0))?;
    let locks = (failures >= MOST_FAILURES && *lock > 0).then_some(hosts);
    Ok(Outcome::Wrong { name: name.clone(), locks })
}

/// Returns how long a name is still locked for the host of an attempt, if it is.
fn locked_for(db: &Connection, attempt: &Attempt) -> Result<Option<Duration>, StoreError> {
    let Attempt { name, now, lock, .. } = attempt;
    let (host, _) = key(db, attempt)?;
    // If the clock was set back, the lock lasts from now on instead of until the former time.
    let mut clamp = db.prepare_cached("UPDATE attempt SET last = ?3 WHERE name = ?1 AND host = ?2 AND last > ?3")?;
    clamp.execute(params![name, host, now])?;
    let mut select = db.prepare_cached("SELECT last FROM attempt WHERE name = ?1 AND host = ?2 AND failures >= ?3")?;
    let last: Option<i64> = select.query_row(params![name, host, MOST_FAILURES], |row| row.get(0)).optional()?;
    let left = last.map_or(0, |last| last.saturating_add(*lock).saturating_sub(*now));
    Ok(u64::try_from(left).ok().filter(|&left| left > 0).map(Duration::from_millis))
}

/// Returns the host under which the wrong PINs of an attempt are counted: empty for an unknown host.
fn key<'a>(db: &Connection, attempt: &'a Attempt) -> Result<(&'a str, Hosts), StoreError> {
    let mut select = db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM known_host JOIN account ON id = account WHERE name = ?1 AND host = ?2)",
    )?;
    let is_known = select.query_row(params![attempt.name, attempt.host], |row| row.get(0))?;
    Ok(if is_known { (&attempt.host, Hosts::Known) } else { ("", Hosts::Unknown) })
}

/// Adds a host to those of an account.
fn know_host(db: &Connection, id: i64, host: &str, now: i64) -> Result<(), StoreError> {
    let mut insert =
        db.prepare_cached("INSERT OR REPLACE INTO known_host (account, host, last) VALUES (?1, ?2, ?3)")?;
    insert.execute(params![id, host, now])?;
    let mut shorten = db.prepare_cached(
        "DELETE FROM known_host WHERE account = ?1 AND host NOT IN
         (SELECT host FROM known_host WHERE account = ?1 ORDER BY host = ?2 DESC, last DESC LIMIT ?3)",
    )?;
    shorten.execute(params![id, host, MOST_HOSTS])?;
    Ok(())
}

fn forget_hosts(db: &Connection, id: i64) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM known_host WHERE account = ?1")?.execute([id])?;
    Ok(())
}

fn is_open(db: &Connection, id: i64) -> Result<bool, StoreError> {
    let mut select = db.prepare_cached("SELECT closed IS NULL FROM account WHERE id = ?1")?;
    Ok(select.query_row([id], |row| row.get(0))?)
}

/// Carries out a request for an account.
pub(super) fn carry_out(db: &Connection, id: i64, request: &Request, now: i64) -> Result<Outcome, StoreError> {
    if !is_open(db, id)? {
        return Ok(Outcome::Gone);
    }
    match request {
        Request::Balance => Ok(Outcome::Balance(balance(db, id)?)),
        Request::Deposit(amount) => deposit(db, id, *amount, now),
        Request::Withdraw(amount) => withdraw(db, id, *amount, now),
        Request::Transfer(to, amount) => transfer(db, id, to, *amount, now),
        Request::History(count) => history(db, id, *count),
    }
}

/// Returns the balance of an account.
fn balance(db: &Connection, id: i64) -> Result<Money, StoreError> {
    let mut select = db.prepare_cached("SELECT balance FROM account WHERE id = ?1")?;
    Ok(select.query_row([id], |row| money(row, 0))?)
}

/// Pays an amount in.
fn deposit(db: &Connection, id: i64, amount: Money, now: i64) -> Result<Outcome, StoreError> {
    if balance(db, id)?.plus(amount).is_none() {
        return Ok(Outcome::Full);
    }
    let entry = book(db, now, &Payment { kind: "deposit", payer: None, receiver: Some(id), amount })?;
    Ok(Outcome::Booked { entry, balance: balance(db, id)? })
}

/// Pays an amount out.
fn withdraw(db: &Connection, id: i64, amount: Money, now: i64) -> Result<Outcome, StoreError> {
    let available = balance(db, id)?;
    if available.minus(amount).is_none() {
        return Ok(Outcome::Short(available));
    }
    let entry = book(db, now, &Payment { kind: "withdrawal", payer: Some(id), receiver: None, amount })?;
    Ok(Outcome::Booked { entry, balance: balance(db, id)? })
}

/// Pays an amount to another account.
fn transfer(db: &Connection, id: i64, to: &str, amount: Money, now: i64) -> Result<Outcome, StoreError> {
    let mut select = db.prepare_cached("SELECT id, balance FROM account WHERE name = ?1 AND closed IS NULL")?;
    let found = select.query_row([to], |row| Ok((row.get::<_, i64>(0)?, money(row, 1)?))).optional()?;
    let Some((receiver, has)) = found else { return Ok(Outcome::UnknownReceiver(to.into())) };
    if receiver == id {
        return Ok(Outcome::Oneself);
    }
    let available = balance(db, id)?;
    if available.minus(amount).is_none() {
        return Ok(Outcome::Short(available));
    }
    if has.plus(amount).is_none() {
        return Ok(Outcome::Full);
    }
    let entry = book(db, now, &Payment { kind: "transfer", payer: Some(id), receiver: Some(receiver), amount })?;
    Ok(Outcome::Booked { entry, balance: balance(db, id)? })
}

/// A payment, for a row of the journal.
struct Payment {
    kind: &'static str,
    payer: Option<i64>,
    receiver: Option<i64>,
    amount: Money,
}

/// Writes a row of the journal, which changes the balances. Returns the number of the row.
fn book(db: &Connection, now: i64, payment: &Payment) -> Result<i64, StoreError> {
    let Payment { kind, payer, receiver, amount } = payment;
    let mut insert =
        db.prepare_cached("INSERT INTO journal (at, kind, payer, receiver, amount) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    Ok(insert.insert(params![now, kind, payer, receiver, amount.minor()])?)
}

/// Lists the last `count` rows of the journal for an account, the oldest first.
fn history(db: &Connection, id: i64, count: u32) -> Result<Outcome, StoreError> {
    // Each inner query reads at most `count` rows along its index.
    let mut select = db.prepare_cached(
        "SELECT entry, ifnull(strftime('%Y-%m-%dT%H:%M:%SZ', at / 1000, 'unixepoch'), '-'), kind, payer IS ?1, amount,
                (SELECT name FROM account WHERE id = iif(payer IS ?1, receiver, payer))
         FROM (SELECT * FROM (SELECT * FROM journal WHERE payer = ?1 ORDER BY entry DESC LIMIT ?2)
               UNION ALL
               SELECT * FROM (SELECT * FROM journal WHERE receiver = ?1 ORDER BY entry DESC LIMIT ?2)
               ORDER BY entry DESC LIMIT ?2)
         ORDER BY entry",
    )?;
    let lines = select.query_map(params![id, count], |row| {
        Ok(HistoryRow {
            entry: row.get(0)?,
            time: row.get(1)?,
            kind: row.get(2)?,
            is_out: row.get(3)?,
            amount: money(row, 4)?,
            other: row.get(5)?,
        })
    })?;
    Ok(Outcome::History(lines.collect::<Result<_, _>>()?))
}

/// The result of an interest payment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Paid {
    pub(super) total: Total,
    /// The number of accounts that received interest.
    pub(super) accounts: usize,
    /// The number of accounts that were skipped because their balance would be too large.
    pub(super) full: usize,
}

/// Pays interest to all accounts whose interest is at least one minor unit.
pub(super) fn pay_interest(db: &Connection, rate: InterestRate, now: i64) -> Result<Paid, StoreError> {
    let mut select = db.prepare_cached("SELECT id, balance FROM account WHERE balance > 0 ORDER BY id")?;
    // All accounts are read before the first one changes.
    let accounts: Vec<(i64, Money)> =
        select.query_map([], |row| Ok((row.get(0)?, money(row, 1)?)))?.collect::<Result<_, _>>()?;
    let mut paid = Paid::default();
    for (id, balance) in accounts {
        let interest = rate.of(balance);
        if interest == Money::default() {
            continue;
        }
        if balance.plus(interest).is_none() {
            paid.full += 1;
            continue;
        }
        book(db, now, &Payment { kind: "interest", payer: None, receiver: Some(id), amount: interest })?;
        paid.total.add(interest);
        paid.accounts += 1;
    }
    Ok(paid)
}

fn money(row: &Row<'_>, column: usize) -> rusqlite::Result<Money> {
    let minor = row.get(column)?;
    Money::of_minor(minor).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, minor))
}

#[cfg(test)]
mod tests;
