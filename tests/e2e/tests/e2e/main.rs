//! The whole system over real sockets: the real program as a process, one file per feature.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::let_underscore_must_use,
    reason = "helpers of tests"
)]

mod support;

mod admin;
mod agreement;
mod canary;
mod chaos;
mod commands;
mod cutover;
mod evidence;
mod guardrails;
mod letter;
mod lints;
mod load;
mod metrics;
mod oncall;
mod pains;
mod plan;
mod promote;
mod races;
mod recordings;
mod rejected;
mod reload;
mod replay;
mod report;
mod resources;
mod retreat;
mod shadow;
mod shutdown;
mod start;
mod status;
mod storefront;
mod traffic;
mod truncated;
mod upstreams;
mod watch;
