//! Several services in one process and one loop: what inetd's internal services were.

mod args;
mod catalog;
mod plan;

pub use args::Switchboard;
