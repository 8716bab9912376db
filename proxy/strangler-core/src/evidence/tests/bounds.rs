//! Bounded memory: six causes are six problems, and no service can make the tables grow.

use super::super::{Dropped, Limits, Size};
use super::world::{Fault, LIST, ONE, PRODUCTS, World, twice};
use crate::compare::Kind;

const CAUSES: [Fault<'static>; 6] = [
    ("$.items[0].price", Kind::BodyType, 20),
    ("$.items", Kind::BodyOrder, 1),
    ("$.loyalty_tier", Kind::BodyMissing, 1),
    ("$.note", Kind::BodyNullVsAbsent, 1),
    ("$.created", Kind::BodyTimeFormat, 1),
    ("header:location", Kind::HeaderValue, 1),
];

#[test]
fn a_hundred_thousand_mismatching_requests_of_six_causes_are_six_problems() {
    let mut world = World::new(PRODUCTS);
    let one_each: Vec<_> = (0..6).map(|cause| world.observation(LIST, &CAUSES[cause..=cause])).collect();
    let all = world.observation(LIST, &CAUSES);
    for request in 0..100_000_u64 {
        let template = if request % 7 == 6 { &all } else { &one_each[(request % 7) as usize] };
        world.ledger.observe(&super::super::Observation { shape: request, ..template.clone() });
    }
    let report = world.report();
    let slice = &report.slices[0];
    assert_eq!(slice.accounts.mismatch, 100_000);
    assert_eq!(slice.problems.len(), 6);
    for problem in &slice.problems {
        assert!(problem.requests > 28_000, "{problem:?}");
        assert_eq!(problem.examples.len(), 3);
    }
    let prices = slice.problems.iter().find(|problem| problem.path == "$.items[*].price").unwrap();
    assert_eq!(prices.differences, 20 * prices.requests);
    let size = world.ledger.size();
    assert_eq!((size.signatures, size.sets, size.members), (6, 7, 12));
    assert_eq!(size.shapes, Limits::DEFAULT.shapes_per_route);
    assert!(size.example_bytes < 3 * 6 * 200, "{size:?}");
}

#[test]
fn a_service_that_makes_new_signatures_each_time_neither_grows_the_tables_nor_hides_what_is_frequent() {
    let mut world = World::new(PRODUCTS);
    for request in 0..6_000 {
        if request > 1_000 && request % 10 == 9 {
            world.compared(LIST, &CAUSES);
        } else {
            let names: Vec<String> = (0..5).map(|n| format!("$.junk_{request}_{n}")).collect();
            let faults: Vec<Fault<'_>> = names.iter().map(|name| (&**name, Kind::BodyExtra, 1)).collect();
            world.compared(LIST, &faults);
        }
    }
    let limits = Limits::DEFAULT;
    let size = world.ledger.size();
    assert!(size.signatures <= limits.signatures_per_route + 64, "{size:?}");
    assert!(size.sets <= limits.sets_per_route && size.members <= limits.members_per_route, "{size:?}");
    let report = world.report();
    let slice = &report.slices[0];
    assert_eq!(slice.accounts.mismatch, 6_000, "none of them is lost");
    for cause in CAUSES {
        let path = cause.0.replace("[0]", "[*]");
        let problem = slice.problems.iter().find(|one| one.path == path && one.kind == cause.1.as_str());
        let requests = problem.map_or(0, |problem| problem.requests);
        assert!((490..=500).contains(&requests), "{path}: {requests}");
    }
    let rest = slice.problems.iter().find(|problem| problem.signature.is_none()).unwrap();
    assert!(rest.requests > 5_000, "{rest:?}");
    assert!(slice.dropped.signatures > 26_000, "{:?}", slice.dropped);
}

#[test]
fn too_many_combinations_are_counted_one_by_one() {
    let mut world = World::new(PRODUCTS);
    let names: Vec<String> = (0..12).map(|n| format!("$.n{n}x")).collect();
    for request in 0_u32..4_096 {
        let faults: Vec<Fault<'_>> = (0..12)
            .filter(|bit| request & (1 << bit) != 0)
            .map(|bit| (&*names[bit], Kind::BodyValue, 1))
            .collect();
        world.compared(LIST, &faults);
    }
    assert_eq!(world.accounts(), [1, 4_095, 0, 0]);
    assert!(world.ledger.size().sets <= Limits::DEFAULT.sets_per_route);
    let report = world.report();
    assert!(report.slices[0].dropped.sets > 3_000);
    for problem in &report.slices[0].problems {
        assert_eq!(problem.requests, 2_048, "{}", problem.path);
    }
    let hide = |count: usize| {
        let paths: Vec<String> = names.iter().take(count).map(|name| format!("\"{name}\"")).collect();
        format!("{PRODUCTS}\n[slices.products.compare]\nignore = [{}]", paths.join(", "))
    };
    world.reload(&hide(12));
    assert_eq!(world.accounts(), [1, 0, 4_095, 0], "all hidden: exactly none counts");
    world.reload(&hide(11));
    assert_eq!(world.accounts(), [1, 2_048, 2_047, 0], "one left: exactly its requests");
    world.reload(&hide(10));
    let [_, mismatched, ..] = world.accounts();
    assert!((3_072..4_096).contains(&mismatched), "two left: never fewer than there are, {mismatched}");
}

