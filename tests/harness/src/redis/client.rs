//! What the broker keeps of a client.

use super::commands::parse;
use super::reply::Reply;
use super::stream::Id;

/// A connection of a client, as the broker sees it.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// Bytes that have arrived, and are no whole command yet or were not executed yet.
    pub(super) input: Vec<u8>,
    /// Bytes that the client has not read.
    pub(super) output: Vec<u8>,
    /// The client has shut down its side.
    pub(super) has_ended: bool,
    pub(super) database: usize,
    pub(super) is_authenticated: bool,
    pub(super) channels: Vec<Vec<u8>>,
    /// Set while it waits for an entry. Until then, no further command is executed.
    pub(super) waiting: Option<Waiting>,
}

/// A read that waits for an entry.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// When it ends without an entry. `None`: never.
    pub(super) until: Option<u64>,
    pub(super) read: Read,
}

/// `XREAD [COUNT count] [BLOCK ms] STREAMS key ... id ...`, with the ids resolved.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) count: usize,
    /// In milliseconds. Zero: without end.
    pub(super) block: Option<u64>,
    /// Keys, and the id after which each is read.
    pub(super) streams: Vec<(Vec<u8>, Id)>,
}

impl Read {
    /// Reads the arguments. `last` is the id of the last entry of a stream, for `$`.
    pub(super) fn parse(mut arguments: &[&[u8]], last: impl Fn(&[u8]) -> Id) -> Result<Read, Reply> {
        let (mut count, mut block) = (usize::MAX, None);
        let streams = loop {
            arguments = match arguments {
                [b"COUNT", value, rest @ ..] => {
                    count = parse(value)?;
                    rest
                }
                [b"BLOCK", value, rest @ ..] => {
                    block = Some(parse(value)?);
                    rest
                }
                [b"STREAMS", streams @ ..] if !streams.is_empty() && streams.len() % 2 == 0 => break streams,
                _ => return Err(Reply::error("ERR syntax error")),
            }
        };
        let (keys, ids) = streams.split_at(streams.len() / 2);
        let id = |(key, id): (&&[u8], &&[u8])| match *id {
            b"$" => Ok((key.to_vec(), last(key))),
            id => Id::parse(id, 0)
                .map(|id| (key.to_vec(), id))
                .ok_or_else(|| Reply::error("ERR Invalid stream ID specified as stream command argument")),
        };
        Ok(Read { count, block, streams: keys.iter().zip(ids).map(id).collect::<Result<_, _>>()? })
    }
}
