//! What a person does about the evidence: report, accept, restart, listen.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Output};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use strangler::live::compile;
use strangler::live::source::Source;
use strangler::store::Evidence;
use strangler_core::compare::Kind;
use strangler_core::evidence::{Difference, Example, Observation, Outcome, Seen};

use crate::reload::Site;
use crate::support::client::Client;
use crate::support::proxy::{House, printed};

#[track_caller]
fn exits(output: &Output, code: i32, part: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", printed(output));
    let told = printed(output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains(part), "`{part}` is not in: {}", printed(output));
}

#[test]
fn without_comparisons_a_report_is_no_pass_in_any_form() {
    let site = Site::new();
    let (_house, proxy) = site.serve();
    for (format, part) in [
        ("text", "nothing was compared"),
        ("json", "\"exit_code\": 4"),
        ("junit", "errors=\"1\""),
        ("markdown", "## Strangler: insufficient evidence"),
        ("github", "::error title=strangler%3A insufficient evidence::"),
    ] {
        exits(&proxy.ask(&["report", "--format", format]), 4, part);
    }
    exits(&proxy.ask(&["report", "--slice", "products", "--json"]), 4, "\"slice\": \"products\"");
    exits(&proxy.ask(&["report", "--format", "none"]), 2, "none");
    let text = printed(&proxy.ask(&["report"]));
    assert!(text.starts_with("products: nothing was compared"), "the sentence comes first: {text}");
}

#[test]
fn a_slice_that_does_not_exist_is_a_slip_of_whoever_types() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    let out = house.data_dir().join("x.bundle").display().to_string();
    for arguments in [
        &["report", "--slice", "prodcts"][..],
        &["status", "prodcts"],
        &["retreat", "prodcts", "--reason", "r"],
        &["resume", "prodcts"],
        &["evidence", "restart", "prodcts", "--reason", "r"],
        &["bundle", "prodcts", "--out", &out],
        &["record", "--slice", "prodcts", "--out", &out],
    ] {
        exits(&proxy.ask(arguments), 2, "there is no slice `prodcts` did you mean `products`?");
    }
    // Somebody else at that address is not the proxy, whatever is answered there.
    let elsewhere = format!("http://{}", proxy.public);
    for arguments in [&["status"][..], &["report"], &["resume", "products"]] {
        let asked = [arguments, &["--admin", &elsewhere]].concat();
        exits(&house.command(&asked), 3, "");
    }
}

/// What the proxy of this house has compared before it starts: so many matches, and prices that differ.
fn compared(house: &House, matches: usize, mismatches: usize) {
    let source = Source::File(house.file());
    let snapshot = compile::load(&source.read().unwrap(), source.base()).snapshot.unwrap();
    fs::create_dir_all(house.data_dir()).unwrap();
    let evidence = Evidence::start(Some(&house.data_dir()), snapshot, Arc::default()).unwrap();
    let price = Difference {
        signature: "3f9c21ab".parse().unwrap(),
        path: "$.price".parse().unwrap(),
        kind: Kind::BodyValue,
        left: "decimal".into(),
        right: "decimal".into(),
        relation: None,
    };
    let example = Example {
        request: "r-1".into(),
        at: Timestamp::now(),
        method: "GET".into(),
        target: "/products/7".into(),
        path: "$.price".into(),
        legacy: Some("19.90".into()),
        extracted: Some("19.91".into()),
    };
    let wrong = Seen { what: Some(price), times: 1, hidden: None, example: Some(example) };
    for number in 0..matches + mismatches {
        let seen = if number < matches { Vec::new() } else { vec![wrong.clone()] };
        evidence.observe(Observation {
            slice: "products".into(),
            route: "/products/**".into(),
            at: Timestamp::now(),
            shape: number as u64,
            version: None,
            outcome: Outcome::Compared(seen),
            latency: None,
            repeated: None,
        });
    }
    evidence.release();
}

