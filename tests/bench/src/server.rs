//! A server as a child process: pinned to its core, found by the line that it prints, ended when it is dropped.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddrV4;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::kernel;

/// The core that every server runs on; the load has another.
const CORE: &str = "0";

/// How long a server may take until it listens, and until it has ended when it is asked to.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddrV4,
    /// Kept open, so that a server which prints more does not find its output closed.
    _output: BufReader<ChildStdout>,
}

impl Server {
    /// Starts `command` (program and arguments) and waits for its first line, `listening on 127.0.0.1:PORT`.
    ///
    /// # Errors
    /// It could not be started, or the line did not come in time.
    pub(crate) fn start(command: &[String]) -> io::Result<Server> {
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", CORE]).args(command).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = kernel::end_with_parent(&mut pinned)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("taskset (of util-linux): {error}")))?;
        let output = child.stdout.take().map(BufReader::new).ok_or(io::ErrorKind::BrokenPipe)?;
        match first_line(output) {
            Ok((address, output)) => Ok(Server { child, address, _output: output }),
            Err(error) => {
                end(&mut child);
                Err(io::Error::other(format!("`{}`: {error}", command.join(" "))))
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, by SIGTERM, and returns how long that took.
    ///
    /// # Errors
    /// It has not ended within [`PATIENCE`].
    pub(crate) fn stop(mut self) -> io::Result<Duration> {
        let begin = Instant::now();
        kernel::terminate(self.pid())?;
        while self.child.try_wait()?.is_none() {
            if begin.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("the server has not ended within {PATIENCE:?} after SIGTERM")));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(begin.elapsed())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Reads on a thread, because a pipe has no read with a time-out; the thread ends with the line or with the child.
fn first_line(mut output: BufReader<ChildStdout>) -> io::Result<(SocketAddrV4, BufReader<ChildStdout>)> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let result = output.read_line(&mut line).map(|_| (line, output));
        // Nobody receives it when the wait is over; then there is nothing left to tell.
        sender.send(result).ok();
    });
    let (line, output) = receiver
        .recv_timeout(PATIENCE)
        .map_err(|_| io::Error::other(format!("no `listening on` line within {PATIENCE:?}")))??;
    if line.is_empty() {
        return Err(io::Error::other("it ended before it said `listening on 127.0.0.1:PORT`"));
    }
    let address = line.trim_end().strip_prefix("listening on ").and_then(|address| address.parse().ok());
    let address = address.ok_or_else(|| {
        let said = line.trim_end();
        io::Error::other(format!("its first line is `{said}` and not `listening on 127.0.0.1:PORT`"))
    })?;
    Ok((address, output))
}

fn end(child: &mut Child) {
    // Both fail only when it has ended already and has been waited for.
    child.kill().ok();
    child.wait().ok();
}
