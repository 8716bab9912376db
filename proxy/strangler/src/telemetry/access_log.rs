//! The access log: one JSON line per request, written by a thread of its own.
//!
//! Each data thread appends to a lane of its own, which only the writer drains; a lane that is full drops the line
//! and counts it. Nothing here waits for standard output or a disk on a data thread. Query strings are left out,
//! because they may hold secrets.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use strangler_core::redact::{Pseudonyms, Redactor, is_plain_path, names_secret};
use strangler_core::snapshot::{AccessLog, Redact, Route};

use super::labels::Role;

/// Bytes that may wait in one lane.
const LANE_BYTES: usize = 1 << 20;

/// How long lines gather before they are written together.
const GATHER: Duration = Duration::from_millis(5);

/// One request, as it is logged. Durations are in milliseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AccessRecord<'a> {
    /// When the request's head had been read, RFC 3339 in UTC with milliseconds.
    #[serde(serialize_with = "to_milliseconds")]
    pub time: Timestamp,
    /// `x-request-id`, as kept or made.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub request_id: &'a str,
    /// The client's address, as believed.
    pub client: Option<IpAddr>,
    /// As sent.
    pub method: &'a str,
    /// As routed on.
    pub host: &'a str,
    /// As sent, without the query. What looks like a secret in it is replaced in the log.
    #[serde(serialize_with = "redacted")]
    pub path: &'a str,
    /// As the client got it; 499 where the client left first.
    pub status: u16,
    /// The route that won.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<&'a str>,
    /// Its slice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slice: Option<&'a str>,
    /// Effective phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<&'static str>,
    /// `legacy`, `extracted` or `proxy`.
    pub owner: &'static str,
    /// `read` or `write`.
    pub effect: &'static str,
    /// The client's bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<u16>,
    /// The configuration's number.
    pub generation: u64,
    /// Upstream that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<&'a str>,
    /// `host:port` that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<&'a str>,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// From the request's head to the answer's last byte.
    pub duration_ms: f64,
    /// From the request's head to the upstream's response headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_ms: Option<f64>,
    /// Extra tries.
    pub retries: u32,
    /// Why the other side answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<&'a str>,
    /// Id of the copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow_id: Option<&'a str>,
    /// How the request differs from a route it nearly matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub near_miss: Option<&'static str>,
    /// What went wrong, in the words of RFC 9209.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
}

fn to_milliseconds<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.3}"))
}

/// A path without the elements that the route's rules or names say are secrets; what looks like one is replaced where
/// lines are written.
pub(crate) fn loggable_path<'a>(path: &'a str, route: Option<&Route>) -> Cow<'a, str> {
    let Some(route) = route else { return Cow::Borrowed(path) };
    let rules = &route.policy.compare.redact;
    let is_ruled = rules.iter().any(|rule| matches!(rule, Redact::Path(_)));
    if !is_ruled && !names_secret(&route.pattern) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(Redactor::new(&Pseudonyms::Blank, rules, Some(&route.pattern)).path(path))
}

/// A path as it may be logged: the code of a reset link is as good as a password.
fn redacted<S: serde::Serializer>(path: &str, serializer: S) -> Result<S::Ok, S::Error> {
    if is_plain_path(path) {
        return serializer.serialize_str(path);
    }
    serializer.serialize_str(&Redactor::new(&Pseudonyms::Blank, &[], None).path(path))
}

/// Lines of one data thread that wait for the writer.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Lane(Mutex<Vec<u8>>);

impl Lane {
    pub(super) fn offer(&self, role: Role, record: &AccessRecord<'_>, log: &AccessLogWriter) {
        let mut bytes = lock(&self.0);
        let before = bytes.len();
        if before >= LANE_BYTES || write_line(&mut bytes, role, record).is_err() {
            bytes.truncate(before);
            log.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        drop(bytes);
        if before == 0 {
            log.wake();
        }
    }
}

/// One line: the record's object with the role in front.
fn write_line(bytes: &mut Vec<u8>, role: Role, record: &AccessRecord<'_>) -> serde_json::Result<()> {
    bytes.extend_from_slice(b"{\"role\":\"");
    bytes.extend_from_slice(role.as_str().as_bytes());
    bytes.push(b'"');
    let brace = bytes.len();
    serde_json::to_writer(&mut *bytes, record)?;
    if let Some(byte) = bytes.get_mut(brace) {
        *byte = b',';
    }
    bytes.push(b'\n');
    Ok(())
}

/// The writer's side of the log.
#[derive(Debug, Default)]
pub struct AccessLogWriter {
    enabled: AtomicBool,
    dropped: AtomicU64,
    lanes: Mutex<Vec<Arc<Lane>>>,
    orders: Mutex<Orders>,
    woken: Condvar,
    written: Condvar,
}

#[derive(Debug, Default)]
struct Orders {
    started: bool,
    pending: bool,
    flush: bool,
    reopen: bool,
    target: Target,
    /// Rounds of draining begun and finished, for [`AccessLogWriter::flush`].
    begun: u64,
    finished: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Target {
    #[default]
    Nowhere,
    Stdout,
    File(PathBuf),
}

impl AccessLogWriter {
    /// Sends lines to where `setting` says, from now on. The first call starts the writer thread.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened for appending (the previous target stays), or the thread not started.
    pub fn configure(self: &Arc<AccessLogWriter>, setting: &AccessLog) -> io::Result<()> {
        let target = match setting {
            AccessLog::Off => Target::Nowhere,
            AccessLog::Stdout => Target::Stdout,
            AccessLog::File(path) => {
                open(path)?;
                Target::File(path.clone())
            }
        };
        let mut orders = lock(&self.orders);
        self.enabled.store(target != Target::Nowhere, Ordering::Relaxed);
        orders.reopen |= orders.target != target;
        orders.target = target;
        if !orders.started {
            orders.started = true;
            let log = Arc::clone(self);
            std::thread::Builder::new().name("access-log".into()).spawn(move || log.run())?;
        }
        drop(orders);
        self.wake();
        Ok(())
    }

