//! A single-threaded reactor on `mio`, and the family of network servers that it hosts.

pub mod address;
pub mod socket;
