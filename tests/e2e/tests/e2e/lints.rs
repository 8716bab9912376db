//! What traffic teaches about the seam is told by `status` and by `check --admin`, and is no secret.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use serde_json::Value;

use crate::support::client::{Client, read_head};
use crate::support::proxy::{House, SERVER, printed};
use crate::support::wait_for;

/// An origin that answers everything with these header lines and this page.
fn origin(lines: &'static [&'static str], page: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                while read_head(&mut reader).is_ok() {
                    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
                    let answer =
                        format!("HTTP/1.1 200 OK\r\n{lines}content-length: {}\r\n\r\n{page}", page.len());
                    if reader.get_mut().write_all(answer.as_bytes()).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

/// Kinds that are told, sorted.
fn kinds(status: &Value) -> Vec<String> {
    let mut kinds: Vec<String> = status["lints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lint| lint["kind"].as_str().unwrap().to_owned())
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn house(legacy: SocketAddr, extracted: SocketAddr) -> House {
    House::new(&format!(
        "version = 1\nlegacy = \"http://{legacy}\"\n{SERVER}\n[slices.shop]\nupstream = \"http://{extracted}\"\n\
         phase = \"canary\"\ncanary = \"100%\"\ncohort_by = \"cookie:visitor\"\nsync = \"stateless\"\n\
         guardrails = false\nroutes = [\"GET /shop/**\"]\n[slices.shop.shadow]\nreverse_sample = \"100%\"\n"
    ))
}

#[test]
fn whatever_goes_wrong_at_the_seam_is_told_with_what_to_do() {
    let legacy =
        origin(&["set-cookie: sid=0123456789abcdef; Path=/", "content-type: text/html"], "<p>hello</p>");
    let extracted = origin(
        &[
            "set-cookie: sid=fedcba9876543210; Path=/shop",
            "set-cookie: visitor=another; Path=/",
            "access-control-allow-origin: *",
            "access-control-allow-origin: *",
            "cache-control: public, max-age=60",
            "content-type: text/html",
        ],
        "<form method=\"post\" action=\"/login\"></form><a href=\"http://shop.internal/x\">more</a>",
    );
    let house = house(legacy, extracted);
    let proxy = house.serve();
    let mut client = Client::new(proxy.public);
    for _ in 0..30 {
        let headers =
            [("host", "shop.example"), ("cookie", "visitor=v1"), ("x-forwarded-for", "203.0.113.9")];
        assert_eq!(client.send("GET", "/shop/1", &headers, b"").unwrap().status, 200);
    }
    let all = [
        "cacheable-canary",
        "cookie-scope",
        "cors-doubled",
        "form-across",
        "internal-host",
        "unstable-key",
        "untrusted-forwarder",
    ];
    wait_for("every lint", || (kinds(&proxy.status()) == all).then_some(()));
    let detail: Value = proxy.admin_get("/api/slices/shop").json();
    assert_eq!(kinds(&detail), all[..6], "of a slice its own");
    let text = printed(&proxy.ask(&["status"]));
    for part in ["LEARNED FROM TRAFFIC", "sid", "shop.internal", "POST /login", "127.0.0.1"] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    for secret in ["0123456789abcdef", "fedcba9876543210", "v1", "another"] {
        assert!(!text.contains(&format!("={secret}")), "{secret} in:\n{text}");
    }
    let admin = format!("http://{}", proxy.admin);
    let check =
        |more: &[&str]| house.command(&[&["check", "strangler.toml", "--admin", &admin], more].concat());
    let told = check(&[]);
    assert_eq!(told.status.code(), Some(0), "{}", printed(&told));
    for part in ["warning[cookie-scope] strangler.toml:", "warning[untrusted-forwarder]", "trusted_proxies"] {
        assert!(printed(&told).contains(part), "{part} is missing:\n{}", printed(&told));
    }
    assert_eq!(check(&["--strict"]).status.code(), Some(1));
    assert_eq!(house.command(&["check", "strangler.toml", "--strict"]).status.code(), Some(0));
    let nobody = house.command(&["check", "strangler.toml", "--admin", "http://127.0.0.1:1"]);
    assert_eq!(nobody.status.code(), Some(3), "{}", printed(&nobody));
}

#[test]
fn where_nothing_is_wrong_nothing_is_told() {
    let lines = &["set-cookie: sid=1; Path=/", "cache-control: private", "content-type: text/html"];
    let page = "<a href=\"http://shop.example/shop/2\">more</a><form action=\"/search\"></form>";
    let house = house(origin(lines, page), origin(lines, page));
    let proxy = house.serve();
    let mut client = Client::new(proxy.public);
    for _ in 0..30 {
        client.send("GET", "/shop/1", &[("host", "shop.example"), ("cookie", "visitor=v1")], b"").unwrap();
    }
    wait_for("the comparisons", || {
        let matched = proxy.status()["slices"][0]["evidence"]["accounts"]["match"].as_u64();
        (matched == Some(30)).then_some(())
    });
    assert_eq!(proxy.status()["lints"], serde_json::json!([]));
}
