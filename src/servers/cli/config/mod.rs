//! Configuration files: TOML whose keys are flags without their dashes.
//!
//! A file is converted to words of a command line, so each flag stays the only definition of its name, its values and
//! its messages. Every mistake in a file is reported with its line and its column. Nothing but the file is opened here.

mod command_line;
mod settings;

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

pub(crate) use command_line::CommandLine;
pub(crate) use settings::{Scope, Settings};

use super::binding::ListenSetting;
use super::command::{check, command};
use super::server::{Server, StartError};
use crate::sanitize;

/// Longest file that is read, in bytes. A path such as `/dev/zero` has no end.
const LONGEST: u64 = 1 << 20;

/// A file of settings.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    /// The path, for messages.
    name: String,
    text: String,
}

/// A mistake in a file.
#[derive(Debug)]
pub(crate) struct Mistake {
    /// Where it is, in bytes from the start of the text.
    pub(crate) at: usize,
    pub(crate) message: String,
}

/// A key of a table, with its value.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) key: DeString<'a>,
    /// Where the key is, in bytes from the start of the text.
    pub(crate) at: usize,
    pub(crate) value: Spanned<DeValue<'a>>,
}

impl ConfigFile {
    /// Reads a file to its end. A FIFO such as that of `--config <(command)` is read until its writer closes it.
    ///
    /// # Errors
    /// If the file cannot be read or is longer than 1 MiB, a failure. If it is not UTF-8, an error with the position.
    pub(crate) fn read(path: &Path) -> Result<Self, StartError> {
        let name = sanitize(path.as_os_str().as_bytes()).into_owned();
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
            .map_err(|error| StartError::failure(format!("cannot read {name}: {error}")))?;
        if bytes.len() as u64 > LONGEST {
            return Err(StartError::failure(format!("cannot read {name}: a configuration file has at most 1 MiB")));
        }
        let (text, wrong) = match String::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let start = error.as_bytes()[..at].to_vec();
                (String::from_utf8(start).unwrap_or_default(), Some(at))
            }
        };
        let file = ConfigFile { name, text };
        let wrong = wrong.map(|at| Mistake::new(at, "the text from here on is not UTF-8"));
        file.refuse(wrong.into_iter().collect())?;
        Ok(file)
    }

    #[cfg(test)]
    pub(crate) fn of(name: &str, text: &str) -> Self {
        ConfigFile { name: name.to_owned(), text: text.to_owned() }
    }

    /// The path, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Parses the text. Returns the entries of its top level in their order.
    ///
    /// # Errors
    /// The first mistake of the syntax, and no other: the parser can only guess what the text after it means.
    pub(crate) fn entries(&self) -> Result<Vec<Entry<'_>>, StartError> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        let mistakes = errors.iter().map(|error| {
            let at = error.span().map_or(self.text.len(), |span| span.start);
            Mistake::new(at, error.message().trim().replace('\n', ", "))
        });
        self.refuse(mistakes.min_by_key(|mistake| mistake.at).into_iter().collect())?;
        Ok(in_order(table.into_inner()))
    }

    /// Returns the text of a value.
    pub(crate) fn source<T>(&self, value: &Spanned<T>) -> &str {
        &self.text[value.span()]
    }

    /// Reports the mistakes, if there are any, in the order of their positions.
    ///
    /// # Errors
    /// With one line for each mistake: the file, the line, the column (in characters), and the message.
    pub(crate) fn refuse(&self, mut mistakes: Vec<Mistake>) -> Result<(), StartError> {
        if mistakes.is_empty() {
            return Ok(());
        }
        mistakes.sort_by_key(|mistake| mistake.at);
        let lines = mistakes.iter().map(|mistake| {
            let (line, column) = self.position(mistake.at);
            format!("{}:{line}:{column}: {}", self.name, sanitize(mistake.message.as_bytes()))
        });
        Err(StartError::Config(lines.collect()))
    }

    /// Returns the line and the column of an offset, both from 1.
    fn position(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").trim_start_matches('\u{FEFF}').chars().count() + 1;
        (line, column)
    }
}

impl Mistake {
    pub(crate) fn new(at: usize, message: impl Into<String>) -> Self {
        Mistake { at, message: message.into() }
    }

    /// Puts the name of a table before the message.
    pub(crate) fn within(self, table: &str) -> Self {
        Mistake { message: format!("[{table}]: {}", self.message), ..self }
    }
}

/// Returns the entries of a table in the order of the file.
pub(crate) fn in_order(table: DeTable<'_>) -> Vec<Entry<'_>> {
    let entries = table.into_iter();
    let mut entries: Vec<_> =
        entries.map(|(key, value)| Entry { at: key.span().start, key: key.into_inner(), value }).collect();
    entries.sort_by_key(|entry| entry.at);
    entries
}

/// Takes the key `server` out of a table, and returns its value with the position.
pub(crate) fn take_server(
    file: &ConfigFile,
    entries: &mut Vec<Entry<'_>>,
    mistakes: &mut Vec<Mistake>,
) -> Option<(String, usize)> {
    let index = entries.iter().position(|entry| entry.key == "server")?;
    let value = entries.remove(index).value;
    let at = value.span().start;
    if let DeValue::String(name) = value.get_ref() {
        return Some((name.clone().into_owned(), at));
    }
    let message = format!("server = {}: the name of a server is a string", file.source(&value));
    mistakes.push(Mistake::new(at, message));
    None
}

/// Adds to the words of a server's command line those of the file that its flag `--config` names. What the command line
/// itself has replaces what the file has.
///
/// # Errors
/// If the file cannot be read, and all mistakes in it. Mistakes in `words` are found later, by the parser.
pub(crate) fn with_file<S: Server>(words: Vec<OsString>) -> Result<Vec<OsString>, StartError> {
    let command = &command::<S>();
    let Some(line) = CommandLine::with_config(command, &words) else { return Ok(words) };
    let file = ConfigFile::read(&line.config)?;
    let mut mistakes = Vec::new();
    let mut entries = file.entries()?;
    let own = command.get_name().trim_end_matches("-server");
    if let Some((server, at)) = take_server(&file, &mut entries, &mut mistakes)
        && server != own
    {
        mistakes.push(Mistake::new(at, format!("this file is for the server {server:?}, not for {own:?}")));
    }
    let mut settings = Settings::read(&file, command, Scope::Server, entries, &mut mistakes);
    // What is missing may be on the command line.
    let _missing = settings.check(command, &mut mistakes);
    file.refuse(mistakes)?;
    line.overrule(command, &mut settings);
    let words = settings.add_to(words);
    if let Err(StartError::Usage(message)) = check::<S>(ListenSetting::Flag, words.clone())
        && let Some(at) = settings.place(&message)
    {
        file.refuse(vec![Mistake::new(at, message)])?;
    }
    Ok(words)
}
