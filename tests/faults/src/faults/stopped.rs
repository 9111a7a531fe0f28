//! Members whose process is stopped (SIGSTOP) as by Ctrl-Z, and is killed later.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, set_parent_process_death_signal};
use switchboard_harness::{Server, TIMEOUT, within};

use super::stuck;
use crate::dial::{self, Window};
use crate::fault::{Bound, Fault};
use crate::kind::Kind;
use crate::process::yield_to_others;
use crate::scene::{Outcome, Scene, on_threads};
use crate::talker::{self, TALKERS};

/// How often they ask and read before they are stopped.
const ROUNDS: usize = 30;

pub(crate) struct Stopped;

impl Fault for Stopped {
    fn name(&self) -> &'static str {
        "stopped"
    }

    fn counts(&self) -> &'static str {
        "of a stopped process"
    }

    fn servers(&self) -> &'static [Kind] {
        stuck::Stuck.servers()
    }

    fn flags(&self, kind: Kind) -> &'static [&'static str] {
        stuck::Stuck.flags(kind)
    }

    fn bound(&self, kind: Kind) -> Bound {
        stuck::bound(kind)
    }

    fn run(&self, scene: &Scene<'_>) -> io::Result<Outcome> {
        let members = Members::start(scene)?;
        let span = scene.begin();
        members.stop()?;
        let outcome = Outcome::of(stuck::COUNT as u64);
        if scene.kind.is_room() {
            let said = on_threads(TALKERS, |nth| talker::talk(scene, (nth, "stopped"), span))?;
            let is_closed = scene.has_descriptors(0)?;
            let outcome = outcome.note(format!("{said} lines were said to them"));
            return Ok(outcome.promise(is_closed, || "members that are stopped were not closed".into()));
        }
        span.wait();
        let is_kept = scene.has_descriptors(stuck::COUNT)?;
        Ok(outcome.promise(is_kept, || "a client was closed that is stopped".into()))
    }
}

/// The process, which is killed when this is dropped, also if it is stopped.
struct Members(Server);

impl Members {
    fn start(scene: &Scene<'_>) -> io::Result<Members> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["member", &scene.target().to_string(), "--kind", &scene.kind.value()]);
        let members = Members(Server::try_spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()))?);
        let output = &members.0.stdout;
        let is_ready = || (output.text() == "ready\n" || output.has_ended()).then(|| output.text() == "ready\n");
        let failed = || io::Error::other("the process that is stopped later did not connect");
        within(TIMEOUT, is_ready).unwrap_or(false).then_some(members).ok_or_else(failed)
    }

    fn stop(&self) -> io::Result<()> {
        self.0.process().signal(Signal::STOP)
    }
}

/// What that process does: connects, says that it is ready, asks for something and reads, until it is killed.
///
/// # Errors
/// It cannot connect, or its connections are ended.
pub(crate) fn attend(target: SocketAddr, kind: Kind) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    yield_to_others()?;
    let enter = |nth| {
        let stream = dial::knock((target, kind), &format!("stopped{nth}"), Window::Narrow)?;
        dial::welcomed(stream, kind)
    };
    let mut streams = (0..stuck::COUNT).map(enter).collect::<io::Result<Vec<_>>>()?;
    streams.iter().try_for_each(|stream| stream.set_nonblocking(true))?;
    for _ in 0..ROUNDS {
        round(&mut streams, kind)?;
    }
    println!("ready");
    loop {
        round(&mut streams, kind)?;
    }
}

/// Asks and reads.
fn round(streams: &mut [TcpStream], kind: Kind) -> io::Result<()> {
    let mut buffer = [0; 4096];
    for stream in streams {
        // Of echoes they ask for more than they read, so that there is something to be kept for them.
        while kind == Kind::Echo && pass_over(stream.write(&buffer))?.is_some() {}
        if pass_over(stream.read(&mut buffer))? == Some(0) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    thread::sleep(Duration::from_millis(5));
    Ok(())
}

fn pass_over(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        other => other.map(Some),
    }
}
