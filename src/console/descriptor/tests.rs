use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use mio::{Events, Poll};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Action, tcflow};

use super::*;

const TOKEN: Token = Token(7);

/// A pipe of two pages. (Linux has smaller ones, but poll(2) calls a page full with the first byte in it.)
fn small_pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    fcntl_setpipe_size(&writer, 8192).unwrap();
    (reader, writer)
}

fn pty() -> (OwnedFd, OwnedFd) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    unlockpt(&master).unwrap();
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
    (master, slave)
}

impl Descriptor {
    /// A descriptor that cannot be reopened.
    pub(crate) fn polled(fd: BorrowedFd<'_>) -> Self {
        Self::copy(fd, Mode::Polled).unwrap()
    }
}

fn polled(fd: &OwnedFd) -> OutputStream {
    OutputStream { descriptor: Descriptor::polled(fd.as_fd()), is_terminal: false }
}

fn is_blocking(fd: &impl AsFd) -> bool {
    !fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
}

/// Writes until the system refuses. Returns the number of bytes that it took.
fn fill(output: &mut OutputStream) -> usize {
    let mut total = 0;
    // A pipe refuses a write that does not fit as a whole, so the end is filled byte by byte.
    for size in [1000, 1] {
        let refusal = loop {
            match output.write(&vec![b'x'; size]) {
                Ok(count) => total += count,
                Err(error) => break error,
            }
        };
        assert_eq!(refusal.kind(), ErrorKind::WouldBlock);
    }
    total
}

/// Fills `output`, drains that many bytes with `drain`, and expects the event that reports the room.
fn expect_writable_after(output: &mut OutputStream, drain: impl FnOnce(usize)) {
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(4);
    output.register(poll.registry(), TOKEN).unwrap();
    drain(fill(output));
    loop {
        poll.poll(&mut events, Some(Duration::from_secs(5))).unwrap();
        assert!(!events.is_empty(), "no event although there is room");
        // The first event may be from before the pipe was filled.
        if output.write(b"again").is_ok() {
            return;
        }
    }
}

/// Reads `count` bytes that must have arrived already: a missing byte is a failure, not a wait.
fn take(reader: &OwnedFd, count: usize) -> Vec<u8> {
    let reader = Descriptor::open(reader.as_fd(), OFlags::RDONLY).unwrap();
    let mut bytes = vec![0; count];
    let mut filled = 0;
    while filled < count {
        filled += reader.read(&mut bytes[filled..]).unwrap();
    }
    bytes
}

