//! Who the client is, and telling the upstream (`X-Forwarded-*`).

use std::net::{IpAddr, SocketAddr};

use strangler_core::snapshot::TrustedProxies;

use crate::http1::{Fields, Known};

/// Whether what the peer says about the client is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    Believed,
    Replaced,
}

/// The client's address: the peer's, or the rightmost of `X-Forwarded-For` that is not a trusted proxy.
pub(crate) fn client_ip(fields: &Fields, peer: IpAddr, trusted: &TrustedProxies) -> (IpAddr, Trust) {
    if trusted.networks.is_empty() || !trusted.contains(peer) {
        return (peer, Trust::Replaced);
    }
    let mut client = peer;
    let lines: Vec<&[u8]> = fields.all(Known::XForwardedFor).collect();
    for entry in lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b',')) {
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
pub(crate) fn is_not_the_clients(known: Known, trust: Trust) -> bool {
    match known {
        Known::XShadow | Known::Disguised => true,
        // For, Proto and Host are replaced where they stand.
        Known::Forwarded | Known::XForwardedPrefix | Known::XForwardedOther => trust == Trust::Replaced,
        _ => false,
    }
}

/// Tells the upstream who asked, how, and for which host.
pub(crate) fn tell(fields: &mut Fields, peer: &[u8], host: &[u8], trust: Trust) {
    match trust {
        Trust::Replaced => {
            fields.set(Known::XForwardedFor, peer);
            fields.set(Known::XForwardedProto, b"http");
            if host.is_empty() {
                fields.remove(Known::XForwardedHost);
            } else {
                fields.set(Known::XForwardedHost, host);
            }
        }
        Trust::Believed => {
            let path = appended(fields, peer);
            fields.set(Known::XForwardedFor, &path);
            if !fields.contains(Known::XForwardedProto) {
                fields.add(Known::XForwardedProto, b"http");
            }
            if !host.is_empty() && !fields.contains(Known::XForwardedHost) {
                fields.add(Known::XForwardedHost, host);
            }
        }
    }
}

/// All lines of `X-Forwarded-For` as one, with the peer at the end.
fn appended(fields: &Fields, peer: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> =
        fields.all(Known::XForwardedFor).map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).collect();
    lines.push(peer);
    lines.join(&b", "[..])
}

/// `http` or `https`, as the client used it.
pub(crate) fn scheme(fields: &Fields, trust: Trust) -> &'static str {
    let said = fields.get(Known::XForwardedProto).map(<[u8]>::trim_ascii);
    match (trust, said) {
        (Trust::Believed, Some(said)) if said.eq_ignore_ascii_case(b"https") => "https",
        _ => "http",
    }
}

#[cfg(test)]
mod tests {
    use strangler_core::snapshot::TrustedProxies;

    use super::{Trust, client_ip, tell};
    use crate::http1::{Fields, Known};

    fn proxies() -> TrustedProxies {
        TrustedProxies { networks: vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()] }
    }

    fn check(peer: &str, lines: &[&str], client: &str) {
        let mut fields = Fields::default();
        for line in lines {
            fields.append(b"X-Forwarded-For", line.as_bytes());
        }
        let (ip, _) = client_ip(&fields, peer.parse().unwrap(), &proxies());
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
        let mut fields = Fields::default();
        for line in ["a", "b, c"] {
            fields.append(b"X-Forwarded-For", line.as_bytes());
        }
        tell(&mut fields, b"10.0.0.1", b"", Trust::Believed);
        assert_eq!(fields.all(Known::XForwardedFor).collect::<Vec<_>>(), [b"a, b, c, 10.0.0.1"]);
        tell(&mut fields, b"10.0.0.1", b"", Trust::Replaced);
        assert_eq!(fields.all(Known::XForwardedFor).collect::<Vec<_>>(), [b"10.0.0.1"]);
    }
}
