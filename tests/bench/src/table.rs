//! The table: for each figure of each case the medians, and the median of the ratios within the rounds.

use std::fmt;
use std::fs;

use crate::stats::Spread;

/// What was measured in one round, each a list of the case's figures.
#[derive(Default)]
pub(crate) struct Round {
    pub(crate) ours: Vec<f64>,
    pub(crate) floor: Vec<f64>,
    pub(crate) floor_again: Vec<f64>,
}

/// All results, shown as a Markdown table.
pub(crate) struct Table {
    title: String,
    rows: Vec<Row>,
}

struct Row {
    case: String,
    figure: &'static str,
    ours: Spread,
    floor: Spread,
    ratio: Spread,
    /// The floor against itself: what a ratio of 1 looks like here and now.
    noise: Spread,
}

impl Table {
    pub(crate) fn new(title: String) -> Table {
        Table { title, rows: Vec::new() }
    }

    /// Adds a row a figure.
    pub(crate) fn add(&mut self, case: String, figures: &[&'static str], rounds: &[Round]) {
        let mut case = case;
        for (nth, figure) in figures.iter().enumerate() {
            self.rows.push(Row {
                case: std::mem::take(&mut case),
                figure,
                ours: Spread::of(rounds.iter().map(|round| round.ours[nth])),
                floor: Spread::of(rounds.iter().map(|round| round.floor[nth])),
                ratio: Spread::of(rounds.iter().map(|round| round.ours[nth] / round.floor[nth])),
                noise: Spread::of(rounds.iter().map(|round| round.floor_again[nth] / round.floor[nth])),
            });
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}; median (quartiles); {}\n", self.title, machine())?;
        writeln!(f, "| case | figure | ours | floor | ours/floor | floor/floor |")?;
        writeln!(f, "|---|---|--:|--:|---|---|")?;
        for row in &self.rows {
            writeln!(
                f,
                "| {:<16} | {:<18} | {:>9} | {:>9} | {} | {} |",
                row.case,
                row.figure,
                figure(row.ours.median),
                figure(row.floor.median),
                ratio(&row.ratio),
                ratio(&row.noise)
            )?;
        }
        Ok(())
    }
}

/// Three digits or more; no digits that the next run would change.
pub(crate) fn figure(value: f64) -> String {
    let decimals = match value {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

pub(crate) fn ratio(spread: &Spread) -> String {
    format!("{:.3} ({:.3} {:.3})", spread.median, spread.low, spread.high)
}

/// Processor and kernel, as far as the system tells.
pub(crate) fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{}, Linux {}", model.map_or("unknown processor", |(_, name)| name.trim()), kernel.trim())
}
