//! Which requests are copied to the other side, as what, and what keeps a copy from being compared.
//!
//! Owns eligibility, direction and the two draws. Refuses chance and state: draws are arguments, and are
//! independent of a client's bucket, so that the share of copies says nothing about the canary. Invariant: a
//! request that may have an effect is copied only where its route's policy says so, only while legacy is the
//! writer, and only towards the extracted service.

mod head;

use super::decide::{Decision, Verdict};
use crate::snapshot::policy::ShadowWrites;
use crate::snapshot::{Policy, Shadow, Snapshot};
use crate::words::{Effect, Owner, Phase, RouteId, Share, SliceId, UpstreamId, Writer};

pub use head::{CopyHead, HeadLine, IDEMPOTENCY_KEY, SHADOW_MODE, SHADOW_REQUEST, echoes_rollback};

/// Where a copy goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Legacy answers the client, the extracted service gets the copy.
    ToExtracted,
    /// The extracted service answers the client, legacy gets the copy.
    ToLegacy,
}

impl Direction {
    /// The side that answers the client.
    pub const fn primary(self) -> Owner {
        match self {
            Direction::ToExtracted => Owner::Legacy,
            Direction::ToLegacy => Owner::Extracted,
        }
    }

    /// The side that gets the copy.
    pub const fn candidate(self) -> Owner {
        match self {
            Direction::ToExtracted => Owner::Extracted,
            Direction::ToLegacy => Owner::Legacy,
        }
    }
}

/// What a copy does at the side that gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// It only reads.
    Read,
    /// It writes, and the service is asked to roll back; every reply must say that it did.
    DryRun,
    /// It writes to a store that is the service's own.
    Isolated,
}

/// What chance says about one request. Each number is uniform in `0..10_000`, drawn for this request alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws {
    /// Against `sample` or `reverse_sample`.
    pub sample: u16,
    /// Against `repeat`.
    pub repeat: u16,
    /// Which of the two copies goes first where legacy is asked twice.
    pub first: Owner,
}

/// Why a request is not copied at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCopy {
    /// The proxy itself answers, or no route won, or the slice excepts the request.
    NotMoved,
    /// Nothing is copied in this phase.
    Phase(Phase),
    /// It writes, and `writes = "never"`.
    Writes,
    /// It writes where copied writes have no place: legacy is not the writer, or the phase is past canary.
    NoPlaceForWrites,
    /// The client has just written, so that the other side cannot be expected to know it all yet.
    JustWrote,
    /// The share of this direction is zero.
    Off,
}

/// A request that may be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eligible {
    /// The route that won.
    pub route: RouteId,
    /// Its slice.
    pub slice: SliceId,
    /// Where the copy goes.
    pub direction: Direction,
    /// What the copy does there.
    pub purpose: Purpose,
    /// Share of such requests that are copied.
    pub share: Share,
}

/// Whether requests decided like this one are copied, and where.
///
/// # Errors
///
/// Why not.
pub fn eligible(snapshot: &Snapshot, decision: &Decision) -> Result<Eligible, NoCopy> {
    let (Verdict::Forward { owner, .. }, Some(route), Some(slice), None) =
        (decision.verdict, decision.route, decision.slice, decision.excepted)
    else {
        return Err(NoCopy::NotMoved);
    };
    if matches!(decision.phase, Phase::Legacy | Phase::Retired) {
        return Err(NoCopy::Phase(decision.phase));
    }
    if decision.wrote {
        return Err(NoCopy::JustWrote);
    }
    let shadow = snapshot.route(route).policy.shadow.as_ref().ok_or(NoCopy::Off)?;
    let copied_with_legacy = decision.writer == Writer::Legacy && owner == Owner::Legacy;
    let purpose = match (decision.effect, shadow.writes) {
        (Effect::Read, _) => Purpose::Read,
        (Effect::Write, ShadowWrites::Never) => return Err(NoCopy::Writes),
        (Effect::Write, _) if !copied_with_legacy || decision.phase == Phase::Extracted => {
            return Err(NoCopy::NoPlaceForWrites);
        }
        (Effect::Write, ShadowWrites::DryRun) => Purpose::DryRun,
        (Effect::Write, ShadowWrites::Isolated) => Purpose::Isolated,
    };
    let direction = match owner {
        Owner::Legacy => Direction::ToExtracted,
        Owner::Extracted => Direction::ToLegacy,
    };
    let share = match direction {
        Direction::ToExtracted => shadow.sample,
        Direction::ToLegacy => shadow.reverse_sample,
    };
    if share == Share::NONE {
        return Err(NoCopy::Off);
    }
    Ok(Eligible { route, slice, direction, purpose, share })
}

