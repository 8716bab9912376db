//! Routes before and after an edit: who answers, in which phase, for which share, and who owns the data.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::routing::Facts;
use crate::routing::decide::effective_phase;
use crate::snapshot::{Route, Snapshot};
use crate::words::{Phase, Share, SliceId};

/// Where a route stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its slice.
    pub slice: String,
    /// Effective phase: of the file or of a retreat, whichever is lower.
    pub phase: String,
    /// Who answers reads: `legacy`, `extracted`, or in a canary both.
    pub reads: String,
    /// Share of the canary's clients; only in phase canary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    /// Who owns the data, and takes writes.
    pub writer: String,
    /// The extracted service.
    pub upstream: String,
}

impl Standing {
    fn of(snapshot: &Snapshot, facts: Facts<'_>, route: &Route) -> Standing {
        let slice = snapshot.slice(route.slice);
        let phase = effective_phase(route, facts);
        let share = route.canary.as_ref().filter(|_| phase == Phase::Canary).map(|canary| canary.share);
        Standing {
            slice: slice.name.to_string(),
            phase: phase.to_string(),
            reads: match phase {
                Phase::Legacy | Phase::Shadow => "legacy".to_owned(),
                Phase::Canary => "legacy and extracted".to_owned(),
                Phase::Extracted | Phase::Retired => "extracted".to_owned(),
            },
            share: share.map(|share| share.to_string()),
            writer: slice.writer.to_string(),
            upstream: snapshot.upstream(slice.upstream).name.clone(),
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Standing { slice: _, phase, reads, share, writer, upstream: _ } = self;
        match share {
            Some(share) => write!(f, "{phase} {share}: reads {reads}, writes {writer}"),
            None => write!(f, "{phase}: reads {reads}, writes {writer}"),
        }
    }
}

/// One route that stands elsewhere, is new, or is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteChange {
    /// Its id.
    pub route: String,
    /// Before; `None`: it is new.
    pub before: Option<Standing>,
    /// After; `None`: it is gone.
    pub after: Option<Standing>,
}

/// Every route that does not stand where it stood, by id.
pub fn route_changes(before: (&Snapshot, Facts<'_>), after: (&Snapshot, Facts<'_>)) -> Vec<RouteChange> {
    let mut changes: BTreeMap<&str, (Option<Standing>, Option<Standing>)> = BTreeMap::new();
    for route in &before.0.routes {
        changes.entry(&route.id).or_default().0 = Some(Standing::of(before.0, before.1, route));
    }
    for route in &after.0.routes {
        changes.entry(&route.id).or_default().1 = Some(Standing::of(after.0, after.1, route));
    }
    changes
        .into_iter()
        .filter(|(_, (before, after))| before != after)
        .map(|(id, (before, after))| RouteChange { route: id.to_owned(), before, after })
        .collect()
}

/// A slice of which the extracted service answers more, or legacy less, than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    /// In the new configuration.
    pub slice: SliceId,
    /// A route of it that is raised.
    pub route: String,
}

/// Slices of which the extracted service answers more by the files, or legacy less: retreats aside, which a person may
/// lift.
pub fn raised(before: &Snapshot, after: &Snapshot) -> Vec<Raised> {
    let old: BTreeMap<&str, u16> = before.routes.iter().map(|route| (&*route.id, height(route))).collect();
    let mut raised: BTreeMap<SliceId, &str> = BTreeMap::new();
    for route in &after.routes {
        if height(route) > old.get(&*route.id).copied().unwrap_or(0) {
            raised.entry(route.slice).or_insert(&route.id);
        }
    }
    raised.into_iter().map(|(slice, route)| Raised { slice, route: route.to_owned() }).collect()
}

/// How far a route has come: of 10,000 clients so many are answered by the extracted service, and one more where nobody
/// else can.
fn height(route: &Route) -> u16 {
    match route.phase {
        Phase::Legacy | Phase::Shadow => 0,
        Phase::Canary => route.canary.as_ref().map_or(0, |canary| canary.share.basis_points()),
        Phase::Extracted => Share::ALL.basis_points(),
        Phase::Retired => Share::ALL.basis_points() + 1,
    }
}
