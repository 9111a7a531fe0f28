//! The command line of `daytime-server`.
//!
//! The format and the time zone are handled here, with jiff, so the protocol needs no calendar.

use std::time::SystemTime;

use clap::Parser;
use jiff::Timestamp;
use jiff::fmt::strtime::{BrokenDownTime, Config, PosixCustom};
use jiff::tz::TimeZone;

use crate::servers::Daytime;
use crate::servers::cli::{DatagramArgs, Server, ServerArgs, ServiceHost, ServiceSetup, StartError};
use crate::servers::time_zone::time_zone;

/// Sends the date and time as a line and closes the connection, over TCP, Unix sockets and UDP (RFC 867)
#[derive(Parser, Debug)]
#[command(name = "daytime-server", version, after_help = EXAMPLES)]
pub struct DaytimeServer {
    /// Format of the date and time, as in strftime(3)
    #[arg(long, value_name = "FORMAT", default_value = RFC_867, value_parser = parse_format)]
    pub format: String,

    /// Show UTC instead of the time zone of the environment variable TZ or of this system
    #[arg(long)]
    pub utc: bool,

    /// Send this text as a second line
    #[arg(long, value_name = "TEXT")]
    pub farewell: Option<String>,

    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,

    /// The flags of servers that answer datagrams.
    #[command(flatten)]
    pub datagrams: DatagramArgs,
}

/// The first of the two forms that RFC 867 calls popular: `Tuesday, February 22, 1982 17:37:43-PST`.
const RFC_867: &str = "%A, %B %-d, %Y %H:%M:%S-%Z";

const EXAMPLES: &str = "\
Examples:
  daytime-server                                 on 127.0.0.1:5013; try: nc -d 127.0.0.1 5013
  daytime-server --utc --format %Y-%m-%dT%H:%M:%SZ -l 5013 -l udp:5013
  daytime-server --format '%H:%M' --farewell 'Good bye!'";

impl Server for DaytimeServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        let zone = if self.utc { TimeZone::UTC } else { time_zone() };
        let format = self.format.clone();
        let daytime = Daytime::new(move |at| write(&format, &zone, at).ok(), self.farewell.clone());
        Ok(host.host(ServiceSetup::new(5013, daytime).with_datagrams(&self.datagrams).with_overlapping_upgrades()))
    }
}

/// Checks a format by writing one time: whether a format is valid does not depend on the time.
fn parse_format(text: &str) -> Result<String, String> {
    match write(text, &TimeZone::UTC, SystemTime::UNIX_EPOCH) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn write(format: &str, zone: &TimeZone, at: SystemTime) -> Result<String, jiff::Error> {
    let config = Config::new().custom(PosixCustom::new());
    let at = Timestamp::try_from(at)?.to_zoned(zone.clone());
    BrokenDownTime::from(&at).to_string_with_config(&config, format)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Without the time zone database: rules as POSIX writes them.
    fn pacific() -> TimeZone {
        TimeZone::posix("PST8PDT,M3.2.0,M11.1.0").expect("good rules")
    }

    fn after_1970(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// The RFC's example with another weekday: 22 February 1982 was a Monday.
    #[test]
    fn the_format_is_that_of_the_rfc_unless_told_otherwise() {
        // date -u -d '1982-02-23 01:37:43' +%s
        let written = write(RFC_867, &pacific(), after_1970(383_276_263)).expect("a good format");
        assert_eq!(written, "Monday, February 22, 1982 17:37:43-PST");
        let written = write(RFC_867, &TimeZone::UTC, SystemTime::UNIX_EPOCH).expect("a good format");
        assert_eq!(written, "Thursday, January 1, 1970 00:00:00-UTC");
    }

    #[test]
    fn summer_has_its_own_time() {
        // date -u -d '1982-07-01' +%s
        let written = write("%H:%M %Z %z", &pacific(), after_1970(394_329_600)).expect("a good format");
        assert_eq!(written, "17:00 PDT -0700");
    }

    /// What `LC_ALL=C date -u -d @4000000000 +FORMAT` says.
    #[test]
    fn directives_mean_what_they_mean_to_date() {
        for (format, wanted) in [
            ("%c", "Tue Oct  2 07:06:40 2096"),
            ("%x %X", "10/02/96 07:06:40"),
            ("%d %b %y %H:%M:%S %Z", "02 Oct 96 07:06:40 UTC"),
            ("%FT%T%:z", "2096-10-02T07:06:40+00:00"),
            ("%s", "4000000000"),
            ("%j %U %u 100%%", "276 40 2 100%"),
            ("no directive, grüße", "no directive, grüße"),
            ("", ""),
        ] {
            let written = write(format, &TimeZone::UTC, after_1970(4_000_000_000)).expect("a good format");
            assert_eq!(written, wanted, "{format:?}");
        }
    }

    #[test]
    fn a_format_that_cannot_be_written_is_refused() {
        for format in ["%", "%!", "%H:%M:%", "%E", "%+"] {
            parse_format(format).expect_err(format);
        }
        assert_eq!(parse_format(RFC_867).as_deref(), Ok(RFC_867));
    }

    #[test]
    fn a_time_after_the_year_9999_cannot_be_written() {
        write("%Y", &TimeZone::UTC, after_1970(253_000_000_000)).expect("the year 9987");
        write("%Y", &TimeZone::UTC, after_1970(254_000_000_000)).expect_err("the year 10018");
    }
}
