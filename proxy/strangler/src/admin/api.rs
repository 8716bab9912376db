//! Which path answers what.
//!
//! Every path of the interface is listed once in `Path::parse`.

use bytes::Bytes;
use http::request::Parts;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use strangler_core::routing::Explanation;
use tokio::time::{Duration, timeout};

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path<'a> {
    Home,
    Health,
    Ready,
    Metrics,
    Status,
    Slices,
    Slice(&'a str),
    Explain,
    Reload,
    History,
    Report,
    Differences,
    Events,
    /// A new epoch of a slice's evidence.
    Restart(&'a str),
    Inventory,
    Find,
    Record,
    Bundle,
    Retreat(&'a str),
    Resume(&'a str),
    /// What an edit would do.
    Plan,
    Unknown,
}

impl Path<'_> {
    fn parse(path: &str) -> Path<'_> {
        match path {
            "/" => Path::Home,
            "/healthz" => Path::Health,
            "/readyz" => Path::Ready,
            "/metrics" => Path::Metrics,
            "/api/status" => Path::Status,
            "/api/slices" => Path::Slices,
            "/api/explain" => Path::Explain,
            "/api/reload" => Path::Reload,
            "/api/history" => Path::History,
            "/api/differences" => Path::Differences,
            "/api/report" => Path::Report,
            "/api/events" => Path::Events,
            "/api/inventory" => Path::Inventory,
            "/api/find" => Path::Find,
            "/api/record" => Path::Record,
            "/api/bundle" => Path::Bundle,
            "/api/plan" => Path::Plan,
            _ => path.strip_prefix("/api/slices/").map_or(Path::Unknown, Path::of_slice),
        }
    }

    fn of_slice(rest: &str) -> Path<'_> {
        match rest.split_once('/') {
            None if !rest.is_empty() => Path::Slice(rest),
            Some((slice, "evidence/restart")) if !slice.is_empty() => Path::Restart(slice),
            Some((slice, "retreat")) if !slice.is_empty() => Path::Retreat(slice),
            Some((slice, "resume")) if !slice.is_empty() => Path::Resume(slice),
            _ => Path::Unknown,
        }
    }

    const fn allow(self) -> &'static str {
        match self {
            Path::Reload | Path::Plan | Path::Restart(_) | Path::Retreat(_) | Path::Resume(_) => "POST",
            // A recording has no head to be told of before it begins.
            Path::Record => "GET",
            _ => "GET, HEAD",
        }
    }
}

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
    status::slice(admin, &name, lines).map(|slice| json(StatusCode::OK, &slice)).ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            format!("there is no slice `{name}`"),
            "`/api/slices` lists the slices",
        )
    })
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

/// Parameters of a request target (`application/x-www-form-urlencoded`).
struct Query(Vec<(String, String)>);

impl Query {
    fn parse(query: &str) -> Query {
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(name, true), percent_decode(value, true))
        });
        Query(pairs.collect())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Decodes `%XX` (and, in forms, `+`); what is no escape stays as it is.
fn percent_decode(text: &str, plus_is_space: bool) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let Some((&byte, rest)) = bytes.split_first() {
        bytes = rest;
        match (byte, rest) {
            (b'%', [high, low, tail @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    bytes = tail;
                }
                _ => out.push(b'%'),
            },
            (b'+', _) if plus_is_space => out.push(b' '),
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_once() {
        let query = Query::parse("url=%2Fa%252Fb%3Fx%3D1%26y&header=a%3A+b&header=c:d&flag&bad=%zz");
        assert_eq!(query.first("url"), Some("/a%2Fb?x=1&y"));
        assert_eq!(query.all("header").collect::<Vec<_>>(), ["a: b", "c:d"]);
        assert_eq!(query.first("flag"), Some(""));
        assert_eq!(query.first("bad"), Some("%zz"));
        assert_eq!(query.first("none"), None);
    }

    #[test]
    fn every_path_of_the_interface_is_known() {
        for (path, wanted) in [
            ("/", Path::Home),
            ("/api/slices/orders", Path::Slice("orders")),
            ("/api/slices/orders/retreat", Path::Retreat("orders")),
            ("/api/slices/orders/resume", Path::Resume("orders")),
            ("/api/slices//resume", Path::Unknown),
            ("/api/slices/", Path::Unknown),
            ("/api/slices/orders/other", Path::Unknown),
            ("/api", Path::Unknown),
            ("/healthz/", Path::Unknown),
        ] {
            assert_eq!(Path::parse(path), wanted, "{path}");
        }
    }
}
