use super::compare;
use crate::compare::fixture::{context, rules};
use crate::compare::{Account, Comparison, Finding, Findings, Verdict};
use crate::snapshot::Compare;

pub(super) fn compared(rules_text: &str, left: &str, right: &str) -> Comparison {
    compared_under(&rules(rules_text), left, right)
}

pub(super) fn compared_under(rules: &Compare, left: &str, right: &str) -> Comparison {
    let context = context(rules);
    let mut findings = Findings::new(&context);
    assert!(compare(left.as_bytes(), right.as_bytes(), &mut findings).is_ok(), "{left} {right}");
    findings.finish()
}

/// `path kind left→right (relation)`, without the kind's `body.`.
fn told(findings: &[Finding]) -> Vec<String> {
    let mut told: Vec<String> = findings
        .iter()
        .map(|finding| {
            let it = &finding.difference;
            let relation = it.relation.map(|relation| format!(" ({relation})")).unwrap_or_default();
            format!("{} {} {}→{}{relation}", it.path, it.kind.word(), it.left, it.right)
        })
        .collect();
    told.sort();
    told
}

/// Which differences two texts have under rules that hide none of them.
fn check(rules: &str, left: &str, right: &str, wanted: &[&str]) {
    let found = compared(rules, left, right);
    assert_eq!(told(&found.differences), wanted, "{rules}\n{left}\n{right}");
    assert_eq!(told(&found.hidden), [""; 0], "{rules}\n{left}\n{right}");
}

/// Which differences are hidden.
fn check_hidden(rules: &str, left: &str, right: &str, counting: &[&str], hidden: &[&str]) {
    let found = compared(rules, left, right);
    assert_eq!(told(&found.differences), counting, "{rules}\n{left}\n{right}");
    assert_eq!(told(&found.hidden), hidden, "{rules}\n{left}\n{right}");
    let account = match (counting.is_empty(), hidden.is_empty()) {
        (false, _) => Account::Mismatch,
        (true, false) => Account::Ignored,
        (true, true) => Account::Match,
    };
    assert_eq!(found.account(), account);
}

