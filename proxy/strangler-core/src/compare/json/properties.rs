//! What must hold for all documents, over many made by chance from a printed seed.

use std::collections::BTreeMap;

use super::tests::compared_under;
use crate::compare::fixture::rules;
use crate::compare::value::reversed;
use crate::compare::{Account, Comparison, Kind};
use crate::snapshot::Compare;

/// A document as a generator knows it.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Tree {
    Scalar(&'static str),
    Array(Vec<Tree>),
    Object(BTreeMap<&'static str, Tree>),
}

/// How many pairs each property is tried on.
const ROUNDS: usize = 8000;

/// No two of them are equal in value.
const SCALARS: [&str; 9] = ["null", "true", "false", "0", "1.5", "\"\"", "\"a\"", "\"B\"", "27"];
const NAMES: [&str; 5] = ["a", "b", "x", "é", "id"];

fn tree(random: &mut fastrand::Rng, depth: usize, arrays: bool) -> Tree {
    match random.usize(0..if depth == 0 { 2 } else { 5 }) {
        2 | 3 => Tree::Object(
            (0..random.usize(0..4)).map(|_| (name(random), tree(random, depth - 1, arrays))).collect(),
        ),
        4 if arrays => {
            Tree::Array((0..random.usize(0..5)).map(|_| tree(random, depth - 1, arrays)).collect())
        }
        _ => Tree::Scalar(SCALARS[random.usize(0..SCALARS.len())]),
    }
}

fn name(random: &mut fastrand::Rng) -> &'static str {
    NAMES[random.usize(0..NAMES.len())]
}

/// A document's text, with white space, the order of members and escapes left to chance.
fn text(tree: &Tree, random: &mut fastrand::Rng) -> String {
    let space = |random: &mut fastrand::Rng| ["", " ", "\n", "\t "][random.usize(0..4)];
    let (before, after) = (space(random), space(random));
    let inner = match tree {
        Tree::Scalar("\"a\"") if random.bool() => "\"\\u0061\"".to_owned(),
        Tree::Scalar(text) => (*text).to_owned(),
        Tree::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(|element| text(element, random)).collect();
            format!("[{}]", elements.join(","))
        }
        Tree::Object(members) => {
            let mut members: Vec<String> = members
                .iter()
                .map(|(name, value)| {
                    let name = if *name == "é" && random.bool() { "\\u00E9" } else { name };
                    format!("\"{name}\"{}:{}", space(random), text(value, random))
                })
                .collect();
            random.shuffle(&mut members);
            format!("{{{}}}", members.join(","))
        }
    };
    let inner = if inner == "[]" || inner == "{}" {
        format!("{}{}{}", &inner[..1], space(random), &inner[1..])
    } else {
        inner
    };
    format!("{before}{inner}{after}")
}

/// Changes one place of a document, always into another document.
fn mutated(tree: &Tree, random: &mut fastrand::Rng) -> Tree {
    let other = |random: &mut fastrand::Rng, tree: &Tree| loop {
        let new = self::tree(random, 1, true);
        if new != *tree {
            return new;
        }
    };
    let mut new = tree.clone();
    match &mut new {
        Tree::Array(elements) if !elements.is_empty() && random.u8(0..4) > 0 => {
            let at = random.usize(0..elements.len());
            match random.u8(0..4) {
                0 => drop(elements.remove(at)),
                1 => elements.insert(at, self::tree(random, 1, true)),
                _ => elements[at] = mutated(&elements[at], random),
            }
        }
        Tree::Object(members) if !members.is_empty() && random.u8(0..4) > 0 => {
            let name = *members.keys().nth(random.usize(0..members.len())).unwrap();
            if random.u8(0..4) == 0 {
                members.remove(name);
            } else {
                let value = mutated(&members[name], random);
                members.insert(name, value);
            }
        }
        _ => new = other(random, tree),
    }
    new
}

/// As it is under rules for which no order of elements counts.
fn sorted(tree: &Tree) -> Tree {
    match tree {
        Tree::Scalar(_) => tree.clone(),
        Tree::Array(elements) => {
            let mut elements: Vec<Tree> = elements.iter().map(sorted).collect();
            elements.sort_by(|one, other| one.partial_cmp(other).unwrap());
            Tree::Array(elements)
        }
        Tree::Object(members) => {
            Tree::Object(members.iter().map(|(name, value)| (*name, sorted(value))).collect())
        }
    }
}

/// Without the members of a name.
fn without(tree: &Tree, gone: &str) -> Tree {
    match tree {
        Tree::Scalar(_) => tree.clone(),
        Tree::Array(elements) => Tree::Array(elements.iter().map(|element| without(element, gone)).collect()),
        Tree::Object(members) => Tree::Object(
            members
                .iter()
                .filter(|(name, _)| **name != gone)
                .map(|(name, value)| (*name, without(value, gone)))
                .collect(),
        ),
    }
}

