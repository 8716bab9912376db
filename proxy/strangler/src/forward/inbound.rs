//! What a request must be before it is routed: method, target, host, size.
//!
//! What hyper's parser lets pass but this proxy does not is refused here (RFC 9112, 3.2 and 6).

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Uri, Version, request};
use strangler_core::snapshot::Limits;

use super::error::ForwardError;
use crate::telemetry::Limit;

/// What the first look at a request says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// It can be routed.
    Routable,
    /// `OPTIONS *`: about the proxy itself.
    AboutProxy,
}

/// Checks a request's head, and brings it into origin-form with exactly one `Host`: what is routed on is
/// what is forwarded.
///
/// # Errors
///
/// Why the request is refused.
pub(crate) fn check(head: &mut request::Parts) -> Result<Checked, ForwardError> {
    if head.method == Method::CONNECT || head.method == Method::TRACE {
        return Err(ForwardError::MethodNotAllowed);
    }
    check_transfer_encoding(&head.headers)?;
    check_host(head)?;
    if head.uri.path() == "*" {
        return if head.method == Method::OPTIONS {
            Ok(Checked::AboutProxy)
        } else {
            Err(ForwardError::BadRequest("Only OPTIONS may ask about *."))
        };
    }
    if !head.uri.path().starts_with('/') {
        return Err(ForwardError::BadRequest("The request target is not an address."));
    }
    Ok(Checked::Routable)
}

fn target_bytes(uri: &Uri) -> u64 {
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len() + 8);
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    u64::try_from(authority + path).unwrap_or(u64::MAX)
}

/// Checks a request's head, as it came, against the limits.
///
/// # Errors
///
/// Which limit it is over.
pub(crate) fn check_sizes(head: &request::Parts, limits: &Limits) -> Result<(), ForwardError> {
    if target_bytes(&head.uri) > limits.target_bytes {
        return Err(ForwardError::TargetTooLong);
    }
    let headers = &head.headers;
    if headers.len() > usize::try_from(limits.headers).unwrap_or(usize::MAX) {
        return Err(ForwardError::HeadersTooLarge(Limit::Headers));
    }
    // Colon, space and line end are counted with each line.
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if u64::try_from(bytes).unwrap_or(u64::MAX) > limits.header_bytes {
        return Err(ForwardError::HeadersTooLarge(Limit::HeaderBytes));
    }
    Ok(())
}

fn check_transfer_encoding(headers: &HeaderMap) -> Result<(), ForwardError> {
    let mut lines = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(first) = lines.next() else { return Ok(()) };
    if lines.next().is_some() || !first.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err(ForwardError::BadRequest("Only the transfer encoding chunked is understood."));
    }
    if headers.contains_key(CONTENT_LENGTH) {
        return Err(ForwardError::BadRequest("A request has a length or is chunked, not both."));
    }
    Ok(())
}

/// Exactly one valid `Host` (RFC 9112, 3.2.2); the authority of an absolute-form target takes its place.
fn check_host(head: &mut request::Parts) -> Result<(), ForwardError> {
    const MISSING: ForwardError = ForwardError::BadRequest("The Host header is missing or empty.");
    const WRONG: ForwardError = ForwardError::BadRequest("The Host header is not valid.");
    let mut lines = head.headers.get_all(HOST).iter();
    match (lines.next(), lines.next()) {
        (Some(_), Some(_)) => return Err(ForwardError::BadRequest("There is more than one Host header.")),
        // HTTP/1.0 knows no Host; the upstream's own address stands in for it later.
        (None, None) if head.version == Version::HTTP_10 => {}
        (Some(host), None) if !host.is_empty() => {
            if !is_authority(host.as_bytes()) {
                return Err(WRONG);
            }
        }
        _ => return Err(MISSING),
    }
    if head.uri.authority().is_none() {
        return Ok(());
    }
    let uri = std::mem::take(&mut head.uri).into_parts();
    let (Some(authority), Some(path), Some(scheme)) = (uri.authority, uri.path_and_query, uri.scheme) else {
        return Err(ForwardError::BadRequest("The request target is not an address."));
    };
    if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
        return Err(ForwardError::BadRequest("The request target is not an http address."));
    }
    if !is_authority(authority.as_str().as_bytes()) {
        return Err(ForwardError::BadRequest("The host of the request target is not valid."));
    }
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| WRONG)?;
    head.headers.insert(HOST, host);
    head.uri = origin_form(path)?;
    Ok(())
}

/// A target of path and query only. A path that is left out of an absolute-form target is `/`.
fn origin_form(path: http::uri::PathAndQuery) -> Result<Uri, ForwardError> {
    let path = match path.as_str() {
        text if text.starts_with('?') => http::uri::PathAndQuery::try_from(format!("/{text}"))
            .map_err(|_| ForwardError::BadRequest("The request target is not an address."))?,
        _ => path,
    };
    Ok(Uri::from(path))
}

