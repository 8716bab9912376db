//! One exchange on the shadow thread: the copy, what it is compared with, and what is asked again.
//!
//! Invariant: legacy is asked what no client asked it only where the file says so (`repeat`, `recheck`), and nothing
//! that may have an effect is ever asked twice.

use bytes::Bytes;
use strangler_core::compare::{
    Account, Compared, Comparison, Context, End, FieldLines, NotCompared, Reply, Side, compare,
};
use strangler_core::evidence::Repeated;
use strangler_core::routing::shadow::{CopyHead, Course, Purpose, echoes_rollback};
use strangler_core::snapshot::{HeaderOps, Shadow, Snapshot};
use strangler_core::words::Owner;

use super::captured::Captured;
use super::dry_run::Heard;
use super::finished::{Finished, Replies};
use super::outgoing::{Framing, Outgoing, Repeatable};
use super::patience::Patience;
use super::recheck;
use super::sender::{Bounds, Received};
use super::slices::Place;
use super::worker::{Pending, Worker};

/// A captured exchange while it is worked on.
pub(super) struct Exchange<'w> {
    pub(super) worker: &'w Worker,
    pub(super) captured: Captured,
    /// The request's body, in one piece.
    body: Bytes,
    /// When the request's head had been read.
    at: jiff::Timestamp,
    place: Place,
}

/// A reply and how long it took.
struct Answer {
    reply: Reply,
    took: std::time::Duration,
    /// What it takes of the budget.
    _received: Option<super::budget::Reserved>,
}

/// What was found out about one request.
struct Found {
    legacy: Answer,
    extracted: Answer,
    compared: Compared,
    /// What had been found before asking again set it aside.
    set_aside: Option<Comparison>,
    repeated: Option<Repeated>,
}

