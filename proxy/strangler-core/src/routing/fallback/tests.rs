//! The table of phases, and everything that speaks for and against a fallback.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::config::{LoadOptions, SourceText, Sources, load};
use crate::routing::fixture::ask;
use crate::routing::{Facts, decide};

fn compiled(slice: &str) -> Arc<Snapshot> {
    let text = format!(
        "version = 1\nlegacy = \"http://127.0.0.1:1\"\n[slices.s]\nupstream = \"http://127.0.0.1:2\"\n\
         cohort_by = \"header:x-user\"\nexcept = [\"/a/kept\"]\n{slice}\n"
    );
    let main = SourceText { name: "f".to_owned(), text };
    let sources = Sources { main, included: Vec::new() };
    let options = LoadOptions { base: Path::new(""), env: &|_| None, today: jiff::civil::date(2026, 6, 1) };
    let loaded = load(&sources, &options);
    loaded.snapshot.unwrap_or_else(|| panic!("{slice}: {:?}", loaded.diagnostics))
}

fn outcome<'s>(snapshot: &'s Snapshot, request: &str, lag: LagState) -> Result<MayFallBack<'s>, NoFallback> {
    let decision = ask(request, &["x-user: 1"], |view| decide(snapshot, view, Facts::NONE));
    may_fall_back(snapshot, &decision, |_| lag)
}

/// Lag is not asked for: it would panic.
fn without_lag(snapshot: &Snapshot, request: &str) -> Result<(), NoFallback> {
    let decision = ask(request, &["x-user: 1"], |view| decide(snapshot, view, Facts::NONE));
    may_fall_back(snapshot, &decision, |_| panic!("the lag does not matter here")).map(|_| ())
}

#[test]
fn a_read_that_extracted_answers_falls_back_and_nothing_else_does() {
    for (phase, request, wanted) in [
        ("phase = \"legacy\"", "GET /a", Err(NoFallback::Legacy)),
        ("phase = \"shadow\"", "GET /a", Err(NoFallback::Legacy)),
        ("phase = \"canary\"\ncanary = \"0%\"", "GET /a", Err(NoFallback::Legacy)),
        ("phase = \"canary\"\ncanary = \"100%\"", "GET /a", Ok(())),
        ("phase = \"canary\"\ncanary = \"100%\"", "HEAD /a", Ok(())),
        ("phase = \"canary\"\ncanary = \"100%\"", "OPTIONS /a", Ok(())),
        ("phase = \"canary\"\ncanary = \"100%\"", "POST /a", Err(NoFallback::Legacy)),
        ("phase = \"canary\"\ncanary = \"100%\"", "POST /search", Ok(())),
        ("phase = \"extracted\"", "GET /a", Ok(())),
        ("phase = \"extracted\"", "GET /a/kept", Err(NoFallback::Legacy)),
        ("phase = \"extracted\"", "GET /elsewhere", Err(NoFallback::Legacy)),
        ("phase = \"extracted\"", "GET /a/../b", Err(NoFallback::Refused)),
        ("phase = \"extracted\"\nwriter = \"extracted\"", "POST /a", Err(NoFallback::Write)),
        ("phase = \"extracted\"\nwriter = \"extracted\"", "DELETE /a", Err(NoFallback::Write)),
        ("phase = \"extracted\"\nwriter = \"extracted\"", "GET /callback", Err(NoFallback::Write)),
        ("phase = \"extracted\"\nwriter = \"by-cohort\"", "GET /a", Ok(())),
        ("phase = \"extracted\"\nwriter = \"by-cohort\"", "POST /a", Err(NoFallback::Write)),
        ("phase = \"retired\"\nwriter = \"extracted\"", "GET /a", Err(NoFallback::Retired)),
        ("phase = \"retired\"\nwriter = \"extracted\"", "POST /a", Err(NoFallback::Retired)),
        ("phase = \"extracted\"\nfallback = \"never\"", "GET /a", Err(NoFallback::Never)),
        ("phase = \"extracted\"\nfallback = [\"5xx\"]", "GET /a", Ok(())),
        (
            "phase = \"extracted\"\nfallback = [\"5xx\"]\nwriter = \"extracted\"",
            "POST /a",
            Err(NoFallback::Write),
        ),
    ] {
        let snapshot = compiled(&format!(
            "{phase}\nsync = \"both\"\nroutes = [\"/a/**\", {{ match = \"POST /search\", effect = \"read\" }}, \
             {{ match = \"GET /callback\", effect = \"write\" }}]"
        ));
        assert_eq!(without_lag(&snapshot, request), wanted, "{phase}: {request}");
    }
}

#[test]
fn a_list_does_not_override_where_the_data_is() {
    for (writer, sync, wanted) in [
        ("legacy", Some("to-extracted"), Ok(())),
        ("legacy", Some("stateless"), Ok(())),
        ("extracted", None, Err(NoFallback::Unreached)),
        ("extracted", Some("to-extracted"), Err(NoFallback::Unreached)),
        ("extracted", Some("to-legacy"), Ok(())),
        ("extracted", Some("both"), Ok(())),
        ("extracted", Some("shared"), Ok(())),
        ("extracted", Some("stateless"), Ok(())),
        ("by-cohort", Some("shared"), Ok(())),
    ] {
        for fallback in ["\"auto\"", "[\"connect-error\", \"timeout\", \"5xx\"]"] {
            let sync = sync.map(|sync| format!("sync = {sync:?}\n")).unwrap_or_default();
            let snapshot = compiled(&format!(
                "phase = \"extracted\"\nwriter = {writer:?}\n{sync}fallback = {fallback}\nroutes = [\"/a\"]"
            ));
            assert_eq!(without_lag(&snapshot, "GET /a"), wanted, "{writer} {sync} {fallback}");
        }
    }
}

