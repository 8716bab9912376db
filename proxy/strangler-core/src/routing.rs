//! Where a request goes, and why.
//!
//! Owns lookup on a snapshot, [`decide`], its explanation, and what differs between two snapshots.
//! `explain`, `plan` and live traffic call the same [`decide`].

pub mod decide;

pub use decide::{Decision, Facts, Refusal, RequestView, Verdict, decide};
