//! Which routes tie, and which never win.

use http::HeaderName;

use super::*;
use crate::words::SliceId;

/// A route of a test: match text, rules, conditions, priority.
struct Case(Pattern, Predicates, i64);

const RULES: PathRules =
    PathRules { trailing_slash_same: false, case_insensitive: false, matrix_ignored: false };
const INSENSITIVE: PathRules = PathRules { case_insensitive: true, ..RULES };
const MATRIX: PathRules = PathRules { matrix_ignored: true, ..RULES };
const SAME: PathRules = PathRules { trailing_slash_same: true, ..RULES };

fn route(text: &str) -> Case {
    ruled(text, RULES)
}

fn ruled(text: &str, rules: PathRules) -> Case {
    Case(Pattern::parse(text, rules).unwrap(), Predicates::default(), 0)
}

impl Case {
    fn header(mut self, name: &'static str, condition: Condition) -> Case {
        self.1.headers.push((HeaderName::from_static(name), condition));
        self
    }

    fn priority(mut self, priority: i64) -> Case {
        self.2 = priority;
        self
    }
}

fn equals(value: &str) -> Condition {
    Condition::Equals(value.into())
}

fn list(values: &[&str]) -> Condition {
    Condition::In(values.iter().map(|value| (*value).to_owned()).collect())
}

fn found(cases: &[Case], excepts: &[&str]) -> Vec<String> {
    let entries: Vec<Entry<'_>> = cases
        .iter()
        .map(|Case(pattern, when, priority)| Entry {
            pattern,
            when,
            priority: *priority,
            slice: SliceId(0),
            listed: true,
        })
        .collect();
    let excepts = vec![excepts.iter().map(|text| Pattern::parse(text, RULES).unwrap()).collect()];
    conflicts(&entries, &excepts)
        .into_iter()
        .map(|conflict| match conflict {
            Conflict::Tie { first, second, example } => format!("{} = {}: {example}", first.0, second.0),
            Conflict::NeverWins { loser, winner, example } => {
                format!("{} < {}: {example}", loser.0, winner.map_or("-".into(), |id| id.0.to_string()))
            }
        })
        .collect()
}

fn check(cases: &[Case], wanted: &[&str]) {
    assert_eq!(found(cases, &[]), wanted);
}

#[test]
fn routes_that_are_equally_specific_and_can_match_one_request_tie() {
    check(
        &[route("GET shop.example/payments/{id}"), route("GET shop.example/payments/{no}")],
        &["0 = 1: GET shop.example/payments/1"],
    );
    check(&[route("/a"), route("/%61")], &["0 = 1: GET /a"]);
    check(&[route("POST,PUT /a"), route("DELETE,PUT /a")], &["0 = 1: PUT /a"]);
    check(
        &[route("/a/**"), route("/b"), route("/a/**"), route("/a/**")],
        &["0 = 2: GET /a", "0 = 3: GET /a"],
    );
    check(&[route("*.a.example/x"), route("*.A.example./x")], &["0 = 1: GET www.a.example/x"]);
}

#[test]
fn routes_that_differ_in_specificity_or_never_meet_do_not_tie() {
    for (a, b) in [
        ("GET /a", "/a"),
        ("GET /a", "POST /a"),
        ("GET /a", "HEAD /a"),
        ("/a", "/b"),
        ("/a", "/A"),
        ("/a", "/a/"),
        ("/a", "/a/**"),
        ("/{x:int}", "/{x:uuid}"),
        ("/{x:int}", "/{x}"),
        ("/{x}/a", "/a/{x}"),
        ("a.example/x", "/x"),
        ("a.example/x", "*.example/x"),
        ("*.b.example/x", "*.example/x"),
    ] {
        check(&[route(a), route(b)], &[]);
    }
}

#[test]
fn rules_decide_whether_literals_meet() {
    check(&[ruled("/pay", INSENSITIVE), route("/Pay")], &["0 = 1: GET /Pay"]);
    check(&[route("/pay;v=1"), ruled("/pay", MATRIX)], &["0 = 1: GET /pay;v=1"]);
    check(&[ruled("/pay;v=1", INSENSITIVE), ruled("/Pay", MATRIX)], &["0 = 1: GET /Pay;v=1"]);
    check(&[route("/pay"), ruled("/pay/", SAME)], &["0 = 1: GET /pay"]);
    check(&[route("/pay/"), ruled("/pay", SAME)], &[]);
    check(&[route("/pay;v=1"), route("/pay")], &[]);
}

