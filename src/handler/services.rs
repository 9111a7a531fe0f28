//! Several handlers in one reactor: each serves its own listeners, all share the loop, the console and the process.
//!
//! Invariant: a handler is called only for what is its own: its connections, its datagrams, its timers, jobs and outbound
//! connections, and the console lines that begin with its name. What it costs is one virtual call, and a box for each
//! session that is not empty; a handler by itself needs neither.

use std::any::Any;
use std::fmt;
use std::io;

use crate::connection::closed::Closed;
use crate::connection::framing_error::FramingError;
use crate::connection::origin::{Origin, Source};
use crate::connection::timer_id::TimerId;
use crate::handler::Handler;
use crate::handler::commands as command;
use crate::handler::context::Context;
use crate::net::Address;
use crate::workers::Done;

/// Hosts several handlers in one [`Reactor`](crate::Reactor).
///
/// The first handler serves the listeners that come before the first call of
/// [`Reactor::begin_service`](crate::Reactor::begin_service), the second one those between the first and the second call,
/// and so on.
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
    hosted: Vec<(Box<str>, Box<dyn DynHandler>)>,
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
        self.hosted.push((name.into(), Box::new(handler)));
    }

    /// The handler of a service. A number beyond the last handler's is a service that nobody was added for.
    fn get(&mut self, service: u16) -> &mut dyn DynHandler {
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
        self.get(session.service).data(&mut *session.inner, input, cx)
    }

    fn too_long(&mut self, session: &mut ServiceSession, limit: usize, cx: &mut Context<'_>) {
        self.get(session.service).too_long(&mut *session.inner, limit, cx);
    }

    fn framing_failed(&mut self, session: &mut ServiceSession, error: &FramingError, cx: &mut Context<'_>) {
        self.get(session.service).framing_failed(&mut *session.inner, error, cx);
    }

    fn eof(&mut self, session: &mut ServiceSession, cx: &mut Context<'_>) {
        self.get(session.service).eof(&mut *session.inner, cx);
    }

    fn drained(&mut self, session: &mut ServiceSession, cx: &mut Context<'_>) {
        self.get(session.service).drained(&mut *session.inner, cx);
    }

    fn timer(&mut self, session: &mut ServiceSession, timer: TimerId, cx: &mut Context<'_>) {
        self.get(session.service).timer(&mut *session.inner, timer, cx);
    }

    fn done(&mut self, session: &mut ServiceSession, done: Done, cx: &mut Context<'_>) {
        self.get(session.service).done(&mut *session.inner, done, cx);
    }

    fn closed(&mut self, session: ServiceSession, why: &Closed, cx: &mut Context<'_>) {
        self.get(session.service).closed(session.inner, why, cx);
    }

    fn datagram<'a>(&mut self, source: &Source, input: &'a mut [u8], cx: &mut Context<'a>) {
        self.get(cx.service()).datagram(source, input, cx);
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

    fn service_timer(&mut self, timer: TimerId, cx: &mut Context<'_>) {
        self.get(cx.service()).service_timer(timer, cx);
    }

    fn service_done(&mut self, done: Done, cx: &mut Context<'_>) {
        self.get(cx.service()).service_done(done, cx);
    }

    fn connect_failed(&mut self, to: &Address, error: &io::Error, cx: &mut Context<'_>) {
        self.get(cx.service()).connect_failed(to, error, cx);
    }
}

/// [`Handler`] for a table of handlers: the session's type is known inside only.
trait DynHandler {
    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Box<dyn Any>;
    fn data<'a>(&mut self, session: &mut dyn Any, input: &'a mut [u8], cx: &mut Context<'a>) -> usize;
    fn too_long(&mut self, session: &mut dyn Any, limit: usize, cx: &mut Context<'_>);
    fn framing_failed(&mut self, session: &mut dyn Any, error: &FramingError, cx: &mut Context<'_>);
    fn eof(&mut self, session: &mut dyn Any, cx: &mut Context<'_>);
    fn drained(&mut self, session: &mut dyn Any, cx: &mut Context<'_>);
    fn timer(&mut self, session: &mut dyn Any, timer: TimerId, cx: &mut Context<'_>);
    fn done(&mut self, session: &mut dyn Any, done: Done, cx: &mut Context<'_>);
    fn closed(&mut self, session: Box<dyn Any>, why: &Closed, cx: &mut Context<'_>);
    fn datagram<'a>(&mut self, source: &Source, input: &'a mut [u8], cx: &mut Context<'a>);
    fn console(&mut self, line: &[u8], cx: &mut Context<'_>);
    fn service_timer(&mut self, timer: TimerId, cx: &mut Context<'_>);
    fn service_done(&mut self, done: Done, cx: &mut Context<'_>);
    fn connect_failed(&mut self, to: &Address, error: &io::Error, cx: &mut Context<'_>);
}

/// The session as its handler made it. Each connection is handed to the handler of its own service only, so it is that type.
fn of<H: Handler + 'static>(session: &mut dyn Any) -> &mut H::Session {
    session.downcast_mut().expect("a session is handed to the handler that made it")
}

impl<H: Handler + 'static> DynHandler for H {
    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> Box<dyn Any> {
        Box::new(Handler::open(self, origin, cx))
    }

    fn data<'a>(&mut self, session: &mut dyn Any, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        Handler::data(self, of::<H>(session), input, cx)
    }

    fn too_long(&mut self, session: &mut dyn Any, limit: usize, cx: &mut Context<'_>) {
        Handler::too_long(self, of::<H>(session), limit, cx);
    }

    fn framing_failed(&mut self, session: &mut dyn Any, error: &FramingError, cx: &mut Context<'_>) {
        Handler::framing_failed(self, of::<H>(session), error, cx);
    }

    fn eof(&mut self, session: &mut dyn Any, cx: &mut Context<'_>) {
        Handler::eof(self, of::<H>(session), cx);
    }

    fn drained(&mut self, session: &mut dyn Any, cx: &mut Context<'_>) {
        Handler::drained(self, of::<H>(session), cx);
    }

    fn timer(&mut self, session: &mut dyn Any, timer: TimerId, cx: &mut Context<'_>) {
        Handler::timer(self, of::<H>(session), timer, cx);
    }

    fn done(&mut self, session: &mut dyn Any, done: Done, cx: &mut Context<'_>) {
        Handler::done(self, of::<H>(session), done, cx);
    }

    fn closed(&mut self, session: Box<dyn Any>, why: &Closed, cx: &mut Context<'_>) {
        let session = session.downcast::<H::Session>().expect("a session is handed to the handler that made it");
        Handler::closed(self, *session, why, cx);
    }

    fn datagram<'a>(&mut self, source: &Source, input: &'a mut [u8], cx: &mut Context<'a>) {
        Handler::datagram(self, source, input, cx);
    }

    fn console(&mut self, line: &[u8], cx: &mut Context<'_>) {
        Handler::console(self, line, cx);
    }

    fn service_timer(&mut self, timer: TimerId, cx: &mut Context<'_>) {
        Handler::service_timer(self, timer, cx);
    }

    fn service_done(&mut self, done: Done, cx: &mut Context<'_>) {
        Handler::service_done(self, done, cx);
    }

    fn connect_failed(&mut self, to: &Address, error: &io::Error, cx: &mut Context<'_>) {
        Handler::connect_failed(self, to, error, cx);
    }
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
