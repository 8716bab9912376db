//! What a request must be before it is routed: method, target, host, size (RFC 9112, 3.2 and 6).

use http::Method;
use strangler_core::snapshot::Limits;

use super::error::ForwardError;
use crate::http1::head::FramingFault;
use crate::http1::{Fields, Framing, Known, RequestHead, Version};
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
pub(crate) fn check(head: &mut RequestHead) -> Result<Checked, ForwardError> {
    if head.method == Method::CONNECT || head.method == Method::TRACE {
        return Err(ForwardError::MethodNotAllowed);
    }
    // A target has no fragment (RFC 9112, 3.2), and nothing but the original bytes may be forwarded.
    if head.target.contains(&b'#') {
        return Err(ForwardError::BadRequest("The request target has a fragment."));
    }
    check_host(head)?;
    if head.target == b"*" {
        return if head.method == Method::OPTIONS {
            Ok(Checked::AboutProxy)
        } else {
            Err(ForwardError::BadRequest("Only OPTIONS may ask about *."))
        };
    }
    if !head.target.starts_with(b"/") {
        return Err(ForwardError::BadRequest("The request target is not an address."));
    }
    Ok(Checked::Routable)
}

/// Checks a request's head, as it came, against the limits.
///
/// # Errors
///
/// Which limit it is over.
pub(crate) fn check_sizes(head: &RequestHead, limits: &Limits) -> Result<(), ForwardError> {
    if u64::try_from(head.target.len()).unwrap_or(u64::MAX) > limits.target_bytes {
        return Err(ForwardError::TargetTooLong);
    }
    if head.fields.len() > usize::try_from(limits.headers).unwrap_or(usize::MAX) {
        return Err(ForwardError::HeadersTooLarge(Limit::Headers));
    }
    if head.fields.wire_bytes() > limits.header_bytes {
        return Err(ForwardError::HeadersTooLarge(Limit::HeaderBytes));
    }
    Ok(())
}

/// The framing of the request's body.
///
/// # Errors
///
/// Where two parsers might not agree on it.
pub(crate) fn framing(head: &mut RequestHead) -> Result<Framing, ForwardError> {
    head.framing().map_err(|fault| {
        ForwardError::BadRequest(match fault {
            FramingFault::Coding => "Only the transfer encoding chunked is understood.",
            FramingFault::Old => "HTTP/1.0 knows no transfer encoding.",
            FramingFault::Both => "A request has a length or is chunked, not both.",
            FramingFault::Length => "The Content-Length is not one number.",
        })
    })
}

/// Exactly one valid `Host` (RFC 9112, 3.2.2); the authority of an absolute-form target takes its place.
fn check_host(head: &mut RequestHead) -> Result<(), ForwardError> {
    const MISSING: ForwardError = ForwardError::BadRequest("The Host header is missing or empty.");
    const WRONG: ForwardError = ForwardError::BadRequest("The Host header is not valid.");
    if head.fields.all(Known::Host).nth(1).is_some() {
        return Err(ForwardError::BadRequest("There is more than one Host header."));
    }
    match head.fields.get(Known::Host) {
        // HTTP/1.0 knows no Host; the upstream's own address stands in for it later.
        None if head.version == Version::Http10 => {}
        Some(host) if !host.is_empty() => {
            if !is_authority(host) {
                return Err(WRONG);
            }
        }
        _ => return Err(MISSING),
    }
    if head.target.starts_with(b"/") || head.target == b"*" {
        return Ok(());
    }
    let absolute = std::mem::take(&mut head.target);
    let (authority, target) = split_absolute(&absolute)?;
    if !is_authority(authority) {
        return Err(ForwardError::BadRequest("The host of the request target is not valid."));
    }
    head.fields.set(Known::Host, authority);
    // A path that is left out of an absolute-form target is `/`.
    if !target.starts_with(b"/") {
        head.target.push(b'/');
    }
    head.target.extend_from_slice(target);
    Ok(())
}

