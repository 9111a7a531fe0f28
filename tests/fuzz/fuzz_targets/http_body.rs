//! Hands the bytes of libFuzzer to the target `http_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchboard_fuzz::http_body::run(bytes));
