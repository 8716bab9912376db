//! Hosts that clients cannot reach, in redirects and links.

use std::net::IpAddr;

use crate::matching::request::normal_host;
use crate::snapshot::Snapshot;

/// Bytes of a body that are looked through.
const BODY_MAX: usize = 64 * 1024;

/// Links of a body that are looked at.
const LINKS_MAX: usize = 64;

/// Endings of names that are no one's in public (RFC 6762, RFC 8375, RFC 9476 and custom).
const INTERNAL: [&str; 7] = [".internal", ".local", ".localhost", ".svc", ".lan", ".home.arpa", ".intranet"];

/// The authority of an absolute URL.
pub(super) fn authority(url: &str) -> Option<&str> {
    let rest = strip(url, "http://").or_else(|| strip(url, "https://"))?;
    let end = rest.find(|c: char| "/?#\"'<>\\,;)(}]".contains(c) || c.is_whitespace() || c.is_control());
    let authority = rest.get(..end.unwrap_or(rest.len()))?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    (!authority.is_empty()).then_some(authority)
}

fn strip<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let start = text.get(..scheme.len())?;
    if start.eq_ignore_ascii_case(scheme) { text.get(scheme.len()..) } else { None }
}

/// Hosts in the links of a body.
pub(super) fn in_body(body: &[u8]) -> Vec<String> {
    let bytes = body.get(..BODY_MAX).unwrap_or(body);
    let text = String::from_utf8_lossy(bytes);
    let found = text.match_indices("://").take(LINKS_MAX).filter_map(|(at, _)| {
        let start = ["https", "http"].iter().find_map(|scheme| {
            let from = at.checked_sub(scheme.len())?;
            text.get(from..at).filter(|word| word.eq_ignore_ascii_case(scheme)).map(|_| from)
        })?;
        authority(text.get(start..)?).map(str::to_owned)
    });
    found.collect()
}

/// Whether an authority is one that the clients of a request cannot reach, or should not know.
pub(super) fn is_internal(authority: &str, asked: &str, snapshot: &Snapshot) -> bool {
    let (named, own) = (authority.to_ascii_lowercase(), asked.to_ascii_lowercase());
    if named == own
        || snapshot
            .server
            .public_url
            .iter()
            .any(|url| self::authority(url).is_some_and(|public| public.eq_ignore_ascii_case(&named)))
    {
        return false;
    }
    let mut endpoints = snapshot.upstreams.iter().flat_map(|upstream| &upstream.endpoints);
    if endpoints.any(|endpoint| self::authority(&endpoint.origin()).is_some_and(|origin| origin == named)) {
        return true;
    }
    let (host, asked) = (normal_host(&named), normal_host(&own));
    // Where clients themselves use an internal name, others of its kind may be theirs too.
    !is_private(&asked) && is_private(&host)
}

fn is_private(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified()
        }
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local(),
        Err(_) => !host.contains('.') || INTERNAL.iter().any(|end| host.ends_with(end)),
    }
}
