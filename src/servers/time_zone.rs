//! The time zone in which servers show times.
//!
//! Deliberately not here: leap seconds. A zone below `right/` has the same times as the one without.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::local_time::{LocalDate, LocalTime};

/// Returns the zone of the environment variable `TZ`, or else the zone of the system.
///
/// `TZ` has the meaning that it has to `date` (tzset(3)). If it names no zone, times are in UTC, and a warning says so.
/// If the system has no zone, it is UTC.
pub(super) fn time_zone() -> TimeZone {
    let Some(value) = std::env::var_os("TZ") else {
        return TimeZone::try_system().unwrap_or_else(|error| {
            log::info!("this system has no time zone, so times are in UTC: {error}");
            TimeZone::UTC
        });
    };
    zone_of(&value).unwrap_or_else(|| {
        log::warn!("TZ={} is not a time zone of this system, so times are in UTC", value.display());
        TimeZone::UTC
    })
}

/// The rule of a summer time that has none: that of the United States, as in POSIX.
const DEFAULT_RULE: &str = ",M3.2.0,M11.1.0";

/// Returns the zone of a value of `TZ`: a file of the time zone database, or a rule of POSIX. A colon before it has no
/// meaning.
fn zone_of(value: &OsStr) -> Option<TimeZone> {
    let value = value.as_bytes();
    let value = value.strip_prefix(b":").unwrap_or(value);
    if value.is_empty() {
        return Some(TimeZone::UTC);
    }
    let database = std::env::var_os("TZDIR").unwrap_or_else(|| "/usr/share/zoneinfo".into());
    // An absolute path replaces that of the database.
    read(&Path::new(&database).join(OsStr::from_bytes(value))).or_else(|| {
        let rule = str::from_utf8(value).ok()?;
        TimeZone::posix(rule).or_else(|_| TimeZone::posix(&format!("{rule}{DEFAULT_RULE}"))).ok()
    })
}

/// Reads a file of the time zone database.
fn read(path: &Path) -> Option<TimeZone> {
    // A device or a pipe could be without an end.
    let is_file = fs::metadata(path).is_ok_and(|found| found.is_file());
    let bytes = is_file.then(|| fs::read(path).ok())??;
    TimeZone::tzif(&path.to_string_lossy(), &bytes).ok()
}

/// The local time in `zone`. A time outside of the calendar, from a clock that is wrong by millennia, becomes the
/// beginning of 1970.
pub(super) fn local_time(at: SystemTime, zone: &TimeZone) -> LocalTime {
    let at = Timestamp::try_from(at).unwrap_or_default().to_zoned(zone.clone());
    LocalTime {
        date: LocalDate {
            year: u16::try_from(at.year()).unwrap_or(0),
            month: at.month().unsigned_abs(),
            day: at.day().unsigned_abs(),
        },
        hour: at.hour().unsigned_abs(),
        minute: at.minute().unsigned_abs(),
        second: at.second().unsigned_abs(),
        offset: (at.offset().seconds() / 60) as i16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use std::time::Duration;

    /// The time after 1970 in a zone, as `date` of this system shows it.
    fn by_date(zone: &str, seconds: i64) -> String {
        let at = format!("@{seconds}");
        let mut date = Command::new("date");
        let output =
            date.args(["-d", &at, "+%F %T %z"]).env("TZ", zone).env("LC_ALL", "C").output().expect("date runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
    }

    fn shown(zone: &TimeZone, seconds: i64) -> String {
        let at = Timestamp::from_second(seconds).expect("a time of this century");
        at.to_zoned(zone.clone()).strftime("%F %T %z").to_string()
    }

    #[test]
    fn a_zone_means_what_it_means_to_date() {
        let rules =
            ["CET-1CEST", "CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,J60/2,J300", "EST5", "UTC+3", "GMT-14", "UTC0"];
        let names = ["", ":", ":UTC", "IST-5:30", "<+03>-3", ":EST5EDT4", "Europe/Berlin", ":Asia/Tokyo", "Etc/GMT+3"];
        let paths = ["posix/Europe/Berlin", "/usr/share/zoneinfo/Europe/Berlin", ":/usr/share/zoneinfo/Asia/Tokyo"];
        // 1 January and 1 July 2000, at noon.
        for seconds in [946_728_000, 962_452_800] {
            for value in rules.iter().chain(&names).chain(&paths) {
                let zone = zone_of(OsStr::new(value));
                // Without a database, date falls back to UTC.
                let zone = zone.unwrap_or(TimeZone::UTC);
                assert_eq!(shown(&zone, seconds), by_date(value, seconds), "TZ={value}");
            }
        }
    }

    #[test]
    fn what_names_no_zone_is_told() {
        for value in
            ["Nowhere/Here", "AB", "::UTC", " UTC", "/etc/passwd", "/nonexistent", "/dev/zero", "posix", "europe"]
        {
            assert_eq!(zone_of(OsStr::new(value)), None, "{value}");
        }
        assert_eq!(zone_of(OsStr::from_bytes(b"\xff")), None);
    }

    #[test]
    fn times_are_those_of_the_zone_in_summer_and_in_winter() {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a rule");
        let at = |seconds| local_time(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds), &berlin).to_string();
        assert_eq!(at(946_728_000), "2000-01-01T13:00:00+01:00");
        assert_eq!(at(962_452_799), "2000-07-01T13:59:59+02:00");
        let newfoundland = TimeZone::posix("NST3:30").expect("a rule");
        assert_eq!(local_time(SystemTime::UNIX_EPOCH, &newfoundland).to_string(), "1969-12-31T20:30:00-03:30");
        assert_eq!(local_time(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40), &TimeZone::UTC).date.year, 1970);
    }
}
