//! The machine: armed where extracted answers, calls once it is certain, begins anew, alarms once in an episode.

use super::super::verdict::Measure;
use super::super::{FailureKind, latency};
use super::*;
use crate::snapshot::policy::Guardrails;
use crate::words::{Share, SliceId};

const WINDOW: Duration = Duration::from_secs(300);

fn watch(highest: Phase) -> Watch {
    let guardrails = Guardrails {
        window: WINDOW,
        min_requests: 200,
        error_rate_above_legacy: Some(50),
        error_rate_max: Share::from_basis_points(200),
        latency_p95_above_legacy: Some(2_000),
        retreat_to: Phase::Shadow,
    };
    Watch { slice: SliceId(0), guardrails, highest, scope: 1 }
}

/// Both sides' counters, and a clock that goes on a second with every look.
struct World {
    watch: Watch,
    watcher: Watcher,
    counters: [Counts; 2],
    now: Duration,
}

impl World {
    fn new(watch: Watch) -> World {
        let counts = || Counts { latency: vec![0; latency::BUCKETS], ..Counts::default() };
        let watcher = Watcher::new(&watch, Duration::ZERO);
        let mut world = World { watch, watcher, counters: [counts(), counts()], now: Duration::ZERO };
        world.look(None);
        world
    }

    /// Reads of one side: so many, so many of them failed, the others this slow.
    fn reads(&mut self, side: usize, reads: u64, bad: u64, millis: u64) {
        let counts = &mut self.counters[side];
        counts.reads += reads;
        counts.failed[FailureKind::Transport as usize] += bad;
        counts.latency[latency::bucket(Duration::from_millis(millis))] += reads - bad;
    }

    fn look(&mut self, latched: Option<Phase>) -> Call {
        self.now += Duration::from_secs(1);
        self.watcher.look(&self.watch, latched, self.now, self.counters.clone())
    }

    fn standing(&self) -> Standing {
        self.watcher.standing(&self.watch, self.now)
    }
}

#[track_caller]
fn retreats(call: Call, to: Phase, measure: Measure) -> Breach {
    let Call::Retreat { to: where_to, breach } = call else { panic!("{call:?}") };
    assert_eq!((where_to, breach.measure), (to, measure));
    assert!(breach.bound >= breach.limit, "{breach:?}");
    breach
}

#[test]
fn fewer_reads_than_demanded_hold() {
    let mut world = World::new(watch(Phase::Canary));
    world.reads(0, 1_000, 0, 5);
    world.reads(1, 199, 199, 5);
    assert_eq!(world.look(None), Call::Nothing);
    assert_eq!(world.standing().verdict, Verdict::Hold);
    world.reads(1, 1, 1, 5);
    let breach = retreats(world.look(None), Phase::Shadow, Measure::ErrorsAboveLegacy);
    assert_eq!((breach.seen.extracted.bad, breach.seen.legacy.bad), (200, 0));
    let text = breach.to_string();
    assert!(
        text.starts_with("200 of 200 (100.00 %) of the extracted service's reads failed, 0 of 1000"),
        "{text}"
    );
}

#[test]
fn what_breaks_both_sides_is_no_reason_to_change_them() {
    let mut world = World::new(watch(Phase::Canary));
    world.reads(0, 1_000, 300, 5);
    world.reads(1, 1_000, 320, 5);
    assert_eq!(world.look(None), Call::Nothing);
    assert_eq!(world.standing().verdict, Verdict::Within);
}

#[test]
fn where_legacy_answers_too_few_the_absolute_limit_counts() {
    let check = |legacy, bad, wanted| {
        let mut world = World::new(watch(Phase::Extracted));
        world.reads(0, legacy, 0, 5);
        world.reads(1, 1_000, bad, 5);
        let call = world.look(None);
        match wanted {
            None => assert_eq!(call, Call::Nothing, "{bad} beside {legacy}"),
            Some(measure) => drop(retreats(call, Phase::Shadow, measure)),
        }
    };
    check(0, 15, None);
    check(0, 80, Some(Measure::Errors));
    check(199, 80, Some(Measure::Errors));
    check(5_000, 80, Some(Measure::ErrorsAboveLegacy));
    // Above legacy's by more than allowed, though below the absolute limit.
    check(100_000, 19, None);
    let mut only_relative = watch(Phase::Extracted);
    only_relative.guardrails.error_rate_max = None;
    let mut world = World::new(only_relative);
    world.reads(1, 1_000, 1_000, 5);
    assert_eq!(world.look(None), Call::Nothing, "there is nothing to compare with");
    assert_eq!(world.standing().verdict, Verdict::Hold);
}

#[test]
fn a_slow_service_retreats_and_half_a_millisecond_is_no_loss() {
    let mut world = World::new(watch(Phase::Canary));
    world.reads(0, 1_000, 0, 20);
    world.reads(1, 1_000, 0, 80);
    let breach = retreats(world.look(None), Phase::Shadow, Measure::LatencyAboveLegacy);
    assert!(breach.bound > 2.0 && breach.bound < 3.1, "{}", breach.bound);
    let mut world = World::new(watch(Phase::Canary));
    world.reads(0, 10_000, 0, 0);
    world.counters[1].reads += 10_000;
    world.counters[1].latency[latency::bucket(Duration::from_micros(800))] += 10_000;
    assert_eq!(world.look(None), Call::Nothing);
}

