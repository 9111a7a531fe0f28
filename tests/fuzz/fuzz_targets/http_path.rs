//! Hands the bytes of libFuzzer to the target `http_path`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchboard_fuzz::http_path::run(bytes));
