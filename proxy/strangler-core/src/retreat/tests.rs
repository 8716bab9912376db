//! The machine of latches against a plain reading of its rules, over random histories.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;
use crate::config::{LoadOptions, SourceText, Sources, load};
use crate::words::{Sync, Writer};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// What a file says of its slices: phase, writer, sync.
type File = BTreeMap<&'static str, (Phase, Writer, Sync)>;

fn snapshot_of(text: &str) -> Arc<Snapshot> {
    let main = SourceText { name: "f".to_owned(), text: text.to_owned() };
    let options = LoadOptions { base: Path::new(""), env: &|_| None, today: jiff::civil::date(2026, 6, 1) };
    let loaded = load(&Sources { main, included: Vec::new() }, &options);
    loaded.snapshot.unwrap_or_else(|| panic!("{text}\n{:?}", loaded.diagnostics))
}

fn snapshot(file: &File) -> Arc<Snapshot> {
    let mut text = "version = 1\nlegacy = \"http://127.0.0.1:1\"\n".to_owned();
    for (name, (phase, writer, sync)) in file {
        text += &format!(
            "[slices.{name}]\nupstream = \"http://127.0.0.1:2\"\nroutes = [\"/{name}\"]\nphase = \"{phase}\"\n\
             writer = \"{writer}\"\nsync = \"{sync}\"\ncanary = \"10%\"\n"
        );
    }
    snapshot_of(&text)
}

fn one(phase: Phase, writer: Writer, sync: Sync) -> Arc<Snapshot> {
    snapshot(&BTreeMap::from([("a", (phase, writer, sync))]))
}

fn latch(to: Phase, second: i64) -> Latch {
    let since = Timestamp::from_second(second).unwrap();
    Latch { to, since, cause: Cause::Manual, who: "w".to_owned(), reason: "r".to_owned() }
}

fn id(snapshot: &Snapshot, name: &str) -> SliceId {
    let at = snapshot.slices.iter().position(|slice| *slice.name == *name).unwrap();
    SliceId(u32::try_from(at).unwrap())
}

/// The rules, read plainly: what holds each name, whatever the file says of it.
#[derive(Default)]
struct Model {
    held: BTreeMap<&'static str, Phase>,
    /// What could not be read, and the names lifted since.
    all: Option<BTreeSet<&'static str>>,
}

impl Model {
    fn held(&self, name: &str) -> Option<Phase> {
        let all = self.all.as_ref().filter(|lifted| !lifted.contains(name)).map(|_| Phase::Shadow);
        [self.held.get(name).copied(), all].into_iter().flatten().min()
    }

    fn lift(&mut self, file: &File, name: &'static str) {
        self.held.remove(name);
        if let Some(lifted) = &mut self.all {
            lifted.insert(name);
            if file.keys().all(|name| lifted.contains(name)) {
                self.all = None;
            }
        }
    }

    fn edited(&mut self, file: &File) {
        for (name, (phase, ..)) in file {
            if self.held(name).is_some_and(|held| *phase <= held) {
                self.lift(file, name);
            }
        }
    }
}

/// A phase, writer and sync that a file may state.
fn stated(rng: &mut fastrand::Rng) -> (Phase, Writer, Sync) {
    let phase = *rng.choice(Phase::ALL).unwrap();
    let writer = if phase == Phase::Retired { Writer::Extracted } else { *rng.choice(Writer::ALL).unwrap() };
    let sync = *rng.choice(&[Sync::Shared, Sync::Both]).unwrap();
    (phase, writer, sync)
}

fn same(latches: &Latches, model: &Model, file: &File, snapshot: &Snapshot) {
    for name in NAMES {
        assert_eq!(latches.get(name).map(|latch| latch.to), model.held(name), "{name}");
    }
    assert_eq!(latches.everywhere().is_some(), model.all.is_some());
    for (name, (phase, ..)) in file {
        let effective = effective_phase(snapshot, id(snapshot, name), latches.get(name).map(|l| l.to));
        assert!(effective <= *phase, "never above the file");
        assert_eq!(effective, model.held(name).map_or(*phase, |held| held.min(*phase)));
        let held = latches.get(name).is_some_and(|latch| latch.to < *phase);
        assert_eq!(held, latches.get(name).is_some(), "what holds nothing back is absorbed");
    }
}

