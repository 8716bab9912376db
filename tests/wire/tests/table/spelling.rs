//! What passes to the byte: targets of any bytes, reasons, the case and the order of header lines.

use wire::case::{Case, answer, gets, passes, refused, request};

use crate::setups::{PLAIN, SLICES, get, ok, post};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = targets();
    cases.extend(fragments());
    cases.extend(lines());
    cases.extend(reasons());
    cases
}

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn asks(target: &[u8]) -> Vec<u8> {
    [b"GET ", target, b" HTTP/1.1\r\nHost: shop.example\r\n\r\n"].concat()
}

fn targets() -> Vec<Case> {
    let odd: [&[u8]; 20] = [
        b"/a\"b",
        b"/a<b>",
        b"/a`b",
        b"/a^b",
        b"/a|b",
        b"/a{b}",
        b"/a[b]",
        b"/a?b=\"c\"",
        b"/a?b=<c>",
        b"/a?`{}|^\\[]",
        b"/a?b=%",
        b"/caf\xc3\xa9",
        b"/a?caf\xc3\xa9",
        b"/\xe2\x82\xac/\xf0\x9f\x98\x80",
        b"/a\xff\xfe",
        b"/a\x80?\x80\xff",
        b"/a\xc3",
        b"/\xed\xa0\x80",
        b"/a;\xe9=1",
        b"/a?b?c??",
    ];
    let mut cases = Vec::new();
    for target in odd {
        for (setup, day) in [(&PLAIN, "with no slice"), (&SLICES, "with a slice")] {
            cases.push(
                Case::new(setup, format!("{day}, the bytes {} pass", shown(target)))
                    .send(asks(target))
                    .want(passes(request().target(target))),
            );
        }
    }
    let moved: [&[u8]; 4] =
        [b"/products/caf\xc3\xa9", b"/products/\xff\xfe?\x80", b"/products/{1}|\"2\"", b"/products/<a>?`"];
    for target in moved {
        cases.push(
            Case::new(&SLICES, format!("the bytes {} are moved as they are", shown(target)))
                .send(asks(target))
                .want(passes(request().target(target).extracted())),
        );
    }
    cases.push(
        Case::new(&PLAIN, "the bytes of an absolute form's path pass")
            .send(asks(b"http://other.example/{a}\xff?\"b\""))
            .want(passes(request().target(b"/{a}\xff?\"b\"").has("host", "other.example"))),
    );
    cases
}

/// A fragment is no part of a target (RFC 9112 section 3.2): refused wherever it stands.
fn fragments() -> Vec<Case> {
    let mut cases = Vec::new();
    for target in ["/a#b", "/a#", "/#", "/a?b#c", "#", "http://shop.example/a#b"] {
        cases.push(
            Case::new(&PLAIN, format!("the fragment in {target} is refused"))
                .send(get(target, ""))
                .want(refused(&[400])),
        );
    }
    let first = get("/first", "");
    let one = || passes(request().target("/first"));
    cases.extend([
        Case::new(&PLAIN, "a fragment in a pipelined request is refused")
            .send(format!("{first}{}", get("/a#b", "")))
            .want(one().then(answer(&[400])).closed()),
        Case::new(&SLICES, "a fragment in a pipelined request is refused where it would be moved")
            .send(format!("{first}{}", get("/products/1#/../admin", "")))
            .want(one().then(answer(&[400])).closed()),
        Case::new(&PLAIN, "a fragment behind a body is refused")
            .send(format!("{}{}", post("Content-Length: 5\r\n", "hello"), get("/a#b", "")))
            .want(passes(request().body("hello")).then(answer(&[400])).closed()),
    ]);
    cases
}

fn lines() -> Vec<Case> {
    let mixed = "X-B: 1\r\nx-a: 2\r\nX-b: 3\r\nX-A: 4\r\ncookie: a=1\r\nX-C: 5\r\nCookie: b=2\r\n";
    let down = "X-B: 1\r\nSet-Cookie: a=1\r\nx-a: 2\r\nset-cookie: b=2\r\nX-b: 3\r\nSET-COOKIE: c=3\r\n";
    vec![
        Case::new(&PLAIN, "a request's lines keep case and order among other names")
            .send(get("/a", mixed))
            .want(passes(request().raw(mixed))),
        Case::new(&PLAIN, "an answer's lines keep case and order among other names")
            .send(get("/a", ""))
            .replies(ok(down, "ok"))
            .want(gets(answer(&[200]).raw(down).body("ok")).sees(request())),
        Case::new(&PLAIN, "the same name in three cases stays three lines")
            .send(get("/a", "X-ONE: 1\r\nx-one: 2\r\nX-One: 3\r\n"))
            .want(passes(request().raw("X-ONE: 1\r\nx-one: 2\r\nX-One: 3\r\n"))),
        Case::new(&PLAIN, "blanks inside a value stay")
            .send(get("/a", "X-A: b  c\t\td\r\n"))
            .want(passes(request().has("x-a", "b  c\t\td"))),
        Case::new(&PLAIN, "the case of an answer's framing and type")
            .send(get("/a", ""))
            .replies("HTTP/1.1 200 OK\r\ncontent-TYPE: text/x\r\nCONTENT-length: 2\r\n\r\nok")
            .want(
                gets(answer(&[200]).raw("content-TYPE: text/x\r\n").has("content-length", "2").body("ok"))
                    .sees(request()),
            ),
    ]
}

fn reasons() -> Vec<Case> {
    let with = |name: &str, start: &[u8]| {
        let answer = [start, b"\r\nContent-Length: 2\r\n\r\nok"].concat();
        Case::new(&PLAIN, name).send(get("/a", "")).replies(answer)
    };
    let passes = |start: &[u8]| gets(answer(&[200, 404, 299]).start(start).body("ok")).sees(request());
    let mut cases = Vec::new();
    for (name, start) in [
        ("a reason of several words", b"HTTP/1.1 200 All is  well".as_slice()),
        ("a reason with a tab", b"HTTP/1.1 200 All\tright"),
        ("a reason in UTF-8", b"HTTP/1.1 200 Tr\xc3\xa8s bien"),
        ("a reason that is not UTF-8", b"HTTP/1.1 200 Tr\xe8s bien"),
        ("an empty reason", b"HTTP/1.1 200 "),
        ("a reason of another status", b"HTTP/1.1 404 OK"),
        ("the reason of a status without a name", b"HTTP/1.1 299 Nobody's"),
    ] {
        cases.push(with(&format!("{name} passes as it came"), start).want(passes(start)));
    }
    cases
}
