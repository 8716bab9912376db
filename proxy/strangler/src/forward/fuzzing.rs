//! Requests and answers of any bytes: what may be routed, what the upstream is sent, what the client gets.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_LOCATION, FORWARDED, HOST, LOCATION, TE, TRANSFER_ENCODING, UPGRADE,
    VIA,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use strangler_core::config::{LoadOptions, SourceText, Sources, load};
use strangler_core::routing::{Facts, RequestView, Verdict, decide};
use strangler_core::snapshot::Snapshot;
use strangler_core::words::Owner;

use super::forwarded::{
    self, Trust, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PREFIX, X_FORWARDED_PROTO,
};
use super::hop::{self, Marks};
use super::inbound::{self, Checked};
use super::location::{self, PublicOrigin};
use super::outbound::{self, Decided, Passing, Plan};
use super::{answer as own_answer, identity};
use crate::fuzzing::head;

/// One slice that is rewritten in each way, one that is not, and a legacy with several names.
static SNAPSHOT: LazyLock<Arc<Snapshot>> = LazyLock::new(|| {
    let text = include_str!("fuzzing/rewriting.toml").to_owned();
    let main = SourceText { name: "strangler.toml".to_owned(), text };
    let options = LoadOptions { base: Path::new(""), env: &|_| None, today: jiff::civil::date(2026, 6, 1) };
    let loaded = load(&Sources { main, included: Vec::new() }, &options);
    loaded.snapshot.unwrap_or_else(|| unreachable!("the fixed configuration: {:?}", loaded.diagnostics))
});

/// A proxy that is believed, and a client that is not.
const PEERS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))];

const OWN_VIA: &str = "1.1 here";

/// A request head: what is let in, and what is made of it for the upstream.
///
/// # Panics
///
/// Where a property does not hold.
pub fn request(bytes: &[u8]) {
    let Some((sent, _)) = head(bytes) else { return };
    let mut inbound = sent.clone();
    let id = identity::request_id(&mut inbound.headers, true);
    assert!(id.is_some_and(|id| inbound.headers.get_all(&identity::X_REQUEST_ID).iter().eq([&id])));
    match inbound::check_sizes(&inbound, &SNAPSHOT.limits).and_then(|()| inbound::check(&mut inbound)) {
        Err(_) => return,
        Ok(Checked::AboutProxy) => {
            assert_eq!((sent.method, sent.uri.path()), (Method::OPTIONS, "*"));
            return;
        }
        Ok(Checked::Routable) => routable(&sent, &inbound),
    }
    for peer in PEERS {
        upstream_gets(&inbound, peer);
    }
}

/// What is routed has one framing, one host, and a path.
fn routable(sent: &Parts, inbound: &Parts) {
    assert!(sent.method != Method::CONNECT && sent.method != Method::TRACE);
    assert!(inbound.uri.authority().is_none() && inbound.uri.path().starts_with('/'), "{:?}", inbound.uri);
    let sent_path = sent.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let path = inbound.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    assert_eq!(
        path.strip_prefix('/'),
        Some(sent_path.strip_prefix('/').unwrap_or(sent_path)),
        "as it was sent"
    );
    let codings = inbound.headers.get_all(TRANSFER_ENCODING).iter().count();
    assert!(codings == 0 || !inbound.headers.contains_key(CONTENT_LENGTH), "two framings");
    assert!(codings <= 1);
    let hosts: Vec<&HeaderValue> = inbound.headers.get_all(HOST).iter().collect();
    match (hosts.as_slice(), sent.uri.authority()) {
        ([], None) => assert_eq!(sent.version, Version::HTTP_10),
        ([host], authority) => {
            let text = host.to_str().unwrap_or("@");
            assert!(
                !text.is_empty() && !text.contains(['@', '/', '\\', '?', '#', ' ', '\t', ',', '%']),
                "{text}"
            );
            assert!(authority.is_none_or(|authority| authority.as_str() == text), "the target's host wins");
        }
        _ => unreachable!("several hosts: {hosts:?}"),
    }
}

