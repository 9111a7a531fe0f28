//! The body of a request for a script, received before the script starts.
//!
//! A small one is in memory. A larger one goes to a file without a name, which nothing else can open and which is gone
//! with the last descriptor. Workers create and write it, so the loop waits for no disk. Invariant: while a part is
//! written, nothing is added, so a body has at most twice [`IN_MEMORY`] in memory.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::connection::spawn::StdinMode;
use crate::framing::http::Status;
use crate::servers::http::tree::Refusal;

/// The most bytes of a body that need no file. 64 KiB: most forms are smaller, and a pipe takes as much at once.
const IN_MEMORY: usize = 64 * 1024;

/// What has arrived of a body.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// What is not in the file.
    bytes: Vec<u8>,
    file: Option<Arc<File>>,
    /// Bytes in the file.
    written: u64,
}

/// A part of a body that has to be written: the job of a worker.
#[derive(Debug)]
pub(super) struct Part {
    bytes: Vec<u8>,
    /// `None` before the first part.
    file: Option<Arc<File>>,
    offset: u64,
}

impl Body {
    /// Adds bytes that have arrived. If they are too many for memory, returns a part that has to be
    /// [written](Part::write) and [noted](Self::wrote) before more is added.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Option<Part> {
        self.bytes.extend_from_slice(bytes);
        (self.bytes.len() > IN_MEMORY).then(|| self.take_part())
    }

    /// Returns the last part, if the body is in a file of which it lacks.
    pub(super) fn end(&mut self) -> Option<Part> {
        (self.file.is_some() && !self.bytes.is_empty()).then(|| self.take_part())
    }

    fn take_part(&mut self) -> Part {
        let (bytes, offset) = (std::mem::take(&mut self.bytes), self.written);
        self.written += bytes.len() as u64;
        Part { bytes, file: self.file.clone(), offset }
    }

    /// Notes that a part is in `file`.
    pub(super) fn wrote(&mut self, file: Arc<File>) {
        self.file = Some(file);
    }

    /// The length of the body, as far as it has arrived.
    pub(super) fn length(&self) -> u64 {
        self.written + self.bytes.len() as u64
    }

    /// How a script reads the body.
    pub(super) fn stdin(&self) -> StdinMode {
        match &self.file {
            Some(file) => StdinMode::File(Arc::clone(file)),
            None if self.bytes.is_empty() => StdinMode::Null,
            None => StdinMode::Piped,
        }
    }

    /// Returns the bytes that have to be passed on to a script after its start.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Part {
    /// Writes the part, and returns the file. Its position stays at the beginning, where the script reads.
    ///
    /// # Errors
    /// The errors of open(2) in the directory for temporary files (`TMPDIR`), and of pwrite(2).
    pub(super) fn write(self) -> io::Result<Arc<File>> {
        let file = self.file.map_or_else(|| tempfile::tempfile().map(Arc::new), Ok)?;
        file.write_all_at(&self.bytes, self.offset)?;
        Ok(file)
    }
}

/// The answer to a request whose body cannot be stored.
pub(super) fn refusal(error: &io::Error) -> Refusal {
    let (status, remedy) = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            (Status::SERVICE_UNAVAILABLE, "; free some space, or choose another TMPDIR")
        }
        ErrorKind::NotFound
        | ErrorKind::NotADirectory
        | ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem => (Status::INTERNAL_SERVER_ERROR, "; choose another TMPDIR"),
        _ => (Status::SERVICE_UNAVAILABLE, ""),
    };
    let dir = std::env::temp_dir();
    let trouble = format!("the body of a request cannot be stored in {}: {error}{remedy}", dir.display());
    Refusal { status, reason: "the body cannot be stored", trouble: Some(trouble) }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;

    use proptest::prelude::*;
    use rustix::io::Errno;

    use super::*;

    /// Receives a body in pieces, and returns what its script reads.
    fn received(pieces: &[&[u8]]) -> (StdinMode, Vec<u8>) {
        let mut body = Body::default();
        for piece in pieces {
            if let Some(part) = body.add(piece) {
                body.wrote(part.write().expect("space"));
            }
            assert!(body.bytes.len() <= IN_MEMORY);
        }
        if let Some(part) = body.end() {
            body.wrote(part.write().expect("space"));
        }
        assert_eq!(body.length(), pieces.iter().map(|piece| piece.len() as u64).sum::<u64>());
        (body.stdin(), body.into_bytes())
    }

    #[test]
    fn a_small_body_is_in_memory() {
        assert_eq!(received(&[]), (StdinMode::Null, Vec::new()));
        assert_eq!(received(&[b"hel", b"", b"lo"]), (StdinMode::Piped, b"hello".to_vec()));
        let most = vec![b'x'; IN_MEMORY];
        assert_eq!(received(&[&most]), (StdinMode::Piped, most.clone()));
    }

    #[test]
    fn the_file_of_a_large_body_has_no_name() {
        let (StdinMode::File(file), rest) = received(&[&vec![b'x'; IN_MEMORY + 1]]) else { panic!("no file") };
        let found = rustix::fs::fstat(file.as_fd()).expect("an open file");
        assert_eq!((found.st_nlink, rest.len()), (0, 0));
    }

    #[test]
    fn a_refusal_names_the_remedy() {
        let status = |errno: Errno| refusal(&errno.into()).status;
        assert_eq!(status(Errno::NOSPC), Status::SERVICE_UNAVAILABLE);
        assert_eq!(status(Errno::NOENT), Status::INTERNAL_SERVER_ERROR);
        let trouble = refusal(&Errno::NOSPC.into()).trouble.expect("a line for the log");
        assert!(trouble.ends_with("No space left on device (os error 28); free some space, or choose another TMPDIR"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(30))]

        #[test]
        fn a_script_reads_what_was_sent(sizes in prop::collection::vec(0..70_000usize, 0..8)) {
            let sent: Vec<u8> = (0..sizes.iter().sum::<usize>()).map(|at| (at % 251) as u8).collect();
            let (mut rest, mut pieces) = (&sent[..], Vec::new());
            for size in sizes {
                let (piece, after) = rest.split_at(size);
                rest = after;
                pieces.push(piece);
            }
            let (stdin, mut read) = received(&pieces);
            prop_assert_eq!(matches!(stdin, StdinMode::File(_)), sent.len() > IN_MEMORY);
            if let StdinMode::File(file) = stdin {
                (&*file).read_to_end(&mut read).expect("a readable file");
            }
            prop_assert!(read == sent);
        }
    }
}
