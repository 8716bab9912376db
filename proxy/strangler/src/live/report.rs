//! What the configuration is and was, as it is told to people: over the admin listener, in the history, by
//! `--json`.
//!
//! Owns these shapes. Refuses decisions: they are filled in by [`super::reload`].

use serde::{Deserialize, Serialize};
use strangler_core::config::{Diagnostic, Severity};
use strangler_core::snapshot::Place;

/// Where the wish to read the configuration came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// The process started.
    Start,
    /// A directory event.
    Watch,
    /// The periodic comparison of hashes.
    Poll,
    /// SIGHUP.
    Signal,
    /// The admin listener was asked.
    Admin,
    /// A guardrail.
    Guardrail,
}

impl Trigger {
    /// Whether nobody waits for an answer, so that a problem already told is not told again.
    pub const fn is_automatic(self) -> bool {
        matches!(self, Trigger::Watch | Trigger::Poll)
    }

    /// As shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Trigger::Start => "start",
            Trigger::Watch => "watch",
            Trigger::Poll => "poll",
            Trigger::Signal => "signal",
            Trigger::Admin => "admin",
            Trigger::Guardrail => "guardrail",
        }
    }
}

/// A [`Diagnostic`] in transit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiagnosticReport {
    /// `error`, `warning` or `note`.
    pub severity: String,
    /// A stable short name.
    pub code: String,
    /// The file as the user named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// From 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// From 1, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// One sentence.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Other places that belong to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<RelatedPlace>,
    /// All of it as text for a terminal, the source line underlined, without colour.
    pub text: String,
}

/// A place that belongs to a diagnostic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelatedPlace {
    /// The file as the user named it.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// What is there.
    pub message: String,
}

impl From<&Diagnostic> for DiagnosticReport {
    fn from(diagnostic: &Diagnostic) -> DiagnosticReport {
        let Diagnostic { severity, code, place, excerpt: _, message, help, related } = diagnostic;
        DiagnosticReport {
            severity: severity_word(*severity).to_owned(),
            code: (*code).to_owned(),
            file: place.as_ref().map(|place| place.file.to_string()),
            line: place.as_ref().map(|place| place.line),
            column: place.as_ref().map(|place| place.column),
            message: message.clone(),
            help: help.clone(),
            related: related.iter().map(RelatedPlace::from).collect(),
            text: diagnostic.render(false),
        }
    }
}

impl From<&(Place, String)> for RelatedPlace {
    fn from((place, message): &(Place, String)) -> RelatedPlace {
        RelatedPlace {
            file: place.file.to_string(),
            line: place.line,
            column: place.column,
            message: message.clone(),
        }
    }
}

impl DiagnosticReport {
    /// Reports of all diagnostics.
    pub fn all(diagnostics: &[Diagnostic]) -> Vec<DiagnosticReport> {
        diagnostics.iter().map(DiagnosticReport::from).collect()
    }

    /// `severity[code] file:line:column message`, as a line of a log.
    pub fn line(&self) -> String {
        let place = match (&self.file, self.line, self.column) {
            (Some(file), Some(line), Some(column)) => format!(" {file}:{line}:{column}"),
            _ => String::new(),
        };
        let related: String = self
            .related
            .iter()
            .map(|other| format!("; {}:{}:{} {}", other.file, other.line, other.column, other.message))
            .collect();
        format!("{}[{}]{place} {}{related}", self.severity, self.code, self.message)
    }
}

/// The word of a severity.
pub const fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// The configuration in service and what has become of the last one that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationReport {
    /// Number of the configuration in service; 1 is the first of this process.
    pub generation: u64,
    /// SHA-256 over its files.
    pub hash: String,
    /// Since when it serves, RFC 3339 in UTC.
    pub since: String,
    /// What brought it: `start`, `watch`, `poll`, `signal`, `admin`.
    pub source: Trigger,
    /// Its files, as the user named them; the main file first.
    pub files: Vec<String>,
    /// The files on disk are not what serves.
    pub stale: bool,
    /// It is the last good one, kept from an earlier run.
    pub from_last_good: bool,
    /// Warnings about it.
    pub warnings: Vec<DiagnosticReport>,
    /// What is wrong with the files on disk.
    pub rejected: Option<RejectedReport>,
    /// Static keys whose new values wait for a restart.
    pub restart_required: Vec<String>,
}

/// A configuration that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedReport {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// SHA-256 over its files, where they could be read.
    pub hash: Option<String>,
    /// What brought it.
    pub source: Trigger,
    /// Everything that is wrong with it.
    pub diagnostics: Vec<DiagnosticReport>,
}

/// What became of a wish to reload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum ReloadReport {
    /// The files are what serves.
    Unchanged {
        /// In service.
        generation: u64,
        /// Of its files.
        hash: String,
        /// Static keys whose new values wait for a restart.
        restart_required: Vec<String>,
    },
    /// A new configuration serves.
    Applied {
        /// In service.
        generation: u64,
        /// Of its files.
        hash: String,
        /// One sentence each.
        changes: Vec<String>,
        /// Worth knowing.
        warnings: Vec<DiagnosticReport>,
        /// Static keys whose new values wait for a restart.
        restart_required: Vec<String>,
    },
    /// The previous configuration goes on serving, whole.
    Rejected {
        /// In service, unchanged.
        generation: u64,
        /// Of the refused files, where they could be read.
        hash: Option<String>,
        /// Everything that is wrong.
        diagnostics: Vec<DiagnosticReport>,
    },
}

/// The time now, RFC 3339 in UTC, to the millisecond.
pub fn now() -> String {
    let now = jiff::Timestamp::now();
    let rounded = now.round(jiff::Unit::Millisecond).unwrap_or(now);
    format!("{rounded:.3}")
}
