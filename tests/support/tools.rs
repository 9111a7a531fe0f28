//! The netcats that users have: OpenBSD's `nc` and Nmap's `ncat`, with files or pipes at their ends.

use std::fs::{self, File};
use std::process::Command;
use switchboard_harness::{Launch, Server};
use tempfile::TempDir;

/// Runs `words` with `input` as the file at standard input. Returns the output after a successful end.
#[track_caller]
pub(crate) fn pass_through(words: &[&str], input: &[u8]) -> Vec<u8> {
    let place = TempDir::new().expect("room for a file");
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    fs::write(&from, input).expect("room for a file");
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(File::open(&from).expect("just written")).stdout(File::create(&to).expect("room"));
    let status = Server::try_spawn(&mut command).unwrap_or_else(|error| panic!("{error}")).wait().status;
    assert!(status.success(), "{words:?}: {status}");
    fs::read(&to).expect("just written")
}

/// Starts `words` with pipes at standard input and output: a netcat that a user types at.
#[track_caller]
pub(crate) fn tool(words: &[&str]) -> Server {
    words[1..].iter().fold(Launch::of(words[0]), switchboard_harness::Launch::arg).spawn()
}
