//! What is handed on when a copy has been compared: to whoever redacts, keeps and judges it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use strangler_core::compare::{Compared, Comparison, FieldLines, NotCompared, Reply};
use strangler_core::evidence::Repeated;
use strangler_core::routing::shadow::Copying;
use strangler_core::words::Owner;

use super::captured::ShadowId;
use crate::corpus::Recordings;
use crate::live::Running;

/// Takes what comparisons found. Called on the shadow thread, which waits for it: it must not block.
pub trait Sink: Send {
    /// One request has ended on the shadow thread.
    fn finished(&mut self, finished: &Finished<'_>);

    /// One request went by that is not copied, but that somebody records.
    fn passed(&mut self, _passed: &Passed<'_>) {}

    /// Who records what goes by.
    fn recordings(&self) -> Arc<Recordings> {
        Arc::default()
    }

    /// So many requests of a route have ended without being compared, elsewhere and since the last time. The
    /// route is empty where too many routes had such requests at once.
    fn not_compared(&mut self, slice: &Arc<str>, route: &Arc<str>, reason: NotCompared, count: u64);

    /// Called about ten times a second, and last of all: whoever gathers hands on now.
    fn flush(&mut self) {}
}

/// The client's request, as its primary got it. **Nothing in it is redacted.**
#[derive(Clone, Copy, Debug)]
pub struct Original<'a> {
    /// The configuration that the request had pinned.
    pub running: &'a Running,
    /// Its route and slice, and which side answered the client.
    pub copying: &'a Copying,
    /// The copy's id.
    pub id: ShadowId,
    /// When the request's head had been read.
    pub at: jiff::Timestamp,
    /// As sent.
    pub method: &'a str,
    /// Path and query as sent.
    pub target: &'a str,
    pub(super) lines: &'a FieldLines,
    /// The request's body.
    pub body: &'a Bytes,
}

/// One request that is recorded without being copied.
#[derive(Debug)]
pub struct Passed<'a> {
    /// The request.
    pub original: Original<'a>,
    /// What the client was answered, as it came from the upstream.
    pub reply: &'a Reply,
    /// How long that took until it was complete.
    pub took: Duration,
}

/// One request whose copy was compared, or was to be.
#[derive(Debug)]
pub struct Finished<'a> {
    /// The request.
    pub original: Original<'a>,
    /// Both sides' replies as their clients would see them; `None` where one was not asked.
    pub replies: Option<Replies<'a>>,
    /// What comparing them gave.
    pub compared: &'a Compared,
    /// Where asking again set aside what had been found first (transient, unstable): that.
    pub set_aside: Option<&'a Comparison>,
    /// Where legacy was asked twice: what differed from its first answer.
    pub repeated: Option<&'a Repeated>,
    /// What the extracted service says its version is (`version_from`).
    pub version: Option<&'a str>,
}

/// Both sides' replies to one request.
#[derive(Clone, Copy, Debug)]
pub struct Replies<'a> {
    /// Legacy's.
    pub legacy: &'a Reply,
    /// The extracted service's.
    pub extracted: &'a Reply,
    /// How long legacy took until its answer was complete.
    pub legacy_took: Duration,
    /// How long the extracted service took.
    pub extracted_took: Duration,
}

impl Original<'_> {
    /// The request's header lines, names in any case, as every upstream would be sent them.
    pub fn headers(&self) -> &FieldLines {
        self.lines
    }

    /// The value of the first header line of a name, in any case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.lines.first(name)
    }

    /// The side that answered the client.
    pub fn primary(&self) -> Owner {
        self.copying.direction.primary()
    }

    /// Its slice's name.
    pub fn slice(&self) -> &Arc<str> {
        &self.running.snapshot.slice(self.copying.slice).name
    }

    /// Its route's id.
    pub fn route(&self) -> &Arc<str> {
        &self.running.snapshot.route(self.copying.route).id
    }
}
