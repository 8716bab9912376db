//! Rows: what a store keeps of a ledger, and gives back.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;

use super::super::rows::{Change, Part, Row};
use super::super::{Ledger, Limits, Outcome};
use super::world::{Fault, LIST, ONE, PRODUCTS, World, twice};
use crate::compare::{Kind, NotCompared};

/// A store as a table with a text per row.
#[derive(Default)]
struct Table {
    rows: BTreeMap<(Arc<str>, u32, Arc<str>, String), String>,
    puts: usize,
}

impl Table {
    fn apply(&mut self, ledger: &mut Ledger) {
        for change in ledger.take_changes() {
            match change {
                Change::DeleteEpoch { slice, epoch } => {
                    self.rows.retain(|(of, number, ..), _| (of, number) != (&slice, &epoch));
                }
                Change::DeleteRoute { slice, epoch, route } => {
                    self.rows.retain(|(of, number, id, _), _| (of, number, id) != (&slice, &epoch, &route));
                }
                Change::Put(row) => {
                    self.puts += 1;
                    let Row { slice, epoch, route, key, part } = *row;
                    assert!(key.len() <= 64 << 10);
                    self.rows.insert((slice, epoch, route, key), serde_json::to_string(&part).unwrap());
                }
            }
        }
    }

    fn rows(&self) -> impl Iterator<Item = Row> {
        self.rows.iter().map(|((slice, epoch, route, key), text)| {
            let part: Part = serde_json::from_str(text).unwrap();
            Row { slice: slice.clone(), epoch: *epoch, route: route.clone(), key: key.clone(), part }
        })
    }
}

/// Some of everything, with tables so small that they overflow.
fn busy(world: &mut World, table: &mut Table, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let places = ["$.a", "$.b", "$.c[0].d", "$.e", "header:x-f", "$.g", "$['h i']", "status"];
    for _ in 0..400 {
        let route = if random.bool() { LIST } else { ONE };
        if random.u8(..50) == 0 {
            world.ledger.not_compared("products", "", NotCompared::Shed, 3);
        }
        if random.u8(..10) == 0 {
            world.not_compared(route, NotCompared::ALL[random.usize(..NotCompared::ALL.len())]);
            continue;
        }
        let faults: Vec<Fault<'_>> = (0..random.usize(..4))
            .map(|_| (*random.choice(&places).unwrap(), *random.choice(&Kind::ALL).unwrap(), 1))
            .collect();
        let mut observation = world.observation(route, &faults);
        if random.u8(..4) == 0 {
            observation.repeated = Some(twice(&[places[random.usize(..3)]], &[places[random.usize(..3)]]));
        }
        if random.u8(..5) == 0
            && let Outcome::Compared(seen) = observation.outcome
        {
            let reason = if random.bool() { NotCompared::Transient } else { NotCompared::Unstable };
            observation.outcome = Outcome::SetAside { reason, seen };
        }
        world.ledger.observe(&observation);
        world.pass(SignedDuration::from_secs(1));
        if random.u8(..9) == 0 {
            table.apply(&mut world.ledger);
        }
        if random.u8(..150) == 0 {
            world.ledger.restart("products", "x", world.now).unwrap();
        }
    }
}

#[test]
fn a_restored_ledger_reports_as_before_and_goes_on_as_before() {
    for (seed, room) in [(1, 256), (2, 256), (3, 5), (4, 3), (5, 7)] {
        println!("seed {seed}, room {room}");
        let limits = Limits {
            signatures_per_route: room,
            sets_per_route: room * 2,
            noise_per_route: room,
            shapes_per_route: 30 * room,
            ..Limits::DEFAULT
        };
        let rules = format!("{PRODUCTS}\n[slices.products.compare]\nignore = [\"$.c[0].d\", \"$.b\"]");
        let mut world = World::bounded(&rules, limits);
        let mut table = Table::default();
        busy(&mut world, &mut table, seed);
        table.apply(&mut world.ledger);
        let (restored, lost) = Ledger::restore(table.rows(), limits);
        assert_eq!(lost, 0);
        let before = world.report();
        assert_eq!(restored.size(), world.ledger.size());
        world.ledger = restored;
        assert_eq!(world.ledger.follow(&world.snapshot, world.now), []);
        assert_eq!(world.report(), before);
        assert_eq!(world.ledger.take_changes(), [], "nothing has changed by it");
        // The same requests from here on, with the ledger that never was stored and the one that was.
        let mut second = Table::default();
        busy(&mut world, &mut table, seed + 100);
        table.apply(&mut world.ledger);
        let after = world.report();
        world.ledger = Ledger::restore(table.rows(), limits).0;
        world.ledger.follow(&world.snapshot, world.now);
        assert_eq!(world.report(), after);
        second.apply(&mut world.ledger);
        assert_eq!(second.puts, 0);
    }
}

#[test]
fn only_what_changed_is_written() {
    let mut world = World::new(PRODUCTS);
    let mut table = Table::default();
    for n in 0..100 {
        let path = format!("$.n{n}x");
        world.compared(LIST, &[(&path, Kind::BodyValue, 1)]);
    }
    table.apply(&mut world.ledger);
    let before = table.puts;
    world.compared(LIST, &[("$.n7x", Kind::BodyValue, 1)]);
    table.apply(&mut world.ledger);
    assert_eq!(table.puts - before, 4, "the route, one signature, one tally, one row of shapes");
}

