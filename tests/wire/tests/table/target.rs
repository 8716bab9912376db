//! Targets: what is forwarded byte for byte, what is too ambiguous to route, absolute forms, routing by bytes.

use wire::case::{Case, Want, answer, declined, gets, passes, refused, request};

use crate::setups::{PLAIN, REPORT, SLICES, get};

/// Paths that two parsers may read differently.
const AMBIGUOUS: [&str; 33] = [
    "/a/../b",
    "/a/./b",
    "/a/..",
    "/a/.",
    "/..",
    "/.",
    "/../a",
    "/%2e%2e/a",
    "/a/%2E%2E/b",
    "/a/%2e/b",
    "/a/.%2e/b",
    "/a/%2E./b",
    "/a/..%2fb",
    "/a/..%2Fb",
    "/a%2f../b",
    "/a%2f..%2fb",
    "/a/%2e%2e%2fb",
    "/a/..;/b",
    "/a/..;x=1/b",
    "/a/.;/b",
    "/a/%2e%2e;/b",
    "/a/..;",
    "/a\\b",
    "/a\\..\\b",
    "/a/..\\b",
    "/a%00b",
    "/%00",
    "/a%",
    "/a%4",
    "/a%zz",
    "/a%g0/b",
    "/products/../admin",
    "/products/1/..%2f..%2fadmin",
];

/// Paths that look odd, and are not ambiguous.
const ODD: [&str; 24] = [
    "/",
    "//",
    "//a",
    "/a//b",
    "/a/",
    "/...",
    "/.hidden",
    "/..hidden",
    "/a..b",
    "/a./b",
    "/a%2fb",
    "/a%2Fb",
    "/a%20b",
    "/a+b",
    "/%252e%252e/a",
    "/%41",
    "/a;x=1;y=2/b",
    "/a,b=c&d@e:f!$'()*",
    "/~a",
    "/a%e4",
    "/caf%C3%A9",
    "/a?",
    "/a?b#",
    "/a:80",
];

/// Queries pass whatever they hold: browsers do not escape these bytes there.
const QUERIES: [&str; 10] = [
    "/a?b=../../c",
    "/a?b=%00",
    "/a?b=%zz&c=%",
    "/a?b=c\\d",
    "/a?b={c}|d^e`f",
    "/a?b=[c]",
    "/a??b?c",
    "/a?b=%2e%2e%2f",
    "/a?http://evil.example/..;/",
    "/a?&&=&",
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = bytes();
    cases.extend(strictness());
    cases.extend(absolute());
    cases.extend(broken_absolute());
    cases.extend(routing());
    cases
}

