use super::super::testing::{check, compared, described, reply};
use crate::snapshot::Compare;
use crate::snapshot::compare::ResponsePath;

/// Two replies that differ in these header lines alone; a line without a name is a cookie.
fn cookies(left: &str, right: &str, expected: &[&str]) {
    check(&lines(left), &lines(right), expected);
}

fn lines(text: &str) -> super::super::Reply {
    let line = |line: &str| {
        if line.starts_with("Date: ") { format!("\n{line}") } else { format!("\nSet-Cookie: {line}") }
    };
    reply(&format!("200{}", text.lines().map(line).collect::<String>()))
}

#[test]
fn a_cookie_is_missing_extra_or_another() {
    cookies("s=1", "", &["cookie:s cookie.missing"]);
    cookies("", "s=1", &["cookie:s cookie.extra"]);
    cookies("s=1", "s=2", &["cookie:s cookie.value"]);
    cookies("s=1; HttpOnly", "s=1", &["cookie:s cookie.attribute"]);
    cookies("s=1", "s=1; Secure", &["cookie:s cookie.attribute"]);
    cookies("s=1; SameSite=Lax", "s=1; SameSite=Strict", &["cookie:s cookie.attribute"]);
    cookies(
        "a=1\nb=2",
        "b=3\nc=1",
        &["cookie:a cookie.missing", "cookie:b cookie.value", "cookie:c cookie.extra"],
    );
    cookies("S=1", "s=1", &["cookie:S cookie.missing", "cookie:s cookie.extra"]);
}

#[test]
fn order_and_case_of_attributes_and_order_of_cookies_are_no_difference() {
    cookies("s=1; Path=/; HttpOnly; SameSite=Lax", "s=1;samesite=LAX;httponly;path=/", &[]);
    cookies("a=1\nb=2", "b=2\na=1", &[]);
    cookies("s=1; Secure; secure", "s=1; Secure", &[]);
    cookies("s=1; Domain=.Shop.example", "s=1; Domain=shop.example", &[]);
}

#[test]
fn a_cookie_is_its_name_path_and_domain() {
    cookies("s=1; Path=/a\ns=2; Path=/b", "s=2; Path=/b\ns=1; Path=/a", &[]);
    cookies("s=1; Path=/a\ns=2; Path=/b", "s=2; Path=/b", &["cookie:s cookie.missing"]);
    cookies("s=1; Path=/a", "s=1; Path=/", &["cookie:s cookie.missing", "cookie:s cookie.extra"]);
    cookies("s=1; Domain=shop.example", "s=1", &["cookie:s cookie.missing", "cookie:s cookie.extra"]);
    cookies("s=1; Path=/a\ns=2; Path=/b", "s=1; Path=/a\ns=3; Path=/b", &["cookie:s cookie.value"]);
}

#[test]
fn a_cookie_that_one_side_sets_more_often_is_one_difference() {
    cookies("s=1\ns=2", "s=1", &["cookie:s cookie.missing"]);
    cookies("s=1\ns=2", "s=2", &["cookie:s cookie.missing"]);
    cookies("s=1\ns=2", "s=3", &["cookie:s cookie.missing"]);
    cookies("s=1", "s=2\ns=1\ns=1", &["cookie:s cookie.extra"]);
    cookies("s=1\ns=1", "s=1\ns=1", &[]);
    // User agents keep the last.
    cookies("s=1\ns=2", "s=2\ns=1", &["cookie:s cookie.value"]);
}

#[test]
fn a_moment_of_expiry_is_the_same_within_five_seconds() {
    let at = |second: u32| format!("s=1; Expires=Fri, 02 Jan 2026 00:00:{second:02} GMT");
    cookies(&at(0), &at(5), &[]);
    cookies(&at(5), &at(0), &[]);
    cookies(&at(0), &at(6), &["cookie:s cookie.attribute"]);
    cookies(&at(0), "s=1; Expires=Friday, 02-Jan-26 00:00:05 GMT", &[]);
    cookies(&at(0), "s=1", &["cookie:s cookie.attribute"]);
    cookies("s=1; Max-Age=60", "s=1; Max-Age=61", &["cookie:s cookie.attribute"]);
    cookies("s=1; Max-Age=60", "s=1; Max-Age=60", &[]);
    // What cannot be read is not said.
    cookies("s=1; Expires=soon; Max-Age=x", "s=1", &[]);
}

