//! Hands the bytes of libFuzzer to the target `address`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchboard_fuzz::address::run(bytes));
