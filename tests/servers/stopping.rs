//! Every way to ask a server to stop, and every kind of standard input that must not.

use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::terminal::Terminal;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::Signal;
use std::fs::File;
use std::io::{Seek, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use switchboard_harness::{Input, Launch, Server, Stop, alone, until};

const SECOND: Duration = Duration::from_secs(1);
/// Well within the drain time of five seconds. Servers with a data file flush it, and a disk may be busy.
const SOON: Duration = Duration::from_secs(3);

/// A file with `text`, read from its start.
fn file_with(text: &str) -> Input {
    let mut file = tempfile::tempfile().expect("room for a file");
    file.write_all(text.as_bytes()).expect("room for a file");
    file.rewind().expect("a file has a start");
    Input::Open(file.into())
}

/// The server answers us, and standard input costs it no time.
#[track_caller]
fn expect_idle_service(server: &mut Server) {
    let mut peer = Peer::connect(&server.address());
    peer.echo("hello\n");
    let used = server.cpu_during(SECOND);
    assert!(used <= Duration::from_millis(10), "{used:?} of processor time in an idle second");
    peer.echo("still there\n");
    assert!(server.is_running());
}

#[test]
fn every_server_stops_by_every_way_without_clients() {
    for program in Program::ALL {
        for stop in Stop::ALL {
            let mut server = program.start();
            server.stop_by(stop).expect_clean_within(SOON);
            server.expect_manners();
        }
    }
}

#[test]
fn hang_up_stops_too() {
    let terminal = Terminal::open();
    // Under nohup(1), the test ignores SIGHUP, and the server would inherit that.
    let launch = Launch::of("env").args("--default-signal=HUP").arg(Program::Echo.path());
    let mut server = launch.input(Input::Terminal(terminal.slave())).start();
    let asked = Instant::now();
    server.signal(Signal::HUP);
    server.wait_since(asked).expect_clean_within(SOON);
}

#[test]
fn a_hang_up_without_a_terminal_opens_files_again() {
    let inputs = [Input::Null, Input::Pipe, Input::Closed];
    // nohup(1) starts a program with SIGHUP ignored.
    for (input, flag) in inputs.into_iter().zip(["--default-signal=HUP", "--default-signal=HUP", "--ignore-signal=HUP"])
    {
        let launch = Launch::of("env").args(flag).arg(Program::Echo.path()).args("-v");
        let mut server = launch.input(input).start();
        server.signal(Signal::HUP);
        server.stderr.wait_for("SIGHUP: ");
        Peer::connect(&server.address()).echo("served after SIGHUP\n");
        server.stop_by(Stop::Terminate).expect_clean_within(SOON);
    }
}

#[test]
fn the_log_names_the_cause_of_every_stop() {
    let causes = ["a line at standard input", "a line at standard input", "end of input", "SIGTERM", "SIGINT"];
    for (stop, cause) in Stop::ALL.into_iter().zip(causes) {
        let mut server = Program::Echo.start();
        server.stop_by(stop);
        let text = server.stderr.all_text();
        assert!(text.ends_with(&format!(" INFO  stopping: {cause}\n")), "{stop:?}: {text:?}");
        let mut quiet = Program::Echo.launch().args("-q").start();
        quiet.stop_by(stop);
        assert_eq!(quiet.stderr.all_text(), "", "{stop:?}");
    }
    let mut server = Program::Echo.launch().args("--stdin commands").start();
    server.say(" quit \n");
    server.wait();
    let text = server.stderr.all_text();
    assert!(text.ends_with(" INFO  stopping: quit at standard input\n"), "{text:?}");
}

#[test]
fn lines_behind_the_stop_are_not_carried_out() {
    for (mode, lines) in [("commands", "quit\nstats\n"), ("stop", "\n\n")] {
        let mut server = Program::Echo.launch().args(&format!("--stdin {mode}")).start();
        server.say(lines);
        server.wait();
        let text = server.stderr.all_text();
        assert_eq!((text.matches("stopping: ").count(), text.matches("uptime").count()), (1, 0), "{mode}: {text:?}");
    }
}

#[test]
fn the_level_of_the_environment_is_that_of_stops_too() {
    for (level, flags, is_told) in [("error", "-v", false), ("off", "", false), ("warn", "-q", true)] {
        let mut server = Program::Echo.launch().after(&format!("export RUST_LOG={level}")).args(flags).start();
        server.stop_by(Stop::Terminate);
        let text = server.stderr.all_text();
        assert_eq!(text.contains("stopping: SIGTERM"), is_told, "RUST_LOG={level}: {text:?}");
    }
}

#[test]
fn a_listening_socket_is_no_operator() {
    for input in [
        OwnedFd::from(TcpListener::bind("127.0.0.1:0").expect("a free port")),
        OwnedFd::from(UdpSocket::bind("127.0.0.1:0").expect("a free port")),
    ] {
        let mut server = Program::Echo.launch().input(Input::Open(input)).start();
        Peer::connect(&server.address()).echo("served\n");
        server.stop_by(Stop::Terminate).expect_clean_within(SOON);
        let text = server.stderr.all_text();
        assert!(text.contains("standard input is a socket without a peer: no operator"), "{text:?}");
    }
}

#[test]
fn end_of_input_at_a_terminal_stops_every_server() {
    for program in Program::ALL {
        let mut terminal = Terminal::open();
        let mut server = program.launch().input(Input::Terminal(terminal.slave())).start();
        let asked = Instant::now();
        terminal.type_in("\x04");
        server.wait_since(asked).expect_clean_within(SOON);
    }
}

#[test]
fn enter_at_a_terminal_stops_every_server() {
    for program in Program::ALL {
        let mut terminal = Terminal::open();
        let mut server = program.launch().input(Input::Terminal(terminal.slave())).start();
        let asked = Instant::now();
        terminal.type_in("\n");
        server.wait_since(asked).expect_clean_within(SOON);
    }
}

#[test]
fn a_last_line_without_its_newline_stops() {
    let mut server = Program::Echo.start();
    server.say("bye");
    let asked = Instant::now();
    server.hang_up();
    server.wait_since(asked).expect_clean_within(SOON);
}

#[test]
fn a_line_in_a_file_stops() {
    for text in ["stop\n", "\n", "no newline"] {
        let mut server = Program::Echo.launch().input(file_with(text)).start();
        server.wait().expect_clean_within(SOON);
    }
}

#[test]
fn a_line_from_a_socket_stops() {
    let pair = || socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).expect("a pair");
    let (ours, theirs) = pair();
    let mut server = Program::Echo.launch().input(Input::Open(theirs)).start();
    Peer::connect(&server.address()).echo("served");
    let asked = Instant::now();
    File::from(ours).write_all(b"\n").expect("a line fits");
    server.wait_since(asked).expect_clean_within(SOON);

    let (ours, theirs) = pair();
    let mut server = Program::Echo.launch().input(Input::Open(theirs)).start();
    let asked = Instant::now();
    drop(ours);
    server.wait_since(asked).expect_clean_within(SOON);
}

