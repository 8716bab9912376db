//! Properties of routing over random configurations and requests, against a naive reading of the design.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken generator fails its test")]

mod generate;
mod reference;

use std::collections::HashSet;

use super::fixture::{SliceFixture, build};
use super::{Decision, Facts, Outcome, RequestView, Verdict, decide, diff, explain, lost_writers};
use crate::matching::near;
use crate::matching::path::normal;
use crate::matching::request::normal_host;
use crate::matching::table::Conflict;
use crate::snapshot::Snapshot;
use crate::words::{Effect, Owner, Phase, RouteId, Share, Writer};
use generate::{Request, Rng};
use reference::{Candidate, Reference};

/// Runs a property over so many random configurations; the seed of a failing one is printed by the panic.
fn for_each_configuration(count: u64, property: impl Fn(&mut Rng, &[SliceFixture])) {
    for seed in 0..count {
        let mut rng = Rng::new(seed);
        let fixtures = generate::slices(&mut rng);
        let outcome =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| property(&mut rng, &fixtures)));
        if let Err(panic) = outcome {
            eprintln!("seed {seed}\n{}", summary(&fixtures));
            std::panic::resume_unwind(panic);
        }
    }
}

/// What a person needs to see of a failing configuration.
fn summary(fixtures: &[SliceFixture]) -> String {
    let mut text = String::new();
    for slice in fixtures {
        let SliceFixture { name, phase, writer, writer_stated, rules, except, routes, .. } = slice;
        text +=
            &format!("{name}: {phase}, writer {writer} ({writer_stated}), {rules:?}, except {except:?}\n");
        for route in routes {
            text += &format!(
                "  {:?} {:?} listed {} priority {} {:?}\n",
                route.text, route.effect, route.listed, route.priority, route.when
            );
        }
    }
    text
}

