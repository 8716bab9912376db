//! What is known about one request: counted and logged when it ends, however it ends.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::Method;
use strangler_core::guardrail::FailureKind;
use strangler_core::matching::near::SpellingDifference;
use strangler_core::routing::fallback::Trouble;
use strangler_core::routing::recent::ClientMark;
use strangler_core::routing::{Decision, Verdict};
use strangler_core::snapshot::slice::KeySource;
use strangler_core::snapshot::{Snapshot, Unavailable};
use strangler_core::words::{Effect, Owner, UpstreamId};

use super::error::{ForwardError, Side};
use super::identity::RequestId;
use super::local::{Client, Pin};
use super::outbound::split_target;
use super::recent_writes::Noted;
use super::tap::Tap;
use crate::http1::{RequestHead, Version};
use crate::telemetry::{AccessRecord, Answerer, Judged, Limit, RequestOutcome, loggable_path};
use crate::upstream::members::Chosen;

/// nginx's code for a client that left before its answer was complete.
const CLIENT_GONE: u16 = 499;

/// One request's record. Dropping it counts and logs the request.
pub(crate) struct Record {
    client: Rc<Client>,
    pub(crate) pin: Pin,
    started: Instant,
    pub(crate) method: Method,
    target: Rc<str>,
    /// The authority routed on.
    pub(crate) host: Rc<str>,
    pub(crate) request_id: Option<RequestId>,
    pub(crate) version: Version,
    /// The request was in the buffer before the one before it was answered.
    pub(crate) pipelined: bool,
    pub(crate) client_ip: IpAddr,
    decision: Option<Decision>,
    /// What a copy of the request needs.
    pub(crate) tap: Tap,
    answerer: Answerer,
    /// What became of it at the extracted side, where legacy was asked then.
    fallback: Option<Trouble>,
    /// Whether an upstream owes the client an answer, or the rest of it.
    failed: bool,
    /// Where the request was sent last.
    pub(crate) endpoint: Option<(UpstreamId, Chosen)>,
    /// From the start until the response's head was there.
    responded: Option<Duration>,
    pub(crate) retries: u32,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    code: Option<u16>,
    pub(crate) error: Option<&'static str>,
    complete: bool,
    gone: bool,
}

impl Record {
    pub(crate) fn new(client: &Rc<Client>, pin: &Pin, now: Instant, head: &RequestHead) -> Record {
        Record {
            client: Rc::clone(client),
            pin: Rc::clone(pin),
            started: now,
            method: head.method.clone(),
            target: head.target_text().into(),
            version: head.version,
            pipelined: false,
            host: Rc::clone(&client.local.nameless),
            request_id: None,
            client_ip: client.peer,
            decision: None,
            tap: Tap::default(),
            answerer: Answerer::Proxy,
            fallback: None,
            failed: false,
            endpoint: None,
            responded: None,
            retries: 0,
            bytes_in: 0,
            bytes_out: 0,
            code: None,
            error: None,
            complete: false,
            gone: false,
        }
    }

    /// The target as sent; bytes that are not UTF-8 are percent-encoded.
    pub(crate) fn target(&self) -> &Rc<str> {
        &self.target
    }

    pub(crate) fn client(&self) -> &Rc<Client> {
        &self.client
    }

    /// Notes what was decided.
    pub(crate) fn decided(&mut self, decision: Decision) {
        self.decision = Some(decision);
    }

    /// What was decided, once it was.
    pub(crate) fn decision(&self) -> Option<&Decision> {
        self.decision.as_ref()
    }

