//! Time: the seconds since 1900 as four bytes (RFC 868).
//!
//! Invariant: the answer is exactly four bytes, whatever the clock shows and whatever the peer sends. Four bytes hold
//! 136 years, so the number is modulo 2^32: it starts at 0 again on 7 February 2036, 06:28:16 UTC, and before 1900 it
//! counts down from 2^32, as in the RFC's own example of 1858. The client must know which 136 years are meant.

#[cfg(feature = "cli")]
mod args;

#[cfg(feature = "cli")]
pub use args::TimeServer;

use std::time::SystemTime;

use crate::connection::origin::{Origin, Source};
use crate::handler::Handler;
use crate::handler::context::Context;

/// Sends the time as a 32-bit number, highest byte first, and closes the connection; answers a datagram with the number
/// (RFC 868).
///
/// ```
/// use switchboard::Sim;
/// use switchboard::servers::Time;
///
/// let mut sim = Sim::new(Time);
/// sim.set_system_time(std::time::UNIX_EPOCH);
/// let peer = sim.connect();
/// assert_eq!(sim.received(peer), 2_208_988_800_u32.to_be_bytes());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Time;

/// Seconds from the beginning of 1900 to the beginning of 1970, UTC: 70 years, 17 of which are leap years.
const FROM_1900_TO_1970: u32 = (70 * 365 + 17) * 86_400;

impl Handler for Time {
    type Session = ();

    fn open(&mut self, _: &Origin, cx: &mut Context<'_>) {
        reply_time(cx);
        cx.close();
    }

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], _: &mut Context<'a>) -> usize {
        input.len()
    }

    /// Answers any datagram. The RFC expects an empty one.
    fn datagram<'a>(&mut self, _: &Source, _: &'a mut [u8], cx: &mut Context<'a>) {
        reply_time(cx);
    }
}

fn reply_time(cx: &mut Context<'_>) {
    cx.reply(&seconds(cx.system_time()).to_be_bytes());
}

/// Whole seconds from the beginning of 1900 to `at`, modulo 2^32.
fn seconds(at: SystemTime) -> u32 {
    let since_1970 = match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => after.as_secs() as u32,
        // The number is rounded down before 1970, too.
        Err(before) => {
            let (whole, rest) = (before.duration().as_secs(), before.duration().subsec_nanos());
            (whole as u32).wrapping_add(u32::from(rest > 0)).wrapping_neg()
        }
    };
    since_1970.wrapping_add(FROM_1900_TO_1970)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;
    use crate::servers::chunking::{in_pieces, steps};
    use crate::sim::{Ending, Sim, assert_chunking_law};

    /// What a peer reads when the clock shows this many seconds after 1970.
    fn read_at(unix: i64) -> u32 {
        let mut sim = Sim::new(Time);
        sim.set_system_time(system_time(unix));
        let peer = sim.connect();
        let bytes = sim.received(peer);
        assert_eq!(sim.ending(peer), Some(Ending::Eof));
        u32::from_be_bytes(bytes.try_into().expect("exactly four bytes"))
    }

    fn system_time(unix: i64) -> SystemTime {
        let distance = Duration::from_secs(unix.unsigned_abs());
        if unix < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
    }

    /// The examples of RFC 868; the seconds after 1970 are what `date -u -d 1976-01-01 +%s` says.
    #[test]
    fn the_examples_of_the_rfc_are_right() {
        assert_eq!(read_at(0), 2_208_988_800);
        assert_eq!(read_at(189_302_400), 2_398_291_200, "1 January 1976");
        assert_eq!(read_at(315_532_800), 2_524_521_600, "1 January 1980");
        assert_eq!(read_at(420_595_200), 2_629_584_000, "1 May 1983");
        assert_eq!(read_at(-3_506_716_800), (-1_297_728_000_i32).cast_unsigned(), "17 November 1858");
    }

    #[test]
    fn the_number_begins_again_in_2036() {
        // date -u -d '2036-02-07 06:28:15' +%s
        assert_eq!(read_at(2_085_978_495), u32::MAX);
        assert_eq!(read_at(2_085_978_496), 0);
        assert_eq!(read_at(2_085_978_497), 1);
        // date -u -d '2100-01-01' +%s
        assert_eq!(read_at(4_102_444_800), 2_016_466_304);
    }

    #[test]
    fn before_1900_it_counts_down() {
        // date -u -d '1900-01-01' +%s
        assert_eq!(read_at(-2_208_988_800), 0);
        assert_eq!(read_at(-2_208_988_801), u32::MAX);
    }

    #[test]
    fn a_second_that_is_not_over_does_not_count() {
        let half = Duration::from_millis(500);
        assert_eq!(seconds(UNIX_EPOCH + half), 2_208_988_800);
        assert_eq!(seconds(UNIX_EPOCH - half), 2_208_988_799);
        assert_eq!(seconds(UNIX_EPOCH - Duration::from_secs(1)), 2_208_988_799);
        assert_eq!(seconds(UNIX_EPOCH - Duration::from_secs(1) - half), 2_208_988_798);
    }

    #[test]
    fn the_time_passes() {
        let mut sim = Sim::new(Time);
        sim.set_system_time(UNIX_EPOCH);
        sim.advance(Duration::from_secs(1000));
        let peer = sim.connect();
        assert_eq!(sim.received(peer), 2_208_989_800_u32.to_be_bytes());
    }

    #[test]
    fn a_datagram_has_the_same_four_bytes_whatever_is_in_it() {
        let mut sim = Sim::new(Time);
        sim.set_system_time(UNIX_EPOCH);
        for bytes in [&b""[..], b"what time is it?"] {
            let answer = sim.datagram((Ipv4Addr::LOCALHOST, 5000).into(), bytes);
            assert_eq!(answer, Some(2_208_988_800_u32.to_be_bytes().to_vec()));
        }
    }

    #[test]
    fn obeys_the_chunking_law() {
        assert_chunking_law(|| Time, b"what time\r\nis it?");
    }

    proptest! {
        #[test]
        fn no_input_changes_the_answer(input: Vec<u8>, steps in steps()) {
            let (received, ending) = in_pieces(Time, &input, &steps);
            prop_assert_eq!((received.len(), ending), (4, Some(Ending::Eof)));
        }

        #[test]
        fn it_is_the_seconds_since_1900_modulo_two_to_the_32(unix in -100_000_000_000_i64..100_000_000_000) {
            let wanted = (i128::from(unix) + 2_208_988_800).rem_euclid(1 << 32);
            prop_assert_eq!(i128::from(seconds(system_time(unix))), wanted);
        }
    }
}
