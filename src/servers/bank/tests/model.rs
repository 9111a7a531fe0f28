//! The bank, against a model of a few maps.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::time::Duration;

use proptest::prelude::*;

use super::Hall;
use crate::servers::text::counted;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Several clients do as they like; what each is told is what the model says.
    #[test]
    fn the_bank_does_what_a_model_of_it_says(acts in proptest::collection::vec(act(), 1..80)) {
        let mut hall = Hall::new();
        let peers: Vec<_> = (0..CLIENTS).map(|client| hall.comes_from(host(client))).collect();
        let mut model = Model::default();
        for act in acts {
            match &act {
                Act::Ask(client, line) => {
                    let wanted = model.answer(*client, line);
                    prop_assert_eq!(hall.asks(peers[*client], line), wanted, "{}", line);
                }
                Act::Interest(cents) => {
                    hall.sim.console(format!("interest {}", shown(*cents)).as_bytes());
                    prop_assert_eq!(hall.sim.stderr(), model.pay_interest(*cents));
                }
                Act::Pause(millis) => {
                    hall.sim.advance(Duration::from_millis(*millis));
                    model.now += millis;
                }
            }
        }
        prop_assert_eq!(model.held(), model.paid_in - model.paid_out);
    }
}

const CLIENTS: usize = 4;

