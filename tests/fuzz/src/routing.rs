//! Requests against fixed configurations: the decision, its explanation, and what no request may change.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use strangler_core::config::{self, LoadOptions, SourceText, Sources};
use strangler_core::matching::Reading;
use strangler_core::matching::path;
use strangler_core::routing::{Decision, Facts, Refusal, RequestView, Verdict, decide, explain};
use strangler_core::snapshot::Snapshot;
use strangler_core::words::{Effect, Owner, Phase, Strictness, Writer};

use crate::head;

const TEXTS: [&str; 4] = [
    include_str!("../../../config/examples/first-day.toml"),
    include_str!("../../../config/examples/everything.toml"),
    include_str!("routing/every_rule.toml"),
    "version = 1\nlegacy = \"http://127.0.0.1:8000\"\n",
];

/// Every text, refusing and reporting ambiguous paths.
static SNAPSHOTS: LazyLock<Vec<Arc<Snapshot>>> = LazyLock::new(|| {
    let reporting = TEXTS[2].replace("[slices.users]", "[limits]\nstrictness = \"report\"\n[slices.users]");
    TEXTS.iter().copied().chain([reporting.as_str()]).map(compiled).collect()
});

fn compiled(text: &str) -> Arc<Snapshot> {
    let main = SourceText { name: "strangler.toml".to_owned(), text: text.to_owned() };
    let options = LoadOptions { base: Path::new(""), env: &|_| None, today: jiff::civil::date(2026, 6, 1) };
    let loaded = config::load(&Sources { main, included: Vec::new() }, &options);
    let told: String = loaded.diagnostics.iter().map(|problem| problem.render(false)).collect();
    loaded.snapshot.unwrap_or_else(|| unreachable!("a fixed configuration is not sound: {told}"))
}

/// A request head: `METHOD TARGET`, then header lines.
///
/// # Panics
///
/// Where a property does not hold.
pub fn routing(bytes: &[u8]) {
    let Some(head) = head::read(&String::from_utf8_lossy(bytes)) else { return };
    let view = RequestView {
        method: &head.method,
        host: &head.host,
        path: &head.path,
        query: head.query.as_deref(),
        headers: &head.headers,
        client_ip: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
    };
    for snapshot in SNAPSHOTS.iter() {
        let decision = decide(snapshot, &view, Facts::NONE);
        refused_rightly(snapshot, &view, &decision);
        to_the_writer(snapshot, &decision);
        best_known(snapshot, &view, &decision);
        spelt_otherwise(snapshot, &view, &decision);
        retreated(snapshot, &view, &decision);
        explained(snapshot, &view, Facts::NONE, &decision);
    }
}

/// Ambiguous paths go nowhere, or to legacy where the file says so; nothing else is refused for its path.
fn refused_rightly(snapshot: &Snapshot, view: &RequestView<'_>, decision: &Decision) {
    let found = path::ambiguity(view.path).filter(|_| !snapshot.slices.is_empty());
    let refused = matches!(decision.verdict, Verdict::Refuse(Refusal::AmbiguousPath(_)));
    let strict = snapshot.limits.strictness == Strictness::Refuse;
    assert_eq!(refused, found.is_some() && strict, "{view:?}");
    assert_eq!(decision.reported, found.filter(|_| !strict), "{view:?}");
    if found.is_some() && !strict {
        let legacy = Verdict::Forward { owner: Owner::Legacy, upstream: snapshot.legacy };
        assert_eq!(decision.verdict, legacy, "{view:?}");
    }
}

/// Writes go to the writer; a near miss never gives legacy a write that it does not own.
fn to_the_writer(snapshot: &Snapshot, decision: &Decision) {
    let Verdict::Forward { owner, upstream } = decision.verdict else { return };
    let slice = decision.slice.map(|slice| snapshot.slice(slice));
    let wanted = match (owner, slice) {
        (Owner::Legacy, _) => snapshot.legacy,
        (Owner::Extracted, Some(slice)) => slice.upstream,
        (Owner::Extracted, None) => unreachable!("nobody to answer: {decision:?}"),
    };
    assert_eq!(upstream, wanted, "{decision:?}");
    if decision.effect == Effect::Write && decision.excepted.is_none() {
        match slice.map(|slice| slice.writer) {
            Some(Writer::Extracted) => assert_eq!(owner, Owner::Extracted, "{decision:?}"),
            Some(Writer::Legacy) | None => assert_eq!(owner, Owner::Legacy, "{decision:?}"),
            Some(Writer::ByCohort) => {}
        }
    }
}

