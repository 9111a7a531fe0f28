//! A server as a child process: found by the lines that it prints, ended when it is dropped.
//!
//! Its standard input is a pipe that we hold, so it stops also when this process ends without having dropped it.

use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::kind::Kind;
use crate::process::Process;

/// How long it may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// So much of what it logs is kept.
const LOG: usize = 1 << 20;

/// How a server is started.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) kind: Kind,
    /// Where the programs are.
    pub(crate) programs: &'a Path,
    pub(crate) flags: &'a [&'a str],
    /// The core that it is pinned to.
    pub(crate) core: Option<u32>,
    /// Its limit of descriptors, soft and hard.
    pub(crate) descriptors: Option<u32>,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Where it takes datagrams, if it does.
    pub(crate) datagrams: Option<SocketAddr>,
    /// Kept open, so that it does not find its output closed.
    _output: BufReader<ChildStdout>,
    log: Option<JoinHandle<Vec<u8>>>,
}

impl Launch<'_> {
    /// Starts it on a free port, and waits until it listens.
    ///
    /// # Errors
    /// It could not be started, or did not say in time where it listens.
    pub(crate) fn start(&self) -> io::Result<Server> {
        let mut words = Vec::new();
        if let Some(core) = self.core {
            words.extend(["taskset", "-c"].map(str::to_owned));
            words.push(core.to_string());
        }
        if let Some(descriptors) = self.descriptors {
            words.extend(["sh", "-c", &format!("ulimit -n {descriptors}; exec \"$@\""), "sh"].map(str::to_owned));
        }
        words.push(self.programs.join(self.kind.program()).to_string_lossy().into_owned());
        words.extend(["--listen", "127.0.0.1:0"].map(str::to_owned));
        words.extend(self.flags.iter().map(|flag| (*flag).to_owned()));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let named = |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", words.join(" ")));
        let mut running = Running(Some(command.spawn().map_err(named)?));
        let (address, datagrams, output) = running.listens(self.flags.contains(&"udp:127.0.0.1:0")).map_err(named)?;
        let mut child = running.0.take().ok_or(io::ErrorKind::NotFound)?;
        let log = child.stderr.take().map(|stderr| thread::spawn(move || gather(stderr)));
        Ok(Server { child, address, datagrams, _output: output, log })
    }
}

impl Server {
    pub(crate) fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Asks it to stop. Returns what it has logged.
    ///
    /// # Errors
    /// It had ended before, did not stop in time, or did not end with 0.
    pub(crate) fn stop(mut self) -> io::Result<Vec<u8>> {
        let ended = self.child.try_wait()?;
        if ended.is_none() {
            self.process().signal(Signal::TERM)?;
        }
        let since = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if since.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("it does not stop within {PATIENCE:?}")));
            }
            thread::sleep(Duration::from_millis(5));
        };
        let log = self.log.take().and_then(|log| log.join().ok()).unwrap_or_default();
        if ended.is_some() || !status.success() {
            let text = format!("it ended with {status}; the end of its log: {}", tail(&log));
            return Err(io::Error::other(text));
        }
        Ok(log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A child that is ended if it is not taken out.
struct Running(Option<Child>);

impl Running {
    fn listens(&mut self, datagrams: bool) -> io::Result<(SocketAddr, Option<SocketAddr>, BufReader<ChildStdout>)> {
        let output = self.0.as_mut().and_then(|child| child.stdout.take()).ok_or(io::ErrorKind::BrokenPipe)?;
        // On a thread, because a pipe has no read with a time-out; it ends with the lines or with the child.
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            // Nobody receives it when the wait is over; then there is nothing left to tell.
            sender.send(addresses(BufReader::new(output), datagrams)).ok();
        });
        let late = |_| io::Error::other(format!("it does not say within {PATIENCE:?} where it listens"));
        receiver.recv_timeout(PATIENCE).map_err(late)?
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.as_mut().map(end);
    }
}

fn addresses(
    mut output: BufReader<ChildStdout>,
    datagrams: bool,
) -> io::Result<(SocketAddr, Option<SocketAddr>, BufReader<ChildStdout>)> {
    let mut next = |before: &str| {
        let mut line = String::new();
        output.read_line(&mut line)?;
        let address = line.trim_end().strip_prefix(before).and_then(|address| address.parse().ok());
        address.ok_or_else(|| io::Error::other(format!("it says {line:?} and not `{before}ADDRESS`")))
    };
    let address = next("listening on ")?;
    let datagrams = if datagrams { Some(next("listening on udp:")?) } else { None };
    Ok((address, datagrams, output))
}

/// Reads all, so that the server never waits, and keeps the beginning.
fn gather(mut source: ChildStderr) -> Vec<u8> {
    let (mut log, mut buffer) = (Vec::new(), [0; 8192]);
    while let Ok(count @ 1..) = source.read(&mut buffer) {
        log.extend_from_slice(&buffer[..count.min(LOG.saturating_sub(log.len()))]);
    }
    log
}

fn tail(log: &[u8]) -> String {
    log[log.len().saturating_sub(500)..].escape_ascii().to_string()
}

/// Ends a child by its id, and waits for it.
pub(crate) fn end(child: &mut Child) {
    // Both fail only when it has ended already and has been waited for.
    child.kill().ok();
    child.wait().ok();
}
