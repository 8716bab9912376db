//! An upgraded connection: bytes in both directions until both ends are done.

use bytes::Bytes;
use tokio::io::AsyncWriteExt;

use super::body::Lease;
use super::record::Record;
use crate::upstream::stream::Stream;

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

    /// Copies until both directions ended, or one broke. `surplus` is what was read of the client beyond its
    /// request. An end of one direction is passed on and leaves the other open. Reloads do not touch it.
    pub(crate) async fn run(self, client: Stream, surplus: Bytes) {
        let Tunnel { lease, mut record } = self;
        let Lease { connection, in_flight, .. } = lease;
        let before = client.sent();
        let (upstream, beyond) = connection.into_upgraded().await;
        let outcome = copy(client.clone(), surplus, upstream, beyond).await;
        if outcome.is_err() {
            client.reset_on_close();
        }
        record.bytes_out.set(client.sent().saturating_sub(before));
        record.complete();
        drop(in_flight);
    }
}

async fn copy(
    mut client: Stream,
    surplus: Bytes,
    mut upstream: Stream,
    beyond: Bytes,
) -> std::io::Result<()> {
    upstream.write_all(&surplus).await?;
    client.write_all(&beyond).await?;
    tokio::io::copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER).await?;
    Ok(())
}
