//! What a copy is, where it goes, and what is counted and logged of it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use strangler::shadow::PrimaryEnd;
use strangler_core::compare::FieldLines;

use crate::support::{Act, Kit, Origin, answer, answered, in_shadow, ok};

const BODY: &str = r#"{"price":1}"#;

#[test]
fn a_copy_is_the_request_marked_and_its_reply_is_compared() {
    let (legacy, extracted) = (Origin::new(|_| ok("")), Origin::new(|_| ok(BODY)));
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), ""));
    let headers = ["X-Forwarded-For: 10.0.0.9", "Accept: */*", "X-Request-Id: abc", "Cookie: a=1"];
    assert!(kit.exchange("GET /p/1?x=%20", &headers, BODY));
    assert_eq!(kit.accounts(1), [("match".to_owned(), 1)].into());
    let asked = &extracted.asked()[0];
    assert_eq!(asked.line, "GET /p/1?x=%20 HTTP/1.1");
    assert_eq!(asked.header("host"), Some("shop.example"));
    for line in headers {
        let (name, value) = line.split_once(": ").unwrap();
        assert_eq!(asked.header(name), Some(value), "{}", asked.head);
    }
    assert_eq!(asked.header("x-shadow-request").map(str::len), Some(16));
    assert_eq!(asked.header("x-shadow-mode"), None);
    assert_eq!((asked.header("content-length"), asked.header("transfer-encoding")), (None, None));
    assert!(legacy.asked().is_empty(), "legacy gets nothing that a client did not send");
}

#[test]
fn a_difference_is_a_mismatch() {
    let (legacy, extracted) = (Origin::new(|_| ok("")), Origin::new(|_| ok(r#"{"price":2}"#)));
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), ""));
    kit.exchange("GET /", &[], BODY);
    assert_eq!(kit.accounts(1), [("mismatch".to_owned(), 1)].into());
}

#[test]
fn bodies_are_copied_in_the_framing_they_came_in() {
    let (legacy, extracted) = (Origin::new(|_| ok("")), Origin::new(|_| ok(BODY)));
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), ""));
    for framing in ["Content-Length: 6", "Transfer-Encoding: chunked"] {
        let mut ticket = kit.ticket("POST /search", &[framing]).unwrap();
        ticket.request_piece(b"abc");
        ticket.request_piece(b"def");
        ticket.request_end();
        answered(&mut ticket, BODY);
        ticket.finish(PrimaryEnd::Complete);
    }
    assert_eq!(kit.accounts(2), [("match".to_owned(), 2)].into());
    let asked = extracted.asked();
    let of = |name| asked.iter().find(|asked| asked.header(name).is_some()).unwrap();
    assert_eq!(
        (&of("content-length").body[..], of("content-length").header("content-length")),
        (&b"abcdef"[..], Some("6"))
    );
    assert_eq!(&of("transfer-encoding").body, b"6\r\nabcdef\r\n0\r\n\r\n");
}

#[test]
fn what_the_extracted_service_answers_clients_goes_to_legacy() {
    let (legacy, extracted) = (Origin::new(|_| ok(BODY)), Origin::new(|_| ok("")));
    let text = in_shadow(&legacy, &extracted.url(), "reverse_sample = \"100%\"");
    let text =
        text.replace("phase = \"shadow\"", "phase = \"extracted\"\nrewrite = { add_prefix = \"/v2\" }");
    let kit = Kit::new(&text);
    assert!(kit.exchange("GET /p", &[], BODY));
    assert!(!kit.exchange("POST /p", &[], BODY), "writes are never copied to legacy");
    assert_eq!(kit.accounts(1), [("match".to_owned(), 1)].into());
    assert_eq!(legacy.asked()[0].line, "GET /p HTTP/1.1", "a rewrite is the extracted side's");
    assert!(extracted.asked().is_empty());
}

#[test]
fn the_slices_own_operations_are_applied_on_both_ways() {
    let script = |_: &_| Act::Answer(answer("200 OK", &["X-Powered-By: rust", "X-A: wrong"], BODY));
    let (legacy, extracted) = (Origin::new(|_| ok("")), Origin::new(script));
    let text = in_shadow(&legacy, &extracted.url(), "request_headers = { set = { x-copy = \"1\" } }");
    let operations = "rewrite = { strip_prefix = \"/p\" }\nrequest_headers = { set = { x-from = \"edge\" } }\n\
                      response_headers = { remove = [\"x-powered-by\", \"x-a\"] }\nroutes";
    let kit = Kit::new(&text.replace("routes", operations));
    kit.exchange("GET /p/1", &[], BODY);
    assert_eq!(kit.accounts(1), [("match".to_owned(), 1)].into());
    let asked = &extracted.asked()[0];
    assert_eq!(asked.line, "GET /1 HTTP/1.1");
    assert_eq!((asked.header("x-from"), asked.header("x-copy")), (Some("edge"), Some("1")));
    assert_eq!(asked.header("x-forwarded-prefix"), Some("/p"));
}

