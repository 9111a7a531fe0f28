//! Real programs as peers: what only a kernel shows of pipes, process groups and exits.

use std::io::{ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use switchboard::{Closed, Context, Handler, Limits, Origin, Peer, Reactor, Spawn, StdinMode, TimerId, Token, Via};

const MS: Duration = Duration::from_millis(1);

/// SIGPIPE in a set of signals (proc(5)).
const SIGPIPE: u64 = 1 << 12;

/// Time for what a program does at once. Long, because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// Keeps the output of its children, and what else is known of them.
#[derive(Default)]
struct Keeper {
    /// Sent to each child, followed by the end of its input.
    input: Vec<u8>,
    /// Whether the output of a child is not read until its exit.
    is_held: bool,
    /// Whether the connection stays open after the end of the output.
    stays: bool,
    tokens: Vec<Token>,
    output: Vec<u8>,
    statuses: Vec<ExitStatus>,
    ended: usize,
    closed: Vec<String>,
}

impl Handler for Keeper {
    type Session = ();

    fn open(&mut self, origin: &Origin, cx: &mut Context<'_>) {
        assert_eq!(origin.via, Via::Spawn);
        assert!(matches!(origin.peer, Peer::Child(pid) if Path::new(&format!("/proc/{pid}")).exists()));
        self.tokens.push(origin.token);
        if self.is_held {
            cx.hold_input();
        }
        cx.reply(&self.input);
        cx.shut_down();
    }

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], _: &mut Context<'a>) -> usize {
        self.output.extend_from_slice(input);
        input.len()
    }

    fn eof(&mut self, (): &mut (), cx: &mut Context<'_>) {
        self.ended += 1;
        if !self.stays {
            cx.close();
        }
    }

    fn exited(&mut self, (): &mut (), status: ExitStatus, cx: &mut Context<'_>) {
        self.statuses.push(status);
        cx.release_input();
    }

    fn closed(&mut self, (): (), cause: &Closed, _: &mut Context<'_>) {
        self.closed.push(cause.to_string());
    }

    fn service_timer(&mut self, _: TimerId, cx: &mut Context<'_>) {
        cx.set_timer(10 * MS);
    }
}

/// A program of the shell.
fn shell(script: &str) -> Spawn {
    let mut spawn = Spawn::new("sh");
    spawn.args = vec!["-c".into(), script.into()];
    spawn
}

fn start(keeper: Keeper, spawn: &Spawn) -> Reactor<Keeper> {
    let mut limits = Limits::default();
    limits.drain = 200 * MS;
    let mut reactor = Reactor::new(keeper, limits).expect("a poll");
    reactor.with_context(|_, cx| {
        // So that no wait for a condition takes longer.
        cx.set_timer(10 * MS);
        cx.spawn(spawn).expect("a program of every system");
    });
    reactor
}

/// Takes turns until the condition holds.
#[track_caller]
fn wait(reactor: &mut Reactor<Keeper>, mut is_met: impl FnMut(&Keeper, usize) -> bool) {
    let start = Instant::now();
    loop {
        reactor.turn().expect("the poll works");
        let mut children = 0;
        reactor.with_context(|_, cx| children = cx.stats().children);
        if is_met(reactor.handler_mut(), children) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{children} children, {:?}", reactor.handler_mut().closed);
    }
}

/// Runs a program to its end and returns its output.
#[track_caller]
fn output_of(keeper: Keeper, spawn: &Spawn) -> (Vec<u8>, Option<i32>) {
    let mut reactor = start(Keeper { stays: true, ..keeper }, spawn);
    wait(&mut reactor, |keeper, _| keeper.ended == 1 && keeper.statuses.len() == 1);
    let keeper = reactor.handler_mut();
    (std::mem::take(&mut keeper.output), keeper.statuses[0].code())
}

/// Whether a process exists that has not exited.
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// The numbers in the output.
fn numbers(output: &[u8]) -> Vec<u32> {
    String::from_utf8_lossy(output).split_whitespace().map(|word| word.parse().expect("a number")).collect()
}

#[test]
fn what_goes_in_comes_out_and_nothing_is_left() {
    let input: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
    let mut reactor = start(Keeper { input: input.clone(), ..Keeper::default() }, &Spawn::new("cat"));
    wait(&mut reactor, |keeper, children| keeper.ended == 1 && children == 0);
    assert!(reactor.handler_mut().output == input);
    assert_eq!(reactor.handler_mut().closed, ["done"]);
}

#[test]
fn the_exit_status_is_that_of_the_program() {
    assert_eq!(output_of(Keeper::default(), &shell("echo out; exit 3")), (b"out\n".to_vec(), Some(3)));
    assert_eq!(output_of(Keeper::default(), &shell("kill -TERM $$")), (Vec::new(), None));
}

#[test]
fn a_program_that_stops_reading_does_not_fail_its_connection() {
    let keeper = Keeper { input: vec![b'x'; 5_000_000], ..Keeper::default() };
    assert_eq!(output_of(keeper, &shell("head -c 2; exec 0<&-; sleep 0.1; echo end")), (b"xxend\n".to_vec(), Some(0)));
}

