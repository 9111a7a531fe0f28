//! The bank: what its clients and its operator see, what it keeps over a restart, and what it never shows.

use crate::support::bank::{Transcript, Vault, ask, log_in, opened};
use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::tools::{pass_through, tool};
use rusqlite::Connection;
use std::fs;
use std::time::{Duration, Instant};
use switchboard_harness::{Launch, Stop, alone};

const WELCOME: &str = "ok welcome to the bank: HELP lists the commands\n";

#[test]
fn every_netcat_banks_over_tcp_and_over_a_unix_socket() {
    let vault = Vault::new();
    let path = vault.file().with_extension("sock").display().to_string();
    let mut server = vault.launch().listen("127.0.0.1:0").listen(&format!("unix:{path}")).spawn();
    let address = server.addresses(2).swap_remove(0);
    let port = address.rsplit(':').next().expect("a port");
    let commands: [&[&str]; 4] = [
        &["nc", "-N", "127.0.0.1", port],
        &["ncat", "127.0.0.1", port],
        &["nc", "-N", "-U", &path],
        &["ncat", "-U", &path],
    ];
    for (words, n) in commands.into_iter().zip(1..) {
        // The last line without its end, as `printf` leaves it.
        let script = format!("OPEN n{n} 1234\r\nLOGIN n{n} 1234\nDEPOSIT {n}\n\nBALANCE");
        let answers = String::from_utf8(pass_through(words, script.as_bytes())).expect("text");
        let wanted =
            format!("{WELCOME}ok opened n{n}\nok logged in as n{n}\nok entry {n} balance {n}.00\nok balance {n}.00\n");
        assert_eq!(answers, wanted, "{words:?}");
    }
    server.expect_manners();
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(2));
}

#[test]
fn a_person_at_a_netcat_is_answered_line_by_line() {
    let server = Program::Bank.start();
    let mut ann = tool(&["nc", "-N", "127.0.0.1", &server.port().to_string()]);
    let mut shown = WELCOME.to_owned();
    ann.stdout.shows(&shown);
    for (line, answer) in [
        ("deposit 5", "error log in first: LOGIN name PIN"),
        ("open ann 1234", "ok opened ann"),
        ("login ann 1234", "ok logged in as ann"),
        ("deposit 5", "ok entry 1 balance 5.00"),
        ("withdraw 7", "error insufficient funds: the balance is 5.00"),
        ("quit", "ok good bye"),
    ] {
        ann.say(format!("{line}\n"));
        shown.extend([answer, "\n"]);
        ann.stdout.shows(&shown);
    }
    ann.hang_up();
    assert!(ann.wait().status.success());
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart() {
    let vault = Vault::new();
    let mut server = vault.launch().start();
    let (mut ann, mut bob) = (opened(&server, "ann"), opened(&server, "bob"));
    assert_eq!(ask(&mut ann, "DEPOSIT 100"), "ok entry 1 balance 100.00");
    assert_eq!(ask(&mut bob, "DEPOSIT 0.07"), "ok entry 2 balance 0.07");
    assert_eq!(ask(&mut ann, "TRANSFER bob 30.50"), "ok entry 3 balance 69.50");
    server.stop_by(Stop::Terminate).expect_clean_within(Duration::from_secs(2));
    let server = vault.launch().start();
    let mut bob = Peer::newcomer(&server.address());
    log_in(&mut bob, "bob");
    assert_eq!(ask(&mut bob, "BALANCE"), "ok balance 30.57");
    assert_eq!(ask(&mut bob, "HISTORY"), "ok lines 2");
    assert!(bob.line().ends_with("Z deposit +0.07"));
    assert!(bob.line().ends_with("Z transfer +30.50 ann"));
}

#[test]
fn a_lock_is_not_opened_by_a_restart() {
    let vault = Vault::new();
    let mut server = vault.launch().args("--lock 1h").start();
    let mut peer = opened(&server, "ann");
    ask(&mut peer, "LOGOUT");
    for pin in ["1111", "2222", "3333"] {
        assert_eq!(ask(&mut peer, &format!("LOGIN ann {pin}")), "error wrong name or PIN");
    }
    server.stderr.wait_for("ann is locked for 3600s for this host, after 3 wrong PINs");
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(2));
    let server = vault.launch().args("--lock 1h").start();
    let answer = ask(&mut Peer::newcomer(&server.address()), "LOGIN ann 1234");
    let seconds = answer.strip_prefix("error locked after 3 wrong PINs: try again in ");
    let seconds: u32 = seconds.and_then(|rest| rest.strip_suffix(" s")?.parse().ok()).expect(&answer);
    assert!((3500..=3600).contains(&seconds), "{answer}");
}

