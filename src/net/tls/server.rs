//! The server's side: its certificate, its key, and the authorities of its clients.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{InconsistentKeys, ServerConfig};

use super::{Fault, TlsError, pem};

/// The files of a TLS server, and the protocols that it speaks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TlsServerOptions {
    /// The certificate of the server, followed by those of the authorities between it and a root.
    pub cert: PathBuf,
    /// The private key of the certificate, not encrypted.
    pub key: PathBuf,
    /// The authorities of client certificates. If it is set, a client without a certificate of theirs is refused.
    pub client_ca: Option<PathBuf>,
    /// The names of the application protocols, best first (ALPN, RFC 7301). If it is not empty, a client that offers
    /// others only is refused. One that offers none is served.
    pub alpn: Vec<Vec<u8>>,
}

impl TlsServerOptions {
    /// Options with these files, without client certificates and without ALPN.
    pub fn new(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        TlsServerOptions { cert: cert.into(), key: key.into(), client_ca: None, alpn: Vec::new() }
    }
}

/// The certificate and the key of a TLS server, loaded and checked. TLS 1.2 and 1.3 are spoken.
#[derive(Clone, Debug)]
pub struct TlsServer {
    options: TlsServerOptions,
    config: Arc<ServerConfig>,
}

impl TlsServer {
    /// Reads the files.
    ///
    /// # Errors
    /// If a file cannot be read or used. The error names the file and the remedy.
    pub fn load(options: TlsServerOptions) -> Result<TlsServer, TlsError> {
        let config = Arc::new(configure(&options)?);
        Ok(TlsServer { options, config })
    }

    /// Reads the files again. Connections that are established keep what they have.
    ///
    /// # Errors
    /// Those of [`load`](Self::load). The certificate and the key stay as they are then.
    pub fn reload(&mut self) -> Result<(), TlsError> {
        self.config = Arc::new(configure(&self.options)?);
        Ok(())
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

fn configure(options: &TlsServerOptions) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let chain = pem::certificates(&options.cert)?;
    let key = pem::key(&options.key)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| refused(&options.cert, error))?;
    let clients: Arc<dyn ClientCertVerifier> = match &options.client_ca {
        None => Arc::new(NoClientAuth),
        Some(file) => WebPkiClientVerifier::builder_with_provider(Arc::new(pem::roots(file)?), provider)
            .build()
            .map_err(|error| refused(file, rustls::Error::General(error.to_string())))?,
    };
    let mut config = builder.with_client_cert_verifier(clients).with_single_cert(chain, key).map_err(|error| {
        match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::new(&options.key, Fault::Mismatch(options.cert.clone()))
            }
            // Only a certificate that cannot be parsed is left.
            rustls::Error::InvalidCertificate(_) => refused(&options.cert, error),
            _ => refused(&options.key, error),
        }
    })?;
    config.alpn_protocols.clone_from(&options.alpn);
    config.ticketer = ring::Ticketer::new().map_err(|error| refused(&options.key, error))?;
    Ok(config)
}

fn refused(file: &std::path::Path, error: rustls::Error) -> TlsError {
    TlsError::new(file, Fault::Refused(error))
}
