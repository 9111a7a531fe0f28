//! Several handlers in one reactor.
//!
//! Each handler serves the connections of its own service; all share the loop, the console and the process. Invariant:
//! a handler receives only its own events: its connections and datagrams, its timers, jobs and outbound connections,
//! and the console lines that begin with its name.
//!
//! The cost is a virtual call for each event and a box for each session that is not of size zero. A single handler,
//! hosted directly, has neither.

use std::any::Any;
use std::fmt;

use crate::connection::closed::Closed;
use crate::connection::ids::ServiceId;
use crate::connection::origin::Origin;
use crate::handler::Handler;
use crate::handler::commands;
use crate::handler::context::Context;
use crate::handler::events::events;

/// Hosts several handlers in one [`Reactor`](crate::Reactor), one for each service.
///
/// At the console, `NAME LINE` passes the line `LINE` to the handler with that name, which must have no blank. The
/// commands of all servers (`help`, `stats`, `who`, `kick`, `quit`) concern the reactor as a whole. The end of standard
/// input reaches every handler.
///
/// ```no_run
/// use switchboard::servers::{Echo, Uppercase};
/// use switchboard::{Limits, Reactor, ServiceId, ServiceOptions, Services};
///
/// let mut reactor = Reactor::new(Services::new(), Limits::default())?;
/// reactor.handler_mut().add(ServiceId::DEFAULT, "echo", Echo::bytes());
/// reactor.bind("127.0.0.1:7000")?;
///
/// let mut options = ServiceOptions::default();
/// options.limits.max_connections = Some(10);
/// let uppercase = reactor.add_service(options);
/// reactor.handler_mut().add(uppercase, "uppercase", Uppercase::ascii());
/// reactor.bind_to(uppercase, "127.0.0.1:7001")?;
/// reactor.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Services {
    /// The first handler serves the services without a handler of their own.
    hosted: Vec<Hosted>,
}

struct Hosted {
    service: Option<ServiceId>,
    name: Box<str>,
    handler: Box<DynHandler>,
}

/// The session of [`Services`] for a connection.
pub struct ServiceSession {
    /// Position of the handler that made `inner`.
    position: usize,
    inner: Box<dyn Any>,
}

impl Services {
    /// Creates a list without handlers.
    #[must_use]
    pub fn new() -> Self {
        Services { hosted: vec![Hosted { service: None, name: "".into(), handler: Box::new(Erased(Unserved)) }] }
    }

    /// Adds the handler of a service. The operator calls it by `name`.
    ///
    /// A service without a handler closes its connections. If the reactor has no such service, the handler serves no
    /// connection. If a service gets a second handler, the second one serves the connections that are opened after
    /// that.
    pub fn add<H: Handler + 'static>(&mut self, service: ServiceId, name: &str, handler: H) {
        self.hosted.push(Hosted { service: Some(service), name: name.into(), handler: Box::new(Erased(handler)) });
    }

    /// The position of the handler of a service.
    fn position(&self, service: ServiceId) -> usize {
        self.hosted.iter().rposition(|hosted| hosted.service == Some(service)).unwrap_or(0)
    }

    fn get(&mut self, service: ServiceId) -> &mut DynHandler {
        let position = self.position(service);
        self.at(position)
    }

    fn at(&mut self, position: usize) -> &mut DynHandler {
        &mut *self.hosted[position].handler
    }

    /// Calls the handler of each service.
    fn call_each(&mut self, cx: &mut Context<'_>, call: impl Fn(&mut DynHandler, &mut Context<'_>)) {
        for Hosted { service, handler, .. } in &mut self.hosted {
            if let Some(service) = *service {
                cx.act_for(service);
                call(&mut **handler, cx);
            }
        }
    }

    /// The services with a handler, each with its name.
    fn named(&self) -> impl DoubleEndedIterator<Item = (ServiceId, &str)> {
        self.hosted.iter().filter_map(|hosted| Some((hosted.service?, &*hosted.name)))
    }

    fn names(&self) -> String {
        self.named().map(|(_, name)| name).collect::<Vec<_>>().join(", ")
    }
}

impl Default for Services {
    fn default() -> Self {
        Services::new()
    }
}

/// Serves the services without a handler: it closes their connections.
struct Unserved;

