//! Where a request goes, and why.
//!
//! Owns lookup on a snapshot, [`decide()`], its explanation, and what differs between two snapshots.
//! `explain`, `plan` and live traffic call the same [`decide()`].

pub mod cohort;
pub mod decide;
pub mod diff;
pub mod explain;
pub mod fallback;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod properties;
pub mod recent;
pub mod rewrite;
pub mod shadow;
pub mod writers;

pub use crate::matching::{RequestView, SpellingDifference};
pub use decide::{Decision, Facts, NearMiss, Refusal, Verdict, decide};
pub use diff::{Change, Diff, diff};
pub use explain::{Candidate, Explanation, Outcome, explain};
pub use rewrite::{Rewritten, rewrite};
pub use writers::{LostWriter, lost_writers};
