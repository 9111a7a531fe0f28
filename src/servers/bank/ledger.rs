//! The books: accounts, the journal, and the count of wrong PINs, as tables of SQLite.
//!
//! Invariants, kept by the tables themselves: a balance changes with a row of the journal and in no other way; a balance is
//! never negative; a row of the journal is never changed or removed. So each balance is the sum of what the journal says was
//! paid to the account, less what it says was paid from it. Knows no sessions and no clock: the time is an argument, in
//! milliseconds since 1970 (UTC).

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::command::Request;
use super::money::{InterestRate, Money, Total};
use super::pin::Hash;
use crate::workers::storage::{Schema, StoreError};

/// What the bank keeps in its file.
pub(super) const SCHEMA: Schema = Schema { application_id: 0x4261_6E6B, migrations: &[TABLES] };

const TABLES: &str = "
CREATE TABLE account (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    pin TEXT NOT NULL,
    balance INTEGER NOT NULL DEFAULT 0 CHECK (balance >= 0),
    opened INTEGER NOT NULL
) STRICT;

-- Who paid whom. A deposit and interest come from outside of the accounts (no payer), a withdrawal goes there (no receiver).
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

-- Wrong PINs in a row, by name: also for names that nobody has, so that they cannot be told from the others.
CREATE TABLE attempt (
    name TEXT PRIMARY KEY COLLATE NOCASE,
    failures INTEGER NOT NULL,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX attempt_last ON attempt (last);
";

/// Wrong PINs in a row that lock a name.
const MOST_FAILURES: u32 = 3;

/// An account, as a session knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) id: i64,
    /// As it was opened.
    pub(super) name: Box<str>,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Opened(Box<str>),
    /// Somebody has the name.
    Taken(Box<str>),
    LoggedIn(Account),
    /// No such account, or another PIN; and whether the name is locked from now on.
    Wrong {
        name: Box<str>,
        locks: bool,
    },
    /// For so long.
    Locked(Duration),
    Balance(Money),
    Booked {
        entry: i64,
        balance: Money,
    },
    /// The balance, which is too small.
    Short(Money),
    /// A balance would be too large.
    Full,
    /// There is no account of this name to pay to.
    Nobody(Box<str>),
    /// A transfer from an account to itself.
    Oneself,
    History(Vec<Line>),
}

/// A row of the journal, seen from one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) entry: i64,
    /// In UTC, to the second (RFC 3339).
    pub(super) time: String,
    pub(super) kind: String,
    /// Paid by the account, not to it.
    pub(super) is_out: bool,
    pub(super) amount: Money,
    /// The other account of a transfer.
    pub(super) other: Option<String>,
}

/// When a request was made, and how wrong PINs count then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Milliseconds since 1970 (UTC).
    pub(super) now: i64,
    /// How long a name is locked, and how long a wrong PIN counts; in milliseconds.
    pub(super) lock: i64,
}

/// Opens an account.
pub(super) fn open(db: &Connection, name: &str, pin: &Hash, now: i64) -> Result<Outcome, StoreError> {
    let mut insert =
        db.prepare_cached("INSERT INTO account (name, pin, opened) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING")?;
    let count = insert.execute(params![name, pin.0, now])?;
    Ok(if count == 1 { Outcome::Opened(name.into()) } else { Outcome::Taken(name.into()) })
}

/// What a login begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// For so long, whether the account exists or not.
    Locked(Duration),
    /// The account, if it exists, and what its PIN is to be compared with.
    Free(Option<(Account, Hash)>),
}

/// Looks for the account of this name.
pub(super) fn find(db: &Connection, name: &str, moment: Moment) -> Result<Found, StoreError> {
    if let Some(time) = locked_for(db, name, moment)? {
        return Ok(Found::Locked(time));
    }
    let mut select = db.prepare_cached("SELECT id, name, pin FROM account WHERE name = ?1")?;
    let found = select.query_row([name], |row| Ok((Account { id: row.get(0)?, name: row.get(1)? }, Hash(row.get(2)?))));
    Ok(Found::Free(found.optional()?))
}

/// Ends a login with the right PIN, unless wrong ones have locked the name meanwhile: sessions that try many PINs at once
/// learn no more than one that tries them in turn.
pub(super) fn admit(db: &Connection, account: Account, moment: Moment) -> Result<Outcome, StoreError> {
    if let Some(time) = locked_for(db, &account.name, moment)? {
        return Ok(Outcome::Locked(time));
    }
    db.prepare_cached("DELETE FROM attempt WHERE name = ?1")?.execute([&account.name])?;
    Ok(Outcome::LoggedIn(account))
}

/// Ends a login with a wrong PIN, or with a name that nobody has.
pub(super) fn refuse(db: &Connection, name: &str, moment: Moment) -> Result<Outcome, StoreError> {
    if let Some(time) = locked_for(db, name, moment)? {
        return Ok(Outcome::Locked(time));
    }
    let Moment { now, lock } = moment;
    // What counts no longer goes, so the table is no larger than what was tried within the time of a lock.
    db.prepare_cached("DELETE FROM attempt WHERE last <= ?1")?.execute([now.saturating_sub(lock)])?;
    let mut count = db.prepare_cached(
        "INSERT INTO attempt (name, failures, last) VALUES (?1, 1, ?2)
         ON CONFLICT (name) DO UPDATE SET failures = failures + 1, last = excluded.last RETURNING failures",
    )?;
    let failures: u32 = count.query_row(params![name, now], |row| row.get(0))?;
    Ok(Outcome::Wrong { name: name.into(), locks: failures >= MOST_FAILURES && lock > 0 })
}

