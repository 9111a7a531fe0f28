//! A phone book, against a map: any lines of several clients, in a book that is empty or larger than a page of a
//! listing.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use arbitrary::Unstructured;
use switchboard::sanitize;
use switchboard::servers::{Phonebook, PhonebookOptions};
use switchboard::workers::storage::{DataFile, Store};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::hall::{Hall, Model};

const MOST_OF_NAME: usize = 64;
const MOST_OF_NUMBER: usize = 40;
/// Entries of a listing that are fetched at a time.
const PAGE: usize = 256;
/// Entries of a large book: more than two pages.
const CROWD: u16 = 520;
const METHODS: [&str; 9] = ["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "CONNECT", "TRACE"];

/// Plays the bytes as a script. The first one chooses how long a line may be, and the second one how large the book is.
pub fn run(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let (Ok(max_line), Ok(size)) = (bytes.arbitrary::<u8>(), bytes.arbitrary::<u8>()) else { return };
    let max_line = if max_line == 0 { PhonebookOptions::default().max_line } else { max_line.into() };
    let mut store = Store::open(&DataFile::Memory, &Phonebook::SCHEMA).expect("memory");
    let mut book = Book::default();
    if size >= 240 {
        fill(&mut store, &mut book);
    }
    let mut options = PhonebookOptions::default();
    options.max_line = max_line;
    Hall::new(Phonebook::lines(store, options), max_line, book).play(bytes);
}

/// Puts a crowd into an empty book.
fn fill(store: &mut Store, book: &mut Book) {
    let insert =
        "INSERT INTO entry WITH RECURSIVE number(n) AS (VALUES (1000) UNION ALL SELECT n + 1 FROM number LIMIT ?1)
                  SELECT 'p' || n, 'P' || n, n FROM number";
    store.write(|db| Ok(db.execute(insert, [CROWD])?)).expect("memory");
    let entries = (1000..1000 + CROWD).map(|n| (format!("p{n}"), (format!("\"P{n}\""), format!("\"{n}\"")))).collect();
    book.entries = Rc::new(entries);
}

/// What is in the book: names and numbers in quotes, as they are shown, by names as they are compared. Copied when it
/// is written to.
#[derive(Clone, Debug, Default, PartialEq)]
struct Book {
    entries: Rc<BTreeMap<String, (String, String)>>,
}

impl Model for Book {
    const WORDS: [&'static [&'static str]; 3] = [
        &["FIND ", "ADD ", "ADD ", "CHANGE ", "REMOVE ", "LIST ", "", "list", "add", "HELP", "QUIT", "GET ", "\""],
        &[
            "ann ",
            "\"Ann Smith\" ",
            "ANN  ",
            "\"a\\\"b\\\\c\" ",
            "\"ann  smith\"",
            "ma\u{DF}e ",
            "MASSE ",
            "P1000 ",
            "\u{3B0} ",
            "\u{3C5} ",
            "\u{301}",
            "\u{200D}",
            "\u{3164}",
            "p1",
        ],
        &["", "", "555-0123", "\"+44 (20) 7946 ext 9\"", "1", "\"1 x\"", "\"", "\u{A0}"],
    ];

    const WELCOME: &'static str = "Welcome to the phone book. HELP lists the commands.\n";
    const LISTINGS: &'static [&'static str] = &["LIST", "LIST P1", "LIST \"ann \"", "LIST p"];

    fn answer(&mut self, _: usize, line: &[u8]) -> (String, bool) {
        let text = String::from_utf8_lossy(line);
        let is_request =
            METHODS.iter().any(|method| text.strip_prefix(method).is_some_and(|rest| rest.starts_with(' ')));
        if is_request || text.to_ascii_lowercase().starts_with("host:") {
            return ("This is a phone book and does not speak HTTP.\n".into(), true);
        }
        let Ok(line) = std::str::from_utf8(line) else {
            return ("Bad line: it is not UTF-8\n".into(), false);
        };
        let Some(words) = words(line) else {
            return (
                "Bad quotes: write \"Ann Smith\", and within quotes \\\" for a quote and \\\\ for a backslash\n".into(),
                false,
            );
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Some((verb, rest)) = words.split_first() else { return (String::new(), false) };
        let verb = verb.to_ascii_uppercase();
        let answer = match (&verb[..], rest) {
            ("FIND", [name]) => self.find(name),
            ("ADD", [name, number]) => self.add(name, number),
            ("CHANGE", [name, number]) => self.change(name, number),
            ("REMOVE", [name]) => self.remove(name),
            ("LIST", []) => Ok(self.list("")),
            ("LIST", [prefix]) => key_of_prefix(prefix).map(|prefix| self.list(&prefix)),
            ("HELP", _) => {
                Ok("Commands: FIND name, ADD name number, CHANGE name number, REMOVE name, LIST prefix, LIST, \
                               HELP, QUIT (a name with spaces needs quotes: \"Ann Smith\")"
                    .into())
            }
            ("QUIT", []) => return ("Good bye!\n".into(), true),
            ("FIND" | "REMOVE", _) => Err(usage(&verb, " name")),
            ("ADD" | "CHANGE", _) => Err(usage(&verb, " name number")),
            ("LIST", _) => Err(usage(&verb, " prefix")),
            ("QUIT", _) => Err(usage(&verb, "")),
            _ => Err(format!("Unknown command: {} (HELP lists them)", sanitize(words[0].as_bytes()))),
        };
        (answer.unwrap_or_else(|mistake| mistake) + "\n", false)
    }

    fn too_long(limit: usize) -> String {
        format!("Bad line: it is over {limit} bytes\n")
    }

    /// A listing of several pages is not.
    fn is_one_job(&self, line: &[u8]) -> bool {
        self.entries.len() < PAGE || !line.to_ascii_uppercase().windows(4).any(|part| part == b"LIST")
    }

    fn last_lines(&self) -> Vec<String> {
        // In a large book, the others would only take time.
        let names = self.entries.values().filter(|(name, number)| name.replacen('P', "", 1) != *number);
        let finds = names.map(|(name, _)| format!("FIND {name}"));
        finds.chain(["LIST".into()]).collect()
    }
}

