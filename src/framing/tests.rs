//! Tests of what all framings have in common, and helpers for the tests of each one.

mod upgrade;

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Once;
use std::time::Duration;

use super::*;
use crate::connection::closed::Closed;
use crate::connection::link::Link;
use crate::connection::origin::{Origin, Source};
use crate::connection::timer_id::TimerId;
use crate::connection::token::Token;
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::net::Address;
use crate::servers::chunking::whole;
use crate::sim::{Ending, Sim, SimPeer, assert_chunking_law};
use crate::state::limits::Limits;
use crate::workers::{Done, Workers};

/// Replies with each call in letters: `<MESSAGE>`, `!LIMIT` for a message that is too long, `{ERROR}`, and `.` at the
/// end.
pub(super) struct Show;

impl MessageHandler for Show {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}

    fn message<'a>(&mut self, (): &mut (), message: &'a mut [u8], cx: &mut Context<'a>) {
        cx.reply(format!("<{}>", message.escape_ascii()).as_bytes());
    }

    fn too_long(&mut self, (): &mut (), limit: usize, cx: &mut Context<'_>) {
        cx.reply(format!("!{limit}").as_bytes());
    }

    fn framing_failed(&mut self, (): &mut (), error: &FramingError, cx: &mut Context<'_>) {
        cx.reply(format!("{{{error}}}").as_bytes());
    }

    fn eof(&mut self, (): &mut (), cx: &mut Context<'_>) {
        cx.reply(b".");
        cx.close();
    }
}

/// The replies to a peer that sends `input` at once and ends its side. The server must end its side, too.
pub(super) fn shown<H: Handler>(handler: H, input: &[u8]) -> String {
    let (received, ending) = whole(handler, input);
    assert_eq!(ending, Some(Ending::Eof));
    String::from_utf8(received).expect("replies in letters")
}

/// The replies to a peer since the last call.
pub(super) fn shown_by<H: Handler>(sim: &mut Sim<H>, peer: SimPeer) -> String {
    String::from_utf8(sim.received(peer)).expect("replies in letters")
}

/// The messages as `write` encodes them, one after the other.
pub(super) fn encoded<M: AsRef<[u8]>>(
    messages: &[M],
    write: impl Fn(&mut Vec<u8>, &[u8]) -> io::Result<()>,
) -> Vec<u8> {
    let mut out = Vec::new();
    for message in messages {
        write(&mut out, message.as_ref()).expect("room in memory");
    }
    out
}

/// The expected replies to `messages` with a limit of `limit` bytes, and the expected ending.
pub(super) fn pending<M: AsRef<[u8]>>(messages: &[M], limit: usize) -> (Vec<u8>, Option<Ending>) {
    let show = |message: &[u8]| {
        if message.len() > limit { format!("!{limit}") } else { format!("<{}>", message.escape_ascii()) }
    };
    let pending = messages.iter().map(|message| show(message.as_ref()));
    (format!("{}.", pending.collect::<Vec<_>>().concat()).into_bytes(), Some(Ending::Eof))
}

/// Replies with each message, and closes after one with a `#`. Does not reply to errors.
struct Quits;

impl MessageHandler for Quits {
    type Session = ();
    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}
    fn message<'a>(&mut self, (): &mut (), message: &'a mut [u8], cx: &mut Context<'a>) {
        cx.reply(message);
        if message.contains(&b'#') {
            cx.close();
        }
    }
    fn framing_failed(&mut self, (): &mut (), _: &FramingError, _: &mut Context<'_>) {}
}

#[test]
fn nothing_is_shown_to_a_session_that_has_ended() {
    assert_eq!(shown(Lines::new(Quits, 9), b"a\nb#\nc\n"), "ab#");
    assert_eq!(shown(Netstrings::new(Quits, 9), b"1:a,2:b#,1:c,broken"), "ab#");
    assert_eq!(shown(LengthPrefixed::new(Quits, LengthPrefix::U8, 9), b"\x01a\x02b#\x01c"), "ab#");
    assert_eq!(shown(Fixed::new(Quits, 2), b"aab#cc"), "aab#");
}

