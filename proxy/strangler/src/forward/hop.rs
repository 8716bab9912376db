//! Headers that belong to one connection, and headers that are the proxy's to say: removed in passing.

use std::cell::RefCell;

use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_LOCATION, FORWARDED, HOST, LOCATION, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::identity::{TRACEPARENT, X_REQUEST_ID};

/// Names that are removed.
#[derive(Debug, Default)]
pub(crate) struct Doomed(Vec<HeaderName>);

/// What one look at a head's names finds: absent headers are not looked up again.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    pub(crate) connection: bool,
    pub(crate) keep_alive: bool,
    pub(crate) te: bool,
    pub(crate) upgrade: bool,
    pub(crate) via: bool,
    pub(crate) location: bool,
    pub(crate) content_length: bool,
    pub(crate) transfer_encoding: bool,
    /// Names that belong to one connection (RFC 9110, 7.6.1).
    pub(crate) doomed: Doomed,
}

impl Marks {
    /// Looks at each name once. Those that `also` holds for are doomed with the rest.
    pub(crate) fn of(headers: &HeaderMap, also: impl Fn(&HeaderName) -> bool) -> Marks {
        let mut marks = Marks::default();
        for name in headers.keys() {
            let mut doomed = false;
            // By length first: most names are none of these.
            match name.as_str().len() {
                2 if *name == TE => (marks.te, doomed) = (true, true),
                3 if *name == VIA => marks.via = true,
                7 if *name == UPGRADE => (marks.upgrade, doomed) = (true, true),
                8 if *name == LOCATION => marks.location = true,
                10 if *name == CONNECTION => (marks.connection, doomed) = (true, true),
                10 if name.as_str() == "keep-alive" => (marks.keep_alive, doomed) = (true, true),
                14 if *name == CONTENT_LENGTH => marks.content_length = true,
                16 if *name == CONTENT_LOCATION => marks.location = true,
                16 if name.as_str() == "proxy-connection" => doomed = true,
                17 if *name == TRANSFER_ENCODING => marks.transfer_encoding = true,
                19 if *name == PROXY_AUTHORIZATION => doomed = true,
                _ => {}
            }
            if doomed || also(name) {
                marks.doomed.add(name);
            }
        }
        if marks.connection {
            marks.doomed.add_nominated(headers);
        }
        marks
    }
}

impl Doomed {
    fn add(&mut self, name: &HeaderName) {
        if !self.0.contains(name) {
            self.0.push(name.clone());
        }
    }

    /// Adds what `Connection` names, framing and what the proxy itself says excepted.
    fn add_nominated(&mut self, headers: &HeaderMap) {
        for line in headers.get_all(CONNECTION) {
            for option in line.as_bytes().split(|byte| *byte == b',') {
                let option = option.trim_ascii();
                // Options that are no header, and the usual ones.
                if option.eq_ignore_ascii_case(b"keep-alive") || option.eq_ignore_ascii_case(b"close") {
                    continue;
                }
                if let Ok(name) = HeaderName::from_bytes(option)
                    && headers.contains_key(&name)
                    && !is_protected(&name)
                {
                    self.add(&name);
                }
            }
        }
    }

    /// Removes the names, keeping the order of what remains. `spare` is an empty map whose memory is used.
    pub(crate) fn remove_from(&self, headers: &mut HeaderMap, spare: &RefCell<HeaderMap>) {
        if self.0.is_empty() {
            return;
        }
        let mut kept = spare.take();
        kept.reserve(headers.len());
        let mut current: Option<(HeaderName, bool)> = None;
        for (name, value) in headers.drain() {
            if let Some(name) = name {
                let doomed = self.0.contains(&name);
                current = Some((name, doomed));
            }
            if let Some((name, false)) = &current {
                kept.append(name.clone(), value);
            }
        }
        std::mem::swap(headers, &mut kept);
        spare.replace(kept);
    }
}

/// What a peer cannot nominate away.
fn is_protected(name: &HeaderName) -> bool {
    [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, FORWARDED, VIA, http::header::EXPECT].contains(name)
        || *name == X_REQUEST_ID
        || *name == TRACEPARENT
        || is_forwarded(name.as_str())
}

/// `x-forwarded-…`.
pub(crate) fn is_forwarded(name: &str) -> bool {
    name.starts_with("x-forwarded-")
}

/// Whether a name with underscores reads, to an application behind CGI-like naming, as one that the proxy
/// owns.
pub(crate) fn is_disguised(name: &str) -> bool {
    if !name.contains('_') {
        return false;
    }
    let plain = name.replace('_', "-");
    is_forwarded(&plain)
        || matches!(
            plain.as_str(),
            "x-request-id"
                | "x-shadow-request"
                | "x-shadow-mode"
                | "content-length"
                | "transfer-encoding"
                | "proxy-connection"
                | "keep-alive"
        )
}

