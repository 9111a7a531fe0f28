//! PROXY headers on real sockets: nothing behind a header is lost, and a header that does not come ends the connection.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use switchboard::ServiceOptions;
use switchboard::servers::Echo;
use tempfile::TempDir;

use super::Running;

const HEADER: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.99 56324 5000\r\n";

/// A service whose peers are all proxies.
fn behind_proxies() -> ServiceOptions {
    let mut options = ServiceOptions::default();
    options.proxies.networks.push("127.0.0.0/8".parse().expect("a literal"));
    options.proxies.unix = true;
    options
}

/// Sends a header and a megabyte in one go, and expects the megabyte back.
fn exchange<S: Read + Write + Send + 'static>(mut stream: S, clone: S, end: impl FnOnce(&S)) {
    let sent: Vec<u8> = (0..1_000_000_u32).map(|number| (number * 7 / 3) as u8).collect();
    let whole = [HEADER, &sent].concat();
    let writer = std::thread::spawn(move || {
        stream.write_all(&whole).expect("connected");
        stream
    });
    let mut received = vec![0; sent.len()];
    let mut clone = clone;
    clone.read_exact(&mut received).expect("all of it comes back");
    assert!(received == sent, "other bytes came back");
    end(&writer.join().expect("no panic"));
    assert_eq!(clone.read_to_end(&mut received).expect("an orderly end"), 0);
}

#[test]
fn what_follows_a_header_is_whole() {
    let place = TempDir::new().expect("room for a directory");
    let path = place.path().join("socket");
    let unix = format!("unix:{}", path.display());
    let running = Running::with_options(Echo::bytes, &["127.0.0.1:0", &unix], behind_proxies());
    let tcp = TcpStream::connect(running.address()).expect("it listens");
    let clone = tcp.try_clone().expect("a descriptor");
    exchange(tcp, clone, |stream| stream.shutdown(Shutdown::Write).expect("connected"));
    let unix = UnixStream::connect(path).expect("it listens");
    let clone = unix.try_clone().expect("a descriptor");
    exchange(unix, clone, |stream| stream.shutdown(Shutdown::Write).expect("connected"));
}

#[test]
fn a_header_that_is_late_ends_the_connection() {
    let mut options = behind_proxies();
    options.limits.handshake_timeout = Some(Duration::from_millis(100));
    let running = Running::with_options(Echo::bytes, &["127.0.0.1:0"], options);
    for part in [&b""[..], &HEADER[..HEADER.len() - 1]] {
        let mut stream = TcpStream::connect(running.address()).expect("it listens");
        stream.write_all(part).expect("connected");
        let mut rest = Vec::new();
        // With unread input, the end is a reset.
        let end = stream.read_to_end(&mut rest).map_err(|error| error.kind());
        assert!(matches!(end, Ok(0) | Err(std::io::ErrorKind::ConnectionReset)), "{end:?}");
    }
}
