//! Text, by line.
//!
//! Owns which kind two texts differ in, and the first line that tells. A few passes and no memory, whatever the
//! texts.

use super::body::Whole;
use super::{Kind, Relation, value};
use crate::snapshot::compare::CompareMode;

/// What two texts differ in. The shape of a text is that it is there.
pub(super) fn difference(mode: CompareMode, left: &str, right: &str) -> Option<Whole> {
    if left == right || mode == CompareMode::Shape {
        return None;
    }
    if let (Some(one), Some(other)) = (only_line(left), only_line(right))
        && let Some((kind, relation)) = value::texts(one.as_bytes(), other.as_bytes())
    {
        let mut whole = Whole::new(kind, one.to_owned(), other.to_owned());
        whole.relation = relation;
        return Some(whole);
    }
    let kind = if is_same_but_for_blanks(left, right) {
        Kind::BodyWhitespace
    } else if fingerprint(left) == fingerprint(right) {
        Kind::BodyOrder
    } else if is_within(right, left) {
        Kind::BodyMissing
    } else if is_within(left, right) {
        Kind::BodyExtra
    } else {
        Kind::BodyValue
    };
    let first = left.lines().zip(right.lines()).take_while(|(one, other)| one == other).count();
    let shown = |text: &str| match text.lines().nth(first) {
        Some(line) => format!("line {}: {line}", first + 1),
        None => format!("{first} lines"),
    };
    let mut whole = Whole::new(kind, shown(left), shown(right));
    whole.relation = match kind {
        Kind::BodyOrder => Some(Relation::Permutation),
        Kind::BodyValue => value::of_texts(left.as_bytes(), right.as_bytes()),
        _ => None,
    };
    Some(whole)
}

fn only_line(text: &str) -> Option<&str> {
    let mut lines = text.lines();
    lines.next().filter(|_| lines.next().is_none())
}

/// Whether two texts are the same but for how much white space stands where.
pub(super) fn is_same_but_for_blanks(left: &str, right: &str) -> bool {
    left.split_whitespace().eq(right.split_whitespace())
}

/// How many lines there are, and the sum of their hashes: the same for the same lines in any order.
fn fingerprint(text: &str) -> (u64, u64) {
    text.lines().fold((0, 0), |(count, sum), line| {
        (count + 1, sum.wrapping_add(xxhash_rust::xxh3::xxh3_64(line.as_bytes())))
    })
}

/// Whether the lines of `part` all stand in `whole`, in their order.
fn is_within(part: &str, whole: &str) -> bool {
    let mut rest = whole.lines();
    part.lines().all(|line| rest.any(|other| other == line))
}

#[cfg(test)]
mod tests {
    use super::{CompareMode, Kind, difference};

    fn check(left: &str, right: &str, expected: Option<(Kind, &str, &str)>) {
        let got = difference(CompareMode::Full, left, right);
        let got = got.as_ref().map(|whole| (whole.kind, &*whole.left_value, &*whole.right_value));
        assert_eq!(got, expected, "{left:?} {right:?}");
    }

    #[test]
    fn text_is_compared_by_line() {
        check("a\nb", "a\nb", None);
        check("a\nb\n", "a\nc\n", Some((Kind::BodyValue, "line 2: b", "line 2: c")));
        check("a\nb\n", "b\na\n", Some((Kind::BodyOrder, "line 1: a", "line 1: b")));
        check("a\nb\nc", "a\nc", Some((Kind::BodyMissing, "line 2: b", "line 2: c")));
        check("a\n", "a\nb\n", Some((Kind::BodyExtra, "1 lines", "line 2: b")));
        check("a\r\nb\r\n", "a\nb", Some((Kind::BodyWhitespace, "2 lines", "2 lines")));
        check("a  b", "a b", Some((Kind::BodyWhitespace, "a  b", "a b")));
        check("a\na\nb", "a\nb\nb", Some((Kind::BodyValue, "line 2: a", "line 2: b")));
    }

    #[test]
    fn the_shape_of_a_text_is_that_it_is_there() {
        assert_eq!(difference(CompareMode::Shape, "a", "b"), None);
    }

    #[test]
    fn a_million_lines_take_a_few_passes() {
        let left = "a\n".repeat(500_000) + "b";
        let right = "b\n".to_owned() + &"a\n".repeat(500_000);
        assert_eq!(difference(CompareMode::Full, &left, &right).unwrap().kind, Kind::BodyOrder);
    }
}
