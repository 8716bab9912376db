//! Who the client is, and telling the upstream (`X-Forwarded-*`).

use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, HOST};
use http::{HeaderMap, HeaderName, HeaderValue};
use strangler_core::snapshot::TrustedProxies;

use super::hop::{is_disguised, is_forwarded};

pub(crate) static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(crate) static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(crate) static X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// Whether what the peer says about the client is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    Believed,
    Replaced,
}

/// The client's address: the peer's, or the rightmost of `X-Forwarded-For` that is not a trusted proxy.
pub(crate) fn client_ip(headers: &HeaderMap, peer: IpAddr, trusted: &TrustedProxies) -> (IpAddr, Trust) {
    if trusted.networks.is_empty() || !trusted.contains(peer) {
        return (peer, Trust::Replaced);
    }
    let mut client = peer;
    let lines: Vec<&HeaderValue> = headers.get_all(&X_FORWARDED_FOR).iter().collect();
    for entry in lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
        let Some(address) = parse_address(entry.trim_ascii()) else { break };
        client = address;
        if !trusted.contains(address) {
            break;
        }
    }
    (client, Trust::Believed)
}

/// An address as it is found in `X-Forwarded-For`, with or without a port.
fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()))
        .ok()
        .map(|address| address.to_canonical())
}

/// Whether a client's header is not its to say.
pub(crate) fn is_not_the_clients(name: &HeaderName, trust: Trust) -> bool {
    let text = name.as_str();
    let owned = match trust {
        // For, Proto and Host are replaced where they stand.
        Trust::Replaced => {
            *name == FORWARDED
                || (is_forwarded(text)
                    && *name != X_FORWARDED_FOR
                    && *name != X_FORWARDED_PROTO
                    && *name != X_FORWARDED_HOST)
        }
        Trust::Believed => false,
    };
    owned || matches!(text, "x-shadow-request" | "x-shadow-mode") || is_disguised(text)
}

/// Tells the upstream who asked, how, and for which host.
pub(crate) fn tell(headers: &mut HeaderMap, peer: &HeaderValue, trust: Trust) {
    let host = headers.get(HOST).cloned();
    match trust {
        Trust::Replaced => {
            headers.insert(X_FORWARDED_FOR.clone(), peer.clone());
            headers.insert(X_FORWARDED_PROTO.clone(), HeaderValue::from_static("http"));
            if let Some(host) = host {
                headers.insert(X_FORWARDED_HOST.clone(), host);
            } else {
                headers.remove(&X_FORWARDED_HOST);
            }
        }
        Trust::Believed => {
            let path = appended(headers, peer);
            headers.insert(X_FORWARDED_FOR.clone(), path);
            if !headers.contains_key(&X_FORWARDED_PROTO) {
                headers.insert(X_FORWARDED_PROTO.clone(), HeaderValue::from_static("http"));
            }
            if let Some(host) = host
                && !headers.contains_key(&X_FORWARDED_HOST)
            {
                headers.insert(X_FORWARDED_HOST.clone(), host);
            }
        }
    }
}

/// All lines of `X-Forwarded-For` as one, with the peer at the end.
fn appended(headers: &HeaderMap, peer: &HeaderValue) -> HeaderValue {
    let mut lines: Vec<&[u8]> = headers
        .get_all(&X_FORWARDED_FOR)
        .iter()
        .map(|line| line.as_bytes().trim_ascii())
        .filter(|line| !line.is_empty())
        .collect();
    lines.push(peer.as_bytes());
    HeaderValue::from_bytes(&lines.join(&b", "[..])).unwrap_or_else(|_| peer.clone())
}

/// `http` or `https`, as the client used it.
pub(crate) fn scheme(headers: &HeaderMap, trust: Trust) -> &'static str {
    let said = headers.get(&X_FORWARDED_PROTO).map(|value| value.as_bytes().trim_ascii());
    match (trust, said) {
        (Trust::Believed, Some(said)) if said.eq_ignore_ascii_case(b"https") => "https",
        _ => "http",
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};
    use strangler_core::snapshot::TrustedProxies;

    use super::{Trust, X_FORWARDED_FOR, client_ip, tell};

    fn proxies() -> TrustedProxies {
        TrustedProxies { networks: vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()] }
    }

    fn check(peer: &str, lines: &[&str], client: &str) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR.clone(), HeaderValue::from_str(line).unwrap());
        }
        let (ip, _) = client_ip(&headers, peer.parse().unwrap(), &proxies());
        assert_eq!(ip.to_string(), client, "{peer} {lines:?}");
    }

    #[test]
    fn the_client_is_the_rightmost_untrusted_address() {
        check("9.9.9.9", &["1.1.1.1"], "9.9.9.9");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.0.0.2"], "1.1.1.1");
        check("10.0.0.1", &["6.6.6.6", "1.1.1.1", "10.0.0.2"], "1.1.1.1");
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
        check("10.0.0.1", &["1.1.1.1, nonsense"], "10.0.0.1");
        check("10.0.0.1", &["1.1.1.1:99"], "1.1.1.1");
        check("::1", &["[2001:db8::1]:99"], "2001:db8::1");
    }

    #[test]
    fn a_trusted_peer_is_appended_and_an_untrusted_one_replaces() {
        let peer = HeaderValue::from_static("10.0.0.1");
        let mut headers = HeaderMap::new();
        for line in ["a", "b, c"] {
            headers.append(X_FORWARDED_FOR.clone(), HeaderValue::from_static(line));
        }
        tell(&mut headers, &peer, Trust::Believed);
        assert_eq!(headers.get_all(&X_FORWARDED_FOR).iter().collect::<Vec<_>>(), ["a, b, c, 10.0.0.1"]);
        tell(&mut headers, &peer, Trust::Replaced);
        assert_eq!(headers.get_all(&X_FORWARDED_FOR).iter().collect::<Vec<_>>(), ["10.0.0.1"]);
    }
}
