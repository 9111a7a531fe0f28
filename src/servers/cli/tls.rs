//! The flags of TLS: of the servers for their listeners, and of programs that connect.

use std::path::PathBuf;

use clap::Args;

use super::server::StartError;
use crate::Address;
use crate::net::tls::{TlsClient, TlsClientOptions, TlsError, TlsServer, TlsServerOptions, Trust};

/// The flags of TLS, which apply to the listeners with `tls:`.
#[derive(Args, Clone, Debug)]
pub struct TlsArgs {
    /// Certificate for the addresses with tls:, and the certificates of its authorities after it (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "TLS")]
    pub tls_cert: Option<PathBuf>,

    /// Private key of the certificate, not encrypted (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "TLS")]
    pub tls_key: Option<PathBuf>,

    /// Serve only clients with a certificate of these authorities (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "TLS")]
    pub tls_client_ca: Option<PathBuf>,
}

impl TlsArgs {
    /// Reads the files for a server of the protocols `alpn`. `None` if no file is given.
    ///
    /// # Errors
    /// If a file cannot be used. The message names the file and the remedy.
    pub(crate) fn load(&self, alpn: &[&str]) -> Result<Option<TlsServer>, TlsError> {
        let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) else { return Ok(None) };
        let mut options = TlsServerOptions::new(cert, key);
        options.client_ca.clone_from(&self.tls_client_ca);
        options.alpn = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsServer::load(options).map(Some)
    }
}

/// The flags of a program that connects to addresses with `tls:`.
#[derive(Args, Clone, Debug)]
pub struct TlsClientArgs {
    /// Trust servers with a certificate of these authorities (PEM) instead of those of the system; for tls:
    #[arg(long, value_name = "FILE", conflicts_with = "tls_insecure")]
    pub tls_ca: Option<PathBuf>,

    /// Trust any server, whatever its certificate; for tls:
    #[arg(long)]
    pub tls_insecure: bool,
}

impl TlsClientArgs {
    /// Reads what is needed to connect to `to`. `None` if that is no TLS address.
    ///
    /// # Errors
    /// If a flag is given without a TLS address, or if a file cannot be used.
    pub fn load(&self, to: &Address) -> Result<Option<TlsClient>, StartError> {
        self.check(to)?;
        let Address::Tls(_) = to else { return Ok(None) };
        let mut options = TlsClientOptions::default();
        if self.tls_insecure {
            log::warn!("--tls-insecure: the server at {to} is not verified, and anyone on the way can read along");
            options.trust = Trust::Anyone;
        } else if let Some(file) = &self.tls_ca {
            options.trust = Trust::Authorities(file.clone());
        }
        TlsClient::load(&options).map(Some).map_err(StartError::failure)
    }

    /// Checks that a flag is given only with a TLS address.
    pub(crate) fn check(&self, to: &Address) -> Result<(), StartError> {
        let is_unused = self.tls_insecure || self.tls_ca.is_some();
        match to {
            Address::Tls(_) => Ok(()),
            _ if is_unused => Err(StartError::usage(format!("--tls-ca and --tls-insecure are for TLS: use tls:{to}"))),
            _ => Ok(()),
        }
    }
}
