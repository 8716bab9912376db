//! Snapshots for tests, without the configuration language.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken fixture fails its test")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::RequestView;
use crate::matching::path::{PathRules, split_target};
use crate::matching::table::{Conflict, Entry};
use crate::matching::{Pattern, Predicates, Table};
use crate::snapshot::{
    AccessLog, Balance, Canary, DataDir, Endpoint, HostPolicy, Limits, Place, Policy, Protocol, Route,
    Scheme, Server, Slice, Snapshot, Timeouts, TrustedProxies, Upstream,
};
use crate::words::{Effect, Phase, Share, SliceId, Strictness, Unmatched, UpstreamId, Writer};

/// A slice of a test.
#[derive(Clone, Debug)]
pub(crate) struct SliceFixture {
    pub(crate) name: &'static str,
    pub(crate) phase: Phase,
    pub(crate) writer: Writer,
    pub(crate) writer_stated: bool,
    pub(crate) canary: Option<Canary>,
    pub(crate) except: Vec<String>,
    pub(crate) rules: PathRules,
    pub(crate) policy: Policy,
    pub(crate) routes: Vec<RouteFixture>,
}

/// A route of a test.
#[derive(Clone, Debug)]
pub(crate) struct RouteFixture {
    pub(crate) text: String,
    pub(crate) when: Predicates,
    pub(crate) listed: bool,
    pub(crate) effect: Option<Effect>,
    pub(crate) priority: i64,
}

pub(crate) fn slice(name: &'static str, phase: Phase, writer: Writer, routes: &[&str]) -> SliceFixture {
    SliceFixture {
        name,
        phase,
        writer,
        writer_stated: false,
        canary: None,
        except: Vec::new(),
        rules: PathRules::default(),
        policy: Policy::default(),
        routes: routes.iter().map(|text| route(text)).collect(),
    }
}

pub(crate) fn route(text: &str) -> RouteFixture {
    RouteFixture {
        text: text.to_owned(),
        when: Predicates::default(),
        listed: true,
        effect: None,
        priority: 0,
    }
}

/// A snapshot of slices; its upstreams are legacy and, per slice, one named as the slice.
pub(crate) fn snapshot(slices: &[SliceFixture]) -> Snapshot {
    build(slices).0
}

/// A snapshot and the conflicts between its routes.
pub(crate) fn build(fixtures: &[SliceFixture]) -> (Snapshot, Vec<Conflict>) {
    let mut upstreams = vec![Arc::new(upstream("legacy"))];
    let mut slices = Vec::new();
    let mut routes = Vec::new();
    for (index, fixture) in (0..).zip(fixtures) {
        upstreams.push(Arc::new(upstream(fixture.name)));
        let slice = slice_of(index, fixture);
        for (line, route) in (1..).zip(&fixture.routes) {
            let mut id: Arc<str> = route.text.as_str().into();
            if routes.iter().any(|earlier: &Arc<Route>| earlier.id == id) {
                id = format!("{id} of {}, line {line}", fixture.name).into();
            }
            routes.push(Arc::new(Route { id, ..route_of(index, fixture, &slice, line, route) }));
        }
        slices.push(Arc::new(slice));
    }
    let entries: Vec<Entry<'_>> = routes
        .iter()
        .map(|route| Entry {
            pattern: &route.pattern,
            when: &route.when,
            priority: route.priority,
            slice: route.slice,
            listed: route.listed,
        })
        .collect();
    let excepts: Vec<Vec<Pattern>> = slices.iter().map(|slice| slice.except.clone()).collect();
    let (table, conflicts) = Table::build(&entries, &excepts);
    let snapshot = Snapshot {
        hash: String::new(),
        server: server(),
        limits: limits(),
        legacy: UpstreamId(0),
        unmatched: Unmatched::Legacy,
        upstreams,
        slices,
        routes,
        table,
    };
    (snapshot, conflicts)
}

