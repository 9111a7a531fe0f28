//! A single-threaded reactor on `mio`, and the family of network servers that it hosts.

#[doc(hidden)]
pub mod console;
#[doc(hidden)]
pub mod stdio;
