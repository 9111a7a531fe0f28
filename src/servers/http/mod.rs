//! HTTP: serves the files of a directory, and runs scripts (CGI).
//!
//! Invariants: only regular files beneath the directory are served (`tree`). A file is opened and read by a worker, so
//! the loop waits for no disk before the answer begins. An answer has bytes of one version of a file.

mod access_log;
#[cfg(feature = "cli")]
mod args;
mod cache;
mod cgi;
mod conditions;
mod encodings;
mod file;
mod listing;
mod path;
mod ranges;
mod reply;
#[cfg(test)]
mod tests;
mod tree;
mod types;

pub use access_log::AccessLog;
#[cfg(feature = "cli")]
pub use args::HttpServer;
pub use cgi::CgiOptions;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;

use self::cache::{Cache, Known};
use self::cgi::{Script, Scripted, Scripts};
use self::encodings::Encodings;
use self::file::Version;
use self::reply::{Body, Reply};
use self::tree::{Found, Refusal, Tree};
use crate::framing::Unread;
use crate::framing::http::{Event, Exchange, HttpOptions, Request, Status, encode_header};
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::state::throttle::Throttle;
use crate::workers::{Done, Workers};
use crate::{Closed, Origin, TimerId, Via};

/// How a directory is served.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SiteOptions {
    /// Whether files are served whose names begin with a dot. Off: they often have secrets (`.git`, `.env`).
    pub dotfiles: bool,
    /// The file that is served for a directory. `index.html`.
    pub index: String,
    /// Whether a directory without an index is listed. On.
    pub listing: bool,
    /// Types by extension, in small letters and without the dot: `("log", "text/plain")`.
    pub types: HashMap<String, String>,
    /// Headers of each answer: names and values.
    pub headers: Vec<(String, String)>,
    /// The header `Cache-Control` of each file.
    pub cache_control: Option<String>,
    /// Memory for files of up to 64 KiB, in bytes. Larger ones are kept open, at most 256. 64 MiB.
    pub cache: usize,
    /// Which files are scripts, and how they run.
    pub cgi: CgiOptions,
    /// The bounds of HTTP. Its largest body is 16 MiB here.
    pub http: HttpOptions,
}

impl Default for SiteOptions {
    fn default() -> Self {
        SiteOptions {
            dotfiles: false,
            index: "index.html".to_owned(),
            listing: true,
            types: HashMap::new(),
            headers: Vec::new(),
            cache_control: None,
            cache: 64 << 20,
            cgi: CgiOptions::default(),
            http: HttpOptions { max_body: Some(16 << 20), ..HttpOptions::default() },
        }
    }
}

impl SiteOptions {
    /// The headers of each answer, encoded.
    fn headers(&self) -> Vec<u8> {
        let mut encoded = Vec::new();
        encode_header(&mut encoded, "X-Content-Type-Options", b"nosniff");
        for (name, value) in &self.headers {
            encode_header(&mut encoded, name, value.as_bytes());
        }
        encoded
    }
}

/// Serves the files of a directory.
#[derive(Debug)]
pub struct Site {
    tree: Arc<Tree>,
    workers: Workers<()>,
    cache: Cache,
    http: Arc<HttpOptions>,
    /// The headers of each answer, encoded.
    headers: Vec<u8>,
    scripts: Scripts,
    has_scripts: bool,
    /// Bounds the log lines about what the server has too little of.
    shortages: Throttle,
    access_log: Option<AccessLog>,
}

/// The session of a [`Site`], for a client or a script.
#[derive(Debug)]
pub struct SiteSession(Role);

#[derive(Debug)]
enum Role {
    Client(Client),
    Script(Box<Script>),
    /// A script whose client left before it was open.
    Orphan,
}

/// The session of a client.
#[derive(Debug)]
struct Client {
    exchange: Exchange,
    /// What is left to do for the present request.
    work: Option<Box<Work>>,
}

/// What is left to do for a request.
#[derive(Debug)]
enum Work {
    /// Its file is being looked for.
    Find(Find),
    /// The rest of the answer has to be sent.
    Send(Body),
    /// A script has to answer it.
    Script(Scripted),
}

/// A request whose file is being looked for.
#[derive(Debug)]
struct Find {
    head: Box<[u8]>,
    /// Local redirects of scripts that have led to it.
    redirects: u8,
}

impl Find {
    fn new(request: &Request<'_>, redirects: u8) -> Self {
        Find { head: request.as_bytes().into(), redirects }
    }
}

