//! Who answers, for every phase, effect and writer.

use super::*;
use crate::routing::fixture::{SliceFixture, ask, canary, route, slice, snapshot};
use crate::snapshot::policy::Guardrails;
use crate::snapshot::slice::{KeyMatch, KeySource};

fn decided(snapshot: &Snapshot, request: &str, headers: &[&str]) -> Decision {
    ask(request, headers, |view| decide(snapshot, view, Facts::NONE))
}

fn check(snapshot: &Snapshot, request: &str, headers: &[&str], wanted: &str) {
    assert_eq!(said(&decided(snapshot, request, headers)), wanted, "{request} {headers:?}");
}

/// The verdict as one word.
fn said(decision: &Decision) -> String {
    match decision.verdict {
        Verdict::Forward { owner, upstream } => {
            assert_eq!(owner == Owner::Legacy, upstream == UpstreamId(0), "owner and upstream agree");
            owner.to_string()
        }
        Verdict::Refuse(refusal) => format!("{refusal:?}"),
    }
}

#[test]
fn reads_go_by_phase_and_writes_to_the_writer() {
    use Phase::{Extracted, Legacy, Retired, Shadow};
    for (phase, writer, reads, writes) in [
        (Legacy, Writer::Legacy, "legacy", "legacy"),
        (Legacy, Writer::Extracted, "legacy", "extracted"),
        (Legacy, Writer::ByCohort, "legacy", "legacy"),
        (Shadow, Writer::Legacy, "legacy", "legacy"),
        (Shadow, Writer::Extracted, "legacy", "extracted"),
        (Extracted, Writer::Legacy, "extracted", "legacy"),
        (Extracted, Writer::Extracted, "extracted", "extracted"),
        (Extracted, Writer::ByCohort, "extracted", "extracted"),
        (Retired, Writer::Extracted, "extracted", "extracted"),
    ] {
        let snapshot = snapshot(&[slice("s", phase, writer, &["/a"])]);
        for method in ["GET", "HEAD", "OPTIONS"] {
            check(&snapshot, &format!("{method} /a"), &[], reads);
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "PURGE", "PROPFIND"] {
            check(&snapshot, &format!("{method} /a"), &[], writes);
        }
        let decision = decided(&snapshot, "POST /a", &[]);
        assert_eq!((decision.phase, decision.writer, decision.effect), (phase, writer, Effect::Write));
        assert_eq!((decision.route, decision.slice), (Some(RouteId(0)), Some(SliceId(0))));
    }
}

#[test]
fn a_declared_effect_is_stronger_than_the_method() {
    let mut reads = slice("s", Phase::Extracted, Writer::Legacy, &[]);
    let mut search = route("POST /search");
    search.effect = Some(Effect::Read);
    let mut callback = route("/callback");
    callback.effect = Some(Effect::Write);
    reads.routes = vec![search, callback];
    let snapshot = snapshot(&[reads]);
    check(&snapshot, "POST /search", &[], "extracted");
    check(&snapshot, "GET /callback", &[], "legacy");
    let preflight = ["origin: http://x", "access-control-request-method: POST"];
    check(&snapshot, "OPTIONS /search", &preflight, "extracted");
    check(&snapshot, "OPTIONS /callback", &preflight, "legacy");
}

#[test]
fn a_preflight_is_a_read_by_phase() {
    let snapshot = snapshot(&[slice("s", Phase::Extracted, Writer::Legacy, &["POST /a"])]);
    check(&snapshot, "OPTIONS /a", &["origin: http://x", "access-control-request-method: POST"], "extracted");
    check(&snapshot, "OPTIONS /a", &[], "legacy");
    check(&snapshot, "POST /a", &[], "legacy");
}

