//! Who is copied, for every phase, owner, effect and setting; and what a copy looks like.

use super::*;
use crate::routing::fixture::{SliceFixture, ask, canary, route, slice, snapshot};
use crate::routing::{Facts, decide};
use crate::snapshot::policy::Examples;
use crate::snapshot::{HeaderOps, HostPolicy, Rewrite};
use std::time::Duration;

const NEVER_DRAWN: Draws = Draws { sample: 9_999, repeat: 9_999, first: Owner::Legacy };
const DRAWN: Draws = Draws { sample: 0, repeat: 9_999, first: Owner::Legacy };

fn share(points: u16) -> Share {
    Share::from_basis_points(points).unwrap()
}

fn shadow() -> Shadow {
    Shadow {
        sample: Share::ALL,
        reverse_sample: share(500),
        body_max: 1 << 20,
        timeout: Duration::from_secs(5),
        concurrency: 64,
        writes: ShadowWrites::Never,
        repeat: Share::NONE,
        recheck: None,
        examples: Examples::Structure,
        request_headers: HeaderOps::default(),
    }
}

fn fixture(phase: Phase, writer: Writer, shadow: Shadow) -> SliceFixture {
    let mut fixture = slice("s", phase, writer, &["/a/**"]);
    fixture.policy.shadow = Some(shadow);
    fixture.canary = Some(canary(10_000));
    fixture.policy.cohort_by = vec![crate::snapshot::slice::KeySource::Header("x-key".into())];
    fixture
}

fn decided(snapshot: &Snapshot, request: &str, headers: &[&str], retreat: Option<Phase>) -> Decision {
    let retreats = [retreat];
    ask(request, headers, |view| decide(snapshot, view, Facts { retreats: &retreats, ..Facts::NONE }))
}

fn said(found: Result<Eligible, NoCopy>) -> String {
    match found {
        Ok(Eligible { direction, purpose, share, .. }) => format!("{direction:?} {purpose:?} {share}"),
        Err(why) => format!("{why:?}"),
    }
}

fn check(fixture: SliceFixture, request: &str, wanted: &str) {
    let phase = fixture.phase;
    let snapshot = snapshot(&[fixture]);
    let decision = decided(&snapshot, request, &["x-key: 1"], None);
    let found = eligible(&snapshot, &decision);
    assert_eq!(said(found), wanted, "{phase} {request}");
    let copied = copying(&snapshot, &decision, || Draws { sample: 0, repeat: 0, first: Owner::Legacy });
    assert_eq!(copied.is_some(), found.is_ok(), "{phase} {request}");
}

#[test]
fn reads_are_copied_to_the_side_that_did_not_answer_in_the_phases_that_do() {
    for (phase, wanted) in [
        (Phase::Legacy, "Phase(Legacy)"),
        (Phase::Shadow, "ToExtracted Read 100%"),
        (Phase::Canary, "ToLegacy Read 5%"),
        (Phase::Extracted, "ToLegacy Read 5%"),
        (Phase::Retired, "Phase(Retired)"),
    ] {
        for method in ["GET", "HEAD", "OPTIONS"] {
            check(fixture(phase, Writer::Legacy, shadow()), &format!("{method} h/a/1"), wanted);
        }
    }
    let mut outside = fixture(Phase::Canary, Writer::Legacy, shadow());
    outside.canary = Some(canary(0));
    check(outside, "GET h/a/1", "ToExtracted Read 100%");
}

#[test]
fn writes_are_copied_only_where_the_file_says_so_while_legacy_is_the_writer_and_towards_extracted() {
    let with = |writes| Shadow { writes, ..shadow() };
    for phase in [Phase::Shadow, Phase::Canary] {
        for (writes, wanted) in [
            (ShadowWrites::Never, "Writes"),
            (ShadowWrites::DryRun, "ToExtracted DryRun 100%"),
            (ShadowWrites::Isolated, "ToExtracted Isolated 100%"),
        ] {
            check(fixture(phase, Writer::Legacy, with(writes)), "POST h/a/1", wanted);
        }
    }
    for writes in [ShadowWrites::DryRun, ShadowWrites::Isolated] {
        check(fixture(Phase::Shadow, Writer::ByCohort, with(writes)), "POST h/a/1", "NoPlaceForWrites");
        check(fixture(Phase::Canary, Writer::ByCohort, with(writes)), "POST h/a/1", "NoPlaceForWrites");
        check(fixture(Phase::Canary, Writer::Extracted, with(writes)), "POST h/a/1", "NoPlaceForWrites");
        check(fixture(Phase::Extracted, Writer::Extracted, with(writes)), "POST h/a/1", "NoPlaceForWrites");
        check(fixture(Phase::Extracted, Writer::Legacy, with(writes)), "POST h/a/1", "NoPlaceForWrites");
        for phase in [Phase::Legacy, Phase::Retired] {
            let wanted = format!("Phase({phase:?})");
            check(fixture(phase, Writer::Legacy, with(writes)), "POST h/a/1", &wanted);
        }
    }
}

