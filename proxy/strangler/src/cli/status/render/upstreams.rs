//! Upstreams with their endpoints: who is asked, how much, and who is left alone and why.

use std::fmt::Write as _;

use super::{cut, short};
use crate::admin::upstreams::{EndpointReport, UpstreamReport};
use crate::cli::output::Output;

pub(super) fn upstreams(text: &mut String, upstreams: &[UpstreamReport], output: &Output) {
    let head = format!("  {:<20} {:<39} {:>6} {:>9}", "UPSTREAM", "ENDPOINT", "SHARE", "IN FLIGHT");
    let _infallible = writeln!(text, "\n{}", output.bold(&head));
    for upstream in upstreams {
        for endpoint in &upstream.endpoints {
            let mark = if upstream.is_legacy { "*" } else { " " };
            let name = cut(&upstream.name);
            let share = endpoint.share.as_deref().unwrap_or_default();
            let _infallible = writeln!(
                text,
                "{mark} {name:<20} {:<39} {share:>6} {:>9}",
                shown(endpoint),
                endpoint.in_flight
            );
            if !matches!(endpoint.state.as_str(), "available" | "") {
                left_alone(text, &endpoint.state, &endpoint.since, &endpoint.why, output);
            }
        }
        if let Some(breaker) = upstream.breaker.as_ref().filter(|breaker| breaker.state != "closed") {
            let state = format!("breaker {}", breaker.state);
            left_alone(text, &state, &Some(breaker.since.clone()), &breaker.why, output);
        }
    }
    let _infallible = writeln!(text, "* legacy");
}

/// An endpoint as written, with its address where that says more.
fn shown(endpoint: &EndpointReport) -> String {
    match &endpoint.address {
        Some(address) if !endpoint.url.ends_with(address.as_str()) => format!("{} {address}", endpoint.url),
        _ => endpoint.url.clone(),
    }
}

/// Who is not asked, since when and why.
fn left_alone(text: &mut String, state: &str, since: &Option<String>, why: &Option<String>, output: &Output) {
    let since = since.as_ref().map(|since| format!(" since {}", short(since))).unwrap_or_default();
    let line = format!("{state}{since}");
    let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let _infallible = writeln!(text, "    {}{why}", output.alarming(&line));
}
