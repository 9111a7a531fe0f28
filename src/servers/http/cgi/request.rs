//! The request for a script, in the session of its client: its body, its turn, and the end of its answer.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::body::{self, Body, Part};
use super::environment::ScriptRequest;
use super::{MAX_WAITING, Script, ScriptEnd, ScriptFile, Scripts, Stage};
use crate::connection::spawn::Spawn;
use crate::framing::Unread;
use crate::framing::http::{Request, Status, Version};
use crate::handler::context::Context;
use crate::servers::http::tree::Refusal;
use crate::servers::http::{Client, Find, Site, Work};
use crate::{Peer, TimerId, Token};

/// A request for a script, until its answer is complete.
#[derive(Debug)]
pub(crate) struct Scripted {
    client: Token,
    find: Find,
    script: Arc<ScriptFile>,
    body: Body,
    /// When it has waited too long for its turn.
    deadline: Option<Instant>,
    /// Expires at the deadline, while it is in the line.
    timer: Option<TimerId>,
}

/// Local redirects of one request. More are a loop.
const MAX_REDIRECTS: u8 = 10;

/// Time between SIGTERM and SIGKILL for the processes of a script.
const GRACE: Duration = Duration::from_secs(2);

/// The time after which a start is tried again, while processes that were ended take their time.
const RETRY: Duration = Duration::from_millis(100);

impl Site {
    /// Goes on with a request whose script was found: receives its body, if it has one.
    pub(in crate::servers::http) fn receive(
        &mut self,
        client: &mut Client,
        find: Find,
        script: Arc<ScriptFile>,
        cx: &mut Context<'_>,
    ) {
        let Some(token) = cx.session() else { return };
        client.work = Some(Box::new(Work::Script(Scripted {
            client: token,
            find,
            script,
            body: Body::default(),
            deadline: None,
            timer: None,
        })));
        if client.exchange.is_request_complete() {
            self.join_line(client, cx);
        }
    }

    /// Takes bytes of the body. What is too much for memory is written by a worker, and the input waits for it.
    pub(in crate::servers::http) fn add_to_body(&mut self, client: &mut Client, bytes: &[u8], cx: &mut Context<'_>) {
        let Some(Work::Script(scripted)) = client.work.as_deref_mut() else { return };
        if let Some(part) = scripted.body.add(bytes) {
            self.store(client, part, cx);
        }
    }

    /// The request is complete.
    pub(in crate::servers::http) fn end_body(&mut self, client: &mut Client, cx: &mut Context<'_>) {
        let Some(Work::Script(scripted)) = client.work.as_deref_mut() else { return };
        match scripted.body.end() {
            Some(part) => self.store(client, part, cx),
            None => self.join_line(client, cx),
        }
    }

    fn store(&mut self, client: &mut Client, part: Part, cx: &mut Context<'_>) {
        if let Err(busy) = cx.offload(&self.workers, move |()| part.write()) {
            self.stored(client, Err(io::Error::other(busy)), cx);
        }
    }

    /// A part of the body was written, and the request goes on.
    pub(in crate::servers::http) fn stored(
        &mut self,
        client: &mut Client,
        stored: io::Result<Arc<File>>,
        cx: &mut Context<'_>,
    ) {
        let Some(Work::Script(scripted)) = client.work.as_deref_mut() else { return };
        match stored {
            Ok(file) => scripted.body.wrote(file),
            Err(error) => return self.end_scripted(client, ScriptEnd::Failed(body::refusal(&error)), cx),
        }
        if client.exchange.is_request_complete() {
            self.join_line(client, cx);
        } else {
            self.take_events(client, &mut Unread::new(&mut []), cx);
        }
    }

    /// Waits for a place, or takes one and starts the script.
    fn join_line(&mut self, client: &mut Client, cx: &mut Context<'_>) {
        let Some(Work::Script(scripted)) = client.work.as_deref_mut() else { return };
        let timeout = self.scripts.options.timeout;
        scripted.deadline = timeout.and_then(|timeout| cx.now().checked_add(timeout));
        if self.scripts.take_place() {
            self.start(client, cx);
        } else if self.scripts.line.len() < MAX_WAITING {
            self.scripts.line.push_back(scripted.client);
            self.scripts.stages.insert(scripted.client, Stage::Waiting);
            scripted.timer = timeout.map(|timeout| cx.set_timer(timeout));
        } else {
            self.end_scripted(client, ScriptEnd::Failed(overload(&self.scripts)), cx);
        }
    }

