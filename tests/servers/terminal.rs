//! The server at a terminal: its settings, its lines, its foreground and its background.

use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::terminal::{Shell, Terminal};
use rustix::fs::OFlags;
use std::fs;
use std::path::Path;
use switchboard_harness::{Ended, Input, Process, Server, until, until_some};
use tempfile::TempDir;

/// Answers to `stats`: each has one line with this word.
fn stats_seen(server: &Server) -> usize {
    server.stderr.lines().iter().filter(|line| line.contains("accepted")).count()
}

#[track_caller]
fn expect_stats(server: &Server, wanted: usize) {
    until(&format!("{wanted} answers to `stats`"), || stats_seen(server) >= wanted);
    assert_eq!(stats_seen(server), wanted);
}

#[test]
fn the_terminal_is_as_it_was_while_running_and_after() {
    for ask in ["\n", "\x04", "\x03"] {
        let mut terminal = Terminal::open();
        let before = terminal.settings();
        let mut server = Program::Echo.launch().input(Input::Terminal(terminal.slave())).start();
        Peer::connect(&server.address()).echo("the loop has turned");
        assert_eq!(server.file_flags(0) & OFlags::NONBLOCK.bits(), 0, "O_NONBLOCK on the terminal");
        assert!(!terminal.is_nonblocking());
        assert_eq!(terminal.settings(), before);
        terminal.type_in(ask);
        assert_eq!(server.wait().code, Some(0), "{ask:?}");
        assert!(!terminal.is_nonblocking());
        assert_eq!(terminal.settings(), before);
    }
}

#[test]
fn a_shared_pipe_stays_blocking() {
    let server = Program::Echo.start();
    Peer::connect(&server.address()).echo("the loop has turned");
    assert_eq!(server.file_flags(0) & OFlags::NONBLOCK.bits(), 0);
    assert_eq!(server.file_flags(1) & OFlags::NONBLOCK.bits(), 0);
    assert_eq!(server.file_flags(2) & OFlags::NONBLOCK.bits(), 0);
}

#[test]
fn fifty_lines_typed_at_once_lose_none() {
    let mut terminal = Terminal::open();
    let launch = Program::Echo.launch().args("--stdin commands").input(Input::Terminal(terminal.slave()));
    let mut server = launch.start();
    terminal.type_in("stats\n".repeat(50));
    expect_stats(&server, 50);
    terminal.type_in("quit\n");
    assert_eq!(server.wait().code, Some(0));
    assert_eq!(stats_seen(&server), 50);
}

#[test]
fn commands_are_lines_however_they_are_written() {
    let mut server = Program::Echo.launch().args("--stdin commands").start();
    server.say("stats\nstats\n");
    expect_stats(&server, 2);
    server.say("sta");
    // An answer to a peer shows that the loop has turned since; half a command stays half a command.
    Peer::connect(&server.address()).echo("turn");
    assert_eq!(stats_seen(&server), 2);
    server.say("ts\r\n");
    expect_stats(&server, 3);
    server.say("stats\nqu");
    expect_stats(&server, 4);
    server.say("it\n");
    assert_eq!(server.wait().code, Some(0));
}

#[test]
fn commands_at_a_terminal_are_lines_however_they_are_typed() {
    let mut terminal = Terminal::open();
    let launch = Program::Echo.launch().args("--stdin commands").input(Input::Terminal(terminal.slave()));
    let mut server = launch.start();
    terminal.type_in("stats\nstats\n");
    expect_stats(&server, 2);
    terminal.type_in("sta");
    Peer::connect(&server.address()).echo("turn");
    assert_eq!(stats_seen(&server), 2);
    terminal.type_in("ts\n");
    expect_stats(&server, 3);
    // Linux keeps 4095 bytes of such a line and drops the rest, so what arrives is one bad command.
    terminal.type_in("x".repeat(1 << 20));
    terminal.type_in("\nstats\n");
    expect_stats(&server, 4);
    terminal.type_in("quit\n");
    assert_eq!(server.wait().code, Some(0));
}

#[test]
fn a_megabyte_without_a_newline_is_one_bad_command() {
    let mut server = Program::Echo.launch().args("--stdin commands").start();
    Peer::connect(&server.address()).echo("warm");
    let before = server.resident();
    server.say("x".repeat(1 << 20));
    server.say("\nstats\n");
    expect_stats(&server, 1);
    let growth = server.peak_resident().saturating_sub(before);
    assert!(growth < 1 << 20, "grown by {growth} bytes");
    Peer::connect(&server.address()).echo("still served");
    server.say("quit\n");
    assert_eq!(server.wait().code, Some(0));
}

#[test]
fn a_terminal_is_told_how_to_stop() {
    let terminal = Terminal::open();
    let launch = Program::Echo.launch().input(Input::Terminal(terminal.slave()));
    let server = launch.redirected("2>&0").start();
    until("a hint", || terminal.screen.text().to_lowercase().contains("stop"));
    server.expect_manners();
}

