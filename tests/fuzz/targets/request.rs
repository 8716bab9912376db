//! Drives [`strangler::fuzzing::request`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strangler::fuzzing::request(bytes));