#[test]
fn a_retreat_lowers_the_phase_and_never_moves_the_writer() {
    let snapshot = snapshot(&[slice("s", Phase::Extracted, Writer::Extracted, &["/a"])]);
    for (retreat, reads) in [
        (Phase::Legacy, "legacy"),
        (Phase::Shadow, "legacy"),
        (Phase::Extracted, "extracted"),
        (Phase::Retired, "extracted"),
    ] {
        let retreats = [Some(retreat)];
        let facts = Facts { retreats: &retreats, ..Facts::NONE };
        let get = ask("GET /a", &[], |view| decide(&snapshot, view, facts));
        let post = ask("POST /a", &[], |view| decide(&snapshot, view, facts));
        assert_eq!(said(&get), reads, "retreat to {retreat}");
        assert_eq!(get.phase, retreat.min(Phase::Extracted));
        assert_eq!(said(&post), "extracted");
    }
}

fn canary_slice(writer: Writer, share: u16) -> SliceFixture {
    let mut fixture = slice("s", Phase::Canary, writer, &["/a", "/t/{tenant}/**"]);
    fixture.canary = Some(canary(share));
    fixture.policy.cohort_by = vec![KeySource::Header("x-user".into())];
    fixture
}

#[test]
fn a_canary_sends_its_cohort_to_the_extracted_side() {
    let all = snapshot(&[canary_slice(Writer::Legacy, 10_000)]);
    check(&all, "GET /a", &["x-user: 1"], "extracted");
    check(&all, "GET /a", &["x-user: "], "legacy");
    check(&all, "GET /a", &[], "legacy");
    check(&all, "POST /a", &["x-user: 1"], "legacy");
    let bucket = decided(&all, "GET /a", &["x-user: 1"]).bucket.unwrap();
    let wanted = xxhash_rust::xxh3::xxh3_64(b"s\0header:x-user\x001") % 10_000;
    assert_eq!(u64::from(bucket), wanted);
    let below = snapshot(&[canary_slice(Writer::Legacy, bucket)]);
    check(&below, "GET /a", &["x-user: 1"], "legacy");
    let above = snapshot(&[canary_slice(Writer::Legacy, bucket + 1)]);
    check(&above, "GET /a", &["x-user: 1"], "extracted");
    assert_eq!(decided(&all, "GET /a", &[]).bucket, None);
}

#[test]
fn by_cohort_writes_follow_the_clients_reads_also_in_a_retreat() {
    let snapshot = snapshot(&[canary_slice(Writer::ByCohort, 10_000)]);
    check(&snapshot, "POST /a", &["x-user: 1"], "extracted");
    check(&snapshot, "POST /a", &[], "legacy");
    let retreats = [Some(Phase::Legacy)];
    let decision = ask("POST /a", &["x-user: 1"], |view| {
        decide(&snapshot, view, Facts { retreats: &retreats, ..Facts::NONE })
    });
    assert_eq!(said(&decision), "legacy");
}

#[test]
fn a_named_cohort_is_shared_and_lists_come_first() {
    let mut named = canary_slice(Writer::Legacy, 0);
    named.policy.cohort = Some("checkout".into());
    named.policy.cohort_by = vec![KeySource::Path("tenant".into()), KeySource::Header("x-user".into())];
    let entry = |value: &str| KeyMatch { source: KeySource::Header("x-user".into()), value: value.into() };
    named.canary.as_mut().unwrap().always = vec![entry("friend")];
    named.canary.as_mut().unwrap().never = vec![entry("foe")];
    let mut open = named.clone();
    open.canary.as_mut().unwrap().share = canary(10_000).share;
    let (closed, open) = (snapshot(&[named]), snapshot(&[open]));
    check(&closed, "GET /a", &["x-user: friend"], "extracted");
    check(&closed, "GET /a", &["x-user: other"], "legacy");
    check(&open, "GET /a", &["x-user: foe"], "legacy");
    check(&open, "GET /a", &["x-user: other"], "extracted");
    let bucket = decided(&open, "GET /t/acme/x", &["x-user: other"]).bucket.unwrap();
    let wanted = xxhash_rust::xxh3::xxh3_64(b"checkout\0path:tenant\0acme") % 10_000;
    assert_eq!(u64::from(bucket), wanted);
}

