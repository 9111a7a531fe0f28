use super::*;

/// Sends a command and returns what comes back.
fn ask(redis: &mut Redis, client: Client, command: &[&str]) -> Vec<Reply> {
    let mut bytes = Vec::new();
    encode_command(command, &mut bytes);
    redis.send(client, &bytes);
    redis.run();
    replies(redis, client)
}

/// Reads what a client has not read.
fn replies(redis: &mut Redis, client: Client) -> Vec<Reply> {
    let bytes = redis.output(client).map(std::mem::take).unwrap_or_default();
    let mut rest = &bytes[..];
    let mut found = Vec::new();
    while let Some((reply, length)) = Reply::decode(rest).expect("a reply") {
        found.push(reply);
        rest = &rest[length..];
    }
    assert!(rest.is_empty(), "a part of a reply is left");
    found
}

fn error(reply: &[Reply]) -> &str {
    let [Reply::Error(text)] = reply else { panic!("no error: {reply:?}") };
    text
}

#[test]
fn a_script_calls_commands_and_returns_its_values() {
    let mut redis = Redis::new();
    let client = redis.connect().expect("the broker runs");
    let text = "redis.call('HSET', 'h', ARGV[1], 7)
        return { redis.call('HGETALL', 'h'), redis.call('HGET', 'h', 'no'), #KEYS, 'x', false, nil, 'lost' }";
    let loaded = ask(&mut redis, client, &["SCRIPT", "LOAD", text]);
    let [Reply::Bulk(hash)] = &loaded[..] else { panic!("no hash: {loaded:?}") };
    let hash = str::from_utf8(hash).expect("a hash");
    assert_eq!(hash.len(), 40);
    let items = vec![
        Reply::Array(vec![Reply::text("a"), Reply::text("7")]),
        Reply::Nil,
        Reply::Int(0),
        Reply::text("x"),
        Reply::Nil,
    ];
    assert_eq!(ask(&mut redis, client, &["EVALSHA", hash, "0", "a"]), [Reply::Array(items)]);
    assert!(error(&ask(&mut redis, client, &["EVALSHA", "f00", "0"])).starts_with("NOSCRIPT "));
}

#[test]
fn a_script_with_a_fault_answers_an_error() {
    let mut redis = Redis::new();
    let client = redis.connect().expect("the broker runs");
    let faults = [
        ("return redis.call('HGET', 's', 'f')", "WRONGTYPE "),
        ("return redis.call('NO')", "ERR unknown command 'NO'"),
        ("return redis.call('SET', 's', {})", "ERR Lua redis lib command arguments"),
        ("return unknown", "ERR user_script:1: Script attempted to access nonexistent global"),
        ("unknown = 1", "ERR user_script:1: Attempt to modify a readonly table"),
        ("return redis.error_reply('MINE own')", "MINE own"),
    ];
    redis.execute(&["SET", "s", "text"]);
    for (script, begin) in faults {
        let loaded = ask(&mut redis, client, &["SCRIPT", "LOAD", script]);
        let [Reply::Bulk(hash)] = &loaded[..] else { panic!("no hash: {loaded:?}") };
        let reply = ask(&mut redis, client, &["EVALSHA", str::from_utf8(hash).expect("a hash"), "0"]);
        assert!(error(&reply).starts_with(begin), "{script}: {reply:?}");
    }
    assert!(error(&ask(&mut redis, client, &["SCRIPT", "LOAD", "return ("])).starts_with("ERR Error compiling"));
}

#[test]
fn a_read_waits_for_an_entry_and_then_for_its_time() {
    let mut redis = Redis::new();
    let (reader, other) = (redis.connect().expect("it runs"), redis.connect().expect("it runs"));
    let read = ["XREAD", "COUNT", "1", "BLOCK", "1000", "STREAMS", "a", "b", "0", "$"];
    assert_eq!(ask(&mut redis, reader, &read), []);
    // A command behind the read waits, too.
    assert_eq!(ask(&mut redis, reader, &["PING"]), []);
    let id = match &ask(&mut redis, other, &["XADD", "b", "MAXLEN", "~", "9", "*", "k", "v"])[..] {
        [Reply::Bulk(id)] => id.clone(),
        reply => panic!("no id: {reply:?}"),
    };
    let entry = Reply::Array(vec![Reply::Bulk(id.clone()), Reply::Array(vec![Reply::text("k"), Reply::text("v")])]);
    let found = Reply::Map(vec![(Reply::text("b"), Reply::Array(vec![entry.clone()]))]);
    assert_eq!(replies(&mut redis, reader), [found.clone(), Reply::Status("PONG".to_owned())]);

    // An entry that is there is found at once.
    let read = ["XREAD", "BLOCK", "1000", "STREAMS", "b", "0"];
    assert_eq!(ask(&mut redis, reader, &read), [found]);
    let read = ["XREAD", "BLOCK", "1000", "STREAMS", "b", str::from_utf8(&id).expect("an id")];
    assert_eq!(ask(&mut redis, reader, &read), []);
    redis.advance(Duration::from_millis(999));
    redis.run();
    assert_eq!(replies(&mut redis, reader), []);
    redis.advance(Duration::from_millis(1));
    redis.run();
    assert_eq!(replies(&mut redis, reader), [Reply::Nil]);
}

#[test]
fn a_message_is_pushed_to_each_subscriber() {
    let mut redis = Redis::new();
    let (subscriber, other) = (redis.connect().expect("it runs"), redis.connect().expect("it runs"));
    let push = |items: &[Reply]| Reply::Push(items.to_vec());
    let confirmed = push(&[Reply::text("subscribe"), Reply::text("c"), Reply::Int(1)]);
    assert_eq!(ask(&mut redis, subscriber, &["SUBSCRIBE", "c"]), [confirmed]);
    assert_eq!(ask(&mut redis, other, &["PUBLISH", "c", "hi"]), [Reply::Int(1)]);
    let message = push(&[Reply::text("message"), Reply::text("c"), Reply::text("hi")]);
    assert_eq!(replies(&mut redis, subscriber), [message]);
    redis.reset(subscriber);
    assert_eq!(ask(&mut redis, other, &["PUBLISH", "c", "hi"]), [Reply::Int(0)]);
}

#[test]
fn a_key_expires_with_its_time() {
    let mut redis = Redis::new();
    redis.execute(&["SET", "lease", "x", "PX", "3000"]);
    redis.advance(Duration::from_secs(3));
    assert_eq!(redis.execute(&["PTTL", "lease"]), Reply::Int(0));
    redis.advance(Duration::from_millis(1));
    assert_eq!(redis.execute(&["GET", "lease"]), Reply::Nil);
    redis.execute(&["SET", "lease", "x"]);
    redis.execute(&["EXPIRE", "lease", "60"]);
    assert_eq!(redis.execute(&["PERSIST", "lease"]), Reply::Int(1));
    redis.advance(Duration::from_secs(100));
    assert_eq!(redis.execute(&["PTTL", "lease"]), Reply::Int(-1));
}

#[test]
fn a_stream_is_trimmed_and_its_ids_only_rise() {
    let mut redis = Redis::new();
    for value in ["1", "2", "3"] {
        redis.execute(&["XADD", "s", "MAXLEN", "2", "*", "n", value]);
    }
    let entries = |reply| if let Reply::Array(entries) = reply { entries } else { panic!("no entries: {reply:?}") };
    let id = |entry: &Reply| match entry {
        Reply::Array(parts) => parts[0].clone(),
        _ => panic!("no entry: {entry:?}"),
    };
    let all = entries(redis.execute(&["XRANGE", "s", "-", "+"]));
    let ids: Vec<Reply> = all.iter().map(id).collect();
    assert_eq!(ids, ["946728000000-1", "946728000000-2"].map(Reply::text));
    assert_eq!(entries(redis.execute(&["XREVRANGE", "s", "+", "-", "COUNT", "1"])), all[1..]);
    assert_eq!(redis.execute(&["XRANGE", "s", "(946728000000-1", "+"]), Reply::Array(all[1..].to_vec()));
}

#[test]
fn a_stopped_broker_takes_bytes_and_does_nothing() {
    let mut redis = Redis::new();
    let client = redis.connect().expect("it runs");
    redis.stop();
    assert_eq!(ask(&mut redis, client, &["PING"]), []);
    assert!(redis.connect().is_some());
    redis.resume();
    redis.run();
    assert_eq!(replies(&mut redis, client), [Reply::Status("PONG".to_owned())]);
}

#[test]
fn a_broker_that_died_has_the_data_it_kept_and_no_script() {
    for (kept, expected) in [(Kept::All, "late"), (Kept::Saved, "early"), (Kept::Nothing, "")] {
        let mut redis = Redis::new();
        redis.execute(&["SET", "k", "early"]);
        redis.save();
        redis.execute(&["SET", "k", "late"]);
        let client = redis.connect().expect("it runs");
        let loaded = ask(&mut redis, client, &["SCRIPT", "LOAD", "return 1"]);
        redis.kill();
        assert!(redis.connect().is_none() && !redis.is_connected(client));
        redis.restart(kept);
        let value = if expected.is_empty() { Reply::Nil } else { Reply::text(expected) };
        assert_eq!(redis.execute(&["GET", "k"]), value);
        let client = redis.connect().expect("it runs");
        let [Reply::Bulk(hash)] = &loaded[..] else { panic!("no hash: {loaded:?}") };
        let hash = str::from_utf8(hash).expect("a hash");
        assert_eq!(ask(&mut redis, client, &["SCRIPT", "EXISTS", hash]), [Reply::Array(vec![Reply::Int(0)])]);
    }
}

#[test]
fn a_client_needs_the_password() {
    let mut redis = Redis::new();
    redis.require_password("secret");
    let client = redis.connect().expect("it runs");
    assert!(error(&ask(&mut redis, client, &["PING"])).starts_with("NOAUTH "));
    assert!(error(&ask(&mut redis, client, &["HELLO", "3"])).starts_with("NOAUTH "));
    assert!(error(&ask(&mut redis, client, &["HELLO", "3", "AUTH", "default", "no"])).starts_with("WRONGPASS "));
    let hello = ["HELLO", "3", "AUTH", "default", "secret", "SETNAME", "x"];
    assert!(matches!(ask(&mut redis, client, &hello)[..], [Reply::Map(_)]));
    assert_eq!(ask(&mut redis, client, &["PING"]), [Reply::Status("PONG".to_owned())]);
}

#[test]
fn a_refusal_spares_what_needs_no_data() {
    let mut redis = Redis::new();
    redis.refuse(Some("LOADING Redis is loading the dataset in memory"));
    let client = redis.connect().expect("it runs");
    assert!(matches!(ask(&mut redis, client, &["HELLO", "3"])[..], [Reply::Map(_)]));
    assert_eq!(ask(&mut redis, client, &["SELECT", "15"]), [Reply::Status("OK".to_owned())]);
    assert!(error(&ask(&mut redis, client, &["PING"])).starts_with("LOADING "));
    redis.refuse(None);
    redis.set_read_only(true);
    assert!(error(&ask(&mut redis, client, &["SET", "k", "v"])).starts_with("READONLY "));
    assert_eq!(ask(&mut redis, client, &["GET", "k"]), [Reply::Nil]);
}
