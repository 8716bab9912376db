//! Whether conditions can hold together, and a value for which they do.
//!
//! Owns satisfiability and implication of conditions on one name. Refuses certainty about expressions: two of
//! them are assumed to have a common value.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::Condition;

/// What satisfies all conditions on one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::matching) enum Solution {
    /// This value.
    Value(String),
    /// That there is none.
    Absent,
    /// Nothing does.
    Impossible,
    /// Probably something, but none was found.
    Unknown,
}

/// A value for which all conditions hold.
pub(in crate::matching) fn solve(conditions: &[&Condition]) -> Solution {
    let is_absent = |condition: &&Condition| matches!(condition, Condition::Absent);
    if conditions.iter().any(&is_absent) {
        let all = conditions.iter().all(&is_absent);
        return if all { Solution::Absent } else { Solution::Impossible };
    }
    let listed = conditions.iter().find_map(|condition| match condition {
        Condition::Equals(value) => Some(vec![value.clone()]),
        Condition::In(values) => Some(values.clone()),
        _ => None,
    });
    let finite = listed.is_some();
    let candidates = listed.unwrap_or_else(|| samples(conditions));
    let holds = |value: &String| conditions.iter().all(|condition| condition.holds(Some(value)));
    match candidates.into_iter().find(holds) {
        Some(value) => Solution::Value(value),
        None if finite => Solution::Impossible,
        None => Solution::Unknown,
    }
}

/// Whether every value for which `given` holds also satisfies `wanted`. False where that is not certain.
pub(in crate::matching) fn implies(given: &Condition, wanted: &Condition) -> bool {
    match given {
        Condition::Equals(value) => wanted.holds(Some(value)),
        Condition::In(values) => values.iter().all(|value| wanted.holds(Some(value))),
        Condition::Present | Condition::Absent => given == wanted,
        Condition::Regex(_) => given == wanted || *wanted == Condition::Present,
    }
}

/// Values to try where none is listed.
fn samples(conditions: &[&Condition]) -> Vec<String> {
    let mut values = vec!["1".to_owned()];
    for condition in conditions {
        if let Condition::Regex(expression) = condition
            && let Ok(tree) = regex_syntax::parse(expression.as_str())
        {
            for least in [1, 0] {
                let mut value = String::new();
                sample(&tree, least, &mut value);
                values.push(value);
            }
        }
    }
    values
}

/// Appends something that an expression matches; an optional part is taken `least` times. Look-around is not
/// honoured: the caller tries the value.
fn sample(tree: &Hir, least: u32, to: &mut String) {
    /// Bounds the work for `a{1000000}`.
    const LONGEST: usize = 4096;
    match tree.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => to.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(class) => to.extend(member(class)),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(u32::MAX);
            for _ in 0..repetition.min.max(least).min(most) {
                sample(&repetition.sub, least, to);
                if to.len() > LONGEST {
                    return;
                }
            }
        }
        HirKind::Capture(capture) => sample(&capture.sub, least, to),
        HirKind::Concat(parts) => parts.iter().for_each(|part| sample(part, least, to)),
        HirKind::Alternation(branches) => {
            if let Some(branch) = branches.first() {
                sample(branch, least, to);
            }
        }
    }
}

/// A member of a character class that can stand in a header, a letter or digit if there is one.
fn member(class: &Class) -> Option<char> {
    let contains = |wanted: char| match class {
        Class::Unicode(class) => {
            class.ranges().iter().any(|range| range.start() <= wanted && wanted <= range.end())
        }
        Class::Bytes(class) => u8::try_from(wanted).is_ok_and(|wanted| {
            class.ranges().iter().any(|range| range.start() <= wanted && wanted <= range.end())
        }),
    };
    let preferred = ('a'..='z').chain('0'..='9').chain('A'..='Z').chain('!'..='~').chain([' ']);
    let first = match class {
        Class::Unicode(class) => class.ranges().first().map(|range| range.start()),
        Class::Bytes(class) => class.ranges().first().map(|range| char::from(range.start())),
    };
    let mut preferred = preferred;
    preferred.find(|wanted| contains(*wanted)).or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(text: &str) -> Condition {
        Condition::Regex(regex::Regex::new(text).unwrap())
    }

    fn equals(text: &str) -> Condition {
        Condition::Equals(text.into())
    }

    fn list(values: &[&str]) -> Condition {
        Condition::In(values.iter().map(|value| (*value).to_owned()).collect())
    }

    #[test]
    fn conditions_on_one_name_are_solved_together() {
        let table: &[(&[Condition], Solution)] = &[
            (&[], Solution::Value("1".into())),
            (&[Condition::Present], Solution::Value("1".into())),
            (&[Condition::Absent], Solution::Absent),
            (&[Condition::Absent, Condition::Absent], Solution::Absent),
            (&[Condition::Absent, Condition::Present], Solution::Impossible),
            (&[equals("a"), equals("b")], Solution::Impossible),
            (&[equals("a"), Condition::Present], Solution::Value("a".into())),
            (&[list(&["a", "b"]), list(&["c", "b"])], Solution::Value("b".into())),
            (&[list(&["a"]), list(&["c"])], Solution::Impossible),
            (&[list(&[])], Solution::Impossible),
            (&[regex("^b"), list(&["a", "bc"])], Solution::Value("bc".into())),
            (&[regex("^b"), equals("a")], Solution::Impossible),
            (&[regex("^x"), regex("y$")], Solution::Unknown),
            (&[regex("^(v2|v3)-[0-9]{2}z*$")], Solution::Value("v2-00z".into())),
            (&[regex("^$")], Solution::Value(String::new())),
        ];
        for (conditions, wanted) in table {
            let conditions: Vec<&Condition> = conditions.iter().collect();
            assert_eq!(solve(&conditions), *wanted, "{conditions:?}");
        }
    }

    #[test]
    fn implication_is_claimed_only_where_it_is_certain() {
        let table = [
            (equals("a"), equals("a"), true),
            (equals("a"), list(&["a", "b"]), true),
            (equals("a"), Condition::Present, true),
            (equals("a"), regex("^a"), true),
            (list(&["a", "b"]), equals("a"), false),
            (list(&["a", "b"]), list(&["b", "a", "c"]), true),
            (regex("a"), regex("a"), true),
            (regex("a"), regex("a+"), false),
            (regex("a"), Condition::Present, true),
            (Condition::Present, equals("a"), false),
            (Condition::Absent, Condition::Absent, true),
            (Condition::Absent, Condition::Present, false),
        ];
        for (given, wanted, certain) in table {
            assert_eq!(implies(&given, &wanted), certain, "{given} implies {wanted}");
        }
    }
}
