//! Metrics in the Prometheus text format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use strangler_core::compare::Account;
use strangler_core::routing::fallback::LagState;
use strangler_core::upstreams::{BreakerPosition, State};
use strangler_core::words::{Phase, SliceId};

use super::labels::{Limit, Role, Side};
use super::shard::{BUCKETS, Shard};
use super::{Telemetry, TrafficRow};
use crate::live::Running;

/// Writing to a string cannot fail; this says so once.
macro_rules! line {
    ($out:expr, $($arg:tt)*) => { let _infallible = writeln!($out, $($arg)*); };
}

pub(super) fn render(
    telemetry: &Telemetry,
    shards: &[Arc<Shard>],
    sums: &BTreeMap<(Arc<str>, String), u64>,
    running: &Running,
    stale: bool,
) -> String {
    let mut out = String::with_capacity(16 * 1024);
    requests(&mut out, shards);
    durations(&mut out, shards);
    line!(out, "# HELP strangler_connections Open connections.\n# TYPE strangler_connections gauge");
    for side in Side::ALL {
        let count: u64 = shards.iter().map(|shard| shard.connections(side)).sum();
        line!(out, "strangler_connections{{side=\"{}\"}} {count}", side.as_str());
    }
    line!(out, "# HELP strangler_limits_total Times a limit was hit.\n# TYPE strangler_limits_total counter");
    for limit in Limit::ALL {
        let count: u64 = shards.iter().map(|shard| shard.limit(limit)).sum();
        line!(out, "strangler_limits_total{{limit=\"{}\"}} {count}", limit.as_str());
    }
    accounts(&mut out, shards);
    fallbacks(&mut out, sums);
    stopped(&mut out, telemetry);
    retreats(&mut out, telemetry, running);
    near_misses(&mut out, shards, running);
    configuration(&mut out, running, stale);
    line!(
        out,
        "# HELP strangler_access_log_dropped_total Access log lines dropped because the writer was behind.\n\
         # TYPE strangler_access_log_dropped_total counter\nstrangler_access_log_dropped_total {}",
        telemetry.access_log.dropped()
    );
    out
}

fn retreats(out: &mut String, telemetry: &Telemetry, running: &Running) {
    line!(
        out,
        "# HELP strangler_retreats_total Retreats by cause; blocked: called for, but reads would have been stale.\n\
         # TYPE strangler_retreats_total counter"
    );
    for ((slice, cause), count) in telemetry.retreats() {
        line!(out, "strangler_retreats_total{{slice=\"{}\",cause=\"{cause}\"}} {count}", escape(&slice));
    }
    let unreadable = u8::from(running.latches.everywhere().is_some());
    line!(
        out,
        "# HELP strangler_retreats_unreadable Whether the file of retreats could not be read: every slice is held.\n\
         # TYPE strangler_retreats_unreadable gauge\nstrangler_retreats_unreadable {unreadable}"
    );
}

fn requests(out: &mut String, shards: &[Arc<Shard>]) {
    line!(
        out,
        "# HELP strangler_requests_total Requests answered, and copies of them.\n\
         # TYPE strangler_requests_total counter"
    );
    let mut sums: BTreeMap<_, u64> = BTreeMap::new();
    for role in [Role::Primary, Role::Shadow] {
        let mut of_role = BTreeMap::new();
        for shard in shards.iter().filter(|shard| shard.role() == role) {
            shard.add_requests(&mut of_role);
        }
        sums.extend(of_role.into_iter().map(|(key, count)| ((role, key), count)));
    }
    for ((role, key), count) in sums {
        let row = TrafficRow {
            slice: key.slice,
            route: key.route,
            owner: key.answerer.as_str(),
            code: key.code,
            count,
        };
        line!(
            out,
            "strangler_requests_total{{slice=\"{}\",route=\"{}\",owner=\"{}\",role=\"{}\",code=\"{}\"}} {}",
            escape(&row.slice),
            escape(&row.route),
            row.owner,
            role.as_str(),
            row.code,
            row.count
        );
    }
}

