//! A soak: two hundred clients of all manners at a time, for as long as one likes, and nothing of them is left behind.
//!
//! The house opens for a round; clients come and go, each of a manner that a seeded generator chooses. Then it closes,
//! all leave, and at rest the server has to be what it was when nobody had come yet: in descriptors, threads,
//! connections, timers and bytes kept exactly, in memory but for an allowance. The first round warms it up: after it
//! begins what memory is compared with.

mod hall;
mod manners;
mod member;

use crate::support::data::Random;
use crate::support::peer::Peer;
use hall::{Closing, Hall, Visit, WELCOME};
use manners::{MANNERS, UNIT};
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::panic::resume_unwind;
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use switchboard_harness::{Launch, Server, until, until_some};
use tempfile::TempDir;

const CLIENTS: u64 = 200;
const ROUND: Duration = Duration::from_secs(60);
const REPORT: Duration = Duration::from_secs(10);

/// How long the soak takes, and what it may cost.
struct Plan {
    warm_up: Duration,
    rounds: u32,
    round: Duration,
    /// How much more memory than after the warm-up may be resident at rest, in bytes.
    allowance: usize,
}

impl Plan {
    /// A server keeps buffers for their next use: up to 64 of each kind, of up to 64 KiB. A minute of these clients
    /// fills as much of that as they ever will; what changes after it is which pages the allocator could give back. In
    /// a short soak there is no minute for warming up, and the buffers are allowed for.
    fn of(seconds: u64) -> Self {
        assert!(seconds >= 20, "SOAK_SECONDS={seconds}: it takes at least 20 to drop a client");
        let (warm_up, allowance) = if seconds < 180 { (10, 4 << 20) } else { (60, 1 << 20) };
        let served = seconds - warm_up;
        let rounds = served.div_ceil(ROUND.as_secs()) as u32;
        let (warm_up, round) = (Duration::from_secs(warm_up), Duration::from_secs(served) / rounds);
        Self { warm_up, rounds, round, allowance }
    }
}

/// The services in the order of their addresses, and what makes them one.
const SERVICES: &str = "
    [echo]
    listen = ['127.0.0.1:0', 'udp:127.0.0.1:0']
    [uppercase]
    listen = ['127.0.0.1:0', 'udp:127.0.0.1:0']
    [chargen]
    listen = ['127.0.0.1:0', 'udp:127.0.0.1:0']
    [discard]
    listen = '127.0.0.1:0'
    # Small buffers and little patience: who does not read is dropped within seconds.
    [chat]
    listen = '127.0.0.1:0'
    handshake-timeout = '6s'
    rate = '20/1s'
    join-rate = 'off'
    queue-time = '5s'
    room-buffer = '256KiB'
    send-buffer = '16KiB'
    [sum]
    listen = '127.0.0.1:0'
    reply = true
    [phonebook]
    listen = '127.0.0.1:0'
    data = ':memory:'
    [parrot]
    server = 'echo'
    listen = '127.0.0.1:0'
    reply-prefix = '> '
    [quiet]
    server = 'echo'
    listen = '127.0.0.1:0'
    idle-timeout = '2s'
    [stuck]
    server = 'chargen'
    listen = '127.0.0.1:0'
    idle-timeout = '2s'
";
const NAMES: [&str; 13] = [
    "echo",
    "udp:echo",
    "uppercase",
    "udp:uppercase",
    "chargen",
    "udp:chargen",
    "discard",
    "chat",
    "sum",
    "phonebook",
    "parrot",
    "quiet",
    "stuck",
];

/// The number in an environment variable.
fn chosen(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: give it a whole number")))
}

/// What `stats` at the console says, by name.
type Figures = BTreeMap<String, u64>;

/// A server and its clients.
struct House {
    server: Server,
    hall: Hall,
    opened: Instant,
    /// Keeps the file with the services.
    _place: TempDir,
}

/// A server without connections.
#[derive(Debug)]
struct Rest {
    descriptors: usize,
    threads: usize,
    resident: usize,
}

impl House {
    fn open() -> Self {
        let place = TempDir::new().expect("room for a directory");
        let file = place.path().join("services.toml");
        fs::write(&file, SERVICES).expect("room for a file");
        let launch = Launch::of(env!("CARGO_BIN_EXE_switchboard")).args("--stdin commands --config");
        let server = launch.arg(file.to_str().expect("a path in UTF-8")).spawn();
        let hall = Hall::new(&NAMES, server.addresses(NAMES.len()));
        Self { server, hall, opened: Instant::now(), _place: place }
    }