#[test]
fn rows_of_a_torn_batch_are_left_out_and_counted() {
    let mut world = World::new(PRODUCTS);
    let mut table = Table::default();
    world.compared_times(5, LIST, &[("$.a", Kind::BodyValue, 1)]);
    world.compared_times(5, LIST, &[("$.b", Kind::BodyValue, 1)]);
    world.compared_times(7, LIST, &[]);
    table.apply(&mut world.ledger);
    table.rows.retain(|(.., key), _| key != "signature/0");
    let (restored, lost) = Ledger::restore(table.rows(), Limits::DEFAULT);
    assert_eq!(lost, 3, "the other signature and both tallies");
    world.ledger = restored;
    world.ledger.follow(&world.snapshot, world.now);
    assert_eq!(world.accounts(), [7, 0, 0, 0]);
    // Rows of a slice whose own row is gone say nothing.
    table.rows.retain(|(.., key), _| key != "slice");
    let (restored, lost) = Ledger::restore(table.rows(), Limits::DEFAULT);
    assert!(lost > 4 && restored.epoch("products").is_none());
}

/// Rows as a damaged or foreign file may hold them.
fn any_row(random: &mut fastrand::Rng, basis: &serde_json::Value) -> Row {
    let number = |random: &mut fastrand::Rng| match random.u8(..4) {
        0 => u64::MAX,
        1 => 0,
        _ => random.u64(..50),
    };
    let count =
        |random: &mut fastrand::Rng| serde_json::json!({ "seen": number(random), "counted": number(random) });
    let text = |random: &mut fastrand::Rng| {
        (*random.choice(&["$.a", "$..a", "", "body.value", "status", "x", "ignore $.a"]).unwrap()).to_owned()
    };
    let time = |random: &mut fastrand::Rng| {
        *random.choice(&["-009999-01-02T01:59:59Z", "9999-12-30T22:00:00Z", "2026-06-01T12:00:00Z"]).unwrap()
    };
    let part = match random.u8(..6) {
        0 => serde_json::json!({ "slice": {
            "epoch": { "number": random.u32(..2), "began": time(random), "cause": { "cause": "first" }, "version": null,
                "replaced": [], "basis": basis },
            "late": number(random) } }),
        1 => serde_json::json!({ "route": {
            "not_compared": { "shed": number(random), "transient": number(random), "unknown": 3 },
            "spilled": count(random), "repeated": number(random),
            "latencies": { "legacy": { "buckets": { "65535": number(random), "3": number(random) } },
                "extracted": { "buckets": { "9999": 1 } }, "extracted_slower": number(random) },
            "span": [time(random), time(random)],
            "dropped": { "signatures": number(random), "sets": 0, "shapes": 0, "noise": 0, "examples": number(random) } } }),
        2 => serde_json::json!({ "signature": {
            "place": random.u32(..4), "by_text": random.bool().then(|| text(random)), "last_rule": null,
            "what": random.bool().then(|| serde_json::json!({ "signature": "3f9c21ab", "path": text(random),
                "kind": text(random), "left": "", "right": "string", "relation": null })),
            "requests": number(random), "times": number(random), "first": time(random), "last": time(random),
            "examples": [], "spilled": count(random) } }),
        3 => {
            serde_json::json!({ "tally": { "set": (0..random.usize(..3)).map(|_| random.u32(..4)).collect::<Vec<_>>(),
            "seen": number(random), "counted": number(random) } })
        }
        4 => serde_json::json!({ "shapes": { "shapes": [[number(random), random.u8(..)]] } }),
        _ => serde_json::json!({ "noise": { "path": text(random), "kind": text(random),
            "extracted_only": number(random), "legacy_only": number(random), "both": number(random) } }),
    };
    let route: Arc<str> = if random.bool() { LIST.into() } else { "".into() };
    let part: Part = serde_json::from_value(part).unwrap();
    Row { slice: "products".into(), epoch: random.u32(..2), route, key: random.u64(..).to_string(), part }
}

#[test]
fn no_rows_make_it_panic() {
    let seed = super::super::simulation::seed(64);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut compared = 0;
    for _ in 0..super::super::simulation::runs(300) {
        let mut world = World::new(PRODUCTS);
        let basis = serde_json::to_value(&world.ledger.epoch("products").unwrap().basis).unwrap();
        let rows: Vec<Row> = (0..random.usize(..60)).map(|_| any_row(&mut random, &basis)).collect();
        let (restored, _) = Ledger::restore(rows, Limits::DEFAULT);
        world.ledger = restored;
        world.reload(PRODUCTS);
        compared += u64::from(world.accounts_shown());
        world.compared_times(3, LIST, &[("$.a", Kind::BodyValue, 1)]);
        world.not_compared(ONE, NotCompared::Shed);
        world.report();
        Table::default().apply(&mut world.ledger);
    }
    assert!(compared > 50, "rows that fit are used: {compared}");
}
