//! Answers of HTTP, as a polite client reads them: 200, and a body whose length is in the head.

/// An answer at the beginning of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) head: &'a str,
    pub(crate) body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// The number of its bytes.
    pub(crate) fn length(self) -> usize {
        self.head.len() + self.body.len()
    }

    /// Takes the first answer of a stream, or nothing if it is not complete.
    ///
    /// # Errors
    /// What comes is no answer with a page.
    pub(crate) fn first(stream: &'a [u8]) -> Result<Option<Self>, String> {
        let end = stream.windows(4).position(|window| window == b"\r\n\r\n");
        let Some(end) = end else { return Ok(None) };
        let head = str::from_utf8(&stream[..end + 4]).map_err(|_| "a head is not UTF-8".to_owned())?;
        let length = length(head).ok_or_else(|| format!("no page follows {head:?}"))?;
        let body = stream[end + 4..].get(..length);
        Ok(body.map(|body| Answer { head, body }))
    }
}

/// The length of the body, if the status is 200.
fn length(head: &str) -> Option<usize> {
    let fields = head.strip_prefix("HTTP/1.1 200 OK\r\n")?;
    fields.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 3\r\n\r\nabcHTTP";

    #[test]
    fn an_answer_is_complete_with_its_body() {
        for length in 0..STREAM.len() {
            let answer = Answer::first(&STREAM[..length]).expect("an answer");
            assert_eq!(answer.is_some(), length >= STREAM.len() - 4, "{length}");
        }
        let answer = Answer::first(STREAM).expect("an answer").expect("a complete one");
        assert_eq!((answer.body, answer.length()), (&b"abc"[..], STREAM.len() - 4));
    }

    #[test]
    fn another_status_or_no_length_is_no_page() {
        for head in ["HTTP/1.1 404 Not Found\r\nContent-Length: 1", "HTTP/1.1 200 OK\r\nX: y", "half a line\r\n"] {
            assert!(Answer::first(format!("{head}\r\n\r\n").as_bytes()).is_err(), "{head}");
        }
    }
}
