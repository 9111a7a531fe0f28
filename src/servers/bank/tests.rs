mod model;

use std::net::Ipv4Addr;

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
            let peer = hall.comes();
            hall.asks(peer, &format!("OPEN {name} 1234"));
            assert_eq!(hall.asks(peer, &format!("LOGIN {name} 1234")), format!("ok logged in as {name}\n"));
            peer
        });
        (hall, peers)
    }

    /// A client of the owner's host.
    fn comes(&mut self) -> SimPeer {
        self.comes_from(0)
    }

    /// A client of another host for each number.
    fn comes_from(&mut self, host: u8) -> SimPeer {
        let peer = self.sim.connect_from(Ipv4Addr::new(192, 0, 2, host).into());
        assert_eq!(self.hears(peer), "ok welcome to the bank: HELP lists the commands\n");
        peer
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
    let twin = hall.comes();
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
        ("DEPOSIT -1", "error write an amount as 12, 12.5 or 12.50: more than 0, at most 92233720368547758.07"),
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
    let peer = hall.comes();
    let help = hall.asks(peer, "help");
    let (first, rest) = help.split_once('\n').expect("lines");
    assert_eq!(first, format!("ok lines {}", rest.lines().count()));
    let commands: Vec<_> = rest.lines().filter_map(|line| line.split(' ').next()).collect();
    let money = ["BALANCE", "DEPOSIT", "WITHDRAW", "TRANSFER", "HISTORY"];
    assert_eq!(commands, [&["OPEN", "LOGIN"], &money[..], &["PIN", "CLOSE", "LOGOUT", "HELP", "QUIT"]].concat());
}

#[test]
fn a_web_page_is_sent_away() {
    let mut hall = Hall::new();
    let peer = hall.comes();
    let request = "POST / HTTP/1.1\r\nHost: here\r\n\r\nOPEN eve 1234\nLOGIN eve 1234\n";
    assert_eq!(hall.asks(peer, request), "error this is a bank and does not speak HTTP\n");
    assert_eq!(hall.sim.ending(peer), Some(Ending::Eof));
}

