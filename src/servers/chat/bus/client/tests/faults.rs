//! Links that break, and brokers that stop, die or forget.

use std::collections::BTreeMap;

use switchboard_harness::redis::Kept;

use super::*;

fn joined(servers: u64) -> World {
    let mut world = World::new(servers);
    for at in 0..servers {
        world.join(at as usize, 1, &format!("nick{at}"), "Lobby");
    }
    for at in 0..servers as usize {
        world.heard(at);
    }
    world
}

fn said(what: &[Happened]) -> Vec<&str> {
    what.iter().filter_map(|what| if let Happened::Say { text, .. } = what { Some(&**text) } else { None }).collect()
}

/// Cuts a link of server 0 after each number of commands that the broker executes.
fn cut_everywhere(kind: LinkKind) {
    for executed in 0..200 {
        let mut world = joined(2);
        world.budget = Some(executed);
        for round in 0..10 {
            world.say(0, 1, "nick0", &format!("a{round}"));
            world.say(1, 1, "nick1", &format!("b{round}"));
            world.run();
        }
        let is_complete = world.budget != Some(0);
        world.cut(0, kind);
        world.budget = None;
        world.pass(3000);
        let (one, other) = (world.lobby(0), world.lobby(1));
        assert_eq!(one, other, "cut after {executed}");
        let mut lines = BTreeMap::<char, Vec<&str>>::new();
        for text in said(&one) {
            lines.entry(text.chars().next().expect("a text")).or_default().push(text);
        }
        for (author, lines) in lines {
            assert_eq!(
                lines,
                (0..10).map(|round| format!("{author}{round}")).collect::<Vec<_>>(),
                "cut after {executed}"
            );
        }
        assert_eq!(one.len(), 20, "cut after {executed}: {one:?}");
        assert!(!world.servers[0].bus.is_out() && world.servers[0].bus.pending.is_empty());
        if is_complete {
            return;
        }
    }
    panic!("the talk has at least 200 commands");
}

#[test]
fn a_lost_command_link_loses_and_doubles_nothing() {
    cut_everywhere(LinkKind::Command);
}

#[test]
fn a_lost_reading_link_loses_and_doubles_nothing() {
    cut_everywhere(LinkKind::Reading);
}

/// A refusal is remembered, although later asks were carried out.
#[test]
fn an_answer_that_was_lost_is_given_again() {
    let mut world = joined(2);
    world.ask(0, 2, Ask::Join { nick: "nick1", room: "Lobby" });
    world.say(0, 1, "nick0", "first");
    world.ask(0, 1, Ask::Rename { old: "nick0", nick: "ann", room: "Lobby" });
    // The broker executes all, but its answers do not arrive.
    world.servers[0].bus.send_pending();
    let output = std::mem::take(world.servers[0].bus.output(LinkKind::Command));
    let client = world.servers[0].client(LinkKind::Command).expect("a link");
    world.redis.send(client, &output);
    world.redis.run();
    world.cut(0, LinkKind::Command);
    // Another one takes the nickname that was given up.
    world.join(1, 2, "nick0", "Lobby");
    world.pass(1000);
    let heard = world.heard(0);
    let asked = Asked::Join { nick: "nick1".into(), room: "Lobby".into() };
    assert!(heard.contains(&Heard::Refused { by: token(2), asked, refusal: Refusal::TakenNick }), "{heard:?}");
    assert!(heard.contains(&Heard::Acknowledged { by: token(1), asked: Asked::Say }), "{heard:?}");
    assert_eq!(said(&world.lobby(1)), ["first"]);
}

/// It is remembered also if the server was taken for dead meanwhile.
#[test]
fn a_refusal_outlives_the_lease_of_its_server() {
    let mut world = joined(2);
    world.ask(0, 2, Ask::Join { nick: "nick1", room: "Lobby" });
    let output = std::mem::take(world.servers[0].bus.output(LinkKind::Command));
    let client = world.servers[0].client(LinkKind::Command).expect("a link");
    world.redis.send(client, &output);
    world.redis.run();
    world.servers[0].is_dead = true;
    world.cut(0, LinkKind::Command);
    world.cut(0, LinkKind::Reading);
    world.pass(5000);
    assert_eq!(world.lobby(1), [Happened::Gone { nicks: vec!["nick0".to_owned()] }]);
    world.servers[0].is_dead = false;
    world.pass(3000);
    let asked = Asked::Join { nick: "nick1".into(), room: "Lobby".into() };
    let heard = world.heard(0);
    assert!(heard.contains(&Heard::Refused { by: token(2), asked, refusal: Refusal::TakenNick }), "{heard:?}");
}