/// The protocols that a message asks to upgrade to, `h2c` left out; `None` where there are none.
///
/// An upgrade counts only where `Connection` names it (RFC 9110, 7.8).
pub(crate) fn upgrade_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let named = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"));
    if !named {
        return None;
    }
    let mut lines = headers.get_all(UPGRADE).iter();
    let first = lines.next()?;
    let is_h2c = |protocol: &[u8]| protocol.trim_ascii().eq_ignore_ascii_case(b"h2c");
    if lines.next().is_none() && !first.as_bytes().split(|byte| *byte == b',').any(is_h2c) {
        return Some(first.clone()).filter(|value| !value.as_bytes().trim_ascii().is_empty());
    }
    let protocols: Vec<&[u8]> = headers
        .get_all(UPGRADE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|protocol| !protocol.is_empty() && !is_h2c(protocol))
        .collect();
    if protocols.is_empty() { None } else { HeaderValue::from_bytes(&protocols.join(&b", "[..])).ok() }
}

/// Whether `accepted` names only protocols that `asked` names.
pub(crate) fn upgrade_matches(asked: &HeaderValue, accepted: &HeaderValue) -> bool {
    let split = |value: &HeaderValue| -> Vec<Vec<u8>> {
        value.as_bytes().split(|byte| *byte == b',').map(|p| p.trim_ascii().to_ascii_lowercase()).collect()
    };
    let asked = split(asked);
    let accepted = split(accepted);
    !accepted.is_empty() && accepted.iter().all(|protocol| asked.contains(protocol))
}

/// Whether `TE` says that trailers are understood.
pub(crate) fn takes_trailers(headers: &HeaderMap) -> bool {
    headers
        .get_all(TE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Marks, is_disguised, takes_trailers, upgrade_of};

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
            })
            .fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            })
    }

    fn check(before: &[(&str, &str)], after: &[(&str, &str)]) {
        let mut headers = map(before);
        Marks::of(&headers, |_| false).doomed.remove_from(&mut headers, &RefCell::default());
        let left: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(left, after);
    }

    #[test]
    fn what_belongs_to_one_connection_is_removed_and_the_rest_keeps_its_order() {
        check(
            &[
                ("host", "a"),
                ("connection", "close, X-Private"),
                ("keep-alive", "timeout=5"),
                ("x-a", "1"),
                ("proxy-connection", "x"),
                ("x-private", "1"),
                ("proxy-authorization", "x"),
                ("x-b", "1"),
                ("te", "gzip"),
                ("upgrade", "x"),
                ("x-a", "2"),
                ("transfer-encoding", "chunked"),
            ],
            &[("host", "a"), ("x-a", "1"), ("x-a", "2"), ("x-b", "1"), ("transfer-encoding", "chunked")],
        );
    }

    #[test]
    fn host_length_and_forwarding_headers_cannot_be_nominated_away() {
        let lines = [
            ("host", "a"),
            ("content-length", "0"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-anything", "1"),
            ("x-request-id", "1"),
            ("via", "1.1 x"),
        ];
        let mut before = lines.to_vec();
        before.push((
            "connection",
            "host, content-length, X-Forwarded-For, x-forwarded-anything, x-request-id, via",
        ));
        check(&before, &lines);
    }

    #[test]
    fn underscore_variants_of_owned_names_are_recognised() {
        for name in ["x_forwarded_for", "x-forwarded_proto", "x_request-id", "x_shadow_request"] {
            assert!(is_disguised(name), "{name}");
        }
        for name in ["x-forwarded-for", "my_header", "x_forward"] {
            assert!(!is_disguised(name), "{name}");
        }
    }

    #[test]
    fn an_upgrade_counts_only_when_connection_names_it_and_never_as_h2c() {
        let check = |lines: &[(&str, &str)], expected: Option<&str>| {
            assert_eq!(upgrade_of(&map(lines)).as_ref().map(|v| v.to_str().unwrap()), expected, "{lines:?}");
        };
        check(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")], Some("websocket"));
        check(&[("connection", "Upgrade"), ("upgrade", "h2c")], None);
        check(&[("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c, websocket")], Some("websocket"));
        check(&[("upgrade", "websocket")], None);
        check(&[("connection", "upgrade"), ("upgrade", "")], None);
        check(&[("connection", "upgrade")], None);
    }

    #[test]
    fn trailers_are_found_among_transfer_codings() {
        assert!(takes_trailers(&map(&[("te", "gzip;q=0.5, Trailers")])));
        assert!(!takes_trailers(&map(&[("te", "gzip")])));
    }
}
