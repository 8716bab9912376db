//! Requests and answers of any bytes: what may be routed, what the upstream is sent, what the client gets.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use http::Method;
use strangler_core::config::{LoadOptions, SourceText, Sources, load};
use strangler_core::routing::{Facts, RequestView, Verdict, decide};
use strangler_core::snapshot::Snapshot;
use strangler_core::words::Owner;

use super::forwarded::{self, Trust};
use super::hop;
use super::inbound::{self, Checked};
use super::location::{self, PublicOrigin};
use super::outbound::{self, Decided, Passing, Plan, split_target};
use super::{answer as own_answer, identity};
use crate::fuzzing::head;
use crate::http1::{Fields, Framing, Known, RequestHead, Version};

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
    let id = identity::request_id(&mut inbound.fields, true);
    assert!(id.is_some_and(|id| inbound.fields.all(Known::XRequestId).eq([id.as_bytes()])));
    let framing =
        inbound::check_sizes(&inbound, &SNAPSHOT.limits).and_then(|()| inbound::framing(&mut inbound));
    let Ok(framing) = framing else { return };
    match inbound::check(&mut inbound) {
        Err(_) => return,
        Ok(Checked::AboutProxy) => {
            assert!(sent.method == Method::OPTIONS && sent.target == b"*");
            return;
        }
        Ok(Checked::Routable) => routable(&sent, &inbound, framing),
    }
    for peer in PEERS {
        upstream_gets(&inbound, peer);
    }
}

/// What is routed has one framing, one host, and a path.
fn routable(sent: &RequestHead, inbound: &RequestHead, framing: Framing) {
    assert!(sent.method != Method::CONNECT && sent.method != Method::TRACE);
    assert!(inbound.target.starts_with(b"/") && !inbound.target.contains(&b'#'));
    assert!(sent.target.ends_with(inbound.target.strip_prefix(b"/").unwrap_or_default()), "as it was sent");
    let codings = inbound.fields.all(Known::TransferEncoding).count();
    let lengths = inbound.fields.all(Known::ContentLength).count();
    assert_eq!(
        (codings, lengths),
        match framing {
            Framing::None => (0, 0),
            Framing::Length(_) => (0, 1),
            Framing::Chunked => (1, 0),
            Framing::UntilClose => unreachable!("no request ends with its connection"),
        }
    );
    let hosts: Vec<&[u8]> = inbound.fields.all(Known::Host).collect();
    match hosts.as_slice() {
        [] => assert_eq!(sent.version, Version::Http10),
        [host] => {
            let text = std::str::from_utf8(host).unwrap_or("@");
            assert!(
                !text.is_empty() && !text.contains(['@', '/', '\\', '?', '#', ' ', '\t', ',', '%']),
                "{text}"
            );
            let absolute = !sent.target.starts_with(b"/");
            assert!(
                !absolute || sent.target.windows(host.len()).any(|part| part == *host),
                "the target's host wins"
            );
        }
        _ => unreachable!("several hosts: {hosts:?}"),
    }
}

fn upstream_gets(inbound: &RequestHead, peer: IpAddr) {
    let (client_ip, trust) = forwarded::client_ip(&inbound.fields, peer, &SNAPSHOT.server.trusted_proxies);
    assert!(trust == Trust::Believed || client_ip == peer, "a stranger chose his address");
    let target = inbound.target_text();
    let (path, query) = split_target(&target);
    let view = RequestView {
        method: inbound.method.as_str(),
        host: inbound::host(&inbound.fields),
        path,
        query,
        headers: &inbound.fields,
        client_ip: Some(client_ip),
    };
    let decision = decide(&SNAPSHOT, &view, Facts::NONE);
    let Verdict::Forward { owner, upstream } = decision.verdict else { return };
    let (route, slice, effect) = (decision.route, decision.slice, decision.effect);
    let mut plan = Plan::new(Decided { route, slice, effect, owner, upstream }, trust);
    let mut outbound = inbound.clone();
    let peer = peer.to_string();
    let host = inbound::host(&outbound.fields).into();
    let passing = Passing { via: OWN_VIA, peer: &peer, host: &host };
    let prepared = outbound::prepare(&mut outbound, passing, &SNAPSHOT, &mut plan);
    if prepared.and_then(|()| outbound::apply_policy(&mut outbound, &SNAPSHOT, &mut plan)).is_err() {
        return;
    }
    connection_is_not_passed_on(&outbound.fields, &plan);
    proxy_speaks_for_itself(&inbound.fields, &outbound.fields, &plan, &peer);
    rest_is_as_it_came(inbound, &outbound.fields, trust);
    let sent = outbound.target_text();
    assert!(sent.starts_with('/') && !sent.contains([' ', '#']), "{sent}");
    assert_eq!(split_target(&sent).1, query, "a rewrite keeps the query");
    if owner == Owner::Legacy {
        assert_eq!(outbound.target, inbound.target, "legacy gets the bytes that were sent");
    }
    let mut written = Vec::new();
    outbound.write(&mut written);
    let mut read = RequestHead::default();
    assert_eq!(read.parse(&written, 200), Ok(Some(written.len())), "one request, and nothing behind it");
    assert_eq!(read.framing().ok(), inbound.clone().framing().ok(), "the framing that was checked");
}