#[test]
fn max_age_and_expires_may_say_the_same() {
    let date = "Date: Thu, 01 Jan 2026 00:00:00 GMT";
    let at = |second: u32| format!("s=1; Expires=Thu, 01 Jan 2026 01:00:{second:02} GMT");
    cookies(&format!("{date}\n{}", at(0)), &format!("{date}\ns=1; Max-Age=3600"), &[]);
    cookies(&format!("{date}\ns=1; Max-Age=3600"), &at(5), &[]);
    cookies(&format!("{date}\ns=1; Max-Age=3600"), &at(6), &["cookie:s cookie.attribute"]);
    cookies("s=1; Max-Age=3600", &at(0), &["cookie:s cookie.attribute"]);
    // Max-Age has precedence.
    cookies(&format!("{}; Max-Age=60", at(0)), "s=1; Max-Age=60", &[]);
    // As long, from another moment on.
    cookies(
        &format!("{date}\n{}", at(0)),
        "Date: Thu, 01 Jan 2026 00:00:30 GMT\ns=1; Expires=Thu, 01 Jan 2026 01:00:30 GMT",
        &[],
    );
}

#[test]
fn a_cookie_taken_away_is_taken_away_however_it_is_said() {
    cookies("s=; Max-Age=0", "s=deleted; Expires=Thu, 01 Jan 1970 00:00:00 GMT", &[]);
    cookies("s=; Expires=Thu, 01-Jan-1970 00:00:10 GMT", "s=; Expires=Mon, 01 Jan 1990 00:00:00 GMT", &[]);
    cookies("s=; Max-Age=0", "s=", &["cookie:s cookie.attribute"]);
    cookies("s=; Max-Age=-1", "s=; Max-Age=1", &["cookie:s cookie.attribute"]);
    cookies("s=; Max-Age=0; Path=/", "s=; Max-Age=0", &["cookie:s cookie.missing", "cookie:s cookie.extra"]);
}

#[test]
fn ignoring_a_cookie_hides_its_value_only() {
    let rules = Compare { ignore: vec![ResponsePath::Cookie("s".into())], ..Compare::default() };
    let check = |left: &str, right: &str, account: &str, counts: &[&str]| {
        let got = compared(&rules, "GET", &lines(left), &lines(right));
        assert_eq!(
            (got.account().as_str(), described(&got)),
            (account, counts.iter().map(|s| (*s).to_owned()).collect())
        );
    };
    check("s=1", "s=2", "ignored", &[]);
    check("s=1", "", "mismatch", &["cookie:s cookie.missing"]);
    check("s=1", "s=2; HttpOnly", "mismatch", &["cookie:s cookie.attribute"]);
    check("s=1", "s=1", "match", &[]);
}

#[test]
fn ignoring_their_header_hides_all_cookies() {
    let rules = Compare { ignore: vec![ResponsePath::Header("set-cookie".into())], ..Compare::default() };
    let got = compared(&rules, "GET", &lines("a=1; HttpOnly\nb=1"), &lines("a=2\nc=1"));
    assert_eq!(got.account().as_str(), "ignored");
}

#[test]
fn no_value_of_a_cookie_is_shown() {
    for (left, right) in [
        ("s=secret1", "s=secret2"),
        ("s=secret1", ""),
        ("s=secret1; HttpOnly", "s=secret2"),
        ("", "s=secret2; Path=/"),
    ] {
        let got = compared(&Compare::default(), "GET", &lines(left), &lines(right));
        assert!(!format!("{got:?}").contains("secret"), "{got:?}");
    }
}
