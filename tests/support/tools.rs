//! The netcats that users have: OpenBSD's `nc` and Nmap's `ncat`, with files or pipes at their ends.

use super::capture::Capture;
use super::wait::{PATIENCE, until, until_some};
use std::fs::{self, File};
use std::io::Write;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use tempfile::TempDir;

/// Runs `words` with `input` as its file of standard input, and returns what it wrote, once it has ended with success.
#[track_caller]
pub(crate) fn pass_through(words: &[&str], input: &[u8]) -> Vec<u8> {
    let place = TempDir::new().expect("room for a file");
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    fs::write(&from, input).expect("room for a file");
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(File::open(&from).expect("just written")).stdout(File::create(&to).expect("room"));
    let child = command.spawn().unwrap_or_else(|error| panic!("{words:?}: {error}"));
    let status = Tool { child, input: None, output: Capture::default() }.wait();
    assert!(status.success(), "{words:?}: {status}");
    fs::read(&to).expect("just written")
}

/// A netcat that a user types at.
pub(crate) struct Tool {
    child: Child,
    input: Option<ChildStdin>,
    pub(crate) output: Capture,
}

impl Tool {
    /// `words` with pipes at its standard input and output.
    #[track_caller]
    pub(crate) fn start(words: &[&str]) -> Self {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{words:?}: {error}"));
        let input = child.stdin.take();
        let output = Capture::of(child.stdout.take().expect("piped above"));
        Self { child, input, output }
    }

    #[track_caller]
    pub(crate) fn say(&mut self, text: &str) {
        self.input.as_mut().expect("not hung up").write_all(text.as_bytes()).expect("it reads its input");
    }

    /// End of input: Ctrl-D.
    pub(crate) fn hang_up(&mut self) {
        self.input = None;
    }

    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let what = format!("the end of a tool within {PATIENCE:?}");
        until_some(&what, || self.child.try_wait().expect("our own child"))
    }

    /// Waits until it has shown exactly `wanted` since it was started.
    #[track_caller]
    pub(crate) fn shows(&self, wanted: &str) {
        until(&format!("{wanted:?}"), || {
            let shown = self.output.text();
            assert!(wanted.starts_with(&shown), "shown {shown:?}, wanted {wanted:?}");
            shown == wanted
        });
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
