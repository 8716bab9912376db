//! The admin listener: what it answers, and whom it refuses.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::reload::Site;
use crate::support::client::{Client, get, post, send};
use crate::support::proxy::{House, printed};

#[test]
fn every_path_answers_what_it_promises() {
    let site = Site::new();
    let (_house, proxy) = site.serve();
    for (path, status, part) in [
        ("/healthz", 200, "ok"),
        ("/readyz", 200, "serving"),
        ("/metrics", 200, "strangler_config_generation 1"),
        ("/", 200, "/api/status"),
        ("/api/status", 200, "\"generation\": 1"),
        ("/api/slices", 200, "\"products\""),
        ("/api/slices/products", 200, "/products/**"),
        ("/api/slices/none", 404, "no slice `none`"),
        ("/api/explain?method=GET&url=%2Fproducts%2F1", 200, "products"),
        ("/api/explain", 400, "`url` is missing"),
        ("/api/history", 200, "\"applied\""),
        ("/api/history?limit=x", 400, "`limit`"),
        ("/api/report", 200, "\"nothing was compared"),
        ("/api/report?slice=products", 200, "products: nothing was compared"),
        ("/api/report?slice=none", 404, "no slice `none`"),
        ("/api/differences?slice=products", 200, "\"differences\": []"),
        ("/api/differences?slice=none", 404, "no slice `none`"),
        ("/api/inventory", 200, "\"templates\""),
        ("/api/find?id=1", 404, "no request with this id"),
        ("/api/find", 400, "`id` is missing"),
        ("/api/record?max=x", 400, "`max` is no number"),
        ("/api/record?slice=none", 404, "no slice `none`"),
        ("/api/record?max=0", 200, "\"strangler_corpus\":1"),
        ("/api/bundle?slice=products", 200, "\"configuration\""),
        ("/api/bundle?slice=none", 404, "no slice `none`"),
        ("/api/nothing", 404, "nothing at this path"),
        ("/nothing", 404, "nothing at this path"),
    ] {
        let answer = proxy.admin_get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.text().contains(part), "{path}: {}", answer.text());
    }
    for (path, body, status, part) in [
        ("/api/slices/products/evidence/restart", "{\"reason\": \"new data\"}", 200, "\"epoch\": 2"),
        ("/api/slices/products/evidence/restart", "{\"reason\": \" \"}", 400, "`reason` is empty"),
        ("/api/slices/products/evidence/restart", "", 400, "the body cannot be read"),
        ("/api/slices/none/evidence/restart", "{\"reason\": \"x\"}", 404, "no slice `none`"),
        ("/api/slices//evidence/restart", "{\"reason\": \"x\"}", 404, "nothing at this path"),
    ] {
        let answer = post(proxy.admin, path, body.as_bytes());
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.text().contains(part), "{path}: {}", answer.text());
    }
    for path in ["/api/slices/products/retreat", "/api/slices/products/resume"] {
        assert_eq!(post(proxy.admin, path, b"{}").status, 200, "{path}");
        assert_eq!(post(proxy.admin, path, b"[1]").status, 400, "{path}");
    }
}

#[test]
fn methods_that_do_not_fit_are_refused_with_those_that_do() {
    let site = Site::new();
    let (_house, proxy) = site.serve();
    for (method, path, allow) in [
        ("GET", "/api/reload", "POST"),
        ("GET", "/api/slices/products/evidence/restart", "POST"),
        ("GET", "/api/slices/products/retreat", "POST"),
        ("GET", "/api/slices/products/resume", "POST"),
        ("POST", "/api/report", "GET, HEAD"),
        ("DELETE", "/api/reload", "POST"),
        ("POST", "/api/status", "GET, HEAD"),
        ("PUT", "/healthz", "GET, HEAD"),
    ] {
        let answer = send(proxy.admin, method, path, &[]);
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {path}");
    }
    assert_eq!(send(proxy.admin, "HEAD", "/api/status", &[]).status, 200);
}

