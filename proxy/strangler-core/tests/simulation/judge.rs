//! What must hold whatever happens, and who says so when it does not.
//!
//! Owns the invariants by name, and what has been promised to whom: a notebook of retreats, of clients' sides, of
//! their own writes. Refuses to ask the program what it thinks: files are judged by [`crate::file`].

mod guardrails;
mod notebook;
mod requests;
mod upstreams;

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use strangler_core::words::{Owner, Phase, Writer};

use crate::file::{FileModel, Kind, SLICES};
pub(crate) use guardrails::Acted;
pub(crate) use requests::{Contact, Decided, Role};
pub(crate) use upstreams::Asked;

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Invariant {
    UnsafeOnce,
    WriterOnly,
    NeverBack,
    Answered,
    RetreatKept,
    Resumed,
    Ceiling,
    Retired,
    StandInFresh,
    StandsIn,
    CopiesHarmless,
    Explained,
    WritersHeld,
    LastGood,
    FreshReads,
    OneSnapshot,
    OwnWrites,
    LeftAlone,
    SomebodyAsked,
    Guarded,
    GuardedForCause,
    AlarmInstead,
}

impl Invariant {
    pub(crate) const ALL: [Invariant; 22] = [
        Invariant::UnsafeOnce,
        Invariant::WriterOnly,
        Invariant::NeverBack,
        Invariant::Answered,
        Invariant::RetreatKept,
        Invariant::Resumed,
        Invariant::Ceiling,
        Invariant::Retired,
        Invariant::StandInFresh,
        Invariant::StandsIn,
        Invariant::CopiesHarmless,
        Invariant::Explained,
        Invariant::WritersHeld,
        Invariant::LastGood,
        Invariant::FreshReads,
        Invariant::OneSnapshot,
        Invariant::OwnWrites,
        Invariant::LeftAlone,
        Invariant::SomebodyAsked,
        Invariant::Guarded,
        Invariant::GuardedForCause,
        Invariant::AlarmInstead,
    ];

    /// In a sentence.
    pub(crate) const fn says(self) -> &'static str {
        match self {
            Invariant::UnsafeOnce => "no unsafe request is carried out twice",
            Invariant::WriterOnly => "no unsafe request reaches a side that does not write",
            Invariant::NeverBack => "no client is moved back while shares and phases only rise",
            Invariant::Answered => "every request is answered in time, once",
            Invariant::RetreatKept => "no retreat is lost: neither by an edit nor by a crash",
            Invariant::Resumed => "what was lifted holds nobody",
            Invariant::Ceiling => "no slice goes above its file",
            Invariant::Retired => "nothing of a retired route reaches legacy",
            Invariant::StandInFresh => "legacy stands in for reads alone, and only with the writer's data",
            Invariant::StandsIn => "no read fails that legacy may answer and could",
            Invariant::CopiesHarmless => "nothing that may have an effect is copied unless the file says so",
            Invariant::Explained => "explain says what is done",
            Invariant::WritersHeld => "no file takes a writer back without saying so",
            Invariant::LastGood => "a file that is refused changes nothing",
            Invariant::FreshReads => {
                "no read is answered without the writer's data unless somebody accepts it"
            }
            Invariant::OneSnapshot => "one request is served by one configuration",
            Invariant::OwnWrites => "a client reads what it has just written",
            Invariant::LeftAlone => "an upstream is left alone no longer than its breaker says, and is then",
            Invariant::SomebodyAsked => "while an endpoint is well somebody is asked",
            Invariant::Guarded => {
                "a slice that fails its cohort for certain is taken back, or somebody is told why not"
            }
            Invariant::GuardedForCause => "no guardrail acts where the service is no worse than legacy",
            Invariant::AlarmInstead => {
                "a guardrail alarms, once, where going back would be stale, and only there"
            }
        }
    }
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) invariant: Invariant,
    pub(crate) what: String,
}

/// Who watches.
#[derive(Debug)]
pub(crate) struct Judge {
    pub(crate) now: u64,
    pub(crate) found: Option<Violation>,
    accepted: Option<Rc<FileModel>>,
    notebook: notebook::Notebook,
    requests: BTreeMap<u32, requests::Told>,
    /// Which side a client of a slice (and of its report) was last sent to.
    sides: HashMap<(usize, bool, u8), Owner>,
    /// Until when a client's reads of a slice follow its write.
    own_writes: HashMap<(usize, u8), u64>,
    upstreams: HashMap<String, upstreams::Watched>,
    /// Since when all of legacy is well.
    legacy_well_since: Option<u64>,
    watched: [guardrails::Watched; 3],
}

