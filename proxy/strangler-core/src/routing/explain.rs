//! Why a request goes where it goes, in words.
//!
//! Owns the account of one decision: the request as it is read, every candidate route and why it lost, and the
//! facts that led to the owner. Refuses to decide anything itself: the verdict is [`decide`]'s, the same code
//! that serves. May look at every route, since nobody is waiting for an answer.

mod candidates;
mod render;

use std::time::Duration;

use serde::Serialize;

use super::cohort::{self, Membership, Reason};
use super::decide::{Decision, Facts, Refusal, Verdict, canary_membership, decide, effective_phase};
use super::fallback::{LagState, NoFallback, may_fall_back};
use super::shadow::{self, Direction, NoCopy, Purpose};
use crate::matching::{Reading, RequestView};
use crate::snapshot::policy::Fallback;
use crate::snapshot::{Route, Snapshot};
use crate::words::{Effect, Owner, Phase, RouteId, Share, Writer};

pub use candidates::{Candidate, Outcome};

/// One decision, explained. Its JSON form is what `explain --json` and `GET /api/explain` answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The request as it is read.
    pub request: RequestRead,
    /// `forward` or `refuse`.
    pub verdict: &'static str,
    /// Who answers: `legacy`, `extracted`, or nobody where the proxy refuses.
    pub owner: Option<&'static str>,
    /// The upstream that answers.
    pub upstream: Option<String>,
    /// Where that upstream is reached, `scheme://host:port`.
    pub endpoints: Vec<String>,
    /// The status of a refusal.
    pub status: Option<u16>,
    /// Why the owner answers or the proxy refuses: one sentence.
    pub why: String,
    /// The route that won.
    pub route: Option<String>,
    /// Its slice, or that of the near miss.
    pub slice: Option<String>,
    /// The pattern of the slice's `except` that keeps the request with legacy.
    pub excepted: Option<String>,
    /// The effective phase of the winning route: the lower of the next two.
    pub phase: Option<&'static str>,
    /// The phase its file states.
    pub phase_in_file: Option<&'static str>,
    /// The phase a retreat has latched for its slice.
    pub retreat: Option<&'static str>,
    /// `read` or `write`.
    pub effect: &'static str,
    /// Why it counts as that.
    pub effect_why: String,
    /// Who owns the data: of the route's slice.
    pub writer: Option<&'static str>,
    /// The client's place in the canary; `None` outside phase canary.
    pub cohort: Option<CohortRead>,
    /// The client's bucket, `0..10_000`.
    pub bucket: Option<u16>,
    /// What happens when the owner fails.
    pub fallback: String,
    /// Whether a copy is sent.
    pub shadow: String,
    /// What makes the path ambiguous.
    pub ambiguity: Option<String>,
    /// The route this unmatched request resembles.
    pub near_miss: Option<NearMissRead>,
    /// Every route whose path matches, or would if it were spelt slightly differently; the winner first.
    pub candidates: Vec<Candidate>,
    /// Routes whose path does not match at all.
    pub other_routes: usize,
}

/// A request as it is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestRead {
    /// As sent.
    pub method: String,
    /// The method that is looked up: of a CORS preflight, the one it asks for.
    pub lookup_method: String,
    /// In lower case, without port and trailing dot.
    pub host: String,
    /// As sent, and as it is forwarded.
    pub path: String,
    /// In the form in which paths are compared.
    pub normal_path: String,
    /// As sent.
    pub query: Option<String>,
    /// The client's address.
    pub client_ip: Option<String>,
}

/// A client's place in a canary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CohortRead {
    /// Whether the extracted side answers its reads.
    pub member: bool,
    /// The share of clients that are members.
    pub share: String,
    /// Where the client's key was found, such as `cookie:strangler_cohort`.
    pub source: Option<String>,
    /// The client's bucket; a member if it is below the share.
    pub bucket: Option<u16>,
    /// What decided.
    pub why: String,
}

/// A near miss in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NearMissRead {
    /// The route's id.
    pub route: String,
    /// What differs.
    pub difference: &'static str,
}