#[test]
fn a_program_reads_a_file_from_its_position() {
    let file = Arc::new(tempfile::tempfile().expect("a file"));
    file.write_all_at(b"skipped, then read\n", 0).expect("space");
    (&*file).seek(SeekFrom::Start(9)).expect("a file has a position");
    let mut spawn = shell("read -r line; echo \"$line\"; cat");
    spawn.stdin = StdinMode::File(Arc::clone(&file));
    let keeper = Keeper { input: b"dropped".to_vec(), ..Keeper::default() };
    assert_eq!(output_of(keeper, &spawn), (b"then read\n".to_vec(), Some(0)));
    assert_eq!((&*file).stream_position().expect("a file has a position"), 19, "it is shared with the program");
}

#[test]
fn output_of_an_exited_program_waits_while_the_input_is_held() {
    let keeper = Keeper { is_held: true, ..Keeper::default() };
    assert_eq!(output_of(keeper, &shell("echo kept")), (b"kept\n".to_vec(), Some(0)));
}

#[test]
fn a_program_gets_its_environment_directory_and_name_only() {
    let mut spawn = shell("pwd; env | sort; cat; echo $0");
    spawn.args.push("name".into());
    spawn.env = vec![("PATH".into(), "/usr/bin:/bin".into()), ("REMOTE_PORT".into(), "1".into())];
    spawn.dir = Some("/".into());
    spawn.stdin = StdinMode::Null;
    let (output, status) = output_of(Keeper { input: b"dropped".to_vec(), ..Keeper::default() }, &spawn);
    let text = String::from_utf8(output).expect("text");
    // The shell itself adds these.
    let is_added = |line: &&str| ["PWD=", "OLDPWD=", "SHLVL=", "_="].iter().any(|name| line.starts_with(name));
    let lines: Vec<&str> = text.lines().filter(|line| !is_added(line)).collect();
    assert_eq!((lines, status), (vec!["/", "PATH=/usr/bin:/bin", "REMOTE_PORT=1", "name"], Some(0)));
}

/// The descriptors of this process that a program inherits (proc(5)), without the standard ones.
fn inheritable() -> Vec<u32> {
    const O_CLOEXEC: u32 = 0o2_000_000;
    let entries = std::fs::read_dir("/proc/self/fdinfo").expect("proc(5)").flatten();
    let flags =
        |info: &str| info.lines().find_map(|line| u32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok());
    let is_inherited = |path: &Path| {
        std::fs::read_to_string(path).is_ok_and(|info| flags(&info).is_some_and(|flags| flags & O_CLOEXEC == 0))
    };
    let number = |path: &Path| path.file_name()?.to_str()?.parse().ok();
    let paths = entries.map(|entry| entry.path()).filter(|path| is_inherited(path));
    paths.filter_map(|path| number(&path)).filter(|&number| number > 2).collect()
}