/// Each two clients share a host.
fn host(client: usize) -> u8 {
    client as u8 / 2
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Act {
    /// A client asks for something.
    Ask(usize, String),
    /// The operator pays interest, in hundredths of a percent.
    Interest(i128),
    /// This many milliseconds pass.
    Pause(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let name = prop::sample::select(vec!["ann", "Ann", "bob", "eve", "nobody"]);
    let pin = prop::sample::select(vec!["1234", "1234", "1234", "5678"]);
    let amount = prop_oneof![
        8 => (1..100_000_i128).prop_map(shown),
        1 => (1..=i128::from(i64::MAX)).prop_map(shown),
        1 => Just(shown(i64::MAX.into())),
    ];
    let line = prop_oneof![
        3 => (name.clone(), pin.clone()).prop_map(|(name, pin)| format!("OPEN {name} {pin}")),
        4 => (name.clone(), pin.clone()).prop_map(|(name, pin)| format!("LOGIN {name} {pin}")),
        6 => amount.clone().prop_map(|amount| format!("DEPOSIT {amount}")),
        4 => amount.clone().prop_map(|amount| format!("WITHDRAW {amount}")),
        6 => (name, amount).prop_map(|(name, amount)| format!("TRANSFER {name} {amount}")),
        2 => Just("BALANCE".to_owned()),
        2 => (1..5_usize).prop_map(|count| format!("HISTORY {count}")),
        1 => Just("LOGOUT".to_owned()),
        2 => (pin.clone(), pin.clone()).prop_map(|(old, new)| format!("PIN {old} {new}")),
        2 => pin.prop_map(|pin| format!("CLOSE {pin}")),
    ];
    prop_oneof![
        30 => (0..CLIENTS, line).prop_map(|(client, line)| Act::Ask(client, line)),
        1 => (1..=10_000_i128).prop_map(Act::Interest),
        2 => (0..40_000_u64).prop_map(Act::Pause),
    ]
}

/// An amount as text. The model counts in `i128`, in which nothing overflows.
fn shown(cents: i128) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

const TOO_MUCH: &str = "error a balance cannot be more than 92233720368547758.07\n";
const MOST: i128 = i64::MAX as i128;

/// The bank as a few maps.
#[derive(Default)]
struct Model {
    /// By lower-case name.
    accounts: HashMap<String, Holding>,
    /// Names in the order of opening.
    order: Vec<String>,
    /// The account that each client is logged in to.
    sessions: [Option<String>; CLIENTS],
    /// By name and known host, or no host: wrong PINs in a row, and when the last one was.
    wrong: HashMap<(String, Option<u8>), (u32, u64)>,
    entries: u64,
    /// Milliseconds since noon.
    now: u64,
    paid_in: i128,
    paid_out: i128,
}

#[derive(Default)]
struct Holding {
    name: String,
    pin: String,
    is_closed: bool,
    hosts: HashSet<u8>,
    balance: i128,
    history: Vec<String>,
}

impl Model {
    fn held(&self) -> i128 {
        self.accounts.values().map(|holding| holding.balance).sum()
    }

    fn answer(&mut self, client: usize, line: &str) -> String {
        let words: Vec<_> = line.split(' ').collect();
        let own = self.sessions[client].clone();
        match (&words[..], own) {
            (["OPEN", name, pin], _) => self.open(client, name, pin),
            (["LOGIN", ..], Some(own)) => format!("error logged in as {}: LOGOUT first\n", self.accounts[&own].name),
            (["LOGIN", name, pin], None) => self.login(client, name, pin),
            (_, None) => "error log in first: LOGIN name PIN\n".into(),
            (["LOGOUT"], Some(_)) => {
                self.sessions[client] = None;
                "ok logged out\n".into()
            }
            (["PIN", old, new], Some(own)) => self.prove(client, &own, old, |holding| {
                (holding.pin, holding.hosts) = ((*new).into(), [host(client)].into());
                "ok PIN changed\n".into()
            }),
            (["CLOSE", pin], Some(own)) => self.prove(client, &own, pin, |holding| match holding.balance {
                0 => {
                    (holding.is_closed, holding.hosts) = (true, HashSet::new());
                    format!("ok closed {}\n", holding.name)
                }
                balance => format!("error the balance is {}: WITHDRAW or TRANSFER it first\n", shown(balance)),
            }),
            (_, Some(own)) if self.accounts[&own].is_closed => {
                self.sessions[client] = None;
                "error this account is closed\n".into()
            }
            (["BALANCE"], Some(own)) => format!("ok balance {}\n", shown(self.accounts[&own].balance)),
            (["HISTORY", count], Some(own)) => {
                let history = &self.accounts[&own].history;
                let last = &history[history.len().saturating_sub(count.parse().expect("a number"))..];
                format!("ok lines {}\n{}", last.len(), last.concat())
            }
            (["DEPOSIT", amount], Some(own)) => self.book("deposit", (None, Some(own.clone())), amount, &own),
            (["WITHDRAW", amount], Some(own)) => self.book("withdrawal", (Some(own.clone()), None), amount, &own),
            (["TRANSFER", to, amount], Some(own)) => match to.to_lowercase() {
                to if to == own => "error a transfer needs an account other than your own\n".into(),
                lower if self.accounts.get(&lower).is_none_or(|other| other.is_closed) => {
                    format!("error no account is called {to}\n")
                }
                to => self.book("transfer", (Some(own.clone()), Some(to)), amount, &own),
            },
            other => panic!("{other:?}"),
        }
    }

    fn open(&mut self, client: usize, name: &str, pin: &str) -> String {
        let lower = name.to_lowercase();
        if self.accounts.contains_key(&lower) {
            return format!("error the name {name} is taken\n");
        }
        self.order.push(lower.clone());
        let hosts = [host(client)].into();
        self.accounts.insert(lower, Holding { name: name.into(), pin: pin.into(), hosts, ..Holding::default() });
        format!("ok opened {name}\n")
    }

    fn login(&mut self, client: usize, name: &str, pin: &str) -> String {
        let key = self.key(client, name);
        if let Some(refusal) = self.locked(&key) {
            return refusal;
        }
        match self.accounts.get_mut(&key.0) {
            Some(holding) if holding.pin == pin && !holding.is_closed => {
                holding.hosts.insert(host(client));
                self.wrong.remove(&key);
                self.sessions[client] = Some(key.0);
                format!("ok logged in as {}\n", holding.name)
            }
            _ => {
                self.count(key);
                "error wrong name or PIN\n".into()
            }
        }
    }

    /// What a session does with its account if its PIN is right.
    fn prove(&mut self, client: usize, own: &str, pin: &str, act: impl FnOnce(&mut Holding) -> String) -> String {
        let key = self.key(client, own);
        if let Some(refusal) = self.locked(&key) {
            return refusal;
        }
        let holding = self.accounts.get_mut(own).expect("the account of a session");
        let answer = match holding.is_closed {
            true => "error this account is closed\n".into(),
            false if holding.pin == pin => {
                self.wrong.remove(&key);
                act(holding)
            }
            false => {
                self.count(key);
                "error wrong PIN\n".into()
            }
        };
        if self.accounts[own].is_closed {
            self.sessions[client] = None;
        }
        answer
    }

    /// Where the wrong PINs of a client for a name are counted.
    fn key(&self, client: usize, name: &str) -> (String, Option<u8>) {
        let (lower, host) = (name.to_lowercase(), host(client));
        let is_known = self.accounts.get(&lower).is_some_and(|holding| holding.hosts.contains(&host));
        (lower, is_known.then_some(host))
    }

    fn left(&self, key: &(String, Option<u8>)) -> (u32, u64) {
        let (failures, last) = self.wrong.get(key).copied().unwrap_or_default();
        (failures, (last + 60_000).saturating_sub(self.now))
    }

    fn locked(&self, key: &(String, Option<u8>)) -> Option<String> {
        let (failures, left) = self.left(key);
        let is_locked = failures >= 3 && left > 0;
        is_locked.then(|| format!("error locked after 3 wrong PINs: try again in {} s\n", left.div_ceil(1000)))
    }

    fn count(&mut self, key: (String, Option<u8>)) {
        let (failures, left) = self.left(&key);
        let before = if left > 0 { failures } else { 0 };
        self.wrong.insert(key, (before + 1, self.now));
    }

    fn book(&mut self, kind: &str, (from, to): (Option<String>, Option<String>), amount: &str, own: &str) -> String {
        let cents: i128 = amount.replace('.', "").parse().expect("two decimals");
        if let Some(from) = &from
            && self.accounts[from].balance < cents
        {
            return format!("error insufficient funds: the balance is {}\n", shown(self.accounts[from].balance));
        }
        if let Some(to) = &to
            && self.accounts[to].balance + cents > MOST
        {
            return TOO_MUCH.into();
        }
        self.pay(kind, (from, to), cents);
        format!("ok entry {} balance {}\n", self.entries, shown(self.accounts[own].balance))
    }

    fn pay(&mut self, kind: &str, (from, to): (Option<String>, Option<String>), cents: i128) {
        self.entries += 1;
        let seconds = self.now / 1000;
        let time = format!("2000-01-01T{:02}:{:02}:{:02}Z", 12 + seconds / 3600, seconds / 60 % 60, seconds % 60);
        let name = |key: &Option<String>| key.as_ref().map(|key| format!(" {}", self.accounts[key].name));
        let (payer, receiver) = (name(&from).unwrap_or_default(), name(&to).unwrap_or_default());
        let line = |sign, other| format!("{} {time} {kind} {sign}{}{other}\n", self.entries, shown(cents));
        let (sent, got) = (line('-', receiver), line('+', payer));
        for (key, change, line) in [(&from, -cents, sent), (&to, cents, got)] {
            if let Some(holding) = key.as_ref().and_then(|key| self.accounts.get_mut(key)) {
                holding.balance += change;
                holding.history.push(line);
            }
        }
        self.paid_in += if from.is_none() { cents } else { 0 };
        self.paid_out += if to.is_none() { cents } else { 0 };
    }

    fn pay_interest(&mut self, rate: i128) -> String {
        let (mut total, mut accounts, mut full) = (0, 0, 0);
        for name in self.order.clone() {
            let balance = self.accounts[&name].balance;
            let interest = balance * rate / 10_000;
            if interest > 0 && balance + interest > MOST {
                full += 1;
            } else if interest > 0 {
                self.pay("interest", (None, Some(name)), interest);
                (total, accounts) = (total + interest, accounts + 1);
            }
        }
        let paid = counted(accounts, "account");
        let mut told = format!("interest of {} %: {} paid to {paid}", shown(rate), shown(total));
        if full > 0 {
            let skipped = counted(full, "account");
            write!(told, "; skipped {skipped} whose balance would be too large").expect("room");
        }
        told + "\n"
    }
}
