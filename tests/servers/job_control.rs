//! The server as a job of a shell: `stty tostop`, signals that the parent has blocked, and a terminal that closes.

use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::terminal::{Shell, Terminal};
use rustix::process::Signal;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use switchboard_harness::{Ended, Input, Launch, Process, Server, until, until_some};
use tempfile::TempDir;

/// Reads the process id that a shell wrote to a file.
#[track_caller]
fn written_pid(file: &Path) -> Process {
    until_some("the number of the server", || {
        fs::read_to_string(file).ok()?.strip_suffix('\n')?.parse().ok().map(Process)
    })
}

/// The address that a server has shown on the terminal.
#[track_caller]
fn shown_address(terminal: &Terminal) -> String {
    until_some("the `listening on` line", || {
        let text = terminal.screen.text();
        let (_, rest) = text.split_once("listening on ")?;
        Some(rest.split_once('\r')?.0.to_owned())
    })
}

/// A log line in the background neither stops the server nor delays a client. `when` says whether `stty tostop` comes
/// before the server or after it.
fn serve_in_the_background(stderr: &str, before: &str, after: &str) {
    let place = TempDir::new().expect("room for a file");
    let mut shell = Shell::start();
    shell.command(before);
    let pid = place.path().join("pid");
    let server = Program::Echo.path();
    shell.command(&format!("{server} -vv --listen 127.0.0.1:0 {stderr} & echo $! >{}", pid.display()));
    let process = written_pid(&pid);
    let _doomed = Ended(process);
    let address = shown_address(&shell.terminal);
    shell.command(after);
    for _ in 0..20 {
        Peer::connect(&address).echo("served in the background\n");
        assert_ne!(process.state(), Some('T'), "stopped by SIGTTOU");
    }
    assert!(!shell.terminal.screen.text().contains("Stopped"), "{}", shell.terminal.screen.text());
    assert!(!shell.terminal.screen.text().contains(" connected ("), "{}", shell.terminal.screen.text());
    shell.terminal.type_in("fg\n");
    process.wait_foreground();
    Peer::connect(&address).echo("served in the foreground\n");
    if stderr.is_empty() {
        shell.terminal.screen.wait_for(" log lines dropped");
    }
    shell.terminal.type_in("\n");
    until("Enter to stop the server", || !process.is_alive());
}

#[test]
fn tostop_before_the_start_stops_no_server() {
    serve_in_the_background("", "stty tostop", "true");
}

#[test]
fn tostop_set_later_freezes_no_client() {
    serve_in_the_background("", "true", "stty tostop");
}

/// The shell reports a stopped job in the place of the message.
#[test]
fn tostop_does_not_stop_an_error_of_the_command_line() {
    for program in [Program::Echo.path(), env!("CARGO_BIN_EXE_switchboard")] {
        let mut shell = Shell::start();
        shell.command("stty tostop");
        shell.command(&format!("{program} --no-such-flag & wait $!; echo \"code $?\""));
        shell.terminal.screen.wait_for("unexpected argument");
        shell.terminal.screen.wait_for("code 2");
    }
}

#[test]
fn no_hint_about_enter_in_the_background() {
    let place = TempDir::new().expect("room for a file");
    let mut shell = Shell::start();
    let pid = place.path().join("pid");
    shell.command(&format!("{} --listen 127.0.0.1:0 & echo $! >{}", Program::Echo.path(), pid.display()));
    let process = written_pid(&pid);
    let _doomed = Ended(process);
    Peer::connect(&shown_address(&shell.terminal)).echo("the loop has turned\n");
    shell.proves_alive();
    assert!(!shell.terminal.screen.text().contains("press Enter"), "{}", shell.terminal.screen.text());
}

/// An interactive shell at a terminal that closes when it is dropped.
fn shell_at(terminal: &Terminal) -> Child {
    let mut bash = Command::new("setsid");
    bash.args(["--ctty", "bash", "--norc", "--noprofile", "-i"]).env("HISTFILE", "/dev/null").env_remove("RUST_LOG");
    bash.stdin(terminal.slave()).stdout(terminal.slave()).stderr(Stdio::null()).spawn().expect("setsid and bash")
}

/// A server that a shell has started with `& disown` serves on when the terminal of both has closed.
fn outlive_the_terminal(redirections: &str, told: Option<&Path>) {
    let place = TempDir::new().expect("room for a file");
    let (socket, pid) = (place.path().join("socket"), place.path().join("pid"));
    let (address, server) = (format!("unix:{}", socket.display()), Program::Echo.path());
    let mut terminal = Terminal::unseen();
    let mut shell = shell_at(&terminal);
    terminal.type_in(format!("{server} -v -l {address} {redirections} & disown; echo $! >{}\n", pid.display()));
    let process = written_pid(&pid);
    let _doomed = Ended(process);
    let mut peer = until_some("the server", || Peer::attempt(&address, |_| Ok(())).ok());
    peer.echo("the window is open\n");
    drop(terminal);
    until("the shell to end", || shell.try_wait().expect("a child of ours").is_some());
    if let Some(file) = told {
        let is_told =
            || fs::read_to_string(file).is_ok_and(|text| text.contains("the terminal has closed: no operator"));
        until("a word about the terminal", is_told);
    }
    peer.echo("the window is closed\n");
    Peer::connect(&address).echo("newcomers are served\n");
    process.signal(Signal::TERM).expect("it runs");
    until("SIGTERM to stop the server", || !process.is_alive());
}

#[test]
fn a_disowned_server_outlives_its_terminal() {
    outlive_the_terminal("", None);
    let place = TempDir::new().expect("room for a file");
    let log = place.path().join("log");
    outlive_the_terminal(&format!("2>{}", log.display()), Some(&log));
}

/// A server that env(1) starts, so that its signals are set as `flag` says.
fn with_signals(flag: &str) -> Server {
    Launch::of("env").args(flag).arg(Program::Echo.path()).start()
}

#[test]
fn a_blocked_signal_stops_all_the_same() {
    for (signal, name) in [(Signal::TERM, "TERM"), (Signal::INT, "INT")] {
        let mut server = with_signals(&format!("--block-signal={name} --default-signal={name}"));
        server.signal(signal);
        assert_eq!(server.wait().code, Some(0), "{name}");
    }
    let server = with_signals("--block-signal=USR1");
    server.signal(Signal::USR1);
    server.stderr.wait_for("connections  0 open, 0 accepted, 0 refused");
}

#[test]
fn an_ignored_hang_up_stays_ignored() {
    let terminal = Terminal::open();
    let launch = Launch::of("env").args("--ignore-signal=HUP").arg(Program::Echo.path());
    let mut server = launch.input(Input::Terminal(terminal.slave())).start();
    server.signal(Signal::HUP);
    Peer::connect(&server.address()).echo("served after SIGHUP\n");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code, Some(0));
}
