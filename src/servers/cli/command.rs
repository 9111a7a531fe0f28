//! The command line of a server as clap reads it, with hints for usual mistakes.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Command, value_parser};

use super::binding::{ListenSetting, ServiceBinding};
use super::server::{Server, ServiceSetup, StartError};
use crate::ServiceId;
use crate::net::ListenAddress;

/// Reads the words of a command line, the first of which is the name of the program.
///
/// # Errors
/// Those of clap, also for `--help` and `--version`.
pub(crate) fn parse<S: Server>(words: impl IntoIterator<Item = OsString>) -> Result<S, clap::Error> {
    let mut command = command::<S>();
    let matches = command.try_get_matches_from_mut(words).map_err(|error| suggest(error, hint))?;
    S::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Checks the words of a server's command line, as far as nothing has to be opened for it. `setting` is where the
/// addresses are given.
///
/// # Errors
/// If flags exclude each other, or if the server has not what an address asks for. Words that cannot be read are no
/// error here: [`parse`] reports them.
pub(crate) fn check<S: Server>(setting: ListenSetting, words: Vec<OsString>) -> Result<(), StartError> {
    let Ok(server) = parse::<S>(words) else { return Ok(()) };
    server.check()?;
    let command = S::command();
    let has = |id: &str| command.get_arguments().any(|arg| arg.get_id() == id);
    let setup = ServiceSetup { has_datagrams: has("datagram_rate"), ..ServiceSetup::new(0, ()) };
    // Without the feature `web`, the flags of the web door are missing, too, and the error names the feature.
    let setup = if has("origin") || cfg!(not(feature = "web")) { setup.with_web_door() } else { setup };
    ServiceBinding::new(ServiceId::DEFAULT, setting, server.shared().listen.clone(), setup).map(drop)
}

/// Returns the definition of a server's command line, built: arguments that are not cannot be displayed.
pub(crate) fn command<S: Server>() -> Command {
    let mut command = with_addresses(with_switches(S::command()));
    command.build();
    command
}

/// Lets each flag without a value have one, so that a command line can take back what a file says: `--quiet=false`.
pub(crate) fn with_switches(command: Command) -> Command {
    command.mut_args(|arg| match arg.get_action() {
        ArgAction::SetTrue => arg
            .action(ArgAction::Set)
            .value_parser(value_parser!(bool))
            .value_name("BOOL")
            .num_args(0..=1)
            .require_equals(true)
            .default_value("false")
            .default_missing_value("true")
            .hide_default_value(true)
            .hide_possible_values(true),
        _ => arg,
    })
}

/// Adds to the help of `--listen` the addresses that this server can listen on.
fn with_addresses(command: Command) -> Command {
    let has_datagrams = command.get_arguments().any(|arg| arg.get_id() == "datagram_rate");
    let udp = if has_datagrams { "; udp: before one of the first four" } else { "" };
    let tls = if cfg!(feature = "tls") { "; tls: before any of them, with --tls-cert" } else { "" };
    let has_web = command.get_arguments().any(|arg| arg.get_id() == "origin");
    let web = match (has_web, cfg!(feature = "tls")) {
        (false, _) => "",
        (true, false) => "; web: before any of them, for pages in a browser",
        (true, true) => "; web: before any of them, for pages in a browser, or web+tls:",
    };
    command.mut_arg("listen", |arg| {
        arg.help(format!(
            "Address to listen on; repeatable. PORT (= 127.0.0.1:PORT), HOST:PORT, [V6]:PORT, *:PORT or \
             unix:PATH{udp}{tls}{web}; with port 0, the system picks one"
        ))
    })
}

/// Adds to the error of an unknown argument the suggestion that `hint` makes for it, in place of clap's.
pub fn suggest(mut error: clap::Error, hint: impl FnOnce(&str) -> Option<String>) -> clap::Error {
    let hint = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) if error.kind() == ErrorKind::UnknownArgument => hint(word),
        _ => None,
    };
    if let Some(hint) = hint {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint.into()]));
    }
    error
}

/// Returns the name that is spelled most like `word`, if one differs in at most two letters.
pub(crate) fn nearest<T: AsRef<str> + Ord>(names: impl Iterator<Item = T>, word: &str) -> Option<T> {
    let length = word.chars().count();
    // The distance to a long word takes long to compute.
    let near = names.filter(|name| name.as_ref().chars().count().abs_diff(length) <= 2);
    let distances = near.map(|name| (strsim::damerau_levenshtein(name.as_ref(), word), name));
    distances.filter(|(distance, _)| *distance <= 2).min().map(|(_, name)| name)
}

/// The hint for a flag that was left out of this build.
pub(crate) fn left_out(word: &str) -> Option<String> {
    let is_left_out = word == "--metrics" && !cfg!(feature = "metrics");
    is_left_out.then(|| format!("this program was built without {word}; build it with --features full"))
}

/// The hint for an address or a port that is given as to other programs.
fn hint(word: &str) -> Option<String> {
    if let Some(hint) = left_out(word) {
        return Some(hint);
    }
    let address = match word {
        "-p" | "--port" | "--bind" | "--address" => "ADDR",
        _ if word.starts_with('-') => return None,
        _ if word.parse::<ListenAddress>().is_ok() => word,
        _ => "ADDR",
    };
    Some(format!("to listen on an address, use '-l {address}'"))
}
