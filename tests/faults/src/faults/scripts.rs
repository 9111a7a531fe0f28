//! Scripts of an HTTP server that sleep, ignore SIGTERM, flood, crash, complain without end, or leave a child behind.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::dial::{TIMEOUT, Window, dial, reset};
use crate::fault::{ALLOWANCE, Bound, Fault, KIB};
use crate::kind::Kind;
use crate::scene::{Outcome, Scene, on_threads};
use crate::site::CGI;

/// Scripts of each kind at a time, and how often in a second.
const COUNT: usize = 10;
const PER_SECOND: u32 = 2;

/// The bytes that a client reads of a flood before it leaves.
const FLOOD: usize = 256 << 10;

/// What an answer begins with, and what its body ends with, for each script but those that flood.
const ANSWERS: [(&str, &str, &str); 5] = [
    ("sleep", "HTTP/1.1 504 ", "\n"),
    ("ignore", "HTTP/1.1 504 ", "\n"),
    ("crash", "HTTP/1.1 500 ", "\n"),
    ("complain", "HTTP/1.1 200 ", "done"),
    ("fork", "HTTP/1.1 200 ", "done"),
];

pub(crate) struct Scripts;

impl Fault for Scripts {
    fn name(&self) -> &'static str {
        "scripts"
    }

    fn counts(&self) -> &'static str {
        "scripts that misbehave"
    }

    fn servers(&self) -> &'static [Kind] {
        &[Kind::Http]
    }

    fn flags(&self, _: Kind) -> &'static [&'static str] {
        &["--cgi-timeout", "1s"]
    }

    fn bound(&self, _: Kind) -> Bound {
        let why = "the allowance, and for each flood twice a quarter of --max-queue and a read buffer";
        Bound { fixed: ALLOWANCE, each: 2 * (256 + 64) * KIB, count: 2 * COUNT as u64, why }
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let span = scene.begin();
        let stuck = (0..COUNT).map(|_| ask(scene, "flood", Window::Narrow)).collect::<io::Result<Vec<_>>>()?;
        let count = on_threads(ANSWERS.len() as u64 + 1, |nth| {
            let mut round = 0;
            while span.paced(round, PER_SECOND) {
                match ANSWERS.get(nth as usize) {
                    Some(answer) => misbehave(scene, answer)?,
                    None => flood(scene)?,
                }
                round += 1;
            }
            Ok(round * COUNT as u64)
        })?;
        stuck.into_iter().for_each(reset);
        let is_over = scene.has_descriptors(0)?;
        let (server, place) = (scene.server.process().0, scene.server.place());
        let left = wait_for_processes(server, &place);
        let outcome = Outcome::of(count + COUNT as u64);
        let outcome = outcome.promise(is_over, || "a script outlived its request".into());
        Ok(outcome.promise(left.is_empty(), || format!("processes are left: {}", left.join(", "))))
    }
}

fn ask(scene: &Scene<'_>, script: &str, window: Window) -> io::Result<TcpStream> {
    let mut stream = dial(scene.target(), window)?;
    stream.write_all(format!("GET {CGI}/{script} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes())?;
    Ok(stream)
}

/// Asks for a script a few times at once, and checks all answers.
fn misbehave(scene: &Scene<'_>, &(script, begin, end): &(&str, &str, &str)) -> io::Result<()> {
    let streams = (0..COUNT).map(|_| ask(scene, script, Window::Usual)).collect::<io::Result<Vec<_>>>()?;
    for mut stream in streams {
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        // A body of unknown length is in chunks, and others have their length in the head.
        let body = answer.strip_suffix("\r\n0\r\n\r\n").unwrap_or(&answer);
        if !(answer.starts_with(begin) && body.ends_with(end)) {
            return Err(io::Error::other(format!("the answer of the script {script} is {answer:?}")));
        }
    }
    Ok(())
}

/// Reads a part of floods, and leaves.
fn flood(scene: &Scene<'_>) -> io::Result<()> {
    let streams = (0..COUNT).map(|_| ask(scene, "flood", Window::Usual)).collect::<io::Result<Vec<_>>>()?;
    for mut stream in streams {
        stream.read_exact(&mut vec![0; FLOOD])?;
        reset(stream);
    }
    Ok(())
}

/// Waits until no child of the server and no process that works in `place` is left. Returns those that are.
fn wait_for_processes(server: u32, place: &Path) -> Vec<String> {
    let since = Instant::now();
    loop {
        let left = processes(server, place);
        if left.is_empty() || since.elapsed() > TIMEOUT {
            return left;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn processes(server: u32, place: &Path) -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_left = |process: &Path| {
        let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
        // Field 4 is the parent; the name in field 2 may have spaces.
        let parent = stat.rsplit_once(") ").and_then(|(_, fields)| fields.split(' ').nth(1)?.parse().ok());
        parent == Some(server) || fs::read_link(process.join("cwd")).is_ok_and(|place_of| place_of.starts_with(place))
    };
    let left = entries.map(|entry| entry.path()).filter(|process| is_left(process));
    left.map(|process| fs::read_to_string(process.join("stat")).unwrap_or_default()).collect()
}
