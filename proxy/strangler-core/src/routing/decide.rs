//! The decision about one request.
//!
//! Owns the order of questions: ambiguous path, route, `except`, effect, writer or phase, near miss. Refuses
//! state: equal arguments give equal decisions. Writes go to the writer and reads go by phase; no phase and no
//! retreat ever moves the writer.

use super::cohort::{self, Membership};
use super::recent::{ClientMark, RecentWrites};
use crate::matching::near;
use crate::matching::path::Ambiguity;
use crate::matching::{Reading, near::SpellingDifference, request::RequestView};
use crate::snapshot::policy::CohortCookie;
use crate::snapshot::slice::KeySource;
use crate::snapshot::{Route, Snapshot};
use crate::words::{Effect, Owner, Phase, RouteId, SliceId, Strictness, Unmatched, UpstreamId, Writer};

/// What a decision depends on beside the request and the snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Per slice, the phase a retreat has latched.
    pub retreats: &'a [Option<Phase>],
    /// Whose unsafe requests have just succeeded (`read_your_writes`); `None`: nobody's.
    pub recent: Option<&'a dyn RecentWrites>,
}

impl Facts<'_> {
    /// No retreats, and nobody has written.
    pub const NONE: Facts<'static> = Facts { retreats: &[], recent: None };

    /// The phase a retreat has latched for a slice.
    pub fn retreat(&self, slice: SliceId) -> Option<Phase> {
        self.retreats.get(slice.0 as usize).copied().flatten()
    }

    /// Whether a client has just written.
    fn covers(&self, client: Option<ClientMark>) -> bool {
        self.recent.zip(client).is_some_and(|(recent, client)| recent.covers(client))
    }
}

/// Where one request goes, and the facts that led there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Forward or refuse.
    pub verdict: Verdict,
    /// The route that won, also where an `except` of its slice then sent the request to legacy.
    pub route: Option<RouteId>,
    /// The slice of the route, or of the near miss.
    pub slice: Option<SliceId>,
    /// Index into the slice's `except` of the pattern that kept the request with legacy.
    pub excepted: Option<u32>,
    /// Effective phase: the lower of file and retreat; `Legacy` where no route won or its slice excepts the
    /// request.
    pub phase: Phase,
    /// Whether the request is treated as reading or writing.
    pub effect: Effect,
    /// Who owns the data; `Legacy` where no route won or its slice excepts the request.
    pub writer: Writer,
    /// The client's bucket, `0..10_000`; only in phase canary and with a key.
    pub bucket: Option<u16>,
    /// Whether the client has a cohort key. Looked for in phase canary, and where extracted answers everybody under
    /// guardrails, which look at such clients alone; `false` elsewhere.
    pub keyed: bool,
    /// What the client's writes are remembered by, where the route has `read_your_writes`.
    pub mark: Option<ClientMark>,
    /// The phase would have the other side answer, but the client has just written: the writer does.
    pub wrote: bool,
    /// The route this unmatched request would match if it were spelt slightly differently.
    pub near_miss: Option<NearMiss>,
    /// The path is ambiguous and `strictness = "report"` let it pass to legacy.
    pub reported: Option<Ambiguity>,
}

impl Decision {
    /// The cookie that the answer brings a client that has no key yet: only while a canary runs that asks for it.
    pub fn cookie_to_issue<'s>(&self, snapshot: &'s Snapshot) -> Option<&'s CohortCookie> {
        if self.phase != Phase::Canary || self.keyed {
            return None;
        }
        let policy = &snapshot.route(self.route?).policy;
        let cookie = policy.cohort_cookie.as_ref()?;
        let asks = |source: &KeySource| matches!(source, KeySource::Cookie(name) if *name == cookie.name);
        policy.cohort_by.iter().any(asks).then_some(cookie)
    }
}

/// What is done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Sent to an upstream.
    Forward {
        /// Who answers.
        owner: Owner,
        /// The upstream that answers.
        upstream: UpstreamId,
    },
    /// Answered by the proxy.
    Refuse(Refusal),
}

/// Why a request is answered by the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 400: parsers may read the path differently.
    AmbiguousPath(Ambiguity),
    /// 400: an unsafe request one spelling away from a route whose writer is extracted.
    NearMissWrite,
    /// 404: `unmatched = "reject"`.
    Unmatched,
}

/// A request that differs from a route only in spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NearMiss {
    /// The route it resembles.
    pub route: RouteId,
    /// What differs.
    pub difference: SpellingDifference,
}

/// Decides where a request goes. Pure: equal arguments give equal decisions.
pub fn decide(snapshot: &Snapshot, view: &RequestView<'_>, facts: Facts<'_>) -> Decision {
    if snapshot.slices.is_empty() {
        return unmatched(snapshot, view, None);
    }
    let reading = Reading::new(view);
    if let Some(found) = reading.ambiguity() {
        return ambiguous(snapshot, view, found);
    }
    match snapshot.table.find(&reading) {
        Some(route) => matched(snapshot, &reading, facts, route),
        None => unmatched(snapshot, view, near_miss(snapshot, &reading)),
    }
}

/// The answer of legacy, before anything is known.
fn to_legacy(snapshot: &Snapshot, view: &RequestView<'_>) -> Decision {
    Decision {
        verdict: Verdict::Forward { owner: Owner::Legacy, upstream: snapshot.legacy },
        route: None,
        slice: None,
        excepted: None,
        phase: Phase::Legacy,
        effect: effect_of(view.method, None),
        writer: Writer::Legacy,
        bucket: None,
        keyed: false,
        mark: None,
        wrote: false,
        near_miss: None,
        reported: None,
    }
}

