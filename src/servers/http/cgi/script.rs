//! The session of a running script: its output becomes the answer to its client.
//!
//! Invariants: the client gets a whole answer, or none, or notices that it is broken off. A script whose answer is
//! complete may go on for a while; what it writes then is dropped.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::answer::{Answer, AnswerDecoder, Document, Malformed};
use super::{Outcome, Scripts};
use crate::framing::http::{LentAnswer, Status};
use crate::handler::context::Context;
use crate::servers::http::tree::Refusal;
use crate::{TimerId, Token};

/// The session of a script.
#[derive(Debug)]
pub(crate) struct Script {
    /// The path of its URL, for the log.
    name: Vec<u8>,
    /// `None` when its client needs nothing more of it.
    client: Option<Token>,
    output: Output,
    answer: LentAnswer,
    /// When it has last written for its client, or could not.
    last_output: Instant,
    status: Option<ExitStatus>,
    /// When its output has ended.
    ended: Option<Instant>,
    timer: Option<TimerId>,
}

/// What the next output is.
#[derive(Debug)]
enum Output {
    Head(AnswerDecoder),
    Body,
    /// The whole answer, as it is (RFC 3875, section 5).
    Raw,
    /// Without a meaning, after a local redirect to this path.
    Redirect(String),
}

/// How long the exit of a script is waited for after its output has ended. 100 ms: it follows at once, unless the
/// script has closed its output by itself.
const EXIT_WAIT: Duration = Duration::from_millis(100);

/// How often a script is looked at that has exited, while its client does not read and other processes may have its
/// output.
const HELD_WAIT: Duration = Duration::from_millis(100);

impl Script {
    /// A script that answers `client`. Without `is_parsed`, its output is the answer as it is.
    pub(super) fn new(name: Vec<u8>, client: Token, answer: LentAnswer, now: Instant) -> Self {
        let output = if answer.is_raw() { Output::Raw } else { Output::Head(AnswerDecoder::default()) };
        Script { name, client: Some(client), output, answer, last_output: now, status: None, ended: None, timer: None }
    }

    pub(crate) fn open(&mut self, scripts: &Scripts, cx: &mut Context<'_>) {
        cx.set_name(String::from_utf8_lossy(&self.name));
        if let Some(timeout) = scripts.options.timeout {
            self.arm(timeout, cx);
        }
    }

    fn arm(&mut self, after: Duration, cx: &mut Context<'_>) {
        if let Some(timer) = self.timer.replace(cx.set_timer(after)) {
            cx.cancel_timer(timer);
        }
    }

    /// Relays output to the client. Returns the number of bytes that were used.
    pub(crate) fn data(&mut self, input: &[u8], scripts: &mut Scripts, cx: &mut Context<'_>) -> usize {
        let Some(client) = self.client else { return input.len() };
        let mut out = Vec::new();
        match &mut self.output {
            Output::Head(decoder) => match decoder.decode(input) {
                Ok((count, None)) => {
                    self.last_output = cx.now();
                    return count;
                }
                Ok((count, Some(Answer::Document(document)))) => {
                    out = self.start(&document, scripts, cx);
                    self.answer.write(&input[count..], &mut out);
                }
                Ok((_, Some(Answer::LocalRedirect(path)))) => self.output = Output::Redirect(path),
                Err(malformed) => {
                    self.fail(&malformed, scripts, cx);
                    cx.abort();
                }
            },
            Output::Body | Output::Raw => self.answer.write(input, &mut out),
            Output::Redirect(_) => {}
        }
        if !out.is_empty() {
            self.last_output = cx.now();
            scripts.begin(client);
            cx.relay(client, &out);
        }
        if matches!(self.output, Output::Body) && self.answer.is_complete() {
            self.finish(scripts, cx);
        }
        input.len()
    }

    /// Returns the head of the answer.
    fn start(&mut self, document: &Document, scripts: &Scripts, cx: &Context<'_>) -> Vec<u8> {
        self.output = Output::Body;
        let Document { status, headers, length } = document;
        // A header of the script replaces one of the server.
        let has = |line: &[u8]| lines(headers).any(|own| name(own).eq_ignore_ascii_case(name(line)));
        let ours: Vec<u8> = lines(&scripts.headers).filter(|line| !has(line)).flatten().copied().collect();
        self.answer.start(*status, &[&ours, headers], *length, cx.system_time())
    }

    /// The output has ended. How the answer ends depends on the exit, which follows.
    pub(crate) fn eof(&mut self, scripts: &mut Scripts, cx: &mut Context<'_>) {
        self.ended = Some(cx.now());
        if self.status.is_some() {
            self.over(scripts, cx);
        } else if self.client.is_some() {
            self.arm(EXIT_WAIT, cx);
        }
    }

