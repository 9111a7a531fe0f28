//! The examples at the end of every `--help` are command lines that work.

use super::pane::Pane;
use super::ports::DEFAULTS;
use super::replay::Stage;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long an example may take to listen.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The command lines behind `Examples:`, without the remarks to the right of them.
fn examples(program: &str) -> Vec<String> {
    let output = Command::new(program).arg("--help").output().expect("a program that runs");
    assert!(output.status.success(), "{program} --help: {}", output.status);
    let help = String::from_utf8(output.stdout).expect("help is text");
    let (_, examples) = help.split_once("\nExamples:\n").unwrap_or_else(|| panic!("{program}: no examples in\n{help}"));
    let lines: Vec<_> = examples.lines().filter(|line| !line.trim().is_empty()).collect();
    assert!(lines.len() >= 2, "{program}: too few examples: {lines:?}");
    for line in &lines {
        assert!(line.starts_with("  ") && line.chars().count() <= 100, "{program}: {line:?}");
    }
    lines.iter().map(|line| line.trim().split("  ").next().unwrap_or_default().to_owned()).collect()
}

/// The example moved to a stage: free ports, and paths of its own.
fn on_stage(example: &str) -> (Stage, String) {
    let stage = Stage::new(std::iter::once(example));
    let command = stage.translate(example).replace("/tmp/", "");
    (stage, command)
}

#[track_caller]
fn runs(example: &str, addresses: usize) {
    let (stage, command) = on_stage(example);
    let mut pane = Pane::open(&stage.home(), &stage.path(), Instant::now() + TIMEOUT);
    let outcome = pane.command(&command).and_then(|()| {
        pane.expect("...")?;
        (0..addresses).try_for_each(|_| pane.expect("listening on ..."))
    });
    outcome.unwrap_or_else(|error| panic!("{example}: {error}\n{}", pane.transcript()));
}

#[test]
fn every_example_of_a_server_listens() {
    for (name, _) in DEFAULTS {
        let path = super::replay::binaries().join(name);
        for example in examples(path.to_str().expect("a path of ours")) {
            assert!(example.starts_with(name), "{example:?}");
            let listens = example.matches(" -l ").count() + example.matches(" --listen ").count();
            runs(&example, listens.max(1));
        }
    }
}

/// The servers that the examples of the client talk to.
const SERVERS: [(&str, usize); 3] = [
    ("chat-server --stdin ignore &", 1),
    ("echo-server --stdin ignore -l 50000 -l unix:echo.sock &", 2),
    ("uppercase-server --stdin ignore -l udp:4444 &", 1),
];

#[test]
fn every_example_of_the_client_finds_its_server() {
    for example in examples(env!("CARGO_BIN_EXE_line-client")) {
        assert!(example.contains("line-client"), "{example:?}");
        let (stage, command) = on_stage(&example);
        let mut pane = Pane::open(&stage.home(), &stage.path(), Instant::now() + TIMEOUT);
        let outcome = SERVERS.iter().try_for_each(|(server, addresses)| {
            pane.command(&stage.translate(server))?;
            (0..*addresses).try_for_each(|_| pane.expect("listening on ..."))
        });
        let outcome = outcome.and_then(|()| {
            pane.command(&format!("{{ {command}; }} </dev/null; code=$?; echo; echo \"exit code $code\""))?;
            pane.expect("...")?;
            pane.expect("exit code 0")
        });
        outcome.unwrap_or_else(|error| panic!("{example}: {error}\n{}", pane.transcript()));
    }
}
