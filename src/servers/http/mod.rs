//! HTTP: serves the files of a directory.
//!
//! Invariants: only regular files beneath the directory are served (`tree`). A file is opened and read by a worker, so
//! the loop waits for no disk before the answer begins. An answer has bytes of one version of a file.

#[cfg(feature = "cli")]
mod args;
mod cache;
mod cgi;
mod conditions;
mod file;
mod listing;
mod path;
mod ranges;
mod reply;
#[cfg(test)]
mod tests;
mod tree;
mod types;

#[cfg(feature = "cli")]
pub use args::HttpServer;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bitflags::bitflags;

use self::cache::Cache;
use self::file::Version;
use self::reply::{Body, Reply};
use self::tree::{Found, Refusal, Tree};
use crate::framing::Unread;
use crate::framing::http::{Event, Exchange, Headers, HttpOptions, Request, Status, encode_header};
use crate::handler::Handler;
use crate::handler::context::Context;
use crate::state::throttle::Throttle;
use crate::workers::{Done, Workers};
use crate::{Origin, TimerId};

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
    /// The bounds of HTTP.
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
            http: HttpOptions::default(),
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

bitflags! {
    /// Encodings of siblings of a file: `page.html.gz`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Encodings: u8 {
        const GZIP = 1;
        const BR = 2;
    }
}

impl Encodings {
    /// Returns the encodings that a client accepts (RFC 9110, section 12.5.3). Weights other than 0 count alike.
    fn accepted(headers: Headers<'_>) -> Self {
        let mut accepted = Encodings::empty();
        for value in headers.all("Accept-Encoding").filter_map(|value| str::from_utf8(value).ok()) {
            for element in value.split(',') {
                let (name, weight) = element.split_once(';').unwrap_or((element, ""));
                let weight = weight.trim().trim_start_matches(['q', 'Q', '=', ' ']);
                let is_refused = !weight.is_empty() && weight.chars().all(|c| c == '0' || c == '.');
                match name.trim() {
                    _ if is_refused => {}
                    name if name.eq_ignore_ascii_case("gzip") => accepted |= Encodings::GZIP,
                    name if name.eq_ignore_ascii_case("br") => accepted |= Encodings::BR,
                    _ => {}
                }
            }
        }
        accepted
    }

    /// The name of one encoding.
    fn name(self) -> &'static str {
        if self == Encodings::BR { "br" } else { "gzip" }
    }

    /// What one encoding adds to the name of a file.
    fn suffix(self) -> &'static str {
        if self == Encodings::BR { ".br" } else { ".gz" }
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
    troubles: Throttle,
}

/// The session of a [`Site`].
#[derive(Debug)]
pub struct SiteSession {
    exchange: Exchange,
    /// What is left to do for the present request.
    work: Option<Box<Work>>,
}

/// What is left to do for a request.
#[derive(Debug)]
enum Work {
    /// Its file is being looked for. The head.
    Find(Box<[u8]>),
    /// The rest of the answer has to be sent.
    Send(Body),
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
    /// If it is no directory, or cannot be opened, or if the system is older than Linux 5.6.
    pub fn new(path: &Path, options: SiteOptions) -> io::Result<Self> {
        let (http, headers) = (Arc::new(options.http.clone()), options.headers());
        let cache = Cache::new(options.cache);
        let tree = Arc::new(Tree::open(path, options)?);
        let workers = Workers::new("http", WAITING, vec![(); THREADS]);
        Ok(Site { tree, workers, cache, http, headers, troubles: Throttle::new() })
    }

    /// Starts the threads that open files.
    #[cfg(feature = "cli")]
    fn start_threads(&self) -> io::Result<()> {
        self.workers.start()
    }

    /// Answers a request, at once if its file is known.
    fn request(&mut self, session: &mut SiteSession, request: &Request<'_>, cx: &mut Context<'_>) {
        match request.method() {
            "GET" | "HEAD" => {}
            "OPTIONS" => return self.allow(Status::NO_CONTENT, session, cx),
            "POST" | "PUT" | "DELETE" | "PATCH" | "TRACE" => {
                return self.allow(Status::METHOD_NOT_ALLOWED, session, cx);
            }
            _ => return self.refuse(&Refusal::of(Status::NOT_IMPLEMENTED), session, cx),
        }
        let known = match self.cache.get(request.path(), Encodings::accepted(request.headers()), cx.now()) {
            Some((version, true)) => return Reply { request, version }.send(session, cx),
            found => found.map(|(version, _)| Arc::clone(version)),
        };
        self.find(session, (request, known), cx);
    }

