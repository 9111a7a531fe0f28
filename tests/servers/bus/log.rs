//! What the log of a server says about its members.

use super::{chat, url};
use crate::support::peer::Peer;
use switchboard_harness::RedisServer;

/// Its leave is read back after its connection is gone.
#[test]
fn a_member_that_has_left_is_named() {
    let redis = RedisServer::start("");
    let server = chat(&url(&redis)).args("-v").start();
    let mut ann = Peer::connect(&server.address());
    ann.send("ann\n");
    ann.line_where(|line| line == "1 person is here.");
    ann.reset();
    server.stderr.wait_for("INFO  ann leaves the room: ");
}
