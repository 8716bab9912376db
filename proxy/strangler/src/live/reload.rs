//! The one task that replaces the configuration, and carries out retreats.
//!
//! Owns the order of a reload: read all → unchanged is a no-op → compile → refuse lost writers → diff →
//! carry state over → one store → tell. Refuses partial changes: whatever is wrong, the configuration in
//! service goes on, whole.

mod event;
mod judge;
mod latching;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use strangler_core::config::{self, Diagnostic, Sources};
use strangler_core::snapshot::Server;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::compile::{self, WriterChange};
use super::report::{ConfigurationReport, DiagnosticReport, RejectedReport, ReloadReport, Trigger, now};
use super::retreat::{Keep, ResumeOrder, ResumeReport, RetreatError, RetreatOrder, RetreatReport};
use super::source::{Source, Unreadable};
use super::{Live, Running};

use judge::{Accepted, judge};

pub use event::{Event, Observer};
pub use judge::{refuse_lost_writers, refuse_stale_reads};
pub use latching::absorbed_events;

/// Wishes that may wait; whoever asks while it is full waits with them.
const QUEUE: usize = 16;

/// How often it is looked whether configurations that were replaced are still in use.
const OUTGOING_STEP: Duration = Duration::from_secs(1);

/// An editor may take a moment between moving the old file away and putting the new one in its place.
const MISSING_FILE_PATIENCE: Duration = Duration::from_millis(100);

/// Asks the reload task.
#[derive(Clone, Debug)]
pub struct Reloader {
    wishes: mpsc::Sender<Wish>,
}

#[derive(Debug)]
enum Wish {
    Reload { trigger: Trigger, writer_change: WriterChange, reply: oneshot::Sender<ReloadReport> },
    Retreat { order: RetreatOrder, reply: oneshot::Sender<Result<RetreatReport, RetreatError>> },
    Resume { order: ResumeOrder, reply: oneshot::Sender<Result<ResumeReport, RetreatError>> },
}

impl Reloader {
    /// Reads the files now and waits for the outcome; `None` when the process is shutting down.
    pub async fn reload(&self, trigger: Trigger, writer_change: WriterChange) -> Option<ReloadReport> {
        let (reply, outcome) = oneshot::channel();
        self.wishes.send(Wish::Reload { trigger, writer_change, reply }).await.ok()?;
        outcome.await.ok()
    }

    /// Takes a slice back and waits until that is in force and on disk; `None` when the process is shutting down.
    pub async fn retreat(&self, order: RetreatOrder) -> Option<Result<RetreatReport, RetreatError>> {
        let (reply, outcome) = oneshot::channel();
        self.wishes.send(Wish::Retreat { order, reply }).await.ok()?;
        outcome.await.ok()
    }

    /// Lifts what holds a slice and waits until that is on disk and in force; `None` when the process is shutting
    /// down.
    pub async fn resume(&self, order: ResumeOrder) -> Option<Result<ResumeReport, RetreatError>> {
        let (reply, outcome) = oneshot::channel();
        self.wishes.send(Wish::Resume { order, reply }).await.ok()?;
        outcome.await.ok()
    }
}

/// What is known about the configuration beside the snapshot; written by the reload task alone.
#[derive(Debug)]
pub struct ConfigurationState {
    inner: Mutex<ConfigurationReport>,
}

impl ConfigurationState {
    /// Starts with the first configuration.
    pub fn new(report: ConfigurationReport) -> Arc<ConfigurationState> {
        Arc::new(ConfigurationState { inner: Mutex::new(report) })
    }

    /// As of now.
    pub fn report(&self) -> ConfigurationReport {
        self.lock().clone()
    }

    /// Whether content of this hash has been judged already, as served or as refused.
    pub fn is_judged(&self, hash: &str) -> bool {
        let state = self.lock();
        match &state.rejected {
            Some(rejected) => rejected.hash.as_deref() == Some(hash),
            None => state.hash == hash,
        }
    }

