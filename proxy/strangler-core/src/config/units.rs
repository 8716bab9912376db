//! Durations, sizes, shares and rates, as texts.
//!
//! Owns their grammar: `250ms 5s 10m 1h 7d`, `64KiB 1MiB 10MB`, `12.5%`, `0.5pp`, `1KiB/s`, `1/s`. Refuses
//! bare numbers.

use std::time::Duration;

use crate::words::Share;

/// Why a text is not a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnitError {
    /// A number and nothing else.
    NoUnit,
    /// Not of the form.
    Form,
    /// More than is sensible.
    TooLarge,
    /// Finer than 0.01 %.
    TooFine,
}

/// Nothing waits longer than ten years; it keeps sums of instants far from overflow.
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// `250ms 5s 10m 1h 7d`.
pub(super) fn duration(text: &str) -> Result<Duration, UnitError> {
    let (number, unit) = split(text)?;
    let millis_each: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(UnitError::Form),
    };
    let millis = number.checked_mul(millis_each).ok_or(UnitError::TooLarge)?;
    Some(Duration::from_millis(millis)).filter(|it| *it <= LONGEST).ok_or(UnitError::TooLarge)
}

/// Bytes: `64KiB 1MiB 10MB`.
pub(super) fn size(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = split(text)?;
    let bytes_each: u64 = match unit {
        "B" => 1,
        "KB" | "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(UnitError::Form),
    };
    number.checked_mul(bytes_each).filter(|bytes| i64::try_from(*bytes).is_ok()).ok_or(UnitError::TooLarge)
}

/// `0%` to `100%`, not finer than 0.01 %.
pub(super) fn share(text: &str) -> Result<Share, UnitError> {
    let points = basis_points(text, "%")?;
    u16::try_from(points).ok().and_then(Share::from_basis_points).ok_or(UnitError::TooLarge)
}

/// A number with at most two decimals and a unit (`%` or `pp`), in hundredths.
pub(super) fn basis_points(text: &str, unit: &str) -> Result<u32, UnitError> {
    let trimmed = text.trim();
    let is_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let Some(number) = trimmed.strip_suffix(unit) else {
        let bare = is_number(trimmed) && trimmed.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        return Err(if bare { UnitError::NoUnit } else { UnitError::Form });
    };
    let number = number.trim_end();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(UnitError::Form);
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 2 {
        return Err(UnitError::TooFine);
    }
    let whole: u32 = whole.parse().map_err(|_| UnitError::TooLarge)?;
    let fraction: u32 = format!("{fraction:0<2}").parse().map_err(|_| UnitError::Form)?;
    whole.checked_mul(100).and_then(|points| points.checked_add(fraction)).ok_or(UnitError::TooLarge)
}

/// Bytes per second: `1KiB/s`.
pub(super) fn byte_rate(text: &str) -> Result<u64, UnitError> {
    let size_text = text.trim().strip_suffix("/s").ok_or(UnitError::Form)?;
    size(size_text)
}

/// So many per second, minute or hour: `1/s 10/m`.
pub(super) fn rate(text: &str) -> Result<(u32, Duration), UnitError> {
    let (number, unit) = text.trim().split_once('/').ok_or_else(|| {
        if text.trim().parse::<u64>().is_ok() { UnitError::NoUnit } else { UnitError::Form }
    })?;
    let number: u32 = number.trim().parse().map_err(|_| UnitError::Form)?;
    let per = match unit.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(UnitError::Form),
    };
    Ok((number, Duration::from_secs(per)))
}

fn split(text: &str) -> Result<(u64, &str), UnitError> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.is_empty() {
        return Err(UnitError::Form);
    }
    let unit = unit.trim_start();
    if unit.is_empty() {
        return Err(UnitError::NoUnit);
    }
    Ok((number.parse().map_err(|_| UnitError::TooLarge)?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text: &str, wanted: Result<u64, UnitError>| {
            assert_eq!(duration(text), wanted.map(Duration::from_millis), "{text}");
        };
        check("250ms", Ok(250));
        check("5s", Ok(5000));
        check("10m", Ok(600_000));
        check("1h", Ok(3_600_000));
        check("7d", Ok(604_800_000));
        check("0s", Ok(0));
        check("5", Err(UnitError::NoUnit));
        check("5 s", Ok(5000));
        for text in ["", "s", "-5s", "1.5s", "5sec", "1h30m", "５s"] {
            check(text, Err(UnitError::Form));
        }
        check("99999999999999999999s", Err(UnitError::TooLarge));
        check("18446744073709551615d", Err(UnitError::TooLarge));
        check("4000d", Err(UnitError::TooLarge));
    }

    #[test]
    fn sizes() {
        let check = |text: &str, wanted: Result<u64, UnitError>| assert_eq!(size(text), wanted, "{text}");
        check("64KiB", Ok(65_536));
        check("1MiB", Ok(1_048_576));
        check("10MB", Ok(10_000_000));
        check("2GiB", Ok(2_147_483_648));
        check("17B", Ok(17));
        check("17", Err(UnitError::NoUnit));
        check("1kib", Err(UnitError::Form));
        check("1TB", Err(UnitError::Form));
        check("9999999999GiB", Err(UnitError::TooLarge));
    }

    #[test]
    fn shares() {
        let check = |text: &str, wanted: Result<u16, UnitError>| {
            assert_eq!(share(text).map(Share::basis_points), wanted, "{text}");
        };
        check("12.5%", Ok(1250));
        check("0.01%", Ok(1));
        check("0%", Ok(0));
        check("100%", Ok(10_000));
        check("100.00%", Ok(10_000));
        check("5.000%", Ok(500));
        check("0.001%", Err(UnitError::TooFine));
        check("100.01%", Err(UnitError::TooLarge));
        check("99999999999%", Err(UnitError::TooLarge));
        check("10", Err(UnitError::NoUnit));
        check("0.1", Err(UnitError::NoUnit));
        for text in ["", "%", "-1%", "1.%", ".5%", "1e2%", "10pp", "ten"] {
            check(text, Err(UnitError::Form));
        }
        assert_eq!(basis_points("0.5pp", "pp"), Ok(50));
    }

    #[test]
    fn rates() {
        assert_eq!(byte_rate("1KiB/s"), Ok(1024));
        assert_eq!(byte_rate("1KiB"), Err(UnitError::Form));
        assert_eq!(rate("1/s"), Ok((1, Duration::from_secs(1))));
        assert_eq!(rate("10/m"), Ok((10, Duration::from_secs(60))));
        assert_eq!(rate("10"), Err(UnitError::NoUnit));
        assert_eq!(rate("x/s"), Err(UnitError::Form));
    }
}
