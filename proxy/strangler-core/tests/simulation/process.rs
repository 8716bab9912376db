//! The proxy process: what it has in memory, what it has on disk, and what of it a crash takes.
//!
//! Owns reading the file, retreats and their end, in the order of steps that the program follows. Everything that
//! judges is the program's own: [`config::load`], [`lost_writers`], [`retreat::judge`], [`Latches`] and their kept form.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use jiff::Timestamp;
use strangler_core::config::{self, LoadOptions, SourceText, Sources};
use strangler_core::guardrail::Watches;
use strangler_core::retreat::{self, Latch, Latches, Move, Refused, Stale, Target, kept};
use strangler_core::routing::recent::{ClientMark, RecentWrites};
use strangler_core::routing::{Facts, lost_writers};
use strangler_core::snapshot::{Snapshot, Upstream};
use strangler_core::words::{Cause, Phase, SliceId, UpstreamId};

use crate::file::{FileModel, SLICES};
use crate::guard::Guard;
use crate::sabotage::Sabotage;
use crate::script::By;
use crate::upstream::UpstreamState;

/// Texts that were read already: reading one again gives the same.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    known: HashMap<String, Option<Arc<Snapshot>>>,
}

impl Reader {
    fn read(&mut self, text: String) -> Option<Arc<Snapshot>> {
        let read = |text: &String| {
            let main = SourceText { name: "strangler.toml".to_owned(), text: text.clone() };
            let sources = Sources { main, included: Vec::new() };
            let options =
                LoadOptions { base: Path::new(""), env: &|_| None, today: jiff::civil::date(2026, 6, 1) };
            config::load(&sources, &options).snapshot
        };
        self.known.entry(text).or_insert_with_key(read).clone()
    }
}

/// What survives a crash.
#[derive(Debug)]
pub(crate) struct Disk {
    /// What the operator has written.
    pub(crate) file: FileModel,
    last_good: Option<Rc<FileModel>>,
    retreats: Option<Vec<u8>>,
    pub(crate) full: bool,
}

impl Disk {
    pub(crate) fn new(file: FileModel) -> Disk {
        Disk { file, last_good: None, retreats: None, full: false }
    }

    fn keep(&mut self, latches: &Latches) -> Result<(), &'static str> {
        if self.full {
            return Err("the disk is full");
        }
        self.retreats = Some(kept::encode(latches).expect("latches are JSON"));
        Ok(())
    }

    /// A byte of the retreats changes.
    pub(crate) fn damage(&mut self, at: u16) -> bool {
        let Some(bytes) = &mut self.retreats else { return false };
        let at = usize::from(at) % bytes.len().saturating_sub(1).max(1);
        bytes.truncate(at);
        true
    }
}

/// A configuration in service.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) file: Rc<FileModel>,
    pub(crate) generation: u64,
    pub(crate) latches: Latches,
    pub(crate) retreats: Box<[Option<Phase>]>,
    pub(crate) upstreams: Vec<Rc<UpstreamState>>,
    pub(crate) watches: Rc<Watches>,
}

impl Running {
    pub(crate) fn upstream(&self, id: UpstreamId) -> &Rc<UpstreamState> {
        &self.upstreams[id.0 as usize]
    }

    pub(crate) fn slice(&self, name: usize) -> Option<SliceId> {
        let at = self.snapshot.slices.iter().position(|slice| *slice.name == *SLICES[name])?;
        Some(SliceId(u32::try_from(at).expect("few slices")))
    }

    fn with(&self, latches: Latches) -> Running {
        Running {
            snapshot: Arc::clone(&self.snapshot),
            file: Rc::clone(&self.file),
            generation: self.generation,
            retreats: latches.phases(&self.snapshot),
            latches,
            upstreams: self.upstreams.clone(),
            watches: Rc::clone(&self.watches),
        }
    }
}

/// Clients that have just written.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    until: RefCell<HashMap<ClientMark, u64>>,
    pub(crate) now: Cell<u64>,
}

impl Recent {
    pub(crate) fn wrote(&self, client: ClientMark, until: u64) {
        self.until.borrow_mut().insert(client, until);
    }
}

impl RecentWrites for Recent {
    fn covers(&self, client: ClientMark) -> bool {
        self.until.borrow().get(&client).is_some_and(|until| self.now.get() < *until)
    }
}

/// The process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) running: Rc<Running>,
    pub(crate) recent: Recent,
    pub(crate) guard: Guard,
}

/// What became of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reload {
    Applied,
    Unchanged,
    Refused,
}

/// What became of a retreat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retreating {
    NoSuchSlice,
    Refused(Refused),
    Already,
    /// In force; whether it is on disk.
    Down {
        to: Phase,
        kept: bool,
    },
    /// The process was killed meanwhile.
    Crashed,
}

