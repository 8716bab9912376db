//! What happens when the configuration changed or was refused, or a slice retreated: log, metric, history, last good.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use strangler_core::config::Sources;
use strangler_core::snapshot::AccessLog;

use super::log::Log;
use crate::guard::Board;
use crate::live::reload::Event;
use crate::live::report::{DiagnosticReport, ReloadReport, Trigger, now};
use crate::live::retreat::{LatchChange, LatchEvent};
use crate::store::{Entry, Evidence, LastGood, Store};
use crate::telemetry::Telemetry;

/// Lines of one reload that are logged; how many more there were is said.
const LOGGED_MAX: usize = 100;

pub(super) struct Journal {
    pub(super) store: Arc<Store>,
    pub(super) evidence: Evidence,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) guardrails: Arc<Board>,
    pub(super) log: Log,
    /// The main file's folder, absolute.
    pub(super) base: PathBuf,
}

impl Journal {
    /// Takes note of one event. Whatever cannot be written is logged: the proxy serves on.
    pub(super) fn note(&self, event: &Event) {
        match event {
            Event::Accepted { sources } => self.keep(sources),
            Event::Applied { trigger, running, sources, report } => {
                self.telemetry.config_stale.store(false, Ordering::Relaxed);
                self.log.set(&running.snapshot.server.log);
                self.evidence.follow(&running.snapshot);
                // At the start, only after the addresses have been told.
                if *trigger != Trigger::Start {
                    self.move_access_log(&running.snapshot.server.access_log);
                }
                log_applied(*trigger, report);
                self.keep(sources);
                self.append(report, *trigger);
            }
            Event::Latch(event) => self.latch(event),
            Event::GuardrailBlocked { slice, sentence, figures, generation } => {
                tracing::error!(slice, "guardrail: {sentence}");
                self.write(&Entry {
                    slice: Some(slice.clone()),
                    who: Some("guardrail".to_owned()),
                    figures: Some(figures.clone()),
                    changes: vec![format!("slice {slice}: {sentence}")],
                    ..Entry::new("guardrail-blocked", Trigger::Guardrail, *generation)
                });
            }
            Event::RetreatsUnreadable { error, generation } => {
                let sentence =
                    "retreats cannot be read: every slice is held at shadow or below until it is resumed";
                tracing::error!(error, "{sentence}");
                let changes = vec![sentence.to_owned()];
                let why = Some(error.clone());
                self.write(&Entry {
                    why,
                    changes,
                    ..Entry::new("retreats-unreadable", Trigger::Start, *generation)
                });
            }
            Event::Rejected { trigger, report } => {
                self.telemetry.config_stale.store(true, Ordering::Relaxed);
                log_rejected(*trigger, report);
                self.append(report, *trigger);
            }
            Event::Restored { trigger, generation, hash } => {
                self.telemetry.config_stale.store(false, Ordering::Relaxed);
                tracing::info!(
                    generation,
                    hash,
                    source = trigger.as_str(),
                    "the files on disk are again what serves"
                );
                let (generation, hash) = (*generation, hash.clone());
                self.append(
                    &ReloadReport::Unchanged { generation, hash, restart_required: Vec::new() },
                    *trigger,
                );
            }
        }
    }

    fn latch(&self, event: &LatchEvent) {
        let LatchEvent { what, source, generation, hash, slice, latch, lifted_by, figures, sentence } = event;
        self.guardrails.begin_anew(slice);
        match what {
            LatchChange::Retreated => {
                self.telemetry.retreated(slice, latch.cause.as_str());
                let (who, reason) = (latch.who.as_str(), latch.reason.as_str());
                tracing::warn!(slice, who, cause = latch.cause.as_str(), reason, "{sentence}");
            }
            LatchChange::Resumed | LatchChange::Absorbed => {
                let who = lifted_by.as_ref().map(|(who, _)| who.as_str()).unwrap_or_default();
                tracing::info!(slice, who, "{sentence}");
            }
        }
        let (who, why) = match (what, lifted_by) {
            (LatchChange::Retreated, _) => (Some(latch.who.clone()), Some(latch.reason.clone())),
            (_, Some((who, why))) => (Some(who.clone()), why.clone()),
            (_, None) => (None, None),
        };
        self.write(&Entry {
            hash: Some(hash.clone()),
            slice: Some(slice.clone()),
            who,
            why,
            figures: figures.clone(),
            changes: vec![sentence.clone()],
            ..Entry::new(what.as_str(), *source, *generation)
        });
    }

    fn move_access_log(&self, setting: &AccessLog) {
        if let Err(error) = self.telemetry.access_log.configure(setting) {
            tracing::error!(%error, "the access log stays where it is");
        }
    }

    fn keep(&self, sources: &Sources) {
        let last_good = LastGood { at: now(), base: self.base.clone(), sources: sources.clone() };
        if let Err(error) = self.store.keep_last_good(&last_good) {
            tracing::error!(%error, "the last good configuration was not kept: a restart would not find it");
        }
    }

    fn append(&self, report: &ReloadReport, trigger: Trigger) {
        self.write(&Entry::of(report, trigger));
    }

    fn write(&self, entry: &Entry) {
        if let Err(error) = self.store.append(entry) {
            tracing::error!(%error, "the history was not written");
        }
    }
}

fn log_applied(trigger: Trigger, report: &ReloadReport) {
    let ReloadReport::Applied { generation, hash, changes, warnings, restart_required } = report else {
        return;
    };
    tracing::info!(generation, hash, source = trigger.as_str(), "configuration applied");
    for change in changes.iter().take(LOGGED_MAX) {
        tracing::info!(generation, "{change}");
    }
    more(changes.len());
    for warning in warnings.iter().take(LOGGED_MAX) {
        tracing::warn!(generation, "{}", warning.line());
    }
    more(warnings.len());
    if !restart_required.is_empty() {
        tracing::warn!(keys = restart_required.join(", "), "these keys wait for a restart");
    }
}

fn log_rejected(trigger: Trigger, report: &ReloadReport) {
    let ReloadReport::Rejected { generation, hash, diagnostics } = report else { return };
    tracing::error!(
        generation,
        hash = hash.as_deref().unwrap_or("unreadable"),
        source = trigger.as_str(),
        "configuration refused; the one in service goes on, whole"
    );
    for diagnostic in diagnostics.iter().take(LOGGED_MAX) {
        log_diagnostic(diagnostic);
    }
    more(diagnostics.len());
}

fn log_diagnostic(diagnostic: &DiagnosticReport) {
    let line = diagnostic.line();
    if diagnostic.severity == "error" { tracing::error!("{line}") } else { tracing::warn!("{line}") }
}

fn more(count: usize) {
    if count > LOGGED_MAX {
        tracing::info!("and {} more", count - LOGGED_MAX);
    }
}
