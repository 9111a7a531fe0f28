//! TLS with the programs that users have: openssl, ncat and curl.

use crate::support::peer::Peer;
use crate::support::server::Program;
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
