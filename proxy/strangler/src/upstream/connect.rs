//! Opening a connection to an endpoint.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use strangler_core::snapshot::Scheme;
use tokio::net::{TcpSocket, TcpStream};

use super::EndpointState;

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

/// Opens a connection within `patience`.
///
/// # Errors
///
/// Why there is none.
pub(crate) async fn connect(endpoint: &EndpointState, patience: Duration) -> Result<TcpStream, ConnectError> {
    if endpoint.endpoint.scheme == Scheme::Https {
        return Err(ConnectError::NotBuilt);
    }
    match tokio::time::timeout(patience, connect_one(endpoint.address)).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => Err(ConnectError::TimedOut),
    }
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
