//! The keys of a table, as words of a command line.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Args, Command, Id};
use toml::Spanned;
use toml::de::DeValue;

use super::{ConfigFile, Entry, Mistake};
use crate::servers::cli::args::{ListenArgs, ProcessArgs};
use crate::servers::cli::command::nearest;

/// Flags that are no settings: they end the process at once, or name the file itself.
const NO_SETTINGS: [&str; 3] = ["help", "version", "config"];

/// The flags that a table may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All of a server.
    Server,
    /// Those of a service, which shares its process with others.
    Service,
    /// Those of a process with several services.
    Process,
}

/// The settings of a table.
#[derive(Debug)]
pub(crate) struct Settings {
    list: Vec<Setting>,
}

/// A key with its values.
#[derive(Debug)]
pub(super) struct Setting {
    /// The argument.
    pub(super) id: Id,
    /// Whether the words follow all flags, behind `--`.
    pub(super) is_positional: bool,
    pub(super) words: Vec<Word>,
    key: String,
    /// The argument as clap shows it.
    shown: String,
    /// Where the key is, in bytes from the start of the text.
    at: usize,
}

/// A word of a command line.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) text: OsString,
    /// The value without the flag.
    value: String,
    /// Where the value is, in bytes from the start of the text.
    at: usize,
}

impl Settings {
    /// Converts the entries of a table to words of `command`. An entry with a mistake is left out.
    pub(crate) fn read(
        file: &ConfigFile,
        command: &Command,
        scope: Scope,
        entries: Vec<Entry<'_>>,
        mistakes: &mut Vec<Mistake>,
    ) -> Self {
        let mut list = Vec::new();
        for entry in entries {
            let (at, key) = (entry.at, entry.key.clone().into_owned());
            if scope == Scope::Server && matches!(entry.value.get_ref(), DeValue::Table(_)) {
                mistakes.push(Mistake::new(at, format!("[{key}]: a table is for the file of switchboard")));
                continue;
            }
            match argument(command, scope, &key).and_then(|arg| Ok((arg, values(file, arg, &entry.value)?))) {
                Ok((arg, words)) => list.push(Setting {
                    id: arg.get_id().clone(),
                    is_positional: arg.is_positional(),
                    words,
                    key,
                    shown: arg.to_string(),
                    at,
                }),
                Err(message) => mistakes.push(Mistake::new(at, format!("{key}: {message}"))),
            }
        }
        Settings { list }
    }

    /// Keeps the settings for which this holds.
    pub(super) fn retain(&mut self, keep: impl FnMut(&Setting) -> bool) {
        self.list.retain(keep);
    }

    /// Returns where the key is whose flag a message names first or, if it names none of them, the key `listen`.
    pub(crate) fn place(&self, message: &str) -> Option<usize> {
        let named = self.list.iter().filter_map(|setting| Some((mention(message, &setting.key)?, setting.at))).min();
        let listen = || self.list.iter().find(|setting| setting.key == "listen");
        named.map(|(_, at)| at).or_else(|| listen().map(|setting| setting.at))
    }

    /// Returns the addresses to listen on, each with its place, unless other listeners may share them.
    pub(crate) fn own_addresses(&self) -> impl Iterator<Item = (&str, usize)> {
        let is_shared = self.list.iter().any(|setting| setting.key == "reuse-port");
        let listen = self.list.iter().filter(move |setting| setting.key == "listen" && !is_shared);
        listen.flat_map(|setting| setting.words.iter().map(|word| (word.value.as_str(), word.at)))
    }

    /// Adds the settings to the words of a command line, which [`CommandLine::overrule`](super::CommandLine::overrule)
    /// has compared with them.
    pub(crate) fn add_to(&self, words: Vec<OsString>) -> Vec<OsString> {
        add(words, &self.list.iter().collect::<Vec<_>>())
    }

    /// Returns the words of the settings, behind the name of the program.
    pub(crate) fn words(&self, command: &Command) -> Vec<OsString> {
        words(command, &self.list.iter().collect::<Vec<_>>())
    }

