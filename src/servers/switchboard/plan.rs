//! The services to host, from `NAME=ADDR` words or from a file.
//!
//! Both are converted to one command line for each server. The keys of a file are the names of flags, so the flags
//! define all names, checks and messages.

use std::ffi::OsString;

use clap::{Command, CommandFactory};
use toml::de::DeValue;

use super::args::Switchboard;
use super::catalog::CatalogEntry;
use crate::handler::commands;
use crate::net::{Address, ListenAddress};
use crate::servers::cli::config::{self, ConfigFile, Entry, Mistake, Scope, Settings};
use crate::servers::cli::{self, ListenSetting, StartError};

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

/// What a file has for `switchboard`.
pub(super) struct Plan {
    /// The settings of the process, which are at the top level.
    pub(super) process: Settings,
    pub(super) services: Vec<ServiceSpec>,
}

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

/// Returns the command line of `switchboard`, of which the settings of the process are a part.
pub(super) fn own_command() -> Command {
    let mut command = cli::with_switches(Switchboard::command());
    command.build();
    command
}

/// Reads a file with one table for each service. The server is the name of the table, or the value of the key `server`.
/// Keys outside of the tables are flags of the process. Notes all mistakes.
#[inline]
pub(super) fn from_file(file: &ConfigFile, entries: Vec<Entry<'_>>, mistakes: &mut Vec<Mistake>) -> Plan {
    let command = own_command();
    let is_service = |entry: &Entry<'_>| {
        matches!(entry.value.get_ref(), DeValue::Table(_)) || CatalogEntry::find(&entry.key).is_some()
    };
    let (tables, process): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_service);
    let process = Settings::read(file, &command, Scope::Process, process, mistakes);
    // The services, which the command line requires, are the tables.
    let _missing = process.check(&command, mistakes);
    if tables.is_empty() && mistakes.is_empty() {
        mistakes.push(Mistake::new(0, "the file has no service; add a table such as [echo]"));
    }
    let mut taken = Vec::new();
    let services = tables.into_iter().filter_map(|table| from_table(file, table, &mut taken, mistakes)).collect();
    Plan { process, services }
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

/// An address of a service, and the name of that service.
type Taken = (Address, String);

/// Notes the addresses that another service has already, and adds the rest to those that are taken.
fn take_addresses(name: &str, settings: &Settings, taken: &mut Vec<Taken>, mistakes: &mut Vec<Mistake>) {
    for (text, at) in settings.own_addresses() {
        let Ok(listen) = text.parse::<ListenAddress>() else { continue };
        let address = listen.address.transport();
        if let Address::Tcp { port: 0, .. } | Address::Udp { port: 0, .. } = address {
            continue;
        }
        match taken.iter().find(|(other, _)| other == address) {
            Some((_, other)) => {
                mistakes.push(Mistake::new(at, format!("listen: [{other}] has the address {address} already")));
            }
            None => taken.push((address.clone(), name.to_owned())),
        }
    }
}

