//! The requests that ended last, for whoever asks about one (`find`) and for the inventory of routes.
//!
//! Each data thread writes into a ring of its own, over the oldest. Invariant: it never waits; while somebody reads the
//! ring, a request is left out and counted. What is in a ring is as it came, lives in memory only, and is redacted by
//! those who read it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::AccessRecord;

/// Requests of one thread.
const RING: usize = 4096;

/// Longer ids, hosts and names are cut.
const NAME_BYTES_MAX: usize = 128;

/// Longer paths are cut.
const PATH_BYTES_MAX: usize = 512;

/// A request that has ended. Empty texts: none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ended {
    /// When its head had been read.
    pub time: Timestamp,
    /// `x-request-id`.
    pub request_id: String,
    /// The client's address, as believed.
    pub client: Option<IpAddr>,
    /// As sent.
    pub method: String,
    /// As routed on.
    pub host: String,
    /// As sent, without the query; **not redacted**.
    pub path: String,
    /// As the client got it.
    pub status: u16,
    /// The route that won.
    pub route: String,
    /// Its slice.
    pub slice: String,
    /// Effective phase.
    pub phase: &'static str,
    /// `legacy`, `extracted` or `proxy`.
    pub owner: &'static str,
    /// `read` or `write`.
    pub effect: &'static str,
    /// The client's bucket.
    pub bucket: Option<u16>,
    /// The configuration's number.
    pub generation: u64,
    /// Upstream that answered.
    pub upstream: String,
    /// `host:port` that answered.
    pub endpoint: String,
    /// Milliseconds from the request's head to the answer's last byte.
    pub duration_ms: f64,
    /// Extra tries.
    pub retries: u32,
    /// Why the other side answered.
    pub fallback: String,
    /// Id of the copy.
    pub shadow_id: String,
    /// How the request differs from a route it nearly matches.
    pub near_miss: &'static str,
    /// What went wrong.
    pub error: String,
}

impl Ended {
    fn set(&mut self, record: &AccessRecord<'_>) {
        // No `..`: a new field must be thought about here.
        let AccessRecord {
            time,
            request_id,
            client,
            method,
            host,
            path,
            status,
            route,
            slice,
            phase,
            owner,
            effect,
            bucket,
            generation,
            upstream,
            endpoint,
            bytes_in: _,
            bytes_out: _,
            duration_ms,
            upstream_ms: _,
            retries,
            fallback,
            shadow_id,
            near_miss,
            error,
        } = *record;
        let texts = [
            (&mut self.request_id, request_id),
            (&mut self.method, method),
            (&mut self.host, host),
            (&mut self.route, route.unwrap_or_default()),
            (&mut self.slice, slice.unwrap_or_default()),
            (&mut self.upstream, upstream.unwrap_or_default()),
            (&mut self.endpoint, endpoint.unwrap_or_default()),
            (&mut self.fallback, fallback.unwrap_or_default()),
            (&mut self.shadow_id, shadow_id.unwrap_or_default()),
            (&mut self.error, error.unwrap_or_default()),
        ];
        for (mine, text) in texts {
            copy(mine, text, NAME_BYTES_MAX);
        }
        copy(&mut self.path, path, PATH_BYTES_MAX);
        self.time = time;
        self.client = client;
        self.status = status;
        self.phase = phase.unwrap_or_default();
        self.owner = owner;
        self.effect = effect;
        self.bucket = bucket;
        self.generation = generation;
        self.duration_ms = duration_ms;
        self.retries = retries;
        self.near_miss = near_miss.unwrap_or_default();
    }
}

/// Copies into what is there already: a ring that has gone round allocates nothing.
fn copy(mine: &mut String, text: &str, bytes_max: usize) {
    mine.clear();
    let mut cut = text.len().min(bytes_max);
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    mine.push_str(text.get(..cut).unwrap_or_default());
}

#[derive(Debug, Default)]
struct Slots {
    slots: Vec<Ended>,
    /// Requests written since the start; the next one's place is this modulo [`RING`].
    written: u64,
    /// Of those, how many a sample has seen or passed.
    sampled: u64,
}

/// The last requests of one thread.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Ring {
    slots: Mutex<Slots>,
    /// Requests left out because somebody was reading.
    missed: AtomicU64,
}

impl Ring {
    pub(super) fn write(&self, record: &AccessRecord<'_>) {
        let Ok(mut slots) = self.slots.try_lock() else {
            self.missed.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let at = place(slots.written);
        if at == slots.slots.len() {
            slots.slots.push(Ended::default());
        }
        if let Some(slot) = slots.slots.get_mut(at) {
            slot.set(record);
        }
        slots.written += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number % RING as u64).unwrap_or(0)
}

/// All rings.
#[derive(Debug, Default)]
pub struct Feed {
    rings: Mutex<Vec<Arc<Ring>>>,
}

impl Feed {
    pub(super) fn ring(&self) -> Arc<Ring> {
        let ring = Arc::new(Ring::default());
        self.lock().push(Arc::clone(&ring));
        ring
    }

