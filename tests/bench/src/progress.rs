//! What is said on standard error while a run goes on: what may spoil it, which step it is at, how long it will take.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::thread;
use std::time::Instant;

/// Says what will widen the spread of the figures.
pub(crate) fn warn_of_noise() -> io::Result<()> {
    if thread::available_parallelism()?.get() != 1 {
        eprintln!("switchboard-bench: note: the load is not pinned to a core of its own; tests/bench/run does that");
    }
    let average = load_average()?;
    if average > 0.5 {
        eprintln!("switchboard-bench: note: other programs are at work, {average} on average in the last minute");
    }
    Ok(())
}

/// How many programs were at work in the last minute, on average.
pub(crate) fn load_average() -> io::Result<f64> {
    let averages = fs::read_to_string("/proc/loadavg")?;
    averages.split(' ').next().and_then(|average| average.parse().ok()).ok_or(io::ErrorKind::InvalidData.into())
}

/// A line that is rewritten at a terminal, and a line a step elsewhere.
pub(crate) struct Progress {
    begin: Instant,
    done: u64,
    steps: u64,
}

impl Progress {
    pub(crate) fn new(steps: u64) -> Progress {
        Progress { begin: Instant::now(), done: 0, steps }
    }

    /// Shows the step that begins.
    pub(crate) fn show(&mut self, what: &str) {
        let left = match self.done {
            0 => String::new(),
            done => {
                let each = self.begin.elapsed() / done as u32;
                format!(", {} s left", (each * (self.steps - done) as u32).as_secs())
            }
        };
        self.done += 1;
        let (start, end) = if io::stderr().is_terminal() { ("\r\x1b[K", "") } else { ("", "\n") };
        // A progress line that cannot be written is no reason to stop measuring.
        write!(io::stderr(), "{start}[{}/{}] {what}{left}{end}", self.done, self.steps).ok();
    }

    pub(crate) fn end(&self) {
        let took = self.begin.elapsed().as_secs();
        let start = if io::stderr().is_terminal() { "\r\x1b[K" } else { "" };
        writeln!(io::stderr(), "{start}{} rounds in {took} s", self.steps).ok();
    }
}
