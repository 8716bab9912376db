//! The running proxy, as far as a promotion needs it: what it serves, its evidence, and when it serves the edit.

use std::thread;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use strangler_core::evidence::verdict::Verdict;
use strangler_core::promotion::Promotion;
use strangler_core::words::Phase;

use crate::admin::status::StatusReport;
use crate::cli::target::AdminTarget;
use crate::cli::{AdminArguments, Exit, Failure, client};
use crate::edit::Proposal;
use crate::live::report::{DiagnosticReport, ReloadReport};

/// Time between two questions whether it serves.
const STEP: Duration = Duration::from_millis(200);

/// The running proxy as it was when the command began.
#[derive(Debug)]
pub(super) struct Serving {
    target: AdminTarget,
    /// As sent.
    document: Value,
    status: StatusReport,
}

/// What became of an edit.
#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub(super) enum Made {
    /// It serves.
    Live {
        /// The configuration's number.
        generation: u64,
    },
    /// It is refused; the previous configuration goes on serving.
    Rejected {
        /// In service.
        generation: u64,
        /// What is wrong.
        diagnostics: Vec<DiagnosticReport>,
    },
    /// The proxy answers, but serves something else.
    NotSeen {
        /// How long it was waited for.
        seconds: u64,
    },
}

/// What the history keeps of a promotion.
#[derive(Debug)]
pub(super) struct Told<'a> {
    pub(super) slice: &'a str,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) reason: Option<&'a str>,
    pub(super) gate: Option<&'a Verdict>,
}

impl Told<'_> {
    pub(super) fn record(&self, who: &str) -> Value {
        let Told { slice, from, to, reason, gate } = self;
        let figures: Vec<String> = gate
            .iter()
            .flat_map(|gate| &gate.conditions)
            .map(|one| format!("{}: {}, demanded {}", one.name, one.measured, one.demanded))
            .collect();
        json!({ "slice": slice, "from": from, "to": to, "who": who, "why": reason, "figures": figures })
    }
}

impl Serving {
    /// Asks it.
    pub(super) fn ask(admin: &AdminArguments) -> Result<Serving, Failure> {
        let target = AdminTarget::resolve(admin)?;
        let answer = client::ask(&target, Method::GET, "/api/status", None)?;
        if answer.status != StatusCode::OK {
            return Err(answer.into_failure());
        }
        Ok(Serving { target, document: answer.parse()?, status: answer.parse()? })
    }

    /// Whether it serves what the edit was made from: evidence is about what serves.
    pub(super) fn holds(&self, proposal: &Proposal) -> Result<(), Failure> {
        let configuration = &self.status.configuration;
        if proposal.hash_before_for(&configuration.files).as_ref() == Some(&configuration.hash) {
            return Ok(());
        }
        let why = if configuration.rejected.is_some() {
            "the running proxy refuses what the files say"
        } else {
            "the running proxy does not serve what the files say: they were changed a moment ago, or are another proxy's"
        };
        let message = format!(
            "{why} (it serves generation {} of {}), so nothing was changed; see `strangler status`, and ask again",
            configuration.generation,
            configuration.files.first().map(String::as_str).unwrap_or_default()
        );
        Err(Failure::new(Exit::Failed, message))
    }

    /// What a latched retreat does to a move.
    pub(super) fn latched(&self, slice: &str, promotion: &Promotion) -> Option<String> {
        let slices = self.document.get("slices")?.as_array()?;
        let known = slices.iter().find(|known| known.get("name").and_then(Value::as_str) == Some(slice))?;
        let to = known.get("retreat")?.get("to")?.as_str()?;
        let latched = Phase::from_word(to)?;
        (promotion.to.phase > latched).then(|| {
            format!("a retreat holds the slice at {to}: this has no effect until `strangler resume {slice}`")
        })
    }

    /// What the gate says of the slice; `None`: what serves demands no evidence.
    pub(super) fn gate(&self, slice: &str) -> Result<Option<Verdict>, Failure> {
        let report = crate::cli::report::ask(&self.target, Some(slice))?;
        Ok(report.slices.into_iter().find(|known| known.slice == slice).and_then(|known| known.gate))
    }

    /// Has it read its files until it serves the edit.
    pub(super) fn wait(
        &self,
        proposal: &Proposal,
        record: &Value,
        timeout: Duration,
    ) -> Result<Made, Failure> {
        let wanted = proposal.hash_for(&self.status.configuration.files);
        let mut record = record.clone();
        if let (Value::Object(fields), Some(hash)) = (&mut record, &wanted) {
            fields.insert("hash".to_owned(), json!(hash));
        }
        let begun = Instant::now();
        loop {
            let body = json!({ "promotion": record });
            let answer = client::ask(&self.target, Method::POST, "/api/reload", Some(&body))?;
            if !matches!(answer.status, StatusCode::OK | StatusCode::UNPROCESSABLE_ENTITY) {
                return Err(answer.into_failure());
            }
            match answer.parse()? {
                ReloadReport::Rejected { generation, diagnostics, .. } => {
                    return Ok(Made::Rejected { generation, diagnostics });
                }
                ReloadReport::Applied { generation, hash, .. }
                | ReloadReport::Unchanged { generation, hash, .. }
                    if wanted.as_ref() == Some(&hash) =>
                {
                    return Ok(Made::Live { generation });
                }
                ReloadReport::Applied { .. } | ReloadReport::Unchanged { .. } => {}
            }
            if begun.elapsed() >= timeout {
                return Ok(Made::NotSeen { seconds: timeout.as_secs() });
            }
            thread::sleep(STEP);
        }
    }
}
