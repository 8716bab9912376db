//! Words that metrics are labelled with, one type per label.
//!
//! Refuses counting: that is [`super::recorder`]'s.

use strangler_core::words::Owner;

/// Who answered a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Answerer {
    /// The monolith.
    Legacy,
    /// The extracted service.
    Extracted,
    /// The proxy itself.
    Proxy,
}

impl Answerer {
    /// The value of the `owner` label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Answerer::Legacy => "legacy",
            Answerer::Extracted => "extracted",
            Answerer::Proxy => "proxy",
        }
    }
}

impl From<Owner> for Answerer {
    fn from(owner: Owner) -> Answerer {
        match owner {
            Owner::Legacy => Answerer::Legacy,
            Owner::Extracted => Answerer::Extracted,
        }
    }
}

/// What requests a recorder counts; the value of the `role` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Requests of clients.
    Primary,
    /// Copies of them.
    Shadow,
}

impl Role {
    /// The value of the `role` label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Primary => "primary",
            Role::Shadow => "shadow",
        }
    }
}

/// A limit of `[limits]` or of an upstream; the value of the `limit` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `limits.header_bytes`.
    HeaderBytes,
    /// `limits.headers`.
    Headers,
    /// `limits.target_bytes`.
    TargetBytes,
    /// `limits.body`.
    Body,
    /// `limits.connections`.
    Connections,
    /// `limits.header_timeout`.
    HeaderTimeout,
    /// `limits.body_timeout`.
    BodyTimeout,
    /// `limits.body_rate`.
    BodyRate,
    /// `limits.idle_timeout`.
    IdleTimeout,
    /// The process has no file descriptor left.
    Descriptors,
    /// `upstreams.*.max_connections`.
    MaxConnections,
    /// `upstreams.*.max_in_flight`.
    MaxInFlight,
    /// `upstreams.*.retries.budget`.
    RetryBudget,
    /// Ambiguous path refused or reported (`limits.strictness`).
    Strictness,
    /// Pipes of one thread: large bodies are copied meanwhile.
    Pipes,
    /// The body of a read is too large to be kept for a fallback.
    FallbackBody,
    /// A client whose write was remembered for `read_your_writes` had to give way to others.
    RecentWrites,
}

impl Limit {
    /// Every limit, in the order of the counters.
    pub const ALL: [Limit; 17] = [
        Limit::HeaderBytes,
        Limit::Headers,
        Limit::TargetBytes,
        Limit::Body,
        Limit::Connections,
        Limit::HeaderTimeout,
        Limit::BodyTimeout,
        Limit::BodyRate,
        Limit::IdleTimeout,
        Limit::Descriptors,
        Limit::MaxConnections,
        Limit::MaxInFlight,
        Limit::RetryBudget,
        Limit::Strictness,
        Limit::Pipes,
        Limit::FallbackBody,
        Limit::RecentWrites,
    ];

    /// The value of the `limit` label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Limit::HeaderBytes => "header_bytes",
            Limit::Headers => "headers",
            Limit::TargetBytes => "target_bytes",
            Limit::Body => "body",
            Limit::Connections => "connections",
            Limit::HeaderTimeout => "header_timeout",
            Limit::BodyTimeout => "body_timeout",
            Limit::BodyRate => "body_rate",
            Limit::IdleTimeout => "idle_timeout",
            Limit::Descriptors => "descriptors",
            Limit::MaxConnections => "max_connections",
            Limit::MaxInFlight => "max_in_flight",
            Limit::RetryBudget => "retry_budget",
            Limit::Strictness => "strictness",
            Limit::Pipes => "pipes",
            Limit::FallbackBody => "fallback_body",
            Limit::RecentWrites => "recent_writes",
        }
    }
}

/// A side of the proxy, for connection gauges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Connections from clients.
    Client,
    /// Connections to upstreams.
    Upstream,
}

impl Side {
    /// Both sides.
    pub const ALL: [Side; 2] = [Side::Client, Side::Upstream];

    /// The value of the `side` label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Side::Client => "client",
            Side::Upstream => "upstream",
        }
    }
}
