//! `[server]` and `[limits]`, compiled.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::upstream::Certificate;
use crate::words::Strictness;

/// `[server]`. Fields marked *static* take effect only at a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// *Static.* Addresses of the public listener.
    pub listen: Vec<SocketAddr>,
    /// *Static.* Address of the admin listener.
    pub admin: SocketAddr,
    /// *Static.* Where evidence, retreats, history and the last good configuration are kept.
    pub data_dir: DataDir,
    /// *Static.* Data threads; 0: one per core.
    pub workers: usize,
    /// Peers whose `X-Forwarded-*` are believed.
    pub trusted_proxies: TrustedProxies,
    /// Origins by which clients know this site, `scheme://host[:port]`, lower case, no default port.
    pub public_url: Vec<String>,
    /// Extra names the admin listener answers to, lower case.
    pub admin_hosts: Vec<String>,
    /// File that holds the admin token.
    pub admin_token_file: Option<PathBuf>,
    /// Where the access log goes.
    pub access_log: AccessLog,
    /// Filter of the program's own log, such as `info`.
    pub log: String,
    /// Whether files are watched; otherwise only SIGHUP and POST reload.
    pub watch: bool,
    /// After SIGTERM, before listeners close.
    pub drain_delay: Duration,
    /// How long in-flight requests may take to finish after listeners closed.
    pub shutdown_grace: Duration,
    /// Whether `x-request-id` and `traceparent` are made where a client sent none.
    pub request_id: bool,
    /// Certificate of the public listener; `None`: plain HTTP.
    pub tls: Option<Certificate>,
}

/// `server.data_dir`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataDir {
    /// Nothing is kept.
    Memory,
    /// A directory.
    Path(PathBuf),
}

/// `server.access_log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// JSON lines on standard output.
    Stdout,
    /// None.
    Off,
    /// JSON lines appended to a file, reopened on SIGUSR1.
    File(PathBuf),
}

/// `server.trusted_proxies`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Networks whose peers are believed.
    pub networks: Vec<ipnet::IpNet>,
}

impl TrustedProxies {
    /// Whether a peer's forwarding headers are believed. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.networks.iter().any(|network| network.contains(&peer))
    }
}

/// `[limits]`: what the proxy takes from clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request head's header section; over: 431.
    pub header_bytes: u64,
    /// Number of header lines; over: 431.
    pub headers: u32,
    /// Bytes of a request target; over: 414.
    pub target_bytes: u64,
    /// Bytes of a request body; `None`: unlimited; over: 413.
    pub body: Option<u64>,
    /// Client connections over all threads; accepting pauses above it.
    pub connections: u64,
    /// Time a request head may take.
    pub header_timeout: Duration,
    /// Time between two pieces of a request body.
    pub body_timeout: Duration,
    /// Bytes per second a request body must average over 10 s; `None`: off.
    pub body_rate: Option<u64>,
    /// Client keep-alive.
    pub idle_timeout: Duration,
    /// What happens to ambiguous paths.
    pub strictness: Strictness,
}
