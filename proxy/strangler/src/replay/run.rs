//! Sending a corpus: so many at a time, at the pace asked for, to both sides.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use futures_util::future::try_join_all;
use http::header::{ACCEPT_ENCODING, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use strangler_core::compare::{self, Compared, Comparison, NotCompared, Reply};
use strangler_core::evidence::Repeated;
use strangler_core::routing::shadow::{CopyHead, Copying, Course, Direction, Obstacle, Purpose};
use strangler_core::snapshot::Snapshot;
use strangler_core::words::{Effect, Owner, Share};
use tokio::sync::Mutex;

use super::Role;
use super::context::with_context;
use super::identity::{Identities, IdentityError, Lines};
use super::item::Item;
use super::judge::{self, Against};
use super::send::{Answer, Lane, Outgoing, Unreachable};
use super::settings::{Methods, Pace, Primary, Settings};
use crate::shadow::recheck;

/// Mismatches that are asked again, at most: enough to tell a race from a fault.
const RECHECKS_MAX: u32 = 1000;

/// What became of one recorded exchange.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) compared: Compared,
    /// What both sides answered, where they were asked; legacy first.
    pub(crate) pair: Option<(Answered, Answered)>,
    /// What had been found before asking again set it aside.
    pub(crate) set_aside: Option<Comparison>,
    /// What the primary differs in from itself, where it was asked twice.
    pub(crate) repeated: Option<Repeated>,
}

impl Judged {
    fn not_compared(reason: NotCompared) -> Judged {
        Judged { compared: Compared::NotCompared(reason), pair: None, set_aside: None, repeated: None }
    }
}

/// An answer and how long it took.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) reply: Reply,
    /// `None`: it was recorded.
    pub(crate) latency: Option<Duration>,
}

impl From<Answer> for Answered {
    fn from(answer: Answer) -> Answered {
        Answered { reply: answer.reply, latency: Some(answer.latency) }
    }
}

/// Why a replay ended before its corpus.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError<E> {
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The corpus could not be read further.
    #[error("{0}")]
    Corpus(E),
}

/// What is told of each exchange, in the order in which they end. `None`: it is not to be sent.
pub(crate) type Told<'a> = &'a mut dyn FnMut(&Item, Option<Judged>);

/// How recorded answers are made comparable with live ones: both are redacted.
pub(crate) type Redact<'a> = &'a dyn Fn(&Item, Reply) -> Reply;

struct Run<'a, I> {
    snapshot: &'a Snapshot,
    settings: &'a Settings,
    redact: Redact<'a>,
    items: RefCell<I>,
    told: RefCell<Told<'a>>,
    identities: Option<Mutex<Identities>>,
    rechecks: Cell<u32>,
    /// The first recorded time, and when it was sent.
    began: Cell<Option<(Timestamp, tokio::time::Instant)>>,
}

/// Sends all items and tells what became of each.
pub(crate) async fn run<I, E>(
    items: I,
    snapshot: &Snapshot,
    settings: &Settings,
    redact: Redact<'_>,
    told: Told<'_>,
) -> Result<(), RunError<E>>
where
    I: Iterator<Item = Result<Item, E>>,
{
    if let Primary::Live(side) = &settings.primary {
        side.probe().await?;
    }
    settings.candidate.probe().await?;
    let run = Run {
        snapshot,
        settings,
        redact,
        items: RefCell::new(items),
        told: RefCell::new(told),
        identities: settings.identities.as_deref().map(|command| Mutex::new(Identities::new(command))),
        rechecks: Cell::new(0),
        began: Cell::new(None),
    };
    try_join_all((0..settings.concurrency.get()).map(|_| run.work())).await.map(drop)
}

/// The connections of one worker.
struct Lanes<'a> {
    primary: Option<Lane<'a>>,
    candidate: Lane<'a>,
}

