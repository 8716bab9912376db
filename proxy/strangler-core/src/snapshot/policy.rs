//! What a slice or route does with its requests: built-in values, `[defaults]`, slice and route merged.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::compare::Compare;
use super::slice::KeySource;
use crate::words::{Phase, Share};

/// The effective policy of a slice or route.
///
/// `Policy::default()` does nothing to a request and watches nothing; the defaults of the language are in
/// [`crate::config`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Overrides of the upstream's time-outs.
    pub timeouts: TimeoutOverrides,
    /// Changes to the target on the extracted side.
    pub rewrite: Option<Rewrite>,
    /// Changes to request headers on the extracted side.
    pub request_headers: HeaderOps,
    /// Changes to the extracted side's response headers.
    pub response_headers: HeaderOps,
    /// The cohort's name; `None`: the slice's.
    pub cohort: Option<Arc<str>>,
    /// Where a client's cohort key is taken from; the first present wins.
    pub cohort_by: Vec<KeySource>,
    /// The cookie the proxy issues as a cohort key.
    pub cohort_cookie: Option<CohortCookie>,
    /// Copies of requests to the other side.
    pub shadow: Option<Shadow>,
    /// How two responses are compared.
    pub compare: Compare,
    /// When legacy answers for a failing extracted side.
    pub fallback: Fallback,
    /// A read that can fall back waits this long for headers.
    pub fallback_after: Duration,
    /// The live limit that causes a retreat; `None`: off.
    pub guardrails: Option<Guardrails>,
    /// Evidence demanded before a phase; `None`: none.
    pub gate: Option<Gate>,
    /// The answer when nobody can answer; `None`: the proxy's own.
    pub unavailable: Option<Unavailable>,
    /// After a client's successful unsafe request its reads go to the writer this long.
    pub read_your_writes: Duration,
}

/// `timeouts` of a policy: what it does not say is the upstream's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeoutOverrides {
    /// Until a connection stands.
    pub connect: Option<Duration>,
    /// Until response headers.
    pub response: Option<Duration>,
    /// Between two pieces of a response body.
    pub idle: Option<Duration>,
}

/// `rewrite`, on the extracted side only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// Removed from the front of the path, at an element boundary.
    pub strip_prefix: Option<String>,
    /// Put in front of the path.
    pub add_prefix: Option<String>,
    /// Replaces the whole path; may use `{name}` of the pattern.
    pub path: Option<String>,
    /// Replaces `Host`.
    pub host: Option<String>,
}

/// `request_headers` and `response_headers`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderOps {
    /// Removed, before `set`.
    pub remove: Vec<http::HeaderName>,
    /// Set, replacing every line of that name.
    pub set: Vec<(http::HeaderName, http::HeaderValue)>,
}

/// `cohort_cookie`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CohortCookie {
    /// The cookie's name.
    pub name: String,
    /// How long a browser keeps it.
    pub max_age: Duration,
}

/// `shadow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// Share of eligible requests that are copied to the extracted side.
    pub sample: Share,
    /// Share of requests answered by the extracted side that are copied to legacy.
    pub reverse_sample: Share,
    /// Larger bodies are not compared, in bytes.
    pub body_max: u64,
    /// How long a copy may take.
    pub timeout: Duration,
    /// Copies in flight per slice; over: dropped and counted.
    pub concurrency: u32,
    /// What happens to unsafe requests.
    pub writes: ShadowWrites,
    /// Share of shadowed reads that legacy is asked a second time.
    pub repeat: Share,
    /// How often a mismatching read may be asked again; `None`: never.
    pub recheck: Option<Rate>,
    /// What is kept of differing bodies.
    pub examples: Examples,
    /// Changes to the headers of copies.
    pub request_headers: HeaderOps,
}

/// `shadow.writes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShadowWrites {
    /// They are not copied.
    Never,
    /// Copied, marked, and every reply must say that it was rolled back.
    DryRun,
    /// Copied to a service with a store of its own.
    Isolated,
}

/// `shadow.examples`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Examples {
    /// Names and types.
    Structure,
    /// Values too, redacted.
    Values,
}

/// So many in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In which time.
    pub per: Duration,
}

/// `fallback`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fallback {
    /// Never.
    #[default]
    Never,
    /// On connect errors, time-outs and 502 to 504, where the writer's data reaches legacy.
    Auto,
    /// On these.
    On(Vec<Failure>),
}

/// One entry of a `fallback` list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection.
    ConnectError,
    /// No headers in time.
    Timeout,
    /// Any status from 500 to 599.
    ServerError,
    /// This status.
    Status(u16),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::ConnectError => f.write_str("connect-error"),
            Failure::Timeout => f.write_str("timeout"),
            Failure::ServerError => f.write_str("5xx"),
            Failure::Status(status) => write!(f, "{status}"),
        }
    }
}

/// `unavailable`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// The status.
    pub status: http::StatusCode,
    /// `Retry-After`.
    pub retry_after: Duration,
    /// For people.
    pub message: String,
}

/// `guardrails`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Guardrails {
    /// How far back they look.
    pub window: Duration,
    /// Fewer requests in it: hold.
    pub min_requests: u32,
    /// Most failures above the simultaneous legacy cohort's, in hundredths of a percentage point.
    pub error_rate_above_legacy: Option<u32>,
    /// Most failures where there is no such cohort.
    pub error_rate_max: Option<Share>,
    /// Most latency above legacy's 95th percentile, in hundredths of a percent of it.
    pub latency_p95_above_legacy: Option<u32>,
    /// The phase they retreat to.
    pub retreat_to: Phase,
}

/// `gate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Mismatches must be rarer.
    pub mismatch_below: Share,
    /// At this confidence.
    pub confidence: Share,
    /// Comparisons of every route.
    pub min_per_route: u32,
    /// From the first comparison to the last.
    pub min_age: Duration,
    /// Share of the slice's routes that were compared `min_per_route` times.
    pub coverage: Share,
}
