//! The command line of `doctor-server`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;

use super::{Doctor, Therapist};
#[cfg(feature = "web")]
use crate::servers::Doors;
#[cfg(feature = "web")]
use crate::servers::cli::WebArgs;
use crate::servers::cli::{DataArgs, LineArgs, Server, ServerArgs, ServiceHost, ServiceSetup, StartError};

/// A therapist that turns what patients say into questions and remembers them, over TCP and Unix sockets
#[derive(Parser, Debug)]
#[command(name = "doctor-server", version, after_help = EXAMPLES)]
#[command(mut_arg("data", |data| data.help(DATA)))]
pub struct DoctorServer {
    /// TOML file with the therapist's rules and texts [default: the built-in script]
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,

    /// The data file.
    #[command(flatten)]
    pub data: DataArgs,

    /// The longest line.
    #[command(flatten)]
    pub lines: LineArgs,

    /// The flags of the web door.
    #[cfg(feature = "web")]
    #[command(flatten)]
    pub web: WebArgs,

    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,
}

const DATA: &str = "File that keeps the conversations, created if it is missing; :memory: keeps them in memory only \
    [default: doctor.db in the user's data directory, ~/.local/share/switchboard]";

const EXAMPLES: &str = "\
Examples:
  doctor-server                                  on 127.0.0.1:5001; try: nc 127.0.0.1 5001
  doctor-server --data /tmp/doctor.db -l '*:5001' --max-connections 500 --idle-timeout 1h
  doctor-server --data :memory: -l unix:/tmp/doctor.sock --stdin commands -v
  doctor-server -l 5001 -l web:8081              for browsers, too: http://127.0.0.1:8081/";

impl Server for DoctorServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    #[cfg(feature = "web")]
    fn check(&self) -> Result<(), StartError> {
        self.web.options(&self.server.listen).map(drop)
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        // A fault of a flag or of the script leaves no data file behind.
        #[cfg(feature = "web")]
        let web = self.web.options(&self.server.listen)?;
        let therapist = self.script.as_deref().map_or_else(|| Ok(Therapist::built_in()), read_script)?;
        let store = self.data.open("doctor", &Doctor::SCHEMA)?;
        let doctor = Doctor::lines(therapist, store, self.lines.max_line());
        doctor.get_ref().start_thread().map_err(StartError::thread)?;
        let setup = ServiceSetup::new(5001, doctor).with_limits(self.lines.limits()).with_web_door();
        #[cfg(feature = "web")]
        if let Some(web) = web {
            return Ok(host.host(setup.map(|doctor| Doors::of_lines(doctor, web))));
        }
        Ok(host.host(setup))
    }
}

fn read_script(path: &Path) -> Result<Therapist, StartError> {
    let name = path.display();
    let bytes = fs::read(path).map_err(|error| StartError::failure(format!("cannot read {name}: {error}")))?;
    Therapist::parse(&bytes).map_err(|error| StartError::usage(format!("{name}: {error}")))
}
