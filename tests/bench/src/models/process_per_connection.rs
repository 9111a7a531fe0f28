//! A child for each client, made by fork(2).
//!
//! Each child waits for its own client, and the kernel runs whichever has something to do. Children share nothing: one
//! that crashes takes one client with it, and none could tell another what it has heard.

use std::net::TcpListener;
use std::process;

use super::{accept, conversation};
use crate::kernel::{self, Forked};

/// At most `most` children at once; a connection beyond that is closed, and so is one for which fork(2) fails.
pub(super) fn serve(listener: &TcpListener, most: usize) -> ! {
    let mut children = 0;
    loop {
        // Dropped at the end of this turn: the parent's descriptor would keep the connection open after the child.
        let stream = accept(listener);
        // A child that has ended keeps its place in the process table until its parent has asked for it.
        children -= kernel::reap();
        if children >= most {
            continue;
        }
        match kernel::fork() {
            Ok(Forked::Parent) => children += 1,
            Ok(Forked::Child) => {
                // Its copy of the listener is never used, and is closed with it.
                conversation::serve(stream);
                process::exit(0);
            }
            Err(error) => eprintln!("no process for a client: {error}"),
        }
    }
}
