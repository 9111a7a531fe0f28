//! A Redis that has lost all of its data.

use super::{Member, chats, expect_one_order};
use std::time::Duration;
use switchboard_harness::{RedisServer, Server, let_pass};

#[track_caller]
fn survives_a_wipe(wipe: impl FnOnce(&mut RedisServer)) {
    const NICKS: [&str; 3] = ["ann", "bob", "cat"];
    let mut redis = RedisServer::start("");
    let servers = chats::<3>(&redis, "");
    let observer = Member::enter(&servers[0], "observer");
    let mut authors: Vec<Member> =
        NICKS.iter().zip(&servers).map(|(nick, server)| Member::enter(server, nick)).collect();
    observer.hears("Welcome cat to the room!\n");
    for author in &mut authors {
        author.count(0..100);
    }
    let all: Vec<&Member> = authors.iter().chain([&observer]).collect();
    expect_one_order(&all, &NICKS, 100);
    wipe(&mut redis);
    for author in &mut authors {
        author.count(100..200);
    }
    let all: Vec<&Member> = authors.iter().chain([&observer]).collect();
    expect_one_order(&all, &NICKS, 200);
    // By now each server has entered its members again, and has loaded what the others entered.
    let_pass(Duration::from_secs(8));
    for author in &mut authors {
        author.say("/who");
        author.hears("4 persons are here: ann, bob, cat, observer.\n");
    }
    let mut stranger = Member::at_the_prompt(&servers[1], "stranger");
    stranger.say("Ann");
    stranger.hears("The nickname Ann is taken (please choose another one)\n");
    for member in authors.iter().chain([&observer]) {
        assert_eq!(member.netcat.stdout.text().matches("leaves the room!").count(), 0, "{}", member.tail());
    }
    servers.iter().for_each(Server::expect_manners);
}

#[test]
fn a_flushed_redis_learns_all_members_again() {
    survives_a_wipe(|redis| assert_eq!(redis.ask("FLUSHALL"), "OK"));
}

#[test]
fn a_redis_without_persistence_may_be_killed() {
    survives_a_wipe(|redis| {
        redis.kill();
        redis.restart();
    });
}

#[test]
fn a_wipe_under_load_doubles_no_line() {
    const NICKS: [&str; 2] = ["ann", "bob"];
    let redis = RedisServer::start("");
    let servers = chats::<2>(&redis, "");
    let observers = [0, 1].map(|n| Member::enter(&servers[n], &format!("observer{n}")));
    let mut authors: Vec<Member> =
        NICKS.iter().zip(&servers).map(|(nick, server)| Member::enter(server, nick)).collect();
    observers[0].hears("Welcome bob to the room!\n");
    for author in &mut authors {
        author.count(0..1500);
    }
    observers[0].hears_lines(500);
    redis.ask("FLUSHALL");
    observers[0].hears_lines(1000);
    redis.ask("FLUSHALL");
    for author in &mut authors {
        author.say("the end");
    }
    for observer in &observers {
        for nick in NICKS {
            observer.hears(&format!("{nick}: the end\n"));
        }
        let mut heard = observer.counted();
        let count = heard.len();
        heard.sort_unstable();
        heard.dedup();
        assert_eq!(heard.len(), count, "a line is doubled");
    }
}