#[test]
fn no_descriptor_of_the_server_reaches_a_program() {
    let foreign = inheritable();
    let mut reactor = Reactor::new(Keeper { stays: true, ..Keeper::default() }, Limits::default()).expect("a poll");
    let directory = tempfile::tempdir().expect("a directory");
    let path = format!("unix:{}", directory.path().join("socket").display());
    for address in ["127.0.0.1:0", "udp:127.0.0.1:0", &path] {
        reactor.bind(address).expect("free");
    }
    reactor.open_control(&directory.path().join("control")).expect("free");
    reactor.handle_signals().expect("signals");
    reactor.with_context(|_, cx| {
        cx.set_timer(10 * MS);
        for _ in 0..3 {
            cx.spawn(&shell("exec ls /proc/self/fd")).expect("a program of every system");
        }
    });
    wait(&mut reactor, |keeper, _| keeper.ended == 3 && keeper.statuses.len() == 3);
    let mut seen = numbers(&reactor.handler_mut().output);
    seen.retain(|number| !foreign.contains(number));
    seen.sort_unstable();
    // The last one is the directory that the program itself has opened.
    assert_eq!(seen, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
}

#[test]
fn a_program_blocks_and_ignores_no_signal() {
    let mut reactor = Reactor::new(Keeper { stays: true, ..Keeper::default() }, Limits::default()).expect("a poll");
    // Blocks SIGTTIN and SIGTTOU.
    reactor.handle_signals().expect("signals");
    let mut spawn = Spawn::new("grep");
    spawn.args = vec!["-E".into(), "Sig(Blk|Ign)".into(), "/proc/self/status".into()];
    reactor.with_context(|_, cx| {
        cx.set_timer(10 * MS);
        cx.spawn(&spawn).expect("a program of every system");
    });
    wait(&mut reactor, |keeper, _| keeper.ended == 1);
    let text = String::from_utf8(std::mem::take(&mut reactor.handler_mut().output)).expect("text");
    let sets: Vec<u64> = text.lines().map(|line| u64::from_str_radix(line[7..].trim(), 16).expect("a set")).collect();
    assert_eq!((sets[0], sets[1] & SIGPIPE), (0, 0), "{text}");
    let own = std::fs::read_to_string("/proc/thread-self/status").expect("proc(5)");
    assert!(own.contains("SigBlk:\t0000000000300000"), "this thread blocks them again: {own}");
}

#[test]
fn an_abort_ends_the_whole_process_group() {
    let spawn = shell("sleep 1000 & echo $$ $!; wait");
    let mut reactor = start(Keeper::default(), &spawn);
    wait(&mut reactor, |keeper, _| keeper.output.ends_with(b"\n"));
    let pids = numbers(&reactor.handler_mut().output);
    assert!(pids.iter().all(|&pid| is_alive(pid)));
    reactor.with_context(|keeper, cx| cx.abort_other(keeper.tokens[0]));
    wait(&mut reactor, |_, children| children == 0);
    wait(&mut reactor, |_, _| !pids.iter().any(|&pid| is_alive(pid)));
}

#[test]
fn a_program_that_ignores_sigterm_is_killed_after_its_grace() {
    let mut spawn = shell("trap '' TERM; echo $$; while :; do sleep 0.05; done");
    spawn.grace = 300 * MS;
    let mut reactor = start(Keeper::default(), &spawn);
    wait(&mut reactor, |keeper, _| keeper.output.ends_with(b"\n"));
    let pid = numbers(&reactor.handler_mut().output)[0];
    let start = Instant::now();
    reactor.with_context(|keeper, cx| cx.abort_other(keeper.tokens[0]));
    wait(&mut reactor, |_, children| children == 0);
    assert!(start.elapsed() >= spawn.grace, "{:?}", start.elapsed());
    assert!(!is_alive(pid));
}

#[test]
fn a_stopped_program_ends_at_sigterm() {
    let mut spawn = shell("echo $$; kill -STOP $$");
    // Longer than the test waits: it is not killed.
    spawn.grace = 2 * PATIENCE;
    let mut reactor = start(Keeper::default(), &spawn);
    wait(&mut reactor, |keeper, _| keeper.output.ends_with(b"\n"));
    let pid = numbers(&reactor.handler_mut().output)[0];
    wait(&mut reactor, |_, _| {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") T "))
    });
    reactor.with_context(|keeper, cx| cx.abort_other(keeper.tokens[0]));
    wait(&mut reactor, |_, children| children == 0);
}

#[test]
fn a_process_that_left_the_group_does_not_hold_up_the_server() {
    let mut spawn = shell("setsid sleep 5 & exit 0");
    spawn.grace = 50 * MS;
    let mut reactor = start(Keeper::default(), &spawn);
    wait(&mut reactor, |keeper, _| keeper.statuses.len() == 1);
    let start = Instant::now();
    reactor.with_context(|_, cx| cx.stop());
    reactor.run().expect("the poll works");
    assert!(start.elapsed() >= 250 * MS, "the time of draining, and the grace");
}

#[test]
fn much_standard_error_neither_stalls_the_program_nor_the_loop() {
    let script = "yes 'a line for the log' | head -c 3000000 >&2; echo done";
    assert_eq!(output_of(Keeper::default(), &shell(script)), (b"done\n".to_vec(), Some(0)));
}

#[test]
fn endless_output_ends_with_the_connection() {
    let mut reactor = start(Keeper::default(), &Spawn::new("yes"));
    wait(&mut reactor, |keeper, _| keeper.output.len() > 1_000_000);
    reactor.with_context(|keeper, cx| cx.close_other(keeper.tokens[0]));
    wait(&mut reactor, |_, children| children == 0);
    assert_eq!(reactor.handler_mut().closed, ["done"]);
}

#[test]
fn a_dropped_reactor_leaves_no_child() {
    let mut reactor = start(Keeper::default(), &shell("trap '' TERM; echo $$; while :; do sleep 0.05; done"));
    wait(&mut reactor, |keeper, _| keeper.output.ends_with(b"\n"));
    let pid = numbers(&reactor.handler_mut().output)[0];
    drop(reactor);
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "it is reaped");
}

#[test]
fn a_program_that_cannot_run_is_a_clear_error() {
    use ErrorKind::{NotFound, PermissionDenied};
    let mut reactor = Reactor::new(Keeper::default(), Limits::default()).expect("a poll");
    let mut nowhere = shell("true");
    nowhere.dir = Some("/no/such/directory".into());
    let mut errors = Vec::new();
    for spawn in [Spawn::new("no-such-program"), Spawn::new("/etc/passwd"), Spawn::new("/"), nowhere] {
        reactor.with_context(|_, cx| errors.push(cx.spawn(&spawn).expect_err("no program")));
    }
    let kinds: Vec<ErrorKind> = errors.iter().map(std::io::Error::kind).collect();
    assert_eq!(kinds, [NotFound, PermissionDenied, PermissionDenied, NotFound], "as execve(2) says");
    assert!(errors[0].to_string().starts_with("cannot run no-such-program: No such file"), "{}", errors[0]);
    let mut children = 0;
    reactor.with_context(|_, cx| children = cx.stats().children);
    assert_eq!(children, 0);
}
