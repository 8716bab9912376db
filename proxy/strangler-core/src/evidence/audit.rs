//! What each rule hides: so that a rule that hides nothing, or too much, is seen.
//!
//! Owns the counts per rule, over all routes that have it, and when a rule is dead, broad or expired. A
//! difference that several rules match is counted for each.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::judge::{Judged, JudgedRoute, requests_by_signature};
use super::report::RuleReport;
use super::rule;
use super::signatures::Entry;
use super::verdict::grouped;
use crate::compare::{self, Kind};
use crate::snapshot::Compare;
use crate::snapshot::compare::{Accept, Accepted, AcceptedPath, ResponsePath, Select};

/// A rule that matches more places than this hides more than one cause.
const MOST_PLACES: usize = 10;

#[derive(Default)]
struct Audit {
    why: Option<String>,
    until: Option<Date>,
    whole_body: bool,
    compared: u64,
    requests: u64,
    differences: u64,
    signatures: BTreeSet<(String, String)>,
    kinds: BTreeSet<Kind>,
    places: BTreeSet<String>,
}

/// What each rule of a slice's routes hides, by its text.
pub(super) fn audit(judged: &Judged<'_>, today: Date) -> Vec<RuleReport> {
    let mut audits: BTreeMap<Box<str>, Audit> = BTreeMap::new();
    for route in &judged.routes {
        let rules = &route.route.policy.compare;
        let requests = requests_by_signature(route);
        for path in &rules.ignore {
            let text = rule::of_ignore(path);
            let alone = Compare { ignore: vec![path.clone()], ..Compare::default() };
            let audit = audits.entry(text.clone()).or_default();
            audit.whole_body |= is_whole_body(path);
            audit.route(route, &requests, &text, &alone, today);
        }
        for accept in &rules.accept {
            let text = rule::of_accept(accept);
            // What it would hide if its day had not come.
            let ever = Accept { until: Date::MAX, ..accept.clone() };
            let alone = Compare { accept: vec![ever], ..Compare::default() };
            let audit = audits.entry(text.clone()).or_default();
            audit.why = Some(accept.why.clone());
            audit.until = audit.until.max(Some(accept.until));
            if let Accepted::Path { path: AcceptedPath::Response(path), .. } = &accept.what {
                audit.whole_body |= is_whole_body(path);
            }
            audit.route(route, &requests, &text, &alone, today);
        }
    }
    audits.into_iter().map(|(text, audit)| audit.report(&text, today)).collect()
}

impl Audit {
    fn route(&mut self, route: &JudgedRoute<'_>, requests: &[u64], text: &str, alone: &Compare, today: Date) {
        self.compared = self.compared.saturating_add(route.accounts.compared());
        for (entry, requests) in route.evidence.signatures.entries().iter().zip(requests) {
            if !matches(entry, text, alone, today) {
                continue;
            }
            self.requests = self.requests.saturating_add(*requests);
            self.differences = self.differences.saturating_add(entry.times);
            if let Some(what) = &entry.what {
                self.signatures.insert((route.route.id.to_string(), what.signature.to_string()));
                self.kinds.insert(what.kind);
                self.places.insert(what.path.to_string());
            }
        }
    }

    fn report(self, text: &str, today: Date) -> RuleReport {
        let expired = self.until.is_some_and(|until| until < today);
        let dead = self.compared > 0 && self.differences == 0 && self.requests == 0;
        let mut broad = Vec::new();
        if self.whole_body {
            broad.push("it hides whole bodies".to_owned());
        }
        if self.places.len() > MOST_PLACES {
            broad.push(format!("it hides {} different places", self.places.len()));
        }
        let kinds: Vec<String> = self.kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
        let sentence = match (&self.until, self.compared, dead) {
            (Some(until), ..) if expired => {
                format!("`{text}` expired on {until}: {} differences count again", grouped(self.differences))
            }
            (_, 0, _) => format!("`{text}`: nothing was compared yet"),
            (_, _, true) => format!("`{text}` hides nothing"),
            _ => {
                let noun = if kinds.len() == 1 { "kind" } else { "kinds" };
                let what = match kinds.len() {
                    0 => String::new(),
                    count => format!(" of {count} {noun}"),
                };
                format!("`{text}` hides {} differences{what}", grouped(self.differences))
            }
        };
        RuleReport {
            rule: text.to_owned(),
            sentence,
            why: self.why,
            until: self.until,
            expired,
            requests: self.requests,
            differences: self.differences,
            signatures: self.signatures.len() as u64,
            kinds,
            dead,
            broad,
        }
    }
}

fn matches(entry: &Entry, text: &str, alone: &Compare, today: Date) -> bool {
    if entry.by_text.as_deref() == Some(text) {
        return true;
    }
    let Some(what) = &entry.what else { return false };
    !compare::verdict(alone, today, &what.path, what.kind, what.signature).counts()
}

/// `$`, `$.*`, `$[*]`, `$..*`.
fn is_whole_body(path: &ResponsePath) -> bool {
    matches!(path, ResponsePath::Body(path) if path.steps.iter().all(|step| step.select == Select::Any))
}