#[test]
fn malformed_input_ends_the_session_whatever_the_handler_does() {
    let mut sim = Sim::new(Netstrings::new(Quits, 9));
    let peer = sim.connect();
    sim.send(peer, b"1:a,broken1:b,");
    assert_eq!((sim.received(peer), sim.ending(peer)), (b"a".to_vec(), Some(Ending::Eof)));
    assert_chunking_law(|| Netstrings::new(Quits, 9), b"1:a,broken1:b,");
}

/// Sends a message that fills the inbox, or exceeds it, byte by byte.
#[test]
fn the_inbox_needs_room_for_a_whole_framed_message() {
    fn check<H: Handler>(make: impl Fn() -> H, input: &[u8]) {
        for (inbox, is_served) in [(input.len(), true), (input.len() - 1, false)] {
            let mut sim = Sim::with_limits(make(), Limits { inbox, ..Limits::default() });
            let peer = sim.connect();
            for byte in input {
                sim.send(peer, &[*byte]);
                sim.run();
            }
            assert_eq!(shown_by(&mut sim, peer) == "<exactly 12 !>", is_served, "inbox of {inbox}");
            assert_eq!(sim.ending(peer).is_none(), is_served);
        }
    }
    check(|| Lines::new(Show, 12), b"exactly 12 !\r\n");
    check(|| Netstrings::new(Show, 12), b"12:exactly 12 !,");
    check(|| LengthPrefixed::new(Show, LengthPrefix::U16, 12), b"\x00\x0cexactly 12 !");
    check(|| Fixed::new(Show, 12), b"exactly 12 !");
}

/// Records every call.
struct Recorder {
    calls: Vec<String>,
    workers: Workers<()>,
}

impl Recorder {
    fn offload(&self, what: &'static str, cx: &mut Context<'_>) {
        cx.offload(&self.workers, move |()| what).expect("room for a job");
    }

    fn take(done: Done) -> &'static str {
        done.downcast().expect("the name of a job")
    }
}

impl MessageHandler for Recorder {
    type Session = char;

    fn open(&mut self, _: &Origin, cx: &mut Context<'_>) -> char {
        cx.set_timer(Duration::from_secs(1));
        's'
    }
    fn message<'a>(&mut self, session: &mut char, message: &'a mut [u8], cx: &mut Context<'a>) {
        self.calls.push(format!("{session} message {}", message.len()));
        cx.reply(&vec![b'x'; 1000 * message.len()]);
        self.offload("work", cx);
    }
    fn too_long(&mut self, session: &mut char, limit: usize, _: &mut Context<'_>) {
        self.calls.push(format!("{session} too long {limit}"));
    }
    fn framing_failed(&mut self, session: &mut char, error: &FramingError, _: &mut Context<'_>) {
        self.calls.push(format!("{session} {error}"));
    }
    fn eof(&mut self, session: &mut char, cx: &mut Context<'_>) {
        self.calls.push(format!("{session} eof"));
        cx.close();
    }
    fn drained(&mut self, session: &mut char, _: &mut Context<'_>) {
        self.calls.push(format!("{session} drained"));
    }
    fn timer(&mut self, session: &mut char, _: TimerId, _: &mut Context<'_>) {
        self.calls.push(format!("{session} timer"));
    }
    fn done(&mut self, session: &mut char, done: Done, _: &mut Context<'_>) {
        self.calls.push(format!("{session} done: {}", Recorder::take(done)));
    }
    fn dismissed(&mut self, session: &mut char, _: &mut Context<'_>) {
        self.calls.push(format!("{session} dismissed"));
    }
    fn closed(&mut self, session: char, why: &Closed, _: &mut Context<'_>) {
        self.calls.push(format!("{session} closed: {why}"));
    }
    fn datagram<'a>(&mut self, source: &Source, input: &'a mut [u8], _: &mut Context<'a>) {
        self.calls.push(format!("datagram {} {}", source.address, input.len()));
    }
    fn console(&mut self, line: &[u8], cx: &mut Context<'_>) {
        self.calls.push(format!("console {}", line.escape_ascii()));
        cx.set_timer(Duration::from_secs(2));
        self.offload("chore", cx);
    }
    fn console_end(&mut self, _: &mut Context<'_>) {
        self.calls.push("console end".to_string());
    }
    fn service_timer(&mut self, _: TimerId, _: &mut Context<'_>) {
        self.calls.push("service timer".to_string());
    }
    fn service_done(&mut self, done: Done, _: &mut Context<'_>) {
        self.calls.push(format!("service done: {}", Recorder::take(done)));
    }
    fn connect_failed(&mut self, _: Token, to: &Address, error: &io::Error, _: &mut Context<'_>) {
        self.calls.push(format!("connect failed {to}: {error}"));
    }
}

