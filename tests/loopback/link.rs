//! Links on real sockets: one that closes last at a stop, and one with limits of its own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use switchboard::{Address, Closed, Context, Handler, Limits, Link, LinkLimits, Origin, Token, Via};

use super::Running;

/// More bytes than two socket buffers take.
const PLENTY: usize = 16 << 20;

/// Announces on a link when a member comes and leaves. Members get plenty of bytes, or an echo.
struct Announcer {
    broker: Address,
    link: Link,
    greeting: usize,
    to: Option<Token>,
}

impl Announcer {
    fn tell(&self, text: &str, cx: &mut Context<'_>) {
        if let Some(to) = self.to {
            cx.send(to, text.as_bytes());
        }
    }
}

impl Handler for Announcer {
    /// Whether it is the link.
    type Session = bool;

    fn started(&mut self, cx: &mut Context<'_>) {
        self.to = Some(cx.connect(self.broker.clone(), self.link));
    }

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> bool {
        if let Via::Connect { .. } = origin.via {
            cx.reply(b"up;");
            return true;
        }
        cx.reply(&vec![0; self.greeting]);
        self.tell("came;", cx);
        false
    }

    fn data<'a>(&mut self, _: &mut bool, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        cx.reply_input(input);
        input.len()
    }

    fn dismissed(&mut self, is_link: &mut bool, cx: &mut Context<'_>) {
        if *is_link {
            cx.reply(b"bye;");
        }
    }

    fn closed(&mut self, is_link: bool, _: &Closed, cx: &mut Context<'_>) {
        if !is_link {
            self.tell("left;", cx);
        }
    }
}

/// A server with this link, and the end of the broker.
fn server(link: Link, greeting: usize) -> (Running, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("free");
    let broker: Address = listener.local_addr().expect("bound").to_string().parse().expect("an address");
    let mut limits = Limits::default();
    limits.drain = Duration::from_secs(60);
    let make = move || Announcer { broker, link, greeting, to: None };
    let running = Running::with_limits(make, &["127.0.0.1:0"], limits);
    let (mut end, _) = listener.accept().expect("the server connects");
    end.set_read_timeout(Some(Duration::from_secs(30))).expect("a valid time-out");
    expect(&mut end, "up;");
    (running, end)
}

/// Waits for exactly this text.
fn expect(stream: &mut TcpStream, text: &str) {
    let mut read = vec![0; text.len()];
    stream.read_exact(&mut read).expect("more text");
    assert_eq!(String::from_utf8_lossy(&read), text);
}

fn closes_last() -> Link {
    let mut link = Link::default();
    link.closes_last = true;
    link
}

/// A member that reads nothing yet.
fn member(running: &Running, broker: &mut TcpStream) -> TcpStream {
    let member = TcpStream::connect(running.address()).expect("the server accepts");
    expect(broker, "came;");
    member
}

#[test]
fn a_link_works_until_the_last_member_has_its_output() {
    let (running, mut broker) = server(closes_last(), PLENTY);
    let mut slow = member(&running, &mut broker);
    running.stopper.stop().expect("woken");
    expect(&mut broker, "left;");
    broker.write_all(b"still there?").expect("the link is up");
    expect(&mut broker, "still there?");
    let mut output = Vec::new();
    slow.read_to_end(&mut output).expect("an orderly end");
    assert_eq!(output.len(), PLENTY);
    drop(slow);
    let mut rest = String::new();
    broker.read_to_string(&mut rest).expect("an orderly end");
    assert_eq!(rest, "bye;");
    drop(broker);
    running.wait();
}

#[test]
fn a_second_request_to_stop_drops_a_link_that_closes_last() {
    let (running, mut broker) = server(closes_last(), PLENTY);
    let _stuck = member(&running, &mut broker);
    running.stopper.stop().expect("woken");
    expect(&mut broker, "left;");
    running.stopper.stop().expect("woken");
    running.wait();
    let mut rest = String::new();
    broker.read_to_string(&mut rest).expect("an end");
    assert_eq!(rest, "");
}

#[test]
fn a_quiet_link_ends_by_its_own_limit_and_a_member_stays() {
    let mut limits = LinkLimits::default();
    limits.idle_timeout = Some(Duration::from_millis(20));
    let mut link = Link::default();
    link.limits = Some(limits);
    let (running, mut broker) = server(link, 0);
    let mut member = TcpStream::connect(running.address()).expect("the server accepts");
    let mut rest = String::new();
    broker.read_to_string(&mut rest).expect("an orderly end");
    assert!(rest.is_empty() || rest == "came;", "{rest}");
    member.write_all(b"hello").expect("open");
    expect(&mut member, "hello");
    running.stop();
}
