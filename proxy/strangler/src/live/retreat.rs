//! Retreats, as they are asked for and as they are told to people.
//!
//! Owns these shapes. Refuses decisions: [`strangler_core::retreat`] judges, [`super::reload`] carries out.

use serde::{Deserialize, Serialize};
use strangler_core::retreat::{Latch, Latches, Refused, Stale, Target};
use strangler_core::words::{Cause, Owner, Writer};

use super::report::Trigger;

/// A retreat that somebody asks for.
#[derive(Clone, Debug)]
pub struct RetreatOrder {
    /// The slice's name.
    pub slice: String,
    /// Where to.
    pub target: Target,
    /// Whether stale reads are accepted.
    pub stale: Stale,
    /// What causes it.
    pub cause: Cause,
    /// Who asks.
    pub who: String,
    /// Why.
    pub reason: String,
    /// What a judgement rested on, for the history.
    pub figures: Option<serde_json::Value>,
}

/// The wish to lift a retreat.
#[derive(Clone, Debug)]
pub struct ResumeOrder {
    /// The slice's name.
    pub slice: String,
    /// Who asks.
    pub who: String,
    /// Why, where they say.
    pub reason: Option<String>,
}

/// Why a retreat or its lifting did not take place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetreatError {
    /// The configuration has no such slice.
    #[error("there is no slice `{slice}`")]
    UnknownSlice {
        /// As asked for.
        slice: String,
        /// What may have been meant.
        help: String,
    },
    /// It must not be.
    #[error("{error}")]
    Refused {
        /// Why, in a sentence.
        error: String,
        /// What to do instead.
        help: String,
        /// As judged.
        why: Refused,
    },
    /// What is lifted must be lifted on disk first, and that failed.
    #[error("slice `{slice}` stays where it is: lifting its retreat could not be written to disk: {error}")]
    NotKept {
        /// The slice.
        slice: String,
        /// What the disk says.
        error: String,
    },
}

impl RetreatError {
    /// What to do.
    pub fn help(&self) -> &str {
        match self {
            RetreatError::UnknownSlice { help, .. } | RetreatError::Refused { help, .. } => help,
            RetreatError::NotKept { .. } => "look at `server.data_dir`, and ask again",
        }
    }

    pub(super) fn refused(slice: &strangler_core::snapshot::Slice, why: Refused) -> RetreatError {
        let name = &slice.name;
        let (error, help) = match why {
            Refused::Forward { at, to } => (
                format!("slice `{name}` is in phase {at}: {to} would be a step forward, not a retreat"),
                format!(
                    "a retreat is lifted with `strangler resume {name}`; going forward is an edit of the file"
                ),
            ),
            Refused::StaleReads { to, side } => {
                (stale_error(slice, to.as_str(), side), stale_help(slice, side))
            }
        };
        RetreatError::Refused { error, help, why }
    }
}

fn stale_error(slice: &strangler_core::snapshot::Slice, to: &str, side: Owner) -> String {
    let sync = match slice.sync {
        None => "no `sync` is stated".to_owned(),
        Some(sync) => format!("sync is {sync}"),
    };
    let why = if slice.is_reached(side) {
        "is behind by more than `sync_lag` allows, or does not say how far".to_owned()
    } else {
        format!("the data does not reach ({sync})")
    };
    format!(
        "in phase {to} reads of slice `{}` would be answered by {side}, which {why}: its writer is {}, and they \
         would be stale",
        slice.name, slice.writer
    )
}

fn stale_help(slice: &strangler_core::snapshot::Slice, side: Owner) -> String {
    let keep = match (side, slice.writer) {
        (Owner::Legacy, Writer::Extracted) => "bring the data there first",
        _ => "let the data get there first",
    };
    format!("{keep}; or accept stale reads: --accept-stale, or \"accept_stale\": true")
}

/// A retreat in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatchReport {
    /// The phase above which the slice does not go.
    pub to: String,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
    /// `manual`, `guardrail` or `unreadable`.
    pub cause: String,
    /// Who asked for it.
    pub who: String,
    /// Why.
    pub reason: String,
}

impl From<&Latch> for LatchReport {
    fn from(Latch { to, since, cause, who, reason }: &Latch) -> LatchReport {
        LatchReport {
            to: to.as_str().to_owned(),
            since: format!("{since:.3}"),
            cause: cause.as_str().to_owned(),
            who: who.clone(),
            reason: reason.clone(),
        }
    }
}

/// What became of a wish to retreat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetreatReport {
    /// The slice.
    pub slice: String,
    /// `retreated`, or `already` where it was there or below.
    pub outcome: String,
    /// The highest phase that was in effect of its routes.
    pub from: String,
    /// The phase in effect now.
    pub to: String,
    /// Phase of the file, which stays as it is.
    pub phase: String,
    /// Requests still in flight at the extracted service: they finish there.
    pub in_flight: u64,
    /// It is on disk: a restart finds it. True as well where nothing is meant to be kept.
    pub kept: bool,
    /// Why it is not, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What holds the slice now.
    pub retreat: Option<LatchReport>,
    /// All of it in a sentence.
    pub sentence: String,
}

/// What became of a wish to lift a retreat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeReport {
    /// The slice.
    pub slice: String,
    /// `resumed`, or `not-retreated` where nothing held it.
    pub outcome: String,
    /// The phase that was in effect.
    pub from: String,
    /// The phase in effect now: the file's.
    pub to: String,
    /// What was lifted.
    pub retreat: Option<LatchReport>,
    /// All of it in a sentence.
    pub sentence: String,
}

/// A retreat, or its end, as the history and the log tell it.
#[derive(Clone, Debug)]
pub struct LatchEvent {
    /// What happened.
    pub what: LatchChange,
    /// What brought it.
    pub source: Trigger,
    /// The configuration in service.
    pub generation: u64,
    /// Hash of its files.
    pub hash: String,
    /// The slice.
    pub slice: String,
    /// What holds it, or held it.
    pub latch: Latch,
    /// Who lifted it, and why.
    pub lifted_by: Option<(String, Option<String>)>,
    /// What a judgement rested on.
    pub figures: Option<serde_json::Value>,
    /// All of it in a sentence.
    pub sentence: String,
}

/// What happens to a retreat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatchChange {
    /// It began.
    Retreated,
    /// A person lifted it.
    Resumed,
    /// The file went as low.
    Absorbed,
}

impl LatchChange {
    /// As the history names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            LatchChange::Retreated => "retreated",
            LatchChange::Resumed => "resumed",
            LatchChange::Absorbed => "absorbed",
        }
    }
}

/// Keeps retreats on disk; what it says is why it could not. It may block.
pub type Keep = std::sync::Arc<dyn Fn(&Latches) -> Result<(), String> + Send + Sync>;