    /// Starts the script of a request that has a place.
    fn start(&mut self, client: &mut Client, cx: &mut Context<'_>) {
        let Some(Work::Script(scripted)) = client.work.as_deref_mut() else { return };
        if let Some(timer) = scripted.timer.take() {
            cx.cancel_timer(timer);
        }
        let token = scripted.client;
        let Ok(request) = Request::parse(&scripted.find.head, &self.http) else { return cx.abort() };
        let started = cx.spawn(&scripted.spawn(&request, &self.scripts, cx));
        match started {
            Ok(script) => {
                let mut answer = client.exchange.lend();
                if scripted.script.is_nph() {
                    answer.start_raw();
                }
                let name = scripted.script.name.clone();
                self.scripts.starting.insert(script, Box::new(Script::new(name, token, answer, cx.now())));
                self.scripts.stages.insert(token, Stage::Running { script, relayed: None });
                // Even an empty body makes a stop wait for both.
                cx.relay(script, &std::mem::take(&mut scripted.body).into_bytes());
                cx.shut_down_other(script);
            }
            Err(error) => self.not_started(client, &error, cx),
        }
    }

    /// Tries a start again later, if that may help, or refuses the request.
    fn not_started(&mut self, client: &mut Client, error: &io::Error, cx: &mut Context<'_>) {
        let Some(Work::Script(scripted)) = client.work.as_deref() else { return };
        let after = match error.kind() {
            ErrorKind::ResourceBusy => Some(Duration::ZERO),
            ErrorKind::QuotaExceeded => Some(RETRY),
            _ => None,
        };
        if let Some(after) = after.filter(|_| !scripted.is_late(cx.now())) {
            self.scripts.stages.insert(scripted.client, Stage::Called);
            cx.set_timer(after);
        } else {
            self.scripts.leave_place(cx);
            let refusal = refusal(error, &scripted.script);
            self.end_scripted(client, ScriptEnd::Failed(refusal), cx);
        }
    }

    /// Goes on with the request of a client whose timer has expired.
    pub(in crate::servers::http) fn go_on(&mut self, client: &mut Client, cx: &mut Context<'_>) {
        let Some(Work::Script(scripted)) = client.work.as_deref_mut() else { return };
        let (token, is_late) = (scripted.client, scripted.is_late(cx.now()));
        match self.scripts.stages.get(&token) {
            Some(Stage::Called) => self.start(client, cx),
            Some(Stage::Waiting) if is_late => {
                self.scripts.leave(token, cx);
                self.end_scripted(client, ScriptEnd::Failed(overload(&self.scripts)), cx);
            }
            Some(Stage::Ended(_)) => {
                if let Some(Stage::Ended(outcome)) = self.scripts.stages.remove(&token) {
                    self.end_scripted(client, outcome, cx);
                }
            }
            Some(Stage::Waiting | Stage::Running { .. }) | None => {}
        }
    }

    /// Refuses a request whose script has not started, because the reactor is stopping.
    pub(in crate::servers::http) fn dismiss(&mut self, client: &mut Client, cx: &mut Context<'_>) {
        if let Some(Work::Script(scripted)) = client.work.as_deref()
            && client.exchange.is_unanswered()
            && !self.scripts.has_begun(scripted.client)
        {
            scripted.closed(&mut self.scripts, cx);
            client.exchange.end_after_answer();
            let refusal = Refusal::new(Status::SERVICE_UNAVAILABLE, "the server is stopping");
            self.end_scripted(client, ScriptEnd::Failed(refusal), cx);
        }
    }

    fn end_scripted(&mut self, client: &mut Client, outcome: ScriptEnd, cx: &mut Context<'_>) {
        let Some(Work::Script(scripted)) = client.work.take().map(|work| *work) else { return };
        self.scripts.stages.remove(&scripted.client);
        cx.end_relay();
        match outcome {
            ScriptEnd::Answered(answer) => client.exchange.take_back(answer, cx),
            ScriptEnd::Redirected(path) => self.redirect_locally(client, &scripted, &path, cx),
            ScriptEnd::Failed(refusal) => self.refuse(&refusal, client, cx),
            ScriptEnd::Broken(answer) => {
                client.exchange.note_lent(&answer);
                cx.reset();
            }
        }
    }

    /// Answers as if the client had asked for `path` (RFC 3875, section 6.2.2), with GET and without a body.
    fn redirect_locally(&mut self, client: &mut Client, scripted: &Scripted, path: &str, cx: &mut Context<'_>) {
        let (redirects, name) = (scripted.find.redirects + 1, &scripted.script.name);
        let wrong = |what: &str| {
            let trouble = Some(format!("{}: {what}", crate::sanitize(name)));
            Refusal { trouble, ..Refusal::of(Status::INTERNAL_SERVER_ERROR) }
        };
        if redirects > MAX_REDIRECTS {
            return self.refuse(&wrong("its local redirects are a loop"), client, cx);
        }
        let Ok(request) = Request::parse(&scripted.find.head, &self.http) else { return cx.abort() };
        let head = redirected(&request, path);
        match Request::parse(&head, &self.http) {
            Ok(request) => self.answer(client, &request, redirects, cx),
            Err(_) => self.refuse(&wrong("its Location is no path of a URL"), client, cx),
        }
    }

