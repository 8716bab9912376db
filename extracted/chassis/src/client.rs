//! A small HTTP/1.1 client over one kept-alive connection, for the demonstration's traffic and for tests.
//!
//! It keeps cookies, sends JSON and forms, and follows no redirects. It refuses to repeat a request: what
//! failed is the caller's to judge. Bodies are read whole, up to [`BODY`] bytes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::body::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// The largest body read.
pub const BODY: usize = 4 * 1024 * 1024;
/// The longest a whole exchange may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; `null` when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text, what is not UTF-8 replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's first value; empty when there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The CSRF token of the first form of a page; empty when there is none.
    #[must_use]
    pub fn csrf(&self) -> String {
        let text = self.text();
        let token = text.split_once(r#"name="csrf" value=""#).and_then(|(_, rest)| rest.split_once('"'));
        token.map(|(token, _)| token.to_owned()).unwrap_or_default()
    }
}

/// What a request carries.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'a> {
    /// Nothing.
    Nothing,
    /// JSON with its content type.
    Json(&'a Value),
    /// A form; names and values are encoded here.
    Form(&'a [(&'a str, &'a str)]),
}

/// One client: an address, a connection, its cookies.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    host: String,
    cookies: BTreeMap<String, String>,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// A client of the server at `address`, not connected yet.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, host: address.to_string(), cookies: BTreeMap::new(), connection: None }
    }

    /// GET.
    ///
    /// # Errors
    /// See [`Client::send`].
    pub async fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, &[], Payload::Nothing).await
    }

    /// POST with a JSON body.
    ///
    /// # Errors
    /// See [`Client::send`].
    pub async fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(Method::POST, path, &[], Payload::Json(body)).await
    }

    /// POST with a form.
    ///
    /// # Errors
    /// See [`Client::send`].
    pub async fn form(&mut self, path: &str, fields: &[(&str, &str)]) -> anyhow::Result<Answer> {
        self.send(Method::POST, path, &[], Payload::Form(fields)).await
    }

    /// One exchange, with these headers besides Host, Cookie and Content-Type.
    ///
    /// # Errors
    /// When the server cannot be reached, breaks off, takes longer than ten seconds or sends too much.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        payload: Payload<'_>,
    ) -> anyhow::Result<Answer> {
        let request = self.request(method, path, headers, payload)?;
        let exchange = tokio::time::timeout(PATIENCE, self.exchange(request));
        let answered = exchange.await.unwrap_or_else(|_| bail!("no answer within {PATIENCE:?}"));
        if answered.is_err() {
            self.connection = None;
        }
        let answer = answered.with_context(|| format!("{} {path}", self.address))?;
        for line in answer.headers.get_all(SET_COOKIE) {
            let pair = line.to_str().unwrap_or_default().split(';').next().and_then(|p| p.split_once('='));
            if let Some((name, value)) = pair {
                self.cookies.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
        Ok(answer)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        payload: Payload<'_>,
    ) -> anyhow::Result<Request<Full<Bytes>>> {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header(HOST, &self.host);
        }
        if !self.cookies.is_empty() {
            let cookies: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(COOKIE, cookies.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match payload {
            Payload::Nothing => Bytes::new(),
            Payload::Json(value) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Bytes::from(value.to_string())
            }
            Payload::Form(fields) => {
                request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
                let pairs: Vec<_> = fields
                    .iter()
                    .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
                    .collect();
                Bytes::from(pairs.join("&"))
            }
        };
        request.body(Full::new(body)).context("no valid request")
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        let mut kept = self.connection.take();
        if let Some(sender) = &mut kept
            && sender.ready().await.is_err()
        {
            kept = None;
        }
        let mut sender = match kept {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let answer = sender.send_request(request).await?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, BODY).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("the body broke off: {error}"))?.to_bytes();
        self.connection = Some(sender);
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.address).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends with the connection; its failures show at the sender.
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// `application/x-www-form-urlencoded`: everything but unreserved characters as `%XX`.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
