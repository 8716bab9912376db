//! The shadow thread: takes captured exchanges, works on as many as it may, and ends them all.
//!
//! Invariant: every exchange that reaches this thread ends in exactly one account, also where its task panics or is
//! cut off.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use strangler_core::compare::{Account, End, NotCompared, Transport};
use strangler_core::routing::shadow::Purpose;
use strangler_core::snapshot::Upstream;
use strangler_core::words::{Effect, Owner};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, sleep};

use super::captured::{Captured, Errand};
use super::dry_run::DryRuns;
use super::exchange::Exchange;
use super::finished::{Finished, Passed, Sink};
use super::held::Spares;
use super::runners::Runners;
use super::sender::{Received, Sender};
use super::slices::{Place, Slices};
use super::{Shared, Stage};
use crate::live::Live;
use crate::telemetry::{AccessRecord, Recorder, RequestOutcome, Telemetry, loggable_path};

/// How often what gathers elsewhere is looked at.
const TICK: Duration = Duration::from_millis(100);

/// How long what was captured may lie: while this thread does not wait for it, handing it over wakes nobody.
const BEAT: Duration = Duration::from_millis(2);

/// Where so many have come in one beat, the next ones do not lie.
const CROWD: usize = 32;

/// What the thread starts with.
pub(super) struct Setup {
    pub(super) shared: Arc<Shared>,
    pub(super) queue: mpsc::Receiver<Captured>,
    pub(super) stage: watch::Receiver<Stage>,
    pub(super) live: Arc<Live>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) sink: Box<dyn Sink>,
}

/// The shadow thread as its exchanges see it.
pub(super) struct Worker {
    shared: Arc<Shared>,
    live: Arc<Live>,
    telemetry: Arc<Telemetry>,
    recorder: Rc<Recorder>,
    sink: RefCell<Box<dyn Sink>>,
    pub(super) sender: Sender,
    pub(super) slices: Slices,
    pub(super) dry_runs: DryRuns,
    runners: Rc<Runners<Job>>,
    spares: Spares,
}

/// An exchange that has a place.
struct Job {
    captured: Captured,
    place: Place,
    pending: Pending,
}

/// Runs until it is told to end.
pub(super) async fn run(setup: Setup) {
    let Setup { shared, mut queue, mut stage, live, telemetry, sink } = setup;
    let recorder = Rc::new(telemetry.shadow_recorder());
    let worker = Rc::new(Worker {
        sender: Sender::new(Rc::clone(&recorder)),
        shared,
        live,
        telemetry,
        recorder,
        sink: RefCell::new(sink),
        slices: Slices::default(),
        dry_runs: DryRuns::default(),
        runners: Rc::default(),
        spares: Spares::default(),
    });
    let mut tasks = JoinSet::new();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut beat = pin!(sleep(BEAT));
    let mut resting = false;
    loop {
        tokio::select! {
            biased;
            _told = stage.wait_for(|stage| *stage != Stage::Serving) => break,
            _ = tick.tick() => {
                reap(&mut tasks);
                worker.tick();
            }
            () = &mut beat, if resting => resting = false,
            captured = queue.recv(), if !resting => {
                let Some(captured) = captured else { break };
                worker.begin(captured, &mut tasks);
                let mut begun = 1;
                while begun < CROWD && let Ok(captured) = queue.try_recv() {
                    worker.begin(captured, &mut tasks);
                    begun += 1;
                }
                resting = begun < CROWD;
                beat.as_mut().reset(Instant::now() + BEAT);
            }
        }
    }
    worker.runners.end();
    // From here on nothing is sent that is not under way.
    queue.close();
    while let Ok(captured) = queue.try_recv() {
        match captured.errand {
            Errand::Compare => Pending::new(&worker, &captured).end(NotCompared::Drain),
            Errand::Record => worker.pass(captured),
        }
    }
    tokio::select! {
        () = ended(&mut tasks) => {}
        _told = stage.wait_for(|stage| *stage == Stage::Cut) => tasks.shutdown().await,
    }
    worker.tick();
}

