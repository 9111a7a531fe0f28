//! Reassembly: an answer is put together of text, parts of what the patient said, and the patient's name.
//!
//! Invariant: a filled template is one line of at most [`MAX_ANSWER`] bytes. That is checked when it is read, by what
//! its parts may take at most, so nothing has to be cut when it is filled.

use super::conversation::MAX_NAME;
use super::hearing::Word;
use super::pattern::Part;
use super::reflection::{MAX_PART, Reflection};

/// The longest answer, in bytes.
pub const MAX_ANSWER: usize = 1024;

/// A text with gaps.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template {
    pieces: Box<[Piece]>,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    /// `{1}`: the first part is 0.
    Part(usize),
    /// `{name}`.
    Name,
}

/// What the gaps of a template are filled with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filling<'a> {
    /// The words of the clause.
    pub(super) words: &'a [Word<'a>],
    /// What of them each part of the pattern took.
    pub(super) parts: &'a [Part],
    pub(super) reflection: &'a Reflection,
}

impl Template {
    /// Reads a template that may use so many parts. The error says what to do.
    pub(super) fn parse(text: &str, parts: usize) -> Result<Template, String> {
        if text.chars().any(char::is_control) || crate::sanitize(text.as_bytes()) != text {
            return Err("an answer is one line without control characters: remove them".to_owned());
        }
        let mut pieces = Vec::new();
        for (index, text) in text.split('{').enumerate() {
            // Behind each brace comes what it holds, and then text again.
            let text = if index == 0 {
                text
            } else {
                let (gap, after) = text.split_once('}').ok_or("a { without a }: write {1} or {name}")?;
                pieces.push(gap_of(gap, parts)?);
                after
            };
            if text.contains('}') {
                return Err("a } without a {: write {1} or {name}".to_owned());
            }
            if !text.is_empty() {
                pieces.push(Piece::Text(text.into()));
            }
        }
        // All parts may be empty, and an answer may not.
        if !pieces.iter().any(|piece| matches!(piece, Piece::Text(text) if !text.trim().is_empty())) {
            return Err("an answer needs some text of its own besides what is in braces: add it".to_owned());
        }
        let template = Template { pieces: pieces.into() };
        match template.longest() {
            0..=MAX_ANSWER => Ok(template),
            longest => Err(format!(
                "this answer may become {longest} bytes long, and the limit is {MAX_ANSWER}: shorten it, or use fewer parts \
                 (each may take {MAX_PART} bytes)"
            )),
        }
    }

    /// The most bytes that it can be filled to.
    fn longest(&self) -> usize {
        let lengths = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Part(_) => MAX_PART,
            Piece::Name => MAX_NAME,
        });
        lengths.sum()
    }

    /// The answer. A part that opens a sentence gets a capital; one that is empty takes the space before it along.
    pub(super) fn fill(&self, filling: &Filling<'_>, name: &str) -> String {
        let mut answer = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => {
                    let text = if answer.is_empty() { text.trim_start() } else { text };
                    answer.push_str(text);
                }
                Piece::Name => answer.push_str(name),
                Piece::Part(index) => {
                    let words = filling.parts.get(*index).and_then(|part| filling.words.get(part.clone()));
                    push_part(&mut answer, &filling.reflection.turn(words.unwrap_or_default()));
                }
            }
        }
        answer.truncate(answer.trim_end().len());
        answer
    }
}

/// What stands between braces.
fn gap_of(gap: &str, parts: usize) -> Result<Piece, String> {
    if gap == "name" {
        return Ok(Piece::Name);
    }
    let Ok(number) = gap.parse::<usize>() else {
        return Err(format!(
            "{{{gap}}} stands for nothing: write {{1}} for the first part, or {{name}} for the patient"
        ));
    };
    match (number, parts) {
        (_, 0) => {
            Err(format!("{{{gap}}}: there are no parts here; only a rule with *, +, _ or @GROUP in its pattern has"))
        }
        (1.., _) if number <= parts => Ok(Piece::Part(number - 1)),
        (_, 1) => Err(format!("{{{gap}}}: the pattern has one part; write {{1}}")),
        _ => Err(format!("{{{gap}}}: the pattern has {parts} parts; write {{1}} to {{{parts}}}")),
    }
}

