use std::collections::HashMap;
use std::fmt::Write as _;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::servers::chunking::{in_pieces, steps, whole};
use crate::sim::{Ending, Sim, SimPeer, assert_chunking_law};
use crate::workers::storage::DataFile;

/// A bank whose PINs cost little.
fn bank(file: &DataFile) -> Lines<Bank> {
    let store = Store::open(file, &Bank::SCHEMA).expect("a good file");
    Bank::with_cheap_pins(store, BankOptions::default())
}

fn in_memory() -> Lines<Bank> {
    bank(&DataFile::Memory)
}

/// A bank and its simulated clients.
struct Hall {
    sim: Sim<Lines<Bank>>,
}

impl Hall {
    fn new() -> Hall {
        Hall { sim: Sim::new(in_memory()) }
    }

    /// Clients who are logged in to an account of their own, PIN 1234.
    fn of<const N: usize>(names: [&str; N]) -> (Hall, [SimPeer; N]) {
        let mut hall = Hall::new();
        let peers = names.map(|name| {
            let peer = hall.sim.connect();
            hall.asks(peer, &format!("OPEN {name} 1234"));
            assert_eq!(hall.asks(peer, &format!("LOGIN {name} 1234")), format!("ok logged in as {name}\n"));
            peer
        });
        (hall, peers)
    }

    fn asks(&mut self, peer: SimPeer, line: &str) -> String {
        self.sim.send(peer, format!("{line}\n").as_bytes());
        self.hears(peer)
    }

    fn hears(&mut self, peer: SimPeer) -> String {
        String::from_utf8(self.sim.received(peer)).expect("the server sends UTF-8")
    }
}

#[test]
fn money_is_paid_in_moved_and_paid_out() {
    let (mut hall, [ann, bob]) = Hall::of(["ann", "bob"]);
    assert_eq!(hall.asks(ann, "DEPOSIT 100"), "ok entry 1 balance 100.00\n");
    assert_eq!(hall.asks(ann, "TRANSFER Bob 12.5"), "ok entry 2 balance 87.50\n");
    assert_eq!(hall.asks(bob, "BALANCE"), "ok balance 12.50\n");
    assert_eq!(hall.asks(bob, "WITHDRAW 0.01"), "ok entry 3 balance 12.49\n");
    assert_eq!(
        hall.asks(bob, "HISTORY"),
        "ok lines 2\n2 2000-01-01T12:00:00Z transfer +12.50 ann\n3 2000-01-01T12:00:00Z withdrawal -0.01\n"
    );
    assert_eq!(hall.asks(ann, "HISTORY 1"), "ok lines 1\n2 2000-01-01T12:00:00Z transfer -12.50 bob\n");
    assert_eq!(hall.asks(ann, "LOGOUT"), "ok logged out\n");
    assert_eq!(hall.asks(ann, "BALANCE"), "error log in first: LOGIN name PIN\n");
    assert_eq!(hall.asks(ann, "QUIT"), "ok good bye\n");
    assert_eq!(hall.sim.ending(ann), Some(Ending::Eof));
}

#[test]
fn several_sessions_share_an_account() {
    let (mut hall, [ann]) = Hall::of(["ann"]);
    let twin = hall.sim.connect();
    assert_eq!(hall.asks(twin, "LOGIN ANN 1234"), "ok logged in as ann\n");
    assert_eq!(hall.asks(ann, "DEPOSIT 10"), "ok entry 1 balance 10.00\n");
    hall.sim.hold_jobs();
    for peer in [ann, twin] {
        hall.sim.send(peer, b"WITHDRAW 7\n");
    }
    hall.sim.run();
    hall.sim.release_jobs();
    assert_eq!(hall.hears(ann), "ok entry 2 balance 3.00\n");
    assert_eq!(hall.hears(twin), "error insufficient funds: the balance is 3.00\n");
}

