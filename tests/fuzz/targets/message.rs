//! Drives [`strangler::fuzzing::message`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strangler::fuzzing::message(bytes));
