//! Notices edits: directory events, and a hash that is compared every two seconds.
//!
//! Owns which directories are watched and when a burst of events is over. Refuses to judge content: it asks
//! the reload task, for which unchanged content is a no-op. Never ends: a directory that is missing, an event
//! queue that cannot be had and a file that cannot be read are all looked at again at the next tick.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask, Watches};
use strangler_core::config;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::Live;
use super::compile::WriterChange;
use super::points::{Includes, Interest, interests};
use super::reload::{ConfigurationState, Reloader};
use super::report::Trigger;
use super::source::Source;

/// Files are read once no event has come for this long…
const QUIET: Duration = Duration::from_millis(15);

/// …or this long after the first one, however busy the directory is.
const QUIET_AT_MOST: Duration = Duration::from_millis(45);

/// How often hashes are compared: for file systems that give no events.
const POLL: Duration = Duration::from_secs(2);

/// Room for a burst of events; a longer one is read in pieces.
const EVENT_BYTES: usize = 16 * 1024;

/// Events that may wait for the watcher; more wait in the kernel, which says when it lost some.
const EVENTS_WAITING: usize = 1024;

/// Watches a source for the life of the process.
#[derive(Debug)]
pub struct Watcher {
    /// What is watched.
    pub source: Source,
    /// `server.watch` is read from here, so that a reload can switch watching off and on.
    pub live: Arc<Live>,
    /// Knows which contents have been judged.
    pub state: Arc<ConfigurationState>,
    /// Is asked to reload.
    pub reloader: Reloader,
}

struct Directories {
    events: mpsc::Receiver<DirectoryEvent>,
    watches: Watches,
    watched: HashMap<WatchDescriptor, Interest>,
}

struct DirectoryEvent {
    directory: WatchDescriptor,
    mask: EventMask,
    name: Option<OsString>,
}

impl Watcher {
    /// Watches until the process ends.
    pub async fn run(self) {
        let mut directories = None;
        let mut includes = Includes::default();
        let mut poll = interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen_once: Option<String> = None;
        loop {
            let is_new = self.arm(&mut directories, &mut includes).await;
            if is_new && self.is_on() {
                // What happened before the directory was watched made no event.
                self.reload(Trigger::Watch).await;
            }
            tokio::select! {
                () = relevant_event(&mut directories) => {
                    settle(&mut directories).await;
                    if self.is_on() {
                        self.reload(Trigger::Watch).await;
                    }
                }
                _ = poll.tick() => {
                    if self.is_on() {
                        seen_once = self.compare(seen_once.take()).await;
                    }
                }
            }
        }
    }

    fn is_on(&self) -> bool {
        self.live.pin().snapshot.server.watch
    }

    async fn reload(&self, trigger: Trigger) {
        if self.reloader.reload(trigger, WriterChange::Refused).await.is_none() {
            // The reload task is gone, so the process is ending.
            pending::<()>().await;
        }
    }

    /// Compares hashes; what differs is returned, and counts when it is still the same at the next tick.
    async fn compare(&self, seen_once: Option<String>) -> Option<String> {
        let source = self.source.clone();
        let read = tokio::task::spawn_blocking(move || source.read()).await.ok()?;
        let hash = match read {
            Ok(sources) => config::content_hash(&sources),
            Err(unreadable) => format!("{:?}", unreadable.diagnostics),
        };
        if self.state.is_judged(&hash) {
            return None;
        }
        if seen_once.as_ref() != Some(&hash) {
            return Some(hash);
        }
        self.reload(Trigger::Poll).await;
        None
    }

    /// Watches every directory that matters now; says whether one of them was not watched before.
    async fn arm(&self, directories: &mut Option<Directories>, includes: &mut Includes) -> bool {
        let source = self.source.clone();
        let mut known = std::mem::take(includes);
        let look = move || (interests(&source, &mut known), known);
        let Ok((wanted, known)) = tokio::task::spawn_blocking(look).await else { return false };
        *includes = known;
        if wanted.is_empty() {
            return false;
        }
        if directories.is_none() {
            *directories = Directories::open();
        }
        match directories {
            Some(open) => open.watch(wanted),
            None => false,
        }
    }
}