#[test]
fn an_except_keeps_reads_and_writes_with_legacy() {
    let mut fixture = slice("s", Phase::Extracted, Writer::Extracted, &["/p/**"]);
    fixture.except = vec!["GET /p/x".into(), "/p/{id:int}".into()];
    let mut own = route("/p/own/7");
    own.listed = false;
    fixture.routes.push(own);
    let mut unlisted = route("GET /p/x");
    unlisted.listed = false;
    let mut snapshot = snapshot(&[fixture.clone()]);
    check(&snapshot, "GET /p/x", &[], "legacy");
    check(&snapshot, "HEAD /p/x", &[], "legacy");
    check(&snapshot, "POST /p/x", &[], "extracted");
    check(&snapshot, "POST /p/7", &[], "legacy");
    check(&snapshot, "GET /p/own/7", &[], "extracted");
    let decision = decided(&snapshot, "DELETE /p/7", &[]);
    assert_eq!(decision.excepted, Some(1));
    assert_eq!(decision.route, Some(RouteId(0)));
    assert_eq!((decision.phase, decision.writer), (Phase::Legacy, Writer::Legacy));
    // It stays with legacy whatever happens to what no route takes.
    snapshot.unmatched = Unmatched::Reject;
    check(&snapshot, "GET /p/x", &[], "legacy");
    // A route of its own is not excepted.
    fixture.routes.push(unlisted);
    let snapshot = crate::routing::fixture::snapshot(&[fixture]);
    check(&snapshot, "GET /p/x", &[], "extracted");
}

#[test]
fn what_no_route_takes_is_legacys_or_refused() {
    let mut snapshot = snapshot(&[slice("s", Phase::Extracted, Writer::Extracted, &["/a"])]);
    check(&snapshot, "GET /b", &[], "legacy");
    check(&snapshot, "POST /b", &[], "legacy");
    snapshot.unmatched = Unmatched::Reject;
    check(&snapshot, "GET /b", &[], "Unmatched");
    let decision = decided(&snapshot, "POST /b", &[]);
    assert_eq!((decision.route, decision.slice, decision.effect), (None, None, Effect::Write));
}

#[test]
fn an_unsafe_near_miss_of_an_extracted_writer_is_refused() {
    let fixture = |writer| {
        let mut fixture = slice("s", Phase::Legacy, writer, &["/payments", "/Search"]);
        fixture.routes[1].effect = Some(Effect::Read);
        fixture
    };
    let extracted = snapshot(&[fixture(Writer::Extracted)]);
    check(&extracted, "POST /payments/", &[], "NearMissWrite");
    check(&extracted, "GET /payments/", &[], "legacy");
    check(&extracted, "OPTIONS /payments/", &[], "legacy");
    check(&extracted, "POST /payments", &[], "extracted");
    check(&extracted, "POST /search", &[], "legacy");
    let near = decided(&extracted, "GET //payments", &[]);
    let wanted = NearMiss { route: RouteId(0), difference: SpellingDifference::DoubleSlash };
    assert_eq!((near.near_miss, near.slice, near.route), (Some(wanted), Some(SliceId(0)), None));
    for writer in [Writer::Legacy, Writer::ByCohort] {
        let snapshot = snapshot(&[fixture(writer)]);
        check(&snapshot, "POST /payments/", &[], "legacy");
        assert!(decided(&snapshot, "POST /payments/", &[]).near_miss.is_some());
    }
}

