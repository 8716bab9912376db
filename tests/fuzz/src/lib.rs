//! What must hold for any bytes that reach the pure part.
//!
//! Owns one function per thing that reads bytes: it takes any bytes, and panics where a property does not hold.
//! `tests/fuzz/targets` drives them with libFuzzer; `tests/replay.rs` runs them over the kept corpus. Refuses
//! what only the program has: those properties stand beside its code, in `strangler::fuzzing`.
//!
//! Inputs are text that a person can read and write, so that a corpus file tells what it is about.

mod configuration;
mod head;
mod json;
mod pattern;
mod redact;
mod reply;
mod routing;
mod settings;

pub use configuration::configuration;
pub use json::compare_json;
pub use pattern::pattern;
pub use redact::redact;
pub use reply::compare_reply;
pub use routing::routing;
pub use settings::{predicates, response_path};

/// A property over any bytes.
pub type Target = fn(&[u8]);

/// Every property of this crate, by the name of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("compare_json", compare_json),
    ("compare_reply", compare_reply),
    ("configuration", configuration),
    ("pattern", pattern),
    ("predicates", predicates),
    ("redact", redact),
    ("response_path", response_path),
    ("routing", routing),
];
