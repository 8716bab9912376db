//! How a seed becomes a sequence. Refuses everything else: what chance has decided stands in the script.

use fastrand::Rng;
use strangler_core::words::{Phase, Sync, Writer};

use crate::file::{CopiedWrites, ENDPOINTS, FallbackModel, FileModel, Kind, SLICES, SliceModel, Spoilt};
use crate::script::{Ask, By, CLIENTS, CrashAt, Edit, KEYED, Mood, Op, Script, Step};

/// The sequence of a seed.
pub(crate) fn script(seed: u64) -> Script {
    let mut rng = Rng::with_seed(seed);
    let mut first = FileModel::new();
    for name in 0..SLICES.len() {
        Edit::Add(sound_slice(&mut rng, name)).apply(&mut first);
        first.breakers[name] = rng.u8(..4) > 0;
        first.checks[name] = rng.u8(..3) == 0;
    }
    let mut steps = Vec::new();
    let mut at = 0;
    // What clients do most of now: a sequence has a theme for a while.
    let mut theme = (rng.usize(..SLICES.len()), rng.u8(..CLIENTS));
    for _ in 0..rng.usize(40..110) {
        at += match rng.u8(..20) {
            0 => rng.u64(1_000..4_000),
            1..=4 => rng.u64(100..600),
            _ => rng.u64(0..40),
        };
        if rng.u8(..12) == 0 {
            theme = (rng.usize(..SLICES.len()), rng.u8(..CLIENTS));
        }
        if rng.u8(..40) == 0 {
            crowd(&mut rng, theme.0, &mut at, &mut steps);
        } else if rng.u8(..100) < 68 {
            steps.push(Step { at, op: Op::Ask(ask(&mut rng, theme)) });
        } else if rng.u8(..40) == 0 {
            // Taken out by mistake, and put back.
            for edit in [Edit::Remove(theme.0), Edit::PutBack(theme.0)] {
                steps.push(Step { at, op: Op::Edit { edit, allow: true, revert: true } });
                at += rng.u64(1..400);
            }
        } else {
            steps.push(Step { at, op: other(&mut rng, theme.0) });
        }
    }
    Script { first, steps }
}

/// Many clients read of one slice while one of its sides fails: what guardrails are there for.
fn crowd(rng: &mut Rng, slice: usize, at: &mut u64, steps: &mut Vec<Step>) {
    let service = if rng.u8(..4) == 0 { 0 } else { slice + 1 };
    let moods = [
        Mood::Refuses,
        Mood::Answers(500),
        Mood::Answers(503),
        Mood::ClosesDone,
        Mood::Garbage,
        Mood::BreaksOff,
    ];
    let mood = moods[rng.usize(..moods.len())];
    for endpoint in 0..ENDPOINTS[service] {
        steps.push(Step { at: *at, op: Op::Fault { service, endpoint, mood, of: 100 } });
    }
    for _ in 0..rng.usize(20..70) {
        *at += rng.u64(0..50);
        let ask = Ask { client: rng.u8(..KEYED), slice, kind: Kind::Read, seed: rng.u64(..), leaves: None };
        steps.push(Step { at: *at, op: Op::Ask(ask) });
    }
    *at += rng.u64(0..2_500);
    if rng.bool() {
        steps.push(Step { at: *at, op: Op::Mend { service } });
    }
}

fn ask(rng: &mut Rng, (slice, client): (usize, u8)) -> Ask {
    let kind = match rng.u8(..100) {
        0..=49 => Kind::Read,
        50..=74 => Kind::Write,
        _ => Kind::ALL[rng.usize(..Kind::ALL.len())],
    };
    Ask {
        client: if rng.bool() { client } else { rng.u8(..CLIENTS) },
        slice: if rng.u8(..4) > 0 { slice } else { rng.usize(..SLICES.len()) },
        kind,
        seed: rng.u64(..),
        leaves: (rng.u8(..25) == 0).then(|| rng.u64(0..900)),
    }
}

fn other(rng: &mut Rng, theme: usize) -> Op {
    let slice = if rng.u8(..4) > 0 { theme } else { rng.usize(..SLICES.len()) };
    match rng.u8(..100) {
        0..=27 => fault(rng, slice + 1),
        28..=31 => fault(rng, 0),
        32..=41 => Op::Mend { service: if rng.u8(..4) == 0 { 0 } else { slice + 1 } },
        42..=69 => {
            let edit = edit(rng, slice);
            Op::Edit { edit, allow: rng.u8(..10) == 0, revert: rng.u8(..10) < 7 }
        }
        70..=82 => Op::Retreat {
            slice: (rng.u8(..8) > 0).then_some(slice),
            to: rng.bool().then(|| phase(rng)),
            accept: rng.u8(..5) == 0,
            by: if rng.u8(..4) == 0 { By::Guardrail } else { By::Person },
            crash: crash_at(rng),
        },
        83..=88 => Op::Resume { slice, crash: crash_at(rng) },
        89..=92 => Op::Crash { down_ms: rng.u64(1..1_500) },
        93 => Op::Damage { at: rng.u16(..) },
        94..=95 => Op::Disk { full: rng.bool() },
        _ => {
            let behind_ms = (rng.u8(..3) > 0).then(|| rng.u64(..10_000));
            Op::Lag { slice, behind_ms }
        }
    }
}

