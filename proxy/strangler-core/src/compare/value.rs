//! Two single values that differ: of which kind, and what makes one of the other.
//!
//! Owns texts and numbers, wherever they stand. Refuses structure: arrays and objects are for `json`.

use super::instant::{self, Gap, Instant};
use super::{Class, Kind, Relation};
use crate::decimal::Decimal;

/// Powers of ten beyond this are chance.
const MOST_POWER: i64 = 12;
/// Decimal places tried, the usual ones first: the same cause must give the same relation, although a rounded
/// value may happen to end with a zero.
const PLACES: [u8; 10] = [2, 0, 3, 4, 6, 1, 5, 7, 8, 9];

/// Of which kind two values differ, in the body's words, and what makes right of left.
pub(super) type Judged = (Kind, Option<Relation>);

/// What a string is.
pub(super) fn class_of(text: &[u8]) -> Class {
    if text.is_empty() {
        Class::Empty
    } else if is_uuid(text) {
        Class::Uuid
    } else if Instant::read(text).is_some() {
        Class::Time
    } else if is_url(text) {
        Class::Url
    } else {
        Class::String
    }
}

/// How two strings differ; `None`: they are equal.
pub(super) fn texts(left: &[u8], right: &[u8]) -> Option<Judged> {
    if left == right {
        return None;
    }
    let value = |relation| Some((Kind::BodyValue, relation));
    if is_uuid(left) && is_uuid(right) {
        // The same one in capitals is not another one.
        let same = left.eq_ignore_ascii_case(right);
        return if same { value(Some(Relation::Case)) } else { Some((Kind::BodyUuid, None)) };
    }
    let instants = (Instant::read(left), Instant::read(right));
    if let (Some(one), Some(other)) = instants {
        return match one.gap(&other) {
            Gap::Same(relation) => Some((Kind::BodyTimeFormat, relation)),
            Gap::Offset(relation) => value(Some(relation)),
            Gap::Apart => value(None),
        };
    }
    match (Decimal::read(left), Decimal::read(right)) {
        (Some(one), Some(other)) if one == other => {
            // "007" is a name, "7.0" is a number.
            let fraction = left.contains(&b'.') || right.contains(&b'.');
            return if fraction { Some((Kind::BodyNumberPrecision, None)) } else { value(None) };
        }
        (Some(one), Some(other)) => return value(of_numbers(&one, &other)),
        (Some(number), None) => {
            if let Some(relation) = instants.1.and_then(|instant| instant.is_epoch(&number)) {
                return Some((Kind::BodyTimeFormat, relation.map(reversed)));
            }
        }
        (None, Some(number)) => {
            if let Some(relation) = instants.0.and_then(|instant| instant.is_epoch(&number)) {
                return Some((Kind::BodyTimeFormat, relation));
            }
        }
        (None, None) => {}
    }
    if words(left).eq(words(right)) {
        return Some((Kind::BodyWhitespace, None));
    }
    value(of_texts(left, right))
}

/// How two numbers differ, by their texts; `None`: they are equal, or no further apart than `tolerance`.
pub(super) fn numbers(left: &[u8], right: &[u8], tolerance: Option<&Decimal>) -> Option<Judged> {
    if left == right {
        return None;
    }
    let (Some(one), Some(other)) = (Decimal::read(left), Decimal::read(right)) else {
        return Some((Kind::BodyValue, None));
    };
    if tolerance.is_some_and(|tolerance| one.is_within(tolerance, &other)) {
        return None;
    }
    if one == other {
        return Some((Kind::BodyNumberPrecision, None));
    }
    if instant::are_epochs(&one, &other) {
        return Some((
            Kind::BodyTimeFormat,
            of_numbers(&one, &other).filter(|r| matches!(r, Relation::Scaled { .. })),
        ));
    }
    Some((Kind::BodyValue, of_numbers(&one, &other)))
}