/// Runs over pairs of documents, some of them equal, most of them alike.
fn over_pairs(arrays: bool, rules_text: &str, check: impl Fn(&Compare, &Tree, &Tree, &str, &str)) {
    let rules = rules(rules_text);
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_260_115);
    println!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for round in 0..ROUNDS {
        let left = tree(&mut random, 3, arrays);
        let mut right = left.clone();
        if arrays {
            for _ in 0..round % 4 {
                right = mutated(&right, &mut random);
            }
        } else if round % 4 > 0 {
            right = tree(&mut random, 3, arrays);
        }
        let texts = (text(&left, &mut random), text(&right, &mut random));
        check(&rules, &left, &right, &texts.0, &texts.1);
    }
}

fn account(rules: &Compare, left: &str, right: &str) -> Account {
    compared_under(rules, left, right).account()
}

#[test]
fn documents_differ_if_and_only_if_they_say_something_else() {
    over_pairs(true, "", |rules, left, right, one, other| {
        assert_eq!(account(rules, one, other) == Account::Match, left == right, "{one}\n{other}");
    });
}

#[test]
fn a_change_anywhere_is_always_seen() {
    let rules = rules("");
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..ROUNDS {
        let left = tree(&mut random, 4, true);
        let right = mutated(&left, &mut random);
        if left != right {
            let (one, other) = (text(&left, &mut random), text(&right, &mut random));
            assert_eq!(account(&rules, &one, &other), Account::Mismatch, "{one}\n{other}");
        }
    }
}

#[test]
fn without_order_documents_differ_if_and_only_if_they_hold_something_else() {
    let rules = r#"arrays = { "$" = "unordered", "$..*" = "unordered" }"#;
    over_pairs(true, rules, |rules, left, right, one, other| {
        let wanted = sorted(left) == sorted(right);
        assert_eq!(account(rules, one, other) == Account::Match, wanted, "{one}\n{other}");
    });
}

#[test]
fn ignored_members_are_as_if_they_were_not_there() {
    over_pairs(true, r#"ignore = ["$..x"]"#, |rules, left, right, one, other| {
        let wanted = without(left, "x") == without(right, "x");
        let found = account(rules, one, other);
        assert_eq!(found != Account::Mismatch, wanted, "{one}\n{other}");
        if left == right {
            assert_eq!(found, Account::Match, "{one}\n{other}");
        }
    });
}

#[test]
fn by_key_nothing_is_swallowed() {
    let rules = r#"arrays = { "$" = "by:id", "$..*" = "by:id" }"#;
    over_pairs(true, rules, |rules, left, right, one, other| {
        if sorted(left) != sorted(right) {
            assert_eq!(account(rules, one, other), Account::Mismatch, "{one}\n{other}");
        }
        if left == right {
            assert_eq!(account(rules, one, other), Account::Match, "{one}\n{other}");
        }
    });
}

#[test]
fn both_directions_end_in_one_account() {
    for rules in ["", "mode = \"shape\"", r#"arrays = { "$..*" = "unordered" }"#, r#"ignore = ["$..a"]"#] {
        over_pairs(true, rules, |rules, _, _, one, other| {
            assert_eq!(account(rules, one, other), account(rules, other, one), "{rules:?}\n{one}\n{other}");
        });
    }
}

/// What differs, seen from the other side.
fn mirrored(found: &Comparison) -> Vec<String> {
    let mut all: Vec<String> = found
        .differences
        .iter()
        .map(|finding| {
            let it = &finding.difference;
            let kind = match it.kind {
                Kind::BodyMissing => Kind::BodyExtra,
                Kind::BodyExtra => Kind::BodyMissing,
                kind => kind,
            };
            format!("{} {kind} {} {} {:?}", it.path, it.right, it.left, it.relation.map(reversed))
        })
        .collect();
    all.sort();
    all
}

#[test]
fn from_the_other_side_missing_is_extra_and_all_else_the_same() {
    over_pairs(false, "", |rules, _, _, one, other| {
        let there = mirrored(&compared_under(rules, one, other));
        let mut back: Vec<String> = compared_under(rules, other, one)
            .differences
            .iter()
            .map(|finding| {
                let it = &finding.difference;
                format!("{} {} {} {} {:?}", it.path, it.kind, it.left, it.right, it.relation)
            })
            .collect();
        back.sort();
        assert_eq!(there, back, "{one}\n{other}");
    });
}

#[test]
fn the_same_pair_always_gives_the_same_findings() {
    over_pairs(true, "", |rules, _, _, one, other| {
        let found = compared_under(rules, one, other);
        assert_eq!(found, compared_under(rules, one, other), "{one}\n{other}");
    });
}

#[test]
fn there_is_one_difference_per_path() {
    for rules in ["", "mode = \"shape\"", r#"arrays = { "$..*" = "by:id" }"#] {
        over_pairs(true, rules, |rules, _, _, one, other| {
            let found = compared_under(rules, one, other);
            // What only the right side has is told by its place there.
            let left = found.differences.iter().filter(|finding| finding.difference.kind != Kind::BodyExtra);
            let mut paths: Vec<String> = left.map(|finding| finding.difference.path.to_string()).collect();
            let count = paths.len();
            paths.sort();
            paths.dedup();
            assert_eq!(paths.len(), count, "{rules:?}\n{one}\n{other}\n{found:?}");
        });
    }
}