/// Nothing of the client's connection, nor what it named, reaches the upstream.
fn connection_is_not_passed_on(fields: &Fields, plan: &Plan) {
    for known in [
        Known::KeepAlive,
        Known::ProxyConnection,
        Known::ProxyAuthorization,
        Known::XShadow,
        Known::Disguised,
    ] {
        assert!(!fields.contains(known), "{known:?}");
    }
    assert!(fields.all(Known::Te).all(|value| value == b"trailers"));
    assert_eq!(fields.contains(Known::Connection), plan.upgrade.is_some());
    assert_eq!(fields.get(Known::Upgrade), plan.upgrade.as_deref());
    assert!(!fields.list(Known::Upgrade).any(|protocol| protocol.eq_ignore_ascii_case(b"h2c")));
}

/// Who the client is, is said once, by this proxy or by one that is believed.
fn proxy_speaks_for_itself(inbound: &Fields, fields: &Fields, plan: &Plan, peer: &str) {
    let lines = |known| fields.all(known).collect::<Vec<_>>();
    let path = lines(Known::XForwardedFor);
    if plan.trust == Trust::Replaced {
        assert_eq!(path, [peer.as_bytes()]);
        assert_eq!(lines(Known::XForwardedProto), [b"http"]);
        assert_eq!(fields.get(Known::XForwardedHost), fields.get(Known::Host));
        assert!(!fields.contains(Known::Forwarded) && !fields.contains(Known::XForwardedOther));
        let prefix = fields.get(Known::XForwardedPrefix);
        assert!(prefix.is_none_or(|prefix| prefix == b"/products" || prefix == b"/items"), "{prefix:?}");
    } else {
        assert!(path.len() == 1 && path.iter().all(|path| path.ends_with(peer.as_bytes())), "{path:?}");
    }
    let via = lines(Known::Via);
    let nominated = inbound.all(Known::Via).count();
    assert_eq!(via.len(), nominated + 1);
    assert!(via.last().is_some_and(|last| *last == OWN_VIA.as_bytes()));
}

/// Headers that are nobody's business are passed on line by line; framing and host cannot be nominated away.
fn rest_is_as_it_came(inbound: &RequestHead, fields: &Fields, trust: Trust) {
    let mut expected = inbound.fields.clone();
    hop::strip(&mut expected, None, |known| forwarded::is_not_the_clients(known, trust));
    let rest = |fields: &Fields| -> Vec<(Vec<u8>, Vec<u8>)> {
        let same = [Known::Other, Known::Host, Known::ContentLength, Known::TransferEncoding, Known::Accept];
        let lines = fields.iter().filter(|line| same.contains(&line.known) && line.name != b"x-from");
        lines.map(|line| (line.name.to_vec(), line.value.to_vec())).collect()
    };
    let (sent, expected) = (rest(fields), rest(&expected));
    let edge = inbound.fields.iter().any(|line| line.name.eq_ignore_ascii_case(b"x-from"));
    assert!(sent == expected || edge, "{sent:?} is not {expected:?}");
    for known in [Known::Host, Known::ContentLength, Known::TransferEncoding] {
        assert_eq!(fields.get(known), inbound.fields.get(known), "{known:?}");
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
    let mut fields = parts.fields;
    own_answer::Format::of(fields.get(Known::Accept));
    if let (Some(asked), Some(accepted)) = (hop::upgrade_of(&fields), fields.get(Known::Upgrade)) {
        let names_h2c = accepted.to_ascii_lowercase().windows(3).any(|part| part == b"h2c");
        assert!(names_h2c || hop::upgrade_matches(&asked, accepted), "{asked:?} is not {accepted:?}");
    }
    fields.set(Known::Location, location);
    fields.set(Known::ContentLocation, location);
    mapped(&fields, location);
    hop::strip(&mut fields, None, |_| false);
    let gone = [Known::Connection, Known::KeepAlive, Known::ProxyConnection, Known::Te, Known::Upgrade];
    assert!(gone.iter().all(|known| !fields.contains(*known)));
}

/// An own origin becomes the public one and nothing else changes; every other reference is left alone.
fn mapped(fields: &Fields, value: &[u8]) {
    let public = PublicOrigin { scheme: "https", host: "shop.example".into() };
    let mut mapped = fields.clone();
    location::map(&mut mapped, &SNAPSHOT, Some(&public), &["inner.example"]);
    assert_eq!(mapped.get(Known::Location), mapped.get(Known::ContentLocation), "both are mapped alike");
    let Some(now) = mapped.get(Known::Location) else { unreachable!("the location is lost") };
    if now == value {
        return;
    }
    let (was, now) = (String::from_utf8_lossy(value), String::from_utf8_lossy(now));
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
    assert_eq!(again.get(Known::Location), mapped.get(Known::Location), "mapped once is mapped");
}
