//! Datagrams of a socket that is bound to every address of this machine, each with the address that was asked.
//!
//! A client that has asked one address takes the answer from this address only. The kernel would choose the source of
//! an answer by its route, so it must be told (`IP_PKTINFO`, ip(7), and `IPV6_PKTINFO`, RFC 3542, section 6).

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd};

use nix::cmsg_space;
use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt};

/// The local address that a datagram was sent to, in the form in which the kernel takes it as the source of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    V4(in_pktinfo),
    V6(in6_pktinfo),
}

impl Asked {
    /// Makes the kernel report this address with each datagram of `socket`, which is bound to `local`.
    pub(crate) fn report(socket: &impl AsFd, local: SocketAddr) -> io::Result<()> {
        if local.is_ipv6() {
            setsockopt(socket, Ipv6RecvPacketInfo, &true)?;
        }
        // An IPv6 socket may also receive over IPv4, unless IPV6_V6ONLY is set.
        Ok(setsockopt(socket, Ipv4PacketInfo, &true)?)
    }

    /// Returns a buffer for what the kernel reports with a datagram.
    pub(crate) fn space() -> Vec<u8> {
        cmsg_space!(in_pktinfo, in6_pktinfo)
    }

    /// Receives a datagram. Returns its length, its sender, and the address that was asked, if the kernel reports it.
    /// `space` is a buffer of [`space`](Self::space), for use with every datagram.
    pub(crate) fn receive(
        socket: &(impl AsFd + AsRawFd),
        buffer: &mut [u8],
        space: &mut [u8],
    ) -> io::Result<(usize, SocketAddr, Option<Asked>)> {
        let mut buffers = [IoSliceMut::new(buffer)];
        let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut buffers, Some(space), MsgFlags::empty())?;
        let from = message.address.as_ref().and_then(socket_addr).ok_or(io::ErrorKind::InvalidData)?;
        let mut asked = None;
        for control in message.cmsgs().into_iter().flatten() {
            // An IPv6 socket reports both for IPv4, and only the first one knows the answer to a broadcast.
            match control {
                ControlMessageOwned::Ipv4PacketInfo(info) => asked = Some(Asked::v4(&info)),
                ControlMessageOwned::Ipv6PacketInfo(info) => asked = asked.or(Some(Asked::v6(&info))),
                _ => {}
            }
        }
        Ok((message.bytes, from, asked))
    }

    /// Sends a datagram from this address to `to`.
    pub(crate) fn send(&self, socket: &impl AsRawFd, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        let control = match self {
            Asked::V4(info) => ControlMessage::Ipv4PacketInfo(info),
            Asked::V6(info) => ControlMessage::Ipv6PacketInfo(info),
        };
        let to = SockaddrStorage::from(to);
        Ok(sendmsg(socket.as_raw_fd(), &[IoSlice::new(bytes)], &[control], MsgFlags::empty(), Some(&to))?)
    }

    /// `ipi_spec_dst` is an address of this machine, also if the datagram was sent to a broadcast or multicast address.
    fn v4(info: &in_pktinfo) -> Self {
        let address = Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr));
        let index = if address.is_link_local() { info.ipi_ifindex } else { 0 };
        Asked::V4(in_pktinfo { ipi_ifindex: index, ipi_addr: in_addr { s_addr: 0 }, ..*info })
    }

    /// A multicast address cannot be the source of an answer, so the kernel chooses one of the interface.
    fn v6(info: &in6_pktinfo) -> Self {
        let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
        let (address, has_scope) = match address {
            address if address.is_multicast() => (Ipv6Addr::UNSPECIFIED, true),
            address => (address, address.is_unicast_link_local()),
        };
        // Only an address with a scope needs its interface. Otherwise the answer takes the route to its receiver.
        let index = if has_scope { info.ipi6_ifindex } else { 0 };
        Asked::V6(in6_pktinfo { ipi6_addr: in6_addr { s6_addr: address.octets() }, ipi6_ifindex: index })
    }
}

fn socket_addr(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|&at| SocketAddrV4::from(at).into());
    v4.or_else(|| address.as_sockaddr_in6().map(|&at| SocketAddrV6::from(at).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v6(text: &str) -> (Ipv6Addr, u32) {
        let address: Ipv6Addr = text.parse().expect("a literal");
        let info = in6_pktinfo { ipi6_addr: in6_addr { s6_addr: address.octets() }, ipi6_ifindex: 7 };
        match Asked::v6(&info) {
            Asked::V6(info) => (info.ipi6_addr.s6_addr.into(), info.ipi6_ifindex),
            Asked::V4(_) => panic!("{text} is IPv6"),
        }
    }

    fn v4(text: &str) -> (Ipv4Addr, i32) {
        let address: Ipv4Addr = text.parse().expect("a literal");
        let broadcast = in_addr { s_addr: u32::MAX };
        let local = in_addr { s_addr: address.to_bits().to_be() };
        match Asked::v4(&in_pktinfo { ipi_ifindex: 7, ipi_spec_dst: local, ipi_addr: broadcast }) {
            Asked::V4(info) => (u32::from_be(info.ipi_spec_dst.s_addr).into(), info.ipi_ifindex),
            Asked::V6(_) => panic!("{text} is IPv4"),
        }
    }

    #[test]
    fn the_source_of_an_answer_is_an_address_of_this_machine() {
        assert_eq!(v4("192.0.2.1"), (Ipv4Addr::new(192, 0, 2, 1), 0));
        assert_eq!(v4("169.254.0.1"), (Ipv4Addr::new(169, 254, 0, 1), 7), "an address of one network only");
        assert_eq!(v6("2001:db8::1"), ("2001:db8::1".parse().expect("a literal"), 0));
        assert_eq!(v6("fe80::1"), ("fe80::1".parse().expect("a literal"), 7), "an address of one interface only");
        assert_eq!(v6("ff02::1"), (Ipv6Addr::UNSPECIFIED, 7), "a group is no source");
    }
}
