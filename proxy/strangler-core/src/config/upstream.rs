//! `[upstreams.*]`, and upstreams written as a bare URL.

use std::collections::HashMap;
use std::time::Duration;

use super::code;
use super::defaults::Defaults;
use super::document::{Entry, Kind, Table};
use super::net;
use super::problems::{Context, Problem};
use super::reader::{self, Item, Reader};
use super::server::{both, path};
use super::source::Span;
use super::suggest;
use crate::snapshot::{
    Balance, Breaker, Endpoint, HealthCheck, HostPolicy, Protocol, Timeouts, Upstream, UpstreamTls,
};
use crate::words::Share;

/// One upstream and where it is written.
pub(super) struct UpstreamDraft {
    pub(super) upstream: Upstream,
    /// Its name, or its URL.
    pub(super) span: Span,
    /// Where each endpoint is written.
    pub(super) endpoints: Vec<Span>,
    /// Whether the file has a `breaker`.
    breaker_stated: bool,
    /// Whether it has a table; otherwise it was made by its only use.
    named: bool,
    used: bool,
}

/// All upstreams; indices are stable while the configuration is being read.
pub(super) struct Upstreams<'c, 't> {
    defaults: &'c Defaults<'t>,
    pub(super) drafts: Vec<UpstreamDraft>,
    by_name: HashMap<String, usize>,
    /// Whether a name could not be resolved: then an unused upstream may be the one that was meant.
    unresolved: bool,
}

impl<'c, 't> Upstreams<'c, 't> {
    /// Reads the tables.
    pub(super) fn read(
        context: &Context<'t, '_>,
        defaults: &'c Defaults<'t>,
        tables: &[(&Entry<'t>, &Table<'t>)],
    ) -> Upstreams<'c, 't> {
        let mut upstreams =
            Upstreams { defaults, drafts: Vec::new(), by_name: HashMap::new(), unresolved: false };
        for (entry, table) in tables {
            let draft = upstream(context, defaults, entry, table);
            upstreams.by_name.insert(entry.key.clone().into_owned(), upstreams.drafts.len());
            upstreams.drafts.push(draft);
        }
        upstreams
    }

    /// The upstream that a value names, by name or URL.
    pub(super) fn resolve(&mut self, context: &Context<'t, '_>, item: Item<'_, 't>) -> Option<usize> {
        let text = reader::text(context, item)?;
        if let Some(index) = self.by_name.get(&*text.value) {
            if let Some(draft) = self.drafts.get_mut(*index) {
                draft.used = true;
            }
            return Some(*index);
        }
        if !net::looks_like_url(&text.value) {
            self.unknown(context, item);
            self.unresolved = true;
            return None;
        }
        let endpoint = net::origin(context, item)?.endpoint(1);
        // An environment value may be secret, so the upstream is named as the file spells it.
        let name = text.written().trim_end_matches('/').to_owned();
        let known = self.by_name.get(&name).copied();
        if let Some(index) = known.filter(|index| {
            self.drafts.get(*index).is_some_and(|draft| draft.upstream.endpoints == [endpoint.clone()])
        }) {
            return Some(index);
        }
        let table = self.defaults.section("upstream");
        let mut reader = Reader::new("an upstream", &table);
        let mut upstream = settings(context, self.defaults, &mut reader, name.clone());
        upstream.endpoints = vec![endpoint];
        let span = item.value.span;
        let index = self.drafts.len();
        self.drafts.push(UpstreamDraft {
            upstream,
            span,
            endpoints: vec![span],
            breaker_stated: false,
            named: false,
            used: true,
        });
        self.by_name.insert(name, index);
        Some(index)
    }

    fn unknown(&self, context: &Context<'_, '_>, item: Item<'_, '_>) {
        let Some(text) = item.value.as_text() else { return };
        let written = text.written();
        let message = format!("unknown upstream `{written}`");
        let names = self.drafts.iter().map(|draft| draft.upstream.name.as_str());
        let help = match suggest::nearest(written, names) {
            Some(name) => format!("did you mean `{name}`?"),
            None if net::parse_origin(&format!("http://{}", text.value)).is_ok() && written.contains(':') => {
                format!("a URL begins with its scheme: \"http://{written}\"")
            }
            None => format!("write its URL, or add [upstreams.{written}]"),
        };
        context.report(Problem::new(code::UNKNOWN_UPSTREAM, item.value.span, message).help(help));
    }

    /// Switches the built-in breaker of the legacy upstream off, and reports upstreams that nothing refers to.
    pub(super) fn finish(&mut self, context: &Context<'_, '_>, legacy: Option<usize>) {
        if let Some(draft) = legacy.and_then(|index| self.drafts.get_mut(index))
            && !draft.breaker_stated
        {
            draft.upstream.breaker = None;
        }
        for draft in self.drafts.iter().filter(|draft| draft.named && !draft.used && !self.unresolved) {
            let message = format!("nothing uses the upstream `{}`", draft.upstream.name);
            let help = "refer to it from `legacy` or a slice, or remove it";
            context.report(Problem::new(code::UNUSED_UPSTREAM, draft.span, message).help(help));
        }
    }
}

