use super::super::testing::{check, check as same, found, reply};

/// Two replies that differ in these header lines alone.
fn heads(left: &str, right: &str, expected: &[&str]) {
    check(&reply(&format!("200\n{left}")), &reply(&format!("200\n{right}")), expected);
}

#[test]
fn a_header_is_missing_extra_or_another() {
    heads("X-A: 1", "", &["header:x-a header.missing"]);
    heads("", "X-A: 1", &["header:x-a header.extra"]);
    heads("X-A: 1", "X-A: 2", &["header:x-a header.value"]);
    heads(
        "X-A: 1\nX-B: 1",
        "X-C: 1\nX-B: 2",
        &["header:x-a header.missing", "header:x-b header.value", "header:x-c header.extra"],
    );
}

#[test]
fn the_case_of_names_and_the_order_of_lines_are_no_difference() {
    heads("X-ONE: 1\nx-two: 2", "X-Two: 2\nx-one: 1", &[]);
    heads("x-one: a", "x-one: A", &["header:x-one header.value"]);
}

#[test]
fn bytes_that_are_no_text_are_not_taken_for_one_another() {
    let of = |name: &str, value: &[u8]| {
        let mut reply = reply("200");
        reply.headers.push(name, value);
        reply
    };
    check(&of("X-A", b"\xe9"), &of("X-A", b"\xe8"), &["header:x-a header.value"]);
    check(&of("Vary", b"\xe9"), &of("Vary", b"\xe8"), &["header:vary header.value"]);
    check(&of("Set-Cookie", b"a=\xe9"), &of("Set-Cookie", b"a=\xe8"), &["cookie:a cookie.value"]);
}

#[test]
fn some_headers_are_never_compared() {
    for name in [
        "Date",
        "Server",
        "Via",
        "Age",
        "Content-Length",
        "Content-Encoding",
        "Connection",
        "Keep-Alive",
        "Transfer-Encoding",
        "Upgrade",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "X-Request-Id",
        "Request-Id",
        "X-Correlation-ID",
        "traceparent",
        "tracestate",
        "X-B3-TraceId",
        "X-Amzn-Trace-Id",
        "X-Shadow-Mode",
        "X-Shadow-Request",
    ] {
        // A coding that is not there would be another matter.
        let value = if name == "Content-Encoding" { "identity" } else { "a" };
        heads(&format!("{name}: {value}"), "", &[]);
        heads(&format!("{name}: {value}"), &format!("{name}: {value}, {value}"), &[]);
    }
    heads("X-Hop: 1\nConnection: close, X-HOP", "X-Other: 1\nConnection: x-other", &[]);
    heads("X-Runtime: 1", "X-Runtime: 2", &["header:x-runtime header.value"]);
    heads("X-Powered-By: a", "", &["header:x-powered-by header.missing"]);
}

#[test]
fn list_headers_are_sets_of_tokens() {
    heads("Vary: Accept, Cookie", "Vary: cookie,accept", &[]);
    heads("Vary: Accept\nVary: Cookie", "Vary: Cookie, Accept, Accept", &[]);
    heads("Vary: Accept", "Vary: Accept, Cookie", &["header:vary header.value"]);
    heads("Allow: GET, POST", "Allow: POST,GET", &[]);
    heads("Allow: GET", "Allow: get", &["header:allow header.value"]);
    heads("Cache-Control: no-store, Max-Age=\"60\"", "Cache-Control: max-age=60,NO-STORE", &[]);
    heads("Cache-Control: max-age=60", "Cache-Control: max-age=61", &["header:cache-control header.value"]);
    heads("Cache-Control: private", "Cache-Control: public", &["header:cache-control header.value"]);
    heads("Accept-Ranges: bytes", "Accept-Ranges: Bytes", &[]);
    heads("Content-Language: de, en", "Content-Language: en,de", &[]);
    heads("Access-Control-Allow-Methods: GET, PUT", "Access-Control-Allow-Methods: PUT, GET", &[]);
    heads(
        "Access-Control-Allow-Headers: A, B",
        "Access-Control-Allow-Headers: b\nAccess-Control-Allow-Headers: a",
        &[],
    );
    heads("Access-Control-Expose-Headers: X-A", "Access-Control-Expose-Headers: x-a", &[]);
    heads("Link: </a,b>; rel=\"next\"; title=x, </c>", "Link: </c>, </a,b>;title=\"x\";REL=next", &[]);
    heads("Link: </a>; rel=next", "Link: </a>; rel=prev", &["header:link header.value"]);
}

#[test]
fn doubled_cors_headers_are_found() {
    let one = "Access-Control-Allow-Origin: *";
    heads(one, &format!("{one}\n{one}"), &["header:access-control-allow-origin header.value"]);
    let one = "Access-Control-Allow-Credentials: true";
    heads(one, &format!("{one}\n{one}"), &["header:access-control-allow-credentials header.value"]);
}

#[test]
fn repeated_lines_are_one_with_commas() {
    heads("X-A: 1\nX-A: 2", "X-A: 1, 2", &[]);
    heads("X-A: 1\nX-A: 2", "X-A: 2\nX-A: 1", &["header:x-a header.value"]);
    heads("X-A: 1\nX-A: 1", "X-A: 1", &["header:x-a header.value"]);
}

