//! Hands the bytes of libFuzzer to the target `resp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchboard_fuzz::resp::run(bytes));