/// How a number on the left and a string on the right differ.
pub(super) fn number_and_text(number: &[u8], text: &[u8]) -> Judged {
    let Some(number) = Decimal::read(number) else { return (Kind::BodyType, None) };
    if let Some(relation) = Instant::read(text).and_then(|instant| instant.is_epoch(&number)) {
        return (Kind::BodyTimeFormat, relation.map(reversed));
    }
    let same = Decimal::read(text).is_some_and(|other| other == number);
    (Kind::BodyType, same.then_some(Relation::StringNumber))
}

/// The relation from right to left, where it is known from left to right.
pub(super) fn reversed(relation: Relation) -> Relation {
    match relation {
        Relation::TimeOffset { minutes } => Relation::TimeOffset { minutes: -minutes },
        Relation::Scaled { power } => Relation::Scaled { power: -power },
        Relation::PrefixAdded => Relation::PrefixRemoved,
        Relation::PrefixRemoved => Relation::PrefixAdded,
        Relation::SuffixAdded => Relation::SuffixRemoved,
        Relation::SuffixRemoved => Relation::SuffixAdded,
        other => other,
    }
}

/// What makes one number of another.
fn of_numbers(left: &Decimal, right: &Decimal) -> Option<Relation> {
    if left.is_negation_of(right) {
        return Some(Relation::Negated);
    }
    if let Some(power) = left.power_to(right).filter(|power| power.abs() <= MOST_POWER) {
        return i8::try_from(power).ok().map(|power| Relation::Scaled { power });
    }
    let (long, short) = if left.places() >= right.places() { (left, right) } else { (right, left) };
    // Sums of money are a cent or two apart without any rounding, and one of them may end with a zero.
    let is_money = long.places() == 2;
    if is_money && long.is_within(&Decimal::unit(2), short) {
        return None;
    }
    let places = |holds: fn(&Decimal, &Decimal, u8) -> bool| {
        PLACES.into_iter().find(|places| !(is_money && *places == 1) && holds(long, short, *places))
    };
    places(Decimal::rounds_to)
        .map(|places| Relation::Rounded { places })
        .or_else(|| places(Decimal::cuts_to).map(|places| Relation::Cut { places }))
}

/// What makes one text of another.
pub(super) fn of_texts(left: &[u8], right: &[u8]) -> Option<Relation> {
    /// A shorter text is part of a longer one by chance.
    const LEAST_PART: usize = 3;
    let slashed = |one: &[u8], other: &[u8]| one.strip_suffix(b"/") == Some(other);
    if slashed(left, right) || slashed(right, left) {
        return Some(Relation::TrailingSlash);
    }
    if same_but_for_case(left, right) {
        return Some(Relation::Case);
    }
    if left.len().min(right.len()) < LEAST_PART {
        return None;
    }
    if right.ends_with(left) {
        Some(Relation::PrefixAdded)
    } else if left.ends_with(right) {
        Some(Relation::PrefixRemoved)
    } else if right.starts_with(left) {
        Some(Relation::SuffixAdded)
    } else if left.starts_with(right) {
        Some(Relation::SuffixRemoved)
    } else {
        None
    }
}

fn same_but_for_case(left: &[u8], right: &[u8]) -> bool {
    match (std::str::from_utf8(left), std::str::from_utf8(right)) {
        (Ok(left), Ok(right)) => {
            let lower = |text: &'_ str| text.chars().flat_map(char::to_lowercase).collect::<String>();
            left.len().abs_diff(right.len()) <= left.len() && lower(left) == lower(right)
        }
        _ => left.eq_ignore_ascii_case(right),
    }
}

/// The words of a text: what is left when white space is collapsed.
pub(super) fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text
            .iter()
            .enumerate()
            .all(|(at, b)| if matches!(at, 8 | 13 | 18 | 23) { *b == b'-' } else { b.is_ascii_hexdigit() })
}

/// Whether it begins as an absolute URL with an authority does (RFC 3986 section 3).
fn is_url(text: &[u8]) -> bool {
    let Some(end) = text.iter().position(|b| *b == b':') else { return false };
    let (scheme, rest) = text.split_at(end);
    rest.starts_with(b"://")
        && rest.len() > 3
        && scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        && !text.iter().any(u8::is_ascii_whitespace)
}

#[cfg(test)]
mod tests;
