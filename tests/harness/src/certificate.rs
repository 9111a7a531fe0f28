//! Certificates and keys, made by openssl(1).

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A directory of certificates and keys. It is removed when this is dropped.
#[derive(Debug)]
pub struct Certificates {
    place: TempDir,
}

/// A certificate, and its key.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate, as PEM.
    pub cert: PathBuf,
    /// The key, as PEM.
    pub key: PathBuf,
}

/// The extensions of the certificate of a server on this machine.
pub const SERVER: &[&str] =
    &["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"];

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

impl Certificates {
    /// An empty directory.
    pub fn new() -> Self {
        Certificates { place: TempDir::new().expect("room for certificates") }
    }

    /// The path of a file in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Makes a self-signed certificate `NAME.pem` with its key `NAME.key`.
    #[track_caller]
    pub fn self_signed(&self, name: &str, extensions: &[&str]) -> Pair {
        self.make(&["openssl"], name, extensions)
    }

    /// Makes a self-signed certificate that has expired, by faketime(1).
    #[track_caller]
    pub fn expired(&self, name: &str, extensions: &[&str]) -> Pair {
        self.make(&["faketime", "-f", "-400d", "openssl"], name, extensions)
    }

    #[track_caller]
    fn make(&self, program: &[&str], name: &str, extensions: &[&str]) -> Pair {
        let pair = self.pair(name);
        let mut words = program.to_vec();
        words.extend(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        words.extend(["-days", "30", "-subj", "/CN=switchboard.test"]);
        words.extend_from_slice(extensions);
        self.run(&[&words[..], &["-out", text(&pair.cert), "-keyout", text(&pair.key)]].concat());
        pair
    }

    /// Makes a certificate `NAME.pem` with its key `NAME.key`, signed by `authority`.
    #[track_caller]
    pub fn signed_by(&self, authority: &Pair, name: &str, extensions: &[&str]) -> Pair {
        let by = ["-CA", text(&authority.cert), "-CAkey", text(&authority.key)];
        self.self_signed(name, &[extensions, &by].concat())
    }

    fn pair(&self, name: &str) -> Pair {
        Pair { cert: self.path(&format!("{name}.pem")), key: self.path(&format!("{name}.key")) }
    }

    /// Runs openssl(1), which has to succeed.
    #[track_caller]
    pub fn openssl(&self, words: &[&str]) {
        self.run(&[&["openssl"], words].concat());
    }

    #[track_caller]
    fn run(&self, words: &[&str]) {
        let output = Command::new(words[0]).args(&words[1..]).current_dir(self.place.path()).output();
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", words[0]));
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of the temporary directory is text")
}
