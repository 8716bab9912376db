//! Texts → a snapshot that may serve, or every reason why not.
//!
//! Owns what `run`, reload and `check` share: reading the language, refusing what is not built, refusing to
//! take writes away from their writer. Refuses to publish anything.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use strangler_core::config::{self, Diagnostic, Include, LoadOptions, Loaded, Severity, SourceText, Sources};
use strangler_core::retreat::{self, Latches};
use strangler_core::routing;
use strangler_core::snapshot::{DataDir, Server, Snapshot};

/// A configuration that may serve.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What serves.
    pub snapshot: Arc<Snapshot>,
    /// What is worth knowing about it.
    pub warnings: Vec<Diagnostic>,
}

/// Whether a configuration may take writes that the extracted side owns back to legacy without saying so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriterChange {
    /// Such a configuration is refused.
    Refused,
    /// A person has asked for it.
    Allowed,
}

/// Reads a configuration with this process's environment and today's date.
pub fn load(sources: &Sources, base: &Path) -> Loaded {
    config::load(sources, &LoadOptions { base, env: &environment, today: today() })
}

/// Every route's effective settings and where each came from; `None` for a configuration that is in error.
pub fn resolve(sources: &Sources, base: &Path) -> Option<config::Resolved> {
    config::resolve(sources, &LoadOptions { base, env: &environment, today: today() })
}

/// `[server]` of a file that need not be sound: where the proxy's data and its admin listener are.
pub fn server_of(main: &SourceText, base: &Path) -> Server {
    config::server_of(main, &LoadOptions { base, env: &environment, today: today() })
}

/// The `include` patterns of a main file, relative to its folder.
pub fn include_patterns(main: &SourceText) -> Vec<String> {
    config::include_patterns_with(main, &environment)
}

/// The same, and where each is written.
pub fn includes(main: &SourceText) -> Vec<Include> {
    config::includes(main, &environment)
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads a configuration that is to serve.
///
/// # Errors
///
/// Every diagnostic where one is an error, or where the file asks for what is not built.
pub fn compile(sources: &Sources, base: &Path) -> Result<Compiled, Vec<Diagnostic>> {
    // Invariant 10: no text takes the process down, not even through a mistake of ours.
    let loaded = catch_unwind(AssertUnwindSafe(|| load(sources, base))).map_err(|_| vec![internal()])?;
    let Loaded { snapshot, mut diagnostics, not_built, .. } = loaded;
    match snapshot {
        Some(snapshot) if not_built.is_empty() => Ok(Compiled { snapshot, warnings: diagnostics }),
        _ => {
            diagnostics.extend(not_built);
            diagnostics.sort_by(|a, b| (&a.place, a.severity).cmp(&(&b.place, b.severity)));
            Err(diagnostics)
        }
    }
}

/// The errors of replacing `old` by `new`: writes that would silently go to legacy.
pub fn lost_writers(old: &Snapshot, new: &Snapshot) -> Vec<Diagnostic> {
    routing::lost_writers(old, new).into_iter().map(|lost| lost_writer(new, &lost)).collect()
}

fn lost_writer(new: &Snapshot, lost: &routing::LostWriter) -> Diagnostic {
    let place = new.slices.iter().find(|slice| *slice.name == *lost.slice).map(|slice| slice.place.clone());
    Diagnostic {
        severity: Severity::Error,
        code: "lost-writer",
        place,
        excerpt: None,
        message: format!(
            "writes of slice `{}` would go back to legacy, which does not own its data: `{}` goes to the extracted service now",
            lost.slice, lost.example
        ),
        help: Some(format!(
            "restore route `{}` of [slices.{}], or say `writer = \"legacy\"` there, or pass --allow-writer-change",
            lost.route, lost.slice
        )),
        related: Vec::new(),
    }
}

/// The errors of replacing `old` by `new` under these retreats: reads that legacy would answer, because a slice is held
/// back, without the writer's data.
pub fn stale_reads(old: &Snapshot, new: &Snapshot, latches: &Latches) -> Vec<Diagnostic> {
    let told = |id| {
        let slice = new.slice(id);
        let name = &slice.name;
        let to = latches.get(name).map_or("shadow", |latch| latch.to.as_str());
        Diagnostic {
            severity: Severity::Error,
            code: "stale-reads",
            place: Some(slice.place.clone()),
            excerpt: None,
            message: format!(
                "slice `{name}` has retreated to {to}, where legacy answers reads, and the data written by {} would \
                 not reach it",
                slice.writer
            ),
            help: Some(format!(
                "lift the retreat first (`strangler resume {name}`), or keep data in step with `sync`"
            )),
            related: Vec::new(),
        }
    };
    retreat::newly_stale(Some(old), new, latches).into_iter().map(told).collect()
}

/// Static keys of `[server]` whose new values wait for a restart.
pub fn restart_required(started: &Server, now: &Server, data_dir_overridden: bool) -> Vec<String> {
    let changed = [
        ("server.listen", started.listen != now.listen),
        ("server.admin", started.admin != now.admin),
        ("server.data_dir", !data_dir_overridden && started.data_dir != now.data_dir),
        ("server.workers", started.workers != now.workers),
    ];
    changed.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key.to_owned()).collect()
}

/// A `data_dir` that waits for a restart: what will not be where it was.
pub fn data_dir_moves(started: &Server, now: &Server) -> Diagnostic {
    let (message, help) = match (&started.data_dir, &now.data_dir) {
        (DataDir::Path(old), DataDir::Path(_)) => (
            format!(
                "after a restart `data_dir` is another folder: retreats come along, evidence and history stay in {}",
                old.display()
            ),
            "to keep them, stop the process, move the folder, and start it again",
        ),
        (DataDir::Path(old), DataDir::Memory) => (
            format!(
                "after a restart nothing is kept: retreats, evidence and history stay in {} and have no effect",
                old.display()
            ),
            "let the file itself say the phase that a retreat holds a slice at, before the restart",
        ),
        (DataDir::Memory, _) => (
            "a restart ends the retreats in force, and forgets evidence and history: nothing has been kept so far"
                .to_owned(),
            "let the file itself say the phase that a retreat holds a slice at, before the restart",
        ),
    };
    Diagnostic {
        severity: Severity::Warning,
        code: "data-dir-moves",
        place: None,
        excerpt: None,
        message,
        help: Some(help.to_owned()),
        related: Vec::new(),
    }
}

/// Today in UTC.
pub fn today() -> jiff::civil::Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

fn internal() -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code: "internal",
        place: None,
        excerpt: None,
        message: "this configuration cannot be read because of a mistake in strangler itself".to_owned(),
        help: Some("please report it together with the file; the log holds the details".to_owned()),
        related: Vec::new(),
    }
}
