//! A command line that names a file of settings.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Command, Id};

use super::settings::{Setting, Settings};

/// What is known of a command line before the file is read.
#[derive(Debug)]
pub(crate) struct CommandLine {
    /// The value of `--config`.
    pub(crate) config: PathBuf,
    /// The arguments that are given.
    given: Vec<Id>,
}

impl CommandLine {
    /// Looks for `--config` in the words. Returns `None` if it is missing, or if the words ask for help. Ignores what
    /// is missing or wrong: a required flag may be in the file.
    pub(crate) fn with_config(command: &Command, words: &[OsString]) -> Option<Self> {
        let matches = command.clone().ignore_errors(true).try_get_matches_from(words).ok()?;
        let config = matches.get_one::<PathBuf>("config")?.clone();
        let is_given = |id: &&Id| matches.value_source(id.as_str()) == Some(ValueSource::CommandLine);
        Some(CommandLine { config, given: matches.ids().filter(is_given).cloned().collect() })
    }

    /// Removes the settings that the words replace: a flag replaces the key with its name, and keys that it excludes.
    pub(crate) fn overrule(&self, command: &Command, settings: &mut Settings) {
        settings.retain(|setting| !self.replaces(command, setting));
    }

    /// Whether the words have the flag of a key, or one that excludes it.
    fn replaces(&self, command: &Command, setting: &Setting) -> bool {
        self.given.contains(&setting.id) || self.given.iter().any(|given| is_excluded(command, &setting.id, given))
    }
}

/// Whether two arguments exclude each other. Either one may say so.
fn is_excluded(command: &Command, one: &Id, other: &Id) -> bool {
    let names = |one: &Id, other: &Id| {
        let arg = command.get_arguments().find(|arg| arg.get_id() == one);
        arg.is_some_and(|arg| command.get_arg_conflicts_with(arg).iter().any(|arg| arg.get_id() == other))
    };
    names(one, other) || names(other, one)
}
