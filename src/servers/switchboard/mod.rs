//! Several services in one process and one loop, like the internal services of inetd.

mod args;
mod catalog;
mod plan;

pub use args::Switchboard;
pub use catalog::programs;
