//! The output of a process so far, read by a thread so that the process never waits for a reader.

use crate::wait::{until, until_some};
use std::io::{ErrorKind, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The bytes that are kept of one output. More is read and dropped.
const MOST: usize = 64 << 20;

#[derive(Debug, Default)]
struct Seen {
    bytes: Vec<u8>,
    ended: bool,
}

/// A growing transcript.
#[derive(Clone, Debug, Default)]
pub struct Capture(Arc<Mutex<Seen>>);

impl Capture {
    /// Reads `source` to its end on a thread.
    pub fn of(mut source: impl Read + Send + 'static) -> Self {
        let capture = Self::default();
        let seen = capture.clone();
        thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            loop {
                match source.read(&mut buffer) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    // Linux: the master side of a terminal answers EIO when the last slave is closed.
                    Ok(0) | Err(_) => break,
                    Ok(length) => seen.with(|seen| {
                        let room = MOST.saturating_sub(seen.bytes.len());
                        seen.bytes.extend_from_slice(&buffer[..length.min(room)]);
                    }),
                }
            }
            seen.with(|seen| seen.ended = true);
        });
        capture
    }

    /// Returns the transcript of an output that is not read.
    pub fn empty() -> Self {
        let capture = Self::default();
        capture.with(|seen| seen.ended = true);
        capture
    }

    /// Returns the bytes so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.with(|seen| seen.bytes.clone())
    }

    /// Returns the text so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// Returns the lines so far; the last one may be incomplete.
    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// Waits until the transcript contains `wanted`.
    #[track_caller]
    pub fn wait_for(&self, wanted: &str) {
        until(&format!("{wanted:?}"), || self.text().contains(wanted));
    }

    /// Waits until the transcript is exactly `wanted`. Fails at once if it can no longer become that.
    #[track_caller]
    pub fn shows(&self, wanted: &str) {
        until(&format!("{wanted:?}"), || {
            let shown = self.text();
            assert!(wanted.starts_with(&shown), "shown {shown:?}, wanted {wanted:?}");
            shown == wanted
        });
    }

    /// Whether the output has been read to its end.
    pub fn has_ended(&self) -> bool {
        self.with(|seen| seen.ended)
    }

    /// Waits for the end of the output, and returns all of it.
    ///
    /// After a process has ended, its output may still wait in a pipe: only the end of the output shows that all is
    /// here.
    #[track_caller]
    pub fn all(&self) -> Vec<u8> {
        until_some("the end of an output", || self.has_ended().then(|| self.bytes()))
    }

    /// Waits for the end of the output, and returns all of it as text.
    #[track_caller]
    pub fn all_text(&self) -> String {
        String::from_utf8_lossy(&self.all()).into_owned()
    }

    fn with<T>(&self, act: impl FnOnce(&mut Seen) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
