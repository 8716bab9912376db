//! One configuration as the requests of one thread see it.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};
use strangler_core::words::UpstreamId;

use crate::live::Running;
use crate::upstream::Members;
use crate::upstream::members::View;

/// One configuration, pinned by requests of one thread without touching a shared counter.
pub(crate) type Pin = Rc<Pinned>;

/// A configuration, and the members of its upstreams as this thread last saw them: those may change while the
/// configuration does not.
pub(crate) struct Pinned {
    running: Arc<Running>,
    /// Indexed by [`UpstreamId`]; filled as they are met.
    watched: RefCell<Vec<Option<Watched>>>,
}

struct Watched {
    published: Cache<Arc<ArcSwap<Members>>, Arc<Members>>,
    view: View,
}

impl Pinned {
    pub(crate) fn new(running: Arc<Running>) -> Pin {
        Rc::new(Pinned { running, watched: RefCell::default() })
    }

    /// The members of an upstream now: one load while they do not change.
    pub(crate) fn members(&self, id: UpstreamId) -> View {
        let mut watched = self.watched.borrow_mut();
        let index = id.0 as usize;
        if watched.len() <= index {
            watched.resize_with(index + 1, || None);
        }
        let Some(slot) = watched.get_mut(index) else { return View::default() };
        let watched = slot.get_or_insert_with(|| {
            let mut published = Cache::new(Arc::clone(self.running.upstream(id).published()));
            let view = Rc::new(Arc::clone(published.load()));
            Watched { published, view }
        });
        let current = watched.published.load();
        if !Arc::ptr_eq(current, &watched.view) {
            watched.view = Rc::new(Arc::clone(current));
        }
        Rc::clone(&watched.view)
    }
}

impl Deref for Pinned {
    type Target = Arc<Running>;

    fn deref(&self) -> &Arc<Running> {
        &self.running
    }
}
