//! Every sentence about matching, as a table.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::matching::path::PathRules;
use crate::matching::{Condition, RequestView};

const RULES: PathRules =
    PathRules { trailing_slash_same: false, case_insensitive: false, matrix_ignored: false };

/// A table of routes, each with its rules, conditions and priority.
struct Routes(Vec<(Pattern, Predicates, i64)>);

impl Routes {
    fn of(texts: &[&str]) -> Routes {
        Routes(
            texts
                .iter()
                .map(|text| (Pattern::parse(text, RULES).unwrap(), Predicates::default(), 0))
                .collect(),
        )
    }

    fn and(mut self, text: &str, rules: PathRules, when: Predicates, priority: i64) -> Routes {
        self.0.push((Pattern::parse(text, rules).unwrap(), when, priority));
        self
    }

    fn table(&self, excepts: &[&str]) -> Table {
        let entries: Vec<Entry<'_>> = self
            .0
            .iter()
            .map(|(pattern, when, priority)| Entry {
                pattern,
                when,
                priority: *priority,
                slice: SliceId(0),
                listed: true,
            })
            .collect();
        let excepts = excepts.iter().map(|text| Pattern::parse(text, RULES).unwrap()).collect();
        Table::build(&entries, &[excepts]).0
    }

    /// Checks which route takes `METHOD [HOST]/TARGET`, in both orders of the routes; empty: none.
    fn check(&self, request: &str, winner: &str) {
        self.check_with(request, &[], winner);
    }

    fn check_with(&self, request: &str, headers: &[(&'static str, &'static str)], winner: &str) {
        let reversed = Routes(self.0.iter().rev().cloned().collect());
        for routes in [self, &reversed] {
            let found = ask(request, headers, |reading| routes.table(&[]).find(reading));
            let text = found.map_or("", |id| &*routes.0[id.0 as usize].0.text);
            assert_eq!(text, winner, "{request} {headers:?}");
        }
    }
}