#[test]
fn a_report_ends_as_the_evidence_says() {
    let site = Site::new();
    let lax = format!("{}gate = false\n", site.configuration("legacy"));
    let strict = site.configuration("legacy");
    for (text, matches, mismatches, code, part) in [
        (&lax, 40, 0, 0, "products: no difference counts in 40 comparisons"),
        (&lax, 40, 2, 1, "products: 1 problem in 2 of 42 comparisons"),
        (&strict, 40, 0, 4, "more needed"),
        (&strict, 40, 20, 1, "3f9c21ab body.value $.price"),
    ] {
        let house = House::new(text);
        compared(&house, matches, mismatches);
        let proxy = house.serve();
        let told = proxy.ask(&["report"]);
        exits(&told, code, part);
        exits(&told, code, &format!("match {matches}, mismatch {mismatches}, ignored 0, not-compared 0"));
        let json: Value = serde_json::from_slice(&proxy.ask(&["report", "--json"]).stdout).unwrap();
        assert_eq!(json["exit_code"], code);
        let status = printed(&proxy.ask(&["status"]));
        assert!(status.contains("EVIDENCE\n  products: "), "{status}");
        let explained = printed(&proxy.ask(&["explain", "GET", "/products/7"]));
        assert!(explained.contains(&format!("match {matches}, mismatch {mismatches}")), "{explained}");
        if mismatches > 0 {
            exits(&told, code, "legacy 19.90, extracted 19.91 (request r-1)");
            let reproduce = format!("<(curl -si {}/products/7)", site.products.url());
            exits(&told, code, &reproduce);
            let differences = proxy.admin_get("/api/differences?slice=products").json();
            assert_eq!(differences["slices"][0]["differences"][0]["signature"], "3f9c21ab");
            // The slice is the one in which the proxy has seen it.
            let accept = ["accept", "3f9c21ab", "--why", "x", "--until", "2099-01-01", "--print"];
            let file = house.file();
            let accept: Vec<&str> = accept.into_iter().chain(["--config", file.to_str().unwrap()]).collect();
            exits(&proxy.ask(&accept), 2, "+[[slices.products.compare.accept]]");
        }
        exits(&proxy.ask(&["evidence", "restart", "products", "--reason", "new data"]), 0, "epoch 2");
        exits(&proxy.ask(&["report"]), 4, "nothing was compared");
    }
}

#[test]
fn a_report_of_nobody_is_unreachable() {
    let folder = House::new("version = 1\n");
    for command in [vec!["report"], vec!["accept", "3f9c21ab", "--why", "x", "--until", "2099-01-01"]] {
        let arguments: Vec<&str> = command.into_iter().chain(["--admin", "http://127.0.0.1:1"]).collect();
        exits(&folder.command(&arguments), 3, "no proxy answers at http://127.0.0.1:1");
    }
    let restart = ["evidence", "restart", "a", "--reason", "x", "--admin", "http://127.0.0.1:1"];
    exits(&folder.command(&restart), 3, "no proxy answers");
}

#[test]
fn an_accepted_difference_is_written_as_its_patch_says() {
    let site = Site::new();
    let house = House::new(&format!("# Mine.\n{}# The end.\n", site.configuration("legacy")));
    let before = house.read();
    let accept = |more: &[&str]| {
        let mut arguments =
            vec!["accept", "3F9C21AB", "--why", "SHOP-412: ${rounds}", "--until", "2099-02-01"];
        arguments.extend(["--config", "strangler.toml"]);
        arguments.extend(more);
        house.command(&arguments)
    };
    let proxy = house.serve();
    let admin = format!("http://{}", proxy.admin);
    exits(&accept(&["--admin", &admin]), 1, "has seen no difference 3f9c21ab");
    drop(proxy);
    exits(&accept(&["--slice", "none"]), 2, "there is no slice `none`; there are: products");
    assert_eq!(house.read(), before);
    let printed_patch = accept(&["--slice", "products", "--print"]);
    exits(&printed_patch, 2, "+signature = \"3f9c21ab\"");
    assert_eq!(house.read(), before);
    exits(&accept(&["--slice", "products"]), 0, "accepted until 2099-02-01");
    let after = house.read();
    assert!(after.starts_with(&before[..before.len() - "# The end.\n".len()]), "{after}");
    assert!(after.ends_with("until = 2099-02-01\n# The end.\n"), "{after}");
    assert!(after.contains("why = \"SHOP-412: $${rounds}\""), "{after}");
    // What is printed is what is written, for whoever applies it.
    house.write(&before);
    let patch = String::from_utf8(printed_patch.stdout).unwrap();
    fs::write(house.folder().join("a.patch"), patch).unwrap();
    let git = Command::new("git").current_dir(house.folder()).args(["apply", "a.patch"]).output().unwrap();
    assert!(git.status.success(), "{}", printed(&git));
    assert_eq!(house.read(), after);
    // Renewed in place, and told as JSON.
    let renewed = accept(&["--slice", "products", "--json"]);
    assert_eq!(renewed.status.code(), Some(0), "{}", printed(&renewed));
    let report: Value = serde_json::from_slice(&renewed.stdout).unwrap();
    assert_eq!((&report["written"], &report["patch"]), (&Value::Bool(true), &Value::from("")));
}