fn durations(out: &mut String, shards: &[Arc<Shard>]) {
    line!(
        out,
        "# HELP strangler_request_duration_seconds From a request's head to its answer's last byte.\n\
         # TYPE strangler_request_duration_seconds histogram"
    );
    for role in [Role::Primary, Role::Shadow] {
        durations_of(out, shards, role);
    }
}

fn durations_of(out: &mut String, shards: &[Arc<Shard>], role: Role) {
    let mut sums = BTreeMap::new();
    for shard in shards.iter().filter(|shard| shard.role() == role) {
        shard.add_durations(&mut sums);
    }
    for ((slice, answerer), (buckets, sum_ns)) in sums {
        let (slice, owner, role) = (escape(&slice), answerer.as_str(), role.as_str());
        let labels = format!("slice=\"{slice}\",owner=\"{owner}\",role=\"{role}\"");
        let mut total = 0;
        for (index, count) in buckets.iter().enumerate() {
            total += count;
            match BUCKETS.get(index) {
                Some(bound) => {
                    line!(
                        out,
                        "strangler_request_duration_seconds_bucket{{{labels},le=\"{bound}\"}} {total}"
                    );
                }
                None => {
                    line!(out, "strangler_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} {total}");
                }
            }
        }
        let sum = std::time::Duration::from_nanos(sum_ns).as_secs_f64();
        line!(out, "strangler_request_duration_seconds_sum{{{labels}}} {sum}");
        line!(out, "strangler_request_duration_seconds_count{{{labels}}} {total}");
    }
}

fn accounts(out: &mut String, shards: &[Arc<Shard>]) {
    let mut sums = BTreeMap::new();
    for shard in shards {
        shard.add_accounts(&mut sums);
    }
    line!(
        out,
        "# HELP strangler_shadow_total Requests that were to be compared, by the account in which they ended.\n\
         # TYPE strangler_shadow_total counter"
    );
    for ((slice, account), count) in sums {
        let reason = match account {
            Account::NotCompared(reason) => reason.as_str(),
            Account::Match | Account::Mismatch | Account::Ignored => "",
        };
        let (slice, account) = (escape(&slice), account.as_str());
        line!(
            out,
            "strangler_shadow_total{{slice=\"{slice}\",account=\"{account}\",reason=\"{reason}\"}} {count}"
        );
    }
}

fn fallbacks(out: &mut String, sums: &BTreeMap<(Arc<str>, String), u64>) {
    line!(
        out,
        "# HELP strangler_fallbacks_total Reads that legacy was asked because the extracted side failed.\n\
         # TYPE strangler_fallbacks_total counter"
    );
    for ((slice, reason), count) in sums {
        let slice = escape(slice);
        line!(out, "strangler_fallbacks_total{{slice=\"{slice}\",reason=\"{reason}\"}} {count}");
    }
}

fn stopped(out: &mut String, telemetry: &Telemetry) {
    line!(
        out,
        "# HELP strangler_shadow_stopped 1 where copying has stopped because a copied write was not rolled back.\n\
         # TYPE strangler_shadow_stopped gauge"
    );
    for stopped in telemetry.stopped() {
        let (slice, route) = (escape(&stopped.slice), escape(&stopped.route));
        line!(out, "strangler_shadow_stopped{{slice=\"{slice}\",route=\"{route}\"}} 1");
    }
}

fn near_misses(out: &mut String, shards: &[Arc<Shard>], running: &Running) {
    let mut sums: BTreeMap<Arc<str>, u64> =
        running.snapshot.slices.iter().map(|slice| (Arc::clone(&slice.name), 0)).collect();
    for shard in shards {
        shard.add_near_misses(&mut sums);
    }
    line!(
        out,
        "# HELP strangler_near_misses_total Unmatched requests one spelling away from a route.\n\
         # TYPE strangler_near_misses_total counter"
    );
    for (slice, count) in sums {
        line!(out, "strangler_near_misses_total{{slice=\"{}\"}} {count}", escape(&slice));
    }
}

