//! Clients of HTTP that never read: half of them have asked for an endless file, the others ask for page after page.
//! They are closed after the time of `--send-timeout`.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::dial::Window;
use crate::fault::{ALLOWANCE, Bound, Fault, KIB};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, Span, on_threads};
use crate::site;

const COUNT: usize = 60;
const PER_SECOND: u32 = 200;

pub(crate) struct Unread;

impl Fault for Unread {
    fn name(&self) -> &'static str {
        "unread"
    }

    fn counts(&self) -> &'static str {
        "downloads that are never read"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Http]
    }

    fn flags(&self, _: Kind) -> &'static [&'static str] {
        &["--send-timeout", "1s"]
    }

    fn bound(&self, _: Kind) -> Bound {
        let why = "the allowance, and for each a quarter of --max-queue and one read buffer";
        Bound { fixed: ALLOWANCE, each: (256 + 64) * KIB, count: COUNT as u64, why }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let streams = scene.enter_all("unread", COUNT, Window::Narrow)?;
        let span = scene.begin();
        let resets = on_threads(1, |_| ask(&streams, span))?;
        let are_closed = scene.has_descriptors(0)?;
        let broken = resets as usize + streams.iter().filter(|stream| is_broken(stream)).count();
        let outcome = Outcome::of(COUNT as u64);
        let outcome = outcome.promise(are_closed, || "a client that never reads was not closed".into());
        Ok(outcome.promise(broken == COUNT, || format!("only {broken} answers of {COUNT} were broken off by a reset")))
    }
}

/// One client after the other begins to ask: each second one for the endless file, the others for as many pages as the
/// server takes requests. Returns the number of resets that they met.
fn ask(streams: &[TcpStream], span: Span) -> io::Result<u64> {
    let endless = site::get(site::ENDLESS);
    // As many whole requests as a write takes at once.
    let pages: String = (0..64).map(site::request).collect();
    let (mut unsent, mut resets, mut round) = (vec![pages.as_bytes(); COUNT], 0, 0);
    while span.paced(round, PER_SECOND) {
        for (nth, mut stream) in streams.iter().enumerate().take(round as usize) {
            stream.set_nonblocking(true)?;
            match stream.write(unsent[nth]) {
                Ok(count) => unsent[nth] = &unsent[nth][count..],
                // The first write after a reset reports it.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => resets += 1,
                Err(_) => {}
            }
            if unsent[nth].is_empty() && nth % 2 == 1 {
                unsent[nth] = pages.as_bytes();
            }
        }
        if let Some(next) = unsent.get_mut(round as usize).filter(|_| round % 2 == 0) {
            *next = endless.as_bytes();
        }
        round += 1;
    }
    Ok(resets)
}

/// Whether a connection ends in a reset, so that the client cannot take a part for the whole.
fn is_broken(mut stream: &TcpStream) -> bool {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}
