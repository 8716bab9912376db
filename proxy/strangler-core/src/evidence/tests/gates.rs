//! The live gate: what passes, what holds, what fails, and what it says.

use jiff::SignedDuration;

use super::super::simulation;
use super::super::verdict::{State, Verdict};
use super::super::{Observation, Outcome};
use super::world::{Fault, LIST, ONE, PRODUCTS, World, twice};
use crate::compare::{Kind, NotCompared};

fn gate(world: &World) -> Verdict {
    world.report().slices[0].gate.clone().unwrap()
}

fn with_gate(keys: &str) -> String {
    format!("{PRODUCTS}\n[slices.products.gate]\n{keys}\n")
}

/// A world whose gate passes: enough of everything.
fn passing(text: &str) -> World {
    let mut world = World::new(text);
    world.compared_times(900, LIST, &[]);
    world.pass(SignedDuration::from_hours(25));
    world.compared_times(900, ONE, &[]);
    world
}

fn deciding(verdict: &Verdict) -> String {
    let names =
        verdict.conditions.iter().filter(|one| one.state == verdict.state && one.state != State::Pass);
    names.map(|one| &*one.name).collect::<Vec<_>>().join(" ")
}

#[test]
fn each_condition_decides_and_shows_its_figures() {
    let check = |change: &dyn Fn(&mut World), state: State, names: &str, said: &str| {
        let mut world = passing(PRODUCTS);
        change(&mut world);
        let verdict = gate(&world);
        assert_eq!((verdict.state, &*deciding(&verdict)), (state, names), "{verdict:#?}");
        assert!(verdict.sentence.contains(said), "{}", verdict.sentence);
        for condition in &verdict.conditions {
            assert!(!condition.measured.is_empty() && !condition.demanded.is_empty(), "{condition:?}");
        }
    };
    let wrong = [("$.price", Kind::BodyType, 1)];
    check(&|_| (), State::Pass, "", "pass");
    check(&|world| world.compared_times(3, ONE, &wrong), State::Insufficient, "mismatches", "more needed");
    check(&|world| world.compared_times(60, ONE, &wrong), State::Failed, "mismatches", "must be below 0.5%");
    check(
        &|world| world.compared_times(101, ONE, &wrong),
        State::Failed,
        "mismatches signatures",
        "no signature may be",
    );
    let races = |world: &mut World, count: u32| {
        for _ in 0..count {
            world.not_compared(ONE, NotCompared::Transient);
        }
    };
    check(&|world| races(world, 100), State::Pass, "", "pass");
    check(
        &|world| races(world, 101),
        State::Insufficient,
        "unsettled",
        "transient or unstable, at most 10% may be",
    );
    let other = |world: &mut World| {
        (0..5_000).for_each(|_| {
            world.not_compared(ONE, NotCompared::Shed);
        })
    };
    check(&other, State::Pass, "", "pass");
}

#[test]
fn nothing_seen_is_insufficient_and_says_how_much_is_needed() {
    let verdict = gate(&World::new(PRODUCTS));
    assert_eq!(verdict.state, State::Insufficient);
    assert_eq!(verdict.more_needed, 929);
    assert!(verdict.sentence.starts_with("insufficient, 929 more needed: "), "{}", verdict.sentence);
}

#[test]
fn what_is_said_to_be_needed_is_needed_and_enough() {
    let text = with_gate("min_age = \"0s\"\nmin_per_route = 0");
    for bad in [0, 1, 4] {
        let mut world = World::new(&text);
        world.compared_times(500, LIST, &[]);
        for cause in 0..bad {
            let path = format!("$.n{cause}x");
            world.compared(LIST, &[(&path, Kind::BodyValue, 1)]);
        }
        let needed = gate(&world).more_needed;
        assert!(needed > 400, "{needed}");
        world.compared_times(u32::try_from(needed).unwrap() - 1, LIST, &[]);
        assert_eq!((gate(&world).state, gate(&world).more_needed), (State::Insufficient, 1));
        world.compared(LIST, &[]);
        assert_eq!(gate(&world).state, State::Pass);
    }
}

