//! Replaying a corpus: the same requests to both sides, compared without production traffic.
//!
//! Owns sending recorded requests, what is no evidence (a primary that no longer answers as it did), the gate
//! of a replay, and its test of itself. Refuses to send what may have an effect unless asked to, and to read or
//! write a corpus.

mod context;
mod identity;
mod item;
mod judge;
mod load;
mod mutate;
mod outcome;
mod run;
mod scan;
mod selftest;
mod send;
mod settings;

pub(crate) use context::with_context;
pub(crate) use item::Item;
pub(crate) use load::{LeftOut, Loader, as_recorded};
pub(crate) use outcome::{Conclusion, Demands, FailOn, Gathered};
pub(crate) use run::{Judged, RunError, run};
pub(crate) use selftest::SelfTest;
pub(crate) use send::Side;
pub(crate) use settings::{Methods, Pace, Primary, Settings};

/// Which side of a replay: who answered when the corpus was recorded, and who is to take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// The one that is held to be right.
    Primary,
    /// The one that is judged.
    Candidate,
}

impl Role {
    /// As messages and the identities command have it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Role::Primary => "primary",
            Role::Candidate => "candidate",
        }
    }
}
