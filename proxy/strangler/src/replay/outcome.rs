//! What a replay has shown: the ledger of its own, the gate, what of the corpus was not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use strangler_core::compare::{Compared, Finding, NotCompared};
use strangler_core::evidence::corpus::{self, Replay};
use strangler_core::evidence::report::{self, Strictness};
use strangler_core::evidence::shape::{self, Shape};
use strangler_core::evidence::verdict::{Condition, State, Verdict, grouped, percent};
use strangler_core::evidence::{Example, Ledger, Limits, Observation, Outcome, PairedLatency, Report};
use strangler_core::redact::{Pseudonyms, Redactor};
use strangler_core::snapshot::Snapshot;
use strangler_core::words::{Owner, RouteId, Share};

use super::item::Item;
use super::load::LeftOut;
use super::run::Judged;

/// More answers than this that did not persist, and the replay says too little; as the live gate has it.
const UNSETTLED_CAP: f64 = 0.1;

/// Shapes that are told by name when they were never compared.
const SHAPES_TOLD: usize = 5;

/// Distinct shapes that are told apart; a corpus with more is not judged by them.
const SHAPES_MAX: usize = 1_000_000;

/// What makes a replay fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailOn {
    /// A signature that the baseline does not have.
    New,
    /// Any signature that nobody accepted.
    Any,
    /// None: only the rate is judged.
    Never,
}

/// What is demanded of a replay.
#[derive(Clone, Debug)]
pub(crate) struct Demands {
    pub(crate) fail_on: FailOn,
    /// Signatures that were known when the corpus was made.
    pub(crate) baseline: BTreeSet<String>,
    pub(crate) max_mismatch: Option<Share>,
    pub(crate) min_samples: u64,
    pub(crate) confidence: Share,
    pub(crate) strictness: Strictness,
}

/// What became of the corpus, as JSON has it.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Counts {
    /// Exchanges in the corpus.
    pub(crate) exchanges: u64,
    /// Sent to both sides, or to the candidate.
    pub(crate) replayed: u64,
    /// Not sent: their method may have an effect and was not asked for.
    pub(crate) skipped_methods: u64,
    /// Not sent: no route of the configuration takes them.
    pub(crate) skipped_routes: u64,
    /// Not sent: they belong to slices that were not asked for.
    pub(crate) skipped_slices: u64,
    /// Compared.
    pub(crate) compared: u64,
    /// Not compared because they no longer hold.
    pub(crate) stale: u64,
    /// Not sent as they were: what was kept of them is not enough.
    pub(crate) incomplete: u64,
    /// Distinct shapes among those that were to be sent.
    pub(crate) shapes: u64,
    /// Of those, compared at least once.
    pub(crate) shapes_compared: u64,
}

/// Gathers what becomes of each exchange.
#[derive(Debug)]
pub(crate) struct Gathered<'a> {
    snapshot: &'a Snapshot,
    ledger: Ledger,
    began: Timestamp,
    today: Date,
    pub(crate) counts: Counts,
    /// Every shape, what became of it, and an example of it.
    shapes: BTreeMap<u64, (Looked, Box<str>)>,
    /// Whether the corpus has more shapes than are told apart.
    overflowed: bool,
}

/// What became of a shape so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Looked {
    /// It was not compared.
    Never,
    /// Only by requests of this route that were set aside: compared where all of those turn out to be hidden.
    SetAside(RouteId),
    Compared,
}

/// What follows from a replay.
#[derive(Debug)]
pub(crate) struct Conclusion {
    pub(crate) report: Report,
    pub(crate) verdict: Verdict,
    pub(crate) counts: Counts,
    pub(crate) summary: Vec<String>,
    /// Signatures that were found and do not fail the replay.
    pub(crate) tolerated: BTreeSet<String>,
    /// Whether an accepted difference has expired.
    pub(crate) expired: bool,
}

