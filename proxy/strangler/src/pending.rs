//! Stand-ins for parts of core that are being written; removed as they arrive.

use strangler_core::config::Diagnostic;
use strangler_core::routing::{Facts, RequestView};
use strangler_core::snapshot::Snapshot;

pub(crate) trait Render {
    fn render(&self, color: bool) -> String;
}

impl Render for Diagnostic {
    fn render(&self, _color: bool) -> String {
        let place = self.place.as_ref().map(|place| format!(" {place}")).unwrap_or_default();
        format!("{:?}[{}]{place} {}\n", self.severity, self.code, self.message)
    }
}

#[derive(Debug)]
pub(crate) struct LostWriter {
    pub slice: String,
    pub route: String,
    pub example: String,
}

pub(crate) fn lost_writers(_old: &Snapshot, _new: &Snapshot) -> Vec<LostWriter> {
    Vec::new()
}

pub(crate) fn diff(_old: &Snapshot, _new: &Snapshot) -> Vec<String> {
    Vec::new()
}

#[derive(Debug, serde::Serialize)]
pub(crate) struct Explanation {
    pub verdict: String,
}

impl Explanation {
    pub(crate) fn render_text(&self) -> String {
        format!("{}\n", self.verdict)
    }
}

pub(crate) fn explain(snapshot: &Snapshot, view: &RequestView<'_>, facts: Facts<'_>) -> Explanation {
    Explanation { verdict: format!("{:?}", strangler_core::routing::decide(snapshot, view, facts)) }
}
