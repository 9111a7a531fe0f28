//! The session of a running script: its output becomes the answer to its client.
//!
//! Invariants: the client gets a whole answer, or none, or notices that it is broken off. A script whose answer is
//! complete may go on for a while; what it writes then is dropped. Endless output ends with its answer, or soon after.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::answer::{Answer, AnswerDecoder, Document, Malformed};
use super::{ScriptEnd, Scripts};
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
    /// Bytes that were read after its answer or its exit.
    surplus: usize,
    timer: Option<TimerId>,
}

/// What the next output is.
#[derive(Debug)]
enum Output {
    Head(AnswerDecoder),
    /// The body, of which this is held for a while, until its end or until there is too much of it.
    Held(Document, Vec<u8>),
    Body,
    /// The whole answer, as it is (RFC 3875, section 5).
    Raw,
    /// Without a meaning, after a local redirect to this path.
    Redirect(String),
}

/// The most bytes of a body that are held. 64 KiB: what a pipe has at once.
const MAX_HELD: usize = 64 * 1024;

/// The most bytes that are read after an answer, or after the exit of a script. 1 MiB: what a pipe has at most
/// (`/proc/sys/fs/pipe-max-size`), so a script that has exited has written nothing after them.
const MAX_SURPLUS: usize = 1024 * 1024;

/// How long the beginning of an answer is held, so that an answer that ends soon has its length, and is sent at once.
/// 10 ms: no person notices it.
pub(super) const HOLD: Duration = Duration::from_millis(10);

/// How long the exit of a script is waited for after its output has ended. 100 ms: it follows at once, unless the
/// script has closed its output by itself.
const EXIT_WAIT: Duration = Duration::from_millis(100);

/// How often a script is looked at that has exited, while its client does not read and other processes may have its
/// output.
const HELD_WAIT: Duration = Duration::from_millis(100);

impl Script {
    /// A script that answers `client`. If `answer` is raw, its output is the answer as it is.
    pub(super) fn new(name: Vec<u8>, client: Token, answer: LentAnswer, now: Instant) -> Self {
        let output = if answer.is_raw() { Output::Raw } else { Output::Head(AnswerDecoder::default()) };
        Script {
            name,
            client: Some(client),
            output,
            answer,
            last_output: now,
            status: None,
            ended: None,
            surplus: 0,
            timer: None,
        }
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
        if self.client.is_none() || self.status.is_some() || matches!(self.output, Output::Redirect(_)) {
            self.surplus += input.len();
            // Timers do not apply as long as there is input (`State::next_timer`).
            if self.surplus > MAX_SURPLUS {
                self.over(scripts, cx);
            }
        }
        if self.client.is_none() {
            return input.len();
        }
        let mut body = input;
        if let Output::Head(decoder) = &mut self.output {
            self.last_output = cx.now();
            match decoder.decode(input) {
                Ok((count, None)) => return count,
                Ok((count, Some(Answer::Document(document)))) => {
                    if document.length.is_none() && self.status.is_none() {
                        self.arm(HOLD, cx);
                    }
                    self.output = Output::Held(document, Vec::new());
                    body = &input[count..];
                }
                Ok((_, Some(Answer::LocalRedirect(path)))) => self.output = Output::Redirect(path),
                Err(malformed) => {
                    self.fail(&malformed, scripts, cx);
                    cx.abort();
                }
            }
        }
        self.pass_on(body, scripts, cx);
        input.len()
    }

    /// Relays bytes of the body, or holds them for a moment.
    fn pass_on(&mut self, body: &[u8], scripts: &mut Scripts, cx: &mut Context<'_>) {
        match &mut self.output {
            Output::Held(document, held) => {
                held.extend_from_slice(body);
                if document.length.is_some() || held.len() > MAX_HELD {
                    self.start(None, scripts, cx);
                }
            }
            Output::Body | Output::Raw => {
                let mut out = std::mem::take(&mut scripts.buffer);
                out.clear();
                self.answer.write(body, &mut out);
                self.relay(&out, scripts, cx);
                scripts.buffer = out;
            }
            Output::Head(_) | Output::Redirect(_) => {}
        }
        if matches!(self.output, Output::Body) && self.answer.is_complete() {
            self.finish(scripts, cx);
        }
    }

    fn relay(&mut self, out: &[u8], scripts: &mut Scripts, cx: &mut Context<'_>) {
        if let Some(client) = self.client
            && !out.is_empty()
        {
            self.last_output = cx.now();
            scripts.note_relayed(client, self.answer);
            cx.relay(client, out);
        }
    }

    /// Relays the head of the answer, and what is held of its body. `length` is that of the body, if the head of the
    /// script has none.
    fn start(&mut self, length: Option<u64>, scripts: &mut Scripts, cx: &mut Context<'_>) {
        let Output::Held(document, held) = std::mem::replace(&mut self.output, Output::Body) else { return };
        let Document { status, headers, length: declared } = document;
        // A header of the script replaces one of the server.
        let has = |line: &[u8]| lines(&headers).any(|own| name(own).eq_ignore_ascii_case(name(line)));
        let ours: Vec<u8> = lines(&scripts.headers).filter(|line| !has(line)).flatten().copied().collect();
        let mut out = self.answer.start(status, &[&ours, &headers], declared.or(length), cx.system_time());
        self.answer.write(&held, &mut out);
        self.relay(&out, scripts, cx);
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
        if self.ended.is_none() && self.client.is_some() && matches!(self.output, Output::Held(..)) {
            self.start(None, scripts, cx);
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
                self.end(client, ScriptEnd::Redirected(path), scripts, cx);
            }
            (Output::Held(..) | Output::Body | Output::Raw, Some(client)) => self.complete(client, scripts, cx),
        }
    }

    /// Ends an answer that is complete, unless its script has crashed.
    fn complete(&mut self, client: Token, scripts: &mut Scripts, cx: &mut Context<'_>) {
        // Scripts of the shell often exit with the code of their last command, so a code tells nothing.
        if let Some(signal) = self.status.and_then(|status| status.signal()) {
            self.warn(&format!("killed by signal {signal}"), scripts, cx);
            let refusal = Refusal::new(Status::INTERNAL_SERVER_ERROR, "the script has crashed");
            return self.break_off(refusal, scripts, cx);
        }
        if let Output::Held(_, held) = &self.output {
            self.start(Some(held.len() as u64), scripts, cx);
        }
        self.end(client, ScriptEnd::Answered(self.answer), scripts, cx);
    }

    /// Lets the client go: it needs nothing more of the script.
    fn end(&mut self, client: Token, outcome: ScriptEnd, scripts: &mut Scripts, cx: &mut Context<'_>) {
        self.client = None;
        scripts.end(client, outcome, cx);
    }

    /// The output is no answer.
    fn fail(&mut self, why: &Malformed, scripts: &mut Scripts, cx: &mut Context<'_>) {
        let how = self.status.map(|status| format!(" ({status})")).unwrap_or_default();
        self.warn(&format!("{why}{how}"), scripts, cx);
        let refusal = Refusal::new(Status::INTERNAL_SERVER_ERROR, "the script gave no answer; see the server's log");
        self.break_off(refusal, scripts, cx);
    }

    /// Ends the answer before it is complete: with a refusal, if nothing was relayed.
    fn break_off(&mut self, refusal: Refusal, scripts: &mut Scripts, cx: &mut Context<'_>) {
        if let Some(client) = self.client {
            let has_begun = scripts.has_begun(client);
            let outcome = if has_begun { ScriptEnd::Broken(self.answer) } else { ScriptEnd::Failed(refusal) };
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