    /// Opens the file again under its name, after a rotation has moved it away.
    pub fn reopen(&self) {
        lock(&self.orders).reopen = true;
        self.wake();
    }

    /// Waits until everything offered before this call has been written, at most `limit`.
    pub fn flush(&self, limit: Duration) {
        let mut orders = lock(&self.orders);
        if !orders.started {
            return;
        }
        orders.pending = true;
        orders.flush = true;
        let round = orders.begun + 1;
        self.woken.notify_one();
        let waited = self.written.wait_timeout_while(orders, limit, |orders| orders.finished < round);
        drop(waited);
    }

    /// Lines dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    pub(super) fn lane(&self) -> Arc<Lane> {
        let lane = Arc::new(Lane::default());
        lock(&self.lanes).push(Arc::clone(&lane));
        lane
    }

    fn wake(&self) {
        lock(&self.orders).pending = true;
        self.woken.notify_one();
    }

    fn run(&self) {
        let mut file: Option<File> = None;
        let mut batch = Vec::new();
        loop {
            let mut orders = lock(&self.orders);
            while !orders.pending {
                orders = self.woken.wait(orders).unwrap_or_else(PoisonError::into_inner);
            }
            // Lines that come within this time are written together; a flush does not wait for it.
            orders = self
                .woken
                .wait_timeout_while(orders, GATHER, |orders| !orders.flush)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            orders.pending = false;
            orders.flush = false;
            orders.begun += 1;
            let target = orders.target.clone();
            let reopen = std::mem::take(&mut orders.reopen);
            drop(orders);
            self.collect(&mut batch);
            if reopen {
                file = None;
            }
            self.write(&target, &mut file, &batch);
            batch.clear();
            let mut orders = lock(&self.orders);
            orders.finished = orders.begun;
            drop(orders);
            self.written.notify_all();
        }
    }

    fn collect(&self, batch: &mut Vec<u8>) {
        for lane in lock(&self.lanes).iter() {
            batch.append(&mut lock(&lane.0));
        }
    }

    fn write(&self, target: &Target, file: &mut Option<File>, batch: &[u8]) {
        if batch.is_empty() {
            return;
        }
        let outcome = match target {
            Target::Nowhere => Ok(()),
            Target::Stdout => io::stdout().lock().write_all(batch).and_then(|()| io::stdout().lock().flush()),
            Target::File(path) => match file {
                Some(file) => file.write_all(batch),
                None => open(path).and_then(|mut opened| {
                    let outcome = opened.write_all(batch);
                    *file = Some(opened);
                    outcome
                }),
            },
        };
        if outcome.is_err() {
            let lines = batch.iter().filter(|byte| **byte == b'\n').count();
            self.dropped.fetch_add(lines as u64, Ordering::Relaxed);
        }
    }
}

fn open(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_reach_the_file_and_a_reopened_file_after_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let log = Arc::new(AccessLogWriter::default());
        log.configure(&AccessLog::File(path.clone())).unwrap();
        let lane = log.lane();
        let limit = Duration::from_secs(10);
        lane.offer(Role::Primary, &AccessRecord { path: "/first", ..AccessRecord::default() }, &log);
        log.flush(limit);
        std::fs::rename(&path, folder.path().join("access.log.1")).unwrap();
        log.reopen();
        lane.offer(Role::Primary, &AccessRecord { path: "/second", ..AccessRecord::default() }, &log);
        log.flush(limit);
        let first = std::fs::read_to_string(folder.path().join("access.log.1")).unwrap();
        let second = std::fs::read_to_string(&path).unwrap();
        assert!(first.contains("/first") && !first.contains("/second"), "{first}");
        assert!(second.contains("/second") && !second.contains("/first"), "{second}");
        for line in first.lines().chain(second.lines()) {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }

    #[test]
    fn no_secret_of_a_path_is_logged() {
        let log = AccessLogWriter::default();
        let lane = log.lane();
        for path in ["/reset/XK42-99", "/users/ann@mail.example.com", "/plain/42"] {
            lane.offer(Role::Primary, &AccessRecord { path, ..AccessRecord::default() }, &log);
        }
        let lines = String::from_utf8(lock(&lane.0).clone()).unwrap();
        assert!(!lines.contains("XK42") && !lines.contains("ann"), "{lines}");
        assert!(lines.contains("/reset/redacted-code") && lines.contains("/plain/42"), "{lines}");
    }

    #[test]
    fn a_full_lane_drops_whole_lines_and_counts_them() {
        // Not configured: no writer drains the lane.
        let log = AccessLogWriter::default();
        let lane = log.lane();
        let path = "/".repeat(1000);
        let record = AccessRecord { path: &path, ..AccessRecord::default() };
        for _ in 0..2000 {
            lane.offer(Role::Primary, &record, &log);
        }
        let bytes = lock(&lane.0);
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        assert!(bytes.len() < LANE_BYTES + 4096, "{}", bytes.len());
        assert_eq!(lines + log.dropped(), 2000);
        assert!(log.dropped() > 0);
    }
}
