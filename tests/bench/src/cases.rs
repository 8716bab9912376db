//! What is measured.

/// One kind of load.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Short name.
    pub(crate) name: &'static str,
    /// One line for the report.
    pub(crate) what: &'static str,
    /// Request target; the origin answers by it.
    pub(crate) target: &'static str,
    /// Bytes of request body; 0: a GET.
    pub(crate) body: usize,
    /// Client connections.
    pub(crate) connections: usize,
    /// Whether each request has a connection of its own.
    pub(crate) fresh: bool,
    /// Requests of one round.
    pub(crate) requests: u64,
    /// Routes in our configuration.
    pub(crate) routes: usize,
}

/// Every case, in the order of the report.
pub(crate) fn all() -> Vec<Case> {
    let base = Case {
        name: "small",
        what: "GET, 64-byte answer, 32 keep-alive connections",
        target: "/b/64",
        body: 0,
        connections: 32,
        fresh: false,
        requests: 20_000,
        routes: 1,
    };
    vec![
        base.clone(),
        Case { name: "10k", what: "GET, 10 KB answer, 32 connections", target: "/b/10240", ..base.clone() },
        Case { name: "post", what: "POST of 1 KB, 32 connections", body: 1024, ..base.clone() },
        Case {
            name: "1m",
            what: "GET, 1 MiB answer, 8 connections",
            target: "/b/1048576",
            connections: 8,
            requests: 600,
            ..base.clone()
        },
        Case {
            name: "fresh",
            what: "GET, a new connection each",
            fresh: true,
            requests: 6_000,
            ..base.clone()
        },
        Case {
            name: "one",
            what: "GET over one connection",
            connections: 1,
            requests: 10_000,
            ..base.clone()
        },
        Case { name: "routes-10", what: "GET with 10 routes", routes: 10, ..base.clone() },
        Case { name: "routes-1000", what: "GET with 1,000 routes", routes: 1_000, ..base.clone() },
        Case { name: "routes-10000", what: "GET with 10,000 routes", routes: 10_000, ..base },
    ]
}
