//! Exact decimal numbers of any size.
//!
//! Owns reading a number's text, comparing it, and how two numbers are related. Refuses binary fractions:
//! 0.1 is a tenth. Every operation takes time and memory in proportion to the texts, whatever their exponents.

use std::cmp::Ordering;

/// Digits of an exponent beyond which a number is not read: nobody computes with it.
const MOST_EXPONENT_DIGITS: usize = 15;

/// A decimal number: digits × 10^exponent. Equal numbers are equal, however they were written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    negative: bool,
    /// Values 0 to 9, the most significant first, neither beginning nor ending with 0; none for zero.
    digits: Box<[u8]>,
    /// 0 for zero.
    exponent: i64,
}

/// Digits and exponent, such as `25e-2`: read again, it is the same number.
impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.negative { "-" } else { "" })?;
        for digit in &self.digits {
            write!(f, "{digit}")?;
        }
        let nothing = if self.digits.is_empty() { "0" } else { "" };
        write!(f, "{nothing}e{}", self.exponent)
    }
}

impl Decimal {
    /// Reads a number: an optional minus, digits, optionally a fraction and an exponent, as in JSON (RFC 8259
    /// section 6), but zeros may lead. `None`: it is not a number, or its exponent has more than 15 digits.
    pub fn read(text: &[u8]) -> Option<Decimal> {
        let (negative, text) = match text.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mantissa_end = text.iter().position(|b| matches!(b, b'e' | b'E')).unwrap_or(text.len());
        let (mantissa, exponent) = text.split_at(mantissa_end);
        let point = mantissa.iter().position(|b| *b == b'.');
        let (whole, fraction) = match point {
            Some(at) => (mantissa.get(..at)?, mantissa.get(at + 1..)?),
            None => (mantissa, [].as_slice()),
        };
        if whole.is_empty() || (point.is_some() && fraction.is_empty()) {
            return None;
        }
        if !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
            return None;
        }
        let exponent = if exponent.is_empty() { 0 } else { read_exponent(exponent.get(1..)?)? };
        let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        Some(Decimal::of_digits(negative, whole, fraction, exponent))
    }

    fn of_digits(negative: bool, whole: &[u8], fraction: &[u8], exponent: i64) -> Decimal {
        let mut digits: Vec<u8> =
            whole.iter().chain(fraction).skip_while(|b| **b == b'0').map(|b| b - b'0').collect();
        let written = digits.len();
        while digits.last() == Some(&0) {
            digits.pop();
        }
        let zeros = i64::try_from(written - digits.len()).unwrap_or(0);
        if digits.is_empty() {
            return Decimal { negative: false, digits: Box::default(), exponent: 0 };
        }
        Decimal { negative, digits: digits.into(), exponent: exponent.saturating_add(zeros) }
    }

    /// Half of the unit of the last of so many decimal places.
    fn half_unit(places: u8) -> Decimal {
        Decimal { negative: false, digits: Box::new([5]), exponent: -i64::from(places) - 1 }
    }

    /// The unit of the last of so many decimal places.
    pub(crate) fn unit(places: u8) -> Decimal {
        Decimal { negative: false, digits: Box::new([1]), exponent: -i64::from(places) }
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Whether it has no fraction.
    pub fn is_whole(&self) -> bool {
        self.exponent >= 0
    }

    /// How many decimal places it needs.
    pub fn places(&self) -> u64 {
        if self.exponent < 0 { self.exponent.unsigned_abs() } else { 0 }
    }

    /// The number times 10^power as an integer, its fraction cut off; `None` beyond 128 bits.
    pub fn scaled_to_integer(&self, power: u8) -> Option<i128> {
        let exponent = self.exponent.saturating_add(i64::from(power));
        let kept = if exponent < 0 {
            let cut = usize::try_from(exponent.unsigned_abs()).unwrap_or(usize::MAX);
            self.digits.get(..self.digits.len().saturating_sub(cut))?
        } else {
            &self.digits
        };
        let mut value: i128 = 0;
        for digit in kept {
            value = value.checked_mul(10)?.checked_add(i128::from(*digit))?;
        }
        if value != 0 && exponent > 0 {
            value = value.checked_mul(10_i128.checked_pow(u32::try_from(exponent).ok()?)?)?;
        }
        Some(if self.negative { -value } else { value })
    }

    /// Whether it is at most `tolerance` away from `other`. A negative tolerance allows nothing.
    pub fn is_within(&self, tolerance: &Decimal, other: &Decimal) -> bool {
        !tolerance.negative && self.distance_against(other, tolerance) != Ordering::Greater
    }

    /// Compares |self − other| with `bound`, which is not negative.
    fn distance_against(&self, other: &Decimal, bound: &Decimal) -> Ordering {
        let [left, right, bound] = dense([self, other, bound]);
        let distance = if self.negative == other.negative {
            let (larger, smaller) =
                if magnitude(&left, &right) == Ordering::Less { (&right, &left) } else { (&left, &right) };
            subtract(larger, smaller)
        } else {
            add(&left, &right)
        };
        magnitude(&distance, &bound)
    }

    /// The power of ten, not 0, that makes `other` of it.
    pub fn power_to(&self, other: &Decimal) -> Option<i64> {
        let scaled =
            self.negative == other.negative && self.digits == other.digits && !self.digits.is_empty();
        let power = other.exponent.checked_sub(self.exponent)?;
        (scaled && power != 0).then_some(power)
    }

    /// Whether `other` is it with the other sign.
    pub fn is_negation_of(&self, other: &Decimal) -> bool {
        self.negative != other.negative && self.digits == other.digits && self.exponent == other.exponent
    }

    /// Whether `other` is it rounded to `places` decimal places, in either direction at a half.
    pub fn rounds_to(&self, other: &Decimal, places: u8) -> bool {
        self.places() > u64::from(places)
            && other.places() <= u64::from(places)
            && self.is_within(&Decimal::half_unit(places), other)
    }

    /// Whether `other` is it cut off after `places` decimal places.
    pub fn cuts_to(&self, other: &Decimal, places: u8) -> bool {
        if self.places() <= u64::from(places) || other.places() > u64::from(places) {
            return false;
        }
        let cut = self.places() - u64::from(places);
        let kept = self.digits.len().saturating_sub(usize::try_from(cut).unwrap_or(usize::MAX));
        let mut digits = self.digits.get(..kept).unwrap_or_default().to_vec();
        digits.iter_mut().for_each(|digit| *digit += b'0');
        *other == Decimal::of_digits(self.negative, &digits, &[], -i64::from(places))
    }

    /// Feeds what makes it equal to others, and nothing else, to `hash`.
    pub fn with_bytes<T>(&self, hash: impl FnOnce(&[u8]) -> T) -> T {
        let mut bytes = Vec::with_capacity(self.digits.len() + 9);
        bytes.push(u8::from(self.negative));
        bytes.extend_from_slice(&self.exponent.to_le_bytes());
        bytes.extend_from_slice(&self.digits);
        hash(&bytes)
    }
}