    /// Clients come and go for so long.
    fn serve(&mut self, seed: u64, length: Duration) {
        let end = Instant::now() + length;
        self.hall.set_open(true);
        thread::scope(|scope| {
            let (hall, server) = (&self.hall, &mut self.server);
            let _closing = Closing(hall);
            let client = |slot: u64| {
                let body = move || come_and_go(hall, Random(seed.wrapping_add(slot)));
                let thread = thread::Builder::new().name(format!("client {slot}"));
                // They hold no large buffers on their stacks.
                thread.stack_size(256 << 10).spawn_scoped(scope, body).expect("room for a thread")
            };
            let clients: Vec<_> = (0..CLIENTS).map(client).collect();
            let mut report = self.opened + REPORT * (self.opened.elapsed().as_secs() / REPORT.as_secs() + 1) as u32;
            while hall.pause_until(end.min(report)) && Instant::now() < end {
                say_how_it_goes(server, hall, self.opened);
                report += REPORT;
            }
            hall.set_open(false);
            for client in clients {
                client.join().unwrap_or_else(|panic| resume_unwind(panic));
            }
        });
    }

    /// Measures the server after all clients have left. A few guests come, are served at once, find nothing left
    /// behind, and go. `descriptors` are open without connections.
    fn rest(&mut self, descriptors: usize) -> Rest {
        self.wait_until_empty(descriptors);
        let asked = Instant::now();
        let [mut echo, mut book, mut room, mut one, mut two] =
            ["echo", "phonebook", "chat", "sum", "sum"].map(|service| Peer::connect(self.hall.address(service)));
        echo.echo("are you well?\n");
        book.send("LIST\n");
        book.expect(format!("{WELCOME}Total: 0\n"));
        room.send("nobody\n");
        room.expect("Enter your nickname: Welcome nobody to the room!\n1 person is here.\n");
        // Their total is printed. For the first one the server opens standard output anew, and keeps that open.
        one.send(format!("{UNIT}\n"));
        two.send(format!("{UNIT}\n"));
        one.expect(format!("{}\n", 2 * UNIT));
        assert!(asked.elapsed() < Duration::from_secs(2), "the answers took {:?}", asked.elapsed());
        drop((echo, book, room, one, two));
        self.wait_until_empty(descriptors);
        let server = &self.server;
        let rest = Rest { descriptors: server.descriptors(), threads: server.threads(), resident: server.resident() };
        println!(
            "at rest after {} s: memory {} KiB, descriptors {}, threads {}, nothing else kept",
            self.opened.elapsed().as_secs(),
            rest.resident / 1024,
            rest.descriptors,
            rest.threads,
        );
        rest
    }

    /// Waits until all connections have ended, and all that was kept for them is gone.
    fn wait_until_empty(&mut self, descriptors: usize) {
        // The connection that is closed last lingers with its descriptor. Only when that is gone is it worth asking.
        until("the descriptors that there were", || self.server.descriptors() <= descriptors);
        let mut empty_since = None;
        until("no connections", || {
            let figures = figures(&mut self.server);
            if figures["open"] > 0 {
                return false;
            }
            let since = *empty_since.get_or_insert_with(Instant::now);
            let held = ["timers", "queued for clients", "kept for rooms"].map(|name| figures[name]);
            // Less than the time to choose a nickname, or a timer that was left behind would be taken for one that is
            // needed.
            assert!(held == [0; 3] || since.elapsed() < Duration::from_secs(2), "left behind: {figures:?}");
            held == [0; 3]
        });
    }
}

/// A client after the other, until the hall closes.
fn come_and_go(hall: &Hall, mut random: Random) {
    let _closing = Closing(hall);
    while hall.pause(Duration::from_millis(random.below(1000))) {
        let mut at = random.below(MANNERS.iter().map(|manner| manner.weight).sum());
        let manner = MANNERS.iter().find(|manner| {
            let is_it = at < manner.weight;
            at = at.saturating_sub(manner.weight);
            is_it
        });
        let manner = manner.expect("less than the sum of all weights");
        hall.note(|tally| *tally.visits.entry(manner.name).or_default() += 1);
        (manner.act)(&mut Visit { hall, random: &mut random, serial: hall.serial() });
    }
}

