//! The sessions that the pages show, read as instructions: what is typed where, and what is shown then.
//!
//! A session is a fenced block marked `console`. In a block for one terminal, a line that begins with `$ ` is typed to
//! the shell and every other line is what it shows. In a block for several, each line names its terminal: `ann$ ` types
//! to ann's shell, `ann> ` types to the program that runs there, and `ann| ` is what her terminal shows.

use std::fs;
use std::path::{Path, PathBuf};

/// The name of the terminal in a block for one.
pub(crate) const ONLY: &str = "";

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    /// `README.md:12`: the page and the line where the block begins.
    pub(crate) place: String,
    pub(crate) steps: Vec<Step>,
}

/// One line of a session.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) line: usize,
    pub(crate) terminal: String,
    pub(crate) act: Act,
    pub(crate) text: String,
}

/// What a line stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Act {
    /// Typed to the shell, once it is ready for a command.
    Command,
    /// Typed to the program that runs.
    Type,
    /// Shown. `...` as the whole line stands for any lines, and within a line for any text.
    Show,
}

/// A fenced block: its marker, the number of its first line, and its lines.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) marker: String,
    pub(crate) first_line: usize,
    pub(crate) lines: Vec<String>,
}

/// The pages at the top, then every page of `docs`, in order of name.
pub(crate) fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = fs::read_dir(root.join("docs")).expect("the pages are in docs");
    let mut pages: Vec<_> = entries.map(|entry| entry.expect("a readable directory").path()).collect();
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages.splice(0..0, ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|page| root.join(page)));
    pages
}

/// The text of one page, by its path below the root.
pub(crate) fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The fenced blocks of a page. One in a list is indented, and its lines are read without that.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(&str, Block)> = None;
    for (number, line) in text.lines().enumerate() {
        let (indent, rest) = line.split_at(line.len() - line.trim_start_matches(' ').len());
        match (rest.strip_prefix("```"), &mut open) {
            (Some(marker), None) => {
                let block = Block { marker: marker.to_owned(), first_line: number + 2, lines: Vec::new() };
                open = Some((indent, block));
            }
            (Some(_), Some(_)) => blocks.extend(open.take().map(|(_, block)| block)),
            (None, Some((indent, block))) => block.lines.push(line.strip_prefix(*indent).unwrap_or(line).to_owned()),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block without an end");
    blocks
}

/// The sessions of a page; `name` is for messages.
#[track_caller]
pub(crate) fn sessions(name: &str, text: &str) -> Vec<Session> {
    let blocks = blocks(text).into_iter().filter(|block| block.marker == "console");
    blocks.map(|block| session(name, &block)).collect()
}

#[track_caller]
fn session(name: &str, block: &Block) -> Session {
    let place = format!("{name}:{}", block.first_line);
    let has_names = block.lines.first().is_some_and(|line| named(line).is_some());
    let steps = block.lines.iter().enumerate().map(|(index, line)| {
        let number = block.first_line + index;
        let (terminal, act, text) = if has_names {
            named(line).unwrap_or_else(|| panic!("{name}:{number}: no terminal is named in {line:?}"))
        } else if let Some(command) = line.strip_prefix("$ ") {
            (ONLY, Act::Command, command)
        } else {
            (ONLY, Act::Show, line.as_str())
        };
        Step { line: number, terminal: terminal.to_owned(), act, text: text.to_owned() }
    });
    let steps: Vec<_> = steps.collect();
    assert!(steps.first().is_some_and(|step| step.act == Act::Command), "{place}: a session begins with a command");
    Session { place, steps }
}

/// Reads `NAME$ TEXT`, `NAME> TEXT` or `NAME| TEXT`; the blank may be missing when nothing follows it.
fn named(line: &str) -> Option<(&str, Act, &str)> {
    let length = line.find(|c: char| !c.is_ascii_lowercase())?;
    let (name, rest) = line.split_at(length);
    let mut rest = rest.chars();
    let act = match rest.next()? {
        '$' => Act::Command,
        '>' => Act::Type,
        '|' => Act::Show,
        _ => return None,
    };
    let text = rest.as_str();
    let text = if text.is_empty() { text } else { text.strip_prefix(' ')? };
    (length > 0).then_some((name, act, text))
}

#[test]
fn a_session_is_read_line_by_line() {
    let text =
        "words\n```console\n$ echo hi\nhi\n```\n```text\n$ not this\n```\n```console\nann$ nc\nann> hi\nann|\n```\n";
    let sessions = sessions("page", text);
    let found: Vec<_> = sessions.iter().flat_map(|session| &session.steps).collect();
    let found: Vec<_> =
        found.iter().map(|step| (step.line, step.terminal.as_str(), step.act, step.text.as_str())).collect();
    assert_eq!(
        found,
        [
            (3, ONLY, Act::Command, "echo hi"),
            (4, ONLY, Act::Show, "hi"),
            (10, "ann", Act::Command, "nc"),
            (11, "ann", Act::Type, "hi"),
            (12, "ann", Act::Show, ""),
        ]
    );
    assert_eq!(sessions[1].place, "page:10");
}
