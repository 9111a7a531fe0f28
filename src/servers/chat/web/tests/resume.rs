//! Pages that come back.

use super::*;

/// A page that has entered, and its key.
fn keyed(server: &mut Server, nick: &str) -> (SimPeer, String) {
    let page = server.page(&[nick]);
    let key = take_key(&server.sees(page)[0]).0;
    (page, key)
}

/// What follows the members in the entrance of a page that has resumed.
fn resumed(events: &[String], has_gap: bool) -> String {
    format!(r#""history":[{}],"is_resumed":true,"has_gap":{has_gap}"#, events.join(","))
}

const EXPIRED: &str = r#"{"type":"expired"}"#;

#[test]
fn a_page_that_was_cut_off_has_missed_nothing() {
    let mut server = Server::new();
    let (ann, key) = keyed(&mut server, "ann");
    let bob = server.nc("bob");
    server.sim.send(bob, b"one\n");
    server.sim.run();
    assert_eq!(server.sees(ann).len(), 2);
    server.reset(ann);
    server.sim.send(bob, b"two\n");
    server.sim.run();
    let back = server.page(&[&format!("/resume {key} 3")]);
    let seen = server.sees(back);
    let missed = [event("leave", 4, r#","nick":"ann""#), event("say", 5, r#","nick":"bob","text":"two""#)];
    let (same, shown) = take_key(&seen[0]);
    assert_eq!((seen.len(), same), (1, key), "the key stays");
    assert_eq!(shown, entrance("lobby", "ann", r#""ann","bob""#, &resumed(&missed, false)));
    server.say(back, "thanks");
    assert_eq!(server.sees(back), [event("say", 7, r#","nick":"ann","text":"thanks""#)]);
    assert_eq!(server.reads(bob), "ann leaves the room!\nWelcome ann to the room!\nann: thanks\n");
    server.say(back, "/history 9");
    assert!(server.sees(back).concat().contains(r#""text":"one""#), "since it was here first");
}

#[test]
fn a_connection_that_seems_open_is_taken_over() {
    let mut server = Server::new();
    let (ann, key) = keyed(&mut server, "ann");
    let bob = server.nc("bob");
    server.sees(ann);
    let back = server.page(&[&format!("/resume {key} 2")]);
    server.say(back, "here again");
    let (same, shown) = take_key(&server.sees(back)[0]);
    let missed = [event("leave", 3, r#","nick":"ann""#)];
    assert_eq!((same, shown), (key, entrance("lobby", "ann", r#""ann","bob""#, &resumed(&missed, false))));
    let seen = server.sees(ann);
    assert_eq!(seen, [notice("You have come back on another connection."), "close 1008 ".to_owned()]);
    assert_eq!(server.reads(bob), "ann leaves the room!\nWelcome ann to the room!\nann: here again\n");
}

#[test]
fn a_stalled_connection_is_taken_over() {
    let mut server = Server::new();
    let (ann, key) = keyed(&mut server, "ann");
    let bob = server.nc("bob");
    server.sim.stall(ann);
    server.sim.send(bob, b"hello\n");
    server.sim.run();
    let back = server.page(&[&format!("/resume {key} 1")]);
    let seen = server.sees(back).concat();
    assert!(seen.contains(r#""nick":"bob","text":"hello""#) && seen.contains(r#""has_gap":false"#), "{seen}");
}

#[test]
fn a_page_comes_back_to_its_room_and_nickname() {
    let mut server = Server::new();
    let (ann, key) = keyed(&mut server, "ann");
    server.say(ann, "/join garden");
    server.say(ann, "/nick anna");
    server.reset(ann);
    let back = server.page(&[&format!("/resume {key} 9")]);
    let seen = take_key(&server.sees(back).concat()).1;
    let again = resumed(&[], true);
    assert_eq!(seen, entrance("garden", "anna", r#""anna""#, &again), "the room has begun anew");
}

#[test]
fn an_unknown_key_asks_for_a_nickname() {
    let mut server = Server::new();
    let (ann, key) = keyed(&mut server, "ann");
    let page = server.page(&[]);
    for request in [
        "/resume ",
        "/resume x 1",
        &format!("/resume {key}"),
        &format!("/resume {key} x"),
        &format!("/resume {} 1", "0".repeat(32)),
    ] {
        server.say(page, request);
        assert_eq!(server.sees(page), [EXPIRED], "{request}");
    }
    server.reset(ann);
    server.sim.advance(Duration::from_secs(601));
    let late = server.page(&[&format!("/resume {key} 1")]);
    assert_eq!(server.sees(late), [EXPIRED]);
    server.say(late, "ann");
    let (other, shown) = take_key(&server.sees(late).concat());
    assert_eq!(shown, entrance("lobby", "ann", r#""ann""#, FRESH));
    assert_ne!(other, key);
}

#[test]
fn a_nickname_may_be_taken_meanwhile() {
    let mut server = Server::new();
    let (ann, key) = keyed(&mut server, "ann");
    server.reset(ann);
    let other = server.nc("Ann");
    let back = server.page(&[&format!("/resume {key} 1")]);
    assert_eq!(
        server.sees(back),
        [r#"{"type":"refused","text":"The nickname ann is taken (please choose another one)"}"#]
    );
    server.say(back, "anna");
    let (own, shown) = take_key(&server.sees(back).concat());
    assert_eq!(shown, entrance("lobby", "anna", r#""Ann","anna""#, FRESH), "a new visit");
    assert_ne!(own, key);
    server.reset(other);
    let again = server.page(&[&format!("/resume {key} 1")]);
    assert!(server.sees(again).concat().contains(r#""is_resumed":true"#), "the former visit is still known");
}

#[test]
fn a_gap_is_told() {
    let mut server = Server::new();
    let (ann, key) = keyed(&mut server, "ann");
    server.reset(ann);
    let bob = server.nc("bob");
    for _ in 0..20 {
        server.sim.send(bob, format!("{}\n", "x".repeat(4000)).as_bytes());
        server.sim.run();
        server.sim.advance(Duration::from_secs(1));
    }
    let back = server.page(&[&format!("/resume {key} 1")]);
    let seen = server.sees(back).concat();
    assert!(seen.contains(r#""has_gap":true"#), "{}", &seen[..200]);
    let mut server = Server::with(ChatOptions::default());
    let (ann, key) = keyed(&mut server, "ann");
    server.reset(ann);
    let back = server.page(&[&format!("/resume {key} 1")]);
    assert_eq!(
        take_key(&server.sees(back).concat()).1,
        entrance("lobby", "ann", r#""ann""#, &resumed(&[], true)),
        "no record"
    );
}

#[test]
fn a_page_sees_nothing_from_before_it_came_first() {
    let mut server = Server::new();
    let bob = server.nc("bob");
    server.sim.send(bob, b"before\n");
    server.sim.run();
    let (ann, key) = keyed(&mut server, "ann");
    server.reset(ann);
    let back = server.page(&[&format!("/resume {key} 0")]);
    let seen = server.sees(back).concat();
    assert!(!seen.contains("before") && seen.contains(r#""has_gap":true"#), "{seen}");
    server.reset(back);
    let back = server.page(&[&format!("/resume {key} {}", u64::MAX)]);
    let seen = server.sees(back).concat();
    assert!(seen.contains(r#""history":[],"is_resumed":true"#), "it asks for nothing: {seen}");
}

#[test]
fn a_page_that_has_waited_takes_over_from_a_lost_connection() {
    let rate = crate::Rate { count: 1, per: Duration::from_secs(1), burst: 1 };
    let mut server = Server::with(ChatOptions { join_rate: Some(rate), ..ChatOptions::default() });
    let (ann, key) = keyed(&mut server, "ann");
    server.reset(ann);
    let [lost, back] = [(); 2].map(|()| server.page(&[&format!("/resume {key} 1")]));
    server.sim.advance(Duration::from_secs(1));
    assert!(server.sees(lost).concat().contains("entrance"));
    server.sim.advance(Duration::from_secs(1));
    let seen = server.sees(back).concat();
    assert!(seen.contains(r#""nick":"ann","#) && seen.contains(r#""is_resumed":true"#), "{seen}");
    assert!(server.sees(lost).concat().contains("close 1008"));
}

#[test]
fn two_that_resume_one_visit_do_not_both_succeed() {
    let mut server = Server::new();
    let (ann, key) = keyed(&mut server, "ann");
    let (one, two) = (open(&mut server.sim), open(&mut server.sim));
    let request = frame(0x81, format!("/resume {key} 1").as_bytes());
    server.sim.send(one, &request);
    server.sim.send(two, &request);
    let seen = [one, two].map(|page| server.sees(page).concat());
    let inside = seen.iter().filter(|seen| seen.contains("entrance") && !seen.contains("close 1008")).count();
    assert_eq!(inside, 1, "{seen:?}");
    assert!(server.sees(ann).concat().contains("close 1008"));
}

#[test]
fn a_page_comes_back_if_lines_must_be_short() {
    let mut server = Server::with(ChatOptions { max_line: 4, record: Some(record()), ..ChatOptions::default() });
    let (ann, key) = keyed(&mut server, "ann");
    server.reset(ann);
    let back = server.page(&[&format!("/resume {key} 1")]);
    assert!(server.sees(back).concat().contains(r#""is_resumed":true"#));
    server.say(back, "hello");
    assert!(server.sees(back).last().is_some_and(|last| last.starts_with("close 1009 ")));
}
