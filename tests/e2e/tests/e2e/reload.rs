//! Every way of saving a file: each takes effect, or does nothing, as it should.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::support::client::get;
use crate::support::origin::Origin;
use crate::support::proxy::{House, PROGRAM, Proxy, SERVER, printed, replace};
use crate::support::wait_for;

/// A monolith and one slice, ready to be moved.
pub(crate) struct Site {
    pub(crate) legacy: Origin,
    pub(crate) products: Origin,
}

impl Site {
    pub(crate) fn new() -> Site {
        Site { legacy: Origin::start("legacy"), products: Origin::start("products") }
    }

    pub(crate) fn configuration(&self, phase: &str) -> String {
        format!(
            "version = 1\nlegacy = \"{}\"\n{SERVER}\n[slices.products]\nupstream = \"{}\"\nphase = \"{phase}\"\n\
             writer = \"legacy\"\nsync = \"stateless\"\nroutes = [\"/products/**\"]\n",
            self.legacy.url(),
            self.products.url()
        )
    }

    pub(crate) fn serve(&self) -> (House, Proxy) {
        let house = House::new(&self.configuration("legacy"));
        let proxy = house.serve();
        (house, proxy)
    }

    /// As [`Site::serve`], and events of the folder have been seen to arrive.
    fn serve_watched(&self) -> (House, Proxy) {
        let (house, proxy) = self.serve();
        for (phase, owner) in [("extracted", "products"), ("legacy", "legacy")] {
            house.write(&self.configuration(phase));
            wait_owner(&proxy, owner);
        }
        (house, proxy)
    }
}

#[track_caller]
pub(crate) fn wait_owner(proxy: &Proxy, owner: &str) {
    wait_for(&format!("{owner} to answer; log:\n{}", proxy.log()), || {
        (get(proxy.public, "/products/1").origin() == owner).then_some(())
    });
}

#[test]
fn an_editors_rename_over_takes_effect() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    assert_eq!(get(proxy.public, "/products/1").origin(), "legacy");
    house.edit("phase = \"legacy\"", "phase = \"extracted\"");
    wait_owner(&proxy, "products");
    house.edit("phase = \"extracted\"", "phase = \"legacy\"");
    wait_owner(&proxy, "legacy");
}

#[test]
fn writing_in_place_takes_effect_when_the_file_is_closed() {
    let site = Site::new();
    let (house, proxy) = site.serve_watched();
    let text = site.configuration("extracted");
    let (first, second) = text.split_at(text.len() / 2);
    let mut file = OpenOptions::new().write(true).truncate(true).open(house.file()).unwrap();
    file.write_all(first.as_bytes()).unwrap();
    file.flush().unwrap();
    // Half a file is there now, and nobody has closed it.
    assert_eq!(get(proxy.public, "/products/1").origin(), "legacy");
    assert_eq!(proxy.generation(), 3);
    file.write_all(second.as_bytes()).unwrap();
    drop(file);
    wait_owner(&proxy, "products");
}

#[test]
fn a_writer_that_never_closes_is_noticed_by_the_hash() {
    let site = Site::new();
    let (house, proxy) = site.serve_watched();
    let mut file = OpenOptions::new().write(true).truncate(true).open(house.file()).unwrap();
    file.write_all(site.configuration("extracted").as_bytes()).unwrap();
    file.flush().unwrap();
    wait_owner(&proxy, "products");
    drop(file);
    assert_eq!(proxy.status()["configuration"]["source"], "poll");
}

/// As the kubelet publishes a ConfigMap: files are links into `..data`, which is a link to a folder.
fn publish(root: &Path, version: &str, text: &str) {
    let folder = format!("..{version}");
    fs::create_dir(root.join(&folder)).unwrap();
    fs::write(root.join(&folder).join("strangler.toml"), text).unwrap();
    symlink(&folder, root.join("..data_tmp")).unwrap();
    fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
}

