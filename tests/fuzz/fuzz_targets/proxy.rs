//! Hands the bytes of libFuzzer to the target `proxy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchboard_fuzz::proxy::run(bytes));