fn rest_of(reader: OwnedFd) -> String {
    let mut text = String::new();
    File::from(reader).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn kinds_are_told_apart() {
    let (reader, _writer) = small_pipe();
    let (_master, slave) = pty();
    let (socket, _peer) = UnixStream::pair().unwrap();
    let kind = |fd: BorrowedFd<'_>| Kind::of(fd).unwrap();
    assert_eq!(kind(reader.as_fd()), Kind::Pipe);
    assert_eq!(kind(slave.as_fd()), Kind::Terminal);
    assert_eq!(kind(socket.as_fd()), Kind::Socket);
    assert_eq!(kind(tempfile::tempfile().unwrap().as_fd()), Kind::File);
    assert_eq!(kind(File::open("/dev/null").unwrap().as_fd()), Kind::Null);
    assert_eq!(kind(File::open("/").unwrap().as_fd()), Kind::Directory);
    assert_eq!(kind(File::open("/dev/zero").unwrap().as_fd()), Kind::Other);
}

#[test]
fn reopening_leaves_the_original_blocking() {
    let (reader, writer) = small_pipe();
    let (_master, slave) = pty();
    for (fd, access) in
        [(&reader, OFlags::RDONLY), (&writer, OFlags::WRONLY), (&slave, OFlags::RDONLY), (&slave, OFlags::WRONLY)]
    {
        let own = reopen(fd.as_fd(), access).unwrap();
        assert!(!is_blocking(&own));
        assert!(is_blocking(fd));
    }
}

#[test]
fn reopening_is_refused_if_it_would_open_something_else() {
    let (reader, _writer) = small_pipe();
    let (master, _slave) = pty();
    let (socket, _peer) = UnixStream::pair().unwrap();
    let errno = |fd: BorrowedFd<'_>, access| reopen(fd, access).unwrap_err().raw_os_error();
    assert_eq!(errno(reader.as_fd(), OFlags::WRONLY), Some(Errno::BADF.raw_os_error()));
    assert_eq!(errno(master.as_fd(), OFlags::RDONLY), Some(Errno::NXIO.raw_os_error()));
    assert_eq!(errno(socket.as_fd(), OFlags::RDWR), Some(Errno::NXIO.raw_os_error()));
}

#[test]
fn full_pipe_refuses_and_tells_when_there_is_room() {
    let (reader, writer) = small_pipe();
    for mut output in [OutputStream::from_fd(writer.as_fd()).unwrap(), polled(&writer)] {
        expect_writable_after(&mut output, |count| drop(take(&reader, count)));
        assert_eq!(take(&reader, 5), b"again");
        assert!(is_blocking(&writer));
    }
}

#[test]
fn full_socket_refuses_and_tells_when_there_is_room() {
    let (socket, peer) = UnixStream::pair().unwrap();
    let mut output = OutputStream::from_fd(socket.as_fd()).unwrap();
    let peer = OwnedFd::from(peer);
    expect_writable_after(&mut output, |count| drop(take(&peer, count)));
    assert!(is_blocking(&socket));
}

#[test]
fn stopped_terminal_refuses_and_tells_when_it_goes_on() {
    let (_master, slave) = pty();
    for mut output in [OutputStream::from_fd(slave.as_fd()).unwrap(), polled(&slave)] {
        tcflow(&slave, Action::OOff).unwrap();
        expect_writable_after(&mut output, |count| {
            assert_eq!(count, 0);
            tcflow(&slave, Action::OOn).unwrap();
        });
        assert!(is_blocking(&slave));
    }
}

#[test]
fn closed_reader_is_a_broken_pipe() {
    let (reader, writer) = small_pipe();
    let (socket, peer) = UnixStream::pair().unwrap();
    let mut outputs = [
        OutputStream::from_fd(writer.as_fd()).unwrap(),
        polled(&writer),
        OutputStream::from_fd(socket.as_fd()).unwrap(),
    ];
    drop((reader, peer));
    for output in &mut outputs {
        assert_eq!(output.write(b"text").unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}

#[test]
fn polled_write_is_bounded() {
    let (_reader, writer) = small_pipe();
    assert_eq!(polled(&writer).write(&[b'x'; 4096]).unwrap(), POLLED_WRITE);
}

#[test]
fn files_and_null_are_always_writable() {
    let poll = Poll::new().unwrap();
    let null = OpenOptions::new().write(true).open("/dev/null").unwrap();
    let file = tempfile::tempfile().unwrap();
    for fd in [null.as_fd(), file.as_fd()] {
        let mut output = OutputStream::from_fd(fd).unwrap();
        output.register(poll.registry(), TOKEN).unwrap();
        assert_eq!(output.write(&vec![b'x'; 100_000]).unwrap(), 100_000);
    }
}

#[test]
fn shared_file_keeps_the_order_of_all_writers() {
    let directory = tempfile::tempdir().unwrap();
    for append in [false, true] {
        let path = directory.path().join(format!("log-{append}"));
        std::fs::write(&path, "before\n").unwrap();
        let mut file = OpenOptions::new().read(true).write(true).append(append).open(&path).unwrap();
        file.seek(std::io::SeekFrom::End(0)).unwrap();
        let mut first = OutputStream::from_fd(file.as_fd()).unwrap();
        let mut second = OutputStream::from_fd(file.as_fd()).unwrap();
        first.write(b"one\n").unwrap();
        second.write(b"two\n").unwrap();
        file.write_all(b"three\n").unwrap();
        first.write(b"four\n").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "before\none\ntwo\nthree\nfour\n");
    }
}

#[test]
fn appended_file_goes_on_at_its_end_after_others_wrote() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let open = || OpenOptions::new().append(true).create(true).open(&path).unwrap();
    let (ours, mut other) = (open(), open());
    let mut output = OutputStream::from_fd(ours.as_fd()).unwrap();
    output.write(b"one\n").unwrap();
    other.write_all(b"two\n").unwrap();
    output.write(b"three\n").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
}

#[test]
fn dropped_lines_are_counted_and_reported_once() {
    let (reader, writer) = small_pipe();
    for output in [OutputStream::from_fd(writer.as_fd()).unwrap(), polled(&writer)] {
        let mut lossy = LossyWriter::new(output);
        let mut filler = OutputStream::from_fd(writer.as_fd()).unwrap();
        lossy.write_all(b"first\n").unwrap();
        let taken = fill(&mut filler);
        for _ in 0..3 {
            lossy.write_all(b"lost\n").unwrap();
        }
        lossy.write_all(b"lost\nand lost\n").unwrap();
        take(&reader, b"first\n".len() + taken);
        lossy.write_all(b"second\n").unwrap();
        lossy.write_all(b"third\n").unwrap();
        let expected = b"5 log lines dropped\nsecond\nthird\n";
        assert_eq!(take(&reader, expected.len()), expected);
    }
}

#[test]
fn record_that_was_cut_is_completed_before_the_next() {
    let (reader, writer) = small_pipe();
    let mut lossy = LossyWriter::new(OutputStream::from_fd(writer.as_fd()).unwrap());
    let long = [vec![b'l'; 10_000], b"\n".to_vec()].concat();
    lossy.write_all(&long).unwrap();
    lossy.write_all(b"lost\n").unwrap();
    let mut seen = Vec::new();
    while seen.len() < long.len() {
        let waiting = rustix::io::ioctl_fionread(&reader).unwrap() as usize;
        assert!(waiting > 0, "flush sent nothing");
        seen.extend(take(&reader, waiting));
        lossy.flush().unwrap();
    }
    lossy.write_all(b"next\n").unwrap();
    drop((lossy, writer));
    assert!(seen == long, "the long record came changed");
    assert_eq!(rest_of(reader), "1 log lines dropped\nnext\n");
}

#[test]
fn closed_standard_error_is_survived() {
    let (reader, writer) = small_pipe();
    let mut lossy = LossyWriter::new(OutputStream::from_fd(writer.as_fd()).unwrap());
    drop(reader);
    for _ in 0..1000 {
        lossy.write_all(b"this has no reader\n").unwrap();
    }
    lossy.flush().unwrap();
    assert_eq!((lossy.dropped, lossy.rest.len()), (1000, 0));
}

#[test]
fn copy_gives_no_events_after_its_drop() {
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(4);
    let (socket, mut peer) = UnixStream::pair().unwrap();
    let mut descriptor = Descriptor::open(socket.as_fd(), OFlags::RDONLY).unwrap();
    descriptor.register(poll.registry(), TOKEN, Interest::READABLE).unwrap();
    peer.write_all(b"x").unwrap();
    poll.poll(&mut events, Some(Duration::from_secs(5))).unwrap();
    assert_eq!(events.iter().count(), 1);
    drop(descriptor);
    peer.write_all(b"x").unwrap();
    poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
    assert!(events.is_empty());
}