#[test]
fn lag_matters_where_legacy_is_not_the_writer() {
    let lag = "sync_lag = { url = \"http://127.0.0.1:3/lag\", max = \"5s\" }\nroutes = [\"/a\"]";
    let of = |writer: &str, sync: &str| {
        compiled(&format!("phase = \"extracted\"\nwriter = {writer:?}\nsync = {sync:?}\n{lag}"))
    };
    assert_eq!(without_lag(&of("legacy", "to-extracted"), "GET /a"), Ok(()));
    for (writer, sync) in [("extracted", "to-legacy"), ("by-cohort", "both")] {
        for (state, wanted) in [
            (LagState::Behind(Duration::ZERO), Ok(())),
            (LagState::Behind(Duration::from_secs(5)), Ok(())),
            (LagState::Behind(Duration::from_millis(5001)), Err(NoFallback::Lagging)),
            (LagState::Unknown, Err(NoFallback::LagUnknown)),
        ] {
            let snapshot = of(writer, sync);
            assert_eq!(outcome(&snapshot, "GET /a", state).map(|_| ()), wanted, "{writer} {state:?}");
        }
    }
    let without =
        compiled("phase = \"extracted\"\nwriter = \"extracted\"\nsync = \"to-legacy\"\nroutes = [\"/a\"]");
    assert_eq!(without_lag(&without, "GET /a"), Ok(()));
}

#[test]
fn headers_are_waited_for_less_long_where_their_absence_counts() {
    let after = |keys: &str| {
        let snapshot =
            compiled(&format!("phase = \"extracted\"\nsync = \"stateless\"\nroutes = [\"/a\"]\n{keys}"));
        outcome(&snapshot, "GET /a", LagState::Unknown).unwrap().after
    };
    assert_eq!(after(""), Some(Duration::from_secs(5)));
    assert_eq!(after("fallback_after = \"250ms\""), Some(Duration::from_millis(250)));
    assert_eq!(after("fallback = [\"timeout\"]\nfallback_after = \"1s\""), Some(Duration::from_secs(1)));
    assert_eq!(after("fallback = [\"5xx\", \"connect-error\"]"), None);
}

#[test]
fn a_service_that_is_legacy_itself_is_not_asked_twice() {
    let text = "version = 1\nlegacy = \"m\"\n[upstreams.m]\nendpoints = [\"http://127.0.0.1:1\"]\n[slices.s]\n\
                upstream = \"m\"\nphase = \"extracted\"\nsync = \"stateless\"\nroutes = [\"/a\"]\n";
    let main = SourceText { name: "f".to_owned(), text: text.to_owned() };
    let sources = Sources { main, included: Vec::new() };
    let options = LoadOptions { base: Path::new(""), env: &|_| None, today: jiff::civil::date(2026, 6, 1) };
    let snapshot = load(&sources, &options).snapshot.unwrap();
    assert_eq!(without_lag(&snapshot, "GET /a"), Err(NoFallback::SameUpstream));
}

const EVERY: [Trouble; 14] = [
    Trouble::Connect,
    Trouble::ConnectTimeout,
    Trouble::Timeout,
    Trouble::Broken,
    Trouble::NoEndpoint,
    Trouble::BreakerOpen,
    Trouble::Shed,
    Trouble::Status(502),
    Trouble::Status(503),
    Trouble::Status(504),
    Trouble::Status(500),
    Trouble::Status(501),
    Trouble::Status(404),
    Trouble::Status(200),
];

fn check(on: &Fallback, wanted: &[&str]) {
    let found: Vec<String> = EVERY
        .into_iter()
        .filter(|trouble| applies(on, *trouble))
        .map(|trouble| format!("{trouble:?}"))
        .collect();
    assert_eq!(found, wanted, "{on:?}");
}

#[test]
fn each_word_of_a_list_names_its_failures() {
    check(&Fallback::Never, &[]);
    check(
        &Fallback::Auto,
        &[
            "Connect",
            "ConnectTimeout",
            "Timeout",
            "Broken",
            "NoEndpoint",
            "BreakerOpen",
            "Shed",
            "Status(502)",
            "Status(503)",
            "Status(504)",
        ],
    );
    let list = |failures: &[Failure]| Fallback::On(failures.to_vec());
    check(&list(&[Failure::ConnectError]), &["Connect", "ConnectTimeout", "NoEndpoint", "BreakerOpen"]);
    check(&list(&[Failure::Timeout]), &["ConnectTimeout", "Timeout", "NoEndpoint", "BreakerOpen"]);
    check(
        &list(&[Failure::ServerError]),
        &[
            "Broken",
            "NoEndpoint",
            "BreakerOpen",
            "Shed",
            "Status(502)",
            "Status(503)",
            "Status(504)",
            "Status(500)",
            "Status(501)",
        ],
    );
    check(&list(&[Failure::Status(502)]), &["Broken", "NoEndpoint", "BreakerOpen", "Status(502)"]);
    check(&list(&[Failure::Status(503)]), &["NoEndpoint", "BreakerOpen", "Shed", "Status(503)"]);
    check(
        &list(&[Failure::Status(404), Failure::Status(501)]),
        &["NoEndpoint", "BreakerOpen", "Status(501)", "Status(404)"],
    );
}

#[test]
fn each_failure_has_a_word() {
    let words: Vec<String> = EVERY.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "connect-error",
            "connect-error",
            "timeout",
            "broken",
            "no-endpoint",
            "breaker-open",
            "shed",
            "502",
            "503",
            "504",
            "500",
            "501",
            "404",
            "200"
        ]
    );
}
