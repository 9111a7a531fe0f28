//! Several services in one process and one loop: what inetd's internal services were.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use super::plan::{ServiceSpec, from_toml, from_words};
use crate::Services;
use crate::servers::cli::{self, ProcessArgs, StartError};

/// Runs several servers in one process: one loop, one console, one log
#[derive(Parser, Debug)]
#[command(name = "switchboard", version, after_help = EXAMPLES)]
pub struct Switchboard {
    /// A server and where it listens; without =ADDR, at its own port on loopback. Several addresses are several words
    #[arg(value_name = "NAME[=ADDR]", required_unless_present = "config", conflicts_with = "config")]
    pub services: Vec<String>,

    /// Host what this TOML file says: a table for each service, its keys the flags of the server
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The flags of the process.
    #[command(flatten)]
    pub process: ProcessArgs,
}

const EXAMPLES: &str = "\
Examples:
  switchboard echo=7000 uppercase=7001 chat=8888
  switchboard echo=7000 echo=udp:7000            one service, two sockets
  switchboard --config services.toml --stdin commands";

impl Switchboard {
    /// Hosts the services of the command line until asked to stop: what `main` does.
    #[must_use]
    pub fn main() -> ExitCode {
        let args = Switchboard::parse();
        args.process.start_log();
        cli::outlive_file_limit();
        match args.run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(StartError::Usage(message)) => cli::usage_error::<Switchboard>(message),
            Err(StartError::Failure(message)) => cli::fail::<Switchboard>(&message),
        }
    }

    fn run(&self) -> Result<(), StartError> {
        let planned = match &self.config {
            Some(path) => from_file(path)?,
            None => from_words(&self.services).map_err(StartError::usage)?,
        };
        let mut services = Services::new();
        let mut places = Vec::new();
        for ServiceSpec { name, entry, words } in planned {
            let place = (entry.add)(&mut services, &name, words);
            places.push(place.map_err(|error| error.within(&name))?);
        }
        cli::host(&self.process, services, &places)
    }
}

/// # Errors
/// When it cannot be read, is no such file, or plans nothing.
fn from_file(path: &Path) -> Result<Vec<ServiceSpec>, StartError> {
    let place = path.display();
    let text =
        std::fs::read_to_string(path).map_err(|error| StartError::failure(format!("cannot read {place}: {error}")))?;
    let planned = from_toml(&text).map_err(|error| StartError::usage(format!("{place}: {error}")))?;
    if planned.is_empty() {
        return Err(StartError::usage(format!("{place}: there is no service in it; one is a table, as [echo]")));
    }
    Ok(planned)
}
