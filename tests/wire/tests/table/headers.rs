//! Header lines both ways: what passes as it came, what is one hop's business, what the proxy says itself.

use wire::case::{Case, Do, Until, answer, gets, passes, request};
use wire::message::Message;
use wire::stage::Log;

use crate::setups::{PLAIN, QUIET, TRUSTED, get, ok, post};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = as_they_came();
    cases.extend(answers_as_they_came());
    cases.extend(hop_by_hop());
    cases.extend(hop_by_hop_answers());
    cases.extend(underscores());
    cases.extend(forwarded());
    cases.extend(identity());
    cases.extend(loops());
    cases
}

fn as_they_came() -> Vec<Case> {
    let with = |name: &str, lines: &str| Case::new(&PLAIN, name).send(get("/a", lines));
    vec![
        with("the case of header names", "X-CamelCase: a\r\nx-lower: b\r\nX-UPPER: c\r\naccEPT: */*\r\n").want(passes(
            request().raw("X-CamelCase: a\r\n").raw("x-lower: b\r\n").raw("X-UPPER: c\r\n").raw("accEPT: */*\r\n"),
        )),
        with("repeated lines stay apart and in order", "X-A: 1\r\nX-B: 2\r\nX-A: 3, 4\r\nx-a: 5\r\n")
            .want(passes(request().lines("x-a", &["1", "3, 4", "5"]).has("x-b", "2"))),
        with("cookie lines stay apart", "Cookie: a=1\r\nCookie: b=2; c=3\r\n")
            .want(passes(request().lines("cookie", &["a=1", "b=2; c=3"]))),
        with(
            "conditions, ranges and encodings",
            "If-None-Match: W/\"a\", \"b\"\r\nIf-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT\r\nRange: bytes=0-4, -5\r\nIf-Range: \"a\"\r\nAccept-Encoding: gzip;q=0.5, br\r\n",
        )
        .want(passes(
            request()
                .has("if-none-match", "W/\"a\", \"b\"")
                .has("if-modified-since", "Sat, 29 Oct 1994 19:43:31 GMT")
                .has("range", "bytes=0-4, -5")
                .has("if-range", "\"a\"")
                .has("accept-encoding", "gzip;q=0.5, br"),
        )),
        with("credentials for the origin", "Authorization: Basic abc==\r\n")
            .want(passes(request().has("authorization", "Basic abc=="))),
        with("nothing is invented", "")
            .want(passes(request().lacks("user-agent").lacks("accept").lacks("accept-encoding").lacks("date").lacks("cookie"))),
        with("a long value", &format!("X-A: {}\r\n", "v".repeat(30_000)))
            .want(passes(request().has("x-a", &"v".repeat(30_000)))),
        with("ninety header lines", &(0..90).map(|n| format!("X-{n}: {n}\r\n")).collect::<String>())
            .want(passes(request().has("x-0", "0").has("x-89", "89"))),
    ]
}

