//! What a process begins to serve: its file, or the last good configuration where the file is bad or would
//! take writes away from their writer.

use std::path::{Path, PathBuf};

use strangler_core::config::{Diagnostic, Severity, Sources};
use strangler_core::snapshot::DataDir;

use super::{Exit, Failure, RunPlan, moved};
use crate::live::compile::{self, Compiled, WriterChange};
use crate::live::reload::{refuse_lost_writers, refuse_stale_reads};
use crate::live::report::{DiagnosticReport, RejectedReport, Trigger, now};
use crate::live::source::Source;
use crate::store::{self, LastGood, Store, StoreError, pointer};

/// What is served first.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) compiled: Compiled,
    pub(super) sources: Sources,
    pub(super) store: Store,
    /// `--data-dir` was given.
    pub(super) data_dir_overridden: bool,
    /// Why it is not the file that is served, but the last good configuration.
    pub(super) rejected: Option<RejectedReport>,
}

/// The file as it was found.
struct Found {
    sources: Option<Sources>,
    compiled: Result<Compiled, Vec<Diagnostic>>,
}

/// Decides what to serve.
///
/// # Errors
///
/// Where neither the file nor a last good configuration can serve, and where the data directory cannot be
/// had.
pub(super) fn choose(plan: &RunPlan) -> Result<Start, Failure> {
    let found = find(&plan.source);
    let data_dir = data_dir(plan, &found);
    let last_good = last_good(plan, &data_dir)?;
    match found.compiled {
        Ok(compiled) => {
            let refused = match (&last_good, plan.writer_change) {
                (Some((directory, last_good)), WriterChange::Refused) => {
                    refuse(directory, last_good, &compiled)
                }
                _ => Ok(()),
            };
            match (refused, last_good, found.sources) {
                (Err(diagnostics), Some((directory, last_good)), sources) => {
                    fall_back(plan, directory, last_good, sources.as_ref(), &diagnostics)
                }
                (_, _, Some(sources)) => serve_file(plan, compiled, sources, &data_dir),
                // A configuration was compiled from texts that were read.
                (_, _, None) => Err(Failure::new(Exit::Failed, "the configuration has no text")),
            }
        }
        Err(diagnostics) => match last_good {
            Some((directory, last_good)) => {
                fall_back(plan, directory, last_good, found.sources.as_ref(), &diagnostics)
            }
            None => Err(invalid(&diagnostics, "and there is no last good configuration to serve instead")),
        },
    }
}

fn find(source: &Source) -> Found {
    match source.read() {
        Ok(sources) => {
            let compiled = compile::compile(&sources, source.base());
            Found { sources: Some(sources), compiled }
        }
        Err(unreadable) => Found { sources: None, compiled: Err(unreadable.diagnostics) },
    }
}

/// `--data-dir`, else the key as far as it can be read, else `data` beside the file.
fn data_dir(plan: &RunPlan, found: &Found) -> DataDir {
    if let Some(data_dir) = &plan.data_dir {
        return data_dir.clone();
    }
    match &found.compiled {
        Ok(compiled) => compiled.snapshot.server.data_dir.clone(),
        // The default of the key is `data` beside the file.
        Err(_) => compile::server_of(&plan.source.salvage_main(), plan.source.base()).data_dir,
    }
}

/// The last good configuration and the directory it was found in: the data directory, or the one that was
/// used before, in case it is the key that got lost.
fn last_good(plan: &RunPlan, data_dir: &DataDir) -> Result<Option<(PathBuf, LastGood)>, Failure> {
    let mut directories = Vec::new();
    if let DataDir::Path(directory) = data_dir {
        directories.push(directory.clone());
    }
    if plan.data_dir.is_none() {
        directories.extend(moved::former(&plan.source));
    }
    for directory in directories {
        match LastGood::find(&directory) {
            Ok(Some(last_good)) => return Ok(Some((directory, last_good))),
            Ok(None) => {}
            Err(error @ StoreError::Damaged { .. }) => {
                tracing::error!(%error, "the last good configuration cannot be used");
            }
            // What cannot be read cannot be compared with: starting anyway might lose a writer.
            Err(error) if plan.writer_change == WriterChange::Refused => {
                return Err(Failure::new(Exit::Invalid, error.to_string()));
            }
            Err(error) => tracing::error!(%error, "the last good configuration cannot be read"),
        }
    }
    Ok(None)
}

