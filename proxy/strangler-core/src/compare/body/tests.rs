use super::super::testing::{check, check as same, compared, described, reply, with_body};
use crate::snapshot::Compare;
use crate::snapshot::compare::{BodyPath, CompareMode, ResponsePath};

const ANOTHER_TYPE: &str = "header:content-type header.value";

/// Two bodies of one type.
fn bodies(media: &str, left: &str, right: &str, expected: &[&str]) {
    let of = |body: &str| reply(&format!("200\nContent-Type: {media}\n\n{body}"));
    check(&of(left), &of(right), expected);
}

#[test]
fn every_media_type_is_compared_somehow() {
    bodies("text/html", "<p class='a b'>x</p>", "<P class='b a'>x", &[]);
    bodies("text/html", "<p>x</p>", "<p>y</p>", &["$ body.value"]);
    bodies("application/xml", "<a/>", "<a></a>", &[]);
    bodies("image/svg+xml", "<svg a='1' b='2'/>", "<svg b='2' a='1'/>", &[]);
    bodies("application/xml", "<a/>", "<a", &["$ body.parse"]);
    bodies("text/plain", "a\nb", "a\nc", &["$ body.value"]);
    bodies("text/csv", "a,b\n", "a,b\r\n", &["$ body.whitespace"]);
    bodies("application/x-www-form-urlencoded", "a=1&b=2", "b=2&a=1", &[]);
    bodies("application/x-www-form-urlencoded", "a=1", "a=2", &["$ body.value"]);
    bodies("image/png", "\0a", "\0b", &["$ body.value"]);
    bodies("application/octet-stream", "a", "a ", &["$ body.value"]);
    bodies("nonsense", "<html>a", "<html>a</html>", &[]);
}

#[test]
fn the_boundary_of_a_multipart_is_made_at_random() {
    let of = |boundary: &str, part: &str| {
        let body = format!("--{boundary}\r\n\r\n{part}\r\n--{boundary}--\r\n");
        reply(&format!("200\nContent-Type: multipart/mixed; boundary={boundary}\n\n{body}"))
    };
    check(&of("x1", "a"), &of("y22", "a"), &[]);
    check(&of("x1", "a"), &of("y22", "b"), &["$ body.value"]);
}

#[test]
fn bytes_that_are_no_text_are_not_taken_for_one_another() {
    let head = "200\nContent-Type: text/html; charset=utf-8";
    check(&with_body(head, b"<p>\xe9"), &with_body(head, b"<p>\xe8<!-- -->"), &["$ body.value"]);
    check(&with_body(head, b"<p>\xe9"), &with_body(head, b"<p>\xe9<!-- -->"), &[]);
}

#[test]
fn json_is_compared_structurally_whatever_its_type_is_called() {
    for media in ["application/json", "application/json; charset=latin1", "application/hal+json", "text/json"]
    {
        bodies(media, "{\"a\":1,\"b\":2}", "{ \"b\": 2, \"a\": 1 }", &[]);
        bodies(media, "{\"a\":1}", "{\"a\":2}", &["$.a body.value"]);
        bodies(media, "{\"a\":1}", "{\"a\":", &["$ body.parse"]);
        bodies(media, "not json", "not jsom", &["$ body.value"]);
    }
    let of = |head: &str| reply(&format!("200{head}\n\n{{\"a\":1}}"));
    check(&of("\nContent-Type: application/json"), &of(""), &["header:content-type header.missing"]);
    let other = reply("200\nContent-Type: text/html\n\n{\"a\":2}");
    check(&of("\nContent-Type: application/json"), &other, &[ANOTHER_TYPE, "$.a body.value"]);
}

#[test]
fn a_body_is_missing_or_extra() {
    for media in ["text/html", "application/json", "image/png", "application/x-www-form-urlencoded"] {
        bodies(media, "1", "", &["$ body.missing"]);
        bodies(media, "", "1", &["$ body.extra"]);
    }
}

#[test]
fn bodies_without_a_type_are_taken_for_what_they_look_like() {
    let check = |left: &str, right: &str, expected: &[&str]| {
        same(&reply(&format!("200\n\n{left}")), &reply(&format!("200\n\n{right}")), expected);
    };
    check("<html><p>a", "<html><p>a</p></html>", &[]);
    check("<?xml version='1.0'?><a/>", "<?xml version='1.0'?><a></a>", &[]);
    check("<p>a", "<p>a</p>", &["$ body.value"]);
    let one = reply("200\nContent-Type: text/html\n\n<p>a");
    same(&one, &reply("200\n\n<p>a</p>"), &["header:content-type header.missing"]);
}

