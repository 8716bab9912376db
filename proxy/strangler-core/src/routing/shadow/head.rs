//! The head of a copy: what the side that gets it would have been sent, marked as a copy.
//!
//! Owns the marks, the slice's own operations and what is left out. Refuses framing: whoever sends the copy
//! says how long its body is.

use std::borrow::Cow;

use super::{Copying, Course, Purpose};
use crate::routing::rewrite;
use crate::snapshot::{HeaderOps, HostPolicy, Snapshot};
use crate::words::Owner;

/// Names a copy by its id; removed from what clients send.
pub const SHADOW_REQUEST: &str = "x-shadow-request";
/// Asks for a write to be rolled back, and says that it was; removed from what clients send.
pub const SHADOW_MODE: &str = "x-shadow-mode";
/// Replaced on copies to a service with a store of its own.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The value of [`SHADOW_MODE`].
const ROLLBACK: &str = "rollback";
/// What tells the extracted service which prefix was stripped.
const X_FORWARDED_PREFIX: &str = "x-forwarded-prefix";

/// A header line: name in any case, and value.
pub type HeadLine<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// The head of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyHead<'a> {
    /// Path and query.
    pub target: Cow<'a, str>,
    /// Header lines in the order in which they came, without framing. `Host` is missing where the endpoint's
    /// own authority is wanted.
    pub lines: Vec<HeadLine<'a>>,
}

impl<'a> CopyHead<'a> {
    /// The head of the copy for `side`, out of what the primary was sent before its slice's own operations:
    /// public Host, forwarding and identification headers included, hop-by-hop headers excluded.
    ///
    /// `id` is the copy's.
    pub fn new(
        snapshot: &'a Snapshot,
        copying: &Copying,
        side: Owner,
        course: Course,
        id: &'a str,
        target: &'a str,
        sent: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> CopyHead<'a> {
        let stripped = course == Course::StrippedPair;
        let sent = sent.into_iter();
        // One more, for the mark.
        let mut lines = Vec::with_capacity(sent.size_hint().0 + 1);
        for (name, value) in sent {
            if !(is_left_out(name, value) || stripped && is_stripped(name)) {
                lines.push((Cow::Borrowed(name), Cow::Borrowed(value)));
            }
        }
        let mut head = CopyHead { target: Cow::Borrowed(target), lines };
        let policy = copying.policy(snapshot);
        let mut host = None;
        if side == Owner::Extracted {
            if let Some(rule) = &policy.rewrite {
                head.rewrite(rule, &snapshot.route(copying.route).pattern);
                host = rule.host.as_deref().filter(|host| !host.is_empty());
            }
            head.apply(&policy.request_headers);
        }
        if let Some(shadow) = &policy.shadow {
            head.apply(&shadow.request_headers);
        }
        head.set_host(host, &snapshot.upstream(copying.upstream(snapshot, side)).host);
        head.mark(copying.purpose, id);
        head
    }

