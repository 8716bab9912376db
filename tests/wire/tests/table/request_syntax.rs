//! How a request is spelt: lines, header names and values, Host, methods, versions, pipelining.

use wire::case::{Case, Do, answer, declined, gets, passes, refused, request};

use crate::setups::{PLAIN, get};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = header_lines();
    cases.extend(good_lines());
    cases.extend(request_lines());
    cases.extend(hosts());
    cases.extend(methods());
    cases.extend(versions());
    cases.extend(pipelines());
    cases
}

fn header_lines() -> Vec<Case> {
    let bad: [(&str, &[u8]); 26] = [
        ("a NUL in a value", b"X-A: a\0b\r\n"),
        ("a NUL in a name", b"X-\0A: a\r\n"),
        ("a bare CR in a value", b"X-A: a\rb\r\n"),
        ("a bare CR before the line's end", b"X-A: a\r\r\n"),
        ("a control byte 01 in a value", b"X-A: a\x01b\r\n"),
        ("a backspace in a value", b"X-A: a\x08b\r\n"),
        ("a vertical tab in a value", b"X-A: a\x0bb\r\n"),
        ("a form feed in a value", b"X-A: a\x0cb\r\n"),
        ("an escape in a value", b"X-A: a\x1bb\r\n"),
        ("a delete in a value", b"X-A: a\x7fb\r\n"),
        ("an empty name", b": a\r\n"),
        ("a blank before the colon", b"X-A : a\r\n"),
        ("a tab before the colon", b"X-A\t: a\r\n"),
        ("a blank inside a name", b"X A: a\r\n"),
        ("a slash in a name", b"X/A: a\r\n"),
        ("parentheses in a name", b"X(A): a\r\n"),
        ("an at sign in a name", b"X@A: a\r\n"),
        ("quotes in a name", b"\"X-A\": a\r\n"),
        ("a name that is not ASCII", b"X-\xc3\xa4: a\r\n"),
        ("a control byte in a name", b"X-\x01A: a\r\n"),
        ("a line without a colon", b"broken\r\n"),
        ("a value folded with a blank", b"X-A: a\r\n b\r\n"),
        ("a value folded with a tab", b"X-A: a\r\n\tb\r\n"),
        ("a fold that spells a header", b"X-A: a\r\n X-B: c\r\n"),
        ("a carriage return in a name", b"X-\rA: a\r\n"),
        ("a line of one blank", b" \r\n"),
    ];
    let mut cases = Vec::new();
    for (name, line) in bad {
        let bytes = [b"GET /a HTTP/1.1\r\nHost: shop.example\r\n", line, b"\r\n"].concat();
        cases.push(Case::new(&PLAIN, name).send(bytes).want(refused(&[400])));
    }
    cases.push(
        Case::new(&PLAIN, "a blank before the first header line")
            .send("GET /a HTTP/1.1\r\n Host: shop.example\r\nHost: shop.example\r\n\r\n")
            .want(refused(&[400])),
    );
    // RFC 9112 section 2.2 lets a recipient take a bare LF for the end of a line; the origin sees CR LF then.
    for (name, bytes) in [
        ("lines that end in a bare LF", "GET /a HTTP/1.1\nHost: shop.example\n\n"),
        ("a header line that ends in a bare LF", "GET /a HTTP/1.1\r\nHost: shop.example\nX-A: b\r\n\r\n"),
        ("an empty line that is a bare LF", "GET /a HTTP/1.1\r\nHost: shop.example\r\nX-A: b\r\n\n"),
    ] {
        let case = Case::new(&PLAIN, name).send(bytes);
        cases.push(case.want(refused(&[400])).want(passes(request().target("/a"))));
    }
    cases
}

fn good_lines() -> Vec<Case> {
    let with = |name: &str, line: &[u8]| {
        let bytes = [b"GET /a HTTP/1.1\r\nHost: shop.example\r\n", line, b"\r\n"].concat();
        Case::new(&PLAIN, name).send(bytes)
    };
    vec![
        with("a tab inside a value", b"X-A: a\tb\r\n").want(passes(request().has("x-a", "a\tb"))),
        with("an empty value", b"X-A:\r\n").want(passes(request().has("x-a", ""))),
        with("a value without a blank", b"X-A:b\r\n").want(passes(request().has("x-a", "b"))),
        with("a value of bytes above 7f", b"X-A: \xe4\xff\x80\r\n")
            .want(passes(request().raw(b"\xe4\xff\x80"))),
        with("every token byte in a name", b"!#$%&'*+-.^_`|~09azAZ: a\r\n")
            .want(passes(request().raw("!#$%&'*+-.^_`|~09azAZ: a\r\n"))),
        with("commas, quotes and colons in a value", b"X-A: a, \"b:c\", =d;\r\n")
            .want(passes(request().has("x-a", "a, \"b:c\", =d;"))),
        Case::new(&PLAIN, "an empty line before the request")
            .send(format!("\r\n{}", get("/a", "")))
            .want(passes(request().target("/a"))),
        Case::new(&PLAIN, "a head that comes one byte at a time")
            .does(Do::Drip(get("/a", "X-A: b\r\n").into_bytes(), 1, std::time::Duration::from_millis(1)))
            .want(passes(request().target("/a").has("x-a", "b"))),
    ]
}

