//! The list of all servers, for whoever hosts several: by name, from the words of a command line each.

use std::ffi::OsString;

use clap::{Command, CommandFactory};

use crate::Services;
use crate::handler::Handler;
use crate::servers::cli::{self, Operator, Server, ServiceBinding, ServiceHost, ServiceSetup, StartError};

/// Servers that a program built without the feature `full` may lack.
const OPTIONAL: [&str; 4] = ["bank", "doctor", "phonebook", "sum"];

/// A server of the family.
pub(super) struct CatalogEntry {
    /// Its name among services: that of its program without `-server`.
    pub(super) name: &'static str,
    /// Its command line.
    pub(super) command: fn() -> Command,
    /// Makes it from the words of a command line, and adds it under a name.
    pub(super) add: fn(&mut Services, &str, Vec<OsString>) -> Result<ServiceBinding, StartError>,
}

pub(super) const ALL: &[CatalogEntry] = &[
    #[cfg(feature = "bank")]
    CatalogEntry::of::<crate::servers::BankServer>("bank"),
    CatalogEntry::of::<crate::servers::ChargenServer>("chargen"),
    CatalogEntry::of::<crate::servers::ChatServer>("chat"),
    CatalogEntry::of::<crate::servers::DaytimeServer>("daytime"),
    CatalogEntry::of::<crate::servers::DiscardServer>("discard"),
    #[cfg(all(feature = "doctor", feature = "storage"))]
    CatalogEntry::of::<crate::servers::DoctorServer>("doctor"),
    CatalogEntry::of::<crate::servers::EchoServer>("echo"),
    CatalogEntry::of::<crate::servers::GreetingServer>("greeting"),
    #[cfg(feature = "storage")]
    CatalogEntry::of::<crate::servers::PhonebookServer>("phonebook"),
    #[cfg(feature = "sum")]
    CatalogEntry::of::<crate::servers::SumServer>("sum"),
    CatalogEntry::of::<crate::servers::TalkServer>("talk"),
    CatalogEntry::of::<crate::servers::TimeServer>("time"),
    CatalogEntry::of::<crate::servers::UppercaseServer>("uppercase"),
];

impl CatalogEntry {
    const fn of<S: Server + CommandFactory>(name: &'static str) -> Self {
        CatalogEntry { name, command: S::command, add: add::<S> }
    }

    /// The server of this name.
    pub(super) fn find(name: &str) -> Option<&'static CatalogEntry> {
        ALL.iter().find(|entry| entry.name == name)
    }

    /// Says why there is no server `name`; `hint` follows if no build has one.
    pub(super) fn missing(name: &str, hint: &str) -> String {
        if OPTIONAL.contains(&name) {
            return format!("this program was built without the server {name:?}; build it with --features full");
        }
        format!("there is no server {name:?}; there are {}{hint}", Self::names())
    }

    /// The names of all servers, for a message.
    pub(super) fn names() -> String {
        ALL.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ")
    }
}

fn add<S: Server>(services: &mut Services, name: &str, words: Vec<OsString>) -> Result<ServiceBinding, StartError> {
    let server = S::try_parse_from(words).map_err(|error| StartError::usage(first_line(&error)))?;
    let service = server.start(Table { services, name })?;
    let place = ServiceBinding { name: Some(name.to_owned()), listen: server.shared().listen.clone(), service };
    place.check()?;
    Ok(place)
}

/// What is wrong, without the usage of a program that the user did not call.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// Puts a service into the table of several.
struct Table<'a> {
    services: &'a mut Services,
    name: &'a str,
}

impl ServiceHost for Table<'_> {
    type Output = ServiceSetup<()>;

    fn host<H: Handler + 'static>(self, service: ServiceSetup<H>) -> ServiceSetup<()> {
        let (handler, service) = service.split();
        self.services.add(self.name, handler);
        match service.operator {
            // What there is to type begins with the name of the service.
            Operator::Needed { .. } => {
                ServiceSetup { operator: Operator::Needed { hint: cli::COMMANDS_HINT }, ..service }
            }
            Operator::Optional => service,
        }
    }

    fn shares_console(&self) -> bool {
        true
    }
}
