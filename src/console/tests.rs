use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use mio::{Events, Poll};
use proptest::prelude::*;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};

use super::*;

const MAX_LINE: usize = 100;

/// An owned [`Input`].
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Line(String),
    TooLong,
    End,
    HangUp,
}

fn line(text: &str) -> Seen {
    Seen::Line(text.to_owned())
}

fn see(input: Input<'_>) -> Seen {
    match input {
        Input::Line(bytes) => line(std::str::from_utf8(bytes).unwrap()),
        Input::TooLong => Seen::TooLong,
        Input::End => Seen::End,
        Input::HangUp => Seen::HangUp,
    }
}

/// A loop whose only source is a console.
struct Loop {
    poll: Poll,
    console: Console,
}

impl Loop {
    fn new(fd: &impl AsFd) -> Self {
        let poll = Poll::new().unwrap();
        let console = open(fd, &poll).expect("an operator");
        Self { poll, console }
    }

    /// A loop for a descriptor that cannot be reopened.
    fn polled(fd: &impl AsFd) -> Self {
        let poll = Poll::new().unwrap();
        let kind = Kind::of(fd.as_fd()).unwrap();
        let mut descriptor = Descriptor::polled(fd.as_fd());
        descriptor.register(poll.registry(), Token(3), Interest::READABLE).unwrap();
        Self { poll, console: Console::new(descriptor, kind, MAX_LINE) }
    }

    /// Runs one turn. Returns all inputs of it.
    fn turn(&mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        while let Some(input) = self.console.next_input() {
            seen.push(see(input));
        }
        seen
    }

    /// Waits for an event, then wakes the console.
    fn wait(&mut self) {
        let mut events = Events::with_capacity(4);
        self.poll.poll(&mut events, Some(Duration::from_secs(5))).unwrap();
        assert!(!events.is_empty(), "no event within 5 s");
        self.console.wake();
    }

    /// Runs turns until `count` inputs have arrived. Fails if more have.
    fn expect(&mut self, count: usize) -> Vec<Seen> {
        let mut seen = Vec::new();
        loop {
            if self.console.is_ready() {
                seen.extend(self.turn());
            }
            if seen.len() >= count {
                assert_eq!(seen.len(), count, "{seen:?}");
                return seen;
            }
            if !self.console.is_ready() {
                self.wait();
            }
        }
    }

    fn until_end(&mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        while !matches!(seen.last(), Some(Seen::End | Seen::HangUp)) {
            seen.extend(self.expect_some());
        }
        assert!(!self.console.is_ready());
        self.console.wake();
        assert_eq!(self.turn(), [], "something after the end");
        assert!(!self.console.is_ready());
        seen
    }

    fn expect_some(&mut self) -> Vec<Seen> {
        if !self.console.is_ready() {
            self.wait();
        }
        self.turn()
    }
}

fn open(fd: &impl AsFd, poll: &Poll) -> Option<Console> {
    Console::from_fd(fd.as_fd(), poll.registry(), Token(3), MAX_LINE).unwrap()
}

fn pipe() -> (OwnedFd, File) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    (reader, File::from(writer))
}

fn file(content: &str) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file.rewind().unwrap();
    file
}

fn pty() -> (File, OwnedFd) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).unwrap();
    unlockpt(&master).unwrap();
    let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
    (File::from(master), slave)
}

fn is_blocking(fd: &impl AsFd) -> bool {
    !fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
}

/// Runs `test` with a pipe that was reopened, and with one that is polled.
fn both(test: impl Fn(Loop, File)) {
    let (reader, writer) = pipe();
    test(Loop::new(&reader), writer);
    let (reader, writer) = pipe();
    test(Loop::polled(&reader), writer);
}

#[test]
fn fifty_lines_at_once_all_come() {
    both(|mut operator, mut writer| {
        let lines: Vec<_> = (0..50).map(|number| format!("line {number}")).collect();
        writer.write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
        let expected: Vec<_> = lines.iter().map(|text| line(text)).collect();
        assert_eq!(operator.expect(50), expected);
    });
}

