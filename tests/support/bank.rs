//! A bank with a data file, its clients, and the audit of its answers.

use super::peer::Peer;
use super::server::Program;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use switchboard_harness::{Launch, Server};
use tempfile::TempDir;

/// A directory with a data file in it, for one server after another.
pub(crate) struct Vault {
    directory: TempDir,
}

impl Vault {
    pub(crate) fn new() -> Self {
        Self { directory: TempDir::new().expect("room for a directory") }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("bank.db")
    }

    pub(crate) fn launch(&self) -> Launch {
        Launch::of(Program::Bank.path()).arg("--data").arg(self.file().to_str().expect("a path in UTF-8"))
    }

    /// All bytes of all files of the server.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let files = fs::read_dir(self.directory.path()).expect("a directory of ours");
        files.flat_map(|file| fs::read(file.expect("a file").path()).expect("a readable file")).collect()
    }

    /// Audits the file against the requests and answers of `transcript`. Returns the figures, or the first fault.
    pub(crate) fn audit(&self, transcript: &Transcript) -> Result<String, String> {
        let path = self.directory.path().join("transcript");
        fs::write(&path, &transcript.0).expect("room for a file");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audit/bank.py");
        let output = Command::new("python3").arg(script).arg(self.file()).arg(path).output().expect("python3 runs");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let text = text.trim_end().to_owned();
        if output.status.success() { Ok(text) } else { Err(text) }
    }
}

/// The requests of clients and their answers, in the form that the audit reads.
#[derive(Default)]
pub(crate) struct Transcript(String);

impl Transcript {
    /// Records a request of a session for an account. The answer is empty if there was none.
    pub(crate) fn note(&mut self, (session, account): (&str, &str), request: &str, answer: &str) {
        writeln!(self.0, "{session}\t{account}\t{request}\t{answer}").expect("a string takes all");
    }

    /// Sends a request, and records the answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, peer: &mut Peer, own: (&str, &str), request: &str) -> String {
        let answer = ask(peer, request);
        self.note(own, request, &answer);
        answer
    }

    /// Returns a copy in which `from` is replaced by `to`.
    #[track_caller]
    pub(crate) fn falsified(&self, from: &str, to: &str) -> Self {
        assert!(self.0.contains(from), "{from:?} is not in {}", self.0);
        Self(self.0.replace(from, to))
    }

    /// Returns the accounts whose sessions got `answer` to `request`.
    pub(crate) fn accounts_of(&self, request: &str, answer: &str) -> Vec<&str> {
        let fields = self.0.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        fields.filter(|fields| fields[2..] == [request, answer]).map(|fields| fields[1]).collect()
    }

    /// Returns the number of answers that begin with `answer`.
    pub(crate) fn count(&self, answer: &str) -> usize {
        self.0.matches(&format!("\t{answer}")).count()
    }
}

/// Sends a line, and returns the answer of one line.
#[track_caller]
pub(crate) fn ask(peer: &mut Peer, line: &str) -> String {
    peer.send(format!("{line}\n"));
    peer.line()
}

/// Logs in. Tries again while the bank is busy.
#[track_caller]
pub(crate) fn log_in(peer: &mut Peer, name: &str) {
    loop {
        match ask(peer, &format!("LOGIN {name} 1234")).as_str() {
            "error busy, try again" => {}
            answer => return assert_eq!(answer, format!("ok logged in as {name}")),
        }
    }
}

/// A client of a new account, PIN 1234.
#[track_caller]
pub(crate) fn opened(server: &Server, name: &str) -> Peer {
    let mut peer = Peer::newcomer(&server.address());
    assert_eq!(ask(&mut peer, &format!("OPEN {name} 1234")), format!("ok opened {name}"));
    log_in(&mut peer, name);
    peer
}
