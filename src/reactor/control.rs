//! The control socket: operators that connect to a Unix path.
//!
//! A client sends lines, which are commands as at the console, and reads the answers. The end of its input ends the
//! client after its answers, and never the reactor.
//!
//! Invariants: no call blocks. A client is not read while it has answers to read, and it is served within a budget, so
//! a stalled client delays nothing and its memory has a limit. A client is no connection: it has no session, and no
//! limit or figure counts it.

use std::io;
#[cfg(feature = "cli")]
use std::os::fd::BorrowedFd;

use mio::Registry;

use crate::connection::edge::Edge;
use crate::connection::stream::{Received, Stream};
use crate::console::{LineBuffer, Piece};
use crate::handler::Handler;
#[cfg(feature = "cli")]
use crate::net::PathGuard;
use crate::net::{Listener, SocketOptions};
use crate::reactor::dispatcher::Dispatcher;
use crate::reactor::side_listener::SideListener;
use crate::state::State;
use crate::state::operator::OperatorId;
use crate::state::stop::Stop;

/// Mode of the file: only the owner may connect.
const MODE: u32 = 0o600;

/// Clients at a time. 16: one for each operator and script of a large site.
const MOST_CLIENTS: usize = 16;

/// Lines and reads of one client in a turn. 64: a paste of a screen takes one turn.
const TURN_STEPS: usize = 64;

/// Bytes of one read. 4096: the default limit of a line.
const CHUNK: usize = 4096;

/// While a client has more bytes of answers to read, its lines wait. 64 KiB: several of the longest listings.
const MOST_ANSWERS: usize = 64 * 1024;

const TOO_MANY: &[u8] = b"too many control clients, at most 16; try again later\n";

type ControlListener = SideListener<Client, MOST_CLIENTS>;

/// The number of the poll's tokens that a control socket needs: the first is the listener's.
pub(crate) const TOKENS: usize = ControlListener::TOKENS;

/// A control socket and its clients.
#[derive(Debug)]
pub(crate) struct Control {
    listener: ControlListener,
    max_line: usize,
}

/// One operator.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent states of the two directions")]
struct Client {
    id: OperatorId,
    stream: Stream,
    lines: LineBuffer,
    /// The kernel may have input: no read has met `WouldBlock` since the last edge.
    may_read: bool,
    /// The kernel may take output.
    may_write: bool,
    /// The end of input was read.
    has_ended: bool,
    /// Every line was used, and a read would block.
    is_idle: bool,
    /// The transport has failed.
    is_dead: bool,
}

impl Control {
    /// The options of its sockets.
    pub(crate) fn socket_options() -> SocketOptions {
        SocketOptions { unix_mode: MODE, backlog: MOST_CLIENTS as u32, ..SocketOptions::default() }
    }

    /// Serves the clients of `listeners`. These have the token `first_token`, and the clients have those after it.
    ///
    /// # Errors
    /// The errors of the poll.
    pub(crate) fn open(
        listeners: Vec<Listener>,
        registry: Registry,
        first_token: usize,
        max_line: usize,
    ) -> io::Result<Self> {
        let listener = SideListener::open("the control socket", listeners, registry, first_token)?;
        Ok(Control { listener, max_line })
    }

    /// Notes an edge of the token at `offset` after the first one.
    pub(crate) fn wake(&mut self, offset: usize, edge: Edge) {
        if let Some(client) = self.listener.wake(offset) {
            client.may_write |= edge.writable;
            if (edge.readable || edge.read_closed) && !client.has_ended {
                client.may_read = true;
                client.is_idle = false;
            }
        }
    }

    /// Whether [`serve`](Self::serve) has work without a new edge.
    pub(crate) fn is_ready(&self, state: &mut State) -> bool {
        self.listener.may_accept() || self.listener.clients.iter().flatten().any(|client| client.takes_line(state))
    }

    /// Accepts clients, and passes their lines to the handler.
    pub(crate) fn serve<H: Handler>(&mut self, dispatcher: &mut Dispatcher<H>) {
        let new = |stream| Client::new(dispatcher.state.operator.add(), stream, self.max_line);
        self.listener.accept(TOO_MANY, |_| None, new);
        for client in self.listener.clients.iter_mut().flatten() {
            client.serve(dispatcher);
        }
    }

