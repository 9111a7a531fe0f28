//! A child process whose output is read, and which ends with its handle.

use crate::capture::Capture;
use crate::process::Process;
use crate::wait::{TIMEOUT, let_pass, within};
use rustix::process::Signal;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The end of a process that must fail.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

/// The end of a process that was asked to stop.
#[derive(Debug)]
pub struct Exit {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// The exit status.
    pub status: ExitStatus,
    /// The time from the request to the end.
    pub took: Duration,
}

impl Exit {
    /// Fails unless the code is 0 and the end came within `time`.
    #[track_caller]
    pub fn expect_clean_within(&self, time: Duration) {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert!(self.took < time, "{self:?}, allowed {time:?}");
    }
}

/// The ways to ask a server to stop.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// A line on standard input.
    Line,
    /// An empty line on standard input.
    EmptyLine,
    /// The end of standard input.
    EndOfPipe,
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
}

impl Stop {
    /// Every way.
    pub const ALL: [Self; 5] = [Self::Line, Self::EmptyLine, Self::EndOfPipe, Self::Terminate, Self::Interrupt];
}

/// A running process. It is killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    input: Option<ChildStdin>,
    /// Standard output, if it is a pipe.
    pub stdout: Capture,
    /// Standard error, if it is a pipe.
    pub stderr: Capture,
    data_home: Option<TempDir>,
}

impl Server {
    /// Starts a command. Each of its outputs that is a pipe is read.
    pub fn try_spawn(command: &mut Command) -> io::Result<Self> {
        let spawned = command.spawn();
        let mut child = spawned.map_err(|error| io::Error::new(error.kind(), format!("{command:?}: {error}")))?;
        let input = child.stdin.take();
        let stdout = child.stdout.take().map_or_else(Capture::empty, Capture::of);
        let stderr = child.stderr.take().map_or_else(Capture::empty, Capture::of);
        Ok(Self { child, input, stdout, stderr, data_home: None })
    }

    /// Removes `data_home` when the process has ended.
    pub(crate) fn keep(&mut self, data_home: TempDir) {
        self.data_home = Some(data_home);
    }

    /// Returns the directory for data if no flag says otherwise.
    pub fn data_home(&self) -> &Path {
        self.data_home.as_ref().expect("started by a `Launch`").path()
    }

    /// Returns the process.
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Waits until `count` sockets listen. Returns the addresses that were printed by then, which may be more.
    ///
    /// # Errors
    /// The process ended or printed something else before, or took longer than [`TIMEOUT`].
    pub fn try_addresses(&self, count: usize) -> io::Result<Vec<String>> {
        let found = within(TIMEOUT, || {
            // Asked before the text is read: an output that has ended does not grow.
            let has_ended = self.stdout.has_ended();
            let text = self.stdout.text();
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let found: Vec<_> = whole.lines().map_while(|line| line.strip_prefix("listening on ")).collect();
            if found.len() >= count {
                return Some(Ok(found.into_iter().map(str::to_owned).collect()));
            }
            if let Some(line) = whole.lines().nth(found.len()) {
                return Some(Err(format!("it printed `{line}` in place of `listening on ADDRESS`")));
            }
            has_ended.then(|| Err(format!("it ended before it printed `listening on ADDRESS`: {:?}", self.tail())))
        });
        let late = || Err(format!("it printed no `listening on ADDRESS` within {TIMEOUT:?}: {:?}", self.tail()));
        found.unwrap_or_else(late).map_err(io::Error::other)
    }

    /// Returns the first `count` addresses. Panics on an error.
    #[track_caller]
    pub fn addresses(&self, count: usize) -> Vec<String> {
        self.try_addresses(count).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Returns the first address in the form of its `listening on` line.
    #[track_caller]
    pub fn address(&self) -> String {
        self.addresses(1).swap_remove(0)
    }

    /// Returns the port of the first address.
    #[track_caller]
    pub fn port(&self) -> u16 {
        let address = self.address();
        address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("the address ends with a port")
    }

    /// Writes to standard input.
    #[track_caller]
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let input = self.input.as_mut().expect("standard input is an open pipe");
        input.write_all(bytes.as_ref()).expect("the process reads its input");
    }

    /// Returns this end of standard input, for a thread of its own.
    #[track_caller]
    pub fn take_input(&mut self) -> ChildStdin {
        self.input.take().expect("standard input is an open pipe")
    }

