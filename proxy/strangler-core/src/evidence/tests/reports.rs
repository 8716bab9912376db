//! The report: its exit code, the audit of rules, its fields.

use jiff::SignedDuration;

use super::super::report::{Report, RuleReport, Strictness};
use super::world::{Fault, LIST, ONE, PRODUCTS, World};
use crate::compare::{Kind, NotCompared};

const WRONG: [Fault<'static>; 1] = [("$.price", Kind::BodyType, 1)];
const EASY: &str =
    "gate = { mismatch_below = \"50%\", confidence = \"50%\", min_per_route = 1, min_age = \"0s\" }\n";

#[test]
fn an_exit_code_never_lies() {
    let check = |text: &str, observe: &dyn Fn(&mut World), usual: u8, strict: u8| {
        let mut world = World::new(text);
        observe(&mut world);
        let report = world.report();
        let codes = (report.exit_code(Strictness::Usual), report.exit_code(Strictness::Strict));
        assert_eq!(codes, (usual, strict), "{text}: {}", report.sentence);
    };
    let accept = |until: &str| {
        format!(
            "{PRODUCTS}{EASY}compare = {{ accept = [{{ path = \"$.price\", why = \"w\", until = {until} }}] }}"
        )
    };
    let easy = format!("{PRODUCTS}{EASY}");
    let off = format!("{PRODUCTS}gate = false");
    let legacy = PRODUCTS.replace("phase = \"shadow\"", "phase = \"legacy\"");
    let good = |world: &mut World| {
        world.compared_times(30, LIST, &[]);
        world.compared_times(30, ONE, &[]);
    };
    let wrong = |world: &mut World| world.compared_times(1, LIST, &WRONG);
    check(&easy, &|_| (), 4, 4);
    check(
        &easy,
        &|world| {
            world.not_compared(LIST, NotCompared::Shed);
        },
        4,
        4,
    );
    check(&easy, &good, 0, 0);
    check(
        &easy,
        &|world| {
            good(world);
            wrong(world);
        },
        1,
        1,
    );
    check(PRODUCTS, &good, 4, 4);
    check(PRODUCTS, &wrong, 1, 1);
    check(&off, &|_| (), 4, 4);
    check(&off, &good, 0, 0);
    check(&off, &wrong, 1, 1);
    check(&legacy, &|_| (), 4, 4);
    check(
        &accept("2026-06-01"),
        &|world| {
            good(world);
            wrong(world);
        },
        0,
        0,
    );
    check(&accept("2026-05-31"), &good, 0, 5);
    check(
        &accept("2026-05-31"),
        &|world| {
            good(world);
            wrong(world);
        },
        1,
        1,
    );
    check(&accept("2026-05-31"), &|_| (), 4, 4);
    check("legacy = \"http://127.0.0.1:8000\"", &|_| (), 4, 4);
}

#[test]
fn a_slice_that_was_never_to_be_compared_does_not_hold_the_others() {
    let other = "[slices.orders]\nupstream = \"http://127.0.0.1:8003\"\nroutes = [\"GET /orders\"]\n";
    let mut world = World::new(&format!("{PRODUCTS}{EASY}{other}"));
    world.compared_times(30, LIST, &[]);
    world.compared_times(30, ONE, &[]);
    assert_eq!(world.report().exit_code(Strictness::Usual), 0, "{}", world.report().sentence);
    let one = super::super::report::build(&world.ledger, &world.snapshot, Some("orders"), world.now).unwrap();
    assert_eq!(
        one.exit_code(Strictness::Usual),
        4,
        "asked for by name, it must say that nothing was compared"
    );
    assert!(super::super::report::build(&world.ledger, &world.snapshot, Some("x"), world.now).is_err());
    let shadow = other.replace("routes", "phase = \"shadow\"\nsync = \"stateless\"\nroutes");
    world.reload(&format!("{PRODUCTS}{EASY}{shadow}"));
    assert_eq!(world.report().exit_code(Strictness::Usual), 4, "{}", world.report().sentence);
}

fn rule<'r>(report: &'r Report, text: &str) -> &'r RuleReport {
    report.slices[0].rules.iter().find(|rule| rule.rule == text).unwrap_or_else(|| panic!("{text}"))
}

