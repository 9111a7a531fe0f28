//! A broker without sockets, threads or waiting: what a test needs of Redis.
//!
//! It executes the same commands, and runs the same scripts, as a real one. Each connection is two queues of bytes, and
//! time passes only by [`Redis::advance`]. So a test can split bytes anywhere, end a connection between any two of
//! them, and choose the order in which the commands of several clients are executed.
//!
//! Invariant: what one [`Redis::step`] executes is either done, with its reply in the queue, or was never begun.
//!
//! Not here: clusters, replicas, transactions, access lists, limits of memory. A kind of command that no test needs is
//! an error.

mod client;
mod commands;
mod keyspace;
mod reply;
mod scripts;
mod stream;

use std::cell::{Ref, RefCell, RefMut};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use client::{Connection, Read, Waiting};
use commands::{DATABASES, Data, parse};
use keyspace::Keyspace;
use scripts::Scripts;
use stream::Stream;

pub use commands::Appended;
pub use reply::{Malformed, Reply, encode_command};

/// Names a client. The name is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client(u64);

/// What a broker has of its data when it starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// All: it has an append-only file.
    All,
    /// What it had at the last [`Redis::save`].
    Saved,
    /// Nothing.
    Nothing,
}

/// What a broker has done, for models of cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The number of commands, by name.
    pub commands: BTreeMap<String, u64>,
    /// Bytes of commands.
    pub bytes_in: u64,
    /// Bytes of replies and messages.
    pub bytes_out: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Running,
    /// As after SIGSTOP: the kernel takes connections and bytes.
    Stopped,
    Dead,
}

/// The time at which a broker begins, in milliseconds since 1970.
const BEGINNING: u64 = 946_728_000_000;

/// A broker.
#[derive(Debug)]
pub struct Redis {
    data: Rc<RefCell<Data>>,
    scripts: Scripts,
    /// In the order in which they have connected.
    clients: BTreeMap<Client, Connection>,
    next: u64,
    condition: Condition,
    saved: Vec<Keyspace>,
    password: Option<String>,
    /// Commands that need the data are answered with this error.
    refusal: Option<String>,
    figures: Figures,
}

impl Default for Redis {
    fn default() -> Self {
        Redis::new()
    }
}

impl Redis {
    /// Starts a broker without data.
    pub fn new() -> Redis {
        let data = Rc::new(RefCell::new(Data::new(BEGINNING)));
        Redis {
            scripts: Scripts::new(&data),
            data,
            clients: BTreeMap::new(),
            next: 0,
            condition: Condition::Running,
            saved: vec![Keyspace::default(); DATABASES],
            password: None,
            refusal: None,
            figures: Figures::default(),
        }
    }

    /// Requires a password from clients that connect from now on.
    pub fn require_password(&mut self, password: &str) {
        self.password = Some(password.to_owned());
    }

    /// Answers commands that need the data with this error, such as `LOADING ..`, until it is `None`.
    pub fn refuse(&mut self, error: Option<&str>) {
        self.refusal = error.map(str::to_owned);
    }

    /// Refuses writes from now on, as a replica does, or permits them again.
    pub fn set_read_only(&mut self, is_read_only: bool) {
        self.data_mut().is_read_only = is_read_only;
    }

    /// Connects a client. `None` if the broker is dead.
    pub fn connect(&mut self) -> Option<Client> {
        if self.condition == Condition::Dead {
            return None;
        }
        let client = Client(self.next);
        self.next += 1;
        let connection = Connection { is_authenticated: self.password.is_none(), ..Connection::default() };
        self.clients.insert(client, connection);
        Some(client)
    }

    /// Takes bytes of a client. Those of a client that is not connected are lost.
    pub fn send(&mut self, client: Client, bytes: &[u8]) {
        if let Some(connection) = self.clients.get_mut(&client) {
            connection.input.extend_from_slice(bytes);
        }
    }

    /// The bytes for a client that it has not read, from which it drains those that it reads.
    pub fn output(&mut self, client: Client) -> Option<&mut Vec<u8>> {
        self.clients.get_mut(&client).map(|connection| &mut connection.output)
    }