fn upstream_gets(inbound: &Parts, peer: IpAddr) {
    let (client_ip, trust) = forwarded::client_ip(&inbound.headers, peer, &SNAPSHOT.server.trusted_proxies);
    assert!(trust == Trust::Believed || client_ip == peer, "a stranger chose his address");
    let view = RequestView {
        method: inbound.method.as_str(),
        host: inbound.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default(),
        path: inbound.uri.path(),
        query: inbound.uri.query(),
        headers: &inbound.headers,
        client_ip: Some(client_ip),
    };
    let decision = decide(&SNAPSHOT, &view, Facts::NONE);
    let Verdict::Forward { owner, upstream } = decision.verdict else { return };
    let (route, slice, effect) = (decision.route, decision.slice, decision.effect);
    let mut plan = Plan::new(Decided { route, slice, effect, owner, upstream }, trust);
    let mut outbound = inbound.clone();
    let peer = HeaderValue::try_from(peer.to_string()).unwrap_or_else(|_| HeaderValue::from_static("-"));
    let via = HeaderValue::from_static(OWN_VIA);
    let spare = RefCell::default();
    let passing = Passing { via: &via, peer: &peer, spare: &spare };
    if outbound::prepare_for(&mut outbound, passing, &SNAPSHOT, &mut plan).is_err() {
        return;
    }
    connection_is_not_passed_on(&outbound, &plan);
    proxy_speaks_for_itself(inbound, &outbound, &plan, &peer);
    rest_is_as_it_came(inbound, &outbound);
    let query = |parts: &Parts| parts.uri.query().map(str::to_owned);
    assert!(outbound.uri.path().starts_with('/') && outbound.uri.authority().is_none(), "{:?}", outbound.uri);
    assert_eq!(query(&outbound), query(inbound), "a rewrite keeps the query");
    if owner == Owner::Legacy {
        assert_eq!(outbound.uri, inbound.uri, "legacy gets the bytes that were sent");
    }
}

/// Nothing of the client's connection, nor what it named, reaches the upstream.
fn connection_is_not_passed_on(outbound: &Parts, plan: &Plan) {
    let headers = &outbound.headers;
    for name in ["keep-alive", "proxy-connection", "proxy-authorization", "x-shadow-request", "x-shadow-mode"]
    {
        assert!(!headers.contains_key(name), "{name}");
    }
    assert!(headers.get_all(TE).iter().all(|value| value == "trailers"));
    assert_eq!(headers.get(CONNECTION).is_some(), plan.upgrade.is_some());
    assert_eq!(headers.get(UPGRADE), plan.upgrade.as_ref());
    let upgrade =
        plan.upgrade.as_ref().map(|value| value.as_bytes().to_ascii_lowercase()).unwrap_or_default();
    assert!(
        !upgrade.split(|byte| *byte == b',').any(|protocol| protocol.trim_ascii() == b"h2c"),
        "{upgrade:?}"
    );
}

/// Who the client is, is said once, by this proxy or by one that is believed.
fn proxy_speaks_for_itself(inbound: &Parts, outbound: &Parts, plan: &Plan, peer: &HeaderValue) {
    let headers = &outbound.headers;
    let lines = |name: &HeaderName| headers.get_all(name).iter().collect::<Vec<_>>();
    let path = lines(&X_FORWARDED_FOR);
    if plan.trust == Trust::Replaced {
        assert_eq!(path, [peer]);
        assert_eq!(lines(&X_FORWARDED_PROTO), ["http"]);
        assert_eq!(headers.get(&X_FORWARDED_HOST), headers.get(HOST));
        assert!(!headers.contains_key(FORWARDED));
        assert!(!headers.contains_key("x-forwarded-port"));
        let prefix = headers.get(&X_FORWARDED_PREFIX);
        assert!(prefix.is_none_or(|prefix| prefix == "/products" || prefix == "/items"), "{prefix:?}");
    } else {
        assert!(
            path.len() == 1 && path.iter().all(|path| path.as_bytes().ends_with(peer.as_bytes())),
            "{path:?}"
        );
    }
    for name in headers.keys().map(HeaderName::as_str).filter(|name| name.contains('_')) {
        let plain = name.replace('_', "-");
        let owned = ["x-request-id", "content-length", "transfer-encoding"].contains(&plain.as_str());
        assert!(!owned && !plain.starts_with("x-forwarded-"), "{name} passes for the proxy's own");
    }
    let via: Vec<&HeaderValue> = headers.get_all(VIA).iter().collect();
    assert_eq!(via.len(), inbound.headers.get_all(VIA).iter().count() + 1);
    assert!(via.last().is_some_and(|last| **last == OWN_VIA));
}

