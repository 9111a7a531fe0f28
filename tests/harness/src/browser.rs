//! A real browser: Chromium without a display, driven by chromedriver(1) in the `WebDriver` protocol of the W3C.
//!
//! The protocol is HTTP with JSON, one connection for each command. What a page shows may come later than the command
//! that caused it, so [`Window::find`] and [`Window::shows`] wait. A command that fails or takes too long fails the
//! test.

use crate::connect::connect;
use crate::launch::Launch;
use crate::process::EndedGroup;
use crate::server::Server;
use crate::wait::{TIMEOUT, until_some, within};
use std::cell::RefCell;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use tinyjson::JsonValue;

/// The time for one command. More than [`TIMEOUT`], which the browser itself keeps and whose error says more.
const COMMAND_TIME: Duration = Duration::from_secs(60);

/// How a window names an element in JSON (`WebDriver`, section 11).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with a profile of its own. It ends when this is dropped.
#[derive(Debug)]
pub struct Browser {
    driver: Driver,
    session: String,
    /// The window that the next command applies to.
    current: RefCell<String>,
}

impl Browser {
    /// Starts the browser. It shows nothing before [`window`](Self::window).
    #[track_caller]
    pub fn start() -> Self {
        let driver = Driver::start();
        // Root cannot use the sandbox, and /dev/shm is small in a container.
        let capabilities = format!(
            r#"{{"capabilities": {{"alwaysMatch": {{
                "timeouts": {{"implicit": {0}, "pageLoad": {0}, "script": {0}}},
                "goog:chromeOptions": {{
                    "args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
                    "prefs": {{"download.default_directory": {1}}}
                }}
            }}}}}}"#,
            TIMEOUT.as_millis(),
            json(&driver.downloads().display().to_string()),
        );
        let session = driver.command("POST", "/session", &capabilities);
        let session = text(&session.unwrap_or_else(|error| panic!("no browser: {error}"))["sessionId"]);
        Self { driver, session, current: RefCell::default() }
    }

    /// Opens an empty window. All windows share the cookies.
    #[track_caller]
    pub fn window(&self) -> Window<'_> {
        let window = self.command("POST", "/window/new", r#"{"type": "window"}"#);
        Window { browser: self, handle: text(&window["handle"]) }
    }

    /// Waits for a download that is saved as `name`, and returns its bytes.
    #[track_caller]
    pub fn downloaded(&self, name: &str) -> Vec<u8> {
        // The file has another name until it is complete.
        let path = self.driver.downloads().join(name);
        until_some(&format!("the download {name}"), || fs::read(&path).ok())
    }

    #[track_caller]
    fn command(&self, method: &str, path: &str, body: &str) -> JsonValue {
        let answer = self.driver.command(method, &format!("/session/{}{path}", self.session), body);
        answer.unwrap_or_else(|error| panic!("{method} {path} {body}: {error}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A browser that cannot end by itself is killed with its driver.
        let _ = self.driver.command("DELETE", &format!("/session/{}", self.session), "{}");
    }
}

/// A window of a browser.
#[derive(Debug)]
pub struct Window<'a> {
    browser: &'a Browser,
    handle: String,
}

