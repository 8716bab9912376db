//! Asking legacy where the extracted side fails a read.
//!
//! Owns what is kept ready for that, and the second attempt. Refuses the conditions, which are
//! [`strangler_core::routing::fallback`]'s. Invariants: no request that may have an effect, and none of which a byte of
//! an answer has reached the client, is sent to a second side; legacy gets the request as the client sent it, with
//! legacy's own time-outs; and it costs nothing that is not needed: the head is kept only where it is changed, the body
//! only where there is one.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use strangler_core::routing::fallback::{Trouble, applies, may_fall_back};
use strangler_core::snapshot::policy::Fallback;
use strangler_core::snapshot::{HostPolicy, Policy, Upstream};
use strangler_core::words::{Effect, Owner, RouteId};

use super::attempt::{self, Answered};
use super::error::ForwardError;
use super::local::{Pin, Presence, Session};
use super::outbound::{Decided, Plan};
use super::outcome::{self, Judged};
use super::record::Record;
use super::upload::Upload;
use crate::http1::{Known, RequestHead};
use crate::telemetry::Limit;

/// Bytes of a request's body that are kept for a second attempt.
const BODY_MAX: usize = 64 * 1024;

/// What is kept ready for asking legacy.
#[derive(Debug)]
pub(crate) struct Spare {
    /// Whose policy says on which failures.
    route: RouteId,
    /// Until when the extracted side may take for its headers.
    pub(crate) answer_by: Option<Instant>,
    /// The head as every upstream would be sent it; `None` where the extracted side is sent that very head.
    original: Option<Box<RequestHead>>,
}

/// Keeps what a second attempt needs, where legacy may answer. `head` is the one that every upstream would be sent.
pub(crate) fn spare(
    pin: &Pin,
    plan: &Plan,
    head: &RequestHead,
    upload: Option<&mut Upload>,
    announced: Option<u64>,
    record: &Record,
) -> Option<Spare> {
    if plan.decided.owner != Owner::Extracted || plan.decided.effect != Effect::Read || plan.upgrade.is_some()
    {
        return None;
    }
    let decision = record.decision()?;
    let found =
        may_fall_back(&pin.snapshot, decision, |slice| pin.lags.state(slice, record.started())).ok()?;
    let route = decision.route?;
    if let Some(upload) = upload {
        upload.keep(BODY_MAX, announced);
    }
    let policy = &pin.snapshot.route(route).policy;
    let original = is_changed(head, policy, pin.snapshot.upstream(plan.decided.upstream))
        .then(|| Box::new(head.clone()));
    Some(Spare { route, answer_by: found.after.map(|after| record.started() + after), original })
}

/// Whether the extracted side is sent another head than legacy would be.
fn is_changed(head: &RequestHead, policy: &Policy, upstream: &Upstream) -> bool {
    let operations = &policy.request_headers;
    policy.rewrite.is_some()
        || !operations.set.is_empty()
        || !operations.remove.is_empty()
        || upstream.host != HostPolicy::Preserve
        || !head.fields.contains(Known::Host)
}

/// Gets an answer for a request: from whom the plan says, or else from legacy, where that may be.
///
/// # Errors
///
/// Why there is no answer.
pub(crate) async fn exchange(
    session: &mut Session,
    pin: &Pin,
    plan: &mut Plan,
    request: &mut RequestHead,
    upload: &mut Option<Upload>,
    record: &mut Record,
) -> Result<(Answered, Judged), ForwardError> {
    session.informed = false;
    let began = record.started();
    let first = once(session, pin, plan, request, upload, record, began).await;
    let Some(spare) = plan.spare.take() else { return first };
    let trouble = match &first {
        Ok((answered, _)) => Trouble::Status(answered.head.status),
        Err(error) => match error.trouble() {
            Some(trouble) => trouble,
            None => return first,
        },
    };
    if upload.as_ref().is_some_and(Upload::is_too_much) {
        record.client().local.recorder.limit(Limit::FallbackBody);
    }
    if !applies(fallback(pin, spare.route), trouble) || session.informed {
        return first;
    }
    if !upload.as_mut().is_none_or(Upload::rewind) {
        return first;
    }
    if let Err(error) = &first
        && let Some(limit) = error.limit()
    {
        record.client().local.recorder.limit(limit);
    }
    // Whatever is left of the first exchange is cut.
    drop(first);
    if is_gone(session).await {
        return Err(ForwardError::ClientGone);
    }
    record.fell_back(trouble);
    if let Some(original) = spare.original {
        *request = *original;
    }
    let decided = Decided { owner: Owner::Legacy, upstream: pin.snapshot.legacy, ..plan.decided };
    *plan = Plan { public: plan.public.take(), ..Plan::new(decided, plan.trust) };
    // Boxed, because most requests do not need its room.
    Box::pin(once(session, pin, plan, request, upload, record, Instant::now())).await
}

/// Asks one side.
async fn once(
    session: &mut Session,
    pin: &Pin,
    plan: &Plan,
    request: &mut RequestHead,
    upload: &mut Option<Upload>,
    record: &mut Record,
    began: Instant,
) -> Result<(Answered, Judged), ForwardError> {
    let mut answered = attempt::exchange(session, pin, plan, request, upload, record, began).await?;
    let judged = outcome::judge(&mut answered, plan, &record.method)?;
    Ok((answered, judged))
}

fn fallback(pin: &Pin, route: RouteId) -> &Fallback {
    &pin.snapshot.route(route).policy.fallback
}

/// Whether the client has left meanwhile: legacy is asked nothing that nobody wants to know.
async fn is_gone(session: &mut Session) -> bool {
    let local = Rc::clone(&session.client.local);
    poll_fn(|cx| {
        let presence = session.presence(cx, &mut local.scratch.borrow_mut());
        Poll::Ready(matches!(presence, Presence::Gone))
    })
    .await
}
