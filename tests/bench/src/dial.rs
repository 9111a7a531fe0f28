//! Opens many connections from one process: enough descriptors, enough ports.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::Duration;

use clap::{Args, Command};
use switchboard_harness::allow_descriptors;

use crate::kernel;

/// The most connections that one run opens.
pub(crate) const MOST: u64 = 100_000;

/// Descriptors beside the connections: standard streams, epoll, a server's pipes.
const SPARE: u64 = 32;

/// How many connections share a source address. Linux offers some 28,000 ports to each; a run may follow on another.
const PER_SOURCE: usize = 10_000;

/// How long a server may take to answer a connection. More than one second: Linux asks again after that when its
/// backlog was full.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// The plan of a command line with nothing but the target.
pub(crate) fn plan_for<P: Args>(target: SocketAddrV4) -> P {
    let command = P::augment_args(Command::new("plan"));
    let matches = command.get_matches_from(["plan", &target.to_string()]);
    P::from_arg_matches(&matches).expect("all but the target has a default")
}

/// Makes sure that `connections` can be opened: raises the soft limit of descriptors to the hard one.
///
/// # Errors
/// The hard limit is too small.
pub(crate) fn prepare(connections: usize) -> io::Result<()> {
    allow_descriptors(connections as u64 + SPARE, u64::MAX)
}

/// The connection number `nth` of a run: blocking, without Nagle's delay.
pub(crate) fn dial(target: SocketAddrV4, nth: usize) -> io::Result<TcpStream> {
    dial_within(target, nth, TIMEOUT)
}

/// As [`dial`], with another timeout than [`TIMEOUT`].
pub(crate) fn dial_within(target: SocketAddrV4, nth: usize, timeout: Duration) -> io::Result<TcpStream> {
    let source = Ipv4Addr::new(127, 0, 0, 2 + (nth / PER_SOURCE) as u8);
    let stream = kernel::connect_from(source, target, timeout)
        .map_err(|error| io::Error::new(error.kind(), format!("connection {nth} to {target}: {error}")))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The error for a server that ends a connection which it should keep.
pub(crate) fn ended(nth: usize) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("the server closed connection {nth}"))
}
