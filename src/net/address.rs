//! Where to listen and whom to call: the addresses that a user writes.
//!
//! Invariant: an [`Address`] that was parsed displays as text that parses to the same address.
//!
//! Parsing never asks the system anything, so a bad address is found before a name is looked up;
//! [`Address::resolve`] asks, and may block while a name server answers. Abstract Unix addresses (a
//! leading NUL byte) and IPv6 zones (`%eth0`) have no syntax here.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

/// The longest Unix path in bytes: `sun_path` has 108 with the NUL that ends it, see unix(7).
pub const MAX_UNIX_PATH: usize = 107;

/// The longest host name in bytes, without a final dot, see RFC 1035 2.3.4.
const MAX_NAME: usize = 253;

/// The longest part of a host name between dots, see RFC 1035 2.3.4.
const MAX_LABEL: usize = 63;

/// A place to listen or to connect to, as users write it.
///
/// | text | meaning |
/// |---|---|
/// | `PORT` | TCP on 127.0.0.1 |
/// | `HOST:PORT` | TCP on an IPv4 address, or on all addresses of a name |
/// | `[V6]:PORT` | TCP on an IPv6 address |
/// | `*:PORT` | TCP on every address of this machine, both families |
/// | `udp:` before any of these | the same for UDP |
/// | `unix:PATH` | a Unix stream socket |
///
/// # Examples
///
/// ```
/// use switchboard::net::Address;
///
/// let address: Address = "50000".parse()?;
/// assert_eq!(address.to_string(), "127.0.0.1:50000");
/// assert!("127.0.0.1".parse::<Address>().is_err());
/// # Ok::<(), switchboard::net::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A TCP port.
    Tcp {
        /// Whose port.
        host: Host,
        /// The port; a listener on 0 gets one that the system picks.
        port: u16,
    },
    /// A UDP port.
    Udp {
        /// Whose port.
        host: Host,
        /// The port; a socket bound to 0 gets one that the system picks.
        port: u16,
    },
    /// The path of a Unix stream socket.
    Unix(PathBuf),
}

/// The part of an [`Address`] before the port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// Every address of this machine, in both families: `*`.
    Any,
    /// One address.
    Ip(IpAddr),
    /// A name, to be looked up by [`Address::resolve`].
    Name(String),
}

impl Address {
    /// All socket addresses that this address stands for, each once, in the order of preference.
    ///
    /// A name is looked up by getaddrinfo(3), which may block for seconds.
    ///
    /// # Errors
    ///
    /// The resolver's error when a name has no address; `InvalidInput` for a Unix path, which needs
    /// no resolving.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let (host, port) = match self {
            Self::Tcp { host, port } | Self::Udp { host, port } => (host, *port),
            Self::Unix(_) => {
                let text = "a Unix path has no socket addresses";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
        };
        match host {
            Host::Any => Ok(vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()]),
            Host::Ip(ip) => Ok(vec![(*ip, port).into()]),
            Host::Name(name) => look_up(name, port),
        }
    }
}

/// Writes the form that parses back: `127.0.0.1:50000` for what was written as `50000`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Udp { host, port } => write!(f, "udp:{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Writes `*`, an address (IPv6 in brackets) or the name.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return parse_path(path).map(Self::Unix);
        }
        if let Some(rest) = text.strip_prefix("udp:") {
            if rest.starts_with("unix:") {
                return Err(AddressError::UdpUnix);
            }
            return parse_inet(rest).map(|(host, port)| Self::Udp { host, port });
        }
        parse_inet(text).map(|(host, port)| Self::Tcp { host, port })
    }
}

/// Why a text is not an [`Address`]. Displays as one clause that names what is wrong and what is
/// allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// Nothing is written, or nothing after `udp:`.
    Empty,
    /// A host without a port.
    NoPort,
    /// What stands where the port should is not a number from 0 to 65535.
    BadPort(String),
    /// Nothing before the colon.
    NoHost,
    /// An IPv6 address outside brackets, where its end cannot be told from the port.
    NeedsBrackets(String),
    /// What is in brackets is not an IPv6 address.
    BadV6(String),
    /// Numbers and dots that are not an IPv4 address; they are never a host name.
    BadV4(String),
    /// Not a host name.
    BadName(String),
    /// A host name of this many bytes, over 253.
    LongName(usize),
    /// `unix:` without a path.
    NoPath,
    /// A Unix path of this many bytes, over [`MAX_UNIX_PATH`].
    LongPath(usize),
    /// A Unix path with a control character, which would break the lines that show it.
    BadPath(String),
    /// `udp:unix:`.
    UdpUnix,
}

