//! Recordings and bundles: a recording as it happens, lines of a corpus, redacted, until so many exchanges or so much time have passed.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use jiff::Timestamp;
use strangler_core::config::excerpt;
use strangler_core::evidence::report;
use strangler_core::words::SliceId;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep_until};

use super::Admin;
use super::reply::{Problem, Reply, json, streamed};
use super::traffic::unavailable;
use crate::corpus::{Bundle, End, Header, KnownDifference, Line, Recording};

/// No recording is longer: what is forgotten should not go on for ever.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// An empty line so often shows both sides that the other is there.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) slice: Option<String>,
    pub(super) max: Option<u64>,
    pub(super) seconds: Option<u64>,
}

/// Begins to record.
pub(super) fn record(admin: &Admin, wanted: Wanted) -> Result<Reply, Problem> {
    let snapshot = &admin.parts.live.pin().snapshot;
    if let Some(slice) = &wanted.slice
        && !snapshot.slices.iter().any(|known| *known.name == **slice)
    {
        return Err(Problem::no_slice(&admin.parts.live.pin().snapshot, slice));
    }
    let evidence = &admin.parts.evidence;
    let Some(recording) = evidence.recordings().begin(wanted.slice.clone()) else {
        let error = "there are too many recordings already".to_owned();
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, error, "end one of them"));
    };
    let header = Line::Header(Header::now(evidence.key_id().to_owned(), wanted.slice.clone()));
    let (lines, body) = mpsc::channel(16);
    tokio::spawn(pump(recording, wanted, header, lines));
    let mut reply = streamed("application/x-ndjson", Pieces(body).boxed_unsync());
    reply.extensions_mut().insert(LongLived);
    Ok(reply)
}

/// In the extensions of a reply that may take longer than a connection otherwise lives.
#[derive(Clone, Copy, Debug)]
pub(super) struct LongLived;

/// Pieces as they come; the end is when their sender is gone.
struct Pieces(mpsc::Receiver<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.get_mut().0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// What a bundle of a slice has beside its exchanges.
pub(super) async fn bundle(admin: &Admin, slice: &str) -> Result<Reply, Problem> {
    let wanted = slice.to_owned();
    let bundle = admin.parts.evidence.ask(move |held| {
        let snapshot = &held.snapshot;
        let id = (0..).map(SliceId).zip(&snapshot.slices).find(|(_, slice)| *slice.name == *wanted)?.0;
        let report = report::build_slice(&held.ledger, snapshot, id, Timestamp::now());
        let problems = report.map(|report| report.problems).unwrap_or_default();
        let known = problems.into_iter().filter_map(|problem| {
            Some(KnownDifference {
                signature: problem.signature?,
                route: problem.route,
                kind: problem.kind,
                path: problem.path,
                requests: problem.requests,
            })
        });
        Some(Bundle {
            slice: wanted,
            configuration: excerpt(snapshot, id),
            hash: snapshot.hash.clone(),
            baseline: known.collect(),
        })
    });
    match bundle.await.map_err(unavailable)? {
        Some(bundle) => Ok(json(StatusCode::OK, &Line::Bundle(Box::new(bundle)))),
        None => Err(Problem::no_slice(&admin.parts.live.pin().snapshot, slice)),
    }
}

async fn pump(mut recording: Recording, wanted: Wanted, header: Line, lines: mpsc::Sender<Bytes>) {
    let length = wanted.seconds.map_or(LONGEST, Duration::from_secs).min(LONGEST);
    let end = Instant::now() + length;
    let mut heartbeat = interval(HEARTBEAT);
    let mut exchanges = 0;
    if lines.send(line(&header)).await.is_err() {
        return;
    }
    while wanted.max.is_none_or(|max| exchanges < max) {
        let next = tokio::select! {
            next = recording.next() => next,
            () = sleep_until(end) => None,
            _ = heartbeat.tick() => Some(Bytes::from_static(b"\n")),
            () = lines.closed() => return,
        };
        let Some(next) = next else { break };
        exchanges += u64::from(next.len() > 1);
        if lines.send(next).await.is_err() {
            return;
        }
    }
    let end = Line::End(End { exchanges, dropped: recording.dropped() });
    // Nobody is left to read it: then there is nothing to say.
    if lines.send(line(&end)).await.is_err() {
        tracing::debug!("a recording ended unread");
    }
}

fn line(line: &Line) -> Bytes {
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    bytes.into()
}
