//! Choosing an endpoint.

use std::sync::atomic::Ordering;

use strangler_core::snapshot::Balance;

use super::{EndpointState, UpstreamState};

/// The endpoint for a request: an index into `upstream.endpoints`, other than `not` where there is another.
///
/// Least-requests is the power of two choices on requests in flight over all threads, weights respected.
pub(crate) fn choose(upstream: &UpstreamState, balance: Balance, not: Option<usize>) -> usize {
    let count = upstream.endpoints.len();
    if count <= 1 {
        return 0;
    }
    let chosen = match balance {
        Balance::RoundRobin => {
            let turn = upstream.turn.fetch_add(1, Ordering::Relaxed);
            let turn = u64::try_from(turn).unwrap_or_default() % upstream.weights.max(1);
            at_weight(upstream, turn)
        }
        Balance::LeastRequests => two_choices(upstream),
    };
    let usable = |at: &usize| {
        Some(*at) != not && upstream.endpoints.get(*at).is_some_and(|endpoint| !endpoint.is_avoided())
    };
    let around = || (0..count).map(|step| (chosen + step) % count);
    // Where all are avoided, avoiding is no help.
    around().find(usable).or_else(|| around().find(|at| Some(*at) != not)).unwrap_or(chosen)
}

fn two_choices(upstream: &UpstreamState) -> usize {
    let weights = upstream.weights.max(1);
    let first = at_weight(upstream, fastrand::u64(0..weights));
    let mut second = at_weight(upstream, fastrand::u64(0..weights));
    if second == first {
        second = (first + 1 + fastrand::usize(0..upstream.endpoints.len() - 1)) % upstream.endpoints.len();
    }
    match (upstream.endpoints.get(first), upstream.endpoints.get(second)) {
        (Some(a), Some(b)) if load(b) < load(a) => second,
        _ => first,
    }
}

/// Requests in flight per unit of weight, scaled so that it can be compared as an integer.
fn load(endpoint: &EndpointState) -> u64 {
    let in_flight = u64::from(endpoint.in_flight.load(Ordering::Relaxed));
    (in_flight << 20) / u64::from(endpoint.endpoint.weight.max(1))
}

/// The endpoint that owns place `at` when each has as many places as its weight.
fn at_weight(upstream: &UpstreamState, mut at: u64) -> usize {
    for (index, endpoint) in upstream.endpoints.iter().enumerate() {
        let weight = u64::from(endpoint.endpoint.weight);
        if at < weight {
            return index;
        }
        at -= weight;
    }
    0
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use strangler_core::snapshot::Balance;

    use super::choose;
    use crate::forward::tests::snapshot;
    use crate::upstream::UpstreamState;

    fn upstream(weights: &[u32]) -> UpstreamState {
        let origins: Vec<String> =
            (1..=weights.len()).map(|port| format!("http://127.0.0.1:{port}")).collect();
        let origins: Vec<&str> = origins.iter().map(String::as_str).collect();
        let snapshot = snapshot(&origins);
        let mut upstream = (**snapshot.upstream(snapshot.legacy)).clone();
        for (endpoint, weight) in upstream.endpoints.iter_mut().zip(weights) {
            endpoint.weight = *weight;
        }
        UpstreamState::new(&upstream, None)
    }

    fn share(upstream: &UpstreamState, balance: Balance, index: usize) -> f64 {
        let hits: u32 = (0..3000).map(|_| u32::from(choose(upstream, balance, None) == index)).sum();
        f64::from(hits) / 3000.0
    }

    #[test]
    fn round_robin_respects_weights() {
        let upstream = upstream(&[1, 2]);
        assert!((share(&upstream, Balance::RoundRobin, 1) - 2.0 / 3.0).abs() < 0.001);
    }

    #[test]
    fn least_requests_avoids_the_busy_endpoint() {
        let upstream = upstream(&[1, 1]);
        upstream.endpoints[0].in_flight.store(10, Ordering::Relaxed);
        assert!(share(&upstream, Balance::LeastRequests, 1) > 0.999);
    }

    #[test]
    fn an_endpoint_where_nobody_answered_is_avoided_while_there_is_another() {
        let upstream = upstream(&[1, 1, 1]);
        upstream.endpoints[0].avoid();
        assert!((0..100).all(|_| choose(&upstream, Balance::LeastRequests, None) != 0));
        upstream.endpoints[1].avoid();
        upstream.endpoints[2].avoid();
        assert!(share(&upstream, Balance::RoundRobin, 0) > 0.3);
    }

    #[test]
    fn a_failed_endpoint_is_not_chosen_again_while_there_is_another() {
        let upstream = upstream(&[1, 100]);
        for _ in 0..100 {
            assert_eq!(choose(&upstream, Balance::LeastRequests, Some(1)), 0);
        }
    }
}
