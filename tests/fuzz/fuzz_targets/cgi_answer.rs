//! Hands the bytes of libFuzzer to the target `cgi_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchboard_fuzz::cgi_answer::run(bytes));
