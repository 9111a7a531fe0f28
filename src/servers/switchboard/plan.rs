//! The services to host, from `NAME=ADDR` words or from a file.
//!
//! Both are converted to one command line for each server. The keys of a file are the names of flags, so the flags
//! define all names, checks and messages.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::catalog::CatalogEntry;
use crate::handler::commands;
use crate::net::ListenAddress;
use crate::servers::cli::ListenSetting;

/// A service to host.
#[derive(Debug)]
pub(super) struct ServiceSpec {
    /// The name of the service in console commands, and where its addresses are given.
    pub(super) setting: ListenSetting,
    pub(super) entry: &'static CatalogEntry,
    /// The command line of the server, beginning with the name of the program.
    pub(super) words: Vec<OsString>,
}

impl std::fmt::Debug for CatalogEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Flags of the process, which are not settings of a service.
const PROCESS_FLAGS: [&str; 7] = ["stdin", "control", "drain", "memory-limit", "slow-turn", "verbose", "quiet"];

/// Flags that end the process at once, so they are not settings either.
const OTHER_FLAGS: [&str; 2] = ["help", "version"];

impl ServiceSpec {
    fn new(setting: ListenSetting, entry: &'static CatalogEntry) -> Self {
        ServiceSpec { setting, entry, words: vec![format!("{}-server", entry.name).into()] }
    }
}

/// Reads words such as `echo=7000`, or `echo` for the default port. A name with several addresses is one service.
///
/// # Errors
/// If a word names an unknown server. The message names the word.
pub(super) fn from_words(words: &[String]) -> Result<Vec<ServiceSpec>, String> {
    let mut specs: Vec<ServiceSpec> = Vec::new();
    for word in words {
        let (name, address) = word.split_once('=').map_or((&**word, None), |(name, address)| (name, Some(address)));
        let Some(entry) = CatalogEntry::find(name) else {
            return Err(format!("{word}: {}", unknown(word, name)));
        };
        if let Some(Err(error)) = address.map(str::parse::<ListenAddress>) {
            return Err(format!("{word}: {error}"));
        }
        let known = specs.iter().position(|spec| spec.setting.service() == name);
        let index = known.unwrap_or_else(|| {
            specs.push(ServiceSpec::new(ListenSetting::Word(name.to_owned()), entry));
            specs.len() - 1
        });
        specs[index].words.extend(address.map(|address| format!("--listen={address}").into()));
    }
    Ok(specs)
}

/// The reason why `word` is not a service, with the right form of a usual mistake.
fn unknown(word: &str, name: &str) -> String {
    match word.split_once(':') {
        Some((server, address)) if CatalogEntry::find(server).is_some() => {
            format!("an address follows \"=\", use {server}={address}")
        }
        _ if word.parse::<ListenAddress>().is_ok() => format!("an address needs a server, use for example echo={word}"),
        _ => CatalogEntry::missing(name, ""),
    }
}

/// Reads the text of a TOML file, with one table for each service. The server is the name of the table, or the value of
/// the key `server`.
///
/// # Errors
/// If the text is malformed, or if a server or a setting is unknown. The message names the table or the line.
pub(super) fn from_toml(text: &str) -> Result<Vec<ServiceSpec>, String> {
    let tables = DeTable::parse(text).map_err(|error| with_position(text, &error))?;
    in_order(tables.into_inner())
        .into_iter()
        .map(|(name, value)| {
            check_name(&name)?;
            from_table(text, &name, value).map_err(|error| format!("[{name}]: {error}"))
        })
        .collect()
}

/// Checks that the operator can type the name of a service and means this service by it.
fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Err(format!(
            "[{name:?}]: the name of a service is made of letters from a to z, digits, \"-\", \"_\" and \".\", so that \
             the operator can type it"
        ));
    }
    if commands::is_common(name) {
        return Err(format!("[{name}]: this is a command of the operator; use another name, and the key server"));
    }
    Ok(())
}

type Value<'a> = Spanned<DeValue<'a>>;

/// Returns the entries of a table in the order of the file.
fn in_order(table: DeTable<'_>) -> Vec<(DeString<'_>, Value<'_>)> {
    let mut entries: Vec<_> = table.into_iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries.into_iter().map(|(key, value)| (key.into_inner(), value)).collect()
}

