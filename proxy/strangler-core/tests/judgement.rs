//! What a configuration as a whole is told, and what it is not.
#![allow(clippy::expect_used, clippy::panic, reason = "a test may stop")]

use std::path::Path;

use strangler_core::config::{self, LoadOptions, Loaded, SourceText, Sources};
use strangler_core::words::{Owner, Phase, Sync, Writer};

fn load(files: &[(&str, &str)]) -> Loaded {
    let mut sources =
        files.iter().map(|(name, text)| SourceText { name: (*name).to_owned(), text: (*text).to_owned() });
    let main = sources.next().expect("a main file");
    let sources = Sources { main, included: sources.collect() };
    let options = LoadOptions { base: Path::new(""), env: &|_| None, today: jiff::civil::date(2026, 6, 1) };
    config::load(&sources, &options)
}

fn told(loaded: &Loaded) -> Vec<String> {
    loaded
        .diagnostics
        .iter()
        .map(|problem| format!("{} {}", problem.code, problem.place.as_ref().map_or(0, |place| place.line)))
        .collect()
}

/// What is told of a file, as `code line`, in the order of the file.
fn check(text: &str, wanted: &[&str]) {
    let text = format!("version = 1\nlegacy = \"http://127.0.0.1:8000\"\n{text}");
    let loaded = load(&[("main.toml", &text)]);
    let shown: String = loaded.diagnostics.iter().map(|problem| problem.render(false)).collect();
    assert_eq!(told(&loaded), wanted, "{text}\n{shown}");
}

/// A slice `a` with one route.
fn slice(keys: &str, routes: &str) -> String {
    format!("[slices.a]\nupstream = \"http://127.0.0.1:8001\"\n{keys}\nroutes = [{routes}]\n")
}

#[test]
fn reads_are_answered_only_by_a_side_that_the_data_reaches() {
    let reached = |writer: Writer, sync: Option<Sync>, side: Owner| match (writer, side) {
        (Writer::Legacy, Owner::Legacy) | (Writer::Extracted, Owner::Extracted) => true,
        (_, Owner::Legacy) => !matches!(sync, None | Some(Sync::ToExtracted)),
        (_, Owner::Extracted) => !matches!(sync, None | Some(Sync::ToLegacy)),
    };
    let syncs = std::iter::once(None).chain(Sync::ALL.iter().copied().map(Some));
    for sync in syncs {
        for writer in [Writer::Legacy, Writer::Extracted] {
            for phase in Phase::ALL.iter().copied() {
                let said = sync.map(|sync| format!("sync = \"{sync}\"")).unwrap_or_default();
                let keys = format!("writer = \"{writer}\"\nphase = \"{phase}\"\ncanary = \"10%\"\n{said}");
                let sides: &[Owner] = match phase {
                    Phase::Legacy | Phase::Shadow => &[Owner::Legacy],
                    Phase::Canary => &[Owner::Legacy, Owner::Extracted],
                    Phase::Extracted | Phase::Retired => &[Owner::Extracted],
                };
                let wanted: &[&str] = if phase == Phase::Retired && writer == Writer::Legacy {
                    &["retired-writer 6"]
                } else if !sides.iter().all(|side| reached(writer, sync, *side)) {
                    &["unreached-reads 6"]
                } else if phase == Phase::Shadow && !reached(writer, sync, Owner::Extracted) {
                    &["unsynced-shadow 6"]
                } else {
                    &[]
                };
                check(&slice(&keys, "\"GET /a\""), wanted);
                // Where nothing reads, no read comes from the wrong side.
                let wanted: &[&str] = if wanted == ["retired-writer 6"] { wanted } else { &[] };
                check(&slice(&keys, "\"POST /a\", { match = \"GET /b\", effect = \"write\" }"), wanted);
            }
        }
    }
}

#[test]
fn a_route_with_a_phase_of_its_own_is_judged_by_it() {
    check(&slice("", "{ match = \"GET /a\", phase = \"extracted\" }, \"GET /b\""), &["unreached-reads 6"]);
    check(&slice("phase = \"extracted\"", "{ match = \"GET /a\", phase = \"legacy\" }"), &[]);
    check(&slice("", "{ match = \"POST /a\", phase = \"extracted\" }"), &[]);
    check(
        &slice("", "{ match = \"POST /a\", phase = \"extracted\", effect = \"read\" }"),
        &["unreached-reads 6"],
    );
    check(&slice("", "{ match = \"GET /a\", phase = \"retired\" }"), &["retired-writer 6"]);
    check(
        &slice("sync = \"both\"", "{ match = \"GET /a\", phase = \"canary\" }"),
        &["canary-without-share 6"],
    );
    check(&slice("sync = \"both\"\ncanary = \"1%\"", "{ match = \"GET /a\", phase = \"canary\" }"), &[]);
    check(&slice("sync = \"both\"", "{ match = \"GET /a\", phase = \"canary\", canary = \"1%\" }"), &[]);
}