#[test]
fn a_kubernetes_symlink_swap_takes_effect() {
    let site = Site::new();
    let folder = tempfile::tempdir().unwrap();
    publish(folder.path(), "2026_01", &site.configuration("legacy"));
    symlink("..data/strangler.toml", folder.path().join("strangler.toml")).unwrap();
    let proxy = Proxy::start(folder.path(), &["run", "--config", "strangler.toml"]);
    assert_eq!(get(proxy.public, "/products/1").origin(), "legacy");
    publish(folder.path(), "2026_02", &site.configuration("extracted"));
    fs::remove_dir_all(folder.path().join("..2026_01")).unwrap();
    wait_owner(&proxy, "products");
    publish(folder.path(), "2026_03", &site.configuration("legacy"));
    fs::remove_dir_all(folder.path().join("..2026_02")).unwrap();
    wait_owner(&proxy, "legacy");
    // An event brought both, not the slower comparison of hashes.
    assert_eq!(proxy.status()["configuration"]["source"], "watch");
}

#[test]
fn touching_changes_nothing() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    let file = OpenOptions::new().append(true).open(house.file()).unwrap();
    file.set_modified(std::time::SystemTime::now()).unwrap();
    drop(file);
    house.write(&house.read());
    // Whatever the touch brought has been done when a reload that was asked for later is answered.
    let output = proxy.ask(&["reload"]);
    assert!(printed(&output).contains("Nothing changed"), "{}", printed(&output));
    assert_eq!(proxy.generation(), 1);
    assert_eq!(proxy.metric("strangler_config_stale"), Some(0.0));
    let history = proxy.admin_get("/api/history").json();
    assert_eq!(history["history"].as_array().unwrap().len(), 1, "{history}");
}

#[test]
fn a_deleted_file_keeps_serving_and_its_return_is_noticed() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    let text = house.read();
    fs::remove_file(house.file()).unwrap();
    proxy.wait_stale(true);
    assert_eq!(get(proxy.public, "/products/1").origin(), "legacy");
    assert_eq!(proxy.admin_get("/readyz").status, 200);
    house.write(&text);
    proxy.wait_stale(false);
    assert_eq!(proxy.generation(), 1, "the same content is the same configuration");
    fs::remove_file(house.file()).unwrap();
    proxy.wait_stale(true);
    house.write(&site.configuration("extracted"));
    wait_owner(&proxy, "products");
    proxy.wait_stale(false);
}

#[test]
fn a_folder_that_is_replaced_is_watched_again() {
    let site = Site::new();
    let root = tempfile::tempdir().unwrap();
    let config = root.path().join("config");
    fs::create_dir(&config).unwrap();
    replace(&config.join("strangler.toml"), &site.configuration("legacy"));
    let proxy = Proxy::start(root.path(), &["run", "--data-dir", "data"]);
    assert_eq!(get(proxy.public, "/products/1").origin(), "legacy");
    for phase in ["extracted", "legacy"] {
        let new = root.path().join("new");
        fs::create_dir(&new).unwrap();
        fs::write(new.join("strangler.toml"), site.configuration(phase)).unwrap();
        fs::rename(&config, root.path().join(format!("before-{phase}"))).unwrap();
        fs::rename(&new, &config).unwrap();
        wait_owner(&proxy, if phase == "extracted" { "products" } else { "legacy" });
    }
    replace(&config.join("strangler.toml"), &site.configuration("extracted"));
    wait_owner(&proxy, "products");
}

#[test]
fn included_files_are_watched_when_they_change_come_and_go() {
    let site = Site::new();
    let text = site.configuration("legacy");
    let (main, slice) = text.split_once("[slices").unwrap();
    let house = House::new(&main.replace("version = 1", "version = 1\ninclude = [\"routes/*.toml\"]"));
    let proxy = house.serve();
    assert_eq!(get(proxy.public, "/products/1").origin(), "legacy");
    let routes = house.folder().join("routes");
    fs::create_dir(&routes).unwrap();
    let file = routes.join("products.toml");
    replace(&file, &format!("[slices{slice}").replace("phase = \"legacy\"", "phase = \"extracted\""));
    wait_owner(&proxy, "products");
    replace(&file, &format!("[slices{slice}"));
    wait_owner(&proxy, "legacy");
    // Applied whole or not at all: a bad included file changes nothing.
    let generation = proxy.generation();
    fs::write(routes.join("bad.toml"), "[slices.bad\n").unwrap();
    proxy.wait_stale(true);
    assert!(proxy.status().to_string().contains("routes/bad.toml"));
    assert_eq!(proxy.generation(), generation);
    fs::remove_file(routes.join("bad.toml")).unwrap();
    proxy.wait_stale(false);
}

