//! From what a comparison found to what is kept of it: redacted here, on the shadow thread, before anything leaves it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use strangler_core::compare::{Compared, End, Finding, NotCompared, Reply, Signature, Transport};
use strangler_core::evidence::shape::{Shape, Structures};
use strangler_core::evidence::{Example, Observation, Outcome, PairedLatency};
use strangler_core::lints::Sighting;
use strangler_core::matching::path::split_target;
use strangler_core::matching::request::HeaderLines;
use strangler_core::redact::{Ended, Exchanged, RawReply, RawRequest, Redactor};
use strangler_core::routing::RequestView;
use strangler_core::snapshot::Route;
use strangler_core::snapshot::policy::Examples;
use strangler_core::words::Owner;

use super::Evidence;
use super::wanted::Wanted;
use crate::corpus::{Exchange, Recordings};
use crate::shadow::{Finished, Original, Passed, Replies, Sink};

/// Longer request ids are cut.
const ID_BYTES_MAX: usize = 128;

/// So many requests are all learned from, and then one of so many: pages are looked through for links and forms.
const LEARNED_WHOLLY: u64 = 2_000;
const LEARNED_ONE_OF: u64 = 32;

/// Observations that are handed over together, or fewer after a tenth of a second.
const GATHERED_MAX: usize = 64;

/// The way from a comparison to the evidence.
struct Redacting {
    evidence: Evidence,
    wanted: Wanted,
    /// What waits to be handed over together: waking the evidence's thread costs more than an observation.
    gathered: Vec<Observation>,
    /// Requests that could be learned from.
    passed_by: u64,
    structures: Structures,
}

/// A request's header lines, as routing asks for them.
#[derive(Debug)]
struct OriginalLines<'a>(&'a Original<'a>);

impl HeaderLines for OriginalLines<'_> {
    fn line(&self, name: &str, before: usize) -> Option<&[u8]> {
        self.0.headers().all(name).nth(before)
    }
}

impl Evidence {
    /// What the shadow thread hands its findings to.
    pub fn sink(&self) -> Box<dyn Sink> {
        let wanted = Wanted::new(Instant::now());
        Box::new(Redacting {
            evidence: self.clone(),
            wanted,
            gathered: Vec::new(),
            passed_by: 0,
            structures: Structures::default(),
        })
    }
}

impl Sink for Redacting {
    fn finished(&mut self, finished: &Finished<'_>) {
        let chosen = self.chosen(finished);
        let is_learned_from = self.is_learned_from();
        let original = &finished.original;
        let route = original.running.snapshot.route(original.copying.route);
        let rules = &route.policy.compare.redact;
        let redactor = Redactor::new(self.evidence.pseudonyms(), rules, Some(&route.pattern));
        let is_recorded = self.evidence.recordings().wants(original.slice());
        let mut target = String::new();
        if is_recorded || !chosen.is_empty() {
            // The redactor learns what is secret in this exchange, also for the examples.
            let legacy = finished.replies.map(|both| (both.legacy, both.legacy_took));
            let extracted = finished.replies.map(|both| (both.extracted, both.extracted_took));
            let exchange = exchange(original, legacy, extracted, &redactor);
            target = exchange.request.target.clone();
            if is_recorded {
                self.evidence.recordings().offer(exchange);
            }
        }
        if let Some(replies) = finished.replies.filter(|_| is_learned_from) {
            learn(&self.evidence, original, Some(replies.legacy), Some(replies.extracted), &redactor);
        }
        if !chosen.is_empty() {
            let now = Instant::now();
            chosen.iter().for_each(|signature| self.wanted.made(original.slice(), *signature, now));
        }
        let shape = shape(original, finished.replies, &mut self.structures);
        let observation = observation(finished, route, &redactor, &target, (&chosen, shape));
        self.gathered.push(observation);
        if self.gathered.len() >= GATHERED_MAX {
            self.flush();
        }
    }