/// Authority, and path with query, of an absolute-form target.
fn split_absolute(target: &[u8]) -> Result<(&[u8], &[u8]), ForwardError> {
    let Some(end) = target.windows(3).position(|bytes| bytes == b"://") else {
        return Err(ForwardError::BadRequest("The request target is not an address."));
    };
    let (scheme, rest) = target.split_at(end);
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return Err(ForwardError::BadRequest("The request target is not an http address."));
    }
    let rest = rest.get(3..).unwrap_or_default();
    Ok(rest.split_at(rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len())))
}

/// The host that is routed on; empty where HTTP/1.0 names none.
pub(crate) fn host(fields: &Fields) -> &str {
    fields.get(Known::Host).and_then(|host| std::str::from_utf8(host).ok()).unwrap_or_default()
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
        || host
            .iter()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~'));
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
    use super::{Checked, check, check_sizes, framing, is_authority};
    use crate::forward::error::ForwardError;
    use crate::forward::tests::limits;
    use crate::http1::RequestHead;

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

    fn checked(text: &str) -> (Result<Checked, ForwardError>, RequestHead) {
        let mut head = RequestHead::default();
        head.parse(format!("{text}\r\n\r\n").as_bytes(), 100).unwrap().unwrap();
        let outcome = check_sizes(&head, &limits())
            .and_then(|()| framing(&mut head).map(drop))
            .and_then(|()| check(&mut head));
        (outcome, head)
    }

    #[test]
    fn the_authority_of_an_absolute_target_takes_the_place_of_host() {
        let (outcome, head) = checked("GET http://b.example:81/x%2Fy?z=%zz HTTP/1.1\r\nHost: a.example");
        assert_eq!(outcome, Ok(Checked::Routable));
        assert_eq!(super::host(&head.fields), "b.example:81");
        assert_eq!(head.target, b"/x%2Fy?z=%zz");

        let (outcome, head) = checked("GET HTTP://b.example?q HTTP/1.1\r\nHost: a");
        assert_eq!((outcome, head.target.as_slice()), (Ok(Checked::Routable), b"/?q".as_slice()));
        let (outcome, head) = checked("GET http://b.example HTTP/1.0");
        assert_eq!((outcome, head.target.as_slice()), (Ok(Checked::Routable), b"/".as_slice()));
    }

    #[test]
    fn what_cannot_be_routed_is_refused() {
        let refused = |text: &str| checked(text).0.unwrap_err().status().as_u16();
        assert_eq!(refused("GET / HTTP/1.1"), 400);
        assert_eq!(refused("GET / HTTP/1.1\r\nHost:"), 400);
        assert_eq!(refused("GET / HTTP/1.1\r\nHost: a\r\nHost: a"), 400);
        assert_eq!(refused("GET http://u@b/ HTTP/1.1\r\nHost: a"), 400);
        assert_eq!(refused("GET ftp://b/ HTTP/1.1\r\nHost: a"), 400);
        assert_eq!(refused("GET b.example HTTP/1.1\r\nHost: a"), 400);
        assert_eq!(refused("GET * HTTP/1.1\r\nHost: a"), 400);
        assert_eq!(refused("GET /a#b HTTP/1.1\r\nHost: a"), 400);
        assert_eq!(refused("TRACE / HTTP/1.1\r\nHost: a"), 405);
        assert_eq!(refused("CONNECT a:80 HTTP/1.1\r\nHost: a"), 405);
        let long = "x".repeat(16 * 1024);
        assert_eq!(refused(&format!("GET /{long} HTTP/1.1\r\nHost: a")), 414);
        let large = "x".repeat(64 * 1024);
        assert_eq!(refused(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {large}")), 431);
        let coded = |value: &str| format!("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {value}");
        assert_eq!(refused(&coded("gzip, chunked")), 400);
        assert_eq!(refused(&coded("identity")), 400);
        assert_eq!(checked(&coded("Chunked")).0, Ok(Checked::Routable));
        assert_eq!(checked("OPTIONS * HTTP/1.1\r\nHost: a").0, Ok(Checked::AboutProxy));
    }
}
