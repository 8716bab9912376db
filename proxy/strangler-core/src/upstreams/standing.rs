//! Which endpoints of an upstream are asked: passive ejection and active checks.
//!
//! An endpoint that fails [`FAILURES`] requests in a row is *ejected* for a second, then for two, and so on up to
//! [`LONGEST`]; it returns by itself, or at once where it answers a request. One whose active checks fail is
//! *unhealthy* until they pass again.
//!
//! Invariant: at most half of the endpoints are ejected, and never the last one that would be asked: while one is
//! well by its checks, one is available. Only active checks can leave nobody to ask.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::snapshot::HealthCheck;

/// Requests in a row that an endpoint may fail before it is ejected.
pub const FAILURES: u32 = 5;

/// How long it is ejected for the first time.
pub const FIRST: Duration = Duration::from_secs(1);

/// How long at most, doubling each time: an endpoint that is back is not without clients for long.
pub const LONGEST: Duration = Duration::from_secs(10);

/// An endpoint that was not ejected for so long begins with [`FIRST`] again.
pub const FORGIVEN: Duration = Duration::from_secs(60);

/// Which endpoint: whatever number the caller gave it.
pub type EndpointKey = u64;

/// Whether an endpoint is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It is.
    Available,
    /// Not for a while: it failed requests.
    Ejected,
    /// Not until its active checks pass.
    Unhealthy,
}

impl State {
    /// Every state.
    pub const ALL: [State; 3] = [State::Available, State::Ejected, State::Unhealthy];

    /// The value of the `state` label.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Available => "available",
            State::Ejected => "ejected",
            State::Unhealthy => "unhealthy",
        }
    }
}

/// How one endpoint stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    unhealthy: bool,
    /// Checks in a row that speak against `unhealthy` as it is.
    streak: u32,
    /// Until when it is ejected.
    ejected: Option<Duration>,
    ejections: u32,
    /// When it was last ejected, or returned.
    turned: Duration,
    /// What was wrong with it last.
    why: Box<str>,
}

impl Standing {
    /// Whether it is asked.
    pub fn state(&self) -> State {
        match (self.unhealthy, self.ejected) {
            (true, _) => State::Unhealthy,
            (false, Some(_)) => State::Ejected,
            (false, None) => State::Available,
        }
    }

    /// What was wrong with it last; empty where nothing ever was.
    pub fn why(&self) -> &str {
        &self.why
    }
}

/// A change that is worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingChange {
    /// Whose.
    pub endpoint: EndpointKey,
    /// What it is now.
    pub state: State,
    /// For how long, where that is known.
    pub lasts: Option<Duration>,
    /// What was wrong with it.
    pub why: Box<str>,
}

/// How the endpoints of one upstream stand.
#[derive(Clone, Debug, Default)]
pub struct Standings {
    of: BTreeMap<EndpointKey, Standing>,
}

impl Standings {
    /// These endpoints there are: others are forgotten, new ones are available.
    pub fn keep(&mut self, endpoints: &[EndpointKey]) -> Vec<StandingChange> {
        self.of.retain(|key, _| endpoints.contains(key));
        for key in endpoints {
            self.of.entry(*key).or_default();
        }
        self.restore()
    }

    /// How one stands.
    pub fn get(&self, endpoint: EndpointKey) -> Option<&Standing> {
        self.of.get(&endpoint)
    }

    /// Whether it is asked; what is not known is.
    pub fn state(&self, endpoint: EndpointKey) -> State {
        self.of.get(&endpoint).map_or(State::Available, Standing::state)
    }

    /// When the next ejected endpoint returns.
    pub fn next_return(&self) -> Option<Duration> {
        self.of.values().filter_map(|standing| standing.ejected).min()
    }

    /// Lets those return whose time has come.
    pub fn settle(&mut self, now: Duration) -> Vec<StandingChange> {
        let due = |standing: &Standing| standing.ejected.is_some_and(|until| until <= now);
        let due: Vec<_> = self.of.iter().filter(|(_, s)| due(s)).map(|(key, _)| *key).collect();
        due.into_iter().filter_map(|key| self.bring_back(key, now)).collect()
    }