    /// Parses the words of the settings, to find the values that are wrong and the keys that exclude each other.
    /// Returns the keys that are missing.
    pub(crate) fn check(&self, command: &Command, mistakes: &mut Vec<Mistake>) -> Vec<String> {
        let mut good: Vec<_> = self.list.iter().collect();
        loop {
            // The parser stops at the first mistake. It is noted, and the rest is parsed again without it.
            let Err(error) = command.clone().try_get_matches_from(words(command, &good)) else { return Vec::new() };
            if error.kind() == ErrorKind::MissingRequiredArgument {
                let missing = strings(error.get(ContextKind::InvalidArg));
                let is_known = |key: &String| self.list.iter().any(|setting| setting.key == *key);
                return missing.into_iter().map(|shown| key_of(command, &shown)).filter(|key| !is_known(key)).collect();
            }
            let shown = strings(error.get(ContextKind::InvalidArg));
            let Some(index) = good.iter().position(|setting| shown.contains(&setting.shown)) else {
                mistakes.push(Mistake::new(0, error.to_string().replace('\n', " ")));
                return Vec::new();
            };
            mistakes.push(good.remove(index).mistake(command, &error));
        }
    }
}

impl Setting {
    /// Describes an error of the parser.
    fn mistake(&self, command: &Command, error: &clap::Error) -> Mistake {
        let key = &self.key;
        if error.kind() == ErrorKind::ArgumentConflict {
            let other = strings(error.get(ContextKind::PriorArg))
                .iter()
                .map(|shown| key_of(command, shown))
                .collect::<Vec<_>>();
            return Mistake::new(self.at, format!("{key}: this excludes {}; omit one of them", other.join(", ")));
        }
        let value = strings(error.get(ContextKind::InvalidValue)).concat();
        let at = self.words.iter().find(|word| word.value == value).map_or(self.at, |word| word.at);
        let reason = match std::error::Error::source(error) {
            Some(source) => source.to_string(),
            None => match strings(error.get(ContextKind::ValidValue)) {
                valid if valid.is_empty() => "a value is missing".to_owned(),
                valid => format!("use {}", valid.join(", ")),
            },
        };
        Mistake::new(at, format!("{key}: invalid value {value:?}: {reason}"))
    }
}

/// Returns where the flag of a key is in a message.
fn mention(message: &str, key: &str) -> Option<usize> {
    let flag = format!("--{key}");
    let is_whole =
        |at: &usize| !message[at + flag.len()..].starts_with(|next: char| next == '-' || next.is_alphanumeric());
    message.match_indices(&flag).map(|(at, _)| at).find(is_whole)
}

/// Returns the words of a command line with these settings, behind the name of the program.
fn words(command: &Command, settings: &[&Setting]) -> Vec<OsString> {
    add(vec![command.get_name().into()], settings)
}

/// Adds settings to the words of a command line: flags behind the name of the program, other words at the end.
fn add(mut words: Vec<OsString>, settings: &[&Setting]) -> Vec<OsString> {
    let texts = |setting: &&Setting| setting.words.iter().map(|word| word.text.clone()).collect::<Vec<_>>();
    let (last, flags): (Vec<_>, Vec<_>) = settings.iter().copied().partition(|setting| setting.is_positional);
    words.splice(1..1, flags.iter().flat_map(texts));
    if !last.is_empty() {
        words.push("--".into());
        words.extend(last.iter().flat_map(texts));
    }
    words
}

