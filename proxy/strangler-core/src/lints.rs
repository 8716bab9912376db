//! Lints learned from traffic: what goes wrong at the seam between two systems, and no file can tell.
//!
//! Owns what is looked for in requests and their replies, how often it was seen, and what to do about it. Bounded: so many
//! things are remembered, whatever traffic comes; what does not fit is counted. Refuses to keep anything unredacted:
//! what may be shown of a text is an argument.

mod forms;
mod hosts;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::compare::Reply;
use crate::routing::{Facts, RequestView};
use crate::snapshot::Snapshot;
use crate::words::{Owner, RouteId};

/// Things that are remembered; more are counted.
const TALLIES_MAX: usize = 500;

/// Names of cookies whose scopes are remembered, and scopes of each name and owner.
const COOKIES_MAX: usize = 100;
const SCOPES_MAX: usize = 8;

/// Characters of a text that is shown.
const SHOWN_MAX: usize = 120;

/// What has not been seen for so long is not told any more: somebody may have mended it.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// So many replies tell whether a key is stable.
const KEYS_MIN: u64 = 20;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Both owners set a cookie of one name, with different domain or path: browsers keep two, and clients seem logged out.
    CookieScope,
    /// The cookie that tells clients apart gets another value with most replies: clients change sides.
    UnstableKey,
    /// A CORS header is there twice, or names two origins: browsers refuse it.
    CorsDoubled,
    /// A redirect or a link names a host that clients cannot reach.
    InternalHost,
    /// A form of one owner's page is posted to the other: its token means nothing there.
    FormAcross,
    /// A reply of a canary may be kept by shared caches: clients outside the cohort get it.
    CacheableCanary,
    /// A peer sends `X-Forwarded-*` and is not trusted: everybody seems to have its address.
    UntrustedForwarder,
    /// A guardrail has seen too few reads over a whole window, and will never decide at this rate.
    GuardrailUndecided,
}

impl Kind {
    /// As reports show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::CookieScope => "cookie-scope",
            Kind::UnstableKey => "unstable-key",
            Kind::CorsDoubled => "cors-doubled",
            Kind::InternalHost => "internal-host",
            Kind::FormAcross => "form-across",
            Kind::CacheableCanary => "cacheable-canary",
            Kind::UntrustedForwarder => "untrusted-forwarder",
            Kind::GuardrailUndecided => "guardrail-undecided",
        }
    }

    /// What to do.
    pub const fn help(self) -> &'static str {
        match self {
            Kind::CookieScope => "give the cookie the same Domain and Path on both sides",
            Kind::UnstableKey => {
                "take clients apart by something that stays, such as an account's header, in `cohort_by`"
            }
            Kind::CorsDoubled => "let one place set CORS headers, the service or what stands before it",
            Kind::InternalHost => {
                "let the service build links from the Host it is sent, or say `server.public_url`"
            }
            Kind::FormAcross => {
                "let page and target of the form have one owner, or share sessions and CSRF tokens between both sides"
            }
            Kind::CacheableCanary => {
                "say `Cache-Control: private` while the canary runs, or let `Vary` name what tells clients apart"
            }
            Kind::UntrustedForwarder => "name it in `server.trusted_proxies` if it is yours",
            Kind::GuardrailUndecided => "lengthen `guardrails.window`, or lower `guardrails.min_requests`",
        }
    }
}

/// One lint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lint {
    /// What goes wrong.
    pub kind: Kind,
    /// The slice it was seen in; empty: the whole proxy.
    pub slice: String,
    /// The route it was seen on; empty: the whole proxy.
    pub route: String,
    /// What was seen, in a sentence.
    pub sentence: String,
    /// One example, redacted; empty where there is none to give.
    pub example: String,
    /// How often it was seen.
    pub seen: u64,
    /// When last.
    pub last: Timestamp,
    /// What to do.
    pub help: String,
}

/// One request, and the replies to it.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'a> {
    /// The configuration that decided.
    pub snapshot: &'a Snapshot,
    /// Retreats in force.
    pub facts: Facts<'a>,
    /// The request's route.
    pub route: RouteId,
    /// Who answered the client.
    pub primary: Owner,
    /// The request, as the client sent it.
    pub view: RequestView<'a>,
    /// Legacy's reply.
    pub legacy: Option<&'a Reply>,
    /// The extracted service's reply.
    pub extracted: Option<&'a Reply>,
}

impl<'a> Sighting<'a> {
    fn replies(&self) -> impl Iterator<Item = (Owner, &'a Reply)> {
        let both = [(Owner::Legacy, self.legacy), (Owner::Extracted, self.extracted)];
        both.into_iter().filter_map(|(owner, reply)| Some((owner, reply?)))
    }

    /// The reply that the client got.
    fn answer(&self) -> Option<&'a Reply> {
        match self.primary {
            Owner::Legacy => self.legacy,
            Owner::Extracted => self.extracted,
        }
    }
}

