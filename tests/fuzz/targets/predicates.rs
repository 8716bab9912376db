//! Drives [`fuzz::predicates`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::predicates(bytes));