#[test]
fn half_a_command_waits_for_the_other_half() {
    both(|mut operator, mut writer| {
        writer.write_all(b"sta").unwrap();
        assert_eq!(operator.turn(), []);
        assert!(!operator.console.is_ready());
        writer.write_all(b"ts\nqu").unwrap();
        assert_eq!(operator.expect(1), [line("stats")]);
        writer.write_all(b"it\r").unwrap();
        assert_eq!(operator.turn(), []);
        writer.write_all(b"\n\n").unwrap();
        assert_eq!(operator.expect(2), [line("quit"), line("")]);
    });
}

#[test]
fn a_closed_pipe_is_the_end_after_its_last_line() {
    both(|mut operator, mut writer| {
        writer.write_all(b"one\ntwo").unwrap();
        drop(writer);
        assert_eq!(operator.until_end(), [line("one"), line("two"), Seen::End]);
    });
}

#[test]
fn a_pipe_that_closes_while_we_wait_is_the_end() {
    both(|mut operator, writer| {
        assert_eq!(operator.turn(), []);
        drop(writer);
        assert_eq!(operator.until_end(), [Seen::End]);
    });
}

#[test]
fn a_megabyte_without_newline_is_one_notice_and_little_memory() {
    both(|mut operator, mut writer| {
        let feeder = std::thread::spawn(move || {
            writer.write_all(&vec![b'x'; 1 << 20]).unwrap();
            writer.write_all(b"\nafter\n").unwrap();
        });
        assert_eq!(operator.until_end(), [Seen::TooLong, line("after"), Seen::End]);
        feeder.join().unwrap();
        let bound = 2 * (MAX_LINE + 1 + CHUNK);
        assert!(operator.console.lines.bytes.capacity() <= bound);
    });
}

#[test]
fn after_its_budget_a_turn_needs_no_event_to_continue() {
    let (reader, mut writer) = pipe();
    rustix::pipe::fcntl_setpipe_size(&reader, 2 * BUDGET).unwrap();
    writer.write_all(&b"123\n".repeat(BUDGET / 4 + 1)).unwrap();
    let mut operator = Loop::new(&reader);
    assert_eq!(operator.turn().len(), BUDGET / 4);
    assert!(operator.console.is_ready());
    assert_eq!(operator.turn(), [line("123")]);
    assert!(!operator.console.is_ready());
}

#[test]
fn stopping_in_between_loses_nothing() {
    let (reader, mut writer) = pipe();
    writer.write_all(b"one\ntwo\n").unwrap();
    let mut operator = Loop::new(&reader);
    assert_eq!(operator.console.next_input(), Some(Input::Line(b"one")));
    assert!(operator.console.is_ready());
    writer.write_all(b"three\n").unwrap();
    assert_eq!(operator.turn(), [line("two"), line("three")]);
}

#[test]
fn a_fifo_opened_after_its_last_writer_left_is_at_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).unwrap();
    let writer = File::options().read(true).write(true).open(&path).unwrap();
    let reader = File::open(&path).unwrap();
    drop(writer);
    assert_eq!(Loop::new(&reader).until_end(), [Seen::End]);
}

#[test]
fn a_fifo_that_we_hold_open_ourselves_goes_on_between_writers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).unwrap();
    let both_ways = File::options().read(true).write(true).open(&path).unwrap();
    let mut operator = Loop::new(&both_ways);
    for text in ["one", "two"] {
        std::fs::write(&path, format!("{text}\n")).unwrap();
        assert_eq!(operator.expect(1), [line(text)]);
    }
}

#[test]
fn a_socket_counts_as_a_pipe() {
    let (socket, mut peer) = UnixStream::pair().unwrap();
    let mut operator = Loop::new(&socket);
    assert_eq!(operator.turn(), []);
    peer.write_all(b"one\ntw").unwrap();
    assert_eq!(operator.expect(1), [line("one")]);
    peer.write_all(b"o").unwrap();
    drop(peer);
    assert_eq!(operator.until_end(), [line("two"), Seen::End]);
    assert!(is_blocking(&socket));
}

