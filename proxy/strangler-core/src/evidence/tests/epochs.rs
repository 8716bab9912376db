//! When evidence begins anew, and what of it then counts.

use jiff::SignedDuration;

use super::super::{Cause, Noted, Observation};
use super::world::{LIST, ONE, PRODUCTS, World};
use crate::compare::NotCompared;

fn versioned(world: &mut World, version: &str) -> Observation {
    Observation { version: Some(version.into()), ..world.observation(LIST, &[]) }
}

#[test]
fn what_begins_an_epoch_is_what_the_evidence_is_about() {
    let check = |after: &str, expected: Option<Cause>| {
        let mut world = World::new(PRODUCTS);
        world.compared_times(3, LIST, &[]);
        let begun = world.reload(after);
        assert_eq!(begun.first(), expected.as_ref(), "{after}");
        let kept = if expected.is_some() { 0 } else { 3 };
        assert_eq!(world.accounts()[0], kept, "{after}");
        assert_eq!(world.report().slices[0].epoch.number, if expected.is_some() { 2 } else { 1 });
        world.compared(LIST, &[]);
        assert_eq!(world.accounts()[0], kept + 1, "{after}: it goes on");
    };
    let edit = |from: &str, to: &str| PRODUCTS.replace(from, to);
    check(PRODUCTS, None);
    check(&edit("phase = \"shadow\"", "phase = \"extracted\""), None);
    check(&format!("{PRODUCTS}gate = false\nteam = \"t\""), None);
    check(&format!("{PRODUCTS}[slices.products.compare]\nignore = [\"$.a\"]\nredact = [\"$.b\"]"), None);
    check(&edit("127.0.0.1:8002", "127.0.0.1:8003"), Some(Cause::Upstream));
    check(&edit(", \"POST /products\"", ""), Some(Cause::Routes));
    check(
        &edit("\"GET /products\"", "{ match = \"GET /products\", when = { query = { a = \"1\" } } }"),
        Some(Cause::Routes),
    );
    check(&format!("{PRODUCTS}rewrite = {{ add_prefix = \"/v2\" }}"), Some(Cause::Routes));
    check(&format!("{PRODUCTS}[slices.products.compare]\nmode = \"shape\""), Some(Cause::Comparison));
    check(
        &format!("{PRODUCTS}[slices.products.compare]\nnumbers = {{ \"$.a\" = 0.1 }}"),
        Some(Cause::Comparison),
    );
    check(
        &format!("{PRODUCTS}[slices.products.compare]\narrays = {{ \"$.a\" = \"unordered\" }}"),
        Some(Cause::Comparison),
    );
}

#[test]
fn more_endpoints_of_an_upstream_are_no_other_upstream() {
    let named = |endpoints: &str| {
        let slices = PRODUCTS.replace("http://127.0.0.1:8002", "shop");
        format!("{slices}\n[upstreams.shop]\nendpoints = [{endpoints}]")
    };
    let mut world = World::new(&named("\"http://a:1\""));
    world.compared(LIST, &[]);
    assert_eq!(world.reload(&named("\"http://a:1\", \"http://b:1\"")), []);
    assert_eq!(world.reload(&named("\"http://b:1\", \"http://c:1\"")), []);
    assert_eq!(world.accounts()[0], 1);
    assert_eq!(world.reload(&named("\"http://d:1\"")), [Cause::Upstream]);
    assert_eq!(world.accounts()[0], 0);
}

#[test]
fn a_person_restarts_with_a_reason_and_what_was_under_way_does_not_count() {
    let mut world = World::new(PRODUCTS);
    world.compared_times(3, LIST, &[]);
    let under_way = world.observation(LIST, &[]);
    world.pass(SignedDuration::from_secs(1));
    assert_eq!(world.ledger.restart("products", "the rounding is fixed", world.now), Ok(2));
    assert_eq!(world.ledger.observe(&under_way), Noted::Late);
    world.compared(LIST, &[]);
    let report = world.report();
    assert_eq!(report.slices[0].epoch.cause, "restarted: the rounding is fixed");
    assert_eq!((report.slices[0].accounts.matched, report.slices[0].late), (1, 1));
    assert!(world.ledger.restart("orders", "x", world.now).is_err());
}

#[test]
fn a_new_version_begins_an_epoch_and_the_first_does_not() {
    let mut world = World::new(PRODUCTS);
    world.compared(LIST, &[]);
    let first = versioned(&mut world, "1.0");
    assert_eq!(world.ledger.observe(&first), Noted::Counted);
    assert_eq!(world.accounts()[0], 2);
    let again = versioned(&mut world, "1.0");
    world.ledger.observe(&again);
    world.pass(SignedDuration::from_secs(5));
    let next = versioned(&mut world, "1.1");
    let cause = Cause::Version { from: "1.0".into(), to: "1.1".into() };
    assert_eq!(world.ledger.observe(&next), Noted::NewEpoch(cause));
    assert_eq!(world.accounts()[0], 1, "the answer that told it counts");
    world.compared(ONE, &[]);
    assert_eq!(world.accounts()[0], 2, "an answer without a version counts");
    let before = world.now.checked_sub(SignedDuration::from_secs(1)).unwrap();
    let overtaken = Observation { at: before, ..versioned(&mut world, "1.1") };
    assert_eq!(world.ledger.observe(&overtaken), Noted::Counted, "an answer of this version that came first");
    let old = Observation { at: before, ..world.observation(LIST, &[]) };
    assert_eq!(world.ledger.observe(&old), Noted::Late, "of which version, nobody knows");
}

#[test]
fn while_instances_are_replaced_one_by_one_the_old_ones_are_set_aside() {
    let mut world = World::new(PRODUCTS);
    let observe = |world: &mut World, version: &str| {
        let observation = versioned(world, version);
        world.ledger.observe(&observation);
        let report = world.report();
        let slice = &report.slices[0];
        (
            slice.epoch.number,
            slice.accounts.matched,
            slice.accounts.reasons.get(NotCompared::Stale.as_str()).copied(),
        )
    };
    assert_eq!(observe(&mut world, "1"), (1, 1, None));
    assert_eq!(observe(&mut world, "2"), (2, 1, None));
    assert_eq!(observe(&mut world, "1"), (2, 1, Some(1)));
    assert_eq!(observe(&mut world, "2"), (2, 2, Some(1)));
    world.pass(SignedDuration::from_mins(11));
    assert_eq!(observe(&mut world, "1"), (3, 1, None), "it came back: that is a roll-back");
}

#[test]
fn a_slice_that_is_taken_out_keeps_its_evidence_until_it_comes_back() {
    let mut world = World::new(PRODUCTS);
    let late = world.observation(LIST, &[]);
    world.compared_times(3, LIST, &[]);
    let without = "legacy = \"http://127.0.0.1:8000\"";
    world.reload(without);
    assert_eq!(world.report().slices.len(), 0);
    world.reload(PRODUCTS);
    assert_eq!(world.accounts()[0], 3);
    // Names that come and go do not pile up.
    for number in 0..100 {
        world.reload(&PRODUCTS.replace("slices.products", &format!("slices.s{number}")));
    }
    let evidence: Vec<_> =
        (0..100).filter(|number| world.ledger.epoch(&format!("s{number}")).is_some()).collect();
    assert!(evidence.len() <= 9, "{evidence:?}");
    assert_eq!(world.ledger.observe(&late), Noted::Stray);
    assert_eq!(world.ledger.strays(), 1);
    assert_eq!(world.ledger.size(), super::super::Size::default());
}
