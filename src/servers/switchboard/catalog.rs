//! The list of all servers, by name.

use std::ffi::OsString;

use clap::{Command, CommandFactory};

use super::plan::own_command;
use crate::servers::LineClient;
use crate::servers::cli::{
    self, ListenArgs, ListenSetting, OperatorNeed, Server, ServiceBinding, ServiceHost, ServiceSetup, StartError,
};
use crate::{Handler, Reactor, ServiceId, ServiceOptions, Services};

/// The servers that depend on optional features. All of them are part of the feature `full`.
const OPTIONAL: [&str; 5] = ["bank", "doctor", "http", "phonebook", "sum"];

/// Returns the command line of every program that this build has: the servers, `line-client` and `switchboard`. Manual
/// pages and completions are made of them.
#[must_use]
pub fn programs() -> Vec<Command> {
    let servers = ALL.iter().map(|entry| (entry.command)());
    servers.chain([LineClient::command(), own_command()]).collect()
}

/// A server that can be hosted.
pub(super) struct CatalogEntry {
    /// The name of the server's program without `-server`.
    pub(super) name: &'static str,
    /// Returns the definition of the server's command line.
    pub(super) command: fn() -> Command,
}

/// Creates a server, and adds it to a reactor.
type Add = fn(&mut Reactor<Services>, ListenSetting, Vec<OsString>) -> Result<ServiceBinding, StartError>;

/// What `switchboard` does with a server. The parameters are the setting that has its addresses, and the words of its
/// command line.
pub(super) struct Hosting {
    /// Creates the server, and adds it to a reactor.
    ///
    /// # Errors
    /// If the words are wrong, or if the server does not start.
    pub(super) add: Add,
    /// Checks the words without opening anything.
    ///
    /// # Errors
    /// Those of [`cli::check`].
    pub(super) check: fn(ListenSetting, Vec<OsString>) -> Result<(), StartError>,
}

/// Passes each server, with its name, to the macro `$list`.
macro_rules! servers {
    ($list:ident) => {
        $list! {
            #[cfg(feature = "bank")]
            BankServer "bank",
            ChargenServer "chargen",
            ChatServer "chat",
            DaytimeServer "daytime",
            DiscardServer "discard",
            #[cfg(all(feature = "doctor", feature = "storage"))]
            DoctorServer "doctor",
            EchoServer "echo",
            ExecServer "exec",
            GreetingServer "greeting",
            #[cfg(feature = "http")]
            HttpServer "http",
            #[cfg(feature = "storage")]
            PhonebookServer "phonebook",
            RelayServer "relay",
            #[cfg(feature = "sum")]
            SumServer "sum",
            TalkServer "talk",
            TimeServer "time",
            UppercaseServer "uppercase",
        }
    };
}

macro_rules! entries {
    ($($(#[$cfg:meta])* $server:ident $name:literal,)*) => {
        &[$($(#[$cfg])* CatalogEntry::of::<crate::servers::$server>($name),)*]
    };
}

macro_rules! hosted {
    ($($(#[$cfg:meta])* $server:ident $name:literal,)*) => {
        &[$($(#[$cfg])* ($name, Hosting::of::<crate::servers::$server>()),)*]
    };
}

pub(super) const ALL: &[CatalogEntry] = servers!(entries);

impl CatalogEntry {
    const fn of<S: Server + CommandFactory>(name: &'static str) -> Self {
        CatalogEntry { name, command: cli::command::<S> }
    }

    /// Returns the server with this name.
    pub(super) fn find(name: &str) -> Option<&'static CatalogEntry> {
        ALL.iter().find(|entry| entry.name == name)
    }

    /// Returns the error message for the unknown server `name`. If no build has the server, `hint` is appended.
    pub(super) fn missing(name: &str, hint: &str) -> String {
        if OPTIONAL.contains(&name) {
            return format!("this program was built without the server {name:?}; build it with --features full");
        }
        let nearest = cli::nearest(ALL.iter().map(|entry| entry.name), name);
        let nearest = nearest.map(|nearest| format!(" (did you mean {nearest}?)")).unwrap_or_default();
        format!("unknown server {name:?}{nearest}; known servers: {}{hint}", Self::names())
    }

    /// Returns the names of all servers, for a message.
    pub(super) fn names() -> String {
        ALL.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ")
    }
}

impl CatalogEntry {
    /// Returns what `switchboard` does with the server.
    // Inlined into the program `switchboard`, like its callers, so that no other build compiles every server.
    #[inline]
    pub(super) fn hosting(&self) -> &'static Hosting {
        const HOSTED: &[(&str, Hosting)] = servers!(hosted);
        let found = HOSTED.iter().find(|(name, _)| *name == self.name);
        &found.expect("each entry is hosted").1
    }
}

impl Hosting {
    const fn of<S: Server>() -> Self {
        Hosting { add: add::<S>, check: cli::check::<S> }
    }
}

fn add<S: Server>(
    reactor: &mut Reactor<Services>,
    setting: ListenSetting,
    words: Vec<OsString>,
) -> Result<ServiceBinding, StartError> {
    let server: S = cli::parse(words).map_err(|error| StartError::usage(first_line(&error)))?;
    server.check()?;
    let listen = &server.shared().listen;
    let (id, setup) = server.start(SharedHost { reactor, name: setting.service(), listen })?;
    ServiceBinding::new(id, setting, listen.clone(), setup)
}

/// Returns the first paragraph of an error as one line. The usage after it describes a program that the user did not
/// run.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let line = lines.join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

/// Adds a service to a reactor that hosts several.
struct SharedHost<'a> {
    reactor: &'a mut Reactor<Services>,
    name: &'a str,
    listen: &'a ListenArgs,
}

impl ServiceHost for SharedHost<'_> {
    type Output = (ServiceId, ServiceSetup<()>);

    fn host<H: Handler + 'static>(self, setup: ServiceSetup<H>) -> Self::Output {
        let (handler, mut setup) = setup.split();
        let options = ServiceOptions { name: self.name.to_owned(), ..setup.options(self.listen) };
        let id = self.reactor.add_service(options);
        self.reactor.handler_mut().add(id, self.name, handler);
        if setup.operator != OperatorNeed::Optional {
            // The server's own hint lacks the name of the service, with which each line begins here.
            setup.operator = OperatorNeed::Required { hint: cli::COMMANDS_HINT };
        }
        (id, setup)
    }

    fn shares_console(&self) -> bool {
        true
    }
}
