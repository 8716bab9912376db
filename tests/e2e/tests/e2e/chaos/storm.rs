//! One run: a site whose origins fail, are killed and come back, while its configuration is edited and its
//! clients never stop.
//!
//! Every step comes after a drawn number of further requests, not after a time: a slow machine sees the same
//! storm.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::ledger::{Ending, Ledger, Place, Records, Reign, Role};
use super::origin::{Fault, FaultyOrigin, Weather};
use super::trial::Trial;
use super::visitor::{Crowd, Visitor};
use crate::support::proxy::{House, Proxy, SERVER};
use crate::support::wait_for;

/// Clients that ask all the time.
const VISITORS: u64 = 12;

/// Events of one storm.
const STEPS: u32 = 60;

/// Requests that must all be answered with 200 once everything is well again.
const CALM: u32 = 40;

/// How soon that must be.
const RECOVERY: Duration = Duration::from_secs(2);

/// What happened, for people.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    kills: u32,
    swings: u32,
    pub(crate) turns: u32,
    pub(crate) retreats: u32,
    stood_in: u32,
    other_edits: u32,
    bad_files: u32,
    recovered: Option<Duration>,
    calm_failed: u32,
}

/// A site in which anything can happen.
pub(crate) struct Storm {
    seed: u64,
    pub(crate) rng: Rng,
    runtime: Runtime,
    pub(crate) origins: Vec<FaultyOrigin>,
    house: House,
    pub(crate) proxy: Proxy,
    crowd: Arc<Crowd>,
    pub(crate) ledger: Arc<Ledger>,
    /// Where the slice stands that moves there and back.
    swung: Role,
    pub(crate) trial: Trial,
    spare_slices: u32,
    next_fault: usize,
    pub(crate) tally: Tally,
    begun: Instant,
}

/// How a storm ended.
pub(crate) struct Outcome {
    pub(crate) records: Records,
    /// One line of figures.
    pub(crate) figures: String,
    pub(crate) answered: usize,
    pub(crate) calm_failed: u32,
    pub(crate) recovered: Option<Duration>,
    /// How often each fault happened.
    pub(crate) faults: Vec<u64>,
    /// How often legacy has stood in.
    pub(crate) stood_in: u32,
}

impl Storm {
    pub(crate) fn new(seed: u64) -> Storm {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let ledger = Arc::new(Ledger::default());
        let origins = {
            let _inside = runtime.enter();
            let names = [
                ("legacy-1", Role::Legacy),
                ("legacy-2", Role::Legacy),
                ("extracted-1", Role::Extracted),
                ("extracted-2", Role::Extracted),
            ];
            let start = |((name, role), number)| FaultyOrigin::start(name, role, seed ^ number, &ledger);
            names.into_iter().zip(1..).map(start).collect::<Vec<_>>()
        };
        let begun = Instant::now();
        for place in Place::ALL {
            let (reader, writer) = match place {
                Place::Rest | Place::Swung => (Some(Role::Legacy), Role::Legacy),
                Place::Kept => (Some(Role::Extracted), Role::Legacy),
                Place::Moved => (Some(Role::Extracted), Role::Extracted),
                Place::Tried => (None, Role::Legacy),
            };
            ledger.records().reigns.push(Reign { place, reader, writer, from: begun, until: None });
        }
        ledger.records().well.push((begun, None));
        let house = House::new(&configuration(&origins, Role::Legacy, &Trial::new(), 0));
        let proxy = house.serve();
        let crowd = Arc::new(Crowd {
            address: proxy.public,
            ledger: Arc::clone(&ledger),
            next_id: AtomicU64::new(1),
            finished: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        });
        Storm {
            seed,
            rng: Rng::with_seed(seed),
            runtime,
            origins,
            house,
            proxy,
            crowd,
            ledger,
            swung: Role::Legacy,
            trial: Trial::new(),
            spare_slices: 0,
            next_fault: 0,
            tally: Tally::default(),
            begun,
        }
    }

    /// Everything that can happen, in a drawn order.
    pub(crate) fn rage(mut self) -> Outcome {
        let visitors = self.admit();
        for _ in 0..STEPS {
            let requests = self.rng.u64(5..40);
            self.wait_requests(requests);
            self.happen();
        }
        self.calm();
        self.end(visitors)
    }

