//! The two things a demonstration service can do that a real one should not: differ from the monolith
//! in planted ways, and misbehave on demand.
//!
//! Both are switched at the start (`--without NAME`) and while it runs:
//!
//! ```text
//! GET  /_faults
//! POST /_faults {"mode": "slow", "latency_ms": 250, "error_rate": 0.1}
//! POST /_faults {"without": ["price-as-text"], "with": ["other-order"]}
//! ```
//!
//! | mode | what a request meets |
//! |---|---|
//! | `ok` | the service as it is |
//! | `error` | 500 with a JSON body |
//! | `slow` | the answer, `latency_ms` later (1000 when left out) |
//! | `hang` | no answer until the mode changes |
//! | `reset` | the connection is reset |
//! | `down` | the connection is reset, `/health` included |
//! | `truncated` | the answer's head and half of its body, then a close |
//! | `wrong-length` | the answer under a Content-Length of less than comes |
//! | `endless` | 200 and a body without an end |
//! | `huge` | 200 and a body of `bytes` (64 MiB when left out) |
//! | `garbage` | bytes that are no HTTP, then a close |
//!
//! `error_rate` is the share of requests that meet the mode (1 when left out), spread evenly and without
//! chance: 0.1 is every tenth. `latency_ms` in another mode than `slow` delays every request. A `mode`
//! replaces mode, latency, rate and size together; differences stay as they are until they are named.
//! A request that meets `slow`, `hang`, `truncated` or `wrong-length` has its effect; in the other modes it
//! is not even looked at.
//!
//! `/_faults` itself always answers. It refuses to know what a difference does: a service asks
//! [`Switches::is_on`].

mod broken;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::watch;

use crate::Failure;
use crate::rehearsal;
use crate::request::JsonBody;
use crate::server::{ConnectionSwitch, Ending, HeaderCase};

/// Header names in lower case, where the monolith's are in title case: no difference to HTTP.
pub const LOWER_CASE_HEADERS: Difference =
    Difference { name: "lower-case-headers", what: "x-total-count where the monolith sends X-Total-Count" };

/// One planted difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// The name of its switch.
    pub name: &'static str,
    /// What a client sees.
    pub what: &'static str,
}

/// How a service misbehaves at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fault {
    /// What a request meets.
    pub mode: Mode,
    /// Delay of every request, in milliseconds.
    pub latency_ms: u64,
    /// Share of requests that meet the mode, from 0 to 1.
    pub error_rate: f64,
    /// Size of the body of [`Mode::Huge`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// See the table of the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the table of the module describes them")]
pub enum Mode {
    Ok,
    Error,
    Slow,
    Hang,
    Reset,
    Down,
    Truncated,
    WrongLength,
    Endless,
    Huge,
    Garbage,
}

/// The largest `bytes`.
const LARGEST: u64 = 4 * 1024 * 1024 * 1024;
/// `bytes` when they are left out.
const HUGE: u64 = 64 * 1024 * 1024;

const HEALTHY: Fault = Fault { mode: Mode::Ok, latency_ms: 0, error_rate: 1.0, bytes: None };

/// The switches of one running service; clones share them.
#[derive(Debug, Clone)]
pub struct Switches {
    differences: Arc<[(Difference, AtomicBool)]>,
    fault: watch::Sender<Fault>,
    /// Requests that a partial `error_rate` was asked about.
    drawn: Arc<AtomicU64>,
}

impl Switches {
    /// Every difference on but those in `without`, no fault.
    ///
    /// # Errors
    /// A name that is none of the differences, with the names that are.
    pub fn new(differences: &[Difference], without: &[String]) -> Result<Self, Failure> {
        let differences: Arc<[_]> = differences.iter().map(|d| (*d, AtomicBool::new(true))).collect();
        let switches =
            Self { differences, fault: watch::Sender::new(HEALTHY), drawn: Arc::new(AtomicU64::new(0)) };
        switches.set(without, false)?;
        Ok(switches)
    }

    /// Whether the planted difference of this name is on. A name that was never declared is off.
    #[must_use]
    pub fn is_on(&self, name: &str) -> bool {
        self.differences.iter().any(|(d, on)| d.name == name && on.load(Ordering::Relaxed))
    }

    /// The case of header names that [`LOWER_CASE_HEADERS`] asks for.
    #[must_use]
    pub fn header_case(&self) -> HeaderCase {
        if self.is_on(LOWER_CASE_HEADERS.name) { HeaderCase::Lower } else { HeaderCase::Title }
    }

