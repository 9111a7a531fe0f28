//! A bank, against a few maps: any lines of several clients and of its operator, at any time of day.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arbitrary::Unstructured;
use switchboard::servers::{Bank, BankOptions};
use switchboard::workers::storage::{DataFile, Store};

use crate::hall::{HOSTS, Hall, Model};

/// The most that a balance can be, in cents.
const MOST: i128 = i64::MAX as i128;
const METHODS: [&str; 9] = ["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "CONNECT", "TRACE"];
const HELP: &str = "\
ok lines 12
OPEN name PIN         open an account; a PIN is 4 to 12 digits
LOGIN name PIN        log in to an account
BALANCE               show the balance
DEPOSIT amount        pay in: 12 or 12.50
WITHDRAW amount       pay out
TRANSFER name amount  pay to another account
HISTORY [n]           show the last n entries, 10 by default
PIN old new           change the PIN
CLOSE PIN             close the account, once its balance is 0; its name stays taken
LOGOUT                log out
HELP                  show this list
QUIT                  close the connection";

/// Plays the bytes as a script. The first one chooses how long a line may be, and the second one how long wrong PINs
/// lock.
pub fn run(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let (Ok(max_line), Ok(lock)) = (bytes.arbitrary::<u8>(), bytes.arbitrary::<u8>()) else { return };
    let max_line = if max_line == 0 { BankOptions::default().max_line } else { max_line.into() };
    let mut options = BankOptions::default();
    options.max_line = max_line;
    options.lock = Duration::from_secs(lock.into());
    let store = Store::open(&DataFile::Memory, &Bank::SCHEMA).expect("memory");
    let books = Books { lock: 1000 * i64::from(lock), ..Books::default() };
    Hall::new(Bank::with_cheap_pins(store, options), max_line, books).play(bytes);
}

/// What the bank knows.
#[derive(Clone, Debug, Default, PartialEq)]
struct Books {
    /// In the order in which they were opened.
    accounts: Vec<Account>,
    /// For which account each client speaks, by its place in the order.
    sessions: BTreeMap<usize, usize>,
    /// By name in lower case, and by host, or nothing for all hosts that are not known: wrong PINs in a row, and when
    /// the last one was.
    wrong: BTreeMap<(String, Option<usize>), (u32, i64)>,
    entries: u64,
    paid_in: i128,
    paid_out: i128,
    /// In milliseconds, as the two that follow.
    lock: i64,
    /// Since the clock was set.
    passed: i64,
    /// What the clock was set to, since noon.
    clock: i64,
}

#[derive(Clone, Debug, PartialEq)]
struct Account {
    name: String,
    pin: String,
    is_closed: bool,
    /// From which it was opened or logged in to.
    hosts: BTreeSet<usize>,
    balance: i128,
    /// Lines without their ends, as `HISTORY` shows them.
    history: Vec<String>,
}

impl Model for Books {
    const WORDS: [&'static [&'static str]; 3] = [
        &[
            "OPEN ",
            "LOGIN ",
            "login ",
            "DEPOSIT ",
            "deposit ",
            "WITHDRAW ",
            "TRANSFER ",
            "transfer ",
            "BALANCE",
            "HISTORY ",
            "PIN ",
            "CLOSE ",
            "LOGOUT",
            "HELP",
            "QUIT",
            "",
            "POST ",
        ],
        &["", "", "", "ann ", "Ann ", "bob ", "BOB\t", "eve ", "nobody ", "9 ", "1234 ", "4321 "],
        &[
            "1234",
            "1234",
            "4321",
            "123456789012",
            "",
            "0",
            "5",
            "1000",
            "1001",
            "0.07",
            "12.5",
            "1.001",
            "46116860184273879.04",
            "92233720368547758.07",
        ],
    ];
    const WELCOME: &'static str = "ok welcome to the bank: HELP lists the commands\n";
    const OPERATOR: &'static [&'static str] = &["interest 2.5", "interest 100", "interest 0.01", "interest "];

    fn answer(&mut self, client: usize, line: &[u8]) -> (String, bool) {
        let own = self.sessions.get(&client).copied();
        let text = String::from_utf8_lossy(line);
        let is_request =
            METHODS.iter().any(|method| text.strip_prefix(method).is_some_and(|rest| rest.starts_with(' ')));
        if own.is_none() && (is_request || text.to_ascii_lowercase().starts_with("host:")) {
            return ("error this is a bank and does not speak HTTP\n".into(), true);
        }
        let Ok(line) = std::str::from_utf8(line) else { return (unknown() + "\n", false) };
        let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        let Some((verb, rest)) = words.split_first() else { return (String::new(), false) };
        let verb = verb.to_ascii_uppercase();
        if let ("QUIT", []) = (&verb[..], rest) {
            return ("ok good bye\n".into(), true);
        }
        let answer = wrong(&verb, rest).unwrap_or_else(|| self.obey(client, (&verb, rest), own));
        (answer + "\n", false)
    }

    fn too_long(limit: usize) -> String {
        format!("error the line is over {limit} bytes\n")
    }

    fn leave(&mut self, client: usize) {
        self.sessions.remove(&client);
    }

    fn operate(&mut self, line: &[u8]) -> String {
        let text = String::from_utf8_lossy(line);
        let mut words = text.split_whitespace().skip(1);
        match (words.next(), words.next()) {
            (Some(percent), None) => match cents(percent) {
                Some(rate @ 1..=10_000) => self.pay_interest(rate),
                _ => "interest is a percentage such as 2, 2.5 or 2.50: more than 0, at most 100\n".into(),
            },
            _ => "usage: interest PERCENT\n".into(),
        }
    }

    fn wait(&mut self, time: Duration) {
        self.passed += time.as_millis() as i64;
    }

    fn set_clock(&mut self, time: Duration) {
        (self.clock, self.passed) = (time.as_millis() as i64, 0);
    }

    /// Each balance is the sum of what its owner was told of, and all of them are what came in, less what went out.
    fn check(&self) {
        for account in &self.accounts {
            assert!((0..=MOST).contains(&account.balance), "{account:?}");
            assert!(!account.is_closed || account.balance == 0, "{account:?}");
            let entries = account.history.iter().map(|line| line.split(' ').nth(3).expect("an amount"));
            let sum: i128 =
                entries.map(|amount| amount.replace('.', "").parse::<i128>().expect("a sign and cents")).sum();
            assert_eq!(sum, account.balance, "{account:?}");
        }
        let held: i128 = self.accounts.iter().map(|account| account.balance).sum();
        assert_eq!(held, self.paid_in - self.paid_out);
    }

    fn last_lines(&self) -> Vec<String> {
        let look = |account: &Account| format!("LOGIN {} {}\nBALANCE\nHISTORY 1000\nLOGOUT", account.name, account.pin);
        self.accounts.iter().filter(|account| !account.is_closed).map(look).collect()
    }
}

