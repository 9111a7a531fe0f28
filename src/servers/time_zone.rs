//! The time zone in which servers show times.

use jiff::tz::TimeZone;

use crate::servers::cli::StartError;

/// Returns the zone that the environment variable `TZ` names, or else the zone of the system.
///
/// If the system has no zone, it is UTC. If `TZ` names no known zone, the server does not start: the user asked for a
/// certain zone.
pub(super) fn time_zone() -> Result<TimeZone, StartError> {
    TimeZone::try_system().or_else(|error| {
        if let Some(name) = std::env::var_os("TZ") {
            return Err(StartError::failure(format!(
                "TZ={} is not a time zone of this system; set it to one, such as Europe/Berlin or UTC",
                name.display()
            )));
        }
        log::info!("this system has no time zone, so times are in UTC: {error}");
        Ok(TimeZone::UTC)
    })
}
