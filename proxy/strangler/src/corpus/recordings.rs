//! Exchanges on their way to those who record: lines of a corpus, redacted, as they happen.
//!
//! Invariant: a slow reader slows nobody down. What it has no room for is left out and counted. Data threads ask here
//! for each request whether anybody records, so that asking takes no lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::{Exchange, Line};

/// Recordings at a time.
const RECORDINGS_MAX: usize = 8;

/// Lines that may wait for one reader.
const LINES_MAX: usize = 1024;

/// Bytes that may wait for one reader.
const BYTES_MAX: usize = 16 << 20;

#[derive(Debug)]
struct Session {
    slice: Option<String>,
    lines: mpsc::Sender<Bytes>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: AtomicUsize,
    dropped: AtomicU64,
}

/// All recordings.
#[derive(Debug, Default)]
pub struct Recordings {
    /// Whether there may be any: all that is looked at while there are none.
    are_there: AtomicBool,
    sessions: ArcSwap<Vec<Arc<Session>>>,
}

/// One reader's end. Dropping it ends the recording.
#[derive(Debug)]
pub struct Recording {
    lines: mpsc::Receiver<Bytes>,
    state: Arc<State>,
}

impl Recordings {
    /// Begins a recording of a slice, or of all; `None`: there are too many already.
    pub fn begin(&self, slice: Option<String>) -> Option<Recording> {
        let (sender, lines) = mpsc::channel(LINES_MAX);
        let state = Arc::new(State::default());
        let session = Arc::new(Session { slice, lines: sender, state: Arc::clone(&state) });
        let before = self.sessions.rcu(|sessions| {
            let mut sessions = open(sessions);
            if sessions.len() < RECORDINGS_MAX {
                sessions.push(Arc::clone(&session));
            }
            sessions
        });
        self.are_there.store(true, Ordering::SeqCst);
        (open(&before).len() < RECORDINGS_MAX).then_some(Recording { lines, state })
    }

    /// Whether anybody records exchanges of this slice. One load while nobody records.
    pub fn wants(&self, slice: &str) -> bool {
        self.are_there.load(Ordering::Relaxed)
            && self.sessions.load().iter().any(|session| session.takes(slice) && !session.lines.is_closed())
    }

    /// Hands an exchange to everybody who records its slice; never waits.
    pub fn offer(&self, exchange: Exchange) {
        let slice = exchange.slice.clone();
        let Ok(mut line) = serde_json::to_vec(&Line::Exchange(Box::new(exchange))) else { return };
        line.push(b'\n');
        let line = Bytes::from(line);
        for session in self.sessions.load().iter().filter(|session| session.takes(&slice)) {
            let waiting = session.state.waiting.fetch_add(line.len(), Ordering::Relaxed);
            if waiting + line.len() > BYTES_MAX || session.lines.try_send(line.clone()).is_err() {
                session.state.waiting.fetch_sub(line.len(), Ordering::Relaxed);
                session.state.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Counts an exchange of this slice that nobody could hold until it could be offered.
    pub fn leave_out(&self, slice: &str) {
        for session in self.sessions.load().iter().filter(|session| session.takes(slice)) {
            session.state.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Forgets recordings that have ended.
    pub fn sweep(&self) {
        if self.are_there.load(Ordering::Relaxed)
            && self.sessions.load().iter().any(|session| session.lines.is_closed())
        {
            self.sessions.rcu(|sessions| open(sessions));
            // A recording that begins meanwhile says so after it is among the sessions; looked at last, it is seen.
            self.are_there.store(false, Ordering::SeqCst);
            if !self.sessions.load().is_empty() {
                self.are_there.store(true, Ordering::SeqCst);
            }
        }
    }
}

/// Those that somebody still reads.
fn open(sessions: &[Arc<Session>]) -> Vec<Arc<Session>> {
    sessions.iter().filter(|session| !session.lines.is_closed()).map(Arc::clone).collect()
}

impl Session {
    fn takes(&self, slice: &str) -> bool {
        self.slice.as_deref().is_none_or(|wanted| wanted == slice)
    }
}

impl Recording {
    /// The next line; waits for one.
    pub async fn next(&mut self) -> Option<Bytes> {
        let line = self.lines.recv().await?;
        self.state.waiting.fetch_sub(line.len(), Ordering::Relaxed);
        Some(line)
    }

    /// Exchanges left out so far.
    pub fn dropped(&self) -> u64 {
        self.state.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(slice: &str, bytes: usize) -> Exchange {
        Exchange { slice: slice.into(), id: "x".repeat(bytes), ..Exchange::default() }
    }

    #[test]
    fn a_recording_gets_its_slice_and_nothing_waits_for_it() {
        let recordings = Recordings::default();
        assert!(!recordings.wants("a"));
        let mut recording = recordings.begin(Some("a".into())).unwrap();
        assert!(recordings.wants("a") && !recordings.wants("b"));
        recordings.offer(exchange("a", 1));
        recordings.offer(exchange("b", 1));
        for _ in 0..LINES_MAX + 9 {
            recordings.offer(exchange("a", 1));
        }
        assert_eq!(recording.dropped(), 10);
        for _ in 0..LINES_MAX {
            let line = recording.lines.try_recv().unwrap();
            assert!(matches!(serde_json::from_slice(&line).unwrap(), Line::Exchange(e) if e.slice == "a"));
        }
        assert!(recording.lines.try_recv().is_err());
    }

    #[test]
    fn bytes_that_wait_are_bounded() {
        let recordings = Recordings::default();
        let recording = recordings.begin(None).unwrap();
        for _ in 0..64 {
            recordings.offer(exchange("a", 1 << 20));
        }
        assert!(recording.state.waiting.load(Ordering::Relaxed) <= BYTES_MAX);
        assert!(recording.dropped() >= 48, "{}", recording.dropped());
    }

    #[test]
    fn there_are_only_so_many_and_one_that_ended_makes_room() {
        let recordings = Recordings::default();
        let mut all: Vec<Recording> = (0..RECORDINGS_MAX).map(|_| recordings.begin(None).unwrap()).collect();
        assert!(recordings.begin(None).is_none());
        all.pop();
        assert!(recordings.begin(None).is_some());
        all.clear();
        assert!(!recordings.wants("a"));
        recordings.sweep();
        assert!(!recordings.are_there.load(Ordering::Relaxed) && recordings.sessions.load().is_empty());
        let mut last = recordings.begin(Some("b".into())).unwrap();
        recordings.leave_out("a");
        recordings.leave_out("b");
        recordings.offer(exchange("b", 1));
        assert_eq!((last.dropped(), last.lines.try_recv().is_ok()), (1, true));
    }
}