impl<'a> Gathered<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot) -> Gathered<'a> {
        let began = Timestamp::now();
        let mut ledger = Ledger::new(Limits::DEFAULT);
        ledger.follow(snapshot, began);
        Gathered {
            snapshot,
            ledger,
            began,
            today: crate::live::compile::today(),
            counts: Counts::default(),
            shapes: BTreeMap::new(),
            overflowed: false,
        }
    }

    /// Exchanges that were not looked at.
    pub(crate) fn left_out(&mut self, why: LeftOut, count: u64) {
        self.counts.exchanges += count;
        match why {
            LeftOut::NoRoute => self.counts.skipped_routes += count,
            LeftOut::OtherSlice => self.counts.skipped_slices += count,
        }
    }

    /// One exchange and what became of it; `None`: it was not to be sent.
    pub(crate) fn add(&mut self, item: &Item, judged: Option<&Judged>) {
        self.counts.exchanges += 1;
        let Some(judged) = judged else {
            self.counts.skipped_methods += 1;
            return;
        };
        self.counts.replayed += u64::from(judged.pair.is_some());
        self.counts.incomplete += u64::from(item.incomplete.is_some());
        let looked = match (&judged.compared, &judged.set_aside) {
            (Compared::Compared(_), _) => Looked::Compared,
            (Compared::NotCompared(_), Some(_)) => Looked::SetAside(item.route),
            (Compared::NotCompared(_), None) => Looked::Never,
        };
        let is_stale = matches!(judged.compared, Compared::NotCompared(NotCompared::Stale));
        self.counts.stale += u64::from(is_stale);
        let shape = self.shape(item, judged);
        self.note_shape(shape, item, looked);
        let route = self.snapshot.route(item.route);
        let redactor = Redactor::new(&Pseudonyms::Blank, &route.policy.compare.redact, Some(&route.pattern));
        let example = |finding: &Finding| Some(self.example(item, finding, &redactor));
        let rules = &route.policy.compare;
        let outcome = match (&judged.compared, &judged.set_aside) {
            (Compared::NotCompared(reason), Some(first)) => {
                Outcome::set_aside(*reason, first, rules, self.today)
            }
            (compared, _) => Outcome::of(compared, rules, self.today, example),
        };
        let latency = judged.pair.as_ref().and_then(|(legacy, extracted)| {
            Some(PairedLatency { legacy: legacy.latency?, extracted: extracted.latency? })
        });
        let (slice, route) = (Arc::clone(&item.slice), Arc::clone(&route.id));
        let at = Timestamp::now().max(self.began);
        let observation = Observation {
            slice,
            route,
            at,
            shape,
            version: None,
            outcome,
            latency,
            repeated: judged.repeated.clone(),
        };
        self.ledger.observe(&observation);
    }

    fn example(&self, item: &Item, finding: &Finding, redactor: &Redactor<'_>) -> Example {
        let path = finding.difference.path.to_string();
        let value =
            |value: &Option<String>| value.as_ref().map(|value| Box::from(redactor.value_at(&path, value)));
        Example {
            request: item.id.as_str().into(),
            at: item.at,
            method: item.method.as_str().into(),
            // As it was recorded: redacted.
            target: item.target.as_str().into(),
            path: redactor.place(&path).into(),
            legacy: value(&finding.difference.left_value),
            extracted: value(&finding.difference.right_value),
        }
    }

    /// What tells this exchange from others: by what was recorded, where that is whole, so that one that no longer
    /// holds is missed.
    fn shape(&self, item: &Item, judged: &Judged) -> u64 {
        let header = |name: &str| item.lines.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let content_type = header("content-type").and_then(|(_, value)| std::str::from_utf8(value).ok());
        let answer = item.recorded.as_ref().or(judged.pair.as_ref().map(|(legacy, _)| &legacy.reply));
        Shape {
            route: &self.snapshot.route(item.route).id,
            query: item.target.split_once('?').map_or("", |(_, query)| query),
            cohort: Owner::Legacy,
            status: item.recorded_status.or(answer.map(|reply| reply.status)).unwrap_or_default(),
            content_type,
            structure: answer.and_then(shape::structure_of),
        }
        .hash()
    }

    fn note_shape(&mut self, shape: u64, item: &Item, looked: Looked) {
        if let Some((known, _)) = self.shapes.get_mut(&shape) {
            *known = (*known).max(looked);
        } else if self.shapes.len() < SHAPES_MAX {
            let example = format!("{} {}", item.method, item.target).into();
            self.shapes.insert(shape, (looked, example));
        } else {
            self.overflowed = true;
        }
    }

    /// The report and the verdict.
    pub(crate) fn conclude(mut self, demands: &Demands) -> Conclusion {
        let now = Timestamp::now().max(self.began);
        let mut report = match report::build(&self.ledger, self.snapshot, None, now) {
            Ok(report) => report,
            Err(_) => {
                Report { version: report::VERSION, at: now, sentence: String::new(), slices: Vec::new() }
            }
        };
        // The live gate is about traffic over time; a corpus has one of its own.
        report.slices.retain(|slice| slice.accounts.eligible > 0);
        for slice in &mut report.slices {
            slice.gate = None;
            if let Some((found, _)) = slice.sentence.split_once("; gate: ") {
                slice.sentence = found.to_owned();
            }
        }
        self.settle(&report);
        self.counts.shapes = self.shapes.len() as u64;
        let compared = self.shapes.values().filter(|(looked, _)| *looked == Looked::Compared);
        self.counts.shapes_compared = compared.count() as u64;
        let problems = report.slices.iter().flat_map(|slice| &slice.problems);
        let (failing, tolerated): (BTreeSet<String>, BTreeSet<String>) =
            problems.map(|problem| problem.name().to_owned()).partition(|signature| match demands.fail_on {
                FailOn::New => !demands.baseline.contains(signature),
                FailOn::Any => true,
                FailOn::Never => false,
            });
        let replay = Replay {
            compared: self.counts.compared,
            mismatched: report.slices.iter().map(|slice| slice.accounts.mismatch).sum(),
            stale: self.counts.stale,
            shapes: self.counts.shapes + u64::from(self.overflowed),
            shapes_compared: self.counts.shapes_compared,
            new_signatures: failing.into_iter().collect(),
            max_mismatch: demands.max_mismatch,
            confidence: demands.confidence,
            min_samples: demands.min_samples,
        };
        let mut conditions = corpus::verdict(&replay).conditions;
        conditions.push(unsettled(&report, replay.compared));
        let verdict = Verdict::of(conditions);
        let expired = demands.strictness == Strictness::Strict
            && report.slices.iter().flat_map(|slice| &slice.rules).any(|rule| rule.expired);
        report.sentence = self.sentence(&replay, &verdict);
        let mut summary = self.summary(&report);
        summary.extend(tolerated_words(demands.fail_on, &tolerated));
        Conclusion { report, verdict, counts: self.counts, summary, tolerated, expired }
    }

    /// What was set aside is compared after all where everything found there is hidden, such as by noise.
    fn settle(&mut self, report: &Report) {
        self.counts.compared = report.slices.iter().map(|slice| slice.accounts.compared).sum();
        let is_unsettled = |route: &report::RouteReport| {
            let reasons = [NotCompared::Transient, NotCompared::Unstable].map(NotCompared::as_str);
            reasons.iter().any(|reason| route.accounts.reasons.contains_key(*reason))
        };
        let routes = report.slices.iter().flat_map(|slice| &slice.routes);
        let unsettled: BTreeSet<&str> =
            routes.filter(|route| is_unsettled(route)).map(|route| &*route.route).collect();
        for (looked, _) in self.shapes.values_mut() {
            if let Looked::SetAside(route) = *looked {
                let is_settled = !unsettled.contains(&*self.snapshot.route(route).id);
                *looked = if is_settled { Looked::Compared } else { Looked::Never };
            }
        }
    }

    fn sentence(&self, replay: &Replay, verdict: &Verdict) -> String {
        let found = match replay.mismatched {
            _ if replay.compared == 0 => "nothing was compared".to_owned(),
            0 => format!("no difference counts in {} comparisons", grouped(replay.compared)),
            bad => format!(
                "{} of {} comparisons do not match ({})",
                grouped(bad),
                grouped(replay.compared),
                percent(bad as f64 / replay.compared as f64)
            ),
        };
        match verdict.state {
            State::Pass => format!("Pass: {found}."),
            State::Failed => format!("Failed: {found}."),
            State::Insufficient => format!("Insufficient evidence: {found}."),
        }
    }

    fn summary(&self, report: &Report) -> Vec<String> {
        let counts = &self.counts;
        let sum = |account: fn(&report::AccountsReport) -> u64| -> String {
            grouped(report.slices.iter().map(|slice| account(&slice.accounts)).sum())
        };
        let left_out: Vec<String> = [
            (counts.skipped_methods, "because of their method"),
            (counts.skipped_routes, "because no route takes them"),
            (counts.skipped_slices, "of other slices"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, why)| format!("{} {why}", grouped(count)))
        .collect();
        let left_out =
            if left_out.is_empty() { String::new() } else { format!("; not sent: {}", left_out.join(", ")) };
        let mut summary = vec![format!(
            "match {}, mismatch {}, ignored {}, not-compared {} of {} recorded exchanges{left_out}.",
            sum(|accounts| accounts.matched),
            sum(|accounts| accounts.mismatch),
            sum(|accounts| accounts.ignored),
            sum(|accounts| accounts.not_compared),
            grouped(counts.exchanges),
        )];
        if counts.incomplete > 0 {
            let incomplete = grouped(counts.incomplete);
            summary.push(format!("Of {incomplete} requests not enough was kept to send them again."));
        }
        let missing: Vec<&str> = self
            .shapes
            .values()
            .filter(|(looked, _)| *looked != Looked::Compared)
            .map(|(_, example)| &**example)
            .collect();
        if !missing.is_empty() {
            let told: Vec<&str> = missing.iter().copied().take(SHAPES_TOLD).collect();
            let more = missing.len() - told.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            summary.push(format!("Never compared are requests such as {}{more}.", told.join(", ")));
        }
        summary
    }
}

