//! The polite clients: each says a line at a fixed pace, and checks every byte that it is owed.
//!
//! All on one thread, so that it is one clock that measures; what they hear is judged on another one. A line is said
//! when its time has come, whether or not the last one was answered: a server that stands still for half a second is
//! seen in every line of that half second, not in one.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::books::{Books, Event, Report};
use crate::dial::{self, Window};
use crate::kind::Kind;
use crate::page;
use crate::process::go_before_others;
use crate::server::Server;
use crate::site::ENDLESS;
use crate::speech;

/// How many they are.
pub(crate) const CROWD: usize = 20;

/// What the lines that are said now count for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Not measured, because clients come or go. The bytes are still checked.
    Between = 0,
    /// Before the fault.
    Quiet = 1,
    /// During the fault.
    Fault = 2,
    /// No more lines are said.
    Leaving = 3,
}

impl From<u8> for Phase {
    fn from(number: u8) -> Phase {
        [Phase::Between, Phase::Quiet, Phase::Fault, Phase::Leaving][usize::from(number)]
    }
}

/// A crowd that is at it.
#[derive(Debug)]
pub(crate) struct Polite {
    phase: Arc<AtomicU8>,
    thread: JoinHandle<io::Result<Report>>,
}

impl Polite {
    /// Connects them all, and lets them begin.
    pub(crate) fn gather(server: &Server, kind: Kind) -> io::Result<Polite> {
        let phase = Arc::new(AtomicU8::new(Phase::Between as u8));
        let mut crowd = Crowd::gather(server, kind, Arc::clone(&phase))?;
        let thread = thread::spawn(move || {
            go_before_others()?;
            crowd.run()?;
            crowd.books.close()
        });
        Ok(Polite { phase, thread })
    }

    pub(crate) fn begin(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Lets them finish: they wait for what they are owed, but not for ever.
    pub(crate) fn finish(self) -> io::Result<Report> {
        self.begin(Phase::Leaving);
        self.thread.join().map_err(|_| io::Error::other("the polite clients panicked: a bug of this program"))?
    }
}

struct Member {
    stream: TcpStream,
    unsent: Vec<u8>,
    /// How many lines.
    said: u64,
    is_closed: bool,
}

struct Crowd {
    kind: Kind,
    poll: Poll,
    members: Vec<Member>,
    phase: Arc<AtomicU8>,
    /// Between one line of anybody and the next one.
    pace: Duration,
    books: Books,
}

impl Crowd {
    fn gather(server: &Server, kind: Kind, phase: Arc<AtomicU8>) -> io::Result<Crowd> {
        let (poll, books, mut members) = (Poll::new()?, Books::open(kind, CROWD), Vec::new());
        for me in 0..CROWD {
            let is_elsewhere = kind == Kind::Web && !kind.is_at_web_door(me);
            let address = if is_elsewhere { server.second()? } else { server.address };
            let (stream, unread) = arrive(address, kind, me)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(me), Interest::READABLE | Interest::WRITABLE)?;
            books.note(Event::Heard(me, unread, Instant::now()));
            members.push(Member { stream, unsent: Vec::new(), said: 0, is_closed: false });
        }
        // In a room what one says all others hear, so that there is as much to hear.
        let each = Duration::from_millis(if kind.is_room() { 200 } else { 20 });
        Ok(Crowd { kind, poll, members, phase, pace: each / CROWD as u32, books })
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(CROWD);
        let (mut due, mut turn, mut leaving) = (Instant::now(), 0, None);
        loop {
            let now = Instant::now();
            if self.phase.load(Ordering::Relaxed) == Phase::Leaving as u8 {
                if leaving.is_none() {
                    self.books.note(Event::Leaving);
                }
                if self.books.is_settled() || now - *leaving.get_or_insert(now) > dial::TIMEOUT {
                    return Ok(());
                }
                due = now + Duration::from_millis(5);
            }
            while due <= now {
                self.speak(turn % CROWD);
                turn += 1;
                due += self.pace;
            }
            match self.poll.poll(&mut events, Some(due.saturating_duration_since(Instant::now()))) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                self.serve(event.token().0);
            }
        }
    }

    fn speak(&mut self, speaker: usize) {
        let phase = Phase::from(self.phase.load(Ordering::Relaxed));
        if self.members[speaker].is_closed {
            return;
        }
        self.books.note(Event::Said(speaker, phase, Instant::now()));
        let member = &mut self.members[speaker];
        let line = self.kind.said(speaker, member.said);
        member.said += 1;
        member.unsent.extend_from_slice(&line);
        self.write(speaker);
    }

    fn serve(&mut self, nth: usize) {
        self.write(nth);
        let mut buffer = [0; 16_384];
        while !self.members[nth].is_closed {
            match self.members[nth].stream.read(&mut buffer) {
                Ok(0) => self.close(nth, "its connection was ended".into()),
                Ok(count) => self.books.note(Event::Heard(nth, buffer[..count].to_vec(), Instant::now())),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.close(nth, error.to_string()),
            }
        }
    }

    /// What the kernel refuses waits for the next writable edge.
    fn write(&mut self, nth: usize) {
        let member = &mut self.members[nth];
        while !member.unsent.is_empty() && !member.is_closed {
            match member.stream.write(&member.unsent) {
                Ok(count) => drop(member.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.close(nth, error.to_string()),
            }
        }
    }

    fn close(&mut self, nth: usize, how: String) {
        self.members[nth].is_closed = true;
        self.books.note(Event::Closed(nth, how));
    }
}

/// One more polite client, and what it has heard beyond its welcome.
fn arrive(address: SocketAddr, kind: Kind, me: usize) -> io::Result<(std::net::TcpStream, Vec<u8>)> {
    let mut stream = dial::dial(address, Window::Usual)?;
    let mut unread = Vec::new();
    if kind.is_at_web_door(me) {
        stream.write_all(&[kind.opening(address), kind.message(&speech::name(me))].concat())?;
        unread = page::welcome(&mut stream, me)?;
    } else if kind.is_room() {
        let count = if me == 0 { "1 person is".into() } else { format!("{} persons are", me + 1) };
        let welcome = format!("Enter your nickname: Welcome {} to the room!\n{count} here.\n", speech::name(me));
        stream.write_all(format!("{}\n", speech::name(me)).as_bytes())?;
        unread = dial::read_until(&mut stream, b" here.\n")?;
        if !unread.starts_with(welcome.as_bytes()) {
            return Err(io::Error::other(format!("its welcome is {:?}", unread.escape_ascii().to_string())));
        }
        unread.drain(..welcome.len());
    }
    if kind == Kind::Http {
        // From then on the server keeps this file open, so a fault that asks for it takes no descriptor.
        stream.write_all(format!("HEAD {ENDLESS} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
        dial::read_until(&mut stream, b"\r\n\r\n")?;
    }
    stream.set_nonblocking(true)?;
    Ok((stream, unread))
}
