//! Values for which a condition holds: one of each kind, where one example is too few.
//!
//! Owns enumerating: what a list names, and every branch, end of a range and a few counts of an expression. Refuses
//! completeness: an expression takes more values than can be tried.

use std::collections::HashSet;

use regex_syntax::hir::{Class, Hir, HirKind};

use super::Condition;

/// Values of one condition that are tried.
const VALUES_MAX: usize = 128;

/// A longer value is not tried: `a{1000000}` has no shorter one.
const VALUE_BYTES_MAX: usize = 4096;

/// What is tried for "many" where an expression names no end.
const MANY: u32 = 9;

impl Condition {
    /// Values for which it holds, as different as is known; empty where one example says all.
    pub(crate) fn values(&self) -> Vec<String> {
        match self {
            Condition::In(values) => values.clone(),
            Condition::Regex(expression) => {
                let Ok(tree) = regex_syntax::parse(expression.as_str()) else { return Vec::new() };
                let mut values = kinds(&tree);
                values.retain(|value| expression.is_match(value));
                values
            }
            Condition::Equals(_) | Condition::Present | Condition::Absent => Vec::new(),
        }
    }
}

/// Texts that an expression matches, look-around aside; the first is as plain as any.
fn kinds(tree: &Hir) -> Vec<String> {
    let mut found = match tree.kind() {
        HirKind::Empty | HirKind::Look(_) => vec![String::new()],
        HirKind::Literal(literal) => vec![String::from_utf8_lossy(&literal.0).into_owned()],
        HirKind::Class(class) => ends(class),
        HirKind::Capture(capture) => kinds(&capture.sub),
        HirKind::Alternation(branches) => branches.iter().flat_map(kinds).take(VALUES_MAX).collect(),
        HirKind::Concat(parts) => joined(&parts.iter().map(kinds).collect::<Vec<_>>()),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(repetition.min.saturating_add(MANY));
            let counts =
                [repetition.min.max(1).min(most), repetition.min, repetition.min.saturating_add(1), most];
            let each = kinds(&repetition.sub);
            let of = |count: u32| each.iter().filter_map(move |text| repeated(text, count));
            counts.into_iter().filter(|count| *count <= most).flat_map(of).take(4 * VALUES_MAX).collect()
        }
    };
    let mut seen = HashSet::new();
    found.retain(|text| seen.insert(text.clone()));
    found.truncate(VALUES_MAX);
    found
}

fn repeated(text: &str, count: u32) -> Option<String> {
    let count = usize::try_from(count).ok()?;
    (text.len().checked_mul(count)? <= VALUE_BYTES_MAX).then(|| text.repeat(count))
}

/// Each kind of each part once, between the first kinds of the others.
fn joined(parts: &[Vec<String>]) -> Vec<String> {
    let first = |part: &Vec<String>| part.first().cloned().unwrap_or_default();
    let plain: Vec<String> = parts.iter().map(first).collect();
    let mut found = vec![plain.concat()];
    for (at, part) in parts.iter().enumerate() {
        for kind in part.iter().skip(1) {
            let mut one = plain.clone();
            if let Some(place) = one.get_mut(at) {
                kind.clone_into(place);
            }
            found.push(one.concat());
            if found.len() >= VALUES_MAX {
                return found;
            }
        }
    }
    found.retain(|value| value.len() <= VALUE_BYTES_MAX);
    found
}

/// Both ends of each range of a class, visible ASCII first.
fn ends(class: &Class) -> Vec<String> {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class.ranges().iter().map(|range| (range.start(), range.end())).collect(),
        Class::Bytes(class) => {
            class.ranges().iter().map(|range| (char::from(range.start()), char::from(range.end()))).collect()
        }
    };
    let mut all: Vec<char> = Vec::new();
    for (start, end) in ranges.into_iter().take(VALUES_MAX) {
        // Of `.` and of what is "not a comma" the ends can hardly be sent; letters and digits can.
        let inner = ['a', 'z', 'A', 'Z', '0', '9', '-', '_'].into_iter().filter(|c| start <= *c && *c <= end);
        all.extend(inner.chain([start, end]));
    }
    all.sort_by_key(|c| !c.is_ascii_graphic());
    let mut texts: Vec<String> = Vec::new();
    for c in all {
        let text = c.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::Condition;

    fn check(expression: &str, wanted: &[&str]) {
        let values = Condition::Regex(regex::Regex::new(expression).unwrap()).values();
        for wanted in wanted {
            assert!(
                values.iter().any(|value| value == wanted),
                "{expression}: {wanted} is not in {values:?}"
            );
        }
        assert!(values.len() <= super::VALUES_MAX);
    }

    #[test]
    fn every_branch_end_and_count_of_an_expression_is_tried() {
        check("^(acme|mega|tiny)$", &["acme", "mega", "tiny"]);
        check("^v[1-3]$", &["v1", "v3"]);
        check("^a+$", &["a", "aa", "aaaaaaaaaa"]);
        check("^(beta)?-?x{2,3}$", &["beta-xx", "-xx", "betaxx", "beta-xxx"]);
        check("^[a-c](x|y)$", &["ax", "cx", "ay"]);
        check("a{5000}", &[]);
        check("((((a|b)*|c)*|d)*|e)*", &["a", "b", "c", "d", "e"]);
        assert_eq!(Condition::In(vec!["a".into(), "b".into()]).values(), ["a", "b"]);
        assert!(Condition::Present.values().is_empty());
    }
}
