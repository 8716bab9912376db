//! Runs cases one after another through one proxy, several proxies side by side.
//!
//! A lane is a proxy with its own origins. One case at a time is played in it, and after each a fence
//! goes through: whatever a case left behind on the proxy's connections, the fence meets it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::case::{Case, Do, End, Segments, Until};
use crate::client::{self, Observed, State};
use crate::judge::judge;
use crate::message::Framing;
use crate::origin::Origin;
use crate::stage::{Log, Side, Stage};
use crate::target::{Launch, Places, Running, Setup, Vacant};
use crate::wire::{Cuts, Ended, Wire};

/// How one case went.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The case's name.
    pub name: String,
    /// Its setup's name.
    pub setup: &'static str,
    /// What is wrong, in sentences; empty: nothing.
    pub wrong: Vec<String>,
    /// Whether the proxy under test can be set up so at all.
    pub skipped: bool,
    /// How long it took.
    pub took: Duration,
}

/// Plays every case, with at most `lanes` proxies at a time, clients and origins cutting what they write as
/// `cuts` says; the verdicts are in the cases' order.
#[must_use]
pub fn play_all(launch: &dyn Launch, cases: &[Case], lanes: usize, cuts: Cuts) -> Vec<Verdict> {
    let mut queues: Vec<(&'static Setup, VecDeque<usize>)> = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        match queues.iter_mut().find(|(setup, _)| setup.name == case.setup.name) {
            Some((_, queue)) => queue.push_back(number),
            None => queues.push((case.setup, VecDeque::from([number]))),
        }
    }
    // The slow setups first, so that nobody waits for one at the end.
    queues.sort_by_key(|(setup, queue)| std::cmp::Reverse(queue.len() * if setup.slow { 100 } else { 1 }));
    let queues = Mutex::new(queues);
    let verdicts = Mutex::new(vec![None; cases.len()]);
    std::thread::scope(|scope| {
        for worker in 0..lanes.max(1) {
            let (queues, verdicts) = (&queues, &verdicts);
            scope.spawn(move || work(worker, launch, cuts, cases, queues, verdicts));
        }
    });
    let verdicts = verdicts.into_inner().unwrap_or_else(PoisonError::into_inner);
    verdicts.into_iter().flatten().collect()
}

