//! Records: messages that all have the same length.
//!
//! Invariant: a record is exactly as long as was said. There is nothing around it, so nothing can be malformed; only
//! the end of the input can be wrong.

use super::MessageHandler;
use super::framed::Framed;
use super::framer::{Frame, Framer};

/// Shows the handler within one record at a call of [`MessageHandler::message`]: so many bytes, whatever they are.
///
/// A reply of this framing is as many bytes as the two sides have agreed on; there is nothing to add to it.
///
/// Bytes that are no whole record when the peer ends its side are not shown: [`MessageHandler::framing_failed`] is
/// called, and the log has a warning. What else holds is said of [`Framed`].
///
/// ```
/// use switchboard::framing::{Fixed, FramingError, MessageHandler};
/// use switchboard::{Context, Origin, Sim};
///
/// /// Adds up what it is sent: numbers of four bytes, in network byte order.
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
/// assert_eq!(sim.received(cut), []);
/// ```
pub type Fixed<H> = Framed<FixedFramer, H>;

impl<H: MessageHandler> Fixed<H> {
    /// Records of exactly `size` bytes. [`Limits::inbox`](crate::Limits::inbox) must not be smaller than that.
    ///
    /// # Panics
    /// When `size` is zero: a stream would be endlessly many records.
    pub fn new(inner: H, size: usize) -> Self {
        assert!(size > 0, "a record has at least one byte");
        Framed::with_framer(inner, FixedFramer { size })
    }
}

/// Finds records: what [`Fixed`] is made with.
#[derive(Clone, Copy, Debug)]
pub struct FixedFramer {
    size: usize,
}

impl Framer for FixedFramer {
    type State = ();

    #[inline]
    fn next(&self, (): &mut (), input: &[u8]) -> Frame {
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
