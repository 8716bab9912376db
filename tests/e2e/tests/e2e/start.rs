//! What a process begins to serve, whatever it finds.

use std::fs;

use crate::reload::{Site, wait_owner};
use crate::support::client::{get, post};
use crate::support::origin::Origin;
use crate::support::proxy::{House, Proxy, printed};

#[test]
fn a_bad_file_at_start_serves_the_last_good_configuration() {
    let site = Site::new();
    let house = House::new(&site.configuration("extracted"));
    house.serve().crash();
    house.write("version = 1\nlegcy = \"oops\"\n");
    let proxy = house.serve();
    assert_eq!(get(proxy.public, "/products/1").origin(), "products");
    assert_eq!(proxy.metric("strangler_config_stale"), Some(1.0));
    assert_eq!(proxy.admin_get("/readyz").status, 200);
    let status = proxy.status();
    assert_eq!(status["configuration"]["from_last_good"], true);
    assert!(status["configuration"]["rejected"].to_string().contains("legcy"), "{status}");
    house.write(&site.configuration("legacy"));
    wait_owner(&proxy, "legacy");
    proxy.wait_stale(false);
}

#[test]
fn a_missing_file_at_start_serves_the_last_good_configuration() {
    let site = Site::new();
    let house = House::new(&site.configuration("extracted"));
    house.serve().crash();
    fs::remove_file(house.file()).unwrap();
    let proxy = house.serve();
    assert_eq!(get(proxy.public, "/products/1").origin(), "products");
    house.write(&site.configuration("extracted"));
    proxy.wait_stale(false);
    assert_eq!(proxy.generation(), 1);
}

