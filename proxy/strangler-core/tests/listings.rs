//! The two listings of the user's guide load without an error, and mean what they say.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may stop")]

use std::path::Path;
use std::time::Duration;

use strangler_core::config::{self, LoadOptions, Loaded, SourceText, Sources};
use strangler_core::snapshot::policy::{Fallback, ShadowWrites};
use strangler_core::snapshot::{DataDir, Snapshot};
use strangler_core::words::{Phase, Share, Sync, Writer};

const FIRST_DAY: &str = include_str!("../../../config/examples/first-day.toml");
const EVERYTHING: &str = include_str!("../../../config/examples/everything.toml");

fn load(text: &str) -> Loaded {
    let sources = Sources {
        main: SourceText { name: "strangler.toml".to_owned(), text: text.to_owned() },
        included: Vec::new(),
    };
    let options = LoadOptions {
        base: Path::new("/etc/strangler"),
        env: &|_| None,
        today: jiff::civil::date(2026, 6, 1),
    };
    config::load(&sources, &options)
}

fn loaded(text: &str) -> (std::sync::Arc<Snapshot>, Vec<String>) {
    let Loaded { snapshot, diagnostics, .. } = load(text);
    let shown: Vec<String> = diagnostics.iter().map(|diagnostic| diagnostic.render(false)).collect();
    let codes = diagnostics.iter().map(|diagnostic| diagnostic.code.to_owned()).collect();
    (snapshot.unwrap_or_else(|| panic!("{}", shown.concat())), codes)
}

fn share(points: u16) -> Share {
    Share::from_basis_points(points).expect("a share")
}

#[test]
fn the_first_day_is_valid_and_its_copies_are_warned_about() {
    let (snapshot, codes) = loaded(FIRST_DAY);
    assert_eq!(codes, ["unsynced-shadow"]);
    assert_eq!(snapshot.upstreams.len(), 2);
    assert_eq!(snapshot.upstream(snapshot.legacy).endpoints[0].port, 8000);
    assert_eq!(snapshot.slices[0].phase, Phase::Shadow);
    assert_eq!(snapshot.routes.len(), 2);
    assert!(snapshot.routes.iter().all(|route| route.listed && route.phase == Phase::Shadow));
    assert_eq!(&*snapshot.routes[0].id, "GET /products");
    assert_eq!(snapshot.routes[1].place.to_string(), "strangler.toml:7:30");
}

#[test]
fn the_full_listing_is_valid() {
    let (snapshot, codes) = loaded(EVERYTHING);
    assert!(codes.iter().all(|code| code == "effect-name" || code == "never-wins"), "{codes:?}");
    let server = &snapshot.server;
    assert_eq!(server.data_dir, DataDir::Path("/etc/strangler/data".into()));
    assert_eq!(server.admin_token_file.as_deref(), Some(Path::new("/etc/strangler/admin.token")));
    assert_eq!(server.public_url, ["http://shop.example"]);
    assert_eq!(snapshot.limits.header_bytes, 65_536);
    assert_eq!(snapshot.limits.body, None);

    let names: Vec<&str> = snapshot.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
    assert_eq!(names, ["http://127.0.0.1:8002", "monolith", "payments"]);
    let payments = &snapshot.upstreams[2];
    assert_eq!(payments.endpoints[1].weight, 2);
    assert_eq!(payments.timeouts.idle, Duration::from_secs(300));
    assert!(payments.breaker.is_some() && payments.health.is_some());
    assert_eq!(snapshot.upstream(snapshot.legacy).breaker, None);

    let slice = &snapshot.slices[0];
    assert_eq!((&*slice.name, slice.phase, slice.writer), ("payments", Phase::Canary, Writer::Legacy));
    assert_eq!(slice.sync, Some(Sync::ToExtracted));
    assert!(slice.writer_stated);
    let canary = slice.canary.as_ref().expect("a canary");
    assert_eq!((canary.share, canary.steps.len(), canary.always.len()), (share(1000), 5, 1));
    assert_eq!(slice.except.len(), 1);
    let policy = &slice.policy;
    assert_eq!(policy.fallback, Fallback::Auto);
    let shadow = policy.shadow.as_ref().expect("a shadow");
    assert_eq!((shadow.sample, shadow.writes, shadow.concurrency), (Share::ALL, ShadowWrites::Never, 64));
    assert_eq!((policy.compare.ignore.len(), policy.compare.accept.len()), (4, 1));
    assert_eq!(policy.gate.expect("a gate").mismatch_below, share(50));

    let search = snapshot.routes.iter().find(|route| &*route.id == "product-search").expect("the search");
    assert_eq!(search.policy.timeouts.response, Some(Duration::from_secs(3)));
    assert_eq!(search.policy.rewrite.as_ref().and_then(|it| it.strip_prefix.as_deref()), Some("/products"));
    let catalogue = snapshot.routes.iter().find(|route| route.id.contains("catalog")).expect("the catalogue");
    assert_eq!((catalogue.when.headers.len(), catalogue.when.query.len()), (1, 1));
    // Not a word of its own about policy: it shares its slice's.
    assert!(std::sync::Arc::ptr_eq(&catalogue.policy, &snapshot.slice(catalogue.slice).policy));
}

#[test]
fn defaults_are_those_of_the_guide() {
    let (snapshot, codes) = loaded("version = 1\nlegacy = \"http://127.0.0.1:8000\"\n");
    assert!(codes.is_empty(), "{codes:?}");
    let server = &snapshot.server;
    assert_eq!(server.listen, ["127.0.0.1:8080".parse().expect("an address")]);
    assert_eq!(server.admin, "127.0.0.1:9090".parse().expect("an address"));
    assert_eq!((server.workers, server.watch, server.request_id), (0, true, true));
    assert_eq!(server.shutdown_grace, Duration::from_secs(30));
    assert_eq!(snapshot.limits.connections, 10_000);
    let legacy = snapshot.upstream(snapshot.legacy);
    assert_eq!(legacy.name, "http://127.0.0.1:8000");
    assert_eq!((legacy.max_in_flight, legacy.retry_attempts, legacy.retry_budget), (1024, 1, share(1000)));
    assert_eq!(legacy.pool_idle, Duration::from_secs(4));
}