#[test]
fn every_refusal_is_one_line_and_the_client_stays() {
    let (mut hall, [ann, max]) = Hall::of(["ann", "max"]);
    hall.asks(ann, "DEPOSIT 5");
    hall.asks(max, "DEPOSIT 92233720368547758.07");
    let longest = "x".repeat(4097);
    for (line, answer) in [
        ("LOGIN bob 1234", "error logged in as ann: LOGOUT first"),
        ("OPEN MAX 1234", "error the name MAX is taken"),
        ("OPEN 1234 5678", "error a name is a letter, then up to 31 of A-Z, a-z, 0-9 and _-."),
        ("OPEN bob 123", "error a PIN is 4 to 12 digits"),
        ("WITHDRAW 5.01", "error insufficient funds: the balance is 5.00"),
        ("TRANSFER max 0.01", "error a balance cannot be more than 92233720368547758.07"),
        ("TRANSFER Ann 1", "error a transfer needs an account other than your own"),
        ("TRANSFER bob 1", "error no account is called bob"),
        ("DEPOSIT -1", "error an amount is 12, 12.5 or 12.50: more than 0, at most 92233720368547758.07"),
        ("HISTORY 0", "error HISTORY takes a number from 1 to 1000"),
        ("DEPOSIT", "error usage: DEPOSIT amount"),
        ("GET / HTTP/1.1", "error unknown command: HELP lists them"),
        (&longest, "error the line is over 4096 bytes"),
        ("BALANCE", "ok balance 5.00"),
    ] {
        assert_eq!(hall.asks(ann, line), format!("{answer}\n"), "{line}");
    }
    assert_eq!(hall.asks(max, "DEPOSIT 0.01"), "error a balance cannot be more than 92233720368547758.07\n");
    assert_eq!(hall.asks(ann, ""), "");
}

#[test]
fn help_says_how_many_lines_it_has() {
    let mut hall = Hall::new();
    let peer = hall.sim.connect();
    let help = hall.asks(peer, "help");
    let (first, rest) = help.split_once('\n').expect("lines");
    assert_eq!(first, format!("ok lines {}", rest.lines().count()));
    for command in ["OPEN", "LOGIN", "BALANCE", "DEPOSIT", "WITHDRAW", "TRANSFER", "HISTORY", "LOGOUT", "HELP", "QUIT"]
    {
        assert!(rest.lines().any(|line| line.starts_with(command)), "{command}");
    }
}

#[test]
fn a_web_page_is_sent_away() {
    let mut hall = Hall::new();
    let peer = hall.sim.connect();
    let request = "POST / HTTP/1.1\r\nHost: here\r\n\r\nOPEN eve 1234\nLOGIN eve 1234\n";
    assert_eq!(hall.asks(peer, request), "error this is a bank and does not speak HTTP\n");
    assert_eq!(hall.sim.ending(peer), Some(Ending::Eof));
}

#[test]
fn three_wrong_pins_lock_and_the_right_one_is_told_for_how_long() {
    let (mut hall, [ann]) = Hall::of(["ann"]);
    let other = hall.sim.connect();
    for pin in ["1111", "2222", "3333"] {
        assert_eq!(hall.asks(other, &format!("LOGIN ann {pin}")), "error wrong name or PIN\n");
    }
    hall.sim.advance(Duration::from_millis(500));
    let locked = |seconds| format!("error locked after 3 wrong PINs: try again in {seconds} s\n");
    assert_eq!(hall.asks(other, "LOGIN Ann 1234"), locked(60));
    hall.sim.advance(Duration::from_secs(59));
    assert_eq!(hall.asks(other, "LOGIN ann 1234"), locked(1));
    assert_eq!(hall.asks(ann, "DEPOSIT 1"), "ok entry 1 balance 1.00\n", "who is logged in goes on");
    hall.sim.advance(Duration::from_millis(500));
    assert_eq!(hall.asks(other, "LOGIN ann 1234"), "ok logged in as ann\n");
}

