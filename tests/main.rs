//! Tests.
mod loopback;
