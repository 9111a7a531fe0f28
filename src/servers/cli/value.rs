//! The values of flags: sizes, durations, networks, and `off`.

use std::time::Duration;

use crate::state::rate::Rate;

/// A limit, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitOrOff<T>(pub Option<T>);

/// A parser that takes `off` besides what `parse` takes.
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

/// A number of bytes: `4096`, `64KiB`, `1MiB`, `1GiB`.
///
/// # Errors
/// When it is none, is zero, or is more than fits.
pub fn parse_size(text: &str) -> Result<usize, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let scale: usize = match unit {
        "" | "B" => 1,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        _ => return Err("a size is a number of bytes, as 4096, 64KiB or 1MiB".into()),
    };
    match number.parse::<usize>().ok().and_then(|number| number.checked_mul(scale)) {
        Some(0) => Err("a size is at least 1".into()),
        Some(size) => Ok(size),
        None => Err("a size is a number of bytes, as 4096, 64KiB or 1MiB".into()),
    }
}

/// How many of something, at least one.
///
/// # Errors
/// When it is no number, or zero.
pub fn parse_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a number of at least 1".into()),
        Ok(count) => Ok(count),
    }
}

/// A duration with its unit: `500ms`, `5s`, `2m`, `1h`.
///
/// # Errors
/// When it is none, or is zero.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("a duration is more than nothing".into()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("a duration has a unit, as 500ms, 5s, 2m or 1h".into()),
    }
}

/// How often something may happen, as `20/1s`: so many in a time, and ten times as many at once.
///
/// # Errors
/// When it is none, or when either is zero.
pub fn parse_rate(text: &str) -> Result<Rate, String> {
    let parts = text.split_once('/').and_then(|(count, per)| Some((count.parse().ok()?, parse_duration(per).ok()?)));
    match parts {
        Some((count @ 1.., per)) => Ok(Rate { count, per, burst: count.saturating_mul(10) }),
        _ => Err("a rate is a number of at least 1 and a duration, as 20/1s".into()),
    }
}

/// A keep-alive time: what tcp(7) takes is 1 to 32767 seconds.
pub(super) fn parse_keepalive(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    let range = Duration::from_secs(1)..=Duration::from_secs(32767);
    if range.contains(&duration) { Ok(duration) } else { Err("keep-alive takes 1s to 32767s".into()) }
}
