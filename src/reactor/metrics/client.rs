//! One client of the metrics listener: a connection on which requests and answers alternate.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use crate::connection::edge::Edge;
use crate::connection::outbox::Outbox;
use crate::connection::stream::{Received, Stream};
use crate::reactor::metrics::request::{self, MOST_HEAD, Parsed, Request};

/// Time for a request to arrive, for an answer to be taken, and for the peer to end its side after the last answer.
const STEP_TIME: Duration = Duration::from_secs(5);

/// Time between two requests. 5 minutes: a client of Prometheus keeps a connection for as long, and asks each minute.
const IDLE_TIME: Duration = Duration::from_secs(300);

/// Reads, writes and answers of one client in a turn. 16: a pipeline of several requests takes one turn.
const TURN_STEPS: usize = 16;

/// Bytes of one read.
const CHUNK: usize = 4096;

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has its answers, and has sent nothing since.
    Idle,
    /// It sends a request.
    Asking,
    /// It reads its answer.
    Reading,
    /// It reads the last answer of this connection.
    ReadingLast,
    /// Our side is shut down. What the peer still sends is discarded, since a close with unread input would reset the
    /// connection, and the peer would lose its answer (RFC 9112, section 9.6).
    Lingering,
    Over,
}

/// One client.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent states")]
pub(super) struct Client {
    stream: Stream,
    stage: Stage,
    /// The part of a request that has arrived.
    head: Vec<u8>,
    /// The part of an answer that the kernel has not taken.
    answer: Outbox,
    may_read: bool,
    may_write: bool,
    /// When the stage has to end.
    deadline: Instant,
    /// The next step needs an edge.
    is_blocked: bool,
    /// The next answer is the last one.
    is_leaving: bool,
}

impl Client {
    pub(super) fn new(stream: Stream, now: Instant) -> Self {
        Client {
            stream,
            stage: Stage::Asking,
            head: Vec::new(),
            answer: Outbox::default(),
            may_read: true,
            may_write: true,
            deadline: now + STEP_TIME,
            is_blocked: false,
            is_leaving: false,
        }
    }

    /// Ends the connection after the request that has begun, or now if there is none.
    #[cfg(feature = "cli")]
    pub(super) fn leave(&mut self) {
        self.is_leaving = true;
        self.is_blocked = false;
    }

    /// Notes an edge.
    pub(super) fn wake(&mut self, edge: Edge) {
        self.may_read |= edge.readable || edge.read_closed;
        self.may_write |= edge.writable;
        self.is_blocked = false;
    }