    /// What a slice has to say where nobody can answer a request of it. What its `except` leaves with legacy is not its.
    pub(crate) fn unavailable<'s>(&self, snapshot: &'s Snapshot) -> Option<&'s Unavailable> {
        let decision = self.decision.as_ref().filter(|decision| decision.excepted.is_none())?;
        snapshot.route(decision.route?).policy.unavailable.as_ref()
    }

    /// When its head was there.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Notes that legacy is asked because the extracted side failed.
    pub(crate) fn fell_back(&mut self, trouble: Trouble) {
        self.fallback = Some(trouble);
        self.tap.fell_back();
        if let Some(slice) = self.decision.as_ref().and_then(|decision| decision.slice) {
            self.client.local.recorder.fallback(&self.pin.snapshot.slice(slice).name, trouble);
        }
    }

    /// Notes that there is no answer of an upstream.
    pub(crate) fn failed(&mut self, error: ForwardError) {
        self.failed = error.side() != Side::Client;
        self.tap.failed(error);
    }

    /// Notes who answers.
    pub(crate) fn answered_by(&mut self, owner: Owner, status: u16) {
        self.answerer = owner.into();
        self.code = Some(status);
    }

    /// Notes that the proxy answers.
    pub(crate) fn answered_by_proxy(&mut self, status: u16, error: Option<&'static str>) {
        self.answerer = Answerer::Proxy;
        self.code = Some(status);
        self.error = error;
    }

    /// The response's head is there.
    pub(crate) fn responded(&mut self, now: Instant) {
        self.responded = Some(now.saturating_duration_since(self.started));
    }

    /// The answer has been handed over to its end.
    pub(crate) fn complete(&mut self) {
        self.complete = true;
    }

    /// Nobody is left to read the answer.
    pub(crate) fn client_gone(&mut self) {
        self.gone = true;
    }

    /// The answer broke off by the upstream's fault: not the client's leaving.
    pub(crate) fn broke(&mut self, error: &'static str) {
        self.error = Some(error);
        self.failed = true;
        self.complete = true;
    }

    /// Notes an answer's status: whoever has successfully written reads from the writer for a while.
    pub(crate) fn wrote(&self, status: u16) {
        if let Some(mark) = self.decision.as_ref().and_then(|decision| decision.mark) {
            self.remember(mark, status);
        }
    }

    /// Notes by what key the client is known from now on: what it has written is remembered by that as well.
    pub(crate) fn is_known_by(&self, source: &KeySource, value: &str, status: u16) {
        let Some(decision) = self.decision.as_ref().filter(|decision| decision.mark.is_some()) else {
            return;
        };
        if let Some(slice) = decision.slice {
            let name = &self.pin.snapshot.slice(slice).name;
            self.remember(ClientMark::keyed(name, source, value), status);
        }
    }

    fn remember(&self, client: ClientMark, status: u16) {
        let Some(decision) = self.decision.as_ref() else { return };
        let (Effect::Write, Some(route), 200..=399) = (decision.effect, decision.route, status) else {
            return;
        };
        let lasting = self.pin.snapshot.route(route).policy.read_your_writes;
        let local = &self.client.local;
        if local.recent.note(client, Instant::now(), lasting) == Noted::Evicted {
            local.recorder.limit(Limit::RecentWrites);
        }
    }

    /// Has a read of a client with a cohort key judged by the guardrails of its route. A client that left before the
    /// answer says nothing of who was to give it.
    fn judge(&self, elapsed: Duration) {
        let Some(decision) = self.decision.as_ref().filter(|decision| decision.keyed) else { return };
        let (Effect::Read, Verdict::Forward { owner, .. }, Some(route)) =
            (decision.effect, decision.verdict, decision.route)
        else {
            return;
        };
        let failed = match self.code {
            _ if self.fallback.is_some() => Some(FailureKind::Fallback),
            _ if self.failed => Some(FailureKind::Transport),
            Some(500..) => Some(FailureKind::ServerError),
            Some(_) if self.answerer != Answerer::Proxy => None,
            _ => return,
        };
        let judged = Judged { failed, latency: self.responded.unwrap_or(elapsed) };
        self.client.local.recorder.judged(&self.pin, route, owner, &judged);
    }

    fn log(&self, code: u16, took: Duration) {
        let snapshot = &self.pin.snapshot;
        let upstream = self.endpoint.as_ref().map(|(upstream, _)| self.pin.upstream(*upstream));
        let endpoint = self.endpoint.as_ref().and_then(|(_, chosen)| chosen.endpoint());
        let decision = self.decision.as_ref();
        let route = decision.and_then(|d| d.route).map(|id| snapshot.route(id));
        let path = loggable_path(split_target(&self.target).0, route.map(AsRef::as_ref));
        let fallback = self.fallback.map(Trouble::label);
        let shadow_id = self.tap.id().map(|id| id.to_string());
        self.client.local.recorder.log(&AccessRecord {
            time: began(took),
            request_id: self.request_id.as_deref().unwrap_or_default(),
            client: Some(self.client_ip),
            method: self.method.as_str(),
            host: &self.host,
            path: &path,
            status: code,
            route: route.map(|route| &*route.id),
            slice: decision.and_then(|d| d.slice).map(|id| &*snapshot.slice(id).name),
            phase: decision.map(|d| d.phase.as_str()),
            owner: self.answerer.as_str(),
            effect: decision.map_or("", |d| d.effect.as_str()),
            bucket: decision.and_then(|d| d.bucket),
            generation: self.pin.generation,
            upstream: upstream.map(|upstream| upstream.name.as_str()),
            endpoint: endpoint.map(|endpoint| &*endpoint.label),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            duration_ms: millis(took),
            upstream_ms: self.responded.map(millis),
            retries: self.retries,
            fallback: fallback.as_deref(),
            shadow_id: shadow_id.as_deref(),
            near_miss: decision.and_then(|d| d.near_miss).map(|miss| difference(miss.difference)),
            error: self.error,
        });
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let now = Instant::now();
        let duration = now.saturating_duration_since(self.started);
        let complete = (self.complete && !self.gone).then_some(self.code).flatten();
        let code = complete.unwrap_or(CLIENT_GONE);
        let recorder = &self.client.local.recorder;
        recorder.request(
            &self.pin,
            &RequestOutcome {
                route: self.decision.as_ref().and_then(|decision| decision.route),
                slice: self.decision.as_ref().and_then(|decision| decision.slice),
                answerer: self.answerer,
                code,
                duration,
            },
        );
        self.judge(duration);
        if recorder.wants_records() {
            self.log(code, duration);
        }
    }
}

/// When what has just ended began, if it took so long.
fn began(took: Duration) -> jiff::Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let then = now.saturating_sub(took);
    let seconds = i64::try_from(then.as_secs()).unwrap_or(i64::MAX);
    let nanoseconds = i32::try_from(then.subsec_nanos()).unwrap_or(0);
    jiff::Timestamp::new(seconds, nanoseconds).unwrap_or_default()
}

fn difference(difference: SpellingDifference) -> &'static str {
    match difference {
        SpellingDifference::TrailingSlash => "trailing slash",
        SpellingDifference::DoubleSlash => "double slash",
        SpellingDifference::Case => "case",
        SpellingDifference::Matrix => "matrix parameters",
        SpellingDifference::Extension => "extension",
        SpellingDifference::Several => "several",
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::{SignedDuration, Timestamp};

    use super::began;

    #[test]
    fn what_took_an_hour_began_an_hour_ago() {
        let hour = SignedDuration::from_secs(3600);
        let before = Timestamp::now() - hour;
        let then = began(Duration::from_secs(3600));
        assert!((before..=Timestamp::now() - hour).contains(&then), "{before} {then}");
    }
}
