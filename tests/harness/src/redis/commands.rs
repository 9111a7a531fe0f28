//! The commands that read and change keys, for clients and for scripts.

use std::collections::{BTreeMap, BTreeSet};

use super::keyspace::Keyspace;
use super::reply::Reply;
use super::stream::{Id, Stream};

type Hash = BTreeMap<Vec<u8>, Vec<u8>>;
type Set = BTreeSet<Vec<u8>>;

/// What a command replies. `None`: there is no such command, or it takes other arguments.
type Outcome = Result<Option<Reply>, Reply>;

/// The commands of [`Data::write`].
const WRITES: [&str; 19] = [
    "SET", "SETNX", "DEL", "UNLINK", "EXPIRE", "PEXPIRE", "PERSIST", "INCR", "INCRBY", "HSET", "HSETNX", "HDEL",
    "HINCRBY", "SADD", "SREM", "XADD", "XTRIM", "FLUSHDB", "FLUSHALL",
];

/// The number of databases, as configured by default.
pub(super) const DATABASES: usize = 16;

/// What the clients and the scripts of a broker share.
#[derive(Debug)]
pub(super) struct Data {
    pub(super) databases: Vec<Keyspace>,
    /// In milliseconds since 1970.
    pub(super) now: u64,
    /// Channels and messages that were published and not delivered yet.
    pub(super) published: Vec<(Vec<u8>, Vec<u8>)>,
    /// The channel of each subscription.
    pub(super) subscribed: Vec<Vec<u8>>,
    /// Writes are refused, as by a replica.
    pub(super) is_read_only: bool,
    /// Entries that were appended to streams of all databases, in order.
    pub(super) appended: Vec<Appended>,
}

/// An entry that was appended to a stream, also if the stream has lost it since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The key of the stream.
    pub key: String,
    /// Fields and values in turn.
    pub fields: Vec<String>,
}

impl Data {
    pub(super) fn new(now: u64) -> Data {
        Data {
            databases: vec![Keyspace::default(); DATABASES],
            now,
            published: Vec::new(),
            subscribed: Vec::new(),
            is_read_only: false,
            appended: Vec::new(),
        }
    }

    /// Calls a command in a database. Its name is in capitals.
    pub(super) fn call(&mut self, database: usize, name: &str, arguments: &[&[u8]]) -> Reply {
        self.databases[database].expire(self.now);
        if !WRITES.contains(&name) {
            reply_of(name, self.read(database, name, arguments))
        } else if self.is_read_only {
            Reply::error("READONLY You can't write against a read only replica.")
        } else {
            reply_of(name, self.write(database, name, arguments))
        }
    }

    fn read(&mut self, database: usize, name: &str, arguments: &[&[u8]]) -> Outcome {
        let keys = &self.databases[database];
        let hash = |key| Ok(keys.get::<Hash>(key)?.into_iter().flatten());
        let members = |key| Ok(keys.get::<Set>(key)?.into_iter().flatten());
        let field = |key, field: &[u8]| Ok(keys.get::<Hash>(key)?.and_then(|hash| hash.get(field)));
        let reply = match (name, arguments) {
            ("TIME", []) => {
                let times = [(self.now / 1000).to_string(), (self.now % 1000 * 1000).to_string()];
                Reply::bulks(times.map(String::into_bytes))
            }
            ("PUBLISH", [channel, message]) => {
                self.published.push((channel.to_vec(), message.to_vec()));
                number(self.subscribed.iter().filter(|subscribed| subscribed == channel).count())
            }
            ("DBSIZE", []) => number(keys.keys().count()),
            ("KEYS", [pattern]) => {
                let prefix = pattern.strip_suffix(b"*").unwrap_or(pattern);
                Reply::bulks(keys.keys().filter(|key| key.starts_with(prefix)).cloned())
            }
            ("EXISTS", wanted) => number(wanted.iter().filter(|key| keys.kind(key).is_some()).count()),
            ("TYPE", [key]) => Reply::Status(keys.kind(key).unwrap_or("none").to_owned()),
            ("PTTL", [key]) => match keys.expiry(key) {
                None => Reply::Int(-2),
                Some(None) => Reply::Int(-1),
                Some(Some(at)) => Reply::Int((at - self.now).cast_signed()),
            },
            ("GET", [key]) => bulk(keys.get::<Vec<u8>>(key)?),
            ("HGET", [key, name]) => bulk(field(key, name)?),
            ("HMGET", [key, names @ ..]) => {
                Reply::Array(names.iter().map(|name| Ok(bulk(field(key, name)?))).collect::<Result<_, Reply>>()?)
            }
            ("HEXISTS", [key, name]) => number(usize::from(field(key, name)?.is_some())),
            ("HLEN", [key]) => number(hash(key)?.count()),
            ("HKEYS", [key]) => Reply::bulks(hash(key)?.map(|(name, _)| name.clone())),
            // Redis takes any of them, this takes the first.
            ("HRANDFIELD", [key, count]) => Reply::bulks(hash(key)?.map(|(name, _)| name.clone()).take(parse(count)?)),
            ("HVALS", [key]) => Reply::bulks(hash(key)?.map(|(_, value)| value.clone())),
            ("HGETALL", [key]) => {
                Reply::Map(hash(key)?.map(|(name, value)| (Reply::text(name), Reply::text(value))).collect())
            }
            ("SCARD", [key]) => number(members(key)?.count()),
            ("SMEMBERS", [key]) => Reply::bulks(members(key)?.cloned()),
            ("SISMEMBER", [key, member]) => number(members(key)?.filter(|other| other == member).count()),
            ("XLEN", [key]) => number(keys.get::<Stream>(key)?.map_or(0, Stream::len)),
            ("XRANGE" | "XREVRANGE", [key, ids @ ..]) => return range(name, keys.get::<Stream>(key)?, ids),
            _ => return Ok(None),
        };
        Ok(Some(reply))
    }