impl Book {
    fn find(&self, name: &str) -> Result<String, String> {
        let (name, key) = key_of_name(name)?;
        Ok(self.entries.get(&key).map_or_else(|| not_found(name), shown))
    }

    fn add(&mut self, name: &str, number: &str) -> Result<String, String> {
        let ((name, key), number) = (key_of_name(name)?, number_of(number)?);
        if let Some(entry) = self.entries.get(&key) {
            return Ok(format!("Exists: {}", shown(entry)));
        }
        let entry = (quoted(name), quoted(number));
        let answer = format!("Added: {}", shown(&entry));
        Rc::make_mut(&mut self.entries).insert(key, entry);
        Ok(answer)
    }

    fn change(&mut self, name: &str, number: &str) -> Result<String, String> {
        let ((name, key), number) = (key_of_name(name)?, number_of(number)?);
        if !self.entries.contains_key(&key) {
            return Ok(not_found(name));
        }
        let entry = Rc::make_mut(&mut self.entries).entry(key).or_default();
        let former = std::mem::replace(&mut entry.1, quoted(number));
        Ok(format!("Changed: {} (was {former})", shown(entry)))
    }

    fn remove(&mut self, name: &str) -> Result<String, String> {
        let (name, key) = key_of_name(name)?;
        if !self.entries.contains_key(&key) {
            return Ok(not_found(name));
        }
        let removed = Rc::make_mut(&mut self.entries).remove(&key).unwrap_or_default();
        Ok(format!("Removed: {}", shown(&removed)))
    }

    fn list(&self, prefix: &str) -> String {
        let from_there = self.entries.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let mut lines: Vec<_> =
            from_there.filter(|(key, _)| key.starts_with(prefix)).map(|(_, entry)| shown(entry)).collect();
        lines.push(format!("Total: {}", lines.len()));
        lines.join("\n")
    }
}

fn usage(verb: &str, rest: &str) -> String {
    if rest.is_empty() {
        return format!("Usage: {verb}");
    }
    format!("Usage: {verb}{rest} (a name with spaces needs quotes: \"Ann Smith\")")
}

fn not_found(name: &str) -> String {
    format!("Not found: {}", quoted(name))
}

