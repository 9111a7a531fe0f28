//! One client after the other: the first server of every course.
//!
//! It waits in two places, for a client and for its bytes, and in the second nobody else is served. The next client is
//! connected all the same, because the kernel does that, and waits in the backlog without knowing why.

use std::net::TcpListener;

use super::{accept, conversation};

pub(super) fn serve(listener: &TcpListener) -> ! {
    loop {
        conversation::serve(accept(listener));
    }
}