fn read_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let start = digits.iter().position(|b| *b != b'0').unwrap_or(digits.len());
    let digits = digits.get(start..)?;
    if digits.len() > MOST_EXPONENT_DIGITS {
        return None;
    }
    let value = digits.iter().fold(0_i64, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some(if negative { -value } else { value })
}

/// The magnitudes as digits of one common unit, the least significant first.
///
/// Where a number lies far below all others its distance from them is shortened: a multiple of a unit compares
/// the same with anything smaller than that unit, so that no exponent makes the work grow.
fn dense(numbers: [&Decimal; 3]) -> [Vec<u8>; 3] {
    let top = |number: &Decimal| number.exponent + i64::try_from(number.digits.len()).unwrap_or(0);
    let mut exponents = numbers.map(|number| number.exponent);
    let mut order: Vec<usize> = (0..3).collect();
    order.retain(|at| numbers.get(*at).is_some_and(|number| !number.digits.is_empty()));
    order.sort_by_key(|at| numbers.get(*at).map_or(0, |number| -top(number)));
    let mut lowest: Option<i64> = None;
    let mut shift = 0;
    for at in order {
        let (Some(number), Some(exponent)) = (numbers.get(at), exponents.get_mut(at)) else { continue };
        if let Some(lowest) = lowest {
            shift += (lowest - 2 - (top(number) + shift)).max(0);
        }
        *exponent = number.exponent + shift;
        lowest = Some(lowest.map_or(*exponent, |lowest| lowest.min(*exponent)));
    }
    let unit = lowest.unwrap_or(0);
    let mut at = 0;
    numbers.map(|number| {
        let exponent = exponents.get(at).copied().unwrap_or(0);
        at += 1;
        if number.digits.is_empty() {
            return Vec::new();
        }
        let zeros = usize::try_from(exponent - unit).unwrap_or(0);
        let mut digits = vec![0; zeros];
        digits.extend(number.digits.iter().rev());
        digits
    })
}

