//! The client's side: which servers it trusts.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::{Fault, TlsError, pem};
use crate::net::{Address, Host};

/// The servers that a TLS client trusts, and what it tells them.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TlsClientOptions {
    /// The authorities of trusted servers.
    pub trust: Trust,
    /// The certificate of the client and its private key, for a server that asks for one.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The names of the application protocols, best first (ALPN, RFC 7301).
    pub alpn: Vec<Vec<u8>>,
    /// Whether each connection makes a full handshake, even if the server knows the client from before.
    pub no_resumption: bool,
}

/// The servers that a TLS client trusts.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Trust {
    /// Those with a certificate of an authority that this system trusts.
    #[default]
    System,
    /// Those with a certificate of an authority in this file (PEM), or with one of these certificates themselves.
    Authorities(PathBuf),
    /// Any server, whatever its certificate. Anyone on the way can read and change what is sent.
    Anyone,
}

/// What a client needs to connect to TLS servers. Sessions are resumed, so a second connection to a server is cheap.
#[derive(Clone, Debug)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
}

impl TlsClient {
    /// Reads the certificates that the options name, or those of the system.
    ///
    /// # Errors
    /// If a file cannot be read or used, or if the system has no trusted authority. The error names the remedy.
    pub fn load(options: &TlsClientOptions) -> Result<TlsClient, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::general(&error))?;
        let builder = match &options.trust {
            Trust::System => builder.with_root_certificates(system_roots()?),
            Trust::Authorities(file) => builder.with_root_certificates(pem::roots(file)?),
            Trust::Anyone => builder.dangerous().with_custom_certificate_verifier(Arc::new(NoVerification(provider))),
        };
        let mut config = match &options.identity {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => builder
                .with_client_auth_cert(pem::certificates(cert)?, pem::key(key)?)
                .map_err(|error| TlsError::of_pair(cert, key, error))?,
        };
        if options.no_resumption {
            config.resumption = Resumption::disabled();
        }
        config.alpn_protocols.clone_from(&options.alpn);
        Ok(TlsClient { config: Arc::new(config) })
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }
}

/// The name that the certificate of the server at `to` has to have: the host of the address. A server at a Unix socket
/// is `localhost`.
pub(crate) fn server_name(to: &Address) -> io::Result<ServerName<'static>> {
    match to.transport() {
        Address::Tcp { host: Host::Ip(ip), .. } => Ok(ServerName::from(*ip)),
        Address::Tcp { host: Host::Zoned { ip, .. }, .. } => Ok(ServerName::from(std::net::IpAddr::from(*ip))),
        Address::Tcp { host: Host::Name(name), .. } => {
            let name = name.strip_suffix('.').unwrap_or(name);
            ServerName::try_from(name.to_owned()).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
        }
        _ => Ok(ServerName::try_from("localhost").expect("a valid name")),
    }
}

/// The authorities that the system trusts.
fn system_roots() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(TlsError::without_file(Fault::NoRoots(reason)));
    }
    Ok(roots)
}

/// Accepts any certificate, as long as the server has its key.
#[derive(Debug)]
pub(crate) struct NoVerification(pub(crate) Arc<CryptoProvider>);

impl ServerCertVerifier for NoVerification {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
