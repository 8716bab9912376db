//! `strangler promote`: a slice goes one step further, or back, by an edit of its file.
//!
//! Owns the order: what is wanted → what the running proxy serves → its evidence → the edit → live. Refuses to edit a file
//! that is not what serves, and to move forward where evidence is demanded and missing.

mod live;
mod notes;
mod show;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use strangler_core::config::{parse_duration, parse_share};
use strangler_core::evidence::verdict::{State, Verdict};
use strangler_core::promotion::{Direction, Impossible, Promotion, Wish, promotion};
use strangler_core::words::{Phase, Share};

use super::output::Output;
use super::{AdminArguments, Exit, Failure, Outcome, person};
use crate::edit::{Change, Current, EditError, Proposal};
use crate::live::source::Source;
use live::{Made, Serving};

#[derive(Debug, Args)]
pub(super) struct PromoteArguments {
    /// The slice
    slice: String,
    /// The phase it goes to, forward or back [default: one step of its canary, then one phase, forward]
    #[arg(long, value_name = "PHASE", value_parser = phase)]
    to: Option<Phase>,
    /// The share of its canary, such as 25%
    #[arg(long, value_name = "SHARE", value_parser = share)]
    share: Option<Share>,
    /// Why, for the history; needed to pass over a step
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Print the change as a patch instead of making it
    #[arg(long)]
    print: bool,
    /// How long to wait until the running proxy serves it
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    timeout: Duration,
    #[command(flatten)]
    admin: AdminArguments,
}

fn phase(text: &str) -> Result<Phase, String> {
    let known: Vec<&str> = Phase::ALL.iter().map(|phase| phase.as_str()).collect();
    Phase::from_word(text).ok_or_else(|| format!("there is {}", known.join(", ")))
}

fn share(text: &str) -> Result<Share, String> {
    parse_share(text).ok_or_else(|| "write a share such as 25% or 0.5%".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a duration such as 30s or 2m".to_owned())
}

/// What was done, as JSON.
#[derive(Debug, Serialize)]
struct PromoteReport<'a> {
    slice: &'a str,
    from: String,
    to: String,
    /// `step`, `skip`, `back` or `nowhere`.
    direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// What the gate says; absent where it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<Verdict>,
    /// The file of the slice; absent where nothing was worked out.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    /// Whether the file says it now.
    written: bool,
    /// What changes in it.
    patch: String,
    /// Why the file was not written, where that was not wished for.
    #[serde(skip_serializing_if = "Option::is_none")]
    read_only: Option<String>,
    /// What the running proxy made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<Made>,
    /// Worth knowing, in sentences.
    notes: Vec<String>,
}

pub(super) fn run(arguments: &PromoteArguments, output: &Output) -> Outcome {
    let PromoteArguments { slice, to, share, reason, print, timeout, admin } = arguments;
    let reason = reason.as_deref().map(str::trim);
    if reason == Some("") {
        return Err(Failure::new(Exit::Invalid, "--reason is empty: the history keeps it"));
    }
    let source = Source::File(admin.config.clone());
    let current = Current::read(&source).map_err(|error| output.edit_failure(&error))?;
    let known = current.slice(slice).map_err(|error| output.edit_failure(&error))?;
    let wish = Wish { phase: *to, share: *share };
    let promotion = promotion(known, wish).map_err(|why| impossible(slice, why))?;
    if promotion.direction == Direction::Skip && reason.is_none() {
        let Promotion { from, to, .. } = promotion;
        let message = format!("{from} → {to} passes over steps: say why with --reason, for the history");
        return Err(Failure::new(Exit::Invalid, message));
    }
    let mut report = PromoteReport {
        slice,
        from: promotion.from.to_string(),
        to: promotion.to.to_string(),
        direction: word(promotion.direction),
        reason,
        gate: None,
        file: None,
        written: false,
        patch: String::new(),
        read_only: None,
        live: None,
        notes: Vec::new(),
    };
    if promotion.direction == Direction::Nowhere {
        show::nowhere(&report, output);
        return Ok(Exit::Pass);
    }
    let is_gated = promotion.demands_evidence() && known.policy.gate.is_some();
    let serving = if *print && !is_gated { None } else { Some(Serving::ask(admin)?) };
    let proposal =
        propose(current, slice, promotion, &mut report).map_err(|error| refused(&error, output))?;
    if let Some(serving) = &serving {
        serving.holds(&proposal)?;
        report.notes.extend(serving.latched(slice, &promotion));
        if is_gated {
            let verdict = serving.gate(slice)?;
            let state = verdict.as_ref().map(|verdict| verdict.state);
            report.gate = verdict;
            if let Some(exit) = state.and_then(missing) {
                show::not_met(&report, output);
                return Ok(exit);
            }
        }
    }
    let Some(serving) = serving.filter(|_| !print) else {
        return Ok(show::printed(&report, output));
    };
    match proposal.write() {
        Ok(()) => report.written = true,
        Err(EditError::ReadOnly { why, .. }) => {
            report.read_only = Some(why);
            return Ok(show::printed(&report, output));
        }
        Err(error) => return Err(output.edit_failure(&error)),
    }
    let told = live::Told { slice, from: &report.from, to: &report.to, reason, gate: report.gate.as_ref() };
    let made = serving.wait(&proposal, &told.record(&person::who()), *timeout)?;
    let exit = if matches!(made, Made::Live { .. }) { Exit::Pass } else { Exit::Failed };
    report.live = Some(made);
    show::made(&report, output);
    Ok(exit)
}

/// The edit, with what is worth knowing about it.
fn propose(
    current: Current,
    slice: &str,
    promotion: Promotion,
    report: &mut PromoteReport<'_>,
) -> Result<Proposal, EditError> {
    let before = current.clone();
    let proposal = current.propose(slice, &Change::Stand(promotion.to))?;
    report.notes.extend(notes::not_moved(before.snapshot(), proposal.snapshot(), slice));
    report.notes.extend(notes::shared_cohort(proposal.snapshot(), slice));
    report.patch = proposal.patch();
    report.file = Some(proposal.file().to_owned());
    Ok(proposal)
}

const fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Step => "step",
        Direction::Skip => "skip",
        Direction::Back => "back",
        Direction::Nowhere => "nowhere",
    }
}

/// How the command ends where the gate does not let it pass.
const fn missing(state: State) -> Option<Exit> {
    match state {
        State::Pass => None,
        State::Failed => Some(Exit::Failed),
        State::Insufficient => Some(Exit::Insufficient),
    }
}

fn impossible(slice: &str, why: Impossible) -> Failure {
    let exit = match why {
        Impossible::ShareOutsideCanary | Impossible::CanaryWithoutShare => Exit::Invalid,
        Impossible::AtTheEnd | Impossible::WriterNotExtracted(_) => Exit::Failed,
    };
    Failure::new(exit, format!("slice `{slice}`: {why}"))
}

/// A move that the configuration does not allow: what was asked about is refused.
fn refused(error: &EditError, output: &Output) -> Failure {
    let Failure { exit, message } = output.edit_failure(error);
    let exit = if matches!(error, EditError::Refused { .. }) { Exit::Failed } else { exit };
    Failure::new(exit, message)
}