#[test]
fn only_own_names_and_own_pages_are_answered() {
    let site = Site::new();
    let text = site
        .configuration("legacy")
        .replace("[server]\n", "[server]\nadmin_hosts = [\"ops.shop.example\"]\n");
    let house = House::new(&text);
    let proxy = house.serve();
    let own = proxy.admin.to_string();
    for (host, status) in [
        (own.as_str(), 200),
        ("localhost", 200),
        ("[::1]:9090", 200),
        ("ops.shop.example:9090", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
    ] {
        let answer = send(proxy.admin, "GET", "/api/status", &[("host", host)]);
        assert_eq!(answer.status, status, "{host}");
    }
    let same = format!("http://{own}");
    for (name, value, status) in [
        ("origin", same.as_str(), 200),
        ("origin", "http://evil.example", 403),
        ("origin", "null", 403),
        ("sec-fetch-site", "same-origin", 200),
        ("sec-fetch-site", "none", 200),
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
    ] {
        let answer = send(proxy.admin, "POST", "/api/reload", &[(name, value)]);
        assert_eq!(answer.status, status, "{name}: {value}");
    }
}

#[test]
fn with_a_token_only_probes_need_none() {
    let site = Site::new();
    let text =
        site.configuration("legacy").replace("[server]\n", "[server]\nadmin_token_file = \"admin.token\"\n");
    let house = House::new(&text);
    fs::write(house.folder().join("admin.token"), "s3cret\n").unwrap();
    let proxy = house.serve();
    for (path, status) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 401),
        ("/api/status", 401),
        ("/", 401),
        ("/x", 401),
    ] {
        assert_eq!(proxy.admin_get(path).status, status, "{path}");
    }
    for (authorization, status) in [
        ("Bearer s3cret", 200),
        ("bearer s3cret", 200),
        ("Bearer s3cre", 401),
        ("Bearer s3crets", 401),
        ("Basic s3cret", 401),
        ("s3cret", 401),
    ] {
        let answer = send(proxy.admin, "GET", "/api/status", &[("authorization", authorization)]);
        assert_eq!(answer.status, status, "{authorization}");
    }
    let answer = proxy.admin_get("/api/status");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    // The command line finds the token through the file.
    let admin = format!("http://{}", proxy.admin);
    let status = house.command(&["status", "--config", "strangler.toml", "--admin", &admin]);
    assert_eq!(status.status.code(), Some(0), "{}", printed(&status));
    // A new token counts from the next request on.
    fs::write(house.folder().join("admin.token"), "another\n").unwrap();
    let bearing = |token: &str| send(proxy.admin, "GET", "/api/status", &[("authorization", token)]).status;
    assert_eq!((bearing("Bearer s3cret"), bearing("Bearer another")), (401, 200));
}

#[test]
fn an_address_that_others_reach_needs_a_token() {
    let site = Site::new();
    let text = site.configuration("legacy").replace("admin = \"127.0.0.1:0\"", "admin = \"0.0.0.0:0\"");
    let house = House::new(&text);
    let check = house.command(&["check", "strangler.toml"]);
    assert_eq!(check.status.code(), Some(2), "{}", printed(&check));
    assert!(printed(&check).contains("admin_token_file"), "{}", printed(&check));
}

#[test]
fn it_is_not_reachable_through_the_public_listener() {
    let site = Site::new();
    let (_house, proxy) = site.serve();
    for path in ["/healthz", "/readyz", "/metrics", "/api/status", "/api/reload"] {
        assert_eq!(get(proxy.public, path).origin(), "legacy", "{path}");
    }
    assert_eq!(post(proxy.public, "/api/reload", b"").origin(), "legacy");
    let host = proxy.admin.to_string();
    assert_eq!(send(proxy.public, "GET", "/api/status", &[("host", &host)]).origin(), "legacy");
}

#[test]
fn a_body_is_bounded_and_may_be_left_out() {
    let site = Site::new();
    let (_house, proxy) = site.serve();
    for (body, status) in [
        (String::new(), 200),
        ("{}".to_owned(), 200),
        ("{\"allow_writer_change\": true}".to_owned(), 200),
        ("{\"allow_writer_change\": 1}".to_owned(), 400),
        ("{\"alow_writer_change\": true}".to_owned(), 400),
        ("[".to_owned(), 400),
        (format!("{{}}{}", " ".repeat(100_000)), 413),
    ] {
        let answer = post(proxy.admin, "/api/reload", body.as_bytes());
        assert_eq!(answer.status, status, "{} bytes: {}", body.len(), answer.text());
    }
}

#[test]
fn heads_that_are_too_large_are_refused() {
    let site = Site::new();
    let (_house, proxy) = site.serve();
    let mut stream = TcpStream::connect(proxy.admin).unwrap();
    let head = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(200_000));
    // The listener may close before it has been told everything.
    drop(stream.write_all(head.as_bytes()));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert_eq!(proxy.admin_get("/healthz").status, 200);
}

#[test]
fn a_kept_connection_serves_many_requests() {
    let site = Site::new();
    let (_house, proxy) = site.serve();
    let mut client = Client::new(proxy.admin);
    for _ in 0..50 {
        assert_eq!(client.get("/healthz").unwrap().status, 200);
    }
    assert_eq!(client.closed, 0);
}
