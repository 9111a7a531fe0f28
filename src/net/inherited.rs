//! Sockets that were opened by another program, such as a service manager (`sd_listen_fds(3)`).
//!
//! Invariant: an adopted [`Listener`] listens already, or is a bound UDP socket. Its address, its backlog and the file
//! of a Unix path remain the responsibility of the program that opened it.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use socket2::{Domain, Socket, Type};

use super::{Listener, SocketOptions, UnixBound};

impl SocketOptions {
    /// Creates a listener from a socket that is already bound.
    ///
    /// Sets the options that can be set on a bound socket: `nonblocking`, `nodelay`, `keepalive` and the buffer sizes.
    ///
    /// # Errors
    /// `InvalidInput` with the reason for a stream socket that does not listen, and for any socket other than TCP, UDP
    /// or a Unix stream. The errors of getsockopt(2) and setsockopt(2), also for a descriptor that is not a socket.
    pub fn adopt(&self, socket: impl Into<OwnedFd>) -> io::Result<Listener> {
        let socket = Socket::from(socket.into());
        let (domain, kind) = (socket.domain()?, socket.r#type()?);
        if kind == Type::STREAM && !socket.is_listener()? {
            return Err(invalid("it does not listen; the service manager should pass the listener, not a connection"));
        }
        socket.set_nonblocking(self.nonblocking)?;
        self.set_buffers(&socket)?;
        let listener = match (domain, kind) {
            (Domain::IPV4 | Domain::IPV6, Type::STREAM) => {
                self.set_tcp(&socket)?;
                Listener::Tcp(TcpListener::from(socket))
            }
            (Domain::IPV4 | Domain::IPV6, Type::DGRAM) => Listener::Udp(UdpSocket::from(socket)),
            (Domain::UNIX, Type::STREAM) => Listener::Unix(UnixBound::adopted(UnixListener::from(socket))?),
            _ => return Err(invalid("it is neither TCP, nor UDP, nor a Unix stream socket")),
        };
        self.warn_of_clipped_buffers(&listener);
        Ok(listener)
    }
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Address;
    use std::net::TcpStream;
    use std::os::unix::net::UnixDatagram;

    fn adopt(socket: impl Into<OwnedFd>) -> io::Result<Listener> {
        SocketOptions::default().adopt(socket)
    }

    #[test]
    fn adopted_sockets_keep_their_addresses() {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let at = tcp.local_addr().expect("an address");
        let adopted = adopt(tcp).expect("a listener");
        assert_eq!(adopted.local_addr().expect("an address").to_string(), at.to_string());
        assert!(adopted.is_nonblocking().expect("flags"));
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let at = udp.local_addr().expect("an address");
        assert_eq!(adopt(udp).expect("bound").local_addr().expect("an address").to_string(), format!("udp:{at}"));
    }

    #[test]
    fn a_unix_path_stays_when_its_listener_goes() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let adopted = adopt(UnixListener::bind(&path).expect("a free path")).expect("a listener");
        assert_eq!(adopted.local_addr().expect("an address"), Address::Unix(path.clone()));
        drop(adopted);
        assert!(path.exists(), "it is not ours to remove");
    }

    #[test]
    fn other_sockets_are_refused_with_the_reason() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let stream = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
        let (datagrams, _) = UnixDatagram::pair().expect("a pair");
        let file: OwnedFd = tempfile::tempfile().expect("a file").into();
        for (result, wanted) in [
            (adopt(stream), "does not listen"),
            (adopt(datagrams), "neither TCP, nor UDP, nor a Unix stream"),
            (adopt(file), "operation on non-socket"),
        ] {
            let error = result.expect_err(wanted).to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
