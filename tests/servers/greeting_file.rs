//! Greeting with a file: any size, any client, and files that change while they are sent.

use crate::support::data::noise;
use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::tools::pass_through;
use rustix::fs::{CWD, Mode, mkfifoat};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;
use switchboard_harness::{Launch, Stop, let_pass, until};
use tempfile::TempDir;

/// A directory with a file.
struct Place(TempDir);

impl Place {
    fn new(content: impl AsRef<[u8]>) -> Place {
        let place = Place(TempDir::new().expect("a directory"));
        fs::write(place.file(), content).expect("room for a file");
        place
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("greeting file")
    }

    fn launch(&self) -> Launch {
        Program::Greeting.launch().arg("--file").arg(self.file())
    }
}

/// Replaces the file as editors and `mv` do.
fn replace(place: &Place, content: &str) {
    let new = place.0.path().join("new");
    fs::write(&new, content).expect("room for a file");
    fs::rename(&new, place.file()).expect("one directory");
}

#[test]
fn every_client_gets_the_file() {
    let content = noise(2_000_000, 70);
    let place = Place::new(&content);
    let path = place.0.path().join("socket").display().to_string();
    for flags in ["", "-vv"] {
        let server = place.launch().args(flags).listen("127.0.0.1:0").listen(&format!("unix:{path}")).start();
        let port = server.port().to_string();
        for words in [
            &["nc", "-d", "127.0.0.1", &port][..],
            &["nc", "-N", "127.0.0.1", &port],
            &["ncat", "--recv-only", "127.0.0.1", &port],
            &["ncat", "127.0.0.1", &port],
            &["nc", "-d", "-U", &path],
            &["curl", "--silent", "--http0.9", &format!("http://127.0.0.1:{port}/")],
        ] {
            assert!(pass_through(words, b"hello\n") == content, "{words:?} {flags}");
        }
        server.expect_manners();
    }
}

#[test]
fn with_read_reply_the_file_comes_first() {
    let place = Place::new("Who are you?\n");
    let server = place.launch().args("--read-reply -v").start();
    let mut peer = Peer::connect(&server.address());
    peer.expect("Who are you?\n");
    peer.send("ann\n");
    peer.expect_eof();
    server.stderr.wait_for(" says: ann\n");
}

/// Blocks that all differ, so that a block that is lost, doubled or moved is found.
const BLOCK: usize = 1 << 20;
const BLOCKS: u64 = 200;

#[test]
fn two_hundred_mib_to_a_slow_reader_take_no_memory() {
    let place = Place::new("");
    let mut block = noise(BLOCK, 71);
    let mut file = File::create(place.file()).expect("room for a file");
    for number in 0..BLOCKS {
        block[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&block).expect("200 MiB of room");
    }
    let server = place.launch().start();
    let mut first = vec![0; BLOCK];
    let warm = Peer::connect(&server.address());
    warm.socket().read_exact(&mut first).expect("the first block");
    let before = server.resident();
    let mut slow = Peer::connect_narrow(&server.address(), 64 * 1024);
    let mut others: Vec<Peer> = (0..20).map(|_| Peer::connect_narrow(&server.address(), 4096)).collect();
    for number in 0..BLOCKS {
        slow.socket().read_exact(&mut first).expect("a block");
        block[..8].copy_from_slice(&number.to_le_bytes());
        assert!(first == block, "block {number}");
        if number % 20 == 0 {
            let_pass(Duration::from_millis(10));
        }
    }
    slow.expect_eof();
    let growth = server.peak_resident().saturating_sub(before);
    assert!(growth < 4 << 20, "grown by {growth} bytes");
    for other in &mut others {
        other.socket().read_exact(&mut first[..1000]).expect("a beginning");
    }
    warm.reset();
}

#[test]
fn a_new_file_at_the_path_is_sent_to_the_next_client() {
    let place = Place::new("old\n");
    let server = place.launch().start();
    let next = || String::from_utf8(Peer::connect(&server.address()).rest().expect("an orderly end")).expect("text");
    assert_eq!(next(), "old\n");
    replace(&place, "replaced, and longer\n");
    assert_eq!(next(), "replaced, and longer\n");
    fs::write(place.file(), "rewritten\n").expect("room for a file");
    assert_eq!(next(), "rewritten\n");
    fs::remove_file(place.file()).expect("it is there");
    assert_eq!(next(), "");
    server.stderr.wait_for("greeting file is not sent to 127.0.0.1:");
    server.stderr.wait_for(": No such file or directory (os error 2)\n");
    replace(&place, "back\n");
    assert_eq!(next(), "back\n");
}

