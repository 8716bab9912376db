//! Relations: what makes the right value of the left one.

use std::fmt;

/// What makes one value of the other. Said from left to right, legacy to extracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Relation {
    /// Right is left times this power of ten, which is not 0: `×100`, `×0.01`.
    Scaled {
        /// The power.
        power: i8,
    },
    /// One is the other rounded to so many decimal places, either way at a half.
    Rounded {
        /// The places.
        places: u8,
    },
    /// One is the other cut off after so many decimal places.
    Cut {
        /// The places.
        places: u8,
    },
    /// Right is left with the other sign.
    Negated,
    /// The same number, once as a string.
    StringNumber,
    /// The same truth value, once as a string or number.
    StringBool,
    /// `null` on one side, absent on the other.
    NullAbsent,
    /// Right is so many minutes later, a multiple of a quarter of an hour as time zones are apart.
    TimeOffset {
        /// The minutes; not 0.
        minutes: i16,
    },
    /// The same but for upper and lower case.
    Case,
    /// The same parts in another order.
    Permutation,
    /// The same but for a slash at the end.
    TrailingSlash,
    /// Right is left with something before it.
    PrefixAdded,
    /// Left is right with something before it.
    PrefixRemoved,
    /// Right is left with something after it.
    SuffixAdded,
    /// Left is right with something after it.
    SuffixRemoved,
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Relation::Scaled { power } if *power > 0 => {
                write!(f, "×1{}", "0".repeat(usize::from(power.unsigned_abs())))
            }
            Relation::Scaled { power } => {
                let zeros = usize::from(power.unsigned_abs()).saturating_sub(1);
                write!(f, "×0.{}1", "0".repeat(zeros))
            }
            Relation::Rounded { places } => write!(f, "rounded({places})"),
            Relation::Cut { places } => write!(f, "cut({places})"),
            Relation::Negated => f.write_str("×-1"),
            Relation::StringNumber => f.write_str("string↔number"),
            Relation::StringBool => f.write_str("string↔bool"),
            Relation::NullAbsent => f.write_str("null↔absent"),
            Relation::TimeOffset { minutes } => {
                let (sign, minutes) = (if *minutes < 0 { '-' } else { '+' }, minutes.unsigned_abs());
                write!(f, "time {sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            Relation::Case => f.write_str("case"),
            Relation::Permutation => f.write_str("permutation"),
            Relation::TrailingSlash => f.write_str("trailing slash"),
            Relation::PrefixAdded => f.write_str("prefix added"),
            Relation::PrefixRemoved => f.write_str("prefix removed"),
            Relation::SuffixAdded => f.write_str("suffix added"),
            Relation::SuffixRemoved => f.write_str("suffix removed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Relation;

    #[test]
    fn relations_are_shown_as_documented() {
        let check = |relation: Relation, shown: &str| assert_eq!(relation.to_string(), shown);
        check(Relation::Scaled { power: 2 }, "×100");
        check(Relation::Scaled { power: -1 }, "×0.1");
        check(Relation::Scaled { power: -3 }, "×0.001");
        check(Relation::Rounded { places: 2 }, "rounded(2)");
        check(Relation::TimeOffset { minutes: 60 }, "time +01:00");
        check(Relation::TimeOffset { minutes: -330 }, "time -05:30");
    }
}