#[test]
fn differing_types_are_a_header_difference_and_bodies_are_compared_where_they_can_be() {
    let of = |media: &str, body: &str| reply(&format!("200\nContent-Type: {media}\n\n{body}"));
    same(&of("text/html", "<p>a"), &of("application/xhtml+xml", "<p>a</p>"), &[ANOTHER_TYPE]);
    same(&of("text/plain", "a"), &of("text/csv", "a"), &[ANOTHER_TYPE]);
    same(&of("text/plain", "a"), &of("text/csv", "b"), &[ANOTHER_TYPE, "$ body.value"]);
    same(&of("text/xml", "<a/>"), &of("application/xml", "<a></a>"), &[ANOTHER_TYPE]);
    same(&of("text/html", "<html>a"), &of("text/plain", "<html>a</html>"), &[ANOTHER_TYPE]);
    same(&of("application/json", "{}"), &of("text/html", "<p>"), &[ANOTHER_TYPE, "$ body.type"]);
    same(&of("image/png", "\0"), &of("text/html", "<p>"), &[ANOTHER_TYPE, "$ body.type"]);
    same(&of("text/plain", "a"), &of("application/octet-stream", "b"), &[ANOTHER_TYPE, "$ body.value"]);
}

#[test]
fn text_is_compared_in_whatever_charset_it_is_written() {
    let of = |media: &str, body: &[u8]| with_body(&format!("200\nContent-Type: {media}"), body);
    let utf8 = of("text/html; charset=utf-8", "<p>caf\u{e9}".as_bytes());
    check(&utf8, &of("text/html; charset=iso-8859-1", b"<p>caf\xe9"), &[ANOTHER_TYPE]);
    check(&utf8, &of("text/html; charset=utf-8", b"\xef\xbb\xbf<p>caf\xc3\xa9"), &[]);
    // Latin-1 that is said to be UTF-8; UTF-8 that was taken for Latin-1 and coded again.
    check(&utf8, &of("text/html; charset=utf-8", b"<p>caf\xe9"), &["$ body.encoding"]);
    check(&utf8, &of("text/html; charset=utf-8", "<p>caf\u{c3}\u{a9}".as_bytes()), &["$ body.encoding"]);
    check(
        &of("text/plain; charset=utf-8", b"\xe9"),
        &of("text/plain; charset=utf-8", b"\xe8"),
        &["$ body.value"],
    );
    check(
        &of("text/html", b"<meta charset=koi8-r><p>\xc1"),
        &of("text/html", b"<meta charset=koi8-r><p>\xc1</p>"),
        &[],
    );
    check(&of("text/plain", b"\xe9"), &of("text/plain", "\u{e9}".as_bytes()), &[]);
}

#[test]
fn shape_is_about_bodies_and_what_is_there() {
    let rules = Compare { mode: CompareMode::Shape, ..Compare::default() };
    let check = |left: &str, right: &str, expected: &[&str]| {
        let got = compared(&rules, "GET", &reply(left), &reply(right));
        assert_eq!(described(&got), expected, "{left} | {right}");
    };
    let of = |media: &str, body: &str| format!("200\nContent-Type: {media}\n\n{body}");
    check(&of("text/html", "<ul><li>a"), &of("text/html", "<ul><li>b<li>c"), &[]);
    check(&of("text/html", "<p><i>a</i>"), &of("text/html", "<p>"), &["$ body.missing"]);
    check(&of("text/plain", "a"), &of("text/plain", "b"), &[]);
    check(&of("text/plain", "a"), &of("text/plain", ""), &["$ body.missing"]);
    check(&of("image/png", "a"), &of("image/png", "b"), &[]);
    check(
        &of("application/x-www-form-urlencoded", "a=1"),
        &of("application/x-www-form-urlencoded", "b=1"),
        &["$ body.missing"],
    );
    check(&of("application/xml", "<a/>"), &of("application/xml", "<a"), &["$ body.parse"]);
    check("200\nX-A: 1", "200\nX-A: 2", &["header:x-a header.value"]);
    check("200", "201", &["status status"]);
}

#[test]
fn ignoring_the_root_hides_a_body_that_is_not_json() {
    let root = ResponsePath::Body(BodyPath { text: "$".into(), steps: Vec::new() });
    let rules = Compare { ignore: vec![root], ..Compare::default() };
    let got = compared(&rules, "GET", &reply("200\n\na"), &reply("200\n\nb"));
    assert_eq!(got.account().as_str(), "ignored");
}

#[test]
fn what_is_in_unknown_bytes_is_not_shown() {
    let of = |body: &str| reply(&format!("200\nContent-Type: application/x-thing\n\n{body}"));
    let got = compared(&Compare::default(), "GET", &of("secret1"), &of("secret2"));
    assert!(!format!("{got:?}").contains("secret"), "{got:?}");
}