#[test]
fn a_canary_needs_a_share_and_a_key() {
    let canary = |keys: &str| slice(&format!("phase = \"canary\"\nsync = \"both\"\n{keys}"), "\"GET /a\"");
    check(&canary("canary = \"0%\""), &[]);
    check(&canary("canary = { share = \"10%\" }"), &[]);
    check(&canary("canary = { always = [\"client-ip=127.0.0.1\"] }"), &["canary-without-share 5"]);
    check(&canary("canary = \"10%\"\ncohort_by = []"), &["canary-without-key 5"]);
    // A share that is wrong is told once, as what it is.
    check(&canary("canary = \"10\""), &["missing-unit 7"]);
}

#[test]
fn a_fallback_that_is_inherited_means_reads_only() {
    check(&slice("fallback = [\"5xx\", 503, \"404\"]", "\"POST /a\""), &[]);
    check(&slice("", "{ match = \"POST /a\", fallback = \"auto\" }"), &[]);
    check(&slice("", "{ match = \"/a\", fallback = [\"timeout\"] }"), &[]);
    check(&slice("", "{ match = \"PUT /a\", fallback = [\"timeout\"] }"), &["fallback-without-reads 6"]);
    check(
        &slice("", "{ match = \"GET /a\", effect = \"write\", fallback = [\"timeout\"] }"),
        &["fallback-without-reads 6"],
    );
}

#[test]
fn writes_are_copied_only_while_legacy_owns_the_data() {
    let keys = |writer: &str| {
        format!(
            "phase = \"extracted\"\nsync = \"both\"\nwriter = \"{writer}\"\nshadow = {{ writes = \"isolated\" }}"
        )
    };
    check(&slice(&keys("legacy"), "\"/a\""), &[]);
    check(&slice(&keys("extracted"), "\"/a\""), &["copied-writes 8"]);
    check(&slice(&keys("by-cohort"), "\"/a\""), &["copied-writes 8"]);
    check(
        &format!(
            "[defaults.shadow]\nwrites = \"dry-run\"\n{}",
            slice("writer = \"extracted\"\nphase = \"retired\"", "\"/a\"")
        ),
        &["copied-writes 4"],
    );
}

#[test]
fn named_elements_must_be_there() {
    check(&slice("cohort_by = [\"path:id\"]", "\"GET /a/{id}\", \"GET /a\""), &[]);
    check(&slice("cohort_by = [\"path:key\"]", "\"GET /a/{id}\", \"GET /a\""), &["unknown-path-name 5"]);
    check(&slice("rewrite = { path = \"/b/{id}\" }", "\"GET /a/{id}\""), &[]);
    check(
        &slice("rewrite = { path = \"/b/{id}\" }", "\"GET /a/{id}\", \"GET /a\""),
        &["unknown-path-name 5"],
    );
    check(
        &slice("canary = { share = \"1%\", never = [\"path:key=1\"] }", "\"GET /a/{id}\""),
        &["unknown-path-name 5"],
    );
}

#[test]
fn one_slip_is_told_once_however_many_slices_inherit_it() {
    let slices: String = (0..5)
        .map(|n| format!("[slices.s{n}]\nupstream = \"http://127.0.0.1:8001\"\nroutes = [{{ match = \"GET /{n}\", timeouts = {{ idle = \"1s\" }} }}]\n"))
        .collect();
    check(&format!("[defaults]\ntimeouts = {{ response = 3 }}\n{slices}"), &["missing-unit 4"]);
}

#[test]
fn a_later_layer_does_not_hide_a_slip_below_it() {
    let text =
        format!("[defaults]\nfallback_after = \"soon\"\n{}", slice("fallback_after = \"1s\"", "\"GET /a\""));
    check(&text, &["bad-duration 4"]);
}

#[test]
fn identical_routes_are_a_tie_and_not_also_a_doubled_id() {
    check(&slice("", "\"GET /a\", \"GET /a\""), &["tie 6"]);
    check(
        &slice("", "{ match = \"GET /a\", id = \"x\" }, { match = \"GET /b\", id = \"x\" }"),
        &["duplicate-id 6"],
    );
    check(
        &slice("", "{ match = \"GET /a\", id = \"x\" }, { match = \"GET /a\", id = \"x\" }"),
        &["tie 6", "duplicate-id 6"],
    );
    check(
        &slice(
            "",
            "{ match = \"GET /a\", id = \"x\" }, { match = \"GET /a\", when = { accept = \"text/css\" } }",
        ),
        &[],
    );
}

