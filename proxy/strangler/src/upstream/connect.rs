//! Opening a connection to an endpoint: names, addresses, time.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use strangler_core::snapshot::Scheme;
use tokio::net::{TcpSocket, TcpStream};

use super::EndpointState;

/// A name is asked for again after this long, so that headless services scale without a reload.
const NAME_AGE: Duration = Duration::from_secs(10);

/// Names remembered per thread; more are asked for every time.
const MAX_NAMES: usize = 4096;

/// Why there is no connection. No byte of a request was sent in any of these cases.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// Nobody listens.
    #[error("connection refused")]
    Refused,
    /// `timeouts.connect` passed.
    #[error("connecting took too long")]
    TimedOut,
    /// No route to the address.
    #[error("destination unreachable")]
    Unreachable,
    /// The name has no address.
    #[error("the name cannot be resolved: {0}")]
    Unresolved(io::Error),
    /// This process cannot open another socket.
    #[error("no socket: {0}")]
    Exhausted(io::Error),
    /// The endpoint asks for something this version does not speak.
    #[error("https:// endpoints are not built yet")]
    NotBuilt,
    /// Anything else.
    #[error("connecting failed: {0}")]
    Failed(io::Error),
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> ConnectError {
        /// `EMFILE`, `ENFILE`, `EADDRNOTAVAIL`, `ENOBUFS` and `ENOMEM` of Linux.
        const EXHAUSTED: [i32; 5] = [24, 23, 99, 105, 12];
        match error.kind() {
            io::ErrorKind::ConnectionRefused => ConnectError::Refused,
            io::ErrorKind::TimedOut => ConnectError::TimedOut,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => ConnectError::Unreachable,
            _ if error.raw_os_error().is_some_and(|code| EXHAUSTED.contains(&code)) => {
                ConnectError::Exhausted(error)
            }
            _ => ConnectError::Failed(error),
        }
    }
}

/// Names that one thread has asked for.
#[derive(Debug, Default)]
pub(crate) struct Resolver {
    known: RefCell<HashMap<String, (Vec<IpAddr>, Instant)>>,
}

impl Resolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let now = Instant::now();
        if let Some((addresses, asked)) = self.known.borrow().get(host)
            && now.duration_since(*asked) < NAME_AGE
        {
            return Ok(addresses.clone());
        }
        let addresses: Vec<IpAddr> =
            tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect();
        if addresses.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut known = self.known.borrow_mut();
        if known.len() < MAX_NAMES || known.contains_key(host) {
            known.insert(host.to_owned(), (addresses.clone(), now));
        }
        Ok(addresses)
    }
}

/// Opens a connection within `patience`, trying each address of a name in turn.
///
/// # Errors
///
/// Why there is none; of several addresses, the last one's reason.
pub(crate) async fn connect(
    endpoint: &Arc<EndpointState>,
    resolver: &Resolver,
    patience: Duration,
) -> Result<TcpStream, ConnectError> {
    if endpoint.endpoint.scheme == Scheme::Https {
        return Err(ConnectError::NotBuilt);
    }
    match tokio::time::timeout(patience, connect_any(endpoint, resolver)).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => Err(ConnectError::TimedOut),
    }
}

async fn connect_any(endpoint: &Arc<EndpointState>, resolver: &Resolver) -> Result<TcpStream, ConnectError> {
    let port = endpoint.endpoint.port;
    if let Some(address) = endpoint.address {
        return connect_one(SocketAddr::new(address, port)).await;
    }
    let addresses = resolver.resolve(&endpoint.endpoint.host).await.map_err(ConnectError::Unresolved)?;
    let mut last = ConnectError::Refused;
    for address in addresses {
        match connect_one(SocketAddr::new(address, port)).await {
            Ok(tcp) => return Ok(tcp),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn connect_one(address: SocketAddr) -> Result<TcpStream, ConnectError> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_nodelay(true)?;
    let tcp = socket.connect(address).await?;
    // A client port of this machine can meet itself when nobody listens on it (RFC 9293, simultaneous open).
    if address.ip().is_loopback() && tcp.local_addr()? == address {
        return Err(ConnectError::Refused);
    }
    Ok(tcp)
}
