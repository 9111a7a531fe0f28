//! Clients of HTTP that send the bodies of their requests a byte a second. No script is started for them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::dial::{TIMEOUT, Window, dial};
use crate::fault::{ALLOWANCE, Bound, Fault, KIB};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, on_threads};

const COUNT: usize = 200;

/// The server looks at the rate over ten seconds.
const LASTS: Duration = Duration::from_secs(10);

const HEAD: &[u8] = b"POST /cgi-bin/cat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n";
const LATE: &[u8] = b"HTTP/1.1 408 ";

pub(crate) struct SlowBodies;

impl Fault for SlowBodies {
    fn name(&self) -> &'static str {
        "slow-bodies"
    }

    fn counts(&self) -> &'static str {
        "bodies at a byte a second"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Http]
    }

    fn bound(&self, _: Kind) -> Bound {
        let why = "the allowance, and for each a connection with a request";
        Bound { fixed: ALLOWANCE, each: 4 * KIB, count: COUNT as u64, why }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let span = scene.begin_for(LASTS);
        let mut late = 0;
        let clients = (0..COUNT).map(|_| dial(scene.target(), Window::Usual)).collect::<io::Result<Vec<_>>>()?;
        on_threads(1, |_| {
            for mut client in &clients {
                client.write_all(HEAD)?;
            }
            let mut nth = 0;
            while span.paced(nth, COUNT as u32) {
                // A client that was closed is over.
                let _ = (&clients[nth as usize % COUNT]).write(b"x");
                nth += 1;
            }
            Ok(nth)
        })?;
        let without_scripts = scene.has_descriptors(COUNT)? || scene.has_descriptors(0)?;
        for client in &clients {
            late += usize::from(is_late(client)?);
        }
        let outcome = Outcome::of(COUNT as u64);
        let outcome = outcome.promise(without_scripts, || "a script was started before its body was there".into());
        Ok(outcome.promise(late == COUNT, || format!("{} of {COUNT} were not answered with 408", COUNT - late)))
    }
}

/// Whether the server says that the body is late, and closes the connection.
fn is_late(mut client: &TcpStream) -> io::Result<bool> {
    client.set_read_timeout(Some(2 * TIMEOUT))?;
    let mut answer = Vec::new();
    match client.read_to_end(&mut answer) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error),
        _ => Ok(answer.starts_with(LATE)),
    }
}
