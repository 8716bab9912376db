//! What is known of the requests that were: the inventory of routes, and single ones among the last.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use strangler_core::redact::Redactor;
use strangler_core::snapshot::Snapshot;

use super::Admin;
use super::reply::{Problem, Reply, json};
use crate::store::evidence::Unavailable;
use crate::telemetry::feed::Ended;

/// Requests found by an id, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindReport {
    /// What was looked for.
    pub id: String,
    /// The requests.
    pub found: Vec<FoundReport>,
    /// How many requests could be looked through: older ones are forgotten.
    pub remembered: u64,
}

/// One request: who answered it, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundReport {
    /// When, RFC 3339 in UTC.
    pub time: String,
    /// Its id.
    pub request_id: String,
    /// As sent.
    pub method: String,
    /// As routed on.
    pub host: String,
    /// Without the query; secrets replaced.
    pub path: String,
    /// As the client got it.
    pub status: u16,
    /// `legacy`, `extracted` or `proxy`.
    pub owner: String,
    /// Why, in a sentence.
    pub why: String,
    /// The route that won.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub route: String,
    /// Its slice.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub slice: String,
    /// Effective phase.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// The client's bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<u16>,
    /// The configuration's number.
    pub generation: u64,
    /// Upstream and endpoint that answered.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub endpoint: String,
    /// Milliseconds from the request's head to the answer's last byte.
    pub duration_ms: f64,
    /// Extra tries.
    pub retries: u32,
    /// Why the other side answered.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fallback: String,
    /// Id of the copy.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub shadow_id: String,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
}

pub(super) async fn inventory(admin: &Admin) -> Result<Reply, Problem> {
    let report = admin.parts.evidence.ask(|held| held.inventory.report()).await.map_err(unavailable)?;
    Ok(json(StatusCode::OK, &report))
}

pub(super) fn find(admin: &Admin, id: Option<&str>) -> Result<Reply, Problem> {
    let Some(id) = id.filter(|id| !id.is_empty()) else {
        let help = "ask /api/find?id=REQUEST-ID";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "`id` is missing".to_owned(), help));
    };
    let feed = &admin.parts.telemetry.feed;
    let snapshot = &admin.parts.live.pin().snapshot;
    let found: Vec<FoundReport> =
        feed.find(id).into_iter().map(|ended| found(ended, snapshot, admin)).collect();
    let remembered = feed.len() as u64;
    if found.is_empty() {
        let error = format!("no request with this id is among the last {remembered}");
        let help = "ids are those of `x-request-id`; the access log has older requests";
        return Err(Problem::new(StatusCode::NOT_FOUND, error, help));
    }
    Ok(json(StatusCode::OK, &FindReport { id: id.to_owned(), found, remembered }))
}

fn found(ended: Ended, snapshot: &Snapshot, admin: &Admin) -> FoundReport {
    let route = snapshot.routes.iter().find(|route| *route.id == *ended.route);
    let rules = route.map_or(&[][..], |route| &route.policy.compare.redact);
    let redactor = Redactor::new(admin.parts.evidence.pseudonyms(), rules, route.map(|route| &route.pattern));
    // An upstream that was given as a URL is called by it.
    let endpoint = if ended.upstream.is_empty() || ended.upstream.ends_with(&ended.endpoint) {
        ended.upstream.clone()
    } else {
        format!("{} ({})", ended.upstream, ended.endpoint)
    };
    FoundReport {
        why: why(&ended),
        path: redactor.path(&ended.path),
        host: redactor.text(&ended.host),
        time: format!("{:.3}", ended.time),
        request_id: ended.request_id,
        method: ended.method,
        status: ended.status,
        owner: ended.owner.to_owned(),
        route: ended.route,
        slice: ended.slice,
        phase: ended.phase.to_owned(),
        bucket: ended.bucket,
        generation: ended.generation,
        endpoint,
        duration_ms: ended.duration_ms,
        retries: ended.retries,
        fallback: ended.fallback,
        shadow_id: ended.shadow_id,
        error: ended.error,
    }
}

/// Why this one answered.
fn why(ended: &Ended) -> String {
    let Ended { owner, slice, route, phase, .. } = ended;
    let gone = if ended.status == 499 { "; the client left before the answer was complete" } else { "" };
    let reason = if *owner == "proxy" {
        let error = if ended.error.is_empty() { "nothing could be forwarded" } else { &ended.error };
        format!("the proxy answered itself: {error}")
    } else if !ended.fallback.is_empty() {
        format!("{owner} answered in place of the other side, which failed: {}", ended.fallback)
    } else if route.is_empty() && !ended.near_miss.is_empty() {
        format!(
            "no route matched, so that legacy answers; a route of slice `{slice}` nearly did ({})",
            ended.near_miss
        )
    } else if route.is_empty() {
        "no route matched, so that legacy answers".to_owned()
    } else if ended.effect == "write" {
        format!("route `{route}`: a write goes to the writer of slice `{slice}`, whatever its phase")
    } else {
        match (*phase, ended.bucket) {
            ("canary", Some(bucket)) => {
                let side = if *owner == "extracted" { "in" } else { "outside" };
                format!(
                    "route `{route}`: slice `{slice}` is in phase canary, and bucket {bucket} is {side} the cohort"
                )
            }
            ("canary", None) => {
                format!("route `{route}`: slice `{slice}` is in phase canary, and the client has no key")
            }
            _ => format!("route `{route}`: slice `{slice}` is in phase {phase}"),
        }
    };
    reason + gone
}

/// The evidence cannot be asked.
pub(super) fn unavailable(error: Unavailable) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string(), "ask again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_a_sentence() {
        let check = |ended: Ended, wanted: &str| assert_eq!(why(&ended), wanted);
        let of = |owner, phase| Ended {
            owner,
            phase,
            route: "r".into(),
            slice: "s".into(),
            effect: "read",
            status: 200,
            ..Ended::default()
        };
        check(of("extracted", "extracted"), "route `r`: slice `s` is in phase extracted");
        check(
            Ended { bucket: Some(7), ..of("legacy", "canary") },
            "route `r`: slice `s` is in phase canary, and bucket 7 is outside the cohort",
        );
        check(
            Ended { bucket: Some(7), ..of("extracted", "canary") },
            "route `r`: slice `s` is in phase canary, and bucket 7 is in the cohort",
        );
        check(of("legacy", "canary"), "route `r`: slice `s` is in phase canary, and the client has no key");
        check(
            Ended { effect: "write", ..of("legacy", "canary") },
            "route `r`: a write goes to the writer of slice `s`, whatever its phase",
        );
        check(Ended { route: String::new(), ..of("legacy", "") }, "no route matched, so that legacy answers");
        check(
            Ended { route: String::new(), near_miss: "case", ..of("legacy", "") },
            "no route matched, so that legacy answers; a route of slice `s` nearly did (case)",
        );
        check(
            Ended { error: "connection_refused".into(), status: 499, ..of("proxy", "") },
            "the proxy answered itself: connection_refused; the client left before the answer was complete",
        );
        check(
            Ended { fallback: "timeout".into(), ..of("legacy", "extracted") },
            "legacy answered in place of the other side, which failed: timeout",
        );
    }
}
