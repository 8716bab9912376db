//! Documents made to cost as much as possible: each of these ends, in time and memory in proportion.

use super::super::MOST_FINDINGS;
use super::tests::compared;
use crate::compare::{Account, Comparison};

/// Where the build is not optimised fewer of them will do: every bound is far below.
const MANY: u32 = if cfg!(debug_assertions) { 20_000 } else { 100_000 };

fn list(make: impl Fn(u32) -> String) -> String {
    format!("[{}]", (0..MANY).map(make).collect::<Vec<_>>().join(","))
}

fn told(found: &Comparison) -> Vec<String> {
    let tell = |it: &crate::compare::Finding| {
        format!("{} {} {}×", it.difference.path, it.difference.kind.word(), it.times)
    };
    found.differences.iter().map(tell).collect()
}

/// A permutation far from order: 48,271 and [`MANY`] have no divisor in common.
fn scattered(n: u32) -> u32 {
    u32::try_from(u64::from(n) * 48_271 % u64::from(MANY)).unwrap()
}

#[test]
fn very_many_elements_all_of_them_different() {
    let found = compared("", &list(|n| n.to_string()), &list(|n| (n + MANY).to_string()));
    assert_eq!(told(&found), [format!("$[0] value {MANY}×")]);
    let found = compared("", &list(|n| n.to_string()), "[7]");
    assert_eq!(told(&found), [format!("$[0] missing {}×", MANY - 1)]);
}

#[test]
fn very_many_elements_in_another_order() {
    let found = compared("", &list(|n| n.to_string()), &list(|n| (MANY - 1 - n).to_string()));
    assert_eq!(told(&found), ["$ order 1×"]);
    let product = |n: u32, price: String| format!("{{\"id\":{n},\"price\":{price}}}");
    let found = compared(
        "",
        &list(|n| product(n, format!("{n}.5"))),
        &list(|n| product(MANY - 1 - n, format!("\"{}.50\"", MANY - 1 - n))),
    );
    assert_eq!(told(&found), ["$ order 1×".to_owned(), format!("$[0].price type {MANY}×")]);
    let found = compared(
        "",
        &list(|n| product(n, format!("{n}.5"))),
        &list(|n| product(MANY - 1 - n, format!("\"{}\"", if n == 9 { 1 } else { MANY - 1 - n }))),
    );
    assert_eq!(found.differences.len(), 2, "{:?}", told(&found));
}

#[test]
fn very_many_elements_of_few_values() {
    let found = compared(
        "",
        &list(|n| (scattered(n) % 7 % 2).to_string()),
        &list(|n| (scattered(n) % 11 % 2).to_string()),
    );
    assert_eq!(found.account(), Account::Mismatch);
    let (left, right) = (list(|n| (n % 2).to_string()), list(|n| ((n + 1) % 2).to_string()));
    let found = compared("", &left, &right);
    assert_eq!(told(&found), ["$ order 1×"]);
    let found = compared("", &left, &format!("[2,{}", &right[1..]));
    assert_eq!(told(&found), [format!("$[{MANY}] extra 1×"), "$[0] value 1×".to_owned()]);
}

#[test]
fn very_many_elements_of_which_every_tenth_is_gone() {
    let kept: Vec<String> = (0..MANY).filter(|n| n % 10 > 0).map(|n| n.to_string()).collect();
    let found = compared("", &list(|n| n.to_string()), &format!("[{}]", kept.join(",")));
    assert_eq!(told(&found), [format!("$[0] missing {}×", MANY / 10)]);
}

#[test]
fn very_many_elements_without_order() {
    let rules = r#"arrays = { "$" = "unordered" }"#;
    let found = compared(rules, &list(|n| n.to_string()), &list(|n| (MANY - 1 - n).to_string()));
    assert_eq!(told(&found), [""; 0]);
    let found = compared(rules, &list(|n| n.to_string()), &list(|n| (n + MANY / 2).to_string()));
    assert_eq!(told(&found), [format!("$[0] value {}×", MANY / 2)]);
}

#[test]
fn many_elements_without_order_of_which_numbers_may_be_off() {
    const COUNT: u32 = 20_000;
    let list =
        |make: &dyn Fn(u32) -> String| format!("[{}]", (0..COUNT).map(make).collect::<Vec<_>>().join(","));
    // A permutation far from order: 7,919 and 20,000 have no divisor in common.
    let scattered = |n: u32| format!("{{\"p\":{}.01}}", n * 7919 % COUNT);
    let rules = "arrays = { \"$\" = \"unordered\" }\nnumbers = { \"$[*].p\" = 0.1 }";
    let left = list(&|n| format!("{{\"p\":{n}}}"));
    assert_eq!(told(&compared(rules, &left, &list(&scattered))), [""; 0]);
    let right = list(&scattered).replace("{\"p\":500.01}", "{}");
    assert_eq!(told(&compared(rules, &left, &right)), ["$[500].p missing 1×"]);
}

