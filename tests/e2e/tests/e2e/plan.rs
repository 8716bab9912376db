//! `plan`: what an edit would do, said before anybody makes it, with exit codes for who decides by them.

use std::fs;

use serde_json::Value;

use crate::reload::Site;
use crate::support::client::get;
use crate::support::nobody;
use crate::support::proxy::{House, Proxy, printed};

/// Ends with this code and prints these parts.
#[track_caller]
fn check(house: &House, proxy: &Proxy, arguments: &[&str], code: i32, parts: &[&str]) {
    let admin = format!("http://{}", proxy.admin);
    let all = [&["plan", "new.toml", "--config", "strangler.toml", "--admin", &admin], arguments].concat();
    let output = house.command(&all);
    // Lines are broken at 80 columns.
    let words = printed(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(code), "{}", printed(&output));
    for part in parts {
        assert!(words.contains(part), "{part} is missing:\n{}", printed(&output));
    }
}

#[test]
fn a_broken_file_is_told_before_a_proxy_that_is_not_there() {
    let site = Site::new();
    let house = House::new(&site.configuration("legacy"));
    let new = house.folder().join("new.toml");
    let nobody = format!("http://{}", nobody());
    for (text, code) in [(site.configuration("canry"), 2), (site.configuration("shadow"), 3)] {
        fs::write(&new, text).unwrap();
        for against in ["admin", "strangler.toml"] {
            let plan = ["plan", "new.toml", "--against", against, "--gate", "--admin", &nobody];
            let output = house.command(&plan);
            assert_eq!(output.status.code(), Some(code), "{against}: {}", printed(&output));
        }
    }
}

#[test]
fn a_plan_is_said_in_routes_requests_and_evidence() {
    let site = Site::new();
    let house = House::new(&site.configuration("legacy"));
    let proxy = house.serve();
    for number in 0..20 {
        get(proxy.public, &format!("/products/{number}"));
        get(proxy.public, "/other");
    }
    let new = house.folder().join("new.toml");
    fs::write(&new, house.read()).unwrap();
    check(&house, &proxy, &[], 0, &["Nothing changes; none of 40 remembered requests changes sides."]);
    check(&house, &proxy, &["--gate"], 0, &["nothing gets more traffic"]);
    fs::write(&new, site.configuration("extracted")).unwrap();
    let moved = [
        "1 route stands elsewhere; 20 of 40 remembered requests change sides: 20 legacy",
        "slice products: phase legacy → extracted",
        "before legacy: reads legacy, writes legacy",
        "after extracted: reads extracted, writes legacy",
        "/products/**: 20 of 20 change sides",
    ];
    check(&house, &proxy, &[], 0, &moved);
    check(&house, &proxy, &["--traffic", "24h"], 0, &moved[..1]);
    check(&house, &proxy, &["--traffic", "0s"], 0, &["no request is remembered"]);
    check(&house, &proxy, &["--gate"], 4, &["products: insufficient", "more needed"]);
    check(&house, &proxy, &["--gate", "--against", "new.toml"], 0, &["Nothing changes."]);
    fs::write(&new, format!("{}gate = false\n", site.configuration("extracted"))).unwrap();
    check(&house, &proxy, &["--gate"], 0, &["nothing gets more traffic of which evidence is demanded"]);
    // What the evidence is about would change with it.
    let routes =
        site.configuration("extracted").replace("\"/products/**\"", "\"/products/**\", \"/shelves\"");
    fs::write(&new, routes).unwrap();
    check(&house, &proxy, &["--gate"], 4, &["would no longer count: other routes"]);
    assert_eq!(proxy.generation(), 1, "a plan changes nothing");
}

#[test]
fn a_canary_of_unknown_clients_is_expected_by_its_share() {
    let site = Site::new();
    let house = House::new(&site.configuration("legacy"));
    let proxy = house.serve();
    for _ in 0..40 {
        get(proxy.public, "/products/1");
    }
    let text = site.configuration("canary");
    fs::write(house.folder().join("new.toml"), format!("{text}canary = \"25%\"\n")).unwrap();
    check(&house, &proxy, &[], 0, &["about 10 of 40 remembered requests change sides", "is not remembered"]);
}

#[test]
fn what_would_be_refused_or_is_invalid_has_a_code_of_its_own() {
    let site = Site::new();
    let text = site.configuration("extracted").replace("writer = \"legacy\"", "writer = \"extracted\"");
    let house = House::new(&text);
    let proxy = house.serve();
    let new = house.folder().join("new.toml");
    fs::write(&new, text.split("[slices").next().unwrap()).unwrap();
    check(&house, &proxy, &[], 1, &["A reload would refuse this", "lost-writer"]);
    check(&house, &proxy, &["--against", "strangler.toml"], 1, &["A reload would refuse this"]);
    fs::write(&new, text.replace("phase", "phse")).unwrap();
    check(&house, &proxy, &[], 2, &["did you mean `phase`"]);
    check(&house, &proxy, &["--against", "strangler.toml"], 2, &["did you mean `phase`"]);
    fs::write(&new, &text).unwrap();
    check(&house, &proxy, &["--traffic", "none.log"], 2, &["none.log"]);
    check(
        &house,
        &proxy,
        &["--traffic", "strangler.toml", "--against", "new.toml"],
        2,
        &["neither a recording"],
    );
    let nobody = house.command(&["plan", "new.toml", "--admin", "http://127.0.0.1:1"]);
    assert_eq!(nobody.status.code(), Some(3), "{}", printed(&nobody));
    let json = house.command(&["plan", "new.toml", "--against", "strangler.toml", "--json"]);
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((json.status.code(), &report["routes"]), (Some(0), &serde_json::json!([])));
}
