//! Datagrams at a listener on every address of the machine.

use crate::support::server::Program;
use std::net::UdpSocket;
use std::process::Command;
use switchboard_harness::{TIMEOUT, skipped};

/// The servers that answer a datagram, and the beginning of the answer to `hi`.
const ANSWERS: [(Program, &str); 5] = [
    (Program::Echo, "hi"),
    (Program::Uppercase, "HI"),
    (Program::Chargen, " !\"#$%&'()"),
    (Program::Daytime, ""),
    (Program::Time, ""),
];

#[test]
fn a_wildcard_replies_from_the_asked_address() {
    for (program, expected) in ANSWERS {
        let server = program.launch().listen("udp:*:0").start();
        let port = server.port();
        for asked in ["127.0.0.1", "127.0.0.2", "127.255.255.254"] {
            let client = UdpSocket::bind("127.0.0.1:0").expect("a free port");
            client.set_read_timeout(Some(TIMEOUT)).expect("a valid time-out");
            // A connected socket takes answers from this address only.
            client.connect((asked, port)).expect("an address of this machine");
            client.send(b"hi").expect("sent");
            let mut answer = [0; 1000];
            let count = client.recv(&mut answer).expect("an answer from the address that was asked");
            assert!(answer[..count].starts_with(expected.as_bytes()), "{program:?}: {:?}", &answer[..count]);
        }
    }
}

/// Adds addresses to the loopback interface, starts the program `$0`, and asks it from other addresses.
const SEVERAL_ADDRESSES: &str = r#"
    set -e
    ip link set lo up
    for address in fd00::2/128 fe80::1/64 fe80::2/64; do ip -6 addr add $address dev lo nodad; done
    coproc "$0" --listen 'udp:*:5000' --stdin ignore
    read -r line <&"${COPROC[0]}"
    echo global | nc -u -W 1 -w 10 -s ::1 fd00::2 5000
    echo local | nc -u -W 1 -w 10 -s fe80::2%lo fe80::1%lo 5000
    kill $COPROC_PID
"#;

#[test]
fn an_ipv6_wildcard_replies_from_the_asked_address() {
    let mut command = Command::new("unshare");
    command.args(["--net", "--user", "--map-root-user", "bash", "-c", SEVERAL_ADDRESSES]);
    let output = command.arg(Program::Echo.path()).output().expect("unshare and bash are installed");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if stderr.contains("unshare: ") {
        return skipped("an IPv6 wildcard: no network namespace may be made here");
    }
    assert_eq!(stdout, "global\nlocal\n", "{stderr}");
}
