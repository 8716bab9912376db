//! What is watched together.

use std::path::Path;

use super::*;
use crate::config::{LoadOptions, SourceText, Sources, load};

fn watches(text: &str) -> Watches {
    let head = "version = 1\nlegacy = \"http://127.0.0.1:1\"\n";
    let main = SourceText { name: "f".to_owned(), text: format!("{head}{text}") };
    let options = LoadOptions { base: Path::new(""), env: &|_| None, today: jiff::civil::date(2026, 6, 1) };
    let loaded = load(&Sources { main, included: Vec::new() }, &options);
    Watches::of(&loaded.snapshot.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics)))
}

const SLICE: &str = "[slices.a]\nupstream = \"http://127.0.0.1:2\"\nsync = \"both\"\ncanary = \"10%\"\n";

#[test]
fn routes_of_a_slice_under_the_same_limits_are_one_watch() {
    let check = |routes: &str, wanted: &[(Phase, usize)]| {
        let watches = watches(&format!("{SLICE}phase = \"canary\"\nroutes = [{routes}]\n"));
        let count = |id: usize| {
            let id = WatchId(u32::try_from(id).unwrap());
            watches.of_route.iter().filter(|of| **of == Some(id)).count()
        };
        let seen: Vec<_> = watches.all.iter().enumerate().map(|(id, w)| (w.highest, count(id))).collect();
        assert_eq!(seen, wanted, "{routes}");
    };
    check("\"/a\", \"/b\"", &[(Phase::Canary, 2)]);
    check("\"/a\", { match = \"/b\", guardrails = false }", &[(Phase::Canary, 1)]);
    check("\"/a\", { match = \"/b\", phase = \"extracted\" }", &[(Phase::Extracted, 2)]);
    check(
        "\"/a\", { match = \"/b\", guardrails = { window = \"1m\" } }",
        &[(Phase::Canary, 1), (Phase::Canary, 1)],
    );
}

#[test]
fn who_answers_makes_the_scope_and_nothing_else_does() {
    let scope = |text: &str| watches(&format!("{SLICE}{text}")).all[0].scope;
    let routes = "routes = [\"/a\", \"/b\"]\n";
    let first = scope(&format!("phase = \"canary\"\n{routes}"));
    let check = |text: &str, same: bool| assert_eq!(scope(text) == first, same, "{text}");
    check("phase = \"canary\"\nteam = \"x\"\nroutes = [\"/b\", \"/a\"]\n", true);
    check(&format!("phase = \"extracted\"\n{routes}"), false);
    check("phase = \"canary\"\nroutes = [\"/a\"]\n", false);
    check(&format!("phase = \"canary\"\ncohort_by = \"client-ip\"\n{routes}"), false);
    let more = SLICE.replace("10%", "25%");
    let more = watches(&format!("{more}phase = \"canary\"\n{routes}")).all[0].scope;
    assert_ne!(more, first);
}
