//! When legacy answers for a service that fails a read, what it is asked then, and when it never is.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use strangler_core::snapshot::Snapshot;

use crate::support::{Origin, Proxy, Wire, compiled, header, lines, nobody, poll, status};

const GET: &str = "GET /products HTTP/1.1\r\nHost: a\r\n\r\n";

/// Heads and bodies.
type Requests = Vec<(String, Vec<u8>)>;

/// A monolith that answers everything, and what it was asked.
struct Legacy {
    address: SocketAddr,
    asked: Arc<Mutex<Requests>>,
}

impl Legacy {
    fn new() -> Legacy {
        let asked = Arc::<Mutex<Requests>>::default();
        let kept = Arc::clone(&asked);
        let address = Origin::new().serve(move |head, body| {
            kept.lock().unwrap().push((head.to_owned(), body.to_vec()));
            let body = if head.starts_with("HEAD") { "" } else { "legacy" };
            format!("HTTP/1.1 200 OK\r\nX-Side: legacy\r\nContent-Length: 6\r\n\r\n{body}").into_bytes()
        });
        Legacy { address, asked }
    }

    fn asked(&self) -> Requests {
        self.asked.lock().unwrap().clone()
    }
}

fn slice(legacy: SocketAddr, service: SocketAddr, keys: &str) -> Snapshot {
    let keys =
        if keys.contains("phase =") { keys.to_owned() } else { format!("phase = \"extracted\"\n{keys}") };
    let keys = if keys.contains("sync =") { keys } else { format!("sync = \"stateless\"\n{keys}") };
    compiled(&format!(
        "legacy = \"http://{legacy}\"\n[upstreams.service]\nendpoints = [\"http://{service}\"]\nbreaker = false\n\
         [slices.products]\nupstream = \"service\"\n\
         routes = [\"/products/**\", {{ match = \"POST /products/search\", effect = \"read\" }}]\n{keys}\n"
    ))
}

fn metrics(proxy: &Proxy) -> String {
    proxy.telemetry.render_prometheus(&proxy.live.pin())
}

/// Waits until a line of the metrics is there.
#[track_caller]
fn wait_metric(proxy: &Proxy, line: &str) {
    poll(|| metrics(proxy).contains(line).then_some(()))
        .unwrap_or_else(|| panic!("{line}: {}", metrics(proxy)));
}

