//! Every command on the pages is replayed. A session types it, a test below starts it or checks its arguments, or
//! another test or a step of CI runs it: [`RUN_BY`] says which, and the text by which it does so must be there.

use super::pane::Pane;
use super::replay::{Stage, binaries, build_benches, write_script};
use super::script::{self, Act, Block};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a command may take until it listens.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A command on a page, a file that runs it, and the text there.
const RUN_BY: [(&str, &str, &str); 64] = [
    (".ci/run", ".ci/run", "for part in $parts"),
    (".ci/run checks", ".ci/run", "        checks) check ;;"),
    (".ci/run tests", ".ci/run", "        tests) step run_tests ;;"),
    ("cargo build --features full", "tests/run", "cargo test --workspace --features full"),
    (
        "cargo build --release --bin chat-server",
        ".ci/run",
        "--bin echo-server --bin uppercase-server --bin chat-server",
    ),
    ("cargo build --release --features full", "tests/static", "cargo build --release --target"),
    (
        "cargo build --release --target x86_64-unknown-linux-musl --features full",
        "tests/static",
        "cargo build --release --target \"$triple\" --features full",
    ),
    (
        "cargo build --release --workspace --features full,switchboard-bench/tls",
        ".ci/run",
        "cargo clippy --workspace --all-targets --all-features",
    ),
    ("cargo deb", "tests/package", "cargo deb --no-build"),
    ("cargo install --locked cargo-deb@3.8.0", "tests/package", "cargo install --locked cargo-deb@"),
    ("cargo install --locked --path . --features full", "tests/package", "--locked --path . --features full"),
    (
        "cargo run --package switchboard-generate --features api",
        ".ci/run",
        "cargo run --package switchboard-generate --features api",
    ),
    ("cargo test", "docs/tutorial.md", "assert_chunking_law(|| Lines::new(Game"),
    ("cargo test --features full --doc", "tests/run", "cargo test --workspace --features full"),
    ("cargo test --features full --lib", "tests/run", "cargo test --workspace --features full"),
    ("cargo test --features full --test all loopback", "tests/run", "cargo test --workspace --features full"),
    ("cargo test --features full --test all servers", "tests/run", "cargo test --workspace --features full"),
    ("echo-server & disown", "tests/servers/job_control.rs", "& disown"),
    ("echo-server --stdin commands & disown", "tests/servers/job_control.rs", "& disown"),
    ("journalctl -u switchboard", "tests/package", "journalctl -u switchboard"),
    ("man -l docs/man/echo-server.1", "tests/package", "man -l /usr/share/man/man1/"),
    (
        "PROPTEST_RNG_SEED=$RANDOM PROPTEST_CASES=5000 cargo test --features full --lib",
        "tests/run",
        "export PROPTEST_RNG_SEED",
    ),
    ("python3 -m venv /tmp/venv && /tmp/venv/bin/pip install kosoku", ".ci/run", "python3 -m venv \"$venv\""),
    ("PATH=/tmp/venv/bin:$PATH tests/websocket/autobahn", ".ci/run", "PATH=$venv/bin:$PATH tests/websocket/autobahn"),
    ("rustup target add x86_64-unknown-linux-musl", "tests/static", "rustup target add \"$triple\""),
    (
        "CARGO_PROFILE_RELEASE_LTO=off SESSIONS=1000000 cargo test --release --lib a_turn_costs -- --nocapture",
        "src/sim/tests/crowd.rs",
        "fn a_turn_costs",
    ),
    (
        "SOAK_SECONDS=600 cargo test --release --features full --test all soak -- --nocapture",
        "tests/servers/soak.rs",
        "chosen(\"SOAK_SECONDS\")",
    ),
    (
        "SOAK_SEED=42 cargo test --features full --test all soak -- --nocapture",
        "tests/servers/soak.rs",
        "chosen(\"SOAK_SEED\")",
    ),
    ("sudo apt-get install musl-tools", "tests/static", "apt-get install -qy --no-install-recommends musl-tools"),
    ("sudo dpkg --install", "tests/package", "dpkg --install"),
    ("sudo dpkg --install target/debian/switchboard_*.deb", "tests/package", "dpkg --install /run/package/1.deb"),
    ("sudo dpkg --purge switchboard", "tests/package", "dpkg --purge switchboard"),
    ("sudo dpkg --remove switchboard", "tests/package", "dpkg --remove switchboard"),
    ("sudo systemctl reload switchboard", "tests/package", "systemctl reload switchboard"),
    ("sudo systemctl kill --signal=HUP switchboard", "tests/package", "systemctl kill --signal=HUP switchboard"),
    ("systemctl reload", "tests/package", "systemctl reload switchboard"),
    ("sudo install target/release/chat-server /usr/local/bin/", "tests/package", BLOCK),
    ("sudo install -m 644 docs/systemd/chat-server.* /etc/systemd/system/", "tests/package", BLOCK),
    ("sudo systemctl daemon-reload", "tests/package", BLOCK),
    ("sudo systemctl enable --now chat-server.socket chat-server.service", "tests/package", BLOCK),
    ("journalctl -u chat-server", "tests/package", TABLE),
    ("systemctl kill --signal=USR1 chat-server", "tests/package", TABLE),
    ("echo who | sudo nc -N -U /run/chat-server/control", "tests/package", TABLE),
    ("systemctl kill --signal=HUP chat-server", "tests/package", TABLE),
    ("systemctl reload chat-server", "tests/package", TABLE),
    ("systemctl stop chat-server", "tests/package", TABLE),
    ("systemctl restart chat-server", "tests/package", TABLE),
    ("sudo nc -U /run/chat-server/control", "tests/package", TABLE),
    ("systemd-analyze security", "tests/servers/service.rs", "\"security\", \"--offline=true\""),
    ("talk-server > log", "tests/servers/talk.rs", "stdout"),
    ("target/release/switchboard-bench instructions --most 375", ".ci/run", "instructions echo --most 375"),
    ("target/release/switchboard-bench instructions upper", ".ci/run", "instructions upper --most"),
    ("tests/audit/bank.py", "tests/support/bank.rs", "tests/audit/bank.py"),
    ("tests/audit/bank.py DATA TRANSCRIPT", "tests/support/bank.rs", "tests/audit/bank.py"),
    ("tests/audit/http", ".ci/run", "step tests/audit/http"),
    ("tests/faults/run", ".ci/run", "step tests/faults/run --quick"),
    ("tests/package", ".ci/run", "step tests/package"),
    ("tests/run", ".ci/run", "tests/run --install"),
    ("tests/run --install", ".ci/run", "tests/run --install"),
    ("tests/run chat", "tests/docs/commands.rs", "fn the_words_after_tests_run_choose_the_tests"),
    ("tests/site", ".ci/run", "step tests/site"),
    ("tests/static", ".ci/run", "tests/static"),
    ("tests/walk --warm", ".ci/run", "step tests/walk --warm"),
    ("tests/websocket/autobahn", ".ci/run", "tests/websocket/autobahn"),
];

