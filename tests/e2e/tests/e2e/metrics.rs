//! What is promised to whoever watches from outside: every metric with its labels, every field of the access log. Each is
//! made to say something, and nothing is said that the guide does not name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::oncall::probe;
use crate::support::client::{Client, get};
use crate::support::origin::{Origin, Script};
use crate::support::proxy::{House, Proxy, SERVER};
use crate::support::{nobody, wait_for};

/// The guide, which names them all.
const GUIDE: &str = include_str!("../../../../proxy/docs/operations.md");

/// What is never to happen, and is counted.
const QUIET: [&str; 4] = [
    "strangler_evidence_lost_total",
    "strangler_access_log_dropped_total",
    "strangler_retreats_unreadable",
    // Told by a test of its own: it takes a service that does not roll back.
    "strangler_shadow_stopped",
];

/// Labels and value of each series, by metric.
type Metrics = BTreeMap<String, Vec<(BTreeMap<String, String>, f64)>>;

/// Reads the text format, and holds it to its rules: each metric is introduced once, before its series, and no series
/// is there twice.
fn metrics(proxy: &Proxy) -> Metrics {
    let answer = proxy.admin_get("/metrics");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = answer.text();
    assert!(text.ends_with('\n'));
    let mut metrics = Metrics::new();
    let mut series = BTreeSet::new();
    let mut introduced: Option<(String, bool)> = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty() && metrics.insert(name.to_owned(), Vec::new()).is_none(), "{line}");
            introduced = Some((name.to_owned(), false));
            continue;
        }
        let (name, typed) = introduced.as_mut().unwrap_or_else(|| panic!("nothing introduces {line}"));
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert!(rest.starts_with(&format!("{name} ")) && !*typed, "{line}");
            *typed = true;
            continue;
        }
        let (key, value) = line.rsplit_once(' ').unwrap();
        assert!(*typed && series.insert(key.to_owned()), "{line}");
        let (found, labels) =
            key.split_once('{').map_or((key, ""), |(name, rest)| (name, rest.trim_end_matches('}')));
        let suffix = found.strip_prefix(name.as_str()).unwrap_or_else(|| panic!("{line} under {name}"));
        assert!(matches!(suffix, "" | "_bucket" | "_sum" | "_count"), "{line}");
        let labels = labels.split("\",").filter(|label| !label.is_empty()).map(|label| {
            let (name, value) = label.split_once("=\"").unwrap();
            (name.to_owned(), value.trim_end_matches('"').to_owned())
        });
        let labels: BTreeMap<_, _> = labels.filter(|(name, _)| name != "le").collect();
        metrics.get_mut(name.as_str()).unwrap().push((labels, value.parse().unwrap()));
    }
    metrics
}

/// Metrics as the guide names them, with their labels.
fn promised() -> BTreeMap<String, BTreeSet<String>> {
    let rows = GUIDE.lines().filter_map(|line| line.strip_prefix("| `strangler_")?.split_once('`'));
    let metric = |row: &str| {
        let (name, labels) = row.split_once('{').unwrap_or((row, ""));
        let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
        (format!("strangler_{name}"), labels.map(str::to_owned).collect())
    };
    rows.map(|(row, _)| metric(row)).collect()
}

/// Values of a label, of series that say something.
fn values(metrics: &Metrics, metric: &str, label: &str) -> BTreeSet<String> {
    let telling = metrics[metric].iter().filter(|(_, value)| *value > 0.0);
    telling.map(|(labels, _)| labels[label].clone()).collect()
}

/// Everything at once: a canary that is copied, a service that fails, one that is held, endpoints of every kind.
struct Scene {
    house: House,
    _origins: [Origin; 3],
}

