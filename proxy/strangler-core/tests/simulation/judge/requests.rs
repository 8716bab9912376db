//! What must hold for each request.

use std::rc::Rc;

use strangler_core::words::{Effect, Owner, Phase, Writer};

use super::{Invariant, Judge};
use crate::file::{CopiedWrites, FallbackModel, FileModel, Kind, OWN_WRITES_MS, SLICES, SliceModel};
use crate::script::Ask;

/// A client that waits longer than all limits of waiting together was forgotten.
const PATIENCE_MS: u64 = 10_000;

/// What was decided about a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decided {
    /// Who answers; `None`: the proxy.
    pub(crate) owner: Option<Owner>,
    pub(crate) phase: Phase,
    /// The writer answers because the client has just written.
    pub(crate) wrote: bool,
    /// How late the other side's data is, where that is known.
    pub(crate) lag: Option<u64>,
}

/// As what a side gets a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Primary,
    StandIn,
    Copy,
}

/// A request on its way to a side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contact {
    pub(crate) side: Owner,
    pub(crate) role: Role,
    pub(crate) generation: u64,
}

/// A request, as far as the judge was told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) ask: Ask,
    arrived: u64,
    generation: u64,
    file: Rc<FileModel>,
    pub(super) decided: Decided,
    answers: u32,
    left: bool,
    carried_out: u32,
    reached: bool,
}

impl Told {
    pub(super) fn is_over(&self) -> bool {
        self.answers > 0 || self.left
    }

    pub(super) fn slice(&self) -> Option<&SliceModel> {
        self.file.owner_of(self.ask.slice, self.ask.kind).filter(|slice| !slice.leaves(self.ask.kind))
    }

    fn shown(&self) -> String {
        let Ask { client, slice, kind, .. } = &self.ask;
        format!("{} {} of client {client}", kind.method(), kind.path(*slice))
    }
}

impl Judge {
    /// A request was decided about.
    pub(crate) fn decided(
        &mut self,
        id: u32,
        ask: &Ask,
        (generation, file): (u64, &Rc<FileModel>),
        decided: Decided,
    ) {
        let told = Told {
            ask: ask.clone(),
            arrived: self.now,
            generation,
            file: Rc::clone(file),
            decided,
            answers: 0,
            left: false,
            carried_out: 0,
            reached: false,
        };
        let shown = told.shown();
        let current =
            self.accepted.as_ref().is_some_and(|accepted| Rc::ptr_eq(accepted, file) || **accepted == **file);
        self.must(Invariant::LastGood, current, || format!("{shown}: not the last file that was accepted"));
        if let Some(slice) = told.slice().cloned() {
            self.phase_is_low_enough(&slice, &told);
            self.side_follows_the_file(&slice, &told);
            self.own_write_is_read(&slice, &told);
            self.nobody_is_moved_back(&slice, &told);
        } else {
            let wanted = decided.owner != Some(Owner::Extracted);
            self.must(Invariant::WriterOnly, wanted, || format!("{shown} is not the extracted side's"));
        }
        self.requests.insert(id, told);
    }

    fn phase_is_low_enough(&mut self, slice: &SliceModel, told: &Told) {
        let (phase, stated) = (told.decided.phase, slice.stated(told.ask.kind));
        let shown = told.shown();
        self.must(Invariant::Ceiling, phase <= stated, || {
            format!("{shown}: {phase}, but the file says {stated}")
        });
        let held = self.notebook.held(slice.name);
        let promise = self.notebook.describe(slice.name);
        self.must(Invariant::RetreatKept, held.is_none_or(|held| phase <= held), || {
            format!("{shown}: phase {phase}, but {promise}")
        });
    }

    fn side_follows_the_file(&mut self, slice: &SliceModel, told: &Told) {
        let (Some(owner), kind) = (told.decided.owner, told.ask.kind) else { return };
        let shown = told.shown();
        if kind.effect() == Effect::Write {
            let right = slice.writing_side().is_none_or(|writes| writes == owner);
            self.must(Invariant::WriterOnly, right, || {
                format!("{shown} goes to {owner}, but the writer is {}", slice.writer)
            });
            return;
        }
        let fresh = slice.reaches(owner) || self.notebook.accepts_stale(slice.name);
        let promise = self.notebook.describe(slice.name);
        self.must(Invariant::FreshReads, fresh, || {
            format!(
                "{shown} is answered by {owner}, which the data of {} does not reach; {promise}",
                slice.writer
            )
        });
    }

