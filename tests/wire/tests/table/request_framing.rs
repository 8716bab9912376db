//! How a request's body ends: RFC 9112 sections 6 and 7, and "From clients" of the letter of HTTP.

use wire::case::{Case, Do, End, Outcome, Test, answer, declined, gets, passes, refused, request};
use wire::message::Framing;

use crate::setups::{PLAIN, SLICES, post};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = lengths();
    cases.extend(encodings());
    cases.extend(both());
    cases.extend(bad_chunks());
    cases.extend(good_chunks());
    cases.extend(endings());
    cases.extend(trailers());
    cases
}

/// The proxy answers 400 or just closes, and the origin, if it heard of the request, knows it is broken.
fn broken_upload() -> Outcome {
    gets(answer(&[400, 408, 413, 431]).after_any()).or_silence().closed().sees(request().cut())
}

fn lengths() -> Vec<Case> {
    let many = format!("Content-Length: {}\r\n", "9".repeat(100));
    let bad = [
        ("differing lengths", "Content-Length: 5\r\nContent-Length: 6\r\n"),
        ("differing lengths, the longer first", "Content-Length: 6\r\nContent-Length: 5\r\n"),
        ("a length and a broken length", "Content-Length: 5\r\nContent-Length: x\r\n"),
        ("a list of differing lengths", "Content-Length: 5, 6\r\n"),
        ("a list of equal lengths", "Content-Length: 5, 5\r\n"),
        ("a length with a comma behind", "Content-Length: 5,\r\n"),
        ("a length with a plus", "Content-Length: +5\r\n"),
        ("a negative length", "Content-Length: -5\r\n"),
        ("minus zero", "Content-Length: -0\r\n"),
        ("a hexadecimal length", "Content-Length: 0x5\r\n"),
        ("a length with letters", "Content-Length: 5b\r\n"),
        ("a length with a blank inside", "Content-Length: 5 5\r\n"),
        ("a fractional length", "Content-Length: 5.0\r\n"),
        ("an exponent as a length", "Content-Length: 5e0\r\n"),
        ("an empty length", "Content-Length:\r\n"),
        ("a quoted length", "Content-Length: \"5\"\r\n"),
        ("a length with a semicolon", "Content-Length: 5;\r\n"),
        ("a length one above 64 bits", "Content-Length: 18446744073709551616\r\n"),
        ("a length that wraps to five at 64 bits", "Content-Length: 18446744073709551621\r\n"),
        ("a length of a hundred digits", many.as_str()),
        ("a length with digits of another script", "Content-Length: \u{0665}\r\n"),
        ("a blank before the colon of the length", "Content-Length : 5\r\n"),
        ("a folded length", "Content-Length:\r\n 5\r\n"),
    ];
    let mut cases: Vec<Case> = Vec::new();
    for (name, lines) in bad {
        cases.push(Case::new(&PLAIN, name).send(post(lines, "hello")).want(refused(&[400])));
    }
    let five = || request().framed(Framing::Length(5)).body("hello");
    cases.extend([
        Case::new(&PLAIN, "a length").send(post("Content-Length: 5\r\n", "hello")).want(passes(five())),
        Case::new(&PLAIN, "a length amid blanks")
            .send(post("Content-Length: \t 5 \t\r\n", "hello"))
            .want(passes(five())),
        Case::new(&PLAIN, "a length with a leading zero")
            .send(post("Content-Length: 05\r\n", "hello"))
            .want(passes(five())),
        Case::new(&PLAIN, "the same length twice")
            .send(post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"))
            .want(refused(&[400]))
            .want(passes(five())),
        Case::new(&PLAIN, "a length of zero")
            .send(post("Content-Length: 0\r\n", ""))
            .want(passes(request().framed(Framing::Length(0)).body(""))),
        Case::new(&PLAIN, "a POST without length or encoding has no body")
            .send(post("", ""))
            .want(passes(request().framed(Framing::None)))
            .want(passes(request().framed(Framing::Length(0)))),
        Case::new(&PLAIN, "a GET gets no length of its own")
            .send("GET /a HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            .want(passes(request().lacks("content-length").lacks("transfer-encoding").framed(Framing::None))),
        Case::new(&PLAIN, "a GET with a body")
            .send("GET /a HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello")
            .want(passes(five())),
        Case::new(&SLICES, "a length on a slice's route")
            .send("POST /products/1 HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello")
            .want(passes(five().extracted())),
    ]);
    cases
}

fn encodings() -> Vec<Case> {
    let chunks = "5\r\nhello\r\n0\r\n\r\n";
    let bad = [
        ("gzip as the transfer encoding", "Transfer-Encoding: gzip\r\n"),
        ("gzip before chunked", "Transfer-Encoding: gzip, chunked\r\n"),
        ("gzip after chunked", "Transfer-Encoding: chunked, gzip\r\n"),
        ("identity as the transfer encoding", "Transfer-Encoding: identity\r\n"),
        ("identity before chunked", "Transfer-Encoding: identity, chunked\r\n"),
        ("chunked misspelt", "Transfer-Encoding: xchunked\r\n"),
        ("chunked cut short", "Transfer-Encoding: chunke\r\n"),
        ("chunked with a suffix", "Transfer-Encoding: chunkedfoo\r\n"),
        ("chunked in quotes", "Transfer-Encoding: \"chunked\"\r\n"),
        ("chunked with a parameter", "Transfer-Encoding: chunked;q=1\r\n"),
        ("chunked twice in a line", "Transfer-Encoding: chunked, chunked\r\n"),
        ("chunked on two lines", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        (
            "chunked and identity on two lines",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        ),
        (
            "identity and chunked on two lines",
            "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        ),
        ("an empty transfer encoding", "Transfer-Encoding:\r\n"),
        ("a vertical tab before chunked", "Transfer-Encoding: \x0bchunked\r\n"),
        ("a form feed behind chunked", "Transfer-Encoding: chunked\x0c\r\n"),
        ("a blank before the colon of the encoding", "Transfer-Encoding : chunked\r\n"),
        ("a tab before the colon of the encoding", "Transfer-Encoding\t: chunked\r\n"),
        ("a folded encoding", "Transfer-Encoding:\r\n chunked\r\n"),
        ("an encoding behind a bare CR", "X-A: b\rTransfer-Encoding: chunked\r\n"),
    ];
    let mut cases: Vec<Case> = Vec::new();
    for (name, lines) in bad {
        cases.push(Case::new(&PLAIN, name).send(post(lines, chunks)).want(refused(&[400])));
    }
    // Framed once, one way or the other: the origin takes nothing else.
    let five = || request().body("hello");
    for (name, lines) in [
        ("chunked", "Transfer-Encoding: chunked\r\n"),
        ("chunked in capitals", "Transfer-Encoding: CHUNKED\r\n"),
        ("chunked in mixed case", "transfer-ENCODING: Chunked\r\n"),
        ("chunked amid blanks", "Transfer-Encoding: \t chunked \t\r\n"),
    ] {
        cases.push(Case::new(&PLAIN, name).send(post(lines, chunks)).want(passes(five())));
    }
    let old = "POST /a HTTP/1.0\r\nHost: shop.example\r\n";
    cases.extend([
        Case::new(&PLAIN, "chunked with an empty list element")
            .send(post("Transfer-Encoding: chunked,\r\n", chunks))
            .want(refused(&[400]))
            .want(passes(five())),
        Case::new(&PLAIN, "a transfer encoding in HTTP/1.0")
            .send(format!("{old}Transfer-Encoding: chunked\r\n\r\n{chunks}"))
            .want(refused(&[400])),
        Case::new(&PLAIN, "a transfer encoding in HTTP/1.0 that wants to stay")
            .send(format!(
                "{old}Connection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n{chunks}"
            ))
            .want(refused(&[400])),
        Case::new(&PLAIN, "a GET in chunks")
            .send(format!("GET /a HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"))
            .want(passes(five())),
        Case::new(&PLAIN, "an encoding with an underscore does not frame")
            .send(post("Content-Length: 5\r\nTransfer_Encoding: chunked\r\n", "hello"))
            .want(passes(request().framed(Framing::Length(5)).body("hello").lacks("transfer_encoding"))),
        Case::new(&PLAIN, "a length with an underscore does not frame")
            .send(post("Content_Length: 7\r\nContent-Length: 5\r\n", "hello"))
            .want(passes(request().framed(Framing::Length(5)).body("hello").lacks("content_length"))),
    ]);
    cases
}

/// Content-Length together with Transfer-Encoding.
fn both() -> Vec<Case> {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    let by_encoding = |body: &str| {
        gets(answer(&[200]))
            .closed()
            .sees(request().framed(Framing::Chunked).lacks("content-length").body(body))
    };
    let plain = "5\r\nhello\r\n0\r\n\r\n";
    let behind = format!("0\r\n\r\n{smuggled}");
    let inside = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
    let lines = |length: usize| format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n");
    let turned = "Transfer-Encoding: chunked\r\nContent-Length: 15\r\n".to_owned();
    let mut cases = Vec::new();
    for (name, lines, body, read) in [
        ("length and encoding", lines(15), plain, "hello"),
        ("encoding and length", turned, plain, "hello"),
        ("a length that hides a request behind the last chunk", lines(behind.len()), &behind, ""),
        ("a length shorter than the chunks", lines(4), &inside, smuggled),
        ("a length of zero and an encoding", lines(0), plain, "hello"),
    ] {
        let case = Case::new(&PLAIN, name).send(post(&lines, body));
        cases.push(case.want(refused(&[400])).want(by_encoding(read)));
    }
    cases.push(
        Case::new(&PLAIN, "length, and an encoding that is not chunked")
            .send(post("Content-Length: 5\r\nTransfer-Encoding: identity\r\n", "hello"))
            .want(refused(&[400])),
    );
    cases.push(
        Case::new(&PLAIN, "differing lengths and an encoding")
            .send(post(
                "Content-Length: 5\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\n",
            ))
            .want(refused(&[400]))
            .want(by_encoding("")),
    );
    cases
}

/// What no recipient may take (RFC 9112 section 7.1), and what the limits forbid.
fn bad_chunks() -> Vec<Case> {
    let tail = "\r\nhello\r\n0\r\n\r\n";
    let trailer = |line: &str| format!("5\r\nhello\r\n0\r\n{line}\r\n\r\n");
    let long = "x".repeat(200_000);
    let bodies = [
        ("a negative chunk size", format!("-5{tail}")),
        ("a chunk size with a plus", format!("+5{tail}")),
        ("a chunk size with 0x", format!("0x5{tail}")),
        ("a chunk size that is no number", format!("g{tail}")),
        ("a chunk size with a letter behind", format!("5g{tail}")),
        ("an empty chunk size", tail.to_owned()),
        ("an extension without a size", format!(";a=b{tail}")),
        ("a chunk size one above 64 bits", format!("10000000000000000{tail}")),
        ("a chunk size that wraps to five", format!("10000000000000005{tail}")),
        ("a chunk size of forty digits", format!("{}{tail}", "f".repeat(40))),
        ("a chunk longer than its size", "3\r\nhello\r\n0\r\n\r\n".to_owned()),
        ("a chunk followed by something else", "5\r\nhelloXX0\r\n\r\n".to_owned()),
        ("a chunk size with a bare CR", "5\rhello\r\n0\r\n\r\n".to_owned()),
        ("a bare CR inside a chunk extension", "5;a\rb\r\nhello\r\n0\r\n\r\n".to_owned()),
        ("a trailer without a colon", trailer("broken")),
        ("a trailer with a blank in its name", trailer("X Sum: a")),
        ("a trailer with a NUL", trailer("X-Sum: a\0b")),
        ("an endless chunk extension", format!("5;{long}{tail}")),
        (
            "endless extensions over many chunks",
            format!("{}0\r\n\r\n", format!("1;{}\r\nx\r\n", "e".repeat(200)).repeat(2_000)),
        ),
        ("an endless trailer", trailer(&format!("X-Sum: {long}"))),
        ("thousands of trailers", trailer(&"X-Sum: a\r\n".repeat(4_000))),
    ];
    let mut cases = Vec::new();
    for (name, body) in bodies {
        let case = Case::new(&PLAIN, name).send(post("Transfer-Encoding: chunked\r\n", &body));
        cases.push(case.want(refused(&[400, 413, 431])).want(broken_upload()));
    }
    cases
}

fn good_chunks() -> Vec<Case> {
    let lines = "Transfer-Encoding: chunked\r\n";
    let tail = "\r\nhello\r\n0\r\n\r\n";
    let five = || passes(request().body("hello"));
    let mut cases = Vec::new();
    // What a recipient may take, if it understands what everybody else does.
    for (name, body) in [
        ("a chunk size with a blank before it", format!(" 5{tail}")),
        ("a chunk size with a blank behind", format!("5 {tail}")),
        ("a chunk size with many zeros", format!("{}5{tail}", "0".repeat(30))),
        ("a chunk size ended by a bare LF", "5\nhello\r\n0\r\n\r\n".to_owned()),
        ("a chunk ended by a bare LF", "5\r\nhello\n0\r\n\r\n".to_owned()),
        ("a bare LF inside a chunk extension", "5;a\nhello\r\n0\r\n\r\n".to_owned()),
        ("a last chunk ended by a bare LF", "5\r\nhello\r\n0\n\r\n".to_owned()),
        ("a NUL inside a chunk extension", "5;a\0b\r\nhello\r\n0\r\n\r\n".to_owned()),
    ] {
        let case = Case::new(&PLAIN, name).send(post(lines, &body)).does(Do::HalfClose);
        let either = broken_upload();
        // Who has finished sending may have left, and need not get all of the answer.
        let half_closed = gets(answer(&[200]).maybe_cut()).any_end().or_silence();
        let half_closed = half_closed.sees(request().body("hello"));
        cases.push(case.want(refused(&[400])).want(Outcome { end: End::Any, ..either }).want(half_closed));
    }
    for (name, body) in [
        ("a chunk size with zeros before it", format!("0005{tail}")),
        ("a chunk extension", format!("5;a=b{tail}")),
        ("a chunk extension in quotes", format!("5;a=\"b; c\"{tail}")),
        ("a last chunk with an extension and zeros", "5\r\nhello\r\n000;a\r\n\r\n".to_owned()),
        ("single-byte chunks", "1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n0\r\n\r\n".to_owned()),
    ] {
        cases.push(Case::new(&PLAIN, name).send(post(lines, &body)).want(five()));
    }
    cases.push(
        Case::new(&PLAIN, "chunk sizes in either case")
            .send(post(lines, "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"))
            .want(passes(request().body("01234567890123456789"))),
    );
    cases
}

/// Bodies that do not end where they should, and what follows them.
fn endings() -> Vec<Case> {
    let second = "GET /second HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    let mut cases = Vec::new();
    for (name, lines, body) in [
        ("a body shorter than its length", "Content-Length: 10\r\n", "hello"),
        ("chunks without the last one", chunked, "5\r\nhello\r\n"),
        ("a chunk that stops in the middle", chunked, "a\r\nhello"),
        ("chunks that stop inside the last one", chunked, "5\r\nhello\r\n0\r\n"),
        ("a chunk size just below 64 bits", chunked, "ffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
    ] {
        let case = Case::new(&PLAIN, name).send(post(lines, body)).does(Do::HalfClose);
        let cut = Outcome { end: End::Any, ..broken_upload() };
        cases.push(case.want(declined(&[400, 408, 413]).or_silence()).want(cut));
    }
    let two = || passes(request().body("hello")).then(answer(&[200])).sees(request().target("/second"));
    cases.extend([
        Case::new(&PLAIN, "a request behind a body by length is a request of its own")
            .send(format!("{}{second}", post("Content-Length: 5\r\n", "hello")))
            .want(two()),
        Case::new(&PLAIN, "a request behind the last chunk is a request of its own")
            .send(format!("{}{second}", post(chunked, "5\r\nhello\r\n0\r\n\r\n")))
            .want(two()),
        Case::new(&PLAIN, "a request inside a body by length stays a body")
            .send(post(&format!("Content-Length: {}\r\n", smuggled.len()), smuggled))
            .want(passes(request().body(smuggled))),
        Case::new(&PLAIN, "a request inside a chunk stays a body")
            .send(post(chunked, &format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len())))
            .want(passes(request().body(smuggled))),
        Case::new(&PLAIN, "garbage behind a body is refused and runs nowhere")
            .send(format!("{}\0\0garbage\r\n\r\n", post("Content-Length: 5\r\n", "hello")))
            .want(passes(request().body("hello")).then(answer(&[400])).closed()),
        Case::new(&PLAIN, "nothing behind a refused request is run")
            .send(format!("{}{smuggled}", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello")))
            .want(refused(&[400])),
    ]);
    cases
}

fn trailers() -> Vec<Case> {
    let announced = "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\nTE: trailers\r\n";
    let framing = "Transfer-Encoding: chunked\r\nTrailer: Content-Length, Transfer-Encoding, Host\r\n";
    vec![
        Case::new(&PLAIN, "trailers are relayed as trailers")
            .send(post(announced, "5\r\nhello\r\n0\r\nX-Sum: abc\r\n\r\n"))
            .want(passes(
                request().body("hello").lacks("x-sum").test(Test::Trailer("x-sum".into(), "abc".into())),
            )),
        Case::new(&PLAIN, "trailers that nobody announced are never headers")
            .send(post(
                "Transfer-Encoding: chunked\r\n",
                "5\r\nhello\r\n0\r\nX-Sum: abc\r\nAuthorization: Basic x\r\n\r\n",
            ))
            .want(passes(request().body("hello").lacks("x-sum").lacks("authorization"))),
        Case::new(&PLAIN, "a length, encoding or host among the trailers changes nothing")
            .send(post(
                framing,
                "5\r\nhello\r\n0\r\nContent-Length: 50\r\nTransfer-Encoding: gzip\r\nHost: evil.example\r\n\r\n",
            ))
            .want(refused(&[400]))
            .want(broken_upload())
            .want(passes(
                request()
                    .body("hello")
                    .has("host", "shop.example")
                    .lacks("content-length")
                    .that("no framing or routing field is relayed as a trailer", |message| {
                        message.trailers.is_empty()
                    }),
            )),
    ]
}