#[test]
fn an_unknown_name_is_answered_like_a_known_one() {
    let (mut hall, _) = Hall::of(["ann"]);
    let mut answers = |name: &str| {
        let peer = hall.sim.connect();
        let script: Vec<_> = (0..5).map(|n| hall.asks(peer, &format!("LOGIN {name} 000{n}"))).collect();
        script
    };
    let (known, unknown) = (answers("ann"), answers("nobody"));
    assert_eq!(known, unknown);
    assert!(known[4].contains("locked"), "{known:?}");
}

#[test]
fn a_lock_outlives_the_server() {
    let place = TempDir::new().expect("room for a directory");
    let file = DataFile::Path(place.path().join("bank.db"));
    let mut hall = Hall { sim: Sim::new(bank(&file)) };
    let peer = hall.sim.connect();
    hall.asks(peer, "OPEN ann 1234");
    for _ in 0..3 {
        assert_eq!(hall.asks(peer, "LOGIN ann 9999"), "error wrong name or PIN\n");
    }
    drop(hall);
    let mut hall = Hall { sim: Sim::new(bank(&file)) };
    let noon = UNIX_EPOCH + Duration::from_secs(946_728_000);
    hall.sim.set_system_time(noon + Duration::from_secs(20));
    let peer = hall.sim.connect();
    assert_eq!(hall.asks(peer, "LOGIN ann 1234"), "error locked after 3 wrong PINs: try again in 40 s\n");
    hall.sim.set_system_time(noon + Duration::from_secs(60));
    assert_eq!(hall.asks(peer, "LOGIN ann 1234"), "ok logged in as ann\n");
}

/// All look before the first is judged, and still no more than three learn anything.
#[test]
fn parallel_guesses_learn_no_more_than_guesses_in_turn() {
    let (mut hall, _) = Hall::of(["ann"]);
    let peers: Vec<_> = (0..10).map(|_| hall.sim.connect()).collect();
    hall.sim.hold_jobs();
    for (n, &peer) in peers.iter().enumerate() {
        // The last of them is right.
        hall.sim.send(peer, format!("LOGIN ann {}\n", 1225 + n).as_bytes());
    }
    hall.sim.run();
    hall.sim.release_jobs();
    let answers: Vec<_> = peers.iter().map(|&peer| hall.hears(peer)).collect();
    let count = |text: &str| answers.iter().filter(|answer| answer.starts_with(text)).count();
    assert_eq!((count("error wrong"), count("error locked"), count("ok")), (3, 7, 0), "{answers:?}");
}

#[test]
fn a_flood_of_pins_is_answered_busy_and_delays_no_other_client() {
    let (mut hall, [ann]) = Hall::of(["ann"]);
    let peers: Vec<_> = (0..MOST_PINS + 3).map(|_| hall.sim.connect()).collect();
    hall.sim.hold_jobs();
    for (n, &peer) in peers.iter().enumerate() {
        hall.sim.send(peer, format!("OPEN n{n} 1234\nOPEN m{n} 1234\n").as_bytes());
    }
    hall.sim.run();
    for &peer in &peers[MOST_PINS..] {
        assert_eq!(hall.hears(peer), "error busy, try again\nerror busy, try again\n");
    }
    hall.sim.send(ann, b"HELP\n");
    assert!(hall.hears(ann).starts_with("ok lines"));
    hall.sim.release_jobs();
    for (n, &peer) in peers.iter().take(MOST_PINS).enumerate() {
        let answers = hall.hears(peer);
        assert!(answers.starts_with(&format!("ok opened n{n}\n")), "{answers}");
    }
}

#[test]
fn nothing_is_answered_before_it_is_done() {
    let (mut hall, [ann]) = Hall::of(["ann"]);
    hall.sim.hold_jobs();
    assert_eq!(hall.asks(ann, "DEPOSIT 1"), "");
    assert_eq!(hall.asks(ann, "HELP"), "", "answers keep their order");
    hall.sim.release_jobs();
    assert!(hall.hears(ann).starts_with("ok entry 1 balance 1.00\nok lines"));
}

