//! Doors: the protocols by which a server is reached, and addresses that name one.
//!
//! Invariant: a parsed [`ListenAddress`] displays as text that parses to the same address.
//!
//! The protocol of a connection is never guessed from its first bytes, because the server may speak first.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::address::{Address, AddressError, Host};

/// The protocol of the clients of a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Door {
    /// The protocol of the server itself, for programs such as `nc`.
    #[default]
    Line,
    /// WebSocket, for pages in a browser: `web:`.
    Web,
}

/// An address to listen on, with its door.
///
/// | text | door | transport |
/// |---|---|---|
/// | a form of [`Address`] | line | that address |
/// | `web:` before a form without `udp:` and `tls:` | web | TCP or a Unix socket |
/// | `web+tls:` before such a form | web | TLS over it |
///
/// # Examples
///
/// ```
/// use switchboard::net::{Door, ListenAddress};
///
/// let listen: ListenAddress = "web:8080".parse()?;
/// assert_eq!((listen.door, listen.to_string()), (Door::Web, "web:127.0.0.1:8080".to_owned()));
/// # Ok::<(), switchboard::net::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListenAddress {
    /// The protocol of the clients.
    pub door: Door,
    /// The address of the socket, with TLS if the clients speak it.
    pub address: Address,
}

impl From<Address> for ListenAddress {
    fn from(address: Address) -> Self {
        ListenAddress { door: Door::Line, address }
    }
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let Some((is_tls, rest)) = web_address(text) else { return Ok(text.parse::<Address>()?.into()) };
        if ["udp:", "tls:"].iter().any(|prefix| rest.starts_with(prefix)) || web_address(rest).is_some() {
            return Err(AddressError::BadWeb);
        }
        let address = rest.parse()?;
        let address = if is_tls { Address::Tls(Box::new(address)) } else { address };
        Ok(ListenAddress { door: Door::Web, address })
    }
}

impl ListenAddress {
    /// Returns the URL at which a browser on this machine reaches a web door at a port. `None` for others.
    ///
    /// ```
    /// use switchboard::net::ListenAddress;
    ///
    /// let listen: ListenAddress = "web:8080".parse()?;
    /// assert_eq!(listen.url().as_deref(), Some("http://127.0.0.1:8080/"));
    /// # Ok::<(), switchboard::net::AddressError>(())
    /// ```
    #[must_use]
    pub fn url(&self) -> Option<String> {
        let scheme = if let Address::Tls(_) = self.address { "https" } else { "http" };
        let (Door::Web, Address::Tcp { host, port }) = (self.door, self.address.transport()) else { return None };
        let host = match host {
            Host::Any => "localhost".to_owned(),
            Host::Ip(ip) if ip.is_unspecified() => "localhost".to_owned(),
            Host::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
            Host::Ip(IpAddr::V4(ip)) => ip.to_string(),
            Host::Name(name) => name.clone(),
            // No browser takes a zone.
            Host::Zoned { .. } => return None,
        };
        Some(format!("{scheme}://{host}:{port}/"))
    }
}

/// Writes the full form, which parses back: `web+tls:127.0.0.1:8443` for `web+tls:8443`.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.door, &self.address) {
            (Door::Line, address) => address.fmt(f),
            (Door::Web, Address::Tls(below)) => write!(f, "web+tls:{below}"),
            (Door::Web, address) => write!(f, "web:{address}"),
        }
    }
}

/// Returns the text after the prefix of the web door, and whether TLS is below it.
pub(super) fn web_address(text: &str) -> Option<(bool, &str)> {
    let plain = text.strip_prefix("web:").map(|rest| (false, rest));
    plain.or_else(|| text.strip_prefix("web+tls:").map(|rest| (true, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_web_door_at_a_port_has_a_url() {
        for (address, wanted) in [
            ("web:8080", Some("http://127.0.0.1:8080/")),
            ("web:[::1]:8080", Some("http://[::1]:8080/")),
            ("web+tls:10.0.0.1:8443", Some("https://10.0.0.1:8443/")),
            ("web+tls:example.org:443", Some("https://example.org:443/")),
            ("web:0.0.0.0:80", Some("http://localhost:80/")),
            ("web:*:80", Some("http://localhost:80/")),
            ("web:[::]:80", Some("http://localhost:80/")),
            ("web:unix:/run/web", None),
            ("tls:8443", None),
        ] {
            let listen: ListenAddress = address.parse().expect("an address");
            assert_eq!(listen.url().as_deref(), wanted, "{address}");
        }
    }

    #[test]
    fn every_form_names_its_door_and_its_socket() {
        for (text, door, address, full) in [
            ("7000", Door::Line, "7000", "127.0.0.1:7000"),
            ("tls:*:7000", Door::Line, "tls:*:7000", "tls:*:7000"),
            ("udp:7000", Door::Line, "udp:7000", "udp:127.0.0.1:7000"),
            ("web:8080", Door::Web, "8080", "web:127.0.0.1:8080"),
            ("web:0", Door::Web, "0", "web:127.0.0.1:0"),
            ("web:*:8080", Door::Web, "*:8080", "web:*:8080"),
            ("web:[::1]:8080", Door::Web, "[::1]:8080", "web:[::1]:8080"),
            ("web:localhost:8080", Door::Web, "localhost:8080", "web:localhost:8080"),
            ("web:unix:/run/web", Door::Web, "unix:/run/web", "web:unix:/run/web"),
            ("web:unix:web:1", Door::Web, "unix:web:1", "web:unix:web:1"),
            ("web+tls:8443", Door::Web, "tls:8443", "web+tls:127.0.0.1:8443"),
            ("web+tls:unix:x", Door::Web, "tls:unix:x", "web+tls:unix:x"),
            // A server on a machine of that name is reached by it.
            ("web.:8080", Door::Line, "web.:8080", "web.:8080"),
            ("udp:web:8080", Door::Line, "udp:web:8080", "udp:web:8080"),
        ] {
            let address = address.parse().expect("an address in a test");
            let listen = ListenAddress { door, address };
            assert_eq!(text.parse(), Ok(listen.clone()), "{text:?}");
            assert_eq!(listen.to_string(), full, "{text:?}");
            assert_eq!(full.parse(), Ok(listen), "{full:?}");
        }
    }

    #[test]
    fn every_mistake_at_the_web_door_is_named() {
        use AddressError as E;
        for (text, expected) in [
            ("web:", E::Empty),
            ("web+tls:", E::Empty),
            ("web:localhost", E::NoPort),
            ("web:99999", E::BadPort("99999".into())),
            ("web:unix:", E::NoPath),
            ("web:udp:8080", E::BadWeb),
            ("web:tls:8080", E::BadWeb),
            ("web+tls:tls:8080", E::BadWeb),
            ("web:web:8080", E::BadWeb),
            ("web:web+tls:8080", E::BadWeb),
            ("tls:web:8080", E::NoDoor),
            ("tls:web+tls:8080", E::NoDoor),
        ] {
            assert_eq!(text.parse::<ListenAddress>(), Err(expected), "{text:?}");
        }
    }

    /// A connection has no door of the other server. A host with the name of the door is written with a final dot.
    #[test]
    fn an_address_to_connect_to_has_no_door() {
        for text in ["web:", "web:8080", "web:localhost:8080", "web+tls:8080", "web:unix:x"] {
            assert_eq!(text.parse::<Address>(), Err(AddressError::NoDoor), "{text:?}");
        }
        let message = AddressError::NoDoor.to_string();
        assert!(message.contains("only of an address to listen on"), "{message}");
    }
}