fn magnitude(left: &[u8], right: &[u8]) -> Ordering {
    let significant = |digits: &[u8]| digits.iter().rposition(|digit| *digit != 0).map_or(0, |at| at + 1);
    let (length, other) = (significant(left), significant(right));
    length.cmp(&other).then_with(|| {
        let (left, right) = (left.iter().take(length).rev(), right.iter().take(other).rev());
        left.cmp(right)
    })
}

/// `larger` − `smaller`.
fn subtract(larger: &[u8], smaller: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let smaller = smaller.iter().chain(std::iter::repeat(&0));
    let step = |(digit, less): (&u8, &u8)| {
        let less = less + borrow;
        borrow = u8::from(*digit < less);
        digit + 10 * borrow - less
    };
    larger.iter().zip(smaller).map(step).collect()
}

fn add(left: &[u8], right: &[u8]) -> Vec<u8> {
    let length = left.len().max(right.len());
    let padded = |digits: &[u8]| {
        let mut digits = digits.to_vec();
        digits.resize(length, 0);
        digits
    };
    let mut carry = 0;
    let mut sum: Vec<u8> = padded(left)
        .into_iter()
        .zip(padded(right))
        .map(|(left, right)| {
            let digit = left + right + carry;
            carry = digit / 10;
            digit % 10
        })
        .collect();
    sum.push(carry);
    sum
}

#[cfg(test)]
mod tests {
    use super::Decimal;