fn refuse(directory: &Path, last_good: &LastGood, compiled: &Compiled) -> Result<(), Vec<Diagnostic>> {
    match compile::compile(&last_good.sources, &last_good.base) {
        Ok(old) => {
            refuse_lost_writers(&old.snapshot, compiled)?;
            // Retreats that cannot be read hold every slice, whatever the file says: see `retreats`.
            store::kept_retreats(directory)
                .map_or(Ok(()), |latches| refuse_stale_reads(&old.snapshot, compiled, &latches))
        }
        Err(diagnostics) => {
            tracing::warn!(
                problem = first(&diagnostics),
                "writers were not compared: the last good configuration cannot be read by this version or \
                 in this environment"
            );
            Ok(())
        }
    }
}

fn serve_file(
    plan: &RunPlan,
    compiled: Compiled,
    sources: Sources,
    data_dir: &DataDir,
) -> Result<Start, Failure> {
    let store = open(data_dir)?;
    // Before the note says that the data is here now: a crash in between must not lose a retreat.
    if let Some(former) = moved::former(&plan.source) {
        moved::bring_retreats(&former, &store, plan.data_dir.is_some())
            .map_err(|error| Failure::new(Exit::Invalid, unusable(&error)))?;
    }
    if let (None, Some(main), Some(directory)) = (&plan.data_dir, plan.source.main_path(), store.directory())
    {
        pointer::remember(main, directory);
    }
    Ok(Start { compiled, sources, store, data_dir_overridden: plan.data_dir.is_some(), rejected: None })
}

fn fall_back(
    plan: &RunPlan,
    directory: PathBuf,
    last_good: LastGood,
    sources: Option<&Sources>,
    diagnostics: &[Diagnostic],
) -> Result<Start, Failure> {
    let compiled = compile::compile(&last_good.sources, &last_good.base).map_err(|problems| {
        let why = format!("and the last good configuration cannot serve either: {}", first(&problems));
        invalid(diagnostics, &why)
    })?;
    let store = open(&DataDir::Path(directory))?;
    let rejected = RejectedReport {
        at: now(),
        hash: sources.map(strangler_core::config::content_hash),
        source: Trigger::Start,
        diagnostics: DiagnosticReport::all(diagnostics),
    };
    Ok(Start {
        compiled,
        sources: last_good.sources,
        store,
        data_dir_overridden: plan.data_dir.is_some(),
        rejected: Some(rejected),
    })
}

fn open(data_dir: &DataDir) -> Result<Store, Failure> {
    match data_dir {
        DataDir::Memory => Ok(Store::memory()),
        DataDir::Path(directory) => {
            Store::open(directory).map_err(|error| Failure::new(Exit::Invalid, unusable(&error)))
        }
    }
}

fn unusable(error: &StoreError) -> String {
    match error {
        StoreError::InUse { .. } => error.to_string(),
        StoreError::Io { .. } | StoreError::Damaged { .. } => format!(
            "the data directory cannot be used: {error}\n  name another with --data-dir, or keep nothing with \
             `data_dir = \"memory\"`"
        ),
    }
}

fn invalid(diagnostics: &[Diagnostic], why: &str) -> Failure {
    let text: String = diagnostics.iter().map(|diagnostic| diagnostic.render(false)).collect();
    Failure::new(Exit::Invalid, format!("the configuration cannot serve, {why}\n{}", text.trim_end()))
}

fn first(diagnostics: &[Diagnostic]) -> String {
    let error = diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error);
    error.map(|error| DiagnosticReport::from(error).line()).unwrap_or_default()
}
