//! What users of today's tools suffer from in routing and reload: one test per complaint, named after it.

use std::fs;

use crate::reload::{Site, wait_owner};
use crate::support::client::{Client, get, send};
use crate::support::origin::Origin;
use crate::support::proxy::{House, Proxy, SERVER, printed};
use crate::support::wait_for;

/// A house whose slices have an origin of their own each: `(name, routes)`.
fn house_of(slices: &[(&str, &str)], more: &str) -> (House, Origin, Vec<Origin>) {
    let legacy = Origin::start("legacy");
    let mut text = format!("version = 1\nlegacy = \"{}\"\n{SERVER}", legacy.url());
    let mut origins = Vec::new();
    for (name, routes) in slices {
        let origin = Origin::start(name);
        text.push_str(&format!(
            "[slices.{name}]\nupstream = \"{}\"\nphase = \"extracted\"\nwriter = \"extracted\"\nroutes = [{routes}]\n\
             shadow = {{ reverse_sample = \"0%\" }}\n",
            origin.url()
        ));
        origins.push(origin);
    }
    text.push_str(more);
    (House::new(&text), legacy, origins)
}

fn check(house: &House, arguments: &[&str]) -> (Option<i32>, String) {
    let mut all = vec!["check", "strangler.toml"];
    all.extend(arguments);
    let output = house.command(&all);
    (output.status.code(), printed(&output))
}

/// The longest rule is not the most specific one, and the order in the file never matters.
#[test]
fn traefik_1663_and_1962_specificity_wins_and_the_reason_is_printed() {
    let slices = [
        ("long", "\"GET /shop/{a-parameter-with-a-very-long-name}/{another-very-long-name}\""),
        ("short", "\"GET /shop/new/{x}\""),
    ];
    let reversed = [slices[1], slices[0]];
    for order in [&slices, &reversed] {
        let (house, _legacy, _origins) = house_of(order, "");
        let proxy = house.serve();
        assert_eq!(get(proxy.public, "/shop/new/1").origin(), "short");
        assert_eq!(get(proxy.public, "/shop/old/1").origin(), "long");
        let explained = printed(&proxy.ask(&["explain", "GET", "/shop/new/1"]));
        assert!(explained.contains("less specific at element 2: literal \"new\" beats"), "{explained}");
    }
}

#[test]
fn gateway_api_3767_and_4303_a_hidden_route_is_named_with_its_winner_and_an_example() {
    let hidden = "[[routes]]\nid = \"hidden\"\nmatch = \"GET /shop/{id:int}\"\nslice = \"shop\"\n\
                  [[routes]]\nid = \"hiding\"\nmatch = \"GET /shop/{name:int}\"\nslice = \"shop\"\npriority = 1\n";
    let (house, _legacy, _origins) = house_of(&[("shop", "\"POST /shop\"")], hidden);
    let (code, told) = check(&house, &[]);
    assert_eq!(code, Some(0), "{told}");
    for wanted in ["hidden", "hiding", "GET /shop/", "warning["] {
        assert!(told.contains(wanted), "{wanted} is missing:\n{told}");
    }
    assert_eq!(check(&house, &["--strict"]).0, Some(1));
}

#[test]
fn yarp_1658_ambiguity_is_found_when_the_file_is_read() {
    let (house, _legacy, _origins) =
        house_of(&[("one", "\"GET /shop/{id}\""), ("two", "\"GET /shop/{name}\"")], "");
    let (code, told) = check(&house, &[]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("GET /shop/"), "an example request: {told}");
    assert_eq!(house.command(&["run", "--config", "strangler.toml"]).status.code(), Some(2));
}