#[test]
fn all_events_are_forwarded_and_input_becomes_messages() {
    let recorder = Recorder { calls: Vec::new(), workers: Workers::new("recorder", 10, vec![()]) };
    let limits = Limits { max_queue: Some(4000), ..Limits::default() };
    let mut sim = Sim::with_limits(Netstrings::new(recorder, 3), limits);
    let peer = sim.connect();
    sim.stall(peer);
    sim.send(peer, b"3:abc,4:long,");
    sim.run();
    sim.resume(peer);
    sim.console(b"typed\n");
    sim.console_end();
    sim.datagram(SocketAddr::from((Ipv4Addr::LOCALHOST, 5000)), b"any\nlines");
    let to: Address = "127.0.0.1:1".parse().expect("an address");
    sim.with_context(|_, cx| _ = cx.connect(to.clone(), Link::default()));
    sim.refused(&to, io::ErrorKind::ConnectionRefused.into());
    sim.advance(Duration::from_secs(3));
    sim.send(peer, b"2:");
    sim.shut_down(peer);
    sim.run();
    sim.connect();
    sim.stop();
    let calls = &sim.handler_mut().get_ref().calls;
    assert_eq!(
        calls[..],
        [
            "s message 3",
            "s done: work",
            "s drained",
            "s too long 3",
            "console typed\\n",
            "service done: chore",
            "console end",
            "datagram 127.0.0.1:5000 9",
            "connect failed 127.0.0.1:1: connection refused",
            "s timer",
            "service timer",
            "s the input ended within a message, after 2 of its 5 bytes",
            "s eof",
            "s closed: done",
            "s dismissed",
            "s closed: stopping",
        ]
    );
}

thread_local! {
    /// The warnings logged by this thread.
    static WARNINGS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Log;

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        WARNINGS.with_borrow_mut(|warnings| warnings.push(format!("{} {}", record.level(), record.args())));
    }
    fn flush(&self) {}
}

/// The warnings that this thread logs during `act`.
fn warnings(act: impl FnOnce()) -> Vec<String> {
    static START: Once = Once::new();
    START.call_once(|| {
        log::set_logger(&Log).expect("no other test takes the log");
        log::set_max_level(log::LevelFilter::Warn);
    });
    WARNINGS.take();
    act();
    WARNINGS.take()
}

#[test]
fn incomplete_and_malformed_input_is_always_logged() {
    let cut = warnings(|| drop(shown(Fixed::new(Quits, 3), b"abcde")));
    assert_eq!(cut, ["WARN 127.0.0.1:10000: the input ended within a message, after 2 of its 3 bytes"]);
    let malformed = warnings(|| drop(shown(Netstrings::new(Quits, 3), b"abc")));
    assert_eq!(malformed, ["WARN 127.0.0.1:10000: malformed input: expected a digit at offset 0, found 'a'"]);
    let clean = warnings(|| drop(shown(Lines::new(Quits, 3), b"ab\ncut")));
    assert_eq!(clean, [""; 0]);
}
