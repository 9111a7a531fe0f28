//! The script of the bus does the same at the simulated broker as at a real one: the same answers, messages and keys.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use switchboard_harness::redis::{Client, Redis, Reply, encode_command};
use switchboard_harness::{RedisServer, TIMEOUT};

const SCRIPT: &str = include_str!("../../src/servers/chat/bus/script.lua");
const SERVERS: [&str; 2] = ["00000000000000aa", "00000000000000bb"];
const NICKS: [&str; 3] = ["Ann", "bob", "cat"];
/// The arguments of one of several lines.
const LINE: usize = 7;
const ROOMS: [&str; 3] = ["Lobby", "rust", "go"];

/// A broker, as a client sees it.
trait Broker {
    /// Sends bytes, and returns some that have arrived.
    fn exchange(&mut self, bytes: &[u8]) -> Vec<u8>;
}

/// A connection to a broker.
struct Peer<B> {
    broker: B,
    input: Vec<u8>,
    pushed: Vec<Reply>,
}

impl<B: Broker> Peer<B> {
    fn new(broker: B) -> Self {
        let mut peer = Peer { broker, input: Vec::new(), pushed: Vec::new() };
        peer.ask(&["HELLO", "3"]);
        let mut bytes = Vec::new();
        encode_command(&["SUBSCRIBE", &format!("switchboard:tell:{}", SERVERS[0])], &mut bytes);
        // The subscription is answered by a push, and what is read first is the answer to this.
        encode_command(&["PING"], &mut bytes);
        peer.exchange(bytes);
        peer
    }

    fn ask(&mut self, command: &[impl AsRef<[u8]>]) -> Reply {
        let mut bytes = Vec::new();
        encode_command(command, &mut bytes);
        self.exchange(bytes)
    }

    /// Sends bytes, and returns the first reply.
    fn exchange(&mut self, mut bytes: Vec<u8>) -> Reply {
        loop {
            self.input.extend(self.broker.exchange(&std::mem::take(&mut bytes)));
            while let Some((reply, length)) = Reply::decode(&self.input).expect("a reply") {
                self.input.drain(..length);
                match reply {
                    Reply::Push(_) => self.pushed.push(reply),
                    reply => return reply,
                }
            }
        }
    }

    /// All keys with their values, and whether they expire.
    fn keyspace(&mut self) -> Vec<(String, Reply)> {
        let Reply::Array(keys) = sorted(self.ask(&["KEYS", "*"])) else { panic!("no list of keys") };
        let mut found = Vec::new();
        for key in keys {
            let Reply::Bulk(key) = key else { panic!("a key is no text") };
            let key = String::from_utf8(key).expect("a key");
            let value = match self.ask(&["TYPE", &key]) {
                Reply::Status(kind) if kind == "string" => self.ask(&["GET", &key]),
                Reply::Status(kind) if kind == "hash" => sorted(self.ask(&["HGETALL", &key])),
                Reply::Status(kind) if kind == "set" => sorted(self.ask(&["SMEMBERS", &key])),
                _ => self.ask(&["XREAD", "STREAMS", &key, "0"]),
            };
            let Reply::Int(ttl) = self.ask(&["PTTL", &key]) else { panic!("no time") };
            found.push((format!("{key}, expires: {}", ttl >= 0), same(value)));
        }
        found
    }
}

impl Broker for UnixStream {
    fn exchange(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.write_all(bytes).expect("the broker reads");
        let mut buffer = vec![0; 64 * 1024];
        let length = self.read(&mut buffer).expect("the broker answers");
        assert!(length > 0, "the broker has ended the connection");
        buffer.truncate(length);
        buffer
    }
}

impl Broker for (Redis, Client) {
    fn exchange(&mut self, bytes: &[u8]) -> Vec<u8> {
        let (redis, client) = self;
        redis.send(*client, bytes);
        redis.run();
        std::mem::take(redis.output(*client).expect("the client is connected"))
    }
}

/// Brings what has no order into one.
fn sorted(reply: Reply) -> Reply {
    match reply {
        Reply::Array(mut items) => {
            items.sort_by_key(|item| format!("{item:?}"));
            Reply::Array(items)
        }
        Reply::Map(mut pairs) => {
            pairs.sort_by_key(|pair| format!("{pair:?}"));
            Reply::Map(pairs)
        }
        other => other,
    }
}

/// Removes what depends on the time, ids and epochs, and brings nicknames that have left together into one order.
fn same(reply: Reply) -> Reply {
    match reply {
        Reply::Array(mut fields) if fields.get(9) == Some(&Reply::text("gone")) => {
            if let Some(Reply::Bulk(nicks)) = fields.pop() {
                let mut nicks: Vec<&[u8]> = nicks.split(|&byte| byte == b' ').collect();
                nicks.sort_unstable();
                fields.push(Reply::text(nicks.join(&b' ')));
            }
            Reply::Array(fields)
        }
        Reply::Bulk(bytes) if is_time(&bytes) => Reply::text("a time"),
        Reply::Array(items) => Reply::Array(items.into_iter().map(same).collect()),
        Reply::Map(pairs) => Reply::Map(pairs.into_iter().map(|(key, value)| (key, same(value))).collect()),
        Reply::Error(text) => Reply::Error(text.split(' ').take(2).collect::<Vec<_>>().join(" ")),
        other => other,
    }
}