#[test]
fn yarp_1830_a_duplicate_id_is_an_error_and_overwrites_nothing() {
    let twice = "[[routes]]\nid = \"a\"\nmatch = \"GET /a\"\nslice = \"shop\"\n\
                 [[routes]]\nid = \"a\"\nmatch = \"GET /b\"\nslice = \"shop\"\n";
    let (house, _legacy, _origins) = house_of(&[("shop", "\"GET /shop\"")], twice);
    let (code, told) = check(&house, &[]);
    assert_eq!(code, Some(2), "{told}");
    let text = house.read();
    for (number, _) in text.lines().enumerate().filter(|(_, line)| line.contains("id = \"a\"")) {
        assert!(told.contains(&format!("strangler.toml:{}:", number + 1)), "line {}:\n{told}", number + 1);
    }
}

/// traefik#8921, #10890, #13464.
#[test]
fn traefik_8921_one_bad_file_takes_nothing_down_and_nothing_is_half_applied() {
    let site = Site::new();
    let text = site.configuration("legacy");
    let (main, slice) = text.split_once("[slices").unwrap();
    let house = House::new(&main.replace("version = 1", "version = 1\ninclude = [\"routes/*.toml\"]"));
    let routes = house.folder().join("routes");
    fs::create_dir(&routes).unwrap();
    fs::write(routes.join("a.toml"), format!("[slices{slice}")).unwrap();
    let proxy = house.serve();
    // Two files at once: one good edit and one that cannot be read.
    fs::write(routes.join("b.toml"), "[slices.b]\nupstream = \"nowhere\"\nroutes = [\"/b\"]\n").unwrap();
    proxy.wait_stale(true);
    fs::write(
        routes.join("a.toml"),
        format!("[slices{slice}").replace("phase = \"legacy\"", "phase = \"extracted\""),
    )
    .unwrap();
    proxy.ask(&["reload"]);
    assert_eq!(get(proxy.public, "/products/1").origin(), "legacy");
    assert_eq!((proxy.generation(), proxy.metric("strangler_config_stale")), (1, Some(1.0)));
    // The last good configuration is kept across a restart.
    proxy.crash();
    let proxy = house.serve();
    assert_eq!(get(proxy.public, "/products/1").origin(), "legacy");
    fs::remove_file(routes.join("b.toml")).unwrap();
    wait_owner(&proxy, "products");
}

/// traefik#6694, #6451, #9916 ask to verify a file; envoy#11206, #12393 to explain a decision.
#[test]
fn traefik_6694_and_envoy_11206_a_file_is_checked_and_a_decision_explained_without_serving() {
    let (house, _legacy, _origins) = house_of(&[("shop", "\"GET /shop/{id}\"")], "");
    assert_eq!(check(&house, &["--strict"]).0, Some(0));
    let explained = house.command(&["explain", "GET", "/shop/1", "--config", "strangler.toml"]);
    assert_eq!(explained.status.code(), Some(0));
    assert!(printed(&explained).contains("GET /shop/{id}"), "{}", printed(&explained));
    assert!(!house.data_dir().exists(), "nothing was served, nothing was written");
}

#[test]
fn traefik_292_a_failed_reload_is_noticed_everywhere() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    house.edit("phase =", "phse =");
    proxy.wait_stale(true);
    proxy.wait_log("configuration refused");
    assert!(printed(&proxy.ask(&["status"])).starts_with("The files on disk are refused (1 error)"));
    assert_eq!(proxy.status()["configuration"]["stale"], true);
    assert!(printed(&proxy.ask(&["history"])).contains("rejected"));
    assert_eq!(proxy.ask(&["reload"]).status.code(), Some(2));
}

#[test]
fn traefik_6020_a_bad_first_read_does_not_stop_the_watching() {
    let site = Site::new();
    let house = House::new(&site.configuration("legacy"));
    house.serve().crash();
    house.write("version = ");
    let proxy = house.serve();
    proxy.wait_stale(true);
    for _ in 0..3 {
        house.write(&site.configuration("extracted"));
        wait_owner(&proxy, "products");
        house.write("version = ");
        proxy.wait_stale(true);
        house.write(&site.configuration("legacy"));
        wait_owner(&proxy, "legacy");
    }
}

