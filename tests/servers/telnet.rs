//! The clients that are not netcats: a real `telnet`, and what editors and terminals put before a line.

use crate::support::peer::Peer;
use crate::support::server::Program;
use crate::support::tools::tool;

#[test]
fn a_telnet_client_that_negotiates_enters_the_chat() {
    let server = Program::Chat.start();
    // The minus sign before the port makes the client negotiate its options, as on the port of Telnet.
    let mut telnet = tool(&["telnet", "--", "127.0.0.1", &format!("-{}", server.port())]);
    telnet.stdout.wait_for("Enter your nickname: ");
    telnet.say("ann\n");
    telnet.stdout.wait_for("Welcome ann");
    telnet.say("/who\n");
    telnet.stdout.wait_for("ann");
}

#[test]
fn what_clients_add_to_a_line_is_dropped() {
    for added in ["\u{FEFF}hi\n", "hi\r\0", "hi\r\n"] {
        for program in [Program::Chat, Program::Phonebook, Program::Bank, Program::Doctor, Program::Sum] {
            let server = program.start();
            let mut peer = Peer::connect(&server.address());
            peer.send(added);
            peer.expect(program.greeting());
        }
    }
}

#[test]
fn a_server_of_bytes_keeps_every_byte() {
    let raw = b"\xEF\xBB\xBFone\r\0\xFF\xFD\x03\xFF\xFF two\r\n";
    let echo = Program::Echo.start();
    Peer::connect(&echo.address()).echo(raw);
    let uppercase = Program::Uppercase.start();
    let mut peer = Peer::connect(&uppercase.address());
    peer.send(raw);
    peer.expect(raw.to_ascii_uppercase());
}
