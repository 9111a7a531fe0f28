//! Hands the bytes of libFuzzer to the target `phonebook`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| switchboard_fuzz::phonebook::run(bytes));
