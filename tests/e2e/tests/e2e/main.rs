//! The whole system over real sockets: one test binary, a file per feature.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod storefront;

/// What plays every role.
fn executable() -> stack::Executable {
    stack::Executable::new(env!("CARGO_BIN_EXE_e2e-node"))
}