type Queues = Mutex<Vec<(&'static Setup, VecDeque<usize>)>>;

fn work(
    worker: usize,
    launch: &dyn Launch,
    cuts: Cuts,
    cases: &[Case],
    queues: &Queues,
    verdicts: &Mutex<Vec<Option<Verdict>>>,
) {
    let mut lane: Option<(&'static str, Option<Lane>)> = None;
    while let Some((setup, number)) = next(worker, lane.as_ref().map(|(name, _)| *name), queues) {
        let Some(case) = cases.get(number) else { return };
        let begun = Instant::now();
        let mut verdict = Verdict {
            name: case.name.clone(),
            setup: setup.name,
            wrong: Vec::new(),
            skipped: false,
            took: Duration::ZERO,
        };
        let stale = lane.as_ref().is_none_or(|(name, _)| *name != setup.name);
        let opened =
            if stale { Lane::open(launch, setup, cuts) } else { Ok(lane.take().and_then(|(_, lane)| lane)) };
        match opened {
            Ok(Some(held)) => {
                let (wrong, alive) = held.play(case);
                verdict.wrong = wrong;
                lane = alive.then_some((setup.name, Some(held)));
            }
            Ok(None) => {
                verdict.skipped = true;
                lane = Some((setup.name, None));
            }
            Err(error) => verdict.wrong.push(format!("the proxy did not start: {error}")),
        }
        verdict.took = begun.elapsed();
        let mut verdicts = verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = verdicts.get_mut(number) {
            *place = Some(verdict);
        }
    }
}

/// The next case for a worker: of the setup that it has open, else of another that fewer are at.
fn next(worker: usize, open: Option<&'static str>, queues: &Queues) -> Option<(&'static Setup, usize)> {
    let mut queues = queues.lock().unwrap_or_else(PoisonError::into_inner);
    queues.retain(|(_, queue)| !queue.is_empty());
    let place = queues.iter().position(|(setup, _)| Some(setup.name) == open);
    let place = place.unwrap_or_else(|| worker % queues.len().max(1));
    let (setup, queue) = queues.get_mut(place)?;
    queue.pop_front().map(|number| (*setup, number))
}

/// A proxy with its origins.
#[derive(Debug)]
pub struct Lane {
    running: Box<dyn Running>,
    stage: Arc<Stage>,
    patience: Duration,
    fenced: bool,
    cuts: Cuts,
    names: [(&'static str, String); 2],
    origins: [Origin; 2],
    // Held so that nobody else listens there.
    _vacant: Vacant,
}

impl Lane {
    /// Starts origins and a proxy before them; `None` where this proxy cannot be set up so.
    ///
    /// # Errors
    /// When something does not start.
    pub fn open(launch: &dyn Launch, setup: &Setup, cuts: Cuts) -> io::Result<Option<Self>> {
        let stage = Arc::new(Stage::default());
        let legacy = Origin::start(Arc::clone(&stage), Side::Legacy)?;
        let extracted = Origin::start(Arc::clone(&stage), Side::Extracted)?;
        let vacant = Vacant::reserve()?;
        let places =
            Places { legacy: legacy.address(), extracted: extracted.address(), dead: vacant.address() };
        let Some(running) = launch.launch(setup, &places)? else {
            return Ok(None);
        };
        let (patience, fenced) = (launch.patience(), setup.fenced);
        let names = [("@LEGACY@", places.legacy.to_string()), ("@EXTRACTED@", places.extracted.to_string())];
        Ok(Some(Lane {
            running,
            stage,
            patience,
            fenced,
            cuts,
            names,
            origins: [legacy, extracted],
            _vacant: vacant,
        }))
    }

    /// Plays one case; returns what is wrong, and whether the lane can be used again.
    #[must_use]
    pub fn play(&self, case: &Case) -> (Vec<String>, bool) {
        let proxy = self.running.address();
        let mut script = case.script.clone();
        script.fill_in(&self.names);
        let cuts = if case.segments == Segments::Any { self.cuts } else { Cuts::Whole };
        self.stage.begin(script, cuts);
        let mut wrong = Vec::new();
        let observed = self.act(case, proxy, cuts, &mut wrong);
        // Twice: by the second one the proxy has met whatever the first one's connection left.
        let fence = client::fence(proxy, self.patience, self.fenced)
            .and_then(|()| client::fence(proxy, self.patience, self.fenced));
        let alive = fence.is_ok();
        if let Err(sentence) = fence {
            wrong.push(sentence);
        }
        // What the proxy has begun may still wait to be accepted, and belongs to this case.
        wrong.extend(self.origins.iter().filter_map(|origin| origin.settle().err()));
        let log = self.stage.end(Duration::from_secs(2));
        if let Some(observed) = observed {
            wrong.extend(judge(case, &observed, &log));
        }
        (wrong, alive)
    }

    fn act(&self, case: &Case, proxy: SocketAddr, cuts: Cuts, wrong: &mut Vec<String>) -> Option<Observed> {
        let mut wire = match Wire::connect(proxy, self.patience) {
            Ok(mut wire) => {
                wire.set_cuts(cuts);
                Some(wire)
            }
            Err(error) => {
                wrong.push(format!("the proxy takes no connection: {error}"));
                return None;
            }
        };
        let mut place = 0;
        for step in &case.steps {
            match (step, &mut wire) {
                (Do::Close, wire) => drop(wire.take()),
                (Do::Reset, wire) => drop(wire.take().map(Wire::reset)),
                (Do::Open(gate), _) => self.stage.open(gate),
                (Do::Await(until), _) => {
                    let until = *until;
                    if !self.stage.wait_log(self.patience, move |log| reached(until, log)) {
                        wrong.push(format!("this never happened at the origin: {until:?}"));
                    }
                }
                (Do::Other(bytes), _) => {
                    if let Err(sentence) = other(proxy, bytes, self.patience) {
                        wrong.push(sentence);
                    }
                }
                // A proxy may have answered and closed before it has taken everything: the answer tells.
                (Do::Send(bytes), Some(wire)) => drop(wire.send(bytes)),
                (Do::SendFrom(bytes), Some(wire)) => drop(wire.send(&bytes(&self.stage.seen()))),
                (Do::Drip(bytes, piece, every), Some(wire)) => drop(wire.drip(bytes, *piece, *every)),
                (Do::HalfClose, Some(wire)) => wire.half_close(),
                (Do::Until(bytes), Some(wire)) => match wire.until(bytes, place) {
                    Ok(behind) => place = behind,
                    Err(ended) => {
                        let text = bytes.escape_ascii();
                        wrong.push(format!("the client waited for \"{text}\": {ended:?}"));
                    }
                },
                (step, None) => wrong.push(format!("the client is gone and cannot do this: {step:?}")),
            }
        }
        Some(wire.map_or_else(given_up, |wire| self.observe(case, wire)))
    }

    fn observe(&self, case: &Case, mut wire: Wire) -> Observed {
        let count = case.outcomes.iter().map(|outcome| outcome.answers.len()).max().unwrap_or(0);
        let (answers, garbage) = client::read_answers(&mut wire, count, &case.heads);
        let surplus = wire.unread().to_vec();
        let wants = |end| case.outcomes.iter().any(|outcome| outcome.end == end);
        let to_the_end = answers
            .last()
            .is_some_and(|answer| matches!(answer.message.framing, Framing::UntilClose | Framing::Tunnel));
        let state = match wire.ended() {
            Some(ended) => State::Ended(ended),
            None if to_the_end || !surplus.is_empty() || garbage.is_some() => State::Open,
            None if wants(End::Kept) => client::probe(&mut wire, self.fenced),
            None if wants(End::Closed) => match wire.fill() {
                Err(Ended::Silent) => State::Open,
                Err(ended) => State::Ended(ended),
                Ok(_) => State::Open,
            },
            None => State::Open,
        };
        let surplus = if state == State::Kept { Vec::new() } else { wire.unread().to_vec() };
        Observed { answers, garbage, surplus, state }
    }
}

fn given_up() -> Observed {
    Observed { answers: Vec::new(), garbage: None, surplus: Vec::new(), state: State::GivenUp }
}

fn reached(until: Until, log: &Log) -> bool {
    match until {
        Until::Requests(count) => log.requests.len() >= count,
        Until::Body(request, count) => {
            log.requests.get(request).is_some_and(|request| request.message.body.len() >= count)
        }
        Until::ProxyClosed(connection) => {
            log.connections.get(connection).is_some_and(|connection| connection.ended.is_some())
        }
    }
}

fn other(proxy: SocketAddr, bytes: &[u8], patience: Duration) -> Result<(), String> {
    let mut wire = Wire::connect(proxy, patience).map_err(|error| format!("another client: {error}"))?;
    wire.send(bytes).map_err(|error| format!("another client: {error}"))?;
    match client::read_answer(&mut wire, false) {
        Ok(answer) if answer.message.status() == 200 => Ok(()),
        Ok(answer) => Err(format!("another client was answered {}", answer.message.start.escape_ascii())),
        Err(fault) => Err(format!("another client got no answer: {fault}")),
    }
}