#[test]
fn a_declared_effect_is_stronger_than_the_method() {
    let mut fixture = fixture(Phase::Shadow, Writer::Legacy, shadow());
    let mut search = route("POST /a/search");
    search.effect = Some(Effect::Read);
    let mut callback = route("GET /a/callback");
    callback.effect = Some(Effect::Write);
    fixture.routes.extend([search, callback]);
    check(fixture.clone(), "POST h/a/search", "ToExtracted Read 100%");
    check(fixture, "GET h/a/callback", "Writes");
}

#[test]
fn what_is_not_moved_is_not_copied() {
    let mut excepting = fixture(Phase::Shadow, Writer::Legacy, shadow());
    excepting.except = vec!["/a/x".to_owned()];
    check(excepting.clone(), "GET h/a/x", "NotMoved");
    check(excepting.clone(), "GET h/b", "NotMoved");
    check(excepting, "GET h/a/../b", "NotMoved");
}

#[test]
fn a_retreat_stops_or_turns_the_copies_of_its_phase() {
    let snapshot = snapshot(&[fixture(Phase::Extracted, Writer::Legacy, shadow())]);
    for (retreat, wanted) in [
        (None, "ToLegacy Read 5%"),
        (Some(Phase::Shadow), "ToExtracted Read 100%"),
        (Some(Phase::Legacy), "Phase(Legacy)"),
    ] {
        let decision = decided(&snapshot, "GET h/a/1", &[], retreat);
        assert_eq!(said(eligible(&snapshot, &decision)), wanted, "{retreat:?}");
    }
}

#[test]
fn a_share_of_zero_copies_nothing() {
    let none = Shadow { sample: Share::NONE, reverse_sample: Share::NONE, ..shadow() };
    check(fixture(Phase::Shadow, Writer::Legacy, none.clone()), "GET h/a/1", "Off");
    check(fixture(Phase::Extracted, Writer::Legacy, none), "GET h/a/1", "Off");
    let mut silent = fixture(Phase::Shadow, Writer::Legacy, shadow());
    silent.policy.shadow = None;
    check(silent, "GET h/a/1", "Off");
}

#[test]
fn the_draw_is_compared_with_the_share_of_its_direction() {
    let sampled = Shadow { sample: share(2_500), repeat: share(100), ..shadow() };
    let snapshot = snapshot(&[fixture(Phase::Shadow, Writer::Legacy, sampled)]);
    let decision = decided(&snapshot, "GET h/a/1", &[], None);
    let copied =
        |sample, repeat| copying(&snapshot, &decision, || Draws { sample, repeat, first: Owner::Extracted });
    assert!(copied(2_499, 0).is_some());
    assert!(copied(2_500, 0).is_none());
    assert_eq!(copied(0, 99).unwrap().repeat, Some(Owner::Extracted));
    assert_eq!(copied(0, 100).unwrap().repeat, None);
}

#[test]
fn copies_are_drawn_independently_of_the_clients_bucket() {
    let mut half = fixture(Phase::Canary, Writer::Legacy, Shadow { sample: share(5_000), ..shadow() });
    half.canary = Some(canary(5_000));
    let snapshot = snapshot(&[half]);
    // One draw for all clients: if the bucket had a say, only some of them would be copied.
    let mut seen = [0_u32; 2];
    for client in 0..200 {
        let decision = decided(&snapshot, "GET h/a/1", &[&format!("x-key: {client}")], None);
        let copied = copying(&snapshot, &decision, || DRAWN).map(|copying| copying.direction);
        match decision.verdict {
            Verdict::Forward { owner: Owner::Legacy, .. } => {
                assert_eq!(copied, Some(Direction::ToExtracted));
                seen[0] += 1;
            }
            _ => {
                assert_eq!(copied, Some(Direction::ToLegacy));
                seen[1] += 1;
            }
        }
        assert_eq!(copying(&snapshot, &decision, || NEVER_DRAWN), None);
    }
    assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
}

