//! Length-prefixed messages: a length of 1, 2 or 4 bytes, then that number of bytes.
//!
//! Invariant: exactly the announced number of bytes is discarded of a message that is too long, so framing continues
//! with the next message. Every length is valid, so no input is malformed. A wrong length is not detected.

use std::io::{self, ErrorKind, Write};

use super::MessageHandler;
use super::framed::Framed;
use super::framer::{Frame, Framer};

/// A framing by lengths. A message is preceded by its length, which does not count itself.
///
/// A message may be empty. Frame replies with [`LengthPrefix::write`]. [`MessageHandler::too_long`] is called when
/// the length of a message over the limit has arrived. Its default replies with a line of text, which no peer of such a
/// protocol can read: override it with a message of the protocol, or with [`Context::close`](crate::Context::close).
/// [`Framed`] lists what all framings have in common.
///
/// ```
/// use switchboard::framing::{LengthPrefix, LengthPrefixed, MessageHandler};
/// use switchboard::{Context, Origin, Sim};
///
/// const PREFIX: LengthPrefix = LengthPrefix::U16;
///
/// /// Sends messages back reversed.
/// struct Reverse;
///
/// impl MessageHandler for Reverse {
///     type Session = ();
///
///     fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}
///
///     fn message<'a>(&mut self, (): &mut (), message: &'a mut [u8], cx: &mut Context<'a>) {
///         message.reverse();
///         PREFIX.write(cx, message).expect("the prefix held this length before");
///     }
///
///     fn too_long(&mut self, (): &mut (), _: usize, cx: &mut Context<'_>) {
///         PREFIX.write(cx, b"?").expect("one byte fits");
///     }
/// }
///
/// let mut sim = Sim::new(LengthPrefixed::new(Reverse, PREFIX, 5));
/// let peer = sim.connect();
/// sim.send(peer, b"\x00\x03abc\x00\x00\x00\x06abcdef\x00\x05hello");
/// assert_eq!(sim.received(peer), b"\x00\x03cba\x00\x00\x00\x01?\x00\x05olleh");
/// ```
pub type LengthPrefixed<H> = Framed<LengthFramer, H>;

impl<H: MessageHandler> LengthPrefixed<H> {
    /// Passes messages of at most `max_message` bytes, without their prefix, to `inner`.
    ///
    /// A limit over the largest length of the prefix has no effect. [`Limits::inbox`](crate::Limits::inbox) must be at
    /// least the limit and the size of the prefix.
    pub fn new(inner: H, prefix: LengthPrefix, max_message: usize) -> Self {
        Framed::with_framer(inner, LengthFramer::new(prefix, max_message))
    }
}

/// The length before a message: an unsigned number in network byte order (big-endian).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LengthPrefix {
    /// One byte, for messages of up to 255 bytes.
    U8,
    /// Two bytes, for messages of up to 65,535 bytes.
    U16,
    /// Four bytes, for messages of up to 4,294,967,295 bytes.
    U32,
}

impl LengthPrefix {
    /// Returns the size of the prefix itself, in bytes.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            LengthPrefix::U8 => 1,
            LengthPrefix::U16 => 2,
            LengthPrefix::U32 => 4,
        }
    }

    /// Writes `message`, preceded by its length, to a [`Context`](crate::Context) or to the socket of a client.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the prefix cannot hold the length of `message`; nothing was written. Otherwise
    /// the errors of `out`, of which a context has none.
    pub fn write(self, out: &mut (impl Write + ?Sized), message: &[u8]) -> io::Result<()> {
        let Some(length) = self.announce(message.len()) else {
            let text = format!(
                "a message of {} bytes is too long for a length prefix of {} bytes, which goes up to {}",
                message.len(),
                self.size(),
                self.longest()
            );
            return Err(io::Error::new(ErrorKind::InvalidInput, text));
        };
        out.write_all(&length.to_be_bytes()[4 - self.size()..])?;
        out.write_all(message)
    }

    /// Returns `length` if this prefix can hold it.
    fn announce(self, length: usize) -> Option<u32> {
        u32::try_from(length).ok().filter(|&length| length <= self.longest())
    }

    const fn longest(self) -> u32 {
        u32::MAX >> (32 - 8 * self.size())
    }

    /// Reads the length at the beginning of `input`. Returns `None` if it is incomplete.
    fn read(self, input: &[u8]) -> Option<usize> {
        let bytes = input.get(..self.size())?;
        Some(bytes.iter().fold(0, |length, &byte| length * 256 + usize::from(byte)))
    }
}

