//! Scripts: the real ones, run by Lua 5.1, which is also the Lua of Redis.
//!
//! A script sees what it sees in Redis: `KEYS`, `ARGV`, `redis`, and no other global that it has not been given. A
//! table has the same order in each run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

use mlua::{Function, Lua, LuaOptions, LuaString, StdLib, Table, Value, Variadic};
use sha1::{Digest, Sha1};

use super::commands::Data;
use super::reply::Reply;

/// What Redis adds to Lua, as far as it can be written in Lua. `protect` is given a function and catches its errors.
const PRELUDE: &str = "
redis.call = function(...)
    local reply = redis.pcall(...)
    if type(reply) == 'table' and reply.err then error(reply, 0) end
    return reply
end
redis.error_reply = function(text) return { err = text } end
redis.status_reply = function(text) return { ok = text } end
redis.replicate_commands = function() return true end
redis.setresp = function() end
redis.log = function() end
redis.LOG_DEBUG, redis.LOG_VERBOSE, redis.LOG_NOTICE, redis.LOG_WARNING = 0, 1, 2, 3
setmetatable(_G, {
    __index = function(_, name)
        error(\"Script attempted to access nonexistent global variable '\" .. tostring(name) .. \"'\", 2)
    end,
    __newindex = function() error('Attempt to modify a readonly table', 2) end,
})
return function(script)
    local is_done, reply = pcall(script)
    if is_done or type(reply) == 'table' then return reply end
    return { err = 'ERR ' .. tostring(reply) }
end
";

/// The scripts that were loaded.
#[derive(Debug)]
pub(super) struct Scripts {
    lua: Lua,
    protect: Function,
    /// By the hash of the text.
    loaded: BTreeMap<String, Function>,
    /// The database in which a script runs.
    database: Rc<RefCell<usize>>,
}

impl Scripts {
    /// Scripts that call commands of `data`.
    pub(super) fn new(data: &Rc<RefCell<Data>>) -> Scripts {
        let build = || {
            let lua = Lua::new_with(StdLib::TABLE | StdLib::STRING | StdLib::MATH, LuaOptions::default())?;
            let redis = lua.create_table()?;
            let database = Rc::new(RefCell::new(0));
            let (data, number) = (data.clone(), database.clone());
            let call = move |lua: &Lua, arguments: Variadic<Value>| {
                let reply = call(&mut data.borrow_mut(), *number.borrow(), &arguments);
                to_lua(lua, &reply)
            };
            redis.set("pcall", lua.create_function(call)?)?;
            redis.set("sha1hex", lua.create_function(|_, text: LuaString| Ok(sha1(&text.as_bytes())))?)?;
            lua.globals().set("redis", redis)?;
            let protect = lua.load(PRELUDE).set_name("=prelude").eval()?;
            Ok::<_, mlua::Error>(Scripts { lua, protect, loaded: BTreeMap::new(), database })
        };
        build().expect("Lua starts")
    }

    /// Compiles a script. Returns its hash.
    pub(super) fn load(&mut self, text: &[u8]) -> Reply {
        let hash = sha1(text);
        match self.lua.load(text).set_name("@user_script").into_function() {
            Ok(script) => {
                self.loaded.insert(hash.clone(), script);
                Reply::text(hash)
            }
            Err(error) => Reply::error(format!("ERR Error compiling script (new function): {error}")),
        }
    }

    pub(super) fn contains(&self, hash: &[u8]) -> bool {
        str::from_utf8(hash).is_ok_and(|hash| self.loaded.contains_key(&hash.to_lowercase()))
    }

    /// Runs a script in a database.
    pub(super) fn run(&mut self, database: usize, hash: &[u8], keys: &[&[u8]], arguments: &[&[u8]]) -> Reply {
        let hash = String::from_utf8_lossy(hash).to_lowercase();
        let Some(script) = self.loaded.get(&hash) else {
            return Reply::error("NOSCRIPT No matching script. Please use EVAL.");
        };
        self.database.replace(database);
        let run = || {
            for (name, values) in [("KEYS", keys), ("ARGV", arguments)] {
                let values = values.iter().map(|value| self.lua.create_string(value));
                let values = self.lua.create_sequence_from(values.collect::<mlua::Result<Vec<_>>>()?)?;
                self.lua.globals().raw_set(name, values)?;
            }
            self.protect.call::<Value>(script)
        };
        match run() {
            Ok(value) => of_lua(&value),
            Err(error) => Reply::error(format!("ERR {error}")),
        }
    }
}

fn sha1(text: &[u8]) -> String {
    Sha1::digest(text).iter().fold(String::new(), |mut hash, byte| {
        let _ = write!(hash, "{byte:02x}");
        hash
    })
}

/// Calls a command for a script.
fn call(data: &mut Data, database: usize, arguments: &[Value]) -> Reply {
    let bytes = |value: &Value| match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(value) => Some(value.to_string().into_bytes()),
        Value::Number(value) => Some(value.to_string().into_bytes()),
        _ => None,
    };
    let Some(arguments) = arguments.iter().map(bytes).collect::<Option<Vec<_>>>() else {
        return Reply::error("ERR Lua redis lib command arguments must be strings or integers");
    };
    let Some((name, arguments)) = arguments.split_first() else {
        return Reply::error("ERR Please specify at least one argument for this redis.call()");
    };
    let name = String::from_utf8_lossy(name).to_uppercase();
    data.call(database, &name, &arguments.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// Converts the reply of a command, as Redis does for a script that has not asked for RESP3.
fn to_lua(lua: &Lua, reply: &Reply) -> mlua::Result<Value> {
    let named = |name, text: &str| Ok(Value::Table(lua.create_table_from([(name, text)])?));
    match reply {
        Reply::Status(text) => named("ok", text),
        Reply::Error(text) => named("err", text),
        Reply::Int(value) => Ok(Value::Integer(*value)),
        Reply::Bulk(bytes) => Ok(Value::String(lua.create_string(bytes)?)),
        Reply::Nil => Ok(Value::Boolean(false)),
        Reply::Array(items) | Reply::Push(items) => {
            let items = items.iter().map(|item| to_lua(lua, item)).collect::<mlua::Result<Vec<_>>>()?;
            Ok(Value::Table(lua.create_sequence_from(items)?))
        }
        Reply::Map(pairs) => {
            let flat = pairs.iter().flat_map(|(key, value)| [key, value]).cloned().collect();
            to_lua(lua, &Reply::Array(flat))
        }
    }
}

/// Converts what a script returns. An array ends at its first `nil`.
fn of_lua(value: &Value) -> Reply {
    match value {
        Value::Boolean(true) => Reply::Int(1),
        Value::Integer(value) => Reply::Int(*value),
        Value::Number(value) => Reply::Int(*value as i64),
        Value::String(text) => Reply::text(text.as_bytes()),
        Value::Table(table) => of_table(table),
        _ => Reply::Nil,
    }
}

fn of_table(table: &Table) -> Reply {
    let text = |name| table.raw_get::<Option<LuaString>>(name).ok().flatten().map(|text| text.to_string_lossy());
    if let Some(error) = text("err") {
        return Reply::error(error);
    }
    if let Some(status) = text("ok") {
        return Reply::Status(status);
    }
    let items = (1..).map_while(|index| table.raw_get::<Value>(index).ok().filter(|value| !value.is_nil()));
    Reply::Array(items.map(|value| of_lua(&value)).collect())
}
