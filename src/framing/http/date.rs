//! The date of a response, as a line of its head.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

/// Length of `Date: Sun, 06 Nov 1994 08:49:37 GMT` with its line end, in bytes.
const LENGTH: usize = 37;

thread_local! {
    /// The second that was formatted last. All responses of a second have the same date.
    static LAST: Cell<(u64, [u8; LENGTH])> = const { Cell::new((u64::MAX, [0; LENGTH])) };
}

/// Returns the `Date` header for `time` (RFC 9110, sections 5.6.7 and 6.6.1). Times before 1970 and after 9999 are
/// returned as 1970.
pub(super) fn date_line(time: SystemTime) -> [u8; LENGTH] {
    let second = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (last, text) = LAST.get();
    if last == second { text } else { format(second) }
}

#[cold]
fn format(second: u64) -> [u8; LENGTH] {
    /// The first second of the year 10000, which `httpdate` does not format.
    const TOO_LATE: u64 = 253_402_300_800;
    let second = if second < TOO_LATE { second } else { 0 };
    let date = httpdate::fmt_http_date(UNIX_EPOCH + std::time::Duration::from_secs(second));
    let text = format!("Date: {date}\r\n");
    let text = text.into_bytes().try_into().unwrap_or([b' '; LENGTH]);
    LAST.set((second, text));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_date_is_that_of_its_second() {
        let shown = |second| String::from_utf8_lossy(&date_line(UNIX_EPOCH + Duration::from_secs(second))).into_owned();
        for _ in 0..2 {
            assert_eq!(shown(784_111_777), "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
            assert_eq!(shown(784_111_778), "Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n");
        }
        assert_eq!(shown(u64::from(u32::MAX) * 100), "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
    }
}
