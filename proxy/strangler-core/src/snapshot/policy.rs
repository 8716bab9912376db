//! What a slice or route does with its requests: `[defaults]`, slice and route merged.

use std::sync::Arc;
use std::time::Duration;

use super::slice::KeySource;

/// The effective policy of a slice or route.
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
