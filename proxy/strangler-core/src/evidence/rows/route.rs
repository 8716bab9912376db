//! The rows of one route: what changed, and filling an empty route again.

use std::collections::BTreeMap;

use super::super::limits::Limits;
use super::super::route::{Noise, RouteEvidence, SHAPE_ROWS, shape_row};
use super::super::tally::Member;
use super::{Part, RouteRow, SignatureRow, by_reason, by_word, reason_of};
use crate::compare::Kind;

impl RouteEvidence {
    pub(super) fn mark_all_changed(&mut self) {
        self.head_changed = true;
        self.shape_rows_changed = u64::MAX;
        self.noise.values_mut().for_each(|noise| noise.changed = true);
        self.signatures.entries_mut().iter_mut().for_each(|entry| entry.changed = true);
        self.tallies.renumber(|member| member);
        self.set_aside.values_mut().for_each(|tallies| tallies.renumber(|member| member));
    }

    pub(super) fn take_changes(&mut self, mut put: impl FnMut(String, Part)) {
        if std::mem::take(&mut self.head_changed) {
            let row = RouteRow {
                not_compared: by_word(&self.not_compared),
                spilled: self.tallies.spilled(),
                repeated: self.repeated,
                latencies: self.latencies.clone(),
                span: self.span,
                dropped: self.dropped,
            };
            put("route".to_owned(), Part::Route(row));
        }
        for (place, entry) in (0..).zip(self.signatures.entries_mut()) {
            if std::mem::take(&mut entry.changed) {
                put(format!("signature/{place}"), Part::Signature(SignatureRow::of(place, entry)));
            }
        }
        for (set, count) in self.tallies.take_changed() {
            let names: Vec<String> = set.iter().map(Member::to_string).collect();
            put(
                format!("tally/{}", names.join(",")),
                Part::Tally { set: set.into(), count, set_aside: None },
            );
        }
        for (reason, tallies) in &mut self.set_aside {
            for (set, count) in tallies.take_changed() {
                let names: Vec<String> = set.iter().map(Member::to_string).collect();
                let set_aside = Some(reason.as_str().to_owned());
                let key = format!("tally/{}/{reason}", names.join(","), reason = reason.as_str());
                put(key, Part::Tally { set: set.into(), count, set_aside });
            }
        }
        let rows = std::mem::take(&mut self.shape_rows_changed);
        for row in (0..SHAPE_ROWS).filter(|row| rows & (1 << row) != 0) {
            let shapes: Vec<(u64, u8)> = self
                .shapes
                .iter()
                .filter(|(shape, _)| shape_row(**shape) == row)
                .map(|(shape, count)| (*shape, *count))
                .collect();
            if !shapes.is_empty() {
                put(format!("shapes/{row}"), Part::Shapes { shapes });
            }
        }
        for ((path, kind), noise) in &mut self.noise {
            if std::mem::take(&mut noise.changed) {
                let (path, kind) = (path.to_string(), kind.as_str().to_owned());
                put(format!("noise/{kind}/{path}"), Part::Noise { path, kind, counts: noise.counts });
            }
        }
    }

    /// Fills an empty route. Answers how many rows did not fit.
    pub(super) fn restore(&mut self, parts: Vec<Part>, limits: &Limits) -> u64 {
        let mut lost = 0;
        let mut signatures = BTreeMap::new();
        let mut tallies = Vec::new();
        for part in parts {
            match part {
                Part::Slice { .. } => lost += 1,
                Part::Route(row) => self.restore_head(row),
                Part::Signature(row) => {
                    signatures.insert(row.place, row);
                }
                Part::Tally { set, count, set_aside } => tallies.push((set, count, set_aside)),
                Part::Shapes { shapes } => self.shapes.extend(shapes),
                Part::Noise { path, kind, counts } => match (path.parse(), Kind::named(&kind)) {
                    (Ok(path), Some(kind)) => {
                        self.noise.insert((path, kind), Noise { counts, changed: false });
                    }
                    _ => lost += 1,
                },
            }
        }
        // Places are positions: after a gap nothing is where the tallies say it is.
        for (place, row) in signatures {
            match row.into_entry() {
                Some(entry) if place as usize == self.signatures.len() => {
                    self.signatures.push(entry);
                }
                _ => lost += 1,
            }
        }
        for (set, count, set_aside) in tallies {
            let reason = set_aside.as_deref().map(reason_of);
            let tallies = match reason {
                None => &mut self.tallies,
                Some(Some(reason)) => self.set_aside.entry(reason).or_default(),
                Some(None) => {
                    lost += 1;
                    continue;
                }
            };
            let known = set.iter().all(|member| (*member as usize) < self.signatures.len());
            if known && set.is_sorted() {
                tallies.add(&set, count, limits.sets_per_route, limits.members_per_route);
            } else {
                lost += 1;
            }
        }
        self.tallies.take_changed();
        self.set_aside.values_mut().for_each(|tallies| drop(tallies.take_changed()));
        lost
    }

    fn restore_head(&mut self, row: RouteRow) {
        let RouteRow { not_compared, spilled, repeated, latencies, span, dropped } = row;
        self.not_compared = by_reason(not_compared);
        self.tallies.restore_spilled(spilled);
        self.repeated = repeated;
        self.latencies = latencies;
        self.span = span;
        self.dropped = dropped;
    }
}
