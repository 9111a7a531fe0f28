//! The four framings, on any bytes: a handler is shown what a plain reading of the format says, however the bytes are
//! split and however slowly the replies are read; and what the writers write is read back.
//!
//! The inbox has just the room that the framings ask for, so a framing that kept more would lose its connection.

mod plain;

use arbitrary::{Arbitrary, Unstructured};
use switchboard::framing::{
    Fixed, Framed, Framer, FramingError, LengthPrefix, LengthPrefixed, Lines, MessageHandler, Netstrings,
    write_netstring,
};
use switchboard::{Closed, Context, Ending, Limits, Origin, Sim};

/// A framing with its limit: the longest message, or the length of all of them.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Framing {
    Lines { max_line: u8 },
    Netstrings { max_message: u8 },
    LengthPrefixed { prefix: Prefix, max_message: u8 },
    Fixed { size: u8 },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Prefix {
    One,
    Two,
    Four,
}

/// What a fuzzer's bytes stand for.
#[derive(Arbitrary, Debug)]
struct Script<'a> {
    framing: Framing,
    /// What one read takes at most, less one.
    read: u8,
    /// The replies are read after all was sent, not before.
    is_slow: bool,
    /// In pieces of these sizes, and what is left at once.
    pieces: Vec<u8>,
    input: &'a [u8],
}

/// What a handler is told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Message(Vec<u8>),
    TooLong(usize),
    /// Where, and the byte that cannot be there. The words are for people.
    Malformed(u64, u8),
    Truncated {
        received: usize,
        needed: Option<usize>,
    },
    End,
}

/// Sends the bytes through a framing: whole, in pieces, byte by byte; then as messages that a writer has framed.
pub fn run(bytes: &[u8]) {
    let Ok(script) = Script::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    let framing = script.framing;
    check(&script, script.input, &framing.plain(script.input));
    let messages: Vec<&[u8]> = script.input.split(|&byte| byte == b'|').collect();
    if let Some((framed, told)) = framing.write(&messages) {
        check(&script, &framed, &told);
    }
}

fn check(script: &Script<'_>, input: &[u8], want: &[Told]) {
    let Script { framing, read, .. } = *script;
    let mut whole = Limits::default();
    whole.inbox = framing.inbox();
    whole.read_buffer = 4096;
    whole.max_queue = Some(if script.is_slow { 64 } else { 1 << 20 });
    let mut limits = whole.clone();
    limits.read_buffer = usize::from(read) + 1;
    for (limits, pieces, is_slow) in [
        (whole, &[][..], false),
        (limits.clone(), &vec![1; input.len()], false),
        (limits, &script.pieces, script.is_slow),
    ] {
        let way = Way { limits, pieces, is_slow };
        match framing {
            Framing::Lines { max_line } => way.check(Lines::new(Notes::default(), max_line.into()), input, want),
            Framing::Netstrings { max_message } => {
                way.check(Netstrings::new(Notes::default(), max_message.into()), input, want);
            }
            Framing::LengthPrefixed { prefix, max_message } => {
                let framed = LengthPrefixed::new(Notes::default(), prefix.real(), max_message.into());
                way.check(framed, input, want);
            }
            Framing::Fixed { .. } => way.check(Fixed::new(Notes::default(), framing.longest()), input, want),
        }
    }
}

impl Prefix {
    fn real(self) -> LengthPrefix {
        match self {
            Prefix::One => LengthPrefix::U8,
            Prefix::Two => LengthPrefix::U16,
            Prefix::Four => LengthPrefix::U32,
        }
    }
}

impl Framing {
    /// The longest message.
    fn longest(self) -> usize {
        match self {
            Framing::Lines { max_line: most }
            | Framing::Netstrings { max_message: most }
            | Framing::LengthPrefixed { max_message: most, .. } => most.into(),
            // There are no records of nothing.
            Framing::Fixed { size } => usize::from(size.max(1)),
        }
    }

    /// The smallest inbox that the framing promises to do with.
    fn inbox(self) -> usize {
        let around = match self {
            Framing::Lines { .. } => 2,
            Framing::Netstrings { .. } => 11,
            Framing::LengthPrefixed { prefix, .. } => prefix.real().size(),
            Framing::Fixed { .. } => 0,
        };
        self.longest() + around
    }

    /// Messages as its writer frames them, and what a handler is told of them; `None` where these cannot be framed.
    fn write(self, messages: &[&[u8]]) -> Option<(Vec<u8>, Vec<Told>)> {
        let (mut framed, mut told) = (Vec::new(), Vec::new());
        for message in messages {
            match self {
                Framing::Netstrings { .. } => write_netstring(&mut framed, message).ok()?,
                Framing::LengthPrefixed { prefix, .. } => prefix.real().write(&mut framed, message).ok()?,
                Framing::Lines { .. } | Framing::Fixed { .. } => return None,
            }
            let is_too_long = message.len() > self.longest();
            told.push(if is_too_long { Told::TooLong(self.longest()) } else { Told::Message(message.to_vec()) });
        }
        told.push(Told::End);
        Some((framed, told))
    }
}

/// How the bytes travel.
struct Way<'a> {
    limits: Limits,
    pieces: &'a [u8],
    is_slow: bool,
}

impl Way<'_> {
    fn check<F: Framer>(self, framed: Framed<F, Notes>, input: &[u8], want: &[Told]) {
        let mut sim = Sim::with_limits(framed, self.limits);
        let peer = sim.connect();
        if self.is_slow {
            sim.stall(peer);
        }
        let mut rest = input;
        for &size in self.pieces {
            let (piece, after) = rest.split_at(rest.len().min(size.into()));
            rest = after;
            sim.send(peer, piece);
            sim.run();
        }
        sim.send(peer, rest);
        sim.shut_down(peer);
        sim.run();
        sim.resume(peer);
        assert_eq!(sim.ending(peer), Some(Ending::Eof));
        assert_eq!(sim.unread(peer), 0);
        let notes = sim.handler_mut().get_ref();
        assert_eq!(notes.told, want);
        assert_eq!(notes.closed.as_deref(), Some("done"));
    }
}

/// Notes what it is told, and replies to each message with a few bytes.
#[derive(Default)]
struct Notes {
    told: Vec<Told>,
    closed: Option<String>,
}

impl MessageHandler for Notes {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}

    fn message<'a>(&mut self, (): &mut (), message: &'a mut [u8], cx: &mut Context<'a>) {
        self.told.push(Told::Message(message.to_vec()));
        cx.reply(b"a message");
    }

    fn too_long(&mut self, (): &mut (), limit: usize, cx: &mut Context<'_>) {
        self.told.push(Told::TooLong(limit));
        cx.reply(b"too long");
    }

    fn framing_failed(&mut self, (): &mut (), error: &FramingError, _: &mut Context<'_>) {
        self.told.push(match *error {
            FramingError::Malformed { at, found, .. } => Told::Malformed(at, found),
            FramingError::Truncated { received, needed } => Told::Truncated { received, needed },
            _ => unreachable!("another error: {error}"),
        });
    }

    fn eof(&mut self, (): &mut (), cx: &mut Context<'_>) {
        self.told.push(Told::End);
        cx.close();
    }

    fn closed(&mut self, (): (), why: &Closed, _: &mut Context<'_>) {
        assert_eq!(self.closed.replace(why.to_string()), None, "a session ends once");
    }
}