/// Explains where a request goes.
pub fn explain(snapshot: &Snapshot, view: &RequestView<'_>, facts: Facts<'_>) -> Explanation {
    let decision = decide(snapshot, view, facts);
    let reading = Reading::new(view);
    let route = decision.route.map(|id| &**snapshot.route(id));
    let membership = route
        .filter(|_| decision.excepted.is_none())
        .and_then(|route| canary_membership(snapshot, &reading, route, decision.phase));
    let is_ambiguous =
        decision.reported.is_some() || matches!(decision.verdict, Verdict::Refuse(Refusal::AmbiguousPath(_)));
    let (candidates, other_routes) = if is_ambiguous {
        (Vec::new(), snapshot.routes.len())
    } else {
        candidates::all(snapshot, &reading, &decision)
    };
    let (owner, upstream) = match decision.verdict {
        Verdict::Forward { owner, upstream } => (Some(owner.as_str()), Some(snapshot.upstream(upstream))),
        Verdict::Refuse(_) => (None, None),
    };
    Explanation {
        request: request_read(&reading),
        verdict: if upstream.is_some() { "forward" } else { "refuse" },
        owner,
        upstream: upstream.map(|upstream| upstream.name.clone()),
        endpoints: upstream
            .map(|upstream| upstream.endpoints.iter().map(|endpoint| endpoint.origin()).collect())
            .unwrap_or_default(),
        status: status(&decision),
        why: why(snapshot, &decision, route),
        route: route.map(|route| route.id.to_string()),
        slice: decision.slice.map(|slice| snapshot.slice(slice).name.to_string()),
        excepted: excepted_text(snapshot, &decision),
        phase: route.map(|route| effective_phase(route, facts).as_str()),
        phase_in_file: route.map(|route| route.phase.as_str()),
        retreat: route.and_then(|route| facts.retreat(route.slice)).map(Phase::as_str),
        effect: decision.effect.as_str(),
        effect_why: effect_why(snapshot, view, &decision),
        writer: route.map(|route| snapshot.slice(route.slice).writer.as_str()),
        bucket: decision.bucket,
        cohort: membership.as_ref().zip(route).map(|(membership, route)| cohort_read(membership, route)),
        fallback: fallback(snapshot, &decision),
        shadow: shadow(snapshot, &decision),
        ambiguity: ambiguity(&decision),
        near_miss: decision.near_miss.map(|near| NearMissRead {
            route: snapshot.route(near.route).id.to_string(),
            difference: near.difference.as_str(),
        }),
        candidates,
        other_routes,
    }
}

fn request_read(reading: &Reading<'_>) -> RequestRead {
    let view = reading.view;
    RequestRead {
        method: view.method.to_owned(),
        lookup_method: reading.method.to_owned(),
        host: reading.host.to_string(),
        path: view.path.to_owned(),
        normal_path: reading.path.to_string(),
        query: view.query.map(str::to_owned),
        client_ip: view.client_ip.map(|address| address.to_canonical().to_string()),
    }
}

fn status(decision: &Decision) -> Option<u16> {
    match decision.verdict {
        Verdict::Forward { .. } => None,
        Verdict::Refuse(Refusal::AmbiguousPath(_) | Refusal::NearMissWrite) => Some(400),
        Verdict::Refuse(Refusal::Unmatched) => Some(404),
    }
}

fn ambiguity(decision: &Decision) -> Option<String> {
    match decision.verdict {
        Verdict::Refuse(Refusal::AmbiguousPath(found)) => Some(found.to_string()),
        _ => decision.reported.map(|found| found.to_string()),
    }
}

fn excepted_text(snapshot: &Snapshot, decision: &Decision) -> Option<String> {
    let slice = snapshot.slice(decision.slice?);
    slice.except.get(decision.excepted? as usize).map(|pattern| pattern.text.clone())
}

/// One sentence about who answers.
fn why(snapshot: &Snapshot, decision: &Decision, route: Option<&Route>) -> String {
    match decision.verdict {
        Verdict::Refuse(Refusal::AmbiguousPath(found)) => {
            return format!("The path holds {found}, which two servers may read differently.");
        }
        Verdict::Refuse(Refusal::NearMissWrite) => {
            return "The request writes, and is one spelling away from a route whose writer is extracted: \
                    legacy would take a write that it does not own."
                .to_owned();
        }
        Verdict::Refuse(Refusal::Unmatched) => {
            return "No route matches, and unmatched = \"reject\".".to_owned();
        }
        Verdict::Forward { .. } => {}
    }
    if let Some(found) = decision.reported {
        return format!("The path holds {found}; strictness = \"report\" lets it pass to legacy.");
    }
    let Some(route) = route else {
        return "No route matches: legacy owns everything that was not moved.".to_owned();
    };
    let slice = snapshot.slice(route.slice);
    if let Some(except) = excepted_text(snapshot, decision) {
        return format!("Slice {} leaves {except:?} with legacy (except).", slice.name);
    }
    match (decision.effect, slice.writer) {
        (Effect::Write, Writer::Legacy | Writer::Extracted) => {
            format!(
                "Writes go to the writer in every phase; the writer of {} is {}.",
                slice.name, slice.writer
            )
        }
        (Effect::Write, Writer::ByCohort) => {
            format!(
                "The writer of {} is by-cohort: writes follow the client's reads. {}",
                slice.name,
                reads(decision)
            )
        }
        (Effect::Read, writer) if decision.wrote => {
            format!(
                "The client has just written (read_your_writes): the writer of {}, {writer}, answers.",
                slice.name
            )
        }
        (Effect::Read, _) => reads(decision),
    }
}

/// Who answers reads in the effective phase.
fn reads(decision: &Decision) -> String {
    let owner = match decision.verdict {
        Verdict::Forward { owner: Owner::Extracted, .. } => "the extracted service",
        _ => "legacy",
    };
    match decision.phase {
        Phase::Canary => format!("In phase canary the client's cohort decides: {owner} answers."),
        phase => format!("In phase {phase} reads are answered by {owner}."),
    }
}