/// envoy#3928, router#1695: the whole mounted folder is a link that is swapped.
#[test]
fn envoy_3928_a_swapped_folder_is_not_missed() {
    use std::os::unix::fs::symlink;
    let site = Site::new();
    let root = tempfile::tempdir().unwrap();
    let publish = |version: &str, phase: &str| {
        fs::create_dir(root.path().join(version)).unwrap();
        fs::write(root.path().join(version).join("strangler.toml"), site.configuration(phase)).unwrap();
        symlink(version, root.path().join("next")).unwrap();
        fs::rename(root.path().join("next"), root.path().join("current")).unwrap();
    };
    publish("v1", "legacy");
    let proxy =
        Proxy::start(root.path(), &["run", "--config", "current/strangler.toml", "--data-dir", "data"]);
    assert_eq!(get(proxy.public, "/products/1").origin(), "legacy");
    publish("v2", "extracted");
    wait_owner(&proxy, "products");
    assert_eq!(proxy.status()["configuration"]["source"], "watch");
}

/// caddy#5471, #6420, #7222, nginx-gateway-fabric#5524. Under load: see `load`.
#[test]
fn caddy_5471_an_edit_closes_no_websocket_not_even_of_the_slice_that_moved() {
    use tokio_tungstenite::tungstenite::{Message, client};
    let site = Site::new();
    let (house, proxy) = site.serve();
    let stream = std::net::TcpStream::connect(proxy.public).unwrap();
    let (mut socket, _) = client(format!("ws://{}/products/live", proxy.public), stream).unwrap();
    house.edit("phase = \"legacy\"", "phase = \"extracted\"");
    wait_owner(&proxy, "products");
    socket.send(Message::text("still?")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("legacy: still?"));
}

#[test]
fn kong_6132_a_stripped_prefix_is_told_to_the_service() {
    let rewrite =
        "[[routes]]\nmatch = \"GET /shop/**\"\nslice = \"shop\"\nrewrite = { strip_prefix = \"/shop\" }\n";
    let (house, _legacy, origins) = house_of(&[("shop", "\"GET /other\"")], rewrite);
    let proxy = house.serve();
    assert_eq!(get(proxy.public, "/shop/items/1?x=1").origin(), "shop");
    let seen = origins[0].seen().pop().unwrap();
    assert_eq!((seen.target.as_str(), seen.header("x-forwarded-prefix")), ("/items/1?x=1", Some("/shop")));
}

/// Caddy#643, #1927.
#[test]
fn caddy_643_what_was_escaped_stays_escaped() {
    let (house, legacy, origins) = house_of(&[("shop", "\"GET /shop/{id}\"")], "");
    let proxy = house.serve();
    for (target, owner) in [
        ("/shop/a%2Fb", "shop"),
        ("/shop/a%2fb?q=%2F%20+", "shop"),
        ("/%73hop/%61", "shop"),
        ("/shop/a/b", "legacy"),
        ("/other/a%2Fb//c%20d", "legacy"),
    ] {
        assert_eq!(get(proxy.public, target).origin(), owner, "{target}");
        let asked = if owner == "shop" { origins[0].seen() } else { legacy.seen() };
        assert_eq!(asked.last().unwrap().target, target);
    }
}

/// A reload must not cost anybody a kept connection either.
#[test]
fn a_kept_connection_outlives_every_reload() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    let mut client = Client::new(proxy.public);
    client.get("/products/1").unwrap();
    for (from, to, owner) in [
        ("phase = \"legacy\"", "phase = \"extracted\"", "products"),
        ("phase = \"extracted\"", "phase = \"legacy\"", "legacy"),
    ] {
        house.edit(from, to);
        wait_for(owner, || (client.get("/products/1").unwrap().origin() == owner).then_some(()));
    }
    assert_eq!(client.closed, 0);
    assert_eq!(send(proxy.public, "GET", "/", &[]).status, 200);
}