/// What is wrong with a line, for any client.
fn wrong(verb: &str, rest: &[&str]) -> Option<String> {
    let bad_name = || "error a name is a letter, then up to 31 of A-Z, a-z, 0-9 and _-.".to_owned();
    let bad_amount =
        || "error write an amount as 12, 12.5 or 12.50: more than 0, at most 92233720368547758.07".to_owned();
    match (verb, rest) {
        ("OPEN" | "LOGIN" | "TRANSFER", [name, _]) if !is_name(name) => Some(bad_name()),
        ("OPEN" | "LOGIN", [_, pin]) => (!is_pin(pin)).then(|| "error a PIN is 4 to 12 digits".into()),
        ("DEPOSIT" | "WITHDRAW", [amount]) | ("TRANSFER", [_, amount]) => cents(amount).is_none().then(bad_amount),
        ("PIN", [old, new]) => (!is_pin(old) || !is_pin(new)).then(|| "error a PIN is 4 to 12 digits".into()),
        ("CLOSE", [pin]) => (!is_pin(pin)).then(|| "error a PIN is 4 to 12 digits".into()),
        ("HISTORY", [count]) => count_of(count).is_none().then(|| "error HISTORY takes a number from 1 to 1000".into()),
        ("BALANCE" | "HISTORY" | "LOGOUT" | "HELP", []) => None,
        ("OPEN" | "LOGIN", _) => Some(format!("error usage: {verb} name PIN")),
        ("DEPOSIT" | "WITHDRAW", _) => Some(format!("error usage: {verb} amount")),
        ("TRANSFER", _) => Some("error usage: TRANSFER name amount".into()),
        ("HISTORY", _) => Some("error usage: HISTORY [n]".into()),
        ("PIN", _) => Some("error usage: PIN old new".into()),
        ("CLOSE", _) => Some("error usage: CLOSE PIN".into()),
        ("BALANCE" | "LOGOUT" | "HELP" | "QUIT", _) => Some(format!("error usage: {verb}")),
        _ => Some(unknown()),
    }
}

fn unknown() -> String {
    "error unknown command: HELP lists them".into()
}

fn is_name(text: &str) -> bool {
    let mut found = text.chars();
    found.next().is_some_and(|first| first.is_ascii_alphabetic())
        && found.all(|other| other.is_ascii_alphanumeric() || matches!(other, '_' | '-' | '.'))
        && text.len() <= 32
}

fn is_pin(text: &str) -> bool {
    matches!(text.len(), 4..=12) && text.chars().all(|found| found.is_ascii_digit())
}