#[test]
fn wrong_pins_of_a_stranger_do_not_lock_out_the_owner() {
    let server = Program::Bank.start();
    let mut owner = opened(&server, "ann");
    ask(&mut owner, "LOGOUT");
    let mut stranger = Peer::connect_from("127.0.0.2", &server.address());
    assert_eq!(format!("{}\n", stranger.line()), WELCOME);
    for _ in 0..3 {
        assert_eq!(ask(&mut stranger, "LOGIN ann 9999"), "error wrong name or PIN");
    }
    assert!(ask(&mut stranger, "LOGIN ann 1234").starts_with("error locked"));
    log_in(&mut owner, "ann");
    assert_eq!(ask(&mut owner, "PIN 1234 567890"), "ok PIN changed");
    assert_eq!(ask(&mut owner, "CLOSE 567890"), "ok closed ann");
    server.stderr.wait_for("ann is locked for 60s for hosts that have not logged in to it before");
}

/// One hundred sessions of ten accounts, ten transfers each, all under way at once.
#[test]
fn a_thousand_transfers_at_once_move_money_and_make_none() {
    let vault = Vault::new();
    let server = vault.launch().start();
    let mut transcript = Transcript::default();
    for n in 0..10 {
        let name = format!("n{n}");
        let mut peer = opened(&server, &name);
        // Ten sessions share what is enough for a part of their transfers only.
        let request = format!("DEPOSIT {}.{n:02}", 5000);
        transcript.ask(&mut peer, (&format!("opening {name}"), &name), &request);
    }
    let mut peers: Vec<Peer> = (0..100).map(|_| Peer::newcomer(&server.address())).collect();
    for (n, peer) in peers.iter_mut().enumerate() {
        log_in(peer, &format!("n{}", n % 10));
    }
    // Each amount is another one.
    let request = |n: usize, k: usize| format!("TRANSFER n{} {}.{k:02}", (n + k % 9 + 1) % 10, n * 10 + 1);
    for (n, peer) in peers.iter_mut().enumerate() {
        peer.send((0..10).map(|k| request(n, k) + "\n").collect::<Vec<_>>().concat());
    }
    for (n, peer) in peers.iter_mut().enumerate() {
        for k in 0..10 {
            let answer = peer.line();
            assert!(answer.starts_with("ok entry ") || answer.starts_with("error insufficient funds"), "{answer}");
            transcript.note((&format!("session {n}"), &format!("n{}", n % 10)), &request(n, k), &answer);
        }
    }
    let balances = peers.iter_mut().take(10).map(|peer| ask(peer, "BALANCE"));
    let cents: u64 =
        balances.map(|text| text.replace("ok balance ", "").replace('.', "").parse::<u64>().expect(&text)).sum();
    assert_eq!(cents, 10 * 500_000 + (0..10).sum::<u64>());
    let verdict = vault.audit(&transcript).unwrap_or_else(|wrong| panic!("{wrong}"));
    let booked = transcript.count("ok entry");
    assert!(verdict.starts_with(&format!("{booked} entries, 0 runs of interest; {booked} acknowledged")), "{verdict}");
    assert!(booked > 400, "{verdict}");
}

