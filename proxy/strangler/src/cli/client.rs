//! Asking the running proxy: one HTTP request to its admin listener.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::target::AdminTarget;
use super::{Exit, Failure};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A reload of a large configuration takes a moment.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// No answer of the admin listener is larger.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What the admin listener said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl Answer {
    /// The answer as a document.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Failure::new(Exit::Unreachable, format!("the proxy's answer is of another version: {error}"))
        })
    }

    /// The answer as a failure of the command, with the reason that it gives.
    pub(super) fn into_failure(self) -> Failure {
        let exit = match self.status {
            // A name that nobody has is a slip of whoever types.
            StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::BAD_REQUEST
            | StatusCode::NOT_FOUND => Exit::Invalid,
            status if status.is_server_error() => Exit::Unreachable,
            _ => Exit::Failed,
        };
        let said: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let part =
            |key: &str| said.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let (error, help) = (part("error"), part("help"));
        if error.is_empty() {
            // The admin listener always says why: somebody else answers there.
            let why = format!("what answers {} there is not the proxy's admin listener", self.status);
            return Failure::new(Exit::Unreachable, why);
        }
        Failure::new(exit, format!("{error}\n  {help}"))
    }
}

/// Asks, on a small runtime of its own.
pub(super) fn ask(
    target: &AdminTarget,
    method: Method,
    path_and_query: &str,
    body: Option<&serde_json::Value>,
) -> Result<Answer, Failure> {
    let runtime = runtime()?;
    runtime.block_on(send(target, method, path_and_query, body))
}

/// A runtime for one command.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("no runtime: {error}")))
}

/// Asks, on the runtime of whoever does.
pub(super) async fn send(
    target: &AdminTarget,
    method: Method,
    path_and_query: &str,
    body: Option<&serde_json::Value>,
) -> Result<Answer, Failure> {
    let unreachable = |why: String| Failure::new(Exit::Unreachable, unreachable(target, &why));
    let answer = async {
        let (response, driver) = open(target, method, path_and_query, body).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        driver.abort();
        let body = body.map_err(|error| unreachable(error.to_string()))?.to_bytes();
        Ok(Answer { status, body })
    };
    timeout(ANSWER_TIMEOUT, answer).await.map_err(|_| unreachable("no answer within 60 s".to_owned()))?
}

/// Asks for what comes piece by piece. `None` from [`Pieces::next`] is its end.
pub(super) async fn stream(target: &AdminTarget, path_and_query: &str) -> Result<Pieces, Failure> {
    let opened = timeout(ANSWER_TIMEOUT, open(target, Method::GET, path_and_query, None)).await;
    let silent = || Failure::new(Exit::Unreachable, unreachable(target, "no answer within 60 s"));
    let (response, driver) = opened.map_err(|_| silent())??;
    let status = response.status();
    if status != StatusCode::OK {
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        return Err(Answer { status, body }.into_failure());
    }
    Ok(Pieces { body: response.into_body(), driver })
}

/// An answer that comes piece by piece.
#[derive(Debug)]
pub(super) struct Pieces {
    body: Incoming,
    driver: JoinHandle<hyper::Result<()>>,
}

impl Pieces {
    /// The next piece; `None`: the answer has ended, or broke off.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.body.frame().await?.ok()?.into_data() {
                Ok(data) => return Some(data),
                Err(_trailers) => {}
            }
        }
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn open(
    target: &AdminTarget,
    method: Method,
    path_and_query: &str,
    body: Option<&serde_json::Value>,
) -> Result<(Response<Incoming>, JoinHandle<hyper::Result<()>>), Failure> {
    let unreachable = |why: String| Failure::new(Exit::Unreachable, unreachable(target, &why));
    let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect(&target.authority)).await;
    let stream = connected
        .map_err(|_| unreachable("no connection within 5 s".to_owned()))?
        .map_err(|error| unreachable(error.to_string()))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unreachable(error.to_string()))?;
    let driver = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path_and_query).header(HOST, &target.authority);
    if let Some(token) = &target.token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let request = request
        .body(Full::new(bytes))
        .map_err(|error| Failure::new(Exit::Invalid, format!("this cannot be asked: {error}")))?;
    let response = sender.send_request(request).await.map_err(|error| unreachable(error.to_string()))?;
    Ok((response, driver))
}

fn unreachable(target: &AdminTarget, why: &str) -> String {
    format!(
        "no proxy answers at http://{} ({}): {why}\n  is it running? another address can be given with --admin http://HOST:PORT",
        target.authority, target.origin
    )
}

/// Encodes a value for a query parameter.
pub(super) fn encoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
