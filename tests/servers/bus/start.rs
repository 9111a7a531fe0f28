//! A server that cannot use its bus says why in one line, and ends.

use super::{chat, url};
use crate::support::silence::silence;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use switchboard_harness::{RedisServer, own_address};

/// Fails unless a start with this bus ends with 1, and with one line that has all of the `words`.
#[track_caller]
fn expect_refusal(bus: &str, words: &[&str]) {
    let ended = chat(bus).run();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "{word} is not in {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
}

#[test]
fn a_wrong_password_is_named_and_not_shown() {
    let redis = RedisServer::start("--requirepass right");
    let address = redis.address().to_string();
    expect_refusal(&format!("redis://:s3cret@{address}"), &[&address, "password"]);
    expect_refusal(&format!("redis://ann:s3cret@{address}"), &[&address, "password"]);
    expect_refusal(&url(&redis), &[&address, "password"]);
}

#[test]
fn a_missing_redis_is_named_with_its_address() {
    let address = own_address().to_string();
    expect_refusal(&format!("redis://{address}"), &[&address, "refused"]);
    expect_refusal("unix:/nonexistent/redis.sock", &["/nonexistent/redis.sock"]);
    let (_listener, _queue, silent) = silence();
    expect_refusal(&format!("redis://{silent}"), &[&silent]);
}

#[test]
fn a_replica_and_a_missing_permission_are_named() {
    let redis = RedisServer::start("--replicaof 127.0.0.1 1");
    expect_refusal(&url(&redis), &["replica"]);
    let redis = RedisServer::start("");
    redis.ask("ACL SETUSER weak on >s3cret ~* &* +@all -evalsha");
    expect_refusal(&format!("redis://weak:s3cret@{}", redis.address()), &["evalsha"]);
}

/// A server that answers each request with the next of `answers`.
fn puppet(answers: &'static [&str]) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            for answer in answers {
                // The first line of a request says how many follow.
                if stream.read_line(&mut line).is_err() || stream.get_mut().write_all(answer.as_bytes()).is_err() {
                    break;
                }
            }
            // Until the client has given up.
            while matches!(stream.read_line(&mut line), Ok(1..)) {}
        }
    });
    address
}

#[test]
fn what_is_no_redis_or_an_old_one_is_named() {
    let old = puppet(&["-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n"]);
    expect_refusal(&format!("redis://{old}"), &["6.2"]);
    let other = puppet(&["HTTP/1.1 400 Bad Request\r\n\r\n"]);
    expect_refusal(&format!("redis://{other}"), &[&other]);
    let loading = puppet(&["-LOADING Redis is loading the dataset in memory\r\n"]);
    expect_refusal(&format!("redis://{loading}"), &["loading"]);
}

#[test]
fn a_password_that_is_changed_later_is_soon_in_the_log() {
    let redis = RedisServer::start("");
    redis.ask("ACL SETUSER ann on >s3cret ~* &* +@all");
    let server = chat(&format!("redis://ann:s3cret@{}", redis.address())).start();
    redis.ask("ACL SETUSER ann resetpass >other");
    redis.ask("CLIENT KILL USER ann");
    server.stderr.wait_for("WRONGPASS");
    let log = server.stderr.text();
    assert!(!log.contains("more like this") && !log.contains("s3cret"), "{log}");
}

#[test]
fn the_start_probe_logs_no_links_of_its_own() {
    let redis = RedisServer::start("--requirepass right");
    let ended = chat(&format!("redis://:s3cret@{}", redis.address())).args("-vv").run();
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    let server = chat(&format!("redis://:right@{}", redis.address())).args("-vv").start();
    assert_eq!(server.stderr.text(), "");
}

#[test]
fn an_address_that_is_none_is_a_usage_error() {
    for bus in ["", "redis:", "redis://", "http://127.0.0.1", "redis://127.0.0.1/x", "redis://127.0.0.1:99999"] {
        let ended = chat(bus).run();
        assert!(ended.code == Some(2) && ended.stderr.contains("--bus"), "{bus:?}: {}", ended.stderr);
    }
    let password = chat("redis://:s3cret@127.0.0.1:x").run();
    assert!(password.code == Some(2) && !password.stderr.contains("s3cret"), "{}", password.stderr);
}
