//! Conditional requests (RFC 9110, section 13).

use std::time::{Duration, SystemTime};

use crate::framing::http::{Headers, Request};

/// What identifies a version of a file.
#[derive(Clone, Debug)]
pub(super) struct Validators {
    /// With its quotes. It is strong: it changes with each change of the bytes.
    pub(super) etag: String,
    /// In whole seconds, as clients see it.
    pub(super) modified: SystemTime,
}

/// What the conditions of a request decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The file is sent, or the part of it that `Range` asks for.
    Send,
    /// The file is sent. `Range` is about another version of it.
    SendWhole,
    /// 304
    NotModified,
    /// 412
    Failed,
}

impl Validators {
    /// Evaluates the conditions of a GET or HEAD request in the order of section 13.2.2.
    pub(super) fn evaluate(&self, request: &Request<'_>) -> Verdict {
        let headers = request.headers();
        let since = |name| headers.get(name).and_then(date);
        if headers.get("If-Match").is_some() {
            if !tags(headers, "If-Match").any(|tag| tag == "*" || tag == self.etag) {
                return Verdict::Failed;
            }
        } else if since("If-Unmodified-Since").is_some_and(|date| self.modified > date) {
            return Verdict::Failed;
        }
        if headers.get("If-None-Match").is_some() {
            if tags(headers, "If-None-Match").any(|tag| tag == "*" || tag.trim_start_matches("W/") == self.etag) {
                return Verdict::NotModified;
            }
        } else if since("If-Modified-Since").is_some_and(|date| self.modified <= date) {
            return Verdict::NotModified;
        }
        match headers.get("If-Range") {
            Some(value) if !self.is_same(value) => Verdict::SendWhole,
            _ => Verdict::Send,
        }
    }

    /// Whether the value of `If-Range` names this version: its tag, or its exact date (section 13.1.5).
    fn is_same(&self, value: &[u8]) -> bool {
        value == self.etag.as_bytes() || date(value) == Some(self.modified)
    }
}

/// The tags of a list. A comma within a tag does not occur in the tags of this server, so it can split here.
fn tags<'a>(headers: Headers<'a>, name: &'static str) -> impl Iterator<Item = &'a str> {
    headers.all(name).filter_map(|value| str::from_utf8(value).ok()).flat_map(|value| value.split(',')).map(str::trim)
}

/// A date that is not valid is ignored (sections 13.1.3 and 13.1.4).
fn date(value: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(str::from_utf8(value).ok()?).ok()
}

/// Returns a time in seconds after 1970 as a time that a date of HTTP can have: from 1970 to 9999.
pub(super) fn whole_seconds(seconds: i64) -> SystemTime {
    /// The last second of the year 9999.
    const LAST: u64 = 253_402_300_799;
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0).min(LAST))
}
