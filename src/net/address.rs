//! Addresses in the form in which users write them, to listen on or to connect to.
//!
//! Invariant: a parsed [`Address`] displays as text that parses to the same address.
//!
//! Parsing makes no system call, so a malformed address is found before any name is looked up. [`Address::resolve`]
//! looks names up, and may block while a name server answers. Abstract Unix addresses (with a leading NUL byte) have no
//! syntax here.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::str::FromStr;

use rustix::net::netdevice::{index_to_name, name_to_index};

use super::door::web_address;

/// Longest Unix path, in bytes. `sun_path` has 108 bytes, one of them for the final NUL, see unix(7).
pub const MAX_UNIX_PATH: usize = 107;

/// Longest host name, in bytes, without a final dot (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 253;

/// Longest name of a network interface, in bytes. `IFNAMSIZ` is 16 with the final NUL, see netdevice(7).
const MAX_ZONE: usize = 15;

/// Longest label of a host name, in bytes (RFC 1035, section 2.3.4).
const MAX_LABEL: usize = 63;

/// An address to listen on or to connect to.
///
/// | text | meaning |
/// |---|---|
/// | `PORT` | TCP on 127.0.0.1 |
/// | `HOST:PORT` | TCP on an IPv4 address, or on all addresses of a name |
/// | `[V6]:PORT` | TCP on an IPv6 address; a link-local one has a zone, `[fe80::1%eth0]:PORT` |
/// | `*:PORT` | TCP on every address of this machine, IPv4 and IPv6 |
/// | `udp:` before one of the forms above | UDP instead of TCP |
/// | `unix:PATH` | a Unix stream socket |
/// | `tls:` before a form without `udp:` | TLS over TCP or a Unix socket |
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
#[non_exhaustive]
pub enum Address {
    /// A TCP port.
    Tcp {
        /// The host, or all addresses of this machine.
        host: Host,
        /// The port. For a listener on port 0, the system picks a port.
        port: u16,
    },
    /// A UDP port.
    Udp {
        /// The host, or all addresses of this machine.
        host: Host,
        /// The port. For a socket that is bound to port 0, the system picks a port.
        port: u16,
    },
    /// The path of a Unix stream socket.
    Unix(PathBuf),
    /// TLS over this address, which is [`Tcp`](Self::Tcp) or [`Unix`](Self::Unix).
    Tls(Box<Address>),
}

/// The part of an [`Address`] before the port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Host {
    /// Every address of this machine, IPv4 and IPv6: `*`.
    Any,
    /// One address.
    Ip(IpAddr),
    /// An IPv6 address that is valid on one link only (RFC 4007).
    Zoned {
        /// The address.
        ip: Ipv6Addr,
        /// The name or the number of the network interface of the link.
        zone: String,
    },
    /// A name. [`Address::resolve`] looks it up.
    Name(String),
}

impl Address {
    /// Returns all socket addresses of this address, each once, in order of preference.
    ///
    /// A name is looked up by getaddrinfo(3), which may block for seconds.
    ///
    /// # Errors
    /// The error of the resolver if a name has no address. `ENODEV` if a zone is not a network interface.
    /// `InvalidInput` for a Unix path.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let (host, port) = match self {
            Self::Tcp { host, port } | Self::Udp { host, port } => (host, *port),
            Self::Tls(below) => return below.resolve(),
            Self::Unix(_) => {
                let text = "a Unix path has no socket addresses";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
        };
        match host {
            Host::Any => Ok(vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()]),
            Host::Ip(ip) => Ok(vec![(*ip, port).into()]),
            Host::Zoned { ip, zone } => Ok(vec![SocketAddrV6::new(*ip, port, 0, zone_index(zone)?).into()]),
            Host::Name(name) => look_up(name, port),
        }
    }

    /// Returns the address of the socket: the one below `tls:`, or this address itself.
    #[must_use]
    pub fn transport(&self) -> &Address {
        if let Self::Tls(below) = self { below } else { self }
    }

    /// Whether this is a link-local address without its zone, so that it names no link.
    pub(crate) fn lacks_zone(&self) -> bool {
        matches!(self.transport(),
            Self::Tcp { host: Host::Ip(IpAddr::V6(ip)), .. } | Self::Udp { host: Host::Ip(IpAddr::V6(ip)), .. }
            if ip.is_unicast_link_local())
    }
}