impl Process {
    /// Starts: with the operator's file, or with the last one that was good. `None`: with neither.
    pub(crate) fn start(
        disk: &mut Disk,
        reader: &mut Reader,
        now: u64,
        sabotage: Option<Sabotage>,
    ) -> Option<(Process, Started)> {
        let last_good = disk.last_good.clone();
        let read = reader.read(disk.file.text());
        let good = last_good.as_ref().and_then(|file| Some((reader.read(file.text())?, Rc::clone(file))));
        let lost = |new: &Snapshot| {
            good.as_ref().is_some_and(|(old, _)| !lost_writers(old, new).is_empty())
                && sabotage != Some(Sabotage::LoseWriters)
        };
        let mut unreadable = false;
        let latches = match disk.retreats.as_deref().map(kept::decode) {
            _ if sabotage == Some(Sabotage::ForgetRetreatsAtRestart) => Latches::default(),
            None => Latches::default(),
            Some(Ok(latches)) => latches,
            Some(Err(why)) => {
                unreadable = true;
                let none = sabotage == Some(Sabotage::UnreadableIsNone);
                let latches =
                    if none { Latches::default() } else { Latches::unreadable(timestamp(now), why) };
                // Where this is not kept, the next start finds the same.
                let _kept = disk.keep(&latches);
                latches
            }
        };
        let stale = |new: &Snapshot| {
            good.as_ref().is_some_and(|(old, _)| !retreat::newly_stale(Some(old), new, &latches).is_empty())
                && sabotage != Some(Sabotage::EditToStaleReads)
        };
        let (snapshot, file) = match read {
            Some(snapshot) if !lost(&snapshot) && !stale(&snapshot) => (snapshot, Rc::new(disk.file.clone())),
            _ => good?,
        };
        disk.last_good = Some(Rc::clone(&file));
        let named = latches.clone().named(&snapshot);
        if named != latches {
            let _kept = disk.keep(&named);
        }
        let latches = named;
        let upstreams =
            snapshot.upstreams.iter().map(|upstream| UpstreamState::new(upstream, None)).collect();
        let retreats = latches.phases(&snapshot);
        let watches = Rc::new(Watches::of(&snapshot));
        let running = Running { snapshot, file, generation: now + 1, latches, retreats, upstreams, watches };
        let (recent, guard) = (Recent::default(), Guard::default());
        let mut process = Process { running: Rc::new(running), recent, guard };
        process.absorb(disk);
        Some((process, Started { unreadable }))
    }

    /// Reads the operator's file.
    pub(crate) fn reload(
        &mut self,
        disk: &mut Disk,
        reader: &mut Reader,
        allow: bool,
        sabotage: Option<Sabotage>,
    ) -> Reload {
        if disk.file == *self.running.file {
            return Reload::Unchanged;
        }
        let old = Rc::clone(&self.running);
        let Some(snapshot) = reader.read(disk.file.text()) else {
            if sabotage == Some(Sabotage::EmptyOnRefusal) {
                let nothing = FileModel { slices: Vec::new(), spoilt: None, ..disk.file.clone() };
                let snapshot = reader.read(nothing.text()).expect("a file without slices");
                self.put(snapshot, nothing, sabotage);
            }
            return Reload::Refused;
        };
        if !allow
            && sabotage != Some(Sabotage::LoseWriters)
            && !lost_writers(&old.snapshot, &snapshot).is_empty()
        {
            if sabotage == Some(Sabotage::HalfAFile) {
                self.put(snapshot, disk.file.clone(), sabotage);
            }
            return Reload::Refused;
        }
        if !retreat::newly_stale(Some(&old.snapshot), &snapshot, &old.latches).is_empty()
            && sabotage != Some(Sabotage::EditToStaleReads)
        {
            return Reload::Refused;
        }
        self.put(snapshot, disk.file.clone(), sabotage);
        disk.last_good = Some(Rc::clone(&self.running.file));
        self.absorb(disk);
        Reload::Applied
    }

