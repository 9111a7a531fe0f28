//! Errors and help of the command line: what a user who mistypes something is told.

use crate::support::server::{LINE_CLIENT, Program};
use std::fs;
use switchboard_harness::{Finished, Launch, own_address};
use tempfile::TempDir;

const SWITCHBOARD: &str = env!("CARGO_BIN_EXE_switchboard");

/// The end of `switchboard` with these words.
fn switchboard(words: &str) -> Finished {
    Launch::of(SWITCHBOARD).args(words).run()
}

/// The end of `switchboard` with this file.
fn configured(text: &str) -> Finished {
    let place = TempDir::new().expect("room for a directory");
    let file = place.path().join("services.toml");
    fs::write(&file, text).expect("room for a file");
    switchboard(&format!("--config {}", file.display()))
}

#[track_caller]
fn expect_usage_error(finished: &Finished, wanted: &str) {
    assert_eq!((finished.code, &*finished.stdout), (Some(2), ""), "{finished:?}");
    assert!(finished.stderr.contains(wanted), "{wanted:?} is missing: {finished:?}");
}

#[test]
fn an_address_given_twice_is_told_as_such() {
    let at = own_address();
    let port = at.port();
    for (first, second) in [
        (at.to_string(), at.to_string()),
        (format!("0.0.0.0:{port}"), at.to_string()),
        (at.to_string(), format!("*:{port}")),
        (format!("udp:{at}"), format!("udp:{at}")),
    ] {
        let finished = Program::Echo.launch().listen(&first).listen(&second).run();
        let wanted = format!("error: {second} is given twice: --listen {first} and --listen {second}\n");
        expect_usage_error(&finished, &wanted);
    }
    let place = TempDir::new().expect("room for a directory");
    let path = format!("unix:{}", place.path().join("socket").display());
    let finished = Program::Echo.launch().listen(&path).listen(&path).run();
    expect_usage_error(&finished, &format!("{path} is given twice: --listen {path} and --listen {path}\n"));
}

#[test]
fn two_services_on_one_port_are_both_named() {
    let at = own_address();
    let finished = switchboard(&format!("echo={at} uppercase={at}"));
    expect_usage_error(&finished, &format!("{at} is given twice: echo={at} and uppercase={at}\n"));
    let file = |second: &str| {
        configured(&format!("[one]\nserver='echo'\nlisten='{at}'\n[two]\nserver='echo'\nlisten='{second}'\n"))
    };
    expect_usage_error(&file(&at.to_string()), &format!(":6:8: [two]: listen: [one] has the address {at} already\n"));
    let any = format!("*:{}", at.port());
    let wanted = format!("{any} is given twice: listen = {at} in [one] and listen = {any} in [two]\n");
    expect_usage_error(&file(&any), &wanted);
}

#[test]
fn a_port_in_use_names_the_setting_that_the_user_has() {
    let taken = Program::Echo.start();
    let at = taken.address();
    let at_word = switchboard(&format!("uppercase=127.0.0.1:0 echo={at}"));
    let at_key = configured(&format!("[den]\nserver = 'echo'\nlisten = '{at}'\n"));
    let at_flag = Program::Echo.launch().listen(&at).run();
    for (finished, setting) in
        [(at_word, "(echo=ADDR)"), (at_key, "(listen = ADDR in [den])"), (at_flag, "(--listen ADDR)")]
    {
        assert_eq!((finished.code, &*finished.stdout), (Some(1), ""), "{finished:?}");
        assert!(finished.stderr.contains("another program has this port"), "{finished:?}");
        assert!(finished.stderr.ends_with(&format!("or choose another {setting}\n")), "{finished:?}");
    }
}

#[test]
fn a_mistyped_service_is_answered_with_the_right_form() {
    for (words, wanted) in [
        ("ecko=7000", "ecko=7000: unknown server \"ecko\" (did you mean echo?); known servers: "),
        ("echo:7000", "echo:7000: an address follows \"=\", use echo=7000"),
        ("chat:unix:room.sock", "use chat=unix:room.sock"),
        ("echo 7000", "7000: an address needs a server, use for example echo=7000"),
        ("echo=99999", "echo=99999: the port \"99999\" is not a number from 0 to 65535"),
        ("\u{1b}[31m=7000", "\u{FFFD}[31m=7000: unknown server"),
    ] {
        expect_usage_error(&switchboard(words), wanted);
    }
}