/// Requests that may wait for a worker. Opening takes microseconds, so only a file system that hangs fills the queue.
const WAITING: usize = 4096;

/// Threads that open and read files: two, so that one large directory does not hold back all files.
const THREADS: usize = 2;

/// Descriptors that accepting leaves for these threads: each opens a file, its siblings, and a copy of a descriptor.
#[cfg(feature = "cli")]
const SPARE_DESCRIPTORS: usize = 8 * THREADS;

impl Site {
    /// Serves the directory at `path`.
    ///
    /// # Errors
    /// If it is no directory, or cannot be opened.
    pub fn new(path: &Path, options: SiteOptions) -> io::Result<Self> {
        let (http, headers) = (Arc::new(options.http.clone()), options.headers());
        let (cache, scripts) = (Cache::new(options.cache), Scripts::new(options.cgi.clone(), headers.clone()));
        let tree = Arc::new(Tree::open(path, options)?);
        let (has_scripts, shortages) = (tree.has_scripts(), Throttle::new());
        let workers = Workers::new("http", WAITING, vec![(); THREADS]);
        Ok(Site { tree, workers, cache, http, headers, scripts, has_scripts, shortages, access_log: None })
    }

    /// Writes a line for each answer to `log`. Call it before the first connection.
    #[must_use]
    pub fn with_access_log(mut self, log: AccessLog) -> Self {
        Arc::make_mut(&mut self.http).outcomes = true;
        self.access_log = Some(log);
        self
    }

    /// Logs the exchange that has just been completed, if there is one.
    fn log(&mut self, client: &mut Client, cx: &mut Context<'_>) {
        if let Some(log) = &mut self.access_log
            && let Some(outcome) = client.exchange.take_outcome()
        {
            log.add(&outcome, cx);
        }
    }

    /// Starts the threads that open files.
    #[cfg(feature = "cli")]
    fn start_threads(&self) -> io::Result<()> {
        self.workers.start()
    }

    /// Passes on what a client has sent.
    fn take_events(&mut self, client: &mut Client, unread: &mut Unread<'_>, cx: &mut Context<'_>) {
        while let Some(event) = client.exchange.next(unread, cx) {
            match (event, client.work.as_deref_mut()) {
                (Event::Request(request), _) => self.answer(client, &request, 0, cx),
                (Event::Body(bytes), Some(Work::Script(_))) => self.add_to_body(client, bytes, cx),
                (Event::End(_), Some(Work::Script(_))) => self.end_body(client, cx),
                // The body of a request has no meaning for a file.
                (Event::Body(_) | Event::End(_), _) => {}
            }
            self.log(client, cx);
        }
        // Input that is no request was answered by the exchange.
        self.log(client, cx);
    }

    /// Answers a request, at once if its file or its script is known. It has `redirects` local redirects behind it.
    fn answer(&mut self, client: &mut Client, request: &Request<'_>, redirects: u8, cx: &mut Context<'_>) {
        let is_get = matches!(request.method(), "GET" | "HEAD");
        let may_be_script = self.has_scripts && request.path().starts_with('/') && request.method() != "TRACE";
        if !is_get && !may_be_script {
            return self.refuse_method(client, request, cx);
        }
        let known = match self.cache.get(request.path(), Encodings::accepted(request.headers()), cx.now()) {
            Some((Known::File(version), true)) if is_get => return Reply { request, version }.send(client, cx),
            Some((Known::Script(script), true)) => {
                let script = Arc::clone(script);
                return self.receive(client, Find::new(request, redirects), script, cx);
            }
            Some((Known::File(version), _)) => Some(Arc::clone(version)),
            Some((Known::Script(_), false)) | None => None,
        };
        self.find(client, (request, known), redirects, cx);
    }

