//! Servers that end, by a signal or by a kill, and a Redis that is killed under load.

use super::{Member, PATIENCE, chats, expect_one_order, expect_peace};
use crate::support::peer::Peer;
use rustix::process::Signal;
use std::time::{Duration, Instant};
use switchboard_harness::{RedisServer, Stop};

#[test]
fn members_of_a_killed_server_leave_within_seconds() {
    let redis = RedisServer::start("");
    let mut servers = chats::<3>(&redis, "");
    let ann = Member::enter(&servers[0], "ann");
    let _bob = Member::enter(&servers[1], "bob");
    let mut dan = Member::enter(&servers[2], "dan");
    ann.hears("Welcome dan to the room!\n");
    let killed = Instant::now();
    servers[1].signal(Signal::KILL);
    servers[1].wait();
    for member in [&ann, &dan] {
        member.hears("bob leaves the room!\n");
    }
    // Five seconds on a quiet machine: a lease of three, and a beat of each server.
    assert!(killed.elapsed() < Duration::from_secs(15), "{:?}", killed.elapsed());
    dan.say("/nick bob\n/who");
    dan.hears("2 persons are here: ann, bob.\n");
    assert_eq!((ann.times("bob leaves the room!"), dan.times("bob leaves the room!")), (1, 1));
}

#[test]
fn members_of_a_stopped_server_leave_before_it_ends() {
    let redis = RedisServer::start("");
    let mut servers = chats::<2>(&redis, "");
    let (ann, bob) = (Member::enter(&servers[0], "ann"), Member::enter(&servers[1], "bob"));
    let _eve = Member::enter(&servers[1], "eve");
    ann.hears("Welcome eve to the room!\n");
    assert_eq!(redis.ask("HLEN switchboard:members:lobby"), "3");
    servers[1].stop_by(Stop::Terminate).expect_clean_within(Duration::from_secs(5));
    assert_eq!(redis.ask("HLEN switchboard:members:lobby"), "1");
    bob.hears("The server is stopping.\n");
    ann.hears("bob leaves the room!\n");
    ann.hears("eve leaves the room!\n");
    servers[0].stop_by(Stop::Terminate).expect_clean_within(Duration::from_secs(5));
    // Another server begins with an empty room.
    let [next] = chats::<1>(&redis, "");
    Member::enter(&next, "ann").hears("1 person is here.\n");
}

#[track_caller]
fn survives_four_kills(options: &str) {
    const NICKS: [&str; 4] = ["ann", "bob", "cat", "dan"];
    const COUNT: usize = 1500;
    let mut redis = RedisServer::start(options);
    let servers = chats::<3>(&redis, "");
    let observers: Vec<Member> = (0..3).map(|n| Member::enter(&servers[n], &format!("observer{n}"))).collect();
    let mut authors: Vec<Member> =
        NICKS.iter().enumerate().map(|(n, nick)| Member::enter(&servers[n % 3], nick)).collect();
    observers[0].hears("Welcome dan to the room!\n");
    for author in &mut authors {
        author.count(0..COUNT);
    }
    for round in 1..=4 {
        observers[0].hears_lines(round * NICKS.len() * COUNT / 5);
        redis.kill();
        redis.restart();
    }
    assert!(observers[0].counted().len() < NICKS.len() * COUNT, "the last kill came after the last line");
    let all: Vec<&Member> = observers.iter().chain(&authors).collect();
    expect_one_order(&all, &NICKS, COUNT);
    expect_peace(&servers, &all);
}

#[test]
fn a_redis_killed_four_times_loses_no_line_synced_each_second() {
    survives_four_kills("--appendonly yes --appendfsync everysec");
}

#[test]
fn a_redis_killed_four_times_loses_no_line_synced_always() {
    survives_four_kills("--appendonly yes --appendfsync always");
}

#[test]
fn a_slow_member_is_closed_as_always() {
    let redis = RedisServer::start("");
    let servers = chats::<2>(&redis, "--room-buffer 256KiB");
    let mut stuck = Peer::connect_narrow(&servers[0].address(), 4096);
    stuck.send("stuck\n");
    let (ann, mut bob) = (Member::enter(&servers[0], "ann"), Member::enter(&servers[1], "bob"));
    let start = Instant::now();
    while ann.times("stuck leaves the room!") == 0 {
        assert!(start.elapsed() < PATIENCE, "{}", servers[0].stderr.text());
        let heard = ann.heard();
        bob.say(&["x".repeat(1000).as_str(); 50].join("\n"));
        ann.hears_lines(heard + 50);
    }
    servers[0].stderr.wait_for("--room-buffer");
    bob.hears("stuck leaves the room!\n");
}
