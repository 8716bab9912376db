//! Which path answers what.
//!
//! Every path of the interface is listed once in [`Path`].

use bytes::Bytes;
use http::request::Parts;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use strangler_core::routing::Explanation;
use tokio::time::{Duration, timeout};

use super::path::Path;
use super::query::{Query, percent_decode};
use super::reply::{Problem, Reply, json, reply, text};
use super::{Admin, events, evidence, guard, plan, promotion, record, retreat, status, traffic};
use crate::explain::{ExplainRequest, explain};
use crate::live::compile::WriterChange;
use crate::live::report::{ReloadReport, Trigger};
use crate::store::History;

/// Bytes of a request body.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// A request body must be whole by then.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Events told where the request does not say how many.
const HISTORY_DEFAULT: usize = 100;

/// Events told at most.
const HISTORY_MAX: usize = 10_000;

/// Answers one request.
pub(super) async fn answer(admin: &Admin, request: Request<Incoming>) -> Reply {
    let (parts, body) = request.into_parts();
    match try_answer(admin, &parts, body).await {
        Ok(reply) => reply,
        Err(problem) => problem.into_reply(),
    }
}

async fn try_answer(admin: &Admin, parts: &Parts, body: Incoming) -> Result<Reply, Problem> {
    let running = admin.parts.live.pin();
    let server = &running.snapshot.server;
    guard::check(parts, &server.admin_hosts)?;
    if !guard::is_open(parts.uri.path()) {
        admin.token.check(server.admin_token_file.as_deref(), guard::bearer(&parts.headers))?;
    }
    let path = Path::parse(parts.uri.path());
    if path != Path::Unknown && !path.allow().split(", ").any(|allowed| parts.method == allowed) {
        return Err(Problem::method(path.allow()));
    }
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    match path {
        Path::Home => Ok(home()),
        Path::Health => Ok(text(StatusCode::OK, "ok\n".to_owned())),
        Path::Ready => Ok(ready(admin)),
        Path::Metrics => Ok(metrics(admin)),
        Path::Status => Ok(json(StatusCode::OK, &status::status(admin, evidence::lines(admin, None).await))),
        Path::Slices => Ok(json(StatusCode::OK, &status::slices(admin, evidence::lines(admin, None).await))),
        Path::Slice(name) => slice(admin, name).await,
        Path::Explain => explained(admin, &query).await,
        Path::Report => Ok(json(StatusCode::OK, &evidence::report(admin, query.first("slice")).await?)),
        Path::Differences => {
            Ok(json(StatusCode::OK, &evidence::differences(admin, query.first("slice")).await?))
        }
        Path::Events => Ok(events::stream(admin)),
        Path::Restart(name) => {
            let name = percent_decode(name, false);
            let body = read(body).await?;
            Ok(json(StatusCode::OK, &evidence::restart(admin, &name, &body).await?))
        }
        Path::Retreat(name) => {
            let name = percent_decode(name, false);
            retreat::retreat(admin, &name, &read(body).await?).await
        }
        Path::Resume(name) => {
            let name = percent_decode(name, false);
            retreat::resume(admin, &name, &read(body).await?).await
        }
        Path::Reload => reload(admin, body).await,
        Path::Plan => plan::plan(admin, &read_within(body, plan::BODY_BYTES_MAX).await?).await,
        Path::History => history(admin, &query),
        Path::Inventory => traffic::inventory(admin).await,
        Path::Find => traffic::find(admin, query.first("id")),
        Path::Record => record::record(admin, recording(&query)?),
        Path::Bundle => record::bundle(admin, query.first("slice").unwrap_or_default()).await,
        Path::Unknown => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "there is nothing at this path".to_owned(),
            "`/` lists what there is",
        )),
    }
}

fn home() -> Reply {
    const PAGE: &str = include_str!("home.html");
    reply(StatusCode::OK, "text/html; charset=utf-8", Bytes::from_static(PAGE.as_bytes()))
}

fn ready(admin: &Admin) -> Reply {
    let readiness = &admin.parts.readiness;
    let status = if readiness.is_serving() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    text(status, format!("{}\n", readiness.as_str()))
}

fn metrics(admin: &Admin) -> Reply {
    let mut body = admin.parts.telemetry.render_prometheus(&admin.parts.live.pin());
    body.push_str(&evidence::metrics(&admin.parts.evidence.losses()));
    reply(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", body.into())
}

async fn slice(admin: &Admin, name: &str) -> Result<Reply, Problem> {
    let name = percent_decode(name, false);
    let lines = evidence::lines(admin, Some(&name)).await;
    status::slice(admin, &name, lines)
        .map(|slice| json(StatusCode::OK, &slice))
        .ok_or_else(|| Problem::no_slice(&admin.parts.live.pin().snapshot, &name))
}

async fn explained(admin: &Admin, query: &Query) -> Result<Reply, Problem> {
    let bad = |error: String| {
        let help = "ask /api/explain?method=GET&url=/products/1&header=name:value";
        Problem::new(StatusCode::BAD_REQUEST, error, help)
    };
    let url = query.first("url").ok_or_else(|| bad("`url` is missing".to_owned()))?;
    let method = query.first("method").unwrap_or("GET");
    let headers: Vec<String> = query.all("header").map(str::to_owned).collect();
    let request = ExplainRequest::parse(method, url, &headers, query.first("client_ip"))
        .map_err(|why| bad(why.to_string()))?;
    let running = admin.parts.live.pin();
    let explanation = explain(&running.snapshot, running.facts(), &request);
    drop(running);
    let evidence = match (&explanation.slice, &explanation.route) {
        (Some(slice), Some(route)) => evidence::of_route(admin, slice, route).await,
        _ => Vec::new(),
    };
    Ok(match query.first("format") {
        Some("text") => {
            let evidence: String = evidence.iter().map(|line| format!("evidence: {line}\n")).collect();
            text(StatusCode::OK, format!("{}{evidence}", explanation.render_text()))
        }
        _ => json(StatusCode::OK, &Explained { explanation, evidence }),
    })
}

/// An explanation, with what has been compared of the route.
#[derive(Debug, Serialize)]
struct Explained {
    #[serde(flatten)]
    explanation: Explanation,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evidence: Vec<String>,
}

/// The body of `POST /api/reload`; it may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReloadBody {
    #[serde(default)]
    allow_writer_change: bool,
    /// The edit that waits to be read is a promotion: the history keeps who made it and why.
    #[serde(default)]
    promotion: Option<promotion::PromotionBody>,
}

