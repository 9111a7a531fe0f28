//! Everything that a pipe or a terminal has said so far, gathered by a thread so that the speaker never blocks.

use super::wait::until;
use std::io::{ErrorKind, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

#[derive(Default)]
struct Seen {
    bytes: Vec<u8>,
    ended: bool,
}

/// A growing transcript.
#[derive(Clone, Default)]
pub(crate) struct Capture(Arc<Mutex<Seen>>);

impl Capture {
    /// Reads `source` to its end in a thread of its own.
    pub(crate) fn of(mut source: impl Read + Send + 'static) -> Self {
        let capture = Self::default();
        let seen = capture.clone();
        thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            loop {
                match source.read(&mut buffer) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    // The master side of a terminal answers EIO when the last slave is closed (Linux).
                    Ok(0) | Err(_) => break,
                    Ok(length) => seen.with(|seen| seen.bytes.extend_from_slice(&buffer[..length])),
                }
            }
            seen.with(|seen| seen.ended = true);
        });
        capture
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.with(|seen| seen.bytes.clone())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// Waits until the transcript contains `wanted`.
    #[track_caller]
    pub(crate) fn wait_for(&self, wanted: &str) {
        let what = format!("{wanted:?}");
        until(&what, || self.text().contains(wanted));
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.with(|seen| seen.ended)
    }

    /// Waits until the speaker has closed its side, and returns all that it said.
    #[track_caller]
    pub(crate) fn all(&self) -> Vec<u8> {
        until("the end of an output", || self.has_ended());
        self.bytes()
    }

    /// Waits until the speaker has closed its side, and returns all that it said, as text.
    #[track_caller]
    pub(crate) fn all_text(&self) -> String {
        String::from_utf8_lossy(&self.all()).into_owned()
    }

    fn with<T>(&self, act: impl FnOnce(&mut Seen) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
