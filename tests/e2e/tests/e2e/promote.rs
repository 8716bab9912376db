//! `promote`: one step at a time, in the file, with evidence, and never over somebody else's work.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use serde_json::Value;

use crate::reload::Site;
use crate::support::client::get;
use crate::support::proxy::{House, Proxy, SERVER, command, printed};
use crate::support::shop::Shop;
use crate::support::wait_for;

/// A commented file whose slice stands in a phase.
fn commented(site: &Site, phase: &str, more: &str) -> String {
    site.configuration(phase)
        .replace(
            "[slices.products]",
            "# The catalogue: ask Ada before you touch it.\n[slices.products]   # since May",
        )
        .replace(&format!("phase = \"{phase}\""), &format!("phase    = \"{phase}\"     # who answers reads"))
        + more
}

fn promote(house: &House, proxy: &Proxy, arguments: &[&str]) -> Output {
    let admin = format!("http://{}", proxy.admin);
    let mut all = vec!["promote", "products", "--config", "strangler.toml", "--admin", &admin];
    all.extend(arguments);
    house.command(&all)
}

#[track_caller]
fn check(output: &Output, code: i32, parts: &[&str]) {
    assert_eq!(output.status.code(), Some(code), "{}", printed(output));
    for part in parts {
        assert!(printed(output).contains(part), "{part} is missing:\n{}", printed(output));
    }
}

#[test]
fn a_step_changes_one_word_of_a_commented_file_and_is_live_when_the_command_ends() {
    let site = Site::new();
    let house = House::new(&commented(&site, "legacy", "gate = false\n"));
    let proxy = house.serve();
    let before = house.read();
    let step = promote(&house, &proxy, &["--reason", "nothing to lose"]);
    check(
        &step,
        0,
        &[
            "-phase    = \"legacy\"     # who answers reads\n",
            "+phase    = \"shadow\"     # who answers reads\n",
            "products: legacy → shadow. Generation 2 serves.",
        ],
    );
    assert_eq!(house.read(), before.replace("\"legacy\"     #", "\"shadow\"     #"));
    assert_eq!(proxy.generation(), 2);
    // Once more over steps needs a reason, and then takes effect at once.
    let skip = promote(&house, &proxy, &["--to", "extracted"]);
    check(&skip, 2, &["--reason"]);
    let skip = promote(&house, &proxy, &["--to", "extracted", "--reason", "it is a leaflet"]);
    check(&skip, 0, &["products: shadow → extracted. Generation 3 serves."]);
    assert_eq!(get(proxy.public, "/products/1").origin(), "products");
    let end = promote(&house, &proxy, &[]);
    check(&end, 1, &["its writer is legacy", "writer = \"extracted\""]);
    // Back goes anywhere.
    let back = promote(&house, &proxy, &["--to", "legacy", "--json"]);
    check(&back, 0, &[]);
    let report: Value = serde_json::from_slice(&back.stdout).unwrap();
    assert_eq!(report["direction"], "back");
    assert_eq!(report["live"]["generation"], 4);
    assert_eq!(house.read(), before);
    let history = proxy.admin_get("/api/history").json();
    let told = history["history"].to_string();
    for part in ["promoted", "legacy → shadow", "nothing to lose", "it is a leaflet", "extracted → legacy"]
    {
        assert!(told.contains(part), "{part} is missing: {told}");
    }
    let nowhere = promote(&house, &proxy, &["--to", "legacy"]);
    check(&nowhere, 0, &["stands at legacy already"]);
}

#[test]
fn a_slice_without_evidence_stays_and_the_figures_are_shown() {
    let site = Site::new();
    let house = House::new(&commented(&site, "shadow", ""));
    let proxy = house.serve();
    let before = house.read();
    let held = promote(&house, &proxy, &["--to", "extracted", "--reason", "hurry"]);
    check(&held, 4, &["products stays at shadow", "insufficient", "more needed", "demanded below 0.5%"]);
    let held = promote(&house, &proxy, &["--to", "extracted", "--reason", "hurry", "--print"]);
    check(&held, 4, &["products stays at shadow"]);
    let held = promote(&house, &proxy, &["--to", "extracted", "--reason", "hurry", "--json"]);
    check(&held, 4, &[]);
    let report: Value = serde_json::from_slice(&held.stdout).unwrap();
    assert_eq!(report["gate"]["state"], "insufficient");
    assert!(report["gate"]["more_needed"].as_u64().unwrap() > 0);
    assert_eq!((house.read(), proxy.generation()), (before, 1));
    // Back demands nothing.
    check(&promote(&house, &proxy, &["--to", "legacy"]), 0, &["shadow → legacy"]);
}

