//! The HTTP side of one connection: requests in, answers out, one exchange at a time.
//!
//! Invariants: answers have the order of the requests. A request is passed on when the answer to the one before it is
//! complete; until then its bytes stay in the inbox. After input that is no request, the connection ends.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::decoder::{Decoder, Part};
use super::encoder::Encoder;
use super::head::Version;
use super::headers::Headers;
use super::lent::LentAnswer;
use super::meter;
use super::options::HttpOptions;
use super::outcome::Outcome;
use super::rejection::Rejection;
use super::request::Request;
use super::response::Response;
use super::status::Status;
use crate::connection::timer_id::TimerId;
use crate::framing::unread::Unread;
use crate::handler::context::Context;

/// The HTTP side of one connection. A [`Handler`](crate::Handler) has it in its session.
///
/// | callback of the handler | passes it on to |
/// |---|---|
/// | `open` | [`Exchange::open`] |
/// | `data` | [`next`](Self::next), until that returns `None` |
/// | `eof` | [`eof`](Self::eof) |
/// | `timer` | [`timer`](Self::timer) |
///
/// It answers malformed requests, late heads and expectations itself, and it closes the connection when the last answer
/// is complete. The handler answers each request once: [`respond`](Self::respond).
///
/// ```
/// use std::sync::Arc;
/// use switchboard::framing::Unread;
/// use switchboard::framing::http::{Event, Exchange, HttpOptions, Status};
/// use switchboard::{Context, Handler, Origin, Sim, TimerId};
///
/// /// Counts the bytes of each body as they arrive, and keeps none.
/// #[derive(Default)]
/// struct Count(Arc<HttpOptions>);
///
/// impl Handler for Count {
///     type Session = (Exchange, u64);
///
///     fn open(&mut self, _: &Origin, cx: &mut Context<'_>) -> Self::Session {
///         (Exchange::open(&self.0, cx), 0)
///     }
///
///     fn data<'a>(&mut self, session: &mut Self::Session, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
///         let (exchange, count) = session;
///         let mut unread = Unread::new(input);
///         while let Some(event) = exchange.next(&mut unread, cx) {
///             match event {
///                 Event::Request(request) if request.has_body() => *count = 0,
///                 Event::Request(_) => exchange.respond_error(Status::BAD_REQUEST, "send a body", cx),
///                 Event::Body(bytes) => *count += bytes.len() as u64,
///                 Event::End(_) => exchange.respond(Status::OK, cx).text(&format!("{count} bytes\n")),
///             }
///         }
///         unread.used()
///     }
///
///     fn eof(&mut self, (exchange, _): &mut Self::Session, cx: &mut Context<'_>) {
///         exchange.eof(cx);
///     }
///
///     fn timer(&mut self, (exchange, _): &mut Self::Session, timer: TimerId, cx: &mut Context<'_>) {
///         exchange.timer(timer, cx);
///     }
/// }
///
/// let mut sim = Sim::new(Count::default());
/// let peer = sim.connect();
/// sim.send(peer, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
/// assert!(sim.received(peer).ends_with(b"\r\n\r\n5 bytes\n"));
/// ```
#[derive(Debug)]
pub struct Exchange {
    options: Arc<HttpOptions>,
    decoder: Decoder,
    pub(super) encoder: Encoder,
    progress: Progress,
    /// Whether the client waits for `100 Continue`.
    expects_continue: bool,
    awaited: Awaited,
    /// Whether the next request waits for the answer, with the input held.
    is_held: bool,
    /// Whether the peer has ended its side.
    is_ended: bool,
    timer: Option<TimerId>,
    /// What becomes of the present request, or became of the last one, if the options ask for it.
    outcome: Option<Box<Outcome>>,
}

/// How far the present exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// There is no request yet.
    Waiting,
    /// The request was passed on, and nothing was answered. Its body may follow.
    Requested,
    /// The head of the answer was written.
    Answering,
    /// The answer is complete, and the rest of the request is discarded.
    Answered,
    /// The connection speaks another protocol, or ends.
    Over,
}

/// What a connection without a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    /// The first request. No byte of it has arrived.
    First,
    /// The next request. No byte of it has arrived.
    Next,
    /// The rest of a head.
    Rest,
}

