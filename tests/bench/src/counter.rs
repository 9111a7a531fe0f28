//! What a server executes for each message: instructions in its own code, or system calls.
//!
//! A program that watches every step counts all that a server does from its start to its end. Two runs that differ in
//! nothing but the number of messages differ by what these messages took: start, connections and end cancel out. Unlike
//! a time, the figure is hardly moved by other programs on the machine.

use std::env;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::server::Server;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counter {
    /// By callgrind, a tool of valgrind. Only in user space: the kernel's are not seen.
    Instructions,
    /// By strace.
    SystemCalls,
}

impl Counter {
    /// The program that does it, if it is not installed.
    pub(crate) fn missing(self) -> Option<&'static str> {
        let program = match self {
            Counter::Instructions => "valgrind",
            Counter::SystemCalls => "strace",
        };
        (!is_installed(program)).then_some(program)
    }

    /// How many a unit of work takes, when `work` gives a server `lengths.start` units in one run and `lengths.end` in
    /// another.
    ///
    /// # Errors
    /// The program is missing or says nothing, or the server failed under the work.
    pub(crate) fn each(
        self,
        command: &[String],
        lengths: Range<u64>,
        work: impl Fn(&Server, u64) -> io::Result<()>,
    ) -> io::Result<f64> {
        if let Some(program) = self.missing() {
            return Err(io::Error::other(format!("{program} is not installed, and counts what is asked for here")));
        }
        let short = self.count(command, |server| work(server, lengths.start))?;
        let long = self.count(command, |server| work(server, lengths.end))?;
        Ok((long as f64 - short as f64) / (lengths.end - lengths.start) as f64)
    }

    /// How many a whole run takes.
    fn count(self, command: &[String], work: impl FnOnce(&Server) -> io::Result<()>) -> io::Result<u64> {
        let report = Report(env::temp_dir().join(format!("switchboard-bench-{}.count", std::process::id())));
        let server = Server::start(&[self.watch(&report.0), command.to_vec()].concat())?;
        work(&server)?;
        server.stop()?;
        let text = fs::read_to_string(&report.0)?;
        let total = match self {
            Counter::Instructions => instructions(&text),
            Counter::SystemCalls => system_calls(&text),
        };
        total.ok_or_else(|| io::Error::other(format!("no count in what {self:?} were written to: {text}")))
    }

    /// What goes before the server's command.
    fn watch(self, report: &Path) -> Vec<String> {
        let report = report.display();
        match self {
            Counter::Instructions => {
                vec![
                    "valgrind".to_owned(),
                    "-q".to_owned(),
                    "--tool=callgrind".to_owned(),
                    format!("--callgrind-out-file={report}"),
                ]
            }
            // strace(1): told to write to a file, it ignores SIGTERM without -I. Killed, it would leave the server
            // behind: setpriv, of util-linux as taskset is, ties the two.
            Counter::SystemCalls => {
                let words =
                    ["strace", "-c", "-f", "-I", "2", "-o", &report.to_string(), "setpriv", "--pdeathsig", "KILL"];
                words.map(str::to_owned).to_vec()
            }
        }
    }
}

/// Whether a shell would find it.
pub(crate) fn is_installed(program: &str) -> bool {
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).any(|directory| directory.join(program).is_file())
}

/// A file that goes when it has been read.
struct Report(PathBuf);

impl Drop for Report {
    fn drop(&mut self) {
        // It is not there if the program has not come to its end.
        fs::remove_file(&self.0).ok();
    }
}

/// The total of a file of callgrind's: a line `totals: COUNT`.
fn instructions(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("totals:")?.trim().parse().ok())
}

/// The total of strace's summary: the line that ends with `total`, whose fourth column are the calls.
fn system_calls(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.split_whitespace().last() == Some("total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_callgrind_is_found() {
        let text = "version: 1\nevents: Ir\nsummary: 7\n\nfn=(1) main\n4 totals\n\ntotals: 1234567\n";
        assert_eq!(instructions(text), Some(1_234_567));
        assert_eq!(instructions("events: Ir\n"), None);
    }

    #[test]
    fn the_total_of_strace_is_found_with_errors_and_without() {
        let head = "% time     seconds  usecs/call     calls    errors syscall\n\
                    ------ ----------- ----------- --------- --------- ----------------\n";
        let row = " 61.02    0.000902           0      1003           write\n";
        assert_eq!(
            system_calls(&format!("{head}{row}100.00    0.001478           0      2117         5 total\n")),
            Some(2117)
        );
        assert_eq!(
            system_calls(&format!("{head}{row}100.00    0.001478           0      2117           total\n")),
            Some(2117)
        );
        assert_eq!(system_calls(head), None);
    }

    #[test]
    fn what_is_not_there_is_not_installed() {
        assert!(is_installed("sh") && !is_installed("no-such-program-anywhere"));
    }
}