    fn put(&mut self, snapshot: Arc<Snapshot>, file: FileModel, sabotage: Option<Sabotage>) {
        let old = &self.running;
        let carried = |upstream: &Arc<Upstream>| {
            UpstreamState::new(
                upstream,
                old.upstreams.iter().find(|state| state.settings.name == upstream.name),
            )
        };
        let latches = match sabotage {
            Some(Sabotage::ForgetRetreatsOnReload) => Latches::default(),
            Some(Sabotage::ForgetRetreatsOfRemovedSlices) => {
                let is_there = |name: &str| snapshot.slices.iter().any(|slice| *slice.name == *name);
                let by_slice = old.latches.by_slice().iter().filter(|(name, _)| is_there(name));
                let by_slice = by_slice.map(|(name, latch)| (Arc::clone(name), latch.clone())).collect();
                Latches::restored(by_slice, old.latches.everywhere().cloned())
            }
            _ => old.latches.clone(),
        };
        let upstreams = snapshot.upstreams.iter().map(carried).collect();
        let retreats = latches.phases(&snapshot);
        let generation = old.generation + 1;
        let file = Rc::new(file);
        let watches = Rc::new(Watches::of(&snapshot));
        self.running = Rc::new(Running { snapshot, file, generation, latches, retreats, upstreams, watches });
    }

    fn absorb(&mut self, disk: &mut Disk) {
        let mut latches = self.running.latches.clone();
        let absorbed = latches.absorb(&self.running.snapshot);
        if !absorbed.is_empty() && disk.keep(&latches).is_ok() {
            absorbed.iter().for_each(|(name, _)| self.guard.begin_anew(name));
            self.running = Rc::new(self.running.with(latches));
        }
    }

    /// Takes a slice back. `crash_between`: the process is killed when the retreat is in force, and not on disk.
    pub(crate) fn retreat(
        &mut self,
        disk: &mut Disk,
        order: Order,
        sabotage: Option<Sabotage>,
    ) -> Retreating {
        let Order { slice, target, stale, by, now, lagging, crash_between } = order;
        let running = Rc::clone(&self.running);
        let Some(id) = running.slice(slice) else { return Retreating::NoSuchSlice };
        let name = &running.snapshot.slice(id).name;
        let latched = running.latches.get(name).map(|latch| latch.to);
        let stale = match (sabotage, by) {
            (Some(Sabotage::RetreatToStaleReads), By::Person)
            | (Some(Sabotage::GuardAcceptsStaleReads), By::Guardrail) => Stale::Accepted,
            _ => stale,
        };
        let to = match retreat::judge(&running.snapshot, id, latched, target, stale, lagging) {
            Err(refused) => return Retreating::Refused(refused),
            Ok(Move::Already { .. }) => return Retreating::Already,
            Ok(Move::Down { to, .. }) => to,
        };
        let (cause, who) = match by {
            By::Person => (Cause::Manual, "anna"),
            By::Guardrail => (Cause::Guardrail, "strangler"),
        };
        let reason = "simulated".to_owned();
        let latch = Latch { to, since: timestamp(now), cause, who: who.to_owned(), reason };
        let mut latches = running.latches.clone();
        latches.latch(&running.snapshot, name, latch);
        self.running = Rc::new(running.with(latches.clone()));
        self.guard.begin_anew(name);
        if crash_between {
            return Retreating::Crashed;
        }
        if sabotage == Some(Sabotage::AnswerBeforeItIsKept) {
            return Retreating::Down { to, kept: true };
        }
        let kept = disk.keep(&latches).is_ok();
        Retreating::Down { to, kept }
    }

    /// Lifts what holds a slice: whether that is in force, and on disk. `None`: the process was killed between.
    pub(crate) fn resume(
        &mut self,
        disk: &mut Disk,
        slice: usize,
        crash_between: bool,
        sabotage: Option<Sabotage>,
    ) -> Option<bool> {
        let running = Rc::clone(&self.running);
        let mut latches = running.latches.clone();
        // A slice may be held that the file does not have.
        if latches.resume(&running.snapshot, &SLICES[slice].into()).is_none() {
            return Some(false);
        }
        if disk.keep(&latches).is_err() {
            return Some(false);
        }
        if crash_between {
            return None;
        }
        self.guard.begin_anew(SLICES[slice]);
        if sabotage != Some(Sabotage::ResumeOnlyOnDisk) {
            self.running = Rc::new(running.with(latches));
        }
        Some(true)
    }

    /// What decisions depend on beside the request and the snapshot.
    pub(crate) fn facts<'a>(&'a self, running: &'a Running) -> Facts<'a> {
        Facts { retreats: &running.retreats, recent: Some(&self.recent) }
    }
}

/// What is told of a start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    /// The retreats could not be read.
    pub(crate) unreadable: bool,
}

/// A retreat that somebody asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) slice: usize,
    pub(crate) target: Target,
    pub(crate) stale: Stale,
    pub(crate) by: By,
    pub(crate) now: u64,
    pub(crate) lagging: Option<strangler_core::words::Owner>,
    pub(crate) crash_between: bool,
}

fn timestamp(now: u64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + i64::try_from(now).expect("a short time"))
        .expect("a time")
}
