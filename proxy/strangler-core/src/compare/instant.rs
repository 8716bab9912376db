//! Points in time, in the notations that services use.
//!
//! Owns RFC 3339 and its common relaxations (a space for the `T`, an offset without colon or after a space, no
//! seconds, no zone), plain dates, and the dates of HTTP and mail (RFC 9110 section 5.6.7, RFC 5322 section
//! 3.3). Refuses names of zones other than GMT, UTC and Z, and everything that only looks like a date to people.

use super::Relation;
use crate::decimal::Decimal;

/// Time zones are apart by multiples of this.
const QUARTER_HOUR_SECONDS: i64 = 15 * 60;
/// And no clock is further from UTC than this.
const MOST_OFFSET_SECONDS: i64 = 14 * 3600;
/// The longest text that is looked at.
const MOST_BYTES: usize = 64;

/// A point in time as a text tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instant {
    /// Since 1970, in UTC where the zone is known, else of the clock as written.
    seconds: i64,
    /// Of the second.
    nanos: u32,
    /// Digits of the fraction that were written, at most 9.
    precision: u8,
    zone: Zone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zone {
    /// The text says.
    Known,
    /// The text does not say.
    Local,
    /// The text is a date: midnight, wherever.
    Day,
}

/// How two points in time are related.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// It is the same instant, as far as both say; the clocks shown differ so much if one has no zone.
    Same(Option<Relation>),
    /// They are apart as time zones are.
    Offset(Relation),
    /// They are two.
    Apart,
}

impl Instant {
    /// Reads a text that is a point in time, and nothing else.
    pub(super) fn read(text: &[u8]) -> Option<Instant> {
        if text.len() > MOST_BYTES || text.len() < 10 {
            return None;
        }
        let mut rest = Cursor(text);
        if text.first()?.is_ascii_digit() { rest.iso() } else { rest.mail() }
    }

    /// How it is related to `right`.
    pub(super) fn gap(&self, right: &Instant) -> Gap {
        let precision = self.precision.min(right.precision);
        let fraction = |nanos: u32| nanos / 10_u32.pow(9 - u32::from(precision));
        let same_fraction = fraction(self.nanos) == fraction(right.nanos);
        let apart = right.seconds - self.seconds;
        let is_day = self.zone == Zone::Day || right.zone == Zone::Day;
        let one_is_local = self.zone != right.zone;
        let offset = (apart % QUARTER_HOUR_SECONDS == 0 && apart.abs() <= MOST_OFFSET_SECONDS)
            .then(|| i16::try_from(apart / 60).ok())
            .flatten()
            .map(|minutes| Relation::TimeOffset { minutes });
        match (apart, offset) {
            _ if !same_fraction => Gap::Apart,
            (0, _) => Gap::Same(None),
            _ if is_day => Gap::Apart,
            (_, Some(offset)) if one_is_local => Gap::Same(Some(offset)),
            (_, Some(offset)) => Gap::Offset(offset),
            (_, None) => Gap::Apart,
        }
    }

    /// Whether a number is this instant, in seconds, milli-, micro- or nanoseconds since 1970.
    pub(super) fn is_epoch(&self, number: &Decimal) -> Option<Option<Relation>> {
        [0, 3, 6, 9].into_iter().find_map(|unit: u8| {
            let nanos = number.scaled_to_integer(9 - unit)?;
            let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
            let written = u8::try_from(number.places()).unwrap_or(9).saturating_add(unit).min(9);
            let epoch = Instant {
                seconds,
                nanos: u32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?,
                precision: written,
                zone: Zone::Known,
            };
            // A number near 0 is no date in any unit.
            let plausible = seconds.abs() > 1_000_000;
            match self.gap(&epoch) {
                Gap::Same(relation) if plausible => Some(relation),
                _ => None,
            }
        })
    }

    /// What all notations of an instant have in common, zones of quarter hours aside.
    pub(super) fn common(&self) -> i64 {
        self.seconds.rem_euclid(QUARTER_HOUR_SECONDS)
    }
}

