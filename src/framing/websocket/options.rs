//! The rules of a WebSocket server: which requests open a socket, and how long a message may be.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::framing::http::Request;

/// The rules for the sockets of a server.
///
/// Start with [`WebSocketOptions::default`] and change the fields that matter.
///
/// A browser lets the pages of every site connect to every server, also to one on the same machine that no other
/// machine reaches. So a server has to look at the header `Origin`, which a page cannot change, and at `Host`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WebSocketOptions {
    /// Longest message, in bytes, also in several frames. Above it, the connection is closed with 1009. 64 KiB: much
    /// more than a person types, and a connection with half a message takes no more memory.
    pub max_message: usize,
    /// Protocols that are spoken within the messages. Of those in the header `Sec-WebSocket-Protocol`, the first one
    /// that is listed here is chosen. The default is none.
    pub protocols: Vec<String>,
    /// Origins of pages of other sites that may open a socket, such as `https://example.com`. A page of this server
    /// always may: its origin has the host of the request. So may a program that sends no origin. Others get 403. The
    /// default is none.
    pub origins: Vec<String>,
    /// Names by which clients may call this server, without ports. Others get 403. IP addresses and `localhost` are
    /// always allowed. `None`: any name.
    ///
    /// For a server on the loopback interface: the owner of a domain can make its name point to 127.0.0.1, and its
    /// pages then have the origin of the server (DNS rebinding).
    pub hosts: Option<Vec<String>>,
}

impl Default for WebSocketOptions {
    fn default() -> Self {
        WebSocketOptions { max_message: 64 * 1024, protocols: Vec::new(), origins: Vec::new(), hosts: None }
    }
}

impl WebSocketOptions {
    /// Whether [`hosts`](Self::hosts) allows the host of `request`. [`WebSocket`](super::WebSocket) asks this for each
    /// request, and [`Socket::accept`](super::Socket::accept) for a socket. Another handler asks it for its pages.
    #[must_use]
    pub fn admits_host(&self, request: &Request<'_>) -> bool {
        let Some(names) = &self.hosts else { return true };
        let (name, _) = split_port(request.host().unwrap_or_default());
        let is_address = match name.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
            Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
            None => name.parse::<Ipv4Addr>().is_ok(),
        };
        is_address || name.eq_ignore_ascii_case("localhost") || has(names, name)
    }

    /// Whether `request` comes from a page that may open a socket, or from a program.
    #[must_use]
    pub fn admits_origin(&self, request: &Request<'_>) -> bool {
        let mut origins = request.headers().all("Origin");
        let (first, second) = (origins.next(), origins.next());
        match (first.map(str::from_utf8), second) {
            (None, _) => true,
            (Some(Ok(origin)), None) => is_own(origin, request) || has(&self.origins, origin),
            _ => false,
        }
    }

    /// Returns the protocol that is spoken within the messages, if the client and this server have one in common.
    #[must_use]
    pub fn protocol(&self, request: &Request<'_>) -> Option<&str> {
        let mut offered = request.headers().elements("Sec-WebSocket-Protocol");
        offered.find_map(|offer| self.protocols.iter().find(|name| name.as_bytes() == offer)).map(|name| &**name)
    }
}

fn has(list: &[String], text: &str) -> bool {
    list.iter().any(|listed| listed.eq_ignore_ascii_case(text))
}

/// Whether `origin` has the host of `request` (RFC 6454, section 7). The scheme may differ, since a proxy before the
/// server may add TLS.
fn is_own(origin: &str, request: &Request<'_>) -> bool {
    let (Some((scheme, authority)), Some(host)) = (origin.split_once("://"), request.host()) else { return false };
    let default = match scheme {
        "http" => "80",
        "https" => "443",
        _ => return false,
    };
    let (name, port) = split_port(authority);
    let (own_name, own_port) = split_port(host);
    name.eq_ignore_ascii_case(own_name) && port.unwrap_or(default) == own_port.unwrap_or(default)
}

/// Splits a host from its port. Only an IPv6 address has other colons, within brackets.
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port).filter(|port| !port.is_empty())),
        _ => (host, None),
    }
}
