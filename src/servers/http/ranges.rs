//! The header `Range` (RFC 9110, section 14).

use std::ops::Range;

/// The most ranges that are answered. A request with more gets the whole file: they are no use, and cost work.
const MAX_RANGES: usize = 16;

/// What a client wants of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// These parts, at least one, each not empty.
    Parts(Vec<Range<u64>>),
    /// Only parts that the file does not have: 416.
    Nothing,
}

impl Wanted {
    /// Parses the value of a header. What is not understood is ignored, as section 14.2 says, and so are ranges that
    /// are together longer than the file.
    pub(super) fn parse(value: &[u8], length: u64) -> Wanted {
        let Some(parts) = str::from_utf8(value).ok().and_then(|value| parse(value, length)) else {
            return Wanted::Whole;
        };
        let total = parts.iter().map(|part| part.end - part.start).sum::<u64>();
        match parts.len() {
            0 => Wanted::Nothing,
            1 => Wanted::Parts(parts),
            _ if total > length => Wanted::Whole,
            _ => Wanted::Parts(parts),
        }
    }
}

/// Returns the parts that a file of `length` bytes has, or `None` if the value is not valid.
fn parse(value: &str, length: u64) -> Option<Vec<Range<u64>>> {
    let (unit, set) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let specs = || set.split(',').map(str::trim).filter(|spec| !spec.is_empty());
    if !(1..=MAX_RANGES).contains(&specs().count()) {
        return None;
    }
    let mut parts = Vec::new();
    for spec in specs() {
        let part = match spec.split_once('-')? {
            ("", suffix) => length.saturating_sub(number(suffix)?)..length,
            (first, "") => number(first)?..length,
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                if first > last {
                    return None;
                }
                first..last.saturating_add(1).min(length)
            }
        };
        if part.start < part.end {
            parts.push(part);
        }
    }
    Some(parts)
}

/// Parses digits. A number that is too large for the type is larger than any file.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "a list of ranges, some with one")]
    fn ranges_are_those_of_the_rfc() {
        let parts = |parts: &[Range<u64>]| Wanted::Parts(parts.to_vec());
        for (value, want) in [
            ("bytes=0-0", parts(&[0..1])),
            ("bytes=0-99", parts(&[0..10])),
            ("Bytes = 3-", parts(&[3..10])),
            ("bytes=-3", parts(&[7..10])),
            ("bytes=-99", parts(&[0..10])),
            ("bytes=0-1, ,4-5,", parts(&[0..2, 4..6])),
            ("bytes=10-,2-3", parts(&[2..4])),
            ("bytes=2-99999999999999999999999", parts(&[2..10])),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=99999999999999999999-", Wanted::Nothing),
            ("bytes=0-,0-", Wanted::Whole),
            ("bytes=5-4", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=1 - 2", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes=,", Wanted::Whole),
            ("lines=0-1", Wanted::Whole),
            ("0-1", Wanted::Whole),
        ] {
            assert_eq!(Wanted::parse(value.as_bytes(), 10), want, "{value}");
        }
        assert_eq!(Wanted::parse(b"bytes=0-", 0), Wanted::Nothing);
        assert_eq!(Wanted::parse(b"bytes=\xff", 10), Wanted::Whole);
        let many = format!("bytes={}", "0-0,".repeat(17));
        assert_eq!(Wanted::parse(many.as_bytes(), 1000), Wanted::Whole);
    }
}