    fn read(text: &str) -> Decimal {
        Decimal::read(text.as_bytes()).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn equal_numbers_are_equal_however_written() {
        let check = |left: &str, right: &str, equal: bool| {
            assert_eq!(read(left) == read(right), equal, "{left} {right}");
            let bytes = |text: &str| read(text).with_bytes(<[u8]>::to_vec);
            assert_eq!(bytes(left) == bytes(right), equal, "{left} {right}");
        };
        check("19.9", "19.90", true);
        check("19.9", "1.99e1", true);
        check("19.9", "0199E-1", true);
        check("0", "-0.000e7", true);
        check("100", "1e+2", true);
        check("1e-0000000000000000000000000000003", "0.001", true);
        check("12345678901234567890123456789", "12345678901234567890123456788", false);
        check("0.1", "0.10000000000000000000000000000001", false);
        check("1", "-1", false);
        check("1", "10", false);
    }

    #[test]
    fn what_is_no_number_is_not_read() {
        for text in [
            "", "-", ".5", "5.", "1e", "1e+", "+1", "1_0", "1.2.3", "0x1", "NaN", "inf", "1e1.5", " 1", "--1",
        ] {
            assert_eq!(Decimal::read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Decimal::read(b"1e1234567890123456"), None);
    }

    #[test]
    fn tolerance_is_inclusive_and_decimal() {
        let check = |left: &str, right: &str, tolerance: &str, within: bool| {
            assert_eq!(
                read(left).is_within(&read(tolerance), &read(right)),
                within,
                "{left} {right} {tolerance}"
            );
            assert_eq!(
                read(right).is_within(&read(tolerance), &read(left)),
                within,
                "{right} {left} {tolerance}"
            );
        };
        check("0.3", "0.31", "0.01", true);
        check("0.3", "0.3100000000000000000000000000001", "0.01", false);
        check("19.90", "19.91", "0.01", true);
        check("1.1", "1.0", "0.1", true);
        check("-0.005", "0.005", "0.01", true);
        check("-0.006", "0.005", "0.01", false);
        check("5", "5", "0", true);
        check("5", "6", "0", false);
        check("5", "6", "1", true);
        check("999", "1001", "1.99", false);
        check("5", "5", "-1", false);
        check("123456789012345678901234567890", "123456789012345678901234567891", "1", true);
        check("1e999999999", "1", "1e999999999", true);
        check("1e999999999", "-1", "1e999999999", false);
        check("1e999999999", "1e-999999999", "1", false);
        check("1", "1e-999999999999", "1", true);
        check("-1", "1e-999999999999", "1", false);
        check("1e-999999999999", "2e-999999999999", "1e-999999999999", true);
        check("1e-999999999999", "3e-999999999999", "1e-999999999999", false);
        check("1e-5", "3e-999999999999", "1e-999999999998", false);
        check("100000000000000000000", "1e20", "1e-900000", true);
    }

    #[test]
    fn powers_of_ten_are_seen() {
        let check = |left: &str, right: &str, power: Option<i64>| {
            assert_eq!(read(left).power_to(&read(right)), power, "{left} {right}");
        };
        check("19.99", "1999", Some(2));
        check("20", "2000.0", Some(2));
        check("1500", "1.5", Some(-3));
        check("19.99", "19.990", None);
        check("0", "0.0", None);
        check("1", "-10", None);
        check("1", "20", None);
    }

    #[test]
    fn rounding_and_cutting_are_told_apart() {
        let check = |long: &str, short: &str, places: u8, rounded: bool, cut: bool| {
            assert_eq!(
                read(long).rounds_to(&read(short), places),
                rounded,
                "{long} {short} rounded({places})"
            );
            assert_eq!(read(long).cuts_to(&read(short), places), cut, "{long} {short} cut({places})");
        };
        check("12.3456", "12.35", 2, true, false);
        check("12.3456", "12.34", 2, false, true);
        check("12.345", "12.35", 2, true, false);
        check("12.345", "12.34", 2, true, true);
        check("12.3", "12", 0, true, true);
        check("-12.3456", "-12.35", 2, true, false);
        check("-12.3456", "-12.34", 2, false, true);
        check("12.302", "12.3", 2, true, true);
        check("12.3", "12.3", 2, false, false);
        check("0.004", "0", 2, true, true);
        check("0.009", "0", 2, false, true);
        check("12.3456", "12.36", 2, false, false);
        check("12.3456", "12.346", 2, false, false);
    }

    #[test]
    fn integers_are_taken_out_exactly() {
        let check = |text: &str, power: u8, integer: Option<i128>| {
            assert_eq!(read(text).scaled_to_integer(power), integer, "{text}");
        };
        check("1700000000.25", 3, Some(1_700_000_000_250));
        check("1700000000.25", 0, Some(1_700_000_000));
        check("-1.9", 0, Some(-1));
        check("12e3", 0, Some(12_000));
        check("0", 9, Some(0));
        check("0.001", 0, Some(0));
        check("1e60", 0, None);
        check("1e999999999999", 0, None);
        check("1e-999999999999", 9, Some(0));
    }

    /// A number of at most four decimal places as a text, and how many ten-thousandths it is.
    fn any(random: &mut fastrand::Rng) -> (String, i128) {
        let units = random.i32(-2_000_000..2_000_000) / [1, 10, 100, 1000, 10_000][random.usize(0..5)];
        let places = random.usize(0..5);
        let sign = if units < 0 { "-" } else { "" };
        let digits = format!("{:0>5}", units.unsigned_abs());
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let point = if fraction.is_empty() { "" } else { "." };
        let text = match random.u8(0..3) {
            0 => format!("{sign}{whole}{point}{fraction}"),
            1 if !fraction.is_empty() => format!("{sign}{whole}.{fraction}00"),
            _ => format!("{sign}{}e-{places}", units.unsigned_abs()),
        };
        (text, i128::from(units) * 10_i128.pow(4 - u32::try_from(places).unwrap()))
    }

    #[test]
    fn it_agrees_with_integers() {
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..20_000 {
            let ((one, left), (other, right), (bound, tolerance)) =
                (any(&mut random), any(&mut random), any(&mut random));
            let text = format!("{one} {other} {bound}");
            assert_eq!(read(&one) == read(&other), left == right, "{text}");
            let within = tolerance >= 0 && (left - right).abs() <= tolerance;
            assert_eq!(read(&one).is_within(&read(&bound), &read(&other)), within, "{text}");
            assert_eq!(read(&one).scaled_to_integer(4), Some(left), "{text}");
            let rounded = |places: u32| {
                let unit = 10_i128.pow(4 - places);
                left % unit != 0 && right % unit == 0 && 2 * (left - right).abs() <= unit
            };
            let cut = |places: u32| {
                let unit = 10_i128.pow(4 - places);
                left % unit != 0 && left / unit * unit == right
            };
            for places in 0..4 {
                let near = (left / 10_000 * 10_000, read(&format!("{}", left / 10_000)));
                assert_eq!(
                    read(&one).rounds_to(&read(&other), places),
                    rounded(places.into()),
                    "{text} {places}"
                );
                assert_eq!(read(&one).cuts_to(&read(&other), places), cut(places.into()), "{text} {places}");
                if places == 0 {
                    assert_eq!(read(&one).cuts_to(&near.1, 0), left != near.0, "{text}");
                }
            }
        }
    }
}
