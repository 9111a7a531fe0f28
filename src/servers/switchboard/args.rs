//! The command line of `switchboard`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use super::plan::{ServiceSpec, from_toml, from_words};
use crate::console::job_control;
use crate::servers::cli::{self, ProcessArgs, StartError};
use crate::{Limits, Reactor, Services, sanitize};

/// Runs several servers in one process: one loop, one console, one log
#[derive(Parser, Debug)]
#[command(name = "switchboard", version, after_help = EXAMPLES)]
pub struct Switchboard {
    /// A server and an address; without =ADDR, its default port on loopback. Repeat the name for more addresses
    #[arg(value_name = "NAME[=ADDR]", required_unless_present = "config", conflicts_with = "config")]
    pub services: Vec<String>,

    /// Host the services of a TOML file: one table for each service, with the flags of its server as keys
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The flags of the process.
    #[command(flatten)]
    pub process: ProcessArgs,
}

const EXAMPLES: &str = "\
Examples:
  switchboard echo=7000 uppercase=7001 chat=8888
  switchboard echo=7000 echo=udp:7000            one service on two addresses
  switchboard --config services.toml --stdin commands";

impl Switchboard {
    /// Hosts the services of the command line until asked to stop. This is the `main` of `switchboard`.
    #[must_use]
    pub fn main() -> ExitCode {
        job_control::keep_running();
        let args = Switchboard::try_parse().unwrap_or_else(|error| cli::suggest(error, hint).exit());
        args.process.prepare();
        cli::exit_code::<Switchboard>(args.run())
    }

    fn run(&self) -> Result<(), StartError> {
        let specs = match &self.config {
            Some(path) => from_file(path)?,
            None => from_words(&self.services).map_err(|error| StartError::usage(sanitize(error.as_bytes())))?,
        };
        let limits = self.process.limits(&Limits::default());
        let mut reactor = Reactor::new(Services::new(), limits).map_err(StartError::failure)?;
        let mut bindings = Vec::new();
        for ServiceSpec { setting, entry, words } in specs {
            let name = setting.service().to_owned();
            let binding = (entry.add)(&mut reactor, setting, words);
            bindings.push(binding.map_err(|error| error.within(&name))?);
        }
        cli::serve(reactor, &self.process, &bindings)
    }
}

/// The hint for a port or an address that is given as to a single server.
fn hint(word: &str) -> Option<String> {
    let is_address = ["-l", "--listen", "-p", "--port"].contains(&word);
    is_address.then(|| "to listen on an address, use 'NAME=ADDR', such as 'echo=7000'".to_owned())
}

/// Reads the services of a configuration file.
///
/// # Errors
/// If the file cannot be read, is malformed, or has no service.
fn from_file(path: &Path) -> Result<Vec<ServiceSpec>, StartError> {
    let shown = path.display();
    let text =
        std::fs::read_to_string(path).map_err(|error| StartError::failure(format!("cannot read {shown}: {error}")))?;
    let specs =
        from_toml(&text).map_err(|error| StartError::usage(format!("{shown}: {}", sanitize(error.as_bytes()))))?;
    if specs.is_empty() {
        return Err(StartError::usage(format!("{shown}: the file has no service; add a table such as [echo]")));
    }
    Ok(specs)
}
