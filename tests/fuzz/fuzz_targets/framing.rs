//! Hands the bytes of libFuzzer to the target `framing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchboard_fuzz::framing::run(bytes));
