//! Reading PEM files.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Fault, TlsError, Wanted};

/// The certificates of a file, in their order. There is at least one.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let sections = sections(file)?;
    let certificates: Vec<_> =
        sections.iter().filter_map(|(kind, der)| CertificateDer::from_pem(*kind, der.clone())).collect();
    if certificates.is_empty() { Err(missing(file, Wanted::Certificate, &sections)) } else { Ok(certificates) }
}

/// The first private key of a file.
pub(super) fn key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let sections = sections(file)?;
    let key = sections.iter().find_map(|(kind, der)| PrivateKeyDer::from_pem(*kind, der.clone()));
    key.ok_or_else(|| missing(file, Wanted::Key, &sections))
}

/// The certificates of a file as those of trusted authorities.
pub(super) fn roots(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| TlsError::new(file, Fault::Refused(error)))?;
    }
    Ok(roots)
}

/// The first byte of each certificate, key and PKCS #12 file in DER, and of no text about one.
const DER_SEQUENCE: u8 = b'0';

type Section = (SectionKind, Vec<u8>);

fn sections(file: &Path) -> Result<Vec<Section>, TlsError> {
    let text = std::fs::read(file).map_err(|error| TlsError::new(file, Fault::Unreadable(error)))?;
    // An encrypted key is a section of its own kind (PKCS #8), or has this header (RFC 1421), which is no base64.
    let has = |label: &[u8]| text.windows(label.len()).any(|window| window == label);
    if has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(b"Proc-Type: 4,ENCRYPTED") {
        return Err(TlsError::new(file, Fault::Encrypted));
    }
    if text.first() == Some(&DER_SEQUENCE) {
        return Err(TlsError::new(file, Fault::Malformed("it is binary, such as DER or PKCS #12".to_owned())));
    }
    let sections = Section::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    sections.map_err(|error| TlsError::new(file, Fault::Malformed(error.to_string())))
}

fn missing(file: &Path, wanted: Wanted, sections: &[Section]) -> TlsError {
    let found = match sections.first().map(|(kind, _)| kind) {
        None => "",
        Some(SectionKind::Certificate) => ", but a certificate",
        Some(SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey) => ", but a private key",
        Some(SectionKind::Csr) => ", but a request for one",
        Some(_) => ", but something else",
    };
    TlsError::new(file, Fault::Missing(wanted, found))
}
