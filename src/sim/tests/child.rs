//! Children: their input and output, their exits, their ends by signals, and their limits.

use std::io::ErrorKind;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::connection::origin::Via;
use crate::connection::spawn::{Spawn, StdinMode};
use crate::framing::{Lines, MessageHandler};
use crate::handler::services::Services;

const TERM: i32 = 15;
const KILL: i32 = 9;

type Act = fn(&mut Notes, usize, Call<'_>, &mut Context<'_>);

/// Session 0 starts a child, which is session 1, for each input `!`, and passes on any other input to the last child.
/// Output of children is not used. The end of any input closes its connection.
fn starter() -> Sim<Scene<Act>> {
    starter_with(Limits::default())
}

fn starter_with(limits: Limits) -> Sim<Scene<Act>> {
    let act: Act = |notes, who, call, cx| match call {
        Call::Data(b"!") if who == 0 => match cx.spawn(&Spawn::new("program")) {
            Ok(_) => notes.calls.push("started".to_owned()),
            Err(error) => notes.calls.push(format!("{:?}: {error}", error.kind())),
        },
        Call::Data(input) if who == 0 => cx.send(*notes.tokens.last().expect("a child"), input),
        _ => {}
    };
    Sim::with_limits(scene(act), limits)
}

/// Makes the first client start a child.
fn start<H: Handler>(sim: &mut Sim<H>) -> (SimPeer, SimPeer) {
    let client = sim.connect();
    sim.send(client, b"!");
    (client, sim.spawned().pop().expect("a child").0)
}

/// Closes the connection of the child, which is session 1.
fn close(sim: &mut Sim<Scene<Act>>) {
    sim.run();
    sim.with_context(|handler, cx| cx.close_other(handler.notes.tokens[1]));
    sim.run();
}

/// Aborts the connection of the child.
fn abort(sim: &mut Sim<Scene<Act>>) {
    sim.run();
    sim.with_context(|handler, cx| cx.abort_other(handler.notes.tokens[1]));
    sim.run();
}

#[test]
fn the_session_of_a_child_opens_after_the_callback() {
    let mut sim = starter();
    let (client, child) = start(&mut sim);
    assert_eq!(sim.calls(), ["0 open", "0 data 1", "started", "1 open"]);
    sim.send(client, b"to the child");
    sim.send(child, b"to the server");
    assert_eq!(sim.received(child), b"to the child");
    assert_eq!(sim.calls(), ["0 data 12", "1 data 13"]);
}

#[test]
fn exit_and_end_of_output_are_reported_once_in_either_order() {
    let mut sim = starter();
    let (_, child) = start(&mut sim);
    sim.calls();
    sim.exit(child, 3);
    assert_eq!(sim.calls(), ["1 exited: exit status: 3"]);
    sim.exit(child, 4);
    sim.send(child, b"late");
    sim.shut_down(child);
    assert_eq!(sim.calls(), ["1 data 4", "1 eof", "1 closed: done"]);
    assert_eq!((sim.stats().children, sim.signals(child)), (0, Vec::new()));

    let mut sim = starter();
    let (_, child) = start(&mut sim);
    sim.calls();
    sim.shut_down(child);
    assert_eq!(sim.calls(), ["1 eof", "1 closed: done"]);
    assert_eq!((sim.ending(child), sim.stats().children), (Some(Ending::Eof), 1));
    sim.exit(child, 0);
    assert!(sim.calls().is_empty(), "the session is over");
    assert_eq!((sim.stats().children, sim.signals(child)), (0, Vec::new()));
}

#[test]
fn a_child_that_reads_no_more_is_still_read() {
    let mut sim = starter();
    let (client, child) = start(&mut sim);
    sim.close_input(child);
    sim.send(client, &vec![b'x'; 100_000]);
    sim.send(child, b"output");
    assert!(sim.calls().contains(&"1 data 6".to_owned()));
    assert_eq!((sim.received(child), sim.stats().queued), (Vec::new(), 0));
}