#[test]
fn a_pin_is_shown_nowhere() {
    let (mut hall, [ann]) = Hall::of(["ann"]);
    for line in ["9173", "OPEN 9173", "OPEN 9173 ann", "LOGIN ann 9173", "TRANSFER ann", "9173 9173", "BALANCE 9173"] {
        let answer = hall.asks(ann, line);
        assert!(answer.starts_with("error ") && !answer.contains("9173"), "{line}: {answer}");
    }
    let pin = Pin::parse("9173").expect("a good PIN");
    let account = Some(Account { id: 1, name: "ann".into() });
    let step = Step::Find(Login { name: "ann".into(), pin });
    let session = BankSession { account, step };
    let shown = format!("{session:?} {:?}", Command::parse(b"LOGIN ann 9173"));
    assert!(shown.contains("Login") && !shown.contains("9173"), "{shown}");
}

#[test]
fn the_operator_pays_interest() {
    let (mut hall, [ann, bob]) = Hall::of(["ann", "bob"]);
    hall.asks(ann, "DEPOSIT 100");
    hall.asks(bob, "DEPOSIT 0.39");
    hall.sim.console(b" interest  2.5 ");
    assert_eq!(hall.sim.stderr(), "interest of 2.50 %: 2.50 paid to 1 account\n");
    assert_eq!(hall.asks(ann, "BALANCE"), "ok balance 102.50\n");
    assert_eq!(hall.asks(bob, "BALANCE"), "ok balance 0.39\n");
    assert_eq!(hall.asks(ann, "HISTORY 1"), "ok lines 1\n3 2000-01-01T12:00:00Z interest +2.50\n");
    hall.asks(bob, "DEPOSIT 92233720368547757");
    hall.sim.console(b"interest 1");
    assert_eq!(
        hall.sim.stderr(),
        "interest of 1.00 %: 1.02 paid to 1 account; skipped 1 account whose balance would be too large\n"
    );
    for line in ["interest 0", "interest -1", "interest 100.01", "interest 1.234", "interest much"] {
        hall.sim.console(line.as_bytes());
        assert_eq!(
            hall.sim.stderr(),
            "interest is a percentage such as 2, 2.5 or 2.50: more than 0, at most 100\n",
            "{line}"
        );
    }
    hall.sim.console(b"interest");
    assert_eq!(hall.sim.stderr(), "usage: interest PERCENT\n");
}

#[test]
fn the_operator_has_the_commands_of_every_server_too() {
    let mut hall = Hall::new();
    hall.sim.console(b"help");
    assert_eq!(
        hall.sim.stderr(),
        "help                       show this list\n\
         stats                      show connections, bytes, queues, timers, turns and drops\n\
         who [TEXT]                 list the connections, or those that match TEXT\n\
         kick NUMBER|NICK [REASON]  close a connection, and tell its client the reason\n\
         interest PERCENT           pay interest to all accounts\n\
         quit                       stop the server\n"
    );
    hall.sim.console(b"dance");
    assert_eq!(hall.sim.stderr(), "unknown command \"dance\": type help, stats, who, kick, interest or quit\n");
    hall.sim.console(b"quit");
    assert!(hall.sim.is_stopped());
}

#[test]
fn interest_under_way_is_paid_before_a_stop() {
    let (mut hall, [ann]) = Hall::of(["ann"]);
    hall.asks(ann, "DEPOSIT 100");
    hall.sim.hold_jobs();
    hall.sim.console(b"interest 1");
    hall.sim.console(b"quit");
    assert!(!hall.sim.is_stopped());
    hall.sim.release_jobs();
    assert_eq!(hall.sim.stderr(), "interest of 1.00 %: 1.00 paid to 1 account\n");
}

/// Without the time of any entry, which a pause may change.
const SCRIPT: &[u8] = b"open ann 1234\r\nLOGIN ann 1234\nHISTORY\nDEPOSIT 5\n\nHELP\nTRANSFER b 1\nBALANCE";

