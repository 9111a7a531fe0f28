//! Hands the bytes of libFuzzer to the target `relay`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchboard_fuzz::relay::run(bytes));
