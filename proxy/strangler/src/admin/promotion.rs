//! What the history keeps of a promotion, told along with the wish to read the edited file.
//!
//! Owns that it is kept once, and only when its edit serves. Refuses to judge: whoever edits has asked the gate.

use serde::Deserialize;

use super::Admin;
use crate::live::report::{ReloadReport, Trigger};
use crate::store::Entry;

/// Characters of one text that are kept.
const TEXT_MAX: usize = 500;

/// Figures that are kept.
const FIGURES_MAX: usize = 20;

/// A promotion, as its command tells it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PromotionBody {
    slice: String,
    from: String,
    to: String,
    who: String,
    #[serde(default)]
    why: Option<String>,
    /// What was measured against what was demanded.
    #[serde(default)]
    figures: Vec<String>,
    /// Of the configuration that says so.
    hash: String,
}

impl PromotionBody {
    /// Tells the history, once what it is about serves.
    pub(super) async fn record(&self, admin: &Admin, report: &ReloadReport) {
        let (generation, hash) = match report {
            ReloadReport::Applied { generation, hash, .. }
            | ReloadReport::Unchanged { generation, hash, .. } => (*generation, hash),
            ReloadReport::Rejected { .. } => return,
        };
        if *hash != self.hash {
            return;
        }
        let entry = self.entry(generation);
        tracing::info!(
            slice = clean(&self.slice),
            from = clean(&self.from),
            to = clean(&self.to),
            who = clean(&self.who),
            why = clean(self.why.as_deref().unwrap_or_default()),
            generation,
            "promoted"
        );
        let store = std::sync::Arc::clone(&admin.parts.store);
        let kept = tokio::task::spawn_blocking(move || store.append(&entry)).await;
        if !matches!(kept, Ok(Ok(()))) {
            tracing::error!("the history was not written");
        }
    }

    fn entry(&self, generation: u64) -> Entry {
        let PromotionBody { slice, from, to, who, why, figures, hash } = self;
        let figures: Vec<String> = figures.iter().take(FIGURES_MAX).map(|figure| clean(figure)).collect();
        Entry {
            hash: Some(clean(hash)),
            slice: Some(clean(slice)),
            who: Some(clean(who)),
            why: why.as_deref().map(clean),
            figures: (!figures.is_empty()).then(|| serde_json::json!({ "sentences": figures })),
            changes: vec![format!("slice {}: {} → {}", clean(slice), clean(from), clean(to))],
            ..Entry::new("promoted", Trigger::Admin, generation)
        }
    }
}

/// What may stand in a line of the history.
fn clean(text: &str) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect()
}