/// `host[:port]` with a registered name, an IPv4 address or an IPv6 literal in brackets; no userinfo, and
/// nothing that only RFC 3986 allows in names but no resolver does.
fn is_authority(text: &[u8]) -> bool {
    let (host, port) = match text {
        [b'[', rest @ ..] => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
            let (address, after) = rest.split_at(end);
            let valid = std::str::from_utf8(address).is_ok_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok());
            if !valid {
                return false;
            }
            (address, after.get(1..).unwrap_or_default())
        }
        text => text.split_at(text.iter().position(|byte| *byte == b':').unwrap_or(text.len())),
    };
    let name = text.first() == Some(&b'[')
        || host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte));
    !host.is_empty() && name && is_port(port)
}

/// Nothing, or a colon and a number that fits (an empty one is allowed by RFC 3986, 3.2.3).
fn is_port(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b':', digits @ ..] => {
            digits.len() <= 5
                && digits.iter().all(u8::is_ascii_digit)
                && (digits.is_empty()
                    || std::str::from_utf8(digits).is_ok_and(|port| port.parse::<u16>().is_ok()))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::{Checked, check, check_sizes, is_authority};
    use crate::forward::error::ForwardError;
    use crate::forward::tests::limits;

    #[test]
    fn only_names_addresses_and_ports_are_hosts() {
        let good =
            ["shop.example", "SHOP.example.", "a_b", "127.0.0.1:80", "[::1]", "[::1]:8080", "a:", "xn--a"];
        for host in good {
            assert!(is_authority(host.as_bytes()), "{host}");
        }
        let bad = [
            "", ":80", "a b", "u@a", "a/b", "a?b", "a#b", "a:port", "a:65536", "a:-1", "[::1", "[x]", "::1",
            "a,b", "[::1]x", "a:80:80", "a\\b", "ä", "[]", "a%20b", "a;b", "a:123456",
        ];
        for host in bad {
            assert!(!is_authority(host.as_bytes()), "{host}");
        }
    }

    fn checked(request: http::request::Builder) -> (Result<Checked, ForwardError>, http::request::Parts) {
        let mut head = request.body(()).unwrap().into_parts().0;
        (check_sizes(&head, &limits()).and_then(|()| check(&mut head)), head)
    }

    #[test]
    fn the_authority_of_an_absolute_target_takes_the_place_of_host() {
        let request = Request::builder().uri("http://b.example:81/x%2Fy?z=%zz").header("host", "a.example");
        let (outcome, head) = checked(request);
        assert_eq!(outcome, Ok(Checked::Routable));
        assert_eq!(head.headers.get("host").unwrap(), "b.example:81");
        assert_eq!(head.uri.to_string(), "/x%2Fy?z=%zz");

        let (outcome, head) = checked(Request::builder().uri("http://b.example?q").header("host", "a"));
        assert_eq!((outcome, head.uri.to_string()), (Ok(Checked::Routable), "/?q".to_owned()));
    }

    #[test]
    fn what_cannot_be_routed_is_refused() {
        let refused = |request: http::request::Builder| checked(request).0.unwrap_err().status().as_u16();
        assert_eq!(refused(Request::builder().uri("/")), 400);
        assert_eq!(refused(Request::builder().uri("/").header("host", "")), 400);
        assert_eq!(refused(Request::builder().uri("/").header("host", "a").header("host", "a")), 400);
        assert_eq!(refused(Request::builder().uri("http://u@b/").header("host", "a")), 400);
        assert_eq!(refused(Request::builder().uri("ftp://b/").header("host", "a")), 400);
        assert_eq!(refused(Request::builder().uri("b.example").header("host", "a")), 400);
        assert_eq!(refused(Request::builder().uri("*").header("host", "a")), 400);
        assert_eq!(refused(Request::builder().method("TRACE").uri("/").header("host", "a")), 405);
        assert_eq!(refused(Request::builder().method("CONNECT").uri("a:80").header("host", "a")), 405);
        let long = format!("/{}", "x".repeat(16 * 1024));
        assert_eq!(refused(Request::builder().uri(long).header("host", "a")), 414);
        let large = "x".repeat(64 * 1024);
        assert_eq!(refused(Request::builder().uri("/").header("host", "a").header("x", large)), 431);
        let coded =
            |value: &str| Request::builder().uri("/").header("host", "a").header("transfer-encoding", value);
        assert_eq!(refused(coded("gzip, chunked")), 400);
        assert_eq!(refused(coded("identity")), 400);
        assert_eq!(checked(coded("Chunked")).0, Ok(Checked::Routable));
        assert_eq!(
            checked(Request::builder().method("OPTIONS").uri("*").header("host", "a")).0,
            Ok(Checked::AboutProxy)
        );
    }
}
