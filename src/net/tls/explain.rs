//! The faults of handshakes in plain words, with the remedy where there is one.

use rustls::{AlertDescription, CertificateError, Error};

/// The reason why a connection has failed, as the rest of a sentence.
pub(crate) fn explain(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(fault) => certificate(fault),
        Error::NoCertificatesPresented => "the client has no certificate, and --tls-client-ca asks for one".to_owned(),
        Error::AlertReceived(alert) => format!("the peer gave up: {}", alert_text(*alert)),
        Error::InvalidMessage(_) => format!("this is not TLS: {error}"),
        _ => error.to_string(),
    }
}

/// The reason why a certificate or a key of ours cannot be used, with the remedy.
pub(super) fn refusal(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(fault) if is_of_version_1(fault) => {
            "the certificate is of X.509 version 1; make one \
             of version 3 with \"openssl req -x509 -addext basicConstraints=critical,CA:FALSE\""
                .to_owned()
        }
        Error::InvalidCertificate(_) => "the certificate is damaged; copy it again, or make a new one".to_owned(),
        _ => "the key is damaged or of another kind; use one of RSA, ECDSA (P-256, P-384) or Ed25519".to_owned(),
    }
}

fn certificate(fault: &CertificateError) -> String {
    match fault {
        // An unrelated authority can have the name of the issuer.
        CertificateError::UnknownIssuer
        | CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the certificate of the peer is of no trusted authority; trust its authority with --tls-ca FILE".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate of the peer has expired, or the clock of this machine is wrong".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate of the peer is not valid yet, or the clock of this machine is wrong".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            format!("the certificate of the peer is for {1}, not for {0}", expected.to_str(), names(presented))
        }
        fault if is_authority(fault) => {
            "the certificate of the peer is that of an authority (CA:TRUE); it needs one with CA:FALSE".to_owned()
        }
        _ => Error::InvalidCertificate(fault.clone()).to_string(),
    }
}

/// The names in a certificate, which the library gives as `DnsName("example.net")`.
fn names(presented: &[String]) -> String {
    let bare = |name: &String| {
        let inner = name.split_once('(').map_or(&**name, |(_, inner)| inner);
        inner.trim_end_matches(')').trim_matches('"').to_owned()
    };
    match presented {
        [] => "no host".to_owned(),
        names => names.iter().map(bare).collect::<Vec<_>>().join(", "),
    }
}

/// Whether the fault is that a server uses the certificate of an authority as its own. It is what `openssl req -x509`
/// makes by default, and webpki does not accept it.
pub(super) fn is_authority(fault: &CertificateError) -> bool {
    matches!(fault, CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity"))
}

/// Whether a certificate has no extensions, as those of `openssl x509 -req` in its older versions.
fn is_of_version_1(fault: &CertificateError) -> bool {
    matches!(fault, CertificateError::Other(other) if format!("{other:?}").contains("UnsupportedCertVersion"))
}

fn alert_text(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::UnknownCA => "it does not trust the authority of the certificate".to_owned(),
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            "it does not accept the certificate".to_owned()
        }
        AlertDescription::CertificateExpired => "the certificate has expired".to_owned(),
        AlertDescription::CertificateRequired => "it asks for a certificate of the client".to_owned(),
        AlertDescription::ProtocolVersion => "no version of TLS in common".to_owned(),
        AlertDescription::HandshakeFailure => "nothing in common, or a certificate is missing".to_owned(),
        AlertDescription::NoApplicationProtocol => "no application protocol in common (ALPN)".to_owned(),
        alert => format!("alert {alert:?}"),
    }
}
