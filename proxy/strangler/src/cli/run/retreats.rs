//! Retreats that were in force when the process before this one ended.

use std::sync::Arc;

use jiff::Timestamp;
use strangler_core::retreat::Latches;

use crate::live::Running;
use crate::live::reload::{Event, absorbed_events};
use crate::live::report::Trigger;
use crate::live::retreat::Keep;
use crate::store::Store;

/// Puts retreats that were kept in force, and says what is to be told of it. Where they cannot be read every slice is
/// held at `shadow`, loudly: nobody knows which had retreated.
pub(super) fn restore(store: &Store, keep: &Keep, first: &Running) -> (Running, Vec<Event>) {
    let mut events = Vec::new();
    let latches = store.retreats().unwrap_or_else(|error| {
        let error = error.to_string();
        store.set_retreats_aside();
        let latches = Latches::unreadable(Timestamp::now(), error.clone());
        if let Err(error) = keep(&latches) {
            tracing::error!(error, "that every slice is held is not on disk");
        }
        events.push(Event::RetreatsUnreadable { error, generation: first.generation });
        latches
    });
    let latches = by_name(&latches, keep, first);
    let running = first.with_latches(Arc::new(latches.clone()));
    let mut lifted = latches;
    let absorbed = lifted.absorb(&running.snapshot);
    if absorbed.is_empty() {
        return (running, events);
    }
    if let Err(error) = keep(&lifted) {
        tracing::error!(error, "retreats that the file has come down to stay in force");
        return (running, events);
    }
    events.extend(absorbed_events(&running, Trigger::Start, absorbed));
    (running.with_latches(Arc::new(lifted)), events)
}

/// Where every slice is held, by its own name as well: it may be gone from the file for a while.
fn by_name(latches: &Latches, keep: &Keep, first: &Running) -> Latches {
    let named = latches.clone().named(&first.snapshot);
    if named != *latches
        && let Err(error) = keep(&named)
    {
        tracing::error!(error, "which slices are held is not on disk");
    }
    named
}
