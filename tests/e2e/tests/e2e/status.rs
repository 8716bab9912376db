//! `status`: who fails is said first, and watching it elsewhere than on a terminal is plain lines.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::reload::{Site, wait_owner};
use crate::support::client::get;
use crate::support::origin::Script;
use crate::support::proxy::{PROGRAM, printed};
use crate::support::wait_for;

#[test]
fn who_fails_is_named_first_and_figures_are_of_the_last_minute() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    house.write(&site.configuration("extracted"));
    wait_owner(&proxy, "products");
    site.products.script(Script::Status(500));
    for _ in 0..40 {
        get(proxy.public, "/products/1");
        get(proxy.public, "/other");
    }
    let told = wait_for("the sentence", || {
        let text = printed(&proxy.ask(&["status"]));
        text.starts_with("Errors come from extracted products").then_some(text)
    });
    assert!(told.contains("; legacy 0 %"), "{told}");
    assert!(told.contains("requests of the last minute"), "{told}");
    let detail = printed(&proxy.ask(&["status", "products"]));
    assert!(detail.contains("last minute extracted") || detail.contains("last minute legacy"), "{detail}");
    let unknown = proxy.ask(&["status", "prodcts"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", printed(&unknown));
}

#[test]
fn a_canary_is_told_as_one() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    house.write(&site.configuration("canary").replace("writer =", "canary = \"10%\"\nwriter ="));
    proxy.wait_generation(2);
    let told = printed(&proxy.ask(&["status"]));
    assert!(told.starts_with("The one slice runs as a canary: "), "{told}");
}

#[test]
fn watching_without_a_terminal_prints_a_line_per_change_and_no_escapes() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    let mut watch = Command::new(PROGRAM)
        .args(["status", "--watch", "--admin", &format!("http://{}", proxy.admin)])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    assert!(first.contains("products legacy") && first.contains("generation 1"), "{first}");
    house.write(&site.configuration("extracted"));
    let second = lines.next().unwrap();
    assert!(second.contains("products extracted") && second.contains("generation 2"), "{second}");
    assert!(!first.contains('\x1b') && !second.contains('\x1b'));
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn routes_in_phases_of_their_own_are_told_and_so_is_what_a_retreat_holds_of_them() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    let own = "routes = [\"/products/**\", { match = \"GET /products/new\", phase = \"extracted\" }]";
    house.write(&site.configuration("legacy").replace("routes = [\"/products/**\"]", own));
    proxy.wait_generation(2);
    assert_eq!(get(proxy.public, "/products/new").origin(), "products");
    let check = |arguments: &[&str], wanted: &str| {
        let text = printed(&proxy.ask(arguments));
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(wanted), "{wanted} is not in:\n{text}");
    };
    check(&["status"], "The one slice is moved in part: its extracted service answers some of its routes.");
    check(&["status", "products"], "answered by legacy, but for 1 route in a phase of its own; writes go to");
    check(&["status", "products"], "GET /products/new phase extracted (strangler.toml");
    check(&["retreat", "products", "--reason", "wrong"], "retreated from extracted to shadow");
    assert_eq!(get(proxy.public, "/products/new").origin(), "legacy");
    check(&["status"], "products: shadow instead of extracted since");
    check(&["status", "products"], "GET /products/new phase shadow (the file says extracted)");
}
