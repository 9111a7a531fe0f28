//! Certificates, keys and trusted authorities for TLS, read from PEM files (RFC 7468).
//!
//! Invariant: a [`TlsServer`] or a [`TlsClient`] is complete. Every fault of a file is found when it is loaded, as a
//! [`TlsError`] that names the file and the remedy, and no handshake can fail because of it.

pub(crate) mod client;
mod explain;
mod pem;
mod server;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustls::InconsistentKeys;

pub(crate) use client::server_name;
pub use client::{TlsClient, TlsClientOptions, Trust};
pub(crate) use explain::explain;
use explain::refusal;
pub use server::{TlsServer, TlsServerOptions};

/// The reason why a file cannot be used for TLS. Displays as one line: the file, the fault and the remedy.
#[derive(Debug)]
pub struct TlsError {
    /// Empty if no single file is at fault.
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
    /// The system trusts no authority.
    NoRoots(String),
    /// The library has failed.
    General(String),
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

    fn without_file(fault: Fault) -> TlsError {
        TlsError { file: PathBuf::new(), fault }
    }

    fn general(error: &rustls::Error) -> TlsError {
        TlsError::without_file(Fault::General(error.to_string()))
    }

    /// The error of a certificate and a key that are refused together.
    fn of_pair(cert: &Path, key: &Path, error: rustls::Error) -> TlsError {
        match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::new(key, Fault::Mismatch(cert.to_owned()))
            }
            // Only a certificate that cannot be parsed is left.
            rustls::Error::InvalidCertificate(_) => TlsError::new(cert, Fault::Refused(error)),
            _ => TlsError::new(key, Fault::Refused(error)),
        }
    }

    /// Returns the file. It is empty if no single file is at fault.
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
            Fault::Refused(error) => write!(f, "cannot use {file}: {}", refusal(error)),
            Fault::NoRoots(reason) => write!(
                f,
                "this system trusts no authority{reason}; install the package ca-certificates, or give --tls-ca FILE"
            ),
            Fault::General(error) => write!(f, "cannot use TLS: {error}"),
        }
    }
}

/// `source` returns `None`, because the displayed line contains the text of the cause.
impl std::error::Error for TlsError {}

#[cfg(test)]
mod tests;
