//! Forms: pairs of names and values, in any order.

use std::collections::BTreeMap;

use super::body::Whole;
use super::{Kind, text, value};
use crate::snapshot::compare::CompareMode;

/// Beyond this it is no form, and is compared as text.
const MOST_PAIRS: usize = 100_000;

/// What two forms (`application/x-www-form-urlencoded`) differ in.
pub(super) fn difference(mode: CompareMode, left: &str, right: &str) -> Option<Whole> {
    let pairs = |text: &str| text.bytes().filter(|b| *b == b'&').count();
    if pairs(left).max(pairs(right)) > MOST_PAIRS {
        return text::difference(mode, left, right);
    }
    let (ours, theirs) = (fields(left), fields(right));
    let lacks = |one: &BTreeMap<Vec<u8>, Vec<Vec<u8>>>, other: &BTreeMap<Vec<u8>, Vec<Vec<u8>>>| {
        let is_lacking = |(name, values): &(&Vec<u8>, &Vec<Vec<u8>>)| {
            let there = other.get(*name).map_or(0, Vec::len);
            there == 0 || (mode == CompareMode::Full && there < values.len())
        };
        one.iter().find(is_lacking).map(|(name, _)| name.clone())
    };
    if let Some(name) = lacks(&ours, &theirs) {
        return Some(Whole::new(Kind::BodyMissing, named(&name), String::new()));
    }
    if let Some(name) = lacks(&theirs, &ours) {
        return Some(Whole::new(Kind::BodyExtra, String::new(), named(&name)));
    }
    if mode == CompareMode::Shape {
        return None;
    }
    let (name, one) = ours.iter().find(|(name, values)| theirs.get(*name) != Some(values))?;
    let other = theirs.get(name)?;
    let (one, other) = one.iter().zip(other).find(|(one, other)| one != other)?;
    let (kind, relation) = value::texts(one, other)?;
    let shown =
        |value: &[u8]| format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value));
    let mut whole = Whole::new(kind, shown(one), shown(other));
    whole.relation = relation;
    Some(whole)
}

fn named(name: &[u8]) -> String {
    format!("field {}", String::from_utf8_lossy(name))
}

/// The values of each name, sorted.
fn fields(text: &str) -> BTreeMap<Vec<u8>, Vec<Vec<u8>>> {
    let mut fields: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    for pair in text.trim_ascii().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        fields.entry(decoded(name)).or_default().push(decoded(value));
    }
    fields.values_mut().for_each(|values| values.sort_unstable());
    fields
}

/// Without percent-encoding, and with a blank for each plus (URL Standard §5.1).
fn decoded(text: &str) -> Vec<u8> {
    let digit =
        |byte: Option<&u8>| byte.and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high * 16 + low);
                at += 2;
            }
            (b'+', ..) => decoded.push(b' '),
            _ => decoded.push(*byte),
        }
        at += 1;
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::{CompareMode, Kind, difference};

    fn check(left: &str, right: &str, expected: Option<Kind>) {
        let got = difference(CompareMode::Full, left, right);
        assert_eq!(got.map(|whole| whole.kind), expected, "{left} | {right}");
    }

    #[test]
    fn a_form_is_a_multiset_of_pairs() {
        check("a=1&b=2", "b=2&a=1", None);
        check("a=1&a=2", "a=2&a=1", None);
        check("a=x+y", "a=x%20y", None);
        check("%61=%c3%A9", "a=é", None);
        check("a=1&", "a=1\n", None);
        check("a", "a=", None);
        check("a=1", "a=2", Some(Kind::BodyValue));
        check("a=1&a=1", "a=1", Some(Kind::BodyMissing));
        check("a=1&b=2", "a=1", Some(Kind::BodyMissing));
        check("a=1", "a=1&b=2", Some(Kind::BodyExtra));
        check("a=%", "a=%2", Some(Kind::BodyValue));
        check("a=%FF", "a=%FE", Some(Kind::BodyValue));
    }

    #[test]
    fn the_shape_of_a_form_is_its_names() {
        let check = |left: &str, right: &str, expected: Option<Kind>| {
            let got = difference(CompareMode::Shape, left, right);
            assert_eq!(got.map(|whole| whole.kind), expected, "{left} | {right}");
        };
        check("a=1&a=2", "a=3", None);
        check("a=1", "b=1", Some(Kind::BodyMissing));
    }
}