#[test]
fn a_cold_route_that_is_always_wrong_blocks_the_gate_of_a_busy_slice() {
    let mut world = passing(&with_gate("coverage = \"50%\""));
    world.ledger.restart("products", "x", world.now).unwrap();
    world.compared_times(20_000, LIST, &[]);
    world.pass(SignedDuration::from_hours(25));
    world.compared_times(20_000, LIST, &[]);
    assert_eq!(gate(&world).state, State::Pass);
    // One in 40,000 is no rate to speak of: a gate on the rate alone passes.
    world.compared(ONE, &[("$.price", Kind::BodyType, 1)]);
    let verdict = gate(&world);
    let rate = verdict.conditions.iter().find(|one| one.name == "mismatches").unwrap();
    assert_eq!(rate.state, State::Pass, "{rate:?}");
    assert_eq!((verdict.state, &*deciding(&verdict)), (State::Failed, "signatures"));
    assert!(verdict.sentence.contains("100% of `GET /products/{id}`"), "{}", verdict.sentence);
}

#[test]
fn routes_count_towards_coverage_only_where_they_can_be_compared() {
    let coverage = |world: &World| {
        let verdict = gate(world);
        let condition = verdict.conditions.into_iter().find(|one| one.name == "coverage").unwrap();
        (condition.state, condition.measured, condition.more_needed)
    };
    let mut world = World::new(PRODUCTS);
    world.compared_times(30, LIST, &[]);
    world.compared_times(12, ONE, &[]);
    assert_eq!(coverage(&world), (State::Insufficient, "1 of 2 routes".to_owned(), Some(18)));
    let report = world.report();
    let never =
        |id: &str| report.slices[0].routes.iter().find(|one| one.route == id).unwrap().never_compared.clone();
    assert_eq!(never(LIST), None);
    assert!(never("POST /products").unwrap().contains("not copied"));
    world.compared_times(18, ONE, &[]);
    assert_eq!(coverage(&world), (State::Pass, "2 of 2 routes".to_owned(), None));
    // Copied writes are compared as well.
    world.reload(&PRODUCTS.replace("routes =", "shadow = { writes = \"dry-run\" }\nroutes ="));
    assert_eq!(coverage(&world), (State::Insufficient, "2 of 3 routes".to_owned(), Some(30)));
    // A third of the routes is enough, if the file says so: of three, one.
    world.reload(
        &with_gate("coverage = \"33.33%\"")
            .replace("routes =", "shadow = { writes = \"dry-run\" }\nroutes ="),
    );
    assert_eq!(coverage(&world).0, State::Pass);
    let writes = PRODUCTS.replace("\"GET /products\", \"GET /products/{id}\", ", "");
    assert_eq!(coverage(&World::new(&writes)), (State::Insufficient, "0 of 0 routes".to_owned(), None));
}

#[test]
fn a_gate_that_is_off_demands_nothing() {
    let world = World::new(&format!("{PRODUCTS}gate = false"));
    assert_eq!(world.report().slices[0].gate, None);
}

/// A thousand requests with legacy asked twice: `$.stock` and `$.rating` differ in three tenths of its pairs,
/// and the service's stock is wrong in a tenth beside. `asked_again` is what a recheck makes of a mismatch.
fn noisy_world(asked_again: impl Fn(&mut fastrand::Rng, bool) -> Option<NotCompared>) -> World {
    let mut random = fastrand::Rng::with_seed(simulation::seed(5));
    let mut world = World::new(PRODUCTS);
    for _ in 0..1_000 {
        let mut differ = |share: f64| random.f64() < share;
        // The rarer of two variants, as in the simulation of the test itself.
        let mut answer = || [differ(0.184), differ(0.184)];
        let (a1, a2, b) = (answer(), answer(), answer());
        let (bug, lost) = (differ(0.10), differ(0.01));
        let differing = |other: [bool; 2]| -> Vec<&str> {
            let pairs = ["$.stock", "$.rating"].into_iter().zip(a1.into_iter().zip(other));
            pairs.filter(|(_, (one, other))| one != other).map(|(path, _)| path).collect()
        };
        let (itself, mut first) = (differing(a2), differing(b));
        if bug && !first.contains(&"$.stock") {
            first.push("$.stock");
        }
        let mut faults: Vec<Fault<'_>> = first.iter().map(|path| (*path, Kind::BodyValue, 1)).collect();
        if lost && !first.contains(&"$.rating") {
            faults.push(("$.rating", Kind::BodyMissing, 1));
        }
        let mut observation = world.observation(LIST, &faults);
        if !faults.is_empty()
            && let Some(reason) = asked_again(&mut random, bug)
        {
            observation.outcome = Outcome::NotCompared(reason);
        }
        observation.repeated = Some(twice(&itself, &first));
        world.ledger.observe(&observation);
    }
    world
}

