//! The uppercase server in the ways in which servers were built before the readiness loop: a blocking driver each.
//!
//! All of them run the handler of `uppercase-server` unchanged, through a [`conversation`]. What they differ in is who
//! waits in read(2) for which client, and that is all that a driver holds. They have no limits but a guard for the
//! machine, no log and no way to stop: they are exhibits, not servers to run. `docs/io-models.md` explains them.

pub(crate) mod conversation;
mod one_at_a_time;
mod process_per_connection;
mod thread_per_connection;
mod thread_pool;

use std::io;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::kernel;

/// Connections that may wait for accept(2): what Linux allows by default.
const BACKLOG: i32 = 4096;

/// How long to wait after accept(2) has failed. When descriptors have run out it would fail again at once, for ever.
const RETRY: Duration = Duration::from_millis(10);

/// How to serve.
#[derive(Args)]
pub(crate) struct Options {
    /// What waits for which client
    #[arg(value_enum)]
    model: Model,
    /// Port on 127.0.0.1; 0 picks one
    port: u16,
    /// Threads of the thread-pool
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    threads: u16,
    /// Guard for the machine: processes or threads that serve at once; a connection beyond it is closed
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=32_000))]
    most: u64,
}

/// A way to build a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Model {
    /// Serve a client to its end, then accept the next
    OneAtATime,
    /// Fork a child for each client
    ProcessPerConnection,
    /// Start a thread for each client
    ThreadPerConnection,
    /// Hand the clients to a fixed number of threads
    ThreadPool,
}

/// Serves until the process is ended.
///
/// # Errors
/// The port cannot be had, or the threads of a pool cannot.
pub(crate) fn serve(options: &Options) -> io::Result<()> {
    switchboard_harness::allow_descriptors(0, u64::MAX)?;
    let listener = kernel::listen(options.port, BACKLOG)?;
    listener.set_nonblocking(false)?;
    println!("listening on {}", listener.local_addr()?);
    let most = options.most as usize;
    match options.model {
        Model::OneAtATime => one_at_a_time::serve(&listener),
        Model::ProcessPerConnection => process_per_connection::serve(&listener, most),
        Model::ThreadPerConnection => thread_per_connection::serve(&listener, most),
        Model::ThreadPool => thread_pool::serve(&listener, usize::from(options.threads))?,
    }
    Ok(())
}

/// Waits for the next client.
fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept() {
            Ok((stream, _)) => return stream,
            Err(_) => thread::sleep(RETRY),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::{SocketAddr, SocketAddrV4};

    use super::*;

    pub(crate) fn pool_of(threads: usize) -> impl FnOnce(&TcpListener) + Send + 'static {
        move |listener| thread_pool::serve(listener, threads).expect("threads")
    }

    pub(crate) fn threads_up_to(most: usize) -> impl FnOnce(&TcpListener) + Send + 'static {
        move |listener| thread_per_connection::serve(listener, most)
    }

    /// Serves on a thread that ends with the process.
    pub(crate) fn in_background(serve: impl FnOnce(&TcpListener) + Send + 'static) -> SocketAddrV4 {
        let listener = kernel::listen(0, BACKLOG).expect("a port");
        listener.set_nonblocking(false).expect("a mode");
        let SocketAddr::V4(address) = listener.local_addr().expect("an address") else { panic!("no IPv4") };
        thread::spawn(move || serve(&listener));
        address
    }
}