/// How `tests/package` takes commands from `docs/systemd.md`.
const BLOCK: &str = "lines_of sh docs/systemd.md";
const TABLE: &str = "rows_of docs/systemd.md";

/// A command on a page that no test runs, and the reason.
const BY_HAND: [(&str, &str); 16] = [
    ("cargo install cargo-fuzz", NIGHTLY),
    ("tests/fuzz/run sim 600", NIGHTLY),
    ("tests/fuzz/run all 60", NIGHTLY),
    ("tests/fuzz/run sim FILE", NIGHTLY),
    ("tests/fuzz/run --keep sim", NIGHTLY),
    ("cargo install cargo-mutants", HOURS),
    (
        "cargo mutants -f src/connection/outbox.rs -f src/connection/inbox.rs -f src/connection/feed.rs \
         -f src/state/timer.rs --timeout 25 -- --lib -- feed:: outbox:: timer:: inbox:: sim:: pool::",
        HOURS,
    ),
    ("cargo test --features full --test all -- --ignored --nocapture bus_script", "a measurement"),
    ("cargo new guess", "needs no test of ours"),
    ("cargo uninstall switchboard", "would remove programs of the user"),
    ("podman build -t switchboard .", REGISTRY),
    ("podman run --rm -p 127.0.0.1:8888:8888 switchboard chat='*:8888'", REGISTRY),
    ("target/release/switchboard-bench tls", "a measurement that is not built by default"),
    ("tests/walk", QUIET),
    ("tests/walk --limit 120", QUIET),
    ("tests/web/shoot", "writes the pictures of the pages"),
];
const NIGHTLY: &str = "needs nightly Rust; tests/run replays the corpus on stable Rust";
const HOURS: &str = "takes hours";
const REGISTRY: &str = "needs a registry of images; tests/static builds the image without one, and runs its program";
const QUIET: &str = "measures the machine";

/// Programs that are named to be typed, beside the servers and the scripts of this repository.
const PROGRAMS: [&str; 18] = [
    "cargo",
    "curl",
    "echo",
    "journalctl",
    "line-client",
    "man",
    "nc",
    "podman",
    "printf",
    "python3",
    "rdate",
    "rustup",
    "sqlite3",
    "sudo",
    "switchboard",
    "switchboard-bench",
    "systemctl",
    "systemd-analyze",
];