async fn ended(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

fn reap(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.try_join_next() {
        if let Err(error) = ended
            && error.is_panic()
        {
            tracing::error!("comparing an exchange panicked; it is counted as not-sent");
        }
    }
}

impl Worker {
    /// Starts work on an exchange, or says at once that there is none.
    fn begin(self: &Rc<Worker>, captured: Captured, tasks: &mut JoinSet<()>) {
        if captured.errand == Errand::Record {
            return self.pass(captured);
        }
        let pending = Pending::new(self, &captured);
        match self.admit(&captured) {
            Err(reason) => {
                pending.end(reason);
                self.give_back(captured);
            }
            Ok(place) => {
                let worker = Rc::clone(self);
                self.runners.begin(Job { captured, place, pending }, tasks, move |job| {
                    let worker = Rc::clone(&worker);
                    async move {
                        let Job { captured, place, pending } = job;
                        Exchange::new(&worker, captured, place).run(pending).await;
                    }
                });
            }
        }
    }

    /// Hands on what is recorded only.
    fn pass(&self, mut captured: Captured) {
        let body = std::mem::take(&mut captured.body).into_bytes();
        let reply = captured.take_reply();
        let (original, took) = (captured.original(&body, captured.at()), captured.reply.took);
        self.sink.borrow_mut().passed(&Passed { original, reply: &reply, took });
    }

    /// The memory of what is done with goes to the next one.
    pub(super) fn give_back(&self, captured: Captured) {
        self.spares.give(&self.shared.between, captured.held);
    }

    fn admit(&self, captured: &Captured) -> Result<Place, NotCompared> {
        let snapshot = &captured.running.snapshot;
        let copying = &captured.copying;
        let shadow = copying.shadow(snapshot).ok_or(NotCompared::NotSent)?;
        let slice = &snapshot.slice(copying.slice).name;
        let place = self.slices.place(slice, shadow.concurrency).ok_or(NotCompared::Shed)?;
        self.dry_runs.admit(snapshot, copying)?;
        Ok(place)
    }

    /// Looks after what gathers elsewhere.
    fn tick(&self) {
        self.sender.sweep();
        self.slices.sweep();
        self.shared.recordings.sweep();
        let stopped = self.dry_runs.settle(&self.live.pin().snapshot);
        self.telemetry.show_stopped(stopped);
        let mut sink = self.sink.borrow_mut();
        for tally in self.shared.tallies() {
            for ((slice, route, reason), count) in tally.take() {
                sink.not_compared(&slice, &route, reason, count);
            }
        }
        sink.flush();
    }

    pub(super) fn hand_on(&self, finished: &Finished<'_>) {
        self.sink.borrow_mut().finished(finished);
    }

    /// Counts and logs a copy that was answered, or was not.
    pub(super) fn record(
        &self,
        exchange: &Exchange<'_>,
        side: Owner,
        upstream: &Upstream,
        received: &Received,
        (host, id): (Option<&str>, &str),
    ) {
        let captured = &exchange.captured;
        let (running, copying) = (&captured.running, &captured.copying);
        let (code, error) = match received.reply.end {
            End::Failed(Transport::Connect) => (502, Some("destination_unavailable")),
            End::Failed(Transport::Timeout) => (504, Some("http_response_timeout")),
            End::Failed(Transport::Reset) => (502, Some("connection_terminated")),
            End::Failed(Transport::Malformed) => (502, Some("http_protocol_error")),
            End::Truncated => (received.reply.status, Some("http_response_incomplete")),
            End::TooLarge => (received.reply.status, Some("http_response_body_size")),
            End::Complete => (received.reply.status, None),
        };
        self.recorder.request(
            running,
            &RequestOutcome {
                route: Some(copying.route),
                slice: Some(copying.slice),
                answerer: side.into(),
                code,
                duration: received.took,
            },
        );
        if !self.recorder.wants_records() {
            return;
        }
        let snapshot = &running.snapshot;
        let route = snapshot.route(copying.route);
        let path = captured.held.target.split('?').next().unwrap_or_default();
        let now = jiff::Timestamp::now();
        let began = now.checked_sub(received.took).unwrap_or(now);
        let request_id =
            captured.held.lines.first("x-request-id").and_then(|id| std::str::from_utf8(id).ok());
        let effect = if copying.purpose == Purpose::Read { Effect::Read } else { Effect::Write };
        self.recorder.log(&AccessRecord {
            time: began,
            request_id: request_id.unwrap_or_default(),
            method: captured.method.as_str(),
            host: host.unwrap_or_default(),
            path: &loggable_path(path, Some(route)),
            status: code,
            route: Some(&route.id),
            slice: Some(&snapshot.slice(copying.slice).name),
            phase: Some(captured.phase.as_str()),
            owner: side.as_str(),
            effect: effect.as_str(),
            generation: running.generation,
            upstream: Some(&upstream.name),
            endpoint: Some(&received.endpoint.label),
            bytes_in: exchange.body_length(),
            bytes_out: received.reply.body.len() as u64,
            duration_ms: received.took.as_secs_f64() * 1000.0,
            upstream_ms: received.responded.map(|responded| responded.as_secs_f64() * 1000.0),
            shadow_id: Some(id),
            error,
            ..AccessRecord::default()
        });
    }
}

/// An exchange that has no account yet. Dropped without one, it was cut off or its task panicked.
pub(super) struct Pending {
    worker: Rc<Worker>,
    slice: Arc<str>,
    route: Arc<str>,
    open: bool,
}

impl Pending {
    fn new(worker: &Rc<Worker>, captured: &Captured) -> Pending {
        let snapshot = &captured.running.snapshot;
        Pending {
            worker: Rc::clone(worker),
            slice: Arc::clone(&snapshot.slice(captured.copying.slice).name),
            route: Arc::clone(&snapshot.route(captured.copying.route).id),
            open: true,
        }
    }

    /// It ends without having been worked on: nobody was told yet.
    fn end(mut self, reason: NotCompared) {
        self.tell(reason);
    }

    /// It ends in an account that the sink is told of.
    pub(super) fn told(mut self, account: Account) {
        self.open = false;
        self.worker.recorder.account(&self.slice, account);
    }

    fn tell(&mut self, reason: NotCompared) {
        self.open = false;
        self.worker.recorder.account(&self.slice, Account::NotCompared(reason));
        // A task that is dropped while the sink is in use can only be one that panicked inside it.
        if let Ok(mut sink) = self.worker.sink.try_borrow_mut() {
            sink.not_compared(&self.slice, &self.route, reason, 1);
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.open {
            let draining = self.worker.shared.draining.load(Ordering::Relaxed);
            self.tell(if draining { NotCompared::Drain } else { NotCompared::NotSent });
        }
    }
}
