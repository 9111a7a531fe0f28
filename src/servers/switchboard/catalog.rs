//! The list of all servers, for whoever hosts several: by name, from the words of a command line each.

use std::ffi::OsString;

use clap::{Command, CommandFactory};

use crate::Services;
use crate::handler::Handler;
use crate::servers::cli::{self, Operator, Place, Server, Service, ServiceHost, StartError};

/// A server of the family.
pub(super) struct Entry {
    /// Its name among services: that of its program without `-server`.
    pub(super) name: &'static str,
    /// Its command line.
    pub(super) command: fn() -> Command,
    /// Makes it from the words of a command line, and adds it under a name.
    pub(super) add: fn(&mut Services, &str, Vec<OsString>) -> Result<Place, StartError>,
}

pub(super) const ALL: &[Entry] = &[
    #[cfg(feature = "bank")]
    Entry::of::<crate::servers::BankServer>("bank"),
    Entry::of::<crate::servers::ChargenServer>("chargen"),
    Entry::of::<crate::servers::ChatServer>("chat"),
    Entry::of::<crate::servers::DaytimeServer>("daytime"),
    Entry::of::<crate::servers::DiscardServer>("discard"),
    #[cfg(all(feature = "doctor", feature = "storage"))]
    Entry::of::<crate::servers::DoctorServer>("doctor"),
    Entry::of::<crate::servers::EchoServer>("echo"),
    Entry::of::<crate::servers::GreetingServer>("greeting"),
    #[cfg(feature = "storage")]
    Entry::of::<crate::servers::PhonebookServer>("phonebook"),
    #[cfg(feature = "sum")]
    Entry::of::<crate::servers::SumServer>("sum"),
    Entry::of::<crate::servers::TalkServer>("talk"),
    Entry::of::<crate::servers::TimeServer>("time"),
    Entry::of::<crate::servers::UppercaseServer>("uppercase"),
];

impl Entry {
    const fn of<S: Server + CommandFactory>(name: &'static str) -> Self {
        Entry { name, command: S::command, add: add::<S> }
    }

    /// The server of this name.
    pub(super) fn find(name: &str) -> Option<&'static Entry> {
        ALL.iter().find(|entry| entry.name == name)
    }

    /// The names of all, for a message.
    pub(super) fn names() -> String {
        ALL.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ")
    }
}

fn add<S: Server>(services: &mut Services, name: &str, words: Vec<OsString>) -> Result<Place, StartError> {
    let server = S::try_parse_from(words).map_err(|error| StartError::usage(first_line(&error)))?;
    let service = server.start(Table { services, name })?;
    let place = Place { name: Some(name.to_owned()), listen: server.shared().listen.clone(), service };
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
    type Output = Service<()>;

    fn host<H: Handler + 'static>(self, service: Service<H>) -> Service<()> {
        let (handler, service) = service.split();
        self.services.add(self.name, handler);
        match service.operator {
            // What there is to type begins with the name of the service.
            Operator::Needed { .. } => Service { operator: Operator::Needed { hint: cli::COMMANDS_HINT }, ..service },
            Operator::Optional => service,
        }
    }

    fn shares_console(&self) -> bool {
        true
    }
}
