//! Reassembly: an answer is put together from text, parts of the patient's sentence, and the patient's name.
//!
//! A part is reflected: "hates me", said by the patient, becomes "hates you" in an answer. The longest phrase is
//! reflected, and no word twice.
//!
//! Invariant: a filled template is one line of at most [`MAX_ANSWER`] bytes. Parsing checks it for the longest parts
//! and the longest name, so nothing is cut later.

use super::conversation::{MAX_NAME, truncated};
use super::vocabulary::{Vocabulary, Word, WordId};

/// The longest answer, in bytes.
pub const MAX_ANSWER: usize = 1024;

/// The longest part in an answer, in bytes; a longer one ends in an ellipsis.
pub(super) const MAX_PART: usize = 256;

const ELLIPSIS: &str = "…";

/// The longest part before the ellipsis. A capital can take 4 bytes more than its small letter.
pub(super) const MAX_PART_TEXT: usize = MAX_PART - ELLIPSIS.len() - 4;

/// A reassembly rule: a text with gaps.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// `{1}`: the part with index 0.
    Part(usize),
    /// `{name}`.
    Name,
}

/// Words that are reflected together.
#[derive(Debug)]
pub(super) struct Phrase {
    pub(super) words: Vec<WordId>,
    /// Whether the phrase is reflected only at the end of a part.
    pub(super) is_end: bool,
    pub(super) text: String,
}

impl Template {
    /// Parses a template whose pattern has `parts` parts. An error names its remedy.
    pub(super) fn parse(text: &str, parts: usize) -> Result<Template, String> {
        if text.contains(char::is_control) || crate::sanitize(text.as_bytes()) != text {
            return Err("an answer is one line without control characters: remove them".to_owned());
        }
        let mut sections = text.split('{');
        let mut pieces = vec![Piece::Text(sections.next().unwrap_or_default().to_owned())];
        for section in sections {
            let (gap, text) = section.split_once('}').ok_or("a { without a }: write {1} or {name}")?;
            pieces.extend([parse_gap(gap, parts)?, Piece::Text(text.to_owned())]);
        }
        let (mut longest, mut has_text) = (0, false);
        for piece in &pieces {
            longest += match piece {
                Piece::Text(text) if text.contains('}') => {
                    return Err("a } without a {: write {1} or {name}".to_owned());
                }
                Piece::Text(text) => text.len(),
                Piece::Part(_) => MAX_PART,
                Piece::Name => MAX_NAME,
            };
            has_text |= matches!(piece, Piece::Text(text) if !text.trim().is_empty());
        }
        if !has_text {
            return Err("an answer needs text outside of its braces: add some".to_owned());
        }
        if longest > MAX_ANSWER {
            return Err(format!(
                "this answer can become {longest} bytes long, and the limit is {MAX_ANSWER}: shorten it, or use fewer \
                 parts (each can take {MAX_PART} bytes)"
            ));
        }
        Ok(Template(pieces))
    }

    /// The answer. A part that opens a sentence gets a capital. An empty part removes the space before it.
    pub(super) fn fill(&self, parts: &[String], name: &str) -> String {
        let mut answer = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => answer.push_str(if answer.is_empty() { text.trim_start() } else { text }),
                Piece::Name => answer.push_str(name),
                Piece::Part(index) => push_part(&mut answer, parts.get(*index).map_or("", String::as_str)),
            }
        }
        answer.truncate(answer.trim_end().len());
        answer
    }
}

fn parse_gap(gap: &str, parts: usize) -> Result<Piece, String> {
    match (gap, gap.parse::<usize>(), parts) {
        ("name", ..) => Ok(Piece::Name),
        (_, Err(_), _) => {
            Err(format!("{{{gap}}} has no meaning: write {{1}} for the first part, or {{name}} for the patient"))
        }
        (_, Ok(number @ 1..), _) if number <= parts => Ok(Piece::Part(number - 1)),
        (_, _, 0) => {
            Err(format!("{{{gap}}}: there are no parts here; only a rule with *, +, _ or @GROUP in its pattern has"))
        }
        (_, _, 1) => Err(format!("{{{gap}}}: the pattern has one part; write {{1}}")),
        _ => Err(format!("{{{gap}}}: the pattern has {parts} parts; write {{1}} to {{{parts}}}")),
    }
}

fn push_part(answer: &mut String, part: &str) {
    let opens_sentence = answer.is_empty() || answer.trim_end().ends_with(['.', '?', '!']);
    let mut rest = part.chars();
    match rest.next() {
        None => answer.truncate(answer.trim_end_matches(' ').len()),
        // A letter whose capital is two letters stays small.
        Some(first) if opens_sentence && first.to_uppercase().len() == 1 => {
            answer.extend(first.to_uppercase());
            answer.push_str(rest.as_str());
        }
        Some(_) => answer.push_str(part),
    }
}

impl Vocabulary {
    pub(super) fn reflect(&self, part: &[Word<'_>]) -> String {
        let mut reflected = String::new();
        let mut rest = part;
        while let Some(first) = rest.first() {
            let phrases = first.id.map_or(&[][..], |id| &self.entries[id].reflections);
            let phrase = phrases.iter().find(|phrase| phrase.begins(rest));
            let (text, taken) = phrase.map_or((&*first.text, 1), |phrase| (&*phrase.text, phrase.words.len()));
            rest = &rest[taken..];
            let space = if reflected.is_empty() { "" } else { " " };
            if reflected.len() + space.len() + text.len() > MAX_PART_TEXT {
                if reflected.is_empty() {
                    reflected.push_str(truncated(text, MAX_PART_TEXT));
                }
                reflected.push_str(ELLIPSIS);
                break;
            }
            reflected.push_str(space);
            reflected.push_str(text);
        }
        reflected
    }
}

impl Phrase {
    fn begins(&self, words: &[Word<'_>]) -> bool {
        let length = self.words.len();
        let fits = if self.is_end { words.len() == length } else { words.len() >= length };
        fits && self.words.iter().zip(words).all(|(&id, word)| word.id == Some(id))
    }
}