impl Handler for Unserved {
    type Session = ();

    fn open(&mut self, _: &Origin, cx: &mut Context<'_>) {
        cx.close();
    }

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], _: &mut Context<'a>) -> usize {
        input.len()
    }
}

impl Handler for Services {
    type Session = ServiceSession;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> ServiceSession {
        let position = self.position(cx.service());
        ServiceSession { position, inner: self.at(position).open(origin, cx) }
    }

    fn data<'a>(&mut self, session: &mut ServiceSession, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        self.at(session.position).data(&mut session.inner, input, cx)
    }

    fn kicked(&mut self, session: &mut ServiceSession, reason: &str, cx: &mut Context<'_>) {
        self.at(session.position).kicked(&mut session.inner, reason, cx);
    }

    events! { connection => forward(self, session, cx) to self.at(session.position), &mut session.inner }
    events! { service => forward(self, cx) to self.get(cx.service()) }

    fn closed(&mut self, session: ServiceSession, cause: &Closed, cx: &mut Context<'_>) {
        self.at(session.position).closed(session.inner, cause, cx);
    }

    fn console(&mut self, line: &[u8], cx: &mut Context<'_>) {
        let trimmed = line.trim_ascii();
        let end = trimmed.iter().position(u8::is_ascii_whitespace).unwrap_or(trimmed.len());
        let (word, rest) = trimmed.split_at(end);
        let named = self.named().rev().find(|(_, name)| name.as_bytes() == word).map(|(service, _)| service);
        match (named, rest.trim_ascii_start()) {
            (Some(_), b"") => {
                let name = String::from_utf8_lossy(word);
                return commands::answer(&format!("usage: {name} LINE, which gives LINE to the service {name}"), cx);
            }
            (Some(service), rest) => {
                cx.act_for(service);
                return self.get(service).console(rest, cx);
            }
            (None, _) => {}
        }
        commands::run(line, cx);
        match word {
            b"help" => commands::answer(&format!("NAME LINE  the line LINE for one of: {}", self.names()), cx),
            b"stats" => {
                for (service, name) in self.named() {
                    commands::answer(&format!("{name}: connections {}", cx.connections_of(service)), cx);
                }
            }
            _ => {}
        }
    }

    fn started(&mut self, cx: &mut Context<'_>) {
        self.call_each(cx, DynHandler::started);
    }

    /// Passes the end of input to every handler. The reactor stops if one of them stops it.
    fn console_end(&mut self, cx: &mut Context<'_>) {
        self.call_each(cx, DynHandler::console_end);
    }

    fn reload(&mut self, cx: &mut Context<'_>) {
        self.call_each(cx, DynHandler::reload);
    }

    fn stopping(&mut self, cx: &mut Context<'_>) {
        self.call_each(cx, DynHandler::stopping);
    }
}

/// A handler with boxed sessions, so that handlers with different types of sessions fit into one list.
struct Erased<H>(H);

/// Any handler in an [`Erased`].
type DynHandler = dyn Handler<Session = Box<dyn Any>>;

const OWN_SESSION: &str = "a session is passed to the handler that made it";

impl<H: Handler<Session: 'static>> Handler for Erased<H> {
    type Session = Box<dyn Any>;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Box<dyn Any> {
        Box::new(self.0.open(origin, cx))
    }

    fn data<'a>(&mut self, session: &mut Box<dyn Any>, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        self.0.data(session.downcast_mut().expect(OWN_SESSION), input, cx)
    }

    fn closed(&mut self, session: Box<dyn Any>, cause: &Closed, cx: &mut Context<'_>) {
        self.0.closed(*session.downcast().expect(OWN_SESSION), cause, cx);
    }

    fn kicked(&mut self, session: &mut Box<dyn Any>, reason: &str, cx: &mut Context<'_>) {
        self.0.kicked(session.downcast_mut().expect(OWN_SESSION), reason, cx);
    }

    events! { connection => forward(self, session, cx) to self.0, session.downcast_mut().expect(OWN_SESSION) }
    events! { service => forward(self, cx) to self.0 }
    events! { process => forward(self, cx) to self.0 }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Services").field(&self.names()).finish()
    }
}

impl fmt::Debug for ServiceSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceSession").field("position", &self.position).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
