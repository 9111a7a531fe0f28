//! What an operator sees and does: the listing of clients, and the log with nickname and address together.

use crate::support::peer::Peer;
use crate::support::server::Program;
use switchboard_harness::{Server, until};

/// The end of the heading of a listing.
const HEADING_END: &str = "queued bytes\n";

/// The columns of the row with `text` in a listing that the operator asks for.
#[track_caller]
fn row(server: &mut Server, text: &str) -> Vec<String> {
    let listings = |server: &Server| server.stderr.text().matches(HEADING_END).count();
    let before = listings(server);
    server.say(format!("who {text}\n"));
    until("the listing", || listings(server) > before);
    let told = server.stderr.text();
    let (_, listing) = told.rsplit_once(HEADING_END).expect("just seen");
    let row = listing.lines().find(|line| line.contains(text)).expect("a row in one write with the heading");
    row.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_operator_lists_the_clients_and_closes_one() {
    let mut server = Program::Echo.launch().args("--stdin commands -v").start();
    server.say("who\n");
    server.stderr.wait_for("no connections\n");
    let [mut stays, mut goes] = [(); 2].map(|()| Peer::connect(&server.address()));
    stays.echo("one\n");
    goes.echo("two\n");
    server.say("who\n");
    server.stderr.wait_for("number  service  nickname  address          connected  queued bytes\n");
    let address = format!("127.0.0.1:{}", goes.local_port());
    let found = row(&mut server, &address);
    assert_eq!([&*found[0], &found[1], &found[2], &found[3]], ["2", "echo", "-", &address]);
    server.say("kick 2\n");
    goes.expect_eof();
    server.stderr.wait_for("closed: by the operator");
    stays.echo("still here\n");
    server.say("kick 2\n");
    server.stderr.wait_for("no connection has the number or nickname \"2\"");
}

#[test]
fn a_member_is_kicked_by_nickname_and_told_the_reason() {
    let mut server = Program::Bank.launch().args("--stdin commands").start();
    let mut ann = Peer::newcomer(&server.address());
    ann.send("OPEN ann 1234\nLOGIN ann 1234\n");
    ann.line_where(|line| line == "ok logged in as ann");
    server.say("kick\nkick bob\nkick ANN too many adverts\n");
    ann.expect("error closed by the operator: too many adverts\n");
    ann.expect_eof();
    server.stderr.wait_for("usage: kick NUMBER|NICK [REASON]; type who for the numbers\n");
    server.stderr.wait_for("no connection has the number or nickname \"bob\"; type who for the list\n");
    server.stderr.wait_for(&format!("kicked ann (127.0.0.1:{})\n", ann.local_port()));
}

#[test]
fn the_listing_and_the_log_show_nickname_and_address() {
    let mut server = Program::Chat.launch().args("--stdin commands -v").start();
    let mut ann = Peer::connect(&server.address());
    ann.send("ann\n");
    ann.line_where(|line| line == "1 person is here.");
    let at = format!("127.0.0.1:{}", ann.local_port());
    let found = row(&mut server, &at);
    assert_eq!([&*found[0], &found[1], &found[2], &found[3]], ["1", "chat", "ann", &at]);
    ann.send("/nick anna\n");
    ann.line_where(|line| line.ends_with("is now known as anna."));
    assert_eq!(row(&mut server, "anna")[2], "anna");
    drop(ann);
    for line in
        ["ann ({}) joins the room", "ann ({}) is now known as anna", "anna ({}) closed: ", "anna ({}) leaves the "]
    {
        server.stderr.wait_for(&line.replace("{}", &at));
    }
}
