//! Local dates and times.
//!
//! Invariant: the `Display` form is that of RFC 3339. The creator of a room supplies the conversion from system time,
//! so the library needs no calendar and no time zones.

use std::fmt;

/// A time in a zone, to the second. `Display` writes it as in RFC 3339: `2000-01-01T13:00:00+01:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// The day.
    pub date: LocalDate,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60; 60 is a leap second.
    pub second: u8,
    /// Minutes east of UTC.
    pub offset: i16,
}

/// A day of the Gregorian calendar. `Display` writes it as in RFC 3339: `2000-01-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalDate {
    /// 0 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl LocalTime {
    /// The time before a line, such as `13:00 `.
    pub(super) fn stamp(&self) -> String {
        format!("{:02}:{:02} ", self.hour, self.minute)
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LocalTime { date, hour, minute, second, offset } = self;
        let sign = if *offset < 0 { '-' } else { '+' };
        let (hours, minutes) = (offset.unsigned_abs() / 60, offset.unsigned_abs() % 60);
        write!(f, "{date}T{hour:02}:{minute:02}:{second:02}{sign}{hours:02}:{minutes:02}")
    }
}

impl fmt::Display for LocalDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_in_rfc_3339() {
        let date = LocalDate { year: 987, month: 6, day: 5 };
        let at = LocalTime { date, hour: 4, minute: 3, second: 2, offset: 0 };
        assert_eq!(at.to_string(), "0987-06-05T04:03:02+00:00");
        for (offset, zone) in [(60, "+01:00"), (-570, "-09:30"), (-30, "-00:30"), (840, "+14:00")] {
            assert!(LocalTime { offset, ..at }.to_string().ends_with(zone), "{zone}");
        }
    }
}
