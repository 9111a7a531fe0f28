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
const PER_SECOND: u32 = 50;

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
        let asked = on_threads(1, |_| ask(&streams, span))?;
        let are_closed = scene.has_descriptors(0)?;
        let whole = streams.iter().filter(|stream| !is_broken(stream)).count();
        let outcome = Outcome::of(COUNT as u64).note(format!("they asked for {asked} pages"));
        let outcome = outcome.promise(are_closed, || "a client that never reads was not closed".into());
        Ok(outcome.promise(whole == 0, || format!("{whole} answers ended as if they were whole")))
    }
}

/// Each second client asks for the endless file, and the others ask for as many pages as the server takes requests.
/// Returns the number of these.
fn ask(streams: &[TcpStream], span: Span) -> io::Result<u64> {
    let endless = site::get(site::ENDLESS);
    for mut stream in streams.iter().step_by(2) {
        stream.write_all(endless.as_bytes())?;
    }
    // As many whole requests as a write takes at once.
    let pages: String = (0..64).map(site::request).collect();
    let (mut unsent, mut asked, mut round) = (vec![pages.as_bytes(); COUNT], 0, 0);
    while span.paced(round, PER_SECOND) {
        for (mut stream, unsent) in streams.iter().zip(&mut unsent).skip(1).step_by(2) {
            stream.set_nonblocking(true)?;
            match stream.write(unsent) {
                Ok(count) => *unsent = &unsent[count..],
                // Full, or closed already.
                Err(_) => continue,
            }
            if unsent.is_empty() {
                *unsent = pages.as_bytes();
                asked += 64;
            }
        }
        round += 1;
    }
    Ok(asked)
}

/// Whether a connection ends in a reset, so that the client cannot take a part for the whole.
fn is_broken(mut stream: &TcpStream) -> bool {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}