#[test]
fn files_are_read_to_their_end() {
    let end = |lines: &[&str]| {
        let lines = lines.iter().map(|text| line(text));
        lines.chain([Seen::End]).collect::<Vec<_>>()
    };
    for (content, expected) in [
        ("one\ntwo\n", end(&["one", "two"])),
        ("one\r\ntwo", end(&["one", "two"])),
        ("\n", end(&[""])),
        (&"x".repeat(MAX_LINE + 1), vec![Seen::TooLong, Seen::End]),
    ] {
        assert_eq!(Loop::new(&file(content)).until_end(), expected, "{content:?}");
    }
}

#[test]
fn a_long_file_is_read_in_bounded_steps() {
    let count = 3 * BUDGET / 4;
    let mut operator = Loop::new(&file(&"123\n".repeat(count)));
    let mut turns = Vec::new();
    while operator.console.is_ready() {
        turns.push(operator.turn().len());
    }
    assert_eq!(turns, [BUDGET / 4, BUDGET / 4, BUDGET / 4, 1]);
}

#[test]
fn a_file_shares_its_offset_with_the_original() {
    let mut file = file("one\ntwo\n");
    Loop::new(&file).until_end();
    assert_eq!(file.stream_position().unwrap(), 8);
}

#[test]
fn null_directories_devices_and_empty_files_have_no_operator() {
    let poll = Poll::new().unwrap();
    for path in ["/dev/null", "/", "/dev/zero"] {
        assert!(open(&File::open(path).unwrap(), &poll).is_none(), "{path}");
    }
    assert!(open(&file(""), &poll).is_none());
    let mut read_before = file("one\n");
    read_before.seek(std::io::SeekFrom::End(0)).unwrap();
    assert!(open(&read_before, &poll).is_none());
    let (_reader, writer) = pipe();
    assert!(open(&writer, &poll).is_none());
}

#[test]
fn a_terminal_gives_lines_and_keeps_its_flags() {
    let (mut master, slave) = pty();
    for mut operator in [Loop::new(&slave), Loop::polled(&slave)] {
        let before = fcntl_getfl(&slave).unwrap();
        master.write_all("a line\n".repeat(50).as_bytes()).unwrap();
        assert_eq!(operator.expect(50), vec![line("a line"); 50]);
        master.write_all(b"qu").unwrap();
        assert_eq!(operator.turn(), []);
        master.write_all(b"it\n").unwrap();
        assert_eq!(operator.expect(1), [line("quit")]);
        assert_eq!(fcntl_getfl(&slave).unwrap(), before);
        assert!(is_blocking(&slave));
    }
}

#[test]
fn control_d_is_the_end_and_a_closed_terminal_a_hang_up() {
    let (mut master, slave) = pty();
    let mut operator = Loop::new(&slave);
    master.write_all(b"half\x04\x04").unwrap();
    assert_eq!(operator.until_end(), [line("half"), Seen::End]);

    for polled in [false, true] {
        let (master, slave) = pty();
        let mut operator = if polled { Loop::polled(&slave) } else { Loop::new(&slave) };
        assert_eq!(operator.turn(), []);
        drop(master);
        assert_eq!(operator.until_end(), [Seen::HangUp]);
    }
}

#[test]
fn a_drop_leaves_the_original_open_and_silent() {
    let (reader, mut writer) = pipe();
    let Loop { mut poll, console } = Loop::polled(&reader);
    drop(console);
    writer.write_all(b"x").unwrap();
    let mut events = Events::with_capacity(4);
    poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    assert!(events.is_empty());
    let mut byte = [0];
    assert_eq!(rustix::io::read(&reader, &mut byte).unwrap(), 1);
}

/// The environment variable under which [`background_part`] runs.
const PART: &str = "CONSOLE_TEST_PART";

/// The line with which that process asks for input.
const IN_BACKGROUND: &str = "in the background";

