//! The public listeners: data threads, client connections, limits, drain.
//!
//! Owns threads, sockets of clients and their lifetimes. Refuses what is inside a request (see
//! [`crate::forward`]) and when to stop (the caller says so).

mod connection;
mod listener;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};

use crate::forward::recent_writes::Table;
use crate::live::Live;
use crate::shadow::Entry;
use crate::telemetry::Telemetry;
use worker::{Stage, WorkerSetup};

/// How long cut connections may take to go.
const CUT_PATIENCE: Duration = Duration::from_secs(2);

/// Running data threads. Dropping it without [`Server::drain`] cuts every connection.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    stage: watch::Sender<Stage>,
    /// Each thread's number of cut connections, when it has ended.
    ended: Vec<oneshot::Receiver<u64>>,
}

impl Server {
    /// Binds every address and starts the data threads (`workers` 0: one per core). `copies`: where requests are
    /// copied to; nothing is copied where there is none.
    ///
    /// # Errors
    ///
    /// When an address cannot be bound or a thread cannot be started.
    pub fn start(
        listen: &[SocketAddr],
        workers: usize,
        live: &Arc<Live>,
        telemetry: &Arc<Telemetry>,
        copies: Option<&Entry>,
    ) -> io::Result<Server> {
        let workers = match workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        };
        let (addresses, sockets) = listener::bind(listen, workers)?;
        let (stage, watcher) = watch::channel(Stage::Serving);
        let open = Arc::new(AtomicU64::new(0));
        // This process's name in `Via`, so that a loop is told from a chain of proxies.
        let name: Arc<str> = Arc::from(format!("strangler-{:08x}", fastrand::u32(..)));
        let wanted = Arc::new(Notify::new());
        let recent = Arc::new(Table::new());
        let mut ended = Vec::with_capacity(workers);
        for (index, listeners) in sockets.into_iter().enumerate() {
            let (sender, receiver) = oneshot::channel();
            ended.push(receiver);
            worker::spawn(
                WorkerSetup {
                    index,
                    listeners,
                    live: Arc::clone(live),
                    telemetry: Arc::clone(telemetry),
                    copies: copies.cloned(),
                    open: Arc::clone(&open),
                    name: Arc::clone(&name),
                    wanted: Arc::clone(&wanted),
                    recent: Arc::clone(&recent),
                    stage: watcher.clone(),
                },
                sender,
            )?;
        }
        Ok(Server { addresses, stage, ended })
    }

    /// The addresses as bound: port 0 is replaced by the port that was given.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops accepting, lets requests in flight finish within `grace`, then cuts what is left.
    /// Returns how many connections were cut.
    pub async fn drain(self, grace: Duration) -> u64 {
        self.stage.send_replace(Stage::Draining);
        let stage = self.stage;
        let mut ended = Box::pin(async move {
            let mut cut = 0;
            for thread in self.ended {
                cut += thread.await.unwrap_or_default();
            }
            cut
        });
        if let Ok(cut) = tokio::time::timeout(grace, &mut ended).await {
            return cut;
        }
        stage.send_replace(Stage::Cut);
        tokio::time::timeout(CUT_PATIENCE, ended).await.unwrap_or_default()
    }
}