/// Answers that did not persist when both sides were asked again say nothing, so there must not be many of them.
fn unsettled(report: &Report, compared: u64) -> Condition {
    let of = |reason: NotCompared| -> u64 {
        let reasons = report.slices.iter().filter_map(|slice| slice.accounts.reasons.get(reason.as_str()));
        reasons.sum()
    };
    let unsettled = of(NotCompared::Transient).saturating_add(of(NotCompared::Unstable));
    let all = compared.saturating_add(unsettled);
    let share = if all == 0 { 0.0 } else { unsettled as f64 / all as f64 };
    let state = if share > UNSETTLED_CAP { State::Insufficient } else { State::Pass };
    let measured = format!("{} transient or unstable ({})", percent(share), grouped(unsettled));
    let sentence = match state {
        State::Pass => measured.clone(),
        _ => format!("{measured}: ignore what differs in every answer, or hold the data still"),
    };
    Condition {
        name: "unsettled".to_owned(),
        state,
        measured,
        demanded: format!("at most {}", percent(UNSETTLED_CAP)),
        sentence,
        more_needed: None,
    }
}

/// Why differences that were found do not fail a replay.
fn tolerated_words(fail_on: FailOn, tolerated: &BTreeSet<String>) -> Option<String> {
    let count = tolerated.len();
    let problems = if count == 1 { "1 problem does".to_owned() } else { format!("{count} problems do") };
    let why = match fail_on {
        FailOn::New => "known since the corpus was made",
        FailOn::Any | FailOn::Never => "only the rate is judged",
    };
    (count > 0).then(|| format!("{problems} not fail it: {why}."))
}
