//! Whether texts that were read may serve: compiled, and held against what serves now. Refuses to change anything.

use strangler_core::config::{Diagnostic, Sources};
use strangler_core::retreat::Latches;
use strangler_core::routing;
use strangler_core::snapshot::Snapshot;
use strangler_core::words::Writer;

use crate::live::Running;
use crate::live::compile::{self, Compiled, WriterChange};

/// What may serve, and what that changes.
pub(super) struct Accepted {
    pub(super) compiled: Compiled,
    pub(super) changes: Vec<String>,
    /// A slice's writer is not legacy: going back to an older configuration might lose it.
    pub(super) moves_writes: bool,
}

pub(super) fn judge(
    sources: &Sources,
    base: &std::path::Path,
    old: &Running,
    writer_change: WriterChange,
) -> Result<Accepted, Vec<Diagnostic>> {
    let compiled = compile::compile(sources, base)?;
    if writer_change == WriterChange::Refused {
        refuse_lost_writers(&old.snapshot, &compiled)?;
    }
    refuse_stale_reads(&old.snapshot, &compiled, &old.latches)?;
    let changes =
        routing::diff(&old.snapshot, &compiled.snapshot).changes.iter().map(ToString::to_string).collect();
    let moves_writes = compiled.snapshot.slices.iter().any(|slice| slice.writer != Writer::Legacy);
    Ok(Accepted { compiled, changes, moves_writes })
}

/// Refuses a configuration that silently takes writes back to legacy.
///
/// # Errors
///
/// One diagnostic per lost writer, and what else is known about the configuration.
pub fn refuse_lost_writers(old: &Snapshot, new: &Compiled) -> Result<(), Vec<Diagnostic>> {
    refuse(compile::lost_writers(old, &new.snapshot), new)
}

/// Refuses a configuration that would have a retreat serve stale reads.
///
/// # Errors
///
/// One diagnostic per slice, and what else is known about the configuration.
pub fn refuse_stale_reads(old: &Snapshot, new: &Compiled, latches: &Latches) -> Result<(), Vec<Diagnostic>> {
    refuse(compile::stale_reads(old, &new.snapshot, latches), new)
}

fn refuse(mut errors: Vec<Diagnostic>, new: &Compiled) -> Result<(), Vec<Diagnostic>> {
    if errors.is_empty() {
        return Ok(());
    }
    errors.extend(new.warnings.iter().cloned());
    Err(errors)
}
