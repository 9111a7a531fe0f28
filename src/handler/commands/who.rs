//! The table of connections that `who` shows.

use crate::handler::context::Context;
use crate::state::roster::Listed;
use crate::state::stats::rough;

/// The most connections that `who` lists: a screen or two, not the memory of a terminal.
const MOST_LISTED: usize = 100;

/// The most characters of a name in the table. A longer one is cut, so that one name cannot break all lines.
const MOST_OF_NAME: usize = 32;

const HEADING: [&str; COLUMNS] = ["number", "service", "nickname", "address", "connected", "queued bytes"];
const COLUMNS: usize = 6;

/// The connections whose service, name or address contains `wanted`, one a line, below a heading.
pub(super) fn table(wanted: &str, cx: &mut Context<'_>) -> String {
    let (listed, count) = cx.list(wanted, MOST_LISTED);
    match listed.len() {
        0 if wanted.is_empty() => "no connections".to_owned(),
        0 => format!("no connection has {wanted:?} in its service, nickname or address"),
        shown if shown < count => {
            format!("{}\nand {} more (find one with who TEXT)", aligned(&listed), count - shown)
        }
        _ => aligned(&listed),
    }
}

fn aligned(listed: &[Listed]) -> String {
    let rows: Vec<_> = std::iter::once(HEADING.map(str::to_owned)).chain(listed.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let [number, service, name, address, connected, queued] = std::array::from_fn(width);
    let line = |row: &[String; COLUMNS]| {
        format!(
            "{:>number$}  {:service$}  {:name$}  {:address$}  {:connected$}  {:>queued$}",
            row[0], row[1], row[2], row[3], row[4], row[5]
        )
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn row(listed: &Listed) -> [String; COLUMNS] {
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    [
        listed.number.to_string(),
        or_dash(listed.service.clone()),
        or_dash(listed.name.chars().take(MOST_OF_NAME).collect()),
        listed.peer.to_string(),
        format!("{} ago", rough(listed.age)),
        listed.queued.to_string(),
    ]
}
