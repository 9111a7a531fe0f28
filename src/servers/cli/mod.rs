//! What every server's command line has in common: the flags, the lines on standard output, the exit codes.
//!
//! Exit 0: asked to stop. 1: could not start, or died; one line says why. 2: usage. Standard output carries one line
//! `listening on ADDRESS` a socket, and a program's own result where it has one; everything else goes to standard error.

mod args;
mod data;
mod inherited;
mod report;
mod run;
mod server;
mod value;

pub use args::{DatagramArgs, ListenArgs, ProcessArgs, ServerArgs, Stdin};
#[cfg(feature = "storage")]
pub use data::DataArgs;
pub use data::LineArgs;
pub use report::{fail, log_level, start_log, usage_error};
pub use run::main;
pub(crate) use run::{COMMANDS_HINT, ServiceBinding, host, outlive_file_limit};
pub use server::{Operator, Server, ServiceHost, ServiceSetup, StartError, line_limits};
pub use value::{LimitOrOff, parse_count, parse_duration, parse_off, parse_rate, parse_size};

#[cfg(test)]
mod tests;
