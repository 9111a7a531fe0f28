//! Hands the bytes of libFuzzer to the target `doctor`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchboard_fuzz::doctor::run(bytes));