    /// Looks for the file of a request. `known` is the version that it had.
    fn find(
        &mut self,
        client: &mut Client,
        (request, known): (&Request<'_>, Option<Arc<Version>>),
        redirects: u8,
        cx: &mut Context<'_>,
    ) {
        let accepted = Encodings::accepted(request.headers());
        let (tree, path) = (Arc::clone(&self.tree), request.path().to_owned());
        match cx.offload(&self.workers, move |()| tree.find(&path, accepted, known.as_ref())) {
            Ok(()) => client.work = Some(Box::new(Work::Find(Find::new(request, redirects)))),
            Err(busy) => {
                let mut refusal = Refusal::of(Status::SERVICE_UNAVAILABLE);
                refusal.trouble = Some(format!("a request is refused: {busy}"));
                self.refuse(&refusal, client, cx);
            }
        }
    }

    /// Answers a request whose file was looked for.
    fn found(&mut self, client: &mut Client, find: Find, found: Result<Found, Refusal>, cx: &mut Context<'_>) {
        let Ok(request) = &Request::parse(&find.head, &self.http) else { return cx.abort() };
        let (path, accepted) = (request.path(), Encodings::accepted(request.headers()));
        let is_get = matches!(request.method(), "GET" | "HEAD");
        let version = match found {
            Ok(Found::Version(version)) => version,
            Ok(Found::Script(script)) => {
                self.cache.put(path, accepted, Known::Script(Arc::clone(&script)), cx.now());
                self.receive(client, find, script, cx);
                // The client may wait for `100 Continue`.
                return self.take_events(client, &mut Unread::new(&mut []), cx);
            }
            other => {
                self.cache.remove(path, accepted);
                return match other {
                    // Descriptors of other files are used for this one.
                    Err(refusal) if refusal.lacks_descriptors() && self.cache.close_files() => {
                        self.find(client, (request, None), find.redirects, cx);
                    }
                    Err(refusal) => self.refuse(&refusal, client, cx),
                    Ok(_) if !is_get => self.refuse_method(client, request, cx),
                    Ok(Found::Directory(path)) => self.redirect(&path, request, client, cx),
                    Ok(Found::Listing(page)) => self.list(&page, client, cx),
                    Ok(Found::Version(_) | Found::Script(_)) => {}
                };
            }
        };
        self.cache.put(path, accepted, Known::File(Arc::clone(&version)), cx.now());
        if is_get {
            Reply { request, version: &version }.send(client, cx);
        } else {
            self.refuse_method(client, request, cx);
        }
    }

    /// Answers a request for a file with another method than GET and HEAD.
    fn refuse_method(&mut self, client: &mut Client, request: &Request<'_>, cx: &mut Context<'_>) {
        match request.method() {
            "OPTIONS" => self.allow(Status::NO_CONTENT, client, cx),
            "POST" | "PUT" | "DELETE" | "PATCH" | "TRACE" => self.allow(Status::METHOD_NOT_ALLOWED, client, cx),
            _ => self.refuse(&Refusal::of(Status::NOT_IMPLEMENTED), client, cx),
        }
    }

    fn allow(&self, status: Status, client: &mut Client, cx: &mut Context<'_>) {
        let response = client.exchange.respond(status, cx).encoded(&self.headers).header("Allow", "GET, HEAD, OPTIONS");
        if status == Status::NO_CONTENT { response.body(b"") } else { response.page("") }
    }

    fn redirect(&self, path: &str, request: &Request<'_>, client: &mut Client, cx: &mut Context<'_>) {
        let query = request.query().map(|query| format!("?{query}")).unwrap_or_default();
        let response = client.exchange.respond(Status::MOVED_PERMANENTLY, cx).encoded(&self.headers);
        response.header("Location", format!("{path}{query}")).page("");
    }

    fn list(&self, page: &str, client: &mut Client, cx: &mut Context<'_>) {
        let response = client.exchange.respond(Status::OK, cx).encoded(&self.headers);
        let response =
            response.header("Content-Security-Policy", "default-src 'none'").header("Cache-Control", "no-cache");
        response.header("Content-Type", "text/html; charset=utf-8").body(page.as_bytes());
    }

    fn refuse(&mut self, refusal: &Refusal, client: &mut Client, cx: &mut Context<'_>) {
        match &refusal.trouble {
            Some(trouble) if refusal.status == Status::SERVICE_UNAVAILABLE => {
                if let Some(repeats) = self.shortages.note(cx.now()) {
                    log::warn!("{trouble}{repeats}");
                }
            }
            Some(trouble) => self.scripts.warn(trouble, cx.now()),
            None => {}
        }
        let response = client.exchange.respond(refusal.status, cx).encoded(&self.headers);
        if refusal.status == Status::SERVICE_UNAVAILABLE {
            return response.header("Retry-After", "1").page(refusal.reason);
        }
        response.page(refusal.reason);
    }
}

impl Handler for Site {
    type Session = SiteSession;

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) -> SiteSession {
        if origin.via != Via::Spawn {
            return SiteSession(Role::Client(Client { exchange: Exchange::open(&self.http, cx), work: None }));
        }
        let Some(mut script) = self.scripts.open(origin.token) else {
            cx.abort();
            return SiteSession(Role::Orphan);
        };
        script.open(&self.scripts, cx);
        SiteSession(Role::Script(script))
    }

