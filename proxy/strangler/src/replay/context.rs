//! What a comparison of two answers needs to know of their exchange.

use strangler_core::compare::{self, Context};
use strangler_core::snapshot::Snapshot;

use super::item::Item;
use super::settings::{Primary, Settings};

/// Does something with what a comparison of this item's answers needs to know.
pub(crate) fn with_context<T>(
    snapshot: &Snapshot,
    settings: &Settings,
    item: &Item,
    then: impl FnOnce(&Context<'_>) -> T,
) -> T {
    let route = snapshot.route(item.route);
    let (ours, theirs) = origins(snapshot, settings, item);
    then(&Context {
        rules: &route.policy.compare,
        route: &route.id,
        method: &item.method,
        target: &item.target,
        today: crate::live::compile::today(),
        legacy: compare::Side { origins: &ours },
        extracted: compare::Side { origins: &theirs },
    })
}

/// Names under which legacy and the extracted service may speak of themselves.
fn origins(snapshot: &Snapshot, settings: &Settings, item: &Item) -> (Vec<String>, Vec<String>) {
    let host = item.lines.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
    let host = host.map(|(_, value)| String::from_utf8_lossy(value).to_ascii_lowercase());
    let asked = host.iter().flat_map(|host| [format!("http://{host}"), format!("https://{host}")]);
    let public: Vec<String> = snapshot.server.public_url.iter().cloned().chain(asked).collect();
    let route = snapshot.route(item.route);
    let rewritten = route.policy.rewrite.as_ref().and_then(|rule| rule.host.as_deref());
    let mut ours = snapshot.upstream(snapshot.legacy).origins(None);
    ours.extend(public.iter().cloned());
    let mut theirs = snapshot.upstream(snapshot.slice(route.slice).upstream).origins(rewritten);
    theirs.extend(public);
    if let Primary::Live(side) = &settings.primary {
        ours.extend(side.origins());
    }
    theirs.extend(settings.candidate.origins());
    (ours, theirs)
}
