//! Scripts in a simulation: the test plays the programs.

mod answers;
mod body;
mod law;
mod life;
mod paths;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use super::CgiOptions;
use crate::connection::spawn::Spawn;
use crate::servers::http::{Site, SiteOptions};
use crate::sim::{Sim, SimPeer};
use crate::state::limits::Limits;

/// A directory with scripts, and the server of it.
struct Stage {
    place: TempDir,
    sim: Sim<Site>,
}

impl Stage {
    fn new() -> Self {
        Stage::with(CgiOptions::default())
    }

    fn with(cgi: CgiOptions) -> Self {
        let place = TempDir::new().expect("room for a directory");
        write(place.path(), "a.txt", "a file", 0o644);
        write(place.path(), "app/index.php", "source", 0o644);
        write(place.path(), "cgi-bin/hello", "source", 0o755);
        write(place.path(), "cgi-bin/nph-raw", "source", 0o755);
        let cgi = CgiOptions {
            prefix: Some("/cgi-bin".to_owned()),
            handlers: vec![(".php".to_owned(), "/bin/cat".into())],
            ..cgi
        };
        let index = "index.php".to_owned();
        let site = Site::new(place.path(), SiteOptions { index, cgi, ..SiteOptions::default() });
        let limits = Limits { max_children: None, ..Limits::default() };
        Stage { sim: Sim::with_limits(site.expect("a directory"), limits), place }
    }

    /// Sends a request without a body whose script starts.
    #[track_caller]
    fn request(&mut self, line: &str) -> (SimPeer, SimPeer, Spawn) {
        let client = self.sim.connect();
        self.send(client, line);
        let (script, spawn) = self.started();
        (client, script, spawn)
    }

    /// Sends a request without a body.
    fn send(&mut self, client: SimPeer, line: &str) {
        self.sim.send(client, format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    }

    #[track_caller]
    fn started(&mut self) -> (SimPeer, Spawn) {
        self.sim.spawned().pop().expect("a script that was started")
    }

    /// Makes a script write, end its output and exit.
    fn end(&mut self, script: SimPeer, output: &str) {
        self.sim.send(script, output.as_bytes());
        self.sim.shut_down(script);
        self.sim.exit(script, 0);
    }

    /// The whole answer to a request whose script writes this.
    #[track_caller]
    fn answer(&mut self, line: &str, output: &str) -> String {
        let (client, script, _) = self.request(line);
        self.end(script, output);
        self.received(client)
    }

    fn received(&mut self, client: SimPeer) -> String {
        String::from_utf8(self.sim.received(client)).expect("a text")
    }

    /// The answer to a request that starts no script.
    #[track_caller]
    fn refused(&mut self, line: &str) -> String {
        let client = self.sim.connect();
        self.send(client, line);
        let answer = self.received(client);
        assert!(self.sim.spawned().is_empty(), "{line}: a script was started");
        answer
    }

    /// No script is left, and none has a place.
    #[track_caller]
    fn assert_idle(&mut self) {
        assert_eq!(self.sim.stats().children, 0);
        self.sim.with_context(|site, _| {
            let scripts = &site.scripts;
            assert_eq!(
                (scripts.places, scripts.line.len(), scripts.stages.len(), scripts.starting.len()),
                (0, 0, 0, 0)
            );
        });
    }
}

fn write(root: &Path, name: &str, text: &str, mode: u32) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("room for a directory");
    fs::write(&path, text).expect("room for a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("an own file");
}

/// The three digits of an answer.
fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or_default()
}

/// The body of an answer, and whether it is complete.
fn body_of(answer: &str) -> (String, bool) {
    let (head, mut rest) = answer.split_once("\r\n\r\n").expect("the end of a head");
    if let Some((_, length)) = head.split_once("\r\nContent-Length: ") {
        let length = length.lines().next().and_then(|length| length.parse().ok());
        return (rest.to_owned(), length == Some(rest.len()));
    }
    assert!(head.contains("\r\nTransfer-Encoding: chunked"), "{head}");
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("the size of a chunk");
        if size == 0 {
            return (body, after == "\r\n");
        }
        body.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
    (body, false)
}

fn variable<'s>(spawn: &'s Spawn, name: &str) -> Option<&'s str> {
    spawn.env.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.to_str())
}
