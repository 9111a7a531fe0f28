//! Each fault of a file is one line with the file and the remedy.

use std::fs;
use std::path::{Path, PathBuf};

use switchboard_harness::{Certificates, SERVER};

use super::*;

fn fault(cert: &Path, key: &Path) -> String {
    let error = TlsServer::load(TlsServerOptions::new(cert, key)).expect_err("a fault");
    let text = error.to_string();
    assert!(!text.contains('\n') && text.contains(&error.file().display().to_string()), "{text}");
    text
}

/// A certificate without extensions, as made by `openssl x509 -req` before its version 3.2.
const VERSION_1: &str = "\
-----BEGIN CERTIFICATE-----
MIIBFzCBvwIUKKSga2uoV3oMHy67Ofhm7QpnGIgwCgYIKoZIzj0EAwIwDjEMMAoG
A1UEAwwDb2xkMCAXDTI2MTEyNjIyMTkxNloYDzIxMjYxMTAyMjIxOTE2WjAOMQww
CgYDVQQDDANvbGQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATQJwiiWQnuTgwv
0Qtd9efC8gEwv1WRkwMLslfzxYrb+PoPNEgcZPripSW0wtJGSov7PfVWjggPPWdI
d4EGVWeNMAoGCCqGSM49BAMCA0cAMEQCIBhLMsYyGPo0uNY298i+jx/fx1dTRjgB
TdeoA0cwLTpUAiAeNh8NuQXILjqllwg5cdr0eqDj5Tf/456ZMcLwqqV4Og==
-----END CERTIFICATE-----
";

#[test]
fn every_fault_of_a_file_has_its_line() {
    let made = Certificates::new();
    let (pair, other) = (made.self_signed("server", SERVER), made.self_signed("other", SERVER));
    let file = |name: &str, text: &str| -> PathBuf {
        fs::write(made.path(name), text).expect("room");
        made.path(name)
    };
    let encrypted = made.path("encrypted.key");
    let [from, to] = [&pair.key, &encrypted].map(|path| path.display().to_string());
    made.openssl(&["pkey", "-in", &from, "-aes128", "-passout", "pass:secret", "-out", &to]);
    let [binary, certificate] = [&made.path("server.der"), &pair.cert].map(|path| path.display().to_string());
    made.openssl(&["x509", "-in", &certificate, "-outform", "der", "-out", &binary]);
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for (cert, key, wanted) in [
        (&made.path("absent.pem"), &pair.key, "cannot read"),
        (&pair.cert, &made.path("absent.key"), "check the path, and that this user may read it"),
        (&pair.key, &pair.cert, "has no certificate, but a private key"),
        (&pair.cert, &pair.cert, "has no private key, but a certificate"),
        (&file("empty.pem", ""), &pair.key, "has no certificate; use the PEM file"),
        (&pair.cert, &file("text.key", "a key"), "has no private key; use the PEM file"),
        (&pair.cert, &encrypted, "is encrypted; decrypt it with \"openssl pkey -in "),
        (&pair.cert, &other.key, "does not belong to the certificate in "),
        (&file("broken.pem", broken), &pair.key, "the certificate is damaged; copy it again"),
        (&pair.cert, &file("broken.key", no_key), "the key is damaged or of another kind; use one of RSA"),
        (
            &made.path("server.der"),
            &pair.key,
            "is not PEM: it is binary, such as DER or PKCS #12; convert it with \"openssl\"",
        ),
        (&file("old.pem", VERSION_1), &pair.key, "the certificate is of X.509 version 1; make one of version 3"),
        (&file("cut.pem", "-----BEGIN CERTIFICATE-----\nMII"), &pair.key, "is not PEM"),
    ] {
        let text = fault(cert, key);
        assert!(text.contains(wanted), "{text}");
    }
    let mut options = TlsServerOptions::new(&pair.cert, &pair.key);
    options.client_ca = Some(pair.key.clone());
    let error = TlsServer::load(options).expect_err("no authority");
    assert!(error.to_string().contains("has no certificate, but a private key"), "{error}");
}

#[test]
fn a_certificate_that_clients_refuse_is_doubtful() {
    let made = Certificates::new();
    let doubts = |extensions: &[&str]| {
        let pair = made.self_signed("doubtful", extensions);
        let chain = pem::certificates(&pair.cert).expect("a certificate");
        server::doubt(&chain, &rustls::crypto::ring::default_provider()).unwrap_or_default()
    };
    assert_eq!(doubts(SERVER), "");
    assert!(doubts(&[]).starts_with("is that of an authority (CA:TRUE)"));
    assert!(doubts(&["-addext", "basicConstraints=critical,CA:FALSE"]).starts_with("has no name of a host"));
    let expired = pem::certificates(&made.expired("expired", SERVER).cert).expect("a certificate");
    let doubt = server::doubt(&expired, &rustls::crypto::ring::default_provider()).unwrap_or_default();
    assert!(doubt.starts_with("has expired"), "{doubt}");
}

#[test]
fn the_name_of_a_server_is_the_host_of_its_address() {
    let name = |text: &str| format!("{:?}", server_name(&text.parse().expect("an address")).expect("a name"));
    assert_eq!(name("tls:example.net.:443"), "DnsName(\"example.net\")");
    assert!(name("tls:127.0.0.1:443").starts_with("IpAddress(V4"));
    assert!(name("tls:[::1]:443").starts_with("IpAddress(V6"));
    assert_eq!(name("tls:unix:/run/chat"), "DnsName(\"localhost\")");
}
