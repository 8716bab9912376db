//! What an order costs, in binary floating point, as the shop has always done it.
//!
//! **The rounding bug.** `0.1 + 0.2` is not `0.3`: three mugs at 19.90 and two candles at 4.50 add up to
//! 68.69999999999999, so the 5 % discount for five pieces becomes 3.43 where 3.435 rounds to 3.44, and the
//! customer pays a cent too much. It has been there for so long that other departments' figures agree
//! with it. It refuses to be mended here: whoever extracts the orders has to decide.

/// Pieces from which the bulk discount is given.
pub const BULK_PIECES: i64 = 5;
/// The bulk discount, as a factor.
const BULK_DISCOUNT: f64 = 0.05;
/// Value added tax, which prices include.
const TAX: f64 = 0.19;

/// What an order costs, in euro.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Totals {
    /// Sum of the lines.
    pub subtotal: f64,
    /// Bulk discount.
    pub discount: f64,
    /// Tax that `total` includes.
    pub tax: f64,
    /// What is to be paid.
    pub total: f64,
}

impl Totals {
    /// Adds up `(quantity, unit price)` lines.
    #[must_use]
    pub fn of(lines: impl IntoIterator<Item = (i64, f64)>) -> Self {
        let (mut pieces, mut subtotal) = (0, 0.0);
        for (quantity, price) in lines {
            pieces += quantity;
            subtotal += price * quantity as f64;
        }
        let discount = if pieces >= BULK_PIECES { round(subtotal * BULK_DISCOUNT) } else { 0.0 };
        let subtotal = round(subtotal);
        let total = round(subtotal - discount);
        let tax = round(total * TAX / (1.0 + TAX));
        Self { subtotal, discount, tax, total }
    }
}

/// To the nearest cent, or to what binary floating point takes for it.
#[must_use]
pub fn round(euro: f64) -> f64 {
    (euro * 100.0).round() / 100.0
}

/// `19.9` as `€19.90`.
#[must_use]
pub fn display(euro: f64) -> String {
    format!("€{euro:.2}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_possible_truncation, reason = "amounts of a few thousand euro")]
    use super::*;

    fn cents(euro: f64) -> i64 {
        (euro * 100.0).round() as i64
    }

    /// The same order in exact cents, half up.
    fn exact_total(lines: &[(i64, i64)]) -> i64 {
        let subtotal: i64 = lines.iter().map(|(quantity, cents)| quantity * cents).sum();
        let pieces: i64 = lines.iter().map(|(quantity, _)| quantity).sum();
        subtotal - if pieces >= BULK_PIECES { (subtotal * 5 + 50) / 100 } else { 0 }
    }

    fn total(lines: &[(i64, i64)]) -> i64 {
        cents(Totals::of(lines.iter().map(|(quantity, cents)| (*quantity, *cents as f64 / 100.0))).total)
    }

    #[test]
    fn three_mugs_and_two_candles_cost_a_cent_too_much() {
        let lines = [(3, 1990), (2, 450)];
        assert_eq!((exact_total(&lines), total(&lines)), (6526, 6527));
    }

    #[test]
    fn the_bug_is_never_more_than_a_cent_and_needs_the_discount() {
        let prices = [1990, 3450, 12900, 7995, 450, 9900, 6490, 2425, 4210, 14900, 2730, 38900];
        let mut wrong = 0;
        for (first, second) in prices.iter().flat_map(|a| prices.iter().map(move |b| (*a, *b))) {
            for (many, few) in (1..9).flat_map(|a| (0..5).map(move |b| (a, b))) {
                let lines = [(many, first), (few, second)];
                let off = (total(&lines) - exact_total(&lines)).abs();
                assert!(off <= 1, "{lines:?} is off by {off} cents");
                assert!(off == 0 || many + few >= BULK_PIECES, "{lines:?} has no discount and is wrong");
                wrong += off;
            }
        }
        assert!(wrong > 0, "somebody mended the bug: the planted difference is gone");
    }
}
