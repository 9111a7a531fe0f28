//! What a way of framing decides: where the next message is, and whether the stream can still be followed.
//!
//! A framer calls nothing and keeps no bytes: it looks at what is unread and says what is at its beginning.

use std::ops::Range;

use crate::connection::framing_error::FramingError;

/// A way in which messages are separated on a stream. [`Framed`](super::Framed) does the rest of the work.
///
/// For a framing that is not among the four, implement this. Messages that end in a zero byte, without a limit but that
/// of the inbox:
///
/// ```
/// use switchboard::framing::{Frame, Framed, Framer, MessageHandler};
/// use switchboard::sim::assert_chunking_law;
/// use switchboard::Sim;
/// # use switchboard::{Context, Origin};
/// # struct Show;
/// # impl MessageHandler for Show {
/// #     type Session = ();
/// #     fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}
/// #     fn message<'a>(&mut self, (): &mut (), message: &'a mut [u8], cx: &mut Context<'a>) {
/// #         cx.reply(&[b"<", &*message, b">"].concat());
/// #     }
/// # }
///
/// struct ZeroEnded;
///
/// impl Framer for ZeroEnded {
///     type State = usize; // how much of the unread input holds no zero byte
///
///     fn next(&self, searched: &mut usize, input: &[u8]) -> Frame {
///         match input[*searched..].iter().position(|&byte| byte == 0) {
///             Some(at) => {
///                 let end = std::mem::take(searched) + at;
///                 Frame::Message { body: 0..end, used: end + 1 }
///             }
///             None => {
///                 *searched = input.len();
///                 Frame::Partial { needed: None }
///             }
///         }
///     }
/// }
///
/// // Show replies <MESSAGE>.
/// let mut sim = Sim::new(Framed::with_framer(Show, ZeroEnded));
/// let peer = sim.connect();
/// sim.send(peer, b"one\0two\0thr");
/// sim.send(peer, b"ee\0");
/// assert_eq!(sim.received(peer), b"<one><two><three>");
/// assert_chunking_law(|| Framed::with_framer(Show, ZeroEnded), b"one\0two\0thr");
/// ```
pub trait Framer {
    /// What is kept for each connection: how far its unread input was searched, how much of it is to be discarded. A
    /// new connection has the default.
    type State: Default;

    /// Says what is at the beginning of the unread input, which is never empty.
    ///
    /// What is answered is done: the next call is shown what follows the bytes that were used. After [`Frame::Partial`]
    /// it is shown the same bytes again, with those that have come since.
    fn next(&self, state: &mut Self::State, input: &[u8]) -> Frame;

    /// Whether the end of input completes a message that was [`Frame::Partial`] until then, and where it is in the
    /// rest. It does not, unless overridden.
    fn last(&self, _rest: &[u8]) -> Option<Range<usize>> {
        None
    }
}

/// What is at the beginning of the unread input. Bytes that are used are at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole message.
    Message {
        /// Where in the input it is.
        body: Range<usize>,
        /// How many bytes it uses, with what is around it.
        used: usize,
    },
    /// A message that is too long, or its beginning. The handler is told, once.
    TooLong {
        /// The limit, in bytes.
        limit: usize,
        /// How many bytes are discarded now.
        used: usize,
    },
    /// More of a message that is too long: so many bytes are discarded.
    Discard(usize),
    /// A message that is not whole yet. It stays in the connection's inbox.
    Partial {
        /// How many bytes it will be, with what is around it, if that is known.
        needed: Option<usize>,
    },
    /// The input breaks the rules, and where the next message begins cannot be known.
    Failed(FramingError),
}

impl Frame {
    /// How many bytes it takes from the unread input.
    #[must_use]
    pub fn used(&self) -> usize {
        match *self {
            Frame::Message { used, .. } | Frame::TooLong { used, .. } | Frame::Discard(used) => used,
            Frame::Partial { .. } | Frame::Failed(_) => 0,
        }
    }
}