    fn write(&mut self, database: usize, name: &str, arguments: &[&[u8]]) -> Outcome {
        let now = self.now;
        let keys = &mut self.databases[database];
        let reply = match (name, arguments) {
            ("SET", [key, value, options @ ..]) => return set(keys, now, (key, value), options),
            ("SETNX", [key, value]) => {
                let is_new = keys.kind(key).is_none();
                if is_new {
                    keys.set(key, value.to_vec());
                }
                number(usize::from(is_new))
            }
            ("DEL" | "UNLINK", removed) => number(removed.iter().filter(|key| keys.remove(key)).count()),
            ("EXPIRE" | "PEXPIRE", [key, time]) => {
                let at = now + parse::<u64>(time)? * if name == "EXPIRE" { 1000 } else { 1 };
                keys.set_expiry(key, Some(at));
                number(usize::from(keys.kind(key).is_some()))
            }
            ("PERSIST", [key]) => {
                let had = keys.expiry(key).flatten().is_some();
                keys.set_expiry(key, None);
                number(usize::from(had))
            }
            ("INCR", [key]) => Reply::Int(keys.change(key, |value| add(value, 1))??),
            ("INCRBY", [key, by]) => {
                let by = parse(by)?;
                Reply::Int(keys.change(key, |value| add(value, by))??)
            }
            ("HINCRBY", [key, field, by]) => {
                let by = parse(by)?;
                Reply::Int(keys.change(key, |hash: &mut Hash| add(hash.entry(field.to_vec()).or_default(), by))??)
            }
            ("HSET", [key, pairs @ ..]) if !pairs.is_empty() && pairs.len() % 2 == 0 => {
                let insert = |hash: &mut Hash| {
                    let is_new = |pair: &&[&[u8]]| hash.insert(pair[0].to_vec(), pair[1].to_vec()).is_none();
                    pairs.chunks_exact(2).filter(is_new).count()
                };
                number(keys.change(key, insert)?)
            }
            ("HSETNX", [key, field, value]) => {
                let is_new = keys.get::<Hash>(key)?.is_none_or(|hash| !hash.contains_key(*field));
                if is_new {
                    keys.change(key, |hash: &mut Hash| hash.insert(field.to_vec(), value.to_vec()))?;
                }
                number(usize::from(is_new))
            }
            ("HDEL", [key, fields @ ..]) => {
                let remove = |hash: &mut Hash| fields.iter().filter(|field| hash.remove(**field).is_some()).count();
                number(keys.change(key, remove)?)
            }
            ("SADD", [key, members @ ..]) => {
                let insert = |set: &mut Set| members.iter().filter(|member| set.insert(member.to_vec())).count();
                number(keys.change(key, insert)?)
            }
            ("SREM", [key, members @ ..]) => {
                let remove = |set: &mut Set| members.iter().filter(|member| set.remove(**member)).count();
                number(keys.change(key, remove)?)
            }
            ("XADD", [key, options @ ..]) => {
                let (reply, fields) = append(keys, now, key, options)?;
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                self.appended
                    .push(Appended { key: text(key), fields: fields.iter().map(|field| text(field)).collect() });
                reply
            }
            ("XTRIM", [key, b"MAXLEN", length] | [key, b"MAXLEN", b"~" | b"=", length]) => {
                let length = parse(length)?;
                let is_there = keys.kind(key).is_some();
                number(if is_there { keys.change(key, |stream: &mut Stream| stream.trim(length))? } else { 0 })
            }
            ("FLUSHDB", [..]) => {
                *keys = Keyspace::default();
                Reply::ok()
            }
            ("FLUSHALL", [..]) => {
                self.databases.fill(Keyspace::default());
                Reply::ok()
            }
            _ => return Ok(None),
        };
        Ok(Some(reply))
    }
}

