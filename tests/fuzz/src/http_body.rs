//! Bodies in chunks, of any bytes: they are what a plain reading of RFC 9112, section 7.1, says, whole and in pieces.

use crate::http::{Told, play};

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Takes the size of the pieces from the first byte, and sends the others as a body.
pub fn run(bytes: &[u8]) {
    let Some((&size, input)) = bytes.split_first() else { return };
    let outcome = play(&[HEAD, input].concat(), size);
    let Some(Told::Body(body)) = outcome.told.get(1) else { panic!("no body: {outcome:?}") };
    let want = plain(input);
    match (outcome.told.get(2), &want) {
        (Some(Told::End(trailers)), Plain::Whole { body: plain, trailers: fields }) => {
            assert_eq!(body, plain);
            assert_eq!(trailers.len(), *fields);
        }
        (None, Plain::Bad) => {
            let status = outcome.rejection().expect("an answer");
            assert!(["400", "413", "431"].contains(&status), "{outcome:?}");
        }
        (told, _) => panic!("{told:?}, not {want:?}"),
    }
}

/// What a plain reading finds. An incomplete body is a bad one, since the input ends.
#[derive(Debug)]
enum Plain {
    Whole { body: Vec<u8>, trailers: usize },
    Bad,
}

fn plain(input: &[u8]) -> Plain {
    read(input).map_or(Plain::Bad, |(body, trailers)| Plain::Whole { body, trailers })
}

/// Reads a body with a function for each line of the grammar. The inputs are too short for any limit of a section.
fn read(mut input: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut total) = (Vec::new(), 0_u64);
    loop {
        let line = line(&mut input).filter(|line| line.len() <= 256)?;
        let text = line.iter().map(|&byte| char::from(byte)).collect::<String>();
        let (size, extension) = text.split_once(';').map_or((&*text, None), |(size, after)| (size, Some(after)));
        let size = if extension.is_some() { size.trim_end_matches([' ', '\t']) } else { size };
        let is_plain = extension.unwrap_or_default().chars().all(|c| c == '\t' || !c.is_ascii_control());
        if size.is_empty() || !size.chars().all(|c| c.is_ascii_hexdigit()) || !is_plain {
            return None;
        }
        let size = u64::from_str_radix(size, 16).ok()?;
        total = total.checked_add(size).filter(|total| *total <= 1 << 20)?;
        if size == 0 {
            break;
        }
        let (chunk, after) = input.split_at_checked(usize::try_from(size).ok()?)?;
        body.extend_from_slice(chunk);
        input = after.strip_prefix(b"\r\n")?;
    }
    let mut count = 0;
    loop {
        let line = line(&mut input)?;
        if line.is_empty() {
            return Some((body, count));
        }
        let colon = line.iter().position(|&byte| byte == b':')?;
        let (name, value) = line.split_at(colon);
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        let is_value = |byte: &u8| *byte == b'\t' || *byte >= b' ' && *byte != 0x7f;
        let name = str::from_utf8(name).ok()?.to_ascii_lowercase();
        let is_allowed = !["content-length", "host", "transfer-encoding"].contains(&&*name);
        if name.is_empty() || !name.as_bytes().iter().all(is_name) || !value.iter().all(is_value) || !is_allowed {
            return None;
        }
        count += 1;
        if count > 100 {
            return None;
        }
    }
}

/// Takes a line that ends in CRLF.
fn line<'i>(input: &mut &'i [u8]) -> Option<&'i [u8]> {
    let end = input.iter().position(|&byte| byte == b'\n')?;
    let line = input[..end].strip_suffix(b"\r")?;
    *input = &input[end + 1..];
    Some(line)
}
