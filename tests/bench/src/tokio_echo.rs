//! Echo as it is written with tokio: one thread, a task and a buffer of 64 KiB for each connection.
//!
//! A peer to compare with, built only with the feature `peers`. No limits, no way to stop.

use std::io;

use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::kernel;

/// How to serve.
#[derive(Args)]
pub(crate) struct Options {
    /// Port on 127.0.0.1; 0 picks one
    port: u16,
}

/// Serves until the process is ended.
pub(crate) fn serve(options: &Options) -> io::Result<()> {
    switchboard_harness::allow_descriptors(0, u64::MAX)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(accept(options.port))
}

async fn accept(port: u16) -> io::Result<()> {
    let listener = TcpListener::from_std(kernel::listen(port, 1024)?)?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(answer(stream));
    }
}

/// A connection that fails has no client left to tell. The buffer is not filled with zeros first: its pages would count
/// as memory of connections that say nothing.
async fn answer(mut stream: TcpStream) {
    let mut buffer = Vec::with_capacity(64 * 1024);
    while let Ok(1..) = stream.read_buf(&mut buffer).await {
        if stream.write_all(&buffer).await.is_err() {
            return;
        }
        buffer.clear();
    }
}
