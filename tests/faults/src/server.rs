//! The server under attack.
//!
//! Its standard input is a pipe of this process, so it also stops if this process ends without having dropped it.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use switchboard_harness::{Certificates, Pair, Process, SERVER};
use tempfile::TempDir;

use crate::kind::Kind;
use crate::site;
use crate::upstream::Upstream;

/// How a server is started.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) kind: Kind,
    /// Where the programs are.
    pub(crate) programs: &'a Path,
    pub(crate) flags: &'a [&'a str],
    /// The core that it is pinned to.
    pub(crate) core: Option<u32>,
    /// Its limit of descriptors, soft and hard.
    pub(crate) descriptors: Option<u32>,
    /// The size of a file that a second service of the process sends.
    pub(crate) file: Option<u64>,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    process: switchboard_harness::Server,
    pub(crate) address: SocketAddr,
    /// Where it takes datagrams, speaks TLS, sends a file or has its line door, if it does.
    second: Option<SocketAddr>,
    /// Of a relay only.
    pub(crate) upstream: Option<Upstream>,
    /// The pages; the file, and that of `switchboard`.
    places: [Option<TempDir>; 2],
    certificates: Option<Certificates>,
}

impl Launch<'_> {
    /// Starts it on a free port, and waits until it listens.
    ///
    /// # Errors
    /// It could not be started, or did not say in time where it listens.
    pub(crate) fn start(&self) -> io::Result<Server> {
        let certificates = self.flags.contains(&TLS).then(Certificates::new);
        let place = self.file.map(|size| self.place(size)).transpose()?;
        let site = (self.kind == Kind::Http).then(Self::site).transpose()?;
        let is_relay = self.kind == Kind::Relay;
        let upstream = is_relay.then(|| Upstream::start(self.programs, self.core)).transpose()?;
        let program = self.programs.join(if place.is_some() { "switchboard" } else { self.kind.program() });
        let mut launch = switchboard_harness::Launch::of(&program).pinned(self.core);
        launch = match &place {
            Some(place) => launch.arg("--config").arg(place.path().join(CONFIG)),
            None => launch.listen(self.kind.listen()),
        };
        if let Some(upstream) = &upstream {
            launch = launch.arg("--to").arg(format!("unix:{}", upstream.path().display()));
        }
        if let Some(descriptors) = self.descriptors {
            launch = launch.after(&format!("ulimit -n {descriptors}"));
        }
        launch = self.kind.flags().iter().chain(self.flags).fold(launch, switchboard_harness::Launch::arg);
        if let Some(certificates) = &certificates {
            let Pair { cert, key } = certificates.self_signed(CERTIFICATE, SERVER);
            launch = launch.arg("--tls-cert").arg(cert).arg("--tls-key").arg(key);
        }
        launch = launch.last(self.kind.last());
        if let Some(site) = &site {
            launch = launch.last(&[&site.path().to_string_lossy()]);
        }
        let named = |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", program.display()));
        let process = launch.try_spawn().map_err(named)?;
        let has_second = self.flags.contains(&"--listen") || self.kind == Kind::Web || place.is_some();
        let printed = process.try_addresses(1 + usize::from(has_second)).map_err(named)?;
        let address = read(&printed[0])?;
        let second = printed.get(1).map(|printed| read(printed)).transpose()?;
        Ok(Server { process, address, second, upstream, places: [site, place], certificates })
    }

    /// Makes a directory with pages, in memory: from a disk, the disk would be measured.
    fn site() -> io::Result<TempDir> {
        let site = TempDir::new_in("/dev/shm")?;
        site::write(site.path())?;
        Ok(site)
    }

    /// Makes a directory with a file of `size` bytes, all of them a hole, and the file of a `switchboard` that hosts
    /// the server, and a service that sends this file. They are in memory: from a disk, the disk would be measured.
    fn place(&self, size: u64) -> io::Result<TempDir> {
        let place = TempDir::new_in("/dev/shm")?;
        let large = place.path().join("large");
        File::create(&large)?.set_len(size)?;
        let listen = "listen = '127.0.0.1:0'";
        let config = format!("[{}]\n{listen}\n[greeting]\n{listen}\nfile = '{}'\n", self.kind, large.display());
        fs::write(place.path().join(CONFIG), config)?;
        Ok(place)
    }
}

/// The name of the file of `switchboard`.
const CONFIG: &str = "services.toml";

/// The address of a listener that speaks TLS, among the flags of a server.
pub(crate) const TLS: &str = "tls:127.0.0.1:0";

/// The name of the certificate.
const CERTIFICATE: &str = "server";

fn read(printed: &str) -> io::Result<SocketAddr> {
    let address = ["udp:", "tls:", "web:"].iter().find_map(|kind| printed.strip_prefix(kind)).unwrap_or(printed);
    address.parse().map_err(|_| io::Error::other(format!("it listens on {printed:?}, which is no address")))
}

impl Server {
    /// Its second address: where it takes datagrams, speaks TLS, sends a file or has its line door.
    ///
    /// # Errors
    /// It has only one.
    pub(crate) fn second(&self) -> io::Result<SocketAddr> {
        self.second.ok_or_else(|| io::Error::other("the server has one address only"))
    }

    /// The file of its certificate, if it speaks TLS.
    pub(crate) fn certificate(&self) -> Option<PathBuf> {
        self.certificates.as_ref().map(|certificates| certificates.path(&format!("{CERTIFICATE}.pem")))
    }

    /// The directory that an HTTP server serves, or else an empty path.
    pub(crate) fn place(&self) -> PathBuf {
        self.places[0].as_ref().map(|site| site.path().to_owned()).unwrap_or_default()
    }

    pub(crate) fn process(&self) -> Process {
        self.process.process()
    }

    /// Asks it to stop. Returns its log.
    ///
    /// # Errors
    /// It had ended before, did not stop in time, or did not end with 0.
    pub(crate) fn stop(mut self) -> io::Result<Vec<u8>> {
        let exit = self.process.try_stop();
        let log = self.process.stderr.all();
        let problem = match exit {
            Ok(exit) if exit.code == Some(0) => return Ok(log),
            Ok(exit) => format!("it ended with {}", exit.status),
            Err(error) => error.to_string(),
        };
        Err(io::Error::other(format!("{problem}; the end of its log: {}", tail(&log))))
    }
}

fn tail(log: &[u8]) -> String {
    log[log.len().saturating_sub(500)..].escape_ascii().to_string()
}
