//! The bank under kill -9: whatever was acknowledged is in the books exactly once, and the books are balanced.
//!
//! A round begins with a start of the server on the file that the last round left, and an independent script compares
//! that file with every line that any client ever received. Then ten sessions of five accounts log in, and each sends
//! all of its requests in one write: they are under way from then on, since the server has them, or the kernel has them
//! for it. So few sessions, since each login costs a hash on purpose; so many requests, since what counts is what the
//! kill finds half done: batches of up to ten transactions, one a session, with hundreds of requests behind them.
//! Beside them an account is opened, that of the last round gets another PIN and is closed, and interest is paid. At a
//! moment that the seed chooses the server is killed.

use crate::support::bank::{Transcript, Vault, ask, opened};
use crate::support::data::Random;
use crate::support::peer::Peer;
use rusqlite::Connection;
use rustix::process::Signal;
use std::fs;
use std::time::{Duration, Instant};
use switchboard_harness::{Capture, Server, Stop, TIMEOUT, alone, let_pass, until};

const ROUNDS: u64 = 50;
const SESSIONS: usize = 10;
const ACCOUNTS: usize = 5;
/// Requests of a session in a round: more than a server carries out before it is killed.
const REQUESTS: usize = 60;
/// The least number of requests under way at a kill that counts.
const IN_FLIGHT: usize = 200;

/// A session, the requests that it sends, and what it hears.
struct Client {
    name: String,
    account: String,
    requests: Vec<String>,
    answers: Capture,
}

impl Client {
    /// Sends all requests at once. The transcript has no PINs.
    fn start(mut peer: Peer, (name, account): (String, String), requests: Vec<String>) -> Self {
        peer.send(requests.iter().map(|request| with_pins(request) + "\n").collect::<Vec<_>>().concat());
        let socket = peer.socket().try_clone().expect("a descriptor is free");
        Client { name, account, requests, answers: Capture::of(socket) }
    }

    /// Whole lines only: half a line acknowledges nothing.
    fn answered(&self) -> Vec<String> {
        let text = self.answers.text();
        text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
    }

    fn in_flight(&self) -> usize {
        self.requests.len() - self.answered().len()
    }

    fn write_to(&self, transcript: &mut Transcript) {
        let answers = self.answered();
        assert!(answers.len() <= self.requests.len(), "{}: more answers than requests", self.name);
        for (n, request) in self.requests.iter().enumerate() {
            let answer = answers.get(n).map_or("", String::as_str);
            transcript.note((&self.name, &self.account), request, answer);
        }
    }
}

/// The PINs of the account of a round: the first one, and the one after the change.
const PINS: [&str; 2] = ["5678", "8765"];

/// The line for a request of a client. `RELOGIN` is a login with the new PIN.
fn with_pins(request: &str) -> String {
    let [old, new] = PINS;
    match request.split_once(' ').unwrap_or((request, "")) {
        ("OPEN" | "LOGIN", _) => format!("{request} {old}"),
        ("RELOGIN", name) => format!("LOGIN {name} {new}"),
        ("PIN", _) => format!("PIN {old} {new}"),
        ("CLOSE", _) => format!("CLOSE {new}"),
        _ => request.to_owned(),
    }
}

/// Amounts, of which no two are the same: they tell the requests apart.
struct Amounts(u64);