/// Whether one number counts seconds since 1970 and the other thousandths of the same instant, between the
/// years 2001 and 2100.
pub(super) fn are_epochs(left: &Decimal, right: &Decimal) -> bool {
    const YEARS: std::ops::Range<i128> = 1_000_000_000..4_102_444_800;
    let is = |seconds: &Decimal, millis: &Decimal| {
        seconds.is_whole()
            && millis.is_whole()
            && seconds.scaled_to_integer(0).is_some_and(|seconds| {
                YEARS.contains(&seconds)
                    && millis.scaled_to_integer(0).is_some_and(|millis| millis.div_euclid(1000) == seconds)
            })
    };
    is(left, right) || is(right, left)
}

/// What of a text is still to be read.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn take(&mut self, wanted: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        (*first == wanted).then(|| self.0 = rest)
    }

    fn take_any(&mut self, wanted: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        wanted.contains(first).then(|| {
            self.0 = rest;
            *first
        })
    }

    /// Exactly so many digits.
    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.0 = rest;
        Some(digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
    }

    fn word(&mut self, words: &[&str]) -> Option<i64> {
        let at = words.iter().position(|word| {
            self.0.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()))
        })?;
        self.0 = self.0.get(words.get(at)?.len()..)?;
        i64::try_from(at).ok()
    }

    /// `2025-11-03`, `2025-11-03T09:12:45.250+01:00`.
    fn iso(&mut self) -> Option<Instant> {
        let year = self.digits(4)?;
        self.take(b'-')?;
        let month = self.digits(2)?;
        self.take(b'-')?;
        let midnight = days(year, month, self.digits(2)?)? * 86_400;
        if self.0.is_empty() {
            return Some(Instant { seconds: midnight, nanos: 0, precision: 0, zone: Zone::Day });
        }
        self.take_any(b"Tt ")?;
        let mut instant = self.clock(midnight)?;
        if self.0.is_empty() {
            return Some(instant);
        }
        instant.seconds -= self.zone()?;
        instant.zone = Zone::Known;
        self.0.is_empty().then_some(instant)
    }

    /// `Mon, 03 Nov 2025 08:12:45 GMT`, `Monday, 03-Nov-25 08:12:45 GMT`, `Mon Nov  3 08:12:45 2025`.
    fn mail(&mut self) -> Option<Instant> {
        const WEEKDAYS: [&str; 7] =
            ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        let in_full = self.word(&WEEKDAYS).is_some();
        if !in_full {
            self.word(&DAYS)?;
        }
        if self.take(b',').is_none() {
            return self.asctime();
        }
        self.take(b' ')?;
        let day = self.digits(2).or_else(|| self.digits(1))?;
        let delimiter = self.take_any(b" -")?;
        let month = self.month()?;
        self.take(delimiter)?;
        let year = match self.digits(4) {
            Some(year) => year,
            None if delimiter == b'-' => of_century(self.digits(2)?),
            None => return None,
        };
        let midnight = days(year, month, day)? * 86_400;
        self.take(b' ')?;
        let mut instant = self.clock(midnight)?;
        instant.seconds -= self.zone()?;
        instant.zone = Zone::Known;
        self.0.is_empty().then_some(instant)
    }

    /// What follows the weekday in the dates of C's `asctime`, which HTTP has in UTC.
    fn asctime(&mut self) -> Option<Instant> {
        self.take(b' ')?;
        let month = self.month()?;
        self.take(b' ')?;
        let _padding = self.take(b' ');
        let day = self.digits(2).or_else(|| self.digits(1))?;
        self.take(b' ')?;
        let mut instant = self.clock(0)?;
        self.take(b' ')?;
        instant.seconds += days(self.digits(4)?, month, day)? * 86_400;
        instant.zone = Zone::Known;
        self.0.is_empty().then_some(instant)
    }

    /// From 1.
    fn month(&mut self) -> Option<i64> {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        Some(self.word(&MONTHS)? + 1)
    }

    /// `09:12`, `09:12:45`, `09:12:45.25`.
    fn clock(&mut self, midnight: i64) -> Option<Instant> {
        let hour = self.digits(2)?;
        self.take(b':')?;
        let minute = self.digits(2)?;
        let second = if self.take(b':').is_some() { self.digits(2)? } else { 0 };
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let seconds = midnight + hour * 3600 + minute * 60 + second;
        let (mut nanos, mut precision) = (0, 0);
        if self.take_any(b".,").is_some() {
            let mut unit = 1_000_000_000;
            let mut written = 0;
            while let Some(digit) = self.digits(1) {
                unit /= 10;
                nanos += u32::try_from(digit).ok()? * unit;
                written += 1;
            }
            precision = u8::try_from(written).ok().filter(|written| *written > 0)?.min(9);
        }
        Some(Instant { seconds, nanos, precision, zone: Zone::Local })
    }

    /// Seconds east of UTC: `Z`, `+01:00`, ` +0100`, ` GMT`.
    fn zone(&mut self) -> Option<i64> {
        let _optional = self.take(b' ');
        if self.word(&["UTC", "GMT", "Z"]).is_some() {
            return Some(0);
        }
        let sign = if self.take_any(b"+-")? == b'-' { -1 } else { 1 };
        let hours = self.digits(2)?;
        let colon = self.take(b':').is_some();
        let minutes = if colon || !self.0.is_empty() { self.digits(2)? } else { 0 };
        (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
    }
}

