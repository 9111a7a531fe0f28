//! The faults.

pub(crate) mod descriptors;
pub(crate) mod escapes;
pub(crate) mod files;
pub(crate) mod flood;
pub(crate) mod half_open;
pub(crate) mod headless;
pub(crate) mod long_line;
pub(crate) mod narrow;
pub(crate) mod noise;
pub(crate) mod reset;
pub(crate) mod signals;
pub(crate) mod stopped;
pub(crate) mod storm;
pub(crate) mod stuck;
pub(crate) mod trickle;
pub(crate) mod vanish;