#[test]
fn parameters_have_no_order_case_or_quotes() {
    heads("Content-Type: Text/HTML;charset=UTF-8", "Content-Type: text/html; charset=\"utf-8\"", &[]);
    heads("Content-Type: application/json; charset=utf-8", "Content-Type: application/json", &[]);
    heads("Content-Type: application/hal+json", "Content-Type: application/hal+json;charset=UTF-8", &[]);
    heads(
        "Content-Type: text/html",
        "Content-Type: text/html; charset=utf-8",
        &["header:content-type header.value"],
    );
    heads("Content-Type: text/html", "Content-Type: application/json", &["header:content-type header.value"]);
    heads("Content-Type: a/b; x=A", "Content-Type: a/b; x=a", &["header:content-type header.value"]);
    heads(
        "Content-Disposition: attachment; filename=\"a.pdf\"",
        "Content-Disposition: attachment;FileName=a.pdf",
        &[],
    );
    heads(
        "Strict-Transport-Security: max-age=1; includeSubDomains",
        "Strict-Transport-Security: includesubdomains;Max-Age=1",
        &[],
    );
    heads("X-Frame-Options: DENY", "X-Frame-Options: deny", &[]);
}

#[test]
fn a_policys_nonce_is_another_one_every_time() {
    let policy = |nonce: &str| format!("Content-Security-Policy: script-src 'self' {nonce}; img-src *");
    heads(&policy("'nonce-a'"), "Content-Security-Policy: img-src *; script-src 'nonce-b' 'self'", &[]);
    heads(&policy("'nonce-a'"), &policy(""), &["header:content-security-policy header.value"]);
    heads(&policy("a.example"), &policy("b.example"), &["header:content-security-policy header.value"]);
}

#[test]
fn locations_are_compared_without_the_sides_own_origins() {
    let check = |left: &str, right: &str, expected: &[&str]| {
        for name in ["Location", "Content-Location"] {
            let expected: Vec<String> =
                expected.iter().map(|kind| format!("header:{} {kind}", name.to_lowercase())).collect();
            let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
            same(
                &reply(&format!("302\n{name}: {left}")),
                &reply(&format!("302\n{name}: {right}")),
                &expected,
            );
        }
    };
    check("http://legacy:8000/a?b", "http://extracted:8002/a?b", &[]);
    check("/a", "http://extracted:8002/a", &[]);
    check("https://shop.example/a", "/a", &[]);
    check("https://shop.example", "//EXTRACTED:8002/", &[]);
    // The request is for /a/b.
    check("/a/c", "c", &[]);
    check("c", "http://extracted:8002/a/c", &[]);
    check("../c?d", "/c?d", &[]);
    check("c", "../c", &["header.value"]);
    check("//legacy:8000/a/./c", "./c", &[]);
    check("https://other.example/a", "https://OTHER.example:443/a", &[]);
    // An origin of the other side, or of nobody's, is a leak.
    check("/a", "http://legacy:8000/a", &["header.value"]);
    check("/a", "http://products.internal:8002/a", &["header.value"]);
    check("/a", "/b", &["header.value"]);
    check("/a", "/a/", &["header.value"]);
    check("https://shop.example/a", "http://shop.example/a", &["header.value"]);
}

#[test]
fn validators_are_compared_only_where_bodies_are_equal() {
    let check = |left: &str, right: &str, bodies: (&str, &str), expected: &[&str]| {
        same(
            &reply(&format!("200\ncontent-type: application/json\n{left}\n\n{}", bodies.0)),
            &reply(&format!("200\ncontent-type: application/json\n{right}\n\n{}", bodies.1)),
            expected,
        );
    };
    let same = ("[1]", "[1]");
    check("ETag: \"a\"", "ETag: \"b\"", same, &["header:etag header.value"]);
    check("ETag: \"a\"", "ETag: W/\"a\"", same, &["header:etag header.value"]);
    check("ETag: \"a\"", "X-A: 1", same, &["header:etag header.missing", "header:x-a header.extra"]);
    check("Last-Modified: a", "Last-Modified: b", same, &["header:last-modified header.value"]);
    // The same in other bytes: a validator must be there, but of other bytes it is another one.
    let equal = ("[1]", "[ 1 ]");
    check("ETag: \"a\"", "ETag: \"b\"", equal, &[]);
    check("ETag: \"a\"", "X-A: 1", equal, &["header:etag header.missing", "header:x-a header.extra"]);
    check("Last-Modified: a", "Last-Modified: b", equal, &["header:last-modified header.value"]);
    let other = ("[\"a\"]", "[\"b\"]");
    for (left, right) in [
        ("ETag: \"a\"", "ETag: \"b\""),
        ("ETag: \"a\"", "server: x"),
        ("Last-Modified: a", "Last-Modified: b"),
    ] {
        let left = reply(&format!("200\ncontent-type: application/json\n{left}\n\n{}", other.0));
        let right = reply(&format!("200\ncontent-type: application/json\n{right}\n\n{}", other.1));
        let found = found(&left, &right);
        assert!(!found.is_empty() && found.iter().all(|one| one.starts_with('$')), "{found:?}");
    }
}

#[test]
fn moments_of_expiry_are_the_same_within_five_seconds() {
    let at = |second: u32| format!("Expires: Thu, 01 Jan 2026 00:00:{second:02} GMT");
    heads(&at(0), &at(5), &[]);
    heads(&at(0), &at(6), &["header:expires header.value"]);
    heads("Expires: 0", "Expires: -1", &[]);
    heads("Expires: 0", &at(0), &["header:expires header.value"]);
}
