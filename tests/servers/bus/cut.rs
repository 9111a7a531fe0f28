//! A Redis that answers nothing for a while, and a server that is cut off from it.

use super::{Member, chat, chats, expect_one_order, expect_peace, url};
use crate::support::cable::Cable;
use std::time::Duration;
use switchboard_harness::{RedisServer, Server, Stop, let_pass};

const CATCHING_UP: &str = "The room is catching up.";

#[test]
fn a_redis_frozen_for_ten_seconds_loses_no_line_and_no_member() {
    let redis = RedisServer::start("");
    let servers = chats::<3>(&redis, "");
    let observer = Member::enter(&servers[2], "observer");
    let (mut ann, mut bob) = (Member::enter(&servers[0], "ann"), Member::enter(&servers[1], "bob"));
    observer.hears("Welcome bob to the room!\n");
    ann.count(0..100);
    redis.freeze();
    // More than a session may have without an answer.
    bob.count(0..300);
    ann.count(100..300);
    let_pass(Duration::from_secs(10));
    redis.thaw();
    expect_one_order(&[&observer, &ann, &bob], &["ann", "bob"], 300);
    // No lease is renewed while Redis is frozen: a server that trusts the first answer removes all others.
    let_pass(Duration::from_secs(5));
    ann.say("the last");
    for member in [&observer, &bob] {
        member.hears("ann: the last\n");
    }
    let all = [&observer, &ann, &bob];
    for member in all {
        assert_eq!(member.times(CATCHING_UP), 1, "{}: {}", member.nick, member.netcat.stdout.text());
    }
    expect_peace(&servers, &all);
}

/// Two servers, of which the second reaches Redis through a cable.
fn one_on_a_cable(redis: &RedisServer) -> ([Server; 2], Cable) {
    let cable = Cable::to(&redis.address().to_string());
    let far = chat(&format!("redis://{}", cable.address())).start();
    ([chat(&url(redis)).start(), far], cable)
}

#[track_caller]
fn survives_eight_seconds(cut: impl FnOnce(&Cable)) {
    let redis = RedisServer::start("");
    let (servers, cable) = one_on_a_cable(&redis);
    let observer = Member::enter(&servers[0], "observer");
    let (mut ann, mut bob) = (Member::enter(&servers[0], "ann"), Member::enter(&servers[1], "bob"));
    let watcher = Member::enter(&servers[1], "watcher");
    observer.hears("Welcome watcher to the room!\n");
    bob.count(0..50);
    ann.count(0..50);
    cut(&cable);
    bob.count(50..200);
    ann.count(50..100);
    bob.hears(CATCHING_UP);
    observer.hears("bob leaves the room!\n");
    let_pass(Duration::from_secs(5));
    ann.count(100..200);
    cable.mend();
    let all = [&observer, &watcher, &ann, &bob];
    expect_one_order(&all, &["ann", "bob"], 200);
    // The members of the server that was cut off are in the room again, and each is there once.
    for member in [&observer, &ann] {
        for nick in ["bob", "watcher"] {
            member.hears(&format!("{nick} leaves the room!\n"));
            member.hears(&format!("Welcome {nick} to the room!\n"));
        }
    }
    ann.say("/who");
    bob.say("/who");
    for member in [&ann, &bob] {
        member.hears("4 persons are here: ann, bob, observer, watcher.\n");
    }
    servers.iter().for_each(Server::expect_manners);
}

#[test]
fn a_server_whose_links_are_silent_for_eight_seconds_comes_back() {
    survives_eight_seconds(Cable::hold);
}

#[test]
fn a_server_whose_links_are_closed_for_eight_seconds_comes_back() {
    survives_eight_seconds(Cable::cut);
}

#[test]
fn a_nickname_that_was_taken_during_a_cut_has_one_owner() {
    let redis = RedisServer::start("");
    let (servers, cable) = one_on_a_cable(&redis);
    let ann = Member::enter(&servers[0], "ann");
    let mut old = Member::enter(&servers[1], "cat");
    ann.hears("Welcome cat to the room!\n");
    cable.hold();
    old.say("I was first");
    ann.hears("cat leaves the room!\n");
    let mut new = Member::enter(&servers[0], "cat");
    cable.mend();
    old.hears("Another member has taken the nickname cat meanwhile.\n");
    // The server has closed the connection, so nc ends with its own input.
    old.netcat.hang_up();
    old.netcat.wait();
    new.say("I am the cat");
    ann.hears("cat: I am the cat\n");
    assert_eq!(ann.times("cat: I was first"), 0, "two members spoke as cat");
}

#[test]
fn newcomers_wait_for_the_bus_or_are_refused() {
    let redis = RedisServer::start("");
    let patient = chat(&url(&redis)).start();
    let strict = chat(&url(&redis)).args("--bus-required").start();
    let (ann, bob) = (Member::enter(&patient, "ann"), Member::enter(&strict, "bob"));
    redis.freeze();
    for member in [&ann, &bob] {
        member.hears(CATCHING_UP);
    }
    let mut late = Member::at_the_prompt(&patient, "late");
    late.say("late");
    late.hears("The room cannot be reached now. You will enter when it can.\n");
    let refused = switchboard_harness::Launch::of("nc").args("-N").args(&strict.address().replace(':', " ")).spawn();
    refused.stdout.wait_for("The room cannot be reached now. Please come back later.\n");
    redis.thaw();
    late.hears("Welcome late to the room!\n");
    bob.hears("Welcome late to the room!\n");
    let eve = Member::enter(&strict, "eve");
    eve.hears("4 persons are here.\n");
}

#[test]
fn a_stop_waits_for_lines_without_an_answer() {
    let redis = RedisServer::start("");
    let mut servers = chats::<2>(&redis, "");
    let (mut ann, bob) = (Member::enter(&servers[0], "ann"), Member::enter(&servers[1], "bob"));
    bob.hears("2 persons are here.\n");
    redis.freeze();
    ann.count(0..20);
    ann.say("/who");
    // The lines before it are read.
    ann.hears("2 persons are here: ann, bob.\n");
    servers[0].ask(Stop::Terminate);
    ann.hears("The server is stopping.\n");
    redis.thaw();
    assert_eq!(servers[0].wait().code, Some(0));
    bob.hears("ann: 19 of ann\nann leaves the room!\n");
    expect_one_order(&[&bob], &["ann"], 20);
}

#[test]
fn a_stop_without_redis_ends_within_the_drain_time() {
    let mut redis = RedisServer::start("");
    let mut servers = chats::<1>(&redis, "--drain 1s");
    let mut ann = Member::enter(&servers[0], "ann");
    redis.kill();
    ann.say("into the void");
    ann.hears(CATCHING_UP);
    servers[0].stop_by(Stop::Terminate).expect_clean_within(Duration::from_secs(15));
    servers[0].expect_manners();
}

#[test]
fn another_password_is_an_outage_with_a_reason() {
    let mut redis = RedisServer::start("--appendonly yes --requirepass one");
    let server = chat(&format!("redis://:one@{}", redis.address())).start();
    let (mut ann, bob) = (Member::enter(&server, "ann"), Member::enter(&server, "bob"));
    redis.set_options("--appendonly yes --requirepass other");
    redis.kill();
    redis.restart();
    ann.count(0..10);
    bob.hears(CATCHING_UP);
    server.stderr.wait_for("password");
    assert!(!server.stderr.text().contains("one@"), "{}", server.stderr.text());
    redis.set_options("--appendonly yes --requirepass one");
    redis.kill();
    redis.restart();
    expect_one_order(&[&bob], &["ann"], 10);
    expect_peace(&[server], &[&ann, &bob]);
}
