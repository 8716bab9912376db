//! How far the data of the side that does not write is behind (`sync_lag`): asking, and what was last said.
//!
//! What was said holds for a few questions; after that nobody knows, and what depends on it is not done. Refuses
//! judgement: how late is too late, and for what, is [`strangler_core::routing::fallback`]'s.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use strangler_core::routing::fallback::LagState;
use strangler_core::snapshot::Snapshot;
use strangler_core::snapshot::slice::SyncLag;
use strangler_core::words::SliceId;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::live::Live;

/// How the proxy calls itself where it asks on its own behalf.
const AGENT: &str = concat!("strangler/", env!("CARGO_PKG_VERSION"), " lag");

/// From one question to the next, at most.
const INTERVAL_MAX: Duration = Duration::from_secs(1);

/// And at least, however short a lag is allowed.
const INTERVAL_MIN: Duration = Duration::from_millis(50);

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(1);

/// No answer is longer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What one place says of the lag.
#[derive(Debug)]
pub struct LagGauge {
    settings: SyncLag,
    /// What was said last.
    said: ArcSwapOption<Said>,
    /// Why the last question had no answer; none where it had one.
    fault: ArcSwapOption<String>,
}

/// A lag as it was said.
#[derive(Debug)]
struct Said {
    lag: Duration,
    at: Instant,
    /// Until when it holds.
    until: Instant,
}

/// What is known of a lag, to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LagShown {
    /// As far as it is known now.
    pub state: LagState,
    /// What was said last, however long ago, and how long ago that was.
    pub last: Option<(Duration, Duration)>,
    /// Why the last question had no answer; none where it had one.
    pub fault: Option<String>,
}

impl LagGauge {
    fn new(settings: SyncLag) -> LagGauge {
        LagGauge { settings, said: ArcSwapOption::empty(), fault: ArcSwapOption::empty() }
    }

    /// The lag, as far as it is known now.
    pub fn state(&self, now: Instant) -> LagState {
        match &*self.said.load() {
            Some(said) if now <= said.until => LagState::Behind(said.lag),
            _ => LagState::Unknown,
        }
    }

    fn shown(&self, now: Instant) -> LagShown {
        let last = self.said.load().as_ref().map(|said| (said.lag, now.saturating_duration_since(said.at)));
        let fault = self.fault.load().as_ref().map(|fault| String::clone(fault));
        LagShown { state: self.state(now), last, fault }
    }

    fn interval(&self) -> Duration {
        (self.settings.max / 4).clamp(INTERVAL_MIN, INTERVAL_MAX)
    }

    fn told(&self, lag: Duration, now: Instant) {
        let until = now + self.interval() * 3 + TIMEOUT;
        self.said.store(Some(Arc::new(Said { lag, at: now, until })));
        self.fault.store(None);
    }

    fn not_told(&self, why: &str) {
        self.fault.store(Some(Arc::new(why.to_owned())));
    }
}

/// The gauges of one configuration.
#[derive(Debug, Default)]
pub struct Lags {
    /// Indexed by [`SliceId`].
    by_slice: Box<[Option<Arc<LagGauge>>]>,
}

impl Lags {
    /// The gauges of a snapshot: slices that ask the same share one, and what `old` knows is carried over.
    pub fn of(snapshot: &Snapshot, old: &Lags) -> Lags {
        let mut by_slice: Vec<Option<Arc<LagGauge>>> = Vec::with_capacity(snapshot.slices.len());
        for slice in &snapshot.slices {
            let gauge = slice.sync_lag.as_ref().map(|settings| {
                let mut known = old.by_slice.iter().chain(&by_slice).flatten();
                let known = known.find(|gauge| gauge.settings == *settings);
                known.map_or_else(|| Arc::new(LagGauge::new(settings.clone())), Arc::clone)
            });
            by_slice.push(gauge);
        }
        Lags { by_slice: by_slice.into() }
    }

    /// The lag of a slice, as far as it is known now.
    pub fn state(&self, slice: SliceId, now: Instant) -> LagState {
        self.gauge(slice).map_or(LagState::Unknown, |gauge| gauge.state(now))
    }