/// Reads a request written as `METHOD [HOST]/TARGET`.
fn ask<R>(
    request: &str,
    headers: &[(&'static str, &'static str)],
    question: impl FnOnce(&Reading<'_>) -> R,
) -> R {
    let (method, target) = request.split_once(' ').unwrap();
    let (host, target) = target.split_at(target.find('/').unwrap());
    let (path, query) = crate::matching::path::split_target(target);
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    let view = RequestView { method, host, path, query, headers: &headers, client_ip: None };
    question(&Reading::new(&view))
}

fn header(name: &'static str, condition: Condition) -> (HeaderName, Condition) {
    (HeaderName::from_static(name), condition)
}

#[test]
fn methods_left_out_mean_any_and_are_case_sensitive() {
    let routes = Routes::of(&["/a", "POST,PUT /b", "GET /c"]);
    routes.check("GET h/a", "/a");
    routes.check("PURGE h/a", "/a");
    routes.check("HEAD h/a", "/a");
    routes.check("POST h/b", "POST,PUT /b");
    routes.check("PUT h/b", "POST,PUT /b");
    routes.check("GET h/b", "");
    routes.check("HEAD h/b", "");
    routes.check("get h/c", "");
}

#[test]
fn get_implies_head_unless_a_head_route_matches() {
    Routes::of(&["GET /a"]).check("HEAD h/a", "GET /a");
    let routes = Routes::of(&["GET /a", "HEAD /**"]);
    routes.check("HEAD h/a", "HEAD /**");
    routes.check("GET h/a", "GET /a");
    let routes = Routes::of(&["GET /a", "HEAD /b", "/**"]);
    routes.check("HEAD h/a", "GET /a");
    routes.check("HEAD h/b", "HEAD /b");
    routes.check("HEAD h/c", "/**");
    // A HEAD route that matches rules out GET, not routes of any method.
    let routes = Routes::of(&["GET /a", "HEAD /**", "/{x}"]);
    routes.check("HEAD h/a", "/{x}");
    // An implied HEAD counts as named.
    let routes = Routes::of(&["GET /a", "/a"]);
    routes.check("HEAD h/a", "GET /a");
    // A HEAD route whose conditions do not hold does not match.
    let when = Predicates { headers: vec![header("x-a", Condition::Present)], ..Predicates::default() };
    let routes = Routes::of(&["GET /a"]).and("HEAD /**", RULES, when, 0);
    routes.check("HEAD h/a", "GET /a");
    routes.check_with("HEAD h/a", &[("x-a", "1")], "HEAD /**");
}

#[test]
fn a_preflight_follows_the_route_of_the_method_it_asks_for() {
    let routes = Routes::of(&["PUT /a", "OPTIONS /a", "GET /b"]);
    let put = [("origin", "http://x"), ("access-control-request-method", "PUT")];
    routes.check_with("OPTIONS h/a", &put, "PUT /a");
    routes.check_with("OPTIONS h/a", &put[..1], "OPTIONS /a");
    routes.check_with("OPTIONS h/a", &[], "OPTIONS /a");
    routes.check_with("OPTIONS h/b", &put, "");
    let head = [("origin", "http://x"), ("access-control-request-method", "HEAD")];
    routes.check_with("OPTIONS h/b", &head, "GET /b");
}

#[test]
fn hosts_left_out_mean_any_and_wildcards_one_or_more_labels() {
    let routes = Routes::of(&["a.example/x", "*.example/x", "*.b.example/x", "*.c.b.example/x", "/x"]);
    routes.check("GET a.example/x", "a.example/x");
    routes.check("GET A.Example.:8080/x", "a.example/x");
    routes.check("GET z.example/x", "*.example/x");
    routes.check("GET z.z.example/x", "*.example/x");
    routes.check("GET b.example/x", "*.example/x");
    routes.check("GET z.b.example/x", "*.b.example/x");
    routes.check("GET z.c.b.example/x", "*.c.b.example/x");
    routes.check("GET example/x", "/x");
    routes.check("GET other/x", "/x");
}

#[test]
fn a_more_specific_host_wins_over_any_path_and_falls_back_where_it_has_none() {
    let routes = Routes::of(&["a.example/**", "*.example/x", "/x/y", "POST a.example/p"]);
    routes.check("GET a.example/x/y", "a.example/**");
    routes.check("GET b.example/x", "*.example/x");
    routes.check("GET b.example/x/y", "/x/y");
    let routes = Routes::of(&["POST a.example/p", "/p"]);
    routes.check("GET a.example/p", "/p");
    routes.check("POST a.example/p", "POST a.example/p");
}

#[test]
fn the_path_is_compared_element_by_element_from_the_left() {
    let routes = Routes::of(&["/a/b", "/a/{x:int}", "/a/{x:uuid}", "/a/{x}", "/a", "/a/**", "/**"]);
    routes.check("GET h/a/b", "/a/b");
    routes.check("GET h/a/7", "/a/{x:int}");
    routes.check("GET h/a/123e4567-e89b-12d3-a456-426614174000", "/a/{x:uuid}");
    routes.check("GET h/a/c", "/a/{x}");
    routes.check("GET h/a", "/a");
    routes.check("GET h/a/", "/a/**");
    routes.check("GET h/a/b/c", "/a/**");
    routes.check("GET h/ab", "/**");
    routes.check("GET h/", "/**");
    // The first element decides, however good the rest is.
    let routes = Routes::of(&["/{a}/x/y", "/a/{b}/**", "/a/{b:int}/{c}"]);
    routes.check("GET h/a/x/y", "/a/{b}/**");
    routes.check("GET h/a/1/y", "/a/{b:int}/{c}");
    routes.check("GET h/b/x/y", "/{a}/x/y");
    routes.check("GET h/a/1/y/z", "/a/{b}/**");
}

#[test]
fn a_dead_end_is_left_again() {
    let routes = Routes::of(&["/a/b/c", "/a/{x}/d", "/{x}/b/e", "/**", "GET /a/b/f", "POST /a/{x}/f"]);
    routes.check("GET h/a/b/c", "/a/b/c");
    routes.check("GET h/a/b/d", "/a/{x}/d");
    routes.check("GET h/a/b/e", "/{x}/b/e");
    routes.check("GET h/a/b/g", "/**");
    routes.check("GET h/a/b/f", "GET /a/b/f");
    routes.check("POST h/a/b/f", "POST /a/{x}/f");
}

#[test]
fn then_a_named_method_then_more_conditions_then_priority() {
    let one = |name| vec![header(name, Condition::Present)];
    let headers = Predicates { headers: one("x-a"), ..Predicates::default() };
    let two_headers = Predicates {
        headers: vec![header("x-a", Condition::Present), header("x-b", Condition::Present)],
        ..Predicates::default()
    };
    let cookies = Predicates {
        cookies: vec![("a".into(), Condition::Present), ("b".into(), Condition::Present)],
        ..Predicates::default()
    };
    let query = Predicates {
        query: vec![("a".into(), Condition::Present), ("b".into(), Condition::Present)],
        ..Predicates::default()
    };
    let accept = Predicates { accept: Some("application/json".into()), ..Predicates::default() };
    let sent = [("x-a", "1"), ("x-b", "1"), ("cookie", "a=1;b=2"), ("accept", "application/json")];
    let request = "GET h/x?a&b";
    // The names differ only so that the texts do.
    let routes = Routes::of(&["GET /{m}", "/{n}"]);
    routes.check_with(request, &sent, "GET /{m}");
    let routes = routes.and("/{h}", RULES, headers.clone(), 9);
    routes.check_with(request, &sent, "GET /{m}");
    let routes = Routes::of(&["/{n}"]).and("/{a}", RULES, accept, 0);
    routes.check_with(request, &sent, "/{a}");
    let routes = routes.and("/{q}", RULES, query, 0);
    routes.check_with(request, &sent, "/{q}");
    let routes = routes.and("/{c}", RULES, cookies, 0);
    routes.check_with(request, &sent, "/{c}");
    let routes = routes.and("/{h}", RULES, headers.clone(), 0);
    routes.check_with(request, &sent, "/{h}");
    let routes = routes.and("/{p}", RULES, headers, 1);
    routes.check_with(request, &sent, "/{p}");
    let routes = routes.and("/{hh}", RULES, two_headers, -5);
    routes.check_with(request, &sent, "/{hh}");
    routes.check_with(request, &sent[2..], "/{c}");
    routes.check_with(request, &[], "/{q}");
    routes.check_with("GET h/x", &[], "/{n}");
}

#[test]
fn elements_are_compared_after_decoding_unreserved_characters() {
    let routes = Routes::of(&["/caf%c3%a9/~x", "/a%2fb", "/a/b"]);
    routes.check("GET h/café/%7ex", "/caf%c3%a9/~x");
    routes.check("GET h/caf%C3%A9/~%78", "/caf%c3%a9/~x");
    routes.check("GET h/a%2Fb", "/a%2fb");
    routes.check("GET h/%61/b", "/a/b");
}

#[test]
fn parameters_belong_to_their_element_and_double_slashes_are_matched_as_they_are() {
    let routes = Routes::of(&["/a", "/{x}/b", "//c"]);
    routes.check("GET h/a;v=1", "");
    routes.check("GET h/a;v=1/b", "/{x}/b");
    routes.check("GET h//c", "//c");
    routes.check("GET h/c", "");
    routes.check("GET h//a", "");
}

#[test]
fn slices_of_different_path_rules_share_the_table() {
    let insensitive = PathRules { case_insensitive: true, ..RULES };
    let same = PathRules { trailing_slash_same: true, ..RULES };
    let matrix = PathRules { matrix_ignored: true, ..RULES };
    let routes = Routes::of(&["/pay/7", "/Strict", "/{any:int}/x"])
        .and("/Pay/{id}", insensitive, Predicates::default(), 0)
        .and("/same", same, Predicates::default(), 0)
        .and("/m/{id:int}", matrix, Predicates::default(), 0);
    routes.check("GET h/pay/7", "/pay/7");
    routes.check("GET h/PAY/7", "/Pay/{id}");
    routes.check("GET h/pay/8", "/Pay/{id}");
    routes.check("GET h/Strict", "/Strict");
    routes.check("GET h/strict", "");
    routes.check("GET h/same/", "/same");
    routes.check("GET h/same", "/same");
    routes.check("GET h/Same", "");
    routes.check("GET h/m;a/7;b", "/m/{id:int}");
    routes.check("GET h/7;b/x", "");
    // An element of parameters only is an element to those that read them, and none to those that do not.
    let beside = Routes::of(&["/o/{id}/x"]).and("/m/{id}/x", matrix, Predicates::default(), 0);
    beside.check("GET h/o/;/x", "/o/{id}/x");
    beside.check("GET h/o//x", "");
    beside.check("GET h/m/;/x", "");
    beside.check("GET h/m/1;/x", "/m/{id}/x");
    // Equally specific up to the second element, whichever rules the first is read by.
    let routes = Routes::of(&["/pay/{id}"]).and("/Pay/7", insensitive, Predicates::default(), 0);
    routes.check("GET h/pay/7", "/Pay/7");
    // A slash that is there is more specific than one that may be.
    let routes = Routes::of(&["/s/"]).and("/s", same, Predicates::default(), 0);
    routes.check("GET h/s/", "/s/");
    routes.check("GET h/s", "/s");
}

#[test]
fn an_except_is_found_for_listed_routes_alone() {
    let routes = Routes::of(&["/payments/**"]);
    let table = routes.table(&["GET /payments/{id:int}", "h/payments/x"]);
    let excepted = |request| ask(request, &[], |reading| table.excepted(RouteId(0), reading));
    assert_eq!(excepted("GET h/payments/7"), Some(0));
    assert_eq!(excepted("HEAD h/payments/7"), Some(0));
    assert_eq!(excepted("POST h/payments/7"), None);
    assert_eq!(excepted("POST h/payments/x"), Some(1));
    assert_eq!(excepted("POST i/payments/x"), None);

    let entry = routes.0.first().map(|(pattern, when, priority)| Entry {
        pattern,
        when,
        priority: *priority,
        slice: SliceId(0),
        listed: false,
    });
    let excepts = vec![Pattern::parse("/payments/x", RULES).unwrap()];
    let (table, _) = Table::build(&[entry.unwrap()], &[excepts]);
    assert_eq!(ask("GET h/payments/x", &[], |reading| table.excepted(RouteId(0), reading)), None);
}

#[test]
fn near_misses_are_found_for_the_method_and_host() {
    let routes = Routes::of(&["POST h/payments", "/Orders/", "/files/{id:int}", "/"]);
    let table = routes.table(&["POST /payments/hook"]);
    let near = |request| ask(request, &[], |reading| table.near(reading).map(|id| id.0));
    for (request, wanted) in [
        ("POST h/payments/", Some(0)),
        ("POST h//payments", Some(0)),
        ("POST h/Payments", Some(0)),
        ("POST h/payments;x=1", Some(0)),
        ("POST h/payments.json", Some(0)),
        ("POST h//PAYMENTS.json;x/", Some(0)),
        ("GET h/payments/", None),
        ("POST i/payments/", None),
        ("POST h/payments/7", None),
        ("GET h/orders", Some(1)),
        ("GET h/files/7.json", Some(2)),
        ("GET h/files/x.json", None),
        ("GET h//", Some(3)),
    ] {
        assert_eq!(near(request), wanted, "{request}");
    }
    let table = Routes::of(&["/payments/**"]).table(&["POST /payments/hook"]);
    let near = |request| ask(request, &[], |reading| table.near(reading).map(|id| id.0));
    assert_eq!(near("POST h/Payments/7"), Some(0));
    assert_eq!(near("POST h/Payments/Hook"), None, "its better spelling stays with legacy");
    assert_eq!(near("GET h/Payments/Hook"), Some(0));
}

#[test]
fn an_empty_table_finds_nothing() {
    let (table, conflicts) = Table::build(&[], &[]);
    assert_eq!(conflicts, []);
    assert_eq!(ask("GET h/", &[], |reading| (table.find(reading), table.near(reading))), (None, None));
}