#[test]
fn nothing_is_drawn_for_requests_that_are_never_copied() {
    let snapshot = snapshot(&[fixture(Phase::Legacy, Writer::Legacy, shadow())]);
    let decision = decided(&snapshot, "GET h/a/1", &[], None);
    assert_eq!(copying(&snapshot, &decision, || unreachable!()), None);
}

#[test]
fn obstacles_are_found_in_any_case_and_the_strongest_counts() {
    let check = |names: &[&str], wanted: Option<Obstacle>| {
        assert_eq!(Obstacle::among(names.iter().map(|name| name.as_bytes())), wanted, "{names:?}");
    };
    check(&["host", "accept", "if-range"], None);
    check(&["If-None-Match"], Some(Obstacle::Conditional));
    check(&["if-modified-since"], Some(Obstacle::Conditional));
    check(&["IF-MATCH"], Some(Obstacle::Conditional));
    check(&["If-Unmodified-Since"], Some(Obstacle::Conditional));
    check(&["Range", "if-none-match"], Some(Obstacle::Range));
    check(&["if-none-match", "range"], Some(Obstacle::Range));
    check(&["range", "Upgrade", "if-match"], Some(Obstacle::Upgrade));
}

#[test]
fn what_stands_in_the_way_is_stripped_only_within_the_share_of_repeats() {
    let copying = |repeat| Copying {
        route: RouteId(0),
        slice: SliceId(0),
        direction: Direction::ToExtracted,
        purpose: Purpose::Read,
        repeat,
    };
    let (once, twice) = (copying(None), copying(Some(Owner::Legacy)));
    assert_eq!(once.course(None), Course::AsSent);
    assert_eq!(twice.course(None), Course::AsSent);
    for obstacle in [Obstacle::Range, Obstacle::Conditional] {
        assert_eq!(once.course(Some(obstacle)), Course::NotCompared(obstacle));
        assert_eq!(twice.course(Some(obstacle)), Course::StrippedPair);
    }
    assert_eq!(twice.course(Some(Obstacle::Upgrade)), Course::NotCompared(Obstacle::Upgrade));
}

#[test]
fn writes_are_never_repeated() {
    let writing = Shadow { writes: ShadowWrites::DryRun, repeat: Share::ALL, ..shadow() };
    let snapshot = snapshot(&[fixture(Phase::Shadow, Writer::Legacy, writing)]);
    let decision = decided(&snapshot, "POST h/a/1", &[], None);
    let drawn = copying(&snapshot, &decision, || Draws { sample: 0, repeat: 0, first: Owner::Legacy });
    assert_eq!(drawn.unwrap().repeat, None);
    let course = drawn.unwrap().course(Some(Obstacle::Conditional));
    assert_eq!(course, Course::NotCompared(Obstacle::Conditional));
}

