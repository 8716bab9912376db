//! What the process knows of its upstreams' health: in memory, carried over by a reload that does not change them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use strangler_core::snapshot::Upstream;
use strangler_core::upstreams::{Breaker, Standings, Window};

/// What is known of one upstream's health.
#[derive(Debug)]
pub(crate) struct UpstreamState {
    pub(crate) settings: Arc<Upstream>,
    pub(crate) breaker: Option<Breaker>,
    pub(crate) window: Window,
    pub(crate) standings: RefCell<Standings>,
    pub(crate) endpoints: Vec<EndpointState>,
    pub(crate) in_flight: Cell<u32>,
}

/// What is known of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct EndpointState {
    pub(crate) failed_in_a_row: Cell<u32>,
    /// Idle connections, by the incarnation of the process at their other end.
    pub(crate) idle: RefCell<Vec<u32>>,
}

impl UpstreamState {
    pub(crate) fn new(settings: &Arc<Upstream>, old: Option<&Rc<UpstreamState>>) -> Rc<UpstreamState> {
        if let Some(old) = old.filter(|old| *old.settings == **settings) {
            return Rc::clone(old);
        }
        let mut standings = Standings::default();
        let keys: Vec<u64> = (0..).take(settings.endpoints.len()).collect();
        standings.keep(&keys);
        let window = settings.breaker.map_or(Duration::from_secs(10), |breaker| breaker.window);
        Rc::new(UpstreamState {
            settings: Arc::clone(settings),
            breaker: settings.breaker.map(Breaker::new),
            window: Window::new(window),
            standings: RefCell::new(standings),
            endpoints: settings.endpoints.iter().map(|_| EndpointState::default()).collect(),
            in_flight: Cell::new(0),
        })
    }
}