#[test]
fn what_says_the_same_is_no_difference() {
    check("", "{}", "{}", &[]);
    check("", r#"{"a":1,"b":[true,null]}"#, " {\n\"b\" : [true, null],\t\"a\":1}\r\n", &[]);
    check("", r#""é\/""#, "\"\\u00e9/\"", &[]);
    check("", r#"{"é":1}"#, r#"{"\u00e9":1}"#, &[]);
    check("", "[1.0]", "[1.0 ]", &[]);
    check("", "1", "\u{feff}1", &[]);
    check("", "", "  ", &[]);
}

#[test]
fn missing_is_what_legacy_has_and_extracted_lacks() {
    check("", r#"{"tier":"gold"}"#, "{}", &["$.tier missing string→absent"]);
    check("", "{}", r#"{"tier":{"a":1}}"#, &["$.tier extra absent→object"]);
    check("", r#"{"a":{"b c":1}}"#, r#"{"a":{}}"#, &["$.a['b c'] missing integer→absent"]);
    check("", "[1,2]", "[1]", &["$[1] missing integer→absent"]);
    check("", "[1]", "[1,null]", &["$[1] extra absent→null"]);
    check("", "", "{}", &["$ extra absent→object"]);
    check("", "[]", "\n", &["$ missing array→absent"]);
}

#[test]
fn null_is_not_absent() {
    check("", r#"{"phone":null}"#, "{}", &["$.phone null_vs_absent null→absent (null↔absent)"]);
    check("", "{}", r#"{"phone":null}"#, &["$.phone null_vs_absent absent→null (null↔absent)"]);
    check("", r#"{"phone":null}"#, r#"{"phone":""}"#, &["$.phone type null→empty"]);
}

#[test]
fn types_differ_once_and_nothing_below() {
    check("", r#"{"a":{"b":1,"c":2}}"#, r#"{"a":[1,2]}"#, &["$.a type object→array"]);
    check("", "1", "[1]", &["$ type integer→array"]);
    check("", "19.9", r#""19.90""#, &["$ type decimal→string (string↔number)"]);
    check("", r#""19.90""#, "19.9", &["$ type string→decimal (string↔number)"]);
    check("", "true", r#""true""#, &["$ type bool→string (string↔bool)"]);
    check("", "0", "false", &["$ type integer→bool (string↔bool)"]);
    check("", "true", "0", &["$ type bool→integer"]);
    check("", "true", "null", &["$ type bool→null"]);
    check("", "1762157565", r#""2025-11-03T08:12:45Z""#, &["$ time_format integer→time"]);
}

#[test]
fn values_differ_in_the_most_specific_kind() {
    let (one, other) = ("0190b5a4-6f2e-7c3a-9d7e-0123456789ab", "5f1c9a0e-1111-4222-8333-44444444abcd");
    check("", "[true]", "[false]", &["$[0] value bool→bool"]);
    check("", r#"{"a":"x"}"#, r#"{"a":"y"}"#, &["$.a value string→string"]);
    check("", r#"{"a":"A"}"#, r#"{"a":"a"}"#, &["$.a value string→string (case)"]);
    check("", r#"{"a":"x  y"}"#, r#"{"a":"x y\n"}"#, &["$.a whitespace string→string"]);
    check("", &format!("[\"{one}\"]"), &format!("[\"{other}\"]"), &["$[0] uuid uuid→uuid"]);
    check(
        "",
        r#"{"at":"2025-11-03 09:12:45"}"#,
        r#"{"at":"2025-11-03T08:12:45Z"}"#,
        &["$.at time_format time→time (time -01:00)"],
    );
    check("", "[1999]", "[19.99]", &["$[0] value integer→decimal (×0.01)"]);
}

#[test]
fn an_equal_value_with_another_lexeme_is_number_precision_and_counts() {
    check("", "19.9", "19.90", &["$ number_precision decimal→decimal"]);
    check("", "19.9", "1.99e1", &["$ number_precision decimal→decimal"]);
    check("", "[1]", "[1.0]", &["$[0] number_precision integer→decimal"]);
    check("", "9007199254740993", "9007199254740992", &["$ value integer→integer"]);
    check(
        "",
        r#"{"a":[{"p":1.5}]}"#,
        r#"{"a":[{"p":1.50}]}"#,
        &["$.a[0].p number_precision decimal→decimal"],
    );
}

#[test]
fn a_duplicate_key_is_a_difference_of_its_own() {
    check("", r#"{"a":1,"a":1}"#, r#"{"a":1}"#, &["$.a duplicate integer→integer"]);
    check("", r#"{"a":1}"#, r#"{"a":2,"a":1}"#, &["$.a duplicate integer→integer"]);
    check("", r#"{"a":1,"\u0061":1}"#, r#"{"a":1}"#, &["$.a duplicate integer→integer"]);
    check("", r#"{"a":1,"a":2}"#, r#"{"a":1,"a":2}"#, &[]);
    check("", r#"{"a":1,"a":2}"#, r#"{"a":1, "a":3}"#, &["$.a value integer→integer"]);
    check("", r#"{"a":1,"a":2}"#, r#"{"a":9, "a":2}"#, &["$.a duplicate integer→integer"]);
    check("", r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#, &["$.a value integer→integer"]);
    check("", r#"{"b":[{"a":1,"a":2}]}"#, r#"{"b":[{"a":2,"a":1}]}"#, &["$.b[0].a value integer→integer"]);
    check("", r#"{"a":1,"a":1}"#, "{}", &["$.a missing integer→absent"]);
}

#[test]
fn elements_between_equal_ones_pair_by_position() {
    check("", "[1,2,3]", "[1,9,3]", &["$[1] value integer→integer"]);
    check("", "[1,2,3,4]", "[1,9,4]", &["$[1] value integer→integer", "$[2] missing integer→absent"]);
    check("", "[1,4]", "[1,2,3,4]", &["$[1] extra absent→integer"]);
    check("", "[1,2,3]", "[2,3]", &["$[0] missing integer→absent"]);
    check("", "[1,2,3]", "[0,1,2,3]", &["$[0] extra absent→integer"]);
    check("", "[[1],[2],[3]]", r#"[[1],["x"],[3]]"#, &["$[1][0] type integer→string"]);
    check("", r#"["a","b","c","d"]"#, r#"["a","x","c","y"]"#, &["$[1] value string→string"]);
    check(
        "",
        r#"[{"id":1,"p":1},{"id":2,"p":2},{"id":3,"p":3}]"#,
        r#"[{"id":1,"p":1},{"id":3,"p":3}]"#,
        &["$[1] missing object→absent"],
    );
}

#[test]
fn a_pure_permutation_is_a_difference_of_order() {
    let order = "$ order array→array (permutation)";
    check("", "[1,2]", "[2,1]", &[order]);
    check("", "[1,2,3,4,5]", "[1,4,3,2,5]", &[order]);
    check("", "[1,1,2]", "[1,2,1]", &[order]);
    check("", r#"{"t":["a","b"]}"#, r#"{"t":["b","a"]}"#, &["$.t order array→array (permutation)"]);
    check("", "[[1,2],[3]]", "[[3],[1,2]]", &[order]);
    check("", "[1,1,2]", "[1,2,2]", &["$[1] value integer→integer"]);
    // Equal in value, written otherwise: both are told.
    check("", "[1,2.0]", "[2,1]", &[order, "$[1] number_precision decimal→integer"]);
}

#[test]
fn another_order_is_seen_although_every_element_differs_in_notation() {
    check(
        "",
        r#"[{"id":1,"price":19.9},{"id":2,"price":5},{"id":3,"price":7.25}]"#,
        r#"[{"id":3,"price":"7.25"},{"id":1,"price":"19.90"},{"id":2,"price":"5.00"}]"#,
        &["$ order array→array (permutation)", "$[0].price type decimal→string (string↔number)"],
    );
    // And although one of them has another value as well.
    check(
        "",
        r#"[{"id":1,"price":19.9,"stock":4},{"id":2,"price":5.5,"stock":4},{"id":3,"price":7.25,"stock":9}]"#,
        r#"[{"id":3,"price":"7.25","stock":8},{"id":1,"price":"19.90","stock":4},{"id":2,"price":"5.50","stock":4}]"#,
        &[
            "$ order array→array (permutation)",
            "$[0].price type decimal→string (string↔number)",
            "$[2].stock value integer→integer",
        ],
    );
    // Values that changed places are no order where ids stayed.
    check(
        "",
        r#"[{"id":1,"stock":4},{"id":2,"stock":9}]"#,
        r#"[{"id":1,"stock":9},{"id":2,"stock":4}]"#,
        &["$[0].stock value integer→integer"],
    );
    // One missing and all written otherwise: the rest is still held against its own.
    check(
        "",
        r#"[{"id":1,"price":1.5},{"id":2,"price":2.5},{"id":3,"price":3.5}]"#,
        r#"[{"id":2,"price":"2.5"},{"id":3,"price":"3.5"}]"#,
        &["$[0] missing object→absent", "$[1].price type decimal→string (string↔number)"],
    );
}

#[test]
fn unordered_arrays_are_equal_in_any_order() {
    let rules = r#"arrays = { "$.t" = "unordered" }"#;
    check(rules, r#"{"t":[1,2,2,3]}"#, r#"{"t":[2,3,1,2]}"#, &[]);
    check(rules, r#"{"t":[1,2,2]}"#, r#"{"t":[2,1,1]}"#, &["$.t[2] value integer→integer"]);
    check(rules, r#"{"t":[1,2,2]}"#, r#"{"t":[2,1]}"#, &["$.t[2] missing integer→absent"]);
    check(rules, r#"{"t":[1]}"#, r#"{"t":[2,1]}"#, &["$.t[0] extra absent→integer"]);
    check(rules, r#"{"t":[1.0,1]}"#, r#"{"t":[1,1.0]}"#, &[]);
    check(rules, r#"{"t":[1.0,2]}"#, r#"{"t":[2,1]}"#, &["$.t[0] number_precision decimal→integer"]);
    check(
        rules,
        r#"{"t":[{"a":1,"b":2,"c":3},{"a":5,"b":6,"c":7}]}"#,
        r#"{"t":[{"a":5,"b":6,"c":8},{"a":1,"b":2,"c":3}]}"#,
        &["$.t[1].c value integer→integer"],
    );
    // Elsewhere order counts.
    check(rules, r#"{"u":[1,2]}"#, r#"{"u":[2,1]}"#, &["$.u order array→array (permutation)"]);
    check(rules, r#"{"t":[[1,2]]}"#, r#"{"t":[[2,1]]}"#, &["$.t[0] order array→array (permutation)"]);
    check(r#"arrays = { "$..*" = "unordered" }"#, r#"{"t":[[1,2],[3]]}"#, r#"{"t":[[3],[2,1]]}"#, &[]);
    // The more specific rule holds.
    let rules = r#"arrays = { "$.*" = "unordered", "$.t" = "ordered" }"#;
    check(
        rules,
        r#"{"t":[1,2],"u":[1,2]}"#,
        r#"{"t":[2,1],"u":[2,1]}"#,
        &["$.t order array→array (permutation)"],
    );
}

#[test]
fn arrays_by_key_ignore_order() {
    let rules = r#"arrays = { "$" = "by:id" }"#;
    check(rules, r#"[{"id":1,"v":"a"},{"id":2,"v":"b"}]"#, r#"[{"id":2,"v":"b"},{"id":1,"v":"a"}]"#, &[]);
    check(
        rules,
        r#"[{"id":1,"v":"a"},{"id":2,"v":"b"}]"#,
        r#"[{"id":2,"v":"x"},{"id":1,"v":"a"}]"#,
        &["$[1].v value string→string"],
    );
    check(
        rules,
        r#"[{"id":1},{"id":2}]"#,
        r#"[{"id":3},{"id":1}]"#,
        &["$[0] extra absent→object", "$[1] missing object→absent"],
    );
    // An id that became a string is one difference of type, not two elements.
    check(
        rules,
        r#"[{"id":1},{"id":2}]"#,
        r#"[{"id":"2"},{"id":"1"}]"#,
        &["$[0].id type integer→string (string↔number)"],
    );
}

#[test]
fn arrays_by_key_fall_back_to_positions_and_swallow_nothing() {
    let rules = r#"arrays = { "$" = "by:id" }"#;
    // Repeated keys.
    check(rules, r#"[{"id":1},{"id":1}]"#, r#"[{"id":1}]"#, &["$[1] missing object→absent"]);
    check(rules, r#"[{"id":1}]"#, r#"[{"id":1},{"id":1}]"#, &["$[1] extra absent→object"]);
    check(
        rules,
        r#"[{"id":1,"v":1},{"id":1,"v":2}]"#,
        r#"[{"id":1,"v":2},{"id":1,"v":1}]"#,
        &["$[0].v value integer→integer"],
    );
    // Absent keys.
    check(rules, r#"[{"v":1},{"v":2}]"#, r#"[{"v":2},{"v":1}]"#, &["$[0].v value integer→integer"]);
    check(rules, r#"[{"v":1},{"v":2}]"#, r#"[{"v":1}]"#, &["$[1] missing object→absent"]);
    check(rules, "[1,2]", "[1,3]", &["$[1] value integer→integer"]);
    check(rules, r#"[{"id":1,"v":1}]"#, r#"[{"v":1}]"#, &["$[0].id missing integer→absent"]);
    check(rules, r#"[{"id":null}]"#, r#"[{"id":null},{"id":null}]"#, &["$[1] extra absent→object"]);
    check(rules, r#"[{"id":[1]}]"#, r#"[{"id":[2]}]"#, &["$[0].id[0] value integer→integer"]);
}

#[test]
fn tolerance_is_inclusive_and_decimal() {
    let rules = r#"numbers = { "$.total" = 0.01, "$.items[*].p" = 1 }"#;
    check(rules, r#"{"total":0.3}"#, r#"{"total":0.31}"#, &[]);
    check(rules, r#"{"total":0.3}"#, r#"{"total":0.30}"#, &[]);
    check(rules, r#"{"total":0.3}"#, r#"{"total":0.311}"#, &["$.total value decimal→decimal (rounded(1))"]);
    check(rules, r#"{"other":1}"#, r#"{"other":1.001}"#, &["$.other value integer→decimal (rounded(2))"]);
    check(rules, r#"{"total":"1.00"}"#, r#"{"total":"1.01"}"#, &["$.total value string→string"]);
    check(rules, r#"{"items":[{"p":1},{"p":5}]}"#, r#"{"items":[{"p":2},{"p":4}]}"#, &[]);
    check(
        rules,
        r#"{"items":[{"id":1,"p":1},{"id":2,"p":5}]}"#,
        r#"{"items":[{"id":2,"p":5.5},{"id":1,"p":1}]}"#,
        &["$.items order array→array (permutation)"],
    );
    // The more specific of two, wherever it stands.
    let rules = r#"numbers = { "$..p" = 5, "$.a.p" = 0.5 }"#;
    check(
        rules,
        r#"{"a":{"p":1},"b":{"p":1}}"#,
        r#"{"a":{"p":3},"b":{"p":3}}"#,
        &["$.a.p value integer→integer"],
    );
    // In arrays without order, numbers that may be off still find each other.
    let rules = r#"arrays = { "$" = "unordered" }
        numbers = { "$[*]" = 0.01, "$[*].p" = 0.01 }"#;
    check(rules, "[1,2,3]", "[3.01,0.99,2]", &[]);
    check(rules, r#"[{"p":1},{"p":2}]"#, r#"[{"p":2.01},{"p":1.01}]"#, &[]);
    check(
        rules,
        r#"[{"p":1},{"p":2}]"#,
        r#"[{"p":2.01},{"p":1.02}]"#,
        &["$[0].p value integer→decimal (rounded(0))"],
    );
}

#[test]
fn ignore_covers_the_subtree_with_presence_and_type() {
    let hidden = |path: &str, left: &str, right: &str, what: &[&str]| {
        check_hidden(&format!("ignore = [{path:?}]"), left, right, &[], what);
    };
    hidden("$.a", r#"{"a":1}"#, r#"{"a":2}"#, &["$.a value integer→integer"]);
    hidden("$.a", r#"{"a":1}"#, "{}", &["$.a missing integer→absent"]);
    hidden("$.a", r#"{"a":1}"#, r#"{"a":[]}"#, &["$.a type integer→array"]);
    hidden("$.a", r#"{"a":{"b":[1]}}"#, r#"{"a":{"b":[2]}}"#, &["$.a.b[0] value integer→integer"]);
    hidden("$", r#"{"a":1}"#, "[]", &["$ type object→array"]);
    hidden("$['a b']", r#"{"a b":1}"#, r#"{"a b":2}"#, &["$['a b'] value integer→integer"]);
    hidden("$[1]", "[1,2]", "[1,3]", &["$[1] value integer→integer"]);
    hidden(
        "$.*",
        r#"{"a":1,"b":[2]}"#,
        r#"{"a":2,"b":[3]}"#,
        &["$.a value integer→integer", "$.b[0] value integer→integer"],
    );
    hidden("$[*].id", r#"[{"id":1},{"id":2}]"#, r#"[{"id":3},{"id":4}]"#, &["$[0].id value integer→integer"]);
    hidden(
        "$..id",
        r#"{"id":1,"a":[{"id":1}]}"#,
        r#"{"id":2,"a":[{"id":2}]}"#,
        &["$.a[0].id value integer→integer", "$.id value integer→integer"],
    );
    hidden("$..a.b", r#"{"x":{"a":{"b":1}}}"#, r#"{"x":{"a":{"b":2}}}"#, &["$.x.a.b value integer→integer"]);
    hidden("$..[1]", "[[1,2]]", "[[1,3]]", &["$[0][1] value integer→integer"]);
}

#[test]
fn ignore_covers_nothing_else() {
    let counts = |path: &str, left: &str, right: &str, what: &[&str]| {
        check_hidden(&format!("ignore = [{path:?}]"), left, right, what, &[]);
    };
    counts("$.a", r#"{"b":1}"#, r#"{"b":2}"#, &["$.b value integer→integer"]);
    counts("$.a.b", r#"{"a":{"b":1}}"#, r#"{"a":null}"#, &["$.a type object→null"]);
    counts("$.a", r#"{"x":{"a":1}}"#, r#"{"x":{"a":2}}"#, &["$.x.a value integer→integer"]);
    counts("$[0]", "[1,2]", "[1,3]", &["$[1] value integer→integer"]);
    counts("$.id", r#"[{"id":1}]"#, r#"[{"id":2}]"#, &["$[0].id value integer→integer"]);
    counts("$.0", "[1]", "[2]", &["$[0] value integer→integer"]);
    counts("$[0]", r#"{"0":1}"#, r#"{"0":2}"#, &["$.0 value integer→integer"]);
}

#[test]
fn what_is_ignored_has_no_part_in_finding_counterparts() {
    let rules = r#"ignore = ["$[*].at"]"#;
    check_hidden(
        rules,
        r#"[{"at":1,"v":"a"},{"at":2,"v":"b"}]"#,
        r#"[{"at":3,"v":"b"},{"at":4,"v":"a"}]"#,
        &["$ order array→array (permutation)"],
        &["$[0].at value integer→integer"],
    );
    check_hidden(
        rules,
        r#"[{"at":1,"v":"a"},{"at":2,"v":"b"},{"at":3,"v":"c"}]"#,
        r#"[{"at":4,"v":"a"},{"v":"c"}]"#,
        &["$[1] missing object→absent"],
        &["$[0].at value integer→integer", "$[2].at missing integer→absent"],
    );
    check_hidden(
        r#"ignore = ["$[*].at"]
        arrays = { "$" = "unordered" }"#,
        r#"[{"at":1,"v":"a"},{"at":2,"v":"b"}]"#,
        r#"[{"at":3,"v":"b"},{"at":4,"v":"a"}]"#,
        &[],
        &["$[0].at value integer→integer"],
    );
}

#[test]
fn elements_that_are_all_ignored_are_in_no_order() {
    let value = "$.t[0] value integer→integer";
    for rules in [r#"ignore = ["$.t[*]"]"#, "ignore = [\"$.t[*]\"]\narrays = { \"$.t\" = \"unordered\" }"] {
        check_hidden(rules, r#"{"t":[1,2]}"#, r#"{"t":[4,3]}"#, &[], &[value]);
    }
    let rules = r#"ignore = ["$.t[*]"]"#;
    check_hidden(rules, r#"{"t":[1,2]}"#, r#"{"t":[2,1]}"#, &[], &[value]);
    check_hidden(rules, r#"{"t":[1,2]}"#, r#"{"t":[1]}"#, &[], &["$.t[1] missing integer→absent"]);
    check_hidden(r#"ignore = ["$[0]"]"#, r#"["x",1,2]"#, r#"["y",1,2]"#, &[], &["$[0] value string→string"]);
    // Below the array something else is.
    check_hidden(
        rules,
        r#"{"t":[1],"u":[1,2]}"#,
        r#"{"t":[1],"u":[2,1]}"#,
        &["$.u order array→array (permutation)"],
        &[],
    );
}

#[test]
fn accept_hides_what_it_names_until_its_day() {
    let accept = |what: &str, until: &str| format!("accept = [{{ {what}, why = \"w\", until = {until} }}]");
    let value = "$.a value integer→integer";
    let (left, right) = (r#"{"a":1}"#, r#"{"a":2}"#);
    let hides = |what: &str| check_hidden(&accept(what, "2026-01-15"), left, right, &[], &[value]);
    let leaves = |what: &str, until: &str| check_hidden(&accept(what, until), left, right, &[value], &[]);
    hides(r#"path = "$.a""#);
    hides(r#"path = "$.a", kind = "value""#);
    hides(r#"path = "$.a", kind = "body.value""#);
    hides(r#"path = "$""#);
    hides(r#"path = "$..a", kind = "value""#);
    leaves(r#"path = "$.a", kind = "type""#, "2026-01-15");
    leaves(r#"path = "$.b""#, "2026-01-15");
    leaves(r#"path = "$.a""#, "2026-01-14");
    leaves(r#"path = "status""#, "2026-01-15");
    let signature = compared("", left, right).differences[0].signature;
    hides(&format!("signature = \"{signature}\""));
    hides(&format!("signature = \"{}\"", signature.to_string().to_uppercase()));
    leaves(r#"signature = "00000000""#, "2026-01-15");
}

#[test]
fn an_accepted_kind_does_not_make_elements_alike() {
    let check = |path: &str, kind: &str, left: &str, right: &str, counting: &[&str], hidden: &[&str]| {
        let accept =
            format!("accept = [{{ path = \"{path}\", kind = \"{kind}\", why = \"w\", until = 2026-02-01 }}]");
        check_hidden(&accept, left, right, counting, hidden);
    };
    let moved = "$ order array→array (permutation)";
    check("$", "order", "[1,2]", "[2,1]", &[], &[moved]);
    let (left, right) = (r#"[{"id":1,"v":1},{"id":2,"v":2}]"#, r#"[{"id":2,"v":2},{"id":1,"v":1}]"#);
    check("$", "order", left, right, &[], &[moved]);
    check("$", "order", left, "[]", &["$[0] missing object→absent"], &[]);
    check("$", "missing", "[1,2,3]", "[1,3]", &[], &["$[1] missing integer→absent"]);
    check("$[*]", "missing", "[1,2,3]", "[1,3]", &[], &["$[1] missing integer→absent"]);
    check("$", "value", "[1,2,3]", "[1,3]", &["$[1] missing integer→absent"], &[]);
    // Elements that differ in an accepted member only are still each other's counterparts.
    let (left, right) =
        (r#"[{"id":1,"r":1},{"id":2,"r":2}]"#, r#"[{"id":0,"r":0},{"id":1,"r":3},{"id":2,"r":4}]"#);
    let extra = "$[0] extra absent→object";
    check("$[*].r", "value", left, right, &[extra], &["$[0].r value integer→integer"]);
}

#[test]
fn an_expired_accept_hides_nothing_and_is_told() {
    let accept = |until: &str| format!("{{ path = \"$.a\", why = \"w\", until = {until} }}");
    let (left, right) = (r#"{"a":1}"#, r#"{"a":2}"#);
    let verdict = |accepts: &[String]| {
        let found = compared(&format!("accept = [{}]", accepts.join(",")), left, right);
        found.differences.first().or(found.hidden.first()).unwrap().verdict
    };
    assert_eq!(verdict(&[accept("2026-01-14")]), Verdict::Expired(0));
    assert_eq!(verdict(&[accept("2025-01-01"), accept("2026-01-14")]), Verdict::Expired(0));
    let live = crate::compare::Rule::Accept(1);
    assert_eq!(verdict(&[accept("2026-01-14"), accept("2026-01-15")]), Verdict::Hidden(live));
}

#[test]
fn each_hidden_difference_names_its_rule() {
    let rules = r#"ignore = ["header:x", "$.a", "$.a.b"]
        accept = [{ path = "$.c", why = "w", until = 2027-01-01 }]"#;
    let found = compared(rules, r#"{"a":1,"c":[1,2]}"#, r#"{"a":2,"c":[3,"4"]}"#);
    let hidden: Vec<String> = found
        .hidden
        .iter()
        .map(|finding| format!("{:?} {}", finding.verdict, finding.difference.kind.word()))
        .collect();
    assert_eq!(hidden, ["Hidden(Ignore(1)) value", "Hidden(Accept(0)) value", "Hidden(Accept(0)) type"]);
}

#[test]
fn shape_is_presence_and_types_only() {
    let rules = r#"mode = "shape""#;
    check(rules, r#"{"a":1,"b":"x","c":true}"#, r#"{"a":2.5,"b":"2025-11-03","c":false}"#, &[]);
    check(rules, "[1,2,3]", "[3]", &[]);
    check(rules, "[1]", "[]", &[]);
    check(rules, r#"[1,"a"]"#, r#"["a",1,1]"#, &[]);
    check(rules, r#"[{"a":1},{"a":2}]"#, r#"[{"a":3}]"#, &[]);
    check(rules, r#"{"a":1,"a":2}"#, r#"{"a":1}"#, &[]);
    check(rules, r#"{"a":null}"#, r#"{"a":1}"#, &["$.a type null→integer"]);
    check(rules, r#"{"a":1}"#, r#"{"a":"1"}"#, &["$.a type integer→string"]);
    check(rules, r#"{"a":1}"#, "{}", &["$.a missing integer→absent"]);
    check(rules, "{}", r#"{"a":"http://x/"}"#, &["$.a extra absent→string"]);
    check(rules, r#"{"a":null}"#, "{}", &["$.a null_vs_absent null→absent (null↔absent)"]);
    check(rules, r#"{"a":{"b":1}}"#, r#"{"a":[1]}"#, &["$.a type object→array"]);
    check(
        rules,
        r#"[{"a":1},{"a":2}]"#,
        r#"[{"b":1}]"#,
        &["$[*].a missing integer→absent", "$[*].b extra absent→integer"],
    );
    check(rules, r#"[{"a":1},{"a":2}]"#, r#"[{"a":1},{}]"#, &["$[*].a missing integer→absent"]);
    check(rules, r#"[{},{"a":2}]"#, r#"[{"a":1},{}]"#, &[]);
    check(rules, "[1,2]", r#"[1,"2"]"#, &["$[*] type integer→string"]);
    check(rules, "[1,null]", "[1]", &["$[*] type null→integer"]);
    check(rules, "[[1],[2]]", r#"[["1"]]"#, &["$[*][*] type integer→string"]);
    check(
        rules,
        r#"[{"a":null},{"a":1}]"#,
        r#"[{},{"a":1}]"#,
        &["$[*].a null_vs_absent null→absent (null↔absent)"],
    );
    check(rules, "[1]", "{", &["$ parse array→unreadable"]);
    check_hidden(
        "mode = \"shape\"\nignore = [\"$[*].a\"]",
        r#"[{"a":1}]"#,
        r#"[{"a":"1"}]"#,
        &[],
        &["$[*].a type integer→string"],
    );
}

#[test]
fn what_does_not_parse_is_told_once() {
    check("", "{", "{}", &["$ parse unreadable→object"]);
    check("", "[1]", "[1,]", &["$ parse array→unreadable"]);
    let found = compared("", "[1]", "[1,]");
    assert_eq!(
        found.differences[0].difference.right_value.as_deref(),
        Some("byte 3: no value begins like this")
    );
    let rules = rules("");
    let context = context(&rules);
    let mut findings = Findings::new(&context);
    assert!(compare(b"{", b"[", &mut findings).is_err());
    assert!(compare(b"<p>", b"<p>", &mut findings).is_ok());
    assert!(!findings.any());
}

#[test]
fn examples_show_scalars_as_written_and_how_much_containers_hold() {
    let found = compared("", r#"{"a":19.9,"b":{"secret":1},"c":[1]}"#, r#"{"a":"19.90"}"#);
    let values: Vec<(Option<&str>, Option<&str>)> = found
        .differences
        .iter()
        .map(|finding| (finding.difference.left_value.as_deref(), finding.difference.right_value.as_deref()))
        .collect();
    assert!(values.contains(&(Some("19.9"), Some("\"19.90\""))), "{values:?}");
    assert!(values.contains(&(Some("object of 1 member"), None)), "{values:?}");
    assert!(values.contains(&(Some("array of 1 element"), None)), "{values:?}");
}

#[test]
fn differences_of_one_cause_are_one_finding() {
    let list = |make: fn(u32) -> String| format!("[{}]", (1..=500).map(make).collect::<Vec<_>>().join(","));
    let found = compared(
        "",
        &list(|n| format!("{{\"id\":{n},\"price\":{n}.25,\"by\":{{\"{n}\":1}}}}")),
        &list(|n| format!("{{\"id\":{n},\"price\":{n}25,\"by\":{{\"{n}\":2}}}}")),
    );
    assert_eq!(
        told(&found.differences),
        ["$[0].by.1 value integer→integer", "$[0].price value decimal→integer (×100)"]
    );
    assert!(found.differences.iter().all(|finding| finding.times == 500));
}
