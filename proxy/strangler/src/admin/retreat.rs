//! Retreats over the admin listener.
//!
//! Owns reading what is asked for. Refuses to judge: core does, in the task that replaces the configuration.

use http::StatusCode;
use serde::Deserialize;
use strangler_core::retreat::{Stale, Target};
use strangler_core::words::{Cause, Phase};

use super::Admin;
use super::reply::{Problem, Reply, json};
use crate::live::retreat::{ResumeOrder, RetreatError, RetreatOrder};

/// Characters of a reason that are kept.
const REASON_MAX: usize = 500;

/// Characters of a name that are kept.
const WHO_MAX: usize = 100;

/// The body of `POST /api/slices/NAME/retreat`; it may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RetreatBody {
    to: Option<String>,
    reason: Option<String>,
    #[serde(default)]
    accept_stale: bool,
    /// A slice that is below `to` is left there instead of refused.
    #[serde(default)]
    at_most: bool,
    who: Option<String>,
}

/// The body of `POST /api/slices/NAME/resume`; it may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResumeBody {
    reason: Option<String>,
    who: Option<String>,
}

/// Takes a slice back.
pub(super) async fn retreat(admin: &Admin, slice: &str, body: &[u8]) -> Result<Reply, Problem> {
    let help = "send {\"to\": \"shadow\", \"reason\": \"why\", \"accept_stale\": false}, or leave out what you do \
                not need";
    let RetreatBody { to, reason, accept_stale, at_most, who } = parse(body, help)?;
    let order = RetreatOrder {
        slice: slice.to_owned(),
        target: target(to.as_deref(), at_most)?,
        stale: if accept_stale { Stale::Accepted } else { Stale::Refused },
        cause: Cause::Manual,
        who: who_or_unknown(who),
        reason: kept(reason, REASON_MAX).unwrap_or_else(|| "no reason was given".to_owned()),
        figures: None,
    };
    let report =
        admin.parts.reloader.retreat(order).await.ok_or_else(ending)?.map_err(|error| problem(&error))?;
    // In force, but a restart forgets it: whoever only looks at the status must not miss that.
    let status = if report.kept { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    Ok(json(status, &report))
}

/// Lets a slice go on.
pub(super) async fn resume(admin: &Admin, slice: &str, body: &[u8]) -> Result<Reply, Problem> {
    let ResumeBody { reason, who } = parse(body, "send {\"reason\": \"why\"}, or nothing")?;
    let order =
        ResumeOrder { slice: slice.to_owned(), who: who_or_unknown(who), reason: kept(reason, REASON_MAX) };
    let report =
        admin.parts.reloader.resume(order).await.ok_or_else(ending)?.map_err(|error| problem(&error))?;
    Ok(json(StatusCode::OK, &report))
}

fn parse<T: Default + for<'a> Deserialize<'a>>(body: &[u8], help: &str) -> Result<T, Problem> {
    if body.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}"), help)
    })
}

fn target(to: Option<&str>, at_most: bool) -> Result<Target, Problem> {
    let Some(word) = to else { return Ok(Target::Default) };
    let target = if at_most { Target::AtMost } else { Target::Phase };
    Phase::from_word(word).map(target).ok_or_else(|| {
        let error = format!("`{word}` is no phase");
        let help = "a slice retreats to `legacy`, `shadow`, `canary` or `extracted`";
        Problem::new(StatusCode::BAD_REQUEST, error, help)
    })
}

fn who_or_unknown(who: Option<String>) -> String {
    kept(who, WHO_MAX).unwrap_or_else(|| "somebody at the admin listener".to_owned())
}

/// A text as it is kept: one line, bounded; `None` where nothing is left.
fn kept(text: Option<String>, most: usize) -> Option<String> {
    let text: String = text?.trim().chars().filter(|c| !c.is_control()).take(most).collect();
    (!text.is_empty()).then_some(text)
}

fn problem(error: &RetreatError) -> Problem {
    let status = match error {
        RetreatError::UnknownSlice { .. } => StatusCode::NOT_FOUND,
        RetreatError::Refused { .. } => StatusCode::CONFLICT,
        RetreatError::NotKept { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Problem::new(status, error.to_string(), error.help())
}

fn ending() -> Problem {
    let help = "ask the process that replaces this one";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the process is shutting down".to_owned(), help)
}