/// A command of a page, on one line.
#[derive(Debug)]
struct Typed {
    /// `README.md:12`.
    place: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn name(page: &Path) -> String {
    page.strip_prefix(root()).expect("a page of ours").display().to_string()
}

/// The commands of a page that are in no session: lines of `sh` blocks, and those in the text.
fn commands(page: &Path) -> Vec<Typed> {
    let text = fs::read_to_string(page).expect("a readable page");
    let blocks = script::blocks(&text);
    let mut found: Vec<Typed> = Vec::new();
    for block in blocks.iter().filter(|block| block.marker == "sh") {
        found.extend(lines_of(block).map(|(line, text)| Typed { place: format!("{}:{line}", name(page)), text }));
    }
    let mut prose: Vec<&str> = text.lines().collect();
    for block in &blocks {
        // With the two fences.
        prose[block.first_line - 2..block.first_line + block.lines.len()].fill("");
    }
    let mut line = 1;
    for (index, piece) in prose.join("\n").split('`').enumerate() {
        let text = piece.split_whitespace().collect::<Vec<_>>().join(" ").replace("\\|", "|");
        if index % 2 == 1 && is_command(&text) {
            found.push(Typed { place: format!("{}:{line}", name(page)), text });
        }
        line += piece.matches('\n').count();
    }
    found
}

/// The commands of an `sh` block, without comments.
fn lines_of(block: &Block) -> impl Iterator<Item = (usize, String)> {
    let mut begun = String::new();
    block.lines.iter().enumerate().filter_map(move |(index, line)| {
        let line = if line.starts_with('#') { "" } else { line.split("  #").next().unwrap_or_default().trim() };
        if let Some(more) = line.strip_suffix('\\') {
            begun.push_str(more);
            return None;
        }
        let command = std::mem::take(&mut begun) + line;
        (!command.is_empty()).then(|| (block.first_line + index, command))
    })
}

/// Whether a text in backticks is a whole command: a program with an argument, or a script of this repository. A word
/// in capitals stands for something, so a text with one is a form, and not a command.
fn is_command(text: &str) -> bool {
    let words: Vec<_> = text.split(' ').skip_while(|word| word.contains('=')).collect();
    let Some(program) = words.first() else { return false };
    let is_form = words.iter().any(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase()));
    let is_path = program.contains('/') && !program.starts_with('/');
    let is_program_file = |file: fs::Metadata| file.is_file() && file.permissions().mode() & 0o111 != 0;
    let is_script = is_path && fs::metadata(root().join(program)).is_ok_and(is_program_file);
    let is_program = PROGRAMS.contains(program) || program.ends_with("-server") || program.starts_with("target/");
    let has_argument = words.iter().skip(1).any(|word| !word.starts_with('-'));
    !is_form && (is_script || is_program && has_argument)
}

fn all_commands() -> Vec<Typed> {
    script::pages().iter().flat_map(|page| commands(page)).collect()
}

/// All that the sessions type to a shell.
fn typed_in_sessions() -> Vec<String> {
    let pages = script::pages().into_iter();
    let sessions = pages.flat_map(|page| script::sessions("", &fs::read_to_string(page).expect("a readable page")));
    let steps = sessions.flat_map(|session| session.steps).filter(|step| step.act == Act::Command);
    steps.map(|step| step.text).collect()
}

/// The server that a command starts, or `cargo run`, if it is such a command and not a session's.
fn starts(command: &str) -> bool {
    let program = command.split(' ').next().unwrap_or_default();
    program.ends_with("-server") || command.starts_with("cargo run --") || command.starts_with("switchboard ")
}

/// The same command for a bench that was built with the tests: its arguments are read, and then `--help` ends it.
fn for_bench(command: &str) -> Option<String> {
    let forms = [
        ("tests/bench/run models", "switchboard-bench models"),
        ("tests/bench/run", "switchboard-bench compare"),
        ("target/release/switchboard-bench", "switchboard-bench"),
        ("switchboard-bench", "switchboard-bench"),
        ("tests/faults/run --steady", "switchboard-faults"),
        ("tests/faults/run", "switchboard-faults"),
    ];
    let (form, program) = forms.iter().find(|(form, _)| command.starts_with(form))?;
    let arguments = command[form.len()..].trim_end_matches(" &").replace("$!", "1").replace("--write", "--write docs");
    let arguments = arguments.split(" > ").next().unwrap_or_default();
    Some(format!("{program}{arguments} --help"))
}

#[test]
fn every_command_of_the_pages_is_replayed() {
    let sessions = typed_in_sessions();
    let is_replayed = |Typed { text, .. }: &Typed| {
        sessions.iter().any(|typed| typed.contains(text))
            || starts(text)
            || for_bench(text).is_some()
            || RUN_BY.iter().any(|(command, ..)| command == text)
            || BY_HAND.iter().any(|(command, _)| command == text)
    };
    let mut commands = all_commands();
    let count = commands.len();
    commands.retain(|command| !is_replayed(command));
    let left: Vec<_> = commands.iter().map(|command| format!("{}: {}", command.place, command.text)).collect();
    assert!(left.is_empty(), "{} of {count} commands are replayed by no test:\n{}", left.len(), left.join("\n"));
    assert!(count > 100, "only {count} commands were found");
}