fn scene() -> Scene {
    let origins = ["legacy", "products", "failing"].map(Origin::start);
    let [legacy, products, failing] = &origins;
    failing.script(Script::Status(503));
    let (legacy, products, failing) = (legacy.url(), products.url(), failing.url());
    let (dead, sick) = (nobody(), nobody());
    let lag = probe(&Arc::new(Mutex::new("{\"lag_ms\": 40}".to_owned())));
    let server = SERVER.replace("\"off\"", "\"access.log\"");
    let slice = |name: &str, upstream: &str, rest: &str| {
        format!(
            "[slices.{name}]\nupstream = \"{upstream}\"\nsync = \"stateless\"\nroutes = [\"/{name}/**\"]\n{rest}\n"
        )
    };
    let extracted = "phase = \"extracted\"\nguardrails = false\nfallback = \"never\"";
    let text = [
        format!("version = 1\nlegacy = \"{legacy}\"\n{server}[limits]\ntarget_bytes = \"1KiB\"\n"),
        format!(
            "[upstreams.failing]\nendpoints = [\"{failing}\"]\nbreaker = {{ min_requests = 5, open = \"10m\" }}\n"
        ),
        format!(
            "[upstreams.pool]\nendpoints = [\"{products}\", \"http://{dead}\", \"http://nowhere.invalid:8000\"]\n"
        ),
        format!(
            "[upstreams.sick]\nendpoints = [\"http://{sick}\"]\n\
             health = {{ path = \"/health\", interval = \"50ms\", unhealthy = 1 }}\n"
        ),
        slice(
            "canary",
            &products,
            "phase = \"canary\"\ncanary = \"50%\"\ncohort_by = \"header:x-client\"\n\
             shadow = { sample = \"100%\", reverse_sample = \"100%\" }",
        ),
        slice("failing", "failing", "phase = \"extracted\"\nguardrails = false"),
        slice("held", &products, extracted),
        slice("pool", "pool", extracted),
        slice("sick", "sick", extracted),
        slice("late", &products, &format!("{extracted}\nsync_lag = {{ url = \"{lag}\", max = \"5s\" }}"))
            .replace("stateless", "both"),
    ];
    Scene { house: House::new(&text.concat()), _origins: origins }
}

/// Has everything happen that is counted.
fn play(proxy: &Proxy, client: &mut Client) {
    for id in 0..20 {
        let key = format!("client-{id}");
        let sent = client.send("GET", "/canary/1", &[("x-client", &key)], b"").unwrap();
        assert_eq!(sent.status, 200);
    }
    client.send("GET", "/canary/1", &[("if-none-match", "\"1\"")], b"").unwrap();
    for _ in 0..8 {
        assert_eq!(client.get("/failing/1").unwrap().origin(), "legacy", "a fallback");
    }
    assert_eq!(client.get("/CANARY/1").unwrap().status, 200, "a near miss");
    assert_eq!(client.get("/sick/1").unwrap().status, 503);
    assert_eq!(get(proxy.public, &format!("/{}", "x".repeat(2_000))).status, 414);
    assert_eq!(proxy.ask(&["retreat", "held", "--reason", "a test"]).status.code(), Some(0));
}