    /// Nothing but requests.
    pub(crate) fn drizzle(mut self, requests: u64) -> Outcome {
        let visitors = self.admit();
        self.wait_requests(requests);
        self.tally.recovered = Some(Duration::ZERO);
        self.end(visitors)
    }

    fn admit(&self) -> Vec<JoinHandle<()>> {
        let seeds = (0..VISITORS).map(|number| self.seed.wrapping_mul(1000) + number);
        seeds.map(|seed| self.runtime.spawn(Visitor::new(&self.crowd, seed).stay())).collect()
    }

    fn wait_requests(&self, more: u64) {
        let until = self.crowd.finished.load(Ordering::Relaxed) + more;
        wait_for("requests to end", || (self.crowd.finished.load(Ordering::Relaxed) >= until).then_some(()));
    }

    fn happen(&mut self) {
        let number = self.rng.usize(0..self.origins.len());
        if !self.origins[number].is_up() && self.rng.bool() {
            let _inside = self.runtime.enter();
            return self.befall(number, FaultyOrigin::rise);
        }
        if self.trial.is_held() && self.rng.u8(0..4) == 0 {
            return self.retreat_or_resume();
        }
        match self.rng.u8(0..28) {
            // In turn, so that every storm has every way to fail.
            0..=10 => {
                self.next_fault = (self.next_fault + 1) % Fault::ALL.len();
                let fault = Some(Fault::ALL[self.next_fault]);
                let weather = Weather { percent: self.rng.u8(20..60), fault, plant: None };
                self.befall(number, |origin| origin.set(weather));
            }
            11..=12 => self.befall(number, |origin| origin.set(Weather::default())),
            13..=15 => {
                self.befall(number, FaultyOrigin::kill);
                self.tally.kills += 1;
            }
            16..=17 => self.swing(),
            18 => {
                self.spare_slices += 1;
                self.tally.other_edits += 1;
                let generation = self.proxy.generation();
                self.save();
                self.proxy.wait_generation(generation + 1);
            }
            19 => self.save_nonsense(),
            20..=23 => self.turn(),
            24..=25 => self.retreat_or_resume(),
            // All of legacy is well for a while.
            _ => {
                let _inside = self.runtime.enter();
                for number in 0..self.origins.len() {
                    if self.origins[number].role() == Role::Legacy {
                        self.befall(number, |origin| {
                            origin.set(Weather::default());
                            origin.rise();
                        });
                    }
                }
            }
        }
    }

    pub(crate) fn save(&self) {
        self.house.write(&configuration(&self.origins, self.swung, &self.trial, self.spare_slices));
    }

    /// Moves reads and writes of a slice to the other side.
    fn swing(&mut self) {
        let to = if self.swung == Role::Legacy { Role::Extracted } else { Role::Legacy };
        self.swung = to;
        self.tally.swings += 1;
        self.rules(Place::Swung, Some(to), to, |storm| {
            let generation = storm.proxy.generation();
            storm.save();
            storm.proxy.wait_generation(generation + 1);
        });
    }

    /// Saves a file that cannot be served, and then the good one again.
    fn save_nonsense(&mut self) {
        self.tally.bad_files += 1;
        let good = configuration(&self.origins, self.swung, &self.trial, self.spare_slices);
        let bad = match self.rng.u8(0..3) {
            0 => good.replace("phase = \"extracted\"", "phase = \"extrcated\""),
            1 => good[..good.len() / 2].to_owned() + "\n[[[",
            _ => String::from("version = 1\n"),
        };
        self.house.write(&bad);
        self.proxy.wait_stale(true);
        self.save();
        self.proxy.wait_stale(false);
    }

    /// All is well again: within two seconds every origin answers, and then nothing fails.
    fn calm(&mut self) {
        for number in 0..self.origins.len() {
            let _inside = self.runtime.enter();
            self.befall(number, |origin| {
                origin.set(Weather::default());
                origin.rise();
            });
        }
        let begun = Instant::now();
        let mut probe = Visitor::new(&self.crowd, self.seed ^ 0xCA1);
        let mut in_row = 0;
        while in_row < CALM && begun.elapsed() < 2 * RECOVERY {
            in_row = if self.runtime.block_on(probe.ask()) { in_row + 1 } else { 0 };
            if in_row == 1 {
                self.tally.recovered = Some(begun.elapsed());
            }
        }
        self.tally.calm_failed = CALM - in_row;
    }

