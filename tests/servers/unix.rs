//! Listening at a path: what may be replaced, what may not, and what is left behind.

use crate::support::peer::Peer;
use crate::support::server::Program;
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;
use switchboard_harness::{Launch, Stop};
use tempfile::TempDir;

struct Place {
    _directory: TempDir,
    path: PathBuf,
    address: String,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().expect("room");
        let path = directory.path().join("socket");
        let address = format!("unix:{}", path.display());
        Self { _directory: directory, path, address }
    }

    fn launch(&self, program: Program) -> Launch {
        program.launch().listen(&self.address)
    }
}

#[test]
fn a_path_is_served_with_care_and_removed_at_the_end() {
    for program in Program::TALKERS {
        for stop in [Stop::Line, Stop::Terminate] {
            let place = Place::new();
            let mut server = place.launch(program).start();
            assert_eq!(server.address(), place.address);
            let mode = fs::metadata(&place.path).expect("it exists").permissions().mode();
            assert_eq!(mode & 0o777, 0o660);
            let mut peer = Peer::connect(&place.address);
            peer.send("hi\n");
            peer.expect(program.greeting());
            server.stop_by(stop).expect_clean_within(Duration::from_secs(1));
            assert!(!place.path.exists(), "left behind after {stop:?}");
        }
    }
}

#[test]
fn the_mode_does_not_depend_on_the_umask() {
    for umask in ["umask 0", "umask 077"] {
        let place = Place::new();
        let server = place.launch(Program::Echo).after(umask).start();
        let mode = fs::metadata(&place.path).expect("it exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o660, "{umask}");
        drop(server);
    }
}

#[test]
fn a_live_path_is_an_error() {
    let place = Place::new();
    let first = place.launch(Program::Echo).start();
    let second = place.launch(Program::Echo).run();
    assert_eq!(second.code, Some(1), "{second:?}");
    assert_eq!(second.stderr.lines().count(), 1, "{second:?}");
    assert!(second.stderr.contains(&place.address), "{second:?}");
    Peer::connect(&first.address()).echo("the first is unharmed\n");
}

#[test]
fn a_dead_path_is_replaced() {
    let place = Place::new();
    drop(UnixListener::bind(&place.path).expect("a free path"));
    assert!(place.path.exists(), "the system leaves a dead socket behind");
    let server = place.launch(Program::Echo).start();
    Peer::connect(&server.address()).echo("hello\n");
}

#[test]
fn a_killed_server_is_no_obstacle_to_the_next() {
    let place = Place::new();
    drop(place.launch(Program::Echo).start());
    assert!(fs::metadata(&place.path).expect("left behind by the kill").file_type().is_socket());
    let server = place.launch(Program::Echo).start();
    Peer::connect(&server.address()).echo("hello\n");
}

#[test]
fn what_is_not_a_socket_is_never_removed() {
    let place = Place::new();
    fs::write(&place.path, "precious").expect("room");
    let finished = place.launch(Program::Echo).run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    assert!(finished.stderr.contains(&place.address), "{finished:?}");
    assert_eq!(fs::read_to_string(&place.path).expect("still there"), "precious");
}

#[test]
fn a_foreign_socket_at_our_path_is_left_alone() {
    let place = Place::new();
    let mut server = place.launch(Program::Echo).start();
    fs::remove_file(&place.path).expect("a file of ours");
    let other = UnixListener::bind(&place.path).expect("a free path");
    server.stop_by(Stop::Line).expect_clean_within(Duration::from_secs(1));
    assert!(place.path.exists(), "only the server's own inode is its to remove");
    drop(other);
}

#[test]
fn a_path_that_cannot_be_is_one_clear_line() {
    let place = Place::new();
    let address = format!("{}/deeper", place.address);
    let finished = Program::Echo.launch().listen(&address).run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    assert!(finished.stderr.contains(&address), "{finished:?}");
}

#[test]
fn a_path_longer_than_the_system_allows_is_a_clear_refusal() {
    let finished = Program::Echo.launch().listen(&format!("unix:/tmp/{}", "x".repeat(200))).run();
    assert!(matches!(finished.code, Some(1 | 2)), "{finished:?}");
    assert!(!finished.stderr.contains("panicked") && !finished.stderr.is_empty(), "{finished:?}");
}
