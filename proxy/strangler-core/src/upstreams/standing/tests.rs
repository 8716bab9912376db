//! What ejection and checks promise, whatever happens.

use std::time::Duration;

use proptest::prelude::*;

use super::{FAILURES, FIRST, LONGEST, Standings, State};
use crate::snapshot::HealthCheck;

fn settings() -> HealthCheck {
    HealthCheck {
        path: "/health".to_owned(),
        interval: Duration::from_secs(2),
        timeout: Duration::from_secs(1),
        healthy: 2,
        unhealthy: 3,
    }
}

fn of(count: u64) -> Standings {
    let mut standings = Standings::default();
    standings.keep(&(0..count).collect::<Vec<_>>());
    standings
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn check_limit(endpoints: u64, ejected: usize) {
    let mut standings = of(endpoints);
    for endpoint in 0..endpoints {
        standings.failed(endpoint, FAILURES, "status 503", seconds(1));
    }
    assert_eq!(standings.count(State::Ejected), ejected, "of {endpoints}");
}

#[test]
fn at_most_half_are_ejected_and_never_the_last() {
    for (endpoints, ejected) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (10, 5)] {
        check_limit(endpoints, ejected);
    }
}

#[test]
fn fewer_failures_eject_nobody() {
    let mut standings = of(3);
    assert_eq!(standings.failed(1, FAILURES - 1, "", seconds(1)), None);
    assert_eq!(standings.state(1), State::Available);
}

#[test]
fn each_ejection_is_longer_up_to_a_bound_and_a_good_minute_forgives() {
    let mut standings = of(3);
    let mut now = seconds(100);
    let mut lasted = Vec::new();
    for _ in 0..6 {
        let change = standings.failed(1, FAILURES, "status 500", now).unwrap();
        lasted.push(change.lasts.unwrap().as_secs());
        now += change.lasts.unwrap();
        assert_eq!(standings.next_return(), Some(now));
        assert_eq!(standings.settle(now).len(), 1);
    }
    assert_eq!(lasted, [1, 2, 4, 8, LONGEST.as_secs(), LONGEST.as_secs()]);
    now += seconds(60);
    assert_eq!(standings.failed(1, FAILURES, "", now).unwrap().lasts, Some(FIRST));
}

#[test]
fn an_answer_brings_an_ejected_endpoint_back_at_once() {
    let mut standings = of(2);
    standings.failed(0, FAILURES, "connection refused", seconds(1)).unwrap();
    assert_eq!(standings.answered(0, seconds(1)).unwrap().state, State::Available);
    assert_eq!(standings.answered(1, seconds(1)), None);
}

#[test]
fn checks_turn_an_endpoint_only_in_a_row() {
    let mut standings = of(2);
    let bad = Err("status 500");
    for outcome in [bad, bad, Ok(()), bad, bad] {
        assert!(standings.checked(0, outcome, &settings()).is_empty());
    }
    let changes = standings.checked(0, bad, &settings());
    assert_eq!((changes[0].state, &*changes[0].why), (State::Unhealthy, "status 500"));
    for outcome in [Ok(()), bad, Ok(())] {
        assert!(standings.checked(0, outcome, &settings()).is_empty());
    }
    assert_eq!(standings.checked(0, Ok(()), &settings())[0].state, State::Available);
}

#[test]
fn where_nobody_checks_any_more_all_are_taken_to_be_well() {
    let mut standings = of(1);
    for _ in 0..3 {
        standings.checked(0, Err("status 500"), &settings());
    }
    assert_eq!(standings.state(0), State::Unhealthy);
    assert_eq!(standings.unchecked().len(), 1);
    assert_eq!(standings.state(0), State::Available);
}

#[test]
fn an_ejected_endpoint_returns_where_the_others_become_unhealthy_or_go_away() {
    let mut standings = of(2);
    standings.failed(0, FAILURES, "", seconds(1)).unwrap();
    for _ in 0..3 {
        standings.checked(1, Err("status 500"), &settings());
    }
    assert_eq!((standings.state(0), standings.state(1)), (State::Available, State::Unhealthy));

    let mut standings = of(2);
    standings.failed(0, FAILURES, "", seconds(1)).unwrap();
    standings.keep(&[0]);
    assert_eq!(standings.state(0), State::Available);
}

#[test]
fn one_that_is_left_alone_is_not_ejected_though_it_is_unhealthy_as_well() {
    let mut standings = of(2);
    for _ in 0..3 {
        standings.checked(0, Err("status 500"), &settings());
    }
    standings.failed(0, FAILURES, "", seconds(1));
    standings.keep(&[0]);
    assert_eq!(standings.state(0), State::Unhealthy);
    // Nobody checks any more: there is nobody else to ask.
    standings.unchecked();
    assert_eq!(standings.state(0), State::Available);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Failed(u64, u32),
    Answered(u64),
    Checked(u64, bool),
    Keep(u64, u64),
    Unchecked,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u64..8, 1_u32..8).prop_map(|(which, in_a_row)| Step::Failed(which, in_a_row)),
        1 => (0_u64..8).prop_map(Step::Answered),
        5 => (0_u64..8, any::<bool>()).prop_map(|(which, good)| Step::Checked(which, good)),
        1 => (0_u64..4, 1_u64..8).prop_map(|(first, count)| Step::Keep(first, count)),
        1 => Just(Step::Unchecked),
        2 => (0_u64..5000).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_somebody_who_is_well_is_asked(
        count in 1_u64..8,
        steps in proptest::collection::vec(step(), 1..300),
    ) {
        let mut standings = of(count);
        let mut now = Duration::ZERO;
        for step in steps {
            match step {
                Step::Failed(which, in_a_row) => drop(standings.failed(which, in_a_row, "", now)),
                Step::Answered(which) => drop(standings.answered(which, now)),
                Step::Checked(which, good) => {
                    let outcome = if good { Ok(()) } else { Err("") };
                    drop(standings.checked(which, outcome, &settings()));
                }
                Step::Keep(first, count) => drop(standings.keep(&(first..first + count).collect::<Vec<_>>())),
                Step::Unchecked => drop(standings.unchecked()),
                Step::Pass(millis) => {
                    now += Duration::from_millis(millis);
                    drop(standings.settle(now));
                    prop_assert!(standings.next_return().is_none_or(|at| at > now));
                }
            }
            let all = standings.of.len();
            let ejected = standings.of.values().filter(|standing| standing.ejected.is_some()).count();
            let well = all - standings.count(State::Unhealthy);
            prop_assert!(ejected <= all / 2, "{ejected} of {all} are ejected");
            prop_assert!(well == 0 || standings.count(State::Available) > 0, "nobody is asked");
        }
        // Everybody returns by itself.
        drop(standings.settle(now + LONGEST));
        prop_assert_eq!(standings.count(State::Ejected), 0);
    }
}
