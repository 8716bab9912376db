//! What is wrong with the live file changes nothing, and everybody is told.

use crate::reload::{Site, wait_owner};
use crate::support::client::get;
use crate::support::proxy::printed;

/// A misspelt key, an unknown upstream and two routes that tie, on lines of their own.
fn broken(site: &Site) -> String {
    format!(
        "{}\n[[routes]]\nid = \"one\"\nmatch = \"GET /offers/{{id}}\"\nslice = \"products\"\n\
         [[routes]]\nid = \"two\"\nmatch = \"GET /offers/{{name}}\"\nslice = \"products\"\n\
         [slices.orders]\nupstream = \"ordrs\"\nroutes = [\"/orders/**\"]\nphse = \"legacy\"\n\
         [upstreams.orders]\nendpoints = [\"{}\"]\n",
        site.configuration("extracted"),
        site.products.url()
    )
}

fn line_of(text: &str, part: &str) -> usize {
    text.lines().position(|line| line.contains(part)).unwrap() + 1
}

#[test]
fn three_mistakes_in_the_live_file_are_all_told_and_nothing_changes() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    let text = broken(&site);
    house.write(&text);
    proxy.wait_stale(true);
    assert_eq!(get(proxy.public, "/products/1").origin(), "legacy", "traffic goes on unchanged");
    assert_eq!(proxy.generation(), 1);
    let (key, upstream) = (line_of(&text, "phse"), line_of(&text, "ordrs"));
    let (one, two) = (line_of(&text, "offers/{id}"), line_of(&text, "offers/{name}"));
    let places = [
        format!("strangler.toml:{key}:"),
        format!("strangler.toml:{upstream}:"),
        format!("strangler.toml:{one}:"),
        format!("strangler.toml:{two}:"),
    ];
    let status = proxy.ask(&["status"]);
    assert_eq!(status.status.code(), Some(0));
    let check = house.command(&["check", "strangler.toml"]);
    assert_eq!(check.status.code(), Some(2));
    proxy.wait_log("phse");
    proxy.wait_log("ordrs");
    for (teller, told) in [
        ("status", printed(&status)),
        ("api", proxy.admin_get("/api/status").text()),
        ("check", printed(&check)),
    ] {
        for word in ["phse", "ordrs", "`one`", "`two`"] {
            assert!(told.contains(word), "{teller} does not tell of {word}:\n{told}");
        }
    }
    for place in places {
        for (teller, told) in [("status", printed(&status)), ("check", printed(&check))] {
            assert!(told.contains(&place), "{teller} does not name {place}:\n{told}");
        }
    }
    for line in [key, upstream, one, two] {
        assert!(proxy.log().contains(&format!("strangler.toml:{line}:")), "line {line}: {}", proxy.log());
    }
    assert!(printed(&status).starts_with("The files on disk are refused"), "{}", printed(&status));
    let reload = proxy.ask(&["reload"]);
    assert_eq!(reload.status.code(), Some(2), "{}", printed(&reload));
    house.write(&site.configuration("legacy"));
    proxy.wait_stale(false);
    house.write(&site.configuration("extracted"));
    wait_owner(&proxy, "products");
}

#[test]
fn what_this_version_does_not_build_is_refused_by_name() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    house.write(
        &(site.configuration("legacy")
            + "[upstreams.other]\nendpoints = [\"http://127.0.0.1:1\"]\nprotocol = \"http2\"\n"),
    );
    proxy.wait_stale(true);
    assert!(proxy.status()["configuration"]["rejected"].to_string().contains("protocol"));
    let check = house.command(&["check", "strangler.toml"]);
    assert_eq!(check.status.code(), Some(0), "{}", printed(&check));
    assert!(printed(&check).contains("note["), "{}", printed(&check));
}

#[test]
fn the_same_mistake_is_told_once_by_the_watcher_and_every_time_to_who_asks() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    let text = house.read().replace("phase =", "phse =");
    house.write(&text);
    proxy.wait_stale(true);
    house.write(&text);
    let first = proxy.ask(&["reload", "--json"]);
    let second = proxy.ask(&["reload", "--json"]);
    for output in [first, second] {
        assert_eq!(output.status.code(), Some(2));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["outcome"], "rejected");
        assert!(report["diagnostics"].to_string().contains("phse"));
    }
    let history = proxy.admin_get("/api/history").json();
    let of = |source: &str| {
        let entries = history["history"].as_array().unwrap();
        entries.iter().filter(|entry| entry["event"] == "rejected" && entry["source"] == source).count()
    };
    assert_eq!((of("watch"), of("admin")), (1, 2), "{history}");
}