    /// All that is known of the lag of a slice; none where its file does not say whom to ask.
    pub fn shown(&self, slice: SliceId, now: Instant) -> Option<LagShown> {
        self.gauge(slice).map(|gauge| gauge.shown(now))
    }

    fn gauge(&self, slice: SliceId) -> Option<&Arc<LagGauge>> {
        self.by_slice.get(slice.0 as usize).and_then(Option::as_ref)
    }
}

/// Asks as the configuration in service says, until it is dropped.
pub async fn run(live: Arc<Live>) {
    let mut published = live.subscribe();
    let mut asked: Vec<(Arc<LagGauge>, Asking)> = Vec::new();
    loop {
        let running = live.pin();
        let wanted = || running.lags.by_slice.iter().flatten();
        asked.retain(|(gauge, _)| wanted().any(|wanted| Arc::ptr_eq(wanted, gauge)));
        for gauge in wanted() {
            if !asked.iter().any(|(asked, _)| Arc::ptr_eq(asked, gauge)) {
                asked.push((Arc::clone(gauge), Asking(tokio::spawn(ask_on(Arc::clone(gauge))))));
            }
        }
        drop(running);
        if published.changed().await.is_err() {
            return;
        }
    }
}

/// A task that asks; dropping it ends it.
struct Asking(JoinHandle<()>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn ask_on(gauge: Arc<LagGauge>) {
    let url = &gauge.settings.url;
    // A query may hold what the environment keeps secret.
    let asked = url.split_once('?').map_or(url.as_str(), |(before, _)| before);
    let mut ticks = tokio::time::interval(gauge.interval());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known = None;
    loop {
        ticks.tick().await;
        let outcome = match tokio::time::timeout(TIMEOUT, ask(url)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(format!("no answer within {TIMEOUT:?}")),
        };
        match &outcome {
            Ok(lag) => {
                gauge.told(*lag, Instant::now());
                if known == Some(false) {
                    tracing::info!(asked, "the lag of synchronisation is known again");
                }
            }
            Err(why) => {
                gauge.not_told(why);
                if known != Some(false) {
                    tracing::warn!(asked, why, "the lag of synchronisation cannot be asked for");
                }
            }
        }
        known = Some(outcome.is_ok());
    }
}

/// Asks once.
async fn ask(url: &str) -> Result<Duration, String> {
    let uri: Uri = url.parse().map_err(|error| format!("no URL: {error}"))?;
    let authority = uri.authority().ok_or("no host")?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let tcp =
        TcpStream::connect((host, authority.port_u16().unwrap_or(80))).await.map_err(|e| e.to_string())?;
    let broken = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = http1::handshake(TokioIo::new(tcp)).await.map_err(broken)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, authority.as_str())
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, "application/json")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(broken)?;
        if answer.status() != StatusCode::OK {
            return Err(format!("answered {}", answer.status().as_u16()));
        }
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        read(&body.map_err(|error| error.to_string())?.to_bytes())
    };
    let mut exchange = std::pin::pin!(exchange);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        biased;
        outcome = &mut exchange => outcome,
        // What ended it may have been the answer's end.
        _ended = &mut connection => exchange.await,
    }
}