#[test]
fn the_chunking_law_holds() {
    assert_chunking_law(in_memory, b"OPEN a 1234\r\nLOGIN a 1234\n\nDEPOSIT 5\nQUIT\nx");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_script_in_pieces_is_answered_as_a_whole_one(steps in steps()) {
        prop_assert_eq!(in_pieces(in_memory(), SCRIPT, &steps), whole(in_memory(), SCRIPT));
    }

    #[test]
    fn any_input_is_answered_by_lines_of_ok_and_error(input: Vec<u8>) {
        let (received, ending) = whole(in_memory(), &input);
        prop_assert_eq!(ending, Some(Ending::Eof));
        let text = String::from_utf8(received).expect("the server sends UTF-8");
        prop_assert!(text.lines().all(|line| line.starts_with("ok ") || line.starts_with("error ")), "{}", text);
    }

    /// Several clients do as they like; what each is told is what the model says.
    #[test]
    fn the_bank_does_what_a_model_of_it_says(acts in proptest::collection::vec(act(), 1..80)) {
        let mut hall = Hall::new();
        let peers: Vec<_> = (0..CLIENTS).map(|_| hall.sim.connect()).collect();
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
        4 => (name.clone(), pin).prop_map(|(name, pin)| format!("LOGIN {name} {pin}")),
        6 => amount.clone().prop_map(|amount| format!("DEPOSIT {amount}")),
        4 => amount.clone().prop_map(|amount| format!("WITHDRAW {amount}")),
        6 => (name, amount).prop_map(|(name, amount)| format!("TRANSFER {name} {amount}")),
        2 => Just("BALANCE".to_owned()),
        2 => (1..5_usize).prop_map(|count| format!("HISTORY {count}")),
        1 => Just("LOGOUT".to_owned()),
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
    /// Wrong PINs in a row, and when the last one was.
    wrong: HashMap<String, (u32, u64)>,
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
            (["OPEN", name, pin], _) => self.open(name, pin),
            (["LOGIN", ..], Some(own)) => format!("error logged in as {}: LOGOUT first\n", self.accounts[&own].name),
            (["LOGIN", name, pin], None) => self.login(client, name, pin),
            (_, None) => "error log in first: LOGIN name PIN\n".into(),
            (["LOGOUT"], Some(_)) => {
                self.sessions[client] = None;
                "ok logged out\n".into()
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
                lower if !self.accounts.contains_key(&lower) => format!("error no account is called {to}\n"),
                to => self.book("transfer", (Some(own.clone()), Some(to)), amount, &own),
            },
            other => panic!("{other:?}"),
        }
    }

    fn open(&mut self, name: &str, pin: &str) -> String {
        let lower = name.to_lowercase();
        if self.accounts.contains_key(&lower) {
            return format!("error the name {name} is taken\n");
        }
        self.order.push(lower.clone());
        self.accounts.insert(lower, Holding { name: name.into(), pin: pin.into(), ..Holding::default() });
        format!("ok opened {name}\n")
    }

    fn login(&mut self, client: usize, name: &str, pin: &str) -> String {
        let lower = name.to_lowercase();
        let (failures, last) = self.wrong.get(&lower).copied().unwrap_or_default();
        let left = (last + 60_000).saturating_sub(self.now);
        if failures >= 3 && left > 0 {
            return format!("error locked after 3 wrong PINs: try again in {} s\n", left.div_ceil(1000));
        }
        match self.accounts.get(&lower) {
            Some(holding) if holding.pin == pin => {
                self.wrong.remove(&lower);
                self.sessions[client] = Some(lower);
                format!("ok logged in as {}\n", holding.name)
            }
            _ => {
                let before = if left > 0 { failures } else { 0 };
                self.wrong.insert(lower, (before + 1, self.now));
                "error wrong name or PIN\n".into()
            }
        }
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
