//! The tables: medians of each figure of each case, and medians of the ratios within the rounds.

use std::fs;

use crate::contest::{self, FLOOR, FLOOR_AGAIN, OURS};
use crate::outcome::Outcome;
use crate::stats::Spread;

/// The cell of a figure that was not measured.
const NOTHING: &str = "-";

/// One row for each case: its first figure with quartiles, then the medians of its other ratios.
pub(crate) fn summary(outcomes: &[&Outcome]) -> String {
    let mut kinds: Vec<&str> = Vec::new();
    for name in outcomes.iter().flat_map(|outcome| &outcome.names).filter(|name| contest::is_peer(name)) {
        if !kinds.contains(&kind(name)) {
            kinds.push(kind(name));
        }
    }
    let columns = kinds.iter().map(|kind| format!(" ours/{kind} |")).collect::<Vec<_>>().concat();
    let rule = "--:|".repeat(kinds.len());
    let mut text = format!(
        "| case | figure | ours | floor | ours/floor | floor/floor | CPU, ours/floor |{columns}\n\
         |---|---|--:|--:|---|---|--:|{rule}\n"
    );
    for outcome in outcomes {
        let figures = outcome.case.figures();
        let cpu = figures.iter().position(|figure| figure.starts_with("CPU"));
        let mut cells = vec![
            outcome.case.name(),
            figures[0].to_owned(),
            middle(outcome.spread(OURS, 0)),
            middle(outcome.spread(FLOOR, 0)),
            whole(outcome.ratio((OURS, FLOOR), 0)),
            whole(outcome.ratio((FLOOR_AGAIN, FLOOR), 0)),
            middle(cpu.and_then(|nth| outcome.ratio((OURS, FLOOR), nth))),
        ];
        cells.extend(kinds.iter().map(|other| {
            let name = outcome.names.iter().find(|name| contest::is_peer(name) && kind(name) == *other);
            middle(name.and_then(|name| outcome.ratio((OURS, name), 0)))
        }));
        text.extend(["| ", &cells.join(" | "), " |\n"]);
    }
    text
}

/// The first word of a peer's name: a peer may have one way for few connections and another one for many.
fn kind(name: &str) -> &str {
    name.split(' ').next().unwrap_or_default()
}

/// Ours against the floor, and the floor against itself: what a ratio of 1 looks like here and now.
pub(crate) fn floors(outcomes: &[&Outcome]) -> String {
    let mut text =
        "| case | figure | ours | floor | ours/floor | floor/floor |\n|---|---|--:|--:|---|---|\n".to_owned();
    rows(&mut text, outcomes.iter().copied(), |outcome, nth| {
        let cells = [
            middle(outcome.spread(OURS, nth)),
            middle(outcome.spread(FLOOR, nth)),
            whole(outcome.ratio((OURS, FLOOR), nth)),
            whole(outcome.ratio((FLOOR_AGAIN, FLOOR), nth)),
        ];
        cells.join(" | ")
    });
    text
}

/// Ours against the peers. Empty without a peer.
pub(crate) fn peers(outcomes: &[&Outcome]) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for name in outcomes.iter().flat_map(|outcome| &outcome.names).filter(|name| contest::is_peer(name)) {
        if !names.contains(name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return None;
    }
    let columns: String = names.iter().map(|name| [" ", name, " | ours/", name, " |"].concat()).collect();
    let rule = "--:|---|".repeat(names.len());
    let mut text = format!("| case | figure | ours |{columns}\n|---|---|--:|{rule}\n");
    let against = outcomes.iter().copied().filter(|outcome| outcome.names.iter().any(|name| contest::is_peer(name)));
    rows(&mut text, against, |outcome, nth| {
        let ours = middle(outcome.spread(OURS, nth));
        let peer = |name: &&str| {
            format!(" | {} | {}", middle(outcome.spread(name, nth)), whole(outcome.ratio((OURS, name), nth)))
        };
        ours + &names.iter().map(peer).collect::<String>()
    });
    Some(text)
}

/// A row a figure, each with its case, its name and these cells. The case is named once.
fn rows<'a>(
    text: &mut String,
    outcomes: impl IntoIterator<Item = &'a Outcome>,
    cells: impl Fn(&Outcome, usize) -> String,
) {
    for outcome in outcomes {
        let mut case = outcome.case.name();
        for (nth, figure) in outcome.case.figures().iter().enumerate() {
            let row = format!("| {} | {figure} | {} |\n", std::mem::take(&mut case), cells(outcome, nth));
            text.push_str(&row);
        }
    }
}

fn middle(spread: Option<Spread>) -> String {
    spread.map_or(NOTHING.to_owned(), |spread| figure(spread.median))
}

fn whole(spread: Option<Spread>) -> String {
    spread.map_or(NOTHING.to_owned(), |spread| ratio(&spread))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::tests::drifting;

    #[test]
    fn a_case_is_named_once_and_what_is_missing_is_a_dash() {
        let text = floors(&[&drifting()]);
        let rows: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(rows[0], "| connect, ask, close | connections/s | 165 | 110 | 1.500 (1.500 1.500) | - |");
        assert_eq!(rows[1], "|  | CPU us/connection | 1.00 | 2.00 | 0.500 (0.500 0.500) | - |");
    }

    #[test]
    fn the_summary_has_a_row_for_each_case() {
        let mut outcome = drifting();
        outcome.names[1] = "python epoll";
        outcome.names[2] = "tokio";
        let text = summary(&[&drifting(), &outcome]);
        let rows: Vec<&str> = text.lines().collect();
        assert!(rows[0].ends_with("| CPU, ours/floor | ours/peer | ours/python | ours/tokio |"), "{text}");
        let floor = "| connect, ask, close | connections/s | 165 | 110 | 1.500 (1.500 1.500) | - | 0.50 | - | - | - |";
        let peer = "| connect, ask, close | connections/s | 165 | - | - | - | - | - | 1.50 | - |";
        assert_eq!(rows[2..], [floor, peer]);
    }

    #[test]
    fn every_row_has_as_many_cells_as_the_head() {
        let (first, mut second, mut alone) = (drifting(), drifting(), drifting());
        second.names[2] = "another";
        alone.names.truncate(2);
        let table = peers(&[&first, &second, &alone]).expect("there are peers");
        assert!(table.starts_with("| case | figure | ours | peer | ours/peer | another | ours/another |"), "{table}");
        assert_eq!(table.lines().count(), 6, "{table}");
        let cells: Vec<usize> = table.lines().map(|line| line.matches('|').count()).collect();
        assert!(cells.iter().all(|count| *count == cells[0]), "{table}");
    }

    #[test]
    fn without_a_peer_there_is_no_table() {
        let mut alone = drifting();
        alone.names.truncate(2);
        assert!(peers(&[&alone]).is_none());
    }
}