/// Returns the argument whose key is `key`.
fn argument<'a>(command: &'a Command, scope: Scope, key: &str) -> Result<&'a Arg, String> {
    if scope == Scope::Process && key == "server" {
        return Err("this file is for one server; start that one with it, or put its settings in a table".into());
    }
    if scope == Scope::Service && is_of_process(key) {
        return Err("this is a setting of the process; set it before the first table, or on the command line".into());
    }
    let is_allowed = |known: &str| match scope {
        Scope::Server => true,
        Scope::Service => !is_of_process(known),
        Scope::Process => is_of_process(known),
    };
    let known = || keys(command).filter(|(known, _)| is_allowed(known));
    if let Some((_, arg)) = known().find(|(known, _)| *known == key) {
        return Ok(arg);
    }
    if scope == Scope::Process && is_of_service(key) {
        return Err("this is a setting of a service; set it in the table of one, such as [echo]".into());
    }
    if let Some(known) = nearest(known().map(|(known, _)| known), key) {
        return Err(format!("unknown setting (did you mean {known}?)"));
    }
    let all = known().map(|(known, _)| known).collect::<Vec<_>>().join(", ");
    Err(format!("unknown setting; known settings: {all}"))
}

/// Whether a key is a flag of the process.
fn is_of_process(key: &str) -> bool {
    keys(&ProcessArgs::augment_args(Command::new(""))).any(|(known, _)| known == key)
}

/// Whether a key is a flag of every service.
fn is_of_service(key: &str) -> bool {
    keys(&ListenArgs::augment_args(Command::new(""))).any(|(known, _)| known == key)
}

/// Returns the keys of a command with their arguments: a long flag or, for the words behind `--`, their name.
fn keys(command: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    command.get_arguments().filter_map(|arg| {
        let key = arg.get_long().or_else(|| arg.is_positional().then(|| arg.get_id().as_str()))?;
        (!NO_SETTINGS.contains(&key)).then_some((key, arg))
    })
}

/// Returns the key of an argument that clap shows as `shown`.
fn key_of(command: &Command, shown: &str) -> String {
    keys(command).find(|(_, arg)| arg.to_string() == shown).map_or(shown, |(key, _)| key).to_owned()
}

/// Converts the value of a key.
fn values(file: &ConfigFile, arg: &Arg, value: &Spanned<DeValue<'_>>) -> Result<Vec<Word>, String> {
    let at = value.span().start;
    match (arg.get_action(), value.get_ref()) {
        (ArgAction::Count, count) => Ok(vec![flag(arg, at); times(count).ok_or("the value is true, false, 1 or 2")?]),
        (_, DeValue::Boolean(is_on)) if may_lack_value(arg) => Ok(vec![flag(arg, at); usize::from(*is_on)]),
        (_, DeValue::Array(values)) if values.is_empty() => {
            Err("the list is empty; give it a value, or omit the setting for its default".into())
        }
        (ArgAction::Append, DeValue::Array(values)) => values.iter().map(|value| word(file, arg, value)).collect(),
        (_, DeValue::Array(_)) => Err("this setting has one value, not a list".into()),
        _ => Ok(vec![word(file, arg, value)?]),
    }
}

/// How often a flag without a value is given.
fn times(value: &DeValue<'_>) -> Option<usize> {
    match value {
        DeValue::Boolean(is_on) => Some(usize::from(*is_on)),
        DeValue::Integer(count) => count.as_str().parse().ok().filter(|count| *count <= 2),
        _ => None,
    }
}

/// Whether a flag may be given without a value.
fn may_lack_value(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|count| count.min_values() == 0)
}

/// Returns the word of a flag without a value.
fn flag(arg: &Arg, at: usize) -> Word {
    Word { text: format!("--{}", arg.get_long().unwrap_or_default()).into(), value: String::new(), at }
}

/// Converts one value to a word.
fn word(file: &ConfigFile, arg: &Arg, value: &Spanned<DeValue<'_>>) -> Result<Word, String> {
    let source = file.source(value);
    let text = match value.get_ref() {
        DeValue::String(text) => text.clone().into_owned(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_err(|error| format!("{source}: {error}"))?
            .to_string(),
        DeValue::Float(_) | DeValue::Boolean(_) => source.to_owned(),
        _ => return Err(format!("{source} is neither a string nor a number")),
    };
    let word = arg.get_long().map_or_else(|| text.clone(), |key| format!("--{key}={text}"));
    Ok(Word { text: word.into(), value: text, at: value.span().start })
}

/// Returns the texts of a part of an error of clap.
fn strings(value: Option<&ContextValue>) -> Vec<String> {
    match value {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}
