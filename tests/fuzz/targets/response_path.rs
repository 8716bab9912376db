//! Drives [`fuzz::response_path`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::response_path(bytes));
