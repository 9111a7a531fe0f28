//! TLS with the programs that users have: openssl, ncat and curl.

use crate::support::peer::Peer;
use crate::support::server::{LINE_CLIENT, Program};
use crate::support::tools::{pass_through, tool};
use rustix::process::Signal;
use std::fs;
use std::path::Path;
use switchboard_harness::{Certificates, Launch, Pair, SERVER, Server};
use tempfile::TempDir;

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

#[test]
fn a_hang_up_loads_the_certificate_again_or_keeps_it() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let server = secured(Program::Echo, &pair).arg("-v").start();
    let mut early = openssl(&server, &pair, &["-quiet"]);
    early.say("one\n");
    early.stdout.wait_for("one\n");
    let old = fs::read(&pair.cert).expect("just made");
    // A new certificate without its key.
    let fresh = certificates.self_signed("fresh", SERVER);
    fs::copy(&fresh.cert, &pair.cert).expect("room");
    server.signal(Signal::HUP);
    server.stderr.wait_for("the certificate stays as it was: the key in ");
    let trusting_old = certificates.path("old.pem");
    fs::write(&trusting_old, old).expect("room");
    let trusting = |cert: &Path| {
        let pair = Pair { cert: cert.to_owned(), key: pair.key.clone() };
        let mut client = openssl(&server, &pair, &["-quiet"]);
        client.say("two\n");
        client.stdout.wait_for("two\n");
    };
    trusting(&trusting_old);
    fs::copy(&fresh.key, &pair.key).expect("room");
    server.signal(Signal::HUP);
    server.stderr.wait_for("is in use for new connections");
    trusting(&fresh.cert);
    early.say("three\n");
    early.stdout.wait_for("three\n");
}

#[test]
fn tls_on_a_plain_port_is_named_in_the_log() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let server = Program::Chat.start();
    let _client = openssl(&server, &pair, &["-quiet"]);
    server.stderr.wait_for("speaks TLS to an address without it; listen on tls:ADDR, too");
}

#[test]
fn sessions_are_resumed_in_both_versions() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let server = secured(Program::Echo, &pair).start();
    let file = certificates.path("session").display().to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        for (flag, wanted) in [("-sess_out", "New, TLSv1"), ("-sess_in", "Reused, TLSv1")] {
            let mut client = openssl(&server, &pair, &[version, flag, &file]);
            client.stdout.wait_for(wanted);
            client.say("x\n");
            client.stdout.wait_for("\nx\n");
            client.hang_up();
            assert!(client.wait().status.success());
        }
    }
}

#[test]
fn http_agrees_on_its_protocol_and_refuses_others() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let place = TempDir::new().expect("room");
    let [http, echo] =
        [secured(Program::Http, &pair).arg(place.path()), secured(Program::Echo, &pair)].map(Launch::start);
    for (server, offer, wanted) in [
        (&http, "h2,http/1.1", "ALPN protocol: http/1.1"),
        (&http, "http/1.0", "ALPN protocol: http/1.0"),
        (&http, "h2", "no application protocol"),
        (&echo, "h2", "No ALPN negotiated"),
    ] {
        let mut client = openssl(server, &pair, &["-alpn", offer]);
        client.hang_up();
        let shown = client.finish();
        let shown = format!("{}{}", shown.stdout, shown.stderr);
        assert!(shown.contains(wanted), "{offer}: {shown}");
    }
}

#[test]
fn curl_gets_files_over_tls() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let place = TempDir::new().expect("room");
    let data = crate::support::data::noise(3_000_000, 7);
    fs::write(place.path().join("a"), &data).expect("room");
    let server = secured(Program::Http, &pair).arg(place.path()).start();
    let (ca, url) = (pair.cert.display().to_string(), format!("https://localhost:{}/a", server.port()));
    let get = |words: &[&str]| pass_through(&[&["curl", "-s", "--cacert", &ca], words, &[&*url]].concat(), b"");
    assert!(get(&[]) == data, "a file in the page cache differs");
    assert!(get(&["-r", "1000000-"]) == data[1_000_000..], "a part differs");
    assert_eq!(get(&["-o", "/dev/null", "-w", "%{http_version} %{http_code}"]), b"1.1 200");
    server.expect_manners();
}

#[test]
fn only_clients_with_a_certificate_are_served_if_asked() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let authority = certificates.self_signed("authority", &[]);
    let client = certificates.signed_by(&authority, "client", &["-addext", "basicConstraints=critical,CA:FALSE"]);
    let server = secured(Program::Echo, &pair).arg("--tls-client-ca").arg(&authority.cert).arg("-v").start();
    let [cert, key] = [&client.cert, &client.key].map(|path| path.display().to_string());
    for version in ["-tls1_2", "-tls1_3"] {
        let mut known = openssl(&server, &pair, &["-quiet", version, "-cert", &cert, "-key", &key]);
        known.say("known\n");
        known.stdout.wait_for("known\n");
        let unknown = openssl(&server, &pair, &["-quiet", version]);
        assert!(!unknown.finish().stdout.contains("known"));
    }
    server.stderr.wait_for("the client has no certificate, and --tls-client-ca asks for one");
}

