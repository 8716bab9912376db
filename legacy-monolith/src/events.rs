//! What happens in the shop, for whoever listens to `/events`.
//!
//! A listener that is too slow misses events; it never holds anybody up.

use serde_json::Value;
use tokio::sync::{broadcast, watch};

/// Events a slow listener may be behind.
const BACKLOG: usize = 64;

/// Something that happened.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// `order` or `payment`.
    pub(crate) kind: &'static str,
    /// What it was about.
    pub(crate) data: Value,
}

/// The hub; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    sender: broadcast::Sender<Event>,
    closed: watch::Sender<bool>,
}

impl Events {
    pub(crate) fn new() -> Self {
        Self { sender: broadcast::Sender::new(BACKLOG), closed: watch::Sender::new(false) }
    }

    /// Tells everybody who listens at the moment.
    pub(crate) fn tell(&self, kind: &'static str, data: Value) {
        // Nobody listening is no failure.
        drop(self.sender.send(Event { kind, data }));
    }

    /// Ends every stream.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    pub(crate) fn listen(&self) -> Listener {
        Listener { events: self.sender.subscribe(), closed: self.closed.subscribe() }
    }
}

/// One listener's end.
#[derive(Debug)]
pub(crate) struct Listener {
    events: broadcast::Receiver<Event>,
    closed: watch::Receiver<bool>,
}

impl Listener {
    /// The next event; none once the shop closes.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                _ = self.closed.wait_for(|closed| *closed) => return None,
                event = self.events.recv() => match event {
                    Ok(event) => return Some(event),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
            }
        }
    }
}
