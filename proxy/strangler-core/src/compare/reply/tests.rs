use std::io::Write as _;

use bytes::Bytes;

use super::super::testing::{check, compared, described, ending, found, reply, with_body};
use super::super::{Account, Class, Compared, End, NotCompared, Reply, Transport};
use crate::snapshot::Compare;
use crate::snapshot::compare::{Accept, Accepted, AcceptedPath, ResponsePath};

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn another_class_of_status_is_one_difference_and_hides_the_rest() {
    let left = reply("404\nX-A: 1\nSet-Cookie: s=1\ncontent-type: application/json\n\n{\"error\":1}");
    let right = reply("200\nX-A: 2\ncontent-type: text/html\n\n<p>");
    check(&left, &right, &["status status"]);
    let Compared::Compared(comparison) = compared(&Compare::default(), "GET", &left, &right) else {
        panic!()
    };
    let one = &comparison.differences[0].difference;
    assert_eq!((one.left, one.right), (Class::Status(4), Class::Status(2)));
    assert_eq!((one.left_value.as_deref(), one.right_value.as_deref()), (Some("404"), Some("200")));
}

#[test]
fn another_status_of_one_class_is_a_difference_among_others() {
    check(
        &reply("404\nX-A: 1\n\na"),
        &reply("410\nX-A: 2\n\nb"),
        &["status status", "header:x-a header.value", "$ body.value"],
    );
    check(&reply("200\n\na"), &reply("204"), &["status status", "$ body.missing"]);
}

#[test]
fn differences_are_told_in_order() {
    let left = reply("200\nX-A: 1\nSet-Cookie: s=1\n\na");
    let right = reply("201\nX-A: 2\nSet-Cookie: s=2\n\nb");
    check(
        &left,
        &right,
        &["status status", "header:x-a header.value", "cookie:s cookie.value", "$ body.value"],
    );
}

#[test]
fn a_broken_extracted_answer_is_a_difference() {
    let left = reply("200\n\nabc");
    for transport in [Transport::Connect, Transport::Timeout, Transport::Reset, Transport::Malformed] {
        let right = Reply {
            end: End::Failed(transport),
            status: 0,
            headers: crate::compare::FieldLines::default(),
            body: Bytes::new(),
        };
        check(&left, &right, &["transport transport"]);
        let Compared::Compared(comparison) = compared(&Compare::default(), "GET", &left, &right) else {
            panic!()
        };
        assert_eq!(comparison.differences[0].difference.right_value.as_deref(), Some(transport.as_str()));
    }
    check(&left, &ending(reply("200\n\nab"), End::Truncated), &["$ body.truncated"]);
    check(
        &left,
        &ending(reply("200\nX-A: 1\n\nab"), End::Truncated),
        &["header:x-a header.extra", "$ body.truncated"],
    );
    check(&left, &ending(reply("500\n\nab"), End::Truncated), &["status status"]);
    // Validators tell nothing about a body of which only half has come.
    check(
        &reply("200\nETag: a\n\nabc"),
        &ending(reply("200\nETag: b\n\nab"), End::Truncated),
        &["$ body.truncated"],
    );
}

#[test]
fn a_broken_legacy_answer_is_not_compared() {
    let right = reply("200\n\nabc");
    for end in [End::Truncated, End::Failed(Transport::Timeout), End::Failed(Transport::Reset)] {
        check(&ending(reply("200\n\nab"), end), &right, &["legacy-failed"]);
        check(
            &ending(reply("500\n\nab"), end),
            &ending(right.clone(), End::Failed(Transport::Reset)),
            &["legacy-failed"],
        );
    }
    let garbage = with_body("200\nContent-Encoding: gzip", b"not gzip");
    check(&garbage, &right, &["legacy-failed"]);
    check(&garbage, &garbage, &[]);
}

#[test]
fn an_oversize_body_is_not_compared() {
    let (small, large) = (reply("200\n\na"), ending(reply("200\n\n"), End::TooLarge));
    check(&small, &large, &["body-too-large"]);
    check(&large, &small, &["body-too-large"]);
    check(&large, &large, &["body-too-large"]);
    // What is wrong already does not hide behind a large body.
    check(&large, &reply("500\n\na"), &["status status"]);
    check(&large, &ending(small.clone(), End::Truncated), &["$ body.truncated"]);
    check(&large, &ending(small, End::Failed(Transport::Connect)), &["transport transport"]);
    let none = Account::NotCompared(NotCompared::BodyTooLarge);
    assert_eq!(compared(&Compare::default(), "GET", &large, &large).account(), none);
    assert_eq!(compared(&Compare::default(), "HEAD", &large, &large).account(), Account::Match);
}

#[test]
fn some_replies_have_no_body() {
    let check = |method: &str, left: &str, right: &str, expected: &[&str]| {
        let got = compared(&Compare::default(), method, &reply(left), &reply(right));
        assert_eq!(described(&got), expected, "{method} {left} {right}");
    };
    check("HEAD", "200\nContent-Length: 5\nETag: a\nX-A: 1", "200\nContent-Length: 7\nETag: b\nX-A: 1", &[]);
    check("HEAD", "200\nX-A: 1", "200\nX-A: 2", &["header:x-a header.value"]);
    check("HEAD", "200", "404", &["status status"]);
    check("GET", "204\n\nx", "204\n\ny", &[]);
    check("GET", "304\n\nx", "304\n\ny", &[]);
    check("DELETE", "204\nETag: a", "204\nETag: b", &["header:etag header.value"]);
}

