//! One sequence: who does what, and when. Everything that chance decides is in it.
//!
//! Owns the steps. Refuses to draw them ([`crate::chance`]) and to carry them out. Invariant: no step depends on another one
//! being there, so that a sequence that fails can be made shorter by leaving steps out.

use strangler_core::words::{Phase, Sync, Writer};

use crate::file::{CopiedWrites, FallbackModel, FileModel, Kind, SliceModel, Spoilt};

/// Clients with a key of their own; those above have none.
pub(crate) const KEYED: u8 = 6;
pub(crate) const CLIENTS: u8 = 8;

/// A sequence.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// The file that the process is first started with.
    pub(crate) first: FileModel,
    pub(crate) steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// In milliseconds since the beginning.
    pub(crate) at: u64,
    pub(crate) op: Op,
}

/// What happens.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Ask(Ask),
    /// An endpoint of a service (0 is legacy) begins to treat so many of a hundred requests like this.
    Fault {
        service: usize,
        endpoint: usize,
        mood: Mood,
        of: u8,
    },
    /// Its process is killed: what it was doing is cut.
    Kill {
        service: usize,
        endpoint: usize,
    },
    /// It closes its idle connections.
    CloseIdle {
        service: usize,
        endpoint: usize,
    },
    /// A service is well again, all of it.
    Mend {
        service: usize,
    },
    Edit {
        edit: Edit,
        allow: bool,
        revert: bool,
    },
    Retreat {
        slice: Option<usize>,
        to: Option<Phase>,
        accept: bool,
        by: By,
        crash: CrashAt,
    },
    Resume {
        slice: usize,
        crash: CrashAt,
    },
    /// The proxy is killed, and started again after so long.
    Crash {
        down_ms: u64,
    },
    /// The file of retreats is damaged.
    Damage {
        at: u16,
    },
    /// The disk takes no more, or does again.
    Disk {
        full: bool,
    },
    Lag {
        slice: usize,
        behind_ms: Option<u64>,
    },
}

/// A client's request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) client: u8,
    pub(crate) slice: usize,
    pub(crate) kind: Kind,
    pub(crate) seed: u64,
    /// After how long the client leaves, in milliseconds.
    pub(crate) leaves: Option<u64>,
}

/// Who asks for a retreat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Person,
    Guardrail,
}

/// At which point of a retreat or its lifting the process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CrashAt {
    Never,
    /// Half of the work is done.
    Between,
    /// All of it, but nobody has been told.
    BeforeReply,
}

/// How an endpoint treats a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// Nobody listens.
    Refuses,
    /// Connections are never made.
    Swallows,
    /// It takes the request, carries it out, and says nothing.
    Hangs,
    /// It takes so many milliseconds.
    Slow(u16),
    /// It carries the request out, and answers with this status.
    Answers(u16),
    /// It closes the connection without looking at the request.
    ClosesUnread,
    /// It carries the request out, and closes the connection.
    ClosesDone,
    /// Its answer breaks off.
    BreaksOff,
    /// Its answer is none.
    Garbage,
}

/// A change of the file.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    Phase(usize, Phase),
    Share(usize, Option<u16>),
    Writer(usize, Writer),
    /// The line that names the writer goes.
    Unstate(usize),
    Sync(usize, Option<Sync>),
    Lag(usize, bool),
    OwnWrites(usize, bool),
    Fallback(usize, FallbackModel),
    Copied(usize, CopiedWrites),
    Report(usize, Option<Phase>),
    Except(usize, bool),
    Cohort(usize, bool),
    Listed(usize, Option<(bool, u8)>),
    RetreatTo(usize, Phase),
    Guarded(usize, bool),
    Remove(usize),
    /// What was removed comes back as it was.
    PutBack(usize),
    Add(SliceModel),
    Breaker(usize, bool),
    Checks(usize, bool),
    Spoil(Spoilt),
    /// Every slice is gone.
    Empty,
}

impl Edit {
    /// Changes a file.
    pub(crate) fn apply(&self, file: &mut FileModel) {
        file.spoilt = None;
        let one = |file: &mut FileModel, slice: usize, change: &dyn Fn(&mut SliceModel)| {
            if let Some(slice) = file.slice_mut(slice) {
                change(slice);
            }
        };
        match self {
            Edit::Phase(slice, phase) => one(file, *slice, &|s| s.phase = *phase),
            Edit::Share(slice, share) => one(file, *slice, &|s| s.share = *share),
            Edit::Writer(slice, writer) => one(file, *slice, &|s| {
                s.writer = *writer;
                s.writer_stated = true;
            }),
            Edit::Unstate(slice) => one(file, *slice, &|s| {
                s.writer = Writer::Legacy;
                s.writer_stated = false;
            }),
            Edit::Sync(slice, sync) => one(file, *slice, &|s| s.sync = *sync),
            Edit::Lag(slice, lag) => one(file, *slice, &|s| s.lag = *lag),
            Edit::OwnWrites(slice, on) => one(file, *slice, &|s| s.own_writes = *on),
            Edit::Fallback(slice, fallback) => one(file, *slice, &|s| s.fallback = *fallback),
            Edit::Copied(slice, copied) => one(file, *slice, &|s| s.copied = *copied),
            Edit::Report(slice, phase) => one(file, *slice, &|s| s.report = *phase),
            Edit::Except(slice, except) => one(file, *slice, &|s| s.except = *except),
            Edit::Cohort(slice, cohort) => one(file, *slice, &|s| s.cohort = *cohort),
            Edit::Listed(slice, listed) => one(file, *slice, &|s| s.listed = *listed),
            Edit::RetreatTo(slice, phase) => one(file, *slice, &|s| s.retreat_to = *phase),
            Edit::Guarded(slice, on) => one(file, *slice, &|s| s.guarded = *on),
            Edit::Remove(slice) => {
                let removed = file.slices.extract_if(.., |s| s.name == *slice);
                let removed: Vec<SliceModel> = removed.collect();
                file.aside.retain(|s| removed.is_empty() || s.name != *slice);
                file.aside.extend(removed);
            }
            Edit::PutBack(slice) => {
                if file.slice(*slice).is_none()
                    && let Some(at) = file.aside.iter().position(|s| s.name == *slice)
                {
                    file.slices.push(file.aside.remove(at));
                    file.slices.sort_by_key(|s| s.name);
                }
            }
            Edit::Add(slice) => {
                file.slices.retain(|s| s.name != slice.name);
                file.slices.push(slice.clone());
                file.slices.sort_by_key(|s| s.name);
            }
            Edit::Breaker(service, on) => file.breakers[*service] = *on,
            Edit::Checks(service, on) => file.checks[*service] = *on,
            Edit::Spoil(how) => file.spoilt = Some(*how),
            Edit::Empty => file.slices.clear(),
        }
    }
}