#[test]
fn what_runs_a_command_of_the_pages_is_there() {
    let on_pages: BTreeSet<_> = all_commands().into_iter().map(|command| command.text).collect();
    for (command, file, text) in RUN_BY {
        assert!(on_pages.contains(command), "on no page: {command}");
        assert!(script::page(file).contains(text), "{file} does not run {command}: no {text:?}");
    }
    for (command, reason) in BY_HAND {
        assert!(on_pages.contains(command), "on no page: {command} ({reason})");
    }
}

/// Starts the servers that the pages start outside of sessions, each as its reader does.
#[test]
fn every_server_that_the_pages_start_listens() {
    let table: BTreeSet<_> = RUN_BY.iter().map(|(command, ..)| *command).collect();
    let mut count = 0;
    for Typed { place, text } in all_commands() {
        if !starts(&text) || table.contains(text.as_str()) {
            continue;
        }
        count += 1;
        let stage = Stage::new(std::iter::once(text.as_str()));
        stage.prepare(&text);
        let command = stage.translate(&text).replace("/run/chat/", "");
        let mut pane = Pane::open(&stage.home(), &stage.path(), Instant::now() + TIMEOUT);
        let outcome = pane.command(&command).and_then(|()| {
            pane.expect("...")?;
            pane.expect("listening on ...")
        });
        outcome.unwrap_or_else(|error| panic!("{place}: {text}: {error}\n{}", pane.transcript()));
    }
    assert!(count >= 15, "only {count} servers were started");
}

#[test]
fn the_benches_know_their_arguments_on_the_pages() {
    build_benches();
    let mut count = 0;
    for Typed { place, text } in all_commands() {
        // Without the feature `tls`, the bench has no such command.
        let Some(command) = for_bench(&text).filter(|command| !command.starts_with("switchboard-bench tls")) else {
            continue;
        };
        count += 1;
        let path = format!("{}:{}", binaries().display(), std::env::var("PATH").unwrap_or_default());
        let output = Command::new("bash").args(["-c", &command]).env("PATH", path).output().expect("bash");
        assert!(output.status.success(), "{place}: {command}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(count >= 15, "only {count} commands were found");
}

/// What `cargo` must enable for a program or an example, and what the pages do enable.
#[test]
fn cargo_on_the_pages_enables_what_a_program_needs() {
    let manifest: toml::Table = script::page("Cargo.toml").parse().expect("TOML");
    let mut count = 0;
    let typed = typed_in_sessions().into_iter().map(|text| Typed { place: "a session".into(), text });
    for Typed { place, text } in all_commands().into_iter().chain(typed) {
        let words: Vec<_> = text.split(' ').collect();
        let after = |flag: &str| words.iter().position(|word| *word == flag).and_then(|at| words.get(at + 1).copied());
        let (table, name) = match (after("--bin"), after("--example")) {
            (Some(name), _) => ("bin", name),
            (_, Some(name)) => ("example", name),
            _ => continue,
        };
        if words[0] != "cargo" {
            continue;
        }
        count += 1;
        let targets = manifest[table].as_array().expect("an array of targets");
        let target = targets.iter().find(|target| target["name"].as_str() == Some(name));
        let target = target.unwrap_or_else(|| panic!("{place}: there is no {table} {name}"));
        let needed = target.get("required-features").and_then(toml::Value::as_array).cloned().unwrap_or_default();
        let given: Vec<_> = after("--features").unwrap_or_default().split(',').chain(["cli"]).collect();
        for feature in needed.iter().filter_map(toml::Value::as_str) {
            assert!(given.contains(&feature) || given.contains(&"full"), "{place}: {name} needs {feature}: {text}");
        }
    }
    assert!(count >= 8, "only {count} commands were found");
}

/// `tests/run chat`, with a stand-in for cargo that shows its arguments and reports tests.
#[test]
fn the_words_after_tests_run_choose_the_tests() {
    let place = TempDir::new().expect("room for a directory");
    let cargo = place.path().join("cargo");
    let result = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
    write_script(&cargo, &format!("#!/bin/sh\necho \"cargo $*\"\necho '{result}'\n"));
    let path = format!("{}:{}", place.path().display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new(root().join("tests/run")).arg("chat").env("PATH", path).output().expect("bash");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("cargo test --workspace --features full --no-fail-fast chat\n"), "{shown}");
    assert!(shown.ends_with("\n3 passed, 0 failed\n"), "{shown}");
}
