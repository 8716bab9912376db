//! Match texts that can be read, and a complaint for each that cannot.

use super::*;

fn parsed(text: &str) -> Pattern {
    parse(text, PathRules::default()).unwrap()
}

/// Checks the message and the text that is underlined.
fn check_error(text: &str, message: &str, underlined: &str) {
    let error = parse(text, PathRules::default()).expect_err(text);
    assert_eq!(error.message, message, "{text}");
    assert_eq!(&text[error.span], underlined, "span of {text}");
}

#[test]
fn methods_hosts_and_paths_are_told_apart() {
    let pattern = parsed("GET,HEAD *.Shop.example./catalog/{id:int}/**");
    assert_eq!(pattern.methods, Methods::Named(Box::new(["GET".into(), "HEAD".into()])));
    assert_eq!(pattern.host, HostPattern::Wildcard("shop.example".into()));
    assert_eq!(
        pattern.elements,
        [Element::Literal("catalog".into()), Element::Param { name: "id".into(), kind: ParamKind::Int }]
    );
    assert!(pattern.tail);

    assert_eq!(parsed("/").elements, [Element::Literal("".into())]);
    assert!(parsed("/**").elements.is_empty() && parsed("/**").tail);
    assert_eq!(parsed("shop.example/a").host, HostPattern::Exact("shop.example".into()));
    assert_eq!(parsed("[2001:DB8::1]/a").host, HostPattern::Exact("[2001:db8::1]".into()));
    assert_eq!(parsed("  PURGE \t /a ").methods, Methods::Named(Box::new(["PURGE".into()])));
    assert_eq!(parsed("127.0.0.1/a").host, HostPattern::Exact("127.0.0.1".into()));
    assert_eq!(parsed("localhost/a").host, HostPattern::Exact("localhost".into()));
}

#[test]
fn mistakes_around_methods_are_named() {
    check_error("", "a match needs a path", "");
    check_error("  ", "a match needs a path", "  ");
    check_error("GET", "\"GET\" has no path", "GET");
    check_error("GET orders", "\"orders\" has no path", "orders");
    check_error("get /a", "methods are case-sensitive: unknown method \"get\"", "get");
    check_error("GET,Post /a", "methods are case-sensitive: unknown method \"Post\"", "Post");
    check_error("GET, HEAD /a", "methods are separated by a comma alone", "GET, HEAD ");
    check_error("GET,,HEAD /a", "a method is missing beside a comma", "GET,,HEAD");
    check_error("GET, /a", "a method is missing beside a comma", "GET,");
    check_error("GET,GET /a", "GET is named twice", "GET");
    check_error("* /a", "\"*\" is not a method", "*");
    check_error("G(T /a", "\"G(T\" is not a method", "G(T");
    check_error("TRACE /a", "TRACE is never forwarded", "TRACE");
    check_error("GET /a b", "nothing can follow the path, but found \"b\"", "b");
    check_error("/a b/c", "\"/a\" stands where methods are expected", "/a");
    assert_eq!(parse("get /a", PathRules::default()).unwrap_err().help.as_deref(), Some("did you mean GET?"));
}

#[test]
fn mistakes_around_hosts_are_named() {
    check_error("GET/a", "there is no space between GET and the path", "GET");
    check_error("shop.example /a", "\"shop.example\" is not a method", "shop.example");
    check_error("shop.example:80/a", "ports are ignored when hosts are compared", ":80");
    check_error("http://shop.example/a", "a match has no scheme", "http:");
    check_error("*/a", "\"*\" is not a host", "*");
    check_error("a.*.example/a", "\"*\" can only be the first label of a host", "a.*.example");
    check_error("*shop.example/a", "\"*\" can only be the first label of a host", "*shop.example");
    check_error("{tenant}.example/a", "names stand only in paths", "{tenant}.example");
    check_error("bücher.example/a", "\"bücher.example\" is not a host name as it is sent", "bücher.example");
    check_error("a..b/a", "\"a..b\" is not a host name", "a..b");
    check_error("a@b/a", "\"a@b\" is not a host name", "a@b");
    check_error("[::g]/a", "\"[::g]\" is not an IPv6 address", "[::g]");
}

#[test]
fn mistakes_in_paths_are_named() {
    check_error("/a/*", "\"*\" has no meaning in \"*\"", "*");
    check_error("/a/b*", "\"*\" has no meaning in \"b*\"", "b*");
    check_error("/a/**/b", "\"**\" can only be the last element", "**");
    check_error("/a/b**", "\"*\" has no meaning in \"b**\"", "b**");
    check_error("/a?x=1", "a match is about the path, not what follows it", "?x=1");
    check_error("/a#x", "a match is about the path, not what follows it", "#x");
    check_error("/a/x{id}", "braces in \"x{id}\" do not enclose the whole element", "x{id}");
    check_error("/a/{id", "braces in \"{id\" do not enclose the whole element", "{id");
    check_error("/a/id}", "braces in \"id}\" do not enclose the whole element", "id}");
    check_error("/a/{a}{b}", "braces in \"{a}{b}\" do not enclose the whole element", "{a}{b}");
    check_error("/a/{}", "\"{}\" has no proper name", "{}");
    check_error("/a/{*rest}", "\"{*rest}\" has no proper name", "{*rest}");
    check_error("/a/{1}", "\"{1}\" has no proper name", "{1}");
    check_error("/a/{:int}", "\"{:int}\" has no proper name", "{:int}");
    check_error("/a/{id:integer}", "unknown type \"integer\"", "integer");
    check_error("/a/{id:}", "unknown type \"\"", "");
    check_error("/{id}/{id:int}", "the name \"id\" is used twice", "{id:int}");
    check_error("/a%2/b", "\"%\" needs two hexadecimal digits", "%2");
    check_error("/a%zé/b", "\"%\" needs two hexadecimal digits", "%zé");
    check_error("/a/../b", "\"..\" holds a dot segment", "..");
    check_error("/a/%2e", "\"%2e\" holds a dot segment", "%2e");
    check_error("/a/%00", "\"%00\" holds an escaped NUL (%00)", "%00");
    check_error("/a\\b", "\"a\\\\b\" holds a backslash", "a\\b");
    check_error("/a\u{7}b", "a path has no control characters", "a\u{7}b");
    let deep = "/a".repeat(MAX_ELEMENTS + 1);
    check_error(&deep, "a path has at most 128 elements", &deep);
}

proptest::proptest! {
    #[test]
    fn no_text_panics_and_every_span_can_be_underlined(text in "[GETgethad,* ./{}:%#?é\\\\2f;-]{0,24}") {
        match parse(&text, PathRules::default()) {
            Err(error) => assert!(text.get(error.span.clone()).is_some(), "{text:?} {error:?}"),
            Ok(pattern) => {
                let example = pattern.example();
                assert!(pattern.matches_path(&path::normal(&example.path)), "{text:?} {example}");
                assert_eq!(path::ambiguity(&example.path), None, "{text:?}");
            }
        }
    }
}
