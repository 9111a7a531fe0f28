//! Ranges of IP addresses, as the flags `--allow` and `--deny` take them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

/// A range of IP addresses: `192.0.2.0/24`, `2001:db8::/32`, or a single address.
///
/// IPv4 addresses that reach an IPv6 socket in their mapped form are compared as IPv4. For the same reason, a range
/// within `::ffff:0:0/96` is stored as the IPv4 range that it maps (RFC 4291, section 2.5.5.2).
///
/// ```
/// use switchboard::net::Network;
///
/// let network: Network = "192.0.2.0/24".parse()?;
/// assert!(network.contains("192.0.2.7".parse()?));
/// assert_eq!("192.0.2.7".parse::<Network>()?.to_string(), "192.0.2.7/32");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpNet);

impl Network {
    /// Whether an address lies in this range.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Network(address.to_canonical().into())
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.into());
        }
        let network = text.parse().map_err(|_| NetworkError(()))?;
        Ok(Network(mapped_ipv4(network).unwrap_or(network)))
    }
}

/// Writes the form that parses back, always with a prefix length.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn mapped_ipv4(network: IpNet) -> Option<IpNet> {
    let IpNet::V6(mapped) = network else { return None };
    let prefix = mapped.prefix_len().checked_sub(96)?;
    Ipv4Net::new(mapped.addr().to_ipv4_mapped()?, prefix).ok().map(IpNet::V4)
}

/// The error of a text that is not a [`Network`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkError(());

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a network is an IP address, or a range such as 192.0.2.0/24 or 2001:db8::/32")
    }
}

impl std::error::Error for NetworkError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        text.parse::<Network>().ok().map(|network| network.to_string())
    }

    #[test]
    fn ranges_and_single_addresses_are_networks() {
        for (text, wanted) in [
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("10.0.0.1", Some("10.0.0.1/32")),
            ("::1", Some("::1/128")),
            ("::/0", Some("::/0")),
            ("10.0.0.0/33", None),
            ("localhost", None),
            ("", None),
        ] {
            assert_eq!(shown(text).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn a_mapped_range_is_the_ipv4_range_that_it_maps() {
        for (text, wanted) in [
            ("::ffff:127.0.0.1", "127.0.0.1/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(wanted), "{text}");
        }
    }
}
