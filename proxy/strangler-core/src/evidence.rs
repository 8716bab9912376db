//! What comparisons have shown.
//!
//! Owns the accounts every eligible request ends in, their tallies, the tests that tell a bug from noise and
//! enough evidence from too little, the gate's verdict, and the report. Refuses to compare (see
//! [`crate::compare`]) and to store: time, observations and rules are arguments.

pub mod betting;
pub mod binomial;
pub mod noise;
#[cfg(test)]
mod simulation;