/// One random history: edits, removals, retreats, resumes, restarts.
fn history(seed: u64) -> [usize; 4] {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut file = File::new();
    let mut current = snapshot(&file);
    let mut latches = Latches::default();
    let mut model = Model::default();
    let mut seen = [0; 4];
    if rng.u8(..4) == 0 {
        latches = Latches::unreadable(Timestamp::UNIX_EPOCH, "cut".to_owned());
        model.all = Some(BTreeSet::new());
    }
    for step in 0..30 {
        let name = rng.choice(NAMES).unwrap();
        match rng.u8(..4) {
            0 => {
                match rng.u8(..4) {
                    0 => drop(file.remove(name)),
                    _ => drop(file.insert(name, stated(&mut rng))),
                }
                current = snapshot(&file);
                let before = latches.clone();
                let absorbed = latches.absorb(&current);
                for (name, latch) in &absorbed {
                    assert_eq!(before.get(name), Some(latch), "what is told is what held");
                }
                seen[0] += absorbed.len();
                model.edited(&file);
            }
            1 | 2 if file.contains_key(name) => {
                let to = *rng.choice(&Phase::ALL[..4]).unwrap();
                let of = id(&current, name);
                let held = latches.get(name).map(|latch| latch.to);
                let at = effective_phase(&current, of, held);
                match judge(&current, of, held, Target::Phase(to), Stale::Refused, None) {
                    Ok(Move::Down { from, to: down }) => {
                        assert!(from == at && down == to && to < at);
                        let name = Arc::clone(&current.slice(of).name);
                        latches.latch(&current, &name, latch(to, step));
                        seen[1] += 1;
                    }
                    Ok(Move::Already { at: there }) => assert!(there == at && to == at),
                    Err(Refused::Forward { .. }) => assert!(to > at),
                    Err(refused) => panic!("all of it is kept in step: {refused:?}"),
                }
                if to < at {
                    model.held.insert(name, to);
                }
            }
            3 if file.contains_key(name) => {
                let held = latches.get(name).cloned();
                assert_eq!(latches.resume(&current, &name.into()), held);
                assert_eq!(latches.get(name), None, "nothing holds what was resumed");
                seen[2] += usize::from(held.is_some());
                if held.is_some() {
                    model.lift(&file, name);
                }
            }
            _ => {
                latches = Latches::restored(latches.by_slice().clone(), latches.everywhere().cloned());
                let mut again = latches.clone();
                assert_eq!(again.absorb(&current), [], "a restart with the same file absorbs nothing");
                seen[3] += 1;
            }
        }
        same(&latches, &model, &file, &current);
    }
    seen
}

#[test]
fn no_retreat_is_lost_and_none_outlives_its_end() {
    let mut all = [0; 4];
    for seed in 0..600 {
        let seen = std::panic::catch_unwind(|| history(seed)).unwrap_or_else(|panic| {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic)
        });
        all.iter_mut().zip(seen).for_each(|(all, seen)| *all += seen);
    }
    assert!(all.iter().all(|seen| *seen > 200), "absorbed, retreated, resumed, restarted: {all:?}");
}

#[test]
fn reads_go_back_only_to_a_side_that_the_data_reaches() {
    let check = |writer, sync, to, lagging, wanted: Option<Owner>| {
        let snapshot = one(Phase::Extracted, writer, sync);
        let refused = judge(&snapshot, SliceId(0), None, Target::Phase(to), Stale::Refused, lagging).err();
        assert_eq!(
            refused,
            wanted.map(|side| Refused::StaleReads { to, side }),
            "{writer} {sync} {to} {lagging:?}"
        );
        let accepted = judge(&snapshot, SliceId(0), None, Target::Phase(to), Stale::Accepted, lagging);
        assert_eq!(accepted, Ok(Move::Down { from: Phase::Extracted, to }));
    };
    for to in [Phase::Legacy, Phase::Shadow, Phase::Canary] {
        for sync in [Sync::Stateless, Sync::Shared, Sync::Both, Sync::ToLegacy] {
            check(Writer::Extracted, sync, to, None, None);
            check(Writer::Extracted, sync, to, Some(Owner::Extracted), None);
            check(Writer::Extracted, sync, to, Some(Owner::Legacy), Some(Owner::Legacy));
        }
        check(Writer::Extracted, Sync::ToExtracted, to, None, Some(Owner::Legacy));
        check(Writer::Legacy, Sync::ToExtracted, to, None, None);
        check(Writer::ByCohort, Sync::Both, to, None, None);
    }
    // Nobody's reads move.
    let retired = one(Phase::Retired, Writer::Extracted, Sync::ToExtracted);
    let judged = judge(&retired, SliceId(0), None, Target::Phase(Phase::Extracted), Stale::Refused, None);
    assert_eq!(judged, Ok(Move::Down { from: Phase::Retired, to: Phase::Extracted }));
}

