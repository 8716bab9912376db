//! Drives [`fuzz::redact`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::redact(bytes));
