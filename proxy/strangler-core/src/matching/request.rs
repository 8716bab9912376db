//! One request as matching reads it.
//!
//! Owns the view borrowed from a parsed head, its normal forms, and how a header, cookie or query parameter
//! is looked up. Refuses judgement: whether a value is wanted is [`super::predicate`]'s business.

use std::borrow::Cow;
use std::net::IpAddr;

use http::HeaderMap;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, COOKIE, ORIGIN};
use memchr::memchr;

use super::path::{self, Ambiguity, Seen};

/// Header lines, however a parser keeps them.
pub trait HeaderLines: std::fmt::Debug {
    /// The value of the line of this name, in whatever case, that `before` lines of the same name precede.
    fn line(&self, name: &str, before: usize) -> Option<&[u8]>;
}

impl HeaderLines for HeaderMap {
    fn line(&self, name: &str, before: usize) -> Option<&[u8]> {
        self.get_all(name).iter().nth(before).map(http::HeaderValue::as_bytes)
    }
}

/// The values of all lines of a name, in order.
fn lines<'a>(headers: &'a dyn HeaderLines, name: &str) -> impl Iterator<Item = &'a [u8]> {
    (0..).map_while(move |before| headers.line(name, before))
}

/// One request as routing sees it; borrowed from the parsed head.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    /// As sent, case-sensitive.
    pub method: &'a str,
    /// The authority that is routed on, as sent; case, port and a trailing dot are ignored here.
    pub host: &'a str,
    /// The path as sent, without query; starts with `/`.
    pub path: &'a str,
    /// What follows the first `?`, as sent.
    pub query: Option<&'a str>,
    /// All header lines.
    pub headers: &'a dyn HeaderLines,
    /// The client's address, as believed.
    pub client_ip: Option<IpAddr>,
}

/// A request with its normal forms, made once and shared by every lookup for it.
#[derive(Clone, Debug)]
pub struct Reading<'a> {
    /// What was sent.
    pub view: &'a RequestView<'a>,
    /// The method that is looked up: of a CORS preflight, the one it asks for.
    pub method: &'a str,
    /// Whether it is a CORS preflight.
    pub preflight: bool,
    /// The host in lower case, without port and trailing dot.
    pub host: Cow<'a, str>,
    /// The path in normal form.
    pub path: Cow<'a, str>,
    /// Bytes of the path as sent.
    seen: Seen,
}

impl<'a> Reading<'a> {
    /// Reads a request. Allocates nothing for a lower-case host and an ASCII path without escapes.
    pub fn new(view: &'a RequestView<'a>) -> Reading<'a> {
        let asked = preflight_method(view);
        let seen = Seen::in_path(view.path);
        Reading {
            view,
            method: asked.unwrap_or(view.method),
            preflight: asked.is_some(),
            host: normal_host(view.host),
            path: path::normal_seen(view.path, seen),
            seen,
        }
    }

    /// The first thing in the path that two parsers may read differently.
    pub fn ambiguity(&self) -> Option<Ambiguity> {
        path::ambiguity_seen(self.view.path, self.seen)
    }
}

/// The method a CORS preflight asks for (Fetch standard, "CORS-preflight fetch"); `None` for other requests.
fn preflight_method<'a>(view: &RequestView<'a>) -> Option<&'a str> {
    if view.method != "OPTIONS" {
        return None;
    }
    view.headers.line(ORIGIN.as_str(), 0)?;
    let asked = view.headers.line(ACCESS_CONTROL_REQUEST_METHOD.as_str(), 0)?;
    std::str::from_utf8(asked).ok().filter(|method| !method.is_empty())
}

/// A host as hosts are compared: lower case, no port, no trailing dot. IPv6 literals keep their brackets.
pub fn normal_host(authority: &str) -> Cow<'_, str> {
    let end = if authority.starts_with('[') {
        authority.bytes().position(|byte| byte == b']').map(|end| end + 1)
    } else {
        authority.bytes().position(|byte| byte == b':')
    };
    let name = end.and_then(|end| authority.get(..end)).unwrap_or(authority);
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// The value of a header; repeated lines are joined by `, ` (RFC 9110 section 5.3). Bytes that are not UTF-8
/// become U+FFFD.
pub fn header<'a>(headers: &'a dyn HeaderLines, name: &str) -> Option<Cow<'a, str>> {
    let mut lines = lines(headers, name).map(text);
    let first = lines.next()?;
    let Some(second) = lines.next() else { return Some(first) };
    let mut joined = first.into_owned();
    for line in std::iter::once(second).chain(lines) {
        joined.push_str(", ");
        joined.push_str(&line);
    }
    Some(Cow::Owned(joined))
}