#[test]
fn it_is_armed_wherever_extracted_answers_and_nowhere_else() {
    use Phase::{Canary, Extracted, Legacy, Retired, Shadow};
    let check = |highest, latched, armed| {
        let mut world = World::new(watch(highest));
        world.look(latched);
        world.reads(1, 1_000, 1_000, 5);
        let call = world.look(latched);
        assert_eq!(matches!(call, Call::Retreat { .. }), armed, "{highest} {latched:?}");
        assert_eq!(world.standing().armed, armed);
    };
    for (highest, latched, armed) in [
        (Legacy, None, false),
        (Shadow, None, false),
        (Canary, None, true),
        (Extracted, None, true),
        (Retired, None, true),
        (Extracted, Some(Shadow), false),
        (Extracted, Some(Canary), true),
        (Retired, Some(Extracted), true),
    ] {
        check(highest, latched, armed);
    }
}

#[test]
fn one_that_breaks_its_limits_where_it_retreats_to_goes_on_down() {
    let mut of = watch(Phase::Extracted);
    of.guardrails.retreat_to = Phase::Canary;
    let mut world = World::new(of);
    world.reads(1, 1_000, 1_000, 5);
    retreats(world.look(None), Phase::Canary, Measure::Errors);
    world.look(Some(Phase::Canary));
    world.look(Some(Phase::Canary));
    world.reads(1, 1_000, 1_000, 5);
    retreats(world.look(Some(Phase::Canary)), Phase::Shadow, Measure::Errors);
}

#[test]
fn after_a_retreat_is_lifted_nothing_of_before_counts() {
    let mut world = World::new(watch(Phase::Canary));
    world.reads(1, 1_000, 1_000, 5);
    retreats(world.look(None), Phase::Shadow, Measure::Errors);
    assert_eq!(world.look(Some(Phase::Shadow)), Call::Nothing);
    // Requests that were in flight fail meanwhile.
    world.reads(1, 500, 500, 5);
    world.look(Some(Phase::Shadow));
    assert_eq!(world.look(None), Call::Nothing);
    assert_eq!(world.standing().seen.extracted.all, 0);
    // Lifted between two looks.
    world.reads(1, 1_000, 1_000, 5);
    world.watcher.restart(world.now);
    assert_eq!(world.look(None), Call::Nothing);
    world.reads(1, 1_000, 1_000, 5);
    retreats(world.look(None), Phase::Shadow, Measure::Errors);
}

#[test]
fn another_share_begins_anew() {
    let mut world = World::new(watch(Phase::Canary));
    world.reads(1, 1_000, 1_000, 5);
    world.watch.scope += 1;
    assert_eq!(world.look(None), Call::Nothing);
    assert_eq!(world.standing().seen.extracted.all, 0);
}

#[test]
fn a_retreat_that_cannot_be_is_news_once_in_an_episode() {
    let mut world = World::new(watch(Phase::Extracted));
    let mut news = 0;
    for second in 0..1_000 {
        // The service is down for a minute and for another, ten minutes later.
        let is_down = second < 60 || (660..720).contains(&second);
        world.reads(1, 100, if is_down { 100 } else { 0 }, 5);
        if let Call::Retreat { .. } = world.look(None) {
            news += usize::from(world.watcher.was_blocked(world.now));
            assert!(world.standing().blocked);
        }
    }
    assert_eq!(news, 2);
}

#[test]
fn a_rate_that_never_decides_is_said_after_a_whole_window() {
    let check = |per_second: u64, wanted: bool| {
        let mut world = World::new(watch(Phase::Canary));
        for second in 0..400 {
            world.reads(1, per_second, 0, 5);
            world.look(None);
            assert!(second >= 299 || !world.standing().starved, "too early: {second}");
        }
        assert_eq!(world.standing().starved, wanted, "{per_second}");
    };
    check(0, true);
    check(1, false);
}

#[test]
fn of_a_thousand_runs_without_a_difference_hardly_one_retreats() {
    let mut of = watch(Phase::Canary);
    of.guardrails.window = Duration::from_secs(20);
    of.guardrails.min_requests = 20;
    let mut rng = fastrand::Rng::with_seed(17);
    let mut retreated = 0;
    for run in 0..1_000 {
        let mut world = World::new(of);
        // Both sides fail now and then, in some runs often, and answer as fast as each other; the window slides on.
        let failing = [0.0, 0.01, 0.3][run % 3];
        for _ in 0..50 {
            for (side, reads) in [(0, 12), (1, 4)] {
                for _ in 0..reads {
                    let millis = if rng.f64() < 0.1 { rng.u64(10..500) } else { rng.u64(1..10) };
                    world.reads(side, 1, u64::from(rng.f64() < failing), millis);
                }
            }
            if world.look(None) != Call::Nothing {
                retreated += 1;
                break;
            }
        }
    }
    assert!(retreated <= 10, "{retreated} of 1,000");
}
