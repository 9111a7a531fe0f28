//! The ways to reach a Redis: Unix socket, password, user, TLS.

use super::{Member, chat, url};
use std::fs;
use switchboard_harness::{Certificates, Launch, RedisServer, own_address};
use tempfile::TempDir;

/// Two members on two servers with this bus talk.
#[track_caller]
fn talk(buses: [(&str, &[&str]); 2]) {
    let servers = buses.map(|(bus, words)| words.iter().fold(chat(bus), Launch::arg).start());
    let (mut ann, bob) = (Member::enter(&servers[0], "ann"), Member::enter(&servers[1], "bob"));
    ann.hears("Welcome bob to the room!\n");
    ann.say("hello");
    bob.hears("ann: hello\n");
    for server in &servers {
        server.expect_manners();
        assert!(!server.stderr.text().contains("secret"), "{}", server.stderr.text());
    }
}

#[test]
fn a_unix_socket_is_a_bus() {
    let redis = RedisServer::start("");
    talk([(&format!("unix:{}", redis.socket().display()), &[]), (&url(&redis), &[])]);
}

#[test]
fn a_password_comes_from_the_address_or_from_a_file() {
    let redis = RedisServer::start("--requirepass s%cr:et@secret");
    let place = TempDir::new().expect("room for a file");
    let file = place.path().join("password");
    fs::write(&file, "s%cr:et@secret\n").expect("room for a file");
    let encoded = format!("redis://:s%25cr%3Aet%40secret@{}", redis.address());
    talk([(&encoded, &[]), (&url(&redis), &["--bus-password", file.to_str().expect("a path in UTF-8")])]);
}

#[test]
fn a_user_needs_the_permissions_of_the_page_alone() {
    let redis = RedisServer::start("");
    let page = include_str!("../../../docs/many-machines.md");
    let rule = page.lines().find_map(|line| line.strip_prefix("ACL SETUSER ")).expect("a rule on the page");
    let rule = rule.replace("PASSWORD", "secret");
    assert_eq!(redis.ask(&format!("ACL SETUSER {rule}")), "OK");
    assert_eq!(redis.ask("ACL SETUSER default off"), "OK");
    let bus = format!("redis://switchboard:secret@{}", redis.address());
    talk([(&bus, &[]), (&bus, &[])]);
}

#[test]
fn a_redis_with_a_certificate_is_a_bus() {
    let certificates = Certificates::new();
    let host = own_address().ip().to_string();
    let names = format!("subjectAltName=IP:{host}");
    let pair = certificates.self_signed("redis", &["-addext", &names, "-addext", "basicConstraints=critical,CA:FALSE"]);
    let (cert, key) = (pair.cert.display().to_string(), pair.key.display().to_string());
    let port = own_address().port();
    let files = format!("--tls-cert-file {cert} --tls-key-file {key} --tls-ca-cert-file {cert}");
    let redis = RedisServer::start(&format!("--port 0 --tls-port {port} {files} --tls-auth-clients no"));
    let bus = format!("rediss://{host}:{port}");
    talk([(&bus, &["--tls-ca", &cert]), (&bus, &["--tls-insecure"])]);
    let refused = chat(&bus).run();
    assert!(refused.code == Some(1) && refused.stderr.contains("--tls-ca FILE"), "{}", refused.stderr);
    let plain = chat(&format!("redis://{host}:{port}")).run();
    assert_eq!((plain.code, plain.stderr.lines().count()), (Some(1), 1), "{}", plain.stderr);
    drop(redis);
}
