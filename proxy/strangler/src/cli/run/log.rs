//! The program's own log: lines on standard error, of the level that `server.log` names now.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// Lets the level change while the program runs.
#[derive(Clone)]
pub(super) struct Log {
    filter: Option<Arc<reload::Handle<EnvFilter, Registry>>>,
}

impl Log {
    /// Begins to log. Where a log is set up already (as in tests), that one stays.
    pub(super) fn start(json: bool) -> Log {
        let (filter, handle) = reload::Layer::new(EnvFilter::new("info"));
        let is_refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color = io::stderr().is_terminal() && !is_refused;
        let registry = Registry::default().with(filter);
        let lines = fmt::layer().with_writer(io::stderr).with_ansi(color).with_target(false);
        let started =
            if json { registry.with(lines.json()).try_init() } else { registry.with(lines).try_init() };
        Log { filter: started.ok().map(|()| Arc::new(handle)) }
    }

    /// Changes the level.
    pub(super) fn set(&self, filter: &str) {
        let Some(handle) = &self.filter else { return };
        match EnvFilter::try_new(filter) {
            Ok(wanted) => drop(handle.reload(wanted)),
            Err(error) => tracing::warn!(%error, "`server.log` cannot be used; the level stays as it is"),
        }
    }
}