#[test]
fn a_redirect_to_the_name_that_an_upstream_is_asked_by_is_no_difference() {
    for (location, wanted) in [
        ("http://products.internal/products/2", "match"),
        ("http://PRODUCTS.internal:PORT/products/2", "match"),
        ("http://v2.internal/products/2", "match"),
        ("2", "match"),
        ("http://legacy.internal/products/2", "mismatch"),
    ] {
        let port: Arc<OnceLock<String>> = Arc::default();
        let of_script = Arc::clone(&port);
        let extracted = Origin::new(move |_| {
            let location = location.replace("PORT", of_script.get().unwrap());
            Act::Answer(answer("302 Found", &[&format!("Location: {location}")], ""))
        });
        port.set(extracted.url().rsplit(':').next().unwrap().to_owned()).unwrap();
        let legacy = Origin::new(|_| ok(""));
        let text = in_shadow(&legacy, "products", "")
            .replace("routes", "rewrite = { host = \"v2.internal\" }\nroutes");
        let kit = Kit::new(&format!(
            "{text}\n[upstreams.products]\nendpoints = [{:?}]\nhost = \"products.internal\"\n",
            extracted.url()
        ));
        let mut ticket = kit.ticket("GET /products/1", &[]).unwrap();
        ticket.request_end();
        let lines = [("content-type", "application/json"), ("location", "/products/2")];
        ticket.reply_head(302, &lines.into_iter().collect::<FieldLines>());
        ticket.finish(PrimaryEnd::Complete);
        assert_eq!(kit.accounts(1), [(wanted.to_owned(), 1)].into(), "{location}");
    }
}

#[test]
fn conditional_and_range_requests_and_upgrades_are_counted_and_not_sent() {
    let (legacy, extracted) = (Origin::new(|_| ok("")), Origin::new(|_| ok(BODY)));
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), ""));
    for header in ["If-None-Match: \"1\"", "Range: bytes=0-1", "Upgrade: websocket"] {
        assert!(kit.exchange("GET /", &[header], BODY));
    }
    let wanted = [("conditional", 1), ("range", 1), ("upgrade", 1)];
    let accounts = kit.accounts(3);
    assert_eq!(accounts, wanted.map(|(name, count)| (name.to_owned(), count)).into());
    assert_eq!(kit.counted(), accounts);
    assert!(extracted.asked().is_empty());
}

#[test]
fn idle_connections_are_used_again_and_one_that_was_closed_is_no_difference() {
    let (legacy, extracted) = (
        Origin::new(|_| ok("")),
        Origin::new(|asked| match asked.line.contains("/last") {
            true => Act::Last(answer("200 OK", &[], BODY)),
            false => ok(BODY),
        }),
    );
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), ""));
    for count in 1..=5 {
        kit.exchange("GET /", &[], BODY);
        kit.accounts(count);
    }
    assert_eq!(extracted.connections(), 1);
    for count in 6..=30 {
        kit.exchange("GET /last", &[], BODY);
        kit.accounts(count);
    }
    assert_eq!(kit.accounts(30), [("match".to_owned(), 30)].into());
    assert_eq!(extracted.asked().len(), 30);
}

#[test]
fn copies_are_counted_and_logged_apart_from_their_primaries_and_linked_to_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let (legacy, extracted) = (Origin::new(|_| ok("")), Origin::new(|_| ok(BODY)));
    let kit = Kit::new(&in_shadow(&legacy, &extracted.url(), ""));
    let log = Arc::clone(&kit.telemetry.access_log);
    log.configure(&strangler_core::snapshot::AccessLog::File(path.clone())).unwrap();
    kit.exchange("GET /p/reset/kQ7vX2mZ9rTb4wNc?secret=1", &["X-Request-Id: abc"], BODY);
    kit.accounts(1);
    log.flush(Duration::from_secs(10));
    let line: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let shadow_id = extracted.asked()[0].header("x-shadow-request").unwrap().to_owned();
    for (key, wanted) in [
        ("role", "shadow"),
        ("request_id", "abc"),
        ("shadow_id", &shadow_id),
        ("owner", "extracted"),
        ("phase", "shadow"),
        ("slice", "s"),
        ("route", "/**"),
        ("path", "/p/reset/redacted-code"),
    ] {
        assert_eq!(line[key], wanted, "{key} of {line}");
    }
    assert_eq!(line["status"], 200);
    let metrics = kit.telemetry.render_prometheus(&kit.live.pin());
    for wanted in [
        "strangler_requests_total{slice=\"s\",route=\"/**\",owner=\"extracted\",role=\"shadow\",code=\"200\"} 1\n",
        "strangler_request_duration_seconds_count{slice=\"s\",owner=\"extracted\",role=\"shadow\"} 1\n",
        "strangler_shadow_total{slice=\"s\",account=\"match\",reason=\"\"} 1\n",
    ] {
        assert!(metrics.contains(wanted), "{wanted} in {metrics}");
    }
    assert!(kit.telemetry.traffic().is_empty(), "a copy is no traffic");
    assert_eq!(kit.telemetry.copies()[0].count, 1);
}
