//! One sequence, carried out on a virtual clock.
//!
//! Owns time, the queue of what happens when, the sides' processes and the operator's hand. Refuses chance: whatever
//! varies is in the script. Requests are driven in [`crate::request`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;
use std::time::Duration;

use strangler_core::retreat::{Refused, Stale, Target};
use strangler_core::snapshot::HealthCheck;
use strangler_core::words::{Owner, Phase, Writer};

use crate::file::{ENDPOINTS, LAG_MAX_MS, LEGACY, SLICES};
use crate::guard::LOOK_MS;
use crate::judge::{Judge, Role, Violation};
use crate::process::{Disk, Order, Process, Reader, Reload, Retreating};
use crate::request::{Exchange, Signal};
use crate::sabotage::Sabotage;
use crate::script::{By, CrashAt, Mood, Op, Script};
use crate::tally::Tally;

/// How often endpoints are asked whether they are well, and ejected ones return.
const TICK_MS: u64 = 250;

/// How long it goes on after the last step.
const AFTERWARDS_MS: u64 = 3_000;

/// What happens at some time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Step(usize),
    Tick,
    Restart,
    /// Something about a request under way.
    Request(u32, Signal),
    /// A side carries a request out.
    CarriedOut {
        id: u32,
        role: Role,
        at: (usize, usize),
        incarnation: u32,
    },
}

/// The process behind one endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server {
    pub(crate) mood: Mood,
    /// Of so many in a hundred requests.
    pub(crate) of: u8,
    /// Counts its restarts.
    pub(crate) incarnation: u32,
}

impl Server {
    /// How a request is treated that has drawn this number below a hundred.
    pub(crate) fn treats(&self, draw: u8) -> Mood {
        if draw < self.of { self.mood } else { Mood::Well }
    }
}

/// Everything there is.
#[derive(Debug)]
pub(crate) struct World<'s> {
    script: &'s Script,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) now: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    numbered: u64,
    pub(crate) judge: Judge,
    pub(crate) disk: Disk,
    reader: Reader,
    pub(crate) process: Option<Process>,
    pub(crate) servers: Vec<Vec<Server>>,
    /// How late the other side's data is, by slice.
    pub(crate) lag: [Option<u64>; 3],
    pub(crate) exchanges: BTreeMap<u32, Exchange>,
    next_request: u32,
    pub(crate) tally: Tally,
    trace: Option<Vec<String>>,
}

/// How a sequence ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) violation: Option<Violation>,
    pub(crate) tally: Tally,
    /// What happened, where that was asked for.
    pub(crate) trace: Vec<String>,
}

/// Whether what happens is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trace {
    Off,
    On,
}

/// Carries out a sequence, until an invariant does not hold or nothing happens any more.
pub(crate) fn run(script: &Script, sabotage: Option<Sabotage>, trace: Trace) -> Outcome {
    let mut world = World::new(script, sabotage, trace);
    world.start();
    while world.judge.found.is_none()
        && let Some(Reverse((at, number))) = world.queue.pop()
    {
        world.now = at;
        world.judge.now = at;
        if let Some(process) = &world.process {
            process.recent.now.set(at);
        }
        if let Some(event) = world.events.remove(&number) {
            world.happens(event);
        }
    }
    if world.judge.found.is_none() {
        world.judge.end();
    }
    Outcome { violation: world.judge.found, tally: world.tally, trace: world.trace.unwrap_or_default() }
}