    /// Writes answers, as far as the kernel takes them, and drops the clients that are done.
    pub(crate) fn write(&mut self, state: &mut State) {
        for slot in &mut self.listener.clients {
            let Some(client) = slot else { continue };
            client.write(state);
            if client.is_done(state) {
                state.operator.remove(client.id);
                *slot = None;
            }
        }
    }

    /// The sockets, with the guards of their paths.
    #[cfg(feature = "cli")]
    pub(crate) fn sockets(&self) -> impl Iterator<Item = (BorrowedFd<'_>, Option<&PathGuard>)> {
        self.listener.sockets()
    }

    /// Leaves the sockets and their path to another process, and closes the rest.
    #[cfg(feature = "cli")]
    pub(crate) fn release(&mut self) {
        self.listener.release();
        self.end_clients();
    }

    /// Keeps the sockets and their path, so that new clients wait, and closes the rest.
    #[cfg(feature = "cli")]
    pub(crate) fn hold(&mut self) {
        self.listener.hold();
        self.end_clients();
    }

    /// Closes the listener, which removes its path, and uses no further line.
    pub(crate) fn close(&mut self) {
        self.listener.close();
        self.end_clients();
    }

    /// Uses no further line. Answers are still written.
    fn end_clients(&mut self) {
        for client in self.listener.clients.iter_mut().flatten() {
            client.lines = LineBuffer::new(self.max_line);
            client.has_ended = true;
            client.is_idle = true;
        }
    }
}

impl Client {
    fn new(id: OperatorId, stream: Stream, max_line: usize) -> Self {
        Client {
            id,
            stream,
            lines: LineBuffer::new(max_line),
            may_read: true,
            may_write: true,
            has_ended: false,
            is_idle: false,
            is_dead: false,
        }
    }

    /// Whether a line may be found without a new edge, and may be used now.
    fn takes_line(&self, state: &mut State) -> bool {
        let has_room = state.operator.unread_answers(self.id) <= MOST_ANSWERS;
        !self.is_idle && !self.is_dead && has_room && !state.are_operators_paused()
    }

    /// Passes lines to the handler, within the budget of the turn.
    fn serve<H: Handler>(&mut self, dispatcher: &mut Dispatcher<H>) {
        for _ in 0..TURN_STEPS {
            if !self.takes_line(&mut dispatcher.state) || dispatcher.state.stop > Stop::Running {
                return;
            }
            match self.lines.take() {
                Some(Piece::Line(range)) => {
                    let line = self.lines.bytes(range);
                    dispatcher.call_operator(self.id, |handler, cx| handler.console(line, cx));
                    let stop = dispatcher.state.stop;
                    if stop > Stop::Running {
                        stop.log(&format!("{} at the control socket", String::from_utf8_lossy(line.trim_ascii())));
                    }
                }
                Some(Piece::TooLong) => {
                    let limit = dispatcher.state.limits.console_line;
                    let text = format!("discarded a line of more than {limit} bytes\n");
                    dispatcher.state.operator.answer(self.id, text.as_bytes());
                }
                None => self.read(),
            }
        }
    }

    /// Reads once.
    fn read(&mut self) {
        if self.has_ended || !self.may_read {
            self.is_idle = true;
            return;
        }
        let mut chunk = [0; CHUNK];
        match self.stream.read(&mut chunk) {
            Ok(Received::Bytes(count)) => self.lines.push(&chunk[..count]),
            Ok(Received::Eof) => {
                self.has_ended = true;
                self.lines.finish();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.may_read = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.fail(&error),
        }
    }

    fn write(&mut self, state: &mut State) {
        let Some(answers) = state.operator.answers_mut(self.id) else { return };
        while self.may_write && !self.is_dead && !answers.is_empty() {
            match self.stream.write(answers.unsent()) {
                Ok(count) => answers.consume(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.may_write = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.fail(&error),
            }
        }
    }

    fn fail(&mut self, error: &io::Error) {
        log::debug!("a client of the control socket is gone: {error}");
        self.is_dead = true;
    }

    /// Whether nothing is left to do for this client.
    fn is_done(&self, state: &State) -> bool {
        self.is_dead || self.has_ended && self.is_idle && state.operator.is_answered(self.id)
    }
}
