//! What differs between two snapshots, as a person and as a program read it.
//!
//! Slices and upstreams are told apart by name, routes by id. Refuses judgement: which differences are too
//! dangerous to apply is [`super::lost_writers`]'s business.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::snapshot::{Canary, Route, Server, Slice, Snapshot, Upstream};
use crate::words::UpstreamId;

/// Everything that differs between two snapshots; empty for a snapshot and itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// One entry for each thing that was added, removed or changed; sorted.
    pub changes: Vec<Change>,
    /// Keys that differ but take effect only at a restart, such as `server.listen`.
    pub restart_required: Vec<&'static str>,
}

impl Diff {
    /// Whether the snapshots mean the same.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.restart_required.is_empty()
    }
}

/// One thing that was added, removed or changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// What it is.
    pub thing: Thing,
    /// Its name or id; empty for settings of the whole proxy.
    pub name: String,
    /// What happened to it.
    pub action: Action,
    /// For a change, and for what is worth knowing of an addition: the fields.
    pub fields: Vec<FieldChange>,
}

/// A kind of thing that a configuration holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Thing {
    /// `legacy`, `unmatched`, `[server]`, `[limits]`.
    Proxy,
    /// `[upstreams.*]`.
    Upstream,
    /// `[slices.*]`.
    Slice,
    /// A route.
    Route,
}

/// What happened to a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Only in the new snapshot.
    Added,
    /// Only in the old snapshot.
    Removed,
    /// In both, and different.
    Changed,
}

/// One field, before and after; an empty text where there was nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FieldChange {
    /// The key as it is written in the file.
    pub field: &'static str,
    /// Before.
    pub from: String,
    /// After.
    pub to: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.thing {
            Thing::Proxy => f.write_str("proxy")?,
            Thing::Upstream => write!(f, "upstream {}", self.name)?,
            Thing::Slice => write!(f, "slice {}", self.name)?,
            Thing::Route => write!(f, "route {}", self.name)?,
        }
        match self.action {
            Action::Added => f.write_str(" added")?,
            Action::Removed => f.write_str(" removed")?,
            Action::Changed => {}
        }
        for (index, field) in self.fields.iter().enumerate() {
            f.write_str(if index == 0 { ": " } else { ", " })?;
            match (field.from.as_str(), field.to.as_str()) {
                ("", "") => write!(f, "{} changed", field.field)?,
                ("", to) => write!(f, "{} {to}", field.field)?,
                (from, "") => write!(f, "{} {from} removed", field.field)?,
                (from, to) => write!(f, "{} {from} → {to}", field.field)?,
            }
        }
        Ok(())
    }
}

/// Compares two snapshots.
pub fn diff(old: &Snapshot, new: &Snapshot) -> Diff {
    let mut changes = Vec::new();
    push(&mut changes, Thing::Proxy, "", proxy_fields(old, new));
    named(
        &mut changes,
        Thing::Upstream,
        old.upstreams.iter().map(|u| (u.name.as_str(), u.as_ref())),
        new.upstreams.iter().map(|u| (u.name.as_str(), u.as_ref())),
        upstream_fields,
        |_| Vec::new(),
    );
    named(
        &mut changes,
        Thing::Slice,
        old.slices.iter().map(|s| (s.name.as_ref(), s.as_ref())),
        new.slices.iter().map(|s| (s.name.as_ref(), s.as_ref())),
        |a, b| slice_fields(old, a, new, b),
        |slice| vec![field("phase", "", slice.phase), field("writer", "", slice.writer)],
    );
    named(
        &mut changes,
        Thing::Route,
        old.routes.iter().map(|r| (r.id.as_ref(), r.as_ref())),
        new.routes.iter().map(|r| (r.id.as_ref(), r.as_ref())),
        |a, b| route_fields(old, a, new, b),
        |_| Vec::new(),
    );
    changes.sort();
    Diff { changes, restart_required: restart_required(&old.server, &new.server) }
}

