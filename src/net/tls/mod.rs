//! Certificates, keys and trusted authorities for TLS, read from PEM files (RFC 7468).
//!
//! Invariant: a [`TlsServer`] or a [`TlsClient`] is complete. Every fault of a file is found when it is loaded, as a
//! [`TlsError`] that names the file and the remedy, and no handshake can fail because of it.

mod pem;
mod server;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use server::{TlsServer, TlsServerOptions};

/// The reason why a file cannot be used for TLS. Displays as one line: the file, the fault and the remedy.
#[derive(Debug)]
pub struct TlsError {
    file: PathBuf,
    fault: Fault,
}

/// What is wrong with a file.
#[derive(Debug)]
enum Fault {
    Unreadable(io::Error),
    Malformed(String),
    /// It has none of the wanted items, but one of this kind.
    Missing(Wanted, &'static str),
    Encrypted,
    /// The key belongs to another certificate than that of this file.
    Mismatch(PathBuf),
    Refused(rustls::Error),
}

/// What a file is expected to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Certificate,
    Key,
}

impl TlsError {
    fn new(file: &Path, fault: Fault) -> TlsError {
        TlsError { file: file.to_owned(), fault }
    }

    /// Returns the file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match &self.fault {
            Fault::Unreadable(error) => {
                write!(f, "cannot read {file}: {error}; check the path, and that this user may read it")
            }
            Fault::Malformed(reason) => write!(f, "{file} is not PEM: {reason}; convert it with \"openssl\""),
            Fault::Missing(Wanted::Certificate, found) => write!(
                f,
                "{file} has no certificate{found}; use the PEM file that begins with -----BEGIN CERTIFICATE-----"
            ),
            Fault::Missing(Wanted::Key, found) => {
                write!(f, "{file} has no private key{found}; use the PEM file with -----BEGIN PRIVATE KEY-----")
            }
            Fault::Encrypted => {
                write!(f, "the key in {file} is encrypted; decrypt it with \"openssl pkey -in {file} -out FILE\"")
            }
            Fault::Mismatch(certificate) => write!(
                f,
                "the key in {file} does not belong to the certificate in {}; give the two files of one pair",
                certificate.display()
            ),
            Fault::Refused(error) => write!(f, "cannot use {file}: {error}"),
        }
    }
}

/// `source` returns `None`, because the displayed line contains the text of the cause.
impl std::error::Error for TlsError {}
