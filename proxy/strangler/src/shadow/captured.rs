//! One exchange with a client, whole, as the shadow thread gets it.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use strangler_core::compare::{End, Reply};
use strangler_core::routing::shadow::{Copying, Course};
use strangler_core::words::Phase;

use super::budget::Reserved;
use super::finished::Original;
use super::held::Held;
use super::message::Body;
use crate::live::Running;

/// Names a copy: in `X-Shadow-Request`, and in the access log's lines of the copy and of its primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ShadowId(NonZeroU64);

impl ShadowId {
    pub(super) fn new() -> ShadowId {
        ShadowId(NonZeroU64::new(fastrand::u64(1..)).unwrap_or(NonZeroU64::MIN))
    }
}

impl ShadowId {
    /// Its digits.
    pub(super) fn digits(self) -> [u8; 16] {
        let number = self.0.get();
        std::array::from_fn(|at| {
            let digit = (number >> (60 - 4 * at)) & 0xf;
            char::from_digit(u32::try_from(digit).unwrap_or_default(), 16).map_or(b'0', |digit| digit as u8)
        })
    }
}

impl fmt::Display for ShadowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

/// What is done with an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// It is copied and compared; it ends in an account.
    Compare,
    /// It is recorded only: nothing is sent, and it is in no account.
    Record,
}

/// What a client asked, and what it was answered by its primary.
#[derive(Debug)]
pub(super) struct Captured {
    pub(super) id: ShadowId,
    /// The configuration that the request had pinned.
    pub(super) running: Arc<Running>,
    pub(super) errand: Errand,
    pub(super) copying: Copying,
    pub(super) course: Course,
    /// The phase in which the request was decided.
    pub(super) phase: Phase,
    pub(super) method: Method,
    pub(super) held: Held,
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

    /// What the client asked, and when; `body` is the request's.
    pub(super) fn original<'a>(&'a self, body: &'a Bytes, at: jiff::Timestamp) -> Original<'a> {
        Original {
            running: &self.running,
            copying: &self.copying,
            id: self.id,
            at,
            method: self.method.as_str(),
            target: &self.held.target,
            lines: &self.held.lines,
            body,
        }
    }

    /// What the client was answered. Its body is not held any longer.
    pub(super) fn take_reply(&mut self) -> Reply {
        let PrimaryReply { end, status, body, .. } = &mut self.reply;
        let headers = std::mem::take(&mut self.held.reply);
        Reply { end: *end, status: *status, headers, body: std::mem::take(body).into_bytes() }
    }
}

/// The primary's answer, as it came from its upstream.
#[derive(Debug)]
pub(super) struct PrimaryReply {
    pub(super) end: End,
    /// 0 where there is no head.
    pub(super) status: u16,
    pub(super) body: Body,
    /// From the whole request to the end of the answer.
    pub(super) took: Duration,
}

impl Default for PrimaryReply {
    /// Nothing yet.
    fn default() -> PrimaryReply {
        PrimaryReply { end: End::Complete, status: 0, body: Body::default(), took: Duration::ZERO }
    }
}