fn upstream<'t>(
    context: &Context<'t, '_>,
    defaults: &Defaults<'t>,
    entry: &Entry<'t>,
    written: &Table<'t>,
) -> UpstreamDraft {
    let what = format!("[upstreams.{}]", entry.key);
    let table = defaults.under("upstream", written);
    let mut reader = Reader::new(&what, &table);
    let endpoints = match reader.get("endpoints") {
        Some(item) => endpoints(context, item),
        None => {
            let message = format!("{what} has no `endpoints`");
            let help = "such as endpoints = [\"http://127.0.0.1:8004\"]";
            context.report(Problem::new(code::MISSING_KEY, entry.key_span, message).help(help));
            Vec::new()
        }
    };
    let mut upstream = settings(context, defaults, &mut reader, entry.key.clone().into_owned());
    reader.done(context);
    let spans = endpoints.iter().map(|(_, span)| *span).collect();
    upstream.endpoints = endpoints.into_iter().map(|(endpoint, _)| endpoint).collect();
    UpstreamDraft {
        upstream,
        span: entry.key_span,
        endpoints: spans,
        breaker_stated: written.get("breaker").is_some(),
        named: true,
        used: false,
    }
}

/// Everything but name and endpoints.
fn settings<'t>(
    context: &Context<'t, '_>,
    defaults: &Defaults<'t>,
    reader: &mut Reader<'_, 't>,
    name: String,
) -> Upstream {
    let (retry_attempts, retry_budget) = reader.read(context, "retries", retries).unwrap_or((0, Share::NONE));
    let protocol = |word: &str| match word {
        "http1" => Some(Protocol::Http1),
        "http2" => Some(Protocol::Http2),
        "auto" => Some(Protocol::Auto),
        _ => None,
    };
    let balance = |word: &str| match word {
        "least-requests" => Some(Balance::LeastRequests),
        "round-robin" => Some(Balance::RoundRobin),
        _ => None,
    };
    Upstream {
        name,
        endpoints: Vec::new(),
        protocol: reader
            .read(context, "protocol", |c, item| reader::word(c, item, &["http1", "http2", "auto"], protocol))
            .unwrap_or(Protocol::Http1),
        balance: reader
            .read(context, "balance", |c, item| {
                reader::word(c, item, &["least-requests", "round-robin"], balance)
            })
            .unwrap_or(Balance::LeastRequests),
        host: reader.read(context, "host", host).unwrap_or(HostPolicy::Preserve),
        timeouts: reader.read(context, "timeouts", timeouts).unwrap_or(NO_TIMEOUTS),
        pool_idle: reader.read(context, "pool_idle", reader::duration).unwrap_or_default(),
        max_connections: reader.read(context, "max_connections", reader::count).unwrap_or_default(),
        max_in_flight: reader.read(context, "max_in_flight", reader::positive).unwrap_or_default(),
        retry_attempts,
        retry_budget,
        health: reader.read(context, "health", |context, item| health(context, defaults, item)),
        breaker: reader.read(context, "breaker", breaker).flatten(),
        tls: reader.read(context, "tls", tls),
    }
}

const NO_TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::ZERO, response: Duration::ZERO, idle: Duration::ZERO };

fn endpoints(context: &Context<'_, '_>, item: Item<'_, '_>) -> Vec<(Endpoint, Span)> {
    let read = reader::one_or_list(context, item, endpoint);
    if let Kind::List(list) = &item.value.kind
        && list.is_empty()
    {
        let help = "such as [\"http://127.0.0.1:8004\"]";
        reader::refuse(context, item, code::EMPTY_LIST, "an upstream needs an endpoint", help);
    }
    let mut kept: Vec<(Endpoint, Span)> = Vec::new();
    for (endpoint, span) in read.unwrap_or_default() {
        let same = |other: &&(Endpoint, Span)| {
            (&other.0.host, other.0.port, other.0.scheme) == (&endpoint.host, endpoint.port, endpoint.scheme)
        };
        match kept.iter().find(same) {
            Some((_, first)) => context.report(
                Problem::new(code::DUPLICATE_ENDPOINT, span, "this endpoint is listed already")
                    .help("give one of them a `weight` instead")
                    .related(*first, "first here"),
            ),
            None => kept.push((endpoint, span)),
        }
    }
    kept
}

