//! PROXY headers: the address of a client, sent by a proxy before the bytes of the client.
//!
//! Versions 1 (text) and 2 (binary) of the specification in haproxy, `doc/proxy-protocol.txt`, to which the numbers of
//! sections refer. Invariant: the answer for some bytes does not change when more bytes follow, except from "more is
//! needed" to another one. The extensions of version 2 are skipped, so its checksum is not verified: TCP has its own.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use memchr::memchr;

/// A whole PROXY header, of version 1 or 2.
///
/// ```
/// use switchboard::net::ProxyHeader;
///
/// let bytes = b"PROXY TCP4 192.0.2.1 192.0.2.99 56324 5000\r\nhello\n";
/// let header = ProxyHeader::parse(bytes)?.expect("all of the header is there");
/// assert_eq!(header.client, Some("192.0.2.1:56324".parse()?));
/// assert_eq!(&bytes[header.length..], b"hello\n");
/// assert_eq!(ProxyHeader::parse(b"PROXY TCP4 192.0")?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyHeader {
    /// The number of bytes of the header. The bytes of the client follow.
    pub length: usize,
    /// The address of the client. An IPv4-mapped IPv6 address is given as IPv4.
    ///
    /// `None` if the address of the socket counts: the connection is the proxy's own, for example for a health check,
    /// or its client has no Internet address.
    pub client: Option<SocketAddr>,
}

/// The beginning of version 1.
const LINE: &[u8] = b"PROXY ";
/// The longest header of version 1, with its CRLF (section 2.1).
const MAX_LINE: usize = 107;
/// The beginning of version 2 (section 2.2).
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The part of version 2 before the addresses: the signature, the version and command, the family, the length.
const FIXED: usize = 16;

impl ProxyHeader {
    /// The longest header that is accepted, in bytes. 4096, as in nginx: enough for a certificate among the extensions
    /// of version 2.
    pub const MAX: usize = 4096;

    /// The number of bytes by which the beginning of a header can be told from other bytes.
    pub(crate) const SIGNATURE: usize = SIGNATURE.len();

    /// Whether `bytes` begin as a header does, with enough bytes to tell it from others.
    pub(crate) fn is_begun(bytes: &[u8]) -> bool {
        bytes.starts_with(LINE) || bytes.starts_with(SIGNATURE)
    }

    /// Reads the header at the beginning of `bytes`. Returns `None` if more bytes are needed.
    ///
    /// # Errors
    /// If no bytes that follow can make it a header.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, ProxyHeaderError> {
        if begins_with(bytes, LINE) {
            parse_line(bytes)
        } else if begins_with(bytes, SIGNATURE) {
            parse_binary(bytes)
        } else {
            Err(ProxyHeaderError::Missing)
        }
    }
}

/// Whether `bytes` are a prefix of `wanted`, or the other way round.
fn begins_with(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.iter().zip(wanted).all(|(byte, wanted)| byte == wanted)
}

/// Reads version 1: `PROXY TCP4 SOURCE DESTINATION SOURCE_PORT DESTINATION_PORT`, and CRLF.
fn parse_line(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let bytes = &bytes[..bytes.len().min(MAX_LINE)];
    let Some(end) = memchr(b'\n', bytes) else {
        return if bytes.len() == MAX_LINE { Err(ProxyHeaderError::Line) } else { Ok(None) };
    };
    let fields = bytes.get(LINE.len()..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(ProxyHeaderError::Line)?;
    // The rest of such a line is ignored, whatever it is.
    let is_unknown = fields == b"UNKNOWN" || fields.starts_with(b"UNKNOWN ");
    let client = if is_unknown { None } else { Some(client_of_line(fields).ok_or(ProxyHeaderError::Line)?) };
    Ok(Some(ProxyHeader { length: end + 1, client }))
}

fn client_of_line(fields: &[u8]) -> Option<SocketAddr> {
    let mut words = str::from_utf8(fields).ok()?.split(' ');
    let [family, source, destination, port, destination_port] = [(); 5].map(|()| words.next());
    let source = match family? {
        "TCP4" => source_of::<Ipv4Addr>(source?, destination?),
        "TCP6" => source_of::<Ipv6Addr>(source?, destination?),
        _ => None,
    }?;
    let port = parse_port(port?)?;
    parse_port(destination_port?)?;
    words.next().is_none().then(|| SocketAddr::new(source.to_canonical(), port))
}

/// The source, if both addresses are of the family `A`.
fn source_of<A: FromStr + Into<IpAddr>>(source: &str, destination: &str) -> Option<IpAddr> {
    destination.parse::<A>().ok()?;
    source.parse::<A>().ok().map(A::into)
}

/// Reads a decimal number without a sign and without leading zeros.
fn parse_port(text: &str) -> Option<u16> {
    let is_canonical = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| is_canonical)
}