/// Whether this is the id of an entry, or an epoch: the name of a server, seconds and microseconds.
fn is_time(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let parts: Vec<&str> = text.split('-').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    parts.len() >= 2 && parts.iter().all(is_number) && text.len() > 10
}

/// The answer to an op, in an order of its own where it has none.
fn answer(op: &str, reply: Reply) -> Reply {
    match (op, reply) {
        ("rooms", Reply::Array(items)) => {
            sorted(Reply::Array(items.chunks(2).map(|pair| Reply::Array(pair.to_vec())).collect()))
        }
        ("open", Reply::Array(mut items)) => {
            items[2] = sorted(items[2].clone());
            same(Reply::Array(items))
        }
        (_, reply) => same(reply),
    }
}

/// A call of the script, or a command. The number of an ask is set when it is made.
type Call = (&'static str, usize, Vec<String>);

fn call() -> impl Strategy<Value = Call> {
    let name = (select(&NICKS[..]), select(&ROOMS[..]), select(&NICKS[..]), select(&ROOMS[..]), 1..4_u32);
    let op = select(vec![
        "join", "join", "join", "move", "move", "leave", "rename", "say", "act", "lines", "lines", "kick", "tell",
        "operator", "rooms", "open", "beat", "beat", "depart", "again", "dead", "wipe",
    ]);
    (op, 0..SERVERS.len(), name).prop_map(|(op, server, (nick, room, other, to, number))| {
        let folded = |name: &str| name.to_lowercase();
        let member = [nick.to_owned(), folded(nick), room.to_owned(), folded(room), number.to_string()];
        let more = match op {
            "join" => vec![2.to_string()],
            "move" => vec![to.to_owned(), folded(to), 2.to_string()],
            "leave" => vec!["reset".to_owned()],
            "rename" => vec![other.to_owned(), folded(other)],
            "say" | "act" | "kick" => vec![format!("text of {nick} - {number}")],
            "lines" => {
                let line = |kind: &str, (nick, room): (&str, &str)| -> Vec<String> {
                    let member = [kind, nick, &folded(nick), room, &folded(room), &number.to_string(), "a  text"];
                    member.map(str::to_owned).into()
                };
                return (op, server, [line("say", (nick, room)), line("act", (other, to))].concat());
            }
            "tell" => return (op, server, vec![nick.to_owned(), folded(other), "a  text".to_owned()]),
            "operator" => return (op, server, vec!["a notice".to_owned()]),
            "open" => return (op, server, vec![folded(room), (number - 1).to_string()]),
            "beat" => {
                let words = [&(2 * number).to_string(), ROOMS[0], "lobby", &(number - 1).to_string()];
                return (op, server, words.map(str::to_owned).into());
            }
            _ => return (op, server, Vec::new()),
        };
        (op, server, member.into_iter().chain(more).collect())
    })
}

/// Makes the calls at a broker. Returns the answers, the messages and the keys.
fn play<B: Broker>(peer: &mut Peer<B>, calls: &[Call]) -> (Vec<Reply>, Vec<Reply>, Vec<(String, Reply)>) {
    peer.ask(&["FLUSHALL"]);
    peer.pushed.clear();
    // A lease ends only when the calls say so, however slow this machine is.
    let script = SCRIPT.replace("LEASE_MS = 3000", "LEASE_MS = 3000000");
    assert_ne!(script, SCRIPT, "the script names the time of a lease otherwise");
    let Reply::Bulk(hash) = peer.ask(&["SCRIPT", "LOAD", &script]) else { panic!("the script was not compiled") };
    let hash = String::from_utf8(hash).expect("a hash");
    let mut numbers = [0_u32; SERVERS.len()];
    let mut last: Option<(&str, Vec<String>)> = None;
    let mut answers = Vec::new();
    for (op, server, arguments) in calls {
        let name = SERVERS[*server];
        let command = match *op {
            "wipe" => vec!["FLUSHALL".to_owned()],
            "dead" => vec!["DEL".to_owned(), format!("switchboard:lease:{name}")],
            "again" => last.clone().map_or_else(|| vec!["PING".to_owned()], |(_, command)| command),
            _ => {
                let changes = !["rooms", "open", "beat"].contains(op);
                let number = if changes { numbers[*server] + 1 } else { 0 };
                numbers[*server] += if *op == "lines" { (arguments.len() / LINE) as u32 } else { u32::from(changes) };
                let begin = ["EVALSHA", &hash, "0", op, name, &number.to_string()].map(str::to_owned);
                begin.into_iter().chain(arguments.iter().cloned()).collect()
            }
        };
        let op = if *op == "again" { last.as_ref().map_or(*op, |(op, _)| op) } else { op };
        answers.push(answer(op, peer.ask(&command)));
        last = Some((op, command));
    }
    let keyspace = peer.keyspace();
    // Last: a message may arrive after the answer to its ask.
    (answers, std::mem::take(&mut peer.pushed), keyspace)
}

#[test]
fn the_script_does_the_same_at_both_brokers() {
    let server = RedisServer::start("");
    let stream = UnixStream::connect(server.socket()).expect("the broker listens");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
    let real = RefCell::new(Peer::new(stream));
    let mut redis = Redis::new();
    let client = redis.connect().expect("the broker runs");
    let simulated = RefCell::new(Peer::new((redis, client)));
    let mut runner = TestRunner::new(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() });
    runner
        .run(&prop::collection::vec(call(), 1..40), |calls| {
            prop_assert_eq!(play(&mut simulated.borrow_mut(), &calls), play(&mut real.borrow_mut(), &calls));
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

/// The calls with one for each line.
fn one_by_one(calls: &[Call]) -> Vec<Call> {
    let each = |call: &Call| -> Vec<Call> {
        let (op, server, arguments) = call;
        if *op != "lines" {
            return vec![call.clone()];
        }
        let op = |kind: &str| if kind == "say" { "say" } else { "act" };
        arguments.chunks(LINE).map(|line| (op(&line[0]), *server, line[1..].to_vec())).collect()
    };
    calls.iter().flat_map(each).collect()
}

#[test]
fn lines_in_one_call_do_what_calls_for_each_do() {
    let mut redis = Redis::new();
    let client = redis.connect().expect("the broker runs");
    let peer = RefCell::new(Peer::new((redis, client)));
    let mut runner = TestRunner::new(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() });
    // What is asked again is the last call, which is another one.
    let calls = prop::collection::vec(call().prop_filter("a call", |(op, ..)| *op != "again"), 1..40);
    runner
        .run(&calls, |calls| {
            let mut peer = peer.borrow_mut();
            let (_, messages, keys) = play(&mut peer, &calls);
            let (_, single_messages, single_keys) = play(&mut peer, &one_by_one(&calls));
            prop_assert_eq!((messages, keys), (single_messages, single_keys));
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

/// What each line costs a real broker: its processor time for the script, and for the answer to a server that reads so
/// many rooms. For docs/many-machines.md: `cargo test --features full --test all -- --ignored --nocapture bus_script`
#[test]
#[ignore = "measures, for docs/many-machines.md"]
fn the_cost_of_a_line_at_the_broker() {
    let server = RedisServer::start("");
    let connect = || {
        let stream = UnixStream::connect(server.socket()).expect("the broker listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
        Peer::new(stream)
    };
    let (mut asker, mut reader) = (connect(), connect());
    let Reply::Bulk(hash) = asker.ask(&["SCRIPT", "LOAD", SCRIPT]) else { panic!("the script was not compiled") };
    let hash = String::from_utf8(hash).expect("a hash");
    let mut q = 0;
    let mut call = |op: &str, last: &str| {
        q += 1;
        let q = q.to_string();
        asker.ask(&["EVALSHA", &hash, "0", op, SERVERS[0], &q, "ann", "ann", "room0", "room0", "4294967297", last]);
    };
    call("join", "100000");
    let text = "x".repeat(50);
    for rooms in [0, 1, 10, 100, 1000, 6340] {
        let keys: Vec<String> = (0..rooms).map(|room| format!("switchboard:room:room{room}")).collect();
        let mut ids = vec![String::from("9999999999999-0"); rooms];
        if let Some(id) = ids.first_mut() {
            *id = last_id(reader.ask(&["XREVRANGE", "switchboard:room:room0", "+", "-", "COUNT", "1"]));
        }
        let lines = 200_000 / (rooms as u32 + 50);
        let (mut bytes, before) = (0, server.process().cpu());
        for _ in 0..lines {
            if rooms == 0 {
                call("say", &text);
                continue;
            }
            let begin = ["XREAD", "COUNT", "256", "BLOCK", "1000", "STREAMS"].map(str::to_owned);
            let words: Vec<String> = begin.into_iter().chain(keys.iter().cloned()).chain(ids.iter().cloned()).collect();
            let mut command = Vec::new();
            encode_command(&words, &mut command);
            bytes = command.len();
            reader.broker.write_all(&command).expect("the broker reads");
            call("say", &text);
            let Reply::Map(found) = reader.exchange(Vec::new()) else { panic!("no entry in a second") };
            ids[0] = last_id(found[0].1.clone());
        }
        let cost = server.process().cpu().saturating_sub(before) / lines;
        println!("{rooms} rooms: {cost:?} for each line, of {bytes} bytes for each XREAD");
    }
}

/// The id of the last of some entries.
fn last_id(entries: Reply) -> String {
    let Reply::Array(mut entries) = entries else { panic!("no entries") };
    let Some(Reply::Array(entry)) = entries.pop() else { panic!("no entry") };
    let Reply::Bulk(id) = &entry[0] else { panic!("no id") };
    String::from_utf8(id.clone()).expect("an id")
}