impl<I, E> Run<'_, I>
where
    I: Iterator<Item = Result<Item, E>>,
{
    /// Takes items and sends them, one at a time, until there are no more.
    async fn work(&self) -> Result<(), RunError<E>> {
        let primary = match &self.settings.primary {
            Primary::Live(side) => Some(Lane::new(side)),
            Primary::Recorded => None,
        };
        let mut lanes = Lanes { primary, candidate: Lane::new(&self.settings.candidate) };
        loop {
            let next = self.items.borrow_mut().next();
            let Some(item) = next else { return Ok(()) };
            let item = item.map_err(RunError::Corpus)?;
            let judged = if self.is_wanted(&item) {
                self.wait(&item).await;
                Some(self.judged(&item, &mut lanes).await?)
            } else {
                None
            };
            (self.told.borrow_mut())(&item, judged);
        }
    }

    fn is_wanted(&self, item: &Item) -> bool {
        match &self.settings.methods {
            Methods::All => true,
            Methods::These(methods) => methods.contains(&item.method),
            Methods::Safe => self.is_read(item),
        }
    }

    /// Whether it has no effect: as its route says, or else its method.
    fn is_read(&self, item: &Item) -> bool {
        match self.snapshot.route(item.route).effect {
            Some(effect) => effect == Effect::Read,
            None => Method::from_bytes(item.method.as_bytes()).is_ok_and(|method| method.is_safe()),
        }
    }

    /// At the recorded pace: until as long after the first request as it came then.
    async fn wait(&self, item: &Item) {
        if self.settings.pace == Pace::Asap {
            return;
        }
        let (first, started) = self.began.get().unwrap_or_else(|| {
            let began = (item.at, tokio::time::Instant::now());
            self.began.set(Some(began));
            began
        });
        let after = Duration::try_from(item.at.duration_since(first)).unwrap_or_default();
        tokio::time::sleep_until(started + after).await;
    }

    async fn judged(&self, item: &Item, lanes: &mut Lanes<'_>) -> Result<Judged, RunError<E>> {
        let not_compared = |reason| Ok(Judged::not_compared(reason));
        if item.incomplete.is_some() {
            return not_compared(NotCompared::Stale);
        }
        let obstacle = Obstacle::among(item.lines.iter().map(|(name, _)| name.as_bytes()));
        let course = match (obstacle, &self.settings.primary) {
            (None, _) => Course::AsSent,
            (Some(Obstacle::Range | Obstacle::Conditional), Primary::Live(_)) => Course::StrippedPair,
            (Some(Obstacle::Upgrade), _) => return not_compared(NotCompared::Upgrade),
            (Some(Obstacle::Range), _) => return not_compared(NotCompared::Range),
            (Some(Obstacle::Conditional), _) => return not_compared(NotCompared::Conditional),
        };
        // Before or after the others, at random: what changes meanwhile must not look like noise of one side only.
        let mut chance = fastrand::Rng::with_seed(item.number);
        let repeats = course == Course::AsSent && self.repeats(item, &mut chance);
        let is_first = chance.bool();
        let mut again = None;
        if repeats && is_first {
            again = self.primary_again(item, lanes).await?;
        }
        let Some((primary, candidate, against)) = self.asked(item, course, lanes).await? else {
            return not_compared(NotCompared::Stale);
        };
        if repeats && !is_first {
            again = self.primary_again(item, lanes).await?;
        }
        if judge::is_stale(item, &primary.reply, &candidate.reply, against) {
            return Ok(Judged {
                pair: Some((primary, candidate)),
                ..Judged::not_compared(NotCompared::Stale)
            });
        }
        let first = self.compare(item, &primary.reply, &candidate.reply);
        let itself = again.map(|again| self.compare(item, &primary.reply, &again.reply));
        let repeated = match (&itself, &first) {
            (Some(Compared::Compared(itself)), Compared::Compared(first)) => Repeated::of(itself, first),
            _ => None,
        };
        let compared = self.rechecked(item, course, lanes, first.clone(), &primary.reply).await?;
        let set_aside = match (&compared, first) {
            (Compared::NotCompared(_), Compared::Compared(first)) => Some(first),
            _ => None,
        };
        Ok(Judged { compared, pair: Some((primary, candidate)), set_aside, repeated })
    }

    /// Whether the primary is asked twice for this one.
    fn repeats(&self, item: &Item, chance: &mut fastrand::Rng) -> bool {
        let rules = self.snapshot.route(item.route).policy.shadow.as_ref();
        let share = self.settings.repeat.or_else(|| Some(rules?.repeat)).unwrap_or(Share::NONE);
        chance.u16(..10_000) < share.basis_points() && self.is_read(item)
    }

    /// One more answer of a live primary.
    async fn primary_again(&self, item: &Item, lanes: &mut Lanes<'_>) -> Result<Option<Answer>, RunError<E>> {
        let Some(lane) = &mut lanes.primary else { return Ok(None) };
        let outgoing = self.outgoing(item, Course::AsSent, Role::Primary).await?;
        Ok(Some(lane.exchange(&outgoing).await?))
    }

    /// Both sides' answers; `None`: there is no recorded one.
    async fn asked(
        &self,
        item: &Item,
        course: Course,
        lanes: &mut Lanes<'_>,
    ) -> Result<Option<(Answered, Answered, Against)>, RunError<E>> {
        let to_candidate = self.outgoing(item, course, Role::Candidate).await?;
        let Some(lane) = &mut lanes.primary else {
            let Some(recorded) = item.recorded.clone() else { return Ok(None) };
            let answer = lanes.candidate.exchange(&to_candidate).await?;
            let latency = Some(answer.latency);
            let reply = (self.redact)(item, answer.reply);
            let fresh = self.identities.is_some() || bears_credentials(&self.settings.candidate_headers);
            let primary = Answered { reply: recorded, latency: None };
            return Ok(Some((primary, Answered { reply, latency }, Against::Recorded { fresh })));
        };
        let to_primary = self.outgoing(item, course, Role::Primary).await?;
        // At the same time: what happens between two answers would show as a difference.
        let (primary, candidate) =
            tokio::join!(lane.exchange(&to_primary), lanes.candidate.exchange(&to_candidate));
        Ok(Some((primary?.into(), candidate?.into(), Against::Live)))
    }

    fn compare(&self, item: &Item, legacy: &Reply, extracted: &Reply) -> Compared {
        with_context(self.snapshot, self.settings, item, |context| {
            compare::compare(context, legacy, extracted)
        })
    }

    /// Asks once more where the answers to a read differ: a race is no fault.
    async fn rechecked(
        &self,
        item: &Item,
        course: Course,
        lanes: &mut Lanes<'_>,
        compared: Compared,
        primary: &Reply,
    ) -> Result<Compared, RunError<E>> {
        let first = match compared {
            Compared::Compared(comparison) if !comparison.differences.is_empty() => comparison,
            other => return Ok(other),
        };
        let asks = self.settings.recheck && self.is_read(item) && lanes.primary.is_some();
        if !asks || self.rechecks.get() >= RECHECKS_MAX {
            return Ok(Compared::Compared(first));
        }
        self.rechecks.set(self.rechecks.get() + 1);
        let Some((second, candidate, _)) = self.asked(item, course, lanes).await? else {
            return Ok(Compared::Compared(first));
        };
        let again = self.compare(item, &second.reply, &candidate.reply);
        let itself = self.compare(item, primary, &second.reply);
        Ok(recheck::judge(first, &again, &itself))
    }

    async fn outgoing(&self, item: &Item, course: Course, role: Role) -> Result<Outgoing, RunError<E>> {
        let (side, owner, given) = match role {
            Role::Primary => (self.primary_url(), Owner::Legacy, &self.settings.primary_headers),
            Role::Candidate => {
                (&*self.settings.candidate.url, Owner::Extracted, &self.settings.candidate_headers)
            }
        };
        let fresh = match (&self.identities, &item.identity) {
            (Some(identities), Some(identity)) => identities.lock().await.lines(identity, role, side).await?,
            _ => Lines::new(),
        };
        let sent = item.lines.iter().map(|(name, value)| (name.as_bytes(), value.as_slice()));
        let copying = Copying {
            route: item.route,
            slice: self.snapshot.route(item.route).slice,
            direction: Direction::ToExtracted,
            purpose: Purpose::Read,
            repeat: None,
        };
        let id = format!("replay-{}", item.number);
        let head = CopyHead::new(self.snapshot, &copying, owner, course, &id, &item.target, sent);
        let mut headers = HeaderMap::with_capacity(head.lines.len() + fresh.len() + given.len());
        for (name, value) in &head.lines {
            // What is no header line cannot have been received either.
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        // Bodies are compared decoded: coding them would only cost.
        headers.remove(ACCEPT_ENCODING);
        for lines in [&fresh, given] {
            for (name, _) in lines {
                headers.remove(name);
            }
            for (name, value) in lines {
                headers.append(name.clone(), value.clone());
            }
        }
        Ok(Outgoing {
            method: Method::from_bytes(item.method.as_bytes()).unwrap_or_default(),
            target: head.target.into_owned(),
            host: headers.remove(HOST),
            headers,
            body: item.body.clone(),
        })
    }

    fn primary_url(&self) -> &str {
        match &self.settings.primary {
            Primary::Live(side) => &side.url,
            Primary::Recorded => "",
        }
    }
}

fn bears_credentials(lines: &Lines) -> bool {
    lines.iter().any(|(name, _)| matches!(name.as_str(), "authorization" | "cookie" | "x-api-key"))
}
