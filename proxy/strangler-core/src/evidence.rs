//! What comparisons have shown.
//!
//! Owns the accounts every eligible request ends in, their tallies, the tests that tell a bug from noise and
//! enough evidence from too little, the gate's verdict, and the report. Refuses to compare (see
//! [`crate::compare`]) and to store: time, observations and rules are arguments.

mod account;
mod audit;
pub mod betting;
pub mod binomial;
pub mod corpus;
mod epoch;
pub mod gate;
mod judge;
mod latency;
mod ledger;
mod limits;
pub mod noise;
mod observation;
pub mod report;
mod route;
pub mod rows;
pub mod rule;
pub mod shape;
mod signatures;
#[cfg(test)]
mod simulation;
mod tally;
#[cfg(test)]
mod tests;
pub mod verdict;

pub use account::Accounts;
pub use epoch::{Basis, Cause, Epoch};
pub use latency::{Latencies, Sketch};
pub use ledger::{Ledger, NewSignature, Noted, UnknownSlice};
pub use limits::{Dropped, Limits, Size};
pub use observation::{
    Difference, Example, HidingRule, Observation, Outcome, PairedLatency, Recount, Repeated, Seen,
};
pub use report::Report;
pub use route::COUNTS_PER_SHAPE;
pub use tally::Count;
