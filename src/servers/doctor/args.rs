//! Doctor: a therapist who gives back what patients say, and remembers them.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;

use crate::servers::cli::{
    LimitOrOff, Server, ServerArgs, ServiceHost, ServiceSetup, StartError, line_limits, parse_off, parse_size,
};
use crate::servers::doctor::{Practice, PracticeOptions, Script, Therapist};
use crate::workers::storage::{DataFile, Store};

/// A therapist who gives back what patients say, and remembers them, over TCP and Unix sockets
#[derive(Parser, Debug)]
#[command(name = "doctor-server", version, after_help = EXAMPLES)]
pub struct DoctorServer {
    /// TOML file that says what the therapist says, and when [default: the one that is built in]
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,

    /// File that keeps what patients have said, made if it is missing; :memory: keeps it nowhere [default: doctor.db in
    /// the user's data directory, ~/.local/share/switchboard]
    #[arg(long, value_name = "FILE")]
    pub data: Option<DataFile>,

    /// Longest line that a patient may send
    #[arg(long, value_name = "BYTES|off", default_value = "4096", value_parser = parse_off(parse_size))]
    pub max_line: LimitOrOff<usize>,

    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,
}

const EXAMPLES: &str = "\
Examples:
  doctor-server                                  on 127.0.0.1:5001; try: nc 127.0.0.1 5001
  doctor-server --data /tmp/doctor.db -l '*:5001' --max-connections 500 --idle-timeout 1h
  doctor-server --data :memory: -l unix:/tmp/doctor.sock --stdin commands -v";

impl Server for DoctorServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        // First of all: a script with a fault is to leave no file behind.
        let script = self.script.as_deref().map_or_else(|| Ok(Script::built_in()), read_script)?;
        let file = self.data.clone().map_or_else(|| DataFile::of_user("doctor"), Ok);
        let store = file.and_then(|file| Store::open(&file, &Practice::SCHEMA)).map_err(StartError::failure)?;
        let max_line = self.max_line.0.unwrap_or(usize::MAX);
        let practice = Practice::of(Therapist::new(script), store, PracticeOptions { max_line });
        Ok(host.host(ServiceSetup::new(5001, practice).with_limits(line_limits(max_line))))
    }
}

/// # Errors
/// When it cannot be read, or is no script.
fn read_script(path: &Path) -> Result<Script, StartError> {
    let place = path.display();
    let bytes = fs::read(path).map_err(|error| StartError::failure(format!("cannot read {place}: {error}")))?;
    Script::from_bytes(&bytes).map_err(|error| StartError::usage(format!("{place}: {error}")))
}