    fn own_write_is_read(&mut self, slice: &SliceModel, told: &Told) {
        let promised =
            self.own_writes.get(&(slice.name, told.ask.client)).is_some_and(|until| self.now < *until);
        let (Some(owner), Some(writes)) = (told.decided.owner, slice.writing_side()) else { return };
        if promised && slice.own_writes && told.ask.kind.effect() == Effect::Read {
            let shown = told.shown();
            self.must(Invariant::OwnWrites, owner == writes, || {
                format!("{shown} goes to {owner}, though it has just written to {writes}")
            });
        }
    }

    /// Reads, and writes that follow them.
    fn nobody_is_moved_back(&mut self, slice: &SliceModel, told: &Told) {
        let follows = told.ask.kind.effect() == Effect::Read || slice.writer == Writer::ByCohort;
        let Some(owner) = told.decided.owner.filter(|_| follows && !told.decided.wrote) else { return };
        let of_report = told.ask.kind == Kind::Report;
        let before = self.sides.insert((slice.name, of_report, told.ask.client), owner);
        let back = before == Some(Owner::Extracted) && owner == Owner::Legacy;
        let shown = told.shown();
        self.must(Invariant::NeverBack, !back, || {
            format!("{shown} goes to legacy, where nothing was lowered since it went to the extracted side")
        });
    }

    /// A request is on its way to a side.
    pub(crate) fn contact(&mut self, id: u32, contact: Contact) {
        let Some(told) = self.requests.get_mut(&id) else { return };
        told.reached = true;
        let (shown, decided, effect) = (told.shown(), told.decided, told.ask.kind.effect());
        let slice = told.slice().cloned();
        let same = told.generation == contact.generation;
        self.must(Invariant::OneSnapshot, same, || {
            format!("{shown} is sent by generation {}, but was decided by another", contact.generation)
        });
        let Some(slice) = slice else { return };
        let retired = decided.phase == Phase::Retired && contact.side == Owner::Legacy;
        self.must(Invariant::Retired, !retired, || format!("{shown} is retired, and reaches legacy"));
        match contact.role {
            Role::Primary => {}
            Role::StandIn => self.may_stand_in(&slice, &shown, effect, (contact.side, decided.lag)),
            Role::Copy => self.may_be_copied(&slice, &shown, effect, decided, contact),
        }
        let writes = effect == Effect::Write && contact.role != Role::Copy;
        let right = slice.writing_side().map_or(decided.owner, Some) == Some(contact.side);
        self.must(Invariant::WriterOnly, !writes || right, || {
            format!("{shown} reaches {}, but the writer is {}", contact.side, slice.writer)
        });
    }

    /// `lag`: how late legacy's data was when the request came; what is learned meanwhile is the next one's.
    fn may_stand_in(
        &mut self,
        slice: &SliceModel,
        shown: &str,
        effect: Effect,
        (side, lag): (Owner, Option<u64>),
    ) {
        let reads = effect == Effect::Read && slice.fallback != FallbackModel::Never;
        let late = slice.lag && slice.writer != Writer::Legacy && !lag.is_some_and(is_in_time);
        let fresh = slice.reaches(Owner::Legacy) && !late;
        let right = side == Owner::Legacy && fresh && (reads || effect == Effect::Write);
        self.must(Invariant::StandInFresh, right, || {
            format!("{side} stands in for {shown}: writer {}, sync {:?}", slice.writer, slice.sync)
        });
    }