impl Window<'_> {
    /// Opens a page, and waits until it is loaded.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.post("/url", &format!(r#"{{"url": {}}}"#, json(url)));
    }

    /// Waits for the first element that a CSS selector matches.
    #[track_caller]
    pub fn find(&self, selector: &str) -> Element<'_> {
        let found = self.post("/element", &format!(r#"{{"using": "css selector", "value": {}}}"#, json(selector)));
        Element { window: self, path: format!("/element/{}", text(&found[ELEMENT])) }
    }

    /// Runs a script, and returns the text that it returns.
    #[track_caller]
    pub fn run(&self, script: &str) -> String {
        text(&self.post("/execute/sync", &format!(r#"{{"script": {}, "args": []}}"#, json(script))))
    }

    /// Returns the visible text.
    #[track_caller]
    pub fn text(&self) -> String {
        self.run("return document.body ? document.body.innerText : ''")
    }

    /// Goes back to the page before this one.
    #[track_caller]
    pub fn back(&self) {
        self.post("/back", "{}");
    }

    /// Waits until the visible text contains `wanted`.
    #[track_caller]
    pub fn shows(&self, wanted: &str) {
        let shown = within(TIMEOUT, || self.text().contains(wanted).then_some(()));
        assert!(shown.is_some(), "waited in vain for {wanted:?} in {:?}", self.text());
    }

    /// Closes the window, as its user does.
    #[track_caller]
    pub fn close(self) {
        self.command("DELETE", "/window", "{}");
    }

    #[track_caller]
    fn post(&self, path: &str, body: &str) -> JsonValue {
        self.command("POST", path, body)
    }

    #[track_caller]
    fn command(&self, method: &str, path: &str, body: &str) -> JsonValue {
        if *self.browser.current.borrow() != self.handle {
            self.browser.command("POST", "/window", &format!(r#"{{"handle": {}}}"#, json(&self.handle)));
            self.browser.current.replace(self.handle.clone());
        }
        self.browser.command(method, path, body)
    }
}

/// An element of the page that a window shows.
#[derive(Debug)]
pub struct Element<'a> {
    window: &'a Window<'a>,
    path: String,
}

impl Element<'_> {
    /// Clicks on it. If this leads to another page, waits until that is loaded.
    #[track_caller]
    pub fn click(&self) {
        self.window.post(&format!("{}/click", self.path), "{}");
    }

    /// Types a text; `\n` is Enter. Into an input for files, types the path of a file.
    #[track_caller]
    pub fn type_in(&self, text: &str) {
        // Enter has a letter of its own (`WebDriver`, section 17.4.2).
        let text = text.replace('\n', "\u{e007}");
        self.window.post(&format!("{}/value", self.path), &format!(r#"{{"text": {}}}"#, json(&text)));
    }
}

/// The process that starts the browser and takes the commands.
#[derive(Debug)]
struct Driver {
    port: u16,
    // These are dropped in this order. The group is that of chromedriver and the browser.
    _group: EndedGroup,
    _process: Server,
    home: TempDir,
}

impl Driver {
    #[track_caller]
    fn start() -> Self {
        let home = TempDir::new().expect("room for a directory");
        let place = home.path().display();
        let launch = Launch::of("setsid").args("chromedriver --port=0");
        let process = launch.after(&format!("export HOME='{place}' TMPDIR='{place}'")).spawn();
        let group = EndedGroup(process.process());
        let port = until_some("the port of chromedriver", || {
            let text = process.stdout.text();
            let (_, port) = text.split_once("started successfully on port ")?;
            port.split_once('.')?.0.parse().ok()
        });
        Self { port, _group: group, _process: process, home }
    }

    fn downloads(&self) -> PathBuf {
        self.home.path().join("downloads")
    }

    /// Sends one command, and returns the value of its answer.
    fn command(&self, method: &str, path: &str, body: &str) -> io::Result<JsonValue> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let mut socket = connect(&address.into(), COMMAND_TIME, |_| Ok(()))?;
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n", body.len());
        socket.write_all((head + body).as_bytes())?;
        let mut answer = BufReader::new(socket);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") && answer.read_line(&mut head)? > 0 {}
        // The end of the connection comes late, so the length counts.
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length:")?.trim().parse().ok());
        let mut body = String::new();
        answer.take(length.ok_or(io::ErrorKind::UnexpectedEof)?).read_to_string(&mut body)?;
        let body = body.parse::<JsonValue>().map_err(|error| io::Error::other(format!("{body:?}: {error}")))?;
        if head.starts_with("HTTP/1.1 200 ") {
            Ok(body["value"].clone())
        } else {
            Err(io::Error::other(text(&body["value"]["message"])))
        }
    }
}

/// Returns the text as JSON has it.
fn json(text: &str) -> String {
    JsonValue::from(text.to_owned()).stringify().expect("a text")
}

#[track_caller]
fn text(value: &JsonValue) -> String {
    value.get::<String>().unwrap_or_else(|| panic!("{value:?} is no text")).clone()
}
