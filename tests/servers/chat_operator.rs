//! What the operator of a chat sees to: bans, kicks, and a line for the room.

use super::chat::join;
use crate::support::peer::Peer;
use crate::support::server::Program;

#[test]
fn the_operator_kicks_and_bans_and_speaks_to_the_room() {
    let mut server = Program::Chat.launch().args("--stdin commands").start();
    let mut ann = join(&server, "ann");
    let mut mal = join(&server, "mal");
    ann.line();
    server.say("say we close at ten\n");
    for member in [&mut ann, &mut mal] {
        assert_eq!(member.line(), "*** Operator: we close at ten");
    }
    server.say("kick mal too loud\n");
    assert_eq!(mal.line(), "You were removed by the operator: too loud");
    mal.expect_eof();
    assert_eq!(ann.line(), "mal was removed by the operator: too loud");
    assert_eq!(ann.line(), "mal leaves the room!");
    server.say("ban mal 1h\nbans\n");
    server.stderr.wait_for("banned mal; 0 in the room\nmal  for ");
    let mut again = Peer::connect(&server.address());
    again.expect("Enter your nickname: ");
    again.send("MAL\n");
    assert_eq!(again.line(), "The nickname MAL is banned from this room.");
    again.expect_eof();
    server.say("unban mal\n");
    server.stderr.wait_for("\"mal\" is no longer banned");
    join(&server, "mal");
    server.say("ban 127.0.0.0/8\n");
    ann.line_where(|line| line == "You were removed by the operator: banned");
    ann.expect_eof();
    let mut late = Peer::connect(&server.address());
    assert_eq!(late.line(), "You are banned from this room.");
    late.expect_eof();
}