/// By the processor time of the server, which does not depend on what else this machine does.
#[test]
fn an_unknown_name_takes_as_long_as_a_wrong_pin() {
    let server = Program::Bank.launch().args("--lock off").start();
    let mut peer = opened(&server, "ann");
    ask(&mut peer, "LOGOUT");
    let mut time = |name: &str| {
        let before = server.cpu();
        for _ in 0..25 {
            assert_eq!(ask(&mut peer, &format!("LOGIN {name} 9999")), "error wrong name or PIN");
        }
        server.cpu().saturating_sub(before)
    };
    let (known, unknown) = (time("ann"), time("nobody"));
    // Without a hash to compare with it would be fifty times less.
    assert!(known > Duration::from_millis(100), "a hash is hard work, {known:?} for 25");
    assert!(unknown < known * 2 && known < unknown * 2, "known {known:?}, unknown {unknown:?}");
}

#[test]
fn a_flood_of_logins_is_told_to_wait_and_delays_no_deposit() {
    let _alone = alone();
    let server = Program::Bank.start();
    let mut ann = opened(&server, "ann");
    let mut flood: Vec<Peer> = (0..300).map(|_| Peer::newcomer(&server.address())).collect();
    for (n, peer) in flood.iter_mut().enumerate() {
        peer.send(format!("LOGIN n{n} 9999\n"));
    }
    let start = Instant::now();
    for n in 1..=20 {
        assert_eq!(ask(&mut ann, "DEPOSIT 1"), format!("ok entry {n} balance {n}.00"));
    }
    let deposits = start.elapsed();
    let answers: Vec<_> = flood.iter_mut().map(Peer::line).collect();
    let all = start.elapsed();
    // Behind the PINs that wait, the first deposit would be as late as the last of them.
    assert!(deposits < all / 2, "20 deposits after {deposits:?}, all PINs after {all:?}");
    let busy = answers.iter().filter(|answer| *answer == "error busy, try again").count();
    let wrong = answers.iter().filter(|answer| *answer == "error wrong name or PIN").count();
    assert!(busy > 0 && wrong >= 64 && busy + wrong == 300, "{busy} busy, {wrong} wrong: {answers:?}");
}

#[test]
fn a_pin_is_neither_logged_nor_kept() {
    const PIN: &str = "918273645546";
    let vault = Vault::new();
    let mut server = vault.launch().args("-vv --stdin commands").start();
    let mut peer = Peer::newcomer(&server.address());
    let mut answers = String::new();
    for line in [
        format!("OPEN ann {PIN}"),
        format!("LOGIN ann {PIN}1"),
        "LOGIN ann 55667788".into(),
        format!("LOGIN {PIN} ann"),
        format!("LOGIN nobody {PIN}"),
        PIN.into(),
        format!("OPEN {PIN}"),
        format!("LOGIN ann {PIN} {PIN}"),
        format!("LOGIN ann {PIN}"),
        format!("TRANSFER {PIN} 5"),
        "DEPOSIT 5".into(),
    ] {
        answers += &ask(&mut peer, &line);
    }
    assert!(answers.contains("ok logged in as ann") && !answers.contains(PIN), "{answers}");
    server.say("stats\n");
    let holds = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    // While the log of the file is there, and after it is gone.
    let open = vault.bytes();
    server.stop_by(Stop::EndOfPipe).expect_clean_within(Duration::from_secs(2));
    for bytes in [open, vault.bytes()] {
        assert!(holds(&bytes, "$argon2id$") && holds(&bytes, "nobody"), "the file is read");
        assert!(!holds(&bytes, PIN));
    }
    let told = server.stderr.all();
    assert!(holds(&told, "logged in as ann") && holds(&told, "wrong name or PIN for nobody"), "the log is read");
    assert!(!holds(&told, PIN) && !holds(&told, "55667788"), "{}", server.stderr.text());
    server.expect_manners();
}