impl Directories {
    fn open() -> Option<Directories> {
        let (sender, events) = mpsc::channel(EVENTS_WAITING);
        let opened = Inotify::init().and_then(|inotify| {
            let watches = inotify.watches();
            thread::Builder::new().name("watch".into()).spawn(move || forward_events(inotify, &sender))?;
            Ok(watches)
        });
        match opened {
            Ok(watches) => Some(Directories { events, watches, watched: HashMap::new() }),
            Err(error) => {
                tracing::warn!(%error, "directory events are not available; files are compared every 2 s");
                None
            }
        }
    }

    fn watch(&mut self, wanted: HashMap<PathBuf, Interest>) -> bool {
        let mask = WatchMask::CLOSE_WRITE
            | WatchMask::MOVED_TO
            | WatchMask::MOVED_FROM
            | WatchMask::CREATE
            | WatchMask::DELETE
            | WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF
            | WatchMask::ONLYDIR;
        let mut watched: HashMap<WatchDescriptor, Interest> = HashMap::new();
        for (directory, interest) in wanted {
            match self.watches.add(&directory, mask) {
                // Two names of one directory give one descriptor.
                Ok(descriptor) => watched.entry(descriptor).or_default().merge(interest),
                Err(error) => {
                    tracing::debug!(directory = %directory.display(), %error, "not watched");
                }
            }
        }
        let before: HashSet<WatchDescriptor> = self.watched.keys().cloned().collect();
        let is_new = watched.keys().any(|descriptor| !before.contains(descriptor));
        for gone in before.into_iter().filter(|descriptor| !watched.contains_key(descriptor)) {
            // Fails where the directory is gone, and its watch with it.
            drop(self.watches.remove(gone));
        }
        self.watched = watched;
        is_new
    }

    /// Waits for an event and says whether it matters; `None` where there will be no more.
    async fn wait(&mut self) -> Option<bool> {
        let event = self.events.recv().await?;
        let is_relevant = matters(&self.watched, &event);
        if event.mask.contains(EventMask::IGNORED) {
            self.watched.remove(&event.directory);
        }
        Some(is_relevant)
    }
}

/// Moves events from the kernel's queue to the watcher, on a thread of its own, until either end is gone.
fn forward_events(mut inotify: Inotify, events: &mpsc::Sender<DirectoryEvent>) {
    let mut buffer = [0_u8; EVENT_BYTES];
    loop {
        match inotify.read_events_blocking(&mut buffer) {
            Ok(read) => {
                for event in read {
                    let name = event.name.map(OsString::from);
                    let event = DirectoryEvent { directory: event.wd, mask: event.mask, name };
                    if events.blocking_send(event).is_err() {
                        return;
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                tracing::warn!(%error, "directory events were lost; watching again");
                return;
            }
        }
    }
}

fn matters(watched: &HashMap<WatchDescriptor, Interest>, event: &DirectoryEvent) -> bool {
    if event.mask.contains(EventMask::Q_OVERFLOW) {
        return true;
    }
    let Some(interest) = watched.get(&event.directory) else { return false };
    match &event.name {
        None => event.mask.intersects(EventMask::DELETE_SELF | EventMask::MOVE_SELF),
        Some(name) if !interest.covers(name) => false,
        // A file that is created is not written yet: its IN_CLOSE_WRITE follows. A link is whole at once.
        Some(name) if event.mask.contains(EventMask::CREATE) => interest.is_whole(name),
        Some(_) => true,
    }
}

/// Waits for an event that matters; for ever where there are no events.
async fn relevant_event(directories: &mut Option<Directories>) {
    loop {
        let Some(open) = directories else { return pending().await };
        match open.wait().await {
            Some(true) => return,
            Some(false) => {}
            None => {
                // Everything is watched anew, and looked at once.
                *directories = None;
                return;
            }
        }
    }
}

/// Waits until a burst of events is over.
async fn settle(directories: &mut Option<Directories>) {
    let at_most = Instant::now() + QUIET_AT_MOST;
    loop {
        let quiet = (Instant::now() + QUIET).min(at_most);
        if timeout_at(quiet, relevant_event(directories)).await.is_err() || quiet >= at_most {
            return;
        }
    }
}
