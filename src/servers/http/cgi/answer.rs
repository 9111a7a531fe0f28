//! The answer of a script: what it writes, up to the body (RFC 3875, section 6).
//!
//! Invariant: the head, or the reason why there is none, depends on the bytes alone, not on how they arrive. Nothing
//! that a script writes can add a header, or frame its body in another way than the server does.

use std::fmt;

use memchr::memchr;

use crate::framing::http::{Status, encode_header, is_token};

/// The most bytes of a head.
const MAX_HEAD: usize = 16 * 1024;

/// The most header fields of a head.
const MAX_FIELDS: usize = 100;

/// What the head of an answer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A document, or a redirect of the client, with a body after the head.
    Document(Document),
    /// The answer to a request for this path, which may have a query. Output after the head has no meaning.
    LocalRedirect(String),
}

/// The head of an answer for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) status: Status,
    /// Header lines that end in CRLF, without those that frame the body.
    pub(super) headers: Vec<u8>,
    /// The length of the body, if the script has declared one.
    pub(super) length: Option<u64>,
}

/// Why output is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// In a few words.
    Head(&'static str),
    /// This line of the head, or its beginning, is no header.
    Line(String),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Head(why) => f.write_str(why),
            Malformed::Line(line) => write!(f, "{line:?} is no header; an empty line ends the headers"),
        }
    }
}

/// Bytes of a line that are shown if it is no header.
const SHOWN: usize = 60;

/// Headers of a script that are dropped, in small letters: the server decides about the connection, the framing and the
/// date.
const DROPPED: [&str; 8] =
    ["connection", "date", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// The head of an answer, as far as it has arrived.
#[derive(Debug, Default)]
pub(super) struct AnswerDecoder {
    /// Bytes of the lines that were taken.
    taken: usize,
    /// Bytes of the present line that were searched for its end.
    searched: usize,
    fields: usize,
    headers: Vec<u8>,
    status: Option<Status>,
    location: Option<String>,
    length: Option<u64>,
    has_type: bool,
}

impl AnswerDecoder {
    /// Takes the lines that are complete at the beginning of the output. Returns the number of their bytes and, if they
    /// end the head, the answer. The other bytes are shown again in the next call, with more behind them.
    ///
    /// # Errors
    /// If the output is no answer.
    pub(super) fn decode(&mut self, output: &[u8]) -> Result<(usize, Option<Answer>), Malformed> {
        let most = MAX_HEAD - self.taken;
        let window = &output[..output.len().min(most)];
        let mut start = 0;
        while let Some(found) = memchr(b'\n', &window[start + self.searched..]) {
            let end = start + std::mem::take(&mut self.searched) + found;
            let line = &window[start..end];
            start = end + 1;
            // Section 6.2: lines end in LF or CRLF.
            match line.strip_suffix(b"\r").unwrap_or(line) {
                [] => return Ok((start, Some(self.answer()?))),
                line => self.add(line)?,
            }
        }
        if window.len() == most {
            return Err(Malformed::Head("its head is over 16 KiB"));
        }
        self.taken += start;
        self.searched = window.len() - start;
        Ok((start, None))
    }

    /// Returns what is wrong with output that ends before its head does.
    pub(super) fn end(&self) -> Malformed {
        let is_empty = self.taken == 0 && self.searched == 0;
        Malformed::Head(if is_empty {
            "it has no output"
        } else {
            "its output ends within the headers; an empty line ends them"
        })
    }

    fn add(&mut self, line: &[u8]) -> Result<(), Malformed> {
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return Err(Malformed::Head("it has over 100 headers"));
        }
        let colon = memchr(b':', line).unwrap_or(0);
        let name = str::from_utf8(&line[..colon]).ok().filter(|name| is_token(name));
        let no_header = || Malformed::Line(crate::sanitize(&line[..line.len().min(SHOWN)]).into_owned());
        let name = name.ok_or_else(no_header)?;
        let value = &line[colon + 1..];
        if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(Malformed::Head("a header has a control character"));
        }
        let value = value.trim_ascii();
        match name {
            _ if name.eq_ignore_ascii_case("status") => {
                let status = parse_status(value).ok_or(Malformed::Head("its Status is not a code from 200 to 999"))?;
                once(&mut self.status, status, "it has two Status headers")
            }
            _ if name.eq_ignore_ascii_case("location") => {
                let location = str::from_utf8(value).ok().filter(|location| !location.is_empty());
                let location = location.ok_or(Malformed::Head("its Location is not a URL"))?;
                once(&mut self.location, location.to_owned(), "it has two Location headers")
            }
            _ if name.eq_ignore_ascii_case("content-length") => {
                let length = parse_length(value).ok_or(Malformed::Head("its Content-Length is not a number"))?;
                once(&mut self.length, length, "it has two Content-Length headers")
            }
            _ if name.eq_ignore_ascii_case("content-type") => {
                if std::mem::replace(&mut self.has_type, true) {
                    return Err(Malformed::Head("it has two Content-Type headers"));
                }
                encode_header(&mut self.headers, name, value);
                Ok(())
            }
            _ if DROPPED.iter().any(|dropped| name.eq_ignore_ascii_case(dropped)) => Ok(()),
            _ => {
                encode_header(&mut self.headers, name, value);
                Ok(())
            }
        }
    }

    /// Ends the head (sections 6.2 and 6.3).
    fn answer(&mut self) -> Result<Answer, Malformed> {
        if self.status.is_none() && self.location.is_none() && !self.has_type {
            return Err(Malformed::Head("it has neither Content-Type, Status nor Location"));
        }
        let mut status = self.status.unwrap_or(Status::OK);
        if let Some(location) = self.location.take() {
            if self.fields == 1 && is_local(&location) {
                return Ok(Answer::LocalRedirect(location));
            }
            status = self.status.unwrap_or(Status::FOUND);
            encode_header(&mut self.headers, "Location", location.as_bytes());
        }
        let headers = std::mem::take(&mut self.headers);
        Ok(Answer::Document(Document { status, headers, length: self.length }))
    }
}

