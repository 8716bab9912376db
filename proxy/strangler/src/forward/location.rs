//! Mapping an upstream's own origin in `Location` and `Content-Location` to the public one.
//!
//! Refuses bodies: they are never rewritten. Relative references are left as they came.

use std::rc::Rc;

use strangler_core::snapshot::{HostPolicy, Snapshot};

use crate::http1::{Fields, Known};

/// The origin by which the client knows this site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicOrigin {
    pub(crate) scheme: &'static str,
    pub(crate) host: Rc<str>,
}

impl PublicOrigin {
    /// Whether clients know this site under `https`.
    pub(crate) fn is_https(&self, configured: &[String]) -> bool {
        self.text(configured).get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"))
    }

    /// `scheme://host[:port]`: the configured public URL that the request's host matches, the only one that is
    /// configured, or what the client used.
    fn text(&self, configured: &[String]) -> String {
        let host = &*self.host;
        let matching = configured.iter().find(|origin| {
            origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
        });
        match (matching, configured) {
            (Some(origin), _) => origin.clone(),
            (None, [only]) => only.clone(),
            _ => format!("{}://{host}", self.scheme),
        }
    }
}

/// Maps both headers. `hosts` are further names under which the answering upstream was asked.
pub(crate) fn map(fields: &mut Fields, snapshot: &Snapshot, public: Option<&PublicOrigin>, hosts: &[&str]) {
    for known in [Known::Location, Known::ContentLocation] {
        let Some(value) = fields.get(known) else { continue };
        let Some(public) = public else { return };
        if let Some(mapped) = mapped(value, snapshot, public, hosts) {
            fields.set(known, mapped.as_bytes());
        }
    }
}

fn mapped(value: &[u8], snapshot: &Snapshot, public: &PublicOrigin, hosts: &[&str]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let (scheme, rest) = match text.strip_prefix("//") {
        Some(rest) => (None, rest),
        None => text.split_once("://").map(|(scheme, rest)| (Some(scheme), rest))?,
    };
    if !scheme.is_none_or(|s| s.eq_ignore_ascii_case("http") || s.eq_ignore_ascii_case("https")) {
        return None;
    }
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if !is_own(scheme, authority, snapshot, hosts) {
        return None;
    }
    let origin = public.text(&snapshot.server.public_url);
    Some(match scheme {
        Some(_) => format!("{origin}{path}"),
        None => format!("//{}{path}", origin.split_once("://").map_or(origin.as_str(), |(_, host)| host)),
    })
}

/// Whether an authority is an endpoint's, or a name that upstreams are asked by.
fn is_own(scheme: Option<&str>, authority: &str, snapshot: &Snapshot, hosts: &[&str]) -> bool {
    let same_scheme = |own: &str| scheme.is_none_or(|scheme| scheme.eq_ignore_ascii_case(own));
    let (host, port) = split(authority);
    snapshot.upstreams.iter().any(|upstream| {
        upstream.endpoints.iter().any(|endpoint| {
            let own_scheme = endpoint.scheme.as_str();
            let default = endpoint.scheme.default_port();
            let is_endpoint =
                host.eq_ignore_ascii_case(&endpoint.host) && port.unwrap_or(default) == endpoint.port;
            let is_literal = match &upstream.host {
                HostPolicy::Literal(name) => is_name(name, authority),
                HostPolicy::Preserve | HostPolicy::Endpoint => false,
            };
            same_scheme(own_scheme) && (is_endpoint || is_literal)
        })
    }) || hosts.iter().any(|name| is_name(name, authority))
}

/// Whether `authority` is the configured `name`, with or without a port.
fn is_name(name: &str, authority: &str) -> bool {
    name.eq_ignore_ascii_case(authority) || split(name).0.eq_ignore_ascii_case(split(authority).0)
}

/// Host without brackets, and port. Only an IPv6 address stands in brackets, and only in a pair of them.
fn split(authority: &str) -> (&str, Option<u16>) {
    let numbered = authority
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) = numbered.map_or((authority, None), |(host, port)| (host, Some(port)));
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match literal.filter(|address| address.contains(':')) {
        Some(address) => (address, port),
        None if host.contains(':') => (authority, None),
        None => (host, port),
    }
}

#[cfg(test)]
mod tests {
    use super::{PublicOrigin, map};
    use crate::forward::tests::snapshot;
    use crate::http1::{Fields, Known};

    fn check(location: &str, configured: &[&str], expected: &str) {
        let mut snapshot = snapshot(&["http://10.1.1.1:8000", "http://[::1]:80"]);
        snapshot.server.public_url = configured.iter().map(|url| (*url).to_owned()).collect();
        let mut fields = Fields::default();
        fields.append(b"Location", location.as_bytes());
        let public = PublicOrigin { scheme: "http", host: "shop.example:81".into() };
        map(&mut fields, &snapshot, Some(&public), &["pay.internal"]);
        assert_eq!(fields.get(Known::Location).unwrap(), expected.as_bytes());
    }

    #[test]
    fn an_upstreams_own_origin_becomes_the_public_one() {
        check("http://10.1.1.1:8000/a?b#c", &[], "http://shop.example:81/a?b#c");
        check("HTTP://10.1.1.1:8000", &[], "http://shop.example:81");
        check("//10.1.1.1:8000/a", &[], "//shop.example:81/a");
        check("http://[::1]/a", &[], "http://shop.example:81/a");
        check("http://pay.internal:9/a", &[], "http://shop.example:81/a");
    }

    #[test]
    fn everything_else_stays_as_it_came() {
        for location in [
            "/a",
            "a/b",
            "?q",
            "",
            "http://10.1.1.1/a",
            "http://10.1.1.1:80001/a",
            "http://10.1.1.1:+8000/a",
            "http://[10.1.1.1:8000/a",
            "http://[10.1.1.1]:8000/a",
            "https://10.1.1.1:8000/a",
            "http://other.example:8000/",
            "mailto:a@b",
            "http://10.1.1.1:8000.evil.example/",
            "http://10.1.1.1:8000@evil.example/",
            "ftp://10.1.1.1:8000/",
        ] {
            check(location, &[], location);
        }
    }

    #[test]
    fn the_public_url_is_used_where_it_matches_or_is_the_only_one() {
        check("http://10.1.1.1:8000/a", &["https://shop.example"], "https://shop.example/a");
        check(
            "http://10.1.1.1:8000/a",
            &["https://a.example", "https://shop.example:81"],
            "https://shop.example:81/a",
        );
        check(
            "http://10.1.1.1:8000/a",
            &["https://a.example", "https://b.example"],
            "http://shop.example:81/a",
        );
    }
}
