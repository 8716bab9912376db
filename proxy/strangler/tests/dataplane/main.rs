//! The data plane over real sockets: a proxy in this process, an origin and a client played by hand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "test helpers are outside test functions"
)]

mod canary;
mod fallback;
mod framing;
mod headers;
mod large;
mod lifecycle;
mod limits;
mod refusals;
mod relay;
mod retries;
mod support;
mod unavailable;
mod upgrades;
mod uploads;
mod upstreams;
