//! Explanations as they are read.

use expect_test::{Expect, expect};

use super::*;
use crate::matching::Condition;
use crate::routing::fixture::{SliceFixture, ask, canary, route, slice, snapshot};
use crate::snapshot::slice::KeySource;
use crate::words::{Strictness, Unmatched};

fn check(snapshot: &Snapshot, request: &str, headers: &[&str], wanted: &Expect) {
    wanted.assert_eq(&ask(request, headers, |view| explain(snapshot, view, Facts::NONE)).render_text());
}

fn products() -> SliceFixture {
    let mut products = slice(
        "products",
        Phase::Extracted,
        Writer::Legacy,
        &[
            "GET /products/{id}",
            "GET /products/{id:int}",
            "/products/**",
            "shop.example/products/7",
            "POST /products/{id}",
            "/Products",
            "/orders",
        ],
    );
    let mut beta = route("GET /products/{beta}");
    beta.when.headers.push((http::HeaderName::from_static("x-beta"), Condition::Equals("1".into())));
    let mut preferred = route("GET /products/{number:int}");
    preferred.priority = 1;
    products.routes.extend([beta, preferred]);
    products.except = vec!["/products/private/**".into()];
    products
}

#[test]
fn every_candidate_is_named_with_why_it_lost() {
    check(
        &snapshot(&[products()]),
        "GET /products/7?x=1",
        &[],
        &expect![[r#"
            GET /products/7?x=1
            → extracted answers: upstream products (http://products)
              In phase extracted reads are answered by the extracted service.

            route     GET /products/{number:int}
            slice     products
            phase     extracted
            writer    legacy
            effect    read: GET is safe
            fallback  never: fallback = "never"
            shadow    none: shadow.reverse_sample is 0%

            Candidates
              won      GET /products/{number:int}  s0.toml:9:1  (products)
              lost     shop.example/products/7     s0.toml:4:1  (products)
                       host: wants shop.example, the request has no host
              lost     GET /products/{id:int}      s0.toml:2:1  (products)
                       lower priority: 0, the winner has 1
              lost     GET /products/{beta}        s0.toml:8:1  (products)
                       header x-beta: wants "1", the request has nothing
              lost     GET /products/{id}          s0.toml:1:1  (products)
                       less specific at element 2: {number:int} beats {id}
              lost     POST /products/{id}         s0.toml:5:1  (products)
                       method: takes POST, the request is GET
              lost     /products/**                s0.toml:3:1  (products)
                       less specific at element 2: {number:int} beats /**

            2 other routes do not match by their paths.
        "#]],
    );
}

#[test]
fn an_except_a_write_and_a_near_miss_are_told() {
    let snapshot = snapshot(&[products()]);
    check(
        &snapshot,
        "GET /products/private/x",
        &[],
        &expect![[r#"
            GET /products/private/x
            → legacy answers: upstream legacy (http://legacy)
              Slice products leaves "/products/private/**" with legacy (except).

            route     /products/**
            slice     products
            except    /products/private/**
            phase     extracted
            writer    legacy
            effect    read: GET is safe
            fallback  none: legacy answers
            shadow    none: the request is legacy's alone

            Candidates
              excepted /products/**  s0.toml:3:1  (products)
                       its slice excepts "/products/private/**"

            8 other routes do not match by their paths.
        "#]],
    );
    check(
        &snapshot,
        "PUT /products/%37",
        &[],
        &expect![[r#"
            PUT /products/%37
              compared as /products/7
            → legacy answers: upstream legacy (http://legacy)
              Writes go to the writer in every phase; the writer of products is legacy.

            route     /products/**
            slice     products
            phase     extracted
            writer    legacy
            effect    write: PUT is not safe
            fallback  none: legacy answers
            shadow    none: shadow.sample is 0%

            Candidates
              won      /products/**                s0.toml:3:1  (products)
              lost     shop.example/products/7     s0.toml:4:1  (products)
                       host: wants shop.example, the request has no host
              lost     GET /products/{number:int}  s0.toml:9:1  (products)
                       method: takes GET, the request is PUT
              lost     GET /products/{id:int}      s0.toml:2:1  (products)
                       method: takes GET, the request is PUT
              lost     GET /products/{beta}        s0.toml:8:1  (products)
                       method: takes GET, the request is PUT
                       header x-beta: wants "1", the request has nothing
              lost     GET /products/{id}          s0.toml:1:1  (products)
                       method: takes GET, the request is PUT
              lost     POST /products/{id}         s0.toml:5:1  (products)
                       method: takes POST, the request is PUT

            2 other routes do not match by their paths.
        "#]],
    );
    check(
        &snapshot,
        "GET /orders/",
        &[],
        &expect![[r#"
            GET /orders/
            → legacy answers: upstream legacy (http://legacy)
              No route matches: legacy owns everything that was not moved.

            route     none
            slice     products
            effect    read: GET is safe
            near miss /orders but for a trailing slash
            fallback  none: legacy answers
            shadow    none: the request is legacy's alone

            Candidates
              near     /orders  s0.toml:7:1  (products)
                       path: differs in a trailing slash

            8 other routes do not match by their paths.
        "#]],
    );
}

#[test]
fn refusals_are_told() {
    let mut fixture = products();
    fixture.writer = Writer::Extracted;
    let mut snapshot = snapshot(&[fixture]);
    check(
        &snapshot,
        "POST /orders/",
        &[],
        &expect![[r#"
            POST /orders/
            → the proxy answers 400
              The request writes, and is one spelling away from a route whose writer is extracted: legacy would take a write that it does not own.

            route     none
            slice     products
            effect    write: POST is not safe
            near miss /orders but for a trailing slash
            fallback  none: nothing is forwarded
            shadow    none: nothing is forwarded

            Candidates
              near     /orders  s0.toml:7:1  (products)
                       path: differs in a trailing slash

            8 other routes do not match by their paths.
        "#]],
    );
    check(
        &snapshot,
        "GET /a/../b",
        &[],
        &expect![[r#"
            GET /a/../b
            → the proxy answers 400
              The path holds a dot segment, which two servers may read differently.

            route     none
            effect    read: GET is safe
            fallback  none: nothing is forwarded
            shadow    none: nothing is forwarded

            No route was looked up: the path is ambiguous.
        "#]],
    );
    snapshot.unmatched = Unmatched::Reject;
    check(
        &snapshot,
        "GET shop.example/nothing",
        &[],
        &expect![[r#"
            GET shop.example/nothing
            → the proxy answers 404
              No route matches, and unmatched = "reject".

            route     none
            effect    read: GET is safe
            fallback  none: nothing is forwarded
            shadow    none: nothing is forwarded

            9 other routes do not match by their paths.
        "#]],
    );
    snapshot.limits.strictness = Strictness::Report;
    check(
        &snapshot,
        "GET /a/../b",
        &[],
        &expect![[r#"
            GET /a/../b
            → legacy answers: upstream legacy (http://legacy)
              The path holds a dot segment; strictness = "report" lets it pass to legacy.

            route     none
            effect    read: GET is safe
            fallback  none: legacy answers
            shadow    none: the request is legacy's alone

            No route was looked up: the path is ambiguous.
        "#]],
    );
}

#[test]
fn head_and_preflights_say_what_was_looked_up() {
    let snapshot = snapshot(&[slice("s", Phase::Legacy, Writer::Legacy, &["GET /a", "HEAD /**"])]);
    check(
        &snapshot,
        "HEAD /a",
        &[],
        &expect![[r#"
            HEAD /a
            → legacy answers: upstream legacy (http://legacy)
              In phase legacy reads are answered by legacy.

            route     HEAD /**
            slice     s
            phase     legacy
            writer    legacy
            effect    read: HEAD is safe
            fallback  none: legacy answers
            shadow    none: no copies in phase legacy

            Candidates
              won      HEAD /**  s0.toml:2:1  (s)
              lost     GET /a    s0.toml:1:1  (s)
                       method: GET does not imply HEAD here, since "HEAD /**" names HEAD
        "#]],
    );
    let preflight = ["origin: http://x", "access-control-request-method: PUT"];
    check(
        &snapshot,
        "OPTIONS /a",
        &preflight,
        &expect![[r#"
            OPTIONS /a
              a CORS preflight, looked up as PUT
            → legacy answers: upstream legacy (http://legacy)
              No route matches: legacy owns everything that was not moved.

            route     none
            effect    read: OPTIONS is safe
            fallback  none: legacy answers
            shadow    none: the request is legacy's alone

            Candidates
              lost     GET /a    s0.toml:1:1  (s)
                       method: takes GET, the preflight asks for PUT
              lost     HEAD /**  s0.toml:2:1  (s)
                       method: takes HEAD, the preflight asks for PUT
        "#]],
    );
}

#[test]
fn copies_are_told_with_their_share_their_target_and_what_they_do_there() {
    use crate::snapshot::policy::{Examples, ShadowWrites};
    let told = |phase, writes, request: &str| {
        let mut fixture = slice("s", phase, Writer::Legacy, &["/a"]);
        fixture.policy.shadow = Some(crate::snapshot::Shadow {
            sample: Share::ALL,
            reverse_sample: Share::from_basis_points(500).unwrap(),
            body_max: 1,
            timeout: Duration::ZERO,
            concurrency: 1,
            writes,
            repeat: Share::NONE,
            recheck: None,
            examples: Examples::Structure,
            request_headers: crate::snapshot::HeaderOps::default(),
        });
        let snapshot = snapshot(&[fixture]);
        ask(request, &[], |view| explain(&snapshot, view, Facts::NONE)).shadow
    };
    for (phase, writes, request, wanted) in [
        (Phase::Shadow, ShadowWrites::Never, "GET h/a", "copied to the extracted service, and compared"),
        (Phase::Extracted, ShadowWrites::Never, "GET h/a", "5% are copied to legacy, and compared"),
        (
            Phase::Shadow,
            ShadowWrites::Never,
            "POST h/a",
            "none: the request writes, and shadow.writes = \"never\"",
        ),
        (
            Phase::Shadow,
            ShadowWrites::DryRun,
            "POST h/a",
            "copied to the extracted service, asked to roll back, and compared",
        ),
        (
            Phase::Shadow,
            ShadowWrites::Isolated,
            "POST h/a",
            "copied to the extracted service, which has a store of its own, and compared",
        ),
        (
            Phase::Extracted,
            ShadowWrites::DryRun,
            "POST h/a",
            "none: the request writes; writes are copied only while legacy is the writer, in phases shadow and canary",
        ),
        (Phase::Retired, ShadowWrites::Never, "GET h/a", "none: no copies in phase retired"),
    ] {
        assert_eq!(told(phase, writes, request), wanted, "{phase} {writes:?} {request}");
    }
}

#[test]
fn a_canary_tells_bucket_source_and_share_and_a_retreat_both_phases() {
    let mut fixture = slice("cart", Phase::Canary, Writer::ByCohort, &["/cart"]);
    fixture.canary = Some(canary(5_000));
    fixture.policy.cohort_by = vec![KeySource::Cookie("id".into())];
    let snapshot = snapshot(&[fixture]);
    check(
        &snapshot,
        "POST /cart",
        &["cookie: id=3"],
        &expect![[r#"
            POST /cart
            → legacy answers: upstream legacy (http://legacy)
              The writer of cart is by-cohort: writes follow the client's reads. In phase canary the client's cohort decides: legacy answers.

            route     /cart
            slice     cart
            phase     canary
            writer    by-cohort
            effect    write: POST is not safe
            cohort    not in the cohort: the bucket is not below 50%
            bucket    8514 of 10000, from cookie:id; share 50%
            fallback  none: legacy answers
            shadow    none: shadow.sample is 0%

            Candidates
              won      /cart  s0.toml:1:1  (cart)
        "#]],
    );
    check(
        &snapshot,
        "GET /cart",
        &[],
        &expect![[r#"
            GET /cart
            → legacy answers: upstream legacy (http://legacy)
              In phase canary the client's cohort decides: legacy answers.

            route     /cart
            slice     cart
            phase     canary
            writer    by-cohort
            effect    read: GET is safe
            cohort    not in the cohort: the request has no cohort key
            fallback  none: legacy answers
            shadow    none: shadow.sample is 0%

            Candidates
              won      /cart  s0.toml:1:1  (cart)
        "#]],
    );
    let retreats = [Some(Phase::Shadow)];
    let text = ask("GET /cart", &["cookie: id=3"], |view| {
        explain(&snapshot, view, Facts { retreats: &retreats, ..Facts::NONE }).render_text()
    });
    expect![[r#"
        GET /cart
        → legacy answers: upstream legacy (http://legacy)
          In phase shadow reads are answered by legacy.

        route     /cart
        slice     cart
        phase     shadow (the file says canary, a retreat shadow)
        writer    by-cohort
        effect    read: GET is safe
        fallback  none: legacy answers
        shadow    none: shadow.sample is 0%

        Candidates
          won      /cart  s0.toml:1:1  (cart)
    "#]]
    .assert_eq(&text);
}

#[test]
fn a_path_with_c1_controls_writes_no_escapes_to_the_terminal() {
    let snapshot = snapshot(&[]);
    let view = RequestView {
        method: "GET",
        host: "h",
        path: "/a\u{9b}31m",
        query: None,
        headers: &http::HeaderMap::new(),
        client_ip: None,
    };
    let shown = explain(&snapshot, &view, Facts::NONE).render_text();
    assert!(shown.contains("/a\u{fffd}31m"), "{shown}");
    assert!(!shown.contains('\u{9b}'), "{shown:?}");
}
