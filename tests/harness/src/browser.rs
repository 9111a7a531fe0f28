//! A real browser: Chromium without a display, driven by chromedriver(1) in the `WebDriver` protocol of the W3C.
//!
//! The protocol is HTTP with JSON, one connection for each command. What a page shows may come later than the command
//! that caused it, so [`Window::find`], [`Window::shows`] and [`Window::until`] wait. A command that fails or takes too
//! long fails the test.

use crate::connect::connect;
use crate::launch::Launch;
use crate::process::EndedGroup;
use crate::server::Server;
use crate::wait::{TIMEOUT, until_some, within};
use base64ct::{Base64, Encoding};
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

/// Keys without a letter of their own (`WebDriver`, section 17.4.2), for [`Window::press`] and [`Element::type_in`].
pub mod key {
    /// Enter.
    pub const ENTER: &str = "\u{e007}";
    /// Escape.
    pub const ESCAPE: &str = "\u{e00c}";
    /// Page up.
    pub const PAGE_UP: &str = "\u{e00e}";
    /// Arrow up.
    pub const UP: &str = "\u{e013}";
    /// Arrow down.
    pub const DOWN: &str = "\u{e015}";
    /// Tab.
    pub const TAB: &str = "\u{e004}";
}

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
        // Root cannot use the sandbox, and /dev/shm is small in a container. The certificates of tests are self-signed.
        let capabilities = format!(
            r#"{{"capabilities": {{"alwaysMatch": {{
                "acceptInsecureCerts": true,
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

    /// Runs a script, which may wait for promises, and returns the text that it returns.
    #[track_caller]
    pub fn run(&self, script: &str) -> String {
        let script = json(&format!("return (async () => {{ {script} }})()"));
        text(&self.post("/execute/sync", &format!(r#"{{"script": {script}, "args": []}}"#)))
    }

    /// Waits until an expression of JavaScript is true.
    #[track_caller]
    pub fn until(&self, condition: &str) {
        let met = within(TIMEOUT, || (self.value(condition) == "true").then_some(()));
        assert!(met.is_some(), "waited in vain for {condition} in {:?}", self.text());
    }

    /// Returns the value of an expression of JavaScript, as text.
    #[track_caller]
    pub fn value(&self, expression: &str) -> String {
        self.run(&format!("return String({expression})"))
    }

    /// Presses keys, one after the other, wherever the focus is. See [`key`] for those without a letter.
    #[track_caller]
    pub fn press(&self, keys: &str) {
        let press = |key: char| {
            let key = json(&key.to_string());
            format!(r#"{{"type": "keyDown", "value": {key}}}, {{"type": "keyUp", "value": {key}}}"#)
        };
        let presses: Vec<String> = keys.chars().map(press).collect();
        let keyboard = format!(r#"{{"type": "key", "id": "keyboard", "actions": [{}]}}"#, presses.join(", "));
        self.post("/actions", &format!(r#"{{"actions": [{keyboard}]}}"#));
    }

    /// Gives the page a size, in pixels of CSS. A window of a desktop has a least width, and this has none.
    #[track_caller]
    pub fn resize(&self, width: u32, height: u32) {
        let size = format!(r#"{{"width": {width}, "height": {height}, "deviceScaleFactor": 1, "mobile": false}}"#);
        self.chromium("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Sets a wish of the user that style sheets can ask for, such as `prefers-color-scheme` to `dark`.
    #[track_caller]
    pub fn prefer(&self, name: &str, value: &str) {
        let features = format!(r#"{{"features": [{{"name": {}, "value": {}}}]}}"#, json(name), json(value));
        self.chromium("Emulation.setEmulatedMedia", &features);
    }

    /// Sets the language of the user, such as `en-GB`, and the time zone, such as `Europe/London`.
    #[track_caller]
    pub fn locate(&self, language: &str, zone: &str) {
        self.chromium("Emulation.setLocaleOverride", &format!(r#"{{"locale": {}}}"#, json(language)));
        self.chromium("Emulation.setTimezoneOverride", &format!(r#"{{"timezoneId": {}}}"#, json(zone)));
    }

    /// Runs a script before those of each page that is opened from now on.
    #[track_caller]
    pub fn before_each_page(&self, script: &str) {
        self.chromium("Page.addScriptToEvaluateOnNewDocument", &format!(r#"{{"source": {}}}"#, json(script)));
    }

    /// Returns what the window shows as a PNG, with `scale` pixels for one of CSS.
    #[track_caller]
    pub fn picture(&self, scale: u32) -> Vec<u8> {
        let size = self.value("`\"width\": ${innerWidth}, \"height\": ${innerHeight}`");
        let clip = format!(r#"{{"clip": {{"x": 0, "y": 0, {size}, "scale": {scale}}}}}"#);
        let picture = text(&self.chromium("Page.captureScreenshot", &clip)["data"]);
        Base64::decode_vec(&picture).expect("WebDriver sends base64")
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

    /// Sends a command of Chromium's own protocol (`DevTools`).
    #[track_caller]
    fn chromium(&self, command: &str, parameters: &str) -> JsonValue {
        self.post("/goog/cdp/execute", &format!(r#"{{"cmd": {}, "params": {parameters}}}"#, json(command)))
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

    /// Returns the role that a screen reader announces (WAI-ARIA).
    #[track_caller]
    pub fn role(&self) -> String {
        text(&self.window.command("GET", &format!("{}/computedrole", self.path), ""))
    }

    /// Returns the name that a screen reader announces.
    #[track_caller]
    pub fn label(&self) -> String {
        text(&self.window.command("GET", &format!("{}/computedlabel", self.path), ""))
    }

    /// Types a text; `\n` is Enter. Into an input for files, types the path of a file.
    #[track_caller]
    pub fn type_in(&self, text: &str) {
        let text = text.replace('\n', key::ENTER);
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
        // It chooses a free port of IPv4, and ends if that is in use with IPv6.
        let started = std::iter::repeat_with(Self::try_start).take(10).flatten().next();
        started.expect("chromedriver has ended ten times without a port")
    }

    /// Returns `None` if the driver ends before it has told its port.
    #[track_caller]
    fn try_start() -> Option<Self> {
        let home = TempDir::new().expect("room for a directory");
        let place = home.path().display();
        let launch = Launch::of("setsid").args("chromedriver --port=0");
        let mut process = launch.after(&format!("export HOME='{place}' TMPDIR='{place}'")).spawn();
        let port = until_some("the port of chromedriver", || {
            let is_running = process.is_running();
            let text = process.stdout.text();
            let told = text.split_once("started successfully on port ").and_then(|(_, port)| port.split_once('.'));
            let port = told.and_then(|(port, _)| port.parse().ok());
            (port.is_some() || !is_running).then_some(port)
        })?;
        Some(Self { port, _group: EndedGroup(process.process()), _process: process, home })
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