#[test]
fn the_operator_pays_interest_and_is_told_how_much() {
    let vault = Vault::new();
    let mut server = vault.launch().args("--stdin commands").start();
    let (mut ann, mut bob) = (opened(&server, "ann"), opened(&server, "bob"));
    let mut transcript = Transcript::default();
    transcript.ask(&mut ann, ("1", "ann"), "DEPOSIT 100");
    transcript.ask(&mut bob, ("2", "bob"), "DEPOSIT 0.19");
    server.say("help\ninterest 2.5\ninterest much\n");
    server.stderr.wait_for("pay interest to all accounts");
    server.stderr.wait_for("interest of 2.50 %: 2.50 paid to 1 account\n");
    server.stderr.wait_for("interest is a percentage");
    assert_eq!(ask(&mut ann, "BALANCE"), "ok balance 102.50");
    // Under way when the end of input stops the server: paid, and told.
    server.say("interest 10\n");
    server.stop_by(Stop::EndOfPipe).expect_clean_within(Duration::from_secs(2));
    server.stderr.wait_for("interest of 10.00 %: 10.26 paid to 2 accounts\n");
    transcript.note(("operator", "-"), "interest 2.5", "told");
    transcript.note(("operator", "-"), "interest 10", "told");
    vault.audit(&transcript).unwrap_or_else(|wrong| panic!("{wrong}"));
}

#[test]
fn beside_other_services_it_is_the_same_bank() {
    let vault = Vault::new();
    let config = vault.file().with_extension("toml");
    let data = vault.file();
    let text = format!("[bank]\nlisten = '127.0.0.1:0'\ndata = '{}'\n[echo]\nlisten = '127.0.0.1:0'\n", data.display());
    fs::write(&config, text).expect("room");
    let words = format!("--stdin commands --config {}", config.display());
    let mut server = Launch::of(env!("CARGO_BIN_EXE_switchboard")).args(&words).spawn();
    server.addresses(2);
    let mut ann = opened(&server, "ann");
    assert_eq!(ask(&mut ann, "DEPOSIT 10"), "ok entry 1 balance 10.00");
    server.say("bank interest 1\nbank help\n");
    server.stderr.wait_for("interest of 1.00 %: 0.10 paid to 1 account");
    server.stderr.wait_for("interest PERCENT");
    assert_eq!(ask(&mut ann, "BALANCE"), "ok balance 10.10");
    server.stop_by(Stop::EndOfPipe).expect_clean_within(Duration::from_secs(2));
}

#[test]
fn a_deposit_to_a_locked_file_waits_or_is_refused_as_a_whole() {
    let vault = Vault::new();
    let server = vault.launch().start();
    let mut ann = opened(&server, "ann");
    let mut transcript = Transcript::default();
    let own = ("1", "ann");
    assert_eq!(transcript.ask(&mut ann, own, "DEPOSIT 1"), "ok entry 1 balance 1.00");
    let other = Connection::open(vault.file()).expect("a second handle");
    other.execute_batch("BEGIN IMMEDIATE").expect("no other writer");
    let answer = transcript.ask(&mut ann, own, "DEPOSIT 2");
    assert!(answer.starts_with("error ") && answer.contains("another program is using it"), "{answer}");
    assert_eq!(ask(&mut ann, "BALANCE"), "ok balance 1.00", "reading goes on");
    ann.send("DEPOSIT 4\n");
    assert!(!ann.hears_within(Duration::from_millis(200)), "it waits");
    other.execute_batch("ROLLBACK").expect("it was begun");
    assert_eq!(ann.line(), "ok entry 2 balance 5.00");
    transcript.note(own, "DEPOSIT 4", "ok entry 2 balance 5.00");
    vault.audit(&transcript).unwrap_or_else(|wrong| panic!("{wrong}"));
}

#[test]
fn a_file_that_cannot_be_used_is_one_clear_line() {
    let vault = Vault::new();
    fs::write(vault.file(), "these are no books, and it is long enough to see that".repeat(20)).expect("room");
    let missing = vault.file().join("missing/bank.db").display().to_string();
    let there = vault.file().display().to_string();
    for (path, remedy) in [(there.as_str(), "name another file with --data"), (&missing, "Not a directory")] {
        let finished = Launch::of(Program::Bank.path()).args("--listen 127.0.0.1:0 --data").arg(path).run();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""), "{finished:?}");
        assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
        assert!(finished.stderr.starts_with(&format!("bank-server: cannot use {path}: ")), "{finished:?}");
        assert!(finished.stderr.contains(remedy), "{finished:?}");
    }
}
