//! Requests that a file remembers: a recording, or an access log.
//!
//! Owns telling the two apart and reading them within bounds. Refuses whatever is neither. A line that is torn or of
//! another shape is passed over and counted.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::IpAddr;
use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use strangler_core::matching::path::split_target;
use strangler_core::plan::{Impact, Known, Remembered};
use strangler_core::routing::RequestView;

use super::TrafficReport;
use crate::corpus::{CorpusError, Exchange, Limits, Reader};

/// Bytes of one line of a log.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// Why a file's requests cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// The disk said no.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Neither a recording nor an access log.
    #[error("this is neither a recording nor an access log of this program")]
    Neither,
    /// A recording that cannot be read.
    #[error("{0}")]
    Corpus(#[from] CorpusError),
}

/// One line of an access log, as far as a decision needs it.
#[derive(Debug, Deserialize)]
struct LogLine {
    role: String,
    time: String,
    #[serde(default)]
    client: Option<IpAddr>,
    method: String,
    host: String,
    path: String,
    #[serde(default)]
    phase: String,
    #[serde(default)]
    bucket: Option<u16>,
}

/// Counts what becomes of the requests of a file.
///
/// # Errors
///
/// When it cannot be read, or is neither a recording nor an access log.
pub fn count(path: &Path, impact: Impact<'_>) -> Result<TrafficReport, RecordedError> {
    let mut report = TrafficReport {
        source: path.display().to_string(),
        first: None,
        last: None,
        impact: Default::default(),
    };
    let mut counter = Counter { impact, first: None, last: None };
    match Reader::open(path, Limits::default()) {
        Ok(mut reader) => {
            while let Some(exchange) = reader.next_exchange()? {
                counter.exchange(&exchange);
            }
        }
        Err(CorpusError::NotACorpus { .. }) => counter.log(path)?,
        Err(error) => return Err(error.into()),
    }
    (report.first, report.last) = (counter.first, counter.last);
    report.impact = counter.impact.finish();
    Ok(report)
}

struct Counter<'a> {
    impact: Impact<'a>,
    first: Option<String>,
    last: Option<String>,
}

impl Counter<'_> {
    fn at(&mut self, time: &str) {
        // Times of one form: their order is that of their texts.
        if self.first.as_deref().is_none_or(|first| time < first) {
            self.first = Some(time.to_owned());
        }
        if self.last.as_deref().is_none_or(|last| time > last) {
            self.last = Some(time.to_owned());
        }
    }

    fn exchange(&mut self, exchange: &Exchange) {
        let request = &exchange.request;
        let headers = headers(&request.headers);
        let host = headers.get(http::header::HOST).and_then(|line| line.to_str().ok()).unwrap_or_default();
        let (host, target) = origin(&request.target).unwrap_or((host, &request.target));
        let (path, query) = split_target(target);
        let view =
            RequestView { method: &request.method, host, path, query, headers: &headers, client_ip: None };
        self.at(&exchange.at);
        self.impact.add(&Remembered { view, known: Known::Redacted, bucket: None });
    }

    fn log(&mut self, path: &Path) -> Result<(), RecordedError> {
        let mut lines = BufReader::new(File::open(path)?);
        let mut line = Vec::new();
        let mut is_log = false;
        loop {
            line.clear();
            if lines.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let read: Option<LogLine> = serde_json::from_slice(&line).ok();
            is_log |= read.is_some();
            if let Some(read) = read.filter(|read| read.role == "primary") {
                self.line(&read);
            }
        }
        if is_log { Ok(()) } else { Err(RecordedError::Neither) }
    }

    fn line(&mut self, line: &LogLine) {
        let none = HeaderMap::new();
        let view = RequestView {
            method: &line.method,
            host: &line.host,
            path: &line.path,
            query: None,
            headers: &none,
            client_ip: line.client,
        };
        self.at(&line.time);
        let bucket = (line.phase == "canary").then_some(line.bucket);
        self.impact.add(&Remembered { view, known: Known::Line, bucket });
    }
}

/// Header lines that can be such; a recording may come from somewhere else.
fn headers(lines: &[(String, String)]) -> HeaderMap {
    let line = |(name, value): &(String, String)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.iter().filter_map(line) {
        // More lines than the map holds are no request that was ever taken.
        let _full = headers.try_append(name, value);
    }
    headers
}

/// Authority and target of an absolute URL.
fn origin(target: &str) -> Option<(&str, &str)> {
    let (_, rest) = target.split_once("://").filter(|_| !target.starts_with('/'))?;
    let end = rest.find(['/', '?'])?;
    rest.split_at_checked(end)
}
