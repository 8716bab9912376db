//! What a client is told where nobody can answer for a slice.

use std::net::SocketAddr;

use strangler_core::snapshot::Snapshot;

use crate::support::{Origin, Proxy, compiled, header, nobody, status};

const UNAVAILABLE: &str =
    "unavailable = { status = 503, retry_after = \"30s\", message = \"Payment temporarily <unavailable>\" }";

/// Legacy, and a service that owns its writes and answers its reads.
fn slice(legacy: SocketAddr, service: SocketAddr, keys: &str) -> Snapshot {
    compiled(&format!(
        "legacy = \"http://{legacy}\"\n[slices.payments]\nupstream = \"http://{service}\"\nphase = \"extracted\"\n\
         writer = \"extracted\"\nroutes = [\"/payments/**\"]\nexcept = [\"/payments/kept\"]\n{keys}\n"
    ))
}

fn told(proxy: &Proxy, request: &str) -> (String, String) {
    let mut client = proxy.connect();
    client.send(request);
    let (head, body) = client.message();
    (head, String::from_utf8(body).unwrap())
}

fn request(method: &str, path: &str, accept: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\nX-Request-Id: my-id\r\nAccept: {accept}\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn the_slice_says_in_its_own_words_and_in_the_clients_format_when_to_come_again() {
    let proxy = Proxy::start(slice(nobody(), nobody(), UNAVAILABLE));
    for method in ["GET", "POST", "DELETE"] {
        let (head, body) = told(&proxy, &request(method, "/payments/1", "application/json"));
        assert_eq!(status(&head), 503, "{method}");
        assert_eq!(header(&head, "retry-after"), Some("30"));
        assert_eq!(header(&head, "content-type"), Some("application/json"));
        assert_eq!(header(&head, "proxy-status"), Some("strangler; error=connection_refused"));
        assert_eq!(header(&head, "x-request-id"), Some("my-id"));
        assert_eq!(header(&head, "cache-control"), Some("no-store"));
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "status": 503,
                "error": "connection_refused",
                "message": "Payment temporarily <unavailable>",
                "retry_after": 30,
                "request_id": "my-id",
            })
        );
    }
    // As a browser asks, and sends a form.
    for method in ["GET", "POST"] {
        let (head, body) =
            told(&proxy, &request(method, "/payments/1", "text/html,application/xhtml+xml,*/*;q=0.8"));
        assert_eq!((status(&head), header(&head, "retry-after")), (503, Some("30")));
        assert_eq!(header(&head, "content-type"), Some("text/html; charset=utf-8"));
        assert!(body.contains("<h1>Payment temporarily &lt;unavailable&gt;</h1>"), "{body}");
        assert!(body.contains("try again in 30 seconds") && body.contains("my-id"), "{body}");
    }
    let (head, body) = told(&proxy, &request("GET", "/payments/1", "*/*"));
    assert_eq!(header(&head, "content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(body, "503 Service Unavailable\nPayment temporarily <unavailable>\nRequest my-id\n");
    assert_eq!(proxy.counted(503), "proxy");
    let head = {
        let mut client = proxy.connect();
        client.send("HEAD /payments/1 HTTP/1.1\r\nHost: a\r\n\r\n");
        client.head()
    };
    assert_eq!((status(&head), header(&head, "retry-after")), (503, Some("30")));
}

#[test]
fn every_way_of_not_answering_is_told_alike_and_the_rest_of_the_site_goes_on() {
    let legacy = Origin::new().serve(|_, _| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec());
    let keys = format!("{UNAVAILABLE}\ntimeouts = {{ response = \"50ms\" }}");
    for stalls in [false, true] {
        let origin = Origin::new();
        let proxy = Proxy::start(slice(legacy, origin.address(), &keys));
        let mut client = proxy.connect();
        client.send(request("GET", "/payments/1", "application/json"));
        let mut upstream = origin.accept();
        upstream.head();
        let (head, _) = if stalls {
            client.message()
        } else {
            drop(upstream);
            client.message()
        };
        assert_eq!((status(&head), header(&head, "retry-after")), (503, Some("30")), "{stalls}");
        for path in ["/", "/cart", "/payments/kept"] {
            client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
            assert_eq!(status(&client.head()), 200, "{path}");
        }
    }
}

#[test]
fn legacy_that_cannot_be_reached_is_told_in_the_words_of_the_slice_too() {
    let text = format!(
        "legacy = \"http://{}\"\n[slices.payments]\nupstream = \"http://{}\"\nroutes = [\"/payments\"]\n{UNAVAILABLE}",
        nobody(),
        nobody()
    );
    let proxy = Proxy::start(compiled(&text));
    assert_eq!(status(&told(&proxy, &request("GET", "/payments", "*/*")).0), 503);
    let (head, body) = told(&proxy, &request("GET", "/other", "*/*"));
    assert_eq!((status(&head), header(&head, "retry-after")), (502, None));
    assert!(!body.contains("Payment"), "{body}");
}

#[test]
fn a_service_that_answers_and_a_client_that_errs_are_told_nothing_else() {
    let origin = Origin::new().serve(|_, _| b"HTTP/1.1 503 Busy\r\nContent-Length: 3\r\n\r\nown".to_vec());
    let proxy = Proxy::start(slice(nobody(), origin, UNAVAILABLE));
    let (head, body) = told(&proxy, &request("GET", "/payments/1", "application/json"));
    assert_eq!((status(&head), header(&head, "retry-after"), body.as_str()), (503, None, "own"));
    let (head, _) = told(&proxy, "GET /payments/%2e%2e HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((status(&head), header(&head, "retry-after")), (400, None));
}

#[test]
fn what_a_table_leaves_out_is_the_default_and_seconds_are_rounded_up() {
    let proxy = Proxy::start(slice(nobody(), nobody(), "unavailable = { retry_after = \"1500ms\" }"));
    let (head, body) = told(&proxy, &request("GET", "/payments/1", "*/*"));
    assert_eq!((status(&head), header(&head, "retry-after")), (503, Some("2")));
    assert!(body.contains("Temporarily unavailable"), "{body}");
    let proxy =
        Proxy::start(slice(nobody(), nobody(), "unavailable = { status = 504, retry_after = \"0s\" }"));
    let (head, _) = told(&proxy, &request("GET", "/payments/1", "*/*"));
    assert_eq!((status(&head), header(&head, "retry-after")), (504, Some("0")));
}