    fn passed(&mut self, passed: &Passed<'_>) {
        let original = &passed.original;
        if !self.evidence.recordings().wants(original.slice()) {
            return;
        }
        let is_learned_from = self.is_learned_from();
        let route = original.running.snapshot.route(original.copying.route);
        let rules = &route.policy.compare.redact;
        let redactor = Redactor::new(self.evidence.pseudonyms(), rules, Some(&route.pattern));
        let reply = Some((passed.reply, passed.took));
        let (legacy, extracted) = match original.primary() {
            Owner::Legacy => (reply, None),
            Owner::Extracted => (None, reply),
        };
        self.evidence.recordings().offer(exchange(original, legacy, extracted, &redactor));
        if is_learned_from {
            let (legacy, extracted) = (legacy.map(|(reply, _)| reply), extracted.map(|(reply, _)| reply));
            learn(&self.evidence, original, legacy, extracted, &redactor);
        }
    }

    fn recordings(&self) -> Arc<Recordings> {
        Arc::clone(self.evidence.recordings())
    }

    fn not_compared(&mut self, slice: &Arc<str>, route: &Arc<str>, reason: NotCompared, count: u64) {
        self.evidence.not_compared(slice, route, reason, count);
    }

    fn flush(&mut self) {
        if !self.gathered.is_empty() {
            let gathered = std::mem::replace(&mut self.gathered, Vec::with_capacity(GATHERED_MAX));
            self.evidence.observe_all(gathered);
        }
    }
}

impl Redacting {
    /// Whether this request is learned from: every one at first, then one of so many.
    fn is_learned_from(&mut self) -> bool {
        self.passed_by = self.passed_by.wrapping_add(1);
        self.passed_by <= LEARNED_WHOLLY || self.passed_by.is_multiple_of(LEARNED_ONE_OF)
    }

    /// The signatures of which this exchange is to be an example.
    fn chosen(&mut self, finished: &Finished<'_>) -> Vec<Signature> {
        let Compared::Compared(found) = finished.compared else { return Vec::new() };
        if found.differences.is_empty() && found.hidden.is_empty() {
            return Vec::new();
        }
        let now = Instant::now();
        let findings = found.differences.iter().chain(&found.hidden);
        let mut chosen: Vec<Signature> = findings.map(|finding| finding.signature).collect();
        chosen.retain(|signature| self.wanted.wants(finished.original.slice(), *signature, now));
        let bodies = finished.replies.map_or(0, |both| both.legacy.body.len() + both.extracted.body.len());
        if !chosen.is_empty() && !self.wanted.afford(finished.original.body.len() + bodies, now) {
            chosen.clear();
        }
        chosen
    }
}

/// Looks for what goes wrong at the seam.
fn learn(
    evidence: &Evidence,
    original: &Original<'_>,
    legacy: Option<&Reply>,
    extracted: Option<&Reply>,
    redactor: &Redactor<'_>,
) {
    let host = original.header("host").and_then(|host| std::str::from_utf8(host).ok()).unwrap_or_default();
    let (path, query) = split_target(original.target);
    let lines = OriginalLines(original);
    let view = RequestView { method: original.method, host, path, query, headers: &lines, client_ip: None };
    let sighting = Sighting {
        snapshot: &original.running.snapshot,
        facts: original.running.facts(),
        route: original.copying.route,
        primary: original.primary(),
        view,
        legacy,
        extracted,
    };
    evidence.learned().see(&sighting, original.at, &|text| redactor.text(text));
}