    fn end(mut self, visitors: Vec<JoinHandle<()>>) -> Outcome {
        self.crowd.stop.store(true, Ordering::Relaxed);
        self.runtime.block_on(async {
            for visitor in visitors {
                visitor.await.unwrap();
            }
        });
        let faults = self.faults();
        self.tally.stood_in = self.stood_in();
        let records = self.ledger.records().clone();
        let answered = records
            .asked
            .iter()
            .filter(|asked| matches!(asked.ending, Ending::Answered { status: 200, .. }))
            .count();
        let figures = self.figures(&records, &faults);
        let Tally { recovered, calm_failed, stood_in, .. } = self.tally;
        Outcome { records, figures, answered, calm_failed, recovered, faults, stood_in }
    }

    fn faults(&self) -> Vec<u64> {
        let mut sums = vec![0; Fault::ALL.len()];
        for origin in &self.origins {
            for (sum, count) in sums.iter_mut().zip(origin.faults()) {
                *sum += count;
            }
        }
        sums
    }

    fn figures(&self, records: &Records, faults: &[u64]) -> String {
        let mut endings: BTreeMap<String, u32> = BTreeMap::new();
        for asked in &records.asked {
            let name = match asked.ending {
                Ending::Answered { status, .. } => status.to_string(),
                Ending::Left { .. } => "client left".to_owned(),
                ref other => format!("{other:?}").to_lowercase(),
            };
            *endings.entry(name).or_default() += 1;
        }
        let writes = records.asked.iter().filter(|asked| asked.is_unsafe).count();
        let Tally { kills, swings, turns, retreats, stood_in, other_edits, bad_files, recovered, .. } =
            &self.tally;
        let copies = records.arrivals.iter().filter(|arrival| arrival.copy).count();
        let mut text = format!(
            "seed {}: {} requests ({writes} unsafe), {} arrivals in {:.1?};",
            self.seed,
            records.asked.len(),
            records.arrivals.len(),
            self.begun.elapsed()
        );
        for (name, count) in endings {
            write!(text, " {name} {count},").unwrap();
        }
        write!(
            text,
            " {kills} kills, {swings} moves, {turns} turns, {retreats} retreats, {other_edits} other edits, \
             {bad_files} bad files, {copies} copies, legacy stood in {stood_in} times, recovered in \
             {recovered:.0?}; faults:"
        )
        .unwrap();
        for (fault, count) in Fault::ALL.iter().zip(faults) {
            write!(text, " {fault:?} {count}").unwrap();
        }
        text
    }
}

fn configuration(origins: &[FaultyOrigin], swung: Role, trial: &Trial, spare_slices: u32) -> String {
    let endpoints = |role: Role| {
        let of_role = origins.iter().filter(|origin| origin.role() == role);
        of_role.map(|origin| format!("\"http://{}\"", origin.address)).collect::<Vec<_>>().join(", ")
    };
    let limits = |response: &str| {
        format!("timeouts = {{ connect = \"500ms\", response = \"{response}\", idle = \"400ms\" }}")
    };
    let swung = if swung == Role::Legacy { "legacy" } else { "extracted" };
    let mut text = format!(
        "version = 1\nlegacy = \"monolith\"\n{SERVER}\n\
         [upstreams.monolith]\nendpoints = [{}]\n{}\n\n[upstreams.shop]\nendpoints = [{}]\n{}\n\n\
         [defaults]\nfallback = \"never\"\nguardrails = false\nshadow = {{ reverse_sample = \"0%\" }}\n\n\
         [slices.kept]\nupstream = \"shop\"\nphase = \"extracted\"\nwriter = \"legacy\"\nsync = \"to-extracted\"\n\
         routes = [\"/kept/**\"]\n\n\
         [slices.moved]\nupstream = \"shop\"\nphase = \"extracted\"\nwriter = \"extracted\"\nsync = \"to-legacy\"\n\
         routes = [\"/moved/**\"]\n\n\
         [slices.swung]\nupstream = \"shop\"\nphase = \"{swung}\"\nwriter = \"{swung}\"\nsync = \"stateless\"\n\
         routes = [\"/swung/**\"]\n\n{}",
        endpoints(Role::Legacy),
        limits("1s"),
        endpoints(Role::Extracted),
        limits("400ms"),
        trial.text(),
    );
    for number in 0..spare_slices {
        writeln!(text, "\n[slices.spare-{number}]\nupstream = \"shop\"\nroutes = [\"/spare-{number}/**\"]")
            .unwrap();
    }
    text
}
