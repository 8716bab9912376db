//! What is worth knowing about a move: whom it does not take along, and who stands in the same cohort.

use std::sync::Arc;

use strangler_core::promotion::Station;
use strangler_core::snapshot::{Route, Slice, Snapshot};
use strangler_core::words::Phase;

/// Names in one sentence.
const NAMES_MAX: usize = 5;

/// Routes of the slice that say themselves where they stand, and so do not stand where it does now.
pub(super) fn not_moved(before: &Snapshot, after: &Snapshot, slice: &str) -> Vec<String> {
    let Some((index, known)) = found(after, slice) else { return Vec::new() };
    let to = station(known.phase, known.canary.as_ref().map(|canary| canary.share));
    let mut notes = Vec::new();
    for route in after.routes.iter().filter(|route| route.slice.0 as usize == index) {
        let at = stands(route);
        if at == to {
            continue;
        }
        let was = before.routes.iter().find(|old| old.id == route.id).map(|old| stands(old));
        notes.push(match was {
            Some(was) if was != at => {
                format!("route `{}` has a phase or share of its own: it goes {was} → {at}", route.id)
            }
            _ => format!("route `{}` has a phase or share of its own: it stays at {at}", route.id),
        });
    }
    let more = notes.len().saturating_sub(NAMES_MAX);
    if more > 0 {
        notes.truncate(NAMES_MAX);
        notes.push(format!("{more} more routes have a phase or share of their own"));
    }
    notes
}

/// Other slices of the same named cohort: their clients are the same, their shares are their own.
pub(super) fn shared_cohort(snapshot: &Snapshot, slice: &str) -> Option<String> {
    let (index, known) = found(snapshot, slice)?;
    let cohort = known.policy.cohort.as_deref()?;
    let is_other = |(other, slice): &(usize, &Arc<Slice>)| {
        *other != index && slice.policy.cohort.as_deref() == Some(cohort)
    };
    let others = snapshot.slices.iter().enumerate().filter(is_other);
    let others: Vec<String> = others
        .map(|(_, slice)| {
            format!("{} ({})", slice.name, station(slice.phase, slice.canary.as_ref().map(|c| c.share)))
        })
        .collect();
    let (shown, more) = (others.iter().take(NAMES_MAX), others.len().saturating_sub(NAMES_MAX));
    let mut list = shown.cloned().collect::<Vec<_>>().join(", ");
    if more > 0 {
        list.push_str(&format!(" and {more} more"));
    }
    (!others.is_empty()).then(|| {
        format!("cohort `{cohort}` is shared with {list}: move them too if they must switch together")
    })
}

fn found<'a>(snapshot: &'a Snapshot, name: &str) -> Option<(usize, &'a Arc<Slice>)> {
    snapshot.slices.iter().enumerate().find(|(_, slice)| *slice.name == *name)
}

fn stands(route: &Route) -> Station {
    station(route.phase, route.canary.as_ref().map(|canary| canary.share))
}

fn station(phase: Phase, share: Option<strangler_core::words::Share>) -> Station {
    Station { phase, share: share.filter(|_| phase == Phase::Canary) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use strangler_core::config::{SourceText, Sources};

    use super::*;
    use crate::live::compile;

    fn snapshot(text: &str) -> Arc<Snapshot> {
        let text = format!("version = 1\nlegacy = \"http://127.0.0.1:8000\"\n{text}");
        let main = SourceText { name: "a.toml".to_owned(), text };
        let loaded = compile::load(&Sources { main, included: Vec::new() }, Path::new(""));
        loaded.snapshot.ok_or(loaded.diagnostics).unwrap()
    }

    #[test]
    fn routes_that_stand_by_themselves_are_named() {
        let text = |phase: &str| {
            format!(
                r#"
[slices.a]
upstream = "http://127.0.0.1:8001"
phase = "{phase}"
canary = "5%"
sync = "stateless"
routes = ["/a", {{ match = "/b", phase = "shadow" }}, {{ match = "/c", canary = "50%" }}]
"#
            )
        };
        assert_eq!(
            not_moved(&snapshot(&text("shadow")), &snapshot(&text("canary")), "a"),
            [
                "route `/b` has a phase or share of its own: it stays at shadow",
                "route `/c` has a phase or share of its own: it goes shadow → canary 50%",
            ]
        );
        assert!(not_moved(&snapshot(&text("legacy")), &snapshot(&text("shadow")), "a").is_empty());
    }

    #[test]
    fn slices_of_the_same_cohort_are_named() {
        let slice = |name: &str, port: u16, cohort: &str| {
            format!(
                "[slices.{name}]\nupstream = \"http://127.0.0.1:{port}\"\nphase = \"canary\"\ncanary = \"5%\"\n\
                 sync = \"stateless\"\n{cohort}\nroutes = [\"/{name}\"]\n"
            )
        };
        let text = slice("cart", 8001, "cohort = \"buyers\"")
            + &slice("checkout", 8002, "cohort = \"buyers\"")
            + &slice("users", 8003, "");
        let snapshot = snapshot(&text);
        assert_eq!(
            shared_cohort(&snapshot, "cart").as_deref(),
            Some(
                "cohort `buyers` is shared with checkout (canary 5%): move them too if they must switch together"
            )
        );
        assert_eq!(shared_cohort(&snapshot, "users"), None);
    }
}
