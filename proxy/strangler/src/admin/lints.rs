//! What traffic has taught: from replies that were compared or recorded, from the peers of the data threads, and from
//! what guardrails have seen.
//!
//! The one source of what `status` and `check --admin` warn of.

use jiff::Timestamp;
use strangler_core::lints::{Kind, Lint};

use super::Admin;
use super::status::SliceReport;

/// So many requests of a peer make it a forwarder, and not somebody who tries.
const FORWARDED_MIN: u64 = 20;

/// All lints about what serves; of guardrails those of `slices`.
pub(super) fn lints(admin: &Admin, slices: &[SliceReport]) -> Vec<Lint> {
    let running = admin.parts.live.pin();
    let mut lints = admin.parts.evidence.lints(&running.snapshot);
    let trusted = &running.snapshot.server.trusted_proxies;
    let forwarders = admin.parts.telemetry.untrusted_forwarders();
    let untrusted =
        forwarders.into_iter().filter(|(peer, count)| *count >= FORWARDED_MIN && !trusted.contains(*peer));
    lints.extend(untrusted.map(|(peer, seen)| Lint {
        kind: Kind::UntrustedForwarder,
        slice: String::new(),
        route: String::new(),
        sentence:
            "a peer sends X-Forwarded-* and is not trusted, so that what it says is replaced".to_owned(),
        example: peer.to_string(),
        seen,
        last: Timestamp::now(),
        help: Kind::UntrustedForwarder.help().to_owned(),
    }));
    let guardrails = slices.iter().flat_map(|slice| slice.guardrails.iter().map(move |one| (slice, one)));
    lints.extend(guardrails.filter_map(|(slice, guardrail)| guardrail.lint(&slice.name)));
    lints
}
