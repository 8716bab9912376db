//! What an order costs: in whole cents, or as the monolith's floats have it.

/// Pieces from which the bulk discount is given.
const BULK_PIECES: i64 = 5;

/// How amounts are rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// Half a cent up, in integers.
    Exact,
    /// In binary floating point, bug and all.
    AsTheMonolith,
}

/// What an order costs, in euro, for the API.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Totals {
    pub(crate) subtotal: f64,
    pub(crate) discount: f64,
    pub(crate) tax: f64,
    pub(crate) total: f64,
}

/// Adds up `(quantity, unit price in cents)` lines.
pub(crate) fn totals(lines: &[(i64, i64)], rounding: Rounding) -> Totals {
    let bulk = lines.iter().map(|(quantity, _)| quantity).sum::<i64>() >= BULK_PIECES;
    match rounding {
        Rounding::Exact => {
            let subtotal: i64 = lines.iter().map(|(quantity, cents)| quantity * cents).sum();
            let discount = if bulk { half_up(subtotal * 5, 100) } else { 0 };
            let total = subtotal - discount;
            let tax = half_up(total * 19, 119);
            Totals { subtotal: euro(subtotal), discount: euro(discount), tax: euro(tax), total: euro(total) }
        }
        Rounding::AsTheMonolith => {
            let subtotal =
                lines.iter().fold(0.0, |sum, (quantity, cents)| sum + euro(*cents) * *quantity as f64);
            let discount = if bulk { float_round(subtotal * 0.05) } else { 0.0 };
            let subtotal = float_round(subtotal);
            let total = float_round(subtotal - discount);
            Totals { subtotal, discount, tax: float_round(total * 0.19 / 1.19), total }
        }
    }
}

/// Cents as euro: the float nearest to the decimal, which prints as that decimal.
pub(crate) fn euro(cents: i64) -> f64 {
    cents as f64 / 100.0
}

/// `dividend / divisor` to the nearest, a half upwards; for amounts that are not negative.
fn half_up(dividend: i64, divisor: i64) -> i64 {
    (2 * dividend + divisor) / (2 * divisor)
}

fn float_round(euro: f64) -> f64 {
    (euro * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_cents_round_a_half_up_where_floats_fall_below_it() {
        let lines = [(3, 1990), (2, 450)];
        let exact = totals(&lines, Rounding::Exact);
        assert_eq!((exact.subtotal, exact.discount, exact.total), (68.7, 3.44, 65.26));
        assert_eq!(totals(&lines, Rounding::AsTheMonolith).total, 65.27);
        assert_eq!(half_up(1, 2), 1);
        assert_eq!(half_up(49, 100), 0);
    }

    #[test]
    fn without_a_discount_both_agree() {
        for quantity in 1..5 {
            let lines = [(quantity, 1990)];
            assert_eq!(totals(&lines, Rounding::Exact), totals(&lines, Rounding::AsTheMonolith));
        }
    }
}