#[test]
fn a_file_that_may_not_be_written_gives_its_patch() {
    let site = Site::new();
    let house = House::new(&site.configuration("legacy"));
    let before = house.read();
    let real = house.folder().join("real.toml");
    fs::rename(house.file(), &real).unwrap();
    symlink("real.toml", house.file()).unwrap();
    let accept = ["accept", "3f9c21ab", "--why", "x", "--until", "2099-02-01", "--slice", "products"];
    let accept: Vec<&str> = accept.into_iter().chain(["--config", "strangler.toml"]).collect();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o444)).unwrap();
    let refused = house.command(&accept);
    exits(&refused, 2, "cannot be written (it is read-only)");
    assert!(String::from_utf8_lossy(&refused.stdout).starts_with("--- a/strangler.toml\n"));
    assert_eq!(house.read(), before);
    // Writable again: the link stays, its mode stays, nobody has to be there.
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    exits(&house.command(&accept), 0, "No running proxy was found");
    assert!(fs::symlink_metadata(house.file()).unwrap().is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(house.read().contains("3f9c21ab"));
    for (arguments, part) in [
        (["accept", "3f9c21ab", "--why", " ", "--until", "2099-02-01"], "--why is empty"),
        (["accept", "3f9c21ab", "--why", "x", "--until", "2020-02-01"], "in the past"),
        (["accept", "3f9c21ab", "--why", "x", "--until", "soon"], "--until"),
        (["accept", "3f9c", "--why", "x", "--until", "2099-02-01"], "hexadecimal"),
    ] {
        exits(&house.command(&arguments), 2, part);
    }
}

#[test]
fn evidence_begins_anew_with_a_reason_in_the_history() {
    let site = Site::new();
    let (_house, proxy) = site.serve();
    let restart = |more: &[&str]| {
        let mut arguments = vec!["evidence", "restart"];
        arguments.extend(more);
        proxy.ask(&arguments)
    };
    exits(&restart(&["products", "--reason", "prices were migrated"]), 0, "epoch 2");
    exits(&restart(&["products", "--reason", "again", "--json"]), 0, "\"epoch\": 3");
    exits(&restart(&["none", "--reason", "x"]), 2, "no slice `none`");
    exits(&restart(&["products", "--reason", " "]), 2, "--reason is empty");
    exits(&restart(&["products"]), 2, "--reason");
    exits(&proxy.ask(&["history"]), 0, "starts anew with epoch 2: prices were migrated");
    exits(&proxy.ask(&["report"]), 4, "again");
}

#[test]
fn whoever_listens_hears_of_configurations_as_they_come() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    let mut events = Client::new(proxy.admin).stream("/api/events").unwrap();
    assert_eq!(events.next_event().unwrap(), "retry: 2000");
    house.edit("phase = \"legacy\"", "phase = \"extracted\"");
    let applied = events.next_event().unwrap();
    assert!(applied.starts_with("event: configuration\ndata: {"), "{applied}");
    let data: Value = serde_json::from_str(applied.split_once("data: ").unwrap().1).unwrap();
    assert_eq!((&data["generation"], &data["stale"]), (&Value::from(2), &Value::from(false)));
    house.edit("phase", "phse");
    let refused = events.next_event().unwrap();
    assert!(refused.contains("\"stale\":true") && refused.contains("phse"), "{refused}");
}