impl<'s> World<'s> {
    fn new(script: &'s Script, sabotage: Option<Sabotage>, trace: Trace) -> World<'s> {
        let well = Server { mood: Mood::Well, of: 0, incarnation: 0 };
        let mut world = World {
            script,
            sabotage,
            now: 0,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            numbered: 0,
            judge: Judge::new(),
            disk: Disk::new(script.first.clone()),
            reader: Reader::default(),
            process: None,
            servers: ENDPOINTS.iter().map(|endpoints| vec![well; *endpoints]).collect(),
            lag: [None; 3],
            exchanges: BTreeMap::new(),
            next_request: 0,
            tally: Tally::default(),
            trace: (trace == Trace::On).then(Vec::new),
        };
        for (at, step) in script.steps.iter().enumerate() {
            world.at(step.at, Event::Step(at));
        }
        let end = script.steps.last().map_or(0, |step| step.at);
        // Guardrails may see only then what the last requests came to.
        (0..=(end + AFTERWARDS_MS) / TICK_MS).for_each(|tick| world.at(tick * TICK_MS, Event::Tick));
        world
    }

    /// Something is to happen after so many milliseconds.
    pub(crate) fn after(&mut self, millis: u64, event: Event) {
        self.at(self.now + millis, event);
    }

    fn at(&mut self, at: u64, event: Event) {
        self.numbered += 1;
        self.queue.push(Reverse((at, self.numbered)));
        self.events.insert(self.numbered, event);
    }

    pub(crate) fn time(&self) -> Duration {
        Duration::from_millis(self.now)
    }

    /// Writes down what happens, where somebody wants to read it.
    pub(crate) fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>7} ms  {}", self.now, what()));
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Step(at) => {
                let script = self.script;
                self.step(&script.steps[at].op);
            }
            Event::Tick => {
                self.tick();
                if self.now.is_multiple_of(LOOK_MS) {
                    self.look();
                }
            }
            Event::Restart => self.start(),
            Event::Request(id, signal) => self.signal(id, signal),
            Event::CarriedOut { id, role, at: (service, endpoint), incarnation } => {
                if self.servers[service][endpoint].incarnation == incarnation {
                    self.tell(|| {
                        format!("#{id} is carried out by {}/{endpoint} as {role:?}", service_name(service))
                    });
                    self.judge.carried_out(id, role);
                }
            }
        }
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Ask(ask) => {
                self.next_request += 1;
                self.arrives(self.next_request, ask);
            }
            Op::Fault { service, endpoint, mood, of } => {
                self.tell(|| format!("{}/{endpoint}: {mood:?} for {of} %", service_name(*service)));
                let server = &mut self.servers[*service][*endpoint];
                (server.mood, server.of) = (*mood, *of);
                self.note_legacy();
            }
            Op::Kill { service, endpoint } => {
                self.tell(|| format!("{}/{endpoint} is killed", service_name(*service)));
                let server = &mut self.servers[*service][*endpoint];
                *server = Server { mood: Mood::Refuses, of: 100, incarnation: server.incarnation + 1 };
                self.note_legacy();
                self.cut(*service, *endpoint);
            }
            Op::CloseIdle { service, endpoint } => {
                // Idle connections end as if another process were there; what is in flight goes on.
                self.close_idle(*service, *endpoint);
            }
            Op::Mend { service } => {
                self.tell(|| format!("{} is well", service_name(*service)));
                for server in &mut self.servers[*service] {
                    (server.mood, server.of) = (Mood::Well, 0);
                }
                self.note_legacy();
            }
            Op::Edit { edit, allow, revert } => {
                edit.apply(&mut self.disk.file);
                self.tell(|| format!("the file: {edit:?}"));
                self.reload(*allow, *revert);
            }
            Op::Retreat { slice, to, accept, by, crash } => self.retreat(*slice, *to, *accept, *by, *crash),
            Op::Resume { slice, crash } => self.resume(*slice, *crash),
            Op::Crash { down_ms } => self.crash(*down_ms),
            Op::Damage { at } => {
                if self.disk.damage(*at) {
                    self.tell(|| "the file of retreats is damaged".to_owned());
                }
            }
            Op::Disk { full } => {
                self.disk.full = *full;
                self.tell(|| format!("the disk is full: {full}"));
            }
            Op::Lag { slice, behind_ms } => self.lag[*slice] = *behind_ms,
        }
    }

    fn note_legacy(&mut self) {
        let well = self.servers[0].iter().all(|server| server.of == 0 || server.mood == Mood::Well);
        self.judge.legacy(well);
    }

    fn start(&mut self) {
        let started = Process::start(&mut self.disk, &mut self.reader, self.now, self.sabotage);
        let Some((process, started)) = started else {
            self.tell(|| "the proxy does not start: no file is good".to_owned());
            return;
        };
        process.recent.now.set(self.now);
        if started.unreadable {
            self.tally.unreadable += 1;
            self.judge.started_without_retreats(&process.running.file);
        }
        self.judge.serves(&process.running.file, false);
        self.tell(|| format!("the proxy starts; held: {:?}", process.running.latches.by_slice().keys()));
        self.process = Some(process);
    }

    fn crash(&mut self, down_ms: u64) {
        if self.process.take().is_none() {
            return;
        }
        self.tell(|| format!("the proxy is killed, and away for {down_ms} ms"));
        self.tally.crashes += 1;
        self.judge.crashed();
        self.exchanges.clear();
        self.after(down_ms, Event::Restart);
    }

    fn reload(&mut self, allow: bool, revert: bool) {
        let Some(process) = &mut self.process else { return };
        self.tally.edits += 1;
        match process.reload(&mut self.disk, &mut self.reader, allow, self.sabotage) {
            Reload::Unchanged => {}
            Reload::Applied => {
                let (file, generation) = (Rc::clone(&process.running.file), process.running.generation);
                self.judge.serves(&file, allow);
                self.tell(|| format!("generation {generation} serves"));
            }
            Reload::Refused => {
                self.tally.refused_edits += 1;
                if revert {
                    self.disk.file = (*process.running.file).clone();
                }
                self.tell(|| format!("refused; reverted: {revert}"));
            }
        }
    }

    fn retreat(&mut self, slice: Option<usize>, to: Option<Phase>, accept: bool, by: By, crash: CrashAt) {
        let slices = slice.map_or_else(|| (0..SLICES.len()).collect(), |slice| vec![slice]);
        for slice in slices {
            let Some(process) = &mut self.process else { return };
            let stale = if accept && by == By::Person { Stale::Accepted } else { Stale::Refused };
            let lagging = lagging(&process.running.file, slice, self.lag[slice]);
            let crash_between = crash == CrashAt::Between;
            let target = to.map_or(Target::Default, Target::Phase);
            let order = Order { slice, target, stale, by, now: self.now, lagging, crash_between };
            let done = process.retreat(&mut self.disk, order, self.sabotage);
            self.tell(|| format!("{by:?} has {} retreat to {to:?}: {done:?}", SLICES[slice]));
            match done {
                Retreating::NoSuchSlice | Retreating::Already => {}
                Retreating::Refused(Refused::Forward { .. } | Refused::StaleReads { .. }) => {
                    self.tally.refused_retreats += 1;
                }
                Retreating::Down { to, kept } => {
                    self.tally.retreats += 1;
                    self.judge.retreating(slice, stale == Stale::Accepted);
                    if crash == CrashAt::BeforeReply {
                        return self.crash(200);
                    }
                    self.judge.retreated(slice, to, kept);
                }
                Retreating::Crashed => {
                    self.judge.retreating(slice, stale == Stale::Accepted);
                    return self.crash(200);
                }
            }
        }
    }

    fn resume(&mut self, slice: usize, crash: CrashAt) {
        let Some(process) = &mut self.process else { return };
        let done = process.resume(&mut self.disk, slice, crash == CrashAt::Between, self.sabotage);
        self.tell(|| format!("{} is resumed: {done:?}", SLICES[slice]));
        match done {
            Some(false) => {}
            Some(true) => {
                self.tally.resumes += 1;
                let running = self.process.as_ref().map(|process| Rc::clone(&process.running));
                let holds = running.and_then(|running| running.retreats[running.slice(slice)?.0 as usize]);
                self.judge.resumed(slice, holds);
                if crash == CrashAt::BeforeReply {
                    self.crash(200);
                }
            }
            None => {
                // Nobody was told, but it is on disk.
                self.judge.resumed(slice, None);
                self.crash(200);
            }
        }
    }

    /// Endpoints are asked whether they are well, and ejected ones return.
    fn tick(&mut self) {
        let Some(process) = &self.process else { return };
        let running = Rc::clone(&process.running);
        for state in &running.upstreams {
            let mut standings = state.standings.borrow_mut();
            standings.settle(self.time());
            let Some(settings) = state.settings.health.as_ref() else { continue };
            let service = service_of(&state.settings.name);
            for (endpoint, server) in self.servers[service].iter().enumerate() {
                let outcome = answers_checks(server, settings);
                standings.checked(endpoint as u64, outcome, settings);
            }
        }
    }
}

/// Whether an endpoint is well by one check.
fn answers_checks(server: &Server, settings: &HealthCheck) -> Result<(), &'static str> {
    match server.treats(50) {
        Mood::Well | Mood::BreaksOff => Ok(()),
        Mood::Slow(millis) if Duration::from_millis(millis.into()) <= settings.timeout => Ok(()),
        Mood::Answers(status) if status < 400 => Ok(()),
        _ => Err("it is not well"),
    }
}

/// Legacy, where the file bounds how late the writer's data may be there, and it is later or nobody knows.
pub(crate) fn lagging(file: &crate::file::FileModel, slice: usize, behind: Option<u64>) -> Option<Owner> {
    file.slice(slice).filter(|slice| slice.lag && slice.writer != Writer::Legacy)?;
    let late = behind.is_none_or(|behind| behind > LAG_MAX_MS);
    late.then_some(Owner::Legacy)
}

pub(crate) fn service_of(upstream: &str) -> usize {
    if upstream == LEGACY {
        0
    } else {
        SLICES.iter().position(|name| *name == upstream).map_or(0, |at| at + 1)
    }
}

pub(crate) fn service_name(service: usize) -> &'static str {
    if service == 0 { LEGACY } else { SLICES[service - 1] }
}