fn once<T>(place: &mut Option<T>, value: T, twice: &'static str) -> Result<(), Malformed> {
    if place.replace(value).is_some() { Err(Malformed::Head(twice)) } else { Ok(()) }
}

/// Returns the code of `404` or `404 Not Found`.
fn parse_status(value: &[u8]) -> Option<Status> {
    let (code, phrase) = value.split_at_checked(3)?;
    let is_code = code.iter().all(u8::is_ascii_digit) && matches!(phrase, [] | [b' ', ..]);
    let code = str::from_utf8(code).ok().filter(|_| is_code)?;
    Status::from_code(code.parse().ok()?)
}

fn parse_length(value: &[u8]) -> Option<u64> {
    let digits = str::from_utf8(value).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}

/// Whether the server can serve a location itself (section 6.2.2): a path, without what only a client understands.
///
/// It has to be the only header of the answer. With others, such as `Set-Cookie`, it is a redirect of the client.
fn is_local(location: &str) -> bool {
    location.starts_with('/') && !location.bytes().any(|byte| byte <= b' ' || byte == 0x7f || byte == b'#')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a script's output makes: a text for an answer, its rest, or the reason.
    fn shown(output: &[u8]) -> Result<(String, Vec<u8>), Malformed> {
        in_pieces(output, &[])
    }

    /// Decodes output that arrives in pieces of these sizes, then the rest at once.
    fn in_pieces(output: &[u8], sizes: &[usize]) -> Result<(String, Vec<u8>), Malformed> {
        let mut decoder = AnswerDecoder::default();
        let (mut start, mut end) = (0, 0);
        for size in sizes.iter().copied().chain([output.len()]) {
            end = output.len().min(end + size);
            let (used, answer) = decoder.decode(&output[start..end])?;
            start += used;
            if let Some(answer) = answer {
                return Ok((show(&answer), output[start..].to_vec()));
            }
        }
        Err(decoder.end())
    }

    fn show(answer: &Answer) -> String {
        match answer {
            Answer::LocalRedirect(path) => format!("local {path}"),
            Answer::Document(Document { status, headers, length }) => {
                let headers = String::from_utf8_lossy(headers).replace("\r\n", "|");
                let length = length.map(|length| format!(" {length} bytes")).unwrap_or_default();
                format!("{} {headers}{length}", status.code())
            }
        }
    }

    #[track_caller]
    fn assert_answer(output: &str, want: &str) {
        let (answer, rest) = shown(format!("{output}\n\n\r\nbody").as_bytes()).expect("an answer");
        assert_eq!(answer, want, "{output:?}");
        assert_eq!(rest, b"\r\nbody", "{output:?}");
    }

    #[track_caller]
    fn assert_malformed(output: &[u8], want: &str) {
        let found = shown(output).map_err(|reason| reason.to_string());
        assert_eq!(found, Err(want.to_owned()), "{:?}", String::from_utf8_lossy(output));
    }

    #[test]
    fn a_document_has_status_headers_and_length() {
        assert_answer("Content-Type: text/html", "200 Content-Type: text/html|");
        assert_answer(
            "content-type:text/html \r\nX-A:\r\nx-a: \tb\tc \r",
            "200 content-type: text/html|X-A: |x-a: b\tc|",
        );
        assert_answer("Content-Type: a/b\nContent-Length: 007", "200 Content-Type: a/b| 7 bytes");
        assert_answer("Status: 404 Not Found\nContent-Type: a/b", "404 Content-Type: a/b|");
        assert_answer("Set-Cookie: a=\u{e4}\nSet-Cookie: b\nStatus: 299", "299 Set-Cookie: a=\u{e4}|Set-Cookie: b|");
        assert_answer("STATUS: 204 ", "204 ");
        assert_answer("Status:304\nContent-Length: 5\nETag: \"a\"", "304 ETag: \"a\"| 5 bytes");
    }

    /// RFC 3875, section 6.3.4, and RFC 9110, section 6.6.1: these are the server's.
    #[test]
    fn headers_of_the_connection_are_dropped() {
        let output = "Status: 200\nConnection: close\nKeep-Alive: 5\nUpgrade: a\nTE: b\nTrailer: c\nDate: d\n\
            Proxy-Connection: e\nTRANSFER-ENCODING: chunked\nServer: f";
        assert_answer(output, "200 Server: f|");
    }

    #[test]
    fn a_path_alone_is_a_local_redirect() {
        assert_answer("Location: /a/b?c=d", "local /a/b?c=d");
        assert_answer("location:/\r", "local /");
        assert_answer("Location: //evil.example/\u{e4}", "local //evil.example/\u{e4}");
    }

    #[test]
    fn other_locations_redirect_the_client() {
        assert_answer("Location: http://a/b#c", "302 Location: http://a/b#c|");
        assert_answer("Location: /a#b", "302 Location: /a#b|");
        assert_answer("Location: /a b", "302 Location: /a b|");
        assert_answer("Location: b.html", "302 Location: b.html|");
        assert_answer("Set-Cookie: a\nLocation: /b", "302 Set-Cookie: a|Location: /b|");
        assert_answer("Location: /a\nStatus: 303 See Other", "303 Location: /a|");
        assert_answer("Status: 201\nContent-Type: a/b\nLocation: /c", "201 Content-Type: a/b|Location: /c|");
        assert_answer("Location: http://a/\nContent-Type: a/b", "302 Content-Type: a/b|Location: http://a/|");
    }

    #[test]
    fn what_is_no_head_is_malformed() {
        for (output, reason) in [
            ("", "it has no output"),
            ("Content-Type: text/plain\n", "its output ends within the headers; an empty line ends them"),
            ("Content-Type: text/plain", "its output ends within the headers; an empty line ends them"),
            ("\n\nhi", "it has neither Content-Type, Status nor Location"),
            ("X-A: b\nContent-Length: 1\n\nh", "it has neither Content-Type, Status nor Location"),
            ("Content-Type: a\rSet-Cookie: b\n\n", "a header has a control character"),
            ("Content-Type: a/b\r\r\n\r\n", "a header has a control character"),
            ("Content-Type: a\0\n\n", "a header has a control character"),
            ("Content-Type: a\x7f\n\n", "a header has a control character"),
        ] {
            assert_malformed(output.as_bytes(), reason);
        }
    }

    #[test]
    fn a_line_that_is_no_header_is_shown() {
        for (output, line) in [
            ("hello\n\n", "hello"),
            ("HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK"),
            ("Content-Type : a/b\n\n", "Content-Type : a/b"),
            (" Content-Type: a/b\n\n", " Content-Type: a/b"),
            ("Content-Type: a/b\n folded: c\n\n", " folded: c"),
            (": a\n\n", ": a"),
            ("\u{e4}: a\n\n", "\u{e4}: a"),
            ("Content-Type: text/html\n<p class=\"a\">\u{1b}[2J\n", "<p class=\"a\">\u{fffd}[2J"),
            (&format!("{}\n", "<br>".repeat(100)), &"<br>".repeat(15)),
        ] {
            assert_malformed(output.as_bytes(), &format!("{line:?} is no header; an empty line ends the headers"));
        }
    }

    #[test]
    fn a_header_of_the_gateway_is_valid_and_unique() {
        for status in ["", "20", "2000", "abc", "199", "101", "200OK", "+20", "\u{663}\u{663}"] {
            assert_malformed(format!("Status: {status}\n").as_bytes(), "its Status is not a code from 200 to 999");
        }
        for length in ["", "-1", "1, 1", "0x1", "18446744073709551616"] {
            assert_malformed(format!("Content-Length: {length}\n").as_bytes(), "its Content-Length is not a number");
        }
        assert_malformed(b"Location:\n", "its Location is not a URL");
        assert_malformed(b"Location: \xff\n", "its Location is not a URL");
        for (line, reason) in [
            ("Status: 200", "it has two Status headers"),
            ("Location: /a", "it has two Location headers"),
            ("Content-Length: 1", "it has two Content-Length headers"),
            ("Content-Type: a/b", "it has two Content-Type headers"),
        ] {
            assert_malformed(format!("{line}\n{line}\n").as_bytes(), reason);
        }
    }

    #[test]
    fn a_head_is_bounded() {
        let head_of = |size: usize| format!("Status: 200\nX: {}\n\n", "a".repeat(size - 17)).into_bytes();
        assert!(shown(&head_of(MAX_HEAD)).is_ok());
        assert_malformed(&head_of(MAX_HEAD + 1), "its head is over 16 KiB");
        assert_malformed(&vec![b'a'; MAX_HEAD], "its head is over 16 KiB");
        let fields = |count: usize| format!("Status: 200\n{}\n", "X: a\n".repeat(count - 1)).into_bytes();
        assert!(shown(&fields(MAX_FIELDS)).is_ok());
        assert_malformed(&fields(MAX_FIELDS + 1), "it has over 100 headers");
    }

    /// Output that is nearly a head.
    fn output() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            "(Content-Type|Status|Location|Content-Length|X-[a-z]|Date):? ?(text/html|404 No|/a|http://a|12|\t)?\r?\n",
            "[ -~\r]{0,9}\n",
            Just("\n".to_owned()),
            Just("\r\n".to_owned()),
        ];
        prop::collection::vec(line, 0..8).prop_map(|lines| lines.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn the_answer_does_not_depend_on_the_pieces(
            output in output(),
            sizes in prop::collection::vec(0..9usize, 0..40),
        ) {
            prop_assert_eq!(in_pieces(&output, &sizes), shown(&output));
            prop_assert_eq!(in_pieces(&output, &vec![1; output.len()]), shown(&output));
        }

        /// At the limits, too.
        #[test]
        fn long_output_obeys_the_chunking_law(line in 1..300usize, count in 1..200usize, size in 1..5000usize) {
            let mut output = format!("X:{}\n", "a".repeat(line)).repeat(count).into_bytes();
            output.extend(b"Status: 200\n\nbody");
            let sizes = vec![size; output.len() / size];
            prop_assert_eq!(in_pieces(&output, &sizes), shown(&output));
        }

        /// Each line of the headers is one field of the script.
        #[test]
        fn no_output_adds_a_header(output in prop::collection::vec(any::<u8>(), 0..60)) {
            let output = [b"Status: 200\nX-A: ", &output[..], b"\n\n"].concat();
            let mut decoder = AnswerDecoder::default();
            if let Ok((_, Some(Answer::Document(document)))) = decoder.decode(&output) {
                let lines: Vec<_> = document.headers.split_inclusive(|&byte| byte == b'\n').collect();
                prop_assert!(lines.len() < decoder.fields);
                for line in lines {
                    let line = line.strip_suffix(b"\r\n").expect("a line end");
                    prop_assert!(line.contains(&b':') && !line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
                }
            }
        }
    }
}
