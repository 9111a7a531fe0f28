//! The load: wrk(1), pinned to core 1.

use std::io;
use std::process::Command;

/// One load.
pub(super) struct Wrk {
    pub(super) url: String,
    pub(super) connections: u64,
    pub(super) seconds: u64,
}

/// What it reports.
#[derive(Debug, PartialEq)]
pub(super) struct Report {
    pub(super) requests: u64,
    /// Requests a second.
    pub(super) rate: f64,
}

impl Wrk {
    /// # Errors
    /// It could not be run, or an answer was none, or an error.
    pub(super) fn run(&self) -> io::Result<Report> {
        let mut command = Command::new("taskset");
        command.args(["-c", "1", "wrk", "--threads", "1", "--connections", &self.connections.to_string()]);
        command.args(["--duration", &format!("{}s", self.seconds), &self.url]);
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(format!("wrk: {}{}", text.trim_end(), errors.trim_end())));
        }
        Report::parse(&text).map_err(io::Error::other)
    }
}

impl Report {
    /// A request that was not answered, or with an error, makes the figures worthless.
    fn parse(text: &str) -> Result<Self, String> {
        let line = |start: &str| text.lines().find_map(|line| line.trim().strip_prefix(start));
        if let Some(errors) = line("Non-2xx or 3xx responses:").or(line("Socket errors:")) {
            return Err(format!("answers that are no 200: {}", errors.trim()));
        }
        let requests = text.lines().find(|line| line.contains(" requests in "));
        let requests = requests.and_then(|line| line.split_whitespace().next()?.parse().ok());
        let rate = line("Requests/sec:").and_then(|rate| rate.trim().parse().ok());
        match (requests, rate) {
            (Some(requests), Some(rate)) if requests > 0 => Ok(Report { requests, rate }),
            _ => Err(format!("wrk has no figures: {text}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Running 1s test @ http://127.0.0.1:8080/\n  1 threads and 50 connections\n";
    const FIGURES: &str = "  2108 requests in 1.03s, 2.06GB read\nRequests/sec:   2046.14\nTransfer/sec:      2.00GB\n";

    #[test]
    fn the_figures_of_wrk_are_found() {
        let want = Report { requests: 2108, rate: 2046.14 };
        assert_eq!(Report::parse(&[HEAD, FIGURES].concat()), Ok(want));
        assert!(Report::parse(HEAD).is_err_and(|error| error.starts_with("wrk has no figures")));
    }

    #[test]
    fn a_request_without_its_answer_is_an_error() {
        for line in ["  Socket errors: connect 0, read 3, write 0, timeout 0\n", "  Non-2xx or 3xx responses: 12\n"] {
            let error = Report::parse(&[HEAD, line, FIGURES].concat()).expect_err(line);
            assert!(error.starts_with("answers that are no 200: "), "{error}");
        }
    }
}