#[test]
fn every_metric_that_is_promised_says_something_and_none_is_unknown() {
    let scene = scene();
    // No name has an address here.
    let proxy = scene.house.serve_in(&[("STRANGLER_NAME_SERVERS", nobody().to_string())]);
    let mut client = Client::new(proxy.public);
    play(&proxy, &mut client);
    scene.house.edit("version = 1", "version = one");
    proxy.wait_stale(true);
    let states = BTreeSet::from(["available", "ejected", "unhealthy", "unresolved"].map(str::to_owned));
    let all = wait_for("everything to be counted", || {
        client.get("/pool/1").unwrap();
        let all = metrics(&proxy);
        let both = |metric: &str, label: &str| values(&all, metric, label).len() == 2;
        let told = values(&all, "strangler_upstream_endpoints", "state") == states
            && both("strangler_connections", "side")
            && both("strangler_requests_total", "role")
            && !values(&all, "strangler_shadow_total", "account").is_empty()
            && values(&all, "strangler_shadow_total", "reason").contains("conditional")
            && !all["strangler_sync_lag_seconds"].is_empty();
        told.then_some(all)
    });
    let promised = promised();
    assert!(promised.len() >= 19, "{promised:?}");
    let known: BTreeSet<&String> = all.keys().collect();
    assert_eq!(known, promised.keys().collect(), "the guide names each, and no other");
    for (metric, labels) in &promised {
        for (found, _) in &all[metric] {
            assert_eq!(&found.keys().cloned().collect::<BTreeSet<_>>(), labels, "{metric}");
        }
        let speaks = all[metric].iter().any(|(_, value)| *value > 0.0);
        assert_eq!(speaks, !QUIET.contains(&metric.as_str()), "{metric}: {:?}", all[metric]);
    }
    let owners = BTreeSet::from(["extracted", "legacy", "proxy"].map(str::to_owned));
    assert_eq!(values(&all, "strangler_requests_total", "owner"), owners);
    assert_eq!(values(&all, "strangler_request_duration_seconds", "owner"), owners);
    assert_eq!(values(&all, "strangler_request_duration_seconds", "role").len(), 2);
    assert_eq!(
        values(&all, "strangler_fallbacks_total", "reason"),
        BTreeSet::from(["503", "breaker-open"].map(str::to_owned))
    );
    assert_eq!(values(&all, "strangler_retreats_total", "cause"), BTreeSet::from(["manual".to_owned()]));
    assert_eq!(values(&all, "strangler_near_misses_total", "slice"), BTreeSet::from(["canary".to_owned()]));
    assert_eq!(values(&all, "strangler_limits_total", "limit"), BTreeSet::from(["target_bytes".to_owned()]));
    let of = |metric: &str, label: (&str, &str)| {
        let found = all[metric].iter().find(|(labels, _)| labels[label.0] == label.1);
        found.unwrap_or_else(|| panic!("no {metric} of {label:?}")).1
    };
    assert_eq!(of("strangler_breaker_state", ("upstream", "failing")), 2.0);
    assert_eq!(of("strangler_sync_lag_seconds", ("slice", "late")), 0.04);
    assert_eq!(of("strangler_sync_lag_within", ("slice", "late")), 1.0);
    let phase = |slice: &str| {
        let holds =
            all["strangler_phase"].iter().filter(|(labels, value)| labels["slice"] == slice && *value == 1.0);
        holds.map(|(labels, _)| labels["phase"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((phase("held"), phase("canary")), (vec!["shadow".to_owned()], vec!["canary".to_owned()]));
}

/// Words in backticks of the guide's paragraph about the access log.
fn fields() -> BTreeSet<String> {
    let section = GUIDE.split("## Access log\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let words = section.split('`').skip(1).step_by(2).map(str::to_owned);
    words.filter(|word| !matches!(word.as_str(), "primary" | "shadow")).collect()
}

#[test]
fn every_field_of_the_access_log_that_is_promised_is_there_and_none_is_unknown() {
    let scene = scene();
    // No name has an address here.
    let proxy = scene.house.serve_in(&[("STRANGLER_NAME_SERVERS", nobody().to_string())]);
    let mut client = Client::new(proxy.public);
    play(&proxy, &mut client);
    let file = scene.house.folder().join("access.log");
    let promised = fields();
    assert!(promised.len() >= 20, "{promised:?}");
    let lines = wait_for("every field", || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let lines: Vec<Value> = whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let found: BTreeSet<String> =
            lines.iter().flat_map(|line| line.as_object().unwrap().keys().cloned()).collect();
        let unknown: Vec<_> = found.difference(&promised).collect();
        assert!(unknown.is_empty(), "the guide does not name {unknown:?}");
        (found == promised).then_some(lines)
    });
    let line = |what: &str, is: &dyn Fn(&Value) -> bool| {
        lines.iter().find(|line| is(line)).unwrap_or_else(|| panic!("no line of {what}")).clone()
    };
    let fallback = line("a fallback", &|line| line["fallback"] == "503");
    assert_eq!((fallback["slice"].as_str(), fallback["owner"].as_str()), (Some("failing"), Some("legacy")));
    let miss = line("a near miss", &|line| line["near_miss"].is_string());
    assert_eq!((miss["slice"].as_str(), miss["owner"].as_str()), (Some("canary"), Some("legacy")));
    let refused = line("a refusal", &|line| line["status"] == 414);
    assert!(refused["error"].is_string() && refused["owner"] == "proxy", "{refused}");
    let copied =
        line("a request that was copied", &|line| line["shadow_id"].is_string() && line["role"] == "primary");
    assert!(copied["bucket"].is_u64() && copied["phase"] == "canary", "{copied}");
    let copy = line("its copy", &|line| line["role"] == "shadow" && line["shadow_id"] == copied["shadow_id"]);
    assert_ne!(copy["owner"], copied["owner"], "the other side gets it");
    for key in ["duration_ms", "upstream_ms"] {
        assert!(copied[key].as_f64().unwrap() > 0.0, "{key}");
    }
    assert_eq!((copied["generation"].as_u64(), copied["route"].as_str()), (Some(1), Some("/canary/**")));
}