fn request_lines() -> Vec<Case> {
    let rest = "Host: shop.example\r\n\r\n";
    let mut cases = Vec::new();
    for (name, line) in [
        ("two blanks before the target", "GET  /a HTTP/1.1"),
        ("two blanks before the version", "GET /a  HTTP/1.1"),
        ("a blank behind the version", "GET /a HTTP/1.1 "),
        ("a blank before the method", " GET /a HTTP/1.1"),
        ("a tab before the target", "GET\t/a HTTP/1.1"),
        ("a tab before the version", "GET /a\tHTTP/1.1"),
        ("a blank inside the target", "GET /a b HTTP/1.1"),
        ("a NUL in the target", "GET /a\0b HTTP/1.1"),
        ("a control byte in the target", "GET /a\x01b HTTP/1.1"),
        ("a delete in the target", "GET /a\x7fb HTTP/1.1"),
        ("a bare CR in the target", "GET /a\rb HTTP/1.1"),
        ("a fourth word", "GET /a HTTP/1.1 HTTP/1.1"),
        ("no target", "GET HTTP/1.1"),
        ("no method", "/a HTTP/1.1"),
        ("a target without its slash", "GET a HTTP/1.1"),
        ("a target that is a host and a port", "GET shop.example:80 HTTP/1.1"),
        ("a target that is a query alone", "GET ?a=b HTTP/1.1"),
        ("an asterisk for GET", "GET * HTTP/1.1"),
        ("an asterisk with more behind", "OPTIONS *a HTTP/1.1"),
        ("a version in lower case", "GET /a http/1.1"),
        ("a version without a minor number", "GET /a HTTP/1"),
        ("a version with two minor digits", "GET /a HTTP/1.10"),
        ("a version with two major digits", "GET /a HTTP/01.1"),
        ("a version with a comma", "GET /a HTTP/1,1"),
        ("a version that is misspelt", "GET /a HTP/1.1"),
        ("a version of letters", "GET /a HTTP/x.y"),
    ] {
        let case = Case::new(&PLAIN, name).send(format!("{line}\r\n{rest}"));
        cases.push(case.want(refused(&[400, 505]).or_silence()));
    }
    cases
}

