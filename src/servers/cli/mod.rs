//! The parts of a command line that all servers share: flags, lines on standard output, exit codes.
//!
//! Exit code 0: the server was asked to stop. 1: it could not start or failed, and one line gives the reason. 2: the
//! command line is wrong. Standard output carries one line `listening on ADDRESS` per socket, and the result of a
//! program that has one. Everything else goes to standard error.

mod args;
mod binding;
mod command;
pub(crate) mod config;
mod data;
mod inherited;
mod log_format;
mod report;
mod run;
mod server;
#[cfg(feature = "tls")]
mod tls;
mod upgrade;
mod value;
#[cfg(feature = "web")]
mod web;

pub use args::{DatagramArgs, ListenArgs, ProcessArgs, ServerArgs, Stdin};
pub(crate) use binding::{ListenSetting, ServiceBinding};
pub use command::suggest;
pub(crate) use command::{check, command, left_out, nearest, parse, with_switches};
#[cfg(feature = "storage")]
pub use data::DataArgs;
pub use data::LineArgs;
#[cfg(feature = "http")]
pub(crate) use log_format::JsonLines;
pub use log_format::LogFormat;
pub(crate) use report::exit;
pub use report::{fail, log_level, start_log, usage_error};
pub(crate) use run::{COMMANDS_HINT, former_descriptor_limit, serve};
pub use run::{exit_code, main};
pub use server::{OperatorNeed, Server, ServiceHost, ServiceSetup, StartError, Upgrades, line_limits};
#[cfg(feature = "tls")]
pub use tls::{TlsArgs, TlsClientArgs};
pub use value::{LimitOrOff, ProxyPeer, parse_count, parse_duration, parse_off, parse_proxy, parse_rate, parse_size};
#[cfg(feature = "web")]
pub use web::WebArgs;

#[cfg(test)]
mod tests;
