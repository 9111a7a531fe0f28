//! A file that lines are appended to: the log of a chat, the access log of `http-server`.
//!
//! Invariants: a file contains only whole lines, even if an earlier run left it torn or if it is renamed while in use.
//! No line is written to a file that was removed. A write never waits for a reader. Bytes are passed to the system and
//! not synced to the disk. Several servers may append to one file, line by line.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use memchr::{memchr, memrchr};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

/// A file that is appended to. If its path no longer leads to it, as after `mv` or `rm`, the next line goes to a new
/// file at that path. `flush` makes the new file before the next line.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// The device and the inode number of the file.
    id: (u64, u64),
    /// Whether the last byte that was written is not a line end.
    is_within_line: bool,
}

impl LogFile {
    /// Opens a file. If it is missing, it is created, readable by its owner only.
    ///
    /// # Errors
    /// Fails if the system refuses, or if `path` is neither a file nor a character device.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if let Ok(found) = fs::metadata(path) {
            check(&found)?;
        }
        // Nonblocking: a pipe that appeared since the check would wait for a reader, and Ctrl-S may stop a terminal.
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600).custom_flags(flags.bits().cast_signed());
        let mut file = options.open(path)?;
        let found = file.metadata()?;
        check(&found)?;
        if is_torn(&file, &found)? {
            file.write_all(b"\n")?;
        }
        Ok(LogFile { path: path.into(), file, id: id(&found), is_within_line: false })
    }

    /// Opens the file at the path, if it is another one or none.
    fn follow_path(&mut self) -> io::Result<()> {
        if self.has_moved() {
            *self = LogFile::open(&self.path)?;
        }
        Ok(())
    }

    /// Whether the path leads to another file or to none.
    fn has_moved(&self) -> bool {
        fs::metadata(&self.path).map_or_else(|error| error.kind() == io::ErrorKind::NotFound, |at| id(&at) != self.id)
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut end = bytes.len();
        if self.is_within_line {
            // The rest of a line belongs to the file with its beginning.
            end = memchr(b'\n', bytes).map_or(end, |at| at + 1);
        } else {
            self.follow_path()?;
        }
        let mut count = self.file.write(&bytes[..end])?;
        if !self.is_within_line && self.file.metadata()?.nlink() == 0 {
            // The file was removed since it was looked for.
            self.follow_path()?;
            count = self.file.write(&bytes[..end])?;
        }
        if let Some(last) = bytes[..count].last() {
            self.is_within_line = *last != b'\n';
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_within_line { Ok(()) } else { self.follow_path() }
    }
}

/// Standard error, as a file that lines are appended to. A write waits for its reader, so it belongs to a worker.
///
/// It takes no lock that the rest of the process shares, so a reader that stops does not stop the loop.
#[cfg_attr(not(feature = "http"), expect(dead_code, reason = "the access log is of http-server"))]
#[derive(Debug)]
pub(super) struct StandardError;

/// The most bytes of a write that no other write to a pipe can divide (`PIPE_BUF`, pipe(7)).
#[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only standard error needs it"))]
const WHOLE: usize = 4096;

impl Write for StandardError {
    /// Writes as many whole lines as other writers cannot divide, or a part of one that is longer.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = &bytes[..bytes.len().min(WHOLE)];
        let lines = &most[..memrchr(b'\n', most).map_or(most.len(), |at| at + 1)];
        loop {
            match rustix::io::write(rustix::stdio::stderr(), lines) {
                // Another process has made the description nonblocking.
                Err(Errno::AGAIN) => {
                    let stderr = rustix::stdio::stderr();
                    poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], None)?;
                }
                result => return Ok(result?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn id(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Refuses directories and block devices, which hold no text, and pipes and sockets, which could delay the shutdown.
fn check(found: &Metadata) -> io::Result<()> {
    let kind = found.file_type();
    let name = match () {
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () if kind.is_block_device() => "a disk",
        () => return Ok(()),
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {name}")))
}

/// Whether the last line has no end, as after a full disk or a power cut.
fn is_torn(file: &File, found: &Metadata) -> io::Result<bool> {
    let mut last = [b'\n'];
    if let Some(at) = found.len().checked_sub(1).filter(|_| found.is_file()) {
        // A short read means that the file was just truncated.
        file.read_at(&mut last, at)?;
    }
    Ok(last != [b'\n'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn text(path: &Path) -> String {
        fs::read_to_string(path).expect("the log is there")
    }

    /// A log in an empty directory.
    fn log() -> (TempDir, PathBuf, LogFile) {
        let place = TempDir::new().expect("room for a directory");
        let path = place.path().join("room.log");
        let log = LogFile::open(&path).expect("a file can be made");
        (place, path, log)
    }

    #[test]
    fn a_file_is_made_for_its_owner_and_appended_to() {
        let (_place, path, mut log) = log();
        assert_eq!(fs::metadata(&path).expect("made").mode() & 0o777, 0o600);
        log.write_all(b"one\n").expect("room");
        let mut again = LogFile::open(&path).expect("it is there");
        again.write_all(b"two\n").expect("room");
        log.write_all(b"three\n").expect("room");
        assert_eq!(text(&path), "one\ntwo\nthree\n");
    }

    #[test]
    fn a_line_that_was_cut_off_is_ended() {
        let (_place, path, _) = log();
        fs::write(&path, "one\ntw").expect("room");
        LogFile::open(&path).expect("it is there").write_all(b"three\n").expect("room");
        assert_eq!(text(&path), "one\ntw\nthree\n");
    }

    #[test]
    fn a_file_that_was_renamed_or_removed_is_made_anew() {
        let (place, path, mut log) = log();
        let old = place.path().join("room.log.1");
        log.write_all(b"one\ntw").expect("room");
        fs::rename(&path, &old).expect("ours");
        log.write_all(b"o\nthree\n").expect("room");
        assert_eq!((text(&old), text(&path)), ("one\ntwo\n".into(), "three\n".into()));
        fs::remove_file(&path).expect("ours");
        log.write_all(b"four\n").expect("room");
        assert_eq!(text(&path), "four\n");
        fs::rename(&path, &old).expect("ours");
        log.flush().expect("room");
        assert_eq!((text(&old), text(&path)), ("four\n".into(), String::new()));
    }

    #[test]
    fn a_log_that_was_copied_and_emptied_restarts_at_its_beginning() {
        let (_place, path, mut log) = log();
        log.write_all(b"one\n").expect("room");
        File::create(&path).expect("ours");
        log.write_all(b"two\n").expect("room");
        assert_eq!(text(&path), "two\n");
    }

    #[test]
    fn a_directory_that_is_gone_is_an_error_until_it_is_back() {
        let (place, path, _) = log();
        let (room, aside) = (place.path().join("room"), place.path().join("aside"));
        fs::create_dir(&room).expect("room");
        let inside = room.join("log");
        let mut log = LogFile::open(&inside).expect("a file can be made");
        fs::rename(&room, &aside).expect("ours");
        let error = log.write(b"one\n").expect_err("no such directory");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        fs::rename(&aside, &room).expect("ours");
        log.write_all(b"one\n").expect("it is back");
        assert_eq!((text(&inside), text(&path)), ("one\n".into(), String::new()));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let (place, ..) = log();
        let error = LogFile::open(place.path()).expect_err("a directory");
        assert_eq!(error.to_string(), "it is a directory");
        let socket = place.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("room");
        assert_eq!(LogFile::open(&socket).expect_err("a socket").to_string(), "it is a socket");
        let null = Path::new("/dev/null");
        LogFile::open(null).expect("a character device").write_all(b"one\n").expect("room without end");
    }
}