#[test]
fn ambiguous_paths_are_refused_as_soon_as_there_is_a_slice() {
    let none = snapshot(&[]);
    check(&none, "GET /a/../b", &[], "legacy");
    assert_eq!(decided(&none, "GET /a/../b", &[]).reported, None);
    let mut one = snapshot(&[slice("s", Phase::Extracted, Writer::Extracted, &[])]);
    for (path, wanted) in [
        ("/a/../b", Ambiguity::DotSegment),
        ("/a%00", Ambiguity::Nul),
        ("/a%5cb", Ambiguity::Backslash),
        ("/a%zz", Ambiguity::InvalidEscape),
    ] {
        check(&one, &format!("GET {path}"), &[], &format!("AmbiguousPath({wanted:?})"));
    }
    // Never in queries.
    check(&one, "GET /a?x=../%00%zz\\", &[], "legacy");
    one.limits.strictness = Strictness::Report;
    let decision = decided(&one, "POST /a/../b", &[]);
    assert_eq!(said(&decision), "legacy");
    assert_eq!(decision.reported, Some(Ambiguity::DotSegment));
    assert_eq!(decided(&one, "POST /a/b", &[]).reported, None);
}

/// Clients that have just written.
#[derive(Debug)]
struct Wrote(Vec<ClientMark>);

impl RecentWrites for Wrote {
    fn covers(&self, client: ClientMark) -> bool {
        self.0.contains(&client)
    }
}

/// A slice whose clients read what they wrote, in a canary of half of them by `x-user`.
fn remembering(phase: Phase, writer: Writer) -> SliceFixture {
    let mut fixture = slice("s", phase, writer, &["/a"]);
    fixture.canary = Some(canary(5000));
    fixture.policy.cohort_by = vec![KeySource::Header("x-user".into())];
    fixture.policy.read_your_writes = std::time::Duration::from_secs(10);
    fixture
}

#[test]
fn a_client_that_has_just_written_reads_from_the_writer_in_every_phase() {
    for phase in Phase::ALL {
        for (writer, side) in [(Writer::Legacy, "legacy"), (Writer::Extracted, "extracted")] {
            if *phase == Phase::Retired && writer == Writer::Legacy {
                continue;
            }
            let snapshot = snapshot(&[remembering(*phase, writer)]);
            for user in 0..50 {
                let headers = [format!("x-user: {user}")];
                let headers = [headers[0].as_str()];
                let before = decided(&snapshot, "GET /a", &headers);
                assert!(!before.wrote);
                let mark = decided(&snapshot, "POST /a", &headers).mark.unwrap();
                assert_eq!(before.mark, Some(mark), "a client is one, whatever it asks");
                let wrote = Wrote(vec![mark]);
                let facts = Facts { recent: Some(&wrote), ..Facts::NONE };
                let after = ask("GET /a", &headers, |view| decide(&snapshot, view, facts));
                assert_eq!(said(&after), side, "{phase} {writer} {user}");
                assert_eq!(after.wrote, said(&before) != side, "{phase} {writer} {user}");
                let other = ask("GET /a", &["x-user: another"], |view| decide(&snapshot, view, facts));
                assert!(!other.wrote, "others read as before");
            }
        }
    }
}

#[test]
fn a_client_without_a_key_is_remembered_by_its_address() {
    let snapshot = snapshot(&[remembering(Phase::Extracted, Writer::Legacy)]);
    let of = |address: Option<&str>, headers: &[&str]| {
        let client_ip = address.map(|address| address.parse().unwrap());
        ask("GET /a", headers, |view| decide(&snapshot, &RequestView { client_ip, ..*view }, Facts::NONE))
            .mark
    };
    let first = of(Some("10.0.0.1"), &[]);
    assert!(first.is_some());
    assert_eq!(first, of(Some("::ffff:10.0.0.1"), &[]));
    assert_ne!(first, of(Some("10.0.0.2"), &[]));
    assert_eq!(of(Some("10.0.0.1"), &["x-user: 1"]), of(Some("10.0.0.2"), &["x-user: 1"]));
    assert_eq!(of(None, &[]), None);
}

