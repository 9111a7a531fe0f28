//! Daytime: the date and the time of day as a line of text (RFC 867).
//!
//! Invariant: an answer consists of complete lines, each ending in CR and LF; input is discarded. A function that is
//! given to the handler writes the time, so the library needs no calendar and no time zones.

#[cfg(feature = "cli")]
mod args;

#[cfg(feature = "cli")]
pub use args::DaytimeServer;

use std::time::SystemTime;

use crate::connection::origin::{Origin, Source};
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::state::throttle::Throttle;

/// Sends the date and time as a line and closes the connection; answers a datagram with the line (RFC 867).
///
/// ```
/// use std::time::{SystemTime, UNIX_EPOCH};
///
/// use switchboard::Sim;
/// use switchboard::servers::Daytime;
///
/// let days = |at: SystemTime| {
///     let seconds = at.duration_since(UNIX_EPOCH).ok()?.as_secs();
///     Some(format!("{} days after 1970", seconds / 86_400))
/// };
/// let mut sim = Sim::new(Daytime::new(days, None));
/// let peer = sim.connect();
/// assert_eq!(sim.received(peer), b"10957 days after 1970\r\n");
/// ```
#[derive(Clone, Debug)]
pub struct Daytime<F> {
    write: F,
    farewell: Option<String>,
    failures: Throttle,
}

impl<F: Fn(SystemTime) -> Option<String>> Daytime<F> {
    /// Creates a handler that writes the time with `write` and sends `farewell` as a second line.
    ///
    /// `write` returns the text without a line end, or `None` for a time that cannot be written; the peer then gets
    /// nothing.
    pub fn new(write: F, farewell: Option<String>) -> Self {
        Daytime { write, farewell, failures: Throttle::new() }
    }

    fn reply_lines(&mut self, cx: &mut Context<'_>) {
        let Some(date) = (self.write)(cx.system_time()) else {
            if let Some(repeats) = self.failures.note(cx.now()) {
                log::warn!("no answer sent: the clock shows a time that cannot be written as a date; set it{repeats}");
            }
            return;
        };
        for line in [Some(&date), self.farewell.as_ref()].into_iter().flatten() {
            cx.reply(line.as_bytes());
            cx.reply(b"\r\n");
        }
    }
}

impl<F: Fn(SystemTime) -> Option<String>> Handler for Daytime<F> {
    type Session = ();

    fn open(&mut self, _: &Origin, cx: &mut Context<'_>) {
        self.reply_lines(cx);
        cx.close();
    }

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], _: &mut Context<'a>) -> usize {
        input.len()
    }

    fn datagram<'a>(&mut self, _: &Source, _: &'a mut [u8], cx: &mut Context<'a>) {
        self.reply_lines(cx);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;
    use crate::servers::chunking::{in_pieces, steps};
    use crate::sim::{Ending, Sim, assert_chunking_law};

    /// Seconds after 1970, and nothing for what was before.
    fn seconds(at: SystemTime) -> Option<String> {
        Some(at.duration_since(UNIX_EPOCH).ok()?.as_secs().to_string())
    }

    fn daytime() -> Daytime<fn(SystemTime) -> Option<String>> {
        Daytime::new(seconds, None)
    }

    fn polite() -> Daytime<fn(SystemTime) -> Option<String>> {
        Daytime::new(seconds, Some("good bye".into()))
    }

    fn source() -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 5000).into()
    }

    #[test]
    fn one_line_and_then_the_end() {
        let mut sim = Sim::new(daytime());
        sim.set_system_time(UNIX_EPOCH + Duration::from_secs(5));
        let peer = sim.connect();
        assert_eq!(sim.received(peer), b"5\r\n");
        assert_eq!(sim.ending(peer), Some(Ending::Eof));
        sim.advance(Duration::from_secs(2));
        assert_eq!(sim.datagram(source(), b"ignored"), Some(b"7\r\n".to_vec()));
    }

    #[test]
    fn a_farewell_is_a_second_line() {
        let mut sim = Sim::new(polite());
        sim.set_system_time(UNIX_EPOCH);
        let peer = sim.connect();
        assert_eq!(sim.received(peer), b"0\r\ngood bye\r\n");
        assert_eq!(sim.datagram(source(), b""), Some(b"0\r\ngood bye\r\n".to_vec()));
    }

    #[test]
    fn a_time_that_cannot_be_written_is_not_made_up() {
        let mut sim = Sim::new(polite());
        sim.set_system_time(UNIX_EPOCH - Duration::from_secs(1));
        let peer = sim.connect();
        assert_eq!((sim.received(peer), sim.ending(peer)), (Vec::new(), Some(Ending::Eof)));
        assert_eq!(sim.datagram(source(), b""), None);
    }

    #[test]
    fn obeys_the_chunking_law() {
        assert_chunking_law(polite, b"what time\r\nis it?");
    }

    proptest! {
        #[test]
        fn no_input_changes_the_answer(input: Vec<u8>, steps in steps()) {
            let (received, ending) = in_pieces(polite(), &input, &steps);
            prop_assert!(received.ends_with(b"\r\ngood bye\r\n"));
            prop_assert_eq!(ending, Some(Ending::Eof));
        }
    }
}