/// Compares things that have names.
fn named<'a, T: 'a>(
    changes: &mut Vec<Change>,
    thing: Thing,
    old: impl Iterator<Item = (&'a str, &'a T)>,
    new: impl Iterator<Item = (&'a str, &'a T)>,
    changed: impl Fn(&T, &T) -> Vec<FieldChange>,
    added: impl Fn(&T) -> Vec<FieldChange>,
) {
    let mut before: BTreeMap<&str, &T> = old.collect();
    for (name, after) in new {
        match before.remove(name) {
            Some(before) => push(changes, thing, name, changed(before, after)),
            None => {
                changes.push(Change {
                    thing,
                    name: name.to_owned(),
                    action: Action::Added,
                    fields: added(after),
                });
            }
        }
    }
    for name in before.into_keys() {
        changes.push(Change { thing, name: name.to_owned(), action: Action::Removed, fields: Vec::new() });
    }
}

fn push(changes: &mut Vec<Change>, thing: Thing, name: &str, fields: Vec<FieldChange>) {
    if !fields.is_empty() {
        changes.push(Change { thing, name: name.to_owned(), action: Action::Changed, fields });
    }
}

fn field(name: &'static str, from: impl fmt::Display, to: impl fmt::Display) -> FieldChange {
    FieldChange { field: name, from: from.to_string(), to: to.to_string() }
}

/// Notes a field whose values differ and are short enough to show.
fn shown<T: PartialEq + fmt::Display>(fields: &mut Vec<FieldChange>, name: &'static str, old: &T, new: &T) {
    if old != new {
        fields.push(field(name, old, new));
    }
}

/// Notes a field whose values differ and are too long, or too secret, to show.
fn told<T: PartialEq>(fields: &mut Vec<FieldChange>, name: &'static str, old: &T, new: &T) {
    if old != new {
        fields.push(field(name, "", ""));
    }
}

fn restart_required(old: &Server, new: &Server) -> Vec<&'static str> {
    let mut keys = Vec::new();
    let mut compare = |key, differs: bool| {
        if differs {
            keys.push(key);
        }
    };
    compare("server.listen", old.listen != new.listen);
    compare("server.admin", old.admin != new.admin);
    compare("server.data_dir", old.data_dir != new.data_dir);
    compare("server.workers", old.workers != new.workers);
    keys
}

fn proxy_fields(old: &Snapshot, new: &Snapshot) -> Vec<FieldChange> {
    let mut fields = Vec::new();
    shown(&mut fields, "legacy", &upstream_name(old, old.legacy), &upstream_name(new, new.legacy));
    shown(&mut fields, "unmatched", &old.unmatched, &new.unmatched);
    let Server {
        listen: _,
        admin: _,
        data_dir: _,
        workers: _,
        trusted_proxies,
        public_url,
        admin_hosts,
        admin_token_file,
        access_log,
        log,
        watch,
        drain_delay,
        shutdown_grace,
        request_id,
        tls,
    } = &old.server;
    told(&mut fields, "server.trusted_proxies", trusted_proxies, &new.server.trusted_proxies);
    told(&mut fields, "server.public_url", public_url, &new.server.public_url);
    told(&mut fields, "server.admin_hosts", admin_hosts, &new.server.admin_hosts);
    told(&mut fields, "server.admin_token_file", admin_token_file, &new.server.admin_token_file);
    told(&mut fields, "server.access_log", access_log, &new.server.access_log);
    shown(&mut fields, "server.log", log, &new.server.log);
    shown(&mut fields, "server.watch", watch, &new.server.watch);
    told(&mut fields, "server.drain_delay", drain_delay, &new.server.drain_delay);
    told(&mut fields, "server.shutdown_grace", shutdown_grace, &new.server.shutdown_grace);
    shown(&mut fields, "server.request_id", request_id, &new.server.request_id);
    told(&mut fields, "server.tls", tls, &new.server.tls);
    told(&mut fields, "limits", &old.limits, &new.limits);
    fields
}

