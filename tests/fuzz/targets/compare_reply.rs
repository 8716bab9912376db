//! Drives [`fuzz::compare_reply`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::compare_reply(bytes));