fn fault(rng: &mut Rng, service: usize) -> Op {
    let endpoint = rng.usize(..ENDPOINTS[service]);
    let mood = match rng.u8(..14) {
        0 => Mood::Refuses,
        1 => Mood::Swallows,
        2 => Mood::Hangs,
        3 | 4 => Mood::Slow(rng.u16(100..2_500)),
        5 => Mood::Answers([500, 502, 503, 504, 404, 501][rng.usize(..6)]),
        6 => Mood::Answers(503),
        7 => Mood::ClosesUnread,
        8 | 9 => Mood::ClosesDone,
        10 => Mood::BreaksOff,
        11 => Mood::Garbage,
        12 => return Op::Kill { service, endpoint },
        _ => return Op::CloseIdle { service, endpoint },
    };
    Op::Fault { service, endpoint, mood, of: if rng.bool() { 100 } else { rng.u8(10..90) } }
}

fn crash_at(rng: &mut Rng) -> CrashAt {
    match rng.u8(..12) {
        0 => CrashAt::Between,
        1 => CrashAt::BeforeReply,
        _ => CrashAt::Never,
    }
}

fn phase(rng: &mut Rng) -> Phase {
    Phase::ALL[rng.usize(..Phase::ALL.len())]
}

fn share(rng: &mut Rng) -> u16 {
    [100, 500, 2_500, 5_000, 10_000, 0][rng.usize(..6)]
}

fn sync(rng: &mut Rng) -> Option<Sync> {
    (rng.u8(..6) > 0).then(|| Sync::ALL[rng.usize(..Sync::ALL.len())])
}

fn writer(rng: &mut Rng) -> Writer {
    [Writer::Legacy, Writer::Legacy, Writer::Extracted, Writer::Extracted, Writer::ByCohort][rng.usize(..5)]
}

fn edit(rng: &mut Rng, slice: usize) -> Edit {
    match rng.u8(..40) {
        0..=11 => Edit::Phase(slice, phase(rng)),
        12..=16 => Edit::Share(slice, (rng.u8(..8) > 0).then(|| share(rng))),
        17..=19 => Edit::Writer(slice, writer(rng)),
        20 => Edit::Unstate(slice),
        21..=22 => Edit::Sync(slice, sync(rng)),
        23 => Edit::Lag(slice, rng.bool()),
        24 => Edit::OwnWrites(slice, rng.bool()),
        25 => Edit::Fallback(slice, fallback(rng)),
        26 => Edit::Copied(slice, if rng.bool() { CopiedWrites::Never } else { CopiedWrites::Isolated }),
        27 => Edit::Report(slice, rng.bool().then(|| phase(rng))),
        28 => Edit::Except(slice, rng.bool()),
        29 => Edit::Cohort(slice, rng.bool()),
        30 => Edit::Listed(slice, rng.bool().then(|| (rng.bool(), rng.u8(..KEYED)))),
        31 => Edit::RetreatTo(slice, [Phase::Legacy, Phase::Shadow][rng.usize(..2)]),
        32 => Edit::Remove(slice),
        33..=34 => Edit::PutBack(slice),
        35 => Edit::Add(sound_slice(rng, slice)),
        36 => Edit::Breaker(slice, rng.bool()),
        37 if rng.bool() => Edit::Checks(slice, rng.bool()),
        37 => Edit::Guarded(slice, rng.bool()),
        38 => Edit::Spoil([Spoilt::Cut, Spoilt::Key, Spoilt::Value][rng.usize(..3)]),
        _ => Edit::Empty,
    }
}

fn fallback(rng: &mut Rng) -> FallbackModel {
    [FallbackModel::Auto, FallbackModel::Auto, FallbackModel::Never, FallbackModel::List][rng.usize(..4)]
}

/// A slice that a file may hold.
fn sound_slice(rng: &mut Rng, name: usize) -> SliceModel {
    loop {
        let writer = writer(rng);
        let slice = SliceModel {
            phase: phase(rng),
            share: Some(share(rng)),
            writer,
            writer_stated: writer != Writer::Legacy || rng.bool(),
            sync: sync(rng),
            lag: rng.u8(..5) == 0,
            own_writes: rng.u8(..3) == 0,
            fallback: fallback(rng),
            copied: if rng.u8(..5) == 0 { CopiedWrites::Isolated } else { CopiedWrites::Never },
            report: (rng.u8(..4) == 0).then(|| phase(rng)),
            except: rng.u8(..4) == 0,
            cohort: rng.u8(..5) == 0,
            listed: (rng.u8(..5) == 0).then(|| (rng.bool(), rng.u8(..KEYED))),
            retreat_to: [Phase::Shadow, Phase::Shadow, Phase::Legacy][rng.usize(..3)],
            guarded: rng.u8(..8) > 0,
            ..SliceModel::new(name)
        };
        if is_sound(&slice) {
            return slice;
        }
    }
}

fn is_sound(slice: &SliceModel) -> bool {
    use strangler_core::words::Owner::{Extracted, Legacy};
    let answered = |phase: Phase| match phase {
        Phase::Legacy | Phase::Shadow => slice.reaches(Legacy),
        Phase::Canary => slice.reaches(Legacy) && slice.reaches(Extracted),
        Phase::Extracted => slice.reaches(Extracted),
        Phase::Retired => slice.writer == Writer::Extracted,
    };
    let synced = slice.writer != Writer::ByCohort || matches!(slice.sync, Some(Sync::Both | Sync::Shared));
    let copied = slice.copied == CopiedWrites::Never || slice.writer == Writer::Legacy;
    synced && copied && [slice.phase, slice.report.unwrap_or(slice.phase)].into_iter().all(answered)
}