/// The forms without a prefix, as the errors show them.
const FORMS: &str = "PORT, HOST:PORT, [V6]:PORT or *:PORT";

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Debug form for what was typed: it escapes what could upset the terminal that shows the
        // error.
        match self {
            Self::Empty => write!(f, "the address is empty, use {FORMS}, the same after udp:, or unix:PATH"),
            Self::NoPort => write!(f, "the port is missing, use {FORMS}, the same after udp:, or unix:PATH"),
            Self::BadPort(text) => write!(f, "the port {text:?} is not a number from 0 to 65535"),
            Self::NoHost => write!(f, "the host before the colon is missing, use {FORMS}"),
            Self::NeedsBrackets(text) => write!(f, "the IPv6 address in {text:?} needs brackets, use [V6]:PORT"),
            Self::BadV6(text) => write!(f, "{text:?} in brackets is not an IPv6 address, use [V6]:PORT"),
            Self::BadV4(text) => write!(
                f,
                "{text:?} is not an IPv4 address, which is four numbers from 0 to 255 without \
                 leading zeros"
            ),
            Self::BadName(text) => write!(
                f,
                "{text:?} is not a host, use an IPv4 address, [V6], * or a name whose parts \
                 between dots are 1 to {MAX_LABEL} letters, digits, \"-\" (not at an end) or \"_\""
            ),
            Self::LongName(bytes) => write!(f, "the host name has {bytes} bytes, at most {MAX_NAME} are allowed"),
            Self::NoPath => write!(f, "the path after unix: is missing, use unix:PATH"),
            Self::LongPath(bytes) => {
                write!(f, "the path after unix: has {bytes} bytes, at most {MAX_UNIX_PATH} are allowed")
            }
            Self::BadPath(text) => write!(f, "the path {text:?} has a control character, use unix:PATH without one"),
            Self::UdpUnix => write!(f, "udp: does not go with unix:, use unix:PATH, or udp: before {FORMS}"),
        }
    }
}

impl std::error::Error for AddressError {}

fn parse_path(path: &str) -> Result<PathBuf, AddressError> {
    if path.is_empty() {
        Err(AddressError::NoPath)
    } else if path.len() > MAX_UNIX_PATH {
        Err(AddressError::LongPath(path.len()))
    } else if path.contains(char::is_control) {
        Err(AddressError::BadPath(path.to_owned()))
    } else {
        Ok(PathBuf::from(path))
    }
}

fn parse_inet(text: &str) -> Result<(Host, u16), AddressError> {
    if text.is_empty() {
        return Err(AddressError::Empty);
    }
    if let Some(rest) = text.strip_prefix('[') {
        return parse_v6(rest);
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return if text.contains(|c: char| !c.is_ascii_digit()) {
            Err(AddressError::NoPort)
        } else {
            parse_port(text).map(|port| (Host::Ip(Ipv4Addr::LOCALHOST.into()), port))
        };
    };
    if text.parse::<Ipv6Addr>().is_ok() || host.parse::<Ipv6Addr>().is_ok() {
        return Err(AddressError::NeedsBrackets(text.to_owned()));
    }
    Ok((parse_host(host)?, parse_port(port)?))
}

/// Parses what follows the opening bracket.
fn parse_v6(rest: &str) -> Result<(Host, u16), AddressError> {
    let (inside, after) = rest.split_once(']').unwrap_or((rest, ""));
    let ip: Ipv6Addr = inside.parse().map_err(|_| AddressError::BadV6(inside.to_owned()))?;
    let port = after.strip_prefix(':').ok_or(AddressError::NoPort)?;
    Ok((Host::Ip(ip.into()), parse_port(port)?))
}

fn parse_port(text: &str) -> Result<u16, AddressError> {
    if text.is_empty() {
        return Err(AddressError::NoPort);
    }
    // u16's own parser would accept a plus sign.
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let port = if digits { text.parse().ok() } else { None };
    port.ok_or_else(|| AddressError::BadPort(text.to_owned()))
}

fn parse_host(text: &str) -> Result<Host, AddressError> {
    if text.is_empty() {
        return Err(AddressError::NoHost);
    }
    if text == "*" {
        return Ok(Host::Any);
    }
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Ip(ip.into()));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() > MAX_NAME {
        Err(AddressError::LongName(name.len()))
    } else if name.split('.').all(is_number) {
        Err(AddressError::BadV4(text.to_owned()))
    } else if name.split('.').all(is_label) {
        Ok(Host::Name(text.to_owned()))
    } else {
        Err(AddressError::BadName(text.to_owned()))
    }
}

/// Whether `inet_aton(3)`, which `getaddrinfo(3)` asks first, would read this part of a name as a
/// number.
///
/// It takes `127.1` and `0x7f.1` for addresses, so a typing error would quietly become some other
/// machine.
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hex {
        Some(hex) => hex.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !label.is_empty() && label.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// Whether this is a part of a host name by RFC 1123 2.1, or has an underscore, which names of
/// containers do.
fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn look_up(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let mut addresses = Vec::new();
    for address in (name, port).to_socket_addrs()? {
        // A few addresses at most, and their order is the resolver's preference: no set.
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests;
