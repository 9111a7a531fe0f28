//! Hands the bytes of libFuzzer to the target `sim`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchboard_fuzz::sim::run(bytes));