#[test]
fn twenty_members_chat_over_tls_and_without() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let server = secured(Program::Chat, &pair).listen("127.0.0.1:0").start();
    let mut members: Vec<_> = (0..20).map(|_| openssl(&server, &pair, &["-quiet"])).collect();
    for (number, member) in members.iter_mut().enumerate() {
        member.say(format!("member{number}\n"));
        member.stdout.wait_for(&format!("Welcome member{number}"));
    }
    let mut plain = Peer::connect(&server.addresses(2)[1]);
    plain.send("plain\n");
    plain.line_where(|line| line.contains("Welcome plain"));
    for number in [0, 19] {
        members[number].say(format!("hello from {number}\n"));
    }
    for (number, member) in members.iter().enumerate() {
        for from in [0, 19].into_iter().filter(|&from| from != number) {
            member.stdout.wait_for(&format!("hello from {from}"));
        }
    }
    plain.line_where(|line| line.contains("hello from 19"));
    server.expect_manners();
}

#[test]
fn handshakes_that_stall_delay_no_polite_client() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let server = secured(Program::Echo, &pair).listen("127.0.0.1:0").start();
    let plain = server.addresses(2)[1].clone();
    let address = format!("127.0.0.1:{}", server.port());
    let stalled: Vec<_> = (0..200)
        .map(|number| {
            let mut peer = Peer::connect(&address);
            peer.send(&b"\x16\x03\x01\x02\x00"[..number % 6]);
            peer
        })
        .collect();
    let mut polite = openssl(&server, &pair, &["-quiet"]);
    polite.say("polite\n");
    polite.stdout.wait_for("polite\n");
    Peer::connect(&plain).echo("polite\n");
    drop(stalled);
    polite.say("again\n");
    polite.stdout.wait_for("again\n");
    server.expect_manners();
}

#[test]
fn wrong_command_lines_name_the_remedy() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let [cert, key] = [&pair.cert, &pair.key].map(|path| path.display().to_string());
    for (words, remedy) in [
        (&["-l", "tls:0"][..], "TLS needs a certificate; add --tls-cert FILE --tls-key FILE"),
        (&["-l", "0", "--tls-cert", &cert, "--tls-key", &key], "add one, such as --listen tls:PORT"),
        (&["--tls-cert", &cert, "--tls-key", &key], "add one, such as --listen tls:PORT"),
        (&["-l", "tls:0", "--tls-cert", &cert], "--tls-key <FILE>"),
        (&["-l", "tls:udp:0", "--tls-cert", &cert, "--tls-key", &key], "tls: stands before a TCP address or unix:PATH"),
    ] {
        let refused = tool(&[&[Program::Echo.path()], words].concat()).finish();
        assert!(refused.code == Some(2) && refused.stderr.contains(remedy), "{words:?}: {}", refused.stderr);
    }
    let refused = secured(Program::Echo, &Pair { key: pair.cert.clone(), ..pair }).spawn().finish();
    assert!(refused.code == Some(1) && refused.stderr.contains("has no private key, but a certificate"));
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
}

#[test]
fn switchboard_takes_certificates_from_its_file() {
    let certificates = Certificates::new();
    let pair = certificates.self_signed("server", SERVER);
    let config = certificates.path("services.toml");
    let [cert, key] = [&pair.cert, &pair.key].map(|path| path.display().to_string());
    let echo = format!("[echo]\nlisten = 'tls:127.0.0.1:0'\ntls-cert = '{cert}'\ntls-key = '{key}'\n");
    fs::write(&config, format!("{echo}[uppercase]\nlisten = '127.0.0.1:0'\n")).expect("room");
    let switchboard = env!("CARGO_BIN_EXE_switchboard");
    let server = tool(&[switchboard, "--config", &config.display().to_string(), "-vv"]);
    let mut client = openssl(&server, &pair, &["-quiet"]);
    client.say("hello\n");
    client.stdout.wait_for("hello\n");
    // The log has what the handlers see, not the ciphertext.
    server.stderr.wait_for("6 bytes: hello\\n");
    Peer::connect(&server.addresses(2)[1]).send("plain\n");
    let refused = tool(&[switchboard, "echo=tls:0"]).finish();
    let remedy = "set tls-cert and tls-key in the table [echo] of a file, and use --config FILE";
    assert!(refused.code == Some(2) && refused.stderr.contains(remedy), "{}", refused.stderr);
}
