//! The lines of a client: one command per line. Spaces separate words; a word with spaces is quoted.
//!
//! Invariant: a parsed command is complete, and its values have the form in which they are stored. Parsing is
//! independent of the contents of the book.

use std::borrow::Cow;

use super::entry::{Name, parse_number, parse_prefix};

/// A parsed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Find(Name),
    Add(Name, Box<str>),
    Change(Name, Box<str>),
    Remove(Name),
    /// The prefix of the requested keys.
    List(Box<str>),
    Help,
    Quit,
    /// An empty line.
    Nothing,
}

/// The reason why a line is not a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// An unknown command; holds its name.
    Unknown(Box<str>),
    /// The wrong number of words; holds the usage.
    Usage(&'static str),
    Quotes,
    Name,
    Number,
}

impl Command {
    pub(super) fn parse(line: &str) -> Result<Command, Mistake> {
        let words = words(line).ok_or(Mistake::Quotes)?;
        let words: Vec<_> = words.iter().map(|word| &**word).collect();
        let Some((&verb, words)) = words.split_first() else { return Ok(Command::Nothing) };
        match (&*verb.to_ascii_uppercase(), words) {
            ("FIND", [name]) => Ok(Command::Find(parse_name(name)?)),
            ("FIND", _) => Err(Mistake::Usage("FIND name")),
            ("ADD", [name, number]) => parse_entry(name, number, Command::Add),
            ("ADD", _) => Err(Mistake::Usage("ADD name number")),
            ("CHANGE", [name, number]) => parse_entry(name, number, Command::Change),
            ("CHANGE", _) => Err(Mistake::Usage("CHANGE name number")),
            ("REMOVE", [name]) => Ok(Command::Remove(parse_name(name)?)),
            ("REMOVE", _) => Err(Mistake::Usage("REMOVE name")),
            ("LIST", []) => Ok(Command::List("".into())),
            ("LIST", [prefix]) => Ok(Command::List(parse_prefix(prefix).ok_or(Mistake::Name)?)),
            ("LIST", _) => Err(Mistake::Usage("LIST prefix")),
            ("HELP", _) => Ok(Command::Help),
            ("QUIT", []) => Ok(Command::Quit),
            ("QUIT", _) => Err(Mistake::Usage("QUIT")),
            _ => Err(Mistake::Unknown(verb.into())),
        }
    }
}

fn parse_name(text: &str) -> Result<Name, Mistake> {
    Name::parse(text).ok_or(Mistake::Name)
}

fn parse_entry(name: &str, number: &str, make: fn(Name, Box<str>) -> Command) -> Result<Command, Mistake> {
    Ok(make(parse_name(name)?, parse_number(number).ok_or(Mistake::Number)?))
}

/// Splits a line into words, without their quotes. Returns `None` if the quotes do not match.
fn words(line: &str) -> Option<Vec<Cow<'_, str>>> {
    let mut words = Vec::new();
    let mut rest = line.trim_matches(BLANKS);
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(inside) => quoted_word(inside)?,
            None => bare_word(rest)?,
        };
        words.push(word);
        rest = after.trim_start_matches(BLANKS);
    }
    Some(words)
}

/// The separators of words. Other spaces of Unicode are part of a word.
const BLANKS: [char; 2] = [' ', '\t'];

/// Splits off a word that ends at the next blank. A quote within it is a mistake, as in `Ann"Smith`.
fn bare_word(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let (word, after) = text.split_at(text.find(BLANKS).unwrap_or(text.len()));
    (!word.contains('"')).then_some((Cow::Borrowed(word), after))
}