fn effect_why(snapshot: &Snapshot, view: &RequestView<'_>, decision: &Decision) -> String {
    let route = decision.route.or(decision.near_miss.map(|near| near.route));
    if let Some(effect) = route.and_then(|id: RouteId| snapshot.route(id).effect) {
        return format!("the route says effect = \"{effect}\"");
    }
    match decision.effect {
        Effect::Read => format!("{} is safe", view.method),
        Effect::Write => format!("{} is not safe", view.method),
    }
}

fn cohort_read(membership: &Membership<'_>, route: &Route) -> CohortRead {
    let share = route.canary.as_ref().map(|canary| canary.share.to_string()).unwrap_or_default();
    let entry = |entry: &crate::snapshot::slice::KeyMatch| {
        format!("{}={}", cohort::source_text(&entry.source), entry.value)
    };
    let why = match membership.reason {
        Reason::Never(matched) => format!("never holds {}", entry(matched)),
        Reason::Always(matched) => format!("always holds {}", entry(matched)),
        Reason::Share if membership.member => format!("the bucket is below {share}"),
        Reason::Share => format!("the bucket is not below {share}"),
        Reason::NoKey => "the request has no cohort key".to_owned(),
    };
    CohortRead {
        member: membership.member,
        share,
        source: membership.key.as_ref().map(|key| cohort::source_text(key.source)),
        bucket: membership.bucket,
        why,
    }
}

/// What happens when the owner fails. How late data is at this moment is not known here: the condition is named.
fn fallback(snapshot: &Snapshot, decision: &Decision) -> String {
    let found = match may_fall_back(snapshot, decision, |_| LagState::Behind(Duration::ZERO)) {
        Ok(found) => found,
        Err(why) => {
            return match why {
                NoFallback::Refused => "none: nothing is forwarded",
                NoFallback::Legacy => "none: legacy answers",
                NoFallback::Retired => "never: the route is retired, legacy is never contacted",
                NoFallback::Write => "never: the request writes",
                NoFallback::Never => "never: fallback = \"never\"",
                NoFallback::Unreached => "never: the writer's data does not reach legacy",
                NoFallback::SameUpstream => "never: legacy is the same upstream",
                // Not with the lag given above.
                NoFallback::LagUnknown | NoFallback::Lagging => "never: legacy's data is too late",
            }
            .to_owned();
        }
    };
    let mut text = match found.on {
        Fallback::On(failures) => {
            let named: Vec<String> = failures.iter().map(ToString::to_string).collect();
            format!("legacy answers on {}", named.join(", "))
        }
        Fallback::Auto | Fallback::Never => {
            "legacy answers on connect errors, time-outs and 502 to 504".to_owned()
        }
    };
    if let Some(after) = found.after {
        text += &format!("; headers are waited for {after:?}");
    }
    let slice = decision.slice.map(|id| snapshot.slice(id));
    if let Some((slice, limit)) = slice.and_then(|slice| Some((slice, slice.sync_lag.as_ref()?)))
        && slice.writer != Writer::Legacy
    {
        text += &format!("; only while its data is at most {:?} late", limit.max);
    }
    text
}

/// Whether a copy is sent, to whom, and as what.
fn shadow(snapshot: &Snapshot, decision: &Decision) -> String {
    let eligible = match shadow::eligible(snapshot, decision) {
        Ok(eligible) => eligible,
        Err(why) => return format!("none: {}", no_copy(decision, why)),
    };
    let target = match eligible.direction {
        Direction::ToExtracted => "the extracted service",
        Direction::ToLegacy => "legacy",
    };
    let marked = match eligible.purpose {
        Purpose::Read => "",
        Purpose::DryRun => ", asked to roll back",
        Purpose::Isolated => ", which has a store of its own",
    };
    let share = eligible.share;
    if share == Share::ALL {
        format!("copied to {target}{marked}, and compared")
    } else {
        format!("{share} are copied to {target}{marked}, and compared")
    }
}

fn no_copy(decision: &Decision, why: NoCopy) -> String {
    match (why, decision.verdict) {
        (NoCopy::NotMoved, Verdict::Refuse(_)) => "nothing is forwarded".to_owned(),
        (NoCopy::NotMoved, _) => "the request is legacy's alone".to_owned(),
        (NoCopy::Phase(phase), _) => format!("no copies in phase {phase}"),
        (NoCopy::Writes, _) => "the request writes, and shadow.writes = \"never\"".to_owned(),
        (NoCopy::NoPlaceForWrites, _) => {
            "the request writes; writes are copied only while legacy is the writer, in phases shadow and canary"
                .to_owned()
        }
        (NoCopy::JustWrote, _) => {
            "the client has just written, and the other side may not know of it yet".to_owned()
        }
        (NoCopy::Off, Verdict::Forward { owner: Owner::Extracted, .. }) => {
            "shadow.reverse_sample is 0%".to_owned()
        }
        (NoCopy::Off, _) => "shadow.sample is 0%".to_owned(),
    }
}

#[cfg(test)]
mod tests;