#[test]
fn a_service_has_a_name_that_the_operator_can_type() {
    for (text, wanted) in [
        ("['my den']\nserver = 'chat'\n", "[\"my den\"]: the name of a service is made of letters from a to z, "),
        ("[\"\\u001b[31mred\"]\nserver = 'chat'\n", "[\"\\u{1b}[31mred\"]: the name of a service is made of "),
        ("[quit]\nserver = 'chat'\n", "[quit]: this is a command of the operator; use another name"),
        ("[echo]\nlisten = []\n", "[echo]: listen: the list is empty; give it a value, or omit the setting"),
        ("[echo]\nallow = []\n", "[echo]: allow: the list is empty"),
    ] {
        let finished = configured(text);
        expect_usage_error(&finished, wanted);
        assert!(!finished.stderr.contains('\x1b'), "{finished:?}");
    }
}

#[test]
fn an_address_without_its_flag_is_answered_with_the_flag() {
    for (words, wanted) in [
        ("50000", "to listen on an address, use '-l 50000'"),
        ("*:50000", "to listen on an address, use '-l *:50000'"),
        ("localhost", "to listen on an address, use '-l ADDR'"),
        ("-p 50000", "to listen on an address, use '-l ADDR'"),
        ("--port=50000", "to listen on an address, use '-l ADDR'"),
    ] {
        for program in [Program::Echo, Program::Chat] {
            expect_usage_error(&program.launch().args(words).run(), wanted);
        }
    }
    expect_usage_error(&switchboard("echo -l 7000"), "to listen on an address, use 'NAME=ADDR', such as 'echo=7000'");
    expect_usage_error(
        &Launch::of(LINE_CLIENT).args("127.0.0.1 50000").run(),
        "host and port are one word, use 'HOST:50000'",
    );
}

/// The headings of the groups of flags, in the order in which every help text has them.
const GROUPS: [&str; 9] =
    ["Commands:", "Arguments:", "Options:", "Bus:", "Web:", "Sockets:", "TLS:", "Limits:", "Diagnostics:"];

fn help(program: &str) -> String {
    let finished = Launch::of(program).args("--help").run();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    finished.stdout
}

#[test]
fn the_groups_of_every_help_have_one_order() {
    for path in Program::ALL.map(Program::path).into_iter().chain([Program::Talk.path(), SWITCHBOARD, LINE_CLIENT]) {
        let help = help(path);
        let (flags, _) = help.split_once("\nExamples:\n").expect("examples are the last");
        let headings = flags.lines().filter(|line| line.ends_with(':') && !line.starts_with([' ', '-']));
        let places: Vec<_> = headings.map(|line| GROUPS.iter().position(|group| *group == line)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{path}: {places:?}\n{help}");
        assert!(places.windows(2).all(|pair| pair[0] != pair[1]), "{path}: a group in two places\n{help}");
    }
}

#[test]
fn the_flags_of_listeners_are_among_the_options_of_every_server() {
    for program in Program::ALL.into_iter().chain([Program::Talk]) {
        let help = help(program.path());
        let flags = help.lines().skip_while(|line| *line != "Options:").skip(1);
        let options: Vec<_> = flags.take_while(|line| line.is_empty() || line.starts_with(' ')).collect();
        let options = options.join("\n");
        for flag in ["--listen <ADDR>", "--stdin <MODE>"] {
            assert!(options.contains(flag), "{}: {flag} is in another group\n{help}", program.path());
        }
    }
}

#[test]
fn only_a_server_of_datagrams_offers_udp() {
    for program in Program::ALL.into_iter().chain([Program::Talk]) {
        let help = help(program.path());
        let (_, listen) = help.split_once("--listen <ADDR>").expect("every server listens");
        let (listen, _) = listen.split_once("\n  -").or_else(|| listen.split_once("\n      --")).expect("more flags");
        let has_datagrams = help.contains("--datagram-rate");
        assert_eq!(listen.contains("udp:"), has_datagrams, "{program:?}: {listen}");
        if !has_datagrams {
            let finished = program.launch().listen("udp:127.0.0.1:0").run();
            expect_usage_error(&finished, "udp:127.0.0.1:0: this server does not support UDP; omit udp:");
        }
    }
}