#[test]
fn all_routes_together_are_bounded_and_each_has_a_little_of_its_own() {
    let limits = Limits {
        all: Size { signatures: 50, sets: 60, members: 100, shapes: 70, noise: 5, example_bytes: 500 },
        least: Size { example_bytes: 200, ..Limits::DEFAULT.least },
        ..Limits::DEFAULT
    };
    let mut world = World::bounded(PRODUCTS, limits);
    for request in 0..300 {
        let path = format!("$.n{request}x");
        let mut observation = world.observation(LIST, &[(&path, Kind::BodyValue, 1)]);
        observation.repeated = Some(twice(&[&path], &[&path]));
        world.ledger.observe(&observation);
    }
    let flooded = world.ledger.size();
    assert!(flooded.signatures <= 51 && flooded.sets <= 60 && flooded.shapes <= 70, "{flooded:?}");
    assert!(flooded.example_bytes <= 700 && flooded.noise <= 8, "{flooded:?}");
    world.compared_times(5, ONE, &CAUSES);
    let report = world.report();
    let here: Vec<_> = report.slices[0].problems.iter().filter(|one| one.route == ONE).collect();
    assert_eq!(here.iter().filter(|one| one.signature.is_some()).count(), 6, "{here:?}");
    let Dropped { signatures, shapes, noise, examples, .. } = report.slices[0].dropped;
    assert!(
        signatures > 200 && shapes > 200 && noise > 200 && examples > 0,
        "{:?}",
        report.slices[0].dropped
    );
}

#[test]
fn the_smallest_examples_are_kept_and_large_ones_never() {
    let mut world = World::new(PRODUCTS);
    for length in [900, 300, 5_000, 20, 700, 10, 400] {
        let mut observation = world.observation(LIST, &CAUSES[..1]);
        if let super::super::Outcome::Compared(seen) = &mut observation.outcome {
            seen[0].example.as_mut().unwrap().legacy = Some("x".repeat(length).into());
        }
        world.ledger.observe(&observation);
    }
    let report = world.report();
    let kept: Vec<usize> =
        report.slices[0].problems[0].examples.iter().map(|one| one.legacy.as_ref().unwrap().len()).collect();
    assert_eq!(kept, [10, 20, 300]);
    assert_eq!(report.slices[0].dropped.examples, 1);
}

#[test]
fn a_shape_is_counted_twenty_times() {
    let mut world = World::new(PRODUCTS);
    let template = world.observation(LIST, &[]);
    for request in 0..200 {
        world.ledger.observe(&super::super::Observation { shape: request % 4, ..template.clone() });
    }
    let report = world.report();
    let route = report.slices[0].routes.iter().find(|route| route.route == LIST).unwrap();
    assert_eq!((route.accounts.compared, route.counted, route.shapes), (200, 80, 4));
    let gate = report.slices[0].gate.as_ref().unwrap();
    assert!(gate.sentence.contains("of other shapes"), "{}", gate.sentence);
    // Which 80 comparisons do show, and not a tenth of a percent less.
    assert!(gate.sentence.contains("`mismatch_below = \"5.7%\"`"), "{}", gate.sentence);
}

#[test]
fn a_new_signature_is_told_once_and_a_hidden_one_is_not() {
    let mut world = World::new(&format!("{PRODUCTS}\n[slices.products.compare]\nignore = [\"$.note\"]"));
    let told = |world: &mut World| -> Vec<String> {
        world.ledger.take_new().iter().map(|new| format!("{} {}", new.route, new.difference.path)).collect()
    };
    world.compared(LIST, &[("$.note", Kind::BodyValue, 1), ("$.items[3].price", Kind::BodyType, 7)]);
    assert_eq!(told(&mut world), ["GET /products $.items[*].price"]);
    world.compared(LIST, &[("$.note", Kind::BodyValue, 1), ("$.items[1].price", Kind::BodyType, 1)]);
    assert_eq!(told(&mut world), [""; 0]);
    world.compared(ONE, &[("$.price", Kind::BodyType, 1)]);
    world.ledger.restart("products", "x", world.now).unwrap();
    world.compared(ONE, &[("$.price", Kind::BodyType, 1)]);
    assert_eq!(told(&mut world), ["GET /products/{id} $.price"; 2]);
    for n in 0..500 {
        let path = format!("$.n{n}x");
        world.compared(LIST, &[(&path, Kind::BodyValue, 1)]);
    }
    assert_eq!(told(&mut world).len(), 64);
}

#[test]
fn what_one_reply_has_too_much_of_still_counts() {
    let names: Vec<String> = (0..400).map(|n| format!("$.wide.n{n}x")).collect();
    let faults: Vec<Fault<'_>> = names.iter().map(|name| (&**name, Kind::BodyValue, 1)).collect();
    let hiding = |paths: &[&str]| {
        let paths: Vec<String> = paths.iter().map(|path| format!("\"{path}\"")).collect();
        format!("{PRODUCTS}\n[slices.products.compare]\nignore = [{}]", paths.join(", "))
    };
    let mut world = World::new(PRODUCTS);
    world.compared(LIST, &faults);
    let kept: Vec<&str> = names.iter().take(200).map(|name| &**name).collect();
    world.reload(&hiding(&kept));
    assert_eq!(world.accounts(), [0, 1, 0, 0], "those that were not kept are not known to be hidden");
    // Hidden when they were seen: by either rule, of which nobody knows.
    let odd: Vec<&str> = names.iter().skip(1).step_by(2).map(|name| &**name).collect();
    let text = hiding(&[&["$.wide.n0x", "$.wide"], &odd[..]].concat());
    let mut world = World::new(&text);
    world.compared(LIST, &faults);
    assert_eq!(world.accounts(), [0, 0, 1, 0]);
    world.reload(&hiding(&kept));
    assert_eq!(world.accounts(), [0, 1, 0, 0], "the rule that may have hidden the rest is gone");
    world.reload(&text);
    assert_eq!(world.accounts(), [0, 0, 1, 0]);
}