#[test]
fn noise_does_not_count_and_a_bug_beneath_it_does() {
    let report = noisy_world(|_, _| None).report();
    let slice = &report.slices[0];
    let place = |path| slice.noise.iter().find(|one| one.path == path).unwrap();
    assert!(place("$.stock").counts && !place("$.rating").counts, "{:#?}", slice.noise);
    let counting: Vec<(&str, &str)> = slice.problems.iter().map(|one| (&*one.path, &*one.kind)).collect();
    assert_eq!(counting, [("$.stock", "body.value"), ("$.rating", "body.missing")], "values only are hidden");
    let hidden: Vec<_> = slice.hidden.iter().map(|one| (&*one.path, one.hidden_by.as_deref())).collect();
    assert_eq!(hidden, [("$.rating", Some("noise"))]);
    assert!(slice.accounts.ignored > 50, "what only noise explains is ignored: {:?}", slice.accounts);
}

#[test]
fn asking_again_does_not_hide_from_the_noise_test_what_it_sets_aside() {
    // A mismatch that is noise is mostly gone when asked again; one that is a bug is not.
    let world = noisy_world(|random, bug| (!bug && random.u8(..10) < 9).then_some(NotCompared::Transient));
    let report = world.report();
    let stock = report.slices[0].noise.iter().find(|one| one.path == "$.stock").unwrap();
    assert_eq!(stock.repeated, 1_000);
    assert!(stock.counts, "{stock:?}");
}

#[test]
fn what_asking_again_sets_aside_is_ignored_where_rules_or_noise_hide_all_of_it() {
    let mut world = World::new(PRODUCTS);
    let stamp = ("$.generated_at", Kind::BodyValue, 1);
    let price = ("$.price", Kind::BodyType, 1);
    let observe = |world: &mut World, faults: &[Fault<'_>], reason: NotCompared, repeated| {
        let mut observation = world.observation(LIST, faults);
        if let Outcome::Compared(seen) = observation.outcome {
            observation.outcome = Outcome::SetAside { reason, seen };
        }
        observation.repeated = repeated;
        world.ledger.observe(&observation);
    };
    for _ in 0..20 {
        observe(&mut world, &[stamp], NotCompared::Unstable, None);
    }
    for _ in 0..3 {
        observe(&mut world, &[stamp, price], NotCompared::Transient, None);
    }
    let reasons = |world: &World| {
        let report = world.report();
        let accounts = &report.slices[0].accounts;
        let of = |reason: NotCompared| accounts.reasons.get(reason.as_str()).copied().unwrap_or_default();
        (accounts.ignored, of(NotCompared::Unstable), of(NotCompared::Transient))
    };
    assert_eq!(reasons(&world), (0, 20, 3));
    assert!(world.ledger.take_new().is_empty(), "nothing is a problem yet");
    assert!(world.report().slices[0].problems.is_empty() && world.report().slices[0].routes[0].problems == 0);
    assert_eq!(world.reload(&format!("{PRODUCTS}compare = {{ ignore = [\"$.generated_at\"] }}")), []);
    assert_eq!(reasons(&world), (20, 0, 3), "a rule recounts them");
    world.reload(PRODUCTS);
    assert_eq!(reasons(&world), (0, 20, 3));
    let differing = Some(twice(&["$.generated_at"], &["$.generated_at"]));
    observe(&mut world, &[stamp], NotCompared::Unstable, differing);
    assert_eq!(reasons(&world), (21, 0, 3), "and so does noise");
    assert_eq!(world.report().slices[0].hidden[0].requests, 21);
    world.compared(LIST, &[price]);
    assert_eq!(world.ledger.take_new().len(), 1, "seen again, and it stays");
    assert_eq!(world.report().slices[0].problems[0].requests, 1);
}

#[test]
fn asked_once_nothing_is_noise() {
    let mut world = World::new(PRODUCTS);
    let stock = [("$.stock", Kind::BodyValue, 1)];
    world.compared_times(50, LIST, &stock);
    assert_eq!(world.accounts(), [0, 50, 0, 0]);
    let agreed = Observation { repeated: Some(twice(&[], &["$.stock"])), ..world.observation(LIST, &stock) };
    world.ledger.observe(&agreed);
    assert_eq!(world.accounts(), [0, 51, 0, 0], "asked twice, legacy agreed with itself");
    let not =
        Observation { repeated: Some(twice(&["$.stock"], &["$.stock"])), ..world.observation(LIST, &stock) };
    world.ledger.observe(&not);
    assert_eq!(world.accounts(), [0, 0, 52, 0], "then it did not: nothing shows more than that");
}
