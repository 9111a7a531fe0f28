//! Records: messages that all have the same length.
//!
//! Invariant: a record has exactly the given length. It has no delimiter, so it cannot be malformed. Only the end of
//! the input can cut it short.

use super::MessageHandler;
use super::framed::Framed;
use super::framer::{Frame, Framer};

/// A framing by records. A message is a record: a fixed number of bytes, of any value.
///
/// Replies need no framing, as long as the two sides agree on their length. If the input ends within a record, the
/// handler receives [`MessageHandler::framing_failed`]. [`Framed`] lists what all framings have in common.
///
/// ```
/// use switchboard::framing::{Fixed, FramingError, MessageHandler};
/// use switchboard::{Context, Origin, Sim};
///
/// /// Adds numbers of four bytes in network byte order.
/// struct Sum;
///
/// impl MessageHandler for Sum {
///     type Session = u64;
///
///     fn open(&mut self, _: &Origin, _: &mut Context<'_>) -> u64 {
///         0
///     }
///
///     fn message<'a>(&mut self, sum: &mut u64, record: &'a mut [u8], _: &mut Context<'a>) {
///         let number = u32::from_be_bytes(record.try_into().expect("a record is four bytes"));
///         *sum += u64::from(number);
///     }
///
///     fn framing_failed(&mut self, _: &mut u64, _: &FramingError, cx: &mut Context<'_>) {
///         cx.abort(); // no sum rather than a wrong one
///     }
///
///     fn eof(&mut self, sum: &mut u64, cx: &mut Context<'_>) {
///         cx.reply(&sum.to_be_bytes());
///         cx.close();
///     }
/// }
///
/// let mut sim = Sim::new(Fixed::new(Sum, 4));
/// let (whole, cut) = (sim.connect(), sim.connect());
/// sim.send(whole, &[0, 0, 0, 1, 0, 0, 1, 0]);
/// sim.shut_down(whole);
/// assert_eq!(sim.received(whole), [0, 0, 0, 0, 0, 0, 1, 1]);
/// sim.send(cut, &[0, 0, 0, 1, 0, 0]);
/// sim.shut_down(cut);
/// assert_eq!(sim.received(cut), b"");
/// ```
pub type Fixed<H> = Framed<FixedFramer, H>;

impl<H: MessageHandler> Fixed<H> {
    /// Passes records of exactly `size` bytes to `inner`. [`Limits::inbox`](crate::Limits::inbox) must be at least
    /// `size`.
    ///
    /// # Panics
    /// If `size` is zero: any input would hold infinitely many records.
    pub fn new(inner: H, size: usize) -> Self {
        Framed::with_framer(inner, FixedFramer::new(size))
    }
}

/// The framer of [`Fixed`].
#[derive(Clone, Copy, Debug)]
pub struct FixedFramer {
    size: usize,
}

impl FixedFramer {
    /// Creates a framer of records of exactly `size` bytes.
    ///
    /// # Panics
    /// If `size` is zero: any input would hold infinitely many records.
    #[must_use]
    pub fn new(size: usize) -> Self {
        assert!(size > 0, "a record has at least one byte");
        FixedFramer { size }
    }
}

impl Framer for FixedFramer {
    type State = ();

    #[inline]
    fn next(&self, (): &mut (), input: &mut [u8]) -> Frame {
        if input.len() < self.size {
            return Frame::Partial { needed: Some(self.size) };
        }
        Frame::Message { body: 0..self.size, used: self.size }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::framing::tests::{Show, pending, shown};
    use crate::servers::chunking::{in_pieces, steps, whole};
    use crate::sim::assert_chunking_law;

    #[test]
    fn records_are_shown_whole_whatever_is_in_them() {
        let input = b"abc\0\r\n1:,\xffyz";
        assert_eq!(shown(Fixed::new(Show, 3), input), r"<abc><\x00\r\n><1:,><\xffyz>.");
        assert_eq!(shown(Fixed::new(Show, 1), b"ab\n"), r"<a><b><\n>.");
        assert_eq!(shown(Fixed::new(Show, 3), b""), ".");
        for size in [1, 2, 3, 12] {
            assert_chunking_law(|| Fixed::new(Show, size), input);
        }
    }

    #[test]
    fn an_incomplete_record_is_told_and_not_shown() {
        for (input, records, received) in [("ab", "", 2), ("abcd", "<abc>", 1), ("abcdefgh", "<abc><def>", 2)] {
            let want = format!("{records}{{the input ended within a message, after {received} of its 3 bytes}}.");
            assert_eq!(shown(Fixed::new(Show, 3), input.as_bytes()), want);
            assert_chunking_law(|| Fixed::new(Show, 3), input.as_bytes());
        }
    }

    #[test]
    #[should_panic(expected = "a record has at least one byte")]
    fn records_of_no_bytes_are_a_mistake() {
        Fixed::new(Show, 0);
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_shown(
            size in 1..9usize,
            bytes in proptest::collection::vec(any::<u8>(), 0..90),
            steps in steps(),
        ) {
            let records = bytes.chunks_exact(size);
            let rest = records.remainder().len();
            let (mut want, ending) = pending(&records.collect::<Vec<_>>(), size);
            if rest > 0 {
                want.pop();
                want.extend(format!("{{the input ended within a message, after {rest} of its {size} bytes}}.").bytes());
            }
            let want = (want, ending);
            prop_assert_eq!(whole(Fixed::new(Show, size), &bytes), want.clone());
            prop_assert_eq!(in_pieces(Fixed::new(Show, size), &bytes, &steps), want);
        }
    }
}