fn with_position(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().map_or("", |span| &text[..span.start]);
    let (line, column) =
        (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap_or("").chars().count() + 1);
    format!("line {line}, column {column}: {}", error.message().trim().replace('\n', ", "))
}

fn from_table(text: &str, name: &str, value: Value<'_>) -> Result<ServiceSpec, String> {
    let DeValue::Table(mut settings) = value.into_inner() else {
        return Err("a service is a table such as [echo]".into());
    };
    let server = match settings.remove("server") {
        None => name.to_owned(),
        Some(value) => match value.get_ref() {
            DeValue::String(server) => server.clone().into_owned(),
            _ => return Err(format!("server = {}: the name of a server is a string", &text[value.span()])),
        },
    };
    let Some(entry) = CatalogEntry::find(&server) else {
        return Err(CatalogEntry::missing(&server, "; a table with another name needs the key server"));
    };
    let mut spec = ServiceSpec::new(ListenSetting::Key(name.to_owned()), entry);
    let command = (entry.command)();
    let mut last = Vec::new();
    for (key, value) in in_order(settings) {
        let words = flag(text, &command, &key, value).map_err(|error| format!("{key}: {error}"))?;
        let is_last = command.get_positionals().any(|arg| arg.get_id() == &*key);
        let place = if is_last { &mut last } else { &mut spec.words };
        place.extend(words.into_iter().map(OsString::from));
    }
    if !last.is_empty() {
        spec.words.push("--".into());
        spec.words.append(&mut last);
    }
    Ok(spec)
}

/// Converts a setting to the words of a command line.
fn flag(text: &str, command: &Command, key: &str, value: Value<'_>) -> Result<Vec<String>, String> {
    if PROCESS_FLAGS.contains(&key) {
        return Err(format!("this is a setting of the process; use --{key} on the command line"));
    }
    let known = command.get_arguments().find(|arg| setting_of(arg) == Some(key));
    let Some(known) = known.filter(|_| !OTHER_FLAGS.contains(&key)) else {
        return Err(format!("unknown setting; known settings: {}", settings(command)));
    };
    let source = &text[value.span()];
    match (known.get_action(), value.into_inner()) {
        (_, DeValue::Boolean(is_on)) if may_lack_value(known) => {
            Ok(is_on.then(|| format!("--{key}")).into_iter().collect())
        }
        (ArgAction::SetTrue, _) => Err(format!("the value must be true or false, not {source}")),
        (_, DeValue::Array(values)) if values.is_empty() => {
            Err("the list is empty; give it a value, or omit the setting for its default".into())
        }
        (_, DeValue::Array(values)) => {
            values.into_iter().map(|value| word(known, value.get_ref(), &text[value.span()])).collect()
        }
        (_, value) => Ok(vec![word(known, &value, source)?]),
    }
}

/// Whether a flag may be given without a value.
fn may_lack_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue) || arg.get_num_args().is_some_and(|count| count.min_values() == 0)
}

/// The key of an argument in a file: its long flag or, for the words after `--`, its name.
fn setting_of(arg: &Arg) -> Option<&str> {
    arg.get_long().or_else(|| arg.is_positional().then(|| arg.get_id().as_str()))
}

