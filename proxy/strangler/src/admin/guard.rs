//! Who may ask the admin listener: names it answers to, pages that may post, bearers of the token.
//!
//! A web page in the operator's browser can send requests to loopback. It cannot choose `Host` freely
//! (DNS rebinding needs a name: hence IP literals, `localhost` and names that the file lists), and it
//! cannot hide `Origin` and `Sec-Fetch-Site` when it posts.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};

use super::reply::Problem;

/// Paths that health probes ask for, which carry no token.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// Checks everything that does not need the token's value.
///
/// # Errors
///
/// 400 or 403 with the reason.
pub(super) fn check(request: &Parts, admin_hosts: &[String]) -> Result<(), Problem> {
    let host = authority(request)?;
    if !is_own_name(&host, admin_hosts) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            format!("the admin listener does not answer to `{host}`"),
            "use an IP address or localhost, or add the name to `server.admin_hosts`",
        ));
    }
    if matches!(request.method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    // Every line: a second one must not hide behind the first.
    for site in request.headers.get_all("sec-fetch-site") {
        let is_own =
            ["same-origin", "none"].iter().any(|own| site.as_bytes().eq_ignore_ascii_case(own.as_bytes()));
        if !is_own {
            return Err(cross_site());
        }
    }
    for origin in request.headers.get_all(ORIGIN) {
        let is_own = origin.to_str().is_ok_and(|origin| is_same_origin(origin, &host));
        if !is_own {
            return Err(cross_site());
        }
    }
    Ok(())
}

/// Whether a path is answered without a token.
pub(super) fn is_open(path: &str) -> bool {
    OPEN.contains(&path)
}

/// The token that a request bears.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Compares without telling by its time how much was right.
pub(super) fn is_equal(given: &str, wanted: &str) -> bool {
    use sha2::{Digest, Sha256};
    let (given, wanted) = (Sha256::digest(given.as_bytes()), Sha256::digest(wanted.as_bytes()));
    given.iter().zip(wanted.iter()).fold(0_u8, |different, (a, b)| different | (a ^ b)) == 0
}

fn cross_site() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "another site's page may not do this".to_owned(),
        "ask from the command line, or from a page of this address",
    )
}

/// The authority that was asked for: of an absolute target, else `Host` (RFC 9112 section 3.2.2).
fn authority(request: &Parts) -> Result<String, Problem> {
    let bad = |why: &str| {
        Problem::new(StatusCode::BAD_REQUEST, why.to_owned(), "send exactly one Host header line")
    };
    let mut lines = request.headers.get_all(HOST).iter();
    let host = match (lines.next(), lines.next()) {
        (Some(line), None) => line.to_str().map_err(|_| bad("Host is not text"))?,
        (None, _) => return Err(bad("Host is missing")),
        (Some(_), Some(_)) => return Err(bad("Host is given twice")),
    };
    let host = request.uri.authority().map_or(host, http::uri::Authority::as_str);
    Ok(host.to_ascii_lowercase())
}

fn is_own_name(authority: &str, admin_hosts: &[String]) -> bool {
    let name = without_port(authority).trim_end_matches('.');
    let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    literal.parse::<IpAddr>().is_ok() || name == "localhost" || admin_hosts.iter().any(|own| own == name)
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            // `::1` without brackets is an address, not a name with a port.
            if name.contains(':') && !name.starts_with('[') { authority } else { name }
        }
        _ => authority,
    }
}

/// Whether an `Origin` is the listener's own: plain HTTP, the same host and port.
fn is_same_origin(origin: &str, host: &str) -> bool {
    origin.strip_prefix("http://").is_some_and(|authority| {
        let authority = authority.to_ascii_lowercase();
        authority.strip_suffix(":80").unwrap_or(&authority) == host.strip_suffix(":80").unwrap_or(host)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "helpers of tests")]

    use http::Request;

    use super::*;

    fn verdict(method: &str, target: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        check(&parts, &["admin.shop.example".to_owned()]).err().map(|problem| problem.status().as_u16())
    }

    #[test]
    fn only_own_names_are_answered() {
        for (host, wanted) in [
            ("127.0.0.1:9090", None),
            ("10.0.0.7", None),
            ("[::1]:9090", None),
            ("localhost:9090", None),
            ("LocalHost", None),
            ("admin.shop.example:9090", None),
            ("admin.shop.example.", None),
            ("evil.example:9090", Some(403)),
            ("localhost.evil.example", Some(403)),
            ("127.0.0.1.evil.example", Some(403)),
            ("", Some(403)),
        ] {
            assert_eq!(verdict("GET", "/api/status", &[("host", host)]), wanted, "{host}");
        }
        assert_eq!(verdict("GET", "/", &[]), Some(400));
        assert_eq!(verdict("GET", "/", &[("host", "localhost"), ("host", "localhost")]), Some(400));
        assert_eq!(verdict("GET", "http://evil.example/", &[("host", "localhost")]), Some(403));
    }

    #[test]
    fn other_sites_cannot_post() {
        let host = ("host", "127.0.0.1:9090");
        for (header, value, wanted) in [
            ("origin", "http://127.0.0.1:9090", None),
            ("origin", "http://127.0.0.1:8080", Some(403)),
            ("origin", "https://127.0.0.1:9090", Some(403)),
            ("origin", "http://evil.example", Some(403)),
            ("origin", "null", Some(403)),
            ("sec-fetch-site", "same-origin", None),
            ("sec-fetch-site", "none", None),
            ("sec-fetch-site", "same-site", Some(403)),
            ("sec-fetch-site", "cross-site", Some(403)),
        ] {
            assert_eq!(verdict("POST", "/api/reload", &[host, (header, value)]), wanted, "{header}: {value}");
            assert_eq!(verdict("GET", "/api/status", &[host, (header, value)]), None, "{header}: {value}");
        }
        assert_eq!(verdict("POST", "/api/reload", &[host]), None);
    }

    #[test]
    fn another_sites_page_does_not_hide_behind_a_first_line() {
        let lines = [("host", "localhost"), ("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")];
        assert_eq!(verdict("POST", "/api/reload", &lines), Some(403));
    }

    #[test]
    fn tokens_are_compared_whole() {
        assert!(is_equal("secret", "secret"));
        assert!(!is_equal("secre", "secret"));
        assert!(!is_equal("", "secret"));
    }
}
