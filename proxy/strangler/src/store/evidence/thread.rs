//! The thread that owns the evidence: takes what is handed over, answers, learns, and writes what changed.
//!
//! Invariant: nothing unredacted is stored. Refuses to judge and to wait for anybody.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use strangler_core::compare::{Element, Path as ComparedPath};
use strangler_core::evidence::{Ledger, Limits, Observation};
use strangler_core::inventory::Inventory;
use strangler_core::redact::Redactor;

use super::database::{Database, Scope, Stored};
use super::learn::Learner;
use super::{Followed, Held, Message, Shared, lock};
use crate::telemetry::feed::Feed;

/// What changed is written at the latest so long after. Losing "nothing older than a second" is promised.
const WRITE_AFTER: Duration = Duration::from_millis(500);

/// Between two looks for work that comes without a message.
const LOOK: Duration = Duration::from_millis(250);

/// After a write that failed, such as on a full disk.
const RETRY_AFTER: Duration = Duration::from_secs(5);

pub(super) struct Thread {
    shared: Arc<Shared>,
    held: Held,
    /// Number of the configuration that is followed.
    followed: u64,
    learner: Learner,
    database: Option<Database>,
    /// When the first change came that is not on disk.
    changed: Option<Instant>,
    /// What the next write is about.
    scope: Scope,
    /// The last write failed: not before then again.
    retry_at: Option<Instant>,
}

impl Thread {
    /// Runs until nobody can send anything any more.
    pub(super) fn run(
        shared: Arc<Shared>,
        directory: Option<&Path>,
        first: Followed,
        feed: Arc<Feed>,
        messages: &Receiver<Message>,
    ) {
        let (database, stored) = match directory.and_then(Database::open) {
            Some((database, stored)) => (Some(database), stored),
            None => (None, Stored::default()),
        };
        let (ledger, lost) = Ledger::restore(stored.evidence, Limits::DEFAULT);
        let inventory = Inventory::restore(stored.inventory);
        if lost > 0 {
            tracing::warn!(rows = lost, "evidence on disk does not fit together; these rows are left out");
        }
        shared.lost_rows.store(lost, Ordering::Relaxed);
        // Not the latest by now: what has been handed over since belongs to this one.
        let Followed { number: followed, snapshot, since } = first;
        // Rows that fit nowhere would stay for ever.
        let scope = if lost > 0 { Scope::Everything } else { Scope::Changes };
        let held = Held { ledger, snapshot, inventory };
        let learner = Learner::new(feed);
        let mut thread =
            Thread { shared, held, followed, learner, database, changed: None, scope, retry_at: None };
        thread.begin(since);
        thread.serve(messages);
        thread.write();
    }

    fn serve(&mut self, messages: &Receiver<Message>) {
        let mut looked = Instant::now();
        loop {
            let due = self.changed.map(|since| WRITE_AFTER.saturating_sub(since.elapsed()));
            let wait = due.filter(|_| self.retry_at.is_none()).map_or(LOOK, |due| due.min(LOOK));
            let message = messages.recv_timeout(wait);
            if self.shared.is_new.swap(false, Ordering::Acquire) {
                let latest = lock(&self.shared.latest).clone();
                self.follow(latest);
            }
            match message {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                self.learn();
            }
            if self.changed.is_some_and(|since| since.elapsed() >= WRITE_AFTER) {
                self.write();
            }
        }
    }

    fn follow(&mut self, next: Followed) {
        if next.number > self.followed {
            self.followed = next.number;
            self.held.snapshot = next.snapshot;
            self.begin(next.since);
        }
    }

    /// Brings what is held in line with its configuration.
    fn begin(&mut self, since: Timestamp) {
        self.learner.follow(&self.held.snapshot);
        for (slice, cause) in self.held.ledger.follow(&self.held.snapshot, since) {
            tracing::info!(slice = &*slice, "evidence begins: {}", cause.in_words());
        }
        self.touch();
    }

    fn learn(&mut self) {
        if self.learner.learn(&mut self.held.inventory) {
            self.touch();
        }
    }