    /// Looks for the file of a request. `known` is the version that it had.
    fn find(
        &mut self,
        session: &mut SiteSession,
        (request, known): (&Request<'_>, Option<Arc<Version>>),
        cx: &mut Context<'_>,
    ) {
        let accepted = Encodings::accepted(request.headers());
        let (tree, path) = (Arc::clone(&self.tree), request.path().to_owned());
        match cx.offload(&self.workers, move |()| tree.find(&path, accepted, known.as_ref())) {
            Ok(()) => session.work = Some(Box::new(Work::Find(request.as_bytes().into()))),
            Err(busy) => {
                let mut refusal = Refusal::of(Status::SERVICE_UNAVAILABLE);
                refusal.trouble = Some(format!("a request is refused: {busy}"));
                self.refuse(&refusal, session, cx);
            }
        }
    }

    /// Answers a request whose file was looked for.
    fn found(
        &mut self,
        session: &mut SiteSession,
        (head, found): (&[u8], Result<Found, Refusal>),
        cx: &mut Context<'_>,
    ) {
        let Ok(request) = &Request::parse(head, &self.http) else { return cx.abort() };
        let (path, accepted) = (request.path(), Encodings::accepted(request.headers()));
        let version = match found {
            Ok(Found::Version(version)) => version,
            other => {
                self.cache.remove(path, accepted);
                return match other {
                    Ok(Found::Directory(path)) => self.redirect(&path, request, session, cx),
                    Ok(Found::Listing(page)) => self.list(&page, session, cx),
                    Ok(Found::Version(_)) => {}
                    // Descriptors of other files are used for this one.
                    Err(refusal) if refusal.lacks_descriptors() && self.cache.close_files() => {
                        self.find(session, (request, None), cx);
                    }
                    Err(refusal) => self.refuse(&refusal, session, cx),
                };
            }
        };
        self.cache.put(path, accepted, &version, cx.now());
        Reply { request, version: &version }.send(session, cx);
    }

    fn allow(&self, status: Status, session: &mut SiteSession, cx: &mut Context<'_>) {
        let response =
            session.exchange.respond(status, cx).encoded(&self.headers).header("Allow", "GET, HEAD, OPTIONS");
        if status == Status::NO_CONTENT { response.body(b"") } else { response.page("") }
    }

    fn redirect(&self, path: &str, request: &Request<'_>, session: &mut SiteSession, cx: &mut Context<'_>) {
        let query = request.query().map(|query| format!("?{query}")).unwrap_or_default();
        let response = session.exchange.respond(Status::MOVED_PERMANENTLY, cx).encoded(&self.headers);
        response.header("Location", format!("{path}{query}")).page("");
    }

    fn list(&self, page: &str, session: &mut SiteSession, cx: &mut Context<'_>) {
        let response = session.exchange.respond(Status::OK, cx).encoded(&self.headers);
        let response =
            response.header("Content-Security-Policy", "default-src 'none'").header("Cache-Control", "no-cache");
        response.header("Content-Type", "text/html; charset=utf-8").body(page.as_bytes());
    }

    fn refuse(&mut self, refusal: &Refusal, session: &mut SiteSession, cx: &mut Context<'_>) {
        if let Some(trouble) = &refusal.trouble
            && let Some(repeats) = self.troubles.note(cx.now())
        {
            log::warn!("{trouble}{repeats}");
        }
        let response = session.exchange.respond(refusal.status, cx).encoded(&self.headers);
        if refusal.status == Status::SERVICE_UNAVAILABLE {
            return response.header("Retry-After", "1").page(refusal.reason);
        }
        response.page(refusal.reason);
    }
}

impl Handler for Site {
    type Session = SiteSession;

    fn open(&mut self, _: &Origin, cx: &mut Context<'_>) -> SiteSession {
        SiteSession { exchange: Exchange::open(&self.http, cx), work: None }
    }

    fn data<'a>(&mut self, session: &mut SiteSession, input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        let mut unread = Unread::new(input);
        while let Some(event) = session.exchange.next(&mut unread, cx) {
            // The body of a request has no meaning here.
            if let Event::Request(request) = event {
                self.request(session, &request, cx);
            }
        }
        unread.used()
    }

    fn done(&mut self, session: &mut SiteSession, done: Done, cx: &mut Context<'_>) {
        let found = done.downcast::<Result<Found, Refusal>>().expect("the one kind of job");
        if let Some(Work::Find(head)) = session.work.take().map(|work| *work) {
            self.found(session, (&head, found), cx);
        }
    }

    fn drained(&mut self, session: &mut SiteSession, cx: &mut Context<'_>) {
        Body::send_more(session, cx);
    }

    fn eof(&mut self, session: &mut SiteSession, cx: &mut Context<'_>) {
        session.exchange.eof(cx);
    }

    fn timer(&mut self, session: &mut SiteSession, timer: TimerId, cx: &mut Context<'_>) {
        session.exchange.timer(timer, cx);
    }
}
