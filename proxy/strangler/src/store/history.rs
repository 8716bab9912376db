//! What has happened: every configuration that served or was refused, every retreat and what lifted it. Append-only
//! JSON lines, flushed one by one, bounded.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::disk::sync_directory;
use crate::live::report::{DiagnosticReport, ReloadReport, Trigger, now};

const NAME: &str = "history.jsonl";
const OLDER: &str = "history.1.jsonl";

/// The file is set aside at this size, and the one set aside before it is removed.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Diagnostics and changes kept of one event; how many more there were is said.
const LINES_MAX: usize = 50;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// What: `applied`, `rejected`, `restored`, `evidence-restarted`, `retreated`, `resumed`, `absorbed`,
    /// `retreats-unreadable`, `promoted` or `guardrail-blocked`.
    pub event: String,
    /// What brought it.
    pub source: Trigger,
    /// The process that wrote it: generations count from 1 in each.
    pub pid: u32,
    /// The configuration in service afterwards.
    pub generation: u64,
    /// SHA-256 over the files it is about, where they could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// The slice it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<String>,
    /// Who did it, as far as they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Why, as given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What a judgement rested on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<serde_json::Value>,
    /// What changed, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// What was wrong or worth knowing, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<String>,
    /// Static keys whose new values wait for a restart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restart_required: Vec<String>,
}

/// Events as they are told, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The events.
    pub history: Vec<Entry>,
}

impl Entry {
    /// An event of now with nothing said about it yet.
    pub fn new(event: &str, source: Trigger, generation: u64) -> Entry {
        Entry {
            at: now(),
            event: event.to_owned(),
            source,
            pid: std::process::id(),
            generation,
            hash: None,
            slice: None,
            who: None,
            why: None,
            figures: None,
            changes: Vec::new(),
            diagnostics: Vec::new(),
            restart_required: Vec::new(),
        }
    }

    /// Whether it is about a slice, or says something of it.
    pub fn concerns(&self, slice: &str) -> bool {
        let named = [format!("slice {slice}"), format!("`{slice}`")];
        let says = |line: &String| {
            named.iter().any(|name| {
                line.match_indices(name.as_str()).any(|(at, name)| {
                    let next = line.get(at + name.len()..).and_then(|rest| rest.chars().next());
                    name.ends_with('`') || next.is_none_or(|c| !c.is_alphanumeric() && !"-_.".contains(c))
                })
            })
        };
        self.slice.as_deref() == Some(slice) || self.changes.iter().chain(&self.diagnostics).any(says)
    }

    /// The entry for the outcome of a reload.
    pub fn of(report: &ReloadReport, source: Trigger) -> Entry {
        let entry = |event: &str, generation: u64, hash: Option<&String>| Entry {
            hash: hash.cloned(),
            ..Entry::new(event, source, generation)
        };
        match report {
            ReloadReport::Applied { generation, hash, changes, warnings, restart_required } => Entry {
                changes: bounded(changes.clone()),
                diagnostics: bounded(lines(warnings)),
                restart_required: restart_required.clone(),
                ..entry("applied", *generation, Some(hash))
            },
            ReloadReport::Rejected { generation, hash, diagnostics } => Entry {
                diagnostics: bounded(lines(diagnostics)),
                ..entry("rejected", *generation, hash.as_ref())
            },
            ReloadReport::Unchanged { generation, hash, .. } => entry("restored", *generation, Some(hash)),
        }
    }
}

fn lines(diagnostics: &[DiagnosticReport]) -> Vec<String> {
    diagnostics.iter().map(DiagnosticReport::line).collect()
}

fn bounded(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(LINES_MAX);
    if more > 0 {
        lines.truncate(LINES_MAX);
        lines.push(format!("and {more} more"));
    }
    lines
}

#[derive(Debug)]
pub(super) struct HistoryFile {
    directory: PathBuf,
    file: File,
    /// A write failed half-way: the next line must begin on a line of its own.
    is_torn: bool,
}

impl HistoryFile {
    /// Opens the file, ending a line that a crash tore.
    pub(super) fn open(directory: &Path) -> Result<HistoryFile, StoreError> {
        let path = directory.join(NAME);
        let open = || {
            let mut file = OpenOptions::new().create(true).read(true).append(true).open(&path)?;
            if file.metadata()?.len() > 0 {
                file.seek(SeekFrom::End(-1))?;
                let mut last = [0];
                file.read_exact(&mut last)?;
                if last != [b'\n'] {
                    file.write_all(b"\n")?;
                }
            }
            Ok(file)
        };
        let file = open().map_err(|error| StoreError::io(&path, error))?;
        Ok(HistoryFile { directory: directory.to_owned(), file, is_torn: false })
    }

    pub(super) fn append(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let path = self.directory.join(NAME);
        let mut append = || {
            if self.file.metadata()?.len() >= FILE_BYTES_MAX {
                fs::rename(&path, self.directory.join(OLDER))?;
                self.file = OpenOptions::new().create(true).append(true).open(&path)?;
                sync_directory(&self.directory)?;
            }
            let mut line = if self.is_torn { vec![b'\n'] } else { Vec::new() };
            serde_json::to_writer(&mut line, entry)?;
            line.push(b'\n');
            // One write: a crash leaves at most one torn line.
            self.is_torn = true;
            self.file.write_all(&line)?;
            self.is_torn = false;
            self.file.sync_data()
        };
        append().map_err(|error| StoreError::io(&path, error))
    }
}

/// The last `limit` entries that are wanted, oldest first. A line that is no entry, such as a torn one, is passed over.
pub(super) fn read(
    directory: &Path,
    limit: usize,
    wanted: &dyn Fn(&Entry) -> bool,
) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    for name in [OLDER, NAME] {
        let path = directory.join(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(StoreError::io(&path, error)),
        };
        for line in BufReader::new(file).split(b'\n') {
            let line = line.map_err(|error| StoreError::io(&path, error))?;
            if let Ok(entry) = serde_json::from_slice::<Entry>(&line)
                && wanted(&entry)
            {
                entries.push(entry);
            }
        }
    }
    Ok(entries.split_off(entries.len().saturating_sub(limit)))
}