fn count_of(text: &str) -> Option<usize> {
    let digits = if is_digits(text) { text.trim_start_matches('0') } else { "" };
    (digits.len() <= 4).then(|| digits.parse().ok()).flatten().filter(|count| (1..=1000).contains(count))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|found| found.is_ascii_digit())
}

/// An amount in cents: the digits before the point, and two behind it, as one number.
fn cents(text: &str) -> Option<i128> {
    let (units, fraction) = text.split_once('.').unwrap_or((text, "00"));
    let digits = match fraction.len() {
        _ if !is_digits(units) || !is_digits(fraction) => return None,
        1 => format!("{units}{fraction}0"),
        2 => format!("{units}{fraction}"),
        _ => return None,
    };
    let digits = digits.trim_start_matches('0');
    (digits.len() <= 19).then(|| digits.parse().ok()).flatten().filter(|&cents| cents <= MOST)
}

/// Cents as an amount.
fn shown(cents: i128) -> String {
    let digits = format!("{cents:03}");
    let (units, fraction) = digits.split_at(digits.len() - 2);
    format!("{units}.{fraction}")
}

impl Books {
    /// Carries out a line with which nothing is wrong.
    fn obey(&mut self, client: usize, (verb, rest): (&str, &[&str]), own: Option<usize>) -> String {
        match (verb, rest, own) {
            ("HELP", ..) => HELP.into(),
            ("OPEN", &[name, pin], _) => self.open(client, name, pin),
            ("LOGIN", _, Some(own)) => format!("error logged in as {}: LOGOUT first", self.accounts[own].name),
            ("LOGIN", &[name, pin], None) => self.login(client, name, pin),
            (_, _, None) => "error log in first: LOGIN name PIN".into(),
            ("LOGOUT", ..) => {
                self.sessions.remove(&client);
                "ok logged out".into()
            }
            ("PIN", &[old, new], Some(own)) => self.prove(client, (own, old), |account, host| {
                (account.pin, account.hosts) = (new.into(), [host].into());
                "ok PIN changed".into()
            }),
            ("CLOSE", &[pin], Some(own)) => self.prove(client, (own, pin), |account, _| {
                if account.balance > 0 {
                    return format!("error the balance is {}: WITHDRAW or TRANSFER it first", shown(account.balance));
                }
                (account.is_closed, account.hosts) = (true, BTreeSet::new());
                format!("ok closed {}", account.name)
            }),
            (_, _, Some(own)) if self.accounts[own].is_closed => {
                self.sessions.remove(&client);
                "error this account is closed".into()
            }
            ("BALANCE", _, Some(own)) => format!("ok balance {}", shown(self.accounts[own].balance)),
            ("HISTORY", _, Some(own)) => {
                let count = rest.first().map_or(Some(10), |count| count_of(count)).expect("a count");
                let history = &self.accounts[own].history;
                let last = &history[history.len().saturating_sub(count)..];
                [&[format!("ok lines {}", last.len())], last].concat().join("\n")
            }
            ("DEPOSIT", &[amount], Some(own)) => self.book("deposit", (None, Some(own)), amount),
            ("WITHDRAW", &[amount], Some(own)) => self.book("withdrawal", (Some(own), None), amount),
            ("TRANSFER", &[name, amount], Some(own)) => match self.open_number(name) {
                None => format!("error no account is called {name}"),
                Some(other) if other == own => "error a transfer needs an account other than your own".into(),
                Some(other) => self.book("transfer", (Some(own), Some(other)), amount),
            },
            other => panic!("{other:?} is a line with which something is wrong"),
        }
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.accounts.iter().position(|account| account.name.eq_ignore_ascii_case(name))
    }

    /// Of an account that is not closed.
    fn open_number(&self, name: &str) -> Option<usize> {
        self.number(name).filter(|&number| !self.accounts[number].is_closed)
    }

    fn now(&self) -> i64 {
        self.clock + self.passed
    }

    fn open(&mut self, client: usize, name: &str, pin: &str) -> String {
        if self.number(name).is_some() {
            return format!("error the name {name} is taken");
        }
        self.accounts.push(Account {
            name: name.into(),
            pin: pin.into(),
            is_closed: false,
            hosts: [client % HOSTS].into(),
            balance: 0,
            history: Vec::new(),
        });
        format!("ok opened {name}")
    }

    fn login(&mut self, client: usize, name: &str, pin: &str) -> String {
        let key = self.key(client, name);
        if let Some(refusal) = self.locked(&key) {
            return refusal;
        }
        match self.open_number(name) {
            Some(number) if self.accounts[number].pin == pin => {
                self.wrong.remove(&key);
                self.accounts[number].hosts.insert(client % HOSTS);
                self.sessions.insert(client, number);
                format!("ok logged in as {}", self.accounts[number].name)
            }
            _ => {
                self.count(key);
                "error wrong name or PIN".into()
            }
        }
    }

