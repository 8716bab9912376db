//! Requests of any bytes to the admin listener: who is answered, and how parameters are read.

use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version};

use super::{api, guard};
use crate::explain::ExplainRequest;

const HOSTS: &str = "admin.shop.example";

/// A request head, then, after an empty line, a body.
///
/// # Panics
///
/// Where a property does not hold.
pub fn admin(bytes: &[u8]) {
    let Some((parts, body)) = head(bytes) else { return };
    if guard::check(&parts, &[HOSTS.to_owned()]).is_ok() {
        asked_by_own_name(&parts);
        if parts.method != Method::GET && parts.method != Method::HEAD {
            asked_by_no_other_site(&parts);
        }
    }
    if let Some(token) = guard::bearer(&parts.headers) {
        assert_eq!(token.trim(), token);
        assert!(guard::is_equal(token, token));
        assert!(!guard::is_equal(token, "another"), "only one token is the token");
    }
    api::fuzzing::read(parts.uri.path(), body);
    let asked = api::fuzzing::explain(parts.uri.query().unwrap_or_default());
    let Some((method, url, headers, client_ip)) = asked else { return };
    let read = ExplainRequest::parse(&method, &url, &headers, client_ip.as_deref());
    assert!(
        read.is_err() || !url.bytes().any(|byte| byte.is_ascii_control() && !url.contains('#')),
        "{url:?}"
    );
}

/// The name that is answered to is an address, localhost, or listed: nothing that a stranger's DNS can answer.
fn asked_by_own_name(parts: &Parts) {
    let line = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = parts.uri.authority().map_or(line, http::uri::Authority::as_str).to_ascii_lowercase();
    let bare = |text: &str| text.trim_end_matches('.').trim_matches(['[', ']']).to_owned();
    let without_port = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
    let names = [bare(&host), bare(without_port)];
    let own = |name: &String| name.parse::<IpAddr>().is_ok() || name == "localhost" || name == HOSTS;
    assert!(names.iter().any(own), "answered to {host:?}");
}

/// A page of another site never changes anything.
fn asked_by_no_other_site(parts: &Parts) {
    for site in parts.headers.get_all("sec-fetch-site") {
        let site = site.as_bytes().to_ascii_lowercase();
        assert!(site == b"same-origin" || site == b"none", "{site:?}");
    }
    for origin in parts.headers.get_all(ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        assert!(origin.starts_with("http://"), "{origin:?}");
    }
}

/// A head as the admin listener's codec would parse it, and what follows the empty line: `METHOD TARGET VERSION`,
/// then header lines. `None` where it would be refused.
fn head(bytes: &[u8]) -> Option<(Parts, &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let (head, body) = bytes.split_at(end);
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut words = lines.next()?.split(|byte| *byte == b' ');
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = Method::from_bytes(words.next()?).ok()?;
    parts.uri = Uri::try_from(words.next()?).ok()?;
    parts.version = if words.next() == Some(b"HTTP/1.0") { Version::HTTP_10 } else { Version::HTTP_11 };
    for line in lines.take(64) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let name = HeaderName::from_bytes(name).ok()?;
        let value = HeaderValue::from_bytes(value.get(1..)?.trim_ascii()).ok()?;
        parts.headers.append(name, value);
    }
    Some((parts, body.trim_ascii()))
}