fn shown((name, number): &(String, String)) -> String {
    [name, " ", number].concat()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Where in a line its reader is.
enum At {
    /// Between two words.
    Gap,
    Bare,
    Quoted,
    /// Behind a backslash in quotes.
    Escaped,
    /// Behind the quote that ends a word.
    Close,
}

/// The words of a line, one character at a time. `None` when a quote stands where none may be, or has no other.
fn words(line: &str) -> Option<Vec<String>> {
    let (mut at, mut words) = (At::Gap, Vec::new());
    for found in line.chars() {
        let word: Option<&mut String> = words.last_mut();
        at = match (at, found, word) {
            (At::Gap | At::Bare | At::Close, ' ' | '\t', _) => At::Gap,
            (At::Gap, '"', _) => {
                words.push(String::new());
                At::Quoted
            }
            (At::Gap, other, _) => {
                words.push(other.into());
                At::Bare
            }
            (At::Bare, '"', _) | (At::Close, ..) => return None,
            (At::Quoted, '"', _) => At::Close,
            (At::Quoted, '\\', _) => At::Escaped,
            (At::Bare, other, Some(word)) => {
                word.push(other);
                At::Bare
            }
            (At::Quoted, other, Some(word)) | (At::Escaped, other @ ('"' | '\\'), Some(word)) => {
                word.push(other);
                At::Quoted
            }
            _ => return None,
        };
    }
    matches!(at, At::Gap | At::Bare | At::Close).then_some(words)
}

/// A name as it is shown, and as it is compared.
fn key_of_name(text: &str) -> Result<(&str, String), String> {
    let name = text.trim();
    let key = folded(name).split_whitespace().collect::<Vec<_>>().join(" ");
    if key.is_empty() { Err(bad_name()) } else { check_name(name).map(|()| (name, key)) }
}

/// A space behind the last word counts, and those before the first do not.
fn key_of_prefix(text: &str) -> Result<String, String> {
    check_name(text)?;
    let folded = folded(text);
    let words = folded.split_whitespace().collect::<Vec<_>>().join(" ");
    let counts = !words.is_empty() && folded.ends_with(char::is_whitespace);
    Ok(if counts { words + " " } else { words })
}

fn check_name(text: &str) -> Result<(), String> {
    let is_clean = sanitize(text.as_bytes()) == text && !text.contains('\t');
    if is_clean && is_visible(text) && text.chars().count() <= MOST_OF_NAME { Ok(()) } else { Err(bad_name()) }
}

/// As the page of the server says. A picture of the text has one letter for each character: a visible one, a space, a
/// mark, a joiner, an invisible one.
fn is_visible(text: &str) -> bool {
    let picture: String = text.nfd().map(kind).collect::<String>().replace('j', "m");
    !picture.contains('i') && !format!(" {picture}").contains(" m") && !picture.contains("mmmmmmm")
}

#[expect(clippy::match_same_arms, reason = "three lines of ranges, in their order")]
fn kind(found: char) -> char {
    match u32::from(found) {
        0x180B..=0x180D | 0x180F | 0x200C..=0x200D | 0xFE00..=0xFE0F | 0xE0020..=0xE007F | 0xE0100..=0xE01EF => 'j',
        0xAD | 0x34F | 0x61C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180E | 0x200B..=0x200F | 0x202A..=0x202E => 'i',
        0x2060..=0x206F | 0x2800 | 0x3164 | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0x1BCA0..=0x1BCA3 => 'i',
        0x1D173..=0x1D17A | 0xE0000..=0xE0FFF => 'i',
        _ if is_combining_mark(found) => 'm',
        _ if found.is_whitespace() => ' ',
        _ => 'v',
    }
}

fn bad_name() -> String {
    "Bad name: a name has 1 to 64 characters, and no invisible or control characters".into()
}

/// As the page of the server says: NFKC, without case, joiners and variation selectors.
fn folded(text: &str) -> String {
    let shown = text.chars().filter(|&found| kind(found) != 'j');
    let capitals: String = shown.nfkc().collect::<String>().to_uppercase();
    capitals.chars().flat_map(char::to_lowercase).nfkc().collect()
}

fn number_of(text: &str) -> Result<&str, String> {
    let number = text.trim();
    let plain = number.to_ascii_lowercase();
    let is_good = |found: char| found.is_ascii_digit() || " +-()./*#".contains(found);
    let words = plain.split(|found: char| !found.is_ascii_lowercase());
    let has_good_words = words.into_iter().all(|word| matches!(word, "" | "x" | "ext"));
    let has_good_signs = plain.chars().all(|found| is_good(found) || found.is_ascii_lowercase());
    let has_digit = plain.contains(|found: char| found.is_ascii_digit());
    if has_good_words && has_good_signs && has_digit && number.len() <= MOST_OF_NUMBER {
        Ok(number)
    } else {
        Err("Bad number: use up to 40 digits, spaces, + - ( ) . / * # and x or ext, with at least one digit".into())
    }
}
