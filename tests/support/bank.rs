//! A bank with a file, its clients, and the audit of what they were told.

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
    place: TempDir,
}

impl Vault {
    pub(crate) fn new() -> Self {
        Self { place: TempDir::new().expect("room for a directory") }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.place.path().join("bank.db")
    }

    pub(crate) fn launch(&self) -> Launch {
        Launch::of(Program::Bank.path()).arg("--data").arg(self.file().to_str().expect("a path in UTF-8"))
    }

    /// All bytes of all files of the server.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let files = fs::read_dir(self.place.path()).expect("a directory of ours");
        files.flat_map(|file| fs::read(file.expect("a file").path()).expect("a readable file")).collect()
    }

    /// What the independent audit says of the file, given what clients were told: `Ok` with figures, or what is wrong.
    pub(crate) fn audit(&self, transcript: &Transcript) -> Result<String, String> {
        let told = self.place.path().join("transcript");
        fs::write(&told, &transcript.0).expect("room for a file");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audit/bank.py");
        let output = Command::new("python3").arg(script).arg(self.file()).arg(told).output().expect("python3 runs");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let text = text.trim_end().to_owned();
        if output.status.success() { Ok(text) } else { Err(text) }
    }
}

/// What clients asked for and what they were told, as the audit reads it.
#[derive(Default)]
pub(crate) struct Transcript(String);

impl Transcript {
    /// A request of a session that speaks for an account. The answer is empty if there was none.
    pub(crate) fn note(&mut self, (session, account): (&str, &str), request: &str, answer: &str) {
        writeln!(self.0, "{session}\t{account}\t{request}\t{answer}").expect("a string takes all");
    }

    /// Asks for something, and notes the answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, peer: &mut Peer, own: (&str, &str), request: &str) -> String {
        let answer = ask(peer, request);
        self.note(own, request, &answer);
        answer
    }

    /// As if something else had been noted.
    #[track_caller]
    pub(crate) fn falsified(&self, from: &str, to: &str) -> Self {
        assert!(self.0.contains(from), "{from:?} is not in {}", self.0);
        Self(self.0.replace(from, to))
    }

    /// How many answers begin like this.
    pub(crate) fn count(&self, answer: &str) -> usize {
        self.0.matches(&format!("\t{answer}")).count()
    }
}

/// Asks for something that has an answer of one line.
#[track_caller]
pub(crate) fn ask(peer: &mut Peer, line: &str) -> String {
    peer.send(format!("{line}\n"));
    peer.line()
}

/// Logs in, however busy the bank is.
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
    let mut peer = Peer::connect(&server.address());
    assert_eq!(ask(&mut peer, &format!("OPEN {name} 1234")), format!("ok opened {name}"));
    log_in(&mut peer, name);
    peer
}