    fn lock(&self) -> MutexGuard<'_, ConfigurationReport> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reload task.
pub struct ReloadTask {
    source: Source,
    live: Arc<Live>,
    state: Arc<ConfigurationState>,
    started: Started,
    observer: Observer,
    wishes: mpsc::Receiver<Wish>,
    /// Configurations that requests may still use: they are dropped here, not on a data thread.
    outgoing: Vec<Arc<Running>>,
}

impl std::fmt::Debug for ReloadTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReloadTask").field("source", &self.source).finish_non_exhaustive()
    }
}

/// What the process was started with and cannot change.
#[derive(Clone)]
pub struct Started {
    /// Keeps retreats.
    pub keep: Keep,
    /// `[server]` as it was.
    pub server: Server,
    /// `--data-dir` was given: the file's key has no effect.
    pub data_dir_overridden: bool,
}

impl ReloadTask {
    /// A task that is not running yet, and the way to ask it.
    pub fn new(
        source: Source,
        live: Arc<Live>,
        state: Arc<ConfigurationState>,
        started: Started,
        observer: Observer,
    ) -> (ReloadTask, Reloader) {
        let (sender, wishes) = mpsc::channel(QUEUE);
        let task = ReloadTask { source, live, state, started, observer, wishes, outgoing: Vec::new() };
        (task, Reloader { wishes: sender })
    }

    /// Serves wishes one after another until nobody can ask any more.
    pub async fn run(mut self) {
        loop {
            let wish = if self.outgoing.is_empty() {
                self.wishes.recv().await
            } else {
                match timeout(OUTGOING_STEP, self.wishes.recv()).await {
                    Ok(wish) => wish,
                    Err(_) => {
                        self.drop_unused();
                        continue;
                    }
                }
            };
            // Whoever asked may have gone away; what was done stands.
            match wish {
                None => return,
                Some(Wish::Reload { trigger, writer_change, reply }) => {
                    drop(reply.send(self.reload(trigger, writer_change).await));
                }
                Some(Wish::Retreat { order, reply }) => drop(reply.send(self.retreat(order).await)),
                Some(Wish::Resume { order, reply }) => drop(reply.send(self.resume(order).await)),
            }
        }
    }

    /// Drops configurations that no request uses any more.
    fn drop_unused(&mut self) {
        let (used, unused): (Vec<_>, Vec<_>) = std::mem::take(&mut self.outgoing)
            .into_iter()
            .partition(|running| Arc::strong_count(running) > 1);
        self.outgoing = used;
        // Thousands of routes take a moment.
        drop(tokio::task::spawn_blocking(move || drop(unused)));
    }

    async fn reload(&mut self, trigger: Trigger, writer_change: WriterChange) -> ReloadReport {
        let begun = Instant::now();
        let sources = match self.read(trigger).await {
            Ok(sources) => sources,
            Err(unreadable) => return self.reject(trigger, None, &unreadable.diagnostics).await,
        };
        let hash = config::content_hash(&sources);
        let running = self.live.pin();
        if hash == running.snapshot.hash {
            return self.unchanged(trigger, &running).await;
        }
        if trigger.is_automatic() && self.state.is_judged(&hash) {
            return self.still_rejected(&running);
        }
        let (base, old) = (self.source.base().to_owned(), Arc::clone(&running));
        let judged = tokio::task::spawn_blocking(move || {
            let judged = judge(&sources, &base, &old, writer_change);
            (sources, judged)
        });
        match judged.await {
            Ok((sources, Ok(accepted))) => self.apply(trigger, sources, accepted, &running, begun).await,
            Ok((_, Err(diagnostics))) => self.reject(trigger, Some(hash), &diagnostics).await,
            // The blocking pool is gone: the process is ending.
            Err(_) => self.still_rejected(&running),
        }
    }

    async fn read(&self, trigger: Trigger) -> Result<Sources, Unreadable> {
        let read = self.read_once().await;
        match read {
            Err(Unreadable { main_missing: true, .. }) if trigger.is_automatic() => {
                tokio::time::sleep(MISSING_FILE_PATIENCE).await;
                self.read_once().await
            }
            read => read,
        }
    }

    async fn read_once(&self) -> Result<Sources, Unreadable> {
        let source = self.source.clone();
        tokio::task::spawn_blocking(move || source.read())
            .await
            .unwrap_or_else(|_| Err(Unreadable { diagnostics: Vec::new(), main_missing: false }))
    }