async fn reload(admin: &Admin, body: Incoming) -> Result<Reply, Problem> {
    let bytes = read(body).await?;
    let body = if bytes.trim_ascii().is_empty() {
        ReloadBody::default()
    } else {
        serde_json::from_slice::<ReloadBody>(&bytes).map_err(|error| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                format!("the body cannot be read: {error}"),
                "leave it out, or send {\"allow_writer_change\": true}",
            )
        })?
    };
    let change = if body.allow_writer_change { WriterChange::Allowed } else { WriterChange::Refused };
    let report = admin.parts.reloader.reload(Trigger::Admin, change).await.ok_or_else(|| {
        let help = "ask the process that replaces this one";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the process is shutting down".to_owned(), help)
    })?;
    if let Some(promotion) = &body.promotion {
        promotion.record(admin, &report).await;
    }
    let status = match report {
        ReloadReport::Unchanged { .. } | ReloadReport::Applied { .. } => StatusCode::OK,
        ReloadReport::Rejected { .. } => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Ok(json(status, &report))
}

async fn read(body: Incoming) -> Result<Bytes, Problem> {
    read_within(body, BODY_BYTES_MAX).await
}

async fn read_within(body: Incoming, bytes_max: usize) -> Result<Bytes, Problem> {
    let collected = timeout(BODY_TIMEOUT, Limited::new(body, bytes_max).collect()).await;
    let Ok(collected) = collected else {
        let error = "the body did not arrive in time".to_owned();
        return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, error, "send it again"));
    };
    collected.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            let error = "the body is too large".to_owned();
            Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                error,
                &format!("it may have {} KiB", bytes_max / 1024),
            )
        } else {
            Problem::new(StatusCode::BAD_REQUEST, "the body is broken".to_owned(), "send it again")
        }
    })
}

fn history(admin: &Admin, query: &Query) -> Result<Reply, Problem> {
    let limit = match query.first("limit") {
        None => HISTORY_DEFAULT,
        Some(limit) => limit.parse().map(|limit: usize| limit.min(HISTORY_MAX)).map_err(|_| {
            let error = format!("`limit` is no number: {limit}");
            Problem::new(StatusCode::BAD_REQUEST, error, "write ?limit=100")
        })?,
    };
    let entries = admin.parts.store.history(limit, query.first("slice")).map_err(|error| {
        tracing::error!(%error, "the history cannot be read");
        let help = "look at the log, and at `server.data_dir`";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the history cannot be read".to_owned(), help)
    })?;
    Ok(json(StatusCode::OK, &History { history: entries }))
}

fn recording(query: &Query) -> Result<record::Wanted, Problem> {
    let number = |name: &str| {
        let read = query.first(name).map(|text| {
            text.parse::<u64>().map_err(|_| {
                let error = format!("`{name}` is no number: {text}");
                Problem::new(
                    StatusCode::BAD_REQUEST,
                    error,
                    "write /api/record?max=1000&seconds=600&slice=orders",
                )
            })
        });
        read.transpose()
    };
    let slice = query.first("slice").filter(|slice| !slice.is_empty()).map(str::to_owned);
    Ok(record::Wanted { slice, max: number("max")?, seconds: number("seconds")? })
}

#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing {
    //! Reading of paths, parameters and bodies, for the properties of [`crate::fuzzing`].

    use super::{Path, Query, ReloadBody, percent_decode};

    /// Reads a path and a body.
    pub(in crate::admin) fn read(path: &str, body: &[u8]) {
        let read = Path::parse(path);
        assert!(
            read == Path::Unknown
                || path == "/"
                || path == "/metrics"
                || path.ends_with('z')
                || path.starts_with("/api/")
        );
        let escaped: String = path.bytes().map(|byte| format!("%{byte:02X}")).collect();
        assert_eq!(percent_decode(&escaped, false), path, "escapes say what they stand for");
        assert_eq!(percent_decode(&escaped, true), path, "escapes say what they stand for");
        let known = serde_json::from_slice::<ReloadBody>(body);
        assert!(known.is_err() || matches!(body.trim_ascii().first(), Some(b'{' | b'[')));
    }

    /// What `/api/explain` is asked: method, URL, header lines, address.
    pub(in crate::admin) fn explain(query: &str) -> Option<(String, String, Vec<String>, Option<String>)> {
        let query = Query::parse(query);
        let method = query.first("method").unwrap_or("GET").to_owned();
        let headers = query.all("header").map(str::to_owned).collect();
        Some((method, query.first("url")?.to_owned(), headers, query.first("client_ip").map(str::to_owned)))
    }
}