/// The route that won matches, and where none won none does, by a look at every one of them.
fn best_known(snapshot: &Snapshot, view: &RequestView<'_>, decision: &Decision) {
    let reading = Reading::new(view);
    if snapshot.slices.is_empty() || reading.ambiguity().is_some() {
        assert_eq!(decision.route, None, "{view:?}");
        return;
    }
    let matches = |route: &strangler_core::snapshot::Route| {
        let methods = route.pattern.methods();
        let named = !methods.is_named()
            || methods.names(reading.method)
            || (reading.method == "HEAD" && methods.names("GET"));
        named
            && route.pattern.host().matches(&reading.host)
            && route.pattern.matches_path(&reading.path)
            && route.when.hold(view)
    };
    match decision.route {
        Some(id) => assert!(matches(snapshot.route(id)), "{view:?}: {decision:?}"),
        None => {
            // A preflight is looked up twice: by the method it asks for, and as what it is.
            let missed = snapshot.routes.iter().find(|route| matches(route));
            assert!(missed.is_none(), "{view:?} misses {missed:?}");
        }
    }
}

/// The spelling of a host, and escapes of unreserved characters, mean nothing.
fn spelt_otherwise(snapshot: &Snapshot, view: &RequestView<'_>, decision: &Decision) {
    let plain =
        !view.host.is_empty() && view.host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let host = if plain { format!("{}.:8443", view.host.to_ascii_uppercase()) } else { view.host.to_owned() };
    let escaped: String = if path::ambiguity(view.path).is_some() {
        view.path.to_owned()
    } else {
        escape_first_letter(view.path)
    };
    let other = RequestView { host: &host, path: &escaped, ..*view };
    let again = decide(snapshot, &other, Facts::NONE);
    // A cohort key may be taken from the very bytes that were spelt otherwise.
    let facts = |decision: &Decision| {
        (decision.route, decision.slice, decision.excepted, decision.phase, decision.effect, decision.writer)
    };
    assert_eq!(facts(&again), facts(decision), "{view:?} and {other:?}");
    assert_eq!(&decide(snapshot, view, Facts::NONE), decision, "equal arguments, equal decisions");
}

/// `/a/b` as `/%61/b`. A letter that is part of an escape is left alone.
fn escape_first_letter(path: &str) -> String {
    let bytes = path.as_bytes();
    let is_part =
        |at: usize| (1..=2).any(|back| at.checked_sub(back).and_then(|at| bytes.get(at)) == Some(&b'%'));
    let Some((at, c)) = path.char_indices().find(|(at, c)| c.is_ascii_alphabetic() && !is_part(*at)) else {
        return path.to_owned();
    };
    let (before, after) = path.split_at(at);
    format!("{before}%{:02x}{}", u32::from(c), after.get(1..).unwrap_or_default())
}

/// A retreat never moves the writer, and never gives more to the extracted side.
fn retreated(snapshot: &Snapshot, view: &RequestView<'_>, decision: &Decision) {
    for phase in [Phase::Legacy, Phase::Shadow, Phase::Canary] {
        let retreats = vec![Some(phase); snapshot.slices.len()];
        let facts = Facts { retreats: &retreats, ..Facts::NONE };
        let after = decide(snapshot, view, facts);
        assert_eq!(after.writer, decision.writer, "{view:?}");
        assert_eq!(after.route, decision.route, "{view:?}");
        assert!(after.phase <= decision.phase, "{view:?}");
        if after.effect == Effect::Write && after.writer != Writer::ByCohort {
            assert_eq!(after.verdict, decision.verdict, "a retreat moves a write: {view:?}");
        }
        explained(snapshot, view, facts, &after);
    }
}

/// The explanation tells the decision, and can be shown.
fn explained(snapshot: &Snapshot, view: &RequestView<'_>, facts: Facts<'_>, decision: &Decision) {
    let told = explain(snapshot, view, facts);
    let (verdict, owner, upstream) = match decision.verdict {
        Verdict::Forward { owner, upstream } => {
            ("forward", Some(owner.as_str()), Some(snapshot.upstream(upstream).name.as_str()))
        }
        Verdict::Refuse(_) => ("refuse", None, None),
    };
    assert_eq!((told.verdict, told.owner, told.upstream.as_deref()), (verdict, owner, upstream), "{view:?}");
    assert_eq!(told.route.as_deref(), decision.route.map(|route| &*snapshot.route(route).id), "{view:?}");
    assert_eq!(told.bucket, decision.bucket, "{view:?}");
    assert_eq!(told.effect, decision.effect.as_str(), "{view:?}");
    assert!(
        decision.route.is_none()
            || decision.phase.as_str() == told.phase.unwrap_or("")
            || told.excepted.is_some()
    );
    let text = told.render_text();
    let control = |c: char| c.is_control() && c != '\n' && c != '\t';
    assert!(!text.contains(control), "control characters reach the terminal: {text:?}");
}
