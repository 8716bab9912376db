//! What is measured.

/// One kind of load.
#[derive(Clone, Debug)]
pub struct Case {
    /// Short name.
    pub name: &'static str,
    /// One line for the report.
    pub what: &'static str,
    /// Request target; the origin answers by it.
    pub target: &'static str,
    /// Bytes of request body; 0: a GET.
    pub body: usize,
    /// Client connections.
    pub connections: usize,
    /// Whether each request has a connection of its own.
    pub fresh: bool,
    /// Requests of one round.
    pub requests: u64,
    /// Routes in our configuration.
    pub routes: usize,
    /// Clients that take turns on each connection, each with a cohort cookie of its own; 0: one, without a cookie.
    pub cohort_cookies: u64,
}

impl Case {
    /// The case that the others vary.
    #[must_use]
    pub fn small() -> Case {
        Case {
            name: "small",
            what: "GET, 64-byte answer, 32 keep-alive connections",
            target: "/b/64",
            body: 0,
            connections: 32,
            fresh: false,
            requests: 20_000,
            routes: 1,
            cohort_cookies: 0,
        }
    }

    /// Its request, without a cookie.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        self.render_with("")
    }

    /// Its requests, in the order in which one connection sends them, again and again.
    #[must_use]
    pub fn requests(&self) -> Vec<Vec<u8>> {
        if self.cohort_cookies == 0 {
            return vec![self.render()];
        }
        (0..self.cohort_cookies)
            .map(|client| {
                // As long as the values that the proxy gives, and as mixed.
                let value = u128::from(client + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
                self.render_with(&format!("Cookie: theme=dark; strangler_cohort={value:032x}\r\n"))
            })
            .collect()
    }

    fn render_with(&self, cookie: &str) -> Vec<u8> {
        let common = format!("Host: shop.example\r\nUser-Agent: bench/1\r\nAccept: */*\r\n{cookie}");
        let close = if self.fresh { "Connection: close\r\n" } else { "" };
        let (target, body) = (self.target, self.body);
        if body == 0 {
            return format!("GET {target} HTTP/1.1\r\n{common}{close}\r\n").into_bytes();
        }
        let mut bytes = format!(
            "POST {target} HTTP/1.1\r\n{common}{close}Content-Type: text/plain\r\nContent-Length: {body}\r\n\r\n"
        )
        .into_bytes();
        bytes.resize(bytes.len() + body, b'y');
        bytes
    }
}

/// Every case of the side-by-side run, in the order of the report.
#[must_use]
pub fn all() -> Vec<Case> {
    let base = Case::small();
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