/// How long a name is still locked.
fn locked_for(db: &Connection, name: &str, Moment { now, lock }: Moment) -> Result<Option<Duration>, StoreError> {
    // The clock may have been set back: the lock then lasts from now on, and not until that time comes again.
    let mut clamp = db.prepare_cached("UPDATE attempt SET last = ?2 WHERE name = ?1 AND last > ?2")?;
    clamp.execute(params![name, now])?;
    let mut select = db.prepare_cached("SELECT last FROM attempt WHERE name = ?1 AND failures >= ?2")?;
    let last: Option<i64> = select.query_row(params![name, MOST_FAILURES], |row| row.get(0)).optional()?;
    let left = last.map_or(0, |last| last.saturating_add(lock).saturating_sub(now));
    Ok(u64::try_from(left).ok().filter(|&left| left > 0).map(Duration::from_millis))
}

/// Does what is asked of an account.
pub(super) fn carry_out(db: &Connection, id: i64, request: &Request, now: i64) -> Result<Outcome, StoreError> {
    match request {
        Request::Balance => Ok(Outcome::Balance(balance(db, id)?)),
        Request::Deposit(amount) => deposit(db, id, *amount, now),
        Request::Withdraw(amount) => withdraw(db, id, *amount, now),
        Request::Transfer(to, amount) => transfer(db, (id, to), *amount, now),
        Request::History(count) => history(db, id, *count),
    }
}

/// The balance of an account.
fn balance(db: &Connection, id: i64) -> Result<Money, StoreError> {
    let mut select = db.prepare_cached("SELECT balance FROM account WHERE id = ?1")?;
    Ok(select.query_row([id], |row| money(row, 0))?)
}

/// Pays in.
fn deposit(db: &Connection, id: i64, amount: Money, now: i64) -> Result<Outcome, StoreError> {
    if balance(db, id)?.plus(amount).is_none() {
        return Ok(Outcome::Full);
    }
    let entry = book(db, ("deposit", now), (None, Some(id)), amount)?;
    Ok(Outcome::Booked { entry, balance: balance(db, id)? })
}

/// Pays out.
fn withdraw(db: &Connection, id: i64, amount: Money, now: i64) -> Result<Outcome, StoreError> {
    let held = balance(db, id)?;
    if held.minus(amount).is_none() {
        return Ok(Outcome::Short(held));
    }
    let entry = book(db, ("withdrawal", now), (Some(id), None), amount)?;
    Ok(Outcome::Booked { entry, balance: balance(db, id)? })
}

/// Pays to another account.
fn transfer(db: &Connection, (id, to): (i64, &str), amount: Money, now: i64) -> Result<Outcome, StoreError> {
    let mut select = db.prepare_cached("SELECT id, balance FROM account WHERE name = ?1")?;
    let found = select.query_row([to], |row| Ok((row.get::<_, i64>(0)?, money(row, 1)?))).optional()?;
    let Some((receiver, has)) = found else { return Ok(Outcome::Nobody(to.into())) };
    if receiver == id {
        return Ok(Outcome::Oneself);
    }
    let held = balance(db, id)?;
    if held.minus(amount).is_none() {
        return Ok(Outcome::Short(held));
    }
    if has.plus(amount).is_none() {
        return Ok(Outcome::Full);
    }
    let entry = book(db, ("transfer", now), (Some(id), Some(receiver)), amount)?;
    Ok(Outcome::Booked { entry, balance: balance(db, id)? })
}

/// Writes a row of the journal, which changes the balances. Returns its number.
fn book(
    db: &Connection,
    (kind, now): (&str, i64),
    (payer, receiver): (Option<i64>, Option<i64>),
    amount: Money,
) -> Result<i64, StoreError> {
    let mut insert =
        db.prepare_cached("INSERT INTO journal (at, kind, payer, receiver, amount) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    Ok(insert.insert(params![now, kind, payer, receiver, amount.minor()])?)
}

/// The last `count` rows of the journal that concern an account, the oldest first.
fn history(db: &Connection, id: i64, count: u32) -> Result<Outcome, StoreError> {
    // Each of the two is read along its index, and no further than wanted.
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
        Ok(Line {
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

/// What came of paying interest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Paid {
    pub(super) total: Total,
    /// Accounts that got some.
    pub(super) accounts: usize,
    /// Accounts that got none, since their balances would have been too large.
    pub(super) full: usize,
}

/// Pays interest to all accounts. Nothing to those whose interest is less than a minor unit.
pub(super) fn pay_interest(db: &Connection, rate: InterestRate, now: i64) -> Result<Paid, StoreError> {
    let mut select = db.prepare_cached("SELECT id, balance FROM account WHERE balance > 0 ORDER BY id")?;
    // All of them before the first is changed.
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
        book(db, ("interest", now), (None, Some(id)), interest)?;
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
