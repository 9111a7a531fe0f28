//! Replies and commands of Redis, and their bytes. Protocol: RESP3, <https://github.com/redis/redis-specifications>.

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A short text, such as `OK`.
    Status(String),
    /// An error. It begins with a code, such as `NOSCRIPT`.
    Error(String),
    /// A number.
    Int(i64),
    /// Any bytes.
    Bulk(Vec<u8>),
    /// Nothing.
    Nil,
    /// Some replies.
    Array(Vec<Reply>),
    /// Keys and values.
    Map(Vec<(Reply, Reply)>),
    /// A message that was not asked for.
    Push(Vec<Reply>),
}

/// The bytes are no command, or no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl Reply {
    /// A bulk of a text.
    pub fn text(text: impl AsRef<[u8]>) -> Reply {
        Reply::Bulk(text.as_ref().to_vec())
    }

    pub(super) fn ok() -> Reply {
        Reply::Status("OK".to_owned())
    }

    pub(super) fn error(text: impl Into<String>) -> Reply {
        Reply::Error(text.into())
    }

    pub(super) fn bulks(items: impl IntoIterator<Item = Vec<u8>>) -> Reply {
        Reply::Array(items.into_iter().map(Reply::Bulk).collect())
    }

    /// Appends the reply to `out`, as RESP3.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Reply::Status(text) => line(out, '+', text),
            Reply::Error(text) => line(out, '-', text),
            Reply::Int(value) => line(out, ':', value),
            Reply::Bulk(bytes) => {
                line(out, '$', &bytes.len());
                out.extend_from_slice(bytes);
                out.extend_from_slice(b"\r\n");
            }
            Reply::Nil => out.extend_from_slice(b"_\r\n"),
            Reply::Array(items) | Reply::Push(items) => {
                line(out, if matches!(self, Reply::Push(_)) { '>' } else { '*' }, &items.len());
                for item in items {
                    item.encode(out);
                }
            }
            Reply::Map(pairs) => {
                line(out, '%', &pairs.len());
                for (key, value) in pairs {
                    key.encode(out);
                    value.encode(out);
                }
            }
        }
    }

    /// Reads a reply. Returns it with the number of its bytes, or `None` if more bytes are needed.
    ///
    /// # Errors
    /// If the bytes begin no reply of these kinds.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Reply, usize)>, Malformed> {
        let mut reader = Reader { bytes, at: 0 };
        Ok(reader.reply()?.map(|reply| (reply, reader.at)))
    }
}

fn line(out: &mut Vec<u8>, kind: char, value: &impl ToString) {
    out.push(kind as u8);
    out.extend_from_slice(value.to_string().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends a command to `out`.
pub fn encode_command(arguments: &[impl AsRef<[u8]>], out: &mut Vec<u8>) {
    line(out, '*', &arguments.len());
    for argument in arguments {
        Reply::text(argument).encode(out);
    }
}

/// A command, and the number of its bytes.
type Command = (Vec<Vec<u8>>, usize);

/// Reads a command: an array of bulks. Returns `None` if more bytes are needed.
pub(super) fn decode_command(bytes: &[u8]) -> Result<Option<Command>, Malformed> {
    if bytes.first().is_some_and(|&kind| kind != b'*') {
        return Err(Malformed);
    }
    let Some((Reply::Array(items), length)) = Reply::decode(bytes)? else { return Ok(None) };
    let bulk = |item| if let Reply::Bulk(bytes) = item { Ok(bytes) } else { Err(Malformed) };
    Ok(Some((items.into_iter().map(bulk).collect::<Result<_, _>>()?, length)))
}

/// Bytes, and the place up to which they were read.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn line(&mut self) -> Option<&'a str> {
        let rest = &self.bytes[self.at..];
        let length = rest.windows(2).position(|pair| pair == b"\r\n")?;
        self.at += length + 2;
        // A text that is not UTF-8 is no number and no text of an error.
        Some(str::from_utf8(&rest[..length]).unwrap_or("?"))
    }

    fn reply(&mut self) -> Result<Option<Reply>, Malformed> {
        let Some(line) = self.line() else { return Ok(None) };
        let (kind, text) = line.split_at_checked(1).ok_or(Malformed)?;
        let count = || text.parse::<usize>().map_err(|_| Malformed);
        let reply = match kind {
            "+" => Reply::Status(text.to_owned()),
            "-" => Reply::Error(text.to_owned()),
            ":" => Reply::Int(text.parse().map_err(|_| Malformed)?),
            "_" => Reply::Nil,
            "$" => return self.bulk(count()?),
            // A set is an array here.
            "*" | "~" => return Ok(self.items(count()?)?.map(Reply::Array)),
            ">" => return Ok(self.items(count()?)?.map(Reply::Push)),
            "%" => {
                let Some(items) = self.items(2 * count()?)? else { return Ok(None) };
                Reply::Map(items.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
            }
            _ => return Err(Malformed),
        };
        Ok(Some(reply))
    }

    fn bulk(&mut self, length: usize) -> Result<Option<Reply>, Malformed> {
        let Some(bytes) = self.bytes.get(self.at..self.at + length + 2) else { return Ok(None) };
        let bytes = bytes.strip_suffix(b"\r\n").ok_or(Malformed)?;
        self.at += length + 2;
        Ok(Some(Reply::text(bytes)))
    }

    fn items(&mut self, count: usize) -> Result<Option<Vec<Reply>>, Malformed> {
        (0..count).map(|_| self.reply()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Reply {
        let entry = Reply::Array(vec![Reply::text("1-0"), Reply::Int(-7), Reply::Nil]);
        let map = Reply::Map(vec![(Reply::Status("OK".to_owned()), Reply::error("ERR no"))]);
        Reply::Push(vec![entry, map, Reply::text(b"a\r\n\0")])
    }

    #[test]
    fn a_reply_is_read_back_and_never_from_a_part() {
        let mut bytes = Vec::new();
        sample().encode(&mut bytes);
        for length in 0..bytes.len() {
            assert_eq!(Reply::decode(&bytes[..length]), Ok(None), "of {length} bytes");
        }
        assert_eq!(Reply::decode(&bytes), Ok(Some((sample(), bytes.len()))));
    }

    #[test]
    fn a_command_is_an_array_of_bulks() {
        let mut bytes = Vec::new();
        encode_command(&["PING", "x"], &mut bytes);
        assert_eq!(bytes, b"*2\r\n$4\r\nPING\r\n$1\r\nx\r\n");
        assert_eq!(decode_command(&bytes), Ok(Some((vec![b"PING".to_vec(), b"x".to_vec()], bytes.len()))));
        assert_eq!(decode_command(b"PING\r\n"), Err(Malformed));
        assert_eq!(decode_command(b"*1\r\n:1\r\n"), Err(Malformed));
    }
}