#[test]
fn three_wrong_pins_lock_and_the_right_one_is_told_for_how_long() {
    let (mut hall, [ann]) = Hall::of(["ann"]);
    let other = hall.comes();
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

/// A stranger cannot keep the owner out, and many hosts of strangers try no more PINs than one.
#[test]
fn a_stranger_locks_out_strangers_and_not_the_owner() {
    let (mut hall, _) = Hall::of(["ann"]);
    for (host, pin) in [(1, "1111"), (2, "2222"), (3, "3333")] {
        let stranger = hall.comes_from(host);
        assert_eq!(hall.asks(stranger, &format!("LOGIN ann {pin}")), "error wrong name or PIN\n");
    }
    let locked = "error locked after 3 wrong PINs: try again in 60 s\n";
    let (stranger, owner) = (hall.comes_from(4), hall.comes());
    assert_eq!(hall.asks(stranger, "LOGIN ann 1234"), locked);
    assert_eq!(hall.asks(owner, "LOGIN ann 1234"), "ok logged in as ann\n");
    assert_eq!(hall.asks(stranger, "LOGIN ann 1234"), locked, "the owner's login does not help a stranger");
    // After a login from there, the fourth host is one of the owner's, too.
    hall.sim.advance(Duration::from_secs(60));
    assert_eq!(hall.asks(stranger, "LOGIN ann 1234"), "ok logged in as ann\n");
    let stranger = hall.comes_from(5);
    for _ in 0..3 {
        hall.asks(stranger, "LOGIN ann 9999");
    }
    let owner = hall.comes_from(4);
    assert_eq!(hall.asks(owner, "LOGIN ann 1234"), "ok logged in as ann\n");
}

#[test]
fn a_pin_is_changed_with_the_old_one() {
    let (mut hall, [ann]) = Hall::of(["ann"]);
    assert_eq!(hall.asks(ann, "PIN 9999 5678"), "error wrong PIN\n");
    assert_eq!(hall.asks(ann, "PIN 1234 5678"), "ok PIN changed\n");
    assert_eq!(hall.asks(ann, "DEPOSIT 1"), "ok entry 1 balance 1.00\n");
    let twin = hall.comes();
    assert_eq!(hall.asks(twin, "PIN 1234 5678"), "error log in first: LOGIN name PIN\n");
    assert_eq!(hall.asks(twin, "LOGIN ann 1234"), "error wrong name or PIN\n");
    assert_eq!(hall.asks(twin, "LOGIN ann 5678"), "ok logged in as ann\n");
    for _ in 0..3 {
        assert_eq!(hall.asks(ann, "PIN 9999 1111"), "error wrong PIN\n", "a session may not guess, either");
    }
    assert_eq!(hall.asks(ann, "PIN 5678 1111"), "error locked after 3 wrong PINs: try again in 60 s\n");
}

/// Both PINs are compared before either is changed.
#[test]
fn of_two_changes_at_once_one_is_made() {
    let (mut hall, [ann]) = Hall::of(["ann"]);
    let twin = hall.comes();
    hall.asks(twin, "LOGIN ann 1234");
    hall.sim.hold_jobs();
    hall.sim.send(ann, b"PIN 1234 5678\n");
    hall.sim.send(twin, b"PIN 1234 9999\n");
    hall.sim.run();
    hall.sim.release_jobs();
    assert_eq!((hall.hears(ann), hall.hears(twin)), ("ok PIN changed\n".into(), "error wrong PIN\n".into()));
}

#[test]
fn an_account_is_closed_when_it_holds_nothing() {
    let (mut hall, [ann, bob]) = Hall::of(["ann", "bob"]);
    let twin = hall.comes();
    hall.asks(twin, "LOGIN ann 1234");
    hall.asks(ann, "DEPOSIT 5");
    assert_eq!(hall.asks(ann, "CLOSE 1234"), "error the balance is 5.00: WITHDRAW or TRANSFER it first\n");
    hall.asks(ann, "TRANSFER bob 5");
    assert_eq!(hall.asks(ann, "CLOSE 9999"), "error wrong PIN\n");
    assert_eq!(hall.asks(ann, "CLOSE 1234"), "ok closed ann\n");
    for (peer, line, answer) in [
        (ann, "BALANCE", "error log in first: LOGIN name PIN"),
        (ann, "LOGIN ann 1234", "error wrong name or PIN"),
        (ann, "OPEN ann 1234", "error the name ann is taken"),
        (bob, "TRANSFER ann 1", "error no account is called ann"),
        (bob, "HISTORY 1", "ok lines 1\n2 2000-01-01T12:00:00Z transfer +5.00 ann"),
        (twin, "DEPOSIT 1", "error this account is closed"),
        (twin, "DEPOSIT 1", "error log in first: LOGIN name PIN"),
    ] {
        assert_eq!(hall.asks(peer, line), format!("{answer}\n"), "{line}");
    }
}

#[test]
fn an_unknown_name_is_answered_like_a_known_one() {
    let (mut hall, _) = Hall::of(["ann"]);
    let mut answers = |name: &str| {
        let peer = hall.comes();
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
    let peer = hall.comes();
    hall.asks(peer, "OPEN ann 1234");
    for _ in 0..3 {
        assert_eq!(hall.asks(peer, "LOGIN ann 9999"), "error wrong name or PIN\n");
    }
    drop(hall);
    let mut hall = Hall { sim: Sim::new(bank(&file)) };
    let noon = UNIX_EPOCH + Duration::from_secs(946_728_000);
    hall.sim.set_system_time(noon + Duration::from_secs(20));
    let peer = hall.comes();
    assert_eq!(hall.asks(peer, "LOGIN ann 1234"), "error locked after 3 wrong PINs: try again in 40 s\n");
    hall.sim.set_system_time(noon + Duration::from_secs(60));
    assert_eq!(hall.asks(peer, "LOGIN ann 1234"), "ok logged in as ann\n");
}

/// All look before the first is judged, and still no more than three learn anything.
#[test]
fn parallel_guesses_learn_no_more_than_guesses_in_turn() {
    let (mut hall, _) = Hall::of(["ann"]);
    let peers: Vec<_> = (0..10).map(|_| hall.comes()).collect();
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
    let peers: Vec<_> = (0..MOST_PINS + 3).map(|_| hall.comes()).collect();
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
    for line in ["9173", "OPEN 9173", "OPEN 9173 ann", "LOGIN ann 9173", "TRANSFER ann", "PIN 9173", "CLOSE 9173 9173"]
    {
        let answer = hall.asks(ann, line);
        assert!(answer.starts_with("error ") && !answer.contains("9173"), "{line}: {answer}");
    }
    let pin = Pin::parse("9173").expect("a good PIN");
    let account = Some(Account { id: 1, name: "ann".into() });
    let step = Step::Find(Trial { name: "ann".into(), wish: Wish::ChangePin { new: pin.clone() }, pin });
    let session = BankSession { host: "unix".into(), account, step };
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
         stats                      show the uptime, connections, traffic, rates and the load of the loop\n\
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
}
