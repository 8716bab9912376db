//! The configurations that the cases share, and how requests are written.

use wire::target::{Peer, Places, Setup};

/// `[server]` of every configuration: free ports, nothing on disk, one data thread.
fn server(more: &str) -> String {
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\ndata_dir = \"memory\"\naccess_log = \"off\"\nlog = \"warn\"\nwatch = false\nworkers = 1\n{more}\n"
    )
}

fn legacy(places: &Places, more: &str) -> String {
    format!("version = 1\nlegacy = \"http://{}\"\n{}", places.legacy, server(more))
}

/// Nothing is copied: legacy's origin counts every byte it gets.
const SLICE: &str = "phase = \"extracted\"\nwriter = \"extracted\"\nsync = \"stateless\"\nshadow = { reverse_sample = \"0%\" }\n";

/// A first day: nothing is moved.
pub(crate) static PLAIN: Setup = Setup {
    name: "plain",
    toml: |places| legacy(places, ""),
    peer: Some(Peer::Plain),
    fenced: true,
    slow: false,
};

/// Products are moved, by path and by host.
pub(crate) static SLICES: Setup = Setup {
    name: "slices",
    toml: |places| {
        format!(
            "{}[slices.products]\nupstream = \"http://{}\"\n{SLICE}routes = [\"/products/**\", \"/exact\", \"vip.example/only/**\"]\n",
            legacy(places, ""),
            places.extracted
        )
    },
    peer: None,
    fenced: true,
    slow: false,
};

/// As `SLICES`, but ambiguous paths are only counted.
pub(crate) static REPORT: Setup = Setup {
    name: "report",
    toml: |places| format!("{}[limits]\nstrictness = \"report\"\n", (SLICES.toml)(places)),
    peer: None,
    fenced: true,
    slow: false,
};

/// Clients are proxies that are believed.
pub(crate) static TRUSTED: Setup = Setup {
    name: "trusted",
    toml: |places| legacy(places, "trusted_proxies = [\"127.0.0.0/8\"]"),
    peer: None,
    fenced: true,
    slow: false,
};

/// No ids are made.
pub(crate) static QUIET: Setup = Setup {
    name: "quiet",
    toml: |places| legacy(places, "request_id = false"),
    peer: None,
    fenced: true,
    slow: false,
};

/// Small limits.
pub(crate) static LIMITS: Setup = Setup {
    name: "limits",
    toml: |places| {
        format!(
            "{}[limits]\nheader_bytes = \"4KiB\"\nheaders = 20\ntarget_bytes = \"1KiB\"\nbody = \"8KiB\"\nheader_timeout = \"600ms\"\nbody_timeout = \"700ms\"\nidle_timeout = \"900ms\"\n",
            legacy(places, "")
        )
    },
    peer: Some(Peer::Limits),
    fenced: true,
    slow: true,
};

/// Little patience with the upstream.
pub(crate) static TIMES: Setup = Setup {
    name: "times",
    toml: |places| {
        format!(
            "version = 1\nlegacy = \"monolith\"\n{}[upstreams.monolith]\nendpoints = [\"http://{}\"]\ntimeouts = {{ connect = \"600ms\", response = \"600ms\", idle = \"600ms\" }}\n",
            server(""),
            places.legacy
        )
    },
    peer: Some(Peer::Times),
    fenced: true,
    slow: true,
};

/// Nobody listens where legacy should be.
pub(crate) static DEAD: Setup = Setup {
    name: "dead",
    toml: |places| format!("version = 1\nlegacy = \"http://{}\"\n{}", places.dead, server("")),
    peer: Some(Peer::Dead),
    fenced: false,
    slow: false,
};

/// Clients know the site by a name of its own.
pub(crate) static PUBLIC: Setup = Setup {
    name: "public",
    toml: |places| {
        format!(
            "{}[slices.products]\nupstream = \"http://{}\"\n{SLICE}routes = [\"/products/**\"]\n",
            legacy(places, "public_url = \"http://shop.example\""),
            places.extracted
        )
    },
    peer: None,
    fenced: true,
    slow: false,
};

/// Header operations, rewrites, and a Host of the service's own.
pub(crate) static OPERATIONS: Setup = Setup {
    name: "operations",
    toml: |places| {
        let extracted = places.extracted;
        format!(
            "{}
[upstreams.named]
endpoints = [\"http://{extracted}\"]
host = \"internal.example\"
[upstreams.endpoint]
endpoints = [\"http://{extracted}\"]
host = \"endpoint\"
[slices.named]
upstream = \"named\"
{SLICE}routes = [\"/named/**\"]
[slices.endpoint]
upstream = \"endpoint\"
{SLICE}routes = [\"/endpoint/**\"]
[slices.products]
upstream = \"http://{extracted}\"
{SLICE}
[[routes]]
match = \"/strip/**\"
slice = \"products\"
rewrite = {{ strip_prefix = \"/strip\" }}
[[routes]]
match = \"/swap/**\"
slice = \"products\"
rewrite = {{ strip_prefix = \"/swap\", add_prefix = \"/v2\" }}
[[routes]]
match = \"/hosted/**\"
slice = \"products\"
rewrite = {{ host = \"rewritten.example\" }}
[[routes]]
match = \"/headers/**\"
slice = \"products\"
request_headers = {{ set = {{ \"x-from\" = \"edge\" }}, remove = [\"x-internal\"] }}
response_headers = {{ set = {{ \"x-served\" = \"extracted\" }}, remove = [\"x-secret\"] }}
",
            legacy(places, "")
        )
    },
    peer: None,
    fenced: true,
    slow: false,
};

/// One extracted service is not there, another misbehaves by script.
pub(crate) static AWAY: Setup = Setup {
    name: "away",
    toml: |places| {
        format!(
            "{}
[slices.payments]
upstream = \"http://{}\"
{SLICE}routes = [\"/payments/**\"]
[slices.products]
upstream = \"http://{}\"
{SLICE}routes = [\"/products/**\"]
",
            legacy(places, ""),
            places.dead,
            places.extracted
        )
    },
    peer: None,
    fenced: true,
    slow: false,
};

/// A GET request with these header lines, each ended by CR LF.
pub(crate) fn get(target: &str, lines: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: shop.example\r\n{lines}\r\n")
}

/// A POST request with these header lines, each ended by CR LF, and what follows the head.
pub(crate) fn post(lines: &str, body: &str) -> String {
    format!("POST /things HTTP/1.1\r\nHost: shop.example\r\n{lines}\r\n{body}")
}

/// A 200 answer with these header lines and a length.
pub(crate) fn ok(lines: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: {}\r\n\r\n{body}", body.len())
}
