//! `strangler status`: one sentence first, then everything, at 80 columns.

mod render;

use std::time::Duration;

use clap::Args;
use http::{Method, StatusCode};

use super::output::Output;
use super::target::AdminTarget;
use super::{AdminArguments, Exit, Failure, Outcome, client};
use crate::admin::status::{SliceDetailReport, StatusReport};

/// Time between two looks.
const WATCH_STEP: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    /// Only this slice, with its routes
    slice: Option<String>,
    /// Look again every second until interrupted
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

pub(super) fn run(arguments: &StatusArguments, output: &Output) -> Outcome {
    let target = AdminTarget::resolve(&arguments.admin)?;
    if !arguments.watch {
        output.text(&look(&target, arguments.slice.as_deref(), output)?);
        return Ok(Exit::Pass);
    }
    let runtime = client::runtime()?;
    loop {
        let text = match look(&target, arguments.slice.as_deref(), output) {
            Ok(text) => text,
            // The proxy may be restarting: that is worth watching too.
            Err(failure) if failure.exit == Exit::Unreachable => format!("{}\n", failure.message),
            Err(failure) => return Err(failure),
        };
        let clear = if output.is_terminal() { "\x1b[H\x1b[2J" } else { "" };
        output.text(&format!("{clear}{text}"));
        let interrupted = runtime
            .block_on(async { tokio::time::timeout(WATCH_STEP, tokio::signal::ctrl_c()).await.is_ok() });
        if interrupted {
            return Ok(Exit::Pass);
        }
    }
}

fn look(target: &AdminTarget, slice: Option<&str>, output: &Output) -> Result<String, Failure> {
    let path = slice.map_or_else(
        || "/api/status".to_owned(),
        |name| format!("/api/slices/{}", client::encoded(name).replace('/', "%2F")),
    );
    let answer = client::ask(target, Method::GET, &path, None)?;
    if answer.status != StatusCode::OK {
        return Err(answer.into_failure());
    }
    if output.json {
        return Ok(String::from_utf8_lossy(&answer.body).into_owned());
    }
    Ok(match slice {
        Some(_) => render::slice(&answer.parse::<SliceDetailReport>()?, output),
        None => render::status(&answer.parse::<StatusReport>()?, output),
    })
}
