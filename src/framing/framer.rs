//! The trait of a framing: it finds the next message in the unread input.
//!
//! A framer keeps no bytes and calls no handler. It examines the unread input and returns what is at its beginning.

use std::ops::Range;

use crate::connection::framing_error::FramingError;
use crate::connection::origin::Origin;

/// Finds the messages of a stream. [`Framed`](super::Framed) does everything else, or [`Unread`](super::Unread) in a
/// handler that changes its framing.
///
/// Implement it for a framing that this module does not have. This example finds messages that end in a zero byte.
/// Their length is limited only by the inbox.
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
///     type State = usize; // the number of unread bytes known to hold no zero byte
///
///     fn next(&self, searched: &mut usize, input: &mut [u8]) -> Frame {
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
    /// The state of one connection, such as the number of unread bytes already searched.
    type State: Default;

    /// Returns the state of a new connection. The default returns the default of the state.
    fn begin(&self, _origin: &Origin) -> Self::State {
        Self::State::default()
    }

    /// Returns what is at the beginning of the unread input. `input` is never empty.
    ///
    /// The bytes that a frame uses are not passed again. After [`Frame::Partial`], the same bytes are passed again,
    /// followed by those that have arrived since.
    ///
    /// A framer that decodes may change `input` in place. What it changes stays changed until the bytes are used. It
    /// leaves the bytes after the message alone, since another framer may read them.
    fn next(&self, state: &mut Self::State, input: &mut [u8]) -> Frame;

    /// Removes the bytes of a message that do not belong to it, in place. Returns the length of the rest, which is at
    /// the beginning of `message`.
    ///
    /// Called for each message before the handler receives it. The default removes nothing.
    fn clean(&self, message: &mut [u8]) -> usize {
        message.len()
    }

    /// Returns the last message in `rest`, if the end of input completes it.
    ///
    /// Called at the end of input, after [`Frame::Partial`]. The default returns `None`: the message is incomplete.
    fn last(&self, _rest: &[u8]) -> Option<Range<usize>> {
        None
    }
}

/// What is at the beginning of the unread input. A frame that uses bytes uses at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame {
    /// A whole message.
    Message {
        /// The range of the message in the input.
        body: Range<usize>,
        /// The bytes that the message and its framing use.
        used: usize,
    },
    /// The beginning of a message that is too long. Returned once for such a message.
    TooLong {
        /// The limit, in bytes.
        limit: usize,
        /// The bytes to discard now.
        used: usize,
    },
    /// This number of bytes is discarded: they continue a message that is too long, or belong to no message.
    Discard(usize),
    /// An incomplete message, which stays in the connection's inbox.
    Partial {
        /// The bytes that the message and its framing will use, if that is known.
        needed: Option<usize>,
    },
    /// The input is malformed: the beginning of the next message cannot be known.
    Failed(FramingError),
}

impl Frame {
    /// Returns the number of bytes that the frame uses.
    #[must_use]
    pub fn used(&self) -> usize {
        match *self {
            Frame::Message { used, .. } | Frame::TooLong { used, .. } | Frame::Discard(used) => used,
            Frame::Partial { .. } | Frame::Failed(_) => 0,
        }
    }
}