/// Reads version 2.
fn parse_binary(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let at = |index: usize| bytes.get(SIGNATURE.len() + index).copied();
    let Some(command) = at(0) else { return Ok(None) };
    let is_local = match command {
        0x20 => true,
        0x21 => false,
        other => return Err(ProxyHeaderError::Command(other)),
    };
    let Some(family) = at(1) else { return Ok(None) };
    // The family of a connection of the proxy itself is ignored.
    let addresses = if is_local { 0 } else { addresses_length(family).ok_or(ProxyHeaderError::Family(family))? };
    let (Some(high), Some(low)) = (at(2), at(3)) else { return Ok(None) };
    let rest = usize::from(u16::from_be_bytes([high, low]));
    if rest < addresses || rest > ProxyHeader::MAX - FIXED {
        return Err(ProxyHeaderError::Length(rest));
    }
    let Some(block) = bytes.get(FIXED..FIXED + rest) else { return Ok(None) };
    let client = if is_local { None } else { client_of_block(family, block) };
    Ok(Some(ProxyHeader { length: FIXED + rest, client }))
}

/// The number of bytes of the addresses of a family (the high four bits), if the specification has it together with
/// the protocol (the low four bits). Zero if the addresses are unspecified.
fn addresses_length(family: u8) -> Option<usize> {
    Some(match (family >> 4, family & 0xF) {
        (0, 0..=2) | (1..=3, 0) => 0,
        (1, 1 | 2) => 2 * (4 + 2),
        (2, 1 | 2) => 2 * (16 + 2),
        (3, 1 | 2) => 2 * 108,
        _ => return None,
    })
}

/// The client's address in a block that is long enough for its family: source, destination, and the port of each.
fn client_of_block(family: u8, block: &[u8]) -> Option<SocketAddr> {
    let (source, port): (IpAddr, _) = match family {
        0x11 | 0x12 => (Ipv4Addr::from(*block.first_chunk()?).into(), block.get(8..10)?),
        0x21 | 0x22 => (Ipv6Addr::from(*block.first_chunk()?).into(), block.get(32..34)?),
        _ => return None,
    };
    Some(SocketAddr::new(source.to_canonical(), u16::from_be_bytes(*port.first_chunk()?)))
}

/// The reason why bytes are not a [`ProxyHeader`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyHeaderError {
    /// They begin neither as version 1 nor as version 2.
    Missing,
    /// The line of version 1 is malformed, or longer than 107 bytes.
    Line,
    /// This byte of version 2 has another version, or a command that does not exist.
    Command(u8),
    /// This byte of version 2 has a family or a protocol that does not exist.
    Family(u8),
    /// This length in version 2 is too small for its family, or larger than [`ProxyHeader::MAX`] allows.
    Length(usize),
}

impl fmt::Display for ProxyHeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyHeaderError::Missing => f.write_str("no PROXY header"),
            ProxyHeaderError::Line => f.write_str("malformed PROXY line"),
            ProxyHeaderError::Command(byte) => write!(f, "malformed PROXY header: version and command {byte:#04x}"),
            ProxyHeaderError::Family(byte) => write!(f, "malformed PROXY header: address family {byte:#04x}"),
            ProxyHeaderError::Length(bytes) => write!(f, "malformed PROXY header: length {bytes}"),
        }
    }
}

impl std::error::Error for ProxyHeaderError {}

#[cfg(test)]
mod tests;