impl Amounts {
    fn next(&mut self) -> String {
        self.0 += 1;
        format!("{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

fn requests(random: &mut Random, amounts: &mut Amounts, own: usize) -> Vec<String> {
    let mut request = || {
        let amount = amounts.next();
        match random.below(4) {
            0 => format!("DEPOSIT {amount}"),
            1 => format!("WITHDRAW {amount}"),
            _ => format!("TRANSFER n{} {amount}", (own + 1 + random.below(ACCOUNTS as u64 - 1) as usize) % ACCOUNTS),
        }
    };
    (0..REQUESTS).map(|_| request()).collect()
}

/// The rest of a life of the server. Returns how many requests were under way when it was killed.
fn round(mut server: Server, number: u64, amounts: &mut Amounts, transcript: &mut Transcript) -> usize {
    let mut random = Random(number + 1);
    let address = server.address();
    let mut peers: Vec<Peer> = (0..SESSIONS).map(|_| Peer::newcomer(&address)).collect();
    for (n, peer) in peers.iter_mut().enumerate() {
        peer.send(format!("LOGIN n{} 1234\n", n % ACCOUNTS));
    }
    for (n, peer) in peers.iter_mut().enumerate() {
        assert_eq!(peer.line(), format!("ok logged in as n{}", n % ACCOUNTS));
    }
    let opening = (format!("{number}/opening"), "-".into());
    let request = vec![format!("OPEN round{number}")];
    let mut clients = vec![Client::start(Peer::newcomer(&address), opening, request)];
    if let Some(last) = number.checked_sub(1) {
        // After a first login with the old PIN, or else a second one with the new PIN.
        let requests = [&format!("LOGIN round{last}"), "PIN", &format!("RELOGIN round{last}"), "CLOSE"];
        let closing = (format!("{number}/closing"), format!("round{last}"));
        clients.push(Client::start(Peer::newcomer(&address), closing, requests.map(str::to_owned).to_vec()));
    }
    // A random number of these is answered before the flood, so the kill meets each state of an account.
    for client in &clients {
        let answers = random.below(client.requests.len() as u64 + 1) as usize;
        until("the first answers", || client.answered().len() >= answers);
    }
    for (n, peer) in peers.into_iter().enumerate() {
        let own = n % ACCOUNTS;
        clients.push(Client::start(
            peer,
            (format!("{number}/{n}"), format!("n{own}")),
            requests(&mut random, amounts, own),
        ));
    }
    let pays_interest = number.is_multiple_of(5);
    if pays_interest {
        server.say("interest 0.25\n");
    }
    let in_flight = || clients.iter().map(Client::in_flight).sum::<usize>();
    kill(&server, &mut random, in_flight);
    until("the end of all connections", || clients.iter().all(|client| client.answers.has_ended()));
    server.wait();
    for client in &clients {
        client.write_to(transcript);
    }
    if pays_interest {
        let told = if server.stderr.all_text().contains("interest of 0.25 %") { "told" } else { "" };
        transcript.note(("operator", "-"), "interest 0.25", told);
    }
    in_flight()
}

/// Kills the server: at random, after some milliseconds or some answers; sooner if it is so fast that it would have too
/// little left to do.
fn kill(server: &Server, random: &mut Random, in_flight: impl Fn() -> usize) {
    let all = in_flight();
    let (delay, answers) = match random.below(2) {
        0 => (Duration::from_millis(random.below(100)), all),
        _ => (TIMEOUT, random.below(200) as usize),
    };
    let (end, least) = (Instant::now() + delay, all.saturating_sub(answers).max(2 * IN_FLIGHT));
    while Instant::now() < end && in_flight() > least {
        let_pass(Duration::from_millis(1));
    }
    server.signal(Signal::KILL);
}

/// Each account has the new PIN, unless it was closed.
fn expect_new_pins(vault: &Vault, accounts: &[&str]) {
    let db = Connection::open(vault.file()).expect("a file of ours");
    let server = vault.launch().start();
    for name in accounts {
        let is_open = "SELECT closed IS NULL FROM account WHERE name = ?1";
        if db.query_row(is_open, [name], |row| row.get(0)).expect("an account") {
            let mut peer = Peer::newcomer(&server.address());
            assert_eq!(ask(&mut peer, &format!("LOGIN {name} {}", PINS[1])), format!("ok logged in as {name}"));
        }
    }
}

#[test]
fn killed_fifty_times_it_has_kept_every_word_and_every_cent() {
    let _alone = alone();
    let vault = Vault::new();
    let (mut amounts, mut transcript) = (Amounts(0), Transcript::default());
    let mut server = vault.launch().start();
    for n in 0..ACCOUNTS {
        let name = format!("n{n}");
        // Enough that nothing is refused.
        let request = format!("DEPOSIT {}.{n:02}", 1_000_000_000);
        transcript.ask(&mut opened(&server, &name), (&format!("opening {name}"), &name), &request);
    }
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(2));
    let mut counted = 0;
    for number in 0.. {
        // Started again, it brings the file into order; what the audit sees is what clients will see.
        let server = vault.launch().args("--stdin commands").start();
        let verdict = vault.audit(&transcript).unwrap_or_else(|wrong| panic!("after {number} rounds:\n{wrong}"));
        assert!(!verdict.contains("refused"), "{verdict}");
        println!("after {number} rounds: {verdict}");
        if counted == ROUNDS {
            break;
        }
        let in_flight = round(server, number, &mut amounts, &mut transcript);
        println!("seed {number}: killed with {in_flight} requests in flight");
        // On a busy machine, the server may answer nearly everything before the signal arrives. Such a round is extra.
        counted += u64::from(in_flight >= IN_FLIGHT);
        assert!(number < 2 * ROUNDS, "only {counted} of {number} rounds had {IN_FLIGHT} requests in flight");
    }
    let acknowledged = transcript.count("ok entry ");
    assert!(acknowledged > 1000, "only {acknowledged} requests were acknowledged in all");
    let changed = transcript.accounts_of("PIN", "ok PIN changed");
    let closed = transcript.count("ok closed ");
    assert!(changed.len() > 3 && closed > 3, "only {} PINs were changed, and {closed} accounts closed", changed.len());
    expect_new_pins(&vault, &changed);
}

/// An audit that finds nothing is worth what it would have found.
#[test]
fn the_audit_finds_what_is_wrong() {
    let vault = Vault::new();
    let mut server = vault.launch().start();
    let (mut ann, mut bob) = (opened(&server, "ann"), opened(&server, "bob"));
    let mut transcript = Transcript::default();
    for request in ["DEPOSIT 100", "WITHDRAW 1", "TRANSFER bob 20", "WITHDRAW 500"] {
        transcript.ask(&mut ann, ("1", "ann"), request);
    }
    transcript.ask(&mut bob, ("2", "bob"), "DEPOSIT 3");
    transcript.note(("2", "bob"), "DEPOSIT 4", "");
    for name in ["eve", "max"] {
        opened(&server, name);
    }
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(2));
    let verdict = vault.audit(&transcript);
    assert_eq!(
        verdict,
        Ok("4 entries, 0 runs of interest; 4 acknowledged, 1 refused, 1 unanswered, 0 unanswered and booked".into())
    );

    for (from, to, wanted) in [
        ("balance 79.00", "balance 79.01", "acknowledged by"),
        ("ok entry 2", "ok entry 3", "acknowledged by"),
        ("WITHDRAW 1\t", "WITHDRAW 2\t", "not in the journal"),
        ("TRANSFER bob 20", "TRANSFER ann 20", "booked as"),
        ("DEPOSIT 3\tok entry 4 balance 23.00", "DEPOSIT 3\terror no", "refused by"),
        ("2\tbob\tDEPOSIT 3\t", "2\tbob\tBALANCE\t", "nobody asked for"),
        ("2\tbob\tDEPOSIT 4\t", "2\tbob\tOPEN joe\tok opened joe", "no such account"),
        ("2\tbob\tDEPOSIT 4\t", "2\tbob\tCLOSE\tok closed bob", "bob is not closed"),
        ("2\tbob\tDEPOSIT 4\t", "operator\t-\tinterest 1\ttold", "told of 1 times, paid 0 times"),
    ] {
        let wrong = vault.audit(&transcript.falsified(from, to)).expect_err(to);
        assert!(wrong.contains(wanted), "{to}: {wrong}");
    }

    let sound = fs::read(vault.file()).expect("readable");
    for (damage, wanted) in [
        ("UPDATE account SET balance = balance + 1 WHERE name = 'bob'", "bob has 2301, the journal says 2300"),
        (
            "DELETE FROM journal WHERE entry = 4; UPDATE account SET balance = 2000 WHERE name = 'bob'",
            "not in the journal",
        ),
        ("INSERT INTO journal (at, kind, payer, amount) VALUES (0, 'withdrawal', 1, 100)", "booked 2 times"),
        ("INSERT INTO journal (at, kind, receiver, amount) VALUES (0, 'interest', 1, 79)", "no whole run of interest"),
        ("UPDATE account SET closed = 1 WHERE name = 'eve'", "eve is closed without a request"),
        ("UPDATE journal SET amount = 10001 WHERE entry = 1", "the journal says"),
    ] {
        let db = Connection::open(vault.file()).expect("a file of ours");
        db.execute_batch("DROP TRIGGER journal_stays; DROP TRIGGER journal_is_kept").expect("they are there");
        db.execute_batch(damage).expect("nothing protects the books now");
        drop(db);
        let wrong = vault.audit(&transcript).expect_err(damage);
        assert!(wrong.contains(wanted), "{damage}: {wrong}");
        fs::write(vault.file(), &sound).expect("room");
    }
}