    /// The client has ended its side. If its request is not answered yet, finds out whether it is gone.
    pub(in crate::servers::http) fn ask_if_gone(&mut self, client: &mut Client, cx: &mut Context<'_>) {
        if let Some(Work::Script(scripted)) = client.work.as_deref()
            && !self.scripts.has_begun(scripted.client)
        {
            client.exchange.probe(cx);
            // With its input held, a reset of the connection is noticed.
            cx.hold_input();
        }
    }
}

impl Scripted {
    pub(in crate::servers::http) fn client(&self) -> Token {
        self.client
    }

    /// The client has left.
    pub(crate) fn closed(&self, scripts: &mut Scripts, cx: &mut Context<'_>) {
        scripts.leave(self.client, cx);
    }

    /// Whether it has waited too long.
    fn is_late(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// How the script runs.
    fn spawn(&self, request: &Request<'_>, scripts: &Scripts, cx: &Context<'_>) -> Spawn {
        let ScriptFile { root, file, name, path_info, handler } = self.script.as_ref();
        let request = ScriptRequest {
            request,
            name,
            path_info,
            file,
            root,
            has_handler: handler.is_some(),
            peer: cx.address_of(self.client).unwrap_or(Peer::Unix),
            local: cx.local_address(),
            is_tls: cx.is_tls(),
            body: self.body.length(),
        };
        let mut spawn = Spawn::new(handler.as_ref().unwrap_or(file));
        spawn.args.extend(handler.as_ref().map(|_| file.into()));
        spawn.env = request.environment(&scripts.options.env);
        spawn.dir = file.parent().map(Path::to_owned);
        spawn.stdin = self.body.stdin();
        spawn.descriptors = scripts.options.descriptors;
        spawn.grace = GRACE;
        spawn
    }
}

/// The head of a request for another path, with the same headers except those about the body.
fn redirected(request: &Request<'_>, path: &str) -> Vec<u8> {
    let method = if request.method() == "HEAD" { "HEAD" } else { "GET" };
    let version = if request.version() == Version::Http10 { "HTTP/1.0" } else { "HTTP/1.1" };
    let mut head = format!("{method} {path} {version}\r\n").into_bytes();
    let about_body = ["content-length", "content-type", "expect", "transfer-encoding"];
    for (name, value) in request.headers().iter().filter(|(name, _)| !about_body.contains(&&*name.to_ascii_lowercase()))
    {
        head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    head
}

fn overload(scripts: &Scripts) -> Refusal {
    let (places, waiting) = (scripts.places, scripts.line.len());
    let trouble =
        Some(format!("a request is refused: {places} scripts run, and {waiting} requests wait (--max-scripts)"));
    Refusal { trouble, ..Refusal::new(Status::SERVICE_UNAVAILABLE, "too many scripts are running") }
}

/// Why a script was not started.
fn refusal(error: &io::Error, script: &ScriptFile) -> Refusal {
    let system = error.get_ref().and_then(|inner| inner.source()?.downcast_ref()).unwrap_or(error);
    let (status, remedy) = match Errno::from_io_error(system) {
        // The file was changed since it was found.
        Some(Errno::NOENT) if !script.file.exists() => return Refusal::of(Status::NOT_FOUND),
        Some(Errno::ACCESS) if script.handler.is_none() && access(&script.file, Access::EXEC_OK).is_err() => {
            return Refusal::of_not_executable(&script.file);
        }
        // Without an error of the system, the server is stopping, or a limit holds.
        None | Some(Errno::MFILE | Errno::NFILE | Errno::AGAIN | Errno::NOMEM) => (Status::SERVICE_UNAVAILABLE, ""),
        Some(Errno::NOEXEC) => (Status::INTERNAL_SERVER_ERROR, "; begin a script with a line such as #!/bin/sh"),
        Some(Errno::NOENT) if script.handler.is_none() => {
            (Status::INTERNAL_SERVER_ERROR, "; its first line names no program, or ends in CRLF")
        }
        Some(_) => (Status::INTERNAL_SERVER_ERROR, ""),
    };
    let trouble = Some(format!("{}: {error}{remedy}", crate::sanitize(&script.name)));
    Refusal { trouble, ..Refusal::new(status, "the script cannot be started; see the server's log") }
}