#[test]
fn nothing_is_read_while_the_process_is_in_the_background() {
    let (mut master, slave) = pty();
    // A session of its own with the pty as controlling terminal. SIGTTOU is ignored so that the process may put itself
    // into the foreground again, as the shell's `fg` would.
    let script = r#"trap '' TTOU; exec "$0" "$@""#;
    let mut child = Command::new("setsid")
        .args(["--ctty", "--wait", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "console::tests::background_part", "--ignored", "--nocapture"])
        .env(PART, "yes")
        .stdin(Stdio::from(slave))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("setsid(1) of util-linux is needed");
    master.write_all(b"front\n").unwrap();
    let mut report = String::new();
    for text in BufReader::new(child.stdout.take().unwrap()).lines() {
        report += &text.unwrap();
        if report.ends_with(IN_BACKGROUND) {
            master.write_all(b"typed\n").unwrap();
        }
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(report.contains("1 passed"), "{report}");
}

#[test]
#[ignore = "plays a part in another test, in a session of its own"]
fn background_part() {
    if std::env::var_os(PART).is_none() {
        return;
    }
    let poll = Poll::new().unwrap();
    let console = Console::open(poll.registry(), Token(3), MAX_LINE).unwrap().unwrap();
    let mut operator = Loop { poll, console };
    let terminal = rustix::stdio::stdin();
    assert_eq!(operator.expect(1), [line("front")]);

    // Another group in front: we are in the background now.
    let mut other = Command::new("cat").stdin(Stdio::piped()).process_group(0).spawn().unwrap();
    let group = rustix::process::Pid::from_child(&other);
    rustix::termios::tcsetpgrp(terminal, group).unwrap();
    operator.console.wake();
    assert_eq!(operator.turn(), []);
    assert_eq!(operator.console.retry_after(), None, "nothing is there to come back for");

    println!("\n{IN_BACKGROUND}");
    operator.wait();
    assert_eq!(operator.turn(), []);
    assert!(!operator.console.is_ready(), "it would spin");
    assert_eq!(operator.console.retry_after(), Some(BACKGROUND_RETRY));
    operator.console.wake();
    assert_eq!(operator.turn(), []);
    assert_eq!(operator.console.retry_after(), Some(BACKGROUND_RETRY));

    rustix::termios::tcsetpgrp(terminal, rustix::process::getpgrp()).unwrap();
    operator.console.wake();
    assert_eq!(operator.turn(), [line("typed")]);
    assert_eq!(operator.console.retry_after(), None);
    assert!(is_blocking(&terminal));
    drop(other.stdin.take());
    other.wait().unwrap();
}

/// The lines of `input` by a model that splits it as a whole.
fn model(input: &[u8], max_line: usize) -> Vec<Option<Vec<u8>>> {
    let mut lines: Vec<&[u8]> = input.split(|&byte| byte == b'\n').collect();
    let last = lines.pop().filter(|last| !last.is_empty());
    let whole = lines.into_iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    whole.chain(last).map(|line| (line.len() <= max_line).then(|| line.to_vec())).collect()
}

fn cut(chunks: &VecDeque<Vec<u8>>, max_line: usize) -> Vec<Option<Vec<u8>>> {
    let mut lines = LineBuffer::new(max_line);
    let mut found = Vec::new();
    for chunk in chunks {
        lines.push(chunk);
        drain(&mut lines, &mut found);
        assert!(lines.bytes.len() - lines.start <= max_line + 1, "unbounded");
    }
    lines.finish();
    drain(&mut lines, &mut found);
    found
}

fn drain(lines: &mut LineBuffer, found: &mut Vec<Option<Vec<u8>>>) {
    while let Some(piece) = lines.take() {
        found.push(match piece {
            Piece::Line(range) => Some(lines.bytes[range].to_vec()),
            Piece::TooLong => None,
        });
    }
}

fn any_of(bytes: &[u8]) -> impl Strategy<Value = u8> {
    prop::sample::select(bytes.to_vec())
}

proptest! {
    /// The chunking law: any split gives what the unsplit input gives.
    #[test]
    fn splits_make_no_difference(
        chunks in prop::collection::vec_deque(prop::collection::vec(any_of(b"ab\r\n"), 0..9), 0..12),
        max_line in 0_usize..8,
    ) {
        let whole: Vec<u8> = chunks.iter().flatten().copied().collect();
        prop_assert_eq!(cut(&chunks, max_line), model(&whole, max_line));
    }
}

#[test]
fn a_line_may_be_as_long_as_memory() {
    let mut lines = LineBuffer::new(usize::MAX);
    lines.push(b"text\r");
    assert_eq!(lines.take(), None);
    lines.push(b"\n");
    assert_eq!(lines.take(), Some(Piece::Line(0..4)));
}
