//! Retreats and their end, in the one task that also replaces the configuration.
//!
//! Owns the order of steps, which decides what a crash may cost. A retreat is in force first and on disk before
//! anybody is told: a crash in between loses only what nobody was promised. A lifting is on disk first: until then
//! the retreat holds. So at every moment what is in force is what a restart finds, or safer.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use strangler_core::config::suggest;
use strangler_core::retreat::{self, Latch, Latches, Move};
use strangler_core::routing::fallback::LagState;
use strangler_core::snapshot::Snapshot;
use strangler_core::words::{Cause, Owner, Phase, SliceId, Writer};

use super::{Event, ReloadTask, Running, Trigger};
use crate::live::retreat::{
    LatchChange, LatchEvent, LatchReport, ResumeOrder, ResumeReport, RetreatError, RetreatOrder,
    RetreatReport,
};

/// Instead of a phase, of a slice that the configuration does not have.
const ABSENT: &str = "absent";

impl ReloadTask {
    pub(super) async fn retreat(&self, order: RetreatOrder) -> Result<RetreatReport, RetreatError> {
        let running = self.live.pin();
        let id = find(&running, &order.slice)?;
        let slice = running.snapshot.slice(id);
        let latched = running.latches.get(&slice.name).map(|latch| latch.to);
        let late = late_side(&running, id);
        let judged = retreat::judge(&running.snapshot, id, latched, order.target, order.stale, late);
        let (from, to) = match judged.map_err(|why| RetreatError::refused(slice, why))? {
            Move::Down { from, to } => (from, to),
            Move::Already { at } => return Ok(already(&running, id, at)),
        };
        let RetreatOrder { cause, who, reason, figures, .. } = order;
        let latch = Latch { to, since: Timestamp::now(), cause, who, reason };
        let mut latches = Latches::clone(&running.latches);
        latches.latch(&running.snapshot, &slice.name, latch.clone());
        let latches = Arc::new(latches);
        self.live.publish(Arc::new(running.with_latches(Arc::clone(&latches))));
        let error = self.keep(latches).await.err();
        if let Some(error) = &error {
            tracing::error!(slice = %slice.name, error, "a retreat is in force, but a restart forgets it");
        }
        let source = if latch.cause == Cause::Guardrail { Trigger::Guardrail } else { Trigger::Admin };
        let event = LatchEvent {
            figures,
            sentence: format!("slice {}: retreated from {from} to {to}", slice.name),
            ..event(LatchChange::Retreated, source, &running, &slice.name, latch.clone())
        };
        self.tell(Event::Latch(Box::new(event))).await;
        Ok(retreated(&running, id, from, &latch, error))
    }

    pub(super) async fn resume(&self, order: ResumeOrder) -> Result<ResumeReport, RetreatError> {
        let running = self.live.pin();
        let found = find(&running, &order.slice);
        let name = match (&found, running.latches.by_slice().get_key_value(order.slice.as_str())) {
            (Ok(id), _) => Arc::clone(&running.snapshot.slice(*id).name),
            // What the configuration does not have (any more) may be held as well.
            (Err(_), Some((name, _))) => Arc::clone(name),
            (Err(error), None) => return Err(error.clone()),
        };
        let mut latches = Latches::clone(&running.latches);
        let held = running.latches.get(&name).map(|latch| latch.to);
        let (from, to) = match found {
            Ok(id) => {
                let from = retreat::effective_phase(&running.snapshot, id, held);
                (from.as_str(), retreat::file_phase(&running.snapshot, id).as_str())
            }
            Err(_) => (held.map_or(ABSENT, Phase::as_str), ABSENT),
        };
        let report = |outcome: &str, latch: Option<&Latch>, sentence: String| ResumeReport {
            slice: name.to_string(),
            outcome: outcome.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            retreat: latch.map(LatchReport::from),
            sentence,
        };
        let Some(latch) = latches.resume(&running.snapshot, &name) else {
            let sentence = format!("Slice {name} has not retreated: it is in phase {to}, as the file says.");
            return Ok(report("not-retreated", None, sentence));
        };
        let latches = Arc::new(latches);
        let kept = self.keep(Arc::clone(&latches)).await;
        kept.map_err(|error| RetreatError::NotKept { slice: name.to_string(), error })?;
        self.live.publish(Arc::new(running.with_latches(latches)));
        let event = LatchEvent {
            lifted_by: Some((order.who, order.reason)),
            sentence: format!("slice {name}: resumed, {from} → {to}"),
            ..event(LatchChange::Resumed, Trigger::Admin, &running, &name, latch.clone())
        };
        self.tell(Event::Latch(Box::new(event))).await;
        let sentence = format!("Slice {name} goes on: {from} → {to}, as the file says.");
        Ok(report("resumed", Some(&latch), sentence))
    }

    /// Lifts retreats that the file has come down to; one that cannot be lifted on disk stays.
    pub(super) async fn absorb(&self, trigger: Trigger) {
        let running = self.live.pin();
        let mut latches = Latches::clone(&running.latches);
        let absorbed = latches.absorb(&running.snapshot);
        if absorbed.is_empty() {
            return;
        }
        let latches = Arc::new(latches);
        if let Err(error) = self.keep(Arc::clone(&latches)).await {
            tracing::error!(error, "retreats that the file has come down to stay in force");
            return;
        }
        self.live.publish(Arc::new(running.with_latches(latches)));
        for event in absorbed_events(&running, trigger, absorbed) {
            self.tell(event).await;
        }
    }

