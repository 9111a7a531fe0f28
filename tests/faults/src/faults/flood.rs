//! A flood of datagrams from two hundred hosts, beside polite clients over TCP and one over UDP.
//!
//! UDP may lose, so what the polite one misses is counted by itself; it has to be accounted for by what the kernel says
//! it dropped at the server's socket.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::fault::{ALLOWANCE, Bound, Fault};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, Span, on_threads};
use crate::speech;

const HOSTS: usize = 200;
const THREADS: u64 = 2;

/// Bursts a second of each thread, one datagram of each of its hosts: 40,000 datagrams a second in all.
const PER_SECOND: u32 = 200;

/// How often the polite one asks.
const ASKS: u32 = 50;

pub(crate) struct Flood;

impl Fault for Flood {
    fn name(&self) -> &'static str {
        "flood"
    }

    fn counts(&self) -> &'static str {
        "datagrams"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Echo, Kind::Uppercase]
    }

    fn flags(&self, _: Kind) -> &'static [&'static str] {
        &["--listen", "udp:127.0.0.1:0"]
    }

    fn bound(&self, _: Kind) -> Bound {
        Bound { fixed: ALLOWANCE, each: 0, count: 0, why: "the allowance; nothing is kept of a datagram" }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let target = scene.server.second()?;
        let hosts = (0..HOSTS).map(|nth| socket(Ipv4Addr::new(127, 0, 1, nth as u8 + 1), target));
        let hosts = hosts.collect::<io::Result<Vec<_>>>()?;
        let (before, span) = (dropped(target)?, scene.begin());
        let polite = Mutex::new(Polite::default());
        let count = on_threads(THREADS + 1, |thread| {
            if thread < THREADS {
                let part = HOSTS / THREADS as usize;
                return Ok(flood(&hosts[thread as usize * part..][..part], span));
            }
            let seen = ask(&socket(Ipv4Addr::new(127, 0, 2, 1), target)?, scene.kind, span)?;
            *polite.lock().map_err(|_| io::Error::other("a thread panicked"))? = seen;
            Ok(0)
        })?;
        let Polite { asked, answered, wrong } =
            polite.into_inner().map_err(|_| io::Error::other("a thread panicked"))?;
        let (lost, dropped) = (asked - answered, dropped(target)? - before);
        let note = format!(
            "the polite UDP client asked {asked} times and missed {lost}; the kernel reports {dropped} dropped"
        );
        let outcome = Outcome::of(count).note(note);
        let outcome = outcome.promise(answered > 0, || "no datagram of the polite one was answered".into());
        let outcome = outcome.promise(wrong == 0, || format!("{wrong} datagrams came back changed, or twice"));
        Ok(outcome.promise(lost <= dropped, || format!("{lost} datagrams are missing, and {dropped} were reported")))
    }
}

/// What the polite one has seen.
#[derive(Debug, Default)]
struct Polite {
    asked: u64,
    answered: u64,
    wrong: u64,
}

fn socket(from: Ipv4Addr, target: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((from, 0))?;
    socket.connect(target)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Returns how many datagrams were sent.
fn flood(hosts: &[UdpSocket], span: Span) -> u64 {
    let (mut round, mut sent) = (0, 0);
    while span.paced(round, PER_SECOND) {
        // What the kernel has no room for was no part of the flood. The answers are never read.
        sent += hosts.iter().filter(|host| host.send(&[b'x'; 64]).is_ok()).count() as u64;
        round += 1;
    }
    sent
}

/// Asks at a fixed pace, and waits a second for the last answers.
fn ask(socket: &UdpSocket, kind: Kind, span: Span) -> io::Result<Polite> {
    let mut polite = Polite::default();
    let mut next = 0;
    while span.paced(polite.asked, ASKS) {
        socket.send(speech::line(0, polite.asked).as_bytes())?;
        polite.asked += 1;
        hear(socket, kind, (&mut polite, &mut next))?;
    }
    let since = Instant::now();
    while polite.answered < polite.asked && since.elapsed() < Duration::from_secs(1) {
        std::thread::sleep(Duration::from_millis(5));
        hear(socket, kind, (&mut polite, &mut next))?;
    }
    Ok(polite)
}

/// All that has come: each a line that was asked for, behind those that have come before.
fn hear(socket: &UdpSocket, kind: Kind, (polite, next): (&mut Polite, &mut u64)) -> io::Result<()> {
    let mut buffer = [0; 2048];
    loop {
        match socket.recv(&mut buffer) {
            Ok(count) => {
                let text = std::str::from_utf8(&buffer[..count]).unwrap_or_default();
                match speech::number(text) {
                    Some(number) if number >= *next && text == kind.answer(&speech::line(0, number)) => {
                        *next = number + 1;
                        polite.answered += 1;
                    }
                    _ => polite.wrong += 1,
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// How many datagrams the kernel had no room for at the socket that is bound here (proc(5), the last column).
fn dropped(local: SocketAddr) -> io::Result<u64> {
    let table = fs::read_to_string("/proc/net/udp")?;
    let port = format!(":{:04X}", local.port());
    let mut rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row.len() > 2 && row[1].ends_with(&port) && row[2].ends_with(":0000"));
    let count = row.and_then(|row| row.last()?.parse().ok());
    count.ok_or_else(|| io::Error::other("the system does not list the server's UDP socket"))
}