fn upstream_fields(old: &Upstream, new: &Upstream) -> Vec<FieldChange> {
    let mut fields = Vec::new();
    let endpoints = |upstream: &Upstream| {
        let texts: Vec<String> =
            upstream.endpoints.iter().map(|e| format!("{}*{}", e.origin(), e.weight)).collect();
        texts.join(" ").replace("*1", "")
    };
    if old.endpoints != new.endpoints {
        fields.push(field("endpoints", endpoints(old), endpoints(new)));
    }
    let same_endpoints = Upstream { endpoints: old.endpoints.clone(), ..new.clone() };
    if *old != same_endpoints {
        fields.push(field("settings", "", ""));
    }
    fields
}

fn upstream_name(snapshot: &Snapshot, id: UpstreamId) -> String {
    snapshot.upstream(id).name.clone()
}

fn share(canary: Option<&Canary>) -> String {
    canary.map(|canary| canary.share.to_string()).unwrap_or_default()
}

fn slice_fields(old: &Snapshot, a: &Slice, new: &Snapshot, b: &Slice) -> Vec<FieldChange> {
    let mut fields = Vec::new();
    // Named one by one, so that a new field breaks the build here. `writer_stated` and `place` change no traffic;
    // `paths` shows at the routes.
    let Slice {
        name: _,
        upstream: _,
        phase,
        canary: _,
        writer,
        writer_stated: _,
        sync: _,
        sync_lag,
        paths: _,
        version_from,
        except,
        team: _,
        review_by: _,
        policy,
        place: _,
    } = a;
    shown(&mut fields, "phase", phase, &b.phase);
    shown(&mut fields, "writer", writer, &b.writer);
    shown(&mut fields, "upstream", &upstream_name(old, a.upstream), &upstream_name(new, b.upstream));
    shown(&mut fields, "canary.share", &share(a.canary.as_ref()), &share(b.canary.as_ref()));
    if share(a.canary.as_ref()) == share(b.canary.as_ref()) {
        told(&mut fields, "canary", &a.canary, &b.canary);
    }
    let sync = |slice: &Slice| slice.sync.map(|sync| sync.to_string()).unwrap_or_default();
    shown(&mut fields, "sync", &sync(a), &sync(b));
    told(&mut fields, "sync_lag", sync_lag, &b.sync_lag);
    told(&mut fields, "version_from", version_from, &b.version_from);
    told(&mut fields, "except", except, &b.except);
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    shown(&mut fields, "team", &text(&a.team), &text(&b.team));
    let date = |slice: &Slice| slice.review_by.map(|date| date.to_string()).unwrap_or_default();
    shown(&mut fields, "review_by", &date(a), &date(b));
    told(&mut fields, "policy", policy, &b.policy);
    fields
}

fn route_fields(old: &Snapshot, a: &Route, new: &Snapshot, b: &Route) -> Vec<FieldChange> {
    let mut fields = Vec::new();
    let slice = |snapshot: &Snapshot, route: &Route| snapshot.slice(route.slice).name.to_string();
    shown(&mut fields, "slice", &slice(old, a), &slice(new, b));
    shown(&mut fields, "match", &a.pattern.text, &b.pattern.text);
    if a.pattern.text == b.pattern.text {
        told(&mut fields, "paths", &a.pattern.rules, &b.pattern.rules);
    }
    told(&mut fields, "when", &a.when, &b.when);
    let effect = |route: &Route| route.effect.map(|effect| effect.to_string()).unwrap_or_default();
    shown(&mut fields, "effect", &effect(a), &effect(b));
    shown(&mut fields, "priority", &a.priority, &b.priority);
    let slice_says = |snapshot: &Snapshot, route: &Route| {
        let slice = snapshot.slice(route.slice);
        (route.phase == slice.phase, route.canary == slice.canary)
    };
    // A change that the slice already tells is not told again for each of its routes.
    if !(slice_says(old, a).0 && slice_says(new, b).0) {
        shown(&mut fields, "phase", &a.phase, &b.phase);
    }
    if !(slice_says(old, a).1 && slice_says(new, b).1) {
        told(&mut fields, "canary", &a.canary, &b.canary);
    }
    let own = |snapshot: &Snapshot, route: &Route| *route.policy != *snapshot.slice(route.slice).policy;
    if own(old, a) || own(new, b) {
        told(&mut fields, "policy", &a.policy, &b.policy);
    }
    fields
}

#[cfg(test)]
mod tests;
