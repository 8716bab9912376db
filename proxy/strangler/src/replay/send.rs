//! Sending one recorded request to one side, and what came back, broken or whole.
//!
//! Owns the connection to a side and what it may cost: time and bytes. Refuses to judge the answer. Sends a
//! request a second time only where a kept connection turned out to be closed before any byte of an answer,
//! and only if the request is safe.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use strangler_core::compare::{End, FieldLines, Reply, Transport};
use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};

use crate::http1::{ResponseHead, Version as Http};

/// A connection must stand by then.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Tries to connect before a side counts as gone, and the pause between them: it may be restarting.
const CONNECT_ATTEMPTS: u32 = 10;
const CONNECT_PAUSE: Duration = Duration::from_millis(200);

/// Bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 256 * 1024;

/// One side of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    /// As given.
    pub(crate) url: String,
    authority: String,
    /// Put in front of every target; without a slash at the end.
    prefix: String,
    timeout: Duration,
    body_max: usize,
}

/// A side that is not there: nothing can be said about it.
#[derive(Debug, thiserror::Error)]
#[error("{url} cannot be reached: {why}")]
pub(crate) struct Unreachable {
    pub(crate) url: String,
    pub(crate) why: String,
}

/// A request as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: String,
    /// `None`: the side's own.
    pub(super) host: Option<HeaderValue>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// What came back.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) reply: Reply,
    /// From the first byte sent to the last one received.
    pub(super) latency: Duration,
}

impl Side {
    /// A side by its URL.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL.
    pub(crate) fn parse(url: &str, timeout: Duration, body_max: usize) -> Result<Side, String> {
        if url.starts_with("https://") {
            return Err("replay speaks plain HTTP: give an http:// address".to_owned());
        }
        let uri: Uri = url.parse().map_err(|_| "this is no URL".to_owned())?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"));
        let authority = authority.ok_or("write http://HOST:PORT")?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err("write http://HOST:PORT, or that with a path".to_owned());
        }
        let port = authority.port_u16().unwrap_or(80);
        Ok(Side {
            url: url.to_owned(),
            authority: format!("{}:{port}", authority.host()),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            timeout,
            body_max,
        })
    }

    /// The origins under which this side may speak of itself, as `http://host:port`.
    pub(crate) fn origins(&self) -> Vec<String> {
        let authority = self.authority.to_ascii_lowercase();
        let short = authority.strip_suffix(":80").map(|host| format!("http://{host}"));
        std::iter::once(format!("http://{authority}")).chain(short).collect()
    }

    /// Whether somebody takes connections; a side that is starting is waited for a little.
    pub(crate) async fn probe(&self) -> Result<(), Unreachable> {
        self.connect().await.map(drop)
    }

    async fn connect(&self) -> Result<TcpStream, Unreachable> {
        let mut why = String::new();
        for attempt in 0..CONNECT_ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(CONNECT_PAUSE).await;
            }
            match timeout(CONNECT_TIMEOUT, TcpStream::connect(&self.authority)).await {
                Ok(Ok(stream)) => {
                    // A small request must not wait for the answer to the one before.
                    drop(stream.set_nodelay(true));
                    return Ok(stream);
                }
                Ok(Err(error)) => why = error.to_string(),
                Err(_) => {
                    why = "no connection within 5 s".to_owned();
                    break;
                }
            }
        }
        Err(Unreachable { url: self.url.clone(), why })
    }
}

/// A connection to a side, opened when it is first needed and again after it broke.
#[derive(Debug)]
pub(super) struct Lane<'a> {
    side: &'a Side,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// How an attempt ended without a head.
enum Broken {
    /// The connection was used before and ended before any byte of an answer.
    Stale,
    Because(Transport),
}