#[test]
fn slices_and_cohorts_without_one_writer_remember_nothing_of_each_other() {
    let mut other = remembering(Phase::Extracted, Writer::Legacy);
    other.name = "t";
    other.routes = vec![route("/b")];
    let by_cohort =
        SliceFixture { name: "u", routes: vec![route("/c")], ..remembering(Phase::Canary, Writer::ByCohort) };
    let mut off =
        SliceFixture { name: "v", routes: vec![route("/d")], ..remembering(Phase::Canary, Writer::Legacy) };
    off.policy.read_your_writes = std::time::Duration::ZERO;
    let snapshot = snapshot(&[remembering(Phase::Extracted, Writer::Legacy), other, by_cohort, off]);
    let mark = |path: &str| decided(&snapshot, &format!("GET {path}"), &["x-user: 1"]).mark;
    assert!(mark("/a").is_some() && mark("/a") != mark("/b"));
    assert_eq!((mark("/c"), mark("/d")), (None, None));
}

#[test]
fn a_key_is_looked_for_where_a_canary_runs_or_guardrails_watch() {
    let guardrails = Guardrails {
        window: std::time::Duration::from_secs(1),
        min_requests: 1,
        error_rate_above_legacy: None,
        error_rate_max: None,
        latency_p95_above_legacy: None,
        retreat_to: Phase::Shadow,
    };
    for (phase, watched, wanted) in [
        (Phase::Legacy, true, false),
        (Phase::Shadow, true, false),
        (Phase::Canary, false, true),
        (Phase::Canary, true, true),
        (Phase::Extracted, false, false),
        (Phase::Extracted, true, true),
        (Phase::Retired, true, true),
    ] {
        let mut fixture = remembering(phase, Writer::Extracted);
        fixture.policy.guardrails = watched.then_some(guardrails);
        let snapshot = snapshot(&[fixture]);
        assert_eq!(decided(&snapshot, "GET /a", &["x-user: 1"]).keyed, wanted, "{phase} {watched}");
        assert!(!decided(&snapshot, "GET /a", &[]).keyed, "{phase} {watched}");
    }
}

#[test]
fn a_cookie_is_issued_only_while_a_canary_runs_that_asks_for_it() {
    let cookie = CohortCookie { name: "cohort".into(), max_age: std::time::Duration::from_secs(1) };
    let fixture = |phase, sources: &[KeySource], cookie: Option<CohortCookie>| {
        let mut fixture = slice("s", phase, Writer::Legacy, &["/a"]);
        fixture.canary = Some(canary(0));
        fixture.except = vec!["/a/kept".to_owned()];
        fixture.policy.cohort_by = sources.to_vec();
        fixture.policy.cohort_cookie = cookie;
        fixture
    };
    let by_cookie = [KeySource::Header("x-user".into()), KeySource::Cookie("cohort".into())];
    let check =
        |fixture: SliceFixture, request: &str, headers: &[&str], retreat: Option<Phase>, wanted: bool| {
            let snapshot = snapshot(&[fixture]);
            let facts = Facts { retreats: &[retreat], ..Facts::NONE };
            let decision = ask(request, headers, |view| decide(&snapshot, view, facts));
            assert_eq!(
                decision.cookie_to_issue(&snapshot).is_some(),
                wanted,
                "{request} {headers:?} {retreat:?}"
            );
        };
    for phase in Phase::ALL {
        let running = *phase == Phase::Canary;
        check(fixture(*phase, &by_cookie, Some(cookie.clone())), "GET /a", &[], None, running);
    }
    let canary = || fixture(Phase::Canary, &by_cookie, Some(cookie.clone()));
    check(canary(), "POST /a", &[], None, true);
    check(canary(), "GET /a", &["cookie: other=1"], None, true);
    check(canary(), "GET /a", &["cookie: cohort="], None, true);
    check(canary(), "GET /a", &["cookie: cohort=1"], None, false);
    check(canary(), "GET /a", &["x-user: 1"], None, false);
    check(canary(), "GET /elsewhere", &[], None, false);
    check(canary(), "GET /a", &[], Some(Phase::Shadow), false);
    check(fixture(Phase::Canary, &by_cookie, None), "GET /a", &[], None, false);
    let other = [KeySource::Cookie("sid".into())];
    check(fixture(Phase::Canary, &other, Some(cookie.clone())), "GET /a", &[], None, false);
}