/// A request that was drawn to be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copying {
    /// The route that won.
    pub route: RouteId,
    /// Its slice.
    pub slice: SliceId,
    /// Where the copy goes.
    pub direction: Direction,
    /// What the copy does there.
    pub purpose: Purpose,
    /// Whether it fell within the share of reads for which legacy may be asked once more, and which copy goes
    /// first then. Never for writes.
    pub repeat: Option<Owner>,
}

/// Whether this request is copied. `None` for most requests, found out without touching the policy.
pub fn copying(snapshot: &Snapshot, decision: &Decision, draws: impl FnOnce() -> Draws) -> Option<Copying> {
    if matches!(decision.phase, Phase::Legacy | Phase::Retired) {
        return None;
    }
    let Eligible { route, slice, direction, purpose, share } = eligible(snapshot, decision).ok()?;
    let draws = draws();
    if !falls_within(draws.sample, share) {
        return None;
    }
    let repeat = snapshot.route(route).policy.shadow.as_ref().map_or(Share::NONE, |shadow| shadow.repeat);
    let repeat = (purpose == Purpose::Read && falls_within(draws.repeat, repeat)).then_some(draws.first);
    Some(Copying { route, slice, direction, purpose, repeat })
}

/// A request of a slice that is sent on, whether it is copied or not: what somebody may record. It is never sent
/// anywhere by this.
pub fn passing(decision: &Decision) -> Option<Copying> {
    let (Verdict::Forward { owner, .. }, Some(route), Some(slice), None) =
        (decision.verdict, decision.route, decision.slice, decision.excepted)
    else {
        return None;
    };
    let direction = match owner {
        Owner::Legacy => Direction::ToExtracted,
        Owner::Extracted => Direction::ToLegacy,
    };
    Some(Copying { route, slice, direction, purpose: Purpose::Read, repeat: None })
}

const fn falls_within(draw: u16, share: Share) -> bool {
    draw < share.basis_points()
}

/// What makes one request's answers incomparable as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// It asks for another protocol (RFC 9110 section 7.8).
    Upgrade,
    /// It asks for a part (RFC 9110 section 14.2).
    Range,
    /// It depends on what the client has already (RFC 9110 section 13.1).
    Conditional,
}

impl Obstacle {
    /// The strongest obstacle among the names of a request's header lines, in any case.
    pub fn among<'a>(names: impl IntoIterator<Item = &'a [u8]>) -> Option<Obstacle> {
        let mut found = None;
        for name in names {
            // By length first: most names are none of these.
            let obstacle = match name.len() {
                5 if name.eq_ignore_ascii_case(b"range") => Obstacle::Range,
                7 if name.eq_ignore_ascii_case(b"upgrade") => return Some(Obstacle::Upgrade),
                8 | 13 | 17 | 19 if head::is_condition(name) => Obstacle::Conditional,
                _ => continue,
            };
            if found != Some(Obstacle::Range) {
                found = Some(obstacle);
            }
        }
        found
    }
}

/// What is done with a request that was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// Its copy is compared with what the client got.
    AsSent,
    /// Both sides are asked without what stands in the way, and these two are compared.
    StrippedPair,
    /// Nothing is sent.
    NotCompared(Obstacle),
}

impl Copying {
    /// What is done in spite of an obstacle, or because of it. A stripped pair asks legacy what no client
    /// asked, so it is made only within the share that `repeat` allows.
    pub const fn course(&self, obstacle: Option<Obstacle>) -> Course {
        match (obstacle, self.repeat) {
            (None, _) => Course::AsSent,
            (Some(Obstacle::Range | Obstacle::Conditional), Some(_)) => Course::StrippedPair,
            (Some(obstacle), _) => Course::NotCompared(obstacle),
        }
    }

    /// The upstream of one side.
    pub fn upstream(&self, snapshot: &Snapshot, side: Owner) -> UpstreamId {
        match side {
            Owner::Legacy => snapshot.legacy,
            Owner::Extracted => snapshot.slice(self.slice).upstream,
        }
    }

    /// The policy of the route that won.
    pub fn policy<'a>(&self, snapshot: &'a Snapshot) -> &'a Policy {
        &snapshot.route(self.route).policy
    }

    /// The part of it that is about copies.
    pub fn shadow<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Shadow> {
        self.policy(snapshot).shadow.as_ref()
    }
}

#[cfg(test)]
mod tests;