/// Converts a value to a word. `source` is the text of the value in the file.
fn word(arg: &Arg, value: &DeValue<'_>, source: &str) -> Result<String, String> {
    let text = match value {
        DeValue::String(text) => text.clone().into_owned(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_err(|error| format!("{source}: {error}"))?
            .to_string(),
        DeValue::Float(_) | DeValue::Boolean(_) => source.to_owned(),
        _ => return Err(format!("{source} is neither a string nor a number")),
    };
    Ok(arg.get_long().map_or_else(|| text.clone(), |key| format!("--{key}={text}")))
}

fn settings(command: &Command) -> String {
    let known = command.get_arguments().filter_map(setting_of);
    let settings = known.filter(|long| !PROCESS_FLAGS.contains(long) && !OTHER_FLAGS.contains(long));
    settings.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(specs: Result<Vec<ServiceSpec>, String>) -> Result<Vec<String>, String> {
        let line = |service: ServiceSpec| {
            let words = service.words.iter().map(|word| word.to_string_lossy().into_owned());
            format!("{}: {}", service.setting.service(), words.collect::<Vec<_>>().join(" "))
        };
        specs.map(|specs| specs.into_iter().map(line).collect())
    }

    fn words(words: &[&str]) -> Result<Vec<String>, String> {
        described(from_words(&words.iter().map(ToString::to_string).collect::<Vec<_>>()))
    }

    #[test]
    fn words_name_servers_and_addresses() {
        let specs = words(&["echo=7000", "chat", "echo=udp:7000"]).expect("good words");
        assert_eq!(specs, ["echo: echo-server --listen=7000 --listen=udp:7000", "chat: chat-server"]);
        let error = words(&["ecko=7000"]).expect_err("no such server");
        assert!(error.contains("\"ecko\"") && error.contains(&CatalogEntry::names()), "{error}");
    }

    #[test]
    fn a_server_left_out_names_its_feature() {
        for name in ["bank", "doctor", "http", "phonebook", "sum"] {
            let message = CatalogEntry::missing(name, "");
            assert!(message.contains(name) && message.ends_with("build it with --features full"), "{message}");
        }
        if cfg!(not(feature = "bank")) {
            let error = words(&["bank=5003"]).expect_err("no such server");
            assert_eq!(error, format!("bank=5003: {}", CatalogEntry::missing("bank", "")));
        }
    }

    #[test]
    fn settings_are_flags() {
        let text = "[echo]\nlisten = ['7000', 'udp:7000']\nreuse-port = true\nnodelay = false\nmax-connections = 5\n\
                    [shout]\nserver = 'uppercase'\nlisten = 7_001\nbacklog = 0x10\nunicode = false\n";
        assert_eq!(
            described(from_toml(text)).expect("a good file"),
            [
                "echo: echo-server --listen=7000 --listen=udp:7000 --reuse-port --nodelay=false --max-connections=5",
                "shout: uppercase-server --listen=7001 --backlog=16",
            ]
        );
    }

    #[test]
    #[cfg(feature = "http")]
    fn a_flag_may_lack_its_value() {
        let text = "[a]\nserver = 'http'\ncgi = true\n[b]\nserver = 'http'\ncgi = false\n\
                    [c]\nserver = 'http'\ncgi = '/scripts'\n";
        assert_eq!(
            described(from_toml(text)).expect("a good file"),
            ["a: http-server --cgi", "b: http-server", "c: http-server --cgi=/scripts"]
        );
    }

    #[test]
    fn the_words_of_a_program_come_last() {
        let text = "[date]\nserver = 'exec'\ncommand = ['date', '-u', '+%s']\nmax-children = 2\n\
                    [cat]\nserver = 'exec'\ncommand = 'cat'\n";
        assert_eq!(
            described(from_toml(text)).expect("a good file"),
            ["date: exec-server --max-children=2 -- date -u +%s", "cat: exec-server -- cat"]
        );
    }

    #[test]
    fn errors_name_the_table_or_the_line() {
        for (text, wanted) in [
            ("[echo\n", "line 1, column 6"),
            ("echo = 5\n", "[echo]: a service is a table such as [echo]"),
            (
                "[ecko]\n",
                &format!(
                    "[ecko]: unknown server \"ecko\" (did you mean echo?); known servers: {}",
                    CatalogEntry::names()
                ),
            ),
            ("[x]\nserver = 5\n", "[x]: server = 5: the name of a server is a string"),
            ("[echo]\nlissen = 5\n", "[echo]: lissen: unknown setting; known settings: "),
            ("[echo]\nhelp = true\n", "[echo]: help: unknown setting"),
            (
                "[echo]\nstdin = 'stop'\n",
                "[echo]: stdin: this is a setting of the process; use --stdin on the command line",
            ),
            ("[echo]\nreuse-port = 5\n", "[echo]: reuse-port: the value must be true or false, not 5"),
            ("[echo]\nlisten = [[1]]\n", "[echo]: listen: [1] is neither a string nor a number"),
        ] {
            let error = described(from_toml(text)).expect_err(text);
            assert!(error.contains(wanted), "{text:?}: {error}");
        }
    }
}
