//! Each lint is told where it should be, and not where nothing is wrong.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::compare::End;
use crate::config::{LoadOptions, SourceText, Sources, load};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn snapshot(slice: &str) -> Arc<Snapshot> {
    let text = format!(
        "version = 1\nlegacy = \"http://10.0.0.1:8000\"\n[slices.a]\nupstream = \"http://shop-a:8001\"\n\
         sync = \"stateless\"\nroutes = [\"/a/**\"]\n{slice}"
    );
    let sources = Sources { main: SourceText { name: "a.toml".to_owned(), text }, included: Vec::new() };
    let options = LoadOptions { base: Path::new(""), env: &|_| None, today: jiff::civil::date(2026, 6, 1) };
    let loaded = load(&sources, &options);
    loaded.snapshot.ok_or(loaded.diagnostics).unwrap()
}

fn reply(lines: &[&str], body: &str) -> Reply {
    Reply {
        end: End::Complete,
        status: 200,
        headers: lines.iter().map(|line| line.split_once(": ").unwrap()).collect(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

/// One request for `/a/page`, answered by `primary`.
fn see(
    learned: &mut Learned,
    snapshot: &Snapshot,
    primary: Owner,
    sent: &[(&str, &str)],
    legacy: Option<&Reply>,
    extracted: Option<&Reply>,
) {
    let headers: HeaderMap = sent
        .iter()
        .map(|(name, value)| -> (HeaderName, HeaderValue) { (name.parse().unwrap(), value.parse().unwrap()) })
        .collect();
    let view = RequestView {
        method: "GET",
        host: "shop.example",
        path: "/a/page",
        query: None,
        headers: &headers,
        client_ip: None,
    };
    let sighting =
        Sighting { snapshot, facts: Facts::NONE, route: RouteId(0), primary, view, legacy, extracted };
    learned.see(&sighting, NOW, &|text| text.to_owned());
}

/// The kinds told after one request answered by both.
fn told(slice: &str, primary: Owner, legacy: &Reply, extracted: &Reply) -> Vec<(Kind, String)> {
    let (mut learned, snapshot) = (Learned::default(), snapshot(slice));
    see(&mut learned, &snapshot, primary, &[], Some(legacy), Some(extracted));
    learned.lints(&snapshot, NOW).into_iter().map(|lint| (lint.kind, lint.example)).collect()
}

const SHADOW: &str = "phase = \"shadow\"\n";
const EXTRACTED: &str = "phase = \"extracted\"\n";
const CANARY: &str = "phase = \"canary\"\ncanary = \"50%\"\ncohort_by = [\"cookie:visitor\"]\n";

fn nothing() -> Reply {
    reply(&[], "")
}

#[test]
fn a_cookie_of_both_sides_has_one_scope() {
    let check = |legacy: &str, extracted: &str, wanted: Option<&str>| {
        let found = told(
            SHADOW,
            Owner::Legacy,
            &reply(&[&format!("Set-Cookie: {legacy}")], ""),
            &reply(&[&format!("set-cookie: {extracted}")], ""),
        );
        let wanted: Vec<_> = wanted.map(|text| (Kind::CookieScope, text.to_owned())).into_iter().collect();
        assert_eq!(found, wanted, "{legacy} {extracted}");
    };
    check(
        "sid=1; Path=/; Domain=shop.example",
        "sid=2; Path=/",
        Some("legacy Domain=shop.example, Path=/; extracted no Domain, Path=/"),
    );
    check("sid=1; Path=/", "sid=2; Path=/a", Some("legacy no Domain, Path=/; extracted no Domain, Path=/a"));
    check("sid=1; Path=/; Domain=.Shop.example", "sid=2; path=/; domain=shop.example; HttpOnly", None);
    check("sid=1; Path=/", "other=2; Path=/a", None);
    check("sid=1; Path=/", "sid=; Path=/a; Max-Age=0", None);
}

#[test]
fn a_key_that_changes_with_most_replies_tells_nobody_apart() {
    let (fresh, same) =
        (reply(&["Set-Cookie: visitor=new; Path=/"], ""), reply(&["Set-Cookie: visitor=v1"], ""));
    let check = |changed: u32, kept: u32, wanted: bool| {
        let (mut learned, snapshot) = (Learned::default(), snapshot(CANARY));
        for (count, reply) in [(changed, &fresh), (kept, &same)] {
            for _ in 0..count {
                see(
                    &mut learned,
                    &snapshot,
                    Owner::Legacy,
                    &[("cookie", "a=b; visitor=v1")],
                    Some(reply),
                    None,
                );
            }
        }
        let told = learned.lints(&snapshot, NOW).iter().any(|lint| lint.kind == Kind::UnstableKey);
        assert_eq!(told, wanted, "{changed} of {}", changed + kept);
    };
    check(30, 0, true);
    check(15, 10, true);
    check(10, 15, false);
    check(19, 0, false);
    check(0, 100, false);
    // A first cookie for who had none is no change.
    let (mut learned, snapshot) = (Learned::default(), snapshot(CANARY));
    (0..100).for_each(|_| see(&mut learned, &snapshot, Owner::Legacy, &[], Some(&fresh), None));
    assert!(learned.lints(&snapshot, NOW).is_empty());
}

#[test]
fn cors_is_said_once() {
    let check = |lines: &[&str], wanted: usize| {
        let found = told(SHADOW, Owner::Legacy, &nothing(), &reply(lines, ""));
        assert_eq!(found.iter().filter(|(kind, _)| *kind == Kind::CorsDoubled).count(), wanted, "{lines:?}");
    };
    check(&["Access-Control-Allow-Origin: *", "access-control-allow-origin: *"], 1);
    check(&["Access-Control-Allow-Origin: https://a.example, https://a.example"], 1);
    check(&["Access-Control-Allow-Origin: *", "Access-Control-Allow-Credentials: true"], 0);
}

#[test]
fn clients_are_sent_nowhere_they_cannot_reach() {
    let check = |lines: &[&str], body: &str, wanted: &[&str]| {
        let found = told(SHADOW, Owner::Legacy, &nothing(), &reply(lines, body));
        let hosts: Vec<&str> = found.iter().map(|(_, example)| example.as_str()).collect();
        assert_eq!(hosts, wanted, "{lines:?} {body}");
        assert!(found.iter().all(|(kind, _)| *kind == Kind::InternalHost));
    };
    check(&["Location: http://shop-a:8001/a/1"], "", &["shop-a:8001"]);
    check(&["Location: http://10.0.0.1:8000/login"], "", &["10.0.0.1:8000"]);
    check(&["Location: https://backend.internal/x"], "", &["backend.internal"]);
    check(&["Location: http://shop.example/a/1"], "", &[]);
    check(&["Location: /a/1"], "", &[]);
    check(&["Location: https://pay.example/"], "", &[]);
    let page = "<a href=\"http://shop.example/\">a</a> <a href='http://192.168.7.7/x'>b</a>";
    check(&["Content-Type: text/html"], page, &["192.168.7.7"]);
    check(
        &["Content-Type: application/json"],
        "{\"next\":\"http://shop-a:8001/a?page=2\"}",
        &["shop-a:8001"],
    );
    check(&["Content-Type: image/png"], page, &[]);
    check(&["Content-Type: text/html"], "<a href=\"https://other.example/\">", &[]);
}

#[test]
fn a_form_is_posted_to_the_owner_of_its_page() {
    let check = |slice: &str, primary: Owner, page: &str, wanted: &[&str]| {
        let html = reply(&["Content-Type: text/html; charset=utf-8"], page);
        let found = told(slice, primary, &html, &html);
        let forms: Vec<&str> = found
            .iter()
            .filter(|(kind, _)| *kind == Kind::FormAcross)
            .map(|(_, example)| example.as_str())
            .collect();
        assert_eq!(forms, wanted, "{page}");
    };
    let extracted = Owner::Extracted;
    check(EXTRACTED, extracted, "<FORM Method='POST' action=\"/login\">", &["POST /login"]);
    check(EXTRACTED, extracted, "<form method=post action=../b/save>", &["POST /b/save"]);
    // Writes of the slice go to legacy, which owns them.
    check(EXTRACTED, extracted, "<form method=\"post\">", &["POST /a/page"]);
    check(EXTRACTED, extracted, "<form method=\"post\" action=\"http://shop.example/x\">", &["POST /x"]);
    check(EXTRACTED, extracted, "<form method=\"post\" action=\"https://pay.example/x\">", &[]);
    check(EXTRACTED, extracted, "<form action=\"/login\"><form method=get action=\"/x\">", &[]);
    check(SHADOW, Owner::Legacy, "<form method=\"post\" action=\"/login\">", &[]);
    let moved = "phase = \"extracted\"\nwriter = \"extracted\"\n";
    check(moved, extracted, "<form method=\"post\" action=\"save?x=1\">", &[]);
}

#[test]
fn what_a_canary_answers_is_kept_by_no_shared_cache() {
    let check = |slice: &str, lines: &[&str], wanted: bool| {
        let answer = reply(lines, "");
        let found = told(slice, Owner::Extracted, &nothing(), &answer);
        assert_eq!(found.iter().any(|(kind, _)| *kind == Kind::CacheableCanary), wanted, "{lines:?}");
    };
    check(CANARY, &["Cache-Control: public, max-age=60"], true);
    check(CANARY, &["Cache-Control: max-age=60, s-maxage=60"], true);
    check(CANARY, &["Cache-Control: public", "Vary: accept, cookie"], false);
    check(CANARY, &["Cache-Control: private, max-age=60"], false);
    check(CANARY, &["Cache-Control: max-age=60"], false);
    check(EXTRACTED, &["Cache-Control: public, max-age=60"], false);
}

#[test]
fn memory_is_bounded_and_what_is_over_is_forgotten() {
    let (mut learned, snapshot) = (Learned::default(), snapshot(SHADOW));
    for number in 0..5_000 {
        let leak = reply(&[&format!("Location: http://h{number}.internal/")], "");
        let cookie = reply(&[&format!("Set-Cookie: c{number}=1; Path=/{number}")], "");
        see(&mut learned, &snapshot, Owner::Legacy, &[], Some(&cookie), Some(&leak));
    }
    assert!(learned.tallies.len() <= TALLIES_MAX && learned.cookies.len() <= COOKIES_MAX);
    assert!(learned.overflowed() > 0);
    assert_eq!(learned.lints(&snapshot, NOW).len(), TALLIES_MAX);
    let later = NOW.checked_add(SignedDuration::from_hours(25)).unwrap();
    assert!(learned.lints(&snapshot, later).is_empty());
}
