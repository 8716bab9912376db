//! `/api/events`: what happens, as it happens, as server-sent events.
//!
//! Owns the stream and its bounds: a client that reads too slowly misses events and is told so. Refuses to keep
//! anything: what has happened before is in the history and the report.
//!
//! | event | data |
//! |---|---|
//! | `configuration` | another generation serves, or the files on disk are refused: as in `/api/status` |
//! | `retreat` | a slice retreated, or goes on: the slice, and what holds it now or `null` |
//! | `signature` | a signature counts that was not seen before: slice, route, signature, kind, path |
//! | `missed` | so many events were not delivered |

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde::Serialize;
use strangler_core::retreat::Latches;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::timeout;

use super::Admin;
use super::reply::{Reply, streamed};
use crate::live::report::ConfigurationReport;
use crate::live::retreat::LatchReport;

/// Events that a slow client may be behind.
const BEHIND_MAX: usize = 256;

/// Between two looks for something new.
const LOOK: Duration = Duration::from_millis(250);

/// Looks at the configuration for one at the evidence, which another thread must be asked for.
const LOOKS_PER_QUESTION: u32 = 4;

/// A client that hears nothing so long is sent a comment, so that whatever is between keeps the connection.
const QUIET_MAX: Duration = Duration::from_secs(15);

/// Everybody who listens.
#[derive(Debug)]
pub(super) struct Events(broadcast::Sender<Arc<str>>);

impl Default for Events {
    fn default() -> Events {
        Events(broadcast::Sender::new(BEHIND_MAX))
    }
}

impl Events {
    fn send(&self, event: &str, data: &impl Serialize) {
        match serde_json::to_string(data) {
            // JSON has no line ends outside of texts, where they are escaped.
            Ok(data) => drop(self.0.send(format!("event: {event}\ndata: {data}\n\n").into())),
            Err(error) => tracing::error!(%error, "admin: an event could not be written"),
        }
    }
}

/// A signature that counts and was not seen before.
#[derive(Debug, Serialize)]
struct NewSignature {
    slice: String,
    route: String,
    at: jiff::Timestamp,
    signature: String,
    kind: String,
    path: String,
}

/// Looks for news until the process ends.
pub(super) async fn watch(admin: &Admin) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut known = told(&admin.parts.configuration.report());
    let mut held = Arc::clone(&admin.parts.live.pin().latches);
    let mut was_heard = false;
    let mut looks = 0;
    loop {
        tick.tick().await;
        let report = admin.parts.configuration.report();
        let now = told(&report);
        if now != known {
            known = now;
            admin.events.send("configuration", &report);
        }
        let latches = Arc::clone(&admin.parts.live.pin().latches);
        if !Arc::ptr_eq(&latches, &held) {
            tell_latches(admin, &held, &latches);
            held = latches;
        }
        looks += 1;
        let is_heard = admin.events.0.receiver_count() > 0;
        if is_heard && looks >= LOOKS_PER_QUESTION {
            looks = 0;
            let new = admin.parts.evidence.ask(|held| held.ledger.take_new()).await.unwrap_or_default();
            // What came before anybody listened is in the report.
            for one in new.into_iter().filter(|_| was_heard) {
                let difference = &one.difference;
                admin.events.send(
                    "signature",
                    &NewSignature {
                        signature: difference.signature.to_string(),
                        kind: difference.kind.to_string(),
                        path: difference.path.to_string(),
                        slice: one.slice.to_string(),
                        route: one.route.to_string(),
                        at: one.at,
                    },
                );
            }
            was_heard = true;
        } else if !is_heard {
            was_heard = false;
        }
    }
}

/// A retreat that began or ended.
#[derive(Debug, Serialize)]
struct LatchNews<'a> {
    slice: &'a str,
    retreat: Option<LatchReport>,
}

fn tell_latches(admin: &Admin, before: &Latches, now: &Latches) {
    for slice in &admin.parts.live.pin().snapshot.slices {
        let held = now.get(&slice.name);
        if held != before.get(&slice.name) {
            let news = LatchNews { slice: &slice.name, retreat: held.map(LatchReport::from) };
            admin.events.send("retreat", &news);
        }
    }
}

/// What of a configuration's state is an event when it changes.
fn told(report: &ConfigurationReport) -> (u64, String, Option<String>) {
    let rejected = report.rejected.as_ref().map(|rejected| rejected.at.clone());
    (report.generation, report.hash.clone(), rejected)
}

/// The stream, from now on.
pub(super) fn stream(admin: &Admin) -> Reply {
    let receiver = admin.events.0.subscribe();
    // At once, so that a client knows that it listens.
    let first = Bytes::from_static(b"retry: 2000\n\n");
    let pieces = stream::unfold((Some(first), receiver), |(first, mut receiver)| async move {
        if let Some(first) = first {
            return Some((Ok::<_, Infallible>(Frame::data(first)), (None, receiver)));
        }
        let piece = match timeout(QUIET_MAX, receiver.recv()).await {
            Ok(Ok(event)) => Bytes::copy_from_slice(event.as_bytes()),
            Ok(Err(RecvError::Lagged(missed))) => {
                Bytes::from(format!("event: missed\ndata: {{\"missed\": {missed}}}\n\n"))
            }
            Ok(Err(RecvError::Closed)) => return None,
            Err(_) => Bytes::from_static(b": still here\n\n"),
        };
        Some((Ok(Frame::data(piece)), (None, receiver)))
    });
    streamed("text/event-stream", StreamBody::new(pieces).boxed_unsync())
}