#[test]
fn the_audit_says_what_each_rule_hides() {
    let text = format!(
        "{PRODUCTS}[slices.products.compare]\n\
         ignore = [\"$.stamp\", \"$.gone\", \"$..id\", \"$.wide\", \"$\", \"$.items[3].x\"]\n\
         accept = [{{ path = \"$.price\", kind = \"type\", why = \"SHOP-1\", until = 2026-06-01 }},\n\
                   {{ path = \"$.tier\", why = \"SHOP-2\", until = 2026-05-01 }}]\n"
    );
    let mut world = World::new(&text);
    let nothing_yet = world.report();
    let gone = rule(&nothing_yet, "ignore $.gone");
    assert!(gone.sentence.contains("nothing was compared yet") && !gone.dead, "{gone:?}");
    world.compared_times(100, LIST, &[("$.stamp", Kind::BodyValue, 2), ("$.a.id", Kind::BodyUuid, 1)]);
    world.compared_times(10, ONE, &[("$.stamp", Kind::BodyMissing, 1), ("$.stamp", Kind::BodyType, 2)]);
    world.compared_times(5, ONE, &[("$.price", Kind::BodyType, 1), ("$.tier", Kind::BodyMissing, 1)]);
    world.compared_times(2, ONE, &[("$.items[3].x", Kind::BodyValue, 1)]);
    for n in 0..11 {
        let path = format!("$.wide.n{n}x");
        world.compared(LIST, &[(&path, Kind::BodyValue, 1)]);
    }
    let report = world.report();
    let check = |text: &str, differences: u64, kinds: &str, sentence: &str| {
        let rule = rule(&report, text);
        assert_eq!(
            (rule.differences, &*rule.kinds.join(" "), &*rule.sentence),
            (differences, kinds, sentence)
        );
    };
    check(
        "ignore $.stamp",
        230,
        "body.missing body.type body.value",
        "`ignore $.stamp` hides 230 differences of 3 kinds",
    );
    check("ignore $.gone", 0, "", "`ignore $.gone` hides nothing");
    check("ignore $..id", 100, "body.uuid", "`ignore $..id` hides 100 differences of 1 kind");
    check("ignore $.items[3].x", 0, "", "`ignore $.items[3].x` hides nothing");
    check("accept $.price type", 5, "body.type", "`accept $.price type` hides 5 differences of 1 kind");
    check(
        "accept $.tier",
        5,
        "body.missing",
        "`accept $.tier` expired on 2026-05-01: 5 differences count again",
    );
    let flags =
        |text| (rule(&report, text).dead, rule(&report, text).expired, rule(&report, text).broad.clone());
    assert_eq!(flags("ignore $.stamp"), (false, false, vec![]));
    assert_eq!(flags("ignore $.gone"), (true, false, vec![]));
    assert_eq!(flags("ignore $.wide").2, ["it hides 11 different places"]);
    assert_eq!(flags("ignore $").2[0], "it hides whole bodies");
    assert!(flags("accept $.tier").1);
    assert_eq!(rule(&report, "accept $.price type").why.as_deref(), Some("SHOP-1"));
}

#[test]
fn a_difference_whose_acceptance_has_expired_counts_and_says_so() {
    let text = format!(
        "{PRODUCTS}compare = {{ accept = [{{ path = \"$.price\", why = \"w\", until = 2026-06-01 }}] }}"
    );
    let mut world = World::new(&text);
    world.compared(LIST, &WRONG);
    assert_eq!(world.accounts(), [0, 0, 1, 0], "the last day is a day");
    world.pass(SignedDuration::from_hours(12));
    assert_eq!(world.accounts(), [0, 1, 0, 0]);
    assert_eq!(world.report().slices[0].problems[0].expired.as_deref(), Some("accept $.price"));
}

#[test]
fn sentences_say_it_first() {
    let check = |observe: &dyn Fn(&mut World), expected: &str| {
        let mut world = World::new(&format!("{PRODUCTS}gate = false"));
        observe(&mut world);
        assert_eq!(world.report().sentence, expected);
    };
    check(&|_| (), "products: nothing was compared");
    check(
        &|world| {
            world.not_compared(LIST, NotCompared::Shed);
        },
        "products: nothing was compared, 1 requests could not be",
    );
    check(
        &|world| world.compared_times(1_200, LIST, &[]),
        "products: no difference counts in 1,200 comparisons",
    );
    check(
        &|world| {
            world.compared_times(3, LIST, &WRONG);
            world.compared_times(997, ONE, &[]);
        },
        "products: 1 problem in 3 of 1,000 comparisons (0.3%)",
    );
}

#[test]
fn the_report_is_the_same_after_a_trip_through_json() {
    let mut world = World::new(PRODUCTS);
    world.compared_times(3, LIST, &WRONG);
    world.compared_times(50, ONE, &[]);
    let report = world.report();
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
}

#[test]
fn the_fields_of_the_report_are_stable() {
    let mut world = World::new(PRODUCTS);
    world.compared_times(3, LIST, &[("$.items[2].price", Kind::BodyType, 2)]);
    let report = world.report();
    let mut value = serde_json::to_value(&report).unwrap();
    let slice = &mut value["slices"][0];
    slice["routes"].as_array_mut().unwrap().truncate(1);
    slice["gate"]["conditions"].as_array_mut().unwrap().truncate(1);
    slice["problems"][0]["examples"].as_array_mut().unwrap().truncate(1);
    expect_test::expect_file!["report.json"]
        .assert_eq(&format!("{}\n", serde_json::to_string_pretty(&value).unwrap()));
}