fn hosts() -> Vec<Case> {
    let mut cases = Vec::new();
    let with = |lines: &str| format!("GET /a HTTP/1.1\r\n{lines}\r\n");
    for (name, lines) in [
        ("no Host", "X-A: b\r\n"),
        ("an empty Host", "Host:\r\n"),
        ("a Host of blanks", "Host:   \r\n"),
        ("two different Hosts", "Host: shop.example\r\nHost: evil.example\r\n"),
        ("the same Host twice", "Host: shop.example\r\nHost: shop.example\r\n"),
        ("a Host and an empty Host", "Host: shop.example\r\nHost:\r\n"),
        ("Hosts in a list", "Host: shop.example, evil.example\r\n"),
        ("a Host with user information", "Host: user@shop.example\r\n"),
        ("a Host with a user and a password", "Host: user:word@shop.example\r\n"),
        ("a Host with a path", "Host: shop.example/evil\r\n"),
        ("a Host with a query", "Host: shop.example?evil\r\n"),
        ("a Host with a fragment", "Host: shop.example#evil\r\n"),
        ("a Host with a backslash", "Host: shop.example\\evil\r\n"),
        ("a Host with a blank inside", "Host: shop example\r\n"),
        ("a Host with a tab inside", "Host: shop\texample\r\n"),
        ("a Host with a scheme", "Host: http://shop.example\r\n"),
        ("a Host with a port of letters", "Host: shop.example:abc\r\n"),
        ("a Host with a signed port", "Host: shop.example:-80\r\n"),
        ("a Host with a port beyond 65535", "Host: shop.example:65536\r\n"),
        ("a Host with a huge port", "Host: shop.example:99999999999\r\n"),
        ("a Host with two ports", "Host: shop.example:80:80\r\n"),
        ("a Host of a port alone", "Host: :80\r\n"),
        ("a Host with an unclosed bracket", "Host: [::1\r\n"),
        ("a Host with a bracket too many", "Host: [::1]]\r\n"),
        ("a Host with letters behind its bracket", "Host: [::1]x\r\n"),
        ("a Host with empty brackets", "Host: []\r\n"),
        ("a Host with something else in brackets", "Host: [evil]\r\n"),
        ("a Host with an IPv6 address outside brackets", "Host: ::1\r\n"),
        ("a Host with a broken escape", "Host: shop%zz.example\r\n"),
        ("a Host with angle brackets", "Host: <shop.example>\r\n"),
        ("a Host with quotes", "Host: \"shop.example\"\r\n"),
        ("a Host that is not ASCII", "Host: sh\u{f6}p.example\r\n"),
        ("a Host with a blank before its colon", "Host : shop.example\r\n"),
        ("a folded Host", "Host:\r\n shop.example\r\n"),
    ] {
        cases.push(Case::new(&PLAIN, name).send(with(lines)).want(refused(&[400])));
    }
    for host in [
        "shop.example:8080",
        "SHOP.Example",
        "shop.example.",
        "192.0.2.1:80",
        "[::1]",
        "[2001:db8::1]:8080",
        "my_host",
        "xn--shp-sna.example",
        "localhost",
    ] {
        cases.push(
            Case::new(&PLAIN, format!("Host {host} is kept as it came"))
                .send(with(&format!("Host: {host}\r\n")))
                .want(passes(request().has("host", host).has("x-forwarded-host", host))),
        );
    }
    cases.push(
        Case::new(&PLAIN, "a Host with an empty port")
            .send(with("Host: shop.example:\r\n"))
            .want(refused(&[400]))
            .want(passes(request().has("host", "shop.example:"))),
    );
    cases.push(
        Case::new(&PLAIN, "a Host amid blanks")
            .send(with("Host: \t shop.example \t\r\n"))
            .want(passes(request().has("host", "shop.example"))),
    );
    cases
}