#[test]
fn an_empty_file_is_no_operator() {
    let _alone = alone();
    expect_idle_service(&mut Program::Echo.launch().input(file_with("")).start());
}

#[test]
fn the_null_device_is_no_operator() {
    let _alone = alone();
    expect_idle_service(&mut Program::Echo.launch().input(Input::Null).start());
}

#[test]
fn a_closed_descriptor_is_no_operator() {
    let _alone = alone();
    expect_idle_service(&mut Program::Echo.launch().input(Input::Closed).start());
}

#[test]
fn without_an_operator_a_signal_stops() {
    for input in [Input::Null, Input::Closed, file_with("")] {
        let mut server = Program::Chat.launch().input(input).start();
        server.stop_by(Stop::Terminate).expect_clean_within(SOON);
    }
}

#[test]
fn ignored_input_never_stops() {
    let _alone = alone();
    let mut server = Program::Echo.launch().args("--stdin ignore").start();
    server.say("a line\n\n");
    server.hang_up();
    expect_idle_service(&mut server);
    server.stop_by(Stop::Interrupt).expect_clean_within(SOON);
}

#[test]
fn an_open_pipe_costs_no_time() {
    let _alone = alone();
    let mut server = Program::Echo.start();
    expect_idle_service(&mut server);
    server.stop_by(Stop::EmptyLine).expect_clean_within(SOON);
}

