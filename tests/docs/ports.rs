//! The ports that a page names, moved to free ones, so that a session never meets a server that runs already.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// The ports where the servers listen unless told otherwise.
pub(crate) const DEFAULTS: [(&str, u16); 16] = [
    ("echo-server", 50000),
    ("uppercase-server", 4444),
    ("chat-server", 8888),
    ("greeting-server", 8090),
    ("http-server", 8080),
    ("daytime-server", 5013),
    ("time-server", 5038),
    ("discard-server", 5009),
    ("exec-server", 5011),
    ("relay-server", 5010),
    ("chargen-server", 5019),
    ("sum-server", 1234),
    ("talk-server", 5000),
    ("phonebook-server", 5002),
    ("bank-server", 5003),
    ("doctor-server", 5001),
];

/// The port of the examples of the library, and of the tutorial.
pub(crate) const EXAMPLES: u16 = 7000;

/// A port of a page, and the one that stands for it.
pub(crate) type Ports = BTreeMap<u16, u16>;

/// The first port that is not the system's own choice, where tests with port 0 are, and how many follow (Linux: ports
/// from 32768 on are handed out).
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// More than one run needs.
const APART: u32 = 251;

/// Words behind which a number is a port.
const BEFORE: [&str; 8] = ["127.0.0.1", "::1", "localhost", "-l", "--listen", "--metrics", "--port", "one-at-a-time"];

/// Chooses free ports for those that these lines name, and for the defaults.
pub(crate) fn choose<'a>(lines: impl Iterator<Item = &'a str>) -> Ports {
    let named = lines.flat_map(found_in).chain(DEFAULTS.map(|(_, port)| port)).chain([EXAMPLES]);
    let mut ports = Ports::new();
    for port in named {
        ports.entry(port).or_insert_with(free);
    }
    ports
}

/// The text with the chosen ports in it.
pub(crate) fn replace(text: &str, ports: &Ports) -> String {
    let mut result = String::new();
    for (token, is_number) in tokens(text) {
        let port = token.parse().ok().filter(|_| is_number).and_then(|port: u16| ports.get(&port));
        match port {
            Some(port) => result.push_str(&port.to_string()),
            None => result.push_str(token),
        }
    }
    result
}

/// A port without a listener, another one at each call.
fn free() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Runs of the tests at the same time begin far enough from one another.
    let start = (std::process::id() * APART % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let port = FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        let at = (Ipv4Addr::UNSPECIFIED, port);
        if TcpListener::bind(at).is_ok() && UdpSocket::bind(at).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

/// Numbers behind a colon, or behind an address, flag, or name of a service.
fn found_in(line: &str) -> Vec<u16> {
    let mut found = Vec::new();
    let mut before = String::new();
    for (token, is_number) in tokens(line) {
        let word = before.trim_end().rsplit([' ', '\'', '"']).next().unwrap_or_default();
        // As in `switchboard echo=7000`.
        let is_named = word.strip_suffix('=').is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_lowercase()));
        let is_port = before.ends_with(':') || before.ends_with(' ') && BEFORE.contains(&word) || is_named;
        if let Ok(port) = token.parse::<u16>()
            && is_number
            && is_port
            && port >= 1024
        {
            found.push(port);
        }
        before.push_str(token);
    }
    found
}

/// Cuts a text into whole words of letters and digits, and what is between them; tells which are numbers.
fn tokens(text: &str) -> Vec<(&str, bool)> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = first.is_alphanumeric();
        let length = rest.find(|c: char| c.is_alphanumeric() != is_word).unwrap_or(rest.len());
        let (token, after) = rest.split_at(length);
        tokens.push((token, token.bytes().all(|b| b.is_ascii_digit())));
        rest = after;
    }
    tokens
}

#[test]
fn ports_are_found_where_they_are_meant_and_replaced_everywhere() {
    let line = "nc 127.0.0.1 5000; x -l '*:7000' -l udp:6000 -l 9000 y=8000 --max-line 4096 --n=4096 head -c 5000";
    assert_eq!(found_in(line), [5000, 7000, 6000, 9000, 8000]);
    let ports = Ports::from([(5000, 1), (7000, 2)]);
    assert_eq!(replace("at 127.0.0.1:5000, 50000, [::]:7000.", &ports), "at 127.0.0.1:1, 50000, [::]:2.");
}

#[test]
fn free_ports_differ() {
    let ports = choose(["x:6001 y:6000"].into_iter());
    let mut chosen: Vec<_> = ports.values().collect();
    chosen.sort();
    chosen.dedup();
    let count = 2 + DEFAULTS.len() + 1;
    assert_eq!((ports.len(), chosen.len()), (count, count));
}
