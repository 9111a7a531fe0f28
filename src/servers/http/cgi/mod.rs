//! CGI/1.1 (RFC 3875): a program for each request.
//!
//! ```text
//!  request --look-up--> body --> line --place--> Script --answer, relayed--> client
//!              |                  |                 |
//!              +-- 403, 404       +-- 503           +-- 500, 504, local redirect: by the session of the client
//! ```
//!
//! A client and its script have a session each. What both need is here, by the token of the client. Invariants: a
//! request has a stage from its line to its answer; a place is taken by each script, and by each request that may start
//! one.

mod answer;
mod body;
mod environment;
mod request;
mod rules;
mod script;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(crate) use self::request::Scripted;
pub(crate) use self::rules::{Rules, ScriptFile, is_beneath};
pub(crate) use self::script::Script;
use super::tree::Refusal;
use crate::Token;
use crate::framing::http::LentAnswer;
use crate::handler::context::Context;
use crate::state::rate::{Bucket, Rate};

/// Which files are scripts, and how they run (RFC 3875). By default, none is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CgiOptions {
    /// The path of a directory whose files are scripts, such as `/cgi-bin`. They are executed, and never shown. None.
    pub prefix: Option<String>,
    /// Programs that run the files with an extension, anywhere: `(".php", "/usr/bin/php-cgi")`. They get the path of
    /// the file as their only argument.
    pub handlers: Vec<(String, PathBuf)>,
    /// Variables for all scripts, beside those of RFC 3875. The environment of the server is not passed on.
    pub env: Vec<(OsString, OsString)>,
    /// How long a script may write nothing. After that, it is ended. It also bounds how long a request waits for its
    /// turn. 30 s: longer than a reader waits.
    pub timeout: Option<Duration>,
    /// Scripts that run at a time. Further requests wait. 64: more than most machines have cores for. `None` is no
    /// limit here; [`Limits::max_children`](crate::Limits::max_children) is one, too.
    pub max_scripts: Option<usize>,
    /// The soft limit of the descriptors of a script ([`Spawn::descriptors`](crate::Spawn::descriptors)).
    pub descriptors: Option<u64>,
}

impl Default for CgiOptions {
    fn default() -> Self {
        CgiOptions {
            prefix: None,
            handlers: Vec::new(),
            env: Vec::new(),
            timeout: Some(Duration::from_secs(30)),
            max_scripts: Some(64),
            descriptors: None,
        }
    }
}

/// Requests that wait for a place. Each has up to 64 KiB of its body in memory.
const MAX_WAITING: usize = 1024;

/// Lines in the log about scripts and files.
const LOG_RATE: Rate = Rate { count: 10, per: Duration::from_secs(1), burst: 100 };

/// The requests for scripts, and the scripts that run.
#[derive(Debug)]
pub(crate) struct Scripts {
    options: CgiOptions,
    /// The headers of each answer, encoded.
    headers: Vec<u8>,
    /// The clients whose requests wait for a place, in order.
    line: VecDeque<Token>,
    /// How far the request of a client is.
    stages: HashMap<Token, Stage>,
    /// Scripts whose session is not open yet.
    starting: HashMap<Token, Box<Script>>,
    /// Places that are taken.
    places: usize,
    log: Bucket,
    /// A buffer for output that is relayed, kept for its memory.
    buffer: Vec<u8>,
}

/// How far a request for a script is.
#[derive(Debug)]
enum Stage {
    /// In the line.
    Waiting,
    /// It has a place, and starts its script in the next callback of the client.
    Called,
    /// Its script runs. The answer, once bytes of it were relayed.
    Running { script: Token, relayed: Option<LentAnswer> },
    /// Its script is over. The session of the client has to act.
    Ended(ScriptEnd),
}

/// What a script has led to.
#[derive(Debug)]
enum ScriptEnd {
    /// All of the answer was relayed, except its end.
    Answered(LentAnswer),
    /// The answer is what a request for this path gets.
    Redirected(String),
    /// Nothing was relayed.
    Failed(Refusal),
    /// A part of the answer was relayed.
    Broken(LentAnswer),
}

impl Scripts {
    /// `headers` are those of each answer, encoded.
    pub(crate) fn new(options: CgiOptions, headers: Vec<u8>) -> Self {
        Scripts {
            options,
            headers,
            line: VecDeque::new(),
            stages: HashMap::new(),
            starting: HashMap::new(),
            places: 0,
            log: Bucket::default(),
            buffer: Vec::new(),
        }
    }

    /// Takes a place, if one is free and no request waits for it.
    fn take_place(&mut self) -> bool {
        let is_free = self.line.is_empty() && self.options.max_scripts.is_none_or(|most| self.places < most);
        self.places += usize::from(is_free);
        is_free
    }

    /// Gives a place to the first request in the line, or leaves it free.
    fn leave_place(&mut self, cx: &mut Context<'_>) {
        match self.line.pop_front() {
            Some(client) => {
                self.stages.insert(client, Stage::Called);
                cx.set_timer_of(client, Duration::ZERO);
            }
            None => self.places -= 1,
        }
    }

    /// Forgets the request of a client, and ends its script.
    fn leave(&mut self, client: Token, cx: &mut Context<'_>) {
        match self.stages.remove(&client) {
            Some(Stage::Waiting) => self.line.retain(|&waiting| waiting != client),
            Some(Stage::Called) => self.leave_place(cx),
            Some(Stage::Running { script, .. }) => {
                // Without a session, nothing reports the end of the script.
                if self.starting.remove(&script).is_some() {
                    self.leave_place(cx);
                }
                cx.abort_other(script);
            }
            Some(Stage::Ended(_)) | None => {}
        }
    }

    /// Notes that bytes of the answer to a client are relayed.
    fn note_relayed(&mut self, client: Token, answer: LentAnswer) {
        if let Some(Stage::Running { relayed, .. }) = self.stages.get_mut(&client) {
            *relayed = Some(answer);
        }
    }

    /// Whether bytes of the answer to a client were relayed.
    fn has_begun(&self, client: Token) -> bool {
        self.relayed(client).is_some()
    }

    /// The answer of which bytes were relayed to a client.
    pub(crate) fn relayed(&self, client: Token) -> Option<LentAnswer> {
        match self.stages.get(&client)? {
            Stage::Running { relayed, .. } => *relayed,
            Stage::Ended(ScriptEnd::Answered(answer) | ScriptEnd::Broken(answer)) => Some(*answer),
            Stage::Waiting | Stage::Called | Stage::Ended(_) => None,
        }
    }

    /// Takes the session of a script that is open now.
    pub(crate) fn open(&mut self, script: Token) -> Option<Box<Script>> {
        self.starting.remove(&script)
    }

    /// Ends the stage of a request whose script is over, and lets the session of its client act. No effect if the
    /// client has left.
    fn end(&mut self, client: Token, outcome: ScriptEnd, cx: &mut Context<'_>) {
        if let Some(stage) = self.stages.get_mut(&client) {
            *stage = Stage::Ended(outcome);
            cx.set_timer_of(client, Duration::ZERO);
        }
    }

    /// Logs what is wrong with a script or a file, within a bound.
    pub(crate) fn warn(&mut self, what: &str, now: Instant) {
        if self.log.try_take(&LOG_RATE, now) {
            log::warn!("{what}");
        }
    }
}