/// The year of its last two digits (RFC 6265 section 5.1.1).
fn of_century(year: i64) -> i64 {
    year + if year < 70 { 2000 } else { 1900 }
}

/// Days since 1970-01-01; `None`: there is no such day.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let date =
        jiff::civil::Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    let since = date.ok()?.since((jiff::Unit::Day, jiff::civil::date(1970, 1, 1))).ok()?;
    Some(i64::from(since.get_days()))
}

#[cfg(test)]
mod tests {
    use super::{Gap, Instant, are_epochs};
    use crate::compare::Relation;
    use crate::decimal::Decimal;

    fn read(text: &str) -> Instant {
        Instant::read(text.as_bytes()).unwrap_or_else(|| panic!("{text}"))
    }

    const fn offset(minutes: i16) -> Relation {
        Relation::TimeOffset { minutes }
    }

    #[test]
    fn the_same_instant_is_seen_in_every_notation() {
        let check = |left: &str, right: &str, wanted: Gap| {
            assert_eq!(read(left).gap(&read(right)), wanted, "{left} | {right}");
        };
        let same = Gap::Same(None);
        check("2025-11-03T09:12:45+01:00", "2025-11-03T08:12:45Z", same);
        check("2025-11-03T08:12:45Z", "2025-11-03t08:12:45z", same);
        check("2025-11-03T08:12:45Z", "2025-11-03 08:12:45 UTC", same);
        check("2025-11-03T08:12:45Z", "2025-11-03 09:12:45 +0100", same);
        check("2025-11-03T08:12:45Z", "2025-11-03T08:12:45.000Z", same);
        check("2025-11-03T08:12:45.25Z", "2025-11-03T08:12:45.250719Z", same);
        check("2025-11-03T08:12:45.999Z", "2025-11-03T08:12:45Z", same);
        check("2025-11-03T08:12:45Z", "Mon, 03 Nov 2025 08:12:45 GMT", same);
        check("Mon, 3 Nov 2025 08:12:45 +0000", "Mon, 03 Nov 2025 08:12:45 GMT", same);
        check("2025-11-03T08:12:45Z", "Monday, 03-Nov-25 08:12:45 GMT", same);
        check("1994-11-06T08:49:37Z", "Sunday, 06-Nov-94 08:49:37 GMT", same);
        check("2025-11-03T08:12:45Z", "Mon, 03-Nov-2025 08:12:45 GMT", same);
        check("2025-11-03T08:12:45Z", "Mon Nov  3 08:12:45 2025", same);
        check("2025-11-13T08:12:45Z", "Thu Nov 13 08:12:45 2025", same);
        check("2025-11-03", "2025-11-03T00:00:00Z", same);
        check("2025-11-03 09:12", "2025-11-03T09:12:00", same);
        check("2025-11-03 09:12:45", "2025-11-03T08:12:45Z", Gap::Same(Some(offset(-60))));
        check("2025-11-03T08:12:45Z", "2025-11-03 13:42:45", Gap::Same(Some(offset(330))));
    }