fn methods() -> Vec<Case> {
    let line = |method: &str| format!("{method} /a HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    let mut cases = Vec::new();
    for method in ["get", "Post", "BREW", "M-SEARCH", "PROPFIND", "PURGE", "X!#$%&'*+-.^_`|~9"] {
        cases.push(
            Case::new(&PLAIN, format!("method {method} passes as it is"))
                .send(line(method))
                .want(passes(request().start(format!("{method} /a HTTP/1.1")))),
        );
    }
    for method in ["GE(T", "G:ET", "GE\"T\"", "G{}", "G\0ET", "G\x01ET", "G\u{e4}T", "GE\\T", "GE=T", "<GET>"]
    {
        cases.push(
            Case::new(&PLAIN, format!("method {} is no token", method.escape_default()))
                .send(line(method))
                .want(refused(&[400])),
        );
    }
    let not_allowed =
        || gets(answer(&[405]).that("it lists what is allowed", |answer| answer.values("allow").len() == 1));
    cases.extend([
        Case::new(&PLAIN, "CONNECT is not for a gateway")
            .send("CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n\r\n")
            .want(not_allowed().any_end()),
        Case::new(&PLAIN, "CONNECT with a path")
            .send("CONNECT /a HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            .want(declined(&[400, 405])),
        Case::new(&PLAIN, "nothing behind CONNECT is a tunnel or a request")
            .send(format!("CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\nConnection: close\r\n\r\n{}", ""))
            .want(not_allowed().closed()),
        Case::new(&PLAIN, "TRACE is not answered").send(line("TRACE")).want(not_allowed().any_end()),
        Case::new(&PLAIN, "TRACE with Max-Forwards is not answered")
            .send("TRACE /a HTTP/1.1\r\nHost: shop.example\r\nMax-Forwards: 0\r\nAuthorization: Basic x\r\n\r\n")
            .want(gets(answer(&[405]).that("nothing of the request comes back", |answer| {
                !answer.body.windows(9).any(|window| window == b"Basic x\r\n")
            })).any_end()),
        Case::new(&PLAIN, "OPTIONS * is answered by the proxy")
            .send("OPTIONS * HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            .want(gets(answer(&[200, 204]))),
        Case::new(&PLAIN, "OPTIONS of a resource is not")
            .send("OPTIONS /a HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            .want(passes(request().start("OPTIONS /a HTTP/1.1"))),
    ]);
    cases
}

fn versions() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, bytes) in [
        ("HTTP/0.9", "GET /a\r\n"),
        ("HTTP/0.9 with a number", "GET /a HTTP/0.9\r\nHost: shop.example\r\n\r\n"),
        ("HTTP/2.0 in a request line", "GET /a HTTP/2.0\r\nHost: shop.example\r\n\r\n"),
        ("HTTP/3.0 in a request line", "GET /a HTTP/3.0\r\nHost: shop.example\r\n\r\n"),
        ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
        ("the hello of TLS", "\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n"),
        ("a line of garbage", "garbage\r\n\r\n"),
        ("binary garbage", "\0\x01\x02\x03\r\n\r\n\r\n\r\n"),
    ] {
        cases.push(
            Case::new(&PLAIN, name).send(bytes).does(Do::HalfClose).want(refused(&[400, 505]).or_silence()),
        );
    }
    cases.extend([
        Case::new(&PLAIN, "HTTP/1.2 is HTTP/1.1 or refused")
            .send("GET /a HTTP/1.2\r\nHost: shop.example\r\n\r\n")
            .want(refused(&[400, 505]))
            .want(passes(request().target("/a"))),
        Case::new(&PLAIN, "HTTP/1.0 is answered and closed")
            .send("GET /a HTTP/1.0\r\nHost: shop.example\r\n\r\n")
            .want(passes(request().start("GET /a HTTP/1.1")).closed()),
        Case::new(&PLAIN, "HTTP/1.0 without Host")
            .send("GET /a HTTP/1.0\r\n\r\n")
            .want(refused(&[400]))
            .want(passes(request()).closed()),
        Case::new(&PLAIN, "HTTP/1.0 with two Hosts")
            .send("GET /a HTTP/1.0\r\nHost: shop.example\r\nHost: evil.example\r\n\r\n")
            .want(refused(&[400])),
        Case::new(&PLAIN, "HTTP/1.0 that asks to stay is told whether it may")
            .send("GET /a HTTP/1.0\r\nHost: shop.example\r\nConnection: keep-alive\r\n\r\n")
            .want(
                gets(answer(&[200]).mentions("connection", "keep-alive"))
                    .sees(request().not_raw("keep-alive")),
            )
            .want(gets(answer(&[200])).sees(request().not_raw("keep-alive")).closed()),
        Case::new(&PLAIN, "HTTP/1.0 gets no chunks")
            .send("GET /a HTTP/1.0\r\nHost: shop.example\r\n\r\n")
            .replies("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
            .want(gets(answer(&[200]).lacks("transfer-encoding").body("hello")).sees(request()).closed()),
        Case::new(&PLAIN, "HTTP/1.0 with a body by length")
            .send("POST /a HTTP/1.0\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello")
            .want(passes(request().body("hello")).closed()),
    ]);
    cases
}

fn pipelines() -> Vec<Case> {
    let one = |name: &str| get(&format!("/{name}"), "");
    let ten: String = (0..10).map(|number| one(&number.to_string())).collect();
    let mut ten_answered = gets(answer(&[200]).body("ok")).sees(request().target("/0"));
    for number in 1..10 {
        ten_answered = ten_answered.then(answer(&[200])).sees(request().target(format!("/{number}")));
    }
    let numbered = |text: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    vec![
        Case::new(&PLAIN, "pipelined requests are answered in their order")
            .send(format!("{}{}", one("first"), one("second")))
            .replies(numbered("the first"))
            .replies(numbered("the second"))
            .want(
                gets(answer(&[200]).body("the first"))
                    .then(answer(&[200]).body("the second"))
                    .sees(request().target("/first"))
                    .sees(request().target("/second")),
            ),
        Case::new(&PLAIN, "ten pipelined requests").send(ten).want(ten_answered),
        Case::new(&PLAIN, "nothing behind a request that closes is run")
            .send(format!("{}{}", get("/first", "Connection: close\r\n"), one("second")))
            .want(passes(request().target("/first")).closed()),
        Case::new(&PLAIN, "a pipelined request that is broken is refused after the first answer")
            .send(format!("{}GET /b HTTP/1.1\r\nHost : shop.example\r\n\r\n", one("first")))
            .want(passes(request().target("/first")).then(answer(&[400])).closed()),
        Case::new(&PLAIN, "Connection: close is obeyed")
            .send(get("/a", "Connection: close\r\n"))
            .want(passes(request().not_raw("close")).closed()),
        Case::new(&PLAIN, "Connection: close in capitals among others is obeyed")
            .send(get("/a", "Connection: x-a, CLOSE\r\nX-A: b\r\n"))
            .want(passes(request().lacks("x-a")).closed()),
    ]
}