/// The framer of [`LengthPrefixed`].
#[derive(Clone, Copy, Debug)]
pub struct LengthFramer {
    prefix: LengthPrefix,
    max_message: usize,
}

impl LengthFramer {
    /// Creates a framer of messages of at most `max_message` bytes, without their prefix.
    #[must_use]
    pub fn new(prefix: LengthPrefix, max_message: usize) -> Self {
        LengthFramer { prefix, max_message }
    }
}

impl Framer for LengthFramer {
    /// Remaining bytes to discard of a message that is too long.
    type State = usize;

    #[inline]
    fn next(&self, discards: &mut usize, input: &mut [u8]) -> Frame {
        if *discards > 0 {
            let used = input.len().min(*discards);
            *discards -= used;
            return Frame::Discard(used);
        }
        let Some(length) = self.prefix.read(input) else {
            return Frame::Partial { needed: None };
        };
        let start = self.prefix.size();
        if length > self.max_message {
            *discards = length;
            return Frame::TooLong { limit: self.max_message, used: start };
        }
        let end = start + length;
        if input.len() < end {
            return Frame::Partial { needed: Some(end) };
        }
        Frame::Message { body: start..end, used: end }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::framing::tests::{Show, encoded, pending, shown, shown_by};
    use crate::servers::chunking::{in_pieces, steps, whole};
    use crate::sim::{Ending, Sim, assert_chunking_law};
    use crate::state::limits::Limits;

    const PREFIXES: [LengthPrefix; 3] = [LengthPrefix::U8, LengthPrefix::U16, LengthPrefix::U32];

    #[test]
    fn messages_are_shown_whole_and_without_their_length() {
        let input = [&b"\x03abc"[..], b"\x00", b"\x01\x00", b"\x05hello"].concat();
        let framed = || LengthPrefixed::new(Show, LengthPrefix::U8, 5);
        assert_eq!(shown(framed(), &input), r"<abc><><\x00><hello>.");
        assert_chunking_law(framed, &input);
    }

    #[test]
    fn a_message_may_be_as_long_as_the_limit_and_no_longer() {
        for prefix in PREFIXES {
            let framed = || LengthPrefixed::new(Show, prefix, 4);
            let input = encoded(&["four", "fives", "", "sixsix", "4444"], |out, message| prefix.write(out, message));
            assert_eq!(shown(framed(), &input), "<four>!4<>!4<4444>.");
            assert_chunking_law(framed, &input);
        }
        let nothing = || LengthPrefixed::new(Show, LengthPrefix::U8, 0);
        assert_eq!(shown(nothing(), b"\x00\x01x\x00"), "<>!0<>.");
    }

    #[test]
    fn each_prefix_goes_up_to_its_largest_number() {
        for (prefix, longest) in PREFIXES.into_iter().zip([255, 65_535, 4_294_967_295]) {
            assert_eq!(prefix.announce(longest), Some(longest as u32));
            assert_eq!(prefix.announce(longest + 1), None);
            assert_eq!(prefix.read(&vec![0xff; prefix.size()]), Some(longest));
            assert_eq!(prefix.read(&vec![0xff; prefix.size() - 1]), None);
        }
        for (prefix, longest) in [(LengthPrefix::U8, 255), (LengthPrefix::U16, 65_535)] {
            let mut out = Vec::new();
            prefix.write(&mut out, &vec![b'x'; longest]).expect("the longest message");
            assert_eq!(out.len(), prefix.size() + longest);
            let limits = Limits { inbox: out.len(), ..Limits::default() };
            let mut sim = Sim::with_limits(LengthPrefixed::new(Show, prefix, usize::MAX), limits);
            let peer = sim.connect();
            sim.send(peer, &out);
            sim.shut_down(peer);
            assert_eq!(sim.received(peer), format!("<{}>.", "x".repeat(longest)).into_bytes());
        }
    }

    #[test]
    fn what_is_too_long_for_the_prefix_is_not_written() {
        let mut out = Vec::new();
        let error = LengthPrefix::U8.write(&mut out, &[0; 256]).expect_err("one byte too many");
        assert_eq!((error.kind(), out), (ErrorKind::InvalidInput, Vec::new()));
        let text = "a message of 256 bytes is too long for a length prefix of 1 bytes, which goes up to 255";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn the_order_of_bytes_is_that_of_networks() {
        let mut out = Vec::new();
        for prefix in PREFIXES {
            prefix.write(&mut out, b"ab").expect("room in memory");
        }
        assert_eq!(out, b"\x02ab\x00\x02ab\x00\x00\x00\x02ab");
        assert_eq!(LengthPrefix::U32.read(&[1, 2, 3, 4, 5]), Some(0x0102_0304));
    }

    #[test]
    fn an_incomplete_message_is_told_and_not_shown() {
        let framed = || LengthPrefixed::new(Show, LengthPrefix::U16, 9);
        let cases: [(&[u8], &str); 4] = [
            (b"\x00\x01a\x00", "<a>{the input ended within a message, after 1 bytes of it}."),
            (b"\x00\x01a\x00\x02", "<a>{the input ended within a message, after 2 of its 4 bytes}."),
            (b"\x00\x01a\x00\x02b", "<a>{the input ended within a message, after 3 of its 4 bytes}."),
            // `too_long` has reported this message already.
            (b"\x00\x01a\x00\x0atoo l", "<a>!9."),
        ];
        for (input, want) in cases {
            assert_eq!(shown(framed(), input), want);
            assert_chunking_law(framed, input);
        }
    }

    /// The inbox has room for 16 bytes, so keeping more would end the connection.
    #[test]
    fn a_long_message_takes_no_memory_and_the_next_is_found() {
        const BODY: usize = 3 << 20;
        let limits = Limits { inbox: 16, ..Limits::default() };
        let mut sim = Sim::with_limits(LengthPrefixed::new(Show, LengthPrefix::U32, 8), limits);
        let peer = sim.connect();
        for announced in [BODY as u32, u32::MAX] {
            sim.send(peer, &announced.to_be_bytes());
            for piece in vec![0xff; BODY].chunks(100_000) {
                sim.send(peer, piece);
                assert_eq!(sim.unread(peer), 0);
            }
            sim.send(peer, b"\x00\x00\x00\x02hi");
        }
        // The second one goes on for another four gigabytes.
        assert_eq!(shown_by(&mut sim, peer), "!8<hi>!8");
        assert_eq!(sim.ending(peer), None);
        sim.shut_down(peer);
        assert_eq!((shown_by(&mut sim, peer), sim.ending(peer)), (".".to_string(), Some(Ending::Eof)));
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_shown(
            prefix in proptest::sample::select(&PREFIXES),
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..9),
            steps in steps(),
        ) {
            let input = encoded(&messages, |out, message| prefix.write(out, message));
            let want = pending(&messages, 6);
            prop_assert_eq!(whole(LengthPrefixed::new(Show, prefix, 6), &input), want.clone());
            prop_assert_eq!(in_pieces(LengthPrefixed::new(Show, prefix, 6), &input, &steps), want);
        }

        #[test]
        fn whatever_comes_is_split_the_same_way(input in proptest::collection::vec(0..9u8, 0..200), steps in steps()) {
            let framed = || LengthPrefixed::new(Show, LengthPrefix::U8, 5);
            prop_assert_eq!(in_pieces(framed(), &input, &steps), whole(framed(), &input));
        }
    }
}
