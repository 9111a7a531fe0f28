//! The commands of other servers that do the same, where they are installed.

use std::env;
use std::io;
use std::process::{Command, Stdio};

use crate::cases::{Case, Service};
use crate::contest::Contestant;
use crate::counter::is_installed;
use crate::handler::Handler;
use crate::server::PORT;
use crate::speech::Speech;

/// Serves echo by select or by epoll, as the standard library of Python offers them.
const PYTHON: &str = include_str!("../peers/echo.py");

/// Connections that select(2) can wait for, besides a few other descriptors: it knows none over 1,023.
const SELECT_MOST: u64 = 1000;

/// The most that a room of ncat's admits beside what is measured here; by default it is a hundred.
const NCAT_MOST: &str = "200";

/// Those who can compete in a case.
pub(crate) fn of(case: Case) -> io::Result<Vec<Contestant>> {
    let mut peers = Vec::new();
    match (case, case.service()) {
        (
            Case::Reply { .. } | Case::Connect | Case::Idle { .. } | Case::Active { .. },
            Service::Reply(Handler::Echo),
        ) => {
            if cfg!(feature = "peers") {
                let this = env::current_exe()?.display().to_string();
                peers.push(peer("tokio", &[&this, "tokio-echo", "0"], Speech::Plain));
            }
            if is_installed("python3") {
                let (name, call) = match case {
                    Case::Reply { connections: ..=SELECT_MOST, .. } => ("python select", "select"),
                    _ => ("python epoll", "epoll"),
                };
                peers.push(peer(name, &["python3", "-c", PYTHON, call], Speech::Plain));
            }
        }
        (Case::Room { members, window }, _) => {
            if is_installed("redis-server") {
                // Without its protection, which would refuse all of loopback but 127.0.0.1.
                let listen = ["redis-server", "--port", PORT, "--bind", "127.0.0.1", "--protected-mode", "no"];
                // Nothing on disk, and no slow client is cut off: the load is bounded by its window.
                let rest = ["--save", "", "--appendonly", "no", "--client-output-buffer-limit", "pubsub 0 0 0"];
                peers.push(peer("redis", &[&listen[..], &rest].concat(), Speech::Redis));
            }
            // It needs 80 ms for each member that joins.
            if is_installed("ncat") && members <= 100 && window == 16 {
                let command = ["ncat", "--chat", "--max-conns", NCAT_MOST, "--listen", "127.0.0.1", PORT];
                peers.push(peer("ncat", &command, Speech::Bare));
            }
        }
        _ => {}
    }
    Ok(peers)
}

fn peer(name: &'static str, command: &[&str], speech: Speech) -> Contestant {
    Contestant { name, command: command.iter().map(|&word| word.to_owned()).collect(), speech }
}

/// A sentence for each peer that cannot compete.
pub(crate) fn missing() -> Vec<String> {
    let mut sentences = Vec::new();
    if !cfg!(feature = "peers") {
        sentences.push("tokio is left out: the bench was built without its feature `peers`".to_owned());
    }
    for (name, program) in [("python", "python3"), ("redis", "redis-server"), ("ncat", "ncat")] {
        if !is_installed(program) {
            sentences.push(format!("{name} is left out: {program} is not installed"));
        }
    }
    sentences
}

/// Those that can compete, with their versions.
pub(crate) fn versions() -> Vec<String> {
    let tokio = cfg!(feature = "peers").then(|| "tokio as in Cargo.lock".to_owned());
    let programs = [("Python", "python3"), ("Redis", "redis-server"), ("Ncat", "ncat")];
    let installed = programs.into_iter().filter_map(|(name, program)| Some(format!("{name} {}", version(program)?)));
    tokio.into_iter().chain(installed).collect()
}

fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    Some(number(&String::from_utf8_lossy(&text)).unwrap_or("of unknown version").to_owned())
}

/// The first word that looks like a version.
fn number(text: &str) -> Option<&str> {
    let words = text.split_whitespace().map(|word| word.trim_start_matches("v="));
    words.into_iter().find(|word| word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_where_programs_write_them() {
        assert_eq!(number("Python 3.11.2\n"), Some("3.11.2"));
        assert_eq!(number("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"), Some("7.0.15"));
        assert_eq!(number("Ncat: Version 7.93 ( https://nmap.org/ncat )"), Some("7.93"));
        assert_eq!(number("no version 5"), None);
    }
}