fn ask<R>(request: &Request, question: impl FnOnce(&RequestView<'_>) -> R) -> R {
    question(&request.view())
}

/// The later routes of all ties.
fn tied(conflicts: &[Conflict]) -> HashSet<u32> {
    conflicts
        .iter()
        .filter_map(|conflict| match conflict {
            Conflict::Tie { second, .. } => Some(second.0),
            Conflict::NeverWins { .. } => None,
        })
        .collect()
}

/// A route by what tells it apart in every order: its slice, match text, conditions and priority.
fn name(snapshot: &Snapshot, id: RouteId) -> String {
    let route = snapshot.route(id);
    let slice = &snapshot.slice(route.slice).name;
    format!("{slice} {} {:?} {}", route.pattern.text, route.when, route.priority)
}

#[test]
fn the_trie_agrees_with_a_naive_reading_of_the_design() {
    let matched = std::cell::Cell::new(0);
    for_each_configuration(4_000, |rng, fixtures| {
        let (snapshot, conflicts) = build(fixtures);
        let tied = tied(&conflicts);
        let reference = Reference::new(fixtures);
        for _ in 0..4 {
            let request = generate::request(rng, fixtures);
            let best: Vec<Candidate> = reference.best(&request);
            let decision = ask(&request, |view| decide(&snapshot, view, Facts::NONE));
            match best.as_slice() {
                [] => assert_eq!(decision.route, None, "{request:?}"),
                [only] => {
                    assert_eq!(decision.route, Some(RouteId(only.id)), "{request:?}");
                    let excepted = reference.is_excepted(only, &request);
                    assert_eq!(decision.excepted.is_some(), excepted, "except of {request:?}");
                    matched.set(matched.get() + 1);
                }
                several => {
                    let told = several.iter().any(|candidate| tied.contains(&candidate.id));
                    assert!(told, "{several:?} tie for {request:?}, {conflicts:?}");
                    let found = decision.route.unwrap();
                    assert!(several.iter().any(|candidate| candidate.id == found.0));
                }
            }
        }
    });
    assert!(matched.get() > 4_000, "most requests match: {}", matched.get());
}

#[test]
fn near_misses_agree_with_a_look_at_every_route() {
    let seen = std::cell::Cell::new(0);
    for_each_configuration(2_000, |rng, fixtures| {
        let (snapshot, _) = build(fixtures);
        let excepting = fixtures.iter().any(|slice| !slice.except.is_empty());
        for _ in 0..4 {
            let request = generate::request(rng, fixtures);
            let decision = ask(&request, |view| decide(&snapshot, view, Facts::NONE));
            if decision.route.is_some() || request.method == "HEAD" || request.method == "OPTIONS" {
                assert!(decision.route.is_none() || decision.near_miss.is_none());
                continue;
            }
            let normal = normal(&request.path);
            let host = normal_host(&request.host);
            let resembles = |id: &u32| {
                let route = snapshot.route(RouteId(*id));
                let methods = route.pattern.methods();
                (!methods.is_named() || methods.names(&request.method))
                    && route.pattern.host().matches(&host)
                    && route.when.hold(&request.view())
                    && near::resembles(&route.pattern, &normal)
            };
            let near: Vec<u32> = (0..).take(snapshot.routes.len()).filter(resembles).collect();
            match decision.near_miss {
                Some(found) => assert!(near.contains(&found.route.0), "{request:?}"),
                None => assert!(near.is_empty() || excepting, "{near:?} for {request:?}"),
            }
            seen.set(seen.get() + usize::from(decision.near_miss.is_some()));
        }
    });
    assert!(seen.get() > 100, "near misses occur: {}", seen.get());
}

#[test]
fn the_order_in_the_file_never_matters() {
    for_each_configuration(1_000, |rng, fixtures| {
        let (snapshot, conflicts) = build(fixtures);
        if !tied(&conflicts).is_empty() {
            return;
        }
        let mut shuffled = fixtures.to_vec();
        for slice in &mut shuffled {
            rng.shuffle(&mut slice.routes);
        }
        shuffled.reverse();
        let (other, other_conflicts) = build(&shuffled);
        assert_eq!(tied(&other_conflicts), HashSet::new(), "ties do not depend on the order");
        assert_eq!(conflicts.len(), other_conflicts.len(), "{conflicts:?} {other_conflicts:?}");
        for _ in 0..4 {
            let request = generate::request(rng, fixtures);
            let winner = |snapshot: &Snapshot| {
                let decision = ask(&request, |view| decide(snapshot, view, Facts::NONE));
                decision.route.map(|id| name(snapshot, id))
            };
            assert_eq!(winner(&snapshot), winner(&other), "{request:?}");
        }
    });
}

#[test]
fn a_tie_names_a_request_that_both_routes_match_equally() {
    let seen = std::cell::Cell::new(0);
    for_each_configuration(2_000, |_, fixtures| {
        let (_, conflicts) = build(fixtures);
        let reference = Reference::new(fixtures);
        for conflict in &conflicts {
            let Conflict::Tie { first, second, example } = conflict else { continue };
            let candidates = reference.matching(&Request::parse(example));
            let find = |id: &RouteId| candidates.iter().find(|candidate| candidate.id == id.0);
            let (first, second) = (find(first), find(second));
            assert!(first.is_some() && second.is_some(), "{conflict:?}");
            assert_eq!(first.unwrap().rank, second.unwrap().rank, "{conflict:?}");
            seen.set(seen.get() + 1);
        }
    });
    assert!(seen.get() > 50, "ties occur: {}", seen.get());
}

#[test]
fn a_route_that_never_wins_never_wins() {
    let seen = std::cell::Cell::new(0);
    for_each_configuration(2_000, |rng, fixtures| {
        let (snapshot, conflicts) = build(fixtures);
        let hidden: HashSet<u32> = conflicts
            .iter()
            .filter_map(|conflict| match conflict {
                Conflict::NeverWins { loser, .. } => Some(loser.0),
                Conflict::Tie { .. } => None,
            })
            .collect();
        seen.set(seen.get() + hidden.len());
        for conflict in &conflicts {
            let Conflict::NeverWins { loser, winner: Some(winner), example } = conflict else { continue };
            let candidates = Reference::new(fixtures).matching(&Request::parse(example));
            for id in [loser, winner] {
                assert!(candidates.iter().any(|candidate| candidate.id == id.0), "{conflict:?}");
            }
        }
        for _ in 0..8 {
            let request = generate::request(rng, fixtures);
            let decision = ask(&request, |view| decide(&snapshot, view, Facts::NONE));
            if let (Some(route), None) = (decision.route, decision.excepted) {
                assert!(!hidden.contains(&route.0), "{request:?} {conflicts:?}");
            }
        }
    });
    assert!(seen.get() > 100, "hidden routes occur: {}", seen.get());
}

#[test]
fn explain_agrees_with_decide() {
    for_each_configuration(10_000, |rng, fixtures| {
        let snapshot = build(fixtures).0;
        let retreats: Vec<Option<Phase>> = fixtures.iter().map(|_| generate::retreat(rng)).collect();
        let facts = Facts { retreats: &retreats, ..Facts::NONE };
        let request = generate::request(rng, fixtures);
        let decision = ask(&request, |view| decide(&snapshot, view, facts));
        let told = ask(&request, |view| explain(&snapshot, view, facts));
        let upstream = match decision.verdict {
            Verdict::Forward { owner, upstream } => {
                assert_eq!(told.owner, Some(owner.as_str()));
                Some(snapshot.upstream(upstream).name.clone())
            }
            Verdict::Refuse(_) => None,
        };
        assert_eq!(told.upstream, upstream);
        assert_eq!(told.status.is_some(), upstream.is_none());
        assert_eq!(told.route.as_deref(), decision.route.map(|id| &*snapshot.route(id).id));
        assert_eq!(told.slice.as_deref(), decision.slice.map(|id| &*snapshot.slice(id).name));
        assert_eq!(told.effect, decision.effect.as_str());
        assert_eq!(told.bucket, decision.bucket);
        assert_eq!(told.excepted.is_some(), decision.excepted.is_some());
        assert_eq!(told.near_miss.is_some(), decision.near_miss.is_some());
        assert_eq!(told.candidates.len() + told.other_routes, snapshot.routes.len());
        if decision.route.is_some() && decision.excepted.is_none() {
            assert_eq!(told.phase, Some(decision.phase.as_str()));
            assert_eq!(told.writer, Some(decision.writer.as_str()));
        }
        let won = told.candidates.iter().filter(|c| matches!(c.outcome, Outcome::Won | Outcome::Excepted));
        assert_eq!(won.count(), usize::from(decision.route.is_some()));
        for candidate in &told.candidates {
            let silent = candidate.reasons.is_empty();
            assert_eq!(silent, candidate.outcome == Outcome::Won, "every loser says why: {candidate:?}");
        }
        assert!(told.render_text().ends_with('\n'));
    });
}

#[test]
fn decide_is_monotone_in_the_share() {
    for_each_configuration(300, |rng, fixtures| {
        let request = generate::request(rng, fixtures);
        let mut before = Owner::Legacy;
        for share in [0, 1, 100, 2_500, 5_000, 9_999, 10_000] {
            let mut fixtures = fixtures.to_vec();
            for slice in &mut fixtures {
                if let Some(canary) = &mut slice.canary {
                    canary.share = Share::from_basis_points(share).unwrap();
                }
                slice.phase = Phase::Canary;
            }
            let snapshot = build(&fixtures).0;
            let decision = ask(&request, |view| decide(&snapshot, view, Facts::NONE));
            let Verdict::Forward { owner, .. } = decision.verdict else { return };
            assert!(owner >= before, "moved back at {share}: {request:?}");
            before = owner;
        }
    });
}

#[test]
fn a_configuration_does_not_differ_from_itself_and_loses_no_writes_to_itself() {
    for_each_configuration(500, |_, fixtures| {
        let (snapshot, other) = (build(fixtures).0, build(fixtures).0);
        assert!(diff(&snapshot, &other).is_empty());
        assert_eq!(lost_writers(&snapshot, &other), []);
    });
}

/// Whether a write that `old` sends to the extracted service would go to legacy unsaid.
fn is_lost(old: &Snapshot, new: &Snapshot, request: &Request) -> bool {
    let before = ask(request, |view| decide(old, view, Facts::NONE));
    let after = ask(request, |view| decide(new, view, Facts::NONE));
    let goes_to = |decision: &Decision, wanted| matches!(decision.verdict, Verdict::Forward { owner, .. } if owner == wanted);
    let said = after
        .slice
        .map(|id| new.slice(id))
        .is_some_and(|slice| slice.writer_stated && slice.writer != Writer::Extracted);
    before.effect == Effect::Write
        && before.writer == Writer::Extracted
        && goes_to(&before, Owner::Extracted)
        && goes_to(&after, Owner::Legacy)
        && !said
}

#[test]
fn no_edit_takes_a_write_back_untold() {
    let seen = std::cell::Cell::new(0);
    for_each_configuration(3_000, |rng, fixtures| {
        let mut old = fixtures.to_vec();
        for slice in &mut old {
            if rng.once_in(2) {
                slice.writer = Writer::Extracted;
            }
        }
        let edited = generate::edited(rng, &old);
        let slices = old;
        let ((old, ties), (new, new_ties)) = (build(&slices), build(&edited));
        if !tied(&ties).is_empty() || !tied(&new_ties).is_empty() {
            return;
        }
        let lost = lost_writers(&old, &new);
        for _ in 0..8 {
            let request = generate::request(rng, fixtures);
            if is_lost(&old, &new, &request) {
                seen.set(seen.get() + 1);
                assert!(
                    !lost.is_empty(),
                    "untold: {request:?}\nbefore\n{}after\n{}",
                    summary(&slices),
                    summary(&edited)
                );
            }
        }
    });
    assert!(seen.get() > 100, "writes are lost: {}", seen.get());
}
