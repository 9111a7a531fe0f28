//! Several handlers in one reactor: each serves its own listeners, all share the loop, the console and the process.
//!
//! Invariant: a handler is called only for what is its own: its connections, its datagrams, its timers, jobs and
//! outbound connections, and the console lines that begin with its name. What it costs is one virtual call, and a box
//! for each session that is not empty; a handler by itself needs neither.

use std::any::Any;
use std::fmt;

use crate::connection::closed::Closed;
use crate::connection::origin::Origin;
use crate::handler::Handler;
use crate::handler::commands as command;
use crate::handler::context::Context;
use crate::handler::events::events;

/// Hosts several handlers in one [`Reactor`](crate::Reactor).
///
/// The first handler serves the listeners that come before the first call of
/// [`Reactor::begin_service`](crate::Reactor::begin_service), the second one those between the first and the second
/// call, and so on.
///
/// At the console, `NAME LINE` is the line `LINE` for one of them; `help`, `stats` and `quit` are for all.
///
/// ```no_run
/// use switchboard::servers::{Echo, Uppercase};
/// use switchboard::net::{SocketOptions, bind};
/// use switchboard::{Limits, Reactor, Services};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut services = Services::new();
/// services.add("echo", Echo::bytes());
/// services.add("uppercase", Uppercase::ascii());
/// let mut reactor = Reactor::new(services, Limits::default())?;
/// reactor.listen(bind(&"7000".parse()?, &SocketOptions::default())?.remove(0))?;
/// reactor.begin_service(Limits { max_connections: Some(10), ..Limits::default() });
/// reactor.listen(bind(&"7001".parse()?, &SocketOptions::default())?.remove(0))?;
/// reactor.run()?;
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct Services {
    hosted: Vec<(Box<str>, Box<DynHandler>)>,
}

/// What [`Services`] keeps for a connection: whose it is, and the session that its handler made.
pub struct ServiceSession {
    service: u16,
    inner: Box<dyn Any>,
}

impl Services {
    /// Without any handler yet.
    #[must_use]
    pub fn new() -> Self {
        Services::default()
    }

    /// Adds a handler. Its name is what the operator calls it by.
    ///
    /// # Panics
    /// When there are more than 65,536.
    pub fn add<H: Handler + 'static>(&mut self, name: &str, handler: H) {
        assert!(u16::try_from(self.hosted.len()).is_ok(), "no more than 65,536 services");
        self.hosted.push((name.into(), Box::new(Erased(handler))));
    }

    /// The handler of a service. A number beyond the last handler's is a service that nobody was added for.
    fn get(&mut self, service: u16) -> &mut DynHandler {
        &mut *self.hosted[usize::from(service)].1
    }

    fn position(&self, name: &[u8]) -> Option<u16> {
        self.hosted.iter().position(|(found, _)| found.as_bytes() == name).map(|index| index as u16)
    }

    fn names(&self) -> String {
        self.hosted.iter().map(|(name, _)| &**name).collect::<Vec<_>>().join(", ")
    }
}

impl Handler for Services {
    type Session = ServiceSession;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> ServiceSession {
        let service = cx.service();
        ServiceSession { service, inner: self.get(service).open(origin, cx) }
    }

    fn data<'a>(&mut self, session: &mut ServiceSession, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        self.get(session.service).data(&mut session.inner, input, cx)
    }

    events! { connection => forward(self, session, cx) to self.get(session.service), &mut session.inner }
    events! { service => forward(self, cx) to self.get(cx.service()) }

    fn closed(&mut self, session: ServiceSession, why: &Closed, cx: &mut Context<'_>) {
        self.get(session.service).closed(session.inner, why, cx);
    }

    fn console(&mut self, line: &[u8], cx: &mut Context<'_>) {
        let trimmed = line.trim_ascii();
        let end = trimmed.iter().position(u8::is_ascii_whitespace).unwrap_or(trimmed.len());
        let (word, rest) = trimmed.split_at(end);
        if let Some(service) = self.position(word) {
            cx.act_for(service);
            return self.get(service).console(rest.trim_ascii_start(), cx);
        }
        command::run(line, cx);
        match word {
            b"help" => cx.write_stderr(&format!("NAME LINE  the line LINE for one of: {}", self.names())),
            b"stats" => {
                for (index, (name, _)) in self.hosted.iter().enumerate() {
                    cx.write_stderr(&format!("{name}: connections {}", cx.connections_of(index as u16)));
                }
            }
            _ => {}
        }
    }

    /// Reaches every handler, so that the reactor stops if one of them stops at the end of input.
    fn console_end(&mut self, cx: &mut Context<'_>) {
        for service in 0..self.hosted.len() as u16 {
            cx.act_for(service);
            self.get(service).console_end(cx);
        }
    }
}

/// A handler whose sessions are boxed, so that handlers with different sessions fit into one list.
struct Erased<H>(H);

/// A handler with boxed sessions.
type DynHandler = dyn Handler<Session = Box<dyn Any>>;

/// The invariant of [`Services`]: a session is passed only to the handler that made it.
const OWN_SESSION: &str = "a session is passed to the handler that made it";

impl<H: Handler<Session: 'static>> Handler for Erased<H> {
    type Session = Box<dyn Any>;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Box<dyn Any> {
        Box::new(self.0.open(origin, cx))
    }

    fn data<'a>(&mut self, session: &mut Box<dyn Any>, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        self.0.data(session.downcast_mut().expect(OWN_SESSION), input, cx)
    }

    fn closed(&mut self, session: Box<dyn Any>, why: &Closed, cx: &mut Context<'_>) {
        self.0.closed(*session.downcast().expect(OWN_SESSION), why, cx);
    }

    events! { connection => forward(self, session, cx) to self.0, session.downcast_mut().expect(OWN_SESSION) }
    events! { service => forward(self, cx) to self.0 }
    events! { console => forward(self, cx) to self.0 }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Services").field(&self.names()).finish()
    }
}

impl fmt::Debug for ServiceSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceSession").field("service", &self.service).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
