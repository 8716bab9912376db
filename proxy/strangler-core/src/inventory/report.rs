//! The inventory as it is shown.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::tree::Tree;

/// All templates, most called first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InventoryReport {
    /// Requests counted.
    pub requests: u64,
    /// Since when; `None`: no request yet.
    pub since: Option<Timestamp>,
    /// Requests whose template found no room of its own and are counted in one above it.
    pub collapsed: u64,
    /// The templates.
    pub templates: Vec<TemplateReport>,
}

/// One template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemplateReport {
    /// Such as `/orders/{id}`.
    pub path: String,
    /// Requests.
    pub calls: u64,
    /// Share of requests that may have changed something, 0..=1.
    pub write_share: f64,
    /// The first request.
    pub first: Timestamp,
    /// The last one.
    pub last: Timestamp,
    /// Who answers: `legacy`, `extracted`, `proxy`; with shares where there are several: `legacy 90 %, extracted 10 %`.
    pub owner: String,
    /// The slice it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<String>,
    /// The route that took it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Requests spelt almost as a route is, which no route took.
    pub near_misses: u64,
    /// By method, most called first.
    pub methods: Vec<MethodReport>,
}

/// One method of a template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MethodReport {
    /// Its name.
    pub method: String,
    /// Requests.
    pub calls: u64,
    /// The last one.
    pub last: Timestamp,
    /// By status class.
    pub statuses: BTreeMap<String, u64>,
}

pub(super) fn of(tree: &Tree) -> InventoryReport {
    let mut templates = Vec::new();
    tree.each(&mut |path, node| {
        let all = || node.tallies.values();
        let (Some(first), Some(last)) = (all().map(|t| t.first).min(), all().map(|t| t.last).max()) else {
            return;
        };
        let calls: u64 = all().map(|tally| tally.calls).sum();
        let writes: u64 = all().map(|tally| tally.writes).sum();
        let mut owners: BTreeMap<&str, u64> = BTreeMap::new();
        for (owner, count) in all().flat_map(|tally| &tally.owners) {
            *owners.entry(owner).or_default() += count;
        }
        let latest = all().max_by_key(|tally| tally.last);
        let mut methods: Vec<MethodReport> = node
            .tallies
            .iter()
            .map(|(method, tally)| MethodReport {
                method: method.to_string(),
                calls: tally.calls,
                last: tally.last,
                statuses: tally.statuses.clone(),
            })
            .collect();
        methods.sort_by(|a, b| b.calls.cmp(&a.calls).then_with(|| a.method.cmp(&b.method)));
        templates.push(TemplateReport {
            path: path.to_owned(),
            calls,
            write_share: share(writes, calls),
            first,
            last,
            owner: owner(&owners, calls),
            slice: latest.and_then(|tally| tally.slice.clone()),
            route: latest.and_then(|tally| tally.route.clone()),
            near_misses: all().map(|tally| tally.near_misses).sum(),
            methods,
        });
    });
    templates.sort_by(|a, b| b.calls.cmp(&a.calls).then_with(|| a.path.cmp(&b.path)));
    InventoryReport {
        requests: templates.iter().map(|template| template.calls).sum(),
        since: templates.iter().map(|template| template.first).min(),
        collapsed: tree.collapsed,
        templates,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share is shown in percent")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn owner(owners: &BTreeMap<&str, u64>, calls: u64) -> String {
    let mut sorted: Vec<(&str, u64)> = owners.iter().map(|(owner, count)| (*owner, *count)).collect();
    sorted.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
    match sorted.as_slice() {
        [(only, _)] => (*only).to_owned(),
        several => {
            let parts: Vec<String> = several
                .iter()
                .map(|(owner, count)| format!("{owner} {:.0} %", share(*count, calls) * 100.0))
                .collect();
            parts.join(", ")
        }
    }
}
