//! What a comparison writes into the documentation: tables between two marks in a page, the raw figures, and the plots.
//!
//! The rest of the page stays as it is. Nothing that is written names a file or a directory of this machine.

use std::fs;
use std::io;
use std::path::Path;

use crate::charts;
use crate::outcome::Outcome;
use crate::plot;
use crate::table;

/// Between these two lines the page is not written by hand.
const BEGIN: &str = "<!-- Written by tests/bench/run --write, up to the next mark. -->";
const END: &str = "<!-- From here on it is written by hand. -->";

/// All that a comparison has found, and how.
pub(crate) struct Document<'a> {
    /// Date, rounds and time of each.
    pub(crate) title: String,
    /// Who the peers are.
    pub(crate) peers: Vec<String>,
    /// What is left out, and why.
    pub(crate) missing: Vec<String>,
    pub(crate) outcomes: &'a [Outcome],
}

impl Document<'_> {
    /// The tables, with what has to be known to read them.
    pub(crate) fn tables(&self) -> String {
        let mut parts =
            vec![format!("{}; median (quartiles); {}.\n", self.title, table::machine()), table::floors(self.outcomes)];
        let tables = table::peers(self.outcomes);
        if !tables.is_empty() {
            parts.push(format!("Against {}:\n", self.peers.join(", ")));
        }
        parts.extend(tables);
        if !self.missing.is_empty() {
            parts.push(self.missing.iter().map(|sentence| ["- ", sentence, "\n"].concat()).collect());
        }
        parts.join("\n")
    }

    /// Replaces the tables in `performance.md`, and writes `performance.txt` and the plots beside it.
    ///
    /// # Errors
    /// The page is not there or has no place for the tables, or a file cannot be written.
    pub(crate) fn write(&self, directory: &Path) -> io::Result<()> {
        let page = directory.join("performance.md");
        let old = fs::read_to_string(&page).map_err(|error| about(&page, &error))?;
        let mut parts = Vec::new();
        for (name, charts) in [("echo", charts::echo(self.outcomes)), ("room", charts::room(self.outcomes))] {
            if let Some(charts) = charts {
                plot::write(&directory.join(format!("performance-{name}.svg")), &charts)?;
                parts.push(format!("![{name}: the figures below, as a plot](performance-{name}.svg)\n"));
            }
        }
        parts.push(self.tables());
        let new = between_marks(&old, &parts.join("\n")).map_err(|error| about(&page, &error))?;
        fs::write(&page, new).map_err(|error| about(&page, &error))?;
        let raw = directory.join("performance.txt");
        let rounds: String = self.outcomes.iter().map(ToString::to_string).collect();
        fs::write(&raw, format!("{}; {}\n{rounds}", self.title, table::machine())).map_err(|error| about(&raw, &error))
    }
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The page with `text` between the marks instead of what is there.
fn between_marks(page: &str, text: &str) -> io::Result<String> {
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) =
        parts.ok_or_else(|| io::Error::other(format!("it has no line `{BEGIN}` before a line `{END}`")))?;
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::tests::drifting;

    #[test]
    fn what_is_between_the_marks_is_replaced_and_nothing_else() {
        let page = format!("above\n{BEGIN}\nold | table\n{END}\nbelow\n");
        let new = between_marks(&page, "new\n").expect("both marks");
        assert_eq!(new, format!("above\n{BEGIN}\n\nnew\n\n{END}\nbelow\n"));
        assert_eq!(between_marks(&new, "new\n").expect("both marks"), new);
    }

    #[test]
    fn a_page_without_both_marks_in_order_is_left_alone() {
        for page in ["", BEGIN, END, &format!("{END}\n{BEGIN}\n")] {
            assert!(between_marks(page, "new").is_err(), "{page:?}");
        }
    }

    #[test]
    fn the_page_of_the_project_has_a_place_for_the_tables() {
        between_marks(include_str!("../../../docs/performance.md"), "new").expect("both marks");
    }

    #[test]
    fn what_is_left_out_is_said_with_the_tables() {
        let outcomes = [drifting()];
        let missing = vec!["redis is left out: redis-server is not installed".to_owned()];
        let peers = vec!["A Server 1.2".to_owned()];
        let text = Document { title: "2 rounds".to_owned(), peers, missing, outcomes: &outcomes }.tables();
        assert!(text.contains("\n- redis is left out: redis-server is not installed\n"), "{text}");
        assert!(text.contains("\nAgainst A Server 1.2:\n\n| case |"), "{text}");
    }
}
