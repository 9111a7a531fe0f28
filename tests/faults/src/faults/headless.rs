//! Connections of a proxy that never send the whole PROXY header: five hundred of them are silent or stop within it,
//! and others begin with something else, again and again.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Ipv4Addr;

use crate::dial::{dial_from, reset};
use crate::fault::{ALLOWANCE, Bound, CONNECTION, Fault};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, on_threads};

const SILENT: usize = 500;
const PER_SECOND: u32 = 100;
/// The polite clients are at 127.0.0.1, and need no header.
const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const HEADER: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.99 56324 5000\r\n";

pub(crate) struct Headless;

impl Fault for Headless {
    fn name(&self) -> &'static str {
        "headless"
    }

    fn counts(&self) -> &'static str {
        "without a PROXY header"
    }

    fn flags(&self, _: Kind) -> &'static [&'static str] {
        &["--proxy-protocol", "127.0.0.2"]
    }

    fn bound(&self, _: Kind) -> Bound {
        let count = SILENT as u64 + 1;
        Bound { fixed: ALLOWANCE, each: CONNECTION, count, why: "the allowance, and a connection for each" }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let span = scene.begin();
        let mut silent = Vec::new();
        for nth in 0..SILENT {
            let mut stream = dial_from(PROXY, scene.target())?;
            stream.write_all(&HEADER[..nth % HEADER.len()])?;
            silent.push(stream);
        }
        let refused = on_threads(1, |_| {
            let mut nth = 0;
            while span.paced(nth, PER_SECOND) {
                let mut stream = dial_from(PROXY, scene.target())?;
                stream.write_all(b"hello\n")?;
                match stream.read(&mut [0; 64]) {
                    Ok(0) => {}
                    Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
                    Err(error) => return Err(error),
                    Ok(_) => return Err(io::Error::other("the server answered a proxy without a header")),
                }
                nth += 1;
            }
            Ok(nth)
        })?;
        let mut served = 0;
        for stream in &mut silent {
            stream.set_nonblocking(true)?;
            served += usize::from(matches!(stream.read(&mut [0; 64]), Ok(1..)));
        }
        silent.into_iter().for_each(reset);
        let outcome = Outcome::of(refused + SILENT as u64);
        Ok(outcome.promise(served == 0, || format!("{served} connections without a header were served")))
    }
}
