//! The decision about one request.

use std::net::IpAddr;

use crate::matching::path::Ambiguity;
use crate::snapshot::Snapshot;
use crate::words::{Effect, Owner, Phase, RouteId, SliceId, UpstreamId, Writer};

/// One request as routing sees it; borrowed from the parsed head.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    /// As sent, case-sensitive.
    pub method: &'a str,
    /// The authority that is routed on, as sent; case, port and a trailing dot are ignored here.
    pub host: &'a str,
    /// The path as sent, without query; starts with `/`.
    pub path: &'a str,
    /// What follows the first `?`, as sent.
    pub query: Option<&'a str>,
    /// All header lines.
    pub headers: &'a http::HeaderMap,
    /// The client's address, as believed.
    pub client_ip: Option<IpAddr>,
}

/// What a decision depends on beside the request and the snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Per slice, the phase a retreat has latched.
    pub retreats: &'a [Option<Phase>],
}

impl Facts<'_> {
    /// No retreats.
    pub const NONE: Facts<'static> = Facts { retreats: &[] };
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
    /// Effective phase: the lower of file and retreat; `Legacy` where no route won.
    pub phase: Phase,
    /// Whether the request is treated as reading or writing.
    pub effect: Effect,
    /// Who owns the data; `Legacy` where no route won.
    pub writer: Writer,
    /// The client's bucket, `0..10_000`; only in phase canary and with a key.
    pub bucket: Option<u16>,
    /// The route this unmatched request would match if it were spelt slightly differently.
    pub near_miss: Option<NearMiss>,
    /// The path is ambiguous and `strictness = "report"` let it pass to legacy.
    pub reported: Option<Ambiguity>,
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

/// How a near miss is spelt differently; the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpellingDifference {
    /// `/payments/` for `/payments`, or the other way round.
    TrailingSlash,
    /// `//payments`.
    DoubleSlash,
    /// `/Payments`.
    Case,
    /// `/payments;x=1`.
    Matrix,
    /// `/payments.json`.
    Extension,
    /// More than one of these.
    Several,
}

/// Decides where a request goes. Pure: equal arguments give equal decisions.
pub fn decide(snapshot: &Snapshot, view: &RequestView<'_>, facts: Facts<'_>) -> Decision {
    let _ = (view, facts);
    Decision {
        verdict: Verdict::Forward { owner: Owner::Legacy, upstream: snapshot.legacy },
        route: None,
        slice: None,
        excepted: None,
        phase: Phase::Legacy,
        effect: Effect::Read,
        writer: Writer::Legacy,
        bucket: None,
        near_miss: None,
        reported: None,
    }
}
