//! Addresses: origins, listeners, networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::code;
use super::problems::Context;
use super::reader::{self, Item};
use crate::snapshot::{Endpoint, Scheme};

/// A URL that names a server and nothing below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) scheme: Scheme,
    /// Lower case; IPv6 without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Origin {
    /// As an endpoint.
    pub(super) fn endpoint(self, weight: u32) -> Endpoint {
        let Origin { scheme, host, port } = self;
        Endpoint { scheme, host, port, weight }
    }
}

/// Whether a text is meant as a URL rather than as a name.
pub(super) fn looks_like_url(text: &str) -> bool {
    text.contains("://")
}

/// `http://host[:port]` or `https://host[:port]`, a final `/` allowed.
pub(super) fn parse_origin(text: &str) -> Result<Origin, &'static str> {
    let (scheme, rest) = text.split_once("://").ok_or("a URL begins with http:// or https://")?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err("only http:// and https:// are spoken"),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains('@') {
        return Err("a user name and password have no place in it");
    }
    if authority.contains(['/', '?', '#']) {
        return Err("it names a server, so nothing may follow the host and port");
    }
    let (host, port) = split_port(authority)?;
    let port = match port {
        None => scheme.default_port(),
        Some(port) => parse_port(port)?,
    };
    Ok(Origin { scheme, host, port })
}

fn parse_port(text: &str) -> Result<u16, &'static str> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0).ok_or("the port must be between 1 and 65535")
}

fn split_port(authority: &str) -> Result<(String, Option<&str>), &'static str> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, tail) = rest.split_once(']').ok_or("the `[` of an IPv6 address needs a `]`")?;
        let address: Ipv6Addr = host.parse().map_err(|_| "between `[` and `]` stands no IPv6 address")?;
        let port = match tail {
            "" => None,
            _ => Some(tail.strip_prefix(':').ok_or("after `]` only `:port` may follow")?),
        };
        return Ok((address.to_string(), port));
    }
    let (host, port) = match authority.split_once(':') {
        Some((_, port)) if port.contains(':') => return Err("an IPv6 address stands in brackets: [::1]"),
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if host.is_empty() || host.len() > 253 || !host.split('.').all(is_label) {
        return Err("the host must be a name or an IP address");
    }
    let numeric = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if numeric && host.parse::<Ipv4Addr>().is_err() {
        return Err("the host is not an IPv4 address");
    }
    Ok((host, port))
}

/// A host name or IP literal without port, lower case.
pub(super) fn parse_host(text: &str) -> Result<String, &'static str> {
    let (host, port) = split_port(text)?;
    if port.is_some() { Err("a port has no place here") } else { Ok(host) }
}

/// The URL of a server.
pub(super) fn origin(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Origin> {
    let text = reader::text(context, item)?;
    match parse_origin(&text.value) {
        Ok(origin) => Some(origin),
        Err(why) => {
            reader::refuse(context, item, code::BAD_URL, why, "such as http://127.0.0.1:8002");
            None
        }
    }
}

/// An address to listen on.
pub(super) fn listener(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<SocketAddr> {
    let text = reader::text(context, item)?;
    let parsed = text.value.parse();
    if parsed.is_err() {
        let why = "this is not an IP address and a port";
        let help = "such as 127.0.0.1:8080 (this machine only), 0.0.0.0:8080 (everyone) or [::1]:8080";
        reader::refuse(context, item, code::BAD_ADDRESS, why, help);
    }
    parsed.ok()
}

/// The networks of `"private"`: RFC 1918, RFC 4193 and loopback.
const PRIVATE: [(IpAddr, u8); 6] = [
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
];

/// A network, an address, or `private`.
pub(super) fn networks(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Vec<ipnet::IpNet>> {
    let text = &reader::text(context, item)?.value;
    if text == "private" {
        return Some(
            PRIVATE.into_iter().filter_map(|(net, bits)| ipnet::IpNet::new(net, bits).ok()).collect(),
        );
    }
    let address = || text.parse::<IpAddr>().ok().map(ipnet::IpNet::from);
    let network = text.parse::<ipnet::IpNet>().ok().or_else(address);
    if network.is_none() {
        let why = "this is not a network";
        let help = "such as 10.0.0.0/8, 192.0.2.7, fd00::/8, or \"private\" for all private networks";
        reader::refuse(context, item, code::BAD_NETWORK, why, help);
    }
    network.map(|network| vec![network])
}

/// Whether an endpoint reaches a listener of this very machine: same port, and an address that is the
/// listener's or that stands for it (`localhost`, the unspecified address, either loopback).
pub(super) fn is_listener(endpoint: &Endpoint, listener: SocketAddr) -> bool {
    if endpoint.port != listener.port() {
        return false;
    }
    let stands_for_here = |ip: IpAddr| {
        ip.is_unspecified() || ip == IpAddr::V4(Ipv4Addr::LOCALHOST) || ip == IpAddr::V6(Ipv6Addr::LOCALHOST)
    };
    let listening = listener.ip().to_canonical();
    match endpoint.host.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(ip) if ip == listening => true,
        Ok(ip) if listening.is_unspecified() => ip.is_loopback() || ip.is_unspecified(),
        Ok(ip) => stands_for_here(ip) && stands_for_here(listening),
        Err(_) => {
            let local = endpoint.host == "localhost" || endpoint.host.ends_with(".localhost");
            local && stands_for_here(listening)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{is_listener, parse_origin};

    #[test]
    fn urls_of_servers() {
        let check = |text: &str, wanted: Option<&str>| {
            assert_eq!(
                parse_origin(text).ok().map(|it| it.endpoint(1).origin()).as_deref(),
                wanted,
                "{text}"
            );
        };
        check("http://127.0.0.1:8000", Some("http://127.0.0.1:8000"));
        check("HTTP://Shop.Example:80/", Some("http://shop.example"));
        check("https://shop.example.:443", Some("https://shop.example"));
        check("http://[::1]:8000", Some("http://[::1]:8000"));
        check("http://a_b-c.d", Some("http://a_b-c.d"));
        for text in [
            "",
            "127.0.0.1:8000",
            "ftp://x",
            "http://",
            "http://:80",
            "http://a:0",
            "http://a:65536",
            "http://a:+1",
            "http://a b",
            "http://u:p@a",
            "http://a/b",
            "http://a?b",
            "http://a#b",
            "http://::1",
            "http://[::1",
            "http://[x]",
            "http://[::1]80",
            "http://1.2.3",
            "http://a..b",
            "http://é",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn this_proxy_is_recognised_under_its_other_names() {
        let check = |url: &str, listener: &str, wanted: bool| {
            let endpoint = parse_origin(url).unwrap().endpoint(1);
            assert_eq!(is_listener(&endpoint, listener.parse().unwrap()), wanted, "{url} {listener}");
        };
        for url in
            ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080", "http://0.0.0.0:8080"]
        {
            check(url, "127.0.0.1:8080", true);
            check(url, "0.0.0.0:8080", true);
            check(url, "[::]:8080", true);
            check(url, "127.0.0.1:8081", false);
        }
        check("http://127.0.0.2:8080", "127.0.0.1:8080", false);
        check("http://127.0.0.2:8080", "0.0.0.0:8080", true);
        check("http://10.0.0.1:8080", "0.0.0.0:8080", false);
        check("http://10.0.0.1:8080", "10.0.0.1:8080", true);
        check("http://[::ffff:127.0.0.1]:8080", "127.0.0.1:8080", true);
        check("http://shop.example:8080", "127.0.0.1:8080", false);
    }
}
