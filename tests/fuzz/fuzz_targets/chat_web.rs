//! Hands the bytes of libFuzzer to the target `chat_web`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchboard_fuzz::chat_web::run(bytes));