#[test]
fn a_signal_and_a_post_reload_where_nobody_watches() {
    let site = Site::new();
    let house = House::new(&site.configuration("legacy").replace("[server]\n", "[server]\nwatch = false\n"));
    let proxy = house.serve();
    house.edit("phase = \"legacy\"", "phase = \"extracted\"");
    assert_eq!(get(proxy.public, "/products/1").origin(), "legacy");
    assert_eq!(proxy.generation(), 1);
    proxy.signal("HUP");
    wait_owner(&proxy, "products");
    assert_eq!(proxy.status()["configuration"]["source"], "signal");
    house.edit("phase = \"extracted\"", "phase = \"legacy\"");
    let output = proxy.ask(&["reload"]);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    assert!(printed(&output).contains("slice products"), "{}", printed(&output));
    assert_eq!(get(proxy.public, "/products/1").origin(), "legacy");
}

#[test]
fn static_keys_wait_for_a_restart_and_the_rest_applies() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    house.write(&site.configuration("extracted").replace("workers = 2", "workers = 1"));
    wait_owner(&proxy, "products");
    let status = proxy.status();
    assert_eq!(status["configuration"]["restart_required"], serde_json::json!(["server.workers"]));
    assert!(status["sentence"].as_str().unwrap().contains("server.workers"), "{status}");
    house.edit("workers = 1", "workers = 2");
    wait_for("nothing to wait for", || {
        let status = proxy.status();
        status["configuration"]["restart_required"].as_array().unwrap().is_empty().then_some(())
    });
}

#[test]
fn the_log_level_follows_the_file() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    proxy.wait_log("configuration applied");
    house.edit("workers = 2", "workers = 2\nlog = \"error\"");
    proxy.wait_generation(2);
    house.edit("phase = \"legacy\"", "phase = \"extracted\"");
    proxy.wait_generation(3);
    house.edit("log = \"error\"", "log = \"info\"");
    proxy.wait_generation(4);
    wait_for("the level to be back", || proxy.log().contains("generation=4").then_some(()));
    assert!(!proxy.log().contains("generation=3"), "{}", proxy.log());
}

#[test]
fn a_pipe_where_a_file_was_stops_neither_reloads_nor_retreats() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    house.write(&site.configuration("extracted"));
    wait_owner(&proxy, "products");
    fs::remove_file(house.file()).unwrap();
    // Nobody ever writes to it: whoever opened it as a file would wait for ever.
    assert!(Command::new("mkfifo").arg(house.file()).status().unwrap().success());
    let asked = proxy.ask(&["reload"]);
    assert_eq!(asked.status.code(), Some(2), "{}", printed(&asked));
    assert!(printed(&asked).contains("no plain file"), "{}", printed(&asked));
    let retreat = proxy.ask(&["retreat", "products", "--reason", "prices are wrong"]);
    assert_eq!(retreat.status.code(), Some(0), "{}", printed(&retreat));
    assert_eq!(get(proxy.public, "/products/1").origin(), "legacy");
    let before = proxy.generation();
    fs::remove_file(house.file()).unwrap();
    house.write(&format!("{}team = \"checkout\"\n", site.configuration("extracted")));
    proxy.wait_generation(before + 1);
}

#[test]
fn an_included_file_that_is_missing_is_told_where_it_is_asked_for() {
    let site = Site::new();
    let text = site.configuration("legacy");
    let house =
        House::new(&text.replace("version = 1\n", "version = 1\ninclude = [\n  \"routes/a.toml\",\n]\n"));
    let checked = house.command(&["check", "strangler.toml"]);
    assert_eq!(checked.status.code(), Some(2));
    for part in ["strangler.toml:3:3 routes/a.toml: this file does not exist\n", "\nhelp: write the file,"] {
        assert!(printed(&checked).contains(part), "{}", printed(&checked));
    }
}

#[test]
fn what_comes_through_a_pipe_can_be_checked() {
    let site = Site::new();
    let house = House::new(&site.configuration("legacy"));
    let check = format!("cat strangler.toml | {PROGRAM} check /dev/stdin");
    let checked = Command::new("sh").args(["-c", &check]).current_dir(house.folder()).output().unwrap();
    assert_eq!(checked.status.code(), Some(0), "{}", printed(&checked));
    assert!(printed(&checked).contains("/dev/stdin: valid"), "{}", printed(&checked));
}
