//! Hands the bytes of libFuzzer to the target `bank`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchboard_fuzz::bank::run(bytes));
