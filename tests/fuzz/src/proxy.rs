//! PROXY headers: any bytes are read as a plain reading of the specification says, and as soon as that is possible. A
//! server behind a proxy gets exactly the bytes after the header, however they are split.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use switchboard::net::{ProxyHeader, ProxyHeaderError};
use switchboard::servers::Echo;
use switchboard::{ServiceOptions, Sim};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Parses the bytes, and each beginning of them; then sends them to a server.
pub fn run(bytes: &[u8]) {
    let whole = ProxyHeader::parse(bytes);
    for end in 0..bytes.len() {
        let answer = ProxyHeader::parse(&bytes[..end]);
        match (answer, whole) {
            (Ok(Some(header)), _) => assert_eq!((answer, end >= header.length), (whole, true)),
            (Ok(None), Ok(Some(header))) => assert!(end < header.length, "{header:?} at {end}"),
            (Ok(None), _) => {}
            (Err(_), _) => assert_eq!(answer, whole),
        }
    }
    match whole {
        Ok(Some(header)) => assert_eq!(Some((header.length, header.client)), plain(bytes)),
        Ok(None) => assert!(bytes.len() < ProxyHeader::MAX && plain(bytes).is_none()),
        Err(error) => assert!(plain(bytes).is_none(), "{error:?}"),
    }
    let begins = bytes.iter().zip(b"PROXY ").all(|(one, other)| one == other)
        || bytes.iter().zip(SIGNATURE).all(|(one, other)| one == other);
    assert_eq!(whole == Err(ProxyHeaderError::Missing), !begins);
    for size in [bytes.len().max(1), 7, 1] {
        serve(bytes, size, whole);
    }
    serve_stranger(bytes);
}

/// An echo server whose proxies are at 127.0.0.1.
fn server() -> Sim<Echo> {
    let mut options = ServiceOptions::default();
    options.proxies.networks.push("127.0.0.1".parse().expect("a literal"));
    Sim::with_options(Echo::bytes(), options)
}

/// Sends the bytes from a proxy, in pieces of `size`.
fn serve(bytes: &[u8], size: usize, whole: Result<Option<ProxyHeader>, ProxyHeaderError>) {
    let mut sim = server();
    let peer = sim.connect();
    for piece in bytes.chunks(size) {
        sim.send(peer, piece);
        sim.run();
    }
    let (received, is_open) = (sim.received(peer), sim.ending(peer).is_none());
    match whole {
        Ok(Some(header)) => assert_eq!((&received[..], is_open), (&bytes[header.length..], true)),
        Ok(None) => assert!(received.is_empty() && is_open),
        Err(error) => assert!(received.is_empty() && !is_open, "{error:?}"),
    }
    if is_open {
        sim.shut_down(peer);
    }
    assert!(sim.ending(peer).is_some() && sim.stats().connections == 0);
}

/// Sends the bytes from a peer that is no proxy.
fn serve_stranger(bytes: &[u8]) {
    let mut sim = server();
    let peer = sim.connect_from(Ipv4Addr::new(192, 0, 2, 1).into());
    sim.send(peer, bytes);
    if bytes.starts_with(b"PROXY ") || bytes.starts_with(SIGNATURE) {
        assert!(sim.received(peer).is_empty() && sim.ending(peer).is_some());
    } else {
        assert!(sim.received(peer) == bytes && sim.ending(peer).is_none());
    }
}

/// The length of the header and the client's address, if all of a header is there.
fn plain(bytes: &[u8]) -> Option<(usize, Option<SocketAddr>)> {
    if bytes.starts_with(b"PROXY ") { plain_line(bytes) } else { plain_binary(bytes) }
}

fn plain_line(bytes: &[u8]) -> Option<(usize, Option<SocketAddr>)> {
    let length = bytes.iter().position(|&byte| byte == b'\n')? + 1;
    let line = bytes[..length].strip_suffix(b"\r\n")?;
    if length > 107 {
        return None;
    }
    if line == b"PROXY UNKNOWN" || line.starts_with(b"PROXY UNKNOWN ") {
        return Some((length, None));
    }
    let line = std::str::from_utf8(line).ok()?;
    let words: Vec<_> = line.split(' ').collect();
    let [_, family, from, to, from_port, to_port] = words[..] else { return None };
    let (from, to): (IpAddr, IpAddr) = (from.parse().ok()?, to.parse().ok()?);
    let (from_port, to_port): (u16, u16) = (from_port.parse().ok()?, to_port.parse().ok()?);
    // There is one way only to write a number.
    let has_ports = line.ends_with(&format!(" {from_port} {to_port}"));
    let is_known = matches!((family, from.is_ipv4(), to.is_ipv4()), ("TCP4", true, true) | ("TCP6", false, false));
    (has_ports && is_known).then(|| (length, Some(SocketAddr::new(from.to_canonical(), from_port))))
}

fn plain_binary(bytes: &[u8]) -> Option<(usize, Option<SocketAddr>)> {
    let rest = bytes.strip_prefix(SIGNATURE)?;
    let (&[command, family, high, low], rest) = rest.split_first_chunk()?;
    let rest = rest.get(..256 * usize::from(high) + usize::from(low))?;
    let length = 16 + rest.len();
    if length > ProxyHeader::MAX {
        return None;
    }
    let port = |at: usize| 256 * u16::from(rest[at]) + u16::from(rest[at + 1]);
    let client = match (command, family, rest.len()) {
        (0x20, _, _) | (0x21, 0x00 | 0x01 | 0x02 | 0x10 | 0x20 | 0x30, _) | (0x21, 0x31 | 0x32, 216..) => None,
        (0x21, 0x11 | 0x12, 12..) => {
            Some(SocketAddr::from((Ipv4Addr::new(rest[0], rest[1], rest[2], rest[3]), port(8))))
        }
        (0x21, 0x21 | 0x22, 36..) => {
            let bits = rest[..16].iter().fold(0, |bits: u128, &byte| bits << 8 | u128::from(byte));
            Some(SocketAddr::new(IpAddr::from(Ipv6Addr::from_bits(bits)).to_canonical(), port(32)))
        }
        _ => return None,
    };
    Some((length, client))
}