#[test]
fn syntax_errors_do_not_start_cascades_and_do_not_hide_what_is_certain() {
    // The header that is broken would give its keys to [server]; the upstream it defines would be unknown.
    check(
        "[server]\nlgo = \"info\"\n[upstreams.u\nendpoints = [\"http://127.0.0.1:1\"]\n[slices.a]\nupstream = \"u\"\nrotes = 1\n",
        &["unknown-key 4", "syntax 5", "unknown-key 9"],
    );
    check(
        "[slices.a]\nupstream = http://127.0.0.1:8001\nphse = \"legacy\"\n",
        &["syntax 4", "unknown-key 5"],
    );
    check("[slices.a]\nroutes = [\"GET /a\"\nphse = 1\n[limits]\nheders = 1\n", &["syntax 5"]);
    check("[server]\nlog = \"a\"\nlog = \"b\"\nwatch = 3\n", &["syntax 5", "wrong-type 6"]);
}

#[test]
fn every_file_is_read_and_told_under_its_own_name() {
    let main = "version = 1\nlegacy = \"monolith\"\ninclude = [\"routes/*.toml\"]\n[upstreams.monolith]\nendpoints = [\"http://127.0.0.1:8000\"]\n";
    let one = "[slices.a]\nupstream = \"products\"\nroutes = [\"GET /a\"]\n";
    let two = "[upstreams.products]\nendpoints = [\"http://127.0.0.1:8001\"]\n[[routes]]\nmatch = \"GET /b\"\nslice = \"a\"\n";
    let loaded = load(&[("main.toml", main), ("routes/a.toml", one), ("routes/b.toml", two)]);
    assert_eq!(told(&loaded), [""; 0]);
    let snapshot = loaded.snapshot.expect("a snapshot");
    let places: Vec<String> = snapshot.routes.iter().map(|route| route.place.to_string()).collect();
    assert_eq!(places, ["routes/a.toml:3:11", "routes/b.toml:4:9"]);

    let loaded = load(&[
        ("main.toml", main),
        ("routes/a.toml", one),
        ("routes/b.toml", &two.replace("GET /b", "GET /a")),
    ]);
    let tie = loaded.diagnostics.first().expect("a tie");
    assert_eq!(tie.place.as_ref().map(ToString::to_string).as_deref(), Some("routes/b.toml:4:9"));
    let (other, _) = tie.related.first().expect("the other place");
    assert_eq!(other.to_string(), "routes/a.toml:3:11");
}

#[test]
fn a_broken_file_still_tells_where_the_proxy_is() {
    let options =
        LoadOptions { base: Path::new("/etc/s"), env: &|_| None, today: jiff::civil::date(2026, 6, 1) };
    let server = |text: &str| {
        config::server_of(&SourceText { name: "main.toml".to_owned(), text: text.to_owned() }, &options)
    };
    let sound =
        server("[server]\nadmin = \"0.0.0.0:9191\"\ndata_dir = \"d\"\nlisten = 7\n[slices.a\nphase = x");
    assert_eq!(sound.admin.to_string(), "0.0.0.0:9191");
    assert_eq!(sound.data_dir, strangler_core::snapshot::DataDir::Path("/etc/s/d".into()));
    assert_eq!(sound.listen.first().map(ToString::to_string).as_deref(), Some("127.0.0.1:8080"));
    let unreadable = server("][");
    assert_eq!(unreadable.data_dir, strangler_core::snapshot::DataDir::Path("/etc/s/data".into()));
}

#[test]
fn include_patterns_are_read_with_the_environment() {
    let main = |text: &str| SourceText { name: "main.toml".to_owned(), text: text.to_owned() };
    let env = |name: &str| (name == "TEAM").then(|| "shop".to_owned());
    assert_eq!(
        config::include_patterns(&main("include = [\"a/*.toml\", \"b.toml\"]")),
        ["a/*.toml", "b.toml"]
    );
    assert_eq!(config::include_patterns(&main("include = \"a/*.toml\"\n[broken")), ["a/*.toml"]);
    assert_eq!(config::include_patterns(&main("include = 1")), [""; 0]);
    let text = main("include = [\"${TEAM}/*.toml\"]");
    assert_eq!(config::include_patterns_with(&text, &env), ["shop/*.toml"]);
    assert_eq!(config::include_patterns(&text), ["${TEAM}/*.toml"]);
}