impl Judge {
    pub(crate) fn new() -> Judge {
        Judge {
            now: 0,
            found: None,
            accepted: None,
            notebook: notebook::Notebook::default(),
            requests: BTreeMap::new(),
            sides: HashMap::new(),
            own_writes: HashMap::new(),
            upstreams: HashMap::new(),
            legacy_well_since: Some(0),
            watched: Default::default(),
        }
    }

    fn must(&mut self, invariant: Invariant, holds: bool, what: impl FnOnce() -> String) {
        if !holds && self.found.is_none() {
            self.found = Some(Violation { invariant, what: what() });
        }
    }

    /// Legacy is well, all of it, or is not any more.
    pub(crate) fn legacy(&mut self, well: bool) {
        self.legacy_well_since = match (well, self.legacy_well_since) {
            (true, None) => Some(self.now),
            (true, since) => since,
            (false, _) => None,
        };
    }

    /// Legacy has closed a connection that a request was just being written to.
    pub(crate) fn legacy_hung_up(&mut self) {
        self.legacy_well_since = self.legacy_well_since.map(|_| self.now + 1);
    }

    /// A file serves.
    pub(crate) fn serves(&mut self, file: &Rc<FileModel>, allowed: bool) {
        let old = self.accepted.replace(Rc::clone(file));
        self.must(Invariant::LastGood, file.spoilt.is_none(), || "a spoilt file serves".to_owned());
        if let Some(old) = old {
            if !allowed {
                self.writers_are_held(&old, file);
            }
            for slice in 0..SLICES.len() {
                if lowers(&old, file, slice) {
                    self.forget_sides(slice);
                }
                if old.slice(slice) != file.slice(slice) {
                    self.watched[slice].changed();
                }
            }
        }
        self.notebook.absorb(file);
    }

    fn writers_are_held(&mut self, old: &FileModel, new: &FileModel) {
        for before in old.slices.iter().filter(|slice| slice.writer == Writer::Extracted) {
            let after = new.slice(before.name);
            let held = after.is_some_and(|after| {
                let taken = after.except && !before.except && after.writer == Writer::Extracted;
                (after.writer == Writer::Extracted || after.writer_stated) && !taken
            });
            self.must(Invariant::WritersHeld, held, || {
                format!("writes of {} went back to legacy, and no file said so", SLICES[before.name])
            });
        }
    }

    /// A retreat takes place, whether or not anybody is told.
    pub(crate) fn retreating(&mut self, slice: usize, accepted: bool) {
        self.forget_sides(slice);
        self.watched[slice].anew();
        self.notebook.retreating(slice, accepted);
    }

    /// Somebody was told that a slice has retreated. `kept`: that a restart finds it.
    pub(crate) fn retreated(&mut self, slice: usize, to: Phase, kept: bool) {
        self.notebook.retreated(slice, to, kept);
    }

    /// Somebody was told that nothing holds a slice any more.
    pub(crate) fn resumed(&mut self, slice: usize, holds: Option<Phase>) {
        self.watched[slice].anew();
        if let Some(file) = self.accepted.clone() {
            self.notebook.resumed(slice, &file);
        }
        self.must(Invariant::Resumed, holds.is_none(), || {
            format!("{} was resumed, and is held at {}", SLICES[slice], holds.map_or("", Phase::as_str))
        });
    }

    /// The process was killed.
    pub(crate) fn crashed(&mut self) {
        self.notebook.crashed();
        self.own_writes.clear();
        self.upstreams.clear();
        self.watched = Default::default();
        let open: Vec<u32> =
            self.requests.iter().filter(|(_, told)| !told.is_over()).map(|(id, _)| *id).collect();
        for id in open {
            self.left(id);
        }
    }

    /// The process has read a file of retreats that was damaged.
    pub(crate) fn started_without_retreats(&mut self, file: &FileModel) {
        self.notebook.unreadable(file);
        (0..SLICES.len()).for_each(|slice| self.forget_sides(slice));
    }

    fn forget_sides(&mut self, slice: usize) {
        self.sides.retain(|(of, ..), _| *of != slice);
    }
}

/// Whether a client of a slice may be on another side after an edit, or further back.
fn lowers(old: &FileModel, new: &FileModel, slice: usize) -> bool {
    let (Some(before), Some(after)) = (old.slice(slice), new.slice(slice)) else { return true };
    let lower = |kind: Kind| {
        let (from, to) = (before.stated(kind), after.stated(kind));
        to < from
    };
    // A share matters below its phase, too: a retreat may hold the slice in canary.
    after.share < before.share
        || lower(Kind::Read)
        || lower(Kind::Report)
        || before.cohort != after.cohort
        || before.listed != after.listed
        || before.except != after.except
        || before.writer != after.writer
}
