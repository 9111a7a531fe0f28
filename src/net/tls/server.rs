//! The server's side: its certificate, its key, and the authorities of its clients.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, RootCertStore, ServerConfig};

use super::explain::is_authority;
use super::{Fault, TlsError, pem};
use crate::net::Door;

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
    /// The names of the application protocols at the line door, best first (ALPN, RFC 7301). If it is not empty, a
    /// client that offers others only is refused. One that offers none is served. The protocol of the web door is
    /// `http/1.1`.
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
    /// For the line door.
    config: Arc<ServerConfig>,
    /// For the web door, with the same certificate.
    web_config: Arc<ServerConfig>,
}

/// The application protocol with which a WebSocket begins.
const WEB_PROTOCOL: &[u8] = b"http/1.1";

impl TlsServer {
    /// Reads the files.
    ///
    /// # Errors
    /// If a file cannot be read or used. The error names the file and the remedy.
    pub fn load(options: TlsServerOptions) -> Result<TlsServer, TlsError> {
        let (config, web_config) = configure(&options)?;
        Ok(TlsServer { options, config, web_config })
    }

    /// Reads the files again. Connections that are established keep what they have.
    ///
    /// # Errors
    /// Those of [`load`](Self::load). The certificate and the key stay as they are then.
    pub fn reload(&mut self) -> Result<(), TlsError> {
        (self.config, self.web_config) = configure(&self.options)?;
        Ok(())
    }

    pub(crate) fn options(&self) -> &TlsServerOptions {
        &self.options
    }

    /// What a connection at this door needs.
    pub(crate) fn config(&self, door: Door) -> Arc<ServerConfig> {
        Arc::clone(if door == Door::Web { &self.web_config } else { &self.config })
    }
}

/// Reads the files. Returns what connections at the line door and at the web door need.
fn configure(options: &TlsServerOptions) -> Result<(Arc<ServerConfig>, Arc<ServerConfig>), TlsError> {
    let provider = Arc::new(ring::default_provider());
    let chain = pem::certificates(&options.cert)?;
    let key = pem::key(&options.key)?;
    if let Some(doubt) = doubt(&chain, &provider) {
        log::warn!("the certificate in {} {doubt}", options.cert.display());
    }
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| TlsError::general(&error))?;
    let clients: Arc<dyn ClientCertVerifier> = match &options.client_ca {
        None => Arc::new(NoClientAuth),
        Some(file) => WebPkiClientVerifier::builder_with_provider(Arc::new(pem::roots(file)?), provider)
            .build()
            .map_err(|error| TlsError::new(file, Fault::General(error.to_string())))?,
    };
    let mut config = builder
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)
        .map_err(|error| TlsError::of_pair(&options.cert, &options.key, error))?;
    config.ignore_client_order = true;
    config.ticketer = ring::Ticketer::new().map_err(|error| TlsError::general(&error))?;
    let mut web_config = config.clone();
    config.alpn_protocols.clone_from(&options.alpn);
    web_config.alpn_protocols = vec![WEB_PROTOCOL.to_vec()];
    Ok((Arc::new(config), Arc::new(web_config)))
}

/// The reason why clients may refuse a certificate, with the remedy. The server serves the others.
pub(super) fn doubt(chain: &[CertificateDer<'_>], provider: &CryptoProvider) -> Option<&'static str> {
    let certificate = ParsedCertificate::try_from(chain.first()?).ok()?;
    // Without a root, what is found is a fault of the certificate itself, or that its issuer is not known.
    let verified = verify_server_cert_signed_by_trust_anchor(
        &certificate,
        &RootCertStore::empty(),
        &[],
        UnixTime::now(),
        provider.signature_verification_algorithms.all,
    );
    match verified {
        Err(rustls::Error::InvalidCertificate(fault)) if is_authority(&fault) => Some(
            "is that of an authority (CA:TRUE), which some clients refuse; make one with \
             \"-addext basicConstraints=critical,CA:FALSE\"",
        ),
        Err(rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })) => {
            Some("has expired, so clients refuse it; renew it, or set the clock of this machine")
        }
        Err(rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        )) => Some("is not valid yet, so clients refuse it; set the clock of this machine"),
        _ if has_no_name(&certificate) => {
            Some("has no name of a host, so clients refuse it; make one with \"-addext subjectAltName=DNS:NAME\"")
        }
        _ => None,
    }
}

fn has_no_name(certificate: &ParsedCertificate<'_>) -> bool {
    let any = ServerName::from(std::net::IpAddr::from([127, 0, 0, 1]));
    matches!(
        verify_server_name(certificate, &any),
        Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }))
            if presented.is_empty()
    )
}
