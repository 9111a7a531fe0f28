//! The answer with a file: whole, in parts, or not at all.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::Arc;

use super::conditions::Verdict;
use super::file::{Content, Version};
use super::ranges::Wanted;
use super::{Client, Work};
use crate::framing::http::{Request, Response, Status};
use crate::handler::context::Context;

/// A version of a file, as the answer to a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply<'r, 'h> {
    pub(super) request: &'r Request<'h>,
    pub(super) version: &'r Arc<Version>,
}

/// The rest of the body of an answer.
#[derive(Debug)]
pub(super) struct Body {
    version: Arc<Version>,
    pieces: VecDeque<Piece>,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    /// A part of the file.
    Part(Range<u64>),
}

impl Reply<'_, '_> {
    /// Answers with the file, as the conditions and ranges of the request say.
    pub(super) fn send(self, client: &mut Client, cx: &mut Context<'_>) {
        let verdict = self.version.validators.evaluate(self.request);
        // RFC 9110, section 14.2: a range has a meaning for GET only.
        let range = self.request.header("Range").filter(|_| verdict == Verdict::Send && self.request.method() == "GET");
        let wanted = range.map_or(Wanted::Whole, |value| Wanted::parse(value, self.version.length()));
        match (verdict, wanted) {
            (Verdict::NotModified, _) => self.start(Status::NOT_MODIFIED, client, cx).body(b""),
            (Verdict::Failed, _) => self.start(Status::PRECONDITION_FAILED, client, cx).page(""),
            (_, Wanted::Whole) => self.whole(client, cx),
            (_, Wanted::Nothing) => {
                let length = format!("bytes */{}", self.version.length());
                let response = self.start(Status::RANGE_NOT_SATISFIABLE, client, cx);
                response.header("Content-Range", length).page("");
            }
            (_, Wanted::Parts(parts)) => match &parts[..] {
                [part] => self.part(part.clone(), client, cx),
                parts => self.parts(parts, client, cx),
            },
        }
    }

    fn start<'x, 'cx>(self, status: Status, client: &'x mut Client, cx: &'x mut Context<'cx>) -> Response<'x, 'cx> {
        client.exchange.respond(status, cx).encoded(&self.version.common)
    }

    fn whole(self, client: &mut Client, cx: &mut Context<'_>) {
        let response = client.exchange.respond(Status::OK, cx).encoded(&self.version.whole);
        if let Content::Bytes(bytes) = &self.version.content {
            return response.body(bytes);
        }
        let length = self.version.length();
        response.start_with_length(length);
        self.send_pieces([Piece::Part(0..length)].into(), client, cx);
    }

    fn part(self, part: Range<u64>, client: &mut Client, cx: &mut Context<'_>) {
        let response = client.exchange.respond(Status::PARTIAL_CONTENT, cx).encoded(&self.version.whole);
        response.header("Content-Range", self.content_range(&part)).start_with_length(part.end - part.start);
        self.send_pieces([Piece::Part(part)].into(), client, cx);
    }

    /// Answers with several parts (RFC 9110, section 15.3.7.2).
    fn parts(self, parts: &[Range<u64>], client: &mut Client, cx: &mut Context<'_>) {
        let boundary = format!("{:016x}", RandomState::new().hash_one(&self.version.validators.etag));
        let mut pieces = VecDeque::new();
        for part in parts {
            let range = self.content_range(part);
            let media_type = &self.version.media_type;
            pieces.push_back(Piece::Text(format!(
                "\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {range}\r\n\r\n"
            )));
            pieces.push_back(Piece::Part(part.clone()));
        }
        pieces.push_back(Piece::Text(format!("\r\n--{boundary}--\r\n")));
        let response = self.start(Status::PARTIAL_CONTENT, client, cx).encoded(&self.version.about);
        let response = response.header("Content-Type", format!("multipart/byteranges; boundary={boundary}"));
        response.start_with_length(pieces.iter().map(Piece::length).sum());
        self.send_pieces(pieces, client, cx);
    }

    fn content_range(self, part: &Range<u64>) -> String {
        format!("bytes {}-{}/{}", part.start, part.end - 1, self.version.length())
    }

    /// Sends the body. The answer to HEAD has none.
    fn send_pieces(self, pieces: VecDeque<Piece>, client: &mut Client, cx: &mut Context<'_>) {
        if self.request.method() == "HEAD" {
            return client.exchange.finish(cx);
        }
        client.work = Some(Box::new(Work::Send(Body { version: Arc::clone(self.version), pieces })));
        Body::send_more(client, cx);
    }
}

impl Piece {
    fn length(&self) -> u64 {
        match self {
            Piece::Text(text) => text.len() as u64,
            Piece::Part(part) => part.end - part.start,
        }
    }
}

impl Body {
    /// Sends as much of the body of an answer as the client takes now. When nothing is left, ends the answer.
    ///
    /// A part of a file is queued as a whole, so that a stop of the server lets it end. When little of it remains, the
    /// file is looked at again: if it has changed, the client must not get the rest.
    pub(super) fn send_more(client: &mut Client, cx: &mut Context<'_>) {
        let Some(Work::Send(body)) = client.work.as_deref_mut() else { return };
        if !body.version.is_current() {
            log::debug!("{}: the file has changed while it was sent", cx.peer());
            return cx.reset();
        }
        while cx.is_writable() {
            match (body.pieces.pop_front(), &body.version.content) {
                (None, _) => {
                    client.work = None;
                    return client.exchange.finish(cx);
                }
                (Some(Piece::Text(text)), _) => client.exchange.write(text.as_bytes(), cx),
                (Some(Piece::Part(part)), Content::Bytes(bytes)) => {
                    client.exchange.write(&bytes[part.start as usize..part.end as usize], cx);
                }
                (Some(Piece::Part(part)), Content::Open(file)) => {
                    client.exchange.write_file(Arc::clone(file), part, cx);
                }
            }
        }
    }
}
