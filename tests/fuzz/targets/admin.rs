//! Drives [`strangler::fuzzing::admin`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strangler::fuzzing::admin(bytes));
