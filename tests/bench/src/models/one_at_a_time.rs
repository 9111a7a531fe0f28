//! One client after the other: the first server of every course.
//!
//! It waits in two places, for a client and for its bytes, and in the second no other client is served. The next client
//! is still connected by the kernel, and waits in the backlog.

use std::net::TcpListener;

use super::{accept, conversation};

pub(super) fn serve(listener: &TcpListener) -> ! {
    loop {
        conversation::serve(accept(listener));
    }
}
