//! Clients that read whatever comes and keep nothing of it, on a thread of their own.

use std::io::{self, ErrorKind, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};

use crate::process::yield_to_others;

/// They read until this is ended or dropped.
#[derive(Debug)]
pub(crate) struct Sink {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<Vec<TcpStream>>>>,
}

impl Sink {
    /// Takes over the reading ends. They do not block from now on, nor do clones of them.
    pub(crate) fn of(streams: Vec<TcpStream>) -> Sink {
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            yield_to_others()?;
            drain(streams, &told)
        });
        Sink { is_over, thread: Some(thread) }
    }

    /// Ends the reading, and gives the streams back.
    pub(crate) fn end(mut self) -> io::Result<Vec<TcpStream>> {
        self.is_over.store(true, Ordering::Relaxed);
        let thread = self.thread.take().ok_or(io::ErrorKind::NotFound)?;
        thread.join().map_err(|_| io::Error::other("a reader panicked: a bug of this program"))?
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn drain(streams: Vec<TcpStream>, is_over: &AtomicBool) -> io::Result<Vec<TcpStream>> {
    let mut poll = Poll::new()?;
    let mut readers = Vec::with_capacity(streams.len());
    for (nth, stream) in streams.into_iter().enumerate() {
        stream.set_nonblocking(true)?;
        let mut stream = mio::net::TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(nth), Interest::READABLE)?;
        readers.push(stream);
    }
    let (mut events, mut buffer) = (Events::with_capacity(1024), [0; 16_384]);
    while !is_over.load(Ordering::Relaxed) {
        match poll.poll(&mut events, Some(Duration::from_millis(20))) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            // An end or an error is the last that is heard of a stream: it is edges that are waited for.
            while matches!(readers[event.token().0].read(&mut buffer), Ok(1..)) {}
        }
    }
    for reader in &mut readers {
        poll.registry().deregister(reader)?;
    }
    Ok(readers.into_iter().map(TcpStream::from).collect())
}
