//! Clients that have just written: their reads go to the writer for a while (`read_your_writes`).
//!
//! Owns what such a client is remembered by. Refuses the memory itself, which needs a clock: it is an argument.

use std::fmt;

use xxhash_rust::xxh3::Xxh3;

use super::cohort::{self, source_text};
use crate::matching::Reading;
use crate::snapshot::Route;
use crate::snapshot::slice::KeySource;

/// Who has written lately.
pub trait RecentWrites: fmt::Debug {
    /// Whether an unsafe request of this client has succeeded so lately that its reads go to the writer.
    fn covers(&self, client: ClientMark) -> bool;
}

/// One client of one slice: a hash of the slice's name and the client's key, or its address where it has none.
///
/// Two clients with one mark would read from the writer a moment longer than they need to: nothing worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientMark(pub u64);

impl ClientMark {
    /// The mark of a request's client; `None` where neither a key nor an address is known.
    pub(super) fn of(reading: &Reading<'_>, route: &Route, slice: &str) -> Option<ClientMark> {
        if let Some(key) = cohort::key(reading, &route.pattern, &route.policy.cohort_by) {
            return Some(ClientMark::keyed(slice, key.source, &key.value));
        }
        let address = reading.view.client_ip?.to_canonical().to_string();
        Some(ClientMark::keyed(slice, &KeySource::ClientIp, &address))
    }

    /// The mark of a client whose key is this.
    pub fn keyed(slice: &str, source: &KeySource, value: &str) -> ClientMark {
        let mut hasher = Xxh3::new();
        for part in [slice, &source_text(source), value] {
            hasher.update(part.as_bytes());
            hasher.update(b"\0");
        }
        ClientMark(hasher.digest())
    }
}
