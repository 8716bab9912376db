//! `strangler run`: serves until a signal ends it.

mod journal;
mod log;
mod moved;
mod retreats;
mod serve;
mod start;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use strangler_core::config::SourceText;
use strangler_core::snapshot::DataDir;

use super::output::Output;
use super::{DEFAULT_FILE, Exit, Failure, Outcome};
use crate::live::compile::WriterChange;
use crate::live::source::Source;

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// The configuration [default: config/strangler.toml]
    #[arg(long, value_name = "FILE", conflicts_with = "legacy")]
    config: Option<PathBuf>,
    /// Where history and the last good configuration are kept [default: `server.data_dir` of the file]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Serve although writes go back to legacy without the file saying `writer = "legacy"`
    #[arg(long)]
    allow_writer_change: bool,
    /// Serve without a file: everything goes to this monolith
    #[arg(long, value_name = "URL")]
    legacy: Option<String>,
    /// With --legacy: where clients come [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", requires = "legacy")]
    listen: Option<SocketAddr>,
    /// With --legacy: address of the admin listener [default: 127.0.0.1:9090]
    #[arg(long, value_name = "ADDRESS", requires = "legacy")]
    admin_listen: Option<SocketAddr>,
}

/// What to serve.
#[derive(Debug)]
struct RunPlan {
    source: Source,
    /// `--data-dir`.
    data_dir: Option<DataDir>,
    writer_change: WriterChange,
}

impl RunPlan {
    fn resolve(arguments: RunArguments) -> RunPlan {
        let RunArguments { config, data_dir, allow_writer_change, legacy, listen, admin_listen } = arguments;
        let data_dir = data_dir
            .map(|path| if path.as_os_str() == "memory" { DataDir::Memory } else { DataDir::Path(path) });
        let writer_change = if allow_writer_change { WriterChange::Allowed } else { WriterChange::Refused };
        let Some(legacy) = legacy else {
            let source = Source::File(config.unwrap_or_else(|| PathBuf::from(DEFAULT_FILE)));
            return RunPlan { source, data_dir, writer_change };
        };
        let text = without_file(&legacy, listen, admin_listen);
        let source = Source::Text(SourceText { name: "(command line)".to_owned(), text });
        // Whoever tries it out does not expect a directory to appear.
        RunPlan { source, data_dir: Some(data_dir.unwrap_or(DataDir::Memory)), writer_change }
    }
}

/// The configuration that `--legacy` stands for.
fn without_file(legacy: &str, listen: Option<SocketAddr>, admin: Option<SocketAddr>) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut text = format!("version = 1\nlegacy = {}\n[server]\n", quoted(legacy));
    for (key, address) in [("listen", listen), ("admin", admin)] {
        if let Some(address) = address {
            text.push_str(&format!("{key} = {}\n", quoted(&address.to_string())));
        }
    }
    text
}

pub(super) fn run(arguments: RunArguments, output: &Output) -> Outcome {
    let plan = RunPlan::resolve(arguments);
    let log = log::Log::start(output.json);
    let start = start::choose(&plan)?;
    log.set(&start.compiled.snapshot.server.log);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("control")
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("no runtime: {error}")))?;
    let outcome = runtime.block_on(serve::serve(start, plan.source, log, output));
    // Nothing that is still being read or written may hold up the exit.
    runtime.shutdown_background();
    outcome
}
