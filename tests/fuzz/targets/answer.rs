//! Drives [`strangler::fuzzing::answer`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strangler::fuzzing::answer(bytes));