    fn may_be_copied(
        &mut self,
        slice: &SliceModel,
        shown: &str,
        effect: Effect,
        decided: Decided,
        contact: Contact,
    ) {
        let other = decided.owner.is_some_and(|owner| owner != contact.side);
        let between = matches!(decided.phase, Phase::Shadow | Phase::Canary | Phase::Extracted);
        let harmless = effect == Effect::Read
            || (slice.copied == CopiedWrites::Isolated
                && slice.writer == Writer::Legacy
                && contact.side == Owner::Extracted);
        self.must(Invariant::CopiesHarmless, other && between && harmless, || {
            format!("{shown} is copied to {} in phase {}", contact.side, decided.phase)
        });
    }

    /// A side has carried a request out.
    pub(crate) fn carried_out(&mut self, id: u32, role: Role) {
        let Some(told) = self.requests.get_mut(&id).filter(|_| role != Role::Copy) else { return };
        told.carried_out += 1;
        let once = told.carried_out == 1 || told.ask.kind.effect() == Effect::Read;
        let (shown, times) = (told.shown(), told.carried_out);
        self.must(Invariant::UnsafeOnce, once, || format!("{shown} was carried out {times} times"));
    }

    /// A client has its answer: from a side, or from the proxy.
    pub(crate) fn answered(&mut self, id: u32, by: Option<Owner>, status: u16) {
        let now = self.now;
        let well_since = self.legacy_well_since;
        let Some(told) = self.requests.get_mut(&id) else { return };
        told.answers += 1;
        let (shown, answers, left) = (told.shown(), told.answers, told.left);
        let in_time = now - told.arrived <= PATIENCE_MS;
        let well = well_since.is_some_and(|since| since <= told.arrived);
        let failed = matches!(status, 502..=504) && by != Some(Owner::Legacy);
        let could = told.decided.owner == Some(Owner::Extracted) && may_stand_in(told, told.decided.lag);
        let wrote = by.is_some() && (200..400).contains(&status);
        let promise = told
            .slice()
            .filter(|slice| wrote && slice.own_writes && slice.writing_side().is_some())
            .filter(|_| told.ask.kind.effect() == Effect::Write)
            .map(|slice| (slice.name, told.ask.client));
        if let Some(client) = promise {
            self.own_writes.insert(client, now + OWN_WRITES_MS);
        }
        self.must(Invariant::Answered, answers == 1 && !left, || format!("{shown} has {answers} answers"));
        self.must(Invariant::Answered, in_time, || format!("{shown} waited for more than {PATIENCE_MS} ms"));
        self.must(Invariant::StandsIn, !(failed && could && well), || {
            format!("{shown} is answered {status}, while legacy is well and may stand in")
        });
    }

    /// A client is gone, or was cut off because the whole process went.
    pub(crate) fn left(&mut self, id: u32) {
        if let Some(told) = self.requests.get_mut(&id) {
            told.left = true;
        }
    }

    /// Nothing happens any more.
    pub(crate) fn end(&mut self) {
        let forgotten: Vec<String> =
            self.requests.values().filter(|told| !told.is_over()).map(Told::shown).collect();
        self.must(Invariant::Answered, forgotten.is_empty(), || {
            format!("never answered: {}", forgotten.join(", "))
        });
    }

    /// What `explain` says differs from what is done.
    pub(crate) fn explained(&mut self, id: u32, differs: Option<String>) {
        let shown = self.requests.get(&id).map(Told::shown).unwrap_or_default();
        self.must(Invariant::Explained, differs.is_none(), || {
            format!("{shown}: explained as {}", differs.unwrap_or_default())
        });
    }
}

fn is_in_time(behind: u64) -> bool {
    behind <= crate::file::LAG_MAX_MS
}

/// Whether legacy has to stand in for a read that the extracted side fails with 502, 503 or 504.
fn may_stand_in(told: &Told, lag: Option<u64>) -> bool {
    let Some(slice) = told.slice() else { return false };
    let late = slice.lag && slice.writer != Writer::Legacy && !lag.is_some_and(is_in_time);
    told.ask.kind.effect() == Effect::Read
        && slice.fallback == FallbackModel::Auto
        && told.decided.phase != Phase::Retired
        && slice.reaches(Owner::Legacy)
        && !late
        && slice.name < SLICES.len()
}