impl<'w> Exchange<'w> {
    pub(super) fn new(worker: &'w Worker, mut captured: Captured, place: Place) -> Exchange<'w> {
        let body = std::mem::take(&mut captured.body).into_bytes();
        let at = captured.at();
        Exchange { worker, captured, body, at, place }
    }

    /// Sends what is to be sent, compares, ends the exchange in its account, and hands on what was found.
    pub(super) async fn run(mut self, pending: Pending) {
        let outcome = self.find().await;
        let nothing;
        let (compared, found) = match &outcome {
            Ok(found) => (&found.compared, Some(found)),
            Err(reason) => {
                nothing = Compared::NotCompared(*reason);
                (&nothing, None)
            }
        };
        pending.told(compared.account());
        let captured = &self.captured;
        let slice = self.snapshot().slice(captured.copying.slice);
        let version = found.zip(slice.version_from.as_ref()).and_then(|(found, name)| {
            std::str::from_utf8(found.extracted.reply.headers.first(name.as_str())?).ok()
        });
        let finished = Finished {
            original: captured.original(&self.body, self.at),
            replies: found.map(|found| Replies {
                legacy: &found.legacy.reply,
                extracted: &found.extracted.reply,
                legacy_took: found.legacy.took,
                extracted_took: found.extracted.took,
            }),
            compared,
            set_aside: found.and_then(|found| found.set_aside.as_ref()),
            repeated: found.and_then(|found| found.repeated.as_ref()),
            version,
        };
        let bytes = finished.replies.map_or(0, |both| both.legacy.body.len() + both.extracted.body.len());
        self.worker.sender.toil.on(bytes, || self.worker.hand_on(&finished));
        let Exchange { worker, mut captured, .. } = self;
        if let Ok(Found { legacy, extracted, .. }) = outcome {
            // The memory of the client's answer's head was a data thread's.
            captured.held.reply = match captured.copying.direction.primary() {
                Owner::Legacy => legacy.reply.headers,
                Owner::Extracted => extracted.reply.headers,
            };
        }
        worker.give_back(captured);
    }

    /// Bytes of the request's body.
    pub(super) fn body_length(&self) -> u64 {
        self.body.len() as u64
    }

    fn snapshot(&self) -> &Snapshot {
        &self.captured.running.snapshot
    }

    fn shadow(&self) -> Result<&Shadow, NotCompared> {
        self.captured.copying.shadow(self.snapshot()).ok_or(NotCompared::NotSent)
    }

    async fn find(&mut self) -> Result<Found, NotCompared> {
        match self.captured.course {
            Course::AsSent => self.as_sent().await,
            Course::StrippedPair => self.stripped_pair().await,
            Course::NotCompared(_) => Err(NotCompared::NotSent),
        }
    }

    /// Compares the copy's reply with what the client got.
    async fn as_sent(&mut self) -> Result<Found, NotCompared> {
        let copying = self.captured.copying;
        let candidate = copying.direction.candidate();
        let primary = self.primary_answer();
        let mut again = None;
        if copying.repeat == Some(Owner::Legacy) && candidate == Owner::Extracted {
            again = self.ask(Owner::Legacy).await.ok();
        }
        let copy = self.ask(candidate).await?;
        if copying.repeat.is_some() && again.is_none() {
            again = self.ask(Owner::Legacy).await.ok();
        }
        let (legacy, extracted) = match candidate {
            Owner::Extracted => (primary, copy),
            Owner::Legacy => (copy, primary),
        };
        let itself = again.and_then(|again| match self.compare(&legacy.reply, &again.reply) {
            Compared::Compared(comparison) => Some(comparison),
            Compared::NotCompared(_) => None,
        });
        self.judged(legacy, extracted, itself).await
    }

    /// Asks both sides for the whole, and compares these two.
    async fn stripped_pair(&mut self) -> Result<Found, NotCompared> {
        let (legacy, extracted) = if self.captured.copying.repeat == Some(Owner::Legacy) {
            let legacy = self.ask(Owner::Legacy).await?;
            (legacy, self.ask(Owner::Extracted).await?)
        } else {
            let extracted = self.ask(Owner::Extracted).await?;
            (self.ask(Owner::Legacy).await?, extracted)
        };
        self.judged(legacy, extracted, None).await
    }

    /// Compares, and asks again where that is wanted.
    async fn judged(
        &self,
        legacy: Answer,
        extracted: Answer,
        itself: Option<Comparison>,
    ) -> Result<Found, NotCompared> {
        let mut compared = self.compare(&legacy.reply, &extracted.reply);
        // Before anything is asked again: what that sets aside still has a part in telling noise from a bug.
        let repeated = match (&itself, &compared) {
            (Some(itself), Compared::Compared(first)) => Repeated::of(itself, first),
            _ => None,
        };
        let mut set_aside = None;
        let rate = self.shadow()?.recheck.filter(|_| {
            self.captured.copying.purpose == Purpose::Read && compared.account() == Account::Mismatch
        });
        if let Some(rate) = rate
            && let Compared::Compared(first) = compared
        {
            if self.place.may_ask_again(rate) {
                compared = self.ask_again(first.clone(), &legacy.reply).await;
                set_aside = matches!(compared, Compared::NotCompared(_)).then_some(first);
            } else {
                compared = Compared::Compared(first);
            }
        }
        Ok(Found { legacy, extracted, compared, set_aside, repeated })
    }

    /// Both sides once more. Where that cannot be done, the first finding stands.
    async fn ask_again(&self, first: Comparison, legacy: &Reply) -> Compared {
        let (Ok(legacy_again), Ok(extracted_again)) =
            (self.ask(Owner::Legacy).await, self.ask(Owner::Extracted).await)
        else {
            return Compared::Compared(first);
        };
        let second = self.compare(&legacy_again.reply, &extracted_again.reply);
        let itself = self.compare(legacy, &legacy_again.reply);
        recheck::judge(first, &second, &itself)
    }

    fn compare(&self, legacy: &Reply, extracted: &Reply) -> Compared {
        let snapshot = self.snapshot();
        let copying = &self.captured.copying;
        // Only references are compared without them, and most replies have none.
        let refers = |reply: &Reply| reply.headers.iter().any(|(name, _)| is_reference(name));
        let wanted = refers(legacy) && refers(extracted);
        let public = if wanted { public_origins(snapshot, &self.captured.held.lines) } else { Vec::new() };
        let rewrite = copying.policy(snapshot).rewrite.as_ref();
        let origins = |side| {
            if !wanted {
                return Vec::new();
            }
            let rewritten =
                rewrite.filter(|_| side == Owner::Extracted).and_then(|rule| rule.host.as_deref());
            let mut own = snapshot.upstream(copying.upstream(snapshot, side)).origins(rewritten);
            own.extend(public.iter().cloned());
            own
        };
        let (of_legacy, of_extracted) = (origins(Owner::Legacy), origins(Owner::Extracted));
        let context = Context {
            rules: &copying.policy(snapshot).compare,
            route: &snapshot.route(copying.route).id,
            method: self.captured.method.as_str(),
            target: &self.captured.held.target,
            today: jiff::tz::Offset::UTC.to_datetime(self.at).date(),
            legacy: Side { origins: &of_legacy },
            extracted: Side { origins: &of_extracted },
        };
        let bytes = legacy.body.len() + extracted.body.len();
        self.worker.sender.toil.on(bytes, || compare(&context, legacy, extracted))
    }

    /// What the client was answered.
    fn primary_answer(&mut self) -> Answer {
        let primary = self.captured.copying.direction.primary();
        let reply = self.captured.take_reply();
        let took = self.captured.reply.took;
        Answer { reply: self.as_clients_see(reply, primary), took, _received: None }
    }

    /// Sends a copy to one side.
    async fn ask(&self, side: Owner) -> Result<Answer, NotCompared> {
        let captured = &self.captured;
        let (snapshot, shadow) = (self.snapshot(), self.shadow()?);
        let purpose = captured.copying.purpose;
        let upstream_id = captured.copying.upstream(snapshot, side);
        let upstream = snapshot.upstream(upstream_id);
        let state = captured.running.upstream(upstream_id);
        let digits = captured.id.digits();
        let id = std::str::from_utf8(&digits).unwrap_or_default();
        let lines = captured.held.lines.iter();
        let head = CopyHead::new(
            snapshot,
            &captured.copying,
            side,
            captured.course,
            id,
            &captured.held.target,
            lines,
        );
        let has = |name| captured.held.lines.first(name).is_some();
        let framing = match (has("transfer-encoding"), has("content-length")) {
            (true, _) => Framing::Chunked,
            (false, true) => Framing::Length,
            (false, false) => Framing::None,
        };
        let outgoing = Outgoing {
            method: &captured.method,
            head,
            body: self.body.clone(),
            framing,
            repeatable: if purpose == Purpose::Read { Repeatable::Yes } else { Repeatable::No },
        };
        let patience = Patience::new(&self.worker.sender.toil, shadow.timeout);
        let bounds = Bounds { patience, body: shadow.body_max };
        let asked = match self.worker.slices.under_way(upstream, state) {
            Ok(_under_way) => {
                let reserved = captured.reserved.sibling();
                self.worker.sender.send(upstream, state, &outgoing, bounds, reserved).await
            }
            Err(paused) => Err(paused),
        };
        if let Ok(received) = &asked {
            self.worker.record(self, side, upstream, received, (outgoing.head.host(), id));
        }
        if purpose == Purpose::DryRun {
            let heard = heard(&asked);
            self.worker.dry_runs.heard(snapshot, &captured.copying, heard);
            if matches!(heard, Heard::NotRolledBack(_)) {
                return Err(NotCompared::Unconfirmed);
            }
        }
        let Received { reply, took, reserved, .. } = asked?;
        Ok(Answer { reply: self.as_clients_see(reply, side), took, _received: Some(reserved) })
    }

    /// A reply with the slice's own operations, and without what only copies carry.
    fn as_clients_see(&self, mut reply: Reply, side: Owner) -> Reply {
        reply
            .headers
            .retain(|name, _| !name.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"x-shadow-")));
        if side == Owner::Extracted {
            apply(&self.captured.copying.policy(self.snapshot()).response_headers, &mut reply.headers);
        }
        reply
    }
}

