use http::Method;

use super::{FEW_LINES, Framing, FramingFault, HeadFault, RequestHead, ResponseHead, USUAL_LINES, Version};

fn request(text: &str) -> Result<Option<RequestHead>, HeadFault> {
    let mut head = RequestHead::default();
    head.parse(text.as_bytes(), 100).map(|found| {
        found.map(|length| {
            assert_eq!(length, text.len());
            head
        })
    })
}

fn response(text: &str) -> Result<Option<ResponseHead>, HeadFault> {
    let mut head = ResponseHead::default();
    head.parse(text.as_bytes(), 100).map(|found| found.map(|_| head))
}

#[test]
fn a_head_is_written_as_it_was_read() {
    let text = "GET /a%2Fb?c=%zz HTTP/1.1\r\nHOST: a\r\nx-A: 1\r\nX-a: 2\r\n\r\n";
    let mut out = Vec::new();
    request(text).unwrap().unwrap().write(&mut out);
    assert_eq!(String::from_utf8(out).unwrap(), text);
    let text = "HTTP/1.1 299 So So!\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\n";
    let mut out = Vec::new();
    response(text).unwrap().unwrap().write(&mut out);
    assert_eq!(String::from_utf8(out).unwrap(), text);
}

#[test]
fn a_head_may_come_in_pieces() {
    let text = "\r\nPOST / HTTP/1.0\r\nHost: a\r\n\r\n";
    for end in 0..text.len() {
        assert!(request(&text[..end]).unwrap().is_none(), "{end}");
    }
    let head = request(text).unwrap().unwrap();
    assert_eq!((head.method, head.version), (Method::POST, Version::Http10));
}

#[test]
fn what_cannot_become_a_head_is_refused() {
    for text in [
        "GET / HTTP/2.0\r\n",
        "GET  / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nA : b\r\n",
        "G\x00T / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n c\r\n",
        "GET / HTTP/1.1\r\nA: b\x00\r\n",
        "GET / HTTP/1.1\r\nA: b\rc\r\n",
        "GET / HTTP/1.1\r\n: b\r\n",
        "GET /\x7f HTTP/1.1\r\n",
        "GET /\ta HTTP/1.1\r\n",
        " GET / HTTP/1.1\r\n",
        "GET\r\n",
        "GET /\r\n",
        "GET / HTTP/1.1 \r\n",
        "GET / HTTP/1.1\rX",
        "GET / http/1.1\r\n",
        "GET / HTTP/1.2\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        assert_eq!(request(text).unwrap_err(), HeadFault::Malformed, "{text:?}");
    }
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(101));
    assert_eq!(request(&many).unwrap_err(), HeadFault::TooManyLines);
    for text in [
        "HTTP/1.1 099 Low\r\n\r\n",
        "HTTP/1.1 600 High\r\n\r\n",
        "HTTP/1.1 20 Short\r\n\r\n",
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/3 200 OK\r\n\r\n",
    ] {
        assert_eq!(response(text).unwrap_err(), HeadFault::Malformed, "{text:?}");
    }
}

#[test]
fn a_target_is_any_bytes_without_blanks() {
    let mut head = RequestHead::default();
    let text = b"GET /\xff<\"\xc3\xa4`{} HTTP/1.1\r\n\r\n";
    assert_eq!(head.parse(text, 1), Ok(Some(text.len())));
    assert_eq!(head.target, b"/\xff<\"\xc3\xa4`{}");
    assert_eq!(head.target_text(), "/%FF<\"\u{e4}`{}");
}

#[test]
fn a_reason_is_whatever_stands_there() {
    let reason = |text: &str| String::from_utf8(response(text).unwrap().unwrap().reason).unwrap();
    assert_eq!(reason("HTTP/1.1 200 OK\r\n\r\n"), "OK");
    assert_eq!(reason("HTTP/1.1 200\r\n\r\n"), "");
    assert_eq!(reason("HTTP/1.1 200 \r\n\r\n"), "");
    assert_eq!(reason("HTTP/1.0 404 Nicht gefunden, \u{e4}\r\n\r\n"), "Nicht gefunden, \u{e4}");
}

#[test]
fn a_request_has_exactly_one_framing() {
    let framing =
        |lines: &str| request(&format!("POST / HTTP/1.1\r\n{lines}\r\n")).unwrap().unwrap().framing();
    assert_eq!(framing(""), Ok(Framing::None));
    assert_eq!(framing("content-length: 7\r\n"), Ok(Framing::Length(7)));
    assert_eq!(framing("content-length: 7\r\nContent-Length: 7\r\n"), Ok(Framing::Length(7)));
    assert_eq!(framing("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
    for length in ["", "+7", "-7", "7, 7", "7 7", "0x7", "7.0", "18446744073709551616"] {
        assert_eq!(framing(&format!("content-length: {length}\r\n")), Err(FramingFault::Length), "{length}");
    }
    assert_eq!(framing("content-length: 7\r\ncontent-length: 8\r\n"), Err(FramingFault::Length));
    assert_eq!(framing("transfer-encoding: chunked\r\ncontent-length: 7\r\n"), Err(FramingFault::Both));
    for coding in ["gzip", "gzip, chunked", "chunked, chunked", "identity", "xchunked", ""] {
        assert_eq!(
            framing(&format!("transfer-encoding: {coding}\r\n")),
            Err(FramingFault::Coding),
            "{coding}"
        );
    }
    let twice = "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n";
    assert_eq!(framing(twice), Err(FramingFault::Coding));
    let old = request("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n");
    assert_eq!(old.unwrap().unwrap().framing(), Err(FramingFault::Old));
}

#[test]
fn a_response_without_framing_ends_with_its_connection() {
    let framing = |status: u16, lines: &str, method: Method| {
        let text = format!("HTTP/1.1 {status} X\r\n{lines}\r\n");
        response(&text).unwrap().unwrap().framing(&method)
    };
    assert_eq!(framing(200, "", Method::GET), Ok(Framing::UntilClose));
    assert_eq!(framing(200, "content-length: 7\r\n", Method::HEAD), Ok(Framing::None));
    assert_eq!(framing(304, "content-length: 7\r\n", Method::GET), Ok(Framing::None));
    assert_eq!(framing(204, "", Method::GET), Ok(Framing::None));
    assert_eq!(framing(204, "content-length: x\r\n", Method::GET), Err(FramingFault::Length));
}

#[test]
fn a_head_may_have_as_many_lines_as_allowed_however_many_are_usual() {
    let head = |lines: usize| {
        let lines: String = (0..lines).map(|line| format!("x-{line}: {line}\r\n")).collect();
        format!("GET / HTTP/1.1\r\n{lines}\r\n")
    };
    let check = |lines: usize, most: usize, fits: bool| {
        let text = head(lines);
        let mut parsed = RequestHead::default();
        let length = parsed.parse(text.as_bytes(), most);
        let expected = if fits { Ok(Some(text.len())) } else { Err(HeadFault::TooManyLines) };
        assert_eq!(length, expected, "{lines} of {most}");
        assert_eq!(parsed.fields.len(), if fits { lines } else { 0 });
        if fits && lines > 0 {
            let unfinished = parsed.parse(&text.as_bytes()[..text.len() - 1], most);
            assert_eq!(unfinished, Ok(None), "{lines} of {most}");
        }
    };
    for usual in [FEW_LINES, USUAL_LINES] {
        for lines in [usual - 1, usual, usual + 1] {
            check(lines, 1000, true);
            check(lines, lines, true);
            check(lines, lines - 1, false);
        }
    }
    check(0, 0, true);
    check(1, 0, false);
    check(3, 2, false);
}