#[test]
fn codings_are_undone_before_bodies_are_compared() {
    let plain = reply("200\ncontent-type: text/plain\n\nhello");
    let packed =
        |body: &[u8]| with_body("200\ncontent-type: text/plain\nContent-Encoding: gzip", &gzip(body));
    check(&plain, &packed(b"hello"), &[]);
    check(&packed(b"hello"), &plain, &[]);
    check(&packed(b"hello"), &packed(b"hullo"), &["$ body.value"]);
    let mut other_level = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    other_level.write_all(b"hello").unwrap();
    check(
        &packed(b"hello"),
        &with_body("200\ncontent-type: text/plain\nContent-Encoding: gzip", &other_level.finish().unwrap()),
        &[],
    );
}

#[test]
fn a_coding_that_is_not_there_is_a_difference() {
    let plain = reply("200\ncontent-type: text/plain\n\nhello");
    check(
        &plain,
        &reply("200\ncontent-type: text/plain\nContent-Encoding: gzip\n\nhello"),
        &["$ body.encoding"],
    );
    check(
        &plain,
        &reply("200\ncontent-type: text/plain\nContent-Encoding: compress\n\nhello"),
        &["$ body.encoding"],
    );
    let unknown = |body: &str| reply(&format!("200\nContent-Encoding: compress\n\n{body}"));
    check(&unknown("a"), &unknown("a"), &[]);
    check(&unknown("a"), &unknown("b"), &["$ body.value"]);
    check(&unknown("a"), &reply("200\n\na"), &["$ body.encoding"]);
}

#[test]
fn a_bomb_is_not_compared_whichever_side_sends_it() {
    let bomb = with_body("200\nContent-Encoding: gzip", &gzip(&vec![b'a'; 32 << 20]));
    let plain = reply("200\n\nhello");
    check(&plain, &bomb, &["body-too-large"]);
    check(&bomb, &plain, &["body-too-large"]);
}

#[test]
fn hidden_differences_are_ignored_and_not_matched() {
    let rules = |ignore: &[ResponsePath], accept: Vec<Accept>| Compare {
        ignore: ignore.to_vec(),
        accept,
        ..Compare::default()
    };
    let check = |rules: &Compare, left: &str, right: &str, account: Account, counts: &[&str]| {
        let got = compared(rules, "GET", &reply(left), &reply(right));
        assert_eq!(
            (got.account(), described(&got)),
            (account, counts.iter().map(|one| (*one).to_owned()).collect())
        );
    };
    let header = rules(&[ResponsePath::Header("x-runtime".into())], Vec::new());
    check(&header, "200\nX-Runtime: 1", "200\nx-runtime: 2", Account::Ignored, &[]);
    check(&header, "200\nX-Runtime: 1", "200", Account::Ignored, &[]);
    check(&header, "200\nX-Runtime: 1\nX-A: 1", "200", Account::Mismatch, &["header:x-a header.missing"]);
    check(&header, "200\nX-Runtime: 1", "200\nX-Runtime: 1", Account::Match, &[]);
    let status = |until| Accept {
        what: Accepted::Path { path: AcceptedPath::Status, kind: None },
        why: "known".into(),
        until,
    };
    let today = jiff::civil::date(2026, 1, 1);
    check(&rules(&[], vec![status(today)]), "200", "404", Account::Ignored, &[]);
    let yesterday = jiff::civil::date(2025, 12, 31);
    check(&rules(&[], vec![status(yesterday)]), "200", "404", Account::Mismatch, &["status status"]);
    let cookie = Accept {
        what: Accepted::Path {
            path: AcceptedPath::Response(ResponsePath::Cookie("s".into())),
            kind: Some("attribute".into()),
        },
        why: "known".into(),
        until: today,
    };
    let cookie = rules(&[], vec![cookie]);
    check(&cookie, "200\nSet-Cookie: s=1; Secure", "200\nSet-Cookie: s=1", Account::Ignored, &[]);
    check(
        &cookie,
        "200\nSet-Cookie: s=1",
        "200\nSet-Cookie: s=2",
        Account::Mismatch,
        &["cookie:s cookie.value"],
    );
}

#[test]
fn missing_and_extra_change_places_with_the_sides() {
    let replies = [
        "200\ncontent-type: text/html\nX-A: 1\nSet-Cookie: a=1\n\n<p>a<b>c</b>",
        "200\ncontent-type: text/html\nX-B: 1\nSet-Cookie: b=1\n\n<p>a",
        "200\ncontent-type: text/plain\n\na\nb",
        "200\ncontent-type: text/plain\n\na",
        "200\ncontent-type: application/xml\n\n<a x='1'/>",
        "200\ncontent-type: application/xml\n\n<a/>",
        "200\n\n",
    ];
    let exchanged = |one: &String| {
        if one.contains("missing") {
            one.replace("missing", "extra")
        } else {
            one.replace("extra", "missing")
        }
    };
    for left in replies {
        for right in replies {
            let mut there: Vec<String> = found(&reply(left), &reply(right)).iter().map(exchanged).collect();
            let mut back = found(&reply(right), &reply(left));
            there.sort();
            back.sort();
            assert_eq!(there, back, "{left} | {right}");
        }
    }
}