fn observation(
    finished: &Finished<'_>,
    route: &Route,
    redactor: &Redactor<'_>,
    target: &str,
    (chosen, shape): (&[Signature], u64),
) -> Observation {
    let (original, replies) = (&finished.original, finished.replies);
    let today = jiff::tz::Offset::UTC.to_datetime(original.at).date();
    let rules = &route.policy.compare;
    let examples = route.policy.shadow.as_ref().map_or(Examples::Structure, |shadow| shadow.examples);
    let outcome = Outcome::of(finished.compared, rules, today, |finding| {
        chosen.contains(&finding.signature).then(|| Example {
            request: request_id(original).into(),
            at: original.at,
            method: redactor.text(original.method).into(),
            target: target.into(),
            path: redactor.place(&finding.difference.path.to_string()).into(),
            legacy: shown(
                finding,
                finding.difference.left_value.as_deref(),
                finding.difference.left.as_str(),
                examples,
                redactor,
            ),
            extracted: shown(
                finding,
                finding.difference.right_value.as_deref(),
                finding.difference.right.as_str(),
                examples,
                redactor,
            ),
        })
    });
    let outcome = match (finished.compared, finished.set_aside) {
        (Compared::NotCompared(reason), Some(first)) => Outcome::set_aside(*reason, first, rules, today),
        _ => outcome,
    };
    Observation {
        slice: Arc::clone(original.slice()),
        route: Arc::clone(original.route()),
        at: original.at,
        shape,
        version: finished.version.map(|version| redactor.text(version).into()),
        outcome,
        latency: replies
            .map(|replies| PairedLatency { legacy: replies.legacy_took, extracted: replies.extracted_took }),
        repeated: finished.repeated.cloned(),
    }
}

/// A value of an example: redacted, or its type only.
fn shown(
    finding: &Finding,
    value: Option<&str>,
    class: &str,
    examples: Examples,
    redactor: &Redactor<'_>,
) -> Option<Box<str>> {
    match examples {
        Examples::Values => {
            value.map(|value| redactor.value_at(&finding.difference.path.to_string(), value).into())
        }
        Examples::Structure => Some(class.into()),
    }
}

fn shape(original: &Original<'_>, replies: Option<Replies<'_>>, structures: &mut Structures) -> u64 {
    let query = original.target.split_once('?').map_or("", |(_, query)| query);
    let content_type = original.header("content-type").and_then(|value| std::str::from_utf8(value).ok());
    let legacy = replies.map(|replies| replies.legacy);
    let shape = Shape {
        route: original.route(),
        query,
        cohort: original.primary(),
        status: legacy.map_or(0, |reply| reply.status),
        content_type,
        structure: legacy.and_then(|reply| structures.of(reply)),
    };
    shape.hash()
}

fn request_id(original: &Original<'_>) -> String {
    let sent =
        original.header("x-request-id").and_then(|id| std::str::from_utf8(id).ok()).unwrap_or_default();
    let is_plain = |id: &str| id.len() <= ID_BYTES_MAX && id.bytes().all(|b| b.is_ascii_graphic());
    if sent.is_empty() || !is_plain(sent) { original.id.to_string() } else { sent.to_owned() }
}

/// The exchange as a corpus keeps it, with as many replies as there are.
fn exchange(
    original: &Original<'_>,
    legacy: Option<(&Reply, Duration)>,
    extracted: Option<(&Reply, Duration)>,
    redactor: &Redactor<'_>,
) -> Exchange {
    let request = RawRequest {
        method: original.method,
        target: original.target.as_bytes(),
        headers: original.headers().named().collect(),
        body: Some(original.body),
    };
    let redacted = redactor.exchange(&Exchanged {
        request,
        legacy: legacy.map(|(reply, _)| raw(reply)),
        extracted: extracted.map(|(reply, _)| raw(reply)),
    });
    let millis = |(_, took): (&Reply, Duration)| took.as_secs_f64() * 1000.0;
    Exchange {
        id: request_id(original),
        at: format!("{:.3}", original.at),
        slice: original.slice().to_string(),
        route: original.route().to_string(),
        owner: original.primary().as_str().to_owned(),
        request: redacted.request,
        legacy: redacted.legacy,
        extracted: redacted.extracted,
        legacy_ms: legacy.map(millis),
        extracted_ms: extracted.map(millis),
    }
}

fn raw(reply: &Reply) -> RawReply<'_> {
    RawReply {
        status: reply.status,
        headers: reply.headers.named().collect(),
        body: Some(&reply.body),
        ended: match reply.end {
            End::Complete => Ended::Complete,
            End::Truncated => Ended::Truncated,
            End::TooLarge => Ended::TooLarge,
            End::Failed(Transport::Connect) => Ended::Connect,
            End::Failed(Transport::Timeout) => Ended::Timeout,
            End::Failed(Transport::Reset) => Ended::Reset,
            End::Failed(Transport::Malformed) => Ended::Malformed,
        },
    }
}
