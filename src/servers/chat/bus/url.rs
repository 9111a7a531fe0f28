//! Where the broker is, in the form in which users of Redis write it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::net::{Address, AddressError, Host};

/// The address of a broker, and what a client needs to enter. Displays without the password.
///
/// | text | meaning |
/// |---|---|
/// | `redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]` | TCP; the port is 6379, and the number of the database is 0 |
/// | `rediss://...` | the same over TLS |
/// | `unix:PATH[?db=DB][&user=USER]` | a Unix stream socket; also `unix://PATH` |
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BusUrl {
    pub(crate) to: Address,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: u32,
}

/// The reason why a text is no [`BusUrl`]. Displays as a clause without any part of a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BusUrlError {
    /// It has another form.
    Form,
    Address(AddressError),
    /// `*` or port 0, which are for listeners.
    NoServer,
    /// What follows the address is no number of a database.
    Database,
    /// What follows `?` is unknown.
    Parameter(String),
    /// A percent sign that encodes no UTF-8.
    Percent,
    /// The feature that TLS needs is missing.
    NoTls,
}

const PORT: u16 = 6379;

impl FromStr for BusUrl {
    type Err = BusUrlError;

    fn from_str(text: &str) -> Result<Self, BusUrlError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return parse_unix(path.strip_prefix("//").unwrap_or(path));
        }
        let (rest, is_tls) = match (text.strip_prefix("redis://"), text.strip_prefix("rediss://")) {
            (Some(rest), _) => (rest, false),
            (_, Some(rest)) => (rest, true),
            _ => return Err(BusUrlError::Form),
        };
        if is_tls && cfg!(not(feature = "tls")) {
            return Err(BusUrlError::NoTls);
        }
        // A password may contain a slash, but a database is no address.
        let (login, rest) = rest.rsplit_once('@').map_or((None, rest), |(login, rest)| (Some(login), rest));
        let (host, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, password) = login.map_or((None, None), |login| {
            let (user, password) =
                login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
            (Some(user).filter(|user| !user.is_empty()), password)
        });
        // Perhaps no port, but a password that lacks its host.
        let is_port = |text: &str| text.contains(']') || text.bytes().all(|byte| byte.is_ascii_digit());
        if login.is_none() && host.rsplit_once(':').is_some_and(|(_, port)| !is_port(port)) {
            return Err(BusUrlError::Form);
        }
        let host = parse_host(host)?;
        Ok(BusUrl {
            to: if is_tls { Address::Tls(Box::new(host)) } else { host },
            user: user.map(decode).transpose()?,
            password: password.map(decode).transpose()?,
            database: parse_database(database)?,
        })
    }
}

fn parse_unix(text: &str) -> Result<BusUrl, BusUrlError> {
    let (path, parameters) = text.split_once('?').unwrap_or((text, ""));
    let to = format!("unix:{path}").parse().map_err(BusUrlError::Address)?;
    let mut url = BusUrl { to, user: None, password: None, database: 0 };
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("db", database)) => url.database = parse_database(database)?,
            Some(("user", user)) => url.user = Some(decode(user)?),
            _ => return Err(BusUrlError::Parameter(parameter.split('=').next().unwrap_or_default().to_owned())),
        }
    }
    Ok(url)
}

/// Parses a host with or without a port.
fn parse_host(host: &str) -> Result<Address, BusUrlError> {
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let host = if has_port { Cow::from(host) } else { format!("{host}:{PORT}").into() };
    let address: Address = host.parse().map_err(|error| match error {
        AddressError::NoHost => BusUrlError::Form,
        error => BusUrlError::Address(error),
    })?;
    match address {
        Address::Tcp { host: Host::Any, .. } | Address::Tcp { port: 0, .. } => Err(BusUrlError::NoServer),
        Address::Tcp { .. } => Ok(address),
        _ => Err(BusUrlError::Form),
    }
}

fn parse_database(text: &str) -> Result<u32, BusUrlError> {
    if text.is_empty() { Ok(0) } else { text.parse().map_err(|_| BusUrlError::Database) }
}

fn decode(text: &str) -> Result<String, BusUrlError> {
    percent_decode_str(text).decode_utf8().map(Cow::into_owned).map_err(|_| BusUrlError::Percent)
}

impl fmt::Display for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to.fmt(f)
    }
}