#[test]
fn output_for_a_child_without_a_pipe_is_dropped() {
    let mut sim = Sim::new(scene(|_, _, call, cx| {
        if let Call::Open = call {
            cx.reply(b"dropped");
        }
    }));
    let file = Arc::new(tempfile::tempfile().expect("a file"));
    for (number, stdin) in [StdinMode::Null, StdinMode::File(file)].into_iter().enumerate() {
        let mut spawn = Spawn::new("program");
        spawn.stdin = stdin;
        sim.with_context(|_, cx| _ = cx.spawn(&spawn).expect("a child"));
        let (child, request) = sim.spawned().pop().expect("a child");
        assert_eq!((sim.received(child), request), (Vec::new(), spawn));
        sim.send(child, b"output");
        assert_eq!(sim.calls(), [format!("{number} open"), format!("{number} data 6")]);
    }
}

#[test]
fn abort_sends_sigterm_at_once_and_sigkill_after_the_grace() {
    let mut sim = starter();
    let (_, child) = start(&mut sim);
    abort(&mut sim);
    assert_eq!((sim.signals(child), sim.ending(child)), (vec![TERM], Some(Ending::Reset)));
    sim.advance(4999 * MS);
    assert_eq!((sim.signals(child), sim.stats().children), (Vec::new(), 1));
    sim.advance(MS);
    assert_eq!((sim.signals(child), sim.stats().children, sim.timers()), (vec![KILL], 0, 0));
}

#[test]
fn close_gives_the_end_of_input_and_then_waits_for_the_exit() {
    let mut sim = starter();
    let (client, child) = start(&mut sim);
    sim.stall(child);
    sim.send(client, b"last words");
    close(&mut sim);
    sim.advance(10 * SECOND);
    assert_eq!((sim.ending(child), sim.signals(child)), (None, Vec::new()), "its input is not sent yet");
    sim.resume(child);
    assert_eq!((sim.received(child), sim.ending(child)), (b"last words".to_vec(), Some(Ending::Eof)));
    sim.advance(999 * MS);
    assert!(sim.signals(child).is_empty(), "it has the time of lingering");
    sim.advance(MS);
    assert_eq!(sim.signals(child), [TERM]);
    sim.advance(5 * SECOND);
    assert_eq!((sim.signals(child), sim.stats().children), (vec![KILL], 0));
}

#[test]
fn a_child_that_exits_after_its_input_receives_no_signal() {
    let mut sim = starter();
    let (_, child) = start(&mut sim);
    close(&mut sim);
    sim.exit(child, 0);
    assert_eq!(sim.stats().children, 1, "its output goes on");
    sim.shut_down(child);
    assert_eq!((sim.stats().children, sim.stats().connections, sim.timers()), (0, 1, 0));
    sim.advance(60 * SECOND);
    assert!(sim.signals(child).is_empty());
}

#[test]
fn processes_that_keep_the_output_of_an_exited_child_end() {
    let mut sim = starter();
    let (_, child) = start(&mut sim);
    sim.exit(child, 0);
    close(&mut sim);
    sim.advance(SECOND);
    assert_eq!(sim.signals(child), [TERM]);
    sim.advance(5 * SECOND);
    assert_eq!((sim.signals(child), sim.stats().children), (vec![KILL], 0));
}

#[test]
fn starts_of_a_turn_and_children_are_limited() {
    let mut sim = Sim::with_limits(
        scene(|notes, _, call, cx| {
            if let Call::Alarm = call {
                for _ in 0..3 {
                    let started = cx.spawn(&Spawn::new("program"));
                    notes.calls.push(started.map_or_else(|error| format!("{:?}", error.kind()), |_| "ok".to_owned()));
                }
            }
        }),
        Limits { turn_spawns: 2, max_children: Some(3), max_connections: Some(1), ..Limits::default() },
    );
    let client = sim.connect();
    for want in [["ok", "ok", "ResourceBusy"], ["ok", "QuotaExceeded", "QuotaExceeded"]] {
        sim.calls();
        sim.with_context(|_, cx| _ = cx.set_timer(Duration::ZERO));
        let calls = sim.calls();
        assert_eq!(calls[1..4], want, "{calls:?}");
    }
    let stats = sim.stats();
    assert_eq!((stats.connections, stats.children, stats.spawned), (1, 3, 3));
    let children = sim.spawned();
    sim.reset(client);
    assert!(sim.calls().iter().any(|call| call.starts_with("0 closed")));
    sim.connect();
    assert_eq!(sim.stats().refused, 0, "children are no clients");
    for (child, _) in children {
        sim.exit(child, 0);
        sim.shut_down(child);
    }
    assert_eq!(sim.stats().children, 0);
}

