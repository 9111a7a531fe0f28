//! Peers of a TLS listener that stop within the handshake or within a record, and others that send noise, again and
//! again. The polite clients use a plain listener of the same server, and one more speaks TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::dial::{TIMEOUT, Window, dial, reset};
use crate::fault::{ALLOWANCE, Bound, Fault, KIB};
use crate::kind::Kind;
use crate::row::Latency;
use crate::scene::{Outcome, Scene, Span, on_threads};
use crate::server::TLS;
use crate::speech;

/// Peers that stop within the handshake.
const STALLED: usize = 300;
/// Peers that stop within a record of an open session.
const HALF: usize = 50;
/// Peers that send noise, in a second.
const PER_SECOND: u32 = 100;
/// Lines a second of the client that speaks TLS, and how many of them each of its connections carries.
const LINES: u32 = 50;
const LINES_EACH: u64 = 5;

/// The header of a handshake record of 256 bytes, and the first byte of an alert (RFC 8446, section 5.1).
const RECORD: &[u8] = &[22, 3, 1, 1, 0];
const ALERT: u8 = 21;

pub(crate) struct Handshakes;

impl Fault for Handshakes {
    fn name(&self) -> &'static str {
        "handshakes"
    }

    fn counts(&self) -> &'static str {
        "stalled in TLS, or noise"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Echo]
    }

    fn flags(&self, _: Kind) -> &'static [&'static str] {
        &["--listen", TLS]
    }

    fn bound(&self, _: Kind) -> Bound {
        let count = (STALLED + HALF) as u64;
        Bound { fixed: ALLOWANCE, each: 16 * KIB, count, why: "the allowance, and the state of TLS for each" }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let client = Client::of(scene)?;
        let span = scene.begin();
        let stalled = (0..STALLED).map(|nth| client.stall(nth)).collect::<io::Result<Vec<_>>>()?;
        let half = (0..HALF).map(|nth| client.half_a_record(nth)).collect::<io::Result<Vec<_>>>()?;
        let times = Mutex::new(Vec::new());
        let noises =
            on_threads(2, |nth| if nth == 0 { make_noise(client.target, span) } else { client.talk(span, &times) })?;
        let kept = stalled.iter().filter(|stream| !is_closed(stream)).count();
        for stream in half {
            reset(stream.sock);
        }
        let mut times = times.into_inner().unwrap_or_else(PoisonError::into_inner);
        times.sort_unstable();
        let Latency { samples, p99, worst } = Latency::of(&times);
        let outcome = Outcome::of(noises + (STALLED + HALF) as u64);
        let outcome = outcome.note(format!("the client with TLS: {samples} lines, p99 {p99} us, worst {worst} us"));
        Ok(outcome.promise(kept == 0, || format!("{kept} peers that stalled in the handshake were not closed")))
    }
}

/// What TLS connections to the server have in common.
struct Client {
    target: SocketAddr,
    config: Arc<ClientConfig>,
}

type Secured = StreamOwned<ClientConnection, TcpStream>;

impl Client {
    fn of(scene: &Scene<'_>) -> io::Result<Client> {
        let file = scene.server.certificate().ok_or_else(|| io::Error::other("the server does not speak TLS"))?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(file).map_err(io::Error::other)?).map_err(io::Error::other)?;
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Client { target: scene.server.second()?, config: Arc::new(config) })
    }

    fn tls(&self) -> io::Result<ClientConnection> {
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)
    }

    fn connect(&self) -> io::Result<Secured> {
        let mut stream = StreamOwned::new(self.tls()?, dial(self.target, Window::Usual)?);
        stream.conn.complete_io(&mut stream.sock)?;
        Ok(stream)
    }

    /// A peer that is silent, or sends the beginning of its first message only. It waits for its end, which comes after
    /// ten seconds.
    fn stall(&self, nth: usize) -> io::Result<TcpStream> {
        let mut hello = Vec::new();
        self.tls()?.write_tls(&mut hello)?;
        let mut stream = dial(self.target, Window::Usual)?;
        stream.set_read_timeout(Some(2 * TIMEOUT))?;
        stream.write_all(&hello[..nth % hello.len()])?;
        Ok(stream)
    }

    /// A peer with a session, and with all but the last `nth + 1` bytes of a large record.
    fn half_a_record(&self, nth: usize) -> io::Result<Secured> {
        let (mut stream, mut record) = (self.connect()?, Vec::new());
        stream.conn.writer().write_all(&[b'x'; 16 << 10])?;
        stream.conn.write_tls(&mut record)?;
        stream.sock.write_all(&record[..record.len() - 1 - nth])?;
        Ok(stream)
    }

    /// Says lines over TLS, and expects each back and an end in good order. Adds the time of each line in microseconds.
    fn talk(&self, span: Span, times: &Mutex<Vec<u32>>) -> io::Result<u64> {
        let mut nth = 0;
        while span.is_on() {
            let mut stream = self.connect()?;
            for _ in 0..LINES_EACH {
                span.paced(nth, LINES);
                let (said, line) = (Instant::now(), format!("{nth} over TLS\n"));
                stream.write_all(line.as_bytes())?;
                let mut heard = vec![0; line.len()];
                stream.read_exact(&mut heard)?;
                if heard != line.as_bytes() {
                    return Err(io::Error::new(ErrorKind::InvalidData, "a line over TLS came back changed"));
                }
                times.lock().unwrap_or_else(PoisonError::into_inner).push(said.elapsed().as_micros() as u32);
                nth += 1;
            }
            stream.conn.send_close_notify();
            stream.flush()?;
            // Without `close_notify`, this is an error.
            if stream.read(&mut [0])? > 0 {
                return Err(io::Error::new(ErrorKind::InvalidData, "more came over TLS than was said"));
            }
        }
        Ok(0)
    }
}

/// Sends noise, which begins as a record does or does not. Returns how often.
fn make_noise(target: SocketAddr, span: Span) -> io::Result<u64> {
    let mut nth = 0;
    while span.paced(nth, PER_SECOND) {
        let mut stream = dial(target, Window::Usual)?;
        let mut noise = speech::noise(1000, nth);
        noise[..RECORD.len()].copy_from_slice(if nth % 2 == 0 { RECORD } else { b"noise" });
        stream.write_all(&noise)?;
        if !is_closed(&stream) {
            return Err(io::Error::other("noise on a TLS address was answered, or its connection was kept"));
        }
        nth += 1;
    }
    Ok(nth)
}

/// Waits until the server has closed a connection, after an alert (RFC 8446, section 6) or without one.
fn is_closed(mut stream: &TcpStream) -> bool {
    let mut rest = Vec::new();
    let is_over = match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    };
    is_over && rest.first().is_none_or(|&kind| kind == ALERT)
}
