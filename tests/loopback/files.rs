//! Files over real sockets: sendfile(2), offsets that take more than 32 bits, and files that are truncated.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use switchboard::{Context, Handler, Origin};

use super::Running;

/// Replies to each byte of input with a line, a range of the file, and a line.
struct Ranges {
    file: Arc<File>,
    range: Range<u64>,
}

impl Handler for Ranges {
    type Session = ();

    fn open(&mut self, _: &Origin, _: &mut Context<'_>) {}

    fn data<'a>(&mut self, (): &mut (), input: &'a mut [u8], cx: &mut Context<'a>) -> usize {
        for _ in 0..input.len() {
            cx.reply(b"before\n");
            cx.reply_file(self.file.clone(), self.range.clone()).expect("an open connection");
            cx.reply(b"after\n");
        }
        input.len()
    }
}

/// Bytes of which each depends on its position.
fn pattern(range: Range<u64>) -> Vec<u8> {
    range.map(|at| (at % 251) as u8).collect()
}

/// A file with [`pattern`] in this range, and a hole before it.
fn file(range: Range<u64>) -> Arc<File> {
    let file = tempfile::tempfile().expect("a temporary file");
    file.write_all_at(&pattern(range.clone()), range.start).expect("room for the file");
    Arc::new(file)
}

/// Sends `input`, ends our side, and returns all output.
fn ask(mut stream: impl Read + Write, input: &[u8], shut_down: impl FnOnce()) -> Vec<u8> {
    stream.write_all(input).expect("connected");
    shut_down();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an orderly end");
    bytes
}

fn ask_tcp(running: &Running, input: &[u8]) -> Vec<u8> {
    let stream = TcpStream::connect(running.address()).expect("the reactor accepts");
    ask(&stream, input, || stream.shutdown(Shutdown::Write).expect("connected"))
}

#[test]
fn bytes_and_a_file_leave_in_order_by_tcp_and_unix() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("files.sock");
    let range = 100..3_000_000;
    let file = file(0..range.end + 100);
    let handler = Ranges { file, range: range.clone() };
    let running = Running::start(move || handler, &["127.0.0.1:0", &format!("unix:{}", path.display())]);
    let once = [b"before\n", &pattern(range)[..], b"after\n"].concat();
    let twice = [&once[..], &once].concat();
    assert!(ask_tcp(&running, b"xx") == twice);
    let stream = UnixStream::connect(&path).expect("the reactor accepts");
    assert!(ask(&stream, b"xx", || stream.shutdown(Shutdown::Write).expect("connected")) == twice);
}

#[test]
fn offsets_over_4_gib_are_not_cut() {
    const GIB: u64 = 1 << 30;
    let range = 4 * GIB - 50_000..4 * GIB + 50_000;
    let handler = Ranges { file: file(range.clone()), range: range.clone() };
    let running = Running::start(move || handler, &["127.0.0.1:0"]);
    assert!(ask_tcp(&running, b"x") == [b"before\n", &pattern(range)[..], b"after\n"].concat());
}

/// Linux sends some files of /proc by read and write only.
#[test]
fn a_file_without_sendfile_is_read_and_written() {
    let path = "/proc/self/environ";
    let content = fs::read(path).expect("Linux shows the environment");
    let handler = Ranges { file: Arc::new(File::open(path).expect("readable")), range: 0..content.len() as u64 };
    let running = Running::start(move || handler, &["127.0.0.1:0"]);
    assert!(ask_tcp(&running, b"x") == [b"before\n", &content[..], b"after\n"].concat());
}

#[test]
fn a_file_that_is_truncated_resets_the_connection() {
    let (file, kept) = (file(0..100_000), 60_000);
    let handler = Ranges { file: file.clone(), range: 0..100_000_000 };
    let running = Running::start(move || handler, &["127.0.0.1:0"]);
    file.set_len(kept).expect("a file can be made shorter");
    let mut client = TcpStream::connect(running.address()).expect("the reactor accepts");
    client.write_all(b"x").expect("connected");
    let error = client.read_to_end(&mut Vec::new()).expect_err("no end in good order");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    // Other clients are served.
    assert_eq!(ask_tcp(&running, b""), b"");
}
