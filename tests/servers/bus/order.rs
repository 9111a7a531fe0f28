//! One order, one owner of each nickname, and the answers of commands.

use super::{Member, chat, chats, expect_one_order, expect_peace, url};
use crate::support::peer::Peer;
use std::fs;
use switchboard_harness::{RedisServer, until};
use tempfile::TempDir;

#[test]
fn six_authors_on_three_servers_are_heard_in_one_order() {
    const NICKS: [&str; 6] = ["ann", "bob", "cat", "dan", "eve", "fay"];
    let redis = RedisServer::start("");
    let place = TempDir::new().expect("room for files");
    let log = |n: usize| place.path().join(format!("{n}.log"));
    let servers = [0, 1, 2].map(|n| chat(&url(&redis)).arg("--log").arg(log(n)).start());
    let observers: Vec<Member> = (0..3).map(|n| Member::enter(&servers[n], &format!("observer{n}"))).collect();
    let mut authors: Vec<Member> =
        NICKS.iter().enumerate().map(|(n, nick)| Member::enter(&servers[n % 3], nick)).collect();
    for observer in &observers {
        observer.hears("Welcome fay to the room!\n");
    }
    for author in &mut authors {
        author.count(0..500);
    }
    let all: Vec<&Member> = observers.iter().chain(&authors).collect();
    expect_one_order(&all, &NICKS, 500);
    expect_peace(&servers, &all);
    // The logs agree in every line and in every time: Redis sets the clock.
    let said = |n: usize| -> Vec<String> {
        let text = fs::read_to_string(log(n)).expect("a log");
        text.lines().filter(|line| line.contains(" say ")).map(str::to_owned).collect()
    };
    until("three whole logs", || (0..3).all(|n| said(n).len() == 3000));
    assert!(said(0) == said(1) && said(1) == said(2), "the logs differ");
}

#[test]
fn servers_on_one_port_share_a_room() {
    let redis = RedisServer::start("");
    let first = chat(&url(&redis)).args("--reuse-port").start();
    let _second = chat(&url(&redis)).args("--reuse-port").listen(&first.address()).start();
    // Linux spreads the connections over both.
    let mut members: Vec<Member> = (0..8).map(|n| Member::enter(&first, &format!("m{n}"))).collect();
    members[0].say("/who\nhello");
    members[0].hears("8 persons are here: m0, m1, m2, m3, m4, m5, m6, m7.\n");
    for member in &members[1..] {
        member.hears("m0: hello\n");
    }
}

#[test]
fn a_race_for_a_nickname_has_one_winner() {
    let redis = RedisServer::start("");
    let servers = chats::<3>(&redis, "");
    for round in 0..100 {
        let mut racers: Vec<Peer> = servers.iter().map(|server| Peer::connect(&server.address())).collect();
        for racer in &mut racers {
            racer.expect("Enter your nickname: ");
        }
        for racer in &mut racers {
            racer.send(format!("cat{round}\n"));
        }
        let mut winners = 0;
        for racer in &mut racers {
            let answer = racer.line_where(|line| line.contains(&format!("cat{round} ")));
            winners += usize::from(answer == format!("Welcome cat{round} to the room!"));
            assert!(answer.starts_with("Welcome ") || answer.contains(" is taken "), "{answer}");
        }
        assert_eq!(winners, 1, "in round {round}");
    }
    for server in &servers {
        server.expect_manners();
    }
}

#[test]
fn members_of_two_servers_see_one_another() {
    let redis = RedisServer::start("");
    let servers = chats::<2>(&redis, "");
    let (mut ann, mut bob) = (Member::enter(&servers[0], "ann"), Member::enter(&servers[1], "bob"));
    bob.hears("Welcome bob to the room!\n2 persons are here.\n");
    ann.hears("Welcome bob to the room!\n");
    ann.say("/who");
    ann.hears("2 persons are here: ann, bob.\n");
    bob.say("/me waves");
    ann.hears("* bob waves\n");
    bob.say("/nick Rob");
    for member in [&ann, &bob] {
        member.hears("bob is now known as Rob.\n");
    }
    ann.say("/nick ROB");
    ann.hears("The nickname ROB is taken (please choose another one)\n");
    ann.say("/nick bob");
    bob.hears("ann is now known as bob.\n");
    bob.say("/quit");
    ann.hears("Rob leaves the room!\n");
    bob.hears("Good bye!\n");
}