/// Writes the full form, which parses back: `127.0.0.1:50000` for `50000`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Udp { host, port } => write!(f, "udp:{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tls(below) => write!(f, "tls:{below}"),
        }
    }
}

/// Writes `*`, an address (IPv6 in brackets) or a name.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Zoned { ip, zone } => write!(f, "[{ip}%{zone}]"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl Host {
    /// Returns the host of a socket address. Its zone has the name of the interface, or its number if it has no name.
    pub(super) fn of(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => Self::Zoned { ip: *v6.ip(), zone: zone_name(v6.scope_id()) },
            _ => Self::Ip(address.ip()),
        }
    }
}

/// Returns the number of a network interface, by its name or number.
fn zone_index(zone: &str) -> io::Result<u32> {
    match zone.parse() {
        Ok(number) => Ok(number),
        // Linux: any socket serves to ask for the interfaces, see netdevice(7).
        Err(_) => Ok(name_to_index(UnixDatagram::unbound()?, zone)?),
    }
}

fn zone_name(index: u32) -> String {
    let name = UnixDatagram::unbound().ok().and_then(|socket| index_to_name(socket, index).ok());
    name.unwrap_or_else(|| index.to_string())
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if web_address(text).is_some() {
            return Err(AddressError::NoDoor);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return parse_path(path).map(Self::Unix);
        }
        if let Some(rest) = text.strip_prefix("tls:") {
            if rest.starts_with("tls:") || rest.starts_with("udp:") {
                return Err(AddressError::NoTls);
            }
            return rest.parse().map(|below| Self::Tls(Box::new(below)));
        }
        if let Some(rest) = text.strip_prefix("udp:") {
            if rest.starts_with("unix:") {
                return Err(AddressError::UdpUnix);
            }
            if rest.starts_with("tls:") {
                return Err(AddressError::NoTls);
            }
            return parse_inet(rest).map(|(host, port)| Self::Udp { host, port });
        }
        parse_inet(text).map(|(host, port)| Self::Tcp { host, port })
    }
}

/// The reason why a text is not an [`Address`]. Displays as one clause that names the fault and the allowed form.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// The text is empty, or ends after `udp:`.
    Empty,
    /// A host without a port.
    NoPort,
    /// The port is not a number from 0 to 65535.
    BadPort(String),
    /// The text before the colon is empty.
    NoHost,
    /// An IPv6 address without brackets, which leaves open where the port begins.
    NeedsBrackets(String),
    /// The text in brackets is not an IPv6 address.
    BadV6(String),
    /// The text after `%` is neither the name nor the number of a network interface.
    BadZone(String),
    /// Numbers and dots that are neither an IPv4 address nor a host name.
    BadV4(String),
    /// The host is not a valid name.
    BadName(String),
    /// The host name has this many bytes, more than 253.
    LongName(usize),
    /// The path after `unix:` is empty.
    NoPath,
    /// The Unix path has this many bytes, more than [`MAX_UNIX_PATH`].
    LongPath(usize),
    /// The Unix path contains a control character, which would break the lines that show it.
    BadPath(String),
    /// `udp:` stands before `unix:`.
    UdpUnix,
    /// `tls:` stands before or after `udp:`, or twice.
    NoTls,
    /// `web:` or `web+tls:` stands before `udp:`, `tls:` or another door.
    BadWeb,
    /// A door such as `web:`, which only a [`ListenAddress`](crate::net::ListenAddress) has.
    NoDoor,
}

