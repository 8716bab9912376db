//! Copies of requests, from the ticket of a data thread to the account: against origins that misbehave.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "test helpers are outside test functions"
)]

mod accounts;
mod copies;
mod dry_run;
mod faults;
mod repeats;
mod support;
