//! What is looked for in one request and its replies.

use bytes::Bytes;

use super::{Counts, Found, Kind, Learned, Scope, Sighting, forms, hosts};
use crate::compare::Reply;
use crate::compare::coding::undo;
use crate::matching::request;
use crate::routing::decide::effective_phase;
use crate::snapshot::Route;
use crate::snapshot::slice::KeySource;
use crate::words::{Owner, Phase};

/// Everything at once.
pub(super) fn look(learned: &mut Learned, sighting: &Sighting<'_>, found: &mut Vec<Found>) {
    let route = sighting.snapshot.route(sighting.route);
    for (owner, reply) in sighting.replies() {
        scopes(learned, owner, reply, found);
        doubled(owner, reply, found);
        internal(sighting, owner, reply, found);
    }
    let Some(answer) = sighting.answer() else { return };
    unstable(sighting, route, answer, found);
    for (path, owner) in forms::across(sighting, answer) {
        found.push(Found {
            kind: Kind::FormAcross,
            sentence: format!("a form of a page that {} served is posted to {owner}", sighting.primary),
            example: format!("POST {path}"),
            subject: path,
            counts: Counts::Seen,
        });
    }
    if effective_phase(route, sighting.facts) == Phase::Canary {
        cacheable(route, answer, found);
    }
}

/// The values of all lines of a name, which is given in lower case.
pub(super) fn lines<'a>(reply: &'a Reply, name: &str) -> Vec<&'a str> {
    reply.headers.all(name).filter_map(|value| std::str::from_utf8(value).ok()).collect()
}

/// The body without its content coding; empty where that cannot be undone.
pub(super) fn plain(reply: &Reply) -> Bytes {
    let coding = lines(reply, "content-encoding").join(", ");
    if coding.is_empty() || coding.eq_ignore_ascii_case("identity") {
        return reply.body.clone();
    }
    undo(&coding, &reply.body).unwrap_or_default()
}

/// A cookie as it is set.
struct SetCookie<'a> {
    name: &'a str,
    value: &'a str,
    scope: Scope,
    /// It is taken away, not set.
    expires: bool,
}