/// The forms without a prefix, as the errors show them.
const FORMS: &str = "PORT, HOST:PORT, [V6]:PORT or *:PORT";

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The Debug form escapes control characters, which could disturb the terminal that shows the error.
        match self {
            Self::Empty => write!(f, "the address is empty, use {FORMS}, or unix:PATH"),
            Self::NoPort => write!(f, "the port is missing, use {FORMS}, or unix:PATH"),
            Self::BadPort(text) => write!(f, "the port {text:?} is not a number from 0 to 65535"),
            Self::NoHost => write!(f, "the host before the colon is missing, use {FORMS}"),
            Self::NeedsBrackets(text) => write!(f, "the IPv6 address in {text:?} needs brackets, use [V6]:PORT"),
            Self::BadV6(text) => write!(f, "{text:?} in brackets is not an IPv6 address, use [V6]:PORT"),
            Self::BadZone(text) => {
                write!(f, "the zone {text:?} is not the name or number of a network interface, use [fe80::1%eth0]:PORT")
            }
            Self::BadV4(text) => {
                write!(f, "{text:?} is not an IPv4 address: four numbers from 0 to 255 without leading zeros")
            }
            Self::BadName(text) => write!(
                f,
                "{text:?} is not a host, use an IPv4 address, [V6], * or a name whose parts between dots are 1 to \
                 {MAX_LABEL} letters, digits, \"-\" (not at an end) or \"_\""
            ),
            Self::LongName(bytes) => write!(f, "the host name has {bytes} bytes, at most {MAX_NAME} are allowed"),
            Self::NoPath => write!(f, "the path after unix: is missing, use unix:PATH"),
            Self::LongPath(bytes) => {
                write!(f, "the path after unix: has {bytes} bytes, at most {MAX_UNIX_PATH} are allowed")
            }
            Self::BadPath(text) => write!(f, "the path {text:?} contains a control character, use one without"),
            Self::NoTls => f.write_str("tls: stands before a TCP address or unix:PATH, and once"),
            Self::BadWeb => f.write_str("web: stands before a TCP address or unix:PATH; with TLS, it is web+tls:"),
            Self::NoDoor => f.write_str(
                "web: is part only of an address to listen on, and with TLS it is web+tls:; for a host of the name \
                 web, write web.:PORT",
            ),
            Self::UdpUnix => write!(f, "udp: and unix: exclude each other, use unix:PATH, or udp: before {FORMS}"),
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
    let before_zone = text.split('%').next().unwrap_or_default();
    if [text, host, before_zone].iter().any(|text| text.parse::<Ipv6Addr>().is_ok()) {
        return Err(AddressError::NeedsBrackets(text.to_owned()));
    }
    Ok((parse_host(host)?, parse_port(port)?))
}

/// Parses the text after the opening bracket.
fn parse_v6(rest: &str) -> Result<(Host, u16), AddressError> {
    let (inside, after) = rest.split_once(']').unwrap_or((rest, ""));
    let (ip, zone) = inside.split_once('%').map_or((inside, None), |(ip, zone)| (ip, Some(zone)));
    let ip: Ipv6Addr = ip.parse().map_err(|_| AddressError::BadV6(inside.to_owned()))?;
    let host = match zone {
        None => Host::Ip(ip.into()),
        Some(zone) if is_zone(zone) => Host::Zoned { ip, zone: zone.to_owned() },
        Some(zone) => return Err(AddressError::BadZone(zone.to_owned())),
    };
    let port = after.strip_prefix(':').ok_or(AddressError::NoPort)?;
    Ok((host, parse_port(port)?))
}

/// Whether Linux accepts this as the name of a network interface. A number is such a name too.
fn is_zone(text: &str) -> bool {
    (1..=MAX_ZONE).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
}

fn parse_port(text: &str) -> Result<u16, AddressError> {
    if text.is_empty() {
        return Err(AddressError::NoPort);
    }
    // The parser of u16 accepts a plus sign.
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

/// Whether `inet_aton(3)`, which getaddrinfo(3) consults first, reads this label as a number.
///
/// It accepts `127.1` and `0x7f.1` as addresses, so a typing error would silently name another machine.
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hex {
        Some(hex) => hex.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !label.is_empty() && label.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// Whether this is a label of a host name (RFC 1123, section 2.1). Underscores are allowed, because names of containers
/// use them.
fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn look_up(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let mut addresses = Vec::new();
    for address in (name, port).to_socket_addrs()? {
        // The order is the resolver's preference, which a set would lose. A linear search is fast enough for a few
        // addresses.
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