fn answers_as_they_came() -> Vec<Case> {
    let with = |name: &str, lines: &str| Case::new(&PLAIN, name).send(get("/a", "")).replies(ok(lines, "ok"));
    let seen = |want| gets(want).sees(request());
    let ok_answer = || answer(&[200]).body("ok");
    vec![
        with("the case of an answer's header names", "X-CamelCase: a\r\nx-lower: b\r\nETAG: \"c\"\r\n")
            .want(seen(ok_answer().raw("X-CamelCase: a\r\n").raw("x-lower: b\r\n").raw("ETAG: \"c\"\r\n"))),
        with(
            "every Set-Cookie on a line of its own",
            "Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; Expires=Wed, 21 Oct 2065 07:28:00 GMT\r\nset-cookie: a=3\r\n",
        )
        .want(seen(ok_answer().lines(
            "set-cookie",
            &["a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2065 07:28:00 GMT", "a=3"],
        ))),
        with("Date and Server are not invented", "").want(seen(ok_answer().lacks("date").lacks("server"))),
        with("Date and Server are not replaced", "Date: Sat, 29 Oct 1994 19:43:31 GMT\r\nServer: monolith/1\r\n")
            .want(seen(ok_answer().has("date", "Sat, 29 Oct 1994 19:43:31 GMT").has("server", "monolith/1"))),
        with("a weak ETag, Vary and Cache-Control", "ETag: W/\"a\"\r\nVary: Cookie\r\nVary: Accept\r\nCache-Control: private, max-age=0\r\n")
            .want(seen(
                ok_answer()
                    .has("etag", "W/\"a\"")
                    .lines("vary", &["Cookie", "Accept"])
                    .has("cache-control", "private, max-age=0"),
            )),
        with("an empty value in an answer", "X-A:\r\n").want(seen(ok_answer().has("x-a", ""))),
        Case::new(&PLAIN, "bytes above 7f in an answer's value")
            .send(get("/a", ""))
            .replies(b"HTTP/1.1 200 OK\r\nX-A: \xe4\xff\r\nContent-Length: 2\r\n\r\nok")
            .want(seen(ok_answer().raw(b"\xe4\xff"))),
        Case::new(&PLAIN, "an encoded body is not touched")
            .send(get("/a", "Accept-Encoding: gzip\r\n"))
            .replies(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\n\x1f\x8b\x08\0\xff\r")
            .want(seen(answer(&[200]).has("content-encoding", "gzip").body(b"\x1f\x8b\x08\0\xff\r"))),
        Case::new(&PLAIN, "a partial answer")
            .send(get("/a", "Range: bytes=0-1\r\n"))
            .replies("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/10\r\nContent-Length: 2\r\n\r\nok")
            .want(seen(answer(&[206]).has("content-range", "bytes 0-1/10").body("ok"))),
        Case::new(&PLAIN, "a challenge")
            .send(get("/a", ""))
            .replies("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"a\"\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\n\r\n")
            .want(seen(answer(&[401]).lines("www-authenticate", &["Basic realm=\"a\"", "Bearer"]))),
        Case::new(&PLAIN, "an upstream's own error passes untouched")
            .send(get("/a", ""))
            .replies("HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/x\r\nContent-Length: 4\r\n\r\nmine")
            .want(seen(answer(&[502]).has("content-type", "text/x").lacks("proxy-status").body("mine"))),
        Case::new(&PLAIN, "an upstream's own 503 keeps its Retry-After")
            .send(get("/a", ""))
            .replies("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n")
            .want(seen(answer(&[503]).has("retry-after", "7"))),
    ]
}

fn hop_by_hop() -> Vec<Case> {
    let with = |name: &str, lines: &str| Case::new(&PLAIN, name).send(get("/a", lines));
    vec![
        with("what Connection names is removed", "Connection: X-Private\r\nX-Private: a\r\nX-Public: b\r\n")
            .want(passes(request().lacks("x-private").not_raw("X-Private").has("x-public", "b"))),
        with("what Connection names in any case and place is removed", "X-A: 1\r\nX-A: 2\r\nx-b: 3\r\nConnection: ,x-a , , X-B\r\nConnection: x-c\r\nX-C: 4\r\n")
            .want(passes(request().lacks("x-a").lacks("x-b").lacks("x-c"))),
        with("Keep-Alive and Proxy-Connection are removed", "Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n")
            .want(passes(request().lacks("keep-alive").lacks("proxy-connection"))),
        with("Proxy-Authorization is removed", "Proxy-Authorization: Basic abc\r\n")
            .want(passes(request().lacks("proxy-authorization"))),
        with("TE but trailers is removed", "Connection: TE\r\nTE: gzip;q=0.5, trailers, deflate\r\n")
            .want(passes(request().has("te", "trailers")))
            .want(passes(request().lacks("te"))),
        with("TE without trailers is removed", "TE: gzip\r\n").want(passes(request().lacks("te"))),
        with("TE: trailers passes", "TE: trailers\r\n").want(passes(request().has("te", "trailers"))),
        with("Upgrade that Connection does not name is removed", "Upgrade: websocket\r\n")
            .want(passes(request().lacks("upgrade"))),
        with("an upgrade to h2c is not offered to the upstream", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n")
            .want(passes(request().lacks("upgrade").lacks("http2-settings").not_raw("pgrade"))),
        with("Host cannot be named away", "Connection: Host, close\r\n")
            .want(passes(request().has("host", "shop.example")).closed()),
        with("X-Forwarded-For, -Proto and -Host cannot be named away", "Connection: X-Forwarded-For, X-Forwarded-Proto, x-forwarded-host\r\n")
            .want(passes(
                request().has("x-forwarded-for", "127.0.0.1").has("x-forwarded-proto", "http").has("x-forwarded-host", "shop.example"),
            )),
        with("the request id cannot be named away", "Connection: X-Request-Id, Via, Traceparent\r\n").want(passes(
            request().that("it has an id", |message| message.values("x-request-id").len() == 1),
        )),
        Case::new(&PLAIN, "Content-Length cannot be named away")
            .send(post("Connection: Content-Length\r\nContent-Length: 5\r\n", "hello"))
            .want(passes(request().has("content-length", "5").body("hello"))),
        Case::new(&PLAIN, "Transfer-Encoding cannot be named away")
            .send(post("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"))
            .want(passes(request().body("hello"))),
    ]
}

fn hop_by_hop_answers() -> Vec<Case> {
    let with = |name: &str, lines: &str| Case::new(&PLAIN, name).send(get("/a", "")).replies(ok(lines, "ok"));
    let seen = |want| gets(want).sees(request());
    let ok_answer = || answer(&[200]).body("ok");
    vec![
        with(
            "what an answer's Connection names is removed",
            "Connection: X-Private\r\nX-Private: a\r\nX-Public: b\r\n",
        )
        .want(seen(ok_answer().lacks("x-private").not_raw("X-Private").has("x-public", "b"))),
        with(
            "an answer's Keep-Alive and Proxy-Connection are removed",
            "Keep-Alive: timeout=5, max=1000\r\nProxy-Connection: keep-alive\r\nConnection: keep-alive\r\n",
        )
        .want(seen(ok_answer().lacks("keep-alive").lacks("proxy-connection"))),
        with("an Upgrade that is only advertised is removed", "Upgrade: h2,h2c\r\nConnection: Upgrade\r\n")
            .want(seen(ok_answer().lacks("upgrade").not_raw("pgrade"))),
        with("an answer cannot name its length away", "Connection: Content-Length\r\n")
            .want(seen(ok_answer().has("content-length", "2"))),
        Case::new(&PLAIN, "an upstream that closes does not close the client")
            .send(get("/a", ""))
            .replies_and_closes(ok("Connection: close\r\n", "ok"))
            .want(seen(ok_answer().not_raw("close"))),
        Case::new(&PLAIN, "an upstream of HTTP/1.0 is answered for in HTTP/1.1")
            .send(get("/a", ""))
            .replies_and_closes("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .want(seen(ok_answer().start("HTTP/1.1 200 OK"))),
    ]
}

fn underscores() -> Vec<Case> {
    let with = |name: &str, lines: &str| Case::new(&PLAIN, name).send(get("/a", lines));
    vec![
        with(
            "underscore variants of what the proxy owns are removed",
            "X_Forwarded_For: 1.2.3.4\r\nX-Forwarded_For: 1.2.3.4\r\nX_Forwarded-Proto: https\r\nX_Forwarded_Host: evil.example\r\nX_Request_Id: a\r\n",
        )
        .want(passes(
            request()
                .lacks("x_forwarded_for")
                .lacks("x-forwarded_for")
                .lacks("x_forwarded-proto")
                .lacks("x_forwarded_host")
                .lacks("x_request_id"),
        )),
        with("other names with underscores pass", "My_Header: a\r\nsession_id: b\r\n")
            .want(passes(request().has("my_header", "a").has("session_id", "b"))),
        with("a copy's mark is removed from clients", "X-Shadow-Request: a\r\nX_Shadow_Request: b\r\n")
            .want(passes(request().lacks("x-shadow-request").lacks("x_shadow_request"))),
    ]
}

fn for_ends_with_both(message: &Message) -> bool {
    message.values("x-forwarded-for").join(&b", "[..]) == b"192.0.2.1, 192.0.2.2, 127.0.0.1"
}

fn forwarded() -> Vec<Case> {
    let said = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: edge.example\r\n";
    vec![
        Case::new(&PLAIN, "the upstream learns whom the proxy serves").send(get("/a", "")).want(passes(
            request()
                .has("x-forwarded-for", "127.0.0.1")
                .has("x-forwarded-proto", "http")
                .has("x-forwarded-host", "shop.example"),
        )),
        Case::new(&PLAIN, "a stranger's X-Forwarded lines are replaced").send(get("/a", said)).want(passes(
            request()
                .has("x-forwarded-for", "127.0.0.1")
                .has("x-forwarded-proto", "http")
                .has("x-forwarded-host", "shop.example"),
        )),
        Case::new(&PLAIN, "a stranger's X-Forwarded-Prefix is removed")
            .send(get("/a", "X-Forwarded-Prefix: /evil\r\n"))
            .want(passes(request().lacks("x-forwarded-prefix"))),
        Case::new(&PLAIN, "a stranger's Forwarded is removed")
            .send(get("/a", "Forwarded: for=192.0.2.1;proto=https\r\nForwarded: for=192.0.2.2\r\n"))
            .want(passes(request().lacks("forwarded"))),
        Case::new(&TRUSTED, "a trusted peer's X-Forwarded lines are kept, and it is appended")
            .send(get("/a", said))
            .want(passes(
                request()
                    .that("for the client, the edge and the peer", for_ends_with_both)
                    .has("x-forwarded-proto", "https")
                    .has("x-forwarded-host", "edge.example"),
            )),
        Case::new(&TRUSTED, "what a trusted peer does not say is said for it").send(get("/a", "")).want(
            passes(
                request()
                    .has("x-forwarded-for", "127.0.0.1")
                    .has("x-forwarded-proto", "http")
                    .has("x-forwarded-host", "shop.example"),
            ),
        ),
        Case::new(&TRUSTED, "a trusted peer's Forwarded is kept")
            .send(get("/a", "Forwarded: for=192.0.2.1\r\n"))
            .want(passes(request().that("the client is still named", |message| {
                message.values("forwarded").iter().any(|value| value.starts_with(b"for=192.0.2.1"))
            }))),
    ]
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn is_trace(value: &[u8]) -> bool {
    let parts: Vec<&[u8]> = value.split(|byte| *byte == b'-').collect();
    let hex = |part: &[u8], length| {
        part.len() == length && part.iter().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte))
    };
    matches!(parts.as_slice(), [b"00", trace, span, flags] if hex(trace, 32) && hex(span, 16) && hex(flags, 2))
}

fn identity() -> Vec<Case> {
    let one = |message: &Message| message.values("x-request-id").len() == 1;
    let trace =
        |message: &Message| matches!(message.values("traceparent").as_slice(), [value] if is_trace(value));
    let continued = |message: &Message| matches!(message.values("traceparent").as_slice(), [value] if is_trace(value) && value.get(3..35) == Some(TRACE.as_bytes()));
    let other =
        |message: &Message| !message.values("traceparent").iter().any(|value| value.starts_with(b"00-zz"));
    let parent = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n");
    vec![
        Case::new(&PLAIN, "a request id and a trace are made")
            .send(get("/a", ""))
            .want(passes(request().that("one request id", one).that("one valid trace", trace))),
        Case::new(&PLAIN, "a request id is kept")
            .send(get("/a", "X-Request-Id: abc-123\r\n"))
            .want(passes(request().has("x-request-id", "abc-123"))),
        Case::new(&PLAIN, "a trace is continued")
            .send(get("/a", &format!("{parent}tracestate: a=b,c=d\r\n")))
            .want(passes(request().that("the same trace", continued).has("tracestate", "a=b,c=d"))),
        Case::new(&PLAIN, "a broken trace is started anew")
            .send(get("/a", "traceparent: 00-zz-yy-01\r\n"))
            .want(passes(request().that("not the broken one", other).that("one valid trace", trace))),
        Case::new(&QUIET, "no id and no trace are made where none is wanted")
            .send(get("/a", ""))
            .want(passes(request().lacks("x-request-id").lacks("traceparent"))),
        Case::new(&QUIET, "ids that came are passed on where none is made")
            .send(get("/a", &format!("X-Request-Id: abc-123\r\n{parent}")))
            .want(passes(request().has("x-request-id", "abc-123").that("the same trace", continued))),
    ]
}

/// A request with the Via that the proxy said last, so many times.
fn again(log: &Log, times: usize) -> Vec<u8> {
    let via = log
        .requests
        .first()
        .and_then(|request| request.message.values("via").first().map(|via| via.to_vec()));
    let via = String::from_utf8(via.unwrap_or_default()).unwrap_or_default();
    let lines: String = (0..times).map(|_| format!("Via: {via}\r\n")).collect();
    format!("GET /again HTTP/1.1\r\nHost: shop.example\r\n{lines}\r\n").into_bytes()
}

fn again_listed(log: &Log) -> Vec<u8> {
    let via = log
        .requests
        .first()
        .and_then(|request| request.message.values("via").first().map(|via| via.to_vec()));
    let via = String::from_utf8(via.unwrap_or_default()).unwrap_or_default();
    format!("GET /again HTTP/1.1\r\nHost: shop.example\r\nVia: 1.1 edge, {via}, 1.0 middle, {via}\r\n\r\n")
        .into_bytes()
}

fn loops() -> Vec<Case> {
    let first = |name: &str, bytes: fn(&Log) -> Vec<u8>| {
        Case::new(&PLAIN, name)
            .send(get("/first", ""))
            .until("ok")
            .does(Do::Await(Until::Requests(1)))
            .does(Do::SendFrom(bytes))
    };
    let ok_first = || passes(request().that("it says Via", |message| message.values("via").len() == 1));
    vec![
        Case::new(&PLAIN, "another proxy's Via is kept before ours")
            .send(get("/a", "Via: 1.0 fred, 1.1 p.example.net\r\nVia: 1.1 third\r\n"))
            .want(passes(request().that("theirs first", |message| {
                message
                    .values("via")
                    .join(&b", "[..])
                    .starts_with(b"1.0 fred, 1.1 p.example.net, 1.1 third, ")
            }))),
        first("our Via seen once is no loop", |log| again(log, 1))
            .want(ok_first().then(answer(&[200])).sees(request().target("/again"))),
        first("our Via seen twice is a loop", |log| again(log, 2))
            .want(ok_first().then(answer(&[508])).any_end()),
        first("our Via seen twice in a list is a loop", again_listed)
            .want(ok_first().then(answer(&[508])).any_end()),
        Case::new(&PLAIN, "another proxy's Via seen often is no loop")
            .send(get("/a", "Via: 1.1 fred, 1.1 fred, 1.1 fred\r\n"))
            .want(passes(request())),
    ]
}
