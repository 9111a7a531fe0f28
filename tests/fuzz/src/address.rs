//! Addresses from any text: each is refused in one clean line, or displays as text that parses back to it.

use std::net::SocketAddr;

use switchboard::{Address, Host};

/// Parses the bytes as an address, and compares with what the standard library makes of them.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match text.parse::<Address>() {
        Ok(address) => {
            assert_eq!(address.to_string().parse().as_ref(), Ok(&address), "{text:?}");
            assert!(!address.to_string().contains(char::is_control), "{text:?}");
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "{text:?}: {error:?}"),
    }
    compare(text);
}

/// What the standard library takes for a host and a port has to be the same ones here.
fn compare(text: &str) {
    // The standard library takes zones that are numbers, and loses their text.
    let Ok(known) = text.parse::<SocketAddr>().map_err(drop).and_then(|known| match known {
        SocketAddr::V6(v6) if v6.scope_id() != 0 || text.contains('%') => Err(()),
        other => Ok(other),
    }) else {
        return;
    };
    let want = Address::Tcp { host: Host::Ip(known.ip()), port: known.port() };
    assert_eq!(text.parse().as_ref(), Ok(&want), "{text:?}");
    assert_eq!(want.resolve().ok(), Some(vec![known]), "{text:?}");
}