    /// Adds `/health`, `/_faults`, JSON answers for unknown paths and methods, and the faults to `app`.
    pub fn surround(&self, name: &'static str, app: Router) -> Router {
        app.route("/health", get(move || async move { Json(json!({ "status": "ok", "service": name })) }))
            .fallback(|| async { Failure::not_found("there is nothing here") })
            .method_not_allowed_fallback(|| async {
                Failure::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "method_not_allowed",
                    "this path takes other methods",
                )
            })
            .layer(middleware::from_fn(rehearsal::answer))
            // Around it: what breaks in front of a service does not know of rehearsals either.
            .layer(middleware::from_fn_with_state(self.clone(), meet_fault))
            .route("/_faults", get(show).post(change).with_state(self.clone()))
    }

    fn set(&self, names: &[String], on: bool) -> Result<(), Failure> {
        let unknown = names.iter().find(|n| !self.differences.iter().any(|(d, _)| d.name == n.as_str()));
        if let Some(name) = unknown {
            let known: Vec<_> = self.differences.iter().map(|(d, _)| d.name).collect();
            let known = known.join(", ");
            return Err(Failure::invalid(format!("no difference is called `{name}`; there are: {known}")));
        }
        for (difference, switch) in self.differences.iter() {
            if names.iter().any(|n| n == difference.name) {
                switch.store(on, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Whether this request is one of the share `rate`: evenly spread, so that counts are exact.
    fn draw(&self, rate: f64) -> bool {
        let before = self.drawn.fetch_add(1, Ordering::Relaxed);
        // Counts stay far below 2^52, where an f64 is exact.
        let (before, after) = (before as f64 * rate, (before + 1) as f64 * rate);
        (after + 1e-9).floor() > (before + 1e-9).floor()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    mode: Option<Mode>,
    latency_ms: Option<u64>,
    error_rate: Option<f64>,
    bytes: Option<u64>,
    #[serde(default)]
    without: Vec<String>,
    #[serde(default)]
    with: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    fault: Fault,
    differences: BTreeMap<&'static str, bool>,
}

async fn show(State(switches): State<Switches>) -> Json<Shown> {
    let differences = switches.differences.iter().map(|(d, on)| (d.name, on.load(Ordering::Relaxed)));
    Json(Shown { fault: *switches.fault.borrow(), differences: differences.collect() })
}

async fn change(
    State(switches): State<Switches>,
    JsonBody(wanted): JsonBody<Change>,
) -> Result<Json<Shown>, Failure> {
    let error_rate = wanted.error_rate.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&error_rate) {
        return Err(Failure::invalid("error_rate is a share from 0 to 1"));
    }
    if wanted.latency_ms.is_some_and(|ms| ms > 600_000) {
        return Err(Failure::invalid("latency_ms is at most 600000"));
    }
    if wanted.bytes.is_some_and(|bytes| !(broken::LEAST..=LARGEST).contains(&bytes)) {
        return Err(Failure::invalid(format!("bytes are {} to {LARGEST}", broken::LEAST)));
    }
    if wanted.bytes.is_some() && wanted.mode != Some(Mode::Huge) {
        return Err(Failure::invalid("bytes need the mode huge"));
    }
    if wanted.mode.is_none() && (wanted.latency_ms.is_some() || wanted.error_rate.is_some()) {
        return Err(Failure::invalid("latency_ms and error_rate need a mode"));
    }
    switches.set(&wanted.without, false)?;
    switches.set(&wanted.with, true)?;
    if let Some(mode) = wanted.mode {
        let latency_ms = wanted.latency_ms.unwrap_or(if mode == Mode::Slow { 1000 } else { 0 });
        let bytes = (mode == Mode::Huge).then(|| wanted.bytes.unwrap_or(HUGE));
        switches.drawn.store(0, Ordering::Relaxed);
        switches.fault.send_replace(Fault { mode, latency_ms, error_rate, bytes });
    }
    Ok(show(State(switches)).await)
}

async fn meet_fault(State(switches): State<Switches>, request: Request, next: Next) -> Response {
    let fault = *switches.fault.borrow();
    if request.uri().path() == "/health" && fault.mode != Mode::Down {
        return next.run(request).await;
    }
    let met = fault.mode != Mode::Ok && switches.draw(fault.error_rate);
    if fault.latency_ms > 0 && (met || fault.mode != Mode::Slow) {
        tokio::time::sleep(Duration::from_millis(fault.latency_ms)).await;
    }
    if !met {
        return next.run(request).await;
    }
    let connection = request.extensions().get::<ConnectionSwitch>().cloned().unwrap_or_default();
    match fault.mode {
        Mode::Ok | Mode::Slow => next.run(request).await,
        Mode::Error => {
            let sentence = "a planted fault: POST /_faults {\"mode\": \"ok\"} ends it";
            Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "planted", sentence).into_response()
        }
        Mode::Hang => {
            let mut changes = switches.fault.subscribe();
            // The sender lives as long as the service, so this ends with the mode or with the client.
            drop(changes.wait_for(|now| now.mode != Mode::Hang).await);
            next.run(request).await
        }
        Mode::Reset | Mode::Down => {
            connection.end(Ending::Reset);
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Mode::Truncated => broken::truncated(request, next, &connection, switches.header_case()).await,
        Mode::WrongLength => broken::wrong_length(request, next, &connection, switches.header_case()).await,
        Mode::Endless => broken::endless(),
        Mode::Huge => broken::huge(fault.bytes.unwrap_or(HUGE)),
        Mode::Garbage => broken::garbage(request, &connection).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_exact_and_spread() {
        let switches = Switches::new(&[], &[]).unwrap();
        let met: Vec<bool> = (0..100).map(|_| switches.draw(0.1)).collect();
        assert_eq!(met.iter().filter(|m| **m).count(), 10);
        assert!(met.chunks(10).all(|ten| ten.iter().filter(|m| **m).count() == 1));
        assert!((0..10).all(|_| !switches.draw(0.0)));
        assert!((0..10).all(|_| switches.draw(1.0)));
    }

    #[test]
    fn an_unknown_difference_is_refused_with_the_known_ones() {
        let refused = Switches::new(&[LOWER_CASE_HEADERS], &["lower-case".to_owned()]).unwrap_err();
        assert!(refused.message().contains("lower-case-headers"), "{}", refused.message());
    }
}
