//! A new `ignore` or `accept` recounts what was observed before it.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::super::{Limits, Size};
use super::world::{Fault, LIST, ONE, PRODUCTS, World, snapshot};
use crate::compare::{Kind, Path, verdict};

fn with_rules(rules: &str) -> String {
    format!("{PRODUCTS}\n[slices.products.compare]\n{rules}\n")
}

const STAMP: Fault<'static> = ("$.generated_at", Kind::BodyValue, 1);
const PRICE: Fault<'static> = ("$.items[3].price", Kind::BodyType, 2);
const TIER: Fault<'static> = ("$.loyalty_tier", Kind::BodyMissing, 1);

#[test]
fn a_new_ignore_recounts_and_does_not_restart() {
    let mut world = World::new(PRODUCTS);
    world.compared_times(10, LIST, &[]);
    world.compared_times(5, LIST, &[STAMP]);
    world.compared_times(3, LIST, &[STAMP, PRICE]);
    world.compared_times(2, ONE, &[TIER]);
    assert_eq!(world.accounts(), [10, 10, 0, 0]);
    let check = |world: &mut World, rules: &str, expected: [u64; 4], problems: usize| {
        assert_eq!(world.reload(&with_rules(rules)), [], "{rules}: an epoch began");
        assert_eq!(world.accounts(), expected, "{rules}");
        assert_eq!(world.report().slices[0].problems.len(), problems, "{rules}");
    };
    check(&mut world, r#"ignore = ["$.generated_at"]"#, [10, 5, 5, 0], 2);
    check(&mut world, r#"ignore = ["$..price"]"#, [10, 10, 0, 0], 2);
    check(&mut world, r#"ignore = ["$.generated_at", "$.items[*].price"]"#, [10, 2, 8, 0], 1);
    check(&mut world, r#"ignore = ["$"]"#, [10, 0, 10, 0], 0);
    check(&mut world, "", [10, 10, 0, 0], 3);
    let accept = |path, kind| {
        format!("accept = [{{ path = \"{path}\", kind = \"{kind}\", why = \"w\", until = 2026-06-30 }}]")
    };
    check(&mut world, &accept("$.loyalty_tier", "missing"), [10, 8, 2, 0], 2);
    check(&mut world, &accept("$.loyalty_tier", "value"), [10, 10, 0, 0], 3);
    let signature =
        world.report().slices[0].problems.iter().find(|one| one.path == "$.loyalty_tier").cloned();
    let by_signature = format!(
        "accept = [{{ signature = \"{}\", why = \"w\", until = 2026-06-30 }}]",
        signature.unwrap().signature.unwrap()
    );
    check(&mut world, &by_signature, [10, 8, 2, 0], 2);
    world.pass(SignedDuration::from_hours(24 * 30));
    assert_eq!(world.accounts(), [10, 10, 0, 0], "its day is past");
}

#[test]
fn the_gates_count_is_recounted_too() {
    let mut world = World::new(PRODUCTS);
    world.compared_times(1_500, LIST, &[]);
    world.compared_times(500, LIST, &[STAMP]);
    let counted = |world: &World| {
        let report = world.report();
        let route = report.slices[0].routes.iter().find(|route| route.route == LIST).unwrap();
        (route.counted, route.counted_mismatches)
    };
    assert_eq!(counted(&world), (2_000, 500));
    world.reload(&with_rules(r#"ignore = ["$.generated_at"]"#));
    assert_eq!(counted(&world), (2_000, 0));
}

#[test]
fn a_rule_that_names_an_index_is_remembered_by_its_text() {
    let rules = with_rules(r#"ignore = ["$.items[3].price"]"#);
    let mut world = World::new(&rules);
    world.compared_times(4, LIST, &[PRICE]);
    world.compared_times(2, LIST, &[PRICE, ("$.items[5].price", Kind::BodyType, 1)]);
    assert_eq!(world.accounts(), [0, 2, 4, 0]);
    world.reload(PRODUCTS);
    assert_eq!(world.accounts(), [0, 6, 0, 0], "the rule is gone");
    world.reload(&rules);
    assert_eq!(world.accounts(), [0, 2, 4, 0], "and back");
    world.reload(&with_rules(r#"ignore = ["$.items[5].price"]"#));
    assert_eq!(world.accounts(), [0, 6, 0, 0], "what it would have hidden is not known: it counts");
}

#[test]
fn a_request_ends_in_exactly_one_account() {
    let mut world = World::new(PRODUCTS);
    for reason in crate::compare::NotCompared::ALL {
        world.not_compared(LIST, reason);
    }
    world.compared(LIST, &[]);
    world.compared(ONE, &[PRICE, TIER, STAMP]);
    assert_eq!(world.accounts(), [1, 1, 0, crate::compare::NotCompared::ALL.len() as u64]);
}

#[test]
fn requests_that_ended_without_a_copy_are_counted_by_the_number() {
    let mut world = World::new(PRODUCTS);
    let shed = crate::compare::NotCompared::Shed;
    assert_eq!(
        world.ledger.not_compared("products", LIST, shed, 1_000_000_000),
        super::super::Noted::Counted
    );
    assert_eq!(world.ledger.not_compared("products", "", shed, 7), super::super::Noted::Counted);
    assert_eq!(world.ledger.not_compared("products", "GET /x", shed, 2), super::super::Noted::Stray);
    assert_eq!(world.ledger.not_compared("orders", "", shed, 3), super::super::Noted::Stray);
    assert_eq!(world.accounts(), [0, 0, 0, 1_000_000_007]);
    assert_eq!(world.ledger.strays(), 5);
}

/// Ten places of which requests show some, in either of two kinds.
const PLACES: [&str; 10] = [
    "$.a",
    "$.b.c",
    "$.b.d",
    "$.items[0].x",
    "$.items[7].x",
    "$.items[1].y",
    "header:x-a",
    "cookie:s",
    "status",
    "$",
];

const RULES: [&str; 8] =
    ["$.a", "$.b", "$.items[*].x", "$..y", "header:x-a", "cookie:s", "$.items[0].x", "$.items"];

fn rules(chosen: u8) -> String {
    let chosen: Vec<String> =
        (0..8).filter(|bit| chosen & (1 << bit) != 0).map(|bit| format!("\"{}\"", RULES[bit])).collect();
    with_rules(&format!("ignore = [{}]", chosen.join(", ")))
}

fn kind(place: &str, second: bool) -> Kind {
    match (place, second) {
        ("header:x-a", false) => Kind::HeaderValue,
        ("header:x-a", true) => Kind::HeaderMissing,
        ("cookie:s", false) => Kind::CookieValue,
        ("cookie:s", true) => Kind::CookieAttribute,
        ("status", _) => Kind::Status,
        (_, false) => Kind::BodyValue,
        (_, true) => Kind::BodyMissing,
    }
}

type Faults = Vec<(usize, bool)>;

/// Mismatches and ignored ones by judging every request's differences again, concretely.
fn by_hand(requests: &[Faults], text: &str) -> (u64, u64) {
    let snapshot = snapshot(text);
    let rules = &snapshot.routes.iter().find(|route| &*route.id == LIST).unwrap().policy.compare;
    let today = jiff::civil::date(2026, 6, 1);
    let counts = |(place, second): &(usize, bool)| {
        let path: Path = PLACES[*place].parse().unwrap();
        let kind = kind(PLACES[*place], *second);
        let signature = super::world::difference(PLACES[*place], kind).signature(LIST);
        verdict(rules, today, &path, kind, signature).counts()
    };
    let mismatched = requests.iter().filter(|faults| faults.iter().any(counts)).count();
    let differing = requests.iter().filter(|faults| !faults.is_empty()).count();
    (mismatched as u64, (differing - mismatched) as u64)
}

fn observe_all(limits: Limits, requests: &[Faults], text: &str) -> World {
    let mut world = World::bounded(text, limits);
    for faults in requests {
        let faults: Vec<Fault<'_>> =
            faults.iter().map(|(place, second)| (PLACES[*place], kind(PLACES[*place], *second), 1)).collect();
        world.compared(LIST, &faults);
    }
    world
}

fn requests() -> impl Strategy<Value = Vec<Faults>> {
    proptest::collection::vec(proptest::collection::vec((0..PLACES.len(), any::<bool>()), 0..4), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn recounting_is_judging_every_request_again(requests in requests(), before in 0_u8.., after in 0_u8..) {
        // Bit 6 is the rule that names an index: what it would newly hide is not known.
        let after = if before & 64 == 0 { after & !64 } else { after };
        let mut world = observe_all(Limits::DEFAULT, &requests, &rules(before));
        let [_, mismatched, ignored, _] = world.accounts();
        prop_assert_eq!((mismatched, ignored), by_hand(&requests, &rules(before)), "as observed");
        prop_assert_eq!(world.reload(&rules(after)), []);
        let [_, mismatched, ignored, _] = world.accounts();
        let expected = by_hand(&requests, &rules(after));
        if after & 64 != 0 && before & 0b1000_0100 != 0 {
            // Another rule hid the same place then: only that one is remembered.
            prop_assert!(mismatched >= expected.0);
        } else {
            prop_assert_eq!((mismatched, ignored), expected, "recounted");
        }
    }

    #[test]
    fn what_does_not_fit_only_ever_adds_mismatches(
        requests in requests(), before in 0_u8.., after in 0_u8.., room in 1_usize..6,
    ) {
        let limits = Limits {
            signatures_per_route: room,
            sets_per_route: room,
            members_per_route: 2 * room,
            least: Size::default(),
            ..Limits::DEFAULT
        };
        let mut world = observe_all(limits, &requests, &rules(before));
        world.reload(&rules(after));
        let [matched, mismatched, ignored, _] = world.accounts();
        let expected = by_hand(&requests, &rules(after));
        prop_assert!(mismatched >= expected.0, "{} mismatches, really {}", mismatched, expected.0);
        prop_assert_eq!(matched + mismatched + ignored, requests.len() as u64);
        prop_assert_eq!(matched, requests.iter().filter(|faults| faults.is_empty()).count() as u64);
    }
}