    /// Closes this end of standard input.
    pub fn hang_up(&mut self) {
        self.input = None;
    }

    /// Sends a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        self.process().signal(signal).expect("the process runs");
    }

    /// Whether the process has not ended.
    pub fn is_running(&mut self) -> bool {
        self.status().is_none()
    }

    /// Returns the exit status if the process has ended.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of this process")
    }

    /// Asks the process to stop.
    #[track_caller]
    pub fn ask(&mut self, stop: Stop) {
        match stop {
            Stop::Line => self.say("enough\n"),
            Stop::EmptyLine => self.say("\n"),
            Stop::EndOfPipe => self.hang_up(),
            Stop::Terminate => self.signal(Signal::TERM),
            Stop::Interrupt => self.signal(Signal::INT),
        }
    }

    /// Asks the process to stop, and waits for its end.
    #[track_caller]
    pub fn stop_by(&mut self, stop: Stop) -> Exit {
        let asked = Instant::now();
        self.ask(stop);
        self.wait_since(asked)
    }

    /// Sends SIGTERM, and waits for the end of the process.
    ///
    /// # Errors
    /// The process had ended before, or takes longer than [`TIMEOUT`].
    pub fn try_stop(&mut self) -> io::Result<Exit> {
        if let Some(status) = self.status() {
            return Err(io::Error::other(format!("it ended with {status} before it was asked to stop")));
        }
        let asked = Instant::now();
        self.process().signal(Signal::TERM)?;
        self.try_wait_since(asked)
    }

    /// Waits for the end of the process; the time counts from now.
    #[track_caller]
    pub fn wait(&mut self) -> Exit {
        self.wait_since(Instant::now())
    }

    /// Waits for the end of the process; the time counts from `start`.
    #[track_caller]
    pub fn wait_since(&mut self, start: Instant) -> Exit {
        self.try_wait_since(start).unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_wait_since(&mut self, start: Instant) -> io::Result<Exit> {
        let status = within(TIMEOUT, || self.status());
        let status = status.ok_or_else(|| io::Error::other(format!("it does not end within {TIMEOUT:?}")))?;
        Ok(Exit { code: status.code(), status, took: start.elapsed() })
    }

    /// Waits for the end of the process and of its outputs.
    #[track_caller]
    pub fn finish(mut self) -> Finished {
        let code = self.wait().code;
        Finished { code, stdout: self.stdout.all_text(), stderr: self.stderr.all_text() }
    }

    /// Returns the resident bytes.
    #[track_caller]
    pub fn resident(&self) -> usize {
        self.process().resident().expect("the server runs") as usize
    }

    /// Returns the most bytes that were ever resident.
    #[track_caller]
    pub fn peak_resident(&self) -> usize {
        self.process().peak_resident().expect("the server runs") as usize
    }

    /// Returns the number of threads.
    #[track_caller]
    pub fn threads(&self) -> usize {
        self.process().threads().expect("the server runs")
    }

    /// Returns the number of open descriptors.
    #[track_caller]
    pub fn descriptors(&self) -> usize {
        self.process().descriptors().expect("the server runs")
    }

    /// Returns the user and system time so far.
    #[track_caller]
    pub fn cpu(&self) -> Duration {
        self.process().cpu().expect("the server runs")
    }

    /// Returns the processor time used while `time` passes.
    #[track_caller]
    pub fn cpu_during(&self, time: Duration) -> Duration {
        let before = self.cpu();
        let_pass(time);
        self.cpu().saturating_sub(before)
    }

    /// Returns the status flags (octal, open(2)) of the open file behind `descriptor`.
    #[track_caller]
    pub fn file_flags(&self, descriptor: u32) -> u32 {
        self.process().file_flags(descriptor).expect("the descriptor is open")
    }

    /// Fails if standard error reports a panic, or standard output has more than the addresses.
    #[track_caller]
    pub fn expect_manners(&self) {
        assert!(!self.stderr.text().contains("panicked"), "{}", self.stderr.text());
        for line in self.stdout.lines() {
            assert!(line.starts_with("listening on "), "standard output has {line:?}");
        }
    }

    /// The end of standard error so far.
    fn tail(&self) -> String {
        let bytes = self.stderr.bytes();
        String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(500)..]).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both calls fail only if the process has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- standard error of the process:\n{}", self.stderr.text());
        }
    }
}
