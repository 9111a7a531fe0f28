//! A fixed number of threads, and a queue of clients in front of them: the bounded buffer of every course.
//!
//! A thread serves a client to its end and then takes the next. So the number of threads is the number of clients that
//! are served at once; who comes later waits, first in the queue, then in the backlog.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::{accept, conversation};

/// Clients that wait for a thread. Beyond that they are left in the backlog, where they cost no descriptor.
const QUEUE: usize = 128;

pub(super) fn serve(listener: &TcpListener, threads: usize) -> io::Result<()> {
    let (queue, waiting) = mpsc::sync_channel(QUEUE);
    let waiting = Arc::new(Mutex::new(waiting));
    for _ in 0..threads {
        let waiting = Arc::clone(&waiting);
        thread::Builder::new().spawn(move || work(&waiting))?;
    }
    // Waits while the queue is full. It fails only when no worker is left, and workers do not end before that.
    while queue.send(accept(listener)).is_ok() {}
    Ok(())
}

fn work(waiting: &Mutex<Receiver<TcpStream>>) {
    // The lock is held while waiting for a client, and not while serving it.
    while let Ok(stream) = next(waiting) {
        conversation::serve(stream);
    }
}

fn next(waiting: &Mutex<Receiver<TcpStream>>) -> Result<TcpStream, mpsc::RecvError> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).recv()
}
