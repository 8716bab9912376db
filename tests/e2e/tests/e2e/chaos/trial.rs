//! The slice that is being tried out: its phase and share change, it retreats and goes on, and legacy stands in for it.
//!
//! Keeps the records honest about it: which side may read when, and when all of legacy was well.

use std::time::Instant;

use super::ledger::{Place, Reign, Role};
use super::storm::Storm;
use crate::support::client::post;

/// Where the slice stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trial {
    phase: &'static str,
    share: &'static str,
    /// It has retreated, and nobody has resumed it.
    held: bool,
}

impl Trial {
    pub(crate) fn new() -> Trial {
        Trial { phase: "canary", share: "50%", held: false }
    }

    /// Its part of the file.
    pub(crate) fn text(&self) -> String {
        let Trial { phase, share, .. } = self;
        format!(
            "[slices.tried]\nupstream = \"shop\"\nphase = \"{phase}\"\ncanary = \"{share}\"\nwriter = \"legacy\"\n\
             sync = \"shared\"\ncohort_by = \"header:x-client\"\nfallback = \"auto\"\nfallback_after = \"200ms\"\n\
             shadow = {{ reverse_sample = \"50%\" }}\nroutes = [\"/tried/**\"]\n\n"
        )
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held
    }

    /// Who answers its reads; `None`: perhaps both.
    pub(crate) fn reader(&self) -> Option<Role> {
        (self.held || self.phase == "shadow").then_some(Role::Legacy)
    }
}

impl Storm {
    /// The file gives the slice another phase, or share.
    pub(crate) fn turn(&mut self) {
        let steps = [
            ("shadow", "1%"),
            ("canary", "5%"),
            ("canary", "50%"),
            ("canary", "100%"),
            ("extracted", "100%"),
        ];
        let (phase, share) = steps[self.rng.usize(0..steps.len())];
        if (phase, share) == (self.trial.phase, self.trial.share) {
            return;
        }
        // A file that comes down as far ends the retreat.
        let held = self.trial.held && phase != "shadow";
        self.trial = Trial { phase, share, held };
        self.tally.turns += 1;
        self.rules(Place::Tried, self.trial.reader(), Role::Legacy, |storm| {
            let generation = storm.proxy.generation();
            storm.save();
            storm.proxy.wait_generation(generation + 1);
        });
    }

    /// The slice retreats, or goes on.
    pub(crate) fn retreat_or_resume(&mut self) {
        let (order, body): (_, &[u8]) = if self.trial.held {
            ("resume", b"{}")
        } else {
            ("retreat", b"{\"to\": \"shadow\", \"reason\": \"a storm\"}")
        };
        self.trial.held = order == "retreat" && self.trial.phase != "shadow";
        self.tally.retreats += u32::from(self.trial.held);
        self.rules(Place::Tried, self.trial.reader(), Role::Legacy, |storm| {
            let answer = post(storm.proxy.admin, &format!("/api/slices/tried/{order}"), body);
            assert_eq!(answer.status, 200, "{order}: {}", answer.text());
        });
    }

    /// Something comes into force: from now on it may hold, and what held before ends with it.
    pub(crate) fn rules(
        &mut self,
        place: Place,
        reader: Option<Role>,
        writer: Role,
        act: impl FnOnce(&mut Storm),
    ) {
        let reign = Reign { place, reader, writer, from: Instant::now(), until: None };
        let previous = {
            let mut records = self.ledger.records();
            let previous = records.reigns.iter().rposition(|reign| reign.place == place).unwrap();
            records.reigns.push(reign);
            previous
        };
        act(self);
        self.ledger.records().reigns[previous].until = Some(Instant::now());
    }

    /// Something happens to an origin.
    pub(crate) fn befall(&self, number: usize, what: impl FnOnce(&super::origin::FaultyOrigin)) {
        let origin = &self.origins[number];
        if origin.role() == Role::Legacy
            && let Some((_, until @ None)) = self.ledger.records().well.last_mut()
        {
            *until = Some(Instant::now());
        }
        what(origin);
        let mut of_legacy = self.origins.iter().filter(|origin| origin.role() == Role::Legacy);
        let mut records = self.ledger.records();
        let known = records.well.last().is_some_and(|(_, until)| until.is_none());
        if !known && of_legacy.all(super::origin::FaultyOrigin::is_well) {
            records.well.push((Instant::now(), None));
        }
    }

    /// How often legacy has stood in.
    pub(crate) fn stood_in(&self) -> u32 {
        let metrics = self.proxy.admin_get("/metrics").text();
        let counts = metrics.lines().filter(|line| line.starts_with("strangler_fallbacks_total{"));
        counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u32>().ok()).sum()
    }
}