impl<'a> Lane<'a> {
    pub(super) fn new(side: &'a Side) -> Lane<'a> {
        Lane { side, sender: None }
    }

    /// Sends a request and takes the whole answer, up to the side's limits.
    pub(super) async fn exchange(&mut self, outgoing: &Outgoing) -> Result<Answer, Unreachable> {
        let started = Instant::now();
        let may_repeat = outgoing.method.is_safe();
        let mut head = self.head(outgoing).await?;
        if matches!(head, Err(Broken::Stale)) && may_repeat {
            self.sender = None;
            head = self.head(outgoing).await?;
        }
        let reply = match head {
            Ok(response) => self.whole(response).await,
            Err(broken) => {
                self.sender = None;
                let transport = match broken {
                    Broken::Stale => Transport::Reset,
                    Broken::Because(transport) => transport,
                };
                Reply {
                    end: End::Failed(transport),
                    status: 0,
                    headers: FieldLines::default(),
                    body: Bytes::new(),
                }
            }
        };
        Ok(Answer { reply, latency: started.elapsed() })
    }

    async fn head(&mut self, outgoing: &Outgoing) -> Result<Result<Response<Incoming>, Broken>, Unreachable> {
        let is_kept = self.sender.as_ref().is_some_and(|sender| !sender.is_closed());
        if !is_kept {
            let stream = self.side.connect().await?;
            let handshake =
                http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).handshake(TokioIo::new(stream));
            let Ok((sender, connection)) = handshake.await else {
                return Ok(Err(Broken::Because(Transport::Reset)));
            };
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        let Some(sender) = &mut self.sender else { return Ok(Err(Broken::Because(Transport::Reset))) };
        if sender.ready().await.is_err() {
            return Ok(Err(if is_kept { Broken::Stale } else { Broken::Because(Transport::Reset) }));
        }
        let Some(request) = built(self.side, outgoing) else {
            return Ok(Err(Broken::Because(Transport::Malformed)));
        };
        Ok(match timeout(self.side.timeout, sender.send_request(request)).await {
            Ok(Ok(response)) if is_malformed(&outgoing.method, &response) => {
                Err(Broken::Because(Transport::Malformed))
            }
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if is_kept && (error.is_incomplete_message() || error.is_canceled()) => {
                Err(Broken::Stale)
            }
            Ok(Err(error)) if error.is_parse() => Err(Broken::Because(Transport::Malformed)),
            Ok(Err(_)) => Err(Broken::Because(Transport::Reset)),
            Err(_) => Err(Broken::Because(Transport::Timeout)),
        })
    }

    async fn whole(&mut self, response: Response<Incoming>) -> Reply {
        let (head, mut incoming) = response.into_parts();
        let mut body = BytesMut::new();
        let deadline = tokio::time::Instant::now() + self.side.timeout;
        let end = loop {
            match timeout_at(deadline, incoming.frame()).await {
                Ok(None) => break End::Complete,
                Ok(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    if body.len() + data.len() > self.side.body_max {
                        break End::TooLarge;
                    }
                    body.extend_from_slice(&data);
                }
                Ok(Some(Err(_))) | Err(_) => break End::Truncated,
            }
        };
        if end != End::Complete {
            // The rest must not be taken for the next answer.
            self.sender = None;
        }
        let headers = head.headers.iter().collect();
        Reply { end, status: head.status.as_u16(), headers, body: body.freeze() }
    }
}

/// Whether the proxy would refuse the head of an answer that this client reads in one way of several: its clients
/// would get 502.
fn is_malformed<T>(method: &Method, response: &Response<T>) -> bool {
    let status = response.status().as_u16();
    let version = if response.version() == Version::HTTP_10 { Http::Http10 } else { Http::Http11 };
    let mut head = ResponseHead { status, version, ..ResponseHead::default() };
    for (name, value) in response.headers() {
        head.fields.append(name.as_str().as_bytes(), value.as_bytes());
    }
    !(200..=599).contains(&status) || head.framing(method).is_err()
}

fn built(side: &Side, outgoing: &Outgoing) -> Option<Request<Full<Bytes>>> {
    let uri: Uri = format!("{}{}", side.prefix, outgoing.target).parse().ok()?;
    let mut request = Request::new(Full::new(outgoing.body.clone()));
    *request.method_mut() = outgoing.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = outgoing.headers.clone();
    let host = outgoing.host.clone().or_else(|| HeaderValue::from_str(&side.authority).ok())?;
    request.headers_mut().insert(HOST, host);
    if !outgoing.body.is_empty() {
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(outgoing.body.len()));
    }
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_written() {
        let parse = |url: &str| Side::parse(url, Duration::from_secs(1), 10);
        for (url, authority, prefix) in [
            ("http://127.0.0.1:8002", "127.0.0.1:8002", ""),
            ("http://127.0.0.1:8002/", "127.0.0.1:8002", ""),
            ("http://shop.example/base/", "shop.example:80", "/base"),
            ("http://[::1]:9", "[::1]:9", ""),
        ] {
            let side = parse(url).unwrap();
            assert_eq!((&*side.authority, &*side.prefix), (authority, prefix), "{url}");
        }
        for url in ["https://a", "a:1", "127.0.0.1:8002", "/a", "http://u@a/", "http://a/?x=1", "", "http://"]
        {
            assert!(parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn what_the_proxy_would_refuse_is_no_answer() {
        let check = |status: u16, lines: &[(&str, &str)], wanted: bool| {
            let mut response = Response::builder().status(status);
            for (name, value) in lines {
                response = response.header(*name, *value);
            }
            assert_eq!(is_malformed(&Method::GET, &response.body(()).unwrap()), wanted, "{status} {lines:?}");
        };
        let (length, chunked) = (("content-length", "7"), ("transfer-encoding", "chunked"));
        check(200, &[length], false);
        check(200, &[chunked], false);
        check(200, &[length, length], false);
        check(204, &[], false);
        check(599, &[], false);
        check(200, &[length, chunked], true);
        check(200, &[("transfer-encoding", "gzip, chunked")], true);
        check(200, &[("transfer-encoding", "gzip"), chunked], true);
        check(101, &[], true);
        check(600, &[], true);
        check(999, &[length], true);
    }

    #[test]
    fn a_default_port_may_be_left_out_of_an_origin() {
        let side = Side::parse("http://Shop.example", Duration::from_secs(1), 10).unwrap();
        assert_eq!(side.origins(), ["http://shop.example:80", "http://shop.example"]);
    }
}
