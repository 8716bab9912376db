//! Drives [`fuzz::routing`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::routing(bytes));