    /// The value of `Host`.
    pub fn host(&self) -> Option<&str> {
        let host = self.lines.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"host"));
        host.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    fn rewrite(&mut self, rule: &crate::snapshot::Rewrite, pattern: &crate::matching::Pattern) {
        let (path, query) = crate::matching::path::split_target(&self.target);
        let rewritten = rewrite(path, query, rule, pattern);
        if let Some(prefix) = rewritten.stripped {
            self.set(X_FORWARDED_PREFIX.as_bytes(), Cow::Owned(prefix.into_bytes()));
        }
        self.target = Cow::Owned(rewritten.target);
    }

    fn apply(&mut self, operations: &'a HeaderOps) {
        for name in operations.remove.iter().filter(|name| !is_framing(name.as_str().as_bytes())) {
            self.remove(name.as_str().as_bytes());
        }
        for (name, value) in &operations.set {
            if !is_framing(name.as_str().as_bytes()) {
                self.set(name.as_str().as_bytes(), Cow::Borrowed(value.as_bytes()));
            }
        }
    }

    fn set_host(&mut self, rewritten: Option<&'a str>, policy: &'a HostPolicy) {
        match (rewritten, policy) {
            (Some(host), _) => self.set(b"host", Cow::Borrowed(host.as_bytes())),
            (None, HostPolicy::Literal(host)) => self.set(b"host", Cow::Borrowed(host.as_bytes())),
            (None, HostPolicy::Endpoint) => self.remove(b"host"),
            (None, HostPolicy::Preserve) => {}
        }
    }

    fn mark(&mut self, purpose: Purpose, id: &'a str) {
        self.set(SHADOW_REQUEST.as_bytes(), Cow::Borrowed(id.as_bytes()));
        match purpose {
            Purpose::Read => {}
            Purpose::DryRun => self.set(SHADOW_MODE.as_bytes(), Cow::Borrowed(ROLLBACK.as_bytes())),
            Purpose::Isolated => {
                if self.lines.iter().any(|(name, _)| name.eq_ignore_ascii_case(IDEMPOTENCY_KEY.as_bytes())) {
                    let key = format!("shadow:{id}");
                    self.set(IDEMPOTENCY_KEY.as_bytes(), Cow::Owned(key.into_bytes()));
                }
            }
        }
    }

    fn remove(&mut self, name: &[u8]) {
        self.lines.retain(|(line, _)| !line.eq_ignore_ascii_case(name));
    }

    /// One line of this name, where the first one stood or at the end.
    fn set(&mut self, name: &'a [u8], value: Cow<'a, [u8]>) {
        match self.lines.iter().position(|(line, _)| line.eq_ignore_ascii_case(name)) {
            None => self.lines.push((Cow::Borrowed(name), value)),
            Some(first) => {
                let mut at = 0;
                self.lines.retain(|(line, _)| {
                    at += 1;
                    at - 1 <= first || !line.eq_ignore_ascii_case(name)
                });
                if let Some(line) = self.lines.get_mut(first) {
                    line.1 = value;
                }
            }
        }
    }
}

/// Whether a reply to a dry-run says that the write was rolled back.
pub fn echoes_rollback<'a>(lines: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> bool {
    lines.into_iter().any(|(name, value)| {
        name.eq_ignore_ascii_case(SHADOW_MODE.as_bytes())
            && value.trim_ascii().eq_ignore_ascii_case(ROLLBACK.as_bytes())
    })
}

/// Whether a header makes a request conditional (RFC 9110 section 13.1). `If-Range` does so only beside
/// `Range`.
pub(super) fn is_condition(name: &[u8]) -> bool {
    [&b"if-match"[..], b"if-none-match", b"if-modified-since", b"if-unmodified-since"]
        .iter()
        .any(|condition| name.eq_ignore_ascii_case(condition))
}

fn is_stripped(name: &[u8]) -> bool {
    is_condition(name) || name.eq_ignore_ascii_case(b"range") || name.eq_ignore_ascii_case(b"if-range")
}

/// Framing and the connection are nobody's to set.
fn is_framing(name: &[u8]) -> bool {
    [&b"content-length"[..], b"transfer-encoding", b"connection", b"upgrade"]
        .iter()
        .any(|framing| name.eq_ignore_ascii_case(framing))
}

/// What a copy never carries: what belongs to one connection (RFC 9110 section 7.6.1), framing, waiting for a
/// 100, and marks that are not this copy's.
fn is_left_out(name: &[u8], value: &[u8]) -> bool {
    let is = |text: &[u8]| name.eq_ignore_ascii_case(text);
    // By length first: most names are none of these.
    match name.len() {
        2 => is(b"te") && !value.trim_ascii().eq_ignore_ascii_case(b"trailers"),
        6 => is(b"expect"),
        10 => is(b"keep-alive") || is_framing(name),
        13 => is(b"x-shadow-mode"),
        16 => is(b"proxy-connection") || is(b"x-shadow-request"),
        19 => is(b"proxy-authorization"),
        7 | 14 | 17 => is_framing(name),
        _ => false,
    }
}
