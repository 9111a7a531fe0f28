//! What a member asks for with `/history`, and the times before live lines.

use super::*;
use crate::servers::chat::texts;

#[test]
fn a_member_sees_the_events_since_it_has_joined() {
    let options = ChatOptions { record: Some(Record::new(clock)), ..ChatOptions::default() };
    let mut room = Room::with(options, Limits::default());
    let ann = room.join("ann");
    room.says(ann, "before");
    room.sim.advance(60 * SECOND);
    let (bob, eve) = (room.join("bob"), room.join("eve"));
    room.says(eve, "/me waves\n/msg bob secret\n/nick Eva\n/quit");
    room.sees(bob);
    room.says(bob, "/history");
    let shown = "12:01 Welcome bob to the room!\n12:01 Welcome eve to the room!\n12:01 * eve waves\n\
                 12:01 eve is now known as Eva.\n12:01 Eva leaves the room!\n";
    assert_eq!(room.sees(bob), shown);
    room.says(bob, "/history 1\n/history 0\n/history all");
    assert_eq!(room.sees(bob), ["12:01 Eva leaves the room!\n", texts::HISTORY_USAGE, texts::HISTORY_USAGE].concat());
    room.sees(ann);
    room.says(ann, "/history 1000000");
    assert_eq!(room.sees(ann), format!("12:00 Welcome ann to the room!\n12:00 ann: before\n{shown}"));
}

#[test]
fn with_a_history_for_newcomers_a_member_sees_earlier_events() {
    let mut room = Room::with(with_history(1), Limits::default());
    let ann = room.join("ann");
    room.says(ann, "before");
    let bob = room.join("bob");
    room.sees(bob);
    room.says(bob, "/history");
    let shown = "12:00 Welcome ann to the room!\n12:00 ann: before\n12:00 Welcome bob to the room!\n";
    assert_eq!(room.sees(bob), shown);
}

#[test]
fn the_events_that_are_kept_are_bounded() {
    let mut room = Room::with(with_history(1), Limits::default());
    let ann = room.join("ann");
    for number in 0..1500 {
        room.says(ann, &number.to_string());
    }
    room.sees(ann);
    room.says(ann, "/history 2000");
    let shown = room.sees(ann);
    assert_eq!((shown.lines().count(), shown.lines().next()), (1000, Some("12:00 ann: 500")));
    for number in 0..100 {
        room.says(ann, &long(number, 4000));
    }
    room.says(ann, "/history 2000");
    let shown = room.sees(ann);
    assert!((60_000..=64 * 1024).contains(&shown.len()) && shown.starts_with("12:00 ann: 8"), "{}", shown.len());
}

#[test]
fn timestamps_stand_before_live_lines_only() {
    let record = Record::new(clock).with_timestamps();
    let mut room = Room::with(ChatOptions { record: Some(record), ..ChatOptions::default() }, Limits::default());
    let (ann, bob) = (room.join("ann"), room.join("bob"));
    assert_eq!(room.sees(bob), "Enter your nickname: 12:00 Welcome bob to the room!\n2 persons are here.\n");
    room.sees(ann);
    room.sim.advance(60 * SECOND);
    room.says(bob, "hello\n/me waves\n/msg ann secret\n/who\n/history 1");
    room.sim.run();
    room.says(bob, "/quit");
    let live = "12:01 bob: hello\n12:01 * bob waves\n12:01 [bob] secret\n12:01 bob leaves the room!\n";
    assert_eq!(room.sees(ann), live);
    let answers = "[to ann] secret\n2 persons are here: ann, bob.\n12:01 * bob waves\nGood bye!\n";
    assert_eq!(room.sees(bob), answers);
}