    /// Whether a client is connected.
    pub fn is_connected(&self, client: Client) -> bool {
        self.clients.contains_key(&client)
    }

    /// Ends the side of a client. What it has sent is executed before its connection ends.
    pub fn shut_down(&mut self, client: Client) {
        if let Some(connection) = self.clients.get_mut(&client) {
            connection.has_ended = true;
        }
    }

    /// Breaks the connection of a client. What it has sent is lost if it was not executed.
    pub fn reset(&mut self, client: Client) {
        self.clients.remove(&client);
        self.note_subscriptions();
    }

    /// Lets time pass.
    pub fn advance(&mut self, time: Duration) {
        self.data_mut().now += time.as_millis() as u64;
    }

    /// The time of day, in milliseconds since 1970.
    pub fn now(&self) -> u64 {
        self.data().now
    }

    /// Whether [`step`](Self::step) would do something for a client.
    pub fn has_work(&self, client: Client) -> bool {
        let Some(connection) = self.clients.get(&client).filter(|_| self.condition == Condition::Running) else {
            return false;
        };
        if let Some(Waiting { until, .. }) = connection.waiting {
            return connection.has_ended || until.is_some_and(|until| until <= self.now());
        }
        connection.has_ended || !matches!(reply::decode_command(&connection.input), Ok(None))
    }

    /// The clients for which [`step`](Self::step) would do something.
    pub fn ready(&self) -> Vec<Client> {
        self.clients.keys().copied().filter(|&client| self.has_work(client)).collect()
    }

    /// Executes the next command of a client, or notices that its read has waited long enough, or that it has ended.
    pub fn step(&mut self, client: Client) {
        if !self.has_work(client) {
            return;
        }
        let now = self.now();
        let Some(connection) = self.clients.get_mut(&client) else { return };
        if connection.waiting.take_if(|waiting| waiting.until.is_some_and(|until| until <= now)).is_some() {
            return self.reply(client, &Reply::Nil);
        }
        match reply::decode_command(&connection.input) {
            Ok(Some((command, length))) if connection.waiting.is_none() => {
                connection.input.drain(..length);
                self.figures.bytes_in += length as u64;
                self.execute_for(client, &command);
                self.deliver();
            }
            Ok(_) => self.reset(client),
            Err(Malformed) => {
                self.reply(client, &Reply::error("ERR Protocol error"));
                self.shut_down(client);
            }
        }
    }

    /// Executes all commands that have arrived: in turn one of each client.
    pub fn run(&mut self) {
        loop {
            let ready = self.ready();
            if ready.is_empty() {
                return;
            }
            for client in ready {
                self.step(client);
            }
        }
    }

    /// Executes a command in database 0, as `redis-cli` does.
    pub fn execute(&mut self, command: &[&str]) -> Reply {
        let arguments: Vec<&[u8]> = command[1..].iter().map(|argument| argument.as_bytes()).collect();
        let reply = self.data_mut().call(0, command[0], &arguments);
        self.deliver();
        reply
    }

    /// Stops the broker, as SIGSTOP does: it does nothing until [`resume`](Self::resume).
    pub fn stop(&mut self) {
        if self.condition == Condition::Running {
            self.condition = Condition::Stopped;
        }
    }

    /// Lets a stopped broker continue.
    pub fn resume(&mut self) {
        if self.condition == Condition::Stopped {
            self.condition = Condition::Running;
        }
    }

    /// Saves the data, for a later [`restart`](Self::restart).
    pub fn save(&mut self) {
        let databases = self.data().databases.clone();
        self.saved = databases;
    }

    /// Ends the broker, as SIGKILL does. Its connections end, and commands that were not executed are lost.
    pub fn kill(&mut self) {
        self.condition = Condition::Dead;
        self.clients.clear();
        self.note_subscriptions();
    }

    /// Starts a dead broker again, with what it has kept. It knows no script.
    pub fn restart(&mut self, kept: Kept) {
        self.kill();
        self.condition = Condition::Running;
        self.scripts = Scripts::new(&self.data);
        let saved = self.saved.clone();
        let mut data = self.data_mut();
        match kept {
            Kept::All => {}
            Kept::Saved => data.databases = saved,
            Kept::Nothing => data.databases.fill(Keyspace::default()),
        }
        data.published.clear();
    }