/// Some keys are gone, and others are there.
#[test]
fn a_broker_that_evicts_keys_stops_no_server() {
    for evicted in ["nicks", "nicks-of:0000000000000001", "members:lobby", "rooms", "seq:0000000000000001"] {
        let mut world = joined(2);
        world.redis.execute(&["DEL", &format!("switchboard:{evicted}")]);
        world.say(0, 1, "nick0", "still here");
        world.run();
        assert_eq!(said(&world.lobby(1)), ["still here"], "{evicted}");
        world.redis.execute(&["DEL", &format!("switchboard:{evicted}")]);
        world.servers[0].is_dead = true;
        world.cut(0, LinkKind::Command);
        world.cut(0, LinkKind::Reading);
        world.pass(5000);
        world.join(1, 3, "new", "Lobby");
        assert!(world.lobby(1).contains(&Happened::Join { nick: "new".to_owned() }), "{evicted}");
        assert_eq!(world.servers[1].faults, [], "{evicted}");
    }
}

#[test]
fn an_ask_with_an_unknown_answer_is_asked_again() {
    let mut world = joined(2);
    world.say(0, 1, "nick0", "one");
    world.say(0, 1, "nick0", "two");
    let World { servers, now, .. } = &mut world;
    let bus = &mut servers[0].bus;
    bus.send_pending();
    bus.receive(LinkKind::Command, &Element::Text(b"what"), *now);
    assert_eq!(bus.pending.len(), 2);
    world.pass(1000);
    assert_eq!(world.servers[0].faults, [(LinkKind::Command, Fault::Unexpected)]);
    assert_eq!(said(&world.lobby(1)), ["one", "two"]);
}

#[test]
fn attempts_follow_with_growing_pauses() {
    let mut world = joined(1);
    world.servers[0].attempts.clear();
    world.redis.kill();
    let start = world.now;
    world.pass(8000);
    let commands = world.servers[0].attempts.iter().filter(|(kind, _)| *kind == LinkKind::Command);
    let millis: Vec<_> = commands.map(|(_, at)| (*at - start).as_millis()).collect();
    assert_eq!(millis, [110, 310, 710, 1510, 3110, 5110, 7110]);
}

#[test]
fn an_outage_is_told_once_and_lines_wait() {
    let mut world = joined(2);
    world.redis.kill();
    world.pass(900);
    world.say(0, 1, "nick0", "one");
    assert_eq!((world.heard(0), world.servers[0].bus.is_out()), (vec![], false));
    world.pass(5000);
    world.say(0, 1, "nick0", "two");
    assert_eq!((world.heard(0), world.servers[0].bus.is_out()), (vec![Heard::OutageBegan], true));
    world.redis.restart(Kept::All);
    world.pass(3000);
    let heard = world.heard(0);
    assert_eq!(heard.iter().filter(|heard| matches!(heard, Heard::OutageEnded)).count(), 1);
    assert!(!heard.contains(&Heard::OutageBegan) && !heard.contains(&Heard::Forgotten));
    assert_eq!(said(&world.lobby(1)), ["one", "two"]);
}

