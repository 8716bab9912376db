//! Header lines: those on a list are kept, of the others only that they were there and whether they are equal.

use super::{Class, Redactor, names, text};

/// Headers whose values are kept, secrets in them replaced. Of a request and of a reply alike.
const KEPT: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "access-control-request-headers",
    "access-control-request-method",
    "age",
    "allow",
    "alt-svc",
    "cache-control",
    "connection",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-security-policy",
    "content-security-policy-report-only",
    "content-type",
    "cross-origin-embedder-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "date",
    "deprecation",
    "expect",
    "expires",
    "host",
    "if-modified-since",
    "if-unmodified-since",
    "last-modified",
    "link",
    "location",
    "origin",
    "permissions-policy",
    "pragma",
    "prefer",
    "preference-applied",
    "range",
    "referer",
    "referrer-policy",
    "refresh",
    "retry-after",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "server",
    "strict-transport-security",
    "sunset",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
    "x-content-type-options",
    "x-forwarded-host",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-frame-options",
    "x-powered-by",
    "x-requested-with",
    "x-robots-tag",
    "x-runtime",
    "x-version",
    "x-xss-protection",
];

/// One line as it may be kept: name and value.
pub(super) fn line(r: &Redactor<'_>, name: &str, bytes: &[u8]) -> (String, String) {
    let shown = if is_plain(name) { name.to_owned() } else { text::redacted(r, name).into_owned() };
    let value = match std::str::from_utf8(bytes) {
        Ok(value) => self::value(r, name, value),
        Err(_) => r.replace(Class::Opaque, &String::from_utf8_lossy(bytes)),
    };
    (shown, value)
}

fn is_plain(name: &str) -> bool {
    KEPT.iter().any(|kept| kept.eq_ignore_ascii_case(name))
}

/// A header's value as it may be kept.
pub(super) fn value(r: &Redactor<'_>, name: &str, value: &str) -> String {
    if r.rules.names_header(name) {
        return r.replace(Class::Named, value);
    }
    match name.to_ascii_lowercase().as_str() {
        "authorization" | "proxy-authorization" => authorization(r, value),
        "cookie" => cookies(r, value),
        "set-cookie" => set_cookie(r, value),
        "content-security-policy" | "content-security-policy-report-only" => policy(r, value),
        lower if KEPT.contains(&lower) => text::redacted(r, value).into_owned(),
        lower if is_harmless(value) && names::class(lower).is_none() => value.to_owned(),
        lower => r.replace(names::class(lower).unwrap_or(Class::Header), value),
    }
}

/// Of a header nobody knows, what cannot be a secret: a switch, a small number.
fn is_harmless(value: &str) -> bool {
    matches!(value, "true" | "false" | "on" | "off" | "yes" | "no")
        || (value.len() <= 3 && value.bytes().all(|b| b.is_ascii_digit()))
}

/// `SCHEME credentials` (RFC 9110 section 11.4): the scheme stays.
fn authorization(r: &Redactor<'_>, value: &str) -> String {
    let Some((scheme, credentials)) = value.trim().split_once(' ') else {
        return r.replace(Class::Token, value);
    };
    let credentials = credentials.trim();
    if scheme.eq_ignore_ascii_case("basic") {
        basic(r, credentials);
    }
    format!("{scheme} {}", r.replace(Class::Token, credentials))
}

/// RFC 7617: the password may stand elsewhere in the clear.
fn basic(r: &Redactor<'_>, credentials: &str) {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    let decoded = STANDARD_NO_PAD.decode(credentials.trim_end_matches('=')).ok();
    if let Some(plain) = decoded.and_then(|bytes| String::from_utf8(bytes).ok())
        && let Some((_, password)) = plain.split_once(':')
    {
        r.note(Class::Password, password);
    }
}

/// `name=value; name=value` (RFC 6265 section 4.2.1): names stay.
fn cookies(r: &Redactor<'_>, value: &str) -> String {
    let all: Vec<String> = value
        .split(';')
        .map(|pair| match pair.trim().split_once('=') {
            Some((name, value)) => format!("{}={}", text::redacted(r, name), cookie(r, value)),
            None => r.replace(Class::Cookie, pair.trim()),
        })
        .collect();
    all.join("; ")
}

fn cookie(r: &Redactor<'_>, value: &str) -> String {
    let bare = value.trim().trim_matches('"');
    r.replace(Class::Cookie, bare)
}

/// RFC 6265 section 4.1.1: name and attributes stay.
fn set_cookie(r: &Redactor<'_>, value: &str) -> String {
    let (pair, attributes) = value.split_once(';').map_or((value, None), |(pair, rest)| (pair, Some(rest)));
    let mut out = cookies(r, pair);
    for attribute in attributes.into_iter().flat_map(|rest| rest.split(';')) {
        let (name, value) = attribute.split_once('=').map_or((attribute, None), |(n, v)| (n, Some(v)));
        let known = [
            "expires",
            "max-age",
            "domain",
            "path",
            "secure",
            "httponly",
            "samesite",
            "partitioned",
            "priority",
        ];
        out.push(';');
        if known.contains(&name.trim().to_ascii_lowercase().as_str()) {
            out.push_str(&text::redacted(r, attribute));
        } else {
            out.push_str(&text::redacted(r, name));
            if let Some(value) = value {
                out.push('=');
                out.push_str(&cookie(r, value));
            }
        }
    }
    out
}

/// CSP: nonces replaced (they are in the page as well).
fn policy(r: &Redactor<'_>, value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find("'nonce-") {
        let (before, found) = rest.split_at(at + "'nonce-".len());
        out.push_str(before);
        let end = found.find('\'').unwrap_or(found.len());
        let (nonce, after) = found.split_at(end);
        out.push_str(&r.replace(Class::Csrf, nonce));
        rest = after;
    }
    out.push_str(rest);
    text::redacted(r, &out).into_owned()
}