fn ambiguous(snapshot: &Snapshot, view: &RequestView<'_>, found: Ambiguity) -> Decision {
    let decision = to_legacy(snapshot, view);
    match snapshot.limits.strictness {
        Strictness::Refuse => {
            Decision { verdict: Verdict::Refuse(Refusal::AmbiguousPath(found)), ..decision }
        }
        Strictness::Report => Decision { reported: Some(found), ..decision },
    }
}

/// The route an unmatched request resembles.
fn near_miss(snapshot: &Snapshot, reading: &Reading<'_>) -> Option<NearMiss> {
    let route = snapshot.table.near(reading)?;
    let difference = near::difference(&snapshot.route(route).pattern, &reading.path);
    Some(NearMiss { route, difference })
}

fn unmatched(snapshot: &Snapshot, view: &RequestView<'_>, near_miss: Option<NearMiss>) -> Decision {
    let mut decision = Decision { near_miss, ..to_legacy(snapshot, view) };
    if let Some(near) = near_miss {
        let route = snapshot.route(near.route);
        decision.slice = Some(route.slice);
        decision.effect = effect_of(view.method, route.effect);
        if decision.effect == Effect::Write && snapshot.slice(route.slice).writer == Writer::Extracted {
            decision.verdict = Verdict::Refuse(Refusal::NearMissWrite);
            return decision;
        }
    }
    if snapshot.unmatched == Unmatched::Reject {
        decision.verdict = Verdict::Refuse(Refusal::Unmatched);
    }
    decision
}

fn matched(snapshot: &Snapshot, reading: &Reading<'_>, facts: Facts<'_>, id: RouteId) -> Decision {
    let route = &**snapshot.route(id);
    let slice = snapshot.slice(route.slice);
    let mut decision = Decision {
        route: Some(id),
        slice: Some(route.slice),
        effect: effect_of(reading.view.method, route.effect),
        ..to_legacy(snapshot, reading.view)
    };
    if let Some(excepted) = snapshot.table.excepted(id, reading) {
        decision.excepted = Some(excepted);
        return decision;
    }
    decision.phase = effective_phase(route, facts);
    decision.writer = slice.writer;
    let cohort = canary_membership(snapshot, reading, route, decision.phase);
    decision.bucket = cohort.as_ref().and_then(|cohort| cohort.bucket);
    decision.keyed = match &cohort {
        Some(cohort) => cohort.key.is_some(),
        None => {
            decision.phase >= Phase::Extracted
                && route.policy.guardrails.is_some()
                && cohort::key(reading, &route.pattern, &route.policy.cohort_by).is_some()
        }
    };
    let mut reads = reads_owner(decision.phase, cohort.is_some_and(|cohort| cohort.member));
    if !route.policy.read_your_writes.is_zero()
        && let Some(writer) = side_of(slice.writer)
    {
        decision.mark = ClientMark::of(reading, route, &slice.name);
        decision.wrote = decision.effect == Effect::Read && reads != writer && facts.covers(decision.mark);
        if decision.wrote {
            reads = writer;
        }
    }
    let owner = match (decision.effect, slice.writer) {
        (Effect::Read, _) | (Effect::Write, Writer::ByCohort) => reads,
        (Effect::Write, Writer::Legacy) => Owner::Legacy,
        (Effect::Write, Writer::Extracted) => Owner::Extracted,
    };
    let upstream = match owner {
        Owner::Legacy => snapshot.legacy,
        Owner::Extracted => slice.upstream,
    };
    decision.verdict = Verdict::Forward { owner, upstream };
    decision
}

/// The lower of what the file states and what a retreat has latched.
pub(crate) fn effective_phase(route: &Route, facts: Facts<'_>) -> Phase {
    facts.retreat(route.slice).map_or(route.phase, |retreat| retreat.min(route.phase))
}

/// The side that takes every unsafe request; `None` where that depends on the client.
const fn side_of(writer: Writer) -> Option<Owner> {
    match writer {
        Writer::Legacy => Some(Owner::Legacy),
        Writer::Extracted => Some(Owner::Extracted),
        Writer::ByCohort => None,
    }
}

/// Who answers reads in a phase.
fn reads_owner(phase: Phase, member: bool) -> Owner {
    match phase {
        Phase::Legacy | Phase::Shadow => Owner::Legacy,
        Phase::Canary if member => Owner::Extracted,
        Phase::Canary => Owner::Legacy,
        Phase::Extracted | Phase::Retired => Owner::Extracted,
    }
}

/// Whether the client is in the route's cohort; `None` outside a canary.
pub(crate) fn canary_membership<'a>(
    snapshot: &'a Snapshot,
    reading: &'a Reading<'_>,
    route: &'a Route,
    phase: Phase,
) -> Option<Membership<'a>> {
    let canary = route.canary.as_ref().filter(|_| phase == Phase::Canary)?;
    let policy = &route.policy;
    let name = policy.cohort.as_deref().unwrap_or(&snapshot.slice(route.slice).name);
    Some(cohort::membership(reading, &route.pattern, name, &policy.cohort_by, canary))
}

/// Whether a request reads or writes: as its route declares, else by method (RFC 9110 section 9.2.1).
pub(super) fn effect_of(method: &str, declared: Option<Effect>) -> Effect {
    declared.unwrap_or(match method {
        "GET" | "HEAD" | "OPTIONS" => Effect::Read,
        _ => Effect::Write,
    })
}

#[cfg(test)]
mod tests;