#[test]
fn a_private_message_crosses_servers_and_is_not_kept() {
    let redis = RedisServer::start("");
    let servers = chats::<2>(&redis, "");
    let (mut ann, mut bob) = (Member::enter(&servers[0], "ann"), Member::enter(&servers[1], "bob"));
    ann.say("/msg BOB a secret word\n/msg eve psst");
    bob.hears("[ann] a secret word\n");
    ann.hears("[to bob] a secret word\n");
    ann.hears("No member is called eve\n");
    bob.say("/msg ann\n/msg ann heard");
    ann.hears("[bob] heard\n");
    bob.say("aloud");
    ann.hears("bob: aloud\n");
    assert_eq!((ann.times("[bob] heard"), bob.times("[ann] a secret word")), (1, 1));
    let entries = redis.ask("EVAL \"return cjson.encode(redis.call('XRANGE','switchboard:room:lobby','-','+'))\" 0");
    assert!(entries.contains("aloud") && !entries.contains("secret"), "{entries}");
}

#[test]
fn rooms_are_shared_and_end_with_their_last_member() {
    let redis = RedisServer::start("");
    let servers = chats::<2>(&redis, "--max-rooms 2");
    let (mut ann, mut bob) = (Member::enter(&servers[0], "ann"), Member::enter(&servers[1], "bob"));
    ann.hears("Welcome bob to the room!\n");
    ann.say("/join Rust");
    bob.hears("ann leaves the room!\n");
    ann.hears("1 person is here.\n");
    bob.say("/rooms\n/join other");
    bob.hears("2 rooms are open: lobby (1), Rust (1).\n");
    bob.hears("There are too many rooms to begin other (type /rooms for a list)\n");
    bob.say("alone\n/join rust\nhello ann");
    ann.hears("Welcome bob to the room!\nbob: hello ann\n");
    assert_eq!(ann.times("bob: alone"), 0);
    ann.say("/join lobby\n/rooms");
    ann.hears("2 rooms are open: lobby (1), Rust (1).\n");
    bob.say("/join lobby\nback again");
    ann.hears("bob: back again\n");
    ann.say("/rooms");
    ann.hears("1 room is open: lobby (2).\n");
}

#[test]
fn a_new_server_has_the_history_and_the_members() {
    let redis = RedisServer::start("");
    let first = chat(&url(&redis)).args("--history 10").start();
    let mut ann = Member::enter(&first, "ann");
    ann.say("one\n/me thinks\nthree");
    until("three entries", || redis.ask("GET switchboard:count:lobby") == "4");
    let second = chat(&url(&redis)).args("--history 10").start();
    let bob = Member::enter(&second, "bob");
    bob.hears("2 persons are here.\n");
    let text = bob.netcat.stdout.text();
    let shown: Vec<&str> =
        ["ann: one", "* ann thinks", "ann: three"].into_iter().filter(|line| text.contains(line)).collect();
    assert_eq!(shown.len(), 3, "{text}");
}

#[test]
fn an_operator_speaks_to_all_servers_and_removes_its_own() {
    let redis = RedisServer::start("");
    let mut servers = chats::<2>(&redis, "--stdin commands");
    let (ann, bob) = (Member::enter(&servers[0], "ann"), Member::enter(&servers[1], "bob"));
    servers[0].say("say good morning\n");
    for member in [&ann, &bob] {
        member.hears("*** Operator: good morning\n");
    }
    servers[0].say("kick ann enough\n");
    ann.hears("You were removed by the operator: enough\n");
    bob.hears("ann was removed by the operator: enough\nann leaves the room!\n");
}

#[test]
fn installations_with_other_databases_do_not_meet() {
    let redis = RedisServer::start("");
    let servers = [0, 1].map(|n| chat(&format!("{}/{n}", url(&redis))).start());
    let (mut ann, _other) = (Member::enter(&servers[0], "ann"), Member::enter(&servers[1], "ann"));
    ann.say("/who");
    ann.hears("1 person is here: ann.\n");
}