/// Splits off a word that ends at its closing quote. The end of the line or a blank must follow.
fn quoted_word(inside: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut word = String::new();
    let mut found = inside.chars();
    loop {
        match found.next()? {
            '"' => break,
            '\\' => word.push(found.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            other => word.push(other),
        }
    }
    let after = found.as_str();
    (after.is_empty() || after.starts_with(BLANKS)).then_some((Cow::Owned(word), after))
}

#[cfg(test)]
mod tests {
    use super::super::texts::quoted;
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> Name {
        Name::parse(text).expect("a name")
    }

    #[test]
    fn words_are_apart_by_blanks_or_in_quotes() {
        let add = |shown, number: &str| Ok(Command::Add(name(shown), number.into()));
        assert_eq!(Command::parse("ADD ann 123"), add("ann", "123"));
        assert_eq!(Command::parse("\tadd \t ann   123 "), add("ann", "123"));
        assert_eq!(Command::parse(r#"Add "Ann Smith" "+44 20 7946 0000""#), add("Ann Smith", "+44 20 7946 0000"));
        assert_eq!(Command::parse(r#"ADD "\"Al\" \\ co" 1"#), add(r#""Al" \ co"#, "1"));
        assert_eq!(Command::parse(r"ADD a\b 1"), add(r"a\b", "1"));
        assert_eq!(Command::parse(r#""FIND" "ann""#), Ok(Command::Find(name("ann"))));
    }

    #[test]
    fn quotes_that_do_not_match_are_told() {
        for line in [r#"FIND "ann"#, r#"FIND ann""#, r#"FIND "ann"smith"#, r#"FIND a"n"n"#, r#"FIND """#, r#"FIND "a\"#]
        {
            let wanted = if line.ends_with("\"\"") { Mistake::Name } else { Mistake::Quotes };
            assert_eq!(Command::parse(line), Err(wanted), "{line}");
        }
        assert_eq!(Command::parse(r#"FIND "a\n""#), Err(Mistake::Quotes), "no other escape");
        assert_eq!(Command::parse(r#"FIND "a\""#), Err(Mistake::Quotes));
        assert_eq!(Command::parse(r#"""#), Err(Mistake::Quotes));
    }

    #[test]
    fn every_command_is_known_in_any_case_with_just_its_words() {
        for (line, wanted) in [
            ("find Ann", Command::Find(name("Ann"))),
            ("CHANGE ann 5", Command::Change(name("ann"), "5".into())),
            ("reMove ann", Command::Remove(name("ann"))),
            ("list", Command::List("".into())),
            ("LIST AN", Command::List("an".into())),
            ("help", Command::Help),
            ("HELP me", Command::Help),
            ("quit", Command::Quit),
            ("", Command::Nothing),
            (" \t", Command::Nothing),
        ] {
            assert_eq!(Command::parse(line), Ok(wanted), "{line:?}");
        }
        for (line, usage) in [
            ("FIND", "FIND name"),
            ("FIND ann smith", "FIND name"),
            ("ADD ann", "ADD name number"),
            ("ADD ann smith 5", "ADD name number"),
            ("CHANGE", "CHANGE name number"),
            ("REMOVE a b", "REMOVE name"),
            ("LIST a b", "LIST prefix"),
            ("QUIT now", "QUIT"),
        ] {
            assert_eq!(Command::parse(line), Err(Mistake::Usage(usage)), "{line:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        assert_eq!(Command::parse("FIN ann"), Err(Mistake::Unknown("FIN".into())));
        assert_eq!(Command::parse("ADD ann hello"), Err(Mistake::Number));
        assert_eq!(Command::parse("ADD \"\" 5"), Err(Mistake::Name));
        assert_eq!(Command::parse("FIND \"\x1b[31m\""), Err(Mistake::Name));
        assert_eq!(Command::parse("LIST \x07"), Err(Mistake::Name));
    }

    proptest! {
        #[test]
        fn what_is_shown_in_quotes_is_read_back_as_it_was(text: String) {
            if let Some(wanted) = Name::parse(&text) {
                let line = format!("FIND \"{}\"", quoted(&wanted.shown));
                prop_assert_eq!(Command::parse(&line), Ok(Command::Find(wanted)));
            }
        }

        #[test]
        fn no_line_is_too_much(line: String) {
            let _ = Command::parse(&line);
        }
    }
}