    fn data<'a>(&mut self, session: &mut SiteSession, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        match &mut session.0 {
            Role::Client(client) => {
                let mut unread = Unread::new(input);
                self.take_events(client, &mut unread, cx);
                unread.used()
            }
            Role::Script(script) => script.data(input, &mut self.scripts, cx),
            Role::Orphan => input.len(),
        }
    }

    fn done(&mut self, session: &mut SiteSession, done: Done, cx: &mut Context<'_>) {
        let Role::Client(client) = &mut session.0 else { return };
        if let Some(Work::Script(_)) = client.work.as_deref() {
            self.stored(client, done.downcast().expect("a part of its body was written"), cx);
        } else if let Some(Work::Find(find)) = client.work.take().map(|work| *work) {
            self.found(client, find, done.downcast().expect("its file was looked for"), cx);
        }
        self.log(client, cx);
    }

    fn drained(&mut self, session: &mut SiteSession, cx: &mut Context<'_>) {
        if let Role::Client(client) = &mut session.0 {
            Body::send_more(client, cx);
            self.log(client, cx);
        }
    }

    fn eof(&mut self, session: &mut SiteSession, cx: &mut Context<'_>) {
        match &mut session.0 {
            Role::Client(client) => {
                client.exchange.eof(cx);
                self.ask_if_gone(client, cx);
                self.log(client, cx);
            }
            Role::Script(script) => script.eof(&mut self.scripts, cx),
            Role::Orphan => cx.close(),
        }
    }

    fn kicked(&mut self, session: &mut SiteSession, _: &str, cx: &mut Context<'_>) {
        // The rest of a download may take hours, and a part of an answer must not look like all of it.
        if let Role::Client(Client { work: Some(_), .. }) = session.0 {
            cx.reset();
        }
    }

    fn exited(&mut self, session: &mut SiteSession, status: ExitStatus, cx: &mut Context<'_>) {
        if let Role::Script(script) = &mut session.0 {
            script.exited(status, &mut self.scripts, cx);
        }
    }

    fn timer(&mut self, session: &mut SiteSession, timer: TimerId, cx: &mut Context<'_>) {
        match &mut session.0 {
            Role::Client(client) => {
                if !client.exchange.timer(timer, cx) {
                    self.go_on(client, cx);
                }
                self.log(client, cx);
            }
            Role::Script(script) => script.timer(&mut self.scripts, cx),
            Role::Orphan => {}
        }
    }

    fn dismissed(&mut self, session: &mut SiteSession, cx: &mut Context<'_>) {
        if let Role::Client(client) = &mut session.0 {
            self.dismiss(client, cx);
            self.log(client, cx);
        }
    }

    fn closed(&mut self, session: SiteSession, _: &Closed, cx: &mut Context<'_>) {
        match session.0 {
            Role::Client(mut client) => {
                if let Some(Work::Script(scripted)) = client.work.as_deref() {
                    if let Some(answer) = self.scripts.relayed(scripted.client()) {
                        client.exchange.note_lent(&answer);
                    }
                    scripted.closed(&mut self.scripts, cx);
                }
                if let Some(log) = &mut self.access_log
                    && let Some(outcome) = client.exchange.into_outcome()
                {
                    log.add(&outcome, cx);
                }
            }
            Role::Script(script) => script.closed(&mut self.scripts, cx),
            Role::Orphan => {}
        }
    }

    fn receipt(&mut self, ticket: u64, unsent: u64, cx: &mut Context<'_>) {
        if let Some(log) = &mut self.access_log {
            log.receipt(ticket, unsent, cx);
        }
    }

    fn service_done(&mut self, done: Done, cx: &mut Context<'_>) {
        if let Some(log) = &mut self.access_log {
            let result = log.service_done(done, cx);
            debug_assert!(result.is_ok(), "the only job of the service writes its log");
        }
    }

    fn service_timer(&mut self, timer: TimerId, cx: &mut Context<'_>) {
        if let Some(log) = &mut self.access_log {
            log.service_timer(timer, cx);
        }
    }

    fn reload(&mut self, cx: &mut Context<'_>) {
        if let Some(log) = &mut self.access_log {
            log.reload(cx);
        }
    }

    fn stopping(&mut self, cx: &mut Context<'_>) {
        if let Some(log) = &mut self.access_log {
            log.stopping(cx);
        }
    }
}