/// Asks the operator's console.
fn figures(server: &mut Server) -> Figures {
    let before = server.stderr.text().len();
    server.say("stats\n");
    let last = format!("{}: connections ", NAMES[NAMES.len() - 1]);
    let answer = until_some("figures", || {
        let text = server.stderr.text();
        let answer = text[before..].to_owned();
        answer.rsplit_once('\n').is_some_and(|(whole, _)| whole.contains(&last)).then_some(answer)
    });
    let lines = answer.lines().filter_map(|line| line.split_once("  ").map(|(_, figures)| figures.trim()));
    let figures = lines.flat_map(|figures| figures.split(", ")).filter_map(|figure| figure.split_once(' '));
    figures.filter_map(|(value, name)| Some((name.to_owned(), value.parse().ok()?))).collect()
}

fn say_how_it_goes(server: &mut Server, hall: &Hall, opened: Instant) {
    let (figures, tally) = (figures(server), hall.tally());
    println!(
        "{:>5} s: {} connections, {} bytes checked; open {}, memory {} KiB, descriptors {}, timers {}, \
         in feeds {}, queued {}",
        opened.elapsed().as_secs(),
        tally.connections,
        tally.checked,
        figures["open"],
        server.resident() / 1024,
        server.descriptors(),
        figures["timers"],
        figures["kept for rooms"],
        figures["queued for clients"],
    );
}

/// At most a line of each kind in ten seconds, and no errors. Of a kind are lines that differ only in their figures.
fn check_log(text: &str, elapsed: Duration) {
    assert!(!text.contains("panicked") && !text.contains(" ERROR "), "{text}");
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for line in text.lines().filter(|line| line.contains(" WARN ")) {
        let words =
            line.split(' ').map(|word| if word.contains(|found: char| found.is_ascii_digit()) { "#" } else { word });
        let kind = words.collect::<Vec<_>>().join(" ");
        let kind = kind.strip_suffix(" # more like this in the last #").unwrap_or(&kind);
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    println!("lines of the log: {kinds:#?}");
    for (kind, count) in kinds {
        assert!(count <= elapsed.as_secs() / 10 + 1, "{count} times in {elapsed:?}: {kind}");
    }
}

/// Each printed total is the sum of two numbers.
fn check_totals(stdout: &str) {
    for total in stdout.lines().skip(NAMES.len()) {
        assert!(total.parse::<i64>().is_ok_and(|total| total > UNIT && total % UNIT == 0), "printed: {total:?}");
    }
}

#[test]
fn two_hundred_clients_of_all_manners_leave_nothing_behind() {
    let seconds = chosen("SOAK_SECONDS").unwrap_or(30);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("later than 1970");
    let seed = chosen("SOAK_SEED").unwrap_or(now.as_secs());
    println!("SOAK_SECONDS={seconds} SOAK_SEED={seed}");
    let plan = Plan::of(seconds);

    let mut house = House::open();
    let start = house.rest(usize::MAX);
    let mut warm = None;
    for round in 0..=plan.rounds {
        let length = if round == 0 { plan.warm_up } else { plan.round };
        house.serve(seed.wrapping_add(u64::from(round) * CLIENTS), length);
        let rest = house.rest(start.descriptors);
        assert_eq!((rest.descriptors, rest.threads), (start.descriptors, start.threads));
        let warm = *warm.get_or_insert(rest.resident);
        assert!(rest.resident <= warm + plan.allowance, "memory grew from {warm} to {} bytes", rest.resident);
    }

    let tally = house.hall.tally();
    println!("{tally:#?}");
    for manner in MANNERS {
        assert!(tally.visits.contains_key(manner.name), "no client was there that {}", manner.name);
    }
    assert!(tally.dropped > 0, "no client was dropped for not reading");
    assert!(tally.timed_out > 0, "no client was closed for its silence");
    house.server.say("quit\n");
    house.server.wait().expect_clean_within(Duration::from_secs(2));
    check_log(&house.server.stderr.all_text(), house.opened.elapsed());
    check_totals(&house.server.stdout.all_text());
}