#[test]
fn without_a_last_good_configuration_a_bad_file_ends_with_two() {
    let house = House::new("version = 1\nlegcy = \"oops\"\n");
    let output = house.command(&["run", "--config", "strangler.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(printed(&output).contains("strangler.toml:2:1"), "{}", printed(&output));
    assert!(!house.data_dir().exists(), "nothing is left behind");
    let output = house.command(&["run", "--config", "none.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(printed(&output).contains("none.toml"), "{}", printed(&output));
}

#[test]
fn the_data_directory_is_found_as_promised() {
    let site = Site::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let kept = elsewhere.path().join("kept");
    let key = format!("data_dir = \"{}\"\n", kept.display());
    let with_key = site.configuration("extracted").replace("[server]\n", &format!("[server]\n{key}"));
    let broken = "[slices.products\n";
    // The key that can still be read, `--data-dir`, and `data` beside the file.
    let given = elsewhere.path().join("given");
    let given = given.to_str().unwrap();
    for (good, bad, arguments) in [
        (with_key.as_str(), format!("[server]\n{key}{broken}"), Vec::new()),
        (with_key.as_str(), broken.to_owned(), Vec::new()),
        (site.configuration("extracted").as_str(), broken.to_owned(), vec!["--data-dir", given]),
        (site.configuration("extracted").as_str(), broken.to_owned(), Vec::new()),
    ] {
        let house = House::new(good);
        house.serve_with(&arguments).crash();
        house.write(&bad);
        let proxy = house.serve_with(&arguments);
        assert_eq!(get(proxy.public, "/products/1").origin(), "products", "{bad} {arguments:?}");
        proxy.crash();
        drop(fs::remove_dir_all(&kept));
    }
}

#[test]
fn memory_keeps_nothing() {
    let site = Site::new();
    let text = site.configuration("extracted").replace("[server]\n", "[server]\ndata_dir = \"memory\"\n");
    let house = House::new(&text);
    let proxy = house.serve();
    assert_eq!(proxy.admin_get("/api/history").json()["history"].as_array().unwrap().len(), 1);
    proxy.crash();
    assert_eq!(fs::read_dir(house.folder()).unwrap().count(), 1, "only the configuration");
}

/// A slice whose writes the extracted side owns.
pub(crate) fn moved(site: &Site) -> String {
    site.configuration("extracted").replace("writer = \"legacy\"", "writer = \"extracted\"")
}

#[test]
fn a_reload_that_loses_a_writer_is_refused_until_it_is_said_or_allowed() {
    let site = Site::new();
    let house = House::new(&moved(&site));
    let proxy = house.serve();
    let without = moved(&site).split("[slices").next().unwrap().to_owned();
    house.write(&without);
    proxy.wait_stale(true);
    assert_eq!(post(proxy.public, "/products/1", b"x").origin(), "products");
    assert!(proxy.log().contains("lost-writer"), "{}", proxy.log());
    let refused = proxy.ask(&["reload"]);
    assert_eq!(refused.status.code(), Some(1), "{}", printed(&refused));
    assert!(printed(&refused).contains("--allow-writer-change"), "{}", printed(&refused));
    assert!(site.legacy.seen().iter().all(|seen| seen.method != "POST"));
    // Saying so is enough.
    house.write(&site.configuration("extracted"));
    proxy.wait_stale(false);
    assert_eq!(post(proxy.public, "/products/1", b"x").origin(), "legacy");
    house.write(&moved(&site));
    proxy.wait_generation(3);
    assert_eq!(post(proxy.public, "/products/1", b"x").origin(), "products");
    // So is allowing it.
    house.write(&without);
    proxy.wait_stale(true);
    let allowed = proxy.ask(&["reload", "--allow-writer-change"]);
    assert_eq!(allowed.status.code(), Some(0), "{}", printed(&allowed));
    assert_eq!(post(proxy.public, "/products/1", b"x").origin(), "legacy");
    assert_eq!(proxy.metric("strangler_config_stale"), Some(0.0));
}

#[test]
fn a_start_that_loses_a_writer_serves_the_last_good_configuration() {
    let site = Site::new();
    let house = House::new(&moved(&site));
    house.serve().crash();
    let without = moved(&site).split("[slices").next().unwrap().to_owned();
    house.write(&without);
    let proxy = house.serve();
    assert_eq!(post(proxy.public, "/products/1", b"x").origin(), "products");
    assert_eq!(proxy.metric("strangler_config_stale"), Some(1.0));
    assert!(proxy.status()["configuration"]["rejected"].to_string().contains("lost-writer"));
    proxy.crash();
    let proxy = house.serve_with(&["--allow-writer-change"]);
    assert_eq!(post(proxy.public, "/products/1", b"x").origin(), "legacy");
    assert_eq!(proxy.metric("strangler_config_stale"), Some(0.0));
    proxy.crash();
    // Now it is the last good configuration.
    let proxy = house.serve();
    assert_eq!(proxy.metric("strangler_config_stale"), Some(0.0));
}

#[test]
fn check_warns_of_a_change_that_a_reload_would_refuse() {
    let site = Site::new();
    let house = House::new(&moved(&site));
    house.serve().crash();
    let same = house.command(&["check", "strangler.toml", "--strict"]);
    assert_eq!(same.status.code(), Some(0), "{}", printed(&same));
    house.write(moved(&site).split("[slices").next().unwrap());
    let check = house.command(&["check", "strangler.toml"]);
    assert_eq!(check.status.code(), Some(0), "{}", printed(&check));
    assert!(printed(&check).contains("warning[lost-writer]"), "{}", printed(&check));
    let strict = house.command(&["check", "strangler.toml", "--strict"]);
    assert_eq!(strict.status.code(), Some(1), "{}", printed(&strict));
}

#[test]
fn a_data_directory_that_cannot_be_written_is_said_with_a_way_out() {
    let site = Site::new();
    let house = House::new(&site.configuration("legacy"));
    fs::write(house.data_dir(), "a file is in the way").unwrap();
    let output = house.command(&["run", "--config", "strangler.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(printed(&output).contains("memory"), "{}", printed(&output));
}

#[test]
fn two_processes_never_share_a_data_directory() {
    let site = Site::new();
    let (house, _proxy) = site.serve();
    let output = house.command(&["run", "--config", "strangler.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(printed(&output).contains("--data-dir"), "{}", printed(&output));
}

#[test]
fn two_processes_never_share_a_public_port_unnoticed() {
    let site = Site::new();
    let (_house, proxy) = site.serve();
    let text = site
        .configuration("legacy")
        .replace("listen = \"127.0.0.1:0\"", &format!("listen = \"{}\"", proxy.public));
    let second = House::new(&text);
    let output = second.command(&["run", "--config", "strangler.toml"]);
    assert_eq!(output.status.code(), Some(2), "{}", printed(&output));
    assert!(printed(&output).contains("server.listen"), "{}", printed(&output));
    // A crash leaves connections behind, but no conflict.
    get(proxy.public, "/");
    proxy.crash();
    second.serve();
}

#[test]
fn a_url_alone_needs_no_file() {
    let legacy = Origin::start("legacy");
    let folder = tempfile::tempdir().unwrap();
    let url = legacy.url();
    let arguments = ["run", "--legacy", &url, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let proxy = Proxy::start(folder.path(), &arguments);
    assert_eq!(get(proxy.public, "/anything?x=1").text(), "legacy GET /anything?x=1");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is written");
    let reload = proxy.ask(&["reload"]);
    assert_eq!(reload.status.code(), Some(0), "{}", printed(&reload));
}

#[test]
fn the_history_tells_everything_that_served_or_was_refused() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    house.edit("phase = \"legacy\"", "phase = \"extracted\"");
    proxy.wait_generation(2);
    house.edit("phase =", "phse =");
    proxy.wait_stale(true);
    proxy.crash();
    let proxy = house.serve();
    let output = proxy.ask(&["history"]);
    assert_eq!(output.status.code(), Some(0));
    let told = printed(&output);
    for wanted in ["applied", "rejected", "start", "watch", "phase legacy → extracted", "phse"] {
        assert!(told.contains(wanted), "{wanted} is missing:\n{told}");
    }
}
