//! The time zone of this process, for the servers that show times.

use jiff::tz::TimeZone;

use crate::servers::cli::StartError;

/// The zone that the environment variable TZ names, or else the system's. A system that has none is taken to be at UTC, as
/// everywhere; but whoever has set TZ wants something, and is told when it cannot be had.
pub(super) fn time_zone() -> Result<TimeZone, StartError> {
    TimeZone::try_system().or_else(|error| {
        if let Some(name) = std::env::var_os("TZ") {
            return Err(StartError::failure(format!(
                "TZ={} is no time zone of this system; set it to one, as Europe/Berlin or UTC",
                name.display()
            )));
        }
        log::info!("this system has no time zone, so it is UTC: {error}");
        Ok(TimeZone::UTC)
    })
}