fn reply_of(name: &str, outcome: Outcome) -> Reply {
    match outcome {
        Ok(Some(reply)) => reply,
        Ok(None) => Reply::error(format!("ERR unknown command '{name}', or other arguments than it has here")),
        Err(error) => error,
    }
}

fn number(count: usize) -> Reply {
    Reply::Int(count.cast_signed() as i64)
}

fn bulk(bytes: Option<&Vec<u8>>) -> Reply {
    bytes.map_or(Reply::Nil, Reply::text)
}

fn syntax() -> Reply {
    Reply::error("ERR syntax error")
}

/// Reads a number.
pub(super) fn parse<T: std::str::FromStr>(text: &[u8]) -> Result<T, Reply> {
    let value = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    value.ok_or_else(|| Reply::error("ERR value is not an integer or out of range"))
}

fn add(value: &mut Vec<u8>, by: i64) -> Result<i64, Reply> {
    let sum = if value.is_empty() { by } else { parse::<i64>(value)? + by };
    *value = sum.to_string().into_bytes();
    Ok(sum)
}

fn set(keys: &mut Keyspace, now: u64, (key, value): (&[u8], &[u8]), mut options: &[&[u8]]) -> Outcome {
    let mut expires = None;
    loop {
        options = match options {
            [] => break,
            [b"NX", rest @ ..] if keys.kind(key).is_none() => rest,
            [b"XX", rest @ ..] if keys.kind(key).is_some() => rest,
            [b"NX" | b"XX", ..] => return Ok(Some(Reply::Nil)),
            [b"PX", time, rest @ ..] => {
                expires = Some(now + parse::<u64>(time)?);
                rest
            }
            [b"EX", time, rest @ ..] => {
                expires = Some(now + 1000 * parse::<u64>(time)?);
                rest
            }
            _ => return Err(syntax()),
        }
    }
    keys.set(key, value.to_vec());
    keys.set_expiry(key, expires);
    Ok(Some(Reply::ok()))
}

/// `XADD key [MAXLEN [~|=] length] * field value ...` Returns the reply, and the fields with their values.
fn append<'a>(
    keys: &mut Keyspace,
    now: u64,
    key: &[u8],
    options: &'a [&'a [u8]],
) -> Result<(Reply, &'a [&'a [u8]]), Reply> {
    let (most, fields) = match options {
        [b"MAXLEN", b"~" | b"=", length, b"*", fields @ ..] | [b"MAXLEN", length, b"*", fields @ ..] => {
            (parse(length)?, fields)
        }
        [b"*", fields @ ..] => (usize::MAX, fields),
        _ => return Err(syntax()),
    };
    if fields.is_empty() || fields.len() % 2 != 0 {
        return Err(Reply::error("ERR wrong number of arguments for 'xadd' command"));
    }
    let id = keys.change(key, |stream: &mut Stream| {
        let id = stream.add(now, fields.iter().map(|field| field.to_vec()).collect());
        stream.trim(most);
        id
    })?;
    Ok((Reply::text(id.to_string()), fields))
}

/// `XRANGE key from to [COUNT count]`, and `XREVRANGE key to from [COUNT count]`.
fn range(name: &str, stream: Option<&Stream>, arguments: &[&[u8]]) -> Outcome {
    let (ids, count) = match arguments {
        [from, to] => ((from, to), usize::MAX),
        [from, to, b"COUNT", count] => ((from, to), parse(count)?),
        _ => return Err(syntax()),
    };
    let is_reverse = name == "XREVRANGE";
    let (from, to) = if is_reverse { (ids.1, ids.0) } else { ids };
    let id = |text: &[u8], number| match text {
        b"-" => Ok(Id::default()),
        b"+" => Ok(Id::MAX),
        _ => match text.strip_prefix(b"(") {
            Some(after) => Id::parse(after, number).map(Id::next),
            None => Id::parse(text, number),
        }
        .ok_or_else(|| Reply::error("ERR Invalid stream ID specified as stream command argument")),
    };
    let ids = id(from, 0)?..=id(to, u64::MAX)?;
    let Some(stream) = stream else { return Ok(Some(Reply::Array(Vec::new()))) };
    let entries = stream.range(ids);
    Ok(Some(Reply::Array(if is_reverse { entries.rev().take(count).collect() } else { entries.take(count).collect() })))
}
