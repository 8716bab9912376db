//! Replaying a corpus: the same requests to both sides, compared without production traffic.
//!
//! Owns sending recorded requests, what is no evidence (a primary that no longer answers as it did), the gate
//! of a replay, and its test of itself. Refuses to send what may have an effect unless asked to, and to read or
//! write a corpus.

mod identity;
mod item;
mod judge;
mod mutate;
mod run;
mod scan;
mod send;

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
