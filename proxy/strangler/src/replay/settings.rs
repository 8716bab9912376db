//! How a corpus is sent: to whom, what of it, and when.

use std::num::NonZeroU16;

use strangler_core::words::Share;

use super::identity::Lines;
use super::send::Side;

/// The primary of a replay.
#[derive(Clone, Debug)]
pub(crate) enum Primary {
    /// What was recorded.
    Recorded,
    /// Asked now.
    Live(Side),
}

/// Which requests are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Methods {
    /// Those that only read: by their method, or because their route says so.
    Safe,
    /// Those of these methods.
    These(Vec<String>),
    /// All.
    All,
}

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As soon as there is room.
    Asap,
    /// As they came.
    Recorded,
}

/// How a corpus is sent.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) primary: Primary,
    pub(crate) candidate: Side,
    pub(crate) methods: Methods,
    pub(crate) concurrency: NonZeroU16,
    pub(crate) pace: Pace,
    /// Set on every request to the primary.
    pub(crate) primary_headers: Lines,
    /// Set on every request to the candidate.
    pub(crate) candidate_headers: Lines,
    /// The command that gives fresh credentials.
    pub(crate) identities: Option<String>,
    /// Whether a mismatching read is asked again.
    pub(crate) recheck: bool,
    /// Share of the reads for which a live primary is asked twice, to learn what differs by itself; `None`: as the
    /// rules say (`shadow.repeat`).
    pub(crate) repeat: Option<Share>,
}