#[test]
fn an_edit_of_somebody_else_is_refused_and_left_alone() {
    let site = Site::new();
    let text =
        commented(&site, "legacy", "gate = false\n").replace("workers = 2", "workers = 2\nwatch = false");
    let house = House::new(&text);
    let proxy = house.serve();
    // Somebody has edited the file, and the proxy has not read it yet.
    let theirs = text.replace("since May", "since June");
    house.write(&theirs);
    let refused = promote(&house, &proxy, &[]);
    check(&refused, 1, &["does not serve what the files say", "nothing was changed"]);
    assert_eq!((house.read(), proxy.generation()), (theirs.clone(), 1));
    // Somebody has broken it.
    house.write(&theirs.replace("phase", "phse"));
    check(&promote(&house, &proxy, &[]), 2, &["invalid as it is", "did you mean `phase`"]);
    house.write(&theirs);
    check(&proxy.ask(&["reload"]), 0, &[]);
    check(&promote(&house, &proxy, &[]), 0, &["legacy → shadow", "Generation 3 serves"]);
    assert!(house.read().contains("since June"));
}

#[test]
fn a_read_only_file_and_print_give_the_patch() {
    let site = Site::new();
    let house = House::new(&commented(&site, "legacy", "gate = false\n"));
    let proxy = house.serve();
    let before = house.read();
    let print = promote(&house, &proxy, &["--print"]);
    check(&print, 2, &["-phase    = \"legacy\"", "+phase    = \"shadow\""]);
    fs::set_permissions(house.file(), fs::Permissions::from_mode(0o444)).unwrap();
    let read_only = promote(&house, &proxy, &[]);
    check(&read_only, 2, &["-phase    = \"legacy\"", "cannot be written", "it is read-only"]);
    assert_eq!(house.read(), before);
    // The patch is one that `patch` takes.
    let patch = house.folder().join("step.patch");
    fs::write(&patch, &read_only.stdout).unwrap();
    let applied = std::process::Command::new("patch")
        .args(["-p1", "--force", "-i", "step.patch"])
        .current_dir(house.folder())
        .output();
    if let Ok(applied) = applied {
        assert!(applied.status.success(), "{}", printed(&applied));
        assert!(house.read().contains("phase    = \"shadow\""), "{}", house.read());
    }
}

#[test]
fn whoever_asks_wrongly_or_nobody_gets_a_code_of_its_own() {
    let site = Site::new();
    let house = House::new(&commented(&site, "legacy", "gate = false\n"));
    let proxy = house.serve();
    for (arguments, code, part) in [
        (vec!["--to", "canry"], 2, "legacy, shadow, canary, extracted, retired"),
        (vec!["--share", "10"], 2, "25%"),
        (vec!["--to", "shadow", "--share", "10%"], 2, "phase canary"),
        (vec!["--reason", " "], 2, "--reason is empty"),
    ] {
        check(&promote(&house, &proxy, &arguments), code, &[part]);
    }
    let unknown = house.command(&["promote", "prodcts", "--config", "strangler.toml"]);
    check(&unknown, 2, &["there is no slice `prodcts`; there are: products"]);
    let nobody = command(
        house.folder(),
        &["promote", "products", "--config", "strangler.toml", "--admin", "http://127.0.0.1:1"],
    );
    check(&nobody, 3, &["no proxy answers"]);
    assert_eq!(proxy.generation(), 1);
}

#[test]
fn evidence_that_is_enough_lets_a_slice_pass_and_is_kept_in_the_history() {
    let shop = Shop::start();
    let house = House::new(&format!(
        "version = 1\nlegacy = \"{}\"\n{SERVER}\n[slices.products]\nupstream = \"{}\"\nphase = \"shadow\"\n\
         sync = \"shared\"\ncohort_by = \"header:x-client\"\ngate = {{ mismatch_below = \"50%\", min_per_route = 5, \
         min_age = \"0s\" }}\ncompare.ignore = [\"header:x-origin\"]\nroutes = [\"GET /cart/{{id}}\"]\n",
        shop.legacy.url(),
        shop.extracted.url()
    ));
    let proxy = house.serve();
    let held = promote(&house, &proxy, &[]);
    check(&held, 4, &["products stays at shadow"]);
    for number in 0..20 {
        assert_eq!(get(proxy.public, &format!("/cart/{number}")).status, 200);
    }
    wait_for("the comparisons", || {
        let compared = proxy.status()["slices"][0]["evidence"]["accounts"]["compared"].as_u64();
        (compared == Some(20)).then_some(())
    });
    let passed = promote(&house, &proxy, &[]);
    check(&passed, 0, &["+canary = \"1%\"", "products: shadow → canary 1%. Generation 2 serves."]);
    let history = proxy.admin_get("/api/history").json()["history"].to_string();
    assert!(history.contains("coverage: 1 of 1 routes"), "{history}");
}

#[test]
fn reads_that_the_data_does_not_reach_are_refused_whatever_the_evidence() {
    let site = Site::new();
    let text = commented(&site, "legacy", "gate = false\n").replace("sync = \"stateless\"\n", "");
    let house = House::new(&text);
    let proxy = house.serve();
    let refused = promote(&house, &proxy, &["--to", "extracted", "--reason", "hurry"]);
    check(&refused, 1, &["error[unreached-reads]", "would be invalid with this change"]);
    assert_eq!((house.read(), proxy.generation()), (text, 1));
}