/// Headers that are nobody's business are passed on line by line; framing and host cannot be nominated away.
fn rest_is_as_it_came(inbound: &Parts, outbound: &Parts) {
    let marks = Marks::of(&inbound.headers, |name| forwarded::is_not_the_clients(name, Trust::Replaced));
    let mut expected = inbound.headers.clone();
    marks.doomed.remove_from(&mut expected, &RefCell::default());
    let said = |name: &HeaderName| {
        name.as_str().starts_with("x-forwarded-")
            || [VIA, TE, UPGRADE, CONNECTION].contains(name)
            || name == "traceparent"
    };
    for name in expected.keys().filter(|name| !said(name)) {
        let values = |headers: &HeaderMap| headers.get_all(name).iter().cloned().collect::<Vec<_>>();
        assert_eq!(values(&outbound.headers), values(&inbound.headers), "{name}");
    }
    for name in [HOST, CONTENT_LENGTH, TRANSFER_ENCODING] {
        assert_eq!(outbound.headers.get(&name), inbound.headers.get(&name), "{name}");
    }
}

/// A `Location`, then the other header lines of an answer (and of the request, where they concern it).
///
/// # Panics
///
/// Where a property does not hold.
pub fn answer(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (location, rest) = bytes.split_at(end);
    let lines = [b"GET / HTTP/1.1".as_slice(), rest].concat();
    let Some((parts, _)) = head(&lines) else { return };
    let mut headers = parts.headers;
    own_answer::Format::of(headers.get(http::header::ACCEPT));
    if let (Some(asked), Some(accepted)) = (hop::upgrade_of(&headers), headers.get(UPGRADE)) {
        let names_h2c = accepted.as_bytes().to_ascii_lowercase().windows(3).any(|part| part == b"h2c");
        assert!(names_h2c || hop::upgrade_matches(&asked, accepted), "{asked:?} is not {accepted:?}");
    }
    if let Ok(value) = HeaderValue::from_bytes(location) {
        headers.insert(LOCATION, value.clone());
        headers.insert(CONTENT_LOCATION, value.clone());
        mapped(&headers, &value);
    }
    let marks = Marks::of(&headers, |_| false);
    marks.doomed.remove_from(&mut headers, &RefCell::default());
    let gone = ["connection", "keep-alive", "proxy-connection", "te", "upgrade"];
    assert!(gone.iter().all(|name| !headers.contains_key(*name)));
}

/// An own origin becomes the public one and nothing else changes; every other reference is left alone.
fn mapped(headers: &HeaderMap, value: &HeaderValue) {
    let public = PublicOrigin { scheme: "https", host: HeaderValue::from_static("shop.example") };
    let mut mapped = headers.clone();
    location::map(&mut mapped, &SNAPSHOT, Some(&public), &["inner.example"]);
    assert_eq!(mapped.get(LOCATION), mapped.get(CONTENT_LOCATION), "both are mapped alike");
    let Some(now) = mapped.get(LOCATION) else { unreachable!("the location is lost") };
    if now == value {
        return;
    }
    let (was, now) = (String::from_utf8_lossy(value.as_bytes()), String::from_utf8_lossy(now.as_bytes()));
    let Some((scheme, rest)) = was.split_once("//") else { unreachable!("{was} became {now}") };
    assert!(["", "http:", "https:"].contains(&scheme.to_ascii_lowercase().as_str()), "{was} became {now}");
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
    let host = authority.to_ascii_lowercase();
    let own = ["127.0.0.1:", "[::1]:", "legacy.internal", "inner.example"];
    assert!(own.iter().any(|own| host.starts_with(own)), "{was} became {now}");
    let origin = if scheme.is_empty() { "//shop.example" } else { "https://shop.example" };
    assert_eq!(now, format!("{origin}{path}"), "{was}");
    let mut again = mapped.clone();
    location::map(&mut again, &SNAPSHOT, Some(&public), &["inner.example"]);
    assert_eq!(again, mapped, "mapped once is mapped");
}
