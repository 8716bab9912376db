//! Drives [`fuzz::compare_json`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::compare_json(bytes));
