//! What to host: from `NAME=ADDR` words, or from a file, to the words of each server's own command line.
//!
//! A file says what a command line says: its keys are the flags of the server, so there is one set of names, of checks
//! and of messages.

use std::ffi::OsString;

use clap::{ArgAction, Command};
use toml::{Table, Value};

use super::catalog::CatalogEntry;

/// A service that is to be hosted.
#[derive(Debug)]
pub(super) struct ServiceSpec {
    /// What the operator calls it.
    pub(super) name: String,
    pub(super) entry: &'static CatalogEntry,
    /// Its command line, the name of the program first.
    pub(super) words: Vec<OsString>,
}

impl std::fmt::Debug for CatalogEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Flags of the process, which a single service cannot have.
const OF_THE_PROCESS: [&str; 6] = ["stdin", "drain", "memory-limit", "slow-turn", "verbose", "quiet"];
/// Flags that are no settings.
const NO_SETTINGS: [&str; 2] = ["help", "version"];

impl ServiceSpec {
    fn new(name: &str, entry: &'static CatalogEntry) -> Self {
        ServiceSpec { name: name.to_owned(), entry, words: vec![format!("{}-server", entry.name).into()] }
    }
}

/// From words as `echo=7000`, or `echo` for the server's own port. A name may come several times, with an address each.
///
/// # Errors
/// With a sentence that names the word.
pub(super) fn from_words(words: &[String]) -> Result<Vec<ServiceSpec>, String> {
    let mut planned: Vec<ServiceSpec> = Vec::new();
    for word in words {
        let (name, address) = word.split_once('=').map_or((&**word, None), |(name, address)| (name, Some(address)));
        let Some(entry) = CatalogEntry::find(name) else {
            return Err(format!("{word}: {}", CatalogEntry::missing(name, "")));
        };
        let known = planned.iter().position(|service| service.name == name);
        let index = known.unwrap_or_else(|| {
            planned.push(ServiceSpec::new(name, entry));
            planned.len() - 1
        });
        planned[index].words.extend(address.map(|address| format!("--listen={address}").into()));
    }
    Ok(planned)
}

/// From the text of a TOML file: a table for each service, named for the server, or with its name at the key `server`.
///
/// # Errors
/// With a sentence that names the place.
pub(super) fn from_toml(text: &str) -> Result<Vec<ServiceSpec>, String> {
    let tables: Table = text.parse().map_err(|error: toml::de::Error| place(text, &error))?;
    tables
        .into_iter()
        .map(|(name, value)| from_table(&name, value).map_err(|error| format!("[{name}]: {error}")))
        .collect()
}

fn place(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().map_or("", |span| &text[..span.start]);
    let (line, column) =
        (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap_or("").chars().count() + 1);
    format!("line {line}, column {column}: {}", error.message().trim().replace('\n', ", "))
}

fn from_table(name: &str, value: Value) -> Result<ServiceSpec, String> {
    let Value::Table(mut settings) = value else {
        return Err("a service is a table, as [echo]".into());
    };
    let server = match settings.remove("server") {
        None => name.to_owned(),
        Some(Value::String(server)) => server,
        Some(other) => return Err(format!("server = {other}: the name of a server is a string")),
    };
    let Some(entry) = CatalogEntry::find(&server) else {
        return Err(CatalogEntry::missing(&server, "; another name needs server = ..."));
    };
    let mut planned = ServiceSpec::new(name, entry);
    let command = (entry.command)();
    for (key, value) in settings {
        let words = flag(&command, &key, value).map_err(|error| format!("{key}: {error}"))?;
        planned.words.extend(words.into_iter().map(OsString::from));
    }
    Ok(planned)
}

/// The words that a setting stands for.
fn flag(command: &Command, key: &str, value: Value) -> Result<Vec<String>, String> {
    if OF_THE_PROCESS.contains(&key) {
        return Err(format!("it is one for all services; give --{key} on the command line"));
    }
    let known = command.get_arguments().find(|arg| arg.get_long() == Some(key));
    let Some(known) = known.filter(|_| !NO_SETTINGS.contains(&key)) else {
        return Err(format!("there is no such setting; there are {}", settings(command)));
    };
    match (known.get_action(), value) {
        (ArgAction::SetTrue, Value::Boolean(is_on)) => Ok(is_on.then(|| format!("--{key}")).into_iter().collect()),
        (ArgAction::SetTrue, other) => Err(format!("it is true or false, not {other}")),
        (_, Value::Array(values)) => values.into_iter().map(|value| word(key, value)).collect(),
        (_, value) => Ok(vec![word(key, value)?]),
    }
}

fn word(key: &str, value: Value) -> Result<String, String> {
    let text = match value {
        Value::String(text) => text,
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => value.to_string(),
        other => return Err(format!("{other} is neither a string nor a number")),
    };
    Ok(format!("--{key}={text}"))
}

fn settings(command: &Command) -> String {
    let longs = command.get_arguments().filter_map(|arg| arg.get_long());
    let settings = longs.filter(|long| !OF_THE_PROCESS.contains(long) && !NO_SETTINGS.contains(long));
    settings.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(planned: Result<Vec<ServiceSpec>, String>) -> Result<Vec<String>, String> {
        let line = |service: ServiceSpec| {
            let words = service.words.iter().map(|word| word.to_string_lossy().into_owned());
            format!("{}: {}", service.name, words.collect::<Vec<_>>().join(" "))
        };
        planned.map(|planned| planned.into_iter().map(line).collect())
    }

    fn words(words: &[&str]) -> Result<Vec<String>, String> {
        described(from_words(&words.iter().map(ToString::to_string).collect::<Vec<_>>()))
    }

    #[test]
    fn words_name_servers_and_addresses() {
        let planned = words(&["echo=7000", "chat", "echo=udp:7000"]).expect("good words");
        assert_eq!(planned, ["echo: echo-server --listen=7000 --listen=udp:7000", "chat: chat-server"]);
        let error = words(&["ecko=7000"]).expect_err("no such server");
        assert!(error.contains("\"ecko\"") && error.contains(&CatalogEntry::names()), "{error}");
    }

    #[test]
    fn a_server_left_out_names_its_feature() {
        for name in ["bank", "doctor", "phonebook", "sum"] {
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
                    [shout]\nserver = 'uppercase'\nlisten = 7001\nunicode = false\n";
        assert_eq!(
            described(from_toml(text)).expect("a good file"),
            [
                "echo: echo-server --listen=7000 --listen=udp:7000 --reuse-port --nodelay=false --max-connections=5",
                "shout: uppercase-server --listen=7001",
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, wanted) in [
            ("[echo\n", "line 1, column 6"),
            ("echo = 5\n", "[echo]: a service is a table"),
            ("[ecko]\n", &format!("[ecko]: there is no server \"ecko\"; there are {}", CatalogEntry::names())),
            ("[x]\nserver = 5\n", "[x]: server = 5: the name of a server is a string"),
            ("[echo]\nlissen = 5\n", "[echo]: lissen: there is no such setting; there are "),
            ("[echo]\nhelp = true\n", "[echo]: help: there is no such setting"),
            ("[echo]\nstdin = 'stop'\n", "[echo]: stdin: it is one for all services; give --stdin on the command line"),
            ("[echo]\nreuse-port = 5\n", "[echo]: reuse-port: it is true or false, not 5"),
            ("[echo]\nlisten = [[1]]\n", "[echo]: listen: [1] is neither a string nor a number"),
        ] {
            let error = described(from_toml(text)).expect_err(text);
            assert!(error.contains(wanted), "{text:?}: {error}");
        }
    }
}
