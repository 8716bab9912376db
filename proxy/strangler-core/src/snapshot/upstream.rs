//! `[upstreams.*]`, compiled.

use std::path::PathBuf;
use std::time::Duration;

use crate::words::Share;

/// A named service.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Its name; an upstream written as a bare URL is named by that URL.
    pub name: String,
    /// Its addresses; never empty.
    pub endpoints: Vec<Endpoint>,
    /// What is spoken to it.
    pub protocol: Protocol,
    /// How an endpoint is chosen.
    pub balance: Balance,
    /// What `Host` it is sent.
    pub host: HostPolicy,
    /// Limits of waiting.
    pub timeouts: Timeouts,
    /// An idle connection is used no longer than this, less if the upstream says so.
    pub pool_idle: Duration,
    /// Connections per endpoint over all threads; 0: no limit.
    pub max_connections: u32,
    /// Requests in flight; over: 503 with `Retry-After`.
    pub max_in_flight: u32,
    /// Extra tries, where nothing can have been executed.
    pub retry_attempts: u32,
    /// Retries as a share of requests.
    pub retry_budget: Share,
    /// Active checks; `None`: none.
    pub health: Option<HealthCheck>,
    /// When the upstream is left alone for a while; `None`: never.
    pub breaker: Option<Breaker>,
    /// What is different from the system's TLS settings.
    pub tls: Option<UpstreamTls>,
}

/// `health`: asking endpoints whether they are well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// The path that is asked for.
    pub path: String,
    /// From one question to the next.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Good answers in a row that make an endpoint well.
    pub healthy: u32,
    /// Bad answers in a row that make it unwell.
    pub unhealthy: u32,
}

/// `breaker`: leaving a failing upstream alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Share of failed requests in the window at which it opens.
    pub error_rate: Share,
    /// Requests in the window below which it stays closed.
    pub min_requests: u32,
    /// How far back it looks.
    pub window: Duration,
    /// How long it stays open before a probe.
    pub open: Duration,
}

/// `tls` of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTls {
    /// Certificates that are trusted instead of the system's.
    pub ca: Option<PathBuf>,
    /// The certificate and key the proxy shows.
    pub client: Option<Certificate>,
    /// The name that must be on the upstream's certificate.
    pub server_name: Option<String>,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// PEM file of the certificate chain.
    pub cert: PathBuf,
    /// PEM file of the private key.
    pub key: PathBuf,
}

/// One address of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Name or IP literal (IPv6 without brackets), lower case.
    pub host: String,
    /// Port; the scheme's default where the URL has none.
    pub port: u16,
    /// Relative share of requests; at least 1.
    pub weight: u32,
}

impl Endpoint {
    /// `host[:port]` as a `Host` header would carry it: no default port, IPv6 in brackets.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }

    /// `scheme://host[:port]`, no default port.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme.as_str(), self.authority())
    }
}

/// Scheme of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain TCP.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// 80 or 443.
    pub const fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// `protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: prior knowledge on `http://`, ALPN on `https://`.
    Http2,
    /// By ALPN.
    Auto,
}

/// `balance`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// Power of two choices on requests in flight.
    LeastRequests,
    /// In turn.
    RoundRobin,
}

/// `host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPolicy {
    /// What the client sent.
    Preserve,
    /// The endpoint's own authority.
    Endpoint,
    /// This name.
    Literal(String),
}

impl Upstream {
    /// Origins (`scheme://host[:port]`, lower case) by which the service behind may speak of itself: its endpoints,
    /// and the names it is asked by: a literal `host`, and `rewritten`, the route's own `rewrite.host`.
    pub fn origins(&self, rewritten: Option<&str>) -> Vec<String> {
        let literal = match &self.host {
            HostPolicy::Literal(name) => Some(name.as_str()),
            HostPolicy::Preserve | HostPolicy::Endpoint => None,
        };
        let names: Vec<&str> =
            [literal, rewritten].into_iter().flatten().filter(|name| !name.is_empty()).collect();
        let mut origins = Vec::with_capacity(self.endpoints.len() * (1 + 2 * names.len()));
        for endpoint in &self.endpoints {
            origins.push(endpoint.origin().to_ascii_lowercase());
            for name in &names {
                let named = format!("{}://{}", endpoint.scheme.as_str(), name.to_ascii_lowercase());
                // A service that is asked by a name may well add the port that it listens on.
                let with_port = format!("{named}:{}", endpoint.port);
                origins.extend([named, with_port]);
            }
        }
        origins
    }
}

/// `timeouts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands.
    pub connect: Duration,
    /// Until response headers.
    pub response: Duration,
    /// Between two pieces of a response body.
    pub idle: Duration,
}
