use super::*;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::{Arc, Barrier};
use tempfile::TempDir;

fn socket_path() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    (directory, path)
}

fn listen_at(path: &Path) -> io::Result<UnixBound> {
    SocketOptions::default().listen_unix(path)
}

fn refused(path: &Path) -> io::ErrorKind {
    listen_at(path).expect_err("it is not ours to take").kind()
}

#[test]
fn a_fresh_path_is_served_with_mode_0660_and_removed() {
    let (_directory, path) = socket_path();
    let bound = listen_at(&path).expect("listen");
    assert_eq!(bound.path(), path);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o660);
    UnixStream::connect(&path).expect("connect");
    bound.listener().accept().expect("a waiting connection");
    drop(bound);
    assert!(!path.exists());
}

#[test]
fn a_live_socket_is_an_error_and_lives_on() {
    let (_directory, path) = socket_path();
    let _first = listen_at(&path).expect("listen");
    assert_eq!(refused(&path), io::ErrorKind::AddrInUse);
    UnixStream::connect(&path).expect("still the first one's");
}

#[test]
fn a_live_socket_with_a_full_backlog_is_live() {
    let (_directory, path) = socket_path();
    let options = SocketOptions { backlog: 3, ..SocketOptions::default() };
    let _first = options.listen_unix(&path).expect("listen");
    // Linux admits one more than the backlog says.
    let _waiting: Vec<_> = (0..4).map(|_| options.connect_unix(&path).expect("room in the backlog")).collect();
    let error = options.connect_unix(&path).expect_err("full");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(refused(&path), io::ErrorKind::AddrInUse);
}

#[test]
fn a_live_datagram_socket_is_live() {
    let (_directory, path) = socket_path();
    let _first = UnixDatagram::bind(&path).expect("bind");
    assert_eq!(refused(&path), io::ErrorKind::AddrInUse);
}

#[test]
fn a_dead_socket_is_replaced() {
    let (_directory, path) = socket_path();
    drop(UnixListener::bind(&path).expect("listen"));
    assert!(path.exists(), "std leaves the file behind");
    let _bound = listen_at(&path).expect("replaced");
    UnixStream::connect(&path).expect("connect");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o660);
}

#[test]
fn a_file_that_is_not_a_socket_is_never_removed() {
    let (directory, path) = socket_path();
    fs::write(&path, "precious").expect("write");
    assert_eq!(refused(&path), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).expect("still there"), b"precious");

    let folder = directory.path().join("folder");
    fs::create_dir(&folder).expect("mkdir");
    assert_eq!(refused(&folder), io::ErrorKind::AlreadyExists);
    assert!(folder.is_dir());

    let (dead, link) = (directory.path().join("dead"), directory.path().join("link"));
    drop(UnixListener::bind(&dead).expect("listen"));
    symlink(&dead, &link).expect("symlink");
    assert_eq!(refused(&link), io::ErrorKind::AlreadyExists);
    assert!(fs::symlink_metadata(&link).expect("still there").is_symlink());
}

#[test]
fn only_our_own_file_is_removed() {
    let (directory, path) = socket_path();
    let first = listen_at(&path).expect("listen");
    fs::rename(&path, directory.path().join("moved")).expect("rename");
    let second = listen_at(&path).expect("the path is free");
    drop(first);
    UnixStream::connect(&path).expect("the second one's file is there");
    drop(second);
    assert!(!path.exists());
}

#[test]
fn a_file_that_others_removed_is_no_error() {
    let (_directory, path) = socket_path();
    let bound = listen_at(&path).expect("listen");
    fs::remove_file(&path).expect("remove");
    drop(bound);
    assert!(!path.exists());
}

#[test]
fn the_guard_removes_the_file_without_the_listener() {
    let (_directory, path) = socket_path();
    let bound = listen_at(&path).expect("listen");
    assert_eq!(bound.path(), path);
    let (listener, guard) = bound.into_parts();
    UnixStream::connect(&path).expect("connect");
    drop(guard);
    assert!(!path.exists());
    drop(listener);
}

#[test]
fn a_failed_listen_leaves_no_file() {
    let (_directory, path) = socket_path();
    let gone = path.join("below");
    assert_eq!(refused(&gone), io::ErrorKind::NotFound);
    for bad in ["", "a\0b", &"x".repeat(108)] {
        assert_eq!(refused(Path::new(bad)), io::ErrorKind::InvalidInput, "{bad:?}");
    }
    assert!(!path.exists());
}

#[test]
fn one_of_several_simultaneous_copies_listens() {
    const COPIES: usize = 8;
    for _ in 0..20 {
        let (_directory, path) = socket_path();
        drop(UnixListener::bind(&path).expect("a dead one"));
        let start = Arc::new(Barrier::new(COPIES));
        let copies: Vec<_> = (0..COPIES)
            .map(|_| {
                let (start, path) = (Arc::clone(&start), path.clone());
                thread::spawn(move || {
                    start.wait();
                    listen_at(&path)
                })
            })
            .collect();
        let results: Vec<_> = copies.into_iter().map(|copy| copy.join().expect("no panic")).collect();
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        assert!(results.iter().filter_map(|r| r.as_ref().err()).all(|e| e.kind() == io::ErrorKind::AddrInUse));
        UnixStream::connect(&path).expect("the one that listens");
    }
}

#[test]
fn a_locked_directory_does_not_prevent_the_start() {
    let (directory, path) = socket_path();
    let stranger = File::open(directory.path()).expect("open");
    flock(&stranger, FlockOperation::LockExclusive).expect("lock");
    let _bound = listen_at(&path).expect("listen without the lock");
    UnixStream::connect(&path).expect("connect");
}