#[test]
fn commands_end_with_quit_and_with_the_input() {
    for program in Program::ALL {
        let mut server = program.launch().args("--stdin commands").start();
        server.say("no such command\n\nhelp\n");
        server.stderr.wait_for("quit");
        assert!(server.is_running(), "only `quit` stops");
        let asked = Instant::now();
        server.say("quit\n");
        server.wait_since(asked).expect_clean_within(SOON);

        let mut server = program.launch().args("--stdin commands").start();
        server.stop_by(Stop::EndOfPipe).expect_clean_within(SOON);
    }
}

#[test]
fn connected_peers_see_an_orderly_end() {
    for program in Program::TALKERS {
        for stop in Stop::ALL {
            let mut server = program.start();
            let mut peer = Peer::connect(&server.address());
            if !matches!(program, Program::Chat | Program::Doctor) {
                peer.send("hi\n");
            }
            peer.expect(program.greeting());
            server.stop_by(stop).expect_clean_within(SOON);
            peer.expect_eof();
        }
    }
}

#[test]
fn no_client_is_accepted_after_the_stop() {
    let mut server = Program::Echo.launch().args("--drain 30s").start();
    let address = server.address();
    let mut owed = Peer::connect_narrow(&address, 4096);
    owed.send_until_refused(b"never read ", 64 << 20);
    server.ask(Stop::Line);
    until("the listening socket to close", || Peer::attempt(&address, |_| Ok(())).is_err());
    assert!(server.is_running(), "a peer is owed bytes");
    owed.rest().expect("no reset");
    drop(owed);
    assert_eq!(server.wait().code, Some(0));
}

#[test]
fn a_second_signal_stops_at_once() {
    for (first, second) in [(Stop::Line, Signal::TERM), (Stop::Terminate, Signal::TERM), (Stop::Interrupt, Signal::INT)]
    {
        let mut server = Program::Echo.launch().args("--drain 30s").start();
        let address = server.address();
        let mut owed = Peer::connect_narrow(&address, 4096);
        owed.send_until_refused(b"never read ", 64 << 20);
        server.ask(first);
        until("the first to be heard", || Peer::attempt(&address, |_| Ok(())).is_err());
        assert!(server.is_running(), "a peer is owed bytes");
        let asked = Instant::now();
        server.signal(second);
        let exit = server.wait_since(asked);
        assert!(exit.took < SECOND, "{first:?}, {second:?}: {exit:?}");
        assert_eq!(exit.code, Some(0), "{first:?}, {second:?}");
    }
}

#[test]
fn a_peer_that_never_reads_holds_the_stop_up_for_the_drain_time() {
    let mut server = Program::Echo.launch().args("--drain 700ms").start();
    let mut owed = Peer::connect_narrow(&server.address(), 4096);
    owed.send_until_refused(b"never read ", 64 << 20);
    let exit = server.stop_by(Stop::Line);
    assert_eq!(exit.code, Some(0));
    assert!(exit.took >= Duration::from_millis(700), "{exit:?}");
    assert!(exit.took < Duration::from_secs(3), "{exit:?}");
    let text = server.stderr.all_text();
    assert!(text.contains("byte"), "the log says what was left: {text:?}");
}
