//! The table, and what does not fit into it.

use std::fmt::{self, Write};
use std::fs;

use crate::row::{Row, mebibytes};

/// All rows of a run.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) rows: Vec<Row>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}; {}\n", self.title, machine())?;
        writeln!(
            f,
            "| {:<11} | {:<9} | {:>7} {:<31} | {:>8} | {:>4} | {:>5} | {:>16} | {:>8} | {:>8} | verdict |",
            "fault", "server", "count", "", "owed B", "lost", "wrong", "growth (of) MiB", "quiet ms", "fault ms"
        )?;
        writeln!(f, "|---|---|---|--:|--:|--:|--:|--:|--:|---|")?;
        for row in &self.rows {
            writeln!(
                f,
                "| {:<11} | {:<9} | {:>7} {:<31} | {:>8} | {:>4} | {:>5} | {:>16} | {:>8} | {:>8} | {:<7} |",
                row.fault,
                row.kind.to_string(),
                row.count,
                row.counts,
                row.tally.owed,
                row.tally.lost,
                row.tally.wrong,
                format!("{} ({})", mebibytes(row.growth), mebibytes(row.bound.bytes())),
                millis(row.quiet.p99),
                millis(row.during.p99),
                row.verdict()
            )?;
        }
        Ok(())
    }
}

impl Table {
    /// Row by row what the table is made of.
    pub(crate) fn details(&self) -> String {
        let mut text = String::new();
        for row in &self.rows {
            // A string takes all.
            let _ = write_details(&mut text, row);
        }
        text
    }

    /// What is wrong, a line each.
    pub(crate) fn failures(&self) -> Vec<String> {
        let named = |row: &Row| {
            let name = format!("{} at {}", row.fault, row.kind);
            row.failures().into_iter().map(move |failure| format!("{name}: {failure}"))
        };
        self.rows.iter().flat_map(named).collect()
    }

    /// Where the polite waited too long, a line each.
    pub(crate) fn slow(&self) -> Vec<String> {
        let told = |row: &Row| {
            let (during, quiet) = (millis(row.during.p99), millis(row.quiet.p99));
            format!("{} at {}: p99 was {during} ms, and quiet {quiet} ms", row.fault, row.kind)
        };
        self.rows.iter().filter(|row| row.is_slow()).map(told).collect()
    }
}

fn write_details(text: &mut String, row: &Row) -> fmt::Result {
    let flags = if row.flags.is_empty() { "no flags" } else { &row.flags };
    writeln!(text, "\n{} at {} ({flags}): {}", row.fault, row.kind, row.verdict())?;
    writeln!(text, "  {} {}", row.count, row.counts)?;
    let tally = &row.tally;
    writeln!(text, "  the polite: owed {} bytes, lost {}, wrong {}", tally.owed, tally.lost, tally.wrong)?;
    for (when, latency) in [("quiet", row.quiet), ("fault", row.during)] {
        let (p99, worst) = (millis(latency.p99), millis(latency.worst));
        writeln!(text, "  {when}: {} lines heard, p99 {p99} ms, worst {worst} ms", latency.samples)?;
    }
    let (growth, bound) = (row.growth >> 10, row.bound.bytes() >> 10);
    writeln!(text, "  memory: grew by {growth} KiB, at most {bound} KiB: {}", row.bound.why)?;
    writeln!(text, "  descriptors: {} before, {} behind it", row.descriptors.0, row.descriptors.1)?;
    row.notes.iter().try_for_each(|note| writeln!(text, "  {note}"))?;
    row.failures().iter().try_for_each(|failure| writeln!(text, "  FAILED: {failure}"))
}

fn millis(micros: u32) -> String {
    format!("{:.2}", f64::from(micros) / 1000.0)
}

/// Processor and kernel, as far as the system tells.
fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{}, Linux {}", model.map_or("unknown processor", |(_, name)| name.trim()), kernel.trim())
}
