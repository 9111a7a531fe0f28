//! Hands the bytes of libFuzzer to the target `websocket`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchboard_fuzz::websocket::run(bytes));
