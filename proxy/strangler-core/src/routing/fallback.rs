//! When legacy answers a read that the extracted side fails.
//!
//! Owns the conditions: who may be answered by legacy at all, and which failures count. Refuses the second attempt
//! itself. Invariant: a request that may have an effect is never answered a second time, and no list of failures lets
//! reads be answered from a side that the writer's data does not reach.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::decide::{Decision, Verdict};
use crate::snapshot::Snapshot;
use crate::snapshot::policy::{Failure, Fallback};
use crate::words::{Effect, Owner, Phase, RouteId, SliceId, Writer};

/// How far the data of the side that does not write is behind, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LagState {
    /// Nobody has said, or not lately.
    Unknown,
    /// By so much.
    Behind(Duration),
}

/// Why legacy does not answer for the extracted side, whatever happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoFallback {
    /// The proxy answers.
    Refused,
    /// Legacy answers anyway.
    Legacy,
    /// It may have an effect.
    Write,
    /// Legacy is never contacted.
    Retired,
    /// `fallback = "never"`.
    Never,
    /// The writer's data does not reach legacy.
    Unreached,
    /// It does, but not how late is known.
    LagUnknown,
    /// It does, but later than `sync_lag` allows.
    Lagging,
    /// Legacy and the extracted service are one upstream.
    SameUpstream,
}

/// A read that legacy answers if the extracted side fails it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MayFallBack<'s> {
    /// On which failures.
    pub on: &'s Fallback,
    /// How long headers are waited for; `None` where a time-out is none of the failures.
    pub after: Option<Duration>,
}

/// What became of a read at the extracted side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trouble {
    /// No connection.
    Connect,
    /// No connection in time.
    ConnectTimeout,
    /// No headers in time.
    Timeout,
    /// The connection broke before there was an answer, or what came is none: the client would get a 502.
    Broken,
    /// All endpoints are out.
    NoEndpoint,
    /// The upstream's breaker is open.
    BreakerOpen,
    /// The upstream has as much to do as it may have.
    Shed,
    /// An answer with this status.
    Status(u16),
}

impl Trouble {
    /// The value of the `reason` label, and of `fallback` in the access log.
    pub fn label(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Trouble::Connect | Trouble::ConnectTimeout => "connect-error",
            Trouble::Timeout => "timeout",
            Trouble::Broken => "broken",
            Trouble::NoEndpoint => "no-endpoint",
            Trouble::BreakerOpen => "breaker-open",
            Trouble::Shed => "shed",
            Trouble::Status(502) => "502",
            Trouble::Status(503) => "503",
            Trouble::Status(504) => "504",
            Trouble::Status(status) => return Cow::Owned(status.to_string()),
        })
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label())
    }
}

/// Whether legacy answers a request decided like this one where the extracted side fails it. `lag` is asked only
/// where it matters: the file says where to ask for it, and legacy is not the writer, whose data is never late.
///
/// # Errors
///
/// Why not.
pub fn may_fall_back<'s>(
    snapshot: &'s Snapshot,
    decision: &Decision,
    lag: impl FnOnce(SliceId) -> LagState,
) -> Result<MayFallBack<'s>, NoFallback> {
    let (on, route, id) = candidate(snapshot, decision)?;
    let slice = snapshot.slice(id);
    if !slice.is_reached(Owner::Legacy) {
        return Err(NoFallback::Unreached);
    }
    if let Some(limit) = slice.sync_lag.as_ref().filter(|_| slice.writer != Writer::Legacy) {
        match lag(id) {
            LagState::Unknown => return Err(NoFallback::LagUnknown),
            LagState::Behind(behind) if behind > limit.max => return Err(NoFallback::Lagging),
            LagState::Behind(_) => {}
        }
    }
    let waits = match on {
        Fallback::Never => false,
        Fallback::Auto => true,
        Fallback::On(failures) => failures.contains(&Failure::Timeout),
    };
    let after = waits.then_some(snapshot.route(route).policy.fallback_after);
    Ok(MayFallBack { on, after })
}

/// What can be said of the request and its policy alone.
fn candidate<'s>(
    snapshot: &'s Snapshot,
    decision: &Decision,
) -> Result<(&'s Fallback, RouteId, SliceId), NoFallback> {
    let Verdict::Forward { owner, upstream } = decision.verdict else { return Err(NoFallback::Refused) };
    let (Owner::Extracted, Some(route), Some(slice)) = (owner, decision.route, decision.slice) else {
        return Err(NoFallback::Legacy);
    };
    if decision.phase == Phase::Retired {
        return Err(NoFallback::Retired);
    }
    if decision.effect == Effect::Write {
        return Err(NoFallback::Write);
    }
    let on = &snapshot.route(route).policy.fallback;
    if *on == Fallback::Never {
        return Err(NoFallback::Never);
    }
    if upstream == snapshot.legacy {
        return Err(NoFallback::SameUpstream);
    }
    Ok((on, route, slice))
}

/// Whether a policy counts this as a failure.
///
/// In a list, a status is what the service answers, or what the proxy would answer in its place where the list has no
/// word for what happened. An open breaker and a service without endpoints stand for the failures that led there.
pub fn applies(on: &Fallback, trouble: Trouble) -> bool {
    match on {
        Fallback::Never => false,
        Fallback::Auto => !matches!(trouble, Trouble::Status(status) if !matches!(status, 502..=504)),
        Fallback::On(failures) => failures.iter().any(|failure| names(*failure, trouble)),
    }
}

fn names(failure: Failure, trouble: Trouble) -> bool {
    match trouble {
        Trouble::Connect => failure == Failure::ConnectError,
        Trouble::ConnectTimeout => matches!(failure, Failure::ConnectError | Failure::Timeout),
        Trouble::Timeout => failure == Failure::Timeout,
        Trouble::NoEndpoint | Trouble::BreakerOpen => true,
        Trouble::Broken => names(failure, Trouble::Status(502)),
        Trouble::Shed => names(failure, Trouble::Status(503)),
        Trouble::Status(status) => match failure {
            Failure::ServerError => (500..=599).contains(&status),
            Failure::Status(named) => named == status,
            Failure::ConnectError | Failure::Timeout => false,
        },
    }
}

#[cfg(test)]
mod tests;