/// Whether a header's value is a reference that its side may have made with an origin of its own.
fn is_reference(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"location") || name.eq_ignore_ascii_case(b"content-location")
}

/// Whether a copied write was rolled back.
fn heard(asked: &Result<Received, NotCompared>) -> Heard {
    let Ok(Received { reply, .. }) = asked else { return Heard::Nothing };
    if matches!(reply.end, End::Failed(_)) {
        return Heard::Nothing;
    }
    if echoes_rollback(reply.headers.iter()) { Heard::RolledBack } else { Heard::NotRolledBack(reply.status) }
}

/// Applies header operations to a reply; framing and the connection are not theirs.
fn apply(operations: &HeaderOps, headers: &mut FieldLines) {
    let framing = ["content-length", "transfer-encoding", "connection", "upgrade"];
    for name in operations.remove.iter().filter(|name| !framing.contains(&name.as_str())) {
        headers.remove(name.as_str());
    }
    for (name, value) in operations.set.iter().filter(|(name, _)| !framing.contains(&name.as_str())) {
        headers.remove(name.as_str());
        headers.push(name.as_str(), value.as_bytes());
    }
}

/// Origins under which clients know this site.
fn public_origins(snapshot: &Snapshot, lines: &FieldLines) -> Vec<String> {
    let text = |name: &str| lines.first(name).and_then(|value| std::str::from_utf8(value).ok());
    let said = text("x-forwarded-host").or_else(|| text("host"));
    let https = text("x-forwarded-proto").is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"));
    let scheme = if https { "https" } else { "http" };
    let mut origins: Vec<String> = snapshot.server.public_url.clone();
    let default_port = if https { ":443" } else { ":80" };
    origins.extend(said.map(|host| {
        let host = host.trim().to_ascii_lowercase();
        format!("{scheme}://{}", host.strip_suffix(default_port).unwrap_or(&host))
    }));
    origins
}
