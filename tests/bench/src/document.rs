//! The output of a comparison in the documentation: a summary between two marks of a page, all figures, and the plots.
//!
//! The rest of the page is left unchanged. The output names no file and no directory of this machine.

use std::fs;
use std::io;
use std::path::Path;

use crate::cases::Chapter;
use crate::charts;
use crate::contest;
use crate::outcome::Outcome;
use crate::plot;
use crate::table;

/// The page with the summary, and the file with all tables and rounds.
const PAGE: &str = "performance.md";
const RAW: &str = "performance.txt";

/// Between these two lines the page is not written by hand.
const BEGIN: &str = "<!-- Written by tests/bench/run --write, up to the next mark. -->";
const END: &str = "<!-- From here on it is written by hand. -->";

/// The outcomes of a comparison, and how they were measured.
pub(crate) struct Document<'a> {
    /// Date, rounds and time of each.
    pub(crate) title: String,
    /// The peers, each with its version.
    pub(crate) peers: Vec<String>,
    /// Sentences that say which cases are left out, and why.
    pub(crate) missing: Vec<String>,
    pub(crate) outcomes: &'a [Outcome],
}

/// Checks that the page has the marks, before a long measurement begins.
///
/// # Errors
/// The page does not exist, or has no marks.
pub(crate) fn check(directory: &Path) -> io::Result<()> {
    let page = directory.join(PAGE);
    between_marks(&read(&page)?, "").map(drop).map_err(|error| about(&page, &error))
}

impl Document<'_> {
    /// All tables, with the date, the machine and the peers above them.
    pub(crate) fn tables(&self) -> String {
        let mut parts = self.head();
        for chapter in Chapter::ALL {
            let outcomes = self.chapter(chapter);
            if outcomes.is_empty() {
                continue;
            }
            parts.push(format!("### {}\n", chapter.title()));
            parts.push(table::floors(&outcomes));
            parts.extend(table::peers(&outcomes));
        }
        parts.join("\n")
    }

    /// The figures of the page: the plots, then one table. Uppercase is left out, since it repeats echo.
    fn summary(&self, plots: &[String]) -> String {
        let mut parts = plots.to_vec();
        parts.extend(self.head());
        let shown = Chapter::ALL.into_iter().filter(|chapter| *chapter != Chapter::Uppercase);
        let outcomes: Vec<_> = shown.flat_map(|chapter| self.chapter(chapter)).collect();
        parts.push(table::summary(&outcomes));
        parts.join("\n")
    }

    fn head(&self) -> Vec<String> {
        let mut parts = vec![format!("{}; median (quartiles); {}.\n", self.title, table::machine())];
        if self.outcomes.iter().flat_map(|outcome| &outcome.names).any(|name| contest::is_peer(name)) {
            parts.push(format!("The peers: {}.\n", self.peers.join(", ")));
        }
        if !self.missing.is_empty() {
            parts.push(self.missing.iter().map(|sentence| ["- ", sentence, "\n"].concat()).collect());
        }
        parts
    }

    fn chapter(&self, chapter: Chapter) -> Vec<&Outcome> {
        self.outcomes.iter().filter(|outcome| outcome.case.chapter() == chapter).collect()
    }

    /// Replaces the summary in `performance.md`, and writes `performance.txt` and the plots beside it.
    ///
    /// # Errors
    /// As [`check`], or a file cannot be written.
    pub(crate) fn write(&self, directory: &Path) -> io::Result<()> {
        let page = directory.join(PAGE);
        let old = read(&page)?;
        let mut plots = Vec::new();
        for (chapter, charts) in
            [(Chapter::Echo, charts::echo(self.outcomes)), (Chapter::Rooms, charts::room(self.outcomes))]
        {
            if let Some(charts) = charts {
                let file = plot_of(chapter);
                plot::write(&directory.join(&file), &charts)?;
                plots.push(format!("![{}, as a plot]({file})\n", chapter.title()));
            }
        }
        let new = between_marks(&old, &self.summary(&plots)).map_err(|error| about(&page, &error))?;
        fs::write(&page, new).map_err(|error| about(&page, &error))?;
        let raw = directory.join(RAW);
        let rounds: String = self.outcomes.iter().map(ToString::to_string).collect();
        fs::write(&raw, format!("{}\n### Every round\n\n{rounds}", self.tables())).map_err(|error| about(&raw, &error))
    }
}

fn plot_of(chapter: Chapter) -> String {
    format!("performance-{}.svg", chapter.title().to_lowercase())
}

fn read(page: &Path) -> io::Result<String> {
    fs::read_to_string(page).map_err(|error| about(page, &error))
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
    use crate::cases::Case;
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

    fn document(outcomes: &[Outcome]) -> Document<'_> {
        let missing = vec!["redis is left out: redis-server is not installed".to_owned()];
        Document { title: "2 rounds".to_owned(), peers: vec!["A Server 1.2".to_owned()], missing, outcomes }
    }

    #[test]
    fn the_tables_name_the_peers_and_what_is_left_out() {
        let text = document(&[drifting()]).tables();
        assert!(text.contains("\nThe peers: A Server 1.2.\n"), "{text}");
        assert!(text.contains("\n- redis is left out: redis-server is not installed\n"), "{text}");
        assert!(text.contains("\n### Coming, waiting, going\n\n| case |"), "{text}");
        assert!(!text.contains("### Rooms"), "{text}");
    }

    #[test]
    fn page_raw_figures_and_plots_are_written_side_by_side() {
        let directory = std::env::temp_dir().join(format!("switchboard-bench-test-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        fs::write(directory.join(PAGE), format!("above\n{BEGIN}\n{END}\nbelow\n")).expect("a page");
        let room = Outcome { case: Case::Room { members: 100, window: 16 }, ..drifting() };
        let result = check(&directory).and_then(|()| document(&[room, drifting()]).write(&directory));
        let text = |name: &str| fs::read_to_string(directory.join(name));
        let written = (text(PAGE), text(RAW), text("performance-rooms.svg"), text("performance-echo.svg"));
        fs::remove_dir_all(&directory).expect("it was there");
        result.expect("all is written");
        let page = written.0.expect("the page");
        assert!(page.starts_with("above\n") && page.ends_with("\nbelow\n"), "{page}");
        assert!(page.contains("mark. -->\n\n![Rooms, as a plot](performance-rooms.svg)\n\n2 rounds"), "{page}");
        let raw = written.1.expect("tables and rounds");
        let (tables, rounds) = raw.split_once("\n### Every round\n\n").expect("the heading");
        assert!(tables.contains("### Rooms\n\n| case |"), "{tables}");
        assert_eq!(rounds.lines().count(), 12);
        assert!(written.2.expect("a plot").contains("deliveries/s"));
        assert!(written.3.is_err(), "nothing was measured that could be plotted");
    }
}