impl<'a> SetCookie<'a> {
    fn parse(line: &'a str) -> Option<SetCookie<'a>> {
        let mut parts = line.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let (mut scope, mut expires) = ((String::new(), String::new()), false);
        for part in parts {
            let (key, said) = part.split_once('=').map_or((part, ""), |(key, said)| (key, said.trim()));
            match key.trim().to_ascii_lowercase().as_str() {
                "domain" => scope.0 = said.trim_start_matches('.').to_ascii_lowercase(),
                "path" => scope.1 = said.to_owned(),
                "max-age" => expires |= said.starts_with(['0', '-']),
                "expires" => expires |= said.contains("1970"),
                _ => {}
            }
        }
        Some(SetCookie { name: name.trim(), value: value.trim(), scope, expires })
    }
}

fn scopes(learned: &mut Learned, owner: Owner, reply: &Reply, found: &mut Vec<Found>) {
    for line in lines(reply, "set-cookie") {
        let Some(cookie) = SetCookie::parse(line).filter(|cookie| !cookie.expires) else { continue };
        let Some(theirs) = learned.scope(cookie.name, owner, &cookie.scope) else { continue };
        let said = |(domain, path): &Scope| {
            let of = |name: &str, value: &str| match value {
                "" => format!("no {name}"),
                value => format!("{name}={value}"),
            };
            format!("{}, {}", of("Domain", domain), of("Path", path))
        };
        let (legacy, extracted) = match owner {
            Owner::Legacy => (&cookie.scope, &theirs),
            Owner::Extracted => (&theirs, &cookie.scope),
        };
        found.push(Found {
            kind: Kind::CookieScope,
            subject: cookie.name.to_owned(),
            sentence: format!("both sides set cookie {} for different places", cookie.name),
            example: format!("legacy {}; extracted {}", said(legacy), said(extracted)),
            counts: Counts::Seen,
        });
    }
}

fn doubled(owner: Owner, reply: &Reply, found: &mut Vec<Found>) {
    for name in ["access-control-allow-origin", "access-control-allow-credentials"] {
        let lines = lines(reply, name);
        let values = lines.iter().flat_map(|line| line.split(',')).count();
        if values > 1 {
            found.push(Found {
                kind: Kind::CorsDoubled,
                subject: format!("{name} {owner}"),
                sentence: format!("{owner} answers with {values} values of {name}"),
                example: format!("{name}: {}", lines.join(", ")),
                counts: Counts::Seen,
            });
        }
    }
}

fn internal(sighting: &Sighting<'_>, owner: Owner, reply: &Reply, found: &mut Vec<Found>) {
    let asked = sighting.view.host;
    let mut tell = |what: &str, authority: &str| {
        found.push(Found {
            kind: Kind::InternalHost,
            subject: format!("{what} {authority}"),
            sentence: format!("{what} of {owner} names a host that clients cannot reach"),
            example: authority.to_owned(),
            counts: Counts::Seen,
        });
    };
    for line in lines(reply, "location") {
        if let Some(authority) = hosts::authority(line)
            && hosts::is_internal(authority, asked, sighting.snapshot)
        {
            tell("a redirect", authority);
        }
    }
    let media = lines(reply, "content-type").join(" ").to_ascii_lowercase();
    if !(media.starts_with("text/") || media.contains("json") || media.contains("xml")) {
        return;
    }
    let leaked = hosts::in_body(&plain(reply));
    if let Some(authority) = leaked.iter().find(|host| hosts::is_internal(host, asked, sighting.snapshot)) {
        tell("a link in a body", authority);
    }
}

/// Whether a client keeps the cookie that tells which side it is on.
fn unstable(sighting: &Sighting<'_>, route: &Route, answer: &Reply, found: &mut Vec<Found>) {
    let cookies = route.policy.cohort_by.iter().filter_map(|source| match source {
        KeySource::Cookie(name) => Some(name),
        _ => None,
    });
    for name in cookies {
        let Some(sent) = request::cookie(sighting.view.headers, name) else { continue };
        let changed = lines(answer, "set-cookie")
            .into_iter()
            .filter_map(SetCookie::parse)
            .any(|cookie| cookie.name == name && cookie.value != sent);
        found.push(Found {
            kind: Kind::UnstableKey,
            subject: name.clone(),
            sentence: format!(
                "cookie {name}, which tells clients apart, gets another value with most replies"
            ),
            example: format!("Set-Cookie: {name}=…"),
            counts: if changed { Counts::SeenAmong } else { Counts::Absent },
        });
    }
}

fn cacheable(route: &Route, answer: &Reply, found: &mut Vec<Found>) {
    let said = lines(answer, "cache-control").join(", ").to_ascii_lowercase();
    let mut directives = said.split(',').map(str::trim);
    let is_public =
        directives.any(|one| one == "public" || one.strip_prefix("s-maxage=").is_some_and(|age| age != "0"));
    if !is_public || said.contains("private") || said.contains("no-store") || said.contains("no-cache") {
        return;
    }
    let vary = lines(answer, "vary").join(", ").to_ascii_lowercase();
    let named = |wanted: &str| vary.split(',').any(|name| name.trim() == wanted || name.trim() == "*");
    let is_told_apart = |source: &KeySource| match source {
        KeySource::Header(name) => named(name),
        KeySource::Cookie(_) => named("cookie"),
        // A cache tells these apart by the URL.
        KeySource::Query(_) | KeySource::Path(_) | KeySource::HostLabel(_) => true,
        KeySource::ClientIp => named("*"),
    };
    if route.policy.cohort_by.iter().all(is_told_apart) {
        return;
    }
    found.push(Found {
        kind: Kind::CacheableCanary,
        subject: String::new(),
        sentence: "replies of a canary may be kept by shared caches".to_owned(),
        example: format!("cache-control: {said}"),
        counts: Counts::Seen,
    });
}