    /// The script has exited. Other processes may continue its output, which is not waited for.
    pub(crate) fn exited(&mut self, status: ExitStatus, scripts: &mut Scripts, cx: &mut Context<'_>) {
        self.status = Some(status);
        if self.ended.is_some() {
            self.over(scripts, cx);
        } else {
            // The timer waits until all that the script has written is read.
            self.arm(Duration::ZERO, cx);
        }
    }

    pub(crate) fn timer(&mut self, scripts: &mut Scripts, cx: &mut Context<'_>) {
        self.timer = None;
        let is_held = self.client.is_some() && !cx.may_continue();
        if is_held {
            self.last_output = cx.now();
        }
        if self.status.is_some() {
            return if is_held { self.arm(HELD_WAIT, cx) } else { self.over(scripts, cx) };
        }
        if self.ended.is_some_and(|ended| cx.now().duration_since(ended) >= EXIT_WAIT) {
            self.finish(scripts, cx);
        }
        let Some(timeout) = scripts.options.timeout else { return };
        let left = timeout.saturating_sub(cx.now().duration_since(self.last_output));
        if !left.is_zero() {
            return self.arm(left, cx);
        }
        self.warn(&format!("ended after {timeout:?} without output (--cgi-timeout)"), scripts, cx);
        self.break_off(Refusal::new(Status::GATEWAY_TIMEOUT, "the script took too long"), scripts, cx);
        cx.abort();
    }

    fn warn(&self, what: &str, scripts: &mut Scripts, cx: &Context<'_>) {
        scripts.warn(&format!("{}: {what}", crate::sanitize(&self.name)), cx.now());
    }

    /// The script has exited, and nothing of its output is left.
    fn over(&mut self, scripts: &mut Scripts, cx: &mut Context<'_>) {
        self.finish(scripts, cx);
        // If the output has no end, other processes of its group have it, and are ended.
        if self.ended.is_some() { cx.close() } else { cx.abort() }
    }

    /// Ends the answer.
    fn finish(&mut self, scripts: &mut Scripts, cx: &mut Context<'_>) {
        let signal = self.status.and_then(|status| status.signal());
        match (&mut self.output, self.client) {
            (_, None) => {}
            (Output::Head(decoder), _) => {
                let why = decoder.end();
                self.fail(&why, scripts, cx);
            }
            (Output::Raw, Some(client)) if !scripts.has_begun(client) => {
                self.fail(&AnswerDecoder::default().end(), scripts, cx);
            }
            (Output::Redirect(path), Some(client)) => {
                let path = std::mem::take(path);
                self.end(client, Outcome::Redirected(path), scripts, cx);
            }
            // Scripts of the shell often exit with the code of their last command, so a code tells nothing.
            (Output::Body | Output::Raw, Some(client)) => match signal {
                None => self.end(client, Outcome::Answered(self.answer), scripts, cx),
                Some(signal) => {
                    self.warn(&format!("killed by signal {signal}"), scripts, cx);
                    self.end(client, Outcome::Broken, scripts, cx);
                }
            },
        }
    }

    /// Lets the client go: it needs nothing more of the script.
    fn end(&mut self, client: Token, outcome: Outcome, scripts: &mut Scripts, cx: &mut Context<'_>) {
        self.client = None;
        scripts.end(client, outcome, cx);
    }

    /// The output is no answer.
    fn fail(&mut self, why: &Malformed, scripts: &mut Scripts, cx: &mut Context<'_>) {
        let how = self.status.map(|status| format!(" ({status})")).unwrap_or_default();
        self.warn(&format!("{why}{how}"), scripts, cx);
        let refusal = Refusal::new(Status::INTERNAL_SERVER_ERROR, "the script gave no answer");
        self.break_off(refusal, scripts, cx);
    }

    /// Ends the answer before it is complete: with a refusal, if nothing was relayed.
    fn break_off(&mut self, refusal: Refusal, scripts: &mut Scripts, cx: &mut Context<'_>) {
        if let Some(client) = self.client {
            let outcome = if scripts.has_begun(client) { Outcome::Broken } else { Outcome::Failed(refusal) };
            self.end(client, outcome, scripts, cx);
        }
    }

    /// The session is over.
    pub(crate) fn closed(mut self, scripts: &mut Scripts, cx: &mut Context<'_>) {
        self.break_off(Refusal::new(Status::INTERNAL_SERVER_ERROR, "the script was ended"), scripts, cx);
        scripts.leave_place(cx);
    }
}

/// The lines of an encoded head.
fn lines(headers: &[u8]) -> impl Iterator<Item = &[u8]> {
    headers.split_inclusive(|&byte| byte == b'\n')
}

/// The name of the header in a line.
fn name(line: &[u8]) -> &[u8] {
    line.split(|&byte| byte == b':').next().unwrap_or_default()
}
