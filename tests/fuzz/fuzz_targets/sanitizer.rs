//! Hands the bytes of libFuzzer to the target `sanitizer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchboard_fuzz::sanitizer::run(bytes));