#[test]
fn conditions_that_cannot_hold_together_do_not_tie() {
    let with = |condition| route("/a").header("x-beta", condition);
    check(&[with(equals("1")), with(equals("2"))], &[]);
    check(&[with(equals("1")), with(equals("1"))], &["0 = 1: GET /a -H 'x-beta: 1'"]);
    check(&[with(list(&["1", "2"])), with(list(&["3", "2"]))], &["0 = 1: GET /a -H 'x-beta: 2'"]);
    check(&[with(list(&["1", "2"])), with(list(&["3"]))], &[]);
    check(&[with(Condition::Present), with(Condition::Absent)], &[]);
    check(&[with(Condition::Absent), with(Condition::Absent)], &["0 = 1: GET /a"]);
    let regex = |text| Condition::Regex(regex::Regex::new(text).unwrap());
    check(&[with(regex("^x")), with(regex("y$"))], &["0 = 1: GET /a"]);
    check(&[with(regex("^x")), with(equals("y"))], &[]);
    // On different names they can.
    check(
        &[with(equals("1")), route("/a").header("x-other", equals("2"))],
        &["0 = 1: GET /a -H 'x-beta: 1' -H 'x-other: 2'"],
    );
    // More conditions are more specific.
    check(&[with(equals("1")), with(equals("1")).header("x-c", Condition::Present)], &[]);
}

#[test]
fn priority_resolves_a_tie_and_may_hide_a_route() {
    check(&[route("/a"), route("/a").priority(1)], &["0 < 1: GET /a"]);
    check(&[route("GET,POST /a").priority(1), route("GET /a")], &["1 < 0: GET /a"]);
    check(&[route("GET /a").priority(1), route("GET,POST /a")], &[]);
    check(&[ruled("/a", INSENSITIVE), route("/a").priority(1)], &[]);
    check(&[ruled("/a", INSENSITIVE).priority(1), route("/a")], &["1 < 0: GET /a"]);
    check(&[ruled("/{x:int}", MATRIX), route("/{x:int}").priority(1)], &[]);
    check(&[ruled("/a", SAME), route("/a").priority(1)], &[]);
    let with = |condition| route("/a").header("x-beta", condition);
    check(&[with(equals("1")), with(Condition::Present).priority(1)], &["0 < 1: GET /a -H 'x-beta: 1'"]);
    check(&[with(Condition::Present), with(equals("1")).priority(1)], &[]);
}

#[test]
fn a_route_that_its_slice_excepts_entirely_never_wins() {
    for (text, except, hidden) in [
        ("GET /a/{id}", "/a/**", true),
        ("GET /a/{id}", "GET /a/{other}", true),
        ("GET h/a/{id:int}", "GET /a/{id}", true),
        ("GET a.h/a", "*.h/a", true),
        ("*.b.h/a", "*.h/a", true),
        ("/a/7", "/a/{id:int}", true),
        ("HEAD /a", "GET /a", true),
        ("/a", "GET /a", false),
        ("/a/{id}", "/a/{id:int}", false),
        ("/a/**", "/a/{id}", false),
        ("/a", "h/a", false),
        ("/a", "/a/b", false),
    ] {
        let example = Pattern::parse(text, RULES).unwrap().example();
        let wanted: Vec<String> = hidden.then(|| format!("0 < -: {example}")).into_iter().collect();
        assert_eq!(found(&[route(text)], &[except]), wanted, "{text} except {except}");
    }
}

#[test]
fn conditions_that_contradict_one_another_never_win() {
    check(&[route("/a").header("x-a", list(&[]))], &["0 < -: "]);
    check(&[route("/a").header("x-a", equals("1")).header("x-a", Condition::Absent)], &["0 < -: "]);
}

#[test]
fn many_routes_on_one_path_are_not_compared_pair_by_pair() {
    let mut cases: Vec<Case> =
        (0..5_000).map(|n| route("/a").header("x-tenant", equals(&n.to_string()))).collect();
    cases.push(route("/a").header("x-tenant", list(&["17", "4711", "x"])));
    // The list meets two routes; one tie is told.
    let found = found(&cases, &[]);
    assert_eq!(found, ["17 = 5000: GET /a -H 'x-tenant: 17'"]);
}

#[test]
fn an_excepted_route_can_still_tie() {
    assert_eq!(
        found(&[route("/a"), route("/a")], &["/a"]),
        ["0 < -: GET /a", "0 = 1: GET /a", "1 < -: GET /a"]
    );
}
