//! Asking an endpoint whether it is well.
//!
//! Owns one question: a connection of its own, a GET, the status. From 200 to 399 an endpoint is well.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use strangler_core::snapshot::{HealthCheck, HostPolicy, Upstream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use super::connect::connect;
use super::{EndpointState, UpstreamState};

/// How the proxy calls itself where it asks on its own behalf.
const AGENT: &str = concat!("strangler/", env!("CARGO_PKG_VERSION"), " health");

/// Asks every endpoint of an upstream, those that come and go included, until it is dropped.
pub(super) async fn check(upstream: Arc<UpstreamState>, settings: HealthCheck) {
    let mut tasks = JoinSet::new();
    let mut asked: HashMap<u64, AbortHandle> = HashMap::new();
    loop {
        let mut changed = std::pin::pin!(upstream.changed().notified());
        // From here on, nothing that changes while this looks is missed.
        changed.as_mut().enable();
        let members = upstream.members();
        asked.retain(|id, task| {
            let stays = members.all.iter().any(|member| member.endpoint.id == *id) && !task.is_finished();
            if !stays {
                task.abort();
            }
            stays
        });
        for member in &members.all {
            asked.entry(member.endpoint.id).or_insert_with(|| {
                let (upstream, endpoint) = (Arc::clone(&upstream), Arc::clone(&member.endpoint));
                tasks.spawn(check_endpoint(upstream, endpoint, settings.clone()))
            });
        }
        while tasks.try_join_next().is_some() {}
        changed.await;
    }
}

async fn check_endpoint(upstream: Arc<UpstreamState>, endpoint: Arc<EndpointState>, settings: HealthCheck) {
    let mut ticks = tokio::time::interval(settings.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let outcome = ask(upstream.settings(), &endpoint, &settings).await;
        upstream.checked(endpoint.id, outcome.as_ref().copied().map_err(String::as_str), &settings);
    }
}

/// Asks once; what is wrong with the endpoint, where it is not well.
async fn ask(upstream: &Upstream, endpoint: &EndpointState, settings: &HealthCheck) -> Result<(), String> {
    match tokio::time::timeout(settings.timeout, status(upstream, endpoint, settings)).await {
        Err(_elapsed) => Err(format!("no answer to GET {} within {:?}", settings.path, settings.timeout)),
        Ok(Err(why)) => Err(why),
        Ok(Ok(200..400)) => Ok(()),
        Ok(Ok(status)) => Err(format!("GET {} was answered {status}", settings.path)),
    }
}

async fn status(
    upstream: &Upstream,
    endpoint: &EndpointState,
    settings: &HealthCheck,
) -> Result<u16, String> {
    // The question as a whole has a time-out.
    let tcp = connect(endpoint, Duration::MAX).await.map_err(|error| error.to_string())?;
    let broken = |error: hyper::Error| format!("GET {} was not answered: {error}", settings.path);
    let (mut sender, connection) = http1::handshake(TokioIo::new(tcp)).await.map_err(broken)?;
    let mut connection = std::pin::pin!(connection);
    let host = match &upstream.host {
        HostPolicy::Literal(name) => HeaderValue::from_str(name).ok(),
        HostPolicy::Preserve | HostPolicy::Endpoint => None,
    };
    let request = Request::get(&settings.path)
        .header(HOST, host.unwrap_or_else(|| endpoint.authority.clone()))
        .header(USER_AGENT, AGENT)
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let mut answer = std::pin::pin!(sender.send_request(request));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // What ended it may have been the answer's end.
        _ended = &mut connection => answer.await,
    };
    answer.map(|answer| answer.status().as_u16()).map_err(broken)
}