fn bytes() -> Vec<Case> {
    let mut cases = Vec::new();
    for path in AMBIGUOUS {
        cases.push(
            Case::new(&PLAIN, format!("with no slice, {path} passes as it is"))
                .send(get(path, ""))
                .want(passes(request().target(path))),
        );
    }
    for (setup, day) in [(&PLAIN, "with no slice"), (&SLICES, "with a slice")] {
        for target in ODD.iter().chain(&QUERIES) {
            let case =
                Case::new(setup, format!("{day}, {target} passes to legacy as it is")).send(get(target, ""));
            let case = case.want(passes(request().target(target)));
            // A fragment is no part of a target (RFC 9112 section 3.2): refused, or passed, never cut off.
            cases.push(if target.contains('#') { case.want(refused(&[400])) } else { case });
        }
    }
    for target in [
        "/a\"b",
        "/a<b>",
        "/a`b",
        "/a^b",
        "/a|b",
        "/a{b}",
        "/a[b]",
        "/a#b",
        "/a?b=\"c\"",
        "/a?b=<c>",
        "/\u{e4}",
        "/a?\u{e4}",
    ] {
        cases.push(
            Case::new(&PLAIN, format!("{target} passes as it is or is refused"))
                .send(get(target, ""))
                .want(passes(request().target(target)))
                .want(refused(&[400])),
        );
    }
    cases.push(
        Case::new(&PLAIN, "a target that is not UTF-8 passes as it is or is refused")
            .send(b"GET /a\xff\xfe?\x80 HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            .want(passes(request().target(b"/a\xff\xfe?\x80")))
            .want(refused(&[400])),
    );
    cases
}

fn strictness() -> Vec<Case> {
    let mut cases = Vec::new();
    for path in AMBIGUOUS {
        cases.push(
            Case::new(&SLICES, format!("with a slice, {path} is refused"))
                .send(get(path, ""))
                .want(declined(&[400])),
        );
        cases.push(
            Case::new(&REPORT, format!("reported only, {path} passes to legacy"))
                .send(get(path, ""))
                .want(passes(request().target(path))),
        );
    }
    cases.push(
        Case::new(&SLICES, "an unsafe request to an ambiguous path is refused")
            .send("POST /products/../admin HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello")
            .want(declined(&[400])),
    );
    for path in ["/a%5cb", "/a%5c..%5cb", "/%c0%ae%c0%ae/a"] {
        cases.push(
            Case::new(&SLICES, format!("with a slice, {path} is refused or passes to legacy"))
                .send(get(path, ""))
                .want(declined(&[400]))
                .want(passes(request().target(path))),
        );
    }
    cases
}

type Setup = &'static wire::target::Setup;

fn send(setup: Setup, name: &str, target: &str, host: &str) -> Case {
    Case::new(setup, name).send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
}

fn forwards(target: &str, host: &str) -> Want {
    request().target(target).has("host", host)
}

fn absolute() -> Vec<Case> {
    let vip = "http://vip.example/only/x";
    vec![
        send(
            &PLAIN,
            "the authority of an absolute form wins over Host",
            "http://other.example/a?b",
            "shop.example",
        )
        .want(passes(forwards("/a?b", "other.example").has("x-forwarded-host", "other.example"))),
        send(&PLAIN, "an absolute form with a port", "http://other.example:8080/a", "shop.example")
            .want(passes(forwards("/a", "other.example:8080"))),
        send(&PLAIN, "an absolute form that agrees with Host", "http://shop.example/a", "shop.example")
            .want(passes(forwards("/a", "shop.example"))),
        send(&PLAIN, "an absolute form without a path", "http://other.example", "shop.example")
            .want(passes(forwards("/", "other.example"))),
        send(&PLAIN, "an absolute form of a query alone", "http://other.example?a=b", "shop.example")
            .want(passes(forwards("/?a=b", "other.example"))),
        send(&PLAIN, "an absolute form in capitals", "HTTP://Other.Example/A", "shop.example")
            .want(passes(forwards("/A", "Other.Example"))),
        send(
            &PLAIN,
            "an absolute form with odd bytes in its path",
            "http://other.example//a%2fb/../c?d",
            "shop.example",
        )
        .want(passes(forwards("//a%2fb/../c?d", "other.example"))),
        send(&SLICES, "what is routed on is the absolute form's authority", vip, "shop.example")
            .want(passes(forwards("/only/x", "vip.example").extracted())),
        send(
            &SLICES,
            "what is routed on is not the overruled Host",
            "http://shop.example/only/x",
            "vip.example",
        )
        .want(passes(forwards("/only/x", "shop.example"))),
        send(&SLICES, "a Host routes", "/only/x", "vip.example")
            .want(passes(forwards("/only/x", "vip.example").extracted())),
        send(
            &SLICES,
            "a Host routes in any case, with any port and a trailing dot",
            "/only/x",
            "VIP.example.:8080",
        )
        .want(passes(forwards("/only/x", "VIP.example.:8080").extracted())),
        send(
            &SLICES,
            "an absolute form with an ambiguous path is refused",
            "http://shop.example/a/../b",
            "shop.example",
        )
        .want(declined(&[400])),
    ]
}

fn broken_absolute() -> Vec<Case> {
    vec![
        send(&PLAIN, "an absolute form with user information", "http://user@other.example/a", "shop.example")
            .want(refused(&[400])),
        send(&PLAIN, "an absolute form with a broken port", "http://other.example:abc/a", "shop.example")
            .want(refused(&[400])),
        send(
            &PLAIN,
            "an absolute form with a port beyond 65535",
            "http://other.example:65536/a",
            "shop.example",
        )
        .want(refused(&[400])),
        send(&PLAIN, "an absolute form without an authority", "http:///a", "shop.example")
            .want(refused(&[400])),
        send(&PLAIN, "an absolute form of another scheme", "ftp://other.example/a", "shop.example")
            .want(refused(&[400]))
            .want(passes(forwards("/a", "other.example"))),
        Case::new(&PLAIN, "an absolute form does not excuse two Hosts")
            .send("GET http://shop.example/a HTTP/1.1\r\nHost: shop.example\r\nHost: evil.example\r\n\r\n")
            .want(refused(&[400])),
        Case::new(&PLAIN, "an absolute form does not excuse a missing Host")
            .send("GET http://shop.example/a HTTP/1.1\r\n\r\n")
            .want(refused(&[400]))
            .want(passes(forwards("/a", "shop.example"))),
        send(
            &PLAIN,
            "an absolute form does not excuse a broken Host",
            "http://shop.example/a",
            "user@evil.example",
        )
        .want(refused(&[400]))
        .want(passes(forwards("/a", "shop.example"))),
        Case::new(&PLAIN, "an absolute form for OPTIONS without a path")
            .send("OPTIONS http://shop.example HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            .want(gets(answer(&[200, 204])))
            .want(passes(request().target("*")))
            .want(passes(request().target("/"))),
    ]
}

fn routing() -> Vec<Case> {
    let mut cases = Vec::new();
    for target in [
        "/products",
        "/products/",
        "/products/1",
        "/products/a//b",
        "/products/%2F",
        "/%70roducts/1",
        "/products?a=../b",
        "/exact",
        "/exact?x",
        "/products/1;x=y",
    ] {
        cases.push(
            Case::new(&SLICES, format!("{target} is moved, and arrives as it was written"))
                .send(get(target, ""))
                .want(passes(request().target(target).extracted())),
        );
    }
    for target in
        ["/productsx", "/Products/1", "//products/1", "/exact/", "/exact.json", "/products%2F1", "/exact;x=1"]
    {
        cases.push(
            Case::new(&SLICES, format!("reading {target} stays with legacy"))
                .send(get(target, ""))
                .want(passes(request().target(target))),
        );
    }
    for target in ["/Products/1", "//products/1", "/exact/", "/exact;x=1", "/EXACT", "//exact", "/exact.json"]
    {
        cases.push(
            Case::new(&SLICES, format!("writing to {target}, nearly the extracted writer's, is refused"))
                .send(format!(
                    "POST {target} HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello"
                ))
                .want(declined(&[400])),
        );
    }
    cases
}