fn configuration(out: &mut String, running: &Running, stale: bool) {
    line!(
        out,
        "# HELP strangler_phase The phase in effect of a slice, retreats included: 1 for the one that holds.\n# TYPE strangler_phase gauge"
    );
    for (index, slice) in running.snapshot.slices.iter().enumerate() {
        let latched = running.retreats.get(index).copied().flatten();
        let effective = latched.map_or(slice.phase, |latched| latched.min(slice.phase));
        for phase in Phase::ALL {
            let holds = u8::from(effective == *phase);
            line!(out, "strangler_phase{{slice=\"{}\",phase=\"{phase}\"}} {holds}", escape(&slice.name));
        }
    }
    sync_lag(out, running);
    upstreams(out, running);
    line!(
        out,
        "# HELP strangler_config_generation Number of the configuration that serves.\n\
         # TYPE strangler_config_generation gauge\nstrangler_config_generation {}\n\
         # HELP strangler_config_stale 1 where the files on disk were refused and an older configuration serves.\n\
         # TYPE strangler_config_stale gauge\nstrangler_config_stale {}",
        running.generation,
        u8::from(stale)
    );
}

/// Of slices whose file says whom to ask.
fn sync_lag(out: &mut String, running: &Running) {
    let (now, snapshot) = (Instant::now(), &running.snapshot);
    let ids = (0..).map(SliceId).zip(&snapshot.slices);
    let asked = ids
        .filter_map(|(id, slice)| Some((slice, slice.sync_lag.as_ref()?.max, running.lags.state(id, now))));
    let all: Vec<_> = asked.map(|(slice, max, state)| (escape(&slice.name), max, state)).collect();
    line!(
        out,
        "# HELP strangler_sync_lag_seconds How late the data of the side that does not write is; none while nobody says.\n\
         # TYPE strangler_sync_lag_seconds gauge"
    );
    for (slice, _, state) in &all {
        if let LagState::Behind(lag) = state {
            line!(out, "strangler_sync_lag_seconds{{slice=\"{slice}\"}} {}", lag.as_secs_f64());
        }
    }
    line!(
        out,
        "# HELP strangler_sync_lag_within 1 while that is known and within `sync_lag.max`, else 0.\n\
         # TYPE strangler_sync_lag_within gauge"
    );
    for (slice, max, state) in &all {
        let within = u8::from(matches!(state, LagState::Behind(lag) if lag <= max));
        line!(out, "strangler_sync_lag_within{{slice=\"{slice}\"}} {within}");
    }
}

fn upstreams(out: &mut String, running: &Running) {
    line!(
        out,
        "# HELP strangler_upstream_endpoints Addresses of an upstream by state; unresolved: names without one.\n\
         # TYPE strangler_upstream_endpoints gauge"
    );
    for upstream in &running.upstreams {
        let (name, members) = (escape(&upstream.name), upstream.members());
        let states = State::ALL.map(|state| (state.as_str(), members.count(state)));
        for (state, count) in states.into_iter().chain([("unresolved", members.nameless.len())]) {
            line!(out, "strangler_upstream_endpoints{{upstream=\"{name}\",state=\"{state}\"}} {count}");
        }
    }
    line!(
        out,
        "# HELP strangler_breaker_state 0 closed, 1 half-open, 2 open; upstreams without a breaker have none.\n\
         # TYPE strangler_breaker_state gauge"
    );
    for upstream in &running.upstreams {
        let Some(breaker) = upstream.breaker() else { continue };
        let state = match breaker.position {
            BreakerPosition::Closed => 0,
            BreakerPosition::HalfOpen => 1,
            BreakerPosition::Open => 2,
        };
        line!(out, "strangler_breaker_state{{upstream=\"{}\"}} {state}", escape(&upstream.name));
    }
}

/// A label value: backslash, quote and line feed escaped.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
