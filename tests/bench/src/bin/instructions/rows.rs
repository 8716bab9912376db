//! What is counted: requests, and the configuration that each binary meets them with.
//!
//! Owns rows and configurations. Refuses running them.

use std::net::SocketAddr;

use bench::cases::Case;
use bench::peers::strangler;

/// A request, and the configurations it meets.
pub(crate) struct Row {
    pub(crate) case: Case,
    /// What the binary meets it with, or that after a change.
    pub(crate) after: Configuration,
    /// What the binary before the change meets it with: each, and their mean counts. Empty: the same.
    pub(crate) before: &'static [Configuration],
    /// The row that this one is compared with, in the same binary.
    pub(crate) against: Option<&'static str>,
}

/// Where the two sides are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sides {
    pub(crate) legacy: SocketAddr,
    pub(crate) extracted: SocketAddr,
}

/// A configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Configuration {
    /// One slice that is moved, with something added.
    Moved(&'static str),
    /// One slice, whose reads go by its phase.
    Sliced(Reads),
}

/// Who answers the slice's reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Legacy.
    Legacy,
    /// The extracted service.
    Extracted,
    /// One of both, by the cohort cookie alone, half of the clients each.
    Canary,
    /// Likewise, but predicates are asked first, and both sides are checked and have a breaker.
    Checked,
}

impl Reads {
    const fn phase(self) -> &'static str {
        match self {
            Reads::Legacy => "phase = \"legacy\"\n",
            Reads::Extracted => "phase = \"extracted\"\n",
            Reads::Canary => "phase = \"canary\"\ncanary = \"50%\"\n",
            Reads::Checked => {
                "phase = \"canary\"\n[slices.bench.canary]\nshare = \"50%\"\n\
                 always = [\"header:x-tenant=acme-test\", \"cookie:beta=1\"]\nnever = [\"header:x-tenant=megacorp\"]\n"
            }
        }
    }

    const fn checks(self) -> &'static str {
        match self {
            Reads::Legacy | Reads::Extracted | Reads::Canary => "",
            Reads::Checked => {
                "health = { path = \"/b/64\", interval = \"2s\", timeout = \"1s\" }\n\
                 breaker = { error_rate = \"50%\", min_requests = 20, window = \"10s\", open = \"1s\" }\n"
            }
        }
    }
}

/// Below the `[server]` table of every configuration: nothing but requests shall happen while it is counted.
const SERVER: &str = "watch = false\n";

impl Configuration {
    /// Its text.
    pub(crate) fn text(self, address: SocketAddr, sides: Sides, routes: usize) -> String {
        let Sides { legacy, extracted } = sides;
        match self {
            Configuration::Moved(more) => strangler(address, extracted, routes, SERVER, more),
            Configuration::Sliced(reads) => format!(
                "version = 1\nlegacy = \"monolith\"\n[server]\nlisten = \"{address}\"\nadmin = \"127.0.0.1:0\"\n\
                 data_dir = \"memory\"\nworkers = 1\naccess_log = \"off\"\n{SERVER}\
                 [upstreams.monolith]\nendpoints = [\"http://{legacy}\"]\nmax_in_flight = 100000\n{checks}\
                 [upstreams.bench]\nendpoints = [\"http://{extracted}\"]\nmax_in_flight = 100000\n{checks}\
                 [slices.bench]\nupstream = \"bench\"\nwriter = \"legacy\"\nsync = \"stateless\"\n\
                 shadow = {{ sample = \"0%\", reverse_sample = \"0%\" }}\nroutes = [\"/b/{{size}}\"]\n{phase}",
                checks = reads.checks(),
                phase = reads.phase(),
            ),
        }
    }

    /// Whether either side is to answer about half of the requests.
    pub(crate) fn is_shared(self) -> bool {
        matches!(self, Configuration::Sliced(Reads::Canary | Reads::Checked))
    }
}

/// A slice that no request of the load matches.
const ASIDE: &str = "[slices.aside]\nupstream = \"bench\"\nphase = \"legacy\"\nwriter = \"legacy\"\nroutes = [\"GET /aside/{id}\"]\n";

/// The same slice, shadowed.
const ASIDE_SHADOWED: &str = "[slices.aside]\nupstream = \"bench\"\nphase = \"shadow\"\nwriter = \"legacy\"\nsync = \"stateless\"\nroutes = [\"GET /aside/{id}\"]\n";

/// Clients of a row with cohort cookies.
const CLIENTS: u64 = 256;

/// What a canary is compared with: of its requests either side answers half.
const EITHER: &[Configuration] =
    &[Configuration::Sliced(Reads::Legacy), Configuration::Sliced(Reads::Extracted)];

/// Every row, in the order of the report.
pub(crate) fn rows() -> Vec<Row> {
    let get = Case::small();
    let named = |name, what| Case { name, what, ..get.clone() };
    let row = |case| Row { case, after: Configuration::Moved(""), before: &[], against: None };
    let keyed = |name, what, reads| Row {
        after: Configuration::Sliced(reads),
        ..row(Case { cohort_cookies: CLIENTS, ..named(name, what) })
    };
    vec![
        row(named("get", "GET, 64-byte answer")),
        row(Case { target: "/b/10240", ..named("get-10k", "GET, 10 KB answer by length") }),
        row(Case { target: "/b/10240?chunked", ..named("get-chunked", "GET, 10 KB answer in one chunk") }),
        row(Case { body: 1024, ..named("post-1k", "POST of 1 KB by length, 64-byte answer") }),
        row(Case { routes: 10_000, ..named("routes-10000", "GET, 64-byte answer, 10,000 routes") }),
        Row {
            after: Configuration::Moved(ASIDE),
            ..row(named("aside", "GET beside a slice it does not match, not moved"))
        },
        Row {
            after: Configuration::Moved(ASIDE_SHADOWED),
            against: Some("aside"),
            ..row(named("aside-shadow", "GET beside a slice it does not match, shadowed"))
        },
        keyed("read-legacy", "GET with a cohort cookie, slice in phase legacy", Reads::Legacy),
        keyed("read-extracted", "GET with a cohort cookie, slice in phase extracted", Reads::Extracted),
        Row {
            before: EITHER,
            ..keyed("canary", "GET with a cohort cookie, canary of 50 %; before: mean of both", Reads::Canary)
        },
        Row {
            before: EITHER,
            ..keyed(
                "canary-checked",
                "likewise, with `always`, `never`, checks and breakers on both sides",
                Reads::Checked,
            )
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_compared_only_with_a_row_before_it() {
        let rows = rows();
        for (index, row) in rows.iter().enumerate() {
            let Some(against) = row.against else { continue };
            assert!(rows[..index].iter().any(|before| before.case.name == against), "{against}");
        }
    }

    #[test]
    fn what_both_sides_share_is_asked_by_many_clients() {
        for row in rows().iter().filter(|row| row.after.is_shared()) {
            let mut requests = row.case.requests();
            requests.sort();
            requests.dedup();
            assert_eq!(requests.len() as u64, CLIENTS, "{}", row.case.name);
        }
    }
}