    /// Whether [`serve`](Self::serve) has work without a new edge.
    pub(super) fn is_ready(&self) -> bool {
        !self.is_blocked
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The wait for input of this client: in the middle of a request or not, and when the client is closed.
    pub(super) fn waits_until(&self) -> Option<(bool, Instant)> {
        match self.stage {
            Stage::Idle => Some((false, self.deadline)),
            Stage::Asking => Some((true, self.deadline)),
            _ => None,
        }
    }

    /// Whether the client has ended, or its deadline is not after `horizon`.
    pub(super) fn is_over(&self, horizon: Instant) -> bool {
        if self.stage != Stage::Over && self.deadline <= horizon {
            log::debug!("closed a client of the metrics listener: it took too long ({:?})", self.stage);
            return true;
        }
        self.stage == Stage::Over
    }

    /// Takes steps within the budget of the turn. `respond` returns the answer to a request.
    pub(super) fn serve(&mut self, now: Instant, mut respond: impl FnMut(Request) -> Vec<u8>) {
        for _ in 0..TURN_STEPS {
            if self.is_blocked || self.stage == Stage::Over {
                return;
            }
            if let Err(error) = self.step(now, &mut respond) {
                match error.kind() {
                    ErrorKind::WouldBlock => self.is_blocked = true,
                    ErrorKind::Interrupted => {}
                    _ => {
                        log::debug!("a client of the metrics listener is gone: {error}");
                        self.stage = Stage::Over;
                    }
                }
            }
        }
    }

    fn step(&mut self, now: Instant, respond: &mut impl FnMut(Request) -> Vec<u8>) -> io::Result<()> {
        match self.stage {
            Stage::Idle | Stage::Asking => self.ask(now, respond),
            Stage::Reading | Stage::ReadingLast => self.write(now),
            Stage::Lingering => self.read(|_, _| ()),
            Stage::Over => Ok(()),
        }
    }

    /// Answers the request that has arrived, or reads more of it.
    fn ask(&mut self, now: Instant, respond: &mut impl FnMut(Request) -> Vec<u8>) -> io::Result<()> {
        let (used, mut request) = match request::parse(&self.head) {
            Parsed::Request(used, request) => (used, request),
            Parsed::Partial if self.head.len() < MOST_HEAD => {
                let was_idle = self.head.is_empty() && self.stage == Stage::Idle;
                let read = self.read(|client, bytes| client.head.extend_from_slice(bytes));
                let is_blocked = read.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
                if is_blocked && was_idle && self.is_leaving {
                    return self.linger(now);
                }
                read?;
                if was_idle && !self.head.is_empty() {
                    self.enter(Stage::Asking, now + STEP_TIME);
                }
                return Ok(());
            }
            Parsed::Partial => (self.head.len(), Request::too_large()),
        };
        request.is_last |= self.is_leaving;
        self.answer.push(&respond(request));
        self.head.drain(..used);
        self.enter(if request.is_last { Stage::ReadingLast } else { Stage::Reading }, now + STEP_TIME);
        Ok(())
    }

    /// Writes once, and ends the stage after the last byte.
    fn write(&mut self, now: Instant) -> io::Result<()> {
        if !self.may_write {
            return Err(ErrorKind::WouldBlock.into());
        }
        let written = self.stream.write(self.answer.unsent());
        self.may_write = !matches!(&written, Err(error) if error.kind() == ErrorKind::WouldBlock);
        self.answer.consume(written?);
        if !self.answer.is_empty() {
            return Ok(());
        }
        if self.stage == Stage::ReadingLast {
            return self.linger(now);
        }
        if self.head.is_empty() {
            self.enter(Stage::Idle, now + IDLE_TIME);
        } else {
            self.enter(Stage::Asking, now + STEP_TIME);
        }
        Ok(())
    }

    /// Reads once. The end of the input ends the client: each request before it has its answer.
    fn read(&mut self, take: impl FnOnce(&mut Self, &[u8])) -> io::Result<()> {
        if !self.may_read {
            return Err(ErrorKind::WouldBlock.into());
        }
        let mut chunk = [0; CHUNK];
        let received = self.stream.read(&mut chunk);
        self.may_read = !matches!(&received, Err(error) if error.kind() == ErrorKind::WouldBlock);
        match received? {
            Received::Bytes(count) => take(self, &chunk[..count]),
            Received::Eof => self.stage = Stage::Over,
        }
        Ok(())
    }

    fn linger(&mut self, now: Instant) -> io::Result<()> {
        self.head = Vec::new();
        self.enter(Stage::Lingering, now + STEP_TIME);
        self.stream.shutdown_write()
    }

    fn enter(&mut self, stage: Stage, deadline: Instant) {
        (self.stage, self.deadline) = (stage, deadline);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

    /// A client at the time `now`, and its peer.
    fn client(now: Instant) -> (Client, UnixStream) {
        let (peer, stream) = UnixStream::pair().expect("two descriptors");
        stream.set_nonblocking(true).expect("a socket");
        (Client::new(Stream::Unix(mio::net::UnixStream::from_std(stream)), now), peer)
    }

    /// Serves the client after an edge in both directions.
    fn serve(client: &mut Client, now: Instant, answer: &[u8]) {
        client.wake(Edge { readable: true, writable: true, read_closed: false, write_closed: false, urgent: false });
        client.serve(now, |_| answer.to_vec());
    }

    #[test]
    fn each_stage_has_its_time() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let (mut client, mut peer) = client(start);
        serve(&mut client, start, b"ok");
        assert!(!client.is_over(after(4)) && client.is_over(after(5)), "a request has to come");
        peer.write_all(REQUEST).expect("room");
        serve(&mut client, after(4), b"ok");
        assert_eq!(client.waits_until(), Some((false, after(304))));
        // A request begins: the time of its first byte counts, and no later one.
        for (byte, at) in REQUEST.iter().zip([100, 103, 104]) {
            peer.write_all(&[*byte]).expect("room");
            serve(&mut client, after(at), b"ok");
        }
        assert_eq!(client.waits_until(), Some((true, after(105))));
        assert!(!client.is_over(after(104)) && client.is_over(after(105)));
    }

    #[test]
    fn an_answer_that_is_not_taken_has_a_time() {
        let start = Instant::now();
        let (mut client, mut peer) = client(start);
        let answer = vec![b'x'; 10 << 20];
        peer.write_all(&REQUEST.repeat(2)).expect("room");
        serve(&mut client, start, &answer);
        assert_eq!((client.stage, client.is_ready(), client.waits_until()), (Stage::Reading, false, None));
        let mut some = vec![0; 1 << 16];
        peer.read_exact(&mut some).expect("a part of the answer");
        serve(&mut client, start + Duration::from_secs(3), &answer);
        assert!(client.answer.len() <= answer.len(), "the second request waits");
        assert!(client.is_over(start + STEP_TIME), "the time is that of the whole answer");
    }

    #[test]
    fn the_end_of_the_peer_ends_the_client() {
        let (mut client, peer) = client(Instant::now());
        drop(peer);
        serve(&mut client, Instant::now(), b"");
        assert_eq!(client.stage, Stage::Over);
    }
}
