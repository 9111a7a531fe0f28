//! Hands the bytes of libFuzzer to the target `http_head`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchboard_fuzz::http_head::run(bytes));