    /// Does something with the account of a session, for which its PIN has to be right.
    fn prove(
        &mut self,
        client: usize,
        (own, pin): (usize, &str),
        act: impl FnOnce(&mut Account, usize) -> String,
    ) -> String {
        let key = self.key(client, &self.accounts[own].name);
        if let Some(refusal) = self.locked(&key) {
            return refusal;
        }
        let account = &mut self.accounts[own];
        let answer = if account.is_closed {
            "error this account is closed".into()
        } else if account.pin == pin {
            self.wrong.remove(&key);
            act(account, client % HOSTS)
        } else {
            self.count(key);
            "error wrong PIN".into()
        };
        if self.accounts[own].is_closed {
            self.sessions.remove(&client);
        }
        answer
    }

    /// Under which the wrong PINs of a client for a name are counted.
    fn key(&self, client: usize, name: &str) -> (String, Option<usize>) {
        let is_known = |&host: &usize| self.number(name).is_some_and(|at| self.accounts[at].hosts.contains(&host));
        (name.to_ascii_lowercase(), Some(client % HOSTS).filter(is_known))
    }

    fn locked(&mut self, key: &(String, Option<usize>)) -> Option<String> {
        let (now, lock) = (self.now(), self.lock);
        let (count, last) = self.wrong.get_mut(key)?;
        // If the clock was set back, what was wrong counts from now on.
        *last = now.min(*last);
        let left = *last + lock - now;
        let is_locked = *count >= 3 && left > 0;
        is_locked.then(|| format!("error locked after 3 wrong PINs: try again in {} s", (left + 999) / 1000))
    }

    fn count(&mut self, key: (String, Option<usize>)) {
        // What no longer counts is forgotten.
        let (now, lock) = (self.now(), self.lock);
        self.wrong.retain(|_, (_, last)| *last + lock > now);
        self.wrong.entry(key).and_modify(|(count, last)| (*count, *last) = (*count + 1, now)).or_insert((1, now));
    }

    fn book(&mut self, kind: &str, (from, to): (Option<usize>, Option<usize>), amount: &str) -> String {
        let cents = cents(amount).expect("an amount");
        if let Some(from) = from
            && self.accounts[from].balance < cents
        {
            return format!("error insufficient funds: the balance is {}", shown(self.accounts[from].balance));
        }
        if let Some(to) = to
            && self.accounts[to].balance + cents > MOST
        {
            return "error a balance cannot be more than 92233720368547758.07".into();
        }
        self.pay(kind, (from, to), cents);
        let own = from.or(to).expect("a payer or a receiver");
        format!("ok entry {} balance {}", self.entries, shown(self.accounts[own].balance))
    }

    fn pay(&mut self, kind: &str, (from, to): (Option<usize>, Option<usize>), cents: i128) {
        self.entries += 1;
        let seconds = self.now() / 1000;
        let time = format!("2000-01-01T{:02}:{:02}:{:02}Z", 12 + seconds / 3600, seconds / 60 % 60, seconds % 60);
        let names = [from, to].map(|who| who.map_or_else(String::new, |who| format!(" {}", self.accounts[who].name)));
        for (who, other, change) in [(from, &names[1], -cents), (to, &names[0], cents)] {
            let Some(who) = who else { continue };
            let sign = if change < 0 { '-' } else { '+' };
            self.accounts[who].balance += change;
            self.accounts[who].history.push(format!("{} {time} {kind} {sign}{}{other}", self.entries, shown(cents)));
        }
        self.paid_in += if from.is_none() { cents } else { 0 };
        self.paid_out += if to.is_none() { cents } else { 0 };
    }

    /// Hundredths of a percent to each account, rounded down.
    fn pay_interest(&mut self, rate: i128) -> String {
        let (mut total, mut paid, mut full) = (0, 0, 0);
        for number in 0..self.accounts.len() {
            let balance = self.accounts[number].balance;
            let interest = balance * rate / 10_000;
            if interest > 0 && balance + interest > MOST {
                full += 1;
            } else if interest > 0 {
                self.pay("interest", (None, Some(number)), interest);
                (total, paid) = (total + interest, paid + 1);
            }
        }
        let accounts = |count| if count == 1 { "1 account".into() } else { format!("{count} accounts") };
        let skipped = format!("; skipped {} whose balance would be too large", accounts(full));
        let skipped = if full > 0 { skipped } else { String::new() };
        format!("interest of {} %: {} paid to {}{skipped}\n", shown(rate), shown(total), accounts(paid))
    }
}
