//! From what a comparison found to what is kept of it: redacted here, on the shadow thread, before anything leaves it.

use std::sync::Arc;

use strangler_core::compare::{Compared, End, Finding, NotCompared, Reply, Transport};
use strangler_core::evidence::shape::{Shape, structure_of};
use strangler_core::evidence::{Example, Observation, Outcome, PairedLatency};
use strangler_core::redact::{Ended, Exchanged, RawReply, RawRequest, Redactor};
use strangler_core::snapshot::Route;
use strangler_core::snapshot::policy::Examples;

use super::Evidence;
use crate::corpus::Exchange;
use crate::shadow::{Finished, Replies, Sink};

/// Longer request ids are cut.
const ID_BYTES_MAX: usize = 128;

impl Sink for Evidence {
    fn finished(&mut self, finished: &Finished<'_>) {
        let route = finished.running.snapshot.route(finished.copying.route);
        let redactor = Redactor::new(self.pseudonyms(), &route.policy.compare.redact, Some(&route.pattern));
        let is_recorded = self.recordings().wants(finished.slice());
        let has_examples = matches!(finished.compared, Compared::Compared(found)
            if !found.differences.is_empty() || !found.hidden.is_empty());
        if is_recorded || has_examples {
            // The redactor learns what is secret in this exchange, also for the examples.
            let exchange = exchange(finished, &redactor);
            if is_recorded {
                self.recordings().offer(&exchange);
            }
        }
        self.observe(observation(finished, route, &redactor));
    }

    fn not_compared(&mut self, slice: &Arc<str>, route: &Arc<str>, reason: NotCompared, count: u64) {
        Evidence::not_compared(self, slice, route, reason, count);
    }
}

fn observation(finished: &Finished<'_>, route: &Route, redactor: &Redactor<'_>) -> Observation {
    let replies = finished.replies;
    let today = finished.at.to_zoned(jiff::tz::TimeZone::UTC).date();
    let rules = &route.policy.compare;
    let examples = route.policy.shadow.as_ref().map_or(Examples::Structure, |shadow| shadow.examples);
    let request_id = request_id(finished);
    let target = redacted_target(finished, redactor);
    let outcome = Outcome::of(finished.compared, rules, today, |finding| {
        Some(Example {
            request: request_id.as_str().into(),
            at: finished.at,
            method: redactor.text(finished.method).into(),
            target: target.as_str().into(),
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
        slice: Arc::clone(finished.slice()),
        route: Arc::clone(finished.route()),
        at: finished.at,
        shape: shape(finished, replies),
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

fn shape(finished: &Finished<'_>, replies: Option<Replies<'_>>) -> u64 {
    let query = finished.target.split_once('?').map_or("", |(_, query)| query);
    let content_type = finished.header("content-type").and_then(|value| std::str::from_utf8(value).ok());
    let legacy = replies.map(|replies| replies.legacy);
    let shape = Shape {
        route: finished.route(),
        query,
        cohort: finished.primary(),
        status: legacy.map_or(0, |reply| reply.status),
        content_type,
        structure: legacy.and_then(structure_of),
    };
    shape.hash()
}

fn request_id(finished: &Finished<'_>) -> String {
    let sent =
        finished.header("x-request-id").and_then(|id| std::str::from_utf8(id).ok()).unwrap_or_default();
    let is_plain = |id: &str| id.len() <= ID_BYTES_MAX && id.bytes().all(|b| b.is_ascii_graphic());
    if sent.is_empty() || !is_plain(sent) { finished.id.to_string() } else { sent.to_owned() }
}

fn redacted_target(finished: &Finished<'_>, redactor: &Redactor<'_>) -> String {
    let request =
        RawRequest { method: finished.method, target: finished.target.as_bytes(), ..RawRequest::default() };
    redactor.exchange(&Exchanged { request, ..Exchanged::default() }).request.target
}

/// The exchange as a corpus keeps it.
fn exchange(finished: &Finished<'_>, redactor: &Redactor<'_>) -> Exchange {
    let headers =
        finished.headers().filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, value)));
    let request = RawRequest {
        method: finished.method,
        target: finished.target.as_bytes(),
        headers: headers.collect(),
        body: Some(finished.body),
    };
    let replies = finished.replies;
    let redacted = redactor.exchange(&Exchanged {
        request,
        legacy: replies.map(|replies| raw(replies.legacy)),
        extracted: replies.map(|replies| raw(replies.extracted)),
    });
    let millis = |took: std::time::Duration| took.as_secs_f64() * 1000.0;
    Exchange {
        id: request_id(finished),
        at: format!("{:.3}", finished.at),
        slice: finished.slice().to_string(),
        route: finished.route().to_string(),
        owner: finished.primary().as_str().to_owned(),
        request: redacted.request,
        legacy: redacted.legacy,
        extracted: redacted.extracted,
        legacy_ms: replies.map(|replies| millis(replies.legacy_took)),
        extracted_ms: replies.map(|replies| millis(replies.extracted_took)),
    }
}

fn raw(reply: &Reply) -> RawReply<'_> {
    RawReply {
        status: reply.status,
        headers: reply.headers.iter().map(|(name, value)| (&**name, &**value)).collect(),
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