#[test]
fn very_many_elements_by_key() {
    let rules = r#"arrays = { "$" = "by:id" }"#;
    let element = |id: u32, value: u32| format!("{{\"id\":{id},\"v\":{value}}}");
    let found =
        compared(rules, &list(|n| element(n, n)), &list(|n| element(MANY - 1 - n, MANY - 1 - n + n % 2)));
    assert_eq!(told(&found), [format!("$[0].v value {}×", MANY / 2)]);
    let found = compared(rules, &list(|n| element(1, n)), &list(|n| element(1, scattered(n))));
    assert_eq!(found.account(), Account::Mismatch);
}

#[test]
fn very_many_members_of_other_names() {
    let object = |letter: char| {
        let members: Vec<String> = (0..MANY).map(|n| format!("\"{letter}{n}x\":{n}")).collect();
        format!("{{{}}}", members.join(","))
    };
    let found = compared("", &object('l'), &object('r'));
    assert_eq!(found.differences.len(), MOST_FINDINGS);
    assert_eq!(found.dropped, u64::from(2 * MANY) - MOST_FINDINGS as u64);
    let found = compared("ignore = [\"$..*\"]", &object('l'), &object('r'));
    assert_eq!(found.account(), Account::Ignored);
    assert_eq!(found.hidden_dropped, u64::from(2 * MANY) - MOST_FINDINGS as u64);
    let found = compared("mode = \"shape\"", &object('l'), &object('r'));
    assert_eq!(found.differences.len(), MOST_FINDINGS);
}

#[test]
fn very_many_members_of_one_name() {
    let object = |add: u32| {
        let members: Vec<String> = (0..MANY).map(|n| format!("\"a\":{}", n + add)).collect();
        format!("{{{}}}", members.join(","))
    };
    assert_eq!(told(&compared("", &object(0), &object(1))), ["$.a value 1×"]);
    assert_eq!(told(&compared("", &object(0), "{\"a\":1}")), ["$.a duplicate 1×"]);
}

#[test]
fn many_names_far_down() {
    let deep = |letter: char| {
        let members: Vec<String> = (0..MANY / 5).map(|n| format!("\"{letter}{n}x\":{n}")).collect();
        format!("{}{{{}}}{}", "{\"a\":".repeat(500), members.join(","), "}".repeat(500))
    };
    for rules in ["", "ignore = [\"$..*.*\"]", "ignore = [\"$..a..a..a..a.*\"]"] {
        let found = compared(rules, &deep('l'), &deep('r'));
        assert_eq!(found.differences.len().max(found.hidden.len()), MOST_FINDINGS, "{rules}");
    }
}

#[test]
fn arrays_without_order_within_arrays_without_order() {
    const WIDE: u32 = if cfg!(debug_assertions) { 25 } else { 60 };
    let rules = "arrays = { \"$..*\" = \"unordered\", \"$\" = \"unordered\" }\nnumbers = { \"$..*\" = 0.01 }";
    let nested = |leaf: &str| {
        (0..WIDE).fold(leaf.to_owned(), |inner, n| {
            format!("[{inner},[{n}],{{\"a\":[{inner_n}]}}]", inner_n = n + 1)
        })
    };
    let found = compared(rules, &nested("1"), &nested("\"1\""));
    assert_eq!(found.account(), Account::Mismatch);
    let wide = |add: u32| {
        let rows: Vec<String> = (0..WIDE)
            .map(|n| {
                format!("[{}]", (0..WIDE).map(|m| format!("[{}.{n}]", m + add)).collect::<Vec<_>>().join(","))
            })
            .collect();
        format!("[{}]", rows.join(","))
    };
    assert_eq!(compared(rules, &wide(0), &wide(1)).account(), Account::Mismatch);
}

#[test]
fn long_numbers_and_strings() {
    let digits = "7".repeat(1 << 20);
    let found = compared("numbers = { \"$\" = 1 }", &digits, &format!("{}8", &digits[1..]));
    assert_eq!(told(&found), [""; 0]);
    let found = compared("numbers = { \"$\" = 1 }", &digits, &format!("{}9", &digits[1..]));
    assert_eq!(told(&found), ["$ value 1×"]);
    let found = compared("numbers = { \"$\" = 1e-300 }", "1e999999999999999", "-1e-999999999999999");
    assert_eq!(told(&found), ["$ value 1×"]);
    let text = "x ".repeat(1 << 19);
    let found = compared("", &format!("\"{text}\""), &format!("\" {text}\""));
    assert_eq!(told(&found), ["$ whitespace 1×"]);
    let name = "n".repeat(1 << 20);
    let found = compared("", &format!("{{\"{name}\":1}}"), &format!("{{\"{name}\":2}}"));
    assert!(found.differences[0].difference.path.to_string().len() < 200);
}