    async fn apply(
        &mut self,
        trigger: Trigger,
        sources: Sources,
        accepted: Accepted,
        old: &Arc<Running>,
        begun: Instant,
    ) -> ReloadReport {
        let Accepted { compiled, mut changes, moves_writes } = accepted;
        if moves_writes {
            self.tell(Event::Accepted { sources: sources.clone() }).await;
        }
        let running = Arc::new(old.next(compiled.snapshot));
        self.live.publish(Arc::clone(&running));
        tracing::debug!(generation = running.generation, took = ?begun.elapsed(), "published");
        self.outgoing.push(Arc::clone(old));
        changes.extend(latching::held_back(&old.snapshot, &running));
        let restart_required = compile::restart_required(
            &self.started.server,
            &running.snapshot.server,
            self.started.data_dir_overridden,
        );
        let mut warnings = DiagnosticReport::all(&compiled.warnings);
        if restart_required.iter().any(|key| key == "server.data_dir") {
            let moves = compile::data_dir_moves(&self.started.server, &running.snapshot.server);
            warnings.push(DiagnosticReport::from(&moves));
        }
        *self.state.lock() = ConfigurationReport {
            generation: running.generation,
            hash: running.snapshot.hash.clone(),
            since: now(),
            source: trigger,
            files: file_names(&sources),
            stale: false,
            from_last_good: false,
            warnings: warnings.clone(),
            rejected: None,
            restart_required: restart_required.clone(),
        };
        let report = ReloadReport::Applied {
            generation: running.generation,
            hash: running.snapshot.hash.clone(),
            changes,
            warnings,
            restart_required,
        };
        self.tell(Event::Applied { trigger, running, sources, report: report.clone() }).await;
        self.absorb(trigger).await;
        report
    }

    async fn reject(
        &self,
        trigger: Trigger,
        hash: Option<String>,
        diagnostics: &[Diagnostic],
    ) -> ReloadReport {
        let diagnostics = DiagnosticReport::all(diagnostics);
        let (generation, is_news) = {
            let mut state = self.state.lock();
            let is_news = state.rejected.as_ref().is_none_or(|rejected| rejected.diagnostics != diagnostics);
            let is_news = is_news || !trigger.is_automatic();
            if is_news {
                state.stale = true;
                let (hash, diagnostics) = (hash.clone(), diagnostics.clone());
                state.rejected = Some(RejectedReport { at: now(), hash, source: trigger, diagnostics });
            }
            (state.generation, is_news)
        };
        let report = ReloadReport::Rejected { generation, hash, diagnostics };
        if is_news {
            self.tell(Event::Rejected { trigger, report: report.clone() }).await;
        }
        report
    }

    async fn unchanged(&self, trigger: Trigger, running: &Running) -> ReloadReport {
        let (was_stale, restart_required) = {
            let mut state = self.state.lock();
            let was_stale = std::mem::take(&mut state.stale);
            state.rejected = None;
            state.from_last_good = false;
            (was_stale, state.restart_required.clone())
        };
        let (generation, hash) = (running.generation, running.snapshot.hash.clone());
        if was_stale {
            self.tell(Event::Restored { trigger, generation, hash: hash.clone() }).await;
        }
        ReloadReport::Unchanged { generation, hash, restart_required }
    }

    /// The files are as they were when they were last refused: nothing to do and nothing to say.
    fn still_rejected(&self, running: &Running) -> ReloadReport {
        let rejected = self.state.lock().rejected.clone();
        let (hash, diagnostics) = rejected.map_or_else(Default::default, |r| (r.hash, r.diagnostics));
        ReloadReport::Rejected { generation: running.generation, hash, diagnostics }
    }

    /// Observers write to disk, so they are called where blocking is allowed.
    async fn tell(&self, event: Event) {
        let observer = Arc::clone(&self.observer);
        if tokio::task::spawn_blocking(move || observer(&event)).await.is_err() {
            tracing::error!("a reload could not be recorded");
        }
    }
}

/// Names of all files, the main file first.
pub fn file_names(sources: &Sources) -> Vec<String> {
    std::iter::once(&sources.main).chain(&sources.included).map(|source| source.name.clone()).collect()
}