fn endpoint(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<(Endpoint, Span)> {
    let Kind::Table(table) = &item.value.kind else {
        return Some((net::origin(context, item)?.endpoint(1), item.value.span));
    };
    let mut reader = Reader::new("an endpoint", table);
    let url = reader.get("url");
    let weight = reader.get("weight");
    reader.done(context);
    let weight = weight.map_or(Some(1), |item| reader::integer(context, item, 1..=10_000));
    let Some(url) = url else {
        let problem = Problem::new(code::MISSING_KEY, item.value.span, "an endpoint needs a `url`");
        context.report(problem.help("such as { url = \"http://127.0.0.1:8005\", weight = 2 }"));
        return None;
    };
    Some((net::origin(context, url)?.endpoint(weight?), url.value.span))
}

fn host(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<HostPolicy> {
    match reader::name(context, item)? {
        "preserve" => Some(HostPolicy::Preserve),
        "endpoint" => Some(HostPolicy::Endpoint),
        literal => authority(context, item, literal).map(HostPolicy::Literal),
    }
}

/// A name or IP literal with an optional port, as a `Host` header carries it.
pub(super) fn authority(context: &Context<'_, '_>, item: Item<'_, '_>, text: &str) -> Option<String> {
    let parsed = net::parse_origin(&format!("http://{text}")).ok().filter(|_| !text.ends_with('/'));
    if parsed.is_none() {
        let why = "this is not a host name";
        reader::refuse(context, item, code::BAD_VALUE, why, "such as pay.internal or pay.internal:8080");
    }
    parsed.map(|_| text.to_ascii_lowercase())
}

fn timeouts(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Timeouts> {
    let mut reader = Reader::new("`timeouts`", reader::table(context, item)?);
    let timeouts = Timeouts {
        connect: reader.read(context, "connect", reader::some_duration).unwrap_or_default(),
        response: reader.read(context, "response", reader::some_duration).unwrap_or_default(),
        idle: reader.read(context, "idle", reader::some_duration).unwrap_or_default(),
    };
    reader.done(context);
    Some(timeouts)
}

fn retries(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<(u32, Share)> {
    let mut reader = Reader::new("`retries`", reader::table(context, item)?);
    let attempts = reader.read(context, "attempts", |c, item| reader::integer(c, item, 0..=10));
    let budget = reader.read(context, "budget", reader::share);
    reader.done(context);
    Some((attempts.unwrap_or_default(), budget.unwrap_or(Share::NONE)))
}

fn health<'t>(context: &Context<'t, '_>, defaults: &Defaults<'t>, item: Item<'_, 't>) -> Option<HealthCheck> {
    let table = defaults.under("health", reader::table(context, item)?);
    let mut reader = Reader::new("`health`", &table);
    let health = HealthCheck {
        path: reader.read(context, "path", target).unwrap_or_default(),
        interval: reader.read(context, "interval", reader::some_duration).unwrap_or_default(),
        timeout: reader.read(context, "timeout", reader::some_duration).unwrap_or_default(),
        healthy: reader.read(context, "healthy", reader::positive).unwrap_or_default(),
        unhealthy: reader.read(context, "unhealthy", reader::positive).unwrap_or_default(),
    };
    reader.done(context);
    Some(health)
}

/// A path, possibly with a query, that can stand in a request line.
fn target(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<String> {
    let text = reader::name(context, item)?;
    if !text.starts_with('/') || !text.bytes().all(|b| b.is_ascii_graphic()) || text.contains('#') {
        reader::refuse(context, item, code::BAD_VALUE, "this is not a path", "it begins with `/`: /health");
        return None;
    }
    Some(text.to_owned())
}

fn breaker(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<Option<Breaker>> {
    let table = match &item.value.kind {
        Kind::Bool(false) => return Some(None),
        Kind::Table(table) => table,
        _ => {
            reader::wrong_type(context, item, "a table or `false`");
            return None;
        }
    };
    let mut reader = Reader::new("`breaker`", table);
    let breaker = Breaker {
        error_rate: reader.read(context, "error_rate", reader::share).unwrap_or(Share::ALL),
        min_requests: reader.read(context, "min_requests", reader::positive).unwrap_or_default(),
        window: reader.read(context, "window", reader::some_duration).unwrap_or_default(),
        open: reader.read(context, "open", reader::some_duration).unwrap_or_default(),
    };
    reader.done(context);
    Some(Some(breaker))
}

fn tls(context: &Context<'_, '_>, item: Item<'_, '_>) -> Option<UpstreamTls> {
    let table = reader::table(context, item)?;
    let mut reader = Reader::new("`tls`", table);
    let ca = reader.read(context, "ca", path);
    let cert = reader.read(context, "cert", path);
    let key = reader.read(context, "key", path);
    let server_name = reader
        .read(context, "server_name", |context, item| authority(context, item, reader::name(context, item)?));
    reader.done(context);
    let shows_one = table.get("cert").is_some() || table.get("key").is_some();
    let client = if shows_one { both(context, item.value, cert, key) } else { None };
    Some(UpstreamTls { ca, client, server_name })
}
