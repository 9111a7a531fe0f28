//! Comments, texts, pages and `--help` are plain English, and no line of code is over 120 columns.
//!
//! Looks at comments and strings of `src` and `bin`, at the pages without their code, and at every `--help`. The
//! strings of unit tests are left out: they are input, and may be anything. Knows no grammar, only phrases; a sentence
//! without any of them can still be a bad one.

use super::files::{below, name};
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The folders whose lines are measured.
const CODE: [&str; 4] = ["bin", "docs", "src", "tests"];

/// The files of web pages.
const WEB: [&str; 3] = ["css", "html", "js"];

/// The longest line of code, in characters.
const COLUMNS: usize = 120;

/// Phrases that a reader has to read twice, in small letters. One that begins with `^` counts at the start of a
/// sentence.
const PHRASES: [&str; 23] = [
    "are to be",
    "but for",
    "came about",
    "come about",
    "comes about",
    "everybody",
    "is to be",
    "nobody",
    "somebody",
    "such since the last such",
    "was to be",
    "were to be",
    "what is owed",
    "who else",
    "whoever",
    "whom",
    "whomever",
    "whose turn",
    "^so many",
    "^so much",
    "^the same, for",
    "^the same for",
    "^who",
];

/// A text without line breaks, and where its lines begin.
#[derive(Debug, Default)]
struct Prose {
    text: String,
    /// The number of a line, and the byte of the text where it begins.
    lines: Vec<(usize, usize)>,
}

impl Prose {
    fn add(&mut self, line: usize, text: &str) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.lines.push((line, self.text.len()));
        self.text.push_str(text.trim());
    }

    fn line_of(&self, at: usize) -> usize {
        self.lines.iter().rev().find(|(_, begin)| *begin <= at).map_or(0, |(line, _)| *line)
    }

    /// The phrases in it.
    fn faults(&self, place: &str) -> Vec<Fault> {
        let text = without_code(&self.text).to_lowercase();
        let found = PHRASES.iter().flat_map(|phrase| {
            let (plain, is_start) = phrase.strip_prefix('^').map_or((*phrase, false), |plain| (plain, true));
            let places = text.match_indices(plain).map(|(at, _)| at).collect::<Vec<_>>();
            let text = &text;
            places.into_iter().filter(move |at| is_phrase(text, *at, plain.len(), is_start)).map(move |at| (at, plain))
        });
        found
            .map(|(at, phrase)| Fault { place: place.to_owned(), line: self.line_of(at), what: phrase.to_owned() })
            .collect()
    }
}

/// Whether what stands there is whole words, and the start of a sentence if it has to be one.
fn is_phrase(text: &str, at: usize, length: usize, is_start: bool) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let (before, after) = (&text[..at], &text[at + length..]);
    let is_whole = !before.ends_with(is_word) && !after.starts_with(is_word);
    let before = before.trim_end_matches([' ', '*', '-', '"']);
    is_whole && (!is_start || before.is_empty() || before.ends_with(['.', '!', '?', ':', ';', '|']))
}

/// Replaces what is between backticks by as many dots: it is the name of something.
fn without_code(text: &str) -> String {
    let mut pieces: Vec<String> = text.split('`').map(str::to_owned).collect();
    let last = pieces.len() - 1;
    for piece in pieces[..last].iter_mut().skip(1).step_by(2) {
        *piece = ".".repeat(piece.len());
    }
    pieces.join("`")
}

/// A phrase that has to go, or a line that is too long.
#[derive(Debug, PartialEq)]
struct Fault {
    place: String,
    line: usize,
    what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.place, self.line, self.what)
    }
}

/// The comments of a source file, those on successive lines as one text, and its strings outside of unit tests.
fn prose_of_rust(source: &str, is_test: bool) -> Vec<Prose> {
    let (mut all, mut block, mut is_test) = (Vec::new(), Prose::default(), is_test);
    for (line, number) in source.lines().zip(1..) {
        let line = line.trim();
        is_test |= line == "#[cfg(test)]";
        if let Some(comment) = line.strip_prefix("//") {
            let comment = comment.trim_start_matches(['/', '!']).trim();
            // An empty line, a heading or an item of a list ends a sentence.
            if comment.is_empty() || comment.starts_with(['#', '|', '-', '*']) {
                all.push(std::mem::take(&mut block));
            }
            block.add(number, comment);
            continue;
        }
        all.push(std::mem::take(&mut block));
        let (code, comment) = line.split_once(" // ").unwrap_or((line, ""));
        let strings = code.split('"').skip(1).step_by(2).filter(|_| !is_test);
        // A string of one word is a name.
        for text in strings.filter(|text| text.contains(' ')).chain([comment]) {
            let mut prose = Prose::default();
            prose.add(number, text);
            all.push(prose);
        }
    }
    all.push(block);
    all
}

