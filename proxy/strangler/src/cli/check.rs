//! `strangler check`: the reload path without serving.

use std::path::{Path, PathBuf};

use clap::Args;
use http::{Method, StatusCode};
use serde::Serialize;
use strangler_core::config::{Diagnostic, Loaded, Resolved, Severity, Sources};
use strangler_core::lints::Lint;
use strangler_core::snapshot::{DataDir, Snapshot};

use super::output::{Output, counted, plural};
use super::target::AdminTarget;
use super::{AdminArguments, DEFAULT_FILE, Exit, Failure, Outcome, client};
use crate::admin::status::StatusReport;
use crate::live::compile;
use crate::live::report::DiagnosticReport;
use crate::live::source::Source;
use crate::store::LastGood;

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// The main file
    #[arg(default_value = DEFAULT_FILE)]
    file: PathBuf,
    /// Print every route's effective policy and where each value comes from
    #[arg(long)]
    resolved: bool,
    /// Fail on warnings
    #[arg(long)]
    strict: bool,
    /// Ask the running proxy what traffic has taught, told as warnings [default: at `server.admin` of the file]
    #[arg(long, value_name = "URL", num_args = 0..=1)]
    admin: Option<Option<String>>,
    /// File that holds the admin token [default: `server.admin_token_file` of the file]
    #[arg(long, value_name = "FILE", requires = "admin")]
    admin_token_file: Option<PathBuf>,
}

/// What was found, as JSON.
#[derive(Debug, Serialize)]
struct CheckReport<'a> {
    valid: bool,
    files: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<&'a str>,
    errors: usize,
    warnings: usize,
    notes: usize,
    diagnostics: Vec<DiagnosticReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved: Option<Resolved>,
}

pub(super) fn run(arguments: CheckArguments, output: &Output) -> Outcome {
    let learned = learned(&arguments)?;
    let source = Source::for_command(arguments.file);
    let (sources, loaded) = match source.read() {
        Ok(sources) => {
            let loaded = compile::load(&sources, source.base());
            (Some(sources), loaded)
        }
        Err(unreadable) => {
            (None, Loaded { diagnostics: unreadable.diagnostics, snapshot: None, not_built: Vec::new() })
        }
    };
    let Loaded { snapshot, mut diagnostics, not_built, .. } = loaded;
    // What a later version builds is refused by `run`; here it is worth knowing and no error, so that a
    // configuration can be written ahead.
    diagnostics.extend(not_built.into_iter().map(|note| Diagnostic { severity: Severity::Note, ..note }));
    if let Some(snapshot) = &snapshot {
        diagnostics.extend(against_last_good(snapshot, source.base()));
    }
    diagnostics.extend(learned.iter().map(|lint| warning(lint, snapshot.as_deref())));
    diagnostics.sort_by(|a, b| a.place.cmp(&b.place));
    let wanted = sources.as_ref().filter(|_| arguments.resolved && snapshot.is_some());
    let resolved = wanted.and_then(|sources| compile::resolve(sources, source.base()));
    let of = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let (errors, warnings, notes) = (of(Severity::Error), of(Severity::Warning), of(Severity::Note));
    if output.json {
        output.json(&CheckReport {
            valid: errors == 0 && snapshot.is_some(),
            files: sources.as_ref().map(crate::live::reload::file_names).unwrap_or_default(),
            hash: snapshot.as_ref().map(|snapshot| snapshot.hash.as_str()),
            errors,
            warnings,
            notes,
            diagnostics: DiagnosticReport::all(&diagnostics),
            resolved,
        });
    } else {
        if let Some(resolved) = &resolved {
            output.line(&resolved.render_text());
        }
        output.diagnostics(&diagnostics);
        output.line(&summary(&source, sources.as_ref(), snapshot.as_deref(), &diagnostics));
    }
    Ok(match (errors, snapshot) {
        (0, Some(_)) if arguments.strict && warnings > 0 => Exit::Failed,
        (0, Some(_)) => Exit::Pass,
        _ => Exit::Invalid,
    })
}

/// What the running proxy has learned from traffic, where it is asked.
fn learned(arguments: &CheckArguments) -> Result<Vec<Lint>, Failure> {
    let CheckArguments { file, admin: Some(admin), admin_token_file, .. } = arguments else {
        return Ok(Vec::new());
    };
    let target = AdminTarget::resolve(&AdminArguments {
        admin: admin.clone(),
        config: file.clone(),
        admin_token_file: admin_token_file.clone(),
    })?;
    let answer = client::ask(&target, Method::GET, "/api/status", None)?;
    if answer.status != StatusCode::OK {
        return Err(answer.into_failure());
    }
    Ok(answer.parse::<StatusReport>()?.lints)
}

/// A lint as a warning at its route's line, or its slice's.
fn warning(lint: &Lint, snapshot: Option<&Snapshot>) -> Diagnostic {
    let route = snapshot.and_then(|snapshot| snapshot.routes.iter().find(|route| *route.id == *lint.route));
    let slice = snapshot.and_then(|snapshot| snapshot.slices.iter().find(|slice| *slice.name == *lint.slice));
    let place = route.map(|route| &route.place).or_else(|| slice.map(|slice| &slice.place));
    let of = if lint.route.is_empty() { String::new() } else { format!("`{}`: ", lint.route) };
    let times = if lint.seen == 1 { "once".to_owned() } else { format!("{} times", lint.seen) };
    let example = match lint.example.as_str() {
        "" => String::new(),
        example => format!(", such as `{example}` (seen {times})"),
    };
    Diagnostic {
        severity: Severity::Warning,
        code: lint.kind.as_str(),
        place: place.cloned(),
        excerpt: None,
        message: format!("{of}{}{example}", lint.sentence),
        help: Some(lint.help.clone()),
        related: Vec::new(),
    }
}

/// Writes that this configuration would take from the extracted side, compared with the last one that
/// served here: a reload refuses that.
fn against_last_good(new: &Snapshot, base: &Path) -> Vec<Diagnostic> {
    let DataDir::Path(directory) = &new.server.data_dir else { return Vec::new() };
    let Ok(Some(last_good)) = LastGood::find(directory) else { return Vec::new() };
    // Another configuration's data directory says nothing about this one.
    if std::path::absolute(base).ok().as_deref() != Some(last_good.base.as_path()) {
        return Vec::new();
    }
    let Ok(old) = compile::compile(&last_good.sources, &last_good.base) else { return Vec::new() };
    let lost = compile::lost_writers(&old.snapshot, new).into_iter();
    lost.map(|lost| Diagnostic { severity: Severity::Warning, ..lost }).collect()
}

fn summary(
    source: &Source,
    sources: Option<&Sources>,
    snapshot: Option<&Snapshot>,
    diagnostics: &[Diagnostic],
) -> String {
    let name = match source {
        Source::File(path) => path.display().to_string(),
        Source::Text(text) => text.name.clone(),
    };
    let included = sources.map(|sources| sources.included.len()).unwrap_or_default();
    let files = match included {
        0 => name,
        more => format!("{name} and {}", plural(more, "included file")),
    };
    let problems = counted(diagnostics);
    match snapshot {
        Some(snapshot) => format!(
            "{files}: valid, {problems}; {}, {}, {}",
            plural(snapshot.slices.len(), "slice"),
            plural(snapshot.routes.len(), "route"),
            plural(snapshot.upstreams.len(), "upstream"),
        ),
        None => format!("{files}: invalid, {problems}"),
    }
}