/// `{"lag_ms": N}`: a number that is not negative.
fn read(body: &[u8]) -> Result<Duration, String> {
    let said: serde_json::Value = serde_json::from_slice(body).map_err(|_| "the answer is no JSON")?;
    let millis =
        said.get("lag_ms").and_then(serde_json::Value::as_f64).ok_or("the answer has no `lag_ms`")?;
    Duration::try_from_secs_f64(millis / 1000.0).map_err(|_| "`lag_ms` is no time".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use strangler_core::routing::fallback::LagState;
    use strangler_core::snapshot::slice::SyncLag;
    use strangler_core::words::SliceId;

    use super::{LagGauge, LagShown, Lags, read};
    use crate::forward::tests::compiled;

    #[test]
    fn only_a_number_that_is_not_negative_is_a_lag() {
        for (body, wanted) in [
            ("{\"lag_ms\": 0}", Some(Duration::ZERO)),
            ("{\"lag_ms\": 1500, \"more\": 1}", Some(Duration::from_millis(1500))),
            ("{\"lag_ms\": 0.5}", Some(Duration::from_micros(500))),
            ("{\"lag_ms\": -1}", None),
            ("{\"lag_ms\": 1e300}", None),
            ("{\"lag_ms\": \"1\"}", None),
            ("{\"lag_ms\": null}", None),
            ("{}", None),
            ("[]", None),
            ("0", None),
            ("", None),
        ] {
            assert_eq!(read(body.as_bytes()).ok(), wanted, "{body}");
        }
    }

    #[test]
    fn what_was_said_holds_for_a_few_questions() {
        let settings = SyncLag { url: "http://127.0.0.1:1/".to_owned(), max: Duration::from_secs(5) };
        let gauge = LagGauge::new(settings);
        let now = Instant::now();
        assert_eq!(gauge.state(now), LagState::Unknown);
        let lag = Duration::from_secs(2);
        gauge.told(lag, now);
        assert_eq!(gauge.state(now + Duration::from_secs(4)), LagState::Behind(lag));
        assert_eq!(gauge.state(now + Duration::from_millis(4001)), LagState::Unknown);
    }

    #[test]
    fn what_was_said_last_is_shown_with_its_age_and_why_there_is_no_more() {
        let settings = SyncLag { url: "http://127.0.0.1:1/".to_owned(), max: Duration::from_secs(5) };
        let (gauge, now) = (LagGauge::new(settings), Instant::now());
        assert_eq!(gauge.shown(now), LagShown { state: LagState::Unknown, last: None, fault: None });
        let (lag, age) = (Duration::from_secs(2), Duration::from_secs(60));
        gauge.told(lag, now);
        gauge.not_told("answered 503");
        let fault = Some("answered 503".to_owned());
        let wanted = LagShown { state: LagState::Unknown, last: Some((lag, age)), fault };
        assert_eq!(gauge.shown(now + age), wanted);
        gauge.told(lag, now + age);
        let wanted =
            LagShown { state: LagState::Behind(lag), last: Some((lag, Duration::ZERO)), fault: None };
        assert_eq!(gauge.shown(now + age), wanted);
    }

    #[test]
    fn a_short_lag_is_asked_for_often_and_a_long_one_every_second() {
        let interval = |max| LagGauge::new(SyncLag { url: String::new(), max }).interval();
        assert_eq!(interval(Duration::from_millis(10)), Duration::from_millis(50));
        assert_eq!(interval(Duration::from_secs(2)), Duration::from_millis(500));
        assert_eq!(interval(Duration::from_secs(3600)), Duration::from_secs(1));
    }

    #[test]
    fn slices_that_ask_the_same_share_a_gauge_and_keep_it() {
        let text = |second: &str| {
            format!(
                "version = 1\nlegacy = \"http://127.0.0.1:1\"\n[defaults]\n[slices.a]\nupstream = \"http://127.0.0.1:2\"\n\
                 routes = [\"/a\"]\nsync_lag = {{ url = \"http://127.0.0.1:3/lag\", max = \"5s\" }}\n\
                 [slices.b]\nupstream = \"http://127.0.0.1:2\"\nroutes = [\"/b\"]\n\
                 sync_lag = {{ url = \"{second}\", max = \"5s\" }}\n[slices.c]\nupstream = \"http://127.0.0.1:2\"\n\
                 routes = [\"/c\"]\n"
            )
        };
        let first = Lags::of(&compiled(&text("http://127.0.0.1:3/lag")), &Lags::default());
        let shared = first.by_slice[0].as_ref().unwrap();
        assert!(Arc::ptr_eq(shared, first.by_slice[1].as_ref().unwrap()));
        let now = Instant::now();
        shared.told(Duration::ZERO, now);
        let next = Lags::of(&compiled(&text("http://127.0.0.1:4/lag")), &first);
        assert_eq!(next.state(SliceId(0), now), LagState::Behind(Duration::ZERO), "carried over");
        assert_eq!(next.state(SliceId(1), now), LagState::Unknown);
        assert_eq!(next.state(SliceId(2), now), LagState::Unknown);
    }
}
