//! Which clients have just written: what `read_your_writes` asks.
//!
//! One table for all data threads, of a fixed size and without a lock. Clients whose time is over make room; beyond that
//! the one whose time ends first does, and is counted. It outlives configurations. Refuses certainty the other way
//! round: two clients may look alike, and one of them then reads from the writer a moment longer than it needs to.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use strangler_core::routing::recent::{ClientMark, RecentWrites};

/// Sets of the table; a client has its place in one of them.
const SETS: usize = 4096;

/// Clients of one set: a cache line's worth.
const PLACES: usize = 8;

/// Of an entry, the bits that are its time: milliseconds of 34 years. The others tell clients of one set apart.
const TIME_BITS: u32 = 40;

/// How often a place that others take at the same moment is looked for.
const TRIES: u32 = 8;

/// One set; 0 is an empty place.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Set([AtomicU64; PLACES]);

/// The table.
#[derive(Debug)]
pub(crate) struct Table {
    /// Made when the first client is remembered.
    sets: OnceLock<Box<[Set]>>,
    began: Instant,
}

/// Whether another client had to give way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noted {
    Free,
    Evicted,
}

/// The table at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    table: &'a Table,
    now: Instant,
}

impl Table {
    /// An empty table, which takes no memory until somebody is remembered.
    pub(crate) fn new() -> Table {
        Table { sets: OnceLock::new(), began: Instant::now() }
    }

    /// The table as it is at this moment.
    pub(crate) fn at(&self, now: Instant) -> At<'_> {
        At { table: self, now }
    }

    /// Remembers a client until a moment.
    pub(crate) fn note(&self, client: ClientMark, now: Instant, lasting: Duration) -> Noted {
        let sets = self.sets.get_or_init(|| std::iter::repeat_with(Set::default).take(SETS).collect());
        let Some(set) = sets.get(set_of(client)) else { return Noted::Free };
        let (now, until) = (self.millis(now), self.millis(now + lasting));
        let entry = tag_of(client) | until;
        for _ in 0..TRIES {
            let Some((place, found)) = set.place_for(client, now) else { return Noted::Free };
            if tag(found) == tag_of(client) && time(found) >= until {
                return Noted::Free;
            }
            let is_other = tag(found) != tag_of(client) && time(found) > now;
            let noted = if is_other { Noted::Evicted } else { Noted::Free };
            if place.compare_exchange(found, entry, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return noted;
            }
        }
        // Everybody writes at once: somebody is forgotten.
        Noted::Evicted
    }

    fn covers(&self, client: ClientMark, now: Instant) -> bool {
        let Some(set) = self.sets.get().and_then(|sets| sets.get(set_of(client))) else { return false };
        let now = self.millis(now);
        set.0
            .iter()
            .map(|place| place.load(Ordering::Relaxed))
            .any(|entry| entry != 0 && tag(entry) == tag_of(client) && time(entry) > now)
    }

    /// Milliseconds since the table was made; at least 1, so that no entry is 0.
    fn millis(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.began).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1).min((1 << TIME_BITS) - 1)
    }
}

impl Set {
    /// Where a client's entry goes, and what is there: its own, or an empty or finished one, or the one that ends
    /// first.
    fn place_for(&self, client: ClientMark, now: u64) -> Option<(&AtomicU64, u64)> {
        let rank = |entry: u64| match entry {
            entry if entry != 0 && tag(entry) == tag_of(client) => 0,
            entry if time(entry) <= now => 1,
            entry => time(entry) + 2,
        };
        let places = self.0.iter().map(|place| (place, place.load(Ordering::Relaxed)));
        places.min_by_key(|(_, entry)| rank(*entry))
    }
}

impl RecentWrites for At<'_> {
    fn covers(&self, client: ClientMark) -> bool {
        self.table.covers(client, self.now)
    }
}

const fn set_of(client: ClientMark) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below the number of sets")]
    let set = (client.0 % SETS as u64) as usize;
    set
}

/// The high bits of a client's mark, where an entry has them.
const fn tag_of(client: ClientMark) -> u64 {
    tag(client.0)
}

const fn tag(entry: u64) -> u64 {
    entry >> TIME_BITS << TIME_BITS
}

const fn time(entry: u64) -> u64 {
    entry & ((1 << TIME_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use strangler_core::routing::recent::{ClientMark, RecentWrites};

    use super::{Noted, PLACES, SETS, Table};

    const SECOND: Duration = Duration::from_secs(1);

    /// A client of a set, and of it the one with this number.
    fn client(set: u64, number: u64) -> ClientMark {
        ClientMark((number << 44) | set)
    }

    #[test]
    fn a_client_is_remembered_until_its_time_is_over() {
        let (table, now) = (Table::new(), Instant::now());
        let one = client(7, 1);
        assert!(!table.at(now).covers(one));
        assert_eq!(table.note(one, now, 10 * SECOND), Noted::Free);
        assert!(table.at(now).covers(one));
        assert!(table.at(now + Duration::from_millis(9_999)).covers(one));
        assert!(!table.at(now + 10 * SECOND).covers(one));
        assert!(!table.at(now).covers(client(7, 2)), "of the same set");
        assert!(!table.at(now).covers(client(8, 1)), "of another");
    }

    #[test]
    fn writing_again_begins_anew_and_takes_no_further_place() {
        let (table, now) = (Table::new(), Instant::now());
        let one = client(0, 0);
        for later in 0..100 {
            assert_eq!(table.note(one, now + later * SECOND, 10 * SECOND), Noted::Free);
        }
        assert_eq!(table.note(one, now, SECOND), Noted::Free, "an earlier end does not count");
        assert!(table.at(now + 108 * SECOND).covers(one));
        for number in 1..PLACES as u64 {
            assert_eq!(table.note(client(0, number), now, 200 * SECOND), Noted::Free, "{number}");
        }
    }

    #[test]
    fn where_a_set_is_full_the_client_whose_time_ends_first_gives_way() {
        let (table, now) = (Table::new(), Instant::now());
        for number in 0..PLACES as u64 {
            let lasting = Duration::from_secs(10 + number);
            assert_eq!(table.note(client(3, number), now, lasting), Noted::Free);
        }
        assert_eq!(table.note(client(3, 99), now, 60 * SECOND), Noted::Evicted);
        assert!(!table.at(now).covers(client(3, 0)));
        assert!((1..PLACES as u64).all(|number| table.at(now).covers(client(3, number))));
        // Those whose time is over do not count.
        let later = now + 30 * SECOND;
        assert_eq!(table.note(client(3, 100), later, SECOND), Noted::Free);
        assert!(table.at(later).covers(client(3, 99)));
    }

    #[test]
    fn as_many_clients_as_there_are_places_are_remembered_by_all_threads() {
        let (table, now) = (Table::new(), Instant::now());
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let table = &table;
                scope.spawn(move || {
                    for set in 0..SETS as u64 {
                        assert_eq!(table.note(client(set, thread), now, SECOND), Noted::Free);
                        assert_eq!(table.note(client(set, thread + 4), now, SECOND), Noted::Free);
                    }
                });
            }
        });
        for set in 0..SETS as u64 {
            assert!((0..8).all(|number| table.at(now).covers(client(set, number))), "{set}");
        }
    }
}
