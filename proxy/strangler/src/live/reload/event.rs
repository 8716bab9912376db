//! What the reload task tells the rest of the program.

use std::sync::Arc;

use strangler_core::config::Sources;

use crate::live::Running;
use crate::live::report::{ReloadReport, Trigger};
use crate::live::retreat::LatchEvent;

/// What a reload tells the rest of the program.
#[derive(Clone, Debug)]
pub enum Event {
    /// A configuration is about to serve in which an extracted side owns writes. It must be kept before it
    /// serves: after a crash in between, the older one would be all there is to compare writers with.
    Accepted {
        /// The texts it was read from.
        sources: Sources,
    },
    /// A new configuration serves.
    Applied {
        /// What brought it.
        trigger: Trigger,
        /// The configuration.
        running: Arc<Running>,
        /// The texts it was read from.
        sources: Sources,
        /// The outcome as reported.
        report: ReloadReport,
    },
    /// A configuration was refused.
    Rejected {
        /// What brought it.
        trigger: Trigger,
        /// The outcome as reported.
        report: ReloadReport,
    },
    /// The retreats that were kept cannot be read: every slice is held.
    RetreatsUnreadable {
        /// Why.
        error: String,
        /// The configuration in service.
        generation: u64,
    },
    /// A guardrail calls for a retreat that cannot be.
    GuardrailBlocked {
        /// The slice.
        slice: String,
        /// What is broken, and why there is no retreat.
        sentence: String,
        /// What the judgement rested on.
        figures: serde_json::Value,
        /// The configuration in service.
        generation: u64,
    },
    /// A retreat began or ended.
    Latch(Box<LatchEvent>),
    /// The files on disk are again what serves.
    Restored {
        /// What brought it.
        trigger: Trigger,
        /// In service.
        generation: u64,
        /// Of its files.
        hash: String,
    },
}

/// Called with every event, off the data threads, and waited for.
pub type Observer = Arc<dyn Fn(&Event) + Send + Sync>;