impl fmt::Debug for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BusUrl { to, user, database, .. } = self;
        let mut shown = f.debug_struct("BusUrl");
        shown.field("to", to).field("user", user).field("database", database).finish_non_exhaustive()
    }
}

impl fmt::Display for BusUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FORMS: &str = "redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss:// for TLS, or unix:PATH";
        match self {
            BusUrlError::Form => write!(f, "the address has another form; use {FORMS}"),
            BusUrlError::Address(error) => error.fmt(f),
            BusUrlError::NoServer => f.write_str("* and port 0 are for listeners; use the host and port of a Redis"),
            BusUrlError::Database => f.write_str("the database is a number, such as redis://HOST/1"),
            BusUrlError::Parameter(name) => {
                write!(f, "{name:?} is unknown after the path; use unix:PATH?db=NUMBER&user=NAME")
            }
            BusUrlError::Percent => f.write_str("a % in a user or password is written %25"),
            BusUrlError::NoTls => f.write_str("rediss:// needs the feature tls; build with --features full"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> BusUrl {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// The address, the user, the password and the database. What is not given is `-`.
    fn parts(text: &str) -> (String, String, String, u32) {
        let BusUrl { to, user, password, database } = url(text);
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        (to.to_string(), or_dash(user), or_dash(password), database)
    }

    #[track_caller]
    fn check(text: &str, (to, user, password, database): (&str, &str, &str, u32)) {
        assert_eq!(parts(text), (to.to_owned(), user.to_owned(), password.to_owned(), database));
    }

    #[test]
    fn hosts_have_a_default_port_and_database() {
        for (text, to, database) in [
            ("redis://127.0.0.1", "127.0.0.1:6379", 0),
            ("redis://127.0.0.1/", "127.0.0.1:6379", 0),
            ("redis://db.example:7000/15", "db.example:7000", 15),
            ("redis://[::1]", "[::1]:6379", 0),
            ("redis://[::1]:7000/2", "[::1]:7000", 2),
            ("unix:/run/redis.sock", "unix:/run/redis.sock", 0),
            ("unix:///run/redis.sock?db=3", "unix:/run/redis.sock", 3),
            ("unix:redis.sock?", "unix:redis.sock", 0),
        ] {
            check(text, (to, "-", "-", database));
        }
        #[cfg(feature = "tls")]
        check("rediss://db.example", ("tls:db.example:6379", "-", "-", 0));
    }

    #[test]
    fn users_and_passwords_are_decoded() {
        let at = "h:6379";
        check("redis://ann:secret@h", (at, "ann", "secret", 0));
        check("redis://:secret@h/1", (at, "-", "secret", 1));
        check("redis://ann@h", (at, "ann", "-", 0));
        check("redis://:a:b/c@d@h/1", (at, "-", "a:b/c@d", 1));
        check("redis://a%40b:%2F%25%C3%A9@h", (at, "a@b", "/%é", 0));
        check("unix:/s?user=a%26b&db=1", ("unix:/s", "a&b", "-", 1));
    }

    #[test]
    fn other_forms_are_refused_without_showing_a_password() {
        for (text, want) in [
            ("127.0.0.1:6379", "the address has another form; use redis://"),
            ("http://secret@h", "the address has another form; use redis://"),
            ("redis://:secret", "the address has another form"),
            ("redis://ann:secret/1", "the address has another form"),
            ("redis://", "the address has another form"),
            ("redis://secret@", "the address has another form"),
            ("redis://:secret@*", "* and port 0 are for listeners"),
            ("redis://:secret@h:0", "* and port 0 are for listeners"),
            ("redis://:secret@h:x", "the port \"x\" is not a number"),
            ("redis://:secret@h/x", "the database is a number"),
            ("redis://:secret@h/-1", "the database is a number"),
            ("redis://:secret%FF@h", "a % in a user or password is written %25"),
            ("redis://:secret@tls:h:1", "the address has another form"),
            ("unix:", "the path after unix: is missing"),
            ("unix:/s?password=secret", "\"password\" is unknown after the path"),
        ] {
            let error = text.parse::<BusUrl>().expect_err(text).to_string();
            assert!(error.contains(want) && !error.contains("secret"), "{text}: {error}");
        }
        let url = url("redis://ann:secret@h/1");
        assert!(!format!("{url} {url:?}").contains("secret"));
    }
}
