//! Parsers for the values of flags: sizes, counts, durations, rates, and `off`.

use std::time::Duration;

use crate::net::Network;
use crate::state::rate::Rate;

/// A limit, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitOrOff<T>(pub Option<T>);

/// Returns a parser that takes `off`, and everything that `parse` takes.
pub fn parse_off<T>(
    parse: fn(&str) -> Result<T, String>,
) -> impl Fn(&str) -> Result<LimitOrOff<T>, String> + Clone + Send + Sync + 'static
where
    T: 'static,
{
    move |text| match text {
        "off" => Ok(LimitOrOff(None)),
        _ => parse(text).map(|value| LimitOrOff(Some(value))).map_err(|error| format!("{error}, or off")),
    }
}

/// Peers that are proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyPeer {
    /// Those in this network.
    Network(Network),
    /// Those that connect to a Unix socket.
    Unix,
}

/// Parses `unix`, or a network such as `192.0.2.0/24`.
///
/// # Errors
/// If the text is neither.
pub fn parse_proxy(text: &str) -> Result<ProxyPeer, String> {
    match text {
        "unix" => Ok(ProxyPeer::Unix),
        _ => text.parse().map(ProxyPeer::Network).map_err(|error| format!("{error}, or unix")),
    }
}

/// Parses a number of bytes: `4096`, `64KiB`, `1MB`. The units are those of dd(1), in small or capital letters: `K`,
/// `M` and `G` are powers of 1024, `kB`, `MB` and `GB` powers of 1000.
///
/// # Errors
/// If the text is not a size, or if the size is zero or too large for a `usize`.
pub fn parse_size(text: &str) -> Result<usize, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let scale: usize = match &*unit.to_ascii_lowercase() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err("a size is a number of bytes, such as 4096, 64KiB or 1MB".into()),
    };
    match number.parse::<usize>().ok().and_then(|number| number.checked_mul(scale)) {
        Some(0) => Err("a size is at least 1".into()),
        Some(size) => Ok(size),
        None => Err("a size is a number of bytes, such as 4096, 64KiB or 1MB".into()),
    }
}

/// Parses a number of at least one.
///
/// # Errors
/// If the text is not a number, or is zero.
pub fn parse_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a number of at least 1".into()),
        Ok(count) => Ok(count),
    }
}

/// Parses the length of a queue, zero included.
///
/// # Errors
/// If the text is not a number, or is too large for a `u32`.
pub(super) fn parse_length(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "a number of connections, such as 1024".into())
}

/// Parses a duration with its unit: `500ms`, `5s`, `2m`, `1h`.
///
/// # Errors
/// If the text is not a duration, or is zero.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("a duration is longer than zero".into()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("a duration has a unit, such as 500ms, 5s, 2m or 1h".into()),
    }
}

/// Parses a rate such as `20/1s`: a number per duration, with a burst of ten times that number.
///
/// # Errors
/// If the text is not a rate, or if the number or the duration is zero.
pub fn parse_rate(text: &str) -> Result<Rate, String> {
    let parts = text.split_once('/').and_then(|(count, per)| Some((count.parse().ok()?, parse_duration(per).ok()?)));
    match parts {
        Some((count @ 1.., per)) => Ok(Rate { count, per, burst: count.saturating_mul(10) }),
        _ => Err("a rate is a number of at least 1 and a duration, such as 20/1s".into()),
    }
}

/// Parses the time before a keepalive probe, from 1 to 32,767 seconds (tcp(7)).
pub(super) fn parse_keepalive(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    let range = Duration::from_secs(1)..=Duration::from_secs(32767);
    if range.contains(&duration) { Ok(duration) } else { Err("a keepalive time is from 1s to 32767s".into()) }
}
