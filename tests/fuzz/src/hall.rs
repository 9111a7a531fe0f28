//! A server of lines with several clients, against a model: a plain form of the server that is one function of a line.
//!
//! After each step every client has received what the model says, to the byte. Where lines meet, since the workers are
//! slow, they have to be answered as in some order of them. Knows neither what is served nor how it is kept.

use std::iter::zip;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, UNIX_EPOCH};

use arbitrary::{Arbitrary, Unstructured};
use switchboard::framing::{Lines, MessageHandler};
use switchboard::sim::Ending;
use switchboard::{Sim, SimPeer, sanitize};

use crate::show;

mod input;
mod listing;

use input::{Input, Told};
use listing::Listing;

/// The most clients of one script.
const MOST_CLIENTS: usize = 8;
/// The number of hosts that the clients come from.
pub(crate) const HOSTS: usize = 3;
/// The most lines that can meet.
const MEETING: usize = 3;
/// The orders in which lines can be carried out; of fewer lines, those of them that there are.
const ORDERS: [[usize; MEETING]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
/// After that, nothing that a client has done wrong counts.
const LONGEST_REST: Duration = Duration::from_secs(24 * 3600);
/// Noon of 1 January 2000, UTC: when a simulation begins.
const NOON: Duration = Duration::from_secs(946_728_000);

/// The host of a client: two clients of the same place modulo [`HOSTS`] share one.
fn host(number: usize) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, (number % HOSTS) as u8).into()
}

/// What a server is to say.
pub(crate) trait Model: Clone + PartialEq {
    /// What makes a line: a word of each list, and any bytes.
    const WORDS: [&'static [&'static str]; 3];
    /// What a client is told when it connects.
    const WELCOME: &'static str = "";
    /// Lines whose answer is fetched while it is read.
    const LISTINGS: &'static [&'static str] = &[];
    /// Beginnings of what the operator types.
    const OPERATOR: &'static [&'static str] = &[];

    /// What a client is told, and whether that ends the conversation. The line comes without its end.
    fn answer(&mut self, client: usize, line: &[u8]) -> (String, bool);

    /// What a client is told of a line that is longer than this.
    fn too_long(limit: usize) -> String;

    /// A client is gone.
    fn leave(&mut self, _client: usize) {}

    /// What the operator is told of a line.
    fn operate(&mut self, _line: &[u8]) -> String {
        String::new()
    }

    /// So much time passes.
    fn wait(&mut self, _time: Duration) {}

    /// The clock is set: so long after noon of the first day.
    fn set_clock(&mut self, _time: Duration) {}

    /// What has to be true at any time of the model itself: since the server says the same, it is true of that, too.
    fn check(&self) {}

    /// Whether others may be served while this line is carried out, and it is as if they had been served before or
    /// after it.
    fn is_one_job(&self, _line: &[u8]) -> bool {
        true
    }

    /// Lines that ask for everything that is there.
    fn last_lines(&self) -> Vec<String>;
}

/// Words that a model knows, and any bytes behind them.
#[derive(Debug)]
struct Line<'a> {
    words: [u8; 3],
    bytes: &'a [u8],
}

impl<'a> Arbitrary<'a> for Line<'a> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Line { words: bytes.arbitrary()?, bytes: some(bytes)? })
    }
}

impl Line<'_> {
    /// With its end.
    fn text<M: Model>(&self) -> Vec<u8> {
        let word = |at: usize| M::WORDS[at][usize::from(self.words[at]) % M::WORDS[at].len()].as_bytes();
        let text = [word(0), word(1), word(2), self.bytes, b"\n"].concat();
        show(&String::from_utf8_lossy(&text));
        text
    }
}

/// A few bytes, their number before them: often none.
fn some<'a>(bytes: &mut Unstructured<'a>) -> arbitrary::Result<&'a [u8]> {
    let count = usize::from(u8::arbitrary(bytes)?.saturating_sub(128)).min(bytes.len());
    bytes.bytes(count)
}

