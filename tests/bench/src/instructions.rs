//! The instructions that our servers take for a message, as a guard against getting slower unnoticed.
//!
//! Times differ from machine to machine and from minute to minute; these do so by one or two in a hundred, so a limit
//! on them can be a part of CI. They do not see the kernel, the caches, or a wait.

use std::io;
use std::ops::Range;

use clap::{Args, ValueEnum};

use crate::cases;
use crate::counter::Counter;
use crate::door::Door;
use crate::fanout;
use crate::handler::Handler;
use crate::http::{Site, get};
use crate::load;
use crate::ours;
use crate::speech::Speech;

/// Messages of the two runs that are compared. Under callgrind a server is some fifty times slower.
const MESSAGES: Range<u64> = 10_000..60_000;
/// Publications of the two runs, each of them a delivery to each member.
const PUBLICATIONS: Range<u64> = 500..5_500;
const MEMBERS: u64 = 100;

/// What to count, and what is too much.
#[derive(Args)]
pub(crate) struct Options {
    /// Which server, each with the load of its case in the comparison
    #[arg(value_enum, default_value = "echo")]
    service: Service,
    /// Fail if a message takes more instructions than that
    #[arg(long, value_name = "COUNT")]
    most: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Service {
    /// 64 bytes at 50 connections of echo-server
    Echo,
    /// The same at its web door, each message a frame
    WebEcho,
    /// 64 bytes at 50 connections of uppercase-server
    Upper,
    /// A room of 100 at chat-server: for each delivery
    Room,
    /// The same at its web door, each delivery a frame
    WebRoom,
    /// A file of 1 KiB at 50 connections of http-server
    Http,
}

/// Counts and prints.
///
/// # Errors
/// It cannot be counted, or it is more than is allowed.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let (what, figure) = match options.service {
        Service::Echo => ("message", ours(cases::Service::Reply(Handler::Echo))?),
        Service::Upper => ("message", ours(cases::Service::Reply(Handler::Upper))?),
        Service::WebEcho => ("message", ours(cases::Service::WebEcho)?),
        Service::Room => ("delivery", ours(cases::Service::Room)?),
        Service::WebRoom => ("delivery", ours(cases::Service::WebRoom)?),
        Service::Http => ("request", of_file()?),
    };
    println!("{figure:.1} instructions/{what}");
    match options.most {
        Some(most) if figure > most => Err(io::Error::other(format!(
            "{figure:.1} instructions a {what} are more than the {most} that are allowed: \
             find out where they come from with callgrind_annotate(1), or allow more, and say why"
        ))),
        _ => Ok(()),
    }
}

fn ours(service: cases::Service) -> io::Result<f64> {
    of(service, &ours::serving(service)?)
}

/// Of a server for a message of 64 bytes at 50 connections, or for a delivery in a room of 100 members, with 4
/// publishers and 16 publications under way.
pub(crate) fn of(service: cases::Service, command: &[String]) -> io::Result<f64> {
    match service {
        cases::Service::Reply(handler) => of_replies(command, (handler, Door::Line)),
        cases::Service::WebEcho => of_replies(command, (Handler::Echo, Door::Web)),
        cases::Service::Room => of_room(command, Speech::Chat),
        cases::Service::WebRoom => of_room(command, Speech::Web),
    }
}

fn of_replies(command: &[String], (handler, door): (Handler, Door)) -> io::Result<f64> {
    Counter::Instructions.each(&unhurried(command), MESSAGES, |server, messages| {
        load::send(&load::Plan { handler, door, ..load::Plan::to(server.address) }, messages)
    })
}

fn of_room(command: &[String], speech: Speech) -> io::Result<f64> {
    let deliveries = PUBLICATIONS.start * MEMBERS..PUBLICATIONS.end * MEMBERS;
    Counter::Instructions.each(&unhurried(command), deliveries, |server, deliveries| {
        let plan = fanout::Plan { members: MEMBERS, ..fanout::Plan::to(server.address) };
        fanout::publish(&speech.used_in(plan), deliveries / MEMBERS)
    })
}

/// Of http-server for a file of 1 KiB that it has sent before, at 50 connections.
fn of_file() -> io::Result<f64> {
    let site = Site::new()?;
    let command = ours::site(&site.directory(), "0")?;
    Counter::Instructions.each(&unhurried(&command), MESSAGES, |server, count| get::send(server.address, count))
}

/// The server that does not complain of turns that take long: under callgrind they do.
fn unhurried(command: &[String]) -> Vec<String> {
    [command, &["--slow-turn", "off"].map(str::to_owned)].concat()
}