fn push_part(answer: &mut String, part: &str) {
    let mut rest = part.chars();
    match rest.next() {
        None => answer.truncate(answer.trim_end_matches(' ').len()),
        Some(first) if answer.trim_end().ends_with(['.', '?', '!']) || answer.is_empty() => {
            let mut capitals = first.to_uppercase();
            // A letter whose capital is two stays small.
            answer.push(if capitals.len() == 1 { capitals.next().unwrap_or(first) } else { first });
            answer.push_str(rest.as_str());
        }
        Some(_) => answer.push_str(part),
    }
}

#[cfg(test)]
mod tests {
    use super::super::hearing::Lexicon;
    use super::*;

    /// A template, filled with the parts `one`, nothing, and `é three`.
    fn filled(text: &str) -> String {
        let lexicon = Lexicon::default();
        let heard = lexicon.hear("one é three");
        let clause = heard.clauses().next().expect("words");
        let reflection = Reflection::default();
        let filling = Filling { words: clause.words, parts: &[0..1, 1..1, 1..3], reflection: &reflection };
        Template::parse(text, 3).expect("a template").fill(&filling, "Ann")
    }

    #[test]
    fn gaps_are_filled() {
        assert_eq!(filled("Why {1} and {3}, {name}?"), "Why one and é three, Ann?");
        assert_eq!(filled("No gaps."), "No gaps.");
    }

    #[test]
    fn an_empty_part_leaves_no_hole() {
        assert_eq!(filled("Why {2}?"), "Why?");
        assert_eq!(filled("Why {2} now?"), "Why now?");
        assert_eq!(filled("{2} and then?"), "and then?");
        assert_eq!(filled("And {2}"), "And");
    }

    #[test]
    fn a_part_that_opens_a_sentence_gets_a_capital() {
        assert_eq!(filled("{1}? {3}! You say {1}."), "One? É three! You say one.");
    }

    #[test]
    fn what_cannot_be_filled_is_refused_with_a_remedy() {
        for (text, parts, remedy) in [
            ("", 1, "an answer needs some text of its own besides what is in braces: add it"),
            (" {1} ", 1, "an answer needs some text of its own besides what is in braces: add it"),
            ("a\nb", 1, "an answer is one line without control characters: remove them"),
            ("a\u{202E}b", 1, "an answer is one line without control characters: remove them"),
            ("{1", 1, "a { without a }: write {1} or {name}"),
            ("1}", 1, "a } without a {: write {1} or {name}"),
            ("{2}", 1, "{2}: the pattern has one part; write {1}"),
            ("{0}", 1, "{0}: the pattern has one part; write {1}"),
            ("{3}", 2, "{3}: the pattern has 2 parts; write {1} to {2}"),
            ("{x}", 2, "{x} stands for nothing: write {1} for the first part, or {name} for the patient"),
            ("{1}", 0, "{1}: there are no parts here; only a rule with *, +, _ or @GROUP in its pattern has"),
        ] {
            assert_eq!(Template::parse(text, parts).expect_err(text), remedy);
        }
    }

    #[test]
    fn what_could_become_too_long_is_refused() {
        let text = "x".repeat(MAX_ANSWER);
        Template::parse(&text, 0).expect("exactly the limit");
        let error = Template::parse(&format!("{text}y"), 0).expect_err("a byte more");
        assert!(error.starts_with("this answer may become 1025 bytes long, and the limit is 1024"), "{error}");
        Template::parse(&format!("{}{{1}}{{1}}", "x".repeat(MAX_ANSWER - 2 * MAX_PART)), 1).expect("two parts fit");
        Template::parse("{1}{1}{1}{1}?", 1).expect_err("a byte more than four parts");
        Template::parse(&format!("{}{{name}}", "x".repeat(MAX_ANSWER - MAX_NAME)), 0).expect("a name fits");
    }
}