/// As after SIGSTOP. All leases expire meanwhile, and no member is removed.
#[test]
fn a_stopped_broker_is_given_up_and_removes_no_member() {
    let mut world = joined(3);
    world.redis.stop();
    for round in 0..10 {
        world.say(0, 1, "nick0", &round.to_string());
        world.pass(1000);
    }
    assert!(world.servers[0].faults.contains(&(LinkKind::Command, Fault::Silent)));
    assert!(world.servers[0].faults.contains(&(LinkKind::Reading, Fault::Silent)));
    world.redis.resume();
    world.pass(6000);
    for at in 0..3 {
        let lobby = world.lobby(at);
        assert_eq!(said(&lobby), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        assert_eq!(lobby.len(), 10, "{lobby:?}");
    }
}

#[test]
fn the_members_of_a_dead_server_leave_within_five_seconds() {
    let mut world = joined(2);
    world.servers[0].is_dead = true;
    world.cut(0, LinkKind::Command);
    world.cut(0, LinkKind::Reading);
    world.pass(2500);
    assert_eq!(world.lobby(1), []);
    world.pass(2500);
    assert_eq!(world.lobby(1), [Happened::Gone { nicks: vec!["nick0".to_owned()] }]);
    world.join(1, 9, "NICK0", "Lobby");
    assert_eq!(world.lobby(1), [Happened::Join { nick: "NICK0".to_owned() }]);
}

/// A server that was cut off for a while hears that its member was removed, and may have lost the nickname.
#[test]
fn a_server_that_was_cut_off_enters_its_members_again() {
    let mut world = joined(2);
    world.join(0, 2, "taken", "Lobby");
    world.heard(1);
    world.servers[0].is_dead = true;
    world.cut(0, LinkKind::Command);
    world.cut(0, LinkKind::Reading);
    world.say(0, 1, "nick0", "still here");
    world.say(0, 2, "taken", "me too");
    world.pass(5000);
    world.join(1, 3, "Taken", "Lobby");
    world.heard(0);
    world.servers[0].is_dead = false;
    world.pass(3000);
    let heard = world.heard(0);
    let refused = Heard::Refused { by: token(2), asked: Asked::Say, refusal: Refusal::TakenNick };
    assert!(heard.contains(&refused), "{heard:?}");
    let lobby = world.lobby(1);
    assert_eq!(said(&lobby), ["still here"]);
    assert!(lobby.contains(&Happened::Join { nick: "nick0".to_owned() }));
}

#[test]
fn entries_that_the_broker_no_longer_has_are_noticed() {
    let mut world = joined(2);
    world.cut(1, LinkKind::Reading);
    for text in ["one", "two", "three", "four"] {
        world.say(0, 1, "nick0", text);
    }
    world.serve(0);
    world.redis.run();
    world.redis.execute(&["XTRIM", "switchboard:room:lobby", "MAXLEN", "2"]);
    world.pass(1000);
    world.say(0, 1, "nick0", "five");
    world.pass(1000);
    let heard = world.heard(1);
    let [Heard::Snapshot(snapshot), Heard::Entry { entry, .. }] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((snapshot.reason, snapshot.members.len()), (Reason::Missed, 2));
    let history: Vec<_> = snapshot.history.iter().map(|entry| entry.what.clone()).collect();
    assert_eq!((said(&history), said(std::slice::from_ref(&entry.what))), (vec!["three", "four"], vec!["five"]));
}

#[test]
fn a_broker_without_its_data_is_told_everything_again() {
    let mut world = joined(2);
    world.say(0, 1, "nick0", "before");
    world.pass(100);
    world.heard(0);
    assert_eq!(said(&world.lobby(1)), ["before"]);
    world.redis.restart(Kept::Nothing);
    world.say(0, 1, "nick0", "after");
    world.pass(2000);
    let heard = world.heard(0);
    assert_eq!(heard.iter().filter(|heard| matches!(heard, Heard::Forgotten)).count(), 1);
    for at in [0, 1] {
        world.ask(at, 1, Ask::Join { nick: &format!("nick{at}"), room: "Lobby" });
    }
    world.pass(1000);
    let lobby = world.lobby(1);
    assert_eq!(said(&lobby), ["after"]);
    world.pass(5000);
    assert_eq!(renewed(&mut world, 0), [2]);
    world.say(0, 1, "nick0", "later");
    world.pass(1000);
    assert_eq!(said(&world.lobby(1)), ["later"]);
}

/// A crash or a failover: numbers are smaller than those that were read.
#[test]
fn a_broker_with_older_data_is_told_what_it_has_lost() {
    let mut world = joined(2);
    world.redis.save();
    world.join(0, 3, "late", "Lobby");
    for text in ["one", "two", "three"] {
        world.say(0, 1, "nick0", text);
    }
    world.pass(5000);
    assert_eq!(said(&world.lobby(1)), ["one", "two", "three"]);
    world.redis.restart(Kept::Saved);
    for text in ["four", "five"] {
        world.say(0, 1, "nick0", text);
    }
    world.pass(2000);
    let heard = world.heard(0);
    assert_eq!(heard.iter().filter(|heard| matches!(heard, Heard::Forgotten)).count(), 1);
    world.join(0, 3, "late", "Lobby");
    world.pass(5000);
    assert_eq!(renewed(&mut world, 0), [3]);
    assert_eq!(said(&world.lobby(1)), ["four", "five"]);
}

/// With `appendfsync everysec`, Redis answers up to 2 s before it writes.
#[test]
fn what_a_killed_broker_had_not_written_is_asked_again() {
    let mut world = joined(2);
    world.redis.save();
    // This server reads nothing before the broker is killed.
    world.servers[1].is_dead = true;
    for text in ["one", "two"] {
        world.say(0, 1, "nick0", text);
        world.pass(500);
    }
    assert_eq!(said(&world.lobby(0)), ["one", "two"]);
    world.redis.restart(Kept::Saved);
    world.servers[1].is_dead = false;
    world.say(0, 1, "nick0", "three");
    world.pass(3000);
    assert_eq!(said(&world.lobby(0)), ["three"]);
    assert_eq!(said(&world.lobby(1)), ["one", "two", "three"]);
}

/// The numbers of members in the snapshots after a loss of data.
fn renewed(world: &mut World, at: usize) -> Vec<usize> {
    let members = |heard| match heard {
        Heard::Snapshot(Snapshot { reason: Reason::Renewed, members, .. }) => Some(members.len()),
        _ => None,
    };
    world.heard(at).into_iter().filter_map(members).collect()
}

/// What has arrived meanwhile counts before the deadlines that have passed.
#[test]
fn a_server_that_was_suspended_keeps_its_links() {
    let mut world = joined(2);
    world.serve(0);
    world.servers[0].is_dead = true;
    world.say(1, 1, "nick1", "hello");
    world.pass(20_000);
    world.servers[0].is_dead = false;
    world.pass(3000);
    assert_eq!(said(&world.lobby(0)), ["hello"]);
    assert_eq!((&*world.servers[0].faults, world.servers[0].attempts.len()), (&[][..], 2));
}

#[test]
fn a_refusal_of_the_broker_ends_the_link_and_is_tried_again() {
    let mut world = joined(1);
    world.redis.set_read_only(true);
    world.say(0, 1, "nick0", "hello");
    world.pass(3000);
    let (kind, fault) = &world.servers[0].faults[0];
    assert_eq!(*kind, LinkKind::Command);
    assert!(matches!(fault, Fault::Refused(error) if error.starts_with("READONLY")), "{fault:?}");
    assert!(world.servers[0].bus.is_out());
    world.redis.set_read_only(false);
    world.pass(3000);
    assert_eq!(said(&world.lobby(0)), ["hello"]);
    assert!(!world.servers[0].bus.is_out());
}

#[test]
fn users_without_the_right_password_are_told() {
    let mut world = World::new(0);
    world.redis.require_password("secret");
    let wrong = BusOptions { password: Some("wrong".to_owned()), ..options() };
    let right = BusOptions { password: Some("secret".to_owned()), database: 3, ..options() };
    for (id, options, code) in [(1, options(), "NOAUTH"), (2, wrong, "WRONGPASS")] {
        let at = world.start(id, options);
        let (_, fault) = &world.servers[at].faults[0];
        assert!(matches!(fault, Fault::Refused(error) if error.starts_with(code)), "{fault:?}");
    }
    let at = world.start(3, right);
    assert!(world.servers[at].bus.is_ready() && world.servers[at].faults.is_empty());
}

#[test]
fn asks_are_bounded_in_bytes() {
    let mut world = joined(1);
    world.redis.kill();
    world.pass(100);
    let text = "x".repeat(1 << 20);
    for _ in 0..16 {
        assert!(!world.servers[0].bus.is_full());
        world.say(0, 1, "nick0", &text);
    }
    assert!(world.servers[0].bus.is_full());
    world.redis.restart(Kept::All);
    world.pass(3000);
    assert!(!world.servers[0].bus.is_full() && world.servers[0].bus.pending_bytes == 0);
    assert_eq!(world.lobby(0).len(), 16);
}
