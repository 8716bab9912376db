//! Slices and routes, compiled.

use std::sync::Arc;
use std::time::Duration;

use super::policy::Policy;
use crate::matching::path::PathRules;
use crate::matching::{Pattern, Predicates};
use crate::words::{Effect, Owner, Phase, Share, SliceId, Sync, UpstreamId, Writer};

/// Where something stands in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// The part of the monolith that one team moves.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Its name.
    pub name: Arc<str>,
    /// The extracted service.
    pub upstream: UpstreamId,
    /// The phase its file states.
    pub phase: Phase,
    /// The canary, kept in every phase.
    pub canary: Option<Canary>,
    /// Who owns the data.
    pub writer: Writer,
    /// Whether the file says `writer` in so many words.
    pub writer_stated: bool,
    /// How the sides' data are kept in step; `None`: not said.
    pub sync: Option<Sync>,
    /// Where the lag of that is asked for.
    pub sync_lag: Option<SyncLag>,
    /// How its paths are read.
    pub paths: PathRules,
    /// Where the extracted service says its version.
    pub version_from: Option<http::HeaderName>,
    /// What its `routes` would take but stays with legacy.
    pub except: Vec<Pattern>,
    /// `team`.
    pub team: Option<String>,
    /// `review_by`.
    pub review_by: Option<jiff::civil::Date>,
    /// The slice's effective policy.
    pub policy: Arc<Policy>,
    /// Where the slice is written.
    pub place: Place,
}

impl Slice {
    /// Whether what the writer has written can be read from a side.
    pub fn is_reached(&self, side: Owner) -> bool {
        is_reached(self.writer, self.sync, side)
    }
}

/// Whether the writer's data reaches a side: it is the writer, or the data is kept in step towards it.
pub fn is_reached(writer: Writer, sync: Option<Sync>, side: Owner) -> bool {
    let writes = match writer {
        Writer::Legacy => side == Owner::Legacy,
        Writer::Extracted => side == Owner::Extracted,
        Writer::ByCohort => false,
    };
    let synced = match sync {
        Some(Sync::Stateless | Sync::Shared | Sync::Both) => true,
        Some(Sync::ToExtracted) => side == Owner::Extracted,
        Some(Sync::ToLegacy) => side == Owner::Legacy,
        None => false,
    };
    writes || synced
}

/// `sync_lag`: how far one side's data is behind the other's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncLag {
    /// Answers `{"lag_ms": N}`.
    pub url: String,
    /// Above it the data does not count as reached.
    pub max: Duration,
}

/// A match and its policy.
#[derive(Clone, Debug)]
pub struct Route {
    /// Unique; the match text where the file gives none.
    pub id: Arc<str>,
    /// Its slice.
    pub slice: SliceId,
    /// What it matches.
    pub pattern: Pattern,
    /// Conditions beside the pattern.
    pub when: Predicates,
    /// Whether it stands in the slice's `routes` list, to which `except` applies.
    pub listed: bool,
    /// Declared effect; `None`: by method.
    pub effect: Option<Effect>,
    /// Decides between routes of equal specificity; higher wins.
    pub priority: i64,
    /// The phase its file states (the slice's unless the route has its own).
    pub phase: Phase,
    /// The canary (the slice's unless the route has its own).
    pub canary: Option<Canary>,
    /// The route's effective policy.
    pub policy: Arc<Policy>,
    /// Where the route is written.
    pub place: Place,
}

impl Route {
    /// Whether any request that it takes counts as reading.
    pub fn reads(&self) -> bool {
        reads(&self.pattern, self.effect)
    }
}

/// Whether any request of a pattern counts as reading.
pub(crate) fn reads(pattern: &Pattern, effect: Option<Effect>) -> bool {
    match effect {
        Some(effect) => effect == Effect::Read,
        None => {
            let methods = pattern.methods();
            !methods.is_named() || ["GET", "HEAD", "OPTIONS"].iter().any(|method| methods.names(method))
        }
    }
}

/// `canary`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Canary {
    /// Share of clients.
    pub share: Share,
    /// Clients that are always in the cohort.
    pub always: Vec<KeyMatch>,
    /// Clients that are never in it.
    pub never: Vec<KeyMatch>,
    /// Shares that a promotion goes through.
    pub steps: Vec<Share>,
}

/// One `SOURCE=VALUE` of `always` and `never`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyMatch {
    /// Where the value is taken from.
    pub source: KeySource,
    /// The value it must equal.
    pub value: String,
}

/// Where a cohort key is taken from, as written: `header:NAME` (name in lower case), `cookie:NAME`,
/// `query:NAME`, `path:NAME`, `host-label:N`, `client-ip`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// A request header; the name in lower case.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// A query parameter.
    Query(String),
    /// A named element of the route's pattern.
    Path(String),
    /// A label of the host, from 1 at the left.
    HostLabel(u32),
    /// The client's address, as believed.
    ClientIp,
}

#[cfg(test)]
mod tests {
    use super::is_reached;
    use crate::words::{Owner, Sync, Writer};

    #[test]
    fn a_side_is_reached_if_it_writes_or_sync_points_to_it() {
        let check = |writer, sync, legacy, extracted| {
            assert_eq!(is_reached(writer, sync, Owner::Legacy), legacy, "{writer} {sync:?}");
            assert_eq!(is_reached(writer, sync, Owner::Extracted), extracted, "{writer} {sync:?}");
        };
        check(Writer::Legacy, None, true, false);
        check(Writer::Extracted, None, false, true);
        check(Writer::Legacy, Some(Sync::ToExtracted), true, true);
        check(Writer::Legacy, Some(Sync::ToLegacy), true, false);
        check(Writer::Extracted, Some(Sync::ToLegacy), true, true);
        check(Writer::Extracted, Some(Sync::ToExtracted), false, true);
        check(Writer::ByCohort, Some(Sync::ToExtracted), false, true);
        for sync in [Sync::Stateless, Sync::Shared, Sync::Both] {
            for writer in Writer::ALL {
                check(*writer, Some(sync), true, true);
            }
        }
    }
}
