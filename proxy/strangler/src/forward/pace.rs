//! How slowly a client may send a body. Takes the time as an argument.

use std::time::{Duration, Instant};

use super::upload::UploadFault;

/// `limits.body_rate` is averaged over this long.
const RATE_WINDOW: Duration = Duration::from_secs(10);

/// The pace of one upload. Only time in which the client owed the next piece counts: an upstream that takes
/// its time is not the client's fault.
#[derive(Debug)]
pub(super) struct Pace {
    pause: Duration,
    rate: Option<u64>,
    /// Since when the client has owed the next piece.
    owed: Option<Instant>,
    /// Time the client has owed pieces in this window, and bytes it sent in it.
    window_owed: Duration,
    window_bytes: u64,
    /// Owed time before this moment belongs to an earlier window.
    window_began: Instant,
}

impl Pace {
    /// At most `pause` between two pieces, and at least `rate` bytes per second on average.
    pub(super) fn new(pause: Duration, rate: Option<u64>, now: Instant) -> Pace {
        Pace { pause, rate, owed: None, window_owed: Duration::ZERO, window_bytes: 0, window_began: now }
    }

    /// A piece came.
    pub(super) fn came(&mut self, bytes: u64, now: Instant) {
        self.window_bytes = self.window_bytes.saturating_add(bytes);
        if let Some(since) = self.owed.take() {
            self.window_owed += now.saturating_duration_since(since.max(self.window_began));
        }
    }

    /// No piece is there; when to look again.
    ///
    /// # Errors
    ///
    /// The client's fault, where it has owed the piece for too long.
    pub(super) fn owes(&mut self, now: Instant) -> Result<Instant, UploadFault> {
        let since = *self.owed.get_or_insert(now);
        let owed = now.saturating_duration_since(since);
        if owed >= self.pause {
            return Err(UploadFault::Stalled);
        }
        let wake = since + self.pause;
        let Some(rate) = self.rate else { return Ok(wake) };
        let window = self.window_owed + now.saturating_duration_since(since.max(self.window_began));
        if window < RATE_WINDOW {
            return Ok(wake.min(now + (RATE_WINDOW - window)));
        }
        if self.window_bytes < rate.saturating_mul(window.as_secs()) {
            return Err(UploadFault::TooSlow);
        }
        // A new window begins here, while the pause goes on.
        self.window_began = now;
        self.window_owed = Duration::ZERO;
        self.window_bytes = 0;
        Ok(wake.min(now + RATE_WINDOW))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Pace;
    use crate::forward::upload::UploadFault;

    /// Pieces of `bytes` that come `every` so many seconds; when the upload fails, in seconds, and why.
    fn check(pause: u64, rate: Option<u64>, bytes: u64, every: u64, expected: Option<(u64, UploadFault)>) {
        let start = Instant::now();
        let mut pace = Pace::new(Duration::from_secs(pause), rate, start);
        let mut failed = None;
        for second in 0..60 {
            let now = start + Duration::from_secs(second);
            if second > 0 && second % every == 0 {
                pace.came(bytes, now);
            }
            if let Err(fault) = pace.owes(now) {
                failed = Some((second, fault));
                break;
            }
        }
        assert_eq!(failed, expected, "pause {pause} rate {rate:?}: {bytes} bytes every {every} s");
    }

    #[test]
    fn a_client_may_pause_but_not_for_long() {
        check(30, None, 1, 29, None);
        check(30, None, 1, 31, Some((30, UploadFault::Stalled)));
        check(5, Some(1), 100, 7, Some((5, UploadFault::Stalled)));
    }

    #[test]
    fn a_client_below_the_rate_is_cut_after_ten_seconds_and_one_above_never() {
        check(30, Some(100), 99, 1, Some((10, UploadFault::TooSlow)));
        check(30, Some(100), 101, 1, None);
        check(30, Some(100), 600, 5, None);
        check(30, Some(100), 400, 5, Some((10, UploadFault::TooSlow)));
    }

    #[test]
    fn time_in_which_nothing_is_owed_does_not_count() {
        let start = Instant::now();
        let mut pace = Pace::new(Duration::from_secs(30), Some(1000), start);
        for second in 0..100 {
            // The piece is there as soon as it is wanted, however rarely that is.
            pace.came(1, start + Duration::from_secs(second));
        }
        assert!(pace.owes(start + Duration::from_secs(100)).is_ok());
    }
}
