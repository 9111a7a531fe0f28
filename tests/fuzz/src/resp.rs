//! RESP: any bytes are read as a plain reading of the specification says, however they are split; and a command that
//! was written is read back.

use arbitrary::{Arbitrary, Unstructured};
use switchboard::framing::{Element, Frame, Framer, FramingError, RespFramer, RespState, write_command};

/// What a fuzzer's bytes stand for.
#[derive(Arbitrary, Debug)]
struct Script<'a> {
    max_string: u8,
    /// In pieces of these sizes, and what is left at once.
    pieces: Vec<u8>,
    input: &'a [u8],
}

/// What has been found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Element(String),
    TooLong,
    /// Where, and the byte that cannot be there.
    Malformed(u64, u8),
}

/// Reads the bytes whole, in pieces, and byte by byte; then writes their words as a command.
pub fn run(bytes: &[u8]) {
    let Ok(script) = Script::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    super::show(&script);
    let Script { max_string, pieces, input } = script;
    let want = plain(input, max_string.into());
    for pieces in [&[][..], &pieces, &vec![1; input.len()]] {
        assert_eq!(read(input, max_string, pieces), want);
    }
    let words: Vec<&[u8]> = input.split(|&byte| byte == b' ').collect();
    let mut command = Vec::new();
    write_command(&mut command, &words);
    let shown = words.iter().map(|word| match word.len() {
        length if length > max_string.into() => Told::TooLong,
        _ => show(&Element::Bytes(word)),
    });
    let want: Vec<_> = std::iter::once(show(&Element::Array(words.len()))).chain(shown).collect();
    assert_eq!(read(&command, max_string, &pieces), want);
}

fn show(element: &Element<'_>) -> Told {
    Told::Element(format!("{element:?}"))
}

/// What the framer finds in the input.
fn read(input: &[u8], max_string: u8, pieces: &[u8]) -> Vec<Told> {
    let framer = RespFramer::new(max_string.into());
    let (mut state, mut unread, mut rest, mut told) = (RespState::default(), Vec::new(), input, Vec::new());
    for piece in pieces.iter().map(|&size| usize::from(size)).chain([input.len()]) {
        let (piece, after) = rest.split_at(piece.min(rest.len()));
        unread.extend_from_slice(piece);
        rest = after;
        while !unread.is_empty() {
            let frame = framer.next(&mut state, &mut unread);
            let used = frame.used();
            match frame {
                Frame::Message { body, .. } => told.push(show(&Element::of(&unread[body]))),
                Frame::TooLong { limit, .. } => {
                    assert_eq!(limit, usize::from(max_string));
                    told.push(Told::TooLong);
                }
                Frame::Partial { needed } => {
                    assert!(needed.is_none_or(|needed| needed > unread.len()));
                    break;
                }
                Frame::Failed(FramingError::Malformed { at, found, .. }) => {
                    assert_eq!(usize::try_from(at).ok().and_then(|at| input.get(at)), Some(&found));
                    told.push(Told::Malformed(at, found));
                    return told;
                }
                _ => {}
            }
            unread.drain(..used);
        }
    }
    told
}

/// Reads all bytes at once, as the specification says.
fn plain(input: &[u8], max_string: usize) -> Vec<Told> {
    let (mut told, mut at) = (Vec::new(), 0);
    while at < input.len() {
        let malformed = |at: usize| Told::Malformed(at as u64, input[at]);
        let kind = input[at];
        if !b"+-:$*_#,(!=%~>|".contains(&kind) {
            told.push(malformed(at));
            break;
        }
        let longest = if b"+-,#(".contains(&kind) { 65536 } else { 21 };
        let Some(end) = input[at..].iter().position(|&byte| byte == b'\r').map(|end| at + end) else {
            told.extend((input.len() - at > longest).then(|| malformed(at + longest)));
            break;
        };
        if end - at > longest {
            told.push(malformed(at + longest));
            break;
        }
        match input.get(end + 1) {
            None => break,
            Some(b'\n') => {}
            Some(_) => {
                told.push(malformed(end + 1));
                break;
            }
        }
        let line = &input[at + 1..end];
        let text = std::str::from_utf8(line).ok();
        let number: Option<i64> = text.and_then(|text| text.parse().ok());
        let count = number.and_then(|number| usize::try_from(number).ok());
        let element = match (kind, number, count) {
            (b'+' | b',' | b'#' | b'(', ..) => Element::Text(line),
            (b'-', ..) => Element::Error(line),
            (b':', Some(number), _) => Element::Integer(number),
            (b'_', ..) if line.is_empty() => Element::Null,
            (b'$' | b'*', Some(-1), _) => Element::Null,
            (b'*' | b'~', _, Some(count)) => Element::Array(count),
            (b'%', _, Some(count)) => Element::Map(count),
            (b'>', _, Some(count)) => Element::Push(count),
            (b'|', _, Some(count)) => Element::Attribute(count),
            (b'$' | b'!' | b'=', _, Some(length)) if length > max_string => {
                told.push(Told::TooLong);
                at = (end + 2).saturating_add(length).saturating_add(2);
                continue;
            }
            (b'$' | b'!' | b'=', _, Some(length)) => {
                let start = end + 2;
                let Some(after) = input.get(start + length..start + length + 2) else { break };
                if after != b"\r\n" {
                    told.push(malformed(start + length));
                    break;
                }
                let string = &input[start..start + length];
                at = start + length + 2;
                told.push(show(&match kind {
                    b'$' => Element::Bytes(string),
                    b'!' => Element::Error(string),
                    _ => Element::Bytes(string.get(4..).unwrap_or_default()),
                }));
                continue;
            }
            _ => {
                told.push(malformed(at + 1));
                break;
            }
        };
        told.push(show(&element));
        at = end + 2;
    }
    told
}