/// The paragraphs of a page, without fenced blocks.
fn prose_of_page(page: &str) -> Vec<Prose> {
    let (mut all, mut block, mut is_code) = (Vec::new(), Prose::default(), false);
    for (line, number) in page.lines().zip(1..) {
        is_code ^= line.trim_start().starts_with("```");
        let text = line.trim_start_matches(['`', '#', '>', ' ']);
        if is_code || text.is_empty() || line.starts_with(['#', '|', '-', '*', '`']) {
            all.push(std::mem::take(&mut block));
        }
        if !is_code {
            block.add(number, text);
        }
    }
    all.push(block);
    all
}

/// Every fault of English.
fn phrases() -> Vec<Fault> {
    let mut faults = Vec::new();
    for path in ["bin", "docs", "src"].iter().flat_map(|place| below(place, &["rs"])) {
        let source = fs::read_to_string(&path).expect("a source file");
        let name = name(&path);
        let is_test = name.ends_with("/tests.rs") || name.contains("/tests/");
        faults.extend(prose_of_rust(&source, is_test).iter().flat_map(|prose| prose.faults(&name)));
    }
    for path in ["docs", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
        .iter()
        .filter(|place| Path::new(env!("CARGO_MANIFEST_DIR")).join(place).exists())
        .flat_map(|place| below(place, &["md"]))
    {
        let page = fs::read_to_string(&path).expect("a page");
        faults.extend(prose_of_page(&page).iter().flat_map(|prose| prose.faults(&name(&path))));
    }
    for path in below("src", &WEB) {
        let file = fs::read_to_string(&path).expect("a file of a page");
        faults.extend(prose_of_page(&file).iter().flat_map(|prose| prose.faults(&name(&path))));
    }
    let programs = Path::new(env!("CARGO_BIN_EXE_echo-server")).parent().expect("a folder of programs");
    for program in below("bin", &["rs"]).iter().filter_map(|path| path.file_stem()) {
        let output = Command::new(programs.join(program)).arg("--help").output().expect("a program of this crate");
        let help = String::from_utf8(output.stdout).expect("text");
        let place = format!("{} --help", program.display());
        faults.extend(prose_of_page(&help).iter().flat_map(|prose| prose.faults(&place)));
    }
    faults
}

#[test]
fn texts_are_in_plain_english() {
    let faults = phrases();
    let list = faults.iter().map(|fault| format!("{fault}\n")).collect::<Vec<_>>().concat();
    assert!(faults.is_empty(), "{} phrases to rewrite:\n{list}", faults.len());
}

#[test]
fn no_line_of_code_is_over_120_columns() {
    let mut faults = Vec::new();
    for path in CODE.iter().flat_map(|place| below(place, &[&["rs"][..], &WEB].concat())) {
        let source = fs::read_to_string(&path).expect("a source file");
        let long = source.lines().zip(1..).filter(|(line, _)| line.chars().count() > COLUMNS);
        faults.extend(long.map(|(line, number)| format!("{}:{number}: {} columns", name(&path), line.chars().count())));
    }
    assert!(faults.is_empty(), "{} lines to break:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn phrases_are_found_in_comments_strings_and_pages() {
    let found = |prose: Vec<Prose>| {
        let faults = prose.iter().flat_map(|prose| prose.faults("")).map(|fault| (fault.line, fault.what));
        faults.collect::<Vec<_>>()
    };
    let rust = |source| found(prose_of_rust(source, false));
    let page = |text| found(prose_of_page(text));
    let fault = |line, what: &str| vec![(line, what.to_owned())];
    assert_eq!(rust("/// For whoever reads.\nfn f() {}\n"), fault(1, "whoever"));
    assert_eq!(rust("//! One fact. All\n//! but\n//! for one.\n"), fault(2, "but for"));
    assert_eq!(rust("log(\"nobody is here\"); // fine\n"), fault(1, "nobody"));
    assert_eq!(rust("let x = 1; // what is to be done\n"), fault(1, "is to be"));
    assert_eq!(rust("// So many at once.\n"), fault(1, "so many"));
    assert_eq!(rust("// There are so many clients.\n"), vec![]);
    assert_eq!(rust("// It ends. Who reads next is served.\n"), fault(1, "who"));
    assert_eq!(rust("// The command `nobody`, and nobody_else().\n"), vec![]);
    assert_eq!(rust("// It is to begin; a distribution.\n"), vec![]);
    assert_eq!(rust("#[cfg(test)]\nmod tests {\nname(\"nobody\");\n// Somebody.\n}\n"), fault(4, "somebody"));
    assert_eq!(page("It\ncomes\nabout.\n\n```console\nnobody\n```\n"), fault(2, "comes about"));
    assert_eq!(page("| Who | what |\n"), fault(1, "who"));
    assert_eq!(page("## The same for all\n"), fault(1, "the same for"));
}