/// What a client has sent.
#[derive(Debug)]
pub enum Event<'i> {
    /// A request. If it [has a body](Request::has_body), that follows as [`Body`](Self::Body) and [`End`](Self::End).
    Request(Request<'i>),
    /// Bytes of the body.
    Body(&'i mut [u8]),
    /// The end of the body, with the trailer fields.
    End(Headers<'i>),
}

/// The most bytes of a body that are read only to be discarded. Above it, the connection ends with the answer.
const MAX_DISCARD: u64 = 64 * 1024;

impl Exchange {
    /// Begins with a connection that was just opened.
    pub fn open(options: &Arc<HttpOptions>, cx: &mut Context<'_>) -> Self {
        Exchange {
            options: Arc::clone(options),
            decoder: Decoder::default(),
            encoder: Encoder::of_rejection(),
            progress: Progress::Waiting,
            expects_continue: false,
            awaited: Awaited::First,
            is_held: false,
            is_ended: false,
            timer: options.header_timeout.map(|time| cx.set_timer(time)),
            outcome: None,
        }
    }

    /// Takes what is at the beginning of the unread input. Returns `None` if more input is needed, or if the rest has
    /// to wait: leave it unused.
    ///
    /// Call it again after each event, also with no input left: a client may wait for `100 Continue`.
    pub fn next<'i>(&mut self, unread: &mut Unread<'i>, cx: &mut Context<'_>) -> Option<Event<'i>> {
        while cx.may_continue() && self.takes_input(unread.rest(), cx) {
            match self.decoder.next(unread.rest(), &self.options) {
                Ok(Part::Partial) => {
                    self.wait_for_body(cx);
                    self.wait_for_rest(unread.rest(), cx);
                    return None;
                }
                Ok(Part::Skip(count)) => drop(unread.take(count)),
                Ok(Part::Head(count)) => {
                    let head = unread.take(count);
                    match Request::parse(head, &self.options) {
                        Ok(request) => {
                            self.begin(&request, cx);
                            return Some(Event::Request(request));
                        }
                        Err(rejection) => self.reject(rejection, head, cx),
                    }
                }
                Ok(Part::Body(count)) => {
                    let bytes = unread.take(count);
                    if let Some(meter) = self.decoder.meter() {
                        meter.add(count as u64, cx.now());
                    }
                    if self.progress != Progress::Answered {
                        return Some(Event::Body(bytes));
                    }
                }
                Ok(Part::End(count)) => {
                    let trailers = if count == 0 { &[] } else { &unread.take(count)[..count - 2] };
                    if self.progress != Progress::Answered {
                        return Some(Event::End(Headers::of_valid(trailers)));
                    }
                    self.wait_for_request(cx);
                }
                Err(rejection) => self.reject(rejection, unread.rest(), cx),
            }
        }
        None
    }

    /// Whether input can be used now. If a request waits for the answer to the one before it, holds the input. If the
    /// client waits for `100 Continue`, sends it.
    fn takes_input(&mut self, rest: &[u8], cx: &mut Context<'_>) -> bool {
        match self.progress {
            Progress::Waiting | Progress::Answered => true,
            Progress::Over => false,
            Progress::Requested | Progress::Answering if self.decoder.is_before_head() => {
                if !rest.is_empty() && !self.is_held {
                    self.is_held = true;
                    cx.hold_input();
                }
                false
            }
            Progress::Requested | Progress::Answering => {
                if std::mem::take(&mut self.expects_continue) && self.progress == Progress::Requested {
                    cx.reply(CONTINUE);
                }
                true
            }
        }
    }

    /// Measures the rate of a body from now on. Without a body, no effect.
    fn wait_for_body(&mut self, cx: &mut Context<'_>) {
        if self.options.body_rate.is_some()
            && let Some(meter) = self.decoder.meter()
            && meter.wait(cx.now())
        {
            self.arm(Some(meter::PERIOD), cx);
        }
    }

    /// Handles an incomplete request: at the end of input, it remains incomplete.
    fn wait_for_rest(&mut self, rest: &[u8], cx: &mut Context<'_>) {
        if rest.is_empty() {
            return;
        }
        if cx.is_eof() {
            self.reject(INCOMPLETE, rest, cx);
        } else if self.decoder.is_before_head() && std::mem::replace(&mut self.awaited, Awaited::Rest) == Awaited::Next
        {
            self.arm(self.options.header_timeout, cx);
        }
    }

    fn begin(&mut self, request: &Request<'_>, cx: &mut Context<'_>) {
        cx.count_message();
        let fields = request.fields;
        self.decoder.expect_body(fields.body);
        // The next request is one for the process that replaces this one.
        let keeps_alive = fields.keeps_alive && !cx.is_leaving();
        self.encoder = Encoder::new(request.version(), request.method(), keeps_alive);
        self.expects_continue = fields.expects_continue;
        self.progress = Progress::Requested;
        if self.options.outcomes {
            self.outcome = Some(Box::new(Outcome::of_request(request.as_bytes(), cx.system_time())));
        }
        if self.timer.is_none() {
            self.arm(self.options.send_timeout, cx);
        }
    }

    /// Whether the whole request was passed on, with its body.
    pub(crate) fn is_request_complete(&self) -> bool {
        self.decoder.is_before_head()
    }

    /// Whether a request was passed on that has no answer yet.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        self.progress == Progress::Requested
    }

    /// Begins the answer to the request. The answer is complete when a method of [`Response`] has ended it, or after
    /// [`finish`](Self::finish).
    ///
    /// If much of the body of the request was not read yet, the connection ends with the answer.
    ///
    /// # Panics
    /// If there is no request [without an answer](Self::is_unanswered).
    pub fn respond<'x, 'cx>(&'x mut self, status: Status, cx: &'x mut Context<'cx>) -> Response<'x, 'cx> {
        assert!(self.is_unanswered(), "there is no request without an answer");
        let is_little =
            self.decoder.remaining().is_some_and(|left| left == 0 || left <= MAX_DISCARD && !self.expects_continue);
        self.encoder.keeps_alive &= is_little;
        self.progress = Progress::Answering;
        if let Some(outcome) = &mut self.outcome {
            outcome.status = Some(status);
        }
        let HttpOptions { keep_alive, header_timeout, send_timeout, .. } = *self.options;
        // Otherwise, a timer that was set for something else expires earlier.
        if send_timeout.is_some() && send_timeout < keep_alive.max(header_timeout).max(Some(meter::PERIOD)) {
            self.arm(send_timeout, cx);
        }
        Encoder::start(cx, status, cx.system_time());
        Response::new(self, status, cx)
    }

    /// Makes the connection end with the answer to the request.
    pub(crate) fn end_after_answer(&mut self) {
        self.encoder.keeps_alive = false;
    }

    /// Answers the request with a page of one line: the status and `reason`, which may be empty.
    ///
    /// # Panics
    /// As [`respond`](Self::respond).
    pub fn respond_error(&mut self, status: Status, reason: &str, cx: &mut Context<'_>) {
        self.respond(status, cx).page(reason);
    }

    /// Answers `request` with 500 if its handler has returned without an answer.
    pub(in crate::framing) fn ensure_answer(&mut self, request: &Request<'_>, cx: &mut Context<'_>) {
        if self.is_unanswered() {
            let path = crate::sanitize(request.path().as_bytes());
            log::warn!("{}: no answer to {} {path}", cx.peer(), request.method());
            self.respond_error(Status::INTERNAL_SERVER_ERROR, "", cx);
        }
    }

    /// Writes bytes of the body, after [`Response::start`] or [`Response::start_with_length`].
    pub fn write(&mut self, bytes: &[u8], cx: &mut Context<'_>) {
        if self.progress == Progress::Answering {
            let count = self.encoder.write(cx, bytes);
            self.count_body(count);
        }
    }

    fn count_body(&mut self, bytes: u64) {
        if let Some(outcome) = &mut self.outcome {
            outcome.body += bytes;
        }
    }

    /// Sends a range of an open file as bytes of the body ([`Context::reply_file`]). If that fails, the connection is
    /// aborted.
    pub fn write_file(&mut self, file: Arc<File>, range: Range<u64>, cx: &mut Context<'_>) {
        let length = range.end.saturating_sub(range.start);
        if self.progress != Progress::Answering || !self.encoder.sends(length) {
            return;
        }
        self.count_body(length);
        if let Err(error) = cx.reply_file(file, range) {
            log::debug!("{}: a file cannot be sent: {error}", cx.peer());
            cx.abort();
        }
    }

    /// Ends the answer. If bytes are missing of the length that its head has, the connection is closed, by which the
    /// client notices.
    pub fn finish(&mut self, cx: &mut Context<'_>) {
        if self.progress != Progress::Answering {
            return;
        }
        if !self.encoder.finish(cx) || !self.encoder.keeps_alive {
            self.end(cx);
        } else if self.decoder.is_before_head() {
            self.wait_for_request(cx);
        } else {
            self.progress = Progress::Answered;
        }
    }

    /// Lends the answer to another session of the handler, which encodes it and [relays](Context::relay) it to this
    /// connection. [`take_back`](Self::take_back) ends it.
    ///
    /// As long as nothing was relayed, the request may also be answered here.
    ///
    /// # Panics
    /// If there is no request [without an answer](Self::is_unanswered), or its body was not read to its end.
    pub(crate) fn lend(&mut self) -> LentAnswer {
        assert!(self.is_unanswered() && self.decoder.is_before_head(), "there is no request without an answer");
        LentAnswer::new(self.encoder)
    }

    /// Takes back an answer whose head was relayed, and ends it as [`finish`](Self::finish) does.
    pub(crate) fn take_back(&mut self, answer: LentAnswer, cx: &mut Context<'_>) {
        if self.progress == Progress::Requested {
            self.note_lent(&answer);
            self.encoder = answer.encoder;
            self.progress = Progress::Answering;
            self.finish(cx);
        }
    }

    /// Notes how far an answer is that was lent, for the [outcome](Self::into_outcome) if it is not taken back.
    pub(crate) fn note_lent(&mut self, answer: &LentAnswer) {
        if let Some(outcome) = &mut self.outcome {
            (outcome.status, outcome.body) = (answer.status, answer.body);
        }
    }

    /// Finds out whether a client that has ended its side is gone: it receives `100 Continue`. A client that reads on
    /// ignores that (RFC 9110, section 15.2), and the system of one that is gone answers it with a reset.
    ///
    /// No effect if the client speaks HTTP/1.0, or the request is not unanswered.
    pub(crate) fn probe(&mut self, cx: &mut Context<'_>) {
        if self.is_unanswered() && self.encoder.version() >= Version::Http11 {
            cx.reply(CONTINUE);
        }
    }

    /// Takes what became of the last request, once its answer is complete, if [`HttpOptions::outcomes`] is on.
    ///
    /// Call it after each event and each other callback, before the next request replaces it.
    pub fn take_outcome(&mut self) -> Option<Outcome> {
        let is_complete = !matches!(self.progress, Progress::Requested | Progress::Answering);
        self.outcome.take_if(|_| is_complete).map(|outcome| *outcome)
    }

    /// Ends with the connection. Returns what became of a request whose answer is not complete.
    #[must_use]
    pub fn into_outcome(self) -> Option<Outcome> {
        self.outcome.map(|outcome| *outcome)
    }

    /// Makes the connection speak another protocol: [`next`](Self::next) returns nothing more, and all input that it
    /// has left belongs to the other protocol.
    pub(super) fn hand_over(&mut self, cx: &mut Context<'_>) {
        self.progress = Progress::Over;
        self.disarm(cx);
    }

    /// Handles the end of input. An answer that is under way is still completed.
    pub fn eof(&mut self, cx: &mut Context<'_>) {
        self.is_ended = true;
        match self.progress {
            Progress::Requested | Progress::Answering if self.decoder.is_before_head() => {}
            Progress::Requested | Progress::Answering => self.reject(INCOMPLETE, b"", cx),
            Progress::Waiting | Progress::Answered | Progress::Over => self.end(cx),
        }
    }

    /// Handles a timer of the session. Returns whether it was one of this exchange, and not one of the handler.
    pub fn timer(&mut self, timer: TimerId, cx: &mut Context<'_>) -> bool {
        if self.timer != Some(timer) {
            return false;
        }
        self.timer = None;
        match (self.progress, self.awaited) {
            (Progress::Over, _) => {}
            (Progress::Waiting, Awaited::Rest) => {
                let head = cx.unused_input().to_vec();
                self.reject(LATE, &head, cx);
            }
            (Progress::Waiting, Awaited::First) => self.end(cx),
            _ => self.check_times(cx),
        }
        true
    }

    /// Ends the connection if one of its times is over. Otherwise sets the timer for the next one: it may have been set
    /// for something earlier.
    fn check_times(&mut self, cx: &mut Context<'_>) {
        let (stalled, is_waiting) = (cx.stalled_time(), self.progress == Progress::Waiting);
        let send_timeout = self.options.send_timeout.filter(|_| stalled.is_some() || !is_waiting);
        let to_send = send_timeout.map(|limit| limit.saturating_sub(stalled.unwrap_or_default()));
        if to_send == Some(Duration::ZERO) {
            let limit = send_timeout.unwrap_or_default();
            log::info!("{}: nothing of the answer was taken for {limit:?} (--send-timeout)", cx.peer());
            return cx.reset();
        }
        let to_receive = if is_waiting && stalled.is_none() {
            self.options.keep_alive.map(|limit| limit.saturating_sub(cx.idle_time()))
        } else {
            self.body_time(cx)
        };
        match to_receive {
            Some(Duration::ZERO) if is_waiting => self.end(cx),
            Some(Duration::ZERO) => self.reject(SLOW, b"", cx),
            _ => self.arm([to_send, to_receive].into_iter().flatten().min(), cx),
        }
    }

    /// How long the body may remain slow: zero if it was slow for too long, and `None` without a body or a limit.
    fn body_time(&mut self, cx: &mut Context<'_>) -> Option<Duration> {
        let (rate, meter) = (self.options.body_rate?, self.decoder.meter()?);
        if cx.may_continue() {
            meter.wait(cx.now());
        } else {
            meter.discount();
        }
        Some(meter.judge(rate, cx.now()))
    }

    /// Waits for the next request of the connection.
    fn wait_for_request(&mut self, cx: &mut Context<'_>) {
        if self.is_ended {
            return self.end(cx);
        }
        self.progress = Progress::Waiting;
        self.awaited = Awaited::Next;
        // A timer that expires earlier is set again then: most requests set none.
        let HttpOptions { keep_alive, header_timeout, send_timeout, .. } = *self.options;
        if self.timer.is_none() || keep_alive < header_timeout.max(send_timeout).max(Some(meter::PERIOD)) {
            self.arm(keep_alive.or(send_timeout), cx);
        }
        if std::mem::take(&mut self.is_held) {
            cx.release_input();
        }
    }

    fn arm(&mut self, time: Option<Duration>, cx: &mut Context<'_>) {
        self.disarm(cx);
        self.timer = time.map(|time| cx.set_timer(time));
    }

    fn disarm(&mut self, cx: &mut Context<'_>) {
        if let Some(timer) = self.timer.take() {
            cx.cancel_timer(timer);
        }
    }

    /// Answers input that is no request, or no rest of one, and ends.
    #[cold]
    fn reject(&mut self, rejection: Rejection, input: &[u8], cx: &mut Context<'_>) {
        let Rejection { status, reason } = rejection;
        log::debug!("{}: {status}: {reason}", cx.peer());
        if self.progress == Progress::Waiting && self.options.outcomes {
            self.outcome = Some(Box::new(Outcome::of_rejection(input, cx.system_time())));
        }
        if matches!(self.progress, Progress::Waiting | Progress::Requested) {
            self.encoder = Encoder::of_rejection();
            self.progress = Progress::Requested;
            self.respond_error(status, reason, cx);
        }
        self.end(cx);
    }

    fn end(&mut self, cx: &mut Context<'_>) {
        self.progress = Progress::Over;
        cx.close();
    }
}

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

const INCOMPLETE: Rejection = Rejection::bad("the input ends within a request");
const LATE: Rejection = Rejection::new(Status::REQUEST_TIMEOUT, "the head took too long");
const SLOW: Rejection = Rejection::new(Status::REQUEST_TIMEOUT, "the body is too slow");