/// What a service does with a request that it has read.
#[derive(Clone, Copy, Debug)]
enum Act {
    Refuse,
    Answer(&'static str),
    /// Sends this and closes.
    Cut(&'static str),
    Stall,
}

fn service(act: Act) -> (SocketAddr, Arc<AtomicU32>) {
    let origin = Origin::new();
    let address = origin.address();
    let asked = Arc::new(AtomicU32::new(0));
    if matches!(act, Act::Refuse) {
        return (address, asked);
    }
    let counted = Arc::clone(&asked);
    std::thread::spawn(move || {
        loop {
            let mut wire = origin.accept();
            wire.message();
            counted.fetch_add(1, Ordering::Relaxed);
            match act {
                Act::Answer(text) => drop(wire.send(text).rest()),
                Act::Cut(text) => drop(wire.send(text)),
                Act::Stall | Act::Refuse => drop(wire.rest()),
            }
        }
    });
    (address, asked)
}

const UNAVAILABLE: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";

/// The status that the client gets, and the reason that was counted where legacy answered.
fn check(act: Act, keys: &str, request: &str, wanted: u16, reason: Option<&str>) {
    let name = format!("{act:?} {keys:?} {request:?}");
    let legacy = Legacy::new();
    let (address, asked) = service(act);
    let proxy = Proxy::start(slice(legacy.address, address, keys));
    let mut client = proxy.connect();
    client.send(request);
    let head = client.head();
    assert_eq!(status(&head), wanted, "{name}");
    match reason {
        Some(reason) => {
            assert_eq!(header(&head, "x-side"), Some("legacy"), "{name}");
            assert_eq!(proxy.counted(200), "legacy", "{name}");
            wait_metric(
                &proxy,
                &format!("strangler_fallbacks_total{{slice=\"products\",reason=\"{reason}\"}} 1\n"),
            );
            assert_eq!(legacy.asked().len(), 1, "{name}");
        }
        None => {
            assert_eq!(header(&head, "x-side"), None, "{name}");
            assert!(!metrics(&proxy).contains("strangler_fallbacks_total{"), "{name}");
            assert_eq!(legacy.asked().len(), 0, "{name}: legacy was asked");
        }
    }
    assert!(asked.load(Ordering::Relaxed) <= 1, "{name}: the service was asked twice");
}

#[test]
fn a_read_that_the_service_fails_is_answered_by_legacy() {
    for (act, reason) in [
        (Act::Refuse, "connect-error"),
        (Act::Cut(""), "broken"),
        (Act::Cut("HTTP/1.1 200 OK\r\nContent-Le"), "broken"),
        (Act::Answer("nonsense\r\n\r\n"), "broken"),
        (Act::Answer("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), "broken"),
        (
            Act::Answer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
            "broken",
        ),
        (Act::Answer("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nbad"), "502"),
        (Act::Answer(UNAVAILABLE), "503"),
        (Act::Answer("HTTP/1.1 504 Gateway Timeout\r\nTransfer-Encoding: chunked\r\n\r\n"), "504"),
    ] {
        check(act, "", GET, 200, Some(reason));
        check(act, "fallback = \"never\"", GET, status_without(act), None);
    }
    check(Act::Stall, "fallback_after = \"50ms\"", GET, 200, Some("timeout"));
    check(Act::Stall, "timeouts = { response = \"50ms\" }", GET, 200, Some("timeout"));
    check(Act::Stall, "timeouts = { response = \"50ms\" }\nfallback = \"never\"", GET, 504, None);
}

/// What the client gets where nobody stands in.
fn status_without(act: Act) -> u16 {
    match act {
        Act::Answer(text) if text.starts_with("HTTP/1.1 5") => text[9..12].parse().unwrap(),
        _ => 502,
    }
}

#[test]
fn other_answers_of_the_service_are_its_own() {
    for (text, wanted) in [
        ("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", 500),
        ("HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\n\r\n", 501),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404),
        ("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", 429),
    ] {
        check(Act::Answer(text), "", GET, wanted, None);
    }
}

#[test]
fn a_list_says_which_failures_count() {
    let error = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
    let missing = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    check(Act::Refuse, "fallback = [\"connect-error\"]", GET, 200, Some("connect-error"));
    check(Act::Refuse, "fallback = [\"timeout\", \"5xx\"]", GET, 502, None);
    check(Act::Answer(UNAVAILABLE), "fallback = [\"connect-error\", \"timeout\"]", GET, 503, None);
    check(Act::Answer(UNAVAILABLE), "fallback = [\"503\"]", GET, 200, Some("503"));
    check(Act::Answer(UNAVAILABLE), "fallback = [502, 504]", GET, 503, None);
    check(Act::Answer(error), "fallback = [\"5xx\"]", GET, 200, Some("500"));
    check(Act::Answer(missing), "fallback = [404]", GET, 200, Some("404"));
    check(Act::Stall, "fallback = [\"timeout\"]\nfallback_after = \"50ms\"", GET, 200, Some("timeout"));
    // A time-out that is not in the list is the service's own.
    check(
        Act::Stall,
        "fallback = [\"5xx\"]\nfallback_after = \"1ms\"\ntimeouts = { response = \"100ms\" }",
        GET,
        504,
        None,
    );
}

#[test]
fn a_list_does_not_override_that_the_data_does_not_reach_legacy() {
    for fallback in ["\"auto\"", "[\"connect-error\"]"] {
        let writer = "writer = \"extracted\"\nsync = \"to-extracted\"";
        check(Act::Refuse, &format!("{writer}\nfallback = {fallback}"), GET, 502, None);
        let reached = "writer = \"extracted\"\nsync = \"to-legacy\"";
        check(Act::Refuse, &format!("{reached}\nfallback = {fallback}"), GET, 200, Some("connect-error"));
    }
}

#[test]
fn legacy_is_never_asked_for_a_retired_route_nor_while_nobody_knows_how_late_its_data_is() {
    check(Act::Refuse, "phase = \"retired\"\nwriter = \"extracted\"", GET, 502, None);
    let lag = "writer = \"extracted\"\nsync = \"to-legacy\"\n\
               sync_lag = { url = \"http://127.0.0.1:1/lag\", max = \"5s\" }";
    check(Act::Refuse, lag, GET, 502, None);
    let fresh = "sync = \"to-extracted\"\nsync_lag = { url = \"http://127.0.0.1:1/lag\", max = \"5s\" }";
    check(Act::Refuse, fresh, GET, 200, Some("connect-error"));
}

#[test]
fn safe_requests_of_every_kind_fall_back() {
    let ask = |request: &str| check(Act::Refuse, "", request, 200, Some("connect-error"));
    ask("HEAD /products HTTP/1.1\r\nHost: a\r\n\r\n");
    ask("OPTIONS /products HTTP/1.1\r\nHost: a\r\n\r\n");
    ask("GET /products HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"x\"\r\nRange: bytes=0-1\r\n\r\n");
    ask("GET /products HTTP/1.0\r\n\r\n");
    ask("POST /products/search HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn an_upgrade_does_not_fall_back() {
    let request = "GET /products HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    check(Act::Refuse, "", request, 502, None);
    check(Act::Answer(UNAVAILABLE), "", request, 503, None);
}

#[test]
fn an_unsafe_request_is_sent_once_whatever_becomes_of_the_service() {
    let post = "POST /products HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy";
    for fallback in ["\"auto\"", "[\"connect-error\", \"timeout\", \"5xx\"]"] {
        let keys = format!(
            "writer = \"extracted\"\nsync = \"both\"\nfallback_after = \"50ms\"\nfallback = {fallback}"
        );
        for (act, wanted) in [
            (Act::Refuse, 502),
            (Act::Cut(""), 502),
            (Act::Cut("HTTP/1.1 201 Crea"), 502),
            (Act::Answer(UNAVAILABLE), 503),
            (Act::Answer("nonsense\r\n\r\n"), 502),
        ] {
            for method in ["POST", "PUT", "PATCH", "DELETE"] {
                check(act, &keys, &post.replace("POST", method), wanted, None);
            }
        }
        let patient = format!("{keys}\ntimeouts = {{ response = \"100ms\" }}");
        check(Act::Stall, &patient, post, 504, None);
    }
}

#[test]
fn legacy_gets_what_the_client_sent_and_its_answer_is_its_own() {
    let legacy = Legacy::new();
    let (address, _) = service(Act::Answer(UNAVAILABLE));
    let proxy = Proxy::start(compiled(&format!(
        "legacy = \"http://{}\"\n[upstreams.service]\nendpoints = [\"http://{address}\"]\nhost = \"pay.internal\"\n\
         [slices.products]\nupstream = \"service\"\nphase = \"extracted\"\nsync = \"stateless\"\n\
         routes = [\"/products/**\"]\nrewrite = {{ strip_prefix = \"/products\", add_prefix = \"/v2\" }}\n\
         request_headers = {{ set = {{ x-from = \"edge\", x-case = \"changed\" }}, remove = [\"x-gone\"] }}\n\
         response_headers = {{ set = {{ x-served = \"extracted\" }} }}\n",
        legacy.address
    )));
    let mut client = proxy.connect();
    let request =
        "GET /products/7?a=%2F HTTP/1.1\r\nHost: shop.example\r\nX-CASE: Kept\r\nx-gone: no\r\n\r\n";
    client.send(request);
    let head = client.head();
    client.expect("legacy");
    assert_eq!(lines(&head), ["X-Side: legacy", "Content-Length: 6"], "nothing of the service's is added");
    let asked = legacy.asked();
    assert!(asked[0].0.starts_with("GET /products/7?a=%2F HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked[0].0.contains("\r\nX-CASE: Kept\r\nx-gone: no\r\n"), "{asked:?}");
    assert_eq!(header(&asked[0].0, "host"), Some("shop.example"));
    for name in ["x-from", "x-forwarded-prefix"] {
        assert_eq!(header(&asked[0].0, name), None, "{asked:?}");
    }
    // The connection goes on.
    client.send(request);
    assert_eq!(status(&client.head()), 200);
}

#[test]
fn the_body_of_a_read_is_sent_once_more_to_legacy() {
    let large = "y".repeat(64 * 1024);
    for body in ["query", &large] {
        for chunked in [false, true] {
            let legacy = Origin::new();
            let (address, asked) = service(Act::Answer(UNAVAILABLE));
            let (address, asked) = if chunked {
                // This one answers before it has read the body.
                let origin = Origin::new();
                let address = origin.address();
                std::thread::spawn(move || {
                    let mut wire = origin.accept();
                    wire.head();
                    wire.send(UNAVAILABLE).rest()
                });
                (address, asked)
            } else {
                (address, asked)
            };
            let proxy = Proxy::start(slice(legacy.address(), address, ""));
            let mut client = proxy.connect();
            if chunked {
                client
                    .send("POST /products/search HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
                client.send(format!("{:x}\r\n{body}\r\n0\r\nX-Sum: 1\r\n\r\n", body.len()));
                let mut upstream = legacy.accept();
                assert_eq!(header(&upstream.head(), "transfer-encoding"), Some("chunked"));
                let sent = upstream.read_until("0\r\nX-Sum: 1\r\n\r\n");
                assert_eq!(unchunked(&sent), body);
                upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            } else {
                let length = body.len();
                client.send(format!(
                    "POST /products/search HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
                ));
                client.send(body);
                let mut upstream = legacy.accept();
                assert_eq!(upstream.message().1, body.as_bytes());
                upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                assert_eq!(asked.load(Ordering::Relaxed), 1);
            }
            assert_eq!(status(&client.head()), 200, "{chunked} {}", body.len());
        }
    }
}

/// The data of a chunked body, without its trailers.
fn unchunked(text: &str) -> String {
    let mut data = String::new();
    let mut rest = text;
    loop {
        let (size, after) = rest.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return data;
        }
        data.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
}

#[test]
fn a_body_that_is_still_on_its_way_goes_on_to_legacy_where_it_stopped() {
    let (legacy, service) = (Origin::new(), Origin::new());
    let proxy = Proxy::start(slice(legacy.address(), service.address(), ""));
    let mut client = proxy.connect();
    client.send("POST /products/search HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
    let mut first = service.accept();
    first.head();
    first.expect("01234");
    drop(first);
    let mut second = legacy.accept();
    second.head();
    second.expect("01234");
    client.send("56789");
    second.expect("56789").send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(status(&client.head()), 200);
    // The connection is in step: the next request is read from its beginning.
    client.send("GET /else HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(second.head().starts_with("GET /else "));
}

#[test]
fn a_body_that_is_too_large_to_be_kept_goes_to_one_side_only() {
    let large = "y".repeat(64 * 1024 + 1);
    for chunked in [false, true] {
        let legacy = Legacy::new();
        let origin = Origin::new();
        let proxy = Proxy::start(slice(legacy.address, origin.address(), ""));
        let mut client = proxy.connect();
        if chunked {
            client.send("POST /products/search HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            client.send(format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len()));
        } else {
            client.send(format!(
                "POST /products/search HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
                large.len()
            ));
            client.send(&large);
        }
        let mut service = origin.accept();
        service.head();
        if chunked {
            service.read_until("\r\n0\r\n\r\n");
        } else {
            service.bytes(large.len());
        }
        service.send(UNAVAILABLE);
        assert_eq!(status(&client.head()), 503);
        assert_eq!(legacy.asked().len(), 0);
        wait_metric(&proxy, "strangler_limits_total{limit=\"fallback_body\"} 1\n");
    }
}

#[test]
fn nothing_is_asked_again_once_the_client_has_bytes_of_an_answer() {
    let (legacy, service) = (Legacy::new(), Origin::new());
    let proxy = Proxy::start(slice(legacy.address, service.address(), ""));
    // Early hints are part of an answer.
    let (mut client, mut upstream) = proxy.asks(&service, GET);
    upstream.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
    assert_eq!(status(&client.head()), 103);
    upstream.send("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(status(&client.head()), 503);
    // So is a head whose body breaks off.
    let (mut client, mut upstream) = proxy.asks(&service, GET);
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    assert_eq!(status(&client.head()), 200);
    drop(upstream);
    assert_eq!(client.rest().0, "half");
    assert_eq!(legacy.asked().len(), 0);
}

#[test]
fn a_client_that_was_told_to_go_on_may_still_be_answered_by_legacy() {
    let (legacy, service) = (Origin::new(), Origin::new());
    let proxy = Proxy::start(slice(legacy.address(), service.address(), ""));
    let mut client = proxy.connect();
    client.send(
        "POST /products/search HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    );
    let mut first = service.accept();
    first.head();
    first.send("HTTP/1.1 100 Continue\r\n\r\n");
    client.expect("HTTP/1.1 100 Continue\r\n\r\n").send("xy");
    first.expect("xy");
    drop(first);
    let mut second = legacy.accept();
    assert_eq!(second.message().1, b"xy");
    second.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(status(&client.head()), 200, "it is not told twice");
}

#[test]
fn a_client_that_left_is_not_answered_by_legacy() {
    let (legacy, service) = (Legacy::new(), Origin::new());
    let proxy = Proxy::start(slice(legacy.address, service.address(), ""));
    let (client, mut upstream) = proxy.asks(&service, GET);
    drop(client);
    // The service learns of it, so the proxy has.
    upstream.ended();
    assert_eq!(proxy.counted(499), "proxy");
    assert_eq!(legacy.asked().len(), 0);
}

#[test]
fn legacy_has_its_own_time_and_the_service_is_cut_off() {
    let (legacy, service) = (Origin::new(), Origin::new());
    let proxy = Proxy::start(slice(legacy.address(), service.address(), "fallback_after = \"50ms\""));
    let (mut client, mut upstream) = proxy.asks(&service, GET);
    upstream.ended();
    let mut second = legacy.accept();
    second.head();
    // Longer than what the service was given.
    assert!(client.is_silent(Duration::from_millis(200)));
    second.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(status(&client.head()), 200);
}

#[test]
fn where_both_sides_fail_the_client_is_told_once() {
    let proxy = Proxy::start(slice(nobody(), nobody(), ""));
    let mut client = proxy.connect();
    client.send(GET);
    let (head, _) = client.message();
    assert_eq!(status(&head), 502);
    assert_eq!(header(&head, "proxy-status"), Some("strangler; error=connection_refused"));
    assert_eq!(proxy.counted(502), "proxy");
    wait_metric(&proxy, "strangler_fallbacks_total{slice=\"products\",reason=\"connect-error\"} 1\n");
}

#[test]
fn a_service_with_too_much_to_do_is_relieved() {
    let legacy = Legacy::new();
    let origin = Origin::new();
    let proxy = Proxy::start(compiled(&format!(
        "legacy = \"http://{}\"\n[upstreams.service]\nendpoints = [\"http://{}\"]\nmax_in_flight = 1\n\
         [slices.products]\nupstream = \"service\"\nphase = \"extracted\"\nsync = \"stateless\"\nroutes = [\"/products\"]\n",
        legacy.address,
        origin.address()
    )));
    let (mut busy, mut upstream) = proxy.asks(&origin, GET);
    let mut client = proxy.connect();
    client.send(GET);
    assert_eq!(header(&client.head(), "x-side"), Some("legacy"));
    wait_metric(&proxy, "strangler_fallbacks_total{slice=\"products\",reason=\"shed\"} 1\n");
    wait_metric(&proxy, "strangler_limits_total{limit=\"max_in_flight\"} 1\n");
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(header(&busy.head(), "x-side"), None);
}

#[test]
fn guardrails_learn_of_every_fallback_and_of_clients_with_a_key_alone() {
    let legacy = Legacy::new();
    let proxy = Proxy::start(slice(legacy.address, nobody(), "cohort_by = \"header:x-user\""));
    let mut client = proxy.connect();
    for request in [GET, "GET /products HTTP/1.1\r\nHost: a\r\nX-User: 1\r\n\r\n"] {
        client.send(request);
        client.head();
        client.expect("legacy");
    }
    let failed = poll(|| {
        let sums = proxy.telemetry.judged(&proxy.live.pin());
        sums.values().map(|[_, extracted]| (extracted.reads, extracted.failed)).find(|(reads, _)| *reads > 0)
    });
    assert_eq!(failed, Some((1, [0, 0, 1])));
}

#[test]
fn a_fallback_does_not_wait_for_another_request_of_the_same_client() {
    // Each request of one connection is judged anew.
    let legacy = Legacy::new();
    let origin = Origin::new();
    let proxy = Proxy::start(slice(legacy.address, origin.address(), ""));
    let mut client = proxy.connect();
    let mut upstream: Option<Wire> = None;
    for round in 0..4 {
        client.send(GET);
        let mut wire = upstream.take().unwrap_or_else(|| origin.accept());
        wire.head();
        if round % 2 == 0 {
            wire.send(UNAVAILABLE);
            assert_eq!(header(&client.head(), "x-side"), Some("legacy"));
            client.expect("legacy");
        } else {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(header(&client.head(), "x-side"), None);
            upstream = Some(wire);
        }
    }
}