/// The head of a copy, as it would be written.
fn head(
    fixture: SliceFixture,
    side: Owner,
    course: Course,
    purpose: Purpose,
    sent: &[(&str, &str)],
) -> String {
    let mut snapshot = snapshot(&[fixture]);
    if side == Owner::Legacy {
        let mut legacy = (*snapshot.upstreams[0]).clone();
        legacy.host = HostPolicy::Endpoint;
        snapshot.upstreams[0] = legacy.into();
    }
    let copying = Copying {
        route: RouteId(0),
        slice: SliceId(0),
        direction: if side == Owner::Legacy { Direction::ToLegacy } else { Direction::ToExtracted },
        purpose,
        repeat: None,
    };
    let sent = sent.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let head = CopyHead::new(&snapshot, &copying, side, course, "42", "/a/1?x=%20", sent);
    let mut text = head.target.into_owned();
    for (name, value) in &head.lines {
        text.push_str(&format!("\n{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value)));
    }
    text
}

#[test]
fn a_copy_is_what_the_other_side_would_have_been_sent_marked_as_a_copy() {
    let mut changed = fixture(Phase::Shadow, Writer::Legacy, shadow());
    changed.policy.rewrite = Some(Rewrite {
        strip_prefix: Some("/a".into()),
        add_prefix: Some("/v2".into()),
        ..Rewrite::default()
    });
    changed.policy.request_headers = HeaderOps {
        remove: vec!["x-drop".parse().unwrap(), "content-length".parse().unwrap()],
        set: vec![("x-from".parse().unwrap(), "edge".parse().unwrap())],
    };
    changed.policy.shadow.as_mut().unwrap().request_headers = HeaderOps {
        remove: vec!["authorization".parse().unwrap()],
        set: vec![
            ("x-copy".parse().unwrap(), "yes".parse().unwrap()),
            ("x-shadow-request".parse().unwrap(), "no".parse().unwrap()),
        ],
    };
    let sent = [
        ("Host", "shop.example"),
        ("X-From", "one"),
        ("X-Drop", "1"),
        ("x-from", "two"),
        ("Authorization", "secret"),
        ("Connection", "keep-alive"),
        ("Content-Length", "3"),
        ("Expect", "100-continue"),
        ("TE", "trailers"),
        ("X-Shadow-Mode", "rollback"),
        ("X-Forwarded-For", "10.0.0.1"),
    ];
    assert_eq!(
        head(changed.clone(), Owner::Extracted, Course::AsSent, Purpose::Read, &sent),
        "/v2/1?x=%20\nHost: shop.example\nX-From: edge\nTE: trailers\nX-Forwarded-For: 10.0.0.1\n\
         x-forwarded-prefix: /a\nx-copy: yes\nx-shadow-request: 42"
    );
    // The slice's own operations are the extracted side's; the copy's are for either.
    assert_eq!(
        head(changed, Owner::Legacy, Course::AsSent, Purpose::Read, &sent),
        "/a/1?x=%20\nX-From: one\nX-Drop: 1\nx-from: two\nTE: trailers\nX-Forwarded-For: 10.0.0.1\n\
         x-copy: yes\nx-shadow-request: 42"
    );
}

#[test]
fn a_rewritten_host_replaces_the_public_one() {
    let mut changed = fixture(Phase::Shadow, Writer::Legacy, shadow());
    changed.policy.rewrite = Some(Rewrite { host: Some("internal".into()), ..Rewrite::default() });
    let sent = [("host", "shop.example")];
    let found = head(changed, Owner::Extracted, Course::AsSent, Purpose::Read, &sent);
    assert_eq!(found, "/a/1?x=%20\nhost: internal\nx-shadow-request: 42");
}

#[test]
fn a_copied_write_says_what_it_is() {
    let sent = [("Idempotency-Key", "abc"), ("Idempotency-Key", "def")];
    let plain = || fixture(Phase::Shadow, Writer::Legacy, shadow());
    assert_eq!(
        head(plain(), Owner::Extracted, Course::AsSent, Purpose::DryRun, &sent[..1]),
        "/a/1?x=%20\nIdempotency-Key: abc\nx-shadow-request: 42\nx-shadow-mode: rollback"
    );
    assert_eq!(
        head(plain(), Owner::Extracted, Course::AsSent, Purpose::Isolated, &sent),
        "/a/1?x=%20\nIdempotency-Key: shadow:42\nx-shadow-request: 42"
    );
    assert_eq!(
        head(plain(), Owner::Extracted, Course::AsSent, Purpose::Isolated, &[]),
        "/a/1?x=%20\nx-shadow-request: 42"
    );
}

#[test]
fn a_stripped_pair_asks_for_the_whole() {
    let sent = [
        ("If-None-Match", "\"1\""),
        ("if-modified-since", "x"),
        ("Range", "bytes=0-1"),
        ("If-Range", "\"1\""),
        ("If-Match", "*"),
        ("if-unmodified-since", "x"),
        ("accept", "*/*"),
    ];
    let plain = fixture(Phase::Shadow, Writer::Legacy, shadow());
    let found = head(plain, Owner::Extracted, Course::StrippedPair, Purpose::Read, &sent);
    assert_eq!(found, "/a/1?x=%20\naccept: */*\nx-shadow-request: 42");
}

#[test]
fn only_the_echo_of_the_mode_says_that_a_write_was_rolled_back() {
    let check = |name: &str, value: &str, wanted: bool| {
        assert_eq!(echoes_rollback([(name.as_bytes(), value.as_bytes())]), wanted, "{name}: {value}");
    };
    check("X-Shadow-Mode", "rollback", true);
    check("x-shadow-mode", " Rollback ", true);
    check("x-shadow-mode", "commit", false);
    check("x-shadow-mode", "", false);
    check("x-shadow-request", "rollback", false);
}
