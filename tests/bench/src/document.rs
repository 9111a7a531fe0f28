//! What a comparison writes into the documentation: tables between two marks in a page, the raw figures, and the plots.
//!
//! The rest of the page stays as it is. Nothing that is written names a file or a directory of this machine.

use std::fs;
use std::io;
use std::path::Path;

use crate::cases::Chapter;
use crate::charts;
use crate::contest;
use crate::outcome::Outcome;
use crate::plot;
use crate::table;

/// The page, and all the rounds.
const PAGE: &str = "performance.md";
const RAW: &str = "performance.txt";

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

/// Looks for the place for the tables, before anything is measured in vain.
///
/// # Errors
/// The page is not there or has no such place.
pub(crate) fn check(directory: &Path) -> io::Result<()> {
    let page = directory.join(PAGE);
    between_marks(&read(&page)?, "").map(drop).map_err(|error| about(&page, &error))
}

impl Document<'_> {
    /// The tables, with what has to be known to read them.
    pub(crate) fn tables(&self) -> String {
        self.with_plots(|_| None)
    }

    /// The same with a plot before the tables of a chapter, if there is one.
    fn with_plots(&self, plot: impl Fn(Chapter) -> Option<String>) -> String {
        let mut parts = vec![format!("{}; median (quartiles); {}.\n", self.title, table::machine())];
        if self.outcomes.iter().flat_map(|outcome| &outcome.names).any(|name| contest::is_peer(name)) {
            parts.push(format!("The peers: {}.\n", self.peers.join(", ")));
        }
        if !self.missing.is_empty() {
            parts.push(self.missing.iter().map(|sentence| ["- ", sentence, "\n"].concat()).collect());
        }
        for chapter in Chapter::ALL {
            let outcomes: Vec<_> = self.outcomes.iter().filter(|outcome| outcome.case.chapter() == chapter).collect();
            if outcomes.is_empty() {
                continue;
            }
            parts.push(format!("### {}\n", chapter.title()));
            parts.extend(plot(chapter).map(|file| format!("![{}, as a plot]({file})\n", chapter.title())));
            parts.push(table::floors(&outcomes));
            parts.extend(table::peers(&outcomes));
        }
        parts.join("\n")
    }

    /// Replaces the tables in `performance.md`, and writes `performance.txt` and the plots beside it.
    ///
    /// # Errors
    /// As [`check`], or a file cannot be written.
    pub(crate) fn write(&self, directory: &Path) -> io::Result<()> {
        let page = directory.join(PAGE);
        let old = read(&page)?;
        let plots = [(Chapter::Echo, charts::echo(self.outcomes)), (Chapter::Rooms, charts::room(self.outcomes))];
        for (chapter, charts) in &plots {
            if let Some(charts) = charts {
                plot::write(&directory.join(plot_of(*chapter)), charts)?;
            }
        }
        let is_plotted = |chapter| plots.iter().any(|(other, charts)| *other == chapter && charts.is_some());
        let text = self.with_plots(|chapter| is_plotted(chapter).then(|| plot_of(chapter)));
        let new = between_marks(&old, &text).map_err(|error| about(&page, &error))?;
        fs::write(&page, new).map_err(|error| about(&page, &error))?;
        let raw = directory.join(RAW);
        let rounds: String = self.outcomes.iter().map(ToString::to_string).collect();
        fs::write(&raw, format!("{}; {}\n{rounds}", self.title, table::machine())).map_err(|error| about(&raw, &error))
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
    fn the_tables_say_who_the_peers_are_and_what_is_left_out() {
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
        assert!(page.contains("### Rooms\n\n![Rooms, as a plot](performance-rooms.svg)\n\n| case |"), "{page}");
        assert_eq!(written.1.expect("the rounds").lines().count(), 1 + 12);
        assert!(written.2.expect("a plot").contains("deliveries/s"));
        assert!(written.3.is_err(), "nothing was measured that could be plotted");
    }
}
