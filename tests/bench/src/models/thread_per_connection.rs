//! A thread for each client.
//!
//! As with processes each waits for its own client, but a thread is made faster, and all share the memory: they could
//! speak to each other, under locks, and one that crashes badly takes all with it.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use super::{accept, conversation};

/// At most `most` threads at once; a connection beyond that is closed, and so is one for which no thread can be had.
pub(super) fn serve(listener: &TcpListener, most: usize) -> ! {
    // Each thread holds a copy, so the copies count the threads.
    let place = Arc::new(());
    loop {
        let stream = accept(listener);
        let taken = Arc::strong_count(&place) - 1;
        if taken >= most {
            continue;
        }
        let own = Arc::clone(&place);
        let started = thread::Builder::new().spawn(move || {
            conversation::serve(stream);
            drop(own);
        });
        if let Err(error) = started {
            eprintln!("no thread for a client: {error}");
        }
    }
}