    /// Returns the entries that were appended to streams since the last call, in order.
    pub fn take_appended(&mut self) -> Vec<Appended> {
        std::mem::take(&mut self.data_mut().appended)
    }

    /// What was done so far.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    fn data(&self) -> Ref<'_, Data> {
        self.data.borrow()
    }

    fn data_mut(&self) -> RefMut<'_, Data> {
        self.data.borrow_mut()
    }

    fn reply(&mut self, client: Client, reply: &Reply) {
        if let Some(connection) = self.clients.get_mut(&client) {
            let before = connection.output.len();
            reply.encode(&mut connection.output);
            self.figures.bytes_out += (connection.output.len() - before) as u64;
        }
    }

    fn execute_for(&mut self, client: Client, command: &[Vec<u8>]) {
        let Some((name, arguments)) = command.split_first() else { return };
        let name = String::from_utf8_lossy(name).to_uppercase();
        *self.figures.commands.entry(name.clone()).or_default() += 1;
        let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
        let reply = self.command(client, &name, &arguments).unwrap_or_else(Some);
        if let Some(reply) = reply {
            self.reply(client, &reply);
        }
    }

    /// Executes a command. Returns the reply, or `None` if there is none now.
    fn command(&mut self, client: Client, name: &str, arguments: &[&[u8]]) -> Result<Option<Reply>, Reply> {
        let connection = self.clients.get_mut(&client).expect("a client with a command is connected");
        let database = connection.database;
        match (name, arguments) {
            ("HELLO", [b"3", options @ ..]) => return self.hello(client, options).map(Some),
            ("AUTH", [password]) => return self.authenticate(client, b"default", password).map(Some),
            ("AUTH", [user, password]) => return self.authenticate(client, user, password).map(Some),
            _ if !connection.is_authenticated => return Err(Reply::error("NOAUTH Authentication required.")),
            ("CLIENT", [b"SETNAME" | b"SETINFO", ..]) => return Ok(Some(Reply::ok())),
            ("SELECT", [number]) => {
                let number: usize = parse(number)?;
                if number >= DATABASES {
                    return Err(Reply::error("ERR DB index is out of range"));
                }
                connection.database = number;
                return Ok(Some(Reply::ok()));
            }
            ("SUBSCRIBE", channels) => {
                self.subscribe(client, channels);
                return Ok(None);
            }
            _ => {}
        }
        if let Some(error) = &self.refusal {
            return Err(Reply::error(error));
        }
        match (name, arguments) {
            ("PING", []) => Ok(Some(Reply::Status("PONG".to_owned()))),
            ("PING", [text]) => Ok(Some(Reply::text(text))),
            ("SCRIPT", [b"LOAD", text]) => Ok(Some(self.scripts.load(text))),
            ("SCRIPT", [b"EXISTS", hashes @ ..]) => {
                let exist = hashes.iter().map(|hash| Reply::Int(self.scripts.contains(hash).into()));
                Ok(Some(Reply::Array(exist.collect())))
            }
            ("EVALSHA", [hash, count, rest @ ..]) => {
                let (keys, values) = rest
                    .split_at_checked(parse(count)?)
                    .ok_or_else(|| Reply::error("ERR Number of keys can't be greater than number of args"))?;
                Ok(Some(self.scripts.run(database, hash, keys, values)))
            }
            ("XREAD", arguments) => self.begin_read(client, arguments),
            _ => Ok(Some(self.data_mut().call(database, name, arguments))),
        }
    }

    /// `HELLO 3 [AUTH user password] [SETNAME name]`
    fn hello(&mut self, client: Client, mut options: &[&[u8]]) -> Result<Reply, Reply> {
        loop {
            options = match options {
                [] => break,
                [b"AUTH", user, password, rest @ ..] => {
                    self.authenticate(client, user, password)?;
                    rest
                }
                [b"SETNAME", _, rest @ ..] => rest,
                _ => return Err(Reply::error("ERR Syntax error in HELLO option")),
            }
        }
        if !self.clients[&client].is_authenticated {
            return Err(Reply::error(
                "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
                 <user> <pass> option can be used to authenticate the client and select the RESP protocol version at \
                 the same time",
            ));
        }
        let text = |name, value| (Reply::text(name), Reply::text(value));
        Ok(Reply::Map(vec![
            text("server", "redis"),
            text("version", "7.0.15"),
            (Reply::text("proto"), Reply::Int(3)),
            (Reply::text("id"), Reply::Int(client.0.cast_signed())),
            text("mode", "standalone"),
            text("role", if self.data().is_read_only { "replica" } else { "master" }),
            (Reply::text("modules"), Reply::Array(Vec::new())),
        ]))
    }

    fn authenticate(&mut self, client: Client, user: &[u8], password: &[u8]) -> Result<Reply, Reply> {
        let is_right = self.password.as_ref().is_none_or(|right| right.as_bytes() == password);
        if user != b"default" || !is_right {
            return Err(Reply::error("WRONGPASS invalid username-password pair or user is disabled."));
        }
        self.clients.get_mut(&client).expect("the client is connected").is_authenticated = true;
        Ok(Reply::ok())
    }

    fn subscribe(&mut self, client: Client, channels: &[&[u8]]) {
        for channel in channels {
            let known = &mut self.clients.get_mut(&client).expect("the client is connected").channels;
            if !known.iter().any(|known| known == channel) {
                known.push(channel.to_vec());
            }
            let count = Reply::Int(known.len().cast_signed() as i64);
            self.reply(client, &Reply::Push(vec![Reply::text("subscribe"), Reply::text(channel), count]));
        }
        self.note_subscriptions();
    }

    /// Lets the commands know the subscriptions.
    fn note_subscriptions(&mut self) {
        self.data_mut().subscribed = self.clients.values().flat_map(|client| client.channels.clone()).collect();
    }

    fn begin_read(&mut self, client: Client, arguments: &[&[u8]]) -> Result<Option<Reply>, Reply> {
        let now = self.now();
        let database = self.clients[&client].database;
        let read = Read::parse(arguments, |key| {
            let data = self.data();
            data.databases[database]
                .get(key)
                .ok()
                .flatten()
                .map_or_else(stream::Id::default, |stream: &Stream| stream.last)
        })?;
        if let Some(reply) = self.read(database, &read)? {
            return Ok(Some(reply));
        }
        let Some(block) = read.block else { return Ok(Some(Reply::Nil)) };
        let until = (block > 0).then_some(now + block);
        self.clients.get_mut(&client).expect("the client is connected").waiting = Some(Waiting { until, read });
        Ok(None)
    }

    /// What a read finds now.
    fn read(&self, database: usize, read: &Read) -> Result<Option<Reply>, Reply> {
        let mut data = self.data_mut();
        let now = data.now;
        data.databases[database].expire(now);
        let mut found = Vec::new();
        for (key, id) in &read.streams {
            let stream: Option<&Stream> = data.databases[database].get(key)?;
            let entries: Vec<Reply> =
                stream.into_iter().flat_map(|stream| stream.after(*id)).take(read.count).collect();
            if !entries.is_empty() {
                found.push((Reply::text(key), Reply::Array(entries)));
            }
        }
        Ok((!found.is_empty()).then_some(Reply::Map(found)))
    }

    /// Delivers what was published, and answers the reads whose entries have come.
    fn deliver(&mut self) {
        let published = std::mem::take(&mut self.data_mut().published);
        for (channel, message) in published {
            let push = Reply::Push(vec![Reply::text("message"), Reply::text(&channel), Reply::text(message)]);
            let has = |client: &&Client| self.clients[client].channels.contains(&channel);
            let receivers: Vec<Client> = self.clients.keys().filter(has).copied().collect();
            for client in receivers {
                self.reply(client, &push);
            }
        }
        let waiting = self.clients.iter().filter_map(|(client, connection)| {
            connection.waiting.clone().map(|waiting| (*client, connection.database, waiting.read))
        });
        for (client, database, read) in waiting.collect::<Vec<_>>() {
            if let Some(reply) = self.read(database, &read).unwrap_or_else(Some) {
                self.clients.get_mut(&client).expect("the client waits").waiting = None;
                self.reply(client, &reply);
            }
        }
    }
}

#[cfg(test)]
mod tests;
