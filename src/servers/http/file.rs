//! One version of a file, ready to be sent.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

use super::conditions::{Validators, whole_seconds};

/// Files up to this size are kept as bytes, in bytes. 64 KiB: a page with its style and its small pictures. Larger ones
/// are kept open.
const MAX_BYTES: u64 = 64 * 1024;

/// A version of a file. All answers that it gives are of this version.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) content: Content,
    pub(super) identity: Identity,
    pub(super) validators: Validators,
    /// Whether the answer depends on the encodings that a client accepts.
    pub(super) varies: bool,
    /// The headers of each answer about this version, 304 included, encoded.
    pub(super) common: Vec<u8>,
    /// The value of `Content-Type`.
    pub(super) media_type: String,
    /// The headers of an answer with the file or one part of it, encoded: the common ones, and those about the content.
    pub(super) whole: Vec<u8>,
    /// The headers about the content except its type, encoded: those of an answer with several parts.
    pub(super) about: Vec<u8>,
}

/// The bytes of a version, or where they are.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Bytes(Arc<[u8]>),
    Open(Arc<File>),
}

/// What tells two versions apart. Each change of a file changes its time of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    place: (u64, u64),
    pub(super) length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    /// # Errors
    /// Those of fstat(2).
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let found = file.metadata()?;
        Ok(Identity {
            place: (found.dev(), found.ino()),
            length: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }

    /// The time of the last change, in seconds after 1970, and its nanoseconds.
    pub(super) fn modified(&self) -> (i64, i64) {
        self.modified
    }

    /// The validators of the file in this encoding, which is part of the tag: the tag of the bytes, not of the text.
    pub(super) fn validators(&self, encoding: &str) -> Validators {
        let Identity { place: (_, inode), length, modified: (seconds, nanos), .. } = *self;
        let etag = format!("\"{inode:x}-{length:x}-{seconds:x}.{nanos:x}{encoding}\"");
        Validators { etag, modified: whole_seconds(seconds) }
    }
}

impl Content {
    /// Reads a small file, or keeps a large one open. Returns `None` if it changes meanwhile.
    ///
    /// # Errors
    /// Those of read(2) and fstat(2).
    pub(super) fn load(file: File, identity: &Identity) -> io::Result<Option<Self>> {
        if identity.length > MAX_BYTES {
            return Ok(Some(Content::Open(Arc::new(file))));
        }
        let mut bytes = vec![0; identity.length as usize];
        match file.read_exact_at(&mut bytes, 0) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
            result => Ok((result.is_ok() && Identity::of(&file)? == *identity).then(|| Content::Bytes(bytes.into()))),
        }
    }
}

impl Version {
    /// Whether the open file still has the bytes of this version.
    pub(super) fn is_current(&self) -> bool {
        match &self.content {
            Content::Bytes(_) => true,
            Content::Open(file) => Identity::of(file).is_ok_and(|now| now == self.identity),
        }
    }

    pub(super) fn length(&self) -> u64 {
        self.identity.length
    }
}
