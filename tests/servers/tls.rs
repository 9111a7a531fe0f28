//! TLS with the programs that users have: openssl, ncat and curl.

use crate::support::peer::Peer;
use crate::support::server::{LINE_CLIENT, Program};
use crate::support::tools::{pass_through, tool};
use switchboard_harness::{Certificates, Launch, Pair, SERVER, Server};

/// The command line of a server with a TLS listener on a free port.
fn secured(program: Program, pair: &Pair) -> Launch {
    program.launch().listen("tls:127.0.0.1:0").arg("--tls-cert").arg(&pair.cert).arg("--tls-key").arg(&pair.key)
}

/// Starts openssl's client, at which a user types.
fn openssl(server: &Server, pair: &Pair, more: &[&str]) -> Server {
    let (to, ca) = (format!("127.0.0.1:{}", server.port()), pair.cert.display().to_string());
    let words = ["openssl", "s_client", "-connect", &to, "-CAfile", &ca, "-verify_return_error", "-no_ign_eof"];
    tool(&[&words[..], more].concat())
}

#[test]
fn every_program_speaks_tls_on_every_server() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    for program in Program::TALKERS {
        let server = secured(program, &pair).start();
        assert!(server.address().starts_with("tls:127.0.0.1:"), "{}", server.address());
        for version in ["-tls1_2", "-tls1_3"] {
            let mut client = openssl(&server, &pair, &["-quiet", version]);
            client.say("hi\n");
            client.stdout.wait_for(program.greeting());
        }
        server.expect_manners();
    }
}

#[test]
fn ncat_and_curl_get_whole_answers() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let echo = secured(Program::Echo, &pair).start();
    let port = echo.port().to_string();
    let data = crate::support::data::noise(300_000, 7);
    assert!(pass_through(&["ncat", "--ssl", "127.0.0.1", &port], &data) == data, "the echo differs");
    let text = "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";
    let greeting = secured(Program::Greeting, &pair).arg("--text").arg(text).start();
    let url = format!("https://localhost:{}/", greeting.port());
    let ca = pair.cert.display().to_string();
    assert_eq!(pass_through(&["curl", "--silent", "--show-error", "--cacert", &ca, &url], b""), b"hello\n");
    echo.expect_manners();
}

#[test]
fn plain_text_on_a_tls_port_is_named_in_the_log() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let server = secured(Program::Echo, &pair).start();
    let mut peer = Peer::connect(&format!("127.0.0.1:{}", server.port()));
    peer.send("h");
    assert!(peer.rest().is_ok_and(|bytes| bytes.is_empty()), "a server must not answer plain text");
    server.stderr.wait_for("plain text instead of TLS");
}

/// Starts the line client with these words after the address.
fn line_client(to: &str, words: &[&str]) -> Server {
    tool(&[&[LINE_CLIENT, to], words].concat())
}

#[test]
fn the_line_client_trusts_the_servers_of_its_flags() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let server = secured(Program::Echo, &pair).start();
    let (port, ca) = (server.port(), pair.cert.display().to_string());
    for (host, words) in
        [("localhost", &["--tls-ca", &ca][..]), ("127.0.0.1", &["--tls-ca", &ca]), ("127.0.0.1", &["--tls-insecure"])]
    {
        let mut client = line_client(&format!("tls:{host}:{port}"), words);
        client.say("hello\n\n");
        client.stdout.wait_for("hello\n");
        assert!(client.wait().status.success(), "{}", client.stderr.all_text());
        let warned = client.stderr.all_text().contains("--tls-insecure: the server at");
        assert_eq!(warned, words == ["--tls-insecure"]);
    }
    let stranger = line_client(&format!("tls:localhost:{port}"), &[]).finish();
    let remedy = "of no trusted authority; trust its authority with --tls-ca FILE";
    assert!(stranger.code == Some(1) && stranger.stderr.contains(remedy), "{}", stranger.stderr);
    let end_entity = ["-addext", "basicConstraints=critical,CA:FALSE"];
    let other = certificates
        .self_signed("other", &[&end_entity[..], &["-addext", "subjectAltName=DNS:chat.test"][..]].concat());
    let authority = certificates.self_signed("authority", &[]);
    for (pair, reason) in
        [(&other, "is for chat.test, not for localhost"), (&authority, "is that of an authority (CA:TRUE)")]
    {
        let server = secured(Program::Echo, pair).start();
        let ca = pair.cert.display().to_string();
        let refused = line_client(&format!("tls:localhost:{}", server.port()), &["--tls-ca", &ca]).finish();
        assert!(refused.code == Some(1) && refused.stderr.contains(reason), "{}", refused.stderr);
    }
}

#[test]
fn a_server_without_tls_is_no_secret() {
    let greeting = Program::Greeting.start();
    let refused = line_client(&format!("tls:{}", greeting.address()), &["--tls-insecure"]).finish();
    assert!(refused.code == Some(1) && refused.stderr.contains("plain text instead of TLS"), "{}", refused.stderr);
    let usage = line_client("127.0.0.1:1", &["--tls-insecure"]).finish();
    assert!(usage.code == Some(2) && usage.stderr.contains("use tls:127.0.0.1:1"), "{}", usage.stderr);
}