#[test]
fn routes_that_only_write_keep_nobody_from_retreating() {
    let text = |routes: &str| {
        format!(
            "version = 1\nlegacy = \"http://127.0.0.1:1\"\n[slices.a]\nupstream = \"http://127.0.0.1:2\"\n\
             phase = \"extracted\"\nwriter = \"extracted\"\nroutes = [{routes}]\n"
        )
    };
    let check = |routes, is_refused| {
        let snapshot = snapshot_of(&text(routes));
        let judged = judge(&snapshot, SliceId(0), None, Target::Default, Stale::Refused, None);
        assert_eq!(judged.is_err(), is_refused, "{routes}");
    };
    check("\"POST /a\"", false);
    check("\"POST /a\", { match = \"GET /b\", effect = \"write\" }", false);
    check("\"POST /a\", \"GET /b\"", true);
    check("{ match = \"POST /a\", effect = \"read\" }", true);
    check("\"/a\"", true);
}

#[test]
fn the_highest_phase_of_the_routes_counts() {
    let snapshot = snapshot_of(
        "version = 1\nlegacy = \"http://127.0.0.1:1\"\n[slices.a]\nupstream = \"http://127.0.0.1:2\"\n\
         phase = \"legacy\"\nsync = \"stateless\"\nroutes = [\"/a\", { match = \"/b\", phase = \"extracted\" }]\n\
         guardrails = { retreat_to = \"legacy\" }\n",
    );
    let judged = |target| judge(&snapshot, SliceId(0), None, target, Stale::Refused, None);
    let down = |to| Ok(Move::Down { from: Phase::Extracted, to });
    assert_eq!(judged(Target::Phase(Phase::Shadow)), down(Phase::Shadow));
    assert_eq!(judged(Target::Default), down(Phase::Legacy), "as its guardrails say");
    let mut latches = Latches::default();
    latches.latch(&snapshot, &"a".into(), latch(Phase::Legacy, 1));
    assert_eq!(latches.absorb(&snapshot), [], "one route is still above");
}

#[test]
fn who_names_no_phase_or_the_most_gets_no_refusal_for_being_lower() {
    let check = |phase, target, wanted| {
        let snapshot = one(phase, Writer::Legacy, Sync::Both);
        assert_eq!(judge(&snapshot, SliceId(0), None, target, Stale::Refused, None), wanted, "{target:?}");
    };
    use Phase::{Canary, Extracted, Legacy, Shadow};
    check(Legacy, Target::Default, Ok(Move::Already { at: Legacy }));
    check(Legacy, Target::AtMost(Canary), Ok(Move::Already { at: Legacy }));
    check(Legacy, Target::Phase(Canary), Err(Refused::Forward { at: Legacy, to: Canary }));
    check(Canary, Target::Phase(Canary), Ok(Move::Already { at: Canary }));
    check(Extracted, Target::Default, Ok(Move::Down { from: Extracted, to: Shadow }));
    check(Extracted, Target::AtMost(Legacy), Ok(Move::Down { from: Extracted, to: Legacy }));
}

#[test]
fn a_latch_only_gets_lower_and_the_first_word_stands() {
    let snapshot = one(Phase::Extracted, Writer::Legacy, Sync::Both);
    let name: Arc<str> = "a".into();
    let mut latches = Latches::default();
    for (to, second, wanted) in
        [(Phase::Shadow, 1, 1), (Phase::Canary, 2, 1), (Phase::Shadow, 3, 1), (Phase::Legacy, 4, 4)]
    {
        latches.latch(&snapshot, &name, latch(to, second));
        assert_eq!(latches.get("a").unwrap().since.as_second(), wanted);
    }
}

#[test]
fn years_of_renaming_leave_a_bounded_number_of_latches() {
    let snapshot = one(Phase::Extracted, Writer::Legacy, Sync::Both);
    let mut latches = Latches::default();
    latches.latch(&snapshot, &"a".into(), latch(Phase::Shadow, 0));
    for step in 0..LATCHES_MAX + 5 {
        let second = i64::try_from(step).unwrap() + 1;
        latches.latch(&snapshot, &format!("gone-{step}").into(), latch(Phase::Shadow, second));
    }
    assert_eq!(latches.by_slice().len(), LATCHES_MAX);
    assert!(latches.get("a").is_some(), "what exists is kept, however old");
    assert!(latches.get("gone-5").is_none() && latches.get("gone-6").is_some(), "the oldest goes");
}

