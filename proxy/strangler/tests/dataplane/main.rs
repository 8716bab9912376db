//! The data plane over real sockets: a proxy in this process, an origin and a client played by hand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    dead_code,
    reason = "test helpers are outside test functions"
)]

mod relay;
mod support;
