//! The way of a slice forward: one step of its canary, then one phase.
//!
//! Owns where a slice stands, what comes next, and which moves demand evidence. Refuses to judge evidence and to edit
//! anything. Moves back are free: they go anywhere and demand nothing.

use std::fmt;

use crate::config;
use crate::snapshot::Slice;
use crate::words::{Phase, Share, Writer};

/// Where a slice stands on its way. Ordered: what comes later is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Station {
    /// The phase.
    pub phase: Phase,
    /// The canary's share; only in phase canary.
    pub share: Option<Share>,
}

impl fmt::Display for Station {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.share {
            Some(share) => write!(f, "{} {share}", self.phase),
            None => write!(f, "{}", self.phase),
        }
    }
}

impl Station {
    const fn of(phase: Phase) -> Station {
        Station { phase, share: None }
    }

    const fn canary(share: Share) -> Station {
        Station { phase: Phase::Canary, share: Some(share) }
    }
}

/// Where somebody wants a slice to go. Nothing said: one step forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// To this phase.
    pub phase: Option<Phase>,
    /// To this share of a canary.
    pub share: Option<Share>,
}

/// Which way a move goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards the extracted service, by one step or less.
    Step,
    /// Towards the extracted service, over a step in between.
    Skip,
    /// Towards legacy.
    Back,
    /// It is there already.
    Nowhere,
}

/// A move of one slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// Where it stands.
    pub from: Station,
    /// Where it goes.
    pub to: Station,
    /// Which way that is.
    pub direction: Direction,
}

impl Promotion {
    /// Whether evidence is demanded before it: it lets the extracted service answer more, or legacy less.
    pub fn demands_evidence(&self) -> bool {
        matches!(self.direction, Direction::Step | Direction::Skip) && self.to.phase >= Phase::Canary
    }
}

/// Why a slice cannot go where it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// There is nothing behind `retired`.
    #[error("it is retired: there is no further step")]
    AtTheEnd,
    /// A share is that of a canary.
    #[error("a share belongs to phase canary: leave it out, or ask for phase canary")]
    ShareOutsideCanary,
    /// It is in a canary, and it was not said which share it should have.
    #[error(
        "it is in phase canary already: say which share it should have, or leave the phase out for the next step"
    )]
    CanaryWithoutShare,
    /// Legacy cannot be left alone while it owns the data.
    #[error(
        "its writer is {0}, and a retired slice never contacts legacy: writes must go to the extracted service \
         first (writer = \"extracted\"), once it owns the data"
    )]
    WriterNotExtracted(Writer),
}

/// Where a slice stands by its file.
pub fn station(slice: &Slice) -> Station {
    let share = slice.canary.as_ref().map(|canary| canary.share);
    Station { phase: slice.phase, share: share.filter(|_| slice.phase == Phase::Canary) }
}

/// What a wish means for a slice.
///
/// # Errors
///
/// Why it cannot be.
pub fn promotion(slice: &Slice, wish: Wish) -> Result<Promotion, Impossible> {
    let from = station(slice);
    let steps = steps(slice);
    let next = next(from, &steps);
    let to = match wish {
        Wish { phase: None, share: None } => next.ok_or(Impossible::AtTheEnd)?,
        Wish { phase: None | Some(Phase::Canary), share: Some(share) } => Station::canary(share),
        Wish { phase: Some(_), share: Some(_) } => return Err(Impossible::ShareOutsideCanary),
        Wish { phase: Some(Phase::Canary), share: None } => entering(slice, from, &steps)?,
        Wish { phase: Some(phase), share: None } => Station::of(phase),
    };
    if to.phase == Phase::Retired && slice.writer != Writer::Extracted {
        return Err(Impossible::WriterNotExtracted(slice.writer));
    }
    let direction = match to.cmp(&from) {
        std::cmp::Ordering::Less => Direction::Back,
        std::cmp::Ordering::Equal => Direction::Nowhere,
        std::cmp::Ordering::Greater if next.is_some_and(|next| to <= next) => Direction::Step,
        std::cmp::Ordering::Greater => Direction::Skip,
    };
    Ok(Promotion { from, to, direction })
}

/// The shares that the slice's canary goes through, rising.
fn steps(slice: &Slice) -> Vec<Share> {
    match &slice.canary {
        Some(canary) if !canary.steps.is_empty() => canary.steps.clone(),
        _ => config::built_in_steps(),
    }
}

/// One step forward; `None`: there is none.
fn next(from: Station, steps: &[Share]) -> Option<Station> {
    let after = |share: Share| steps.iter().copied().find(|step| *step > share).map(Station::canary);
    match (from.phase, from.share) {
        (Phase::Legacy, _) => Some(Station::of(Phase::Shadow)),
        (Phase::Shadow, _) => after(Share::NONE).or(Some(Station::of(Phase::Extracted))),
        (Phase::Canary, share) => after(share.unwrap_or(Share::NONE)).or(Some(Station::of(Phase::Extracted))),
        (Phase::Extracted, _) => Some(Station::of(Phase::Retired)),
        (Phase::Retired, _) => None,
    }
}

/// Phase canary, where no share was named: from below its first step, from above the share that the file keeps.
fn entering(slice: &Slice, from: Station, steps: &[Share]) -> Result<Station, Impossible> {
    let first = steps.first().copied().unwrap_or(Share::ALL);
    match from.phase {
        Phase::Legacy | Phase::Shadow => Ok(Station::canary(first)),
        Phase::Canary => Err(Impossible::CanaryWithoutShare),
        Phase::Extracted | Phase::Retired => {
            Ok(Station::canary(slice.canary.as_ref().map_or(first, |canary| canary.share)))
        }
    }
}

#[cfg(test)]
mod tests;