#[test]
fn a_file_brings_no_stale_reads_about_that_a_retreat_would_not() {
    let check =
        |to: Phase, before: Option<(Phase, Writer, Sync)>, after: (Phase, Writer, Sync), stale: bool| {
            let slice: Arc<str> = "a".into();
            let latches = Latches::restored(BTreeMap::from([(slice, latch(to, 1))]), None);
            let old = before.map(|(phase, writer, sync)| one(phase, writer, sync));
            let (phase, writer, sync) = after;
            let found = newly_stale(old.as_deref(), &one(phase, writer, sync), &latches);
            assert_eq!(!found.is_empty(), stale, "{to}: {before:?} → {after:?}");
        };
    let fresh = (Phase::Extracted, Writer::Legacy, Sync::Both);
    let stale = (Phase::Extracted, Writer::Extracted, Sync::ToExtracted);
    for to in [Phase::Legacy, Phase::Shadow, Phase::Canary] {
        check(to, Some(fresh), stale, true);
        check(to, None, stale, true);
        // Somebody has accepted that before.
        check(to, Some(stale), stale, false);
        check(to, Some(stale), fresh, false);
        check(to, Some(fresh), (Phase::Extracted, Writer::Extracted, Sync::ToLegacy), false);
    }
    // Reads go where the data is.
    check(Phase::Extracted, Some(fresh), (Phase::Retired, Writer::Extracted, Sync::ToExtracted), false);
}

#[test]
fn of_two_files_of_retreats_what_either_holds_is_held() {
    let snapshot =
        snapshot(&NAMES.map(|name| (name, (Phase::Extracted, Writer::Legacy, Sync::Shared))).into());
    let latches = |held: &[(&str, Phase, i64)]| {
        let held = held.iter().map(|(name, to, second)| (Arc::from(*name), latch(*to, *second)));
        Latches::restored(held.collect(), None)
    };
    let own = latches(&[("a", Phase::Shadow, 1), ("b", Phase::Legacy, 2)]);
    let other = latches(&[("b", Phase::Shadow, 3), ("c", Phase::Canary, 4), ("a", Phase::Legacy, 5)]);
    let wanted = latches(&[("a", Phase::Legacy, 5), ("b", Phase::Legacy, 2), ("c", Phase::Canary, 4)]);
    assert_eq!(own.clone().joined(&other), wanted);
    assert_eq!(own.clone().joined(&own), own, "nothing new");
    let unreadable = Latches::unreadable(Timestamp::UNIX_EPOCH, "r".to_owned());
    for joined in [own.clone().joined(&unreadable), unreadable.joined(&own)] {
        let held = joined.phases(&snapshot).to_vec();
        assert_eq!(held, [Some(Phase::Shadow), Some(Phase::Legacy), Some(Phase::Shadow)]);
    }
}

#[test]
fn a_slice_that_is_gone_while_the_others_are_lifted_is_held_when_it_comes_back() {
    let file = |names: &[&'static str]| {
        let phase = |name| if name == "a" { Phase::Extracted } else { Phase::Shadow };
        snapshot(&names.iter().map(|name| (*name, (phase(*name), Writer::Legacy, Sync::Shared))).collect())
    };
    let all = file(&NAMES);
    let mut latches = Latches::unreadable(Timestamp::UNIX_EPOCH, "cut".to_owned()).named(&all);
    let without = file(&["b", "c"]);
    assert_eq!(latches.absorb(&without).len(), 2, "their file says no more than that");
    assert_eq!(latches.everywhere(), None, "of those that there are none is left");
    assert_eq!(
        latches.get("a").map(|latch| (latch.to, latch.cause)),
        Some((Phase::Shadow, Cause::Unreadable))
    );
    assert!(latches.absorb(&all).is_empty());
    assert!(latches.resume(&all, &"a".into()).is_some());
    assert_eq!(latches, Latches::default());
    let mut lifted = Latches::unreadable(Timestamp::UNIX_EPOCH, "cut".to_owned());
    lifted.resume(&all, &"a".into());
    assert_eq!(lifted.named(&all).get("a"), None, "what was lifted stays so");
    assert_eq!(Latches::default().named(&all), Latches::default());
}
