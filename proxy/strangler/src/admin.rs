//! The admin listener: health, metrics and the JSON interface, on a socket of its own.
//!
//! Owns accepting, limits and safety rules (who may ask), and which path answers what. Refuses to forward
//! anything, and is not reachable through the public listener: it shares nothing with it.

mod api;
mod events;
pub mod evidence;
pub mod fallbacks;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod guard;
pub mod guardrail;
pub mod lag;
mod lints;
mod path;
pub(crate) mod plan;
mod promotion;
mod query;
mod recent;
mod record;
mod reply;
mod retreat;
pub mod status;
mod token;
pub mod traffic;
pub mod upstreams;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::guard::Board;
use crate::live::Live;
use crate::live::reload::{ConfigurationState, Reloader};
use crate::store::{Evidence, Store};
use crate::telemetry::Telemetry;

use recent::Recent;
use token::TokenFile;

/// Connections at a time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 256;

/// A request head must be complete by then, and an idle connection is closed.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// One connection may live so long: nobody needs longer, and it bounds what a stuck client holds.
const CONNECTION_LIFE: Duration = Duration::from_secs(300);

/// What is being answered when a connection's life ends may take so long.
const LAST_ANSWER: Duration = Duration::from_secs(60);

/// A recording is no longer than this.
const STREAM_LIFE: Duration = Duration::from_secs(25 * 3600);

/// Bytes of a request head.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// After a failed accept, such as without file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where in its life the process is.
#[derive(Debug, Default)]
pub struct Readiness(AtomicU8);

impl Readiness {
    /// The public listeners accept.
    pub fn set_serving(&self) {
        self.0.store(1, Ordering::Relaxed);
    }

    /// SIGTERM came.
    pub fn set_draining(&self) {
        self.0.store(2, Ordering::Relaxed);
    }

    /// `starting`, `serving` or `draining`.
    pub fn as_str(&self) -> &'static str {
        match self.0.load(Ordering::Relaxed) {
            0 => "starting",
            1 => "serving",
            _ => "draining",
        }
    }

    /// Whether new clients are welcome.
    pub fn is_serving(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 1
    }
}

/// What the admin listener tells about.
#[derive(Debug)]
pub struct Parts {
    /// The configuration in service.
    pub live: Arc<Live>,
    /// Counters.
    pub telemetry: Arc<Telemetry>,
    /// What is known about the configuration.
    pub configuration: Arc<ConfigurationState>,
    /// Asked by `POST /api/reload`.
    pub reloader: Reloader,
    /// The history.
    pub store: Arc<Store>,
    /// What comparisons have shown.
    pub evidence: Evidence,
    /// What guardrails have seen.
    pub guardrails: Arc<Board>,
    /// Whether the process serves.
    pub readiness: Arc<Readiness>,
    /// Public addresses as bound.
    pub listen: Vec<SocketAddr>,
    /// Admin address as bound.
    pub admin: SocketAddr,
}

/// Everything a handler may need.
#[derive(Debug)]
struct Admin {
    parts: Parts,
    token: TokenFile,
    recent: Recent,
    events: events::Events,
    started: String,
}

/// Serves until the process ends.
pub async fn serve(listener: TcpListener, parts: Parts) {
    let admin = Arc::new(Admin {
        token: TokenFile::new(parts.admin),
        recent: Recent::default(),
        events: events::Events::default(),
        started: crate::live::report::now(),
        parts,
    });
    tokio::join!(accept(listener, &admin), sample(&admin), events::watch(&admin));
}

async fn sample(admin: &Admin) {
    let mut tick = tokio::time::interval(recent::STEP);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        admin.recent.sample(&admin.parts.telemetry);
    }
}

async fn accept(listener: TcpListener, admin: &Arc<Admin>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _peer)) => stream,
            Err(error) => {
                tracing::warn!(%error, "admin: cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let admin = Arc::clone(admin);
        tokio::spawn(async move {
            let is_streaming = Arc::new(AtomicBool::new(false));
            let streams = Arc::clone(&is_streaming);
            let service = service_fn(move |request| {
                let (admin, streams) = (Arc::clone(&admin), Arc::clone(&streams));
                async move {
                    let reply = api::answer(&admin, request).await;
                    let is_long = reply.extensions().get::<record::LongLived>().is_some();
                    streams.store(is_long, Ordering::Relaxed);
                    Ok::<_, std::convert::Infallible>(reply)
                }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(HEAD_BYTES_MAX)
                .serve_connection(TokioIo::new(stream), service);
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = tokio::time::sleep(CONNECTION_LIFE) => {
                    connection.as_mut().graceful_shutdown();
                    // What is streamed says itself when it ends, and there are only so many of them.
                    let limit = if is_streaming.load(Ordering::Relaxed) { STREAM_LIFE } else { LAST_ANSWER };
                    tokio::time::timeout(limit, connection).await.unwrap_or(Ok(()))
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "admin: connection ended");
            }
            drop(place);
        });
    }
}