/// One thing that happens.
#[derive(Debug)]
enum Step<'a> {
    Join,
    /// With a line end.
    Say(u8, Line<'a>),
    /// As it is.
    Send(u8, &'a [u8]),
    /// Several say something at once, and the first of them may vanish before it is answered.
    Meet([(u8, Line<'a>); MEETING], Fate),
    /// Asks for a listing, and says and reads nothing until it has caught up.
    Stall(u8, u8),
    /// The approximate number of lines that a stalled client reads.
    Allow(u8, u8),
    CatchUp(u8),
    ShutDown(u8),
    Reset(u8),
    /// From now on a write to this client takes no more bytes.
    Narrow(u8, u8),
    Wait(Duration),
    SetClock(Duration),
    Operate(u8, &'a [u8]),
}

/// What becomes of the first of those who meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stays,
    Vanishes,
}

impl<'a> Arbitrary<'a> for Step<'a> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        if bytes.is_empty() {
            return Err(arbitrary::Error::NotEnoughData);
        }
        let step = match u8::arbitrary(bytes)? % 28 {
            0..=10 => Step::Say(bytes.arbitrary()?, bytes.arbitrary()?),
            11 | 12 => Step::Send(bytes.arbitrary()?, some(bytes)?),
            13 | 14 => Step::Meet(bytes.arbitrary()?, Fate::Stays),
            15 => Step::Meet(bytes.arbitrary()?, Fate::Vanishes),
            16 => Step::ShutDown(bytes.arbitrary()?),
            17 => Step::Reset(bytes.arbitrary()?),
            18 => Step::Narrow(bytes.arbitrary()?, bytes.arbitrary()?),
            19 => Step::Wait(Duration::from_millis(100 * u64::from(u8::arbitrary(bytes)?))),
            20 => Step::SetClock(Duration::from_secs(60 * u64::from(u8::arbitrary(bytes)?))),
            21 => Step::Stall(bytes.arbitrary()?, bytes.arbitrary()?),
            22 => Step::Allow(bytes.arbitrary()?, bytes.arbitrary()?),
            23 => Step::CatchUp(bytes.arbitrary()?),
            24 | 25 => Step::Operate(bytes.arbitrary()?, some(bytes)?),
            _ => Step::Join,
        };
        Ok(step)
    }
}

/// A server, its clients, and what it is to say.
pub(crate) struct Hall<H: MessageHandler, M> {
    sim: Sim<Lines<H>>,
    max_line: usize,
    clients: Vec<Client>,
    /// What may be the case: more than one where lines have met whose answers do not tell which of them was first.
    models: Vec<M>,
    /// What was the case when those who are slow were last thought of.
    watched: Vec<M>,
}

struct Client {
    handle: SimPeer,
    input: Input,
    /// While it has stalled.
    listing: Option<Listing>,
    has_ended: bool,
    is_gone: bool,
}

impl Client {
    fn can_speak(&self) -> bool {
        !self.is_gone && self.listing.is_none()
    }
}

impl<H: MessageHandler, M: Model> Hall<H, M> {
    /// A server with this limit of a line, without clients.
    pub(crate) fn new(server: Lines<H>, max_line: usize, model: M) -> Self {
        Hall { sim: Sim::new(server), max_line, clients: Vec::new(), models: vec![model], watched: Vec::new() }
    }

    /// Plays the bytes as a script.
    pub(crate) fn play(mut self, mut bytes: Unstructured<'_>) {
        self.join();
        while let Ok(step) = bytes.arbitrary::<Step<'_>>() {
            show(&step);
            self.take(&step);
            self.models.iter().for_each(M::check);
            self.watch();
        }
        self.end();
    }

    fn take(&mut self, step: &Step<'_>) {
        match step {
            Step::Join => self.join(),
            Step::Say(client, line) => self.send(self.number(*client), &line.text::<M>()),
            Step::Send(client, bytes) => self.send(self.number(*client), bytes),
            Step::Meet(lines, fate) => self.meet(lines, *fate),
            Step::Stall(client, choice) => self.stall(self.number(*client), *choice),
            Step::Allow(client, count) => self.allow(self.number(*client), 16 * usize::from(*count)),
            Step::CatchUp(client) => self.catch_up(self.number(*client)),
            Step::ShutDown(client) => self.shut_down(self.number(*client)),
            Step::Reset(client) => {
                let number = self.number(*client);
                self.sim.reset(self.clients[number].handle);
                self.lose(number);
            }
            Step::Narrow(client, count) => {
                let number = self.number(*client);
                self.sim.limit_writes(self.clients[number].handle, (*count).into());
            }
            Step::Wait(time) => {
                // A client that reads nothing for long is not waited for.
                (0..self.clients.len()).for_each(|number| self.catch_up(number));
                self.sim.advance(*time);
                self.models.iter_mut().for_each(|model| model.wait(*time));
            }
            Step::SetClock(time) => {
                self.sim.set_system_time(UNIX_EPOCH + NOON + *time);
                self.models.iter_mut().for_each(|model| model.set_clock(*time));
            }
            Step::Operate(start, rest) => self.operate(*start, rest),
        }
    }

    fn number(&self, client: u8) -> usize {
        usize::from(client) % self.clients.len()
    }

    fn join(&mut self) {
        if self.clients.len() < MOST_CLIENTS {
            self.let_in();
        }
    }

    fn let_in(&mut self) {
        let handle = self.sim.connect_from(host(self.clients.len()));
        assert_eq!(self.sim.received(handle), M::WELCOME.as_bytes());
        self.clients.push(Client { handle, input: Input::default(), listing: None, has_ended: false, is_gone: false });
    }

    fn send(&mut self, number: usize, bytes: &[u8]) {
        let client = &mut self.clients[number];
        if client.can_speak() {
            self.sim.send(client.handle, bytes);
            let told = client.input.take(bytes, self.max_line);
            self.hear(number, &told);
        }
    }

    /// A single line: between two of a client, others may come. `None` when it cannot be said.
    fn say_one(&mut self, number: usize, line: &Line<'_>) -> Option<Vec<Told>> {
        let client = &mut self.clients[number];
        let mut text = line.text::<M>();
        text.retain(|&byte| byte != b'\n');
        text.push(b'\n');
        let whole = [&client.input.rest[..], &text].concat();
        let may_be_said = client.can_speak() && self.models.iter().all(|model| model.is_one_job(&whole));
        may_be_said.then(|| {
            self.sim.send(client.handle, &text);
            client.input.take(&text, self.max_line)
        })
    }

    fn shut_down(&mut self, number: usize) {
        self.catch_up(number);
        let client = &mut self.clients[number];
        if !client.is_gone {
            self.sim.shut_down(client.handle);
            client.has_ended = true;
            let last = client.input.end();
            self.hear(number, &last);
        }
    }

    fn lose(&mut self, number: usize) {
        (self.clients[number].is_gone, self.clients[number].listing) = (true, None);
        self.models.iter_mut().for_each(|model| model.leave(number));
    }

    /// What a client has received is the answer to these lines.
    fn hear(&mut self, number: usize, lines: &[Told]) {
        let heard = self.received(number);
        let mut wanted = Vec::new();
        let has_ended = self.clients[number].has_ended;
        self.models.retain_mut(|model| {
            let (text, ending) = answers(model, number, lines);
            wanted.push((text, ending.or(has_ended.then_some(Ending::Eof))));
            wanted.last() == Some(&heard)
        });
        assert!(!self.models.is_empty(), "client {number} was told {heard:?}, not {wanted:?}");
        if heard.1.is_some() {
            self.lose(number);
        }
    }

    /// What a client was told since the last look, and how the server has closed the connection.
    fn received(&mut self, number: usize) -> Heard {
        let handle = self.clients[number].handle;
        let text = String::from_utf8(self.sim.received(handle)).expect("the server sends UTF-8");
        for line in text.split_inclusive('\n') {
            let line = line.strip_suffix('\n').unwrap_or_else(|| panic!("{line:?} has no end"));
            assert_eq!(sanitize(line.as_bytes()), line);
        }
        (text, self.sim.ending(handle))
    }

    /// No line is answered before all clients have spoken.
    fn meet(&mut self, lines: &[(u8, Line<'_>)], fate: Fate) {
        self.sim.hold_jobs();
        let mut told: Vec<(usize, Vec<Told>)> = Vec::new();
        for (client, line) in lines {
            let number = self.number(*client);
            let is_first = told.iter().all(|(other, _)| *other != number);
            if is_first && let Some(line) = self.say_one(number, line) {
                told.push((number, line));
            }
        }
        self.sim.run();
        let lost = told.first().map(|&(number, _)| number).filter(|_| fate == Fate::Vanishes);
        if let Some(number) = lost {
            self.sim.reset(self.clients[number].handle);
            self.sim.run();
        }
        self.sim.release_jobs();
        let received: Vec<_> = told.iter().map(|&(number, _)| self.received(number)).collect();
        let met: Vec<_> = zip(&told, &received).map(|((number, lines), heard)| (*number, &lines[..], heard)).collect();
        self.models = self.models.iter().flat_map(|model| after_meeting(model, &met, lost)).collect();
        assert!(!self.models.is_empty(), "{told:?} were answered by {received:?}, as in no order");
        self.models.dedup();
        for (number, _, (_, ending)) in met {
            if ending.is_some() || lost == Some(number) {
                self.lose(number);
            }
        }
    }

    fn stall(&mut self, number: usize, choice: u8) {
        let Some(line) = M::LISTINGS.get(usize::from(choice) % M::LISTINGS.len().max(1)) else { return };
        let client = &mut self.clients[number];
        if client.can_speak() && client.input.is_empty() && line.len() <= self.max_line {
            self.sim.stall(client.handle);
            self.sim.send(client.handle, format!("{line}\n").as_bytes());
            self.sim.run();
            self.watched.clear();
            client.listing = Some(Listing::new(line, &self.models[0].clone().answer(number, line.as_bytes()).0));
        }
    }

    fn allow(&mut self, number: usize, count: usize) {
        let client = &mut self.clients[number];
        if let Some(listing) = &mut client.listing {
            self.sim.allow(client.handle, count);
            let text = self.sim.received(client.handle);
            listing.hear(&text);
        }
    }

    fn catch_up(&mut self, number: usize) {
        self.allow(number, usize::MAX);
        if let Some(listing) = self.clients[number].listing.take() {
            listing.check();
        }
    }

    /// Notes what there is, for those who are slow.
    fn watch(&mut self) {
        if self.clients.iter().all(|client| client.listing.is_none()) || self.models == self.watched {
            return;
        }
        self.watched.clone_from(&self.models);
        for (number, client) in self.clients.iter_mut().enumerate() {
            let Some(listing) = &mut client.listing else { continue };
            for model in &self.models {
                listing.watch(&model.clone().answer(number, listing.line.as_bytes()).0);
            }
        }
    }

    fn operate(&mut self, start: u8, rest: &[u8]) {
        let Some(start) = M::OPERATOR.get(usize::from(start) % M::OPERATOR.len().max(1)) else { return };
        let line = [start.as_bytes(), rest].concat();
        self.sim.console(&line);
        let told = self.sim.stderr();
        let mut wanted = Vec::new();
        self.models.retain_mut(|model| {
            wanted.push(model.operate(&line));
            wanted.last() == Some(&told)
        });
        assert!(!self.models.is_empty(), "the operator was told {told:?}, not {wanted:?}");
    }

    /// All clients go, one comes and looks at everything, and the server stops.
    fn end(mut self) {
        for number in 0..self.clients.len() {
            self.shut_down(number);
        }
        self.take(&Step::Wait(LONGEST_REST));
        let number = self.clients.len();
        self.let_in();
        for line in self.models[0].last_lines() {
            show(&line);
            self.send(number, format!("{line}\n").as_bytes());
        }
        self.shut_down(number);
        self.sim.stop();
        assert!(self.sim.is_stopped());
        assert_eq!((self.sim.timers(), self.sim.stats().connections), (0, 0));
    }
}

/// What may be the case after these have been carried out in any order, and answered so.
fn after_meeting<M: Model>(model: &M, met: &[(usize, &[Told], &Heard)], lost: Option<usize>) -> Vec<M> {
    // A request of a client that vanished was carried out or not, and what it heard is not known.
    let fates = if lost.is_some() { &[true, false][..] } else { &[true] };
    let mut found: Vec<M> = Vec::new();
    for (order, is_done) in ORDERS.iter().flat_map(|order| fates.iter().map(move |is_done| (order, is_done))) {
        let mut model = model.clone();
        let fits = order.iter().filter_map(|&at| met.get(at)).all(|&(number, lines, heard)| match lost {
            Some(lost) if lost == number => {
                if *is_done {
                    answers(&mut model, number, lines);
                }
                model.leave(number);
                true
            }
            _ => answers(&mut model, number, lines) == *heard,
        });
        if fits && !found.contains(&model) {
            found.push(model);
        }
    }
    found
}

/// What a client is told of its lines, up to the one that ends the conversation.
fn answers<M: Model>(model: &mut M, client: usize, lines: &[Told]) -> Heard {
    let mut text = String::new();
    for line in lines {
        let (answer, closes) = match line {
            Told::Line(line) => model.answer(client, line),
            Told::TooLong(limit) => (M::too_long(*limit), false),
        };
        text.push_str(&answer);
        if closes {
            return (text, Some(Ending::Eof));
        }
    }
    (text, None)
}

/// What a client is told, and how the server has ended that.
type Heard = (String, Option<Ending>);