    #[test]
    fn two_instants_are_told_apart() {
        let check = |left: &str, right: &str, wanted: Gap| {
            assert_eq!(read(left).gap(&read(right)), wanted, "{left} | {right}");
        };
        check("2025-11-03T08:12:45Z", "2025-11-03T09:12:45Z", Gap::Offset(offset(60)));
        check("2025-11-03 08:12:45", "2025-11-03 07:12:45", Gap::Offset(offset(-60)));
        check("2025-11-03T08:12:45Z", "2025-11-03T09:12:46Z", Gap::Apart);
        check("2025-11-03T08:12:45.1Z", "2025-11-03T08:12:45.2Z", Gap::Apart);
        check("2025-11-03T08:12:45Z", "2025-11-03T09:10:45Z", Gap::Apart);
        check("2025-11-03T08:12:45Z", "2025-11-03 23:12:45", Gap::Apart);
        check("2025-11-03", "2025-11-04", Gap::Apart);
        check("2025-11-03", "2025-11-03 08:00:00", Gap::Apart);
        check("2025-11-03", "2025-11-03T08:00:00Z", Gap::Apart);
    }

    #[test]
    fn a_number_may_be_an_instant() {
        let check = |text: &str, number: &str, wanted: Option<Option<Relation>>| {
            let number = Decimal::read(number.as_bytes()).unwrap();
            assert_eq!(read(text).is_epoch(&number), wanted, "{text} {number:?}");
        };
        check("2025-11-03T08:12:45Z", "1762157565", Some(None));
        check("2025-11-03T08:12:45Z", "1762157565000", Some(None));
        check("2025-11-03T08:12:45Z", "1762157565.25", Some(None));
        check("2025-11-03T08:12:45.25Z", "1762157565250", Some(None));
        check("2025-11-03T08:12:45.25Z", "1762157565250000", Some(None));
        check("2025-11-03T08:12:45.25Z", "1762157565", Some(None));
        check("2025-11-03T08:12:45.25Z", "1762157565261", None);
        check("2025-11-03T08:12:45Z", "1762157566", None);
        check("2025-11-03 09:12:45", "1762157565", Some(Some(offset(-60))));
        check("1970-01-01T00:00:00Z", "0", None);
        check("2025-11-03T08:12:45Z", "1e400", None);
    }

    #[test]
    fn seconds_and_milliseconds_of_one_instant_are_seen() {
        let check = |left: &str, right: &str, wanted: bool| {
            let read = |text: &str| Decimal::read(text.as_bytes()).unwrap();
            assert_eq!(are_epochs(&read(left), &read(right)), wanted, "{left} {right}");
            assert_eq!(are_epochs(&read(right), &read(left)), wanted, "{right} {left}");
        };
        check("1762157565", "1762157565000", true);
        check("1762157565", "1762157565999", true);
        check("1762157565", "1762157566000", false);
        check("1762157", "1762157000", false);
        check("1762157565", "1762157565", false);
    }

    #[test]
    fn what_is_no_instant_is_not_read() {
        for text in [
            "",
            "2025",
            "2025-02-30",
            "2025-13-01",
            "2025-11-03T",
            "2025-11-03T25:00:00Z",
            "2025-11-03T08:12:45.Z",
            "2025-11-03T08:12:45Zx",
            "2025-11-03T08:12:45+1",
            "2025-11-03T08:12:45+99:00",
            "2025-11-03x08:12:45",
            "20251103081245",
            "Mon, 03 Nov 2025",
            "Mon, 03 Nov 2025 08:12:45 CET",
            "Monday",
            "Mon, 03 Nov 25 08:12:45 GMT",
            "Mon, 03-Nov 2025 08:12:45 GMT",
            "Mon Nov 31 08:12:45 2025",
            "Mon Nov  3 08:12:45 2025 GMT",
            "0000000000",
        ] {
            assert_eq!(Instant::read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Instant::read("2025-11-03T08:12:45.".repeat(9).as_bytes()), None);
    }
}