#[test]
fn a_file_truncated_meanwhile_resets_the_client_and_is_logged() {
    let place = Place::new(vec![b'x'; 50_000_000]);
    let server = place.launch().args("--send-buffer 16KiB").start();
    let mut slow = Peer::connect_narrow(&server.address(), 4096);
    slow.socket().read_exact(&mut [0; 1000]).expect("a beginning");
    fs::write(place.file(), "short").expect("room for a file");
    let error = slow.rest().expect_err("a part is not the whole");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    server.stderr.wait_for("WARN  127.0.0.1:");
    server.stderr.wait_for(" bytes early: it was truncated while it was sent\n");
    assert_eq!(Peer::connect(&server.address()).rest().expect("an orderly end"), b"short");
}

#[test]
fn a_stop_counts_the_bytes_of_the_file_that_were_not_sent() {
    let place = Place::new(vec![b'x'; 50_000_000]);
    let mut server = place.launch().args("--drain 100ms --send-buffer 16KiB").start();
    let slow = Peer::connect_narrow(&server.address(), 4096);
    slow.socket().read_exact(&mut [0; 1000]).expect("a beginning");
    assert_eq!(server.stop_by(Stop::Terminate).code, Some(0));
    let log = server.stderr.all_text();
    let (_, left) = log.split_once("stopped with ").expect("the log tells what was left");
    let left: u64 = left.split(' ').next().and_then(|word| word.parse().ok()).expect("a number");
    assert!((40_000_000..50_000_000).contains(&left), "{log}");
}

#[test]
fn clients_that_leave_early_leave_nothing_behind() {
    let place = Place::new(vec![b'x'; 20_000_000]);
    let server = place.launch().start();
    let descriptors = server.descriptors();
    for number in 0..30 {
        let peer = Peer::connect(&server.address());
        peer.socket().read_exact(&mut [0; 1000]).expect("a beginning");
        if number % 2 == 0 {
            peer.reset();
        }
    }
    until("all descriptors to be closed", || server.descriptors() == descriptors);
    server.expect_manners();
}

/// Starts a server with this file, which must fail with exit code 1 and a line that has all of these texts.
#[track_caller]
fn fails(launch: Launch, file: impl AsRef<OsStr>, texts: &[&str]) {
    let finished = launch.arg("--file").arg(file).run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""), "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    assert!(texts.iter().all(|text| finished.stderr.contains(text)), "{finished:?}");
}

#[test]
fn what_is_no_readable_file_is_an_error_at_the_start() {
    let place = Place::new("");
    let fails = |file: &Path, texts: &[&str]| fails(Program::Greeting.launch(), file, texts);
    fails(Path::new("/nonexistent/file"), &["cannot send /nonexistent/file: No such file", "--file"]);
    fails(place.0.path(), &["it is a directory, not a regular file; "]);
    fails(Path::new("/dev/null"), &["it is a device, not a regular file; "]);
    fails(Path::new("/dev/stdin"), &["not a regular file; "]);
    let pipe = place.0.path().join("pipe");
    mkfifoat(CWD, &pipe, Mode::RUSR).expect("a new path");
    fails(&pipe, &["it is a pipe, not a regular file; "]);
    let socket = place.0.path().join("socket");
    let _listener = UnixListener::bind(&socket).expect("a new path");
    fails(&socket, &["No such device or address"]);
}

#[test]
fn a_file_that_may_not_be_read_is_an_error_at_the_start() {
    let place = Place::new("secret");
    fs::set_permissions(place.file(), fs::Permissions::from_mode(0o000)).expect("our file");
    let program = Program::Greeting.path();
    let launch = match File::open(place.file()) {
        Err(_) => Launch::of(program),
        // The superuser, unless it gives up the right to read all files.
        Ok(_) => Launch::of("setpriv").args("--bounding-set -dac_override,-dac_read_search").arg(program),
    };
    fails(launch.args("-l 127.0.0.1:0"), place.file(), &["Permission denied (os error 13); give --file"]);
}

#[test]
fn a_file_and_a_text_exclude_each_other() {
    let finished = Program::Greeting.launch().args("--file x --text y").run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{finished:?}");
    assert!(finished.stderr.contains("--file") && finished.stderr.contains("--text"), "{finished:?}");
}

#[test]
fn a_service_of_switchboard_sends_a_file() {
    let place = Place::new("from a service\n");
    let config = place.0.path().join("services.toml");
    let text = format!("[greeting]\nlisten = '127.0.0.1:0'\nfile = '{}'\n", place.file().display());
    fs::write(&config, text).expect("room for a file");
    let server = Launch::of(env!("CARGO_BIN_EXE_switchboard")).arg("--config").arg(&config).spawn();
    let mut peer = Peer::connect(&server.addresses(1)[0]);
    assert_eq!(peer.rest().expect("an orderly end"), b"from a service\n");
}