#[test]
fn a_held_terminal_delays_no_client() {
    let mut terminal = Terminal::open();
    let launch = Program::Echo.launch().args("-vv").input(Input::Terminal(terminal.slave()));
    let mut server = launch.redirected("2>&0").start();
    Peer::connect(&server.address()).echo("before");
    // Ctrl-S: a write to the terminal now waits for Ctrl-Q.
    terminal.type_in("\x13");
    for _ in 0..2000 {
        Peer::connect(&server.address()).echo("while held");
    }
    terminal.type_in("\x11");
    Peer::connect(&server.address()).echo("after");
    terminal.type_in("\n");
    assert_eq!(server.wait().code, Some(0));
}

#[test]
fn a_held_terminal_delays_no_start() {
    let place = TempDir::new().expect("room for a socket");
    let address = format!("unix:{}", place.path().join("socket").display());
    let mut terminal = Terminal::open();
    terminal.hold_output();
    let launch = Program::Echo.launch().args("-vv").listen(&address).input(Input::Terminal(terminal.slave()));
    let mut server = launch.redirected(">&0 2>&0").spawn();
    until_some("the server", || Peer::attempt(&address, |_| Ok(())).ok()).echo("while held\n");
    terminal.release_output();
    terminal.screen.wait_for(&format!("listening on {address}\r\n"));
    terminal.type_in("\n");
    assert_eq!(server.wait().code, Some(0));
}

/// A server that a shell has started, known by the files that it writes.
struct Job {
    place: TempDir,
    _doomed: Ended,
    process: Process,
}

impl Job {
    /// The command line of the server, with its output in files in `place`.
    fn command(place: &Path) -> String {
        let place = place.display();
        format!("{} --listen 127.0.0.1:0 >{place}/out 2>{place}/err", Program::Echo.path())
    }

    fn background(shell: &mut Shell) -> Self {
        let place = TempDir::new().expect("room for a file");
        let command = Self::command(place.path());
        shell.command(&format!("{command} & echo $! >{}/pid", place.path().display()));
        Self::found(place)
    }

    fn foreground(shell: &mut Shell) -> Self {
        let place = TempDir::new().expect("room for a file");
        let command = Self::command(place.path());
        // `exec` keeps the number that the subshell has written down.
        shell.terminal.type_in(format!("(echo $BASHPID >{}/pid; exec {command})\n", place.path().display()));
        let job = Self::found(place);
        job.process.wait_foreground();
        job
    }

    #[track_caller]
    fn found(place: TempDir) -> Self {
        let pid = until_some("the number of the server", || {
            let text = fs::read_to_string(place.path().join("pid")).ok()?;
            text.strip_suffix('\n')?.parse().ok()
        });
        let job = Self { place, _doomed: Ended(Process(pid)), process: Process(pid) };
        job.address();
        job
    }

    #[track_caller]
    fn address(&self) -> String {
        until_some("the `listening on` line", || {
            let text = fs::read_to_string(self.place.path().join("out")).ok()?;
            Some(text.strip_suffix('\n')?.strip_prefix("listening on ")?.to_owned())
        })
    }

    fn is_gone(&self) -> bool {
        self.process.state().is_none_or(|state| state == 'Z')
    }
}

#[test]
fn in_the_background_it_is_never_stopped_by_the_terminal() {
    let mut shell = Shell::start();
    let job = Job::background(&mut shell);
    let mut peer = Peer::connect(&job.address());
    for _ in 0..20 {
        shell.terminal.type_in("\n");
        shell.proves_alive();
        assert_ne!(job.process.state(), Some('T'), "stopped by SIGTTIN or SIGTTOU");
        peer.echo("served in the background\n");
    }
    shell.terminal.type_in("fg\n");
    job.process.wait_foreground();
    peer.echo("served in the foreground\n");
    shell.terminal.type_in("\n");
    until("Enter to stop the server", || job.is_gone());
    shell.proves_alive();
}

#[test]
fn suspended_and_resumed_it_goes_on() {
    let mut shell = Shell::start();
    let job = Job::foreground(&mut shell);
    let mut peer = Peer::connect(&job.address());
    for _ in 0..3 {
        peer.echo("before\n");
        shell.terminal.type_in("\x1a");
        until("Ctrl-Z", || job.process.state() == Some('T'));
        shell.proves_alive();
        peer.send("while stopped\n");
        shell.terminal.type_in("fg\n");
        job.process.wait_foreground();
        peer.expect("while stopped\n");
    }
    shell.terminal.type_in("\x1a");
    until("Ctrl-Z", || job.process.state() == Some('T'));
    shell.command("bg");
    peer.echo("in the background\n");
    shell.proves_alive();
    assert_ne!(job.process.state(), Some('T'), "stopped in the background");
    shell.terminal.type_in("fg\n");
    job.process.wait_foreground();
    shell.terminal.type_in("\n");
    until("Enter to stop the server", || job.is_gone());
}
