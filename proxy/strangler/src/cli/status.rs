//! `strangler status`: one sentence first, then everything, at 80 columns.

mod keys;
mod render;
mod screen;
mod watch;

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
    /// Look again every second; `q` or Ctrl-C ends it. Not on a terminal: one line per change
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

pub(super) fn run(arguments: &StatusArguments, output: &Output) -> Outcome {
    let target = AdminTarget::resolve(&arguments.admin)?;
    if !arguments.watch {
        let looked = look(&target, arguments.slice.as_deref(), output);
        output.text(&client::runtime()?.block_on(looked)?);
        return Ok(Exit::Pass);
    }
    watch::run(&target, arguments, output)
}

/// What the running proxy says of itself, or of a slice.
enum Looked {
    Whole(Box<StatusReport>),
    Slice(Box<SliceDetailReport>),
}

async fn ask(target: &AdminTarget, slice: Option<&str>) -> Result<client::Answer, Failure> {
    let path = slice.map_or_else(
        || "/api/status".to_owned(),
        |name| format!("/api/slices/{}", client::encoded(name).replace('/', "%2F")),
    );
    let answer = client::send(target, Method::GET, &path, None).await?;
    if answer.status == StatusCode::OK { Ok(answer) } else { Err(answer.into_failure()) }
}

async fn report(target: &AdminTarget, slice: Option<&str>) -> Result<Looked, Failure> {
    let answer = ask(target, slice).await?;
    Ok(match slice {
        Some(_) => Looked::Slice(Box::new(answer.parse()?)),
        None => Looked::Whole(Box::new(answer.parse()?)),
    })
}

async fn look(target: &AdminTarget, slice: Option<&str>, output: &Output) -> Result<String, Failure> {
    if output.json {
        return Ok(String::from_utf8_lossy(&ask(target, slice).await?.body).into_owned());
    }
    Ok(match report(target, slice).await? {
        Looked::Slice(report) => render::slice(&report, output),
        Looked::Whole(report) => render::status(&report, output),
    })
}
