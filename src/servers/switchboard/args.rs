//! The command line of `switchboard`.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{FromArgMatches, Parser, Subcommand};

use super::check;
use super::plan::{Plan, ServiceSpec, from_file, from_words, own_command};
use crate::console::job_control;
use crate::servers::cli::config::{CommandLine, ConfigFile};
use crate::servers::cli::{self, LogFormat, ProcessArgs, StartError};
use crate::{Limits, Reactor, Services, sanitize};

/// Runs several servers in one process: one loop, one console, one log
#[derive(Parser, Debug)]
#[command(name = "switchboard", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true, disable_help_subcommand = true)]
pub struct Switchboard {
    /// A server and an address; without =ADDR, its default port on loopback. Repeat the name for more addresses
    #[arg(value_name = "NAME[=ADDR]", required_unless_present = "config", conflicts_with = "config")]
    pub services: Vec<String>,

    /// Host the services of a TOML file: one table for each service, with the flags of its server as keys. Before the
    /// tables, the keys are flags of the process. The command line wins
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The flags of the process.
    #[command(flatten)]
    pub process: ProcessArgs,

    /// The command, in place of services.
    #[command(subcommand)]
    pub command: Option<SwitchboardCommand>,
}

/// What `switchboard` does in place of hosting services.
#[derive(Subcommand, Debug)]
#[non_exhaustive]
pub enum SwitchboardCommand {
    /// Report each mistake in a configuration file with its line and column, and start nothing
    Check {
        /// A file of services, or of one server that its key `server` names
        file: PathBuf,

        /// The server that the file is for
        #[arg(long, value_name = "NAME")]
        server: Option<String>,
    },
}

const EXAMPLES: &str = "\
Examples:
  switchboard echo=7000 uppercase=7001 chat=8888
  switchboard echo=7000 echo=udp:7000            one service on two addresses
  switchboard --config services.toml --stdin commands
  switchboard check services.toml                reports mistakes, and starts nothing";

impl Switchboard {
    /// Hosts the services of the command line until asked to stop. This is the `main` of `switchboard`.
    #[inline]
    #[must_use]
    pub fn main() -> ExitCode {
        job_control::keep_running();
        let words: Vec<_> = env::args_os().collect();
        LogFormat::choose_by_words(&words);
        match Self::read(words) {
            Ok((args, services)) => {
                if let Some(SwitchboardCommand::Check { file, server }) = &args.command {
                    return cli::exit_code::<Switchboard>(check::check(file, server.as_deref()).and_then(print));
                }
                args.process.prepare();
                cli::exit_code::<Switchboard>(args.run(services))
            }
            Err(error) => cli::exit_code::<Switchboard>(Err(error)),
        }
    }

    /// Reads the command line, and the file that it names. Ends the process at a wrong command line.
    #[inline]
    fn read(words: Vec<OsString>) -> Result<(Self, Vec<ServiceSpec>), StartError> {
        let command = own_command();
        let (words, services) = match CommandLine::with_config(&command, &words) {
            None => (words, Vec::new()),
            Some(line) => {
                let file = ConfigFile::read(&line.config)?;
                let mut mistakes = Vec::new();
                let entries = file.entries()?;
                let Plan { mut process, services } = from_file(&file, entries, &mut mistakes);
                file.refuse(mistakes)?;
                line.overrule(&command, &mut process);
                (process.add_to(words), services)
            }
        };
        let matches = command.try_get_matches_from(words).unwrap_or_else(|error| cli::exit(&cli::suggest(error, hint)));
        let args = Switchboard::from_arg_matches(&matches).unwrap_or_else(|error| cli::exit(&error));
        if args.config.is_some() || args.command.is_some() {
            return Ok((args, services));
        }
        let services = from_words(&args.services).map_err(|error| StartError::usage(sanitize(error.as_bytes())))?;
        Ok((args, services))
    }

    #[inline]
    fn run(&self, specs: Vec<ServiceSpec>) -> Result<(), StartError> {
        let limits = self.process.limits(&Limits::default());
        let mut reactor = Reactor::new(Services::new(), limits).map_err(StartError::failure)?;
        let mut bindings = Vec::new();
        for ServiceSpec { setting, entry, words } in specs {
            let name = setting.service().to_owned();
            let binding = (entry.hosting().add)(&mut reactor, setting, words);
            bindings.push(binding.map_err(|error| error.within(&name))?);
        }
        cli::serve(reactor, &self.process, &bindings)
    }
}

/// The hint for a port or an address that is given as to a single server.
fn hint(word: &str) -> Option<String> {
    let is_address = ["-l", "--listen", "-p", "--port"].contains(&word);
    cli::left_out(word)
        .or_else(|| is_address.then(|| "to listen on an address, use 'NAME=ADDR', such as 'echo=7000'".to_owned()))
}

/// Writes the result of a check to standard output.
#[allow(clippy::needless_pass_by_value, reason = "for and_then")]
fn print(line: String) -> Result<(), StartError> {
    writeln!(io::stdout(), "{line}").map_err(|error| StartError::failure(format!("cannot write: {error}")))
}
