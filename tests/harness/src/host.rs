//! Addresses that stay free after they were given back.
//!
//! A port that the system picked may go to another process as soon as its socket is closed. These ports are outside the
//! range that Linux picks from, on a loopback address that belongs to this process alone.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicU16, Ordering};

/// The address of this process in 127.64.0.0/10. Linux numbers processes with at most 22 bits.
fn own_host() -> Ipv4Addr {
    let [_, top, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 0x40 | top & 0x3f, high, low)
}

/// Returns an address that no other call returns.
pub fn own_address() -> SocketAddrV4 {
    static NEXT: AtomicU16 = AtomicU16::new(7000);
    SocketAddrV4::new(own_host(), NEXT.fetch_add(1, Ordering::Relaxed))
}