fn place(index: u32, line: u32) -> Place {
    Place { file: format!("s{index}.toml").into(), line, column: 1 }
}

fn slice_of(index: u32, fixture: &SliceFixture) -> Slice {
    Slice {
        name: fixture.name.into(),
        upstream: UpstreamId(index + 1),
        phase: fixture.phase,
        canary: fixture.canary.clone(),
        writer: fixture.writer,
        writer_stated: fixture.writer_stated,
        sync: None,
        sync_lag: None,
        paths: fixture.rules,
        version_from: None,
        except: fixture.except.iter().map(|text| Pattern::parse(text, fixture.rules).unwrap()).collect(),
        team: None,
        review_by: None,
        policy: Arc::new(fixture.policy.clone()),
        place: place(index, 1),
    }
}

fn route_of(index: u32, fixture: &SliceFixture, slice: &Slice, line: u32, route: &RouteFixture) -> Route {
    Route {
        id: route.text.as_str().into(),
        slice: SliceId(index),
        pattern: Pattern::parse(&route.text, fixture.rules).unwrap(),
        when: route.when.clone(),
        listed: route.listed,
        effect: route.effect,
        priority: route.priority,
        phase: slice.phase,
        canary: slice.canary.clone(),
        policy: Arc::clone(&slice.policy),
        place: place(index, line),
    }
}

pub(crate) fn canary(basis_points: u16) -> Canary {
    Canary {
        share: Share::from_basis_points(basis_points).unwrap(),
        always: Vec::new(),
        never: Vec::new(),
        steps: Vec::new(),
    }
}

fn upstream(name: &str) -> Upstream {
    Upstream {
        name: name.to_owned(),
        endpoints: vec![Endpoint { scheme: Scheme::Http, host: name.to_owned(), port: 80, weight: 1 }],
        protocol: Protocol::Http1,
        balance: Balance::LeastRequests,
        host: HostPolicy::Preserve,
        timeouts: Timeouts {
            connect: Duration::from_secs(2),
            response: Duration::from_secs(60),
            idle: Duration::from_secs(300),
        },
        pool_idle: Duration::from_secs(4),
        max_connections: 0,
        max_in_flight: 1024,
        retry_attempts: 1,
        retry_budget: Share::from_basis_points(1000).unwrap(),
        health: None,
        breaker: None,
        tls: None,
    }
}

fn server() -> Server {
    let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
    Server {
        listen: vec![local(8080)],
        admin: local(9090),
        data_dir: DataDir::Memory,
        workers: 0,
        trusted_proxies: TrustedProxies::default(),
        public_url: Vec::new(),
        admin_hosts: Vec::new(),
        admin_token_file: None,
        access_log: AccessLog::Off,
        log: String::new(),
        watch: false,
        drain_delay: Duration::ZERO,
        shutdown_grace: Duration::ZERO,
        request_id: true,
        tls: None,
    }
}

fn limits() -> Limits {
    Limits {
        header_bytes: 65_536,
        headers: 100,
        target_bytes: 16_384,
        body: None,
        connections: 10_000,
        header_timeout: Duration::from_secs(10),
        body_timeout: Duration::from_secs(30),
        body_rate: None,
        idle_timeout: Duration::from_secs(75),
        strictness: Strictness::Refuse,
    }
}

/// Asks a question about a request written as `METHOD [HOST]/TARGET`, with header lines `name: value`.
pub(crate) fn ask<R>(request: &str, headers: &[&str], question: impl FnOnce(&RequestView<'_>) -> R) -> R {
    let (method, target) = request.split_once(' ').unwrap();
    let (host, target) = target.split_at(target.find('/').unwrap());
    let (path, query) = split_target(target);
    let headers: HeaderMap = headers
        .iter()
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| -> (HeaderName, HeaderValue) { (name.parse().unwrap(), value.parse().unwrap()) })
        .collect();
    question(&RequestView { method, host, path, query, headers: &headers, client_ip: None })
}
