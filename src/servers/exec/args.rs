//! The command line of `exec-server`.

use std::env;
use std::ffi::OsString;
use std::time::Duration;

use clap::Parser;

use crate::servers::Exec;
use crate::servers::cli::{
    LimitOrOff, Server, ServerArgs, ServiceHost, ServiceSetup, StartError, former_descriptor_limit, parse_count,
    parse_duration, parse_off,
};
use crate::{Limits, Spawn};

/// Runs a program for each client, with the connection as its standard input and output, over TCP and Unix sockets
#[derive(Parser, Debug)]
#[command(name = "exec-server", version, after_help = EXAMPLES)]
pub struct ExecServer {
    /// Programs at a time; a client above the limit is closed at once
    #[arg(long, value_name = "N|off", default_value = "64", value_parser = parse_off(parse_count))]
    pub max_children: LimitOrOff<usize>,

    /// End a program that runs for longer than this, and close its client
    #[arg(long, value_name = "DUR|off", default_value = "off", value_parser = parse_off(parse_duration))]
    pub timeout: LimitOrOff<Duration>,

    /// The program and its arguments. No shell is involved
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    pub command: Vec<OsString>,

    /// The flags of every server.
    #[command(flatten)]
    pub server: ServerArgs,
}

const EXAMPLES: &str = "\
Examples:
  exec-server -- date                            on 127.0.0.1:5011; try: nc -d 127.0.0.1 5011
  exec-server --timeout 10s -- sort              try: nc -N 127.0.0.1 5011 < file
  exec-server -- sh -c 'echo \"you are $REMOTE_ADDR\"; exec cat'
  exec-server -l unix:/tmp/sort.sock --max-children 2 -- sort -n";

const PORT: u16 = 5011;

/// Variables that a service manager sets for this process only.
const OWN_VARIABLES: [&str; 5] = ["LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "LISTEN_PIDFDID", "NOTIFY_SOCKET"];

impl Server for ExecServer {
    fn shared(&self) -> &ServerArgs {
        &self.server
    }

    fn start<T: ServiceHost>(&self, host: T) -> Result<T::Output, StartError> {
        let Some((program, args)) = self.command.split_first() else {
            return Err(StartError::usage("a program is missing; give one after --"));
        };
        let mut spawn = Spawn::new(program);
        spawn.args = args.to_vec();
        spawn.env = env::vars_os().filter(|(name, _)| OWN_VARIABLES.iter().all(|own| name != own)).collect();
        spawn.descriptors = former_descriptor_limit();
        spawn.program = spawn.find_program().map_err(|error| {
            let shown = spawn.program.display();
            StartError::failure(format!("cannot run {shown}: {error}; give the path of a program, or its name in PATH"))
        })?;
        let exec = Exec::new(spawn);
        let exec = if let LimitOrOff(Some(timeout)) = self.timeout { exec.with_timeout(timeout) } else { exec };
        let limits = Limits { max_children: self.max_children.0, ..Limits::default() };
        Ok(host.host(ServiceSetup::new(PORT, exec).with_limits(limits).with_overlapping_upgrades()))
    }
}
