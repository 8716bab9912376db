//! Retreats: in force on the next request, held through everything but `resume`, told to whoever asks.

use std::fs;
use std::process::Output;
use std::thread;

use crate::reload::{Site, wait_owner};
use crate::support::client::{Client, get, post, send};
use crate::support::proxy::{House, Proxy, SERVER, printed};
use crate::support::wait_for;

const RETREAT: [&str; 4] = ["retreat", "products", "--reason", "prices are wrong"];

fn moved() -> (Site, House, Proxy) {
    let site = Site::new();
    let house = House::new(&site.configuration("extracted"));
    let proxy = house.serve();
    assert_eq!(owner(&proxy), "products");
    (site, house, proxy)
}

fn owner(proxy: &Proxy) -> String {
    get(proxy.public, "/products/1").origin().to_owned()
}

#[track_caller]
fn passes(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", printed(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn ends_with(output: &Output, code: i32, wanted: &[&str]) {
    let text = printed(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for wanted in wanted {
        assert!(text.contains(wanted), "`{wanted}` is missing in:\n{text}");
    }
}

fn slice(proxy: &Proxy, name: &str) -> serde_json::Value {
    proxy.admin_get(&format!("/api/slices/{name}")).json()
}

fn events(proxy: &Proxy, slice: &str) -> Vec<String> {
    let history: serde_json::Value = proxy.admin_get(&format!("/api/history?slice={slice}")).json();
    let entries = history["history"].as_array().unwrap();
    entries.iter().map(|entry| entry["event"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_retreat_is_in_force_on_the_next_request_and_until_it_is_lifted() {
    let (_site, _house, proxy) = moved();
    let told = passes(&proxy.ask(&RETREAT));
    assert_eq!(owner(&proxy), "legacy");
    assert!(told.contains("retreated from extracted to shadow"), "{told}");
    assert!(told.contains("0 requests are still in flight at http:"), "{told}");
    assert!(told.contains("strangler resume products"), "{told}");
    let status = slice(&proxy, "products");
    assert_eq!(status["phase"], "extracted");
    assert_eq!(status["effective_phase"], "shadow");
    assert_eq!(status["retreat"]["to"], "shadow");
    assert_eq!(status["retreat"]["cause"], "manual");
    assert_eq!(status["retreat"]["reason"], "prices are wrong");
    let metrics = proxy.admin_get("/metrics").text();
    for line in [
        "strangler_phase{slice=\"products\",phase=\"shadow\"} 1",
        "strangler_phase{slice=\"products\",phase=\"extracted\"} 0",
        "strangler_retreats_total{slice=\"products\",cause=\"manual\"} 1",
        "strangler_retreats_unreadable 0",
    ] {
        assert!(metrics.lines().any(|known| known == line), "{line} is missing in:\n{metrics}");
    }
    let shown = passes(&proxy.ask(&["status"]));
    assert!(shown.starts_with("Slice products has retreated to shadow"), "{shown}");
    assert!(shown.contains("back: strangler resume products"), "{shown}");
    let explained = passes(&proxy.ask(&["explain", "GET", "/products/1"]));
    assert!(explained.contains("retreat"), "{explained}");
    let told = passes(&proxy.ask(&["resume", "products", "--reason", "fixed"]));
    assert_eq!(told, "Slice products goes on: shadow → extracted, as the file says.\n");
    assert_eq!(owner(&proxy), "products");
    assert_eq!(slice(&proxy, "products")["retreat"], serde_json::Value::Null);
    assert_eq!(events(&proxy, "products"), ["retreated", "resumed"]);
    let history = passes(&proxy.ask(&["history", "--slice", "products"]));
    for wanted in ["retreated from extracted to shadow", "by  ", "why prices are wrong", "why fixed"] {
        assert!(history.contains(wanted), "{wanted} is missing in:\n{history}");
    }
    assert!(history.lines().all(|line| line.chars().count() <= 80), "{history}");
    assert_eq!(proxy.generation(), 1, "a retreat is no other configuration");
}

#[test]
fn a_retreat_survives_a_crash_edits_and_the_absence_of_its_slice() {
    let (site, house, proxy) = moved();
    passes(&proxy.ask(&RETREAT));
    proxy.crash();
    let proxy = house.serve();
    assert_eq!(owner(&proxy), "legacy", "after a crash");
    proxy.signal("HUP");
    passes(&proxy.ask(&["reload"]));
    assert_eq!(owner(&proxy), "legacy", "after a reload of the same file");
    let text = house.read();
    house.edit("[slices.products]\n", "[slices.products]\nteam = \"shop\"\n");
    proxy.wait_generation(2);
    assert_eq!(owner(&proxy), "legacy", "after an edit");
    let without = text.split("\n[slices.products]").next().unwrap().to_owned();
    house.write(&without);
    proxy.wait_generation(3);
    assert_eq!(owner(&proxy), "legacy");
    proxy.crash();
    let proxy = house.serve();
    house.write(&site.configuration("extracted"));
    proxy.wait_generation(2);
    assert_eq!(owner(&proxy), "legacy", "added again after a restart without it");
    passes(&proxy.ask(&["resume", "products"]));
    assert_eq!(owner(&proxy), "products");
    proxy.crash();
    assert_eq!(owner(&house.serve()), "products", "what was lifted stays lifted");
}

#[test]
fn a_file_that_comes_down_as_far_ends_the_retreat() {
    let (site, house, proxy) = moved();
    passes(&proxy.ask(&RETREAT));
    house.write(&site.configuration("shadow"));
    wait_for("the retreat to be absorbed", || {
        (events(&proxy, "products").last()? == "absorbed").then_some(())
    });
    assert_eq!(slice(&proxy, "products")["retreat"], serde_json::Value::Null);
    house.write(&site.configuration("extracted"));
    wait_owner(&proxy, "products");
    passes(&proxy.ask(&RETREAT));
    proxy.crash();
    house.write(&site.configuration("legacy"));
    let proxy = house.serve();
    assert_eq!(slice(&proxy, "products")["retreat"], serde_json::Value::Null, "edited while nothing ran");
    house.write(&site.configuration("extracted"));
    wait_owner(&proxy, "products");
}

#[test]
fn a_promotion_above_a_retreat_says_that_it_has_no_effect() {
    let (site, house, proxy) = moved();
    house.write(&site.configuration("legacy"));
    proxy.wait_generation(2);
    house.write(&site.configuration("extracted"));
    proxy.wait_generation(3);
    passes(&proxy.ask(&RETREAT));
    let retired = site.configuration("retired").replace("writer = \"legacy\"", "writer = \"extracted\"");
    house.write(&retired);
    let said = proxy.ask(&["reload"]);
    proxy.wait_generation(4);
    let told = format!("{}{}", printed(&said), passes(&proxy.ask(&["history"])));
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("phase retired has no effect until `strangler resume products`"), "{told}");
    assert_eq!(slice(&proxy, "products")["effective_phase"], "shadow");
}

/// A slice whose data has moved, and does not come back to legacy.
fn one_way(site: &Site) -> String {
    site.configuration("extracted")
        .replace("writer = \"legacy\"", "writer = \"extracted\"")
        .replace("sync = \"stateless\"", "sync = \"to-extracted\"")
}

#[test]
fn a_retreat_to_stale_reads_is_refused_unless_somebody_accepts_them() {
    let site = Site::new();
    let house = House::new(&one_way(&site));
    let proxy = house.serve();
    let refused = proxy.ask(&RETREAT);
    ends_with(&refused, 1, &["legacy", "does not reach", "--accept-stale"]);
    let answer =
        post(proxy.admin, "/api/slices/products/retreat", b"{\"to\": \"legacy\", \"reason\": \"x\"}");
    assert_eq!(answer.status, 409);
    assert_eq!(owner(&proxy), "products");
    assert_eq!(events(&proxy, "products"), [""; 0], "nothing happened");
    let body = b"{\"to\": \"legacy\", \"reason\": \"x\", \"accept_stale\": true}";
    assert_eq!(post(proxy.admin, "/api/slices/products/retreat", body).status, 200);
    assert_eq!(owner(&proxy), "legacy");
    assert_eq!(post(proxy.public, "/products/1", b"x").origin(), "products", "writes stay with the writer");
}

#[test]
fn a_file_that_would_have_a_retreat_serve_stale_reads_is_refused() {
    let (site, house, proxy) = moved();
    passes(&proxy.ask(&RETREAT));
    house.write(&one_way(&site));
    let wanted = ["slice `products` has retreated to shadow", "not reach it", "strangler resume products"];
    ends_with(&proxy.ask(&["reload"]), 2, &wanted);
    assert_eq!(post(proxy.public, "/products/1", b"x").origin(), "legacy", "the file before it serves");
    proxy.crash();
    let proxy = house.serve();
    assert_eq!(post(proxy.public, "/products/1", b"x").origin(), "legacy", "after a restart as well");
    passes(&proxy.ask(&["resume", "products"]));
    passes(&proxy.ask(&["reload"]));
    assert_eq!(owner(&proxy), "products");
    assert_eq!(post(proxy.public, "/products/1", b"x").origin(), "products");
}

#[test]
fn what_holds_a_slice_that_is_gone_can_be_lifted() {
    let (site, house, proxy) = moved();
    passes(&proxy.ask(&RETREAT));
    let text = house.read();
    house.write(text.split("\n[slices.products]").next().unwrap());
    proxy.wait_generation(2);
    let told = passes(&proxy.ask(&["resume", "products"]));
    assert!(told.contains("shadow → absent"), "{told}");
    house.write(&site.configuration("extracted"));
    proxy.wait_generation(3);
    assert_eq!(owner(&proxy), "products");
}

#[test]
fn where_nobody_knows_how_late_the_data_is_it_counts_as_too_late() {
    let site = Site::new();
    // Nobody says anything of the kind there.
    let lag = format!("sync_lag = {{ url = \"{}/lag\", max = \"5s\" }}\n", site.legacy.url());
    let text = one_way(&site).replace("sync = \"to-extracted\"", "sync = \"both\"");
    let house = House::new(&format!("{text}{lag}"));
    let proxy = house.serve();
    ends_with(
        &proxy.ask(&RETREAT),
        1,
        &["is behind by more than `sync_lag` allows, or does not say how far"],
    );
    assert_eq!(owner(&proxy), "products");
    let accepted = [&RETREAT[..], &["--accept-stale"]].concat();
    passes(&proxy.ask(&accepted));
    assert_eq!(owner(&proxy), "legacy");
}

#[test]
fn everything_retreats_that_can() {
    let site = Site::new();
    let (legacy, service) = (site.legacy.url(), site.products.url());
    let slice = |name: &str, rest: &str| {
        format!("[slices.{name}]\nupstream = \"{service}\"\nroutes = [\"/{name}\"]\n{rest}\n")
    };
    let text = [
        format!("version = 1\nlegacy = \"{legacy}\"\n{SERVER}\n"),
        slice("a", "phase = \"extracted\"\nsync = \"stateless\""),
        slice("b", "phase = \"extracted\"\nsync = \"shared\""),
        slice("c", "phase = \"legacy\""),
        slice("d", "phase = \"extracted\"\nwriter = \"extracted\""),
    ];
    let house = House::new(&text.concat());
    let proxy = house.serve();
    let refused = proxy.ask(&["retreat", "--all", "--to", "legacy", "--reason", "all is lost"]);
    ends_with(&refused, 1, &["Slice a retreated", "Slice b retreated", "Slice c is in phase legacy already"]);
    ends_with(&refused, 1, &["REFUSED", "reads of slice `d`"]);
    for (path, wanted) in [("/a", "legacy"), ("/b", "legacy"), ("/c", "legacy"), ("/d", "products")] {
        assert_eq!(get(proxy.public, path).origin(), wanted, "{path}");
    }
    let again = ["retreat", "--all", "--reason", "all is lost", "--accept-stale", "--json"];
    let report: serde_json::Value = serde_json::from_str(&passes(&proxy.ask(&again))).unwrap();
    let names = |list: &str| -> Vec<String> {
        let list = report[list].as_array().unwrap();
        list.iter().map(|one| one["slice"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("retreated"), ["d"]);
    assert_eq!(names("already"), ["a", "b", "c"]);
}

#[test]
fn what_is_no_retreat_is_not_done() {
    let (_site, _house, proxy) = moved();
    for (arguments, code, wanted) in [
        (vec!["retreat", "product", "--reason", "x"], 2, "did you mean `products`?"),
        (vec!["retreat", "products"], 2, "--reason"),
        (vec!["retreat", "products", "--reason", " "], 2, "--reason is empty"),
        (vec!["retreat", "--reason", "x"], 2, "SLICE"),
        (vec!["retreat", "products", "--to", "retired", "--reason", "x"], 1, "a step forward"),
        (vec!["retreat", "products", "--to", "nowhere", "--reason", "x"], 2, "no phase"),
        (vec!["retreat", "products", "--to", "extracted", "--reason", "x"], 0, "already"),
        (vec!["resume", "products"], 0, "has not retreated"),
        (vec!["resume", "product"], 2, "did you mean `products`?"),
    ] {
        ends_with(&proxy.ask(&arguments), code, &[wanted]);
    }
    assert_eq!(owner(&proxy), "products");
    assert_eq!(events(&proxy, "products"), [""; 0]);
    let page = "http://evil.example";
    for path in ["/api/slices/products/retreat", "/api/slices/products/resume"] {
        assert_eq!(proxy.admin_get(path).status, 405, "{path}");
        let answer = send(proxy.admin, "POST", path, &[("origin", page)]);
        assert_eq!(answer.status, 403, "{path}");
    }
    assert_eq!(post(proxy.admin, "/api/slices/none/retreat", b"").status, 404);
    assert_eq!(post(proxy.admin, "/api/slices/products/retreat", b"{\"why\": 1}").status, 400);
}

#[test]
fn retreats_that_cannot_be_read_hold_every_slice() {
    let (site, house, proxy) = moved();
    passes(&proxy.ask(&RETREAT));
    passes(&proxy.ask(&["resume", "products"]));
    proxy.crash();
    for damage in ["", "{", "null", "\u{0}\u{0}\u{0}\u{0}"] {
        fs::write(house.data_dir().join("retreats.json"), damage).unwrap();
        let proxy = house.serve();
        assert_eq!(owner(&proxy), "legacy", "{damage:?}");
        assert_eq!(slice(&proxy, "products")["effective_phase"], "shadow");
        assert_eq!(slice(&proxy, "products")["retreat"]["cause"], "unreadable");
        assert_eq!(proxy.metric("strangler_retreats_unreadable"), Some(1.0));
        assert!(proxy.log().contains("retreats cannot be read"), "{}", proxy.log());
        let shown = passes(&proxy.ask(&["status"]));
        assert!(shown.starts_with("Retreats could not be read"), "{shown}");
        let kept = fs::read_to_string(house.data_dir().join("retreats.damaged.json")).unwrap();
        assert_eq!(kept, damage);
        proxy.crash();
        let proxy = house.serve();
        assert_eq!(owner(&proxy), "legacy", "and after another start");
        // What is added meanwhile is held as well: nobody knows whether it had retreated.
        let more = site.configuration("extracted").replace("products", "others");
        let more = more.split("\n[slices.").nth(1).unwrap().to_owned();
        house.write(&format!("{}\n[slices.{more}", site.configuration("extracted")));
        proxy.wait_generation(2);
        assert_eq!(slice(&proxy, "others")["effective_phase"], "shadow");
        passes(&proxy.ask(&["resume", "products"]));
        assert_eq!(owner(&proxy), "products");
        assert_eq!(proxy.metric("strangler_retreats_unreadable"), Some(1.0), "one is still held");
        passes(&proxy.ask(&["resume", "others"]));
        assert_eq!(proxy.metric("strangler_retreats_unreadable"), Some(0.0));
        proxy.crash();
        assert_eq!(owner(&house.serve()), "products");
        house.write(&site.configuration("extracted"));
    }
}

#[test]
fn without_a_data_directory_a_retreat_lasts_as_long_as_the_process() {
    let site = Site::new();
    let text = site.configuration("extracted").replace("workers = 2", "workers = 2\ndata_dir = \"memory\"");
    let house = House::new(&text);
    let proxy = house.serve();
    passes(&proxy.ask(&RETREAT));
    house.edit("[slices.products]\n", "[slices.products]\nteam = \"shop\"\n");
    proxy.wait_generation(2);
    assert_eq!(owner(&proxy), "legacy");
    assert_eq!(events(&proxy, "products").first().map(String::as_str), Some("retreated"));
    proxy.crash();
    assert_eq!(owner(&house.serve()), "products");
}

#[test]
fn a_retreat_that_cannot_be_written_is_in_force_and_says_so() {
    let (_site, house, proxy) = moved();
    // A directory cannot be replaced by a file, whoever asks.
    fs::create_dir_all(house.data_dir().join("retreats.json/full")).unwrap();
    let told = proxy.ask(&RETREAT);
    ends_with(&told, 1, &["retreated from extracted to shadow", "NOT on disk"]);
    assert_eq!(owner(&proxy), "legacy");
    ends_with(&proxy.ask(&["resume", "products"]), 1, &["stays where it is"]);
    assert_eq!(owner(&proxy), "legacy", "what cannot be lifted on disk holds");
}

#[test]
fn whatever_was_confirmed_before_a_crash_is_in_force_after_it() {
    let site = Site::new();
    let house = House::new(&site.configuration("extracted"));
    let mut before = "products".to_owned();
    let mut confirmed = 0;
    for round in 0..16_usize {
        let proxy = house.serve();
        assert_ne!(slice(&proxy, "products")["retreat"]["cause"], "unreadable", "round {round}");
        let (path, after) = match before.as_str() {
            "products" => ("/api/slices/products/retreat", "legacy"),
            _ => ("/api/slices/products/resume", "products"),
        };
        let admin = proxy.admin;
        let asking = thread::spawn(move || Client::new(admin).post(path, b"{\"reason\": \"r\"}").ok());
        // Questions take a moment each: the crash comes at another stage in every round.
        for _ in 0..round % 8 {
            proxy.admin_get("/healthz");
        }
        proxy.crash();
        let answered = asking.join().unwrap().is_some_and(|answer| answer.status == 200);
        confirmed += usize::from(answered);
        let proxy = house.serve();
        let now = owner(&proxy);
        if answered {
            assert_eq!(now, after, "round {round}: confirmed and lost");
        } else {
            assert!(now == before || now == after, "round {round}: {now}");
        }
        before = now;
    }
    println!("{confirmed} of 16 were confirmed before the crash");
}

/// The file with another data directory.
fn kept_in(site: &Site, data_dir: &str) -> String {
    site.configuration("extracted").replace("workers = 2", &format!("workers = 2\ndata_dir = \"{data_dir}\""))
}

#[test]
fn another_data_directory_lifts_no_retreat() {
    let (site, house, proxy) = moved();
    passes(&proxy.ask(&RETREAT));
    house.write(&kept_in(&site, "elsewhere"));
    proxy.wait_generation(2);
    let configuration = proxy.status()["configuration"].clone();
    assert_eq!(configuration["restart_required"], serde_json::json!(["server.data_dir"]));
    let warning = configuration["warnings"][0].to_string();
    for part in ["data-dir-moves", "retreats come along, evidence and history stay in", "move the folder"] {
        assert!(warning.contains(part), "`{part}` is missing in {warning}");
    }
    let told = passes(&proxy.ask(&["status"]));
    assert!(told.contains("data-dir-moves") && told.contains("waits for a restart"), "{told}");
    proxy.crash();
    // There, on to a third place, and back to the second: whatever held a slice last holds it.
    for data_dir in ["elsewhere", "third", "elsewhere"] {
        house.write(&kept_in(&site, data_dir));
        let proxy = house.serve();
        assert_eq!(owner(&proxy), "legacy", "in {data_dir}");
        let retreat = slice(&proxy, "products")["retreat"].clone();
        assert_eq!(
            (retreat["reason"].as_str(), retreat["to"].as_str()),
            (Some("prices are wrong"), Some("shadow"))
        );
        assert_eq!(proxy.status()["configuration"]["warnings"], serde_json::json!([]));
        proxy.crash();
    }
    let proxy = house.serve();
    assert!(!proxy.log().contains("retreats came along"), "once: {}", proxy.log());
    passes(&proxy.ask(&["resume", "products"]));
    assert_eq!(owner(&proxy), "products");
    proxy.crash();
    assert_eq!(owner(&house.serve()), "products", "what was lifted stays so");
}

#[test]
fn a_move_of_the_data_directory_that_loses_a_writer_is_refused_as_any_other() {
    let site = Site::new();
    let house = House::new(&crate::start::moved(&site));
    house.serve().crash();
    let lost = crate::start::moved(&site).split("[slices").next().unwrap().to_owned();
    house.write(&lost.replace("workers = 2", "workers = 2\ndata_dir = \"elsewhere\""));
    let proxy = house.serve();
    assert_eq!(post(proxy.public, "/products/1", b"x").origin(), "products");
    assert!(proxy.log().contains("lost-writer"), "{}", proxy.log());
}

#[test]
fn retreats_of_another_configuration_or_of_another_run_are_not_taken_along() {
    let (site, house, proxy) = moved();
    passes(&proxy.ask(&RETREAT));
    proxy.crash();
    // A second configuration in the same folder.
    fs::write(house.folder().join("second.toml"), kept_in(&site, "second")).unwrap();
    let second = Proxy::start(house.folder(), &["run", "--config", "second.toml"]);
    assert_eq!(owner(&second), "products");
    second.crash();
    // A folder that was named for one run, and none at all: told, not taken.
    let memory = kept_in(&site, "memory");
    for (text, arguments) in
        [(site.configuration("extracted"), vec!["--data-dir", "given"]), (memory, Vec::new())]
    {
        house.write(&text);
        let proxy = house.serve_with(&arguments);
        assert_eq!(owner(&proxy), "products");
        proxy.wait_log("retreats that are kept elsewhere are not in force in this process");
        proxy.crash();
    }
    house.write(&site.configuration("extracted"));
    assert_eq!(owner(&house.serve()), "legacy", "where it was kept it holds");
}

#[test]
fn a_former_data_directory_that_cannot_be_read_holds_every_slice() {
    let (site, house, proxy) = moved();
    passes(&proxy.ask(&RETREAT));
    proxy.crash();
    fs::write(house.data_dir().join("retreats.json"), "{").unwrap();
    house.write(&kept_in(&site, "elsewhere"));
    let proxy = house.serve();
    assert_eq!(owner(&proxy), "legacy");
    assert_eq!(proxy.metric("strangler_retreats_unreadable"), Some(1.0));
    passes(&proxy.ask(&["resume", "products"]));
    proxy.crash();
    assert_eq!(owner(&house.serve()), "products");
}

#[test]
fn a_slice_that_is_gone_for_a_while_is_held_by_retreats_that_cannot_be_read() {
    let site = Site::new();
    let low = site.configuration("legacy").split("\n[slices.").nth(1).unwrap().replace("products", "others");
    let both = format!("{}\n[slices.{low}", site.configuration("extracted"));
    let without = both.replace("[slices.products]", "[slices.elsewhere]").replace("extracted", "legacy");
    let without = without.replace("/products/**", "/elsewhere/**");
    let house = House::new(&both);
    house.serve().crash();
    fs::write(house.data_dir().join("retreats.json"), "{").unwrap();
    let proxy = house.serve();
    assert_eq!(owner(&proxy), "legacy");
    // Of the slices that there are now, none says more than what holds it.
    house.write(&without);
    proxy.wait_generation(2);
    wait_for("nothing to be held", || {
        (proxy.metric("strangler_retreats_unreadable") == Some(0.0)).then_some(())
    });
    house.write(&both);
    proxy.wait_generation(3);
    assert_eq!(owner(&proxy), "legacy", "nobody has lifted it");
    proxy.crash();
    let proxy = house.serve();
    assert_eq!(owner(&proxy), "legacy");
    passes(&proxy.ask(&["resume", "products"]));
    assert_eq!(owner(&proxy), "products");
}
