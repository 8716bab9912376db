//! What each form of one report looks like, and that nothing in it takes the form apart.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};

use expect_test::expect;
use strangler_core::evidence::report::{
    AccountsReport, EpochReport, LatencyReport, NoiseReport, RouteReport, RuleReport,
};
use strangler_core::evidence::verdict::{Condition, State};
use strangler_core::evidence::{Dropped, Example};

use super::*;

fn time(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

fn accounts(matched: u64, mismatch: u64, ignored: u64, reasons: &[(&str, u64)]) -> AccountsReport {
    let not_compared = reasons.iter().map(|(_, count)| count).sum();
    let compared = matched + mismatch + ignored;
    AccountsReport {
        eligible: compared + not_compared,
        compared,
        matched,
        mismatch,
        ignored,
        not_compared,
        reasons: reasons.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect(),
        mismatch_share: if compared == 0 { 0.0 } else { mismatch as f64 / compared as f64 },
        unsettled_share: 0.0,
    }
}

fn condition(name: &str, state: State, measured: &str, demanded: &str) -> Condition {
    Condition {
        name: name.to_owned(),
        state,
        measured: measured.to_owned(),
        demanded: demanded.to_owned(),
        sentence: format!("{name}: {measured}, {demanded} is demanded"),
        more_needed: None,
    }
}

fn example(target: &str, legacy: &str, extracted: &str) -> Example {
    Example {
        request: "0192f0c1".into(),
        at: time("2026-11-20T10:00:01Z"),
        method: "GET".into(),
        target: target.into(),
        path: "$.items[3].price".into(),
        legacy: Some(legacy.into()),
        extracted: Some(extracted.into()),
    }
}

fn problem(signature: &str, kind: &str, path: &str, requests: u64) -> Problem {
    Problem {
        signature: Some(signature.to_owned()),
        route: "GET /products/{id}".to_owned(),
        kind: kind.to_owned(),
        path: path.to_owned(),
        legacy: "string".to_owned(),
        extracted: "decimal".to_owned(),
        relation: Some("string↔number".to_owned()),
        sentence: format!(
            "{kind} at {path}: string → decimal (string↔number), 5% of the route's comparisons"
        ),
        requests,
        differences: requests * 2,
        share: 0.05,
        first: time("2026-11-20T10:00:01.5Z"),
        last: time("2026-11-21T10:00:01.5Z"),
        examples: vec![example("/products/7?currency=EUR", "\"19.90\"", "19.9")],
        hidden_by: None,
        expired: None,
    }
}

fn slice() -> SliceReport {
    let reasons = [("range", 4), ("shed", 30)];
    SliceReport {
        slice: "products".to_owned(),
        sentence: "products: 1 problem in 60 of 1,200 comparisons (5%); gate: insufficient".to_owned(),
        phase: "shadow".to_owned(),
        team: Some("catalogue".to_owned()),
        expected: true,
        epoch: EpochReport {
            number: 2,
            began: time("2026-11-20T09:00:00Z"),
            cause: "restarted: prices were migrated".to_owned(),
            version: Some("1.4.2".to_owned()),
        },
        accounts: accounts(1100, 60, 40, &reasons),
        first: Some(time("2026-11-20T10:00:01Z")),
        last: Some(time("2026-11-21T10:00:01Z")),
        gate: Some(Verdict::of(vec![
            condition("mismatches", State::Failed, "5% of 1,200", "below 0.5% at 95%"),
            condition("coverage", State::Insufficient, "50% of the routes", "95% of the routes"),
            condition("age", State::Pass, "1d", "1d"),
        ])),
        problems: vec![problem("3f9c21ab", "body.type", "$.items[*].price", 60)],
        hidden: vec![Problem {
            hidden_by: Some("ignore $.generated_at".to_owned()),
            ..problem("11112222", "body.value", "$.generated_at", 40)
        }],
        noise: vec![NoiseReport {
            route: "GET /products".to_owned(),
            path: "$.items[*].stock".to_owned(),
            kind: "body.value".to_owned(),
            repeated: 100,
            extracted_only: 4,
            legacy_only: 5,
            both: 1,
            p_value: 0.746,
            counts: false,
        }],
        rules: rules(),
        routes: vec![
            route("GET /products", accounts(500, 0, 40, &[]), None),
            route("GET /products/{id}", accounts(600, 60, 0, &reasons), None),
            route("GET /products/new", accounts(0, 0, 0, &[]), None),
            route("POST /products", accounts(0, 0, 0, &[]), Some("its requests may have an effect")),
        ],
        latency: Some(LatencyReport {
            requests: 1200,
            legacy_p50_ms: 1.25,
            legacy_p95_ms: 4.5,
            extracted_p50_ms: 0.75,
            extracted_p95_ms: 9.0,
            extracted_slower: 0.25,
        }),
        late: 0,
        dropped: Dropped::default(),
    }
}

fn rules() -> Vec<RuleReport> {
    vec![
        RuleReport {
            rule: "ignore $.generated_at".to_owned(),
            sentence: "`ignore $.generated_at` hides 40 differences of 1 kind".to_owned(),
            why: None,
            until: None,
            expired: false,
            requests: 40,
            differences: 40,
            signatures: 1,
            kinds: vec!["body.value".to_owned()],
            dead: false,
            broad: Vec::new(),
        },
        RuleReport {
            rule: "accept 99990000".to_owned(),
            sentence: "`accept 99990000` hides nothing".to_owned(),
            why: Some("legacy rounds wrongly, SHOP-412".to_owned()),
            until: Some(jiff::civil::date(2026, 2, 1)),
            expired: true,
            requests: 0,
            differences: 0,
            signatures: 0,
            kinds: Vec::new(),
            dead: true,
            broad: Vec::new(),
        },
    ]
}

fn route(id: &str, accounts: AccountsReport, never_compared: Option<&str>) -> RouteReport {
    RouteReport {
        route: id.to_owned(),
        never_compared: never_compared.map(str::to_owned),
        shapes: accounts.compared.min(12),
        counted: accounts.compared.min(240),
        counted_mismatches: accounts.mismatch.min(12),
        demanded: 30,
        problems: u64::from(accounts.mismatch > 0),
        first: None,
        last: None,
        latency: None,
        accounts,
    }
}

fn report() -> Report {
    Report {
        version: 1,
        at: time("2026-11-21T12:00:00Z"),
        sentence: "1 problem in 60 of 1,200 comparisons".to_owned(),
        slices: vec![slice()],
    }
}

/// What a service can put into a report, wherever it can.
const HOSTILE: &str =
    "</failure>]]>\x1b[31m|`*<script>&\"'\n::error::x @all http://evil.example %0A \u{202e}\u{0}";

fn hostile() -> Report {
    let mut report = report();
    let slice = &mut report.slices[0];
    HOSTILE.clone_into(&mut slice.routes[0].route);
    let one = &mut slice.problems[0];
    for field in [&mut one.route, &mut one.path, &mut one.legacy, &mut one.extracted, &mut one.sentence] {
        HOSTILE.clone_into(field);
    }
    one.relation = Some(HOSTILE.to_owned());
    one.examples = vec![Example { method: HOSTILE.into(), ..example(HOSTILE, HOSTILE, HOSTILE) }];
    slice.hidden[0].path = HOSTILE.to_owned();
    slice.rules[0].sentence = HOSTILE.to_owned();
    slice.noise[0].path = HOSTILE.to_owned();
    report
}

fn sides() -> Sides {
    let both = ("http://127.0.0.1:8000".to_owned(), "http://127.0.0.1:8002".to_owned());
    BTreeMap::from([("products".to_owned(), both)])
}

fn with<T>(report: &Report, render: impl FnOnce(&Document<'_>) -> T) -> T {
    let sides = sides();
    let exit = exit_of(report, Strictness::Usual);
    render(&Document {
        report,
        exit,
        summary: &[],
        verdict: None,
        tolerated: &BTreeSet::new(),
        sides: &sides,
        more: serde_json::Map::new(),
    })
}

fn plain(report: &Report, width: usize) -> String {
    with(report, |document| text::render(document, &Output::new(true), width))
}

#[test]
fn text_at_80_columns() {
    expect![[r#"
        1 problem in 60 of 1,200 comparisons

        SLICE products
          products: 1 problem in 60 of 1,200 comparisons (5%); gate: insufficient
          Epoch     2 since 2026-11-20T09:00:00Z, version 1.4.2: restarted: prices were
                    migrated
          Accounts  match 1,100, mismatch 60, ignored 40, not-compared 34 (range 4, shed
                    30)
          Rate      5% of 1,200 compared do not match
          Latency   legacy p50 1.25 ms, p95 4.5 ms; extracted p50 0.75 ms, p95 9 ms;
                    extracted slower in 25% of 1,200
          Gate      failed: mismatches: 5% of 1,200, below 0.5% at 95% is demanded
            failed        mismatches  5% of 1,200; demanded: below 0.5% at 95%
            insufficient  coverage    50% of the routes; demanded: 95% of the routes
            pass          age         1d; demanded: 1d

          PROBLEMS (1)
           1. 3f9c21ab body.type $.items[*].price
              legacy string → extracted decimal (string↔number)
              60 requests, 5% of those compared on GET /products/{id}: match 600,
              mismatch 60, ignored 0, not-compared 34 (range 4, shed 30)
              120 differences, from 2026-11-20T10:00:01Z to 2026-11-21T10:00:01Z
              e.g. GET /products/7?currency=EUR at $.items[3].price: legacy "19.90",
                   extracted 19.9 (request 0192f0c1)
              reproduce:
              diff \
                <(curl -si 'http://127.0.0.1:8000/products/7?currency=EUR') \
                <(curl -si 'http://127.0.0.1:8002/products/7?currency=EUR')

          HIDDEN (1)
            11112222  body.value $.generated_at on GET /products/{id}: 40 requests, by
                      ignore $.generated_at

          NOISE (1)
            body.value at $.items[*].stock on GET /products: of 100 asked twice, only
            extracted differed 4, only legacy 5, both 1 (p = 0.746); values there do not
            count

          RULES (2)
            `ignore $.generated_at` hides 40 differences of 1 kind
            `accept 99990000` hides nothing; why: legacy rounds wrongly, SHOP-412;
            expired on 2026-02-01

            ROUTE                  MATCH  MISMATCH   IGNORED NOT-COMP.    SHAPES
            GET /products            500         0        40         0        12
            GET /products/{id}       600        60         0        34        12
            GET /products/new          0         0         0         0         0
            POST /products             0         0         0         0         0
              never compared: its requests may have an effect
    "#]]
    .assert_eq(&plain(&report(), 80));
}

#[test]
fn text_at_200_columns() {
    expect![[r#"
        1 problem in 60 of 1,200 comparisons

        SLICE products
          products: 1 problem in 60 of 1,200 comparisons (5%); gate: insufficient
          Epoch     2 since 2026-11-20T09:00:00Z, version 1.4.2: restarted: prices were migrated
          Accounts  match 1,100, mismatch 60, ignored 40, not-compared 34 (range 4, shed 30)
          Rate      5% of 1,200 compared do not match
          Latency   legacy p50 1.25 ms, p95 4.5 ms; extracted p50 0.75 ms, p95 9 ms; extracted slower in 25% of 1,200
          Gate      failed: mismatches: 5% of 1,200, below 0.5% at 95% is demanded
            failed        mismatches  5% of 1,200; demanded: below 0.5% at 95%
            insufficient  coverage    50% of the routes; demanded: 95% of the routes
            pass          age         1d; demanded: 1d

          PROBLEMS (1)
           1. 3f9c21ab body.type $.items[*].price
              legacy string → extracted decimal (string↔number)
              60 requests, 5% of those compared on GET /products/{id}: match 600, mismatch 60, ignored 0, not-compared 34 (range 4, shed 30)
              120 differences, from 2026-11-20T10:00:01Z to 2026-11-21T10:00:01Z
              e.g. GET /products/7?currency=EUR at $.items[3].price: legacy "19.90", extracted 19.9 (request 0192f0c1)
              reproduce:
              diff \
                <(curl -si 'http://127.0.0.1:8000/products/7?currency=EUR') \
                <(curl -si 'http://127.0.0.1:8002/products/7?currency=EUR')

          HIDDEN (1)
            11112222  body.value $.generated_at on GET /products/{id}: 40 requests, by ignore $.generated_at

          NOISE (1)
            body.value at $.items[*].stock on GET /products: of 100 asked twice, only extracted differed 4, only legacy 5, both 1 (p = 0.746); values there do not count

          RULES (2)
            `ignore $.generated_at` hides 40 differences of 1 kind
            `accept 99990000` hides nothing; why: legacy rounds wrongly, SHOP-412; expired on 2026-02-01

            ROUTE                  MATCH  MISMATCH   IGNORED NOT-COMP.    SHAPES
            GET /products            500         0        40         0        12
            GET /products/{id}       600        60         0        34        12
            GET /products/new          0         0         0         0         0
            POST /products             0         0         0         0         0
              never compared: its requests may have an effect
    "#]].assert_eq(&plain(&report(), 200));
}

#[test]
fn markdown_is_a_table_of_problems_with_details() {
    expect![[r###"
        ## Strangler: failed

        1 problem in 60 of 1,200 comparisons

        ### Slice products

        products: 1 problem in 60 of 1,200 comparisons (5%); gate: insufficient

        | match | mismatch | ignored | not compared | share of mismatches |
        |---:|---:|---:|---:|---:|
        | 1,100 | 60 | 40 | 34 | 5% |

        match 1,100, mismatch 60, ignored 40, not-compared 34 (range 4, shed 30)

        **Gate**: failed: mismatches: 5% of 1,200, below 0.5% at 95% is demanded

        | condition | state | measured | demanded |
        |---|---|---|---|
        | mismatches | failed | 5% of 1,200 | below 0.5% at 95% |
        | coverage | insufficient | 50% of the routes | 95% of the routes |
        | age | pass | 1d | 1d |

        | signature | kind | path | route | requests | share | what |
        |---|---|---|---|---:|---:|---|
        | <code>3f9c21ab</code> | body.type | <code>\$.items\[\*\].price</code> | <code>GET /products/{id}</code> | 60 | 5% | legacy string → extracted decimal (string↔number) |

        <details><summary><code>3f9c21ab</code> body.type at &#36;.items&#91;&#42;&#93;.price&#58; string → decimal (string↔number), 5% of the route&#39;s comparisons</summary>

        60 requests, 5% of those compared on GET /products/{id}: match 600, mismatch 60, ignored 0, not-compared 34 (range 4, shed 30); 120 differences, from 2026-11-20T10:00:01Z to 2026-11-21T10:00:01Z.

        - GET /products/7?currency=EUR at \$.items\[3\].price: legacy "19.90", extracted 19.9 (request 0192f0c1)

        Reproduce: <code>diff &lt;(curl -si 'http&#58;//127.0.0.1:8000/products/7?currency=EUR') &lt;(curl -si 'http&#58;//127.0.0.1:8002/products/7?currency=EUR')</code>

        </details>

        **Rules**

        - \`ignore \$.generated\_at\` hides 40 differences of 1 kind
        - \`accept 99990000\` hides nothing; why: legacy rounds wrongly, SHOP-412; expired on 2026-02-01

        **Noise**

        - body.value at \$.items\[\*\].stock on GET /products: of 100 asked twice, only extracted differed 4, only legacy 5, both 1 (p = 0.746); values there do not count

        **Hidden**

        - 11112222 body.value \$.generated\_at on GET /products/{id}: 40 requests, by ignore \$.generated\_at

        <details><summary>Routes</summary>

        | route | match | mismatch | ignored | not compared | shapes |
        |---|---:|---:|---:|---:|---:|
        | <code>GET /products</code> | 500 | 0 | 40 | 0 | 12 |
        | <code>GET /products/{id}</code> | 600 | 60 | 0 | 34 | 12 |
        | <code>GET /products/new</code> | 0 | 0 | 0 | 0 | 0 |
        | <code>POST /products</code> (never compared: its requests may have an effect) | 0 | 0 | 0 | 0 | 0 |

        </details>

        Latency: legacy p50 1.25 ms, p95 4.5 ms; extracted p50 0.75 ms, p95 9 ms; extracted slower in 25% of 1,200

    "###]].assert_eq(&with(&report(), markdown::render));
}

#[test]
fn junit_has_a_case_for_each_route_problem_and_gate() {
    expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="strangler" tests="6" failures="2" errors="1" time="0">
          <testsuite name="products" tests="6" failures="2" errors="1" time="0" skipped="0" timestamp="2026-11-21T12:00:00">
            <testcase classname="products.GET /products" name="compared" time="0">
              <system-out>match 500, mismatch 0, ignored 40, not-compared 0</system-out>
            </testcase>
            <testcase classname="products.GET /products/{id}" name="compared" time="0">
              <system-out>match 600, mismatch 60, ignored 0, not-compared 34 (range 4, shed 30)</system-out>
            </testcase>
            <testcase classname="products.GET /products/new" name="compared" time="0">
              <error type="insufficient" message="nothing was compared">match 0, mismatch 0, ignored 0, not-compared 0</error>
            </testcase>
            <testcase classname="products.POST /products" name="compared" time="0">
              <system-out>never compared: its requests may have an effect</system-out>
            </testcase>
            <testcase classname="products.GET /products/{id}" name="body.type $.items[*].price 3f9c21ab" time="0">
              <failure type="difference" message="body.type at $.items[*].price: string → decimal (string↔number), 5% of the route&apos;s comparisons">legacy string → extracted decimal (string↔number)&#10;60 requests, 5% of those compared on GET /products/{id}: match 600, mismatch 60, ignored 0, not-compared 34 (range 4, shed 30)&#10;120 differences&#10;e.g. GET /products/7?currency=EUR at $.items[3].price: legacy &quot;19.90&quot;, extracted 19.9 (request 0192f0c1)&#10;reproduce: diff &lt;(curl -si &apos;http://127.0.0.1:8000/products/7?currency=EUR&apos;) &lt;(curl -si &apos;http://127.0.0.1:8002/products/7?currency=EUR&apos;)</failure>
            </testcase>
            <testcase classname="products" name="gate" time="0">
              <failure type="difference" message="failed: mismatches: 5% of 1,200, below 0.5% at 95% is demanded">match 1,100, mismatch 60, ignored 40, not-compared 34 (range 4, shed 30)&#10;mismatches failed: 5% of 1,200; demanded: below 0.5% at 95%&#10;coverage insufficient: 50% of the routes; demanded: 95% of the routes&#10;age pass: 1d; demanded: 1d</failure>
            </testcase>
          </testsuite>
        </testsuites>
    "#]].assert_eq(&with(&report(), junit::render));
}

#[test]
fn workflow_commands_are_one_line_each() {
    expect![[r#"
        ::error title=products%3A body.type $.items[*].price (3f9c21ab)::body.type at $.items[*].price: string → decimal (string↔number), 5%25 of the route's comparisons%0Alegacy string → extracted decimal (string↔number); 60 requests, 5%25 of those compared on GET /products/{id}: match 600, mismatch 60, ignored 0, not-compared 34 (range 4, shed 30)%0Ae.g. GET /products/7?currency=EUR at $.items[3].price: legacy "19.90", extracted 19.9 (request 0192f0c1)%0Areproduce: diff <(curl -si 'http://127.0.0.1:8000/products/7?currency=EUR') <(curl -si 'http://127.0.0.1:8002/products/7?currency=EUR')
        ::error title=gate of products::failed: mismatches: 5%25 of 1,200, below 0.5%25 at 95%25 is demanded%0Amatch 1,100, mismatch 60, ignored 40, not-compared 34 (range 4, shed 30)
        ::warning title=rule of products::`accept 99990000` hides nothing; why: legacy rounds wrongly, SHOP-412; expired on 2026-02-01
        ::error title=strangler%3A failed::1 problem in 60 of 1,200 comparisons
    "#]].assert_eq(&with(&report(), github::render));
}

#[test]
fn no_line_of_text_is_wider_than_the_page() {
    for report in [report(), hostile()] {
        for width in [80, 120, 200] {
            for line in plain(&report, width).lines() {
                let columns = unicode_width::UnicodeWidthStr::width(line);
                let has_long_word = line.trim_start().split(' ').any(|word| word.len() + 16 > width);
                // A command is broken where a shell allows it, and nowhere else.
                let is_command = line.contains("<(curl");
                assert!(columns <= width || has_long_word || is_command, "{columns} columns: {line}");
            }
        }
    }
}

#[test]
fn what_services_say_takes_no_form_apart() {
    let report = hostile();
    let text = plain(&report, 80);
    assert!(!text.contains('\x1b') && !text.contains('\u{202e}') && !text.contains('\0'), "{text:?}");
    let github = with(&report, github::render);
    assert!(github.lines().all(|line| line.starts_with("::")), "{github}");
    assert_eq!(github.lines().filter(|line| line.starts_with("::error::")).count(), 0, "{github}");
    let markdown = with(&report, markdown::render);
    for unwanted in ["<script>", "@all", "http://evil", "\x1b", "\u{0}", "`*"] {
        assert!(!markdown.contains(unwanted), "{unwanted}: {markdown}");
    }
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    let row = markdown.lines().find(|line| line.starts_with("| <code>3f9c21ab")).unwrap();
    assert_eq!(cells(row), 8, "{row}");
}

#[test]
fn junit_is_read_by_another_program() {
    for (report, failures) in [(report(), 2), (hostile(), 2)] {
        let xml = with(&report, junit::render);
        let read = junit_parser::from_reader(xml.as_bytes()).unwrap_or_else(|error| panic!("{error}: {xml}"));
        assert_eq!((read.failures, read.errors, read.tests), (failures, 1, 6), "{xml}");
        let suite = &read.suites[0];
        assert_eq!((&*suite.name, suite.cases.len()), ("products", 6));
        let failed = suite.cases.iter().filter(|case| case.status.is_failure()).count() as u64;
        let unclear = suite.cases.iter().filter(|case| case.status.is_error()).count();
        assert_eq!((failed, unclear), (failures, 1), "nothing compared on a route is no success");
    }
}

#[test]
fn a_report_without_slices_is_an_error_in_junit_too() {
    let empty = Report { slices: Vec::new(), sentence: "nothing was compared".to_owned(), ..report() };
    let read = junit_parser::from_reader(with(&empty, junit::render).as_bytes()).unwrap();
    assert_eq!((read.tests, read.errors), (1, 1));
    assert_eq!(exit_of(&empty, Strictness::Usual), Exit::Insufficient);
}

#[test]
fn only_requests_without_a_body_are_reproduced() {
    let mut report = report();
    let command = |report: &Report| {
        with(report, |document| reproduce(document, &report.slices[0], &report.slices[0].problems[0]))
    };
    assert_eq!(
        command(&report).as_deref(),
        Some(
            "diff <(curl -si 'http://127.0.0.1:8000/products/7?currency=EUR') \
             <(curl -si 'http://127.0.0.1:8002/products/7?currency=EUR')"
        )
    );
    report.slices[0].problems[0].examples[0].method = "POST".into();
    assert_eq!(command(&report), None);
}

#[test]
fn a_pass_has_no_failure_and_no_error_in_any_form() {
    let report = report();
    let names: Vec<&Problem> = report.slices.iter().flat_map(|slice| &slice.problems).collect();
    let tolerated: BTreeSet<String> = names.iter().map(|problem| problem.name().to_owned()).collect();
    assert!(!tolerated.is_empty());
    let mut passing = report.clone();
    passing.slices.iter_mut().for_each(|slice| slice.gate = None);
    let document = Document {
        report: &passing,
        exit: Exit::Pass,
        summary: &[],
        verdict: None,
        tolerated: &tolerated,
        sides: &sides(),
        more: serde_json::Map::new(),
    };
    let xml = junit::render(&document);
    assert!(xml.contains("failures=\"0\" errors=\"0\"") && xml.contains("<skipped message="), "{xml}");
    assert!(!xml.contains("<failure") && !xml.contains("<error"), "{xml}");
    let commands = github::render(&document);
    assert!(commands.contains("::notice title=products%3A body.type"), "{commands}");
    assert!(!commands.contains("::error"), "{commands}");
}