    async fn keep(&self, latches: Arc<Latches>) -> Result<(), String> {
        let keep = Arc::clone(&self.started.keep);
        let kept = tokio::task::spawn_blocking(move || keep(&latches)).await;
        kept.unwrap_or_else(|_| Err("the process is ending".to_owned()))
    }
}

/// What is told of retreats that a configuration has come down to.
pub fn absorbed_events(running: &Running, trigger: Trigger, absorbed: Vec<(Arc<str>, Latch)>) -> Vec<Event> {
    let told = |(name, latch): (Arc<str>, Latch)| {
        let sentence = format!("slice {name}: the file has come down to {}: the retreat is over", latch.to);
        let event = event(LatchChange::Absorbed, trigger, running, &name, latch);
        Event::Latch(Box::new(LatchEvent { sentence, ..event }))
    };
    absorbed.into_iter().map(told).collect()
}

/// What another configuration says of phases that has no effect because of a retreat, one sentence for each slice.
pub(super) fn held_back(old: &Snapshot, running: &Running) -> Vec<String> {
    let stated_before = |name: &str| {
        let (id, _) = slices(old).find(|(_, slice)| *slice.name == *name)?;
        Some(retreat::file_phase(old, id))
    };
    slices(&running.snapshot)
        .filter_map(|(id, slice)| {
            let latch = running.latches.get(&slice.name)?;
            let stated = retreat::file_phase(&running.snapshot, id);
            let is_news = stated > latch.to && stated_before(&slice.name) != Some(stated);
            is_news.then(|| {
                let (name, to) = (&slice.name, latch.to);
                format!(
                    "slice {name}: phase {stated} has no effect until `strangler resume {name}`: it retreated \
                     to {to}"
                )
            })
        })
        .collect()
}

fn slices(snapshot: &Snapshot) -> impl Iterator<Item = (SliceId, &Arc<strangler_core::snapshot::Slice>)> {
    (0..).map(SliceId).zip(&snapshot.slices)
}

fn event(what: LatchChange, source: Trigger, running: &Running, slice: &str, latch: Latch) -> LatchEvent {
    LatchEvent {
        what,
        source,
        generation: running.generation,
        hash: running.snapshot.hash.clone(),
        slice: slice.to_owned(),
        latch,
        lifted_by: None,
        figures: None,
        sentence: String::new(),
    }
}

fn find(running: &Running, name: &str) -> Result<SliceId, RetreatError> {
    let found = slices(&running.snapshot).find(|(_, slice)| *slice.name == *name);
    found.map(|(id, _)| id).ok_or_else(|| {
        let names: Vec<&str> = running.snapshot.slices.iter().map(|slice| &*slice.name).collect();
        let help = suggest::help(name, &names);
        let help = help.unwrap_or_else(|| "`strangler status` lists the slices".to_owned());
        RetreatError::UnknownSlice { slice: name.to_owned(), help }
    })
}

/// Legacy, where the file bounds how late the writer's data may be there, and it is later or nobody knows.
fn late_side(running: &Running, id: SliceId) -> Option<Owner> {
    let slice = running.snapshot.slice(id);
    let limit = slice.sync_lag.as_ref().filter(|_| slice.writer != Writer::Legacy)?;
    match running.lags.state(id, Instant::now()) {
        LagState::Behind(lag) if lag <= limit.max => None,
        LagState::Behind(_) | LagState::Unknown => Some(Owner::Legacy),
    }
}

fn retreated(
    running: &Running,
    id: SliceId,
    from: Phase,
    latch: &Latch,
    error: Option<String>,
) -> RetreatReport {
    let slice = running.snapshot.slice(id);
    let service = running.upstream(slice.upstream);
    let (name, to, in_flight) = (&slice.name, latch.to, service.in_flight());
    let requests =
        if in_flight == 1 { "1 request is".to_owned() } else { format!("{in_flight} requests are") };
    let mut sentence = format!(
        "Slice {name} retreated from {from} to {to}; {requests} still in flight at {}.",
        service.name
    );
    if let Some(error) = &error {
        sentence.push_str(&format!(" It is NOT on disk, and a restart forgets it: {error}."));
    }
    RetreatReport {
        slice: name.to_string(),
        outcome: "retreated".to_owned(),
        from: from.as_str().to_owned(),
        to: to.as_str().to_owned(),
        phase: slice.phase.as_str().to_owned(),
        in_flight,
        kept: error.is_none(),
        error,
        retreat: Some(LatchReport::from(latch)),
        sentence,
    }
}

fn already(running: &Running, id: SliceId, at: Phase) -> RetreatReport {
    let slice = running.snapshot.slice(id);
    RetreatReport {
        slice: slice.name.to_string(),
        outcome: "already".to_owned(),
        from: at.as_str().to_owned(),
        to: at.as_str().to_owned(),
        phase: slice.phase.as_str().to_owned(),
        in_flight: running.upstream(slice.upstream).in_flight(),
        kept: true,
        error: None,
        retreat: running.latches.get(&slice.name).map(LatchReport::from),
        sentence: format!("Slice {} is in phase {at} already: nothing to retreat from.", slice.name),
    }
}
