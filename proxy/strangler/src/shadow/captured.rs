//! One exchange with a client, whole, as the shadow thread gets it.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

use strangler_core::compare::End;
use strangler_core::routing::shadow::{Copying, Course};
use strangler_core::words::Phase;

use super::budget::Reserved;
use super::message::{Body, Lines};
use crate::live::Running;

/// Names a copy: in `X-Shadow-Request`, and in the access log's lines of the copy and of its primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ShadowId(NonZeroU64);

impl ShadowId {
    pub(super) fn new() -> ShadowId {
        ShadowId(NonZeroU64::new(fastrand::u64(1..)).unwrap_or(NonZeroU64::MIN))
    }
}

impl fmt::Display for ShadowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a client asked, and what it was answered by its primary.
#[derive(Debug)]
pub(super) struct Captured {
    pub(super) id: ShadowId,
    /// The configuration that the request had pinned.
    pub(super) running: Arc<Running>,
    pub(super) copying: Copying,
    pub(super) course: Course,
    /// The phase in which the request was decided.
    pub(super) phase: Phase,
    pub(super) method: Box<str>,
    /// Path and query as sent.
    pub(super) target: Box<str>,
    /// As every upstream would be sent them, before its slice's own operations.
    pub(super) lines: Lines,
    pub(super) body: Body,
    pub(super) reply: PrimaryReply,
    /// When the request's head had been read.
    pub(super) began: Instant,
    /// The bytes that all this takes.
    pub(super) reserved: Reserved,
}

impl Captured {
    /// When the request's head had been read.
    pub(super) fn at(&self) -> jiff::Timestamp {
        let now = jiff::Timestamp::now();
        now.checked_sub(self.began.elapsed()).unwrap_or(now)
    }
}

/// The primary's answer, as it came from its upstream.
#[derive(Debug)]
pub(super) struct PrimaryReply {
    pub(super) end: End,
    /// 0 where there is no head.
    pub(super) status: u16,
    pub(super) lines: Lines,
    pub(super) body: Body,
    /// From the whole request to the end of the answer.
    pub(super) took: Duration,
}
