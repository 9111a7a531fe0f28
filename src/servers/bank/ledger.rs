//! The ledger: accounts, the journal, and the counts of wrong PINs, as tables of SQLite.
//!
//! Invariants, enforced by the tables: a balance changes only with a new row of the journal. A balance is never
//! negative. A row of the journal is never changed or removed. So each balance is the sum of the payments to the
//! account, minus the payments from it. Times are arguments, in milliseconds since 1970 (UTC).

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::command::Request;
use super::money::{InterestRate, Money, Total};
use super::pin::Hash;
use crate::workers::storage::{Schema, StoreError};

/// The schema of the data file. The application id is `Bank`.
pub(super) const SCHEMA: Schema = Schema { application_id: 0x4261_6E6B, migrations: &[TABLES] };

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

/// The number of wrong PINs in a row that locks a name.
const MOST_FAILURES: u32 = 3;

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
    /// No such account, or a wrong PIN; and whether the name is locked from now on.
    Wrong {
        name: Box<str>,
        locks: bool,
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

/// The time of a request, and how long wrong PINs count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Milliseconds since 1970 (UTC).
    pub(super) now: i64,
    /// How long a name is locked and a wrong PIN counts, in milliseconds.
    pub(super) lock: i64,
}

/// Opens an account.
pub(super) fn open(db: &Connection, name: &str, pin: &Hash, now: i64) -> Result<Outcome, StoreError> {
    let mut insert =
        db.prepare_cached("INSERT INTO account (name, pin, opened) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING")?;
    let count = insert.execute(params![name, pin.0, now])?;
    Ok(if count == 1 { Outcome::Opened(name.into()) } else { Outcome::Taken(name.into()) })
}

/// The result of the look-up that begins a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The name is locked for this long, whether the account exists or not.
    Locked(Duration),
    /// The account, if it exists, and the hash of its PIN.
    Free(Option<(Account, Hash)>),
}

/// Looks up the account with this name.
pub(super) fn find(db: &Connection, name: &str, moment: Moment) -> Result<Found, StoreError> {
    if let Some(time) = locked_for(db, name, moment)? {
        return Ok(Found::Locked(time));
    }
    let mut select = db.prepare_cached("SELECT id, name, pin FROM account WHERE name = ?1")?;
    let found = select.query_row([name], |row| Ok((Account { id: row.get(0)?, name: row.get(1)? }, Hash(row.get(2)?))));
    Ok(Found::Free(found.optional()?))
}

/// Ends a login with the right PIN, unless wrong PINs have locked the name in the meantime. So sessions that try PINs
/// at the same time learn no more than a session that tries them in turn.
pub(super) fn admit(db: &Connection, account: Account, moment: Moment) -> Result<Outcome, StoreError> {
    if let Some(time) = locked_for(db, &account.name, moment)? {
        return Ok(Outcome::Locked(time));
    }
    db.prepare_cached("DELETE FROM attempt WHERE name = ?1")?.execute([&account.name])?;
    Ok(Outcome::LoggedIn(account))
}

/// Ends a login with a wrong PIN or an unknown name.
pub(super) fn refuse(db: &Connection, name: &str, moment: Moment) -> Result<Outcome, StoreError> {
    if let Some(time) = locked_for(db, name, moment)? {
        return Ok(Outcome::Locked(time));
    }
    let Moment { now, lock } = moment;
    // Expired rows are deleted, which bounds the table by the attempts within the time of a lock.
    db.prepare_cached("DELETE FROM attempt WHERE last <= ?1")?.execute([now.saturating_sub(lock)])?;
    let mut count = db.prepare_cached(
        "INSERT INTO attempt (name, failures, last) VALUES (?1, 1, ?2)
         ON CONFLICT (name) DO UPDATE SET failures = failures + 1, last = excluded.last RETURNING failures",
    )?;
    let failures: u32 = count.query_row(params![name, now], |row| row.get(0))?;
    Ok(Outcome::Wrong { name: name.into(), locks: failures >= MOST_FAILURES && lock > 0 })
}

/// Returns how long a name is still locked, if it is.
fn locked_for(db: &Connection, name: &str, Moment { now, lock }: Moment) -> Result<Option<Duration>, StoreError> {
    // If the clock was set back, the lock lasts from now on instead of until the former time.
    let mut clamp = db.prepare_cached("UPDATE attempt SET last = ?2 WHERE name = ?1 AND last > ?2")?;
    clamp.execute(params![name, now])?;
    let mut select = db.prepare_cached("SELECT last FROM attempt WHERE name = ?1 AND failures >= ?2")?;
    let last: Option<i64> = select.query_row(params![name, MOST_FAILURES], |row| row.get(0)).optional()?;
    let left = last.map_or(0, |last| last.saturating_add(lock).saturating_sub(now));
    Ok(u64::try_from(left).ok().filter(|&left| left > 0).map(Duration::from_millis))
}

/// Carries out a request for an account.
pub(super) fn carry_out(db: &Connection, id: i64, request: &Request, now: i64) -> Result<Outcome, StoreError> {
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
    let mut select = db.prepare_cached("SELECT id, balance FROM account WHERE name = ?1")?;
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
