//! Several services in one process and one loop, like the internal services of inetd.

mod args;
mod catalog;
mod check;
mod plan;

pub use args::{Switchboard, SwitchboardCommand};
pub use catalog::programs;
