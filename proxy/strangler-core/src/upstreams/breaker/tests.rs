//! What a breaker promises, whatever happens.

use std::time::Duration;

use proptest::prelude::*;

use super::{Admission, Breaker, BreakerChange, BreakerPosition, Outcome, Settings};
use crate::upstreams::Window;
use crate::words::Share;

fn settings(min_requests: u32) -> Settings {
    Settings {
        error_rate: Share::from_basis_points(5000).unwrap(),
        min_requests,
        window: Duration::from_secs(10),
        open: Duration::from_secs(1),
    }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

struct Upstream {
    breaker: Breaker,
    window: Window,
}

impl Upstream {
    fn new(min_requests: u32) -> Upstream {
        let settings = settings(min_requests);
        Upstream { breaker: Breaker::new(settings), window: Window::new(settings.window) }
    }

    fn ask(&self, outcome: Outcome, now: Duration) -> Option<BreakerChange> {
        let admission = self.breaker.admit(now).unwrap();
        self.breaker.ended(admission, outcome, &self.window, now)
    }

    fn opened() -> Upstream {
        let upstream = Upstream::new(20);
        for _ in 0..20 {
            upstream.ask(Outcome::Bad, millis(0));
        }
        assert_eq!(upstream.breaker.position(), BreakerPosition::Open);
        upstream
    }
}

#[test]
fn it_opens_at_the_rate_and_says_why() {
    let upstream = Upstream::new(20);
    for _ in 0..10 {
        assert_eq!(upstream.ask(Outcome::Good, millis(5)), None);
    }
    let changes: Vec<_> = (0..10).filter_map(|_| upstream.ask(Outcome::Bad, millis(10))).collect();
    let [BreakerChange::Opened(counts)] = changes[..] else { panic!("{changes:?}") };
    assert_eq!((counts.requests, counts.failures), (20, 10));
    assert_eq!(upstream.breaker.admit(millis(300)), Err(millis(710)));
}

#[test]
fn one_probe_closes_it_and_what_was_before_is_forgotten() {
    let upstream = Upstream::opened();
    let probe = upstream.breaker.admit(millis(1000)).unwrap();
    assert!(probe.is_probe());
    assert_eq!(upstream.breaker.position(), BreakerPosition::HalfOpen);
    assert!(upstream.breaker.admit(millis(1001)).is_err());
    let change = upstream.breaker.ended(probe, Outcome::Good, &upstream.window, millis(1100));
    assert_eq!(change, Some(BreakerChange::Closed));
    assert_eq!(upstream.ask(Outcome::Bad, millis(1200)), None);
    assert_eq!(upstream.breaker.position(), BreakerPosition::Closed);
}

#[test]
fn a_probe_that_failed_opens_it_again_for_as_long() {
    let upstream = Upstream::opened();
    let probe = upstream.breaker.admit(millis(1500)).unwrap();
    let change = upstream.breaker.ended(probe, Outcome::Bad, &upstream.window, millis(1700));
    assert_eq!(change, Some(BreakerChange::StillOpen));
    assert!(upstream.breaker.admit(millis(2699)).is_err());
    assert!(upstream.breaker.admit(millis(2700)).is_ok());
}

#[test]
fn a_probe_whose_client_left_is_followed_by_another_at_once() {
    let upstream = Upstream::opened();
    let probe = upstream.breaker.admit(millis(1500)).unwrap();
    upstream.breaker.ended(probe, Outcome::Neither, &upstream.window, millis(1600));
    assert!(upstream.breaker.admit(millis(1600)).unwrap().is_probe());
}

#[test]
fn a_probe_that_hangs_does_not_keep_the_next_from_finding_the_upstream_well() {
    let upstream = Upstream::opened();
    let hanging = upstream.breaker.admit(millis(1000)).unwrap();
    let second = upstream.breaker.admit(millis(2000)).unwrap();
    upstream.breaker.ended(second, Outcome::Good, &upstream.window, millis(2010));
    let late = upstream.breaker.ended(hanging, Outcome::Bad, &upstream.window, millis(60_000));
    assert_eq!((late, upstream.breaker.position()), (None, BreakerPosition::Closed));
}

#[test]
fn requests_from_before_it_opened_count_for_nothing_afterwards() {
    let upstream = Upstream::new(20);
    let old: Vec<Admission> = (0..50).map(|_| upstream.breaker.admit(millis(0)).unwrap()).collect();
    for _ in 0..20 {
        upstream.ask(Outcome::Bad, millis(1));
    }
    upstream.ask(Outcome::Good, millis(1100));
    for admission in old {
        assert_eq!(upstream.breaker.ended(admission, Outcome::Bad, &upstream.window, millis(1200)), None);
    }
    assert_eq!(upstream.breaker.position(), BreakerPosition::Closed);
}

#[test]
fn answers_that_break_off_are_failures_of_requests_that_were_counted_already() {
    let upstream = Upstream::new(20);
    for _ in 0..20 {
        let admission = upstream.breaker.admit(millis(0)).unwrap();
        upstream.breaker.ended(admission, Outcome::Good, &upstream.window, millis(0));
        upstream.breaker.failed(admission, &upstream.window, millis(0));
    }
    assert_eq!(upstream.breaker.position(), BreakerPosition::Open);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Ask,
    End(usize, Outcome),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        2 => Just(Outcome::Good),
        3 => Just(Outcome::Bad),
        1 => Just(Outcome::Neither),
    ];
    prop_oneof![
        5 => Just(Step::Ask),
        4 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Step::End(which, outcome)),
        1 => (0_u64..2500).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_it_opens_with_reason_and_probes_one_at_a_time(
        min_requests in 1_u32..30,
        steps in proptest::collection::vec(step(), 1..400),
    ) {
        let upstream = Upstream::new(min_requests);
        let (mut now, mut under_way, mut probed) = (0, Vec::<Admission>::new(), None);
        for step in steps {
            match step {
                Step::Pass(more) => now += more,
                Step::Ask => {
                    let before = upstream.breaker.position();
                    match upstream.breaker.admit(millis(now)) {
                        Ok(admission) => {
                            prop_assert_eq!(admission.is_probe(), before != BreakerPosition::Closed);
                            if admission.is_probe() && before == BreakerPosition::HalfOpen {
                                prop_assert!(probed.is_none_or(|at| now >= at + 1000), "two probes within `open`");
                            }
                            if admission.is_probe() {
                                probed = Some(now);
                            }
                            under_way.push(admission);
                        }
                        Err(wait) => {
                            prop_assert_ne!(before, BreakerPosition::Closed);
                            prop_assert!(wait > Duration::ZERO && wait <= millis(1000));
                        }
                    }
                }
                Step::End(_, _) if under_way.is_empty() => {}
                Step::End(which, outcome) => {
                    let admission = under_way.swap_remove(which % under_way.len());
                    let change = upstream.breaker.ended(admission, outcome, &upstream.window, millis(now));
                    match change {
                        Some(BreakerChange::Opened(counts)) => {
                            prop_assert_eq!(outcome, Outcome::Bad);
                            prop_assert!(counts.requests >= u64::from(min_requests));
                            prop_assert!(counts.failures * 2 >= counts.requests);
                        }
                        Some(BreakerChange::StillOpen) => prop_assert_eq!(outcome, Outcome::Bad),
                        Some(BreakerChange::Closed) => {
                            prop_assert!(admission.is_probe());
                            prop_assert_eq!(outcome, Outcome::Good);
                        }
                        None => {}
                    }
                }
            }
        }
        // It recovers: within `open` the next request is a probe, and an answer to it closes the breaker.
        now += 1000;
        upstream.ask(Outcome::Good, millis(now));
        prop_assert_eq!(upstream.breaker.position(), BreakerPosition::Closed);
    }

    #[test]
    fn it_never_opens_below_its_rate(outcomes in proptest::collection::vec(any::<bool>(), 1..200)) {
        let upstream = Upstream::new(5);
        let (mut requests, mut failures) = (0, 0);
        for good in outcomes {
            requests += 1;
            failures += u32::from(!good);
            let change = upstream.ask(if good { Outcome::Good } else { Outcome::Bad }, millis(0));
            prop_assert_eq!(change.is_some(), !good && requests >= 5 && failures * 2 >= requests);
            if change.is_some() {
                break;
            }
        }
    }
}
