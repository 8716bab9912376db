//! An upgraded connection: bytes in both directions until both ends are done.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::record::Record;
use super::relay::Lease;
use crate::http1::Wire;

/// Bytes buffered per direction.
const BUFFER: usize = 8 * 1024;

/// An upgrade that both sides agreed on.
pub(crate) struct Tunnel {
    lease: Lease,
    record: Record,
}

impl Tunnel {
    pub(crate) fn new(lease: Lease, record: Record) -> Tunnel {
        Tunnel { lease, record }
    }

    /// Copies until both directions ended, or one broke. What was read of either side beyond its head goes first.
    /// An end of one direction is passed on and leaves the other open. Reloads do not touch it.
    pub(crate) async fn run(self, client: Wire) {
        let Tunnel { lease, mut record } = self;
        let Lease { connection, in_flight, .. } = lease;
        let (mut upstream, beyond, _) = connection.wire.into_parts();
        let (mut client, surplus, _) = client.into_parts();
        let outcome = {
            let (from_client, to_client) = client.split();
            let (from_upstream, to_upstream) = upstream.split();
            let up = copy(from_client, to_upstream, &surplus);
            let down = copy(from_upstream, to_client, &beyond);
            tokio::try_join!(up, down)
        };
        match outcome {
            Ok((_, down)) => record.bytes_out = down,
            Err(_broken) => reset_on_close(&client),
        }
        record.complete();
        drop(in_flight);
    }
}

/// Copies until the source ends, and passes the end on. Returns how many bytes went.
async fn copy(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, first: &[u8]) -> std::io::Result<u64> {
    to.write_all(first).await?;
    let mut total = u64::try_from(first.len()).unwrap_or(u64::MAX);
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            to.shutdown().await?;
            return Ok(total);
        }
        to.write_all(buffer.get(..count).unwrap_or_default()).await?;
        total = total.saturating_add(u64::try_from(count).unwrap_or_default());
    }
}

fn reset_on_close(tcp: &TcpStream) {
    // A socket that is already gone cannot be reset and need not be.
    drop(socket2::SockRef::from(tcp).set_linger(Some(std::time::Duration::ZERO)));
}