/// The value of the first cookie of that name (RFC 6265 section 4.2), over all `Cookie` lines.
pub fn cookie<'a>(headers: &'a dyn HeaderLines, name: &str) -> Option<Cow<'a, str>> {
    lines(headers, COOKIE.as_str()).find_map(|line| cookie_in(line, name.as_bytes())).map(text)
}

/// Looks at what a name is followed by first: most pairs are of other names, whose values are passed over.
fn cookie_in<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = line;
    loop {
        let pair = rest.trim_ascii_start();
        let after = pair.strip_prefix(name).map(<[u8]>::trim_ascii_start);
        if let Some([b'=', value @ ..]) = after {
            let end = memchr(b';', value).unwrap_or(value.len());
            return value.get(..end).map(<[u8]>::trim_ascii);
        }
        rest = pair.get(memchr(b';', pair)? + 1..)?;
    }
}

/// Bytes as text; what is not UTF-8 becomes U+FFFD.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// The first value of a query parameter, percent-decoded; empty where it has no `=`. `&` is the only separator.
pub fn query_parameter<'a>(query: Option<&'a str>, name: &str) -> Option<Cow<'a, str>> {
    query?.split('&').filter(|pair| !pair.is_empty()).find_map(|pair| {
        let (left, right) = pair.split_once('=').unwrap_or((pair, ""));
        (path::percent_decoded(left) == name).then(|| path::percent_decoded(right))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), http::HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn hosts_are_compared_without_case_port_and_trailing_dot() {
        let table = [
            ("shop.example", "shop.example"),
            ("SHOP.example:8080", "shop.example"),
            ("shop.example.", "shop.example"),
            ("shop.example.:443", "shop.example"),
            ("[::1]:80", "[::1]"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
            ("", ""),
        ];
        for (sent, wanted) in table {
            assert_eq!(normal_host(sent), wanted, "{sent}");
        }
    }

    #[test]
    fn repeated_header_lines_are_joined() {
        let map = headers(&[("x-a", "1"), ("x-b", "2"), ("x-a", "3")]);
        assert_eq!(header(&map, "x-a").as_deref(), Some("1, 3"));
        assert_eq!(header(&map, "X-B").as_deref(), Some("2"));
        assert_eq!(header(&map, "x-c"), None);
    }

    #[test]
    fn the_first_cookie_of_a_name_counts() {
        let map =
            headers(&[("cookie", "aa=0; a=1; b=2;b=3; c==x;f"), ("cookie", "d=4;;\tg = a b ;h=a=1; f=;e")]);
        let table = [
            ("aa", Some("0")),
            ("a", Some("1")),
            ("b", Some("2")),
            ("c", Some("=x")),
            ("d", Some("4")),
            ("e", None),
            ("f", Some("")),
            ("g", Some("a b")),
            ("h", Some("a=1")),
            ("A", None),
            ("x", None),
        ];
        for (name, wanted) in table {
            assert_eq!(cookie(&map, name).as_deref(), wanted, "{name}");
        }
        let mut map = headers(&[]);
        map.insert(COOKIE, http::HeaderValue::from_bytes(b"a=\xff;\xff=1").unwrap());
        assert_eq!(cookie(&map, "a").as_deref(), Some("\u{fffd}"));
    }

    #[test]
    fn a_query_parameter_is_its_first_value_decoded() {
        let query = Some("v=1&v=2&a%20b=c%26d&flag&x;y=3&&p=a+b");
        let table = [
            ("v", Some("1")),
            ("a b", Some("c&d")),
            ("flag", Some("")),
            ("x;y", Some("3")),
            ("y", None),
            ("", None),
            ("p", Some("a+b")),
        ];
        for (name, wanted) in table {
            assert_eq!(query_parameter(query, name).as_deref(), wanted, "{name}");
        }
        assert_eq!(query_parameter(None, "v"), None);
    }

    #[test]
    fn a_preflight_is_an_options_request_with_origin_and_requested_method() {
        let both = headers(&[("origin", "http://a"), ("access-control-request-method", "PUT")]);
        let origin = headers(&[("origin", "http://a")]);
        let asked = headers(&[("access-control-request-method", "PUT")]);
        let table = [
            ("OPTIONS", &both, "PUT", true),
            ("OPTIONS", &origin, "OPTIONS", false),
            ("OPTIONS", &asked, "OPTIONS", false),
            ("POST", &both, "POST", false),
        ];
        for (method, headers, looked_up, preflight) in table {
            let view = RequestView { method, host: "h", path: "/", query: None, headers, client_ip: None };
            let reading = Reading::new(&view);
            assert_eq!((reading.method, reading.preflight), (looked_up, preflight));
        }
    }
}
