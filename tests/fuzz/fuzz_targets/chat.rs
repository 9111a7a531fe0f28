//! Hands the bytes of libFuzzer to the target `chat`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchboard_fuzz::chat::run(bytes));