#[test]
fn a_failed_start_is_an_error_of_the_call() {
    let mut sim = starter();
    sim.fail_spawns(Some(ErrorKind::NotFound));
    let client = sim.connect();
    sim.send(client, b"!");
    assert_eq!(sim.calls()[2], "NotFound: entity not found");
    assert!(sim.spawned().is_empty());
    sim.fail_spawns(None);
    sim.send(client, b"!");
    assert_eq!((sim.spawned().len(), sim.stats().spawned), (1, 1));
}

#[test]
fn a_child_that_computes_is_neither_idle_nor_stalled() {
    let limits = Limits { idle_timeout: Some(SECOND), ..Limits::default() };
    let mut sim = starter_with(limits);
    let (client, child) = start(&mut sim);
    sim.stall(child);
    sim.send(client, b"input");
    sim.advance(60 * SECOND);
    assert_eq!((sim.ending(client), sim.ending(child)), (Some(Ending::Eof), None));
    sim.resume(child);
    assert_eq!(sim.received(child), b"input");
}

#[test]
fn a_stop_waits_for_children_and_then_ends_them() {
    let mut sim = starter();
    let (_, child) = start(&mut sim);
    sim.stop();
    assert_eq!((sim.ending(child), sim.is_stopped()), (Some(Ending::Eof), false));
    sim.advance(4999 * MS);
    assert!(sim.signals(child).is_empty(), "it has the time of draining");
    sim.advance(MS);
    assert_eq!((sim.signals(child), sim.is_stopped()), (vec![TERM], false));
    sim.advance(5 * SECOND);
    assert_eq!((sim.signals(child), sim.is_stopped()), (vec![KILL], true));
}

#[test]
fn a_stop_ends_when_the_children_have_exited() {
    let mut sim = starter();
    let (_, child) = start(&mut sim);
    sim.stop();
    sim.run();
    sim.shut_down(child);
    assert!(!sim.is_stopped(), "it still runs");
    sim.exit(child, 0);
    assert!(sim.is_stopped());
    assert!(sim.signals(child).is_empty());
}

#[test]
fn a_second_request_to_stop_waits_for_no_child() {
    let mut sim = starter();
    start(&mut sim);
    sim.stop();
    sim.run();
    sim.stop();
    assert!(sim.is_stopped());
}

#[test]
fn no_child_starts_while_the_server_stops() {
    let mut sim = starter();
    let (_, child) = start(&mut sim);
    sim.stop();
    sim.run();
    let mut refused = None;
    sim.with_context(|_, cx| refused = cx.spawn(&Spawn::new("program")).err());
    assert_eq!(refused.map(|error| error.to_string()), Some("the server is stopping".to_owned()));
    sim.exit(child, 0);
}

#[test]
fn a_child_is_listed_and_kicked_like_a_client() {
    let mut sim = starter();
    let (_, child) = start(&mut sim);
    let listing = sim.control(b"who child");
    assert!(listing.contains("child 1001"), "{listing}");
    let number = listing.split_whitespace().find_map(|word| word.parse::<u32>().ok()).expect("a number");
    sim.control(format!("kick {number}").as_bytes());
    assert_eq!(sim.ending(child), Some(Ending::Eof));
    assert_eq!(sim.calls().last().map(String::as_str), Some("1 closed: by the operator"));
}

/// Starts a program for each client, and shows its lines and its exit.
struct Shown;

impl MessageHandler for Shown {
    type Session = ();

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) {
        if origin.via != Via::Spawn {
            cx.spawn(&Spawn::new("program")).expect("a child");
        }
    }

    fn message<'a>(&mut self, (): &mut (), line: &'a mut [u8], cx: &mut Context<'a>) {
        cx.write_stderr(&String::from_utf8_lossy(line));
    }

    fn exited(&mut self, (): &mut (), status: ExitStatus, cx: &mut Context<'_>) {
        cx.write_stderr(&status.to_string());
    }
}

#[test]
fn a_child_has_the_framing_and_the_handler_of_its_service() {
    let mut services = Services::new();
    services.add(ServiceId::DEFAULT, "shown", Lines::new(Shown, 80));
    let mut sim = Sim::new(services);
    sim.connect();
    let (child, _) = sim.spawned().pop().expect("a child");
    sim.send(child, b"one\ntw");
    sim.run();
    sim.send(child, b"o\n");
    sim.exit(child, 7);
    assert_eq!(sim.stderr(), "one\ntwo\nexit status: 7\n");
}

