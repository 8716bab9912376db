//! Choosing an endpoint.

use std::sync::atomic::{AtomicUsize, Ordering};

use strangler_core::snapshot::Balance;
use strangler_core::upstreams::State;

use super::{EndpointState, Members};

/// The endpoint for a request: a place in `members.all`, other than `not` where there is another. `None` where
/// nobody is to be asked.
///
/// Least-requests is the power of two choices on requests in flight over all threads, weights respected. Those
/// where nobody answered a moment ago are avoided; an ejected one is asked only where nobody else is left to try.
pub(crate) fn choose(
    members: &Members,
    balance: Balance,
    turn: &AtomicUsize,
    not: Option<usize>,
) -> Option<usize> {
    let usable = members.usable();
    let chosen = match usable {
        [] => return None,
        [only] => *only,
        _ => *usable.get(draw(members, balance, turn))?,
    };
    let fits = |at: usize| Some(at) != not && members.get(at).is_some_and(|endpoint| !endpoint.is_avoided());
    if fits(chosen) {
        return Some(chosen);
    }
    Some(instead(members, chosen, not, fits))
}

fn draw(members: &Members, balance: Balance, turn: &AtomicUsize) -> usize {
    match balance {
        Balance::RoundRobin => {
            let turn = u64::try_from(turn.fetch_add(1, Ordering::Relaxed)).unwrap_or_default();
            members.at_weight(turn % members.weights().max(1))
        }
        Balance::LeastRequests => two_choices(members),
    }
}

/// Somebody else than `chosen`, each of the others alike. Where all are avoided, avoiding is no help.
fn instead(members: &Members, chosen: usize, not: Option<usize>, fits: impl Fn(usize) -> bool) -> usize {
    let usable = members.usable();
    let from = fastrand::usize(0..usable.len().max(1));
    let around = || usable.iter().cycle().skip(from).take(usable.len()).copied();
    let ejected = || {
        (0..members.all.len())
            .filter(|at| members.all.get(*at).is_some_and(|member| member.state == State::Ejected))
    };
    around()
        .find(|at| fits(*at))
        .or_else(|| ejected().find(|at| fits(*at)))
        .or_else(|| around().find(|at| Some(*at) != not))
        .or_else(|| ejected().find(|at| Some(*at) != not))
        .unwrap_or(chosen)
}

fn two_choices(members: &Members) -> usize {
    let usable = members.usable();
    let weights = members.weights().max(1);
    let first = members.at_weight(fastrand::u64(0..weights));
    let mut second = members.at_weight(fastrand::u64(0..weights));
    if second == first {
        second = (first + 1 + fastrand::usize(0..usable.len() - 1)) % usable.len();
    }
    let member = |index: usize| usable.get(index).and_then(|at| members.all.get(*at));
    match (member(first), member(second)) {
        (Some(a), Some(b)) if load(&b.endpoint, b.weight) < load(&a.endpoint, a.weight) => second,
        _ => first,
    }
}

/// Requests in flight per unit of weight, scaled so that it can be compared as an integer.
fn load(endpoint: &EndpointState, weight: u32) -> u64 {
    let in_flight = u64::from(endpoint.in_flight.load(Ordering::Relaxed));
    (in_flight << 20) / u64::from(weight.max(1))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use strangler_core::snapshot::Balance;

    use super::{Members, choose};
    use crate::forward::tests::compiled;
    use crate::upstream::UpstreamState;

    fn upstream(weights: &[u32]) -> UpstreamState {
        let endpoint =
            |(at, weight)| format!("{{ url = \"http://127.0.0.1:{}\", weight = {weight} }}", at + 1);
        let endpoints: Vec<String> = weights.iter().enumerate().map(endpoint).collect();
        let text = format!("[upstreams.monolith]\nendpoints = [{}]\n", endpoints.join(", "));
        let snapshot = compiled(&format!("version = 1\nlegacy = \"monolith\"\n{text}"));
        UpstreamState::new(snapshot.upstream(snapshot.legacy), None)
    }

    fn share(members: &Members, balance: Balance, index: usize) -> f64 {
        let turn = AtomicUsize::new(0);
        let hits: u32 =
            (0..3000).map(|_| u32::from(choose(members, balance, &turn, None) == Some(index))).sum();
        f64::from(hits) / 3000.0
    }

    fn chosen(members: &Members, not: Option<usize>) -> usize {
        choose(members, Balance::LeastRequests, &AtomicUsize::new(0), not).unwrap()
    }

    #[test]
    fn round_robin_respects_weights() {
        let members = upstream(&[1, 2, 4]).members();
        for (index, weight) in [(0, 1.0), (1, 2.0), (2, 4.0)] {
            assert!((share(&members, Balance::RoundRobin, index) - weight / 7.0).abs() < 0.001);
        }
    }

    #[test]
    fn least_requests_respects_weights_and_avoids_the_busy_endpoint() {
        let members = upstream(&[1, 3]).members();
        // Of two, both are always compared: at rest, the first that was drawn wins.
        assert!((share(&members, Balance::LeastRequests, 1) - 0.75).abs() < 0.05);
        let members = upstream(&[1, 1]).members();
        members.all[0].endpoint.in_flight.store(10, Ordering::Relaxed);
        assert!(share(&members, Balance::LeastRequests, 1) > 0.999);
    }

    #[test]
    fn an_endpoint_where_nobody_answered_is_avoided_while_there_is_another() {
        let members = upstream(&[1, 1, 1]).members();
        let now = Instant::now();
        members.all[0].endpoint.avoid(now);
        assert!((0..100).all(|_| chosen(&members, None) != 0));
        assert!((share(&members, Balance::LeastRequests, 1) - 0.5).abs() < 0.1, "the others share alike");
        members.all[1].endpoint.avoid(now);
        members.all[2].endpoint.avoid(now);
        assert!(share(&members, Balance::RoundRobin, 0) > 0.3);
    }

    #[test]
    fn a_failed_endpoint_is_not_chosen_again_while_there_is_another() {
        let members = upstream(&[1, 100]).members();
        for _ in 0..100 {
            assert_eq!(chosen(&members, Some(1)), 0);
        }
    }

    #[test]
    fn an_ejected_endpoint_is_asked_only_where_nobody_else_is_left_to_try() {
        let upstream = upstream(&[1, 1]);
        upstream.failed(&upstream.members().all[0].endpoint, 5, || "status 503".to_owned(), Instant::now());
        let members = upstream.members();
        assert!((0..100).all(|_| chosen(&members, None) == 1));
        assert_eq!(chosen(&members, Some(1)), 0);
        members.all[1].endpoint.avoid(Instant::now());
        assert_eq!(chosen(&members, None), 0);
    }
}