    /// An endpoint has failed `in_a_row` requests by now, the last one because of `why`.
    pub fn failed(
        &mut self,
        endpoint: EndpointKey,
        in_a_row: u32,
        why: &str,
        now: Duration,
    ) -> Option<StandingChange> {
        let all = self.of.len();
        let ejected = self.of.values().filter(|standing| standing.ejected.is_some()).count();
        let available = self.available();
        let standing = self.of.get_mut(&endpoint)?;
        let others = available - usize::from(standing.state() == State::Available);
        if in_a_row < FAILURES || standing.ejected.is_some() || ejected + 1 > all / 2 || others == 0 {
            return None;
        }
        if now.saturating_sub(standing.turned) >= FORGIVEN {
            standing.ejections = 0;
        }
        let lasts =
            FIRST.saturating_mul(1_u32.checked_shl(standing.ejections).unwrap_or(u32::MAX)).min(LONGEST);
        standing.ejections = standing.ejections.saturating_add(1);
        standing.ejected = Some(now + lasts);
        standing.turned = now;
        standing.why = why.into();
        let state = standing.state();
        (state == State::Ejected).then(|| change(endpoint, standing, Some(lasts)))
    }

    /// An endpoint that is ejected has answered a request after all.
    pub fn answered(&mut self, endpoint: EndpointKey, now: Duration) -> Option<StandingChange> {
        self.of.get(&endpoint)?.ejected?;
        self.bring_back(endpoint, now)
    }

    /// An endpoint was asked whether it is well.
    ///
    /// `outcome`: what is wrong with it, where it is not.
    pub fn checked(
        &mut self,
        endpoint: EndpointKey,
        outcome: Result<(), &str>,
        settings: &HealthCheck,
    ) -> Vec<StandingChange> {
        let Some(standing) = self.of.get_mut(&endpoint) else { return Vec::new() };
        if outcome.is_ok() != standing.unhealthy {
            standing.streak = 0;
            return Vec::new();
        }
        standing.streak = standing.streak.saturating_add(1);
        let wanted = if standing.unhealthy { settings.healthy } else { settings.unhealthy };
        if standing.streak < wanted {
            return Vec::new();
        }
        standing.streak = 0;
        standing.unhealthy = !standing.unhealthy;
        if let Err(why) = outcome {
            standing.why = why.into();
        }
        let mut changes = vec![change(endpoint, standing, None)];
        changes.extend(self.restore());
        changes
    }

    /// Nobody asks any more whether endpoints are well: all of them are taken to be.
    pub fn unchecked(&mut self) -> Vec<StandingChange> {
        let mut changes = Vec::new();
        for (key, standing) in &mut self.of {
            standing.streak = 0;
            if std::mem::take(&mut standing.unhealthy) {
                changes.push(change(*key, standing, None));
            }
        }
        changes
    }

    /// How many are in a state.
    pub fn count(&self, state: State) -> usize {
        self.of.values().filter(|standing| standing.state() == state).count()
    }

    fn available(&self) -> usize {
        self.count(State::Available)
    }

    /// Keeps the promise on ejections where endpoints went away or became unhealthy: those that were to return
    /// first return now.
    fn restore(&mut self) -> Vec<StandingChange> {
        let mut changes = Vec::new();
        loop {
            let ejected = self.of.values().filter(|standing| standing.ejected.is_some()).count();
            let too_many = ejected > self.of.len() / 2;
            let nobody = self.available() == 0;
            let candidates = self.of.iter().filter_map(|(key, standing)| {
                // Where nobody is asked, one that is unhealthy as well would be no help.
                Some((nobody && standing.unhealthy, standing.ejected?, *key))
            });
            let next = candidates.min().filter(|(unhelpful, ..)| too_many || (nobody && !unhelpful));
            let Some((_, _, key)) = next else { return changes };
            let turned = self.of.get(&key).map(|standing| standing.turned).unwrap_or_default();
            changes.extend(self.bring_back(key, turned));
        }
    }

    fn bring_back(&mut self, endpoint: EndpointKey, now: Duration) -> Option<StandingChange> {
        let standing = self.of.get_mut(&endpoint)?;
        standing.ejected = None;
        standing.turned = now;
        (standing.state() == State::Available).then(|| change(endpoint, standing, None))
    }
}

fn change(endpoint: EndpointKey, standing: &Standing, lasts: Option<Duration>) -> StandingChange {
    StandingChange { endpoint, state: standing.state(), lasts, why: standing.why.clone() }
}

#[cfg(test)]
mod tests;