/// What a child or the server does next.
#[derive(Clone, Debug)]
enum Step {
    Output(Vec<u8>),
    EndOutput,
    CloseInput,
    Exit(u8),
    Stall,
    Read(usize),
    Input(Vec<u8>),
    Close,
    Abort,
    Wait(u64),
    Stop,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 1..5000);
    let step = prop_oneof![
        bytes().prop_map(Step::Output),
        Just(Step::EndOutput),
        Just(Step::CloseInput),
        any::<u8>().prop_map(Step::Exit),
        Just(Step::Stall),
        (1_usize..5000).prop_map(Step::Read),
        bytes().prop_map(Step::Input),
        Just(Step::Close),
        Just(Step::Abort),
        (0_u64..8000).prop_map(Step::Wait),
        Just(Step::Stop),
    ];
    proptest::collection::vec(step, 0..20)
}

#[test]
fn a_file_is_the_input_of_a_child_until_that_is_closed() {
    for is_closed in [false, true] {
        let (file, content) = files::file_of(100_000);
        let mut sim = Sim::new(scene(move |_, who, call, cx| match call {
            Call::Data(_) if who == 0 => _ = cx.spawn(&Spawn::new("program")).expect("a simulated child"),
            Call::Data(_) if who == 1 => {
                cx.reply_file(file.clone(), 0..100_000).expect("an open connection");
                cx.shut_down();
            }
            _ => {}
        }));
        let (_, child) = start(&mut sim);
        sim.stall(child);
        sim.send(child, b"ready");
        sim.allow(child, 1000);
        let mut received = sim.received(child);
        assert_eq!(received.len(), 1000);
        if is_closed {
            sim.close_input(child);
        }
        sim.resume(child);
        received.extend(sim.received(child));
        assert!(received == content[..if is_closed { 1000 } else { 100_000 }], "{}", received.len());
        sim.exit(child, 0);
        sim.shut_down(child);
        assert_eq!((sim.stats().children, sim.handler_mut().notes.closings(1)), (0, 1));
    }
}

proptest! {
    /// However a child, its connection and the server end: the exit is reported at most once and only to an open
    /// session, the session closes once, and the child is reaped after its grace at the latest.
    #[test]
    fn every_child_is_reaped_however_it_ends(steps in steps()) {
        let mut sim = starter();
        let (client, child) = start(&mut sim);
        let (mut output, mut has_ended) = (0, false);
        for step in steps {
            match step {
                Step::Output(bytes) if !has_ended => {
                    output += bytes.len();
                    sim.send(child, &bytes);
                }
                Step::EndOutput => {
                    has_ended = true;
                    sim.shut_down(child);
                }
                Step::Output(_) => {}
                Step::CloseInput => sim.close_input(child),
                Step::Exit(code) => sim.exit(child, code),
                Step::Stall => sim.stall(child),
                Step::Read(count) => sim.allow(child, count),
                Step::Input(bytes) => sim.send(client, &bytes),
                Step::Close => close(&mut sim),
                Step::Abort => abort(&mut sim),
                Step::Wait(millis) => sim.advance(Duration::from_millis(millis)),
                Step::Stop => sim.stop(),
            }
        }
        sim.run();
        close(&mut sim);
        sim.resume(child);
        sim.advance(SECOND);
        sim.advance(60 * SECOND);
        let calls = sim.calls();
        let count = |start: &str| calls.iter().filter(|call| call.starts_with(start)).count();
        prop_assert_eq!((sim.stats().children, count("1 closed")), (0, 1), "{:?}", &calls);
        prop_assert!(count("1 exited") <= 1 && count("1 eof") <= 1, "{:?}", &calls);
        let received: usize =
            calls.iter().filter_map(|call| call.strip_prefix("1 data ")?.parse::<usize>().ok()).sum();
        prop_assert!(received <= output);
        let last = calls.iter().rposition(|call| call.starts_with("1 "));
        prop_assert!(last.is_some_and(|last| calls[last].starts_with("1 closed")), "{:?}", &calls);
    }
}
