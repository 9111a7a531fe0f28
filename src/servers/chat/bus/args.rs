//! The flags of the bus.

use std::convert::Infallible;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use clap::Args;

use crate::Address;
#[cfg(feature = "tls")]
use crate::net::tls::TlsClient;
#[cfg(feature = "tls")]
use crate::servers::cli::TlsClientArgs;
use crate::servers::cli::{ServiceSetup, StartError};
use crate::servers::{Chat, ChatOptions};
use crate::state::service::ServiceOptions;

use super::{Bus, BusOptions, BusUrl, ServerId, probe};

/// The flags of the bus.
#[derive(Args, Clone, Debug)]
#[cfg_attr(feature = "tls", command(mut_arg("tls_ca", |flag| flag.help(TLS_CA).help_heading(HEADING))))]
#[cfg_attr(feature = "tls", command(mut_arg("tls_insecure", |flag| flag.help(TLS_INSECURE).help_heading(HEADING))))]
pub struct BusArgs {
    /// Share the rooms with other servers through this Redis: redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss:// for
    /// TLS, or unix:PATH[?db=DB]
    #[arg(long, value_name = "URL", help_heading = HEADING)]
    pub(crate) bus: Option<Url>,

    /// File whose first line is the password of the Redis
    #[arg(long, value_name = "FILE", requires = "bus", help_heading = HEADING)]
    pub bus_password: Option<PathBuf>,

    /// Refuse newcomers while the Redis cannot be reached
    #[arg(long, requires = "bus", help_heading = HEADING)]
    pub bus_required: bool,

    /// The flags of TLS to the Redis.
    #[cfg(feature = "tls")]
    #[command(flatten)]
    pub tls: TlsClientArgs,
}

/// The group of these flags in the help.
const HEADING: &str = "Bus";

#[cfg(feature = "tls")]
const TLS_CA: &str = "With rediss://, trust a Redis with a certificate of these authorities (PEM) instead of those of \
                      the system";

#[cfg(feature = "tls")]
const TLS_INSECURE: &str = "With rediss://, trust any Redis, whatever its certificate";

/// A bus that serves, as the flags describe it.
#[derive(Debug)]
pub(crate) struct BusSetup {
    pub(crate) to: Address,
    pub(crate) options: BusOptions,
    #[cfg(feature = "tls")]
    pub(crate) tls_client: Option<TlsClient>,
}

/// A URL that is not parsed yet, because the errors of the command line show the value, which may have a password.
#[derive(Clone)]
pub(crate) struct Url(String);

impl FromStr for Url {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Url(text.to_owned()))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Url(..)")
    }
}

impl BusArgs {
    /// Whether there is a bus.
    pub(crate) fn is_given(&self) -> bool {
        self.bus.is_some()
    }

    /// Reads the flags, and looks whether the broker serves, for at most five seconds. `history` is the number of lines
    /// that are kept of a room. Returns `None` if there is no bus.
    ///
    /// # Errors
    /// If flags exclude each other, if a file cannot be used, or if the broker does not serve. The message has the
    /// cause and the remedy.
    pub(crate) fn enter(&self, chat: &ChatOptions, history: Option<usize>) -> Result<Option<BusSetup>, StartError> {
        let Some(mut setup) = self.load()? else { return Ok(None) };
        chat.room.as_str().clone_into(&mut setup.options.first);
        setup.options.max_rooms = chat.max_rooms;
        setup.options.history = history.unwrap_or(0);
        setup.probe()?;
        Ok(Some(setup))
    }

    /// Compares the flags with each other.
    ///
    /// # Errors
    /// If the URL is wrong, or if flags exclude each other.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        #[cfg(feature = "tls")]
        let has_tls_flags = self.tls.tls_insecure || self.tls.tls_ca.is_some();
        #[cfg(feature = "tls")]
        if has_tls_flags && !self.bus.as_ref().is_some_and(|url| url.0.starts_with("rediss://")) {
            return Err(StartError::usage("--tls-ca and --tls-insecure are for --bus rediss://HOST"));
        }
        let Some(url) = self.url()? else { return Ok(()) };
        if url.password.is_some() && self.bus_password.is_some() {
            return Err(StartError::usage("--bus and --bus-password both give a password; leave one of them out"));
        }
        if url.user.is_some() && url.password.is_none() && self.bus_password.is_none() {
            return Err(StartError::usage("--bus names a user without a password; give it with --bus-password FILE"));
        }
        Ok(())
    }

    /// The URL of the bus.
    fn url(&self) -> Result<Option<BusUrl>, StartError> {
        let Some(Url(url)) = &self.bus else { return Ok(None) };
        url.parse().map(Some).map_err(|error| StartError::usage(format!("--bus: {error}")))
    }

    /// Reads the flags, which [`check`](Self::check) has compared, and their files.
    fn load(&self) -> Result<Option<BusSetup>, StartError> {
        let Some(url) = self.url()? else { return Ok(None) };
        let password = match &self.bus_password {
            Some(file) => Some(read_password(file)?),
            None => url.password,
        };
        let (to, user, database) = (url.to, url.user, url.database);
        let is_required = self.bus_required;
        Ok(Some(BusSetup {
            #[cfg(feature = "tls")]
            tls_client: self.tls.load(&to)?,
            options: BusOptions { user, password, database, is_required, ..BusOptions::default() },
            to,
        }))
    }
}

impl BusSetup {
    /// Puts a chat on the bus: with the servers that TLS trusts, and a log without the password. Returns it with the
    /// address of the broker.
    pub(crate) fn put(self, setup: ServiceSetup<Chat>) -> (ServiceSetup<Chat>, Address) {
        let has_password = self.options.password.is_some();
        let bus = Bus::new(ServerId::random(), self.options, Instant::now());
        #[cfg(feature = "tls")]
        let setup = ServiceSetup { tls_client: self.tls_client, ..setup };
        let setup = if has_password { setup.with_secrets() } else { setup };
        (setup.map(|chat| chat.share(bus)), self.to)
    }

    fn probe(&self) -> Result<(), StartError> {
        let sockets = ServiceOptions {
            #[cfg(feature = "tls")]
            tls_client: self.tls_client.clone(),
            ..ServiceOptions::default()
        };
        probe(&self.to, self.options.clone(), sockets).map_err(StartError::failure)
    }
}

/// Reads the first line of a file.
fn read_password(file: &Path) -> Result<String, StartError> {
    let shown = file.display();
    let text = fs::read_to_string(file).map_err(|error| {
        StartError::failure(format!("cannot read {shown}: {error}; give --bus-password a file with a password"))
    })?;
    match text.lines().next() {
        Some(password) if !password.is_empty() => Ok(password.to_owned()),
        _ => Err(StartError::failure(format!("the first line of {shown} is empty; write the password there"))),
    }
}