    fn touch(&mut self) {
        self.changed.get_or_insert_with(Instant::now);
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Observations(observations, bytes) => {
                self.shared.waiting.fetch_sub(observations.len(), Ordering::Relaxed);
                self.shared.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
                for mut observation in observations {
                    self.cleanse(&mut observation);
                    self.held.ledger.observe(&observation);
                }
                self.touch();
            }
            Message::NotCompared { slice, route, reason, count } => {
                self.held.ledger.not_compared(&slice, &route, reason, count);
                self.touch();
            }
            Message::Follow(next) => self.follow(next),
            Message::Question(question) => {
                // What has ended before the question is in its answer.
                self.learn();
                question(&mut self.held);
                // It may have changed something, such as begun an epoch.
                self.touch();
            }
            Message::Release(done) => {
                self.retry_at = self.retry_at.map(|_| Instant::now());
                self.learn();
                self.write();
                self.database = None;
                // Nobody waits any more: then nobody needs to know.
                if done.send(()).is_err() {
                    tracing::debug!("released late");
                }
            }
        }
    }

    /// Invariant: nothing unredacted is stored. Whoever made the observation has redacted its examples; what is left
    /// are the names of members, which may be secrets themselves, and a second look costs little.
    fn cleanse(&self, observation: &mut Observation) {
        let redactor = Redactor::new(&self.shared.pseudonyms, &[], None);
        if let Some(version) = &mut observation.version {
            *version = redactor.text(version).into();
        }
        if let Some(repeated) = &mut observation.repeated {
            for (path, _) in repeated.legacy.iter_mut().chain(&mut repeated.extracted) {
                cleanse_path(&redactor, path);
            }
        }
        for seen in observation.outcome.seen_mut() {
            if let Some(what) = &mut seen.what {
                cleanse_path(&redactor, &mut what.path);
            }
            let Some(example) = &mut seen.example else { continue };
            let request = Some(&mut example.request).filter(|id| !is_made_id(id));
            let texts = [
                request,
                Some(&mut example.target),
                Some(&mut example.path),
                example.legacy.as_mut(),
                example.extracted.as_mut(),
            ];
            for text in texts.into_iter().flatten() {
                let redacted = redactor.text(text);
                if redacted != **text {
                    *text = redacted.into();
                }
            }
        }
    }

    /// Writes what changed. What cannot be written stays in memory, and everything is written when it can be.
    fn write(&mut self) {
        self.changed = None;
        let Some(database) = &mut self.database else {
            drop(self.held.ledger.take_changes());
            drop(self.held.inventory.take_changes());
            return;
        };
        if self.retry_at.is_some_and(|at| at > Instant::now()) {
            self.touch();
            return;
        }
        let scope = if self.retry_at.take().is_some() { Scope::Everything } else { self.scope };
        if scope == Scope::Everything {
            self.held.ledger.mark_all_changed();
            self.held.inventory.mark_all_changed();
        }
        let (evidence, inventory) = (self.held.ledger.take_changes(), self.held.inventory.take_changes());
        match database.apply(evidence, &inventory, scope) {
            Ok(pruned) => {
                self.scope = Scope::Changes;
                self.shared.pruned.fetch_add(pruned, Ordering::Relaxed);
            }
            Err(error) => {
                tracing::error!(%error, "evidence was not written; it is kept in memory and tried again");
                self.shared.failed_writes.fetch_add(1, Ordering::Relaxed);
                self.retry_at = Some(Instant::now() + RETRY_AFTER);
                self.touch();
            }
        }
    }
}

/// Whether this is an id as the proxy makes one, or a UUID. It looks like a token, tells nothing of anybody, and is
/// what somebody who reads an example looks for in the log.
fn is_made_id(id: &str) -> bool {
    let digits = id.bytes().filter(u8::is_ascii_hexdigit).count();
    digits == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') && id.len() <= 36
}

fn cleanse_path(redactor: &Redactor<'_>, path: &mut ComparedPath) {
    let cleanse = |name: &mut Box<str>| {
        let redacted = redactor.text(name);
        if redacted != **name {
            *name = redacted.into();
        }
    };
    match path {
        ComparedPath::Transport | ComparedPath::Status => {}
        ComparedPath::Header(name) | ComparedPath::Cookie(name) => cleanse(name),
        ComparedPath::Body(elements) => {
            for element in elements {
                if let Element::Name(name) = element {
                    cleanse(name);
                }
            }
        }
    }
}