/// Returns the service of a table, if its name and its server are good.
#[inline]
fn from_table(
    file: &ConfigFile,
    table: Entry<'_>,
    taken: &mut Vec<Taken>,
    mistakes: &mut Vec<Mistake>,
) -> Option<ServiceSpec> {
    let (name, at) = (table.key.into_owned(), table.at);
    let DeValue::Table(settings) = table.value.into_inner() else {
        mistakes.push(Mistake::new(at, format!("{name}: a service is a table such as [{name}]")));
        return None;
    };
    if let Err(message) = check_name(&name) {
        mistakes.push(Mistake::new(at, message));
    }
    let mut own = Vec::new();
    let mut entries = config::in_order(settings);
    let server = config::take_server(file, &mut entries, &mut own);
    let (server, server_at) = server.unwrap_or_else(|| (name.clone(), at));
    let found = CatalogEntry::find(&server);
    let spec = found.map(|entry| {
        let command = (entry.command)();
        let settings = Settings::read(file, &command, Scope::Service, entries, &mut own);
        let missing = settings.check(&command, &mut own);
        take_addresses(&name, &settings, taken, &mut own);
        own.extend(missing.into_iter().map(|key| Mistake::new(at, format!("{key}: this setting is missing"))));
        let (setting, words) = (ListenSetting::Key(name.clone()), settings.words(&command));
        if own.is_empty()
            && let Err(StartError::Usage(message)) = (entry.hosting().check)(setting.clone(), words.clone())
        {
            own.push(Mistake::new(settings.place(&message).unwrap_or(at), message));
        }
        ServiceSpec { setting, entry, words }
    });
    if spec.is_none() && own.is_empty() {
        let message = CatalogEntry::missing(&server, "; a table with another name needs the key server");
        own.push(Mistake::new(server_at, message));
    }
    mistakes.extend(own.into_iter().map(|mistake| mistake.within(&name)));
    spec
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

    /// The services of a text, or its mistakes.
    fn from_toml(text: &str) -> Result<Vec<ServiceSpec>, String> {
        let file = ConfigFile::of("f", text);
        let mut mistakes = Vec::new();
        let services = file.entries().and_then(|entries| {
            let plan = from_file(&file, entries, &mut mistakes);
            file.refuse(mistakes).map(|()| plan.services)
        });
        services.map_err(|error| match error {
            StartError::Config(lines) => lines.join("\n"),
            other => format!("{other:?}"),
        })
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
    fn each_mistake_has_its_line_and_column() {
        let unknown = format!(
            "f:1:2: [ecko]: unknown server \"ecko\" (did you mean echo?); known servers: {}",
            CatalogEntry::names()
        );
        for (text, wanted) in [
            ("[echo\n", "f:1:6: "),
            ("\n# nothing\n", "f:1:1: the file has no service"),
            ("echo = 5\n", "f:1:1: echo: a service is a table such as [echo]"),
            ("[ecko]\n", &unknown),
            ("[quit]\nserver = 'echo'\n", "f:1:2: [quit]: this is a command of the operator"),
            ("[x]\nserver = 5\n", "f:2:10: [x]: server = 5: the name of a server is a string"),
            ("[echo]\nlissen = 5\n", "f:2:1: [echo]: lissen: unknown setting (did you mean listen?)"),
            ("[echo]\nhelp = true\n", "f:2:1: [echo]: help: unknown setting"),
            ("[echo]\nconfig = 'x'\n", "f:2:1: [echo]: config: unknown setting"),
            ("[echo]\nstdin = 'stop'\n", "f:2:1: [echo]: stdin: this is a setting of the process; set it before the"),
            ("[echo]\nreuse-port = 5\n", "f:2:14: [echo]: reuse-port: invalid value \"5\": use true, false"),
            ("[echo]\nlisten = [[1]]\n", "f:2:1: [echo]: listen: [1] is neither a string nor a number"),
            ("[echo]\nlisten = ['7000',\n  'x:y:z']\n", "f:3:3: [echo]: listen: invalid value \"x:y:z\": "),
            (
                "[echo]\nlisten = 7000\n[x]\nserver = 'chat'\nlisten = ['7001', 'web:127.0.0.1:7000']\n",
                "f:5:19: [x]: listen: [echo] has the address 127.0.0.1:7000 already",
            ),
            ("[relay]\nlisten = 5\n", "f:1:2: [relay]: to: this setting is missing"),
            ("stdin = 'go'\n[echo]\n", "f:1:9: stdin: invalid value \"go\": use stop, commands, ignore"),
            ("max-connections = 5\n[echo]\n", "f:1:1: max-connections: this is a setting of a service"),
        ] {
            let error = described(from_toml(text)).expect_err(text);
            assert!(error.contains(wanted), "{text:?}: {error}");
        }
    }

    #[test]
    fn all_mistakes_are_told_in_the_order_of_the_file() {
        let text = "drain = 'soon'\n[echo]\nlissen = 5\nbacklog = 'many'\n[ecko]\n[chat]\nhistory = -1\n";
        let error = described(from_toml(text)).expect_err("four mistakes");
        let places: Vec<_> = error.lines().filter_map(|line| line.split(": ").next()).collect();
        assert_eq!(places, ["f:1:9", "f:3:1", "f:4:11", "f:5:2", "f:7:11"], "{error}");
    }

    #[test]
    fn flags_of_the_process_are_outside_of_the_tables() {
        let file = ConfigFile::of("f", "stdin = 'commands'\nverbose = 2\ndrain = '1s'\n[echo]\n");
        let mut mistakes = Vec::new();
        let entries = file.entries().expect("good syntax");
        let plan = from_file(&file, entries, &mut mistakes);
        file.refuse(mistakes).expect("a good file");
        let words = plan.process.words(&own_command());
        assert_eq!(words, ["switchboard", "--stdin=commands", "--verbose", "--verbose", "--drain=1s"]);
        assert_eq!(plan.services.len(), 1);
    }
}