/// What may be shown of a text.
pub type Shown<'a> = &'a dyn Fn(&str) -> String;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    kind: Kind,
    slice: String,
    route: String,
    /// What it is about, such as a cookie's name.
    subject: String,
}

#[derive(Clone, Debug)]
struct Tally {
    sentence: String,
    example: String,
    seen: u64,
    /// Among so many in which it could have been seen; 0: each sighting is one.
    of: u64,
    last: Timestamp,
}

/// Domain and path of a cookie, as its owner sets it.
type Scope = (String, String);

/// What has been learned so far.
#[derive(Clone, Debug, Default)]
pub struct Learned {
    tallies: BTreeMap<Key, Tally>,
    /// By name and owner.
    cookies: BTreeMap<(String, Owner), BTreeSet<Scope>>,
    overflowed: u64,
}

impl Learned {
    /// Looks at one request and its replies.
    pub fn see(&mut self, sighting: &Sighting<'_>, now: Timestamp, shown: Shown<'_>) {
        let snapshot = sighting.snapshot;
        let route = snapshot.route(sighting.route);
        let slice = snapshot.slice(route.slice);
        let mut found = Vec::new();
        rules::look(self, sighting, &mut found);
        for Found { kind, subject, sentence, example, counts } in found {
            let key = Key {
                kind,
                slice: slice.name.to_string(),
                route: route.id.to_string(),
                subject: cut(&shown(&subject)),
            };
            self.count(key, counts, now, || (cut(&shown(&sentence)), cut(&shown(&example))));
        }
    }

    fn count(&mut self, key: Key, counts: Counts, now: Timestamp, told: impl FnOnce() -> (String, String)) {
        if !self.tallies.contains_key(&key) {
            if counts == Counts::Absent {
                return;
            }
            if self.tallies.len() >= TALLIES_MAX {
                self.overflowed = self.overflowed.saturating_add(1);
                return;
            }
        }
        let tally = self.tallies.entry(key).or_insert_with(|| {
            let (sentence, example) = told();
            Tally { sentence, example, seen: 0, of: 0, last: now }
        });
        match counts {
            Counts::Seen => {
                tally.seen = tally.seen.saturating_add(1);
                tally.last = now;
            }
            Counts::SeenAmong => {
                (tally.seen, tally.of) = (tally.seen.saturating_add(1), tally.of.saturating_add(1));
                tally.last = now;
            }
            Counts::Absent => tally.of = tally.of.saturating_add(1),
        }
    }

    /// Remembers a cookie's scope; the other owner's scopes of that name, where they are all different.
    fn scope(&mut self, name: &str, owner: Owner, scope: &Scope) -> Option<Scope> {
        let other = match owner {
            Owner::Legacy => Owner::Extracted,
            Owner::Extracted => Owner::Legacy,
        };
        let key = (name.to_owned(), owner);
        if !self.cookies.contains_key(&key) && self.cookies.len() >= COOKIES_MAX {
            self.overflowed = self.overflowed.saturating_add(1);
            return None;
        }
        let mine = self.cookies.entry(key).or_default();
        if mine.len() < SCOPES_MAX {
            mine.insert(scope.clone());
        }
        let theirs = self.cookies.get(&(name.to_owned(), other))?;
        if theirs.contains(scope) { None } else { theirs.first().cloned() }
    }

    /// What there is to tell about the routes of a configuration, by kind.
    pub fn lints(&self, snapshot: &Snapshot, now: Timestamp) -> Vec<Lint> {
        let routes: BTreeSet<&str> = snapshot.routes.iter().map(|route| &*route.id).collect();
        let holds = |tally: &Tally| match tally.of {
            0 => true,
            of => of >= KEYS_MIN && tally.seen.saturating_mul(2) > of,
        };
        self.tallies
            .iter()
            .filter(|(key, tally)| {
                routes.contains(&*key.route)
                    && holds(tally)
                    && now.duration_since(tally.last) <= FORGOTTEN_AFTER
            })
            .map(|(key, tally)| Lint {
                kind: key.kind,
                slice: key.slice.clone(),
                route: key.route.clone(),
                sentence: tally.sentence.clone(),
                example: tally.example.clone(),
                seen: tally.seen,
                last: tally.last,
                help: key.kind.help().to_owned(),
            })
            .collect()
    }

    /// Sightings that did not fit into the tables.
    pub const fn overflowed(&self) -> u64 {
        self.overflowed
    }
}

/// Something that was seen, not redacted yet.
#[derive(Debug)]
struct Found {
    kind: Kind,
    subject: String,
    sentence: String,
    example: String,
    counts: Counts,
}

/// How a sighting counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    /// One is enough.
    Seen,
    /// Seen among those in which it could have been.
    SeenAmong,
    /// Not seen among those.
    Absent,
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SHOWN_MAX).collect()
}