    /// The requests with this id that are still in a ring, and those that a copy with it was made of; oldest first.
    pub fn find(&self, id: &str) -> Vec<Ended> {
        let is_it = |ended: &&Ended| !id.is_empty() && (ended.request_id == id || ended.shadow_id == id);
        let mut found: Vec<Ended> = self
            .lock()
            .iter()
            .flat_map(|ring| ring.lock().slots.iter().filter(is_it).cloned().collect::<Vec<_>>())
            .collect();
        found.sort_by_key(|ended| ended.time);
        found
    }

    /// The requests that are still in a ring and ended no earlier than `since`, oldest first.
    pub fn since(&self, since: Timestamp) -> Vec<Ended> {
        let mut all = Vec::new();
        for ring in self.lock().iter() {
            // One at a time: while one is read, its thread's requests are left out.
            all.extend(ring.lock().slots.iter().filter(|ended| ended.time >= since).cloned());
        }
        all.sort_by_key(|ended: &Ended| ended.time);
        all
    }

    /// Requests that are in a ring, over all threads.
    pub fn len(&self) -> usize {
        self.lock().iter().map(|ring| ring.lock().slots.len()).sum()
    }

    /// Whether no request has ended yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Requests left out because a ring was being read.
    pub fn missed(&self) -> u64 {
        self.lock().iter().map(|ring| ring.missed.load(Ordering::Relaxed)).sum()
    }

    /// At most `max` requests of each thread that ended since the last call, evenly spread, each with the number of
    /// requests it stands for.
    pub fn sample(&self, max: usize) -> Vec<(Ended, u64)> {
        let mut sample = Vec::new();
        for ring in self.lock().iter() {
            let mut slots = ring.lock();
            let ended = slots.written - slots.sampled;
            let there = ended.min(slots.slots.len() as u64);
            let wanted = there.min(max as u64);
            for index in 0..wanted {
                // Where the index-th of `wanted` parts of those that are there ends, and of those that ended.
                let part = |whole: u64, index: u64| whole * index / wanted;
                let number = slots.written - there + part(there, index + 1) - 1;
                let stands_for = part(ended, index + 1) - part(ended, index);
                if let Some(slot) = slots.slots.get(place(number)) {
                    sample.push((slot.clone(), stands_for));
                }
            }
            slots.sampled = slots.written;
        }
        sample
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Ring>>> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(ring: &Ring, from: usize, count: usize) {
        for number in from..from + count {
            let id = format!("r-{number}");
            ring.write(&AccessRecord {
                request_id: &id,
                path: "/a",
                owner: "legacy",
                ..AccessRecord::default()
            });
        }
    }

    #[test]
    fn the_last_requests_are_found_and_older_ones_are_forgotten() {
        let feed = Feed::default();
        let (one, other) = (feed.ring(), feed.ring());
        write(&one, 0, RING + 10);
        write(&other, 90_000, 3);
        assert_eq!(feed.find("r-9").len(), 0);
        assert_eq!(feed.find("r-10").len(), 1);
        assert_eq!(feed.find(&format!("r-{}", RING + 9)).len(), 1);
        assert_eq!(feed.find("r-90001").len(), 1);
        assert_eq!(feed.find("").len(), 0);
        assert_eq!(feed.len(), RING + 3);
    }

    #[test]
    fn a_sample_stands_for_every_request() {
        let feed = Feed::default();
        let ring = feed.ring();
        for (count, max, wanted) in
            [(7, 100, 7), (1000, 100, 100), (RING * 3, 100, 100), (0, 100, 0), (5, 2, 2)]
        {
            write(&ring, 0, count);
            let sample = feed.sample(max);
            assert_eq!(sample.len(), wanted, "{count}");
            assert_eq!(sample.iter().map(|(_, stands_for)| stands_for).sum::<u64>(), count as u64);
            let ids: std::collections::BTreeSet<&str> =
                sample.iter().map(|(ended, _)| &*ended.request_id).collect();
            assert_eq!(ids.len(), wanted, "each is another request");
        }
    }

    #[test]
    fn a_reader_makes_no_request_wait() {
        let feed = Feed::default();
        let ring = feed.ring();
        let reading = ring.lock();
        write(&ring, 0, 3);
        drop(reading);
        write(&ring, 3, 1);
        assert_eq!((feed.missed(), feed.len()), (3, 1));
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        let feed = Feed::default();
        let long = "ä".repeat(1000);
        feed.ring().write(&AccessRecord {
            request_id: "x",
            path: &long,
            host: &long,
            ..AccessRecord::default()
        });
        let found = feed.find("x").remove(0);
        assert_eq!((found.path.len(), found.host.len()), (PATH_BYTES_MAX, NAME_BYTES_MAX));
    }
}
