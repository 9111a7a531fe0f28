//! `switchboard check`: the mistakes in a configuration file.

use std::path::Path;

use super::catalog::CatalogEntry;
use super::plan::from_file;
use crate::servers::cli::config::{ConfigFile, Entry, Mistake, Scope, Settings, take_server};
use crate::servers::cli::{ListenSetting, StartError};

/// Checks a file of services, or of the one server that `server` or the key `server` names. Returns a line that says
/// what the file has. Nothing but the file is opened, so a port in use or a missing certificate is found at the start.
///
/// # Errors
/// If the file cannot be read. All mistakes in it, each with its line and column.
#[inline]
pub(super) fn check(path: &Path, server: Option<&str>) -> Result<String, StartError> {
    if let Some(name) = server
        && CatalogEntry::find(name).is_none()
    {
        return Err(StartError::usage(format!("--server {name}: {}", CatalogEntry::missing(name, ""))));
    }
    let file = ConfigFile::read(path)?;
    let mut mistakes = Vec::new();
    let mut entries = file.entries()?;
    let named = take_server(&file, &mut entries, &mut mistakes);
    let good = match (server, named) {
        (Some(server), Some((named, at))) if server != named => {
            let message = format!("this file is for the server {named:?}, not for {server:?}");
            mistakes.push(Mistake::new(at, message));
            String::new()
        }
        (Some(server), _) => check_server(&file, (server, 0), entries, &mut mistakes),
        (None, Some((named, at))) => check_server(&file, (&named, at), entries, &mut mistakes),
        (None, None) => {
            let plan = from_file(&file, entries, &mut mistakes);
            let services: Vec<_> = plan.services.iter().map(|spec| spec.setting.service()).collect();
            format!("a file of switchboard, with the services {}", services.join(", "))
        }
    };
    let name = file.name().to_owned();
    file.refuse(mistakes)?;
    Ok(format!("{name}: {good}"))
}

/// Checks the settings of one server, which was named at an offset.
#[inline]
fn check_server(
    file: &ConfigFile,
    (name, at): (&str, usize),
    entries: Vec<Entry<'_>>,
    mistakes: &mut Vec<Mistake>,
) -> String {
    let Some(entry) = CatalogEntry::find(name) else {
        mistakes.push(Mistake::new(at, CatalogEntry::missing(name, "")));
        return String::new();
    };
    let command = (entry.command)();
    let settings = Settings::read(file, &command, Scope::Server, entries, mistakes);
    let missing = settings.check(&command, mistakes);
    if mistakes.is_empty()
        && missing.is_empty()
        && let Err(StartError::Usage(message)) = (entry.hosting().check)(ListenSetting::Flag, settings.words(&command))
    {
        mistakes.push(Mistake::new(settings.place(&message).unwrap_or(at), message));
    }
    let by_flag = if missing.is_empty() { String::new() } else { format!("; it needs --{}", missing.join(" and --")) };
    format!("a file of {name}-server{by_flag}")
}
