//! What can only be judged over the whole configuration: data and phases, names, ties, what is unused.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::code;
use super::document::Value;
use super::net;
use super::policy::Layers;
use super::problems::{Context, Problem};
use super::route::RouteDraft;
use super::server::ServerDraft;
use super::slice::{CanaryDraft, SliceDraft};
use super::source::{BUILT_IN, Span};
use super::upstream::Upstreams;
use crate::matching::pattern::Element;
use crate::matching::table::Conflict;
use crate::snapshot::policy::ShadowWrites;
use crate::snapshot::slice::is_reached;
use crate::words::{Owner, Phase, Sync, Writer};

/// Everything read, before it is judged as a whole.
pub(super) struct Whole<'c, 'v, 't, 'o> {
    pub(super) context: &'c Context<'t, 'o>,
    pub(super) slices: &'c [SliceDraft<'v, 't>],
    pub(super) routes: &'c [RouteDraft<'v, 't>],
    /// Whether every route could be read: otherwise a slice without routes may be the one that was meant.
    pub(super) all_read: bool,
}

impl<'v, 't> Whole<'_, 'v, 't, '_> {
    /// Judges everything but ties.
    pub(super) fn check(&self) {
        let mut routes_of: Vec<Vec<&RouteDraft<'v, 't>>> = vec![Vec::new(); self.slices.len()];
        for route in self.routes {
            if let Some(routes) = routes_of.get_mut(route.slice) {
                routes.push(route);
            }
        }
        for (slice, routes) in self.slices.iter().zip(&routes_of) {
            self.slice(slice, routes);
        }
        for route in self.routes {
            self.effect_name(route);
            if let Some(span) = route.fallback_list.filter(|_| !route.reads()) {
                let message = format!("route `{}` has a fallback, but no request of it only reads", route.id);
                let help = "remove it: a write is never repeated elsewhere; or say effect = \"read\"";
                self.report(Problem::new(code::FALLBACK_WITHOUT_READS, span, message).help(help));
            }
        }
        self.path_names();
    }

    fn report(&self, problem: Problem) {
        self.context.report(problem);
    }

    fn slice(&self, slice: &SliceDraft<'_, 't>, routes: &[&RouteDraft<'v, 't>]) {
        if routes.is_empty() && !slice.routes_wrong && self.all_read {
            let message = format!("slice `{}` has no routes", slice.name);
            let help = "give it `routes`, or remove it";
            self.report(Problem::new(code::UNUSED_SLICE, slice.span, message).help(help));
        }
        let phase_span = slice.phase_span.or(slice.writer_span).unwrap_or(slice.span);
        let inherits = |route: &&&RouteDraft<'v, 't>| route.phase.is_none();
        if routes.is_empty() || routes.iter().filter(inherits).any(|route| route.reads()) {
            self.reach(slice, None, slice.phase, phase_span);
        }
        self.retired(slice, None, slice.phase, phase_span);
        self.canary(slice, None, slice.phase, &slice.canary, &slice.layers, phase_span);
        self.copied_writes(slice, &slice.layers);
        if slice.writer == Writer::ByCohort && !matches!(slice.sync, Some(Sync::Both | Sync::Shared)) {
            let message =
                format!("slice `{}` is written on both sides, but its data is not kept in step", slice.name);
            let help = "say sync = \"both\" or \"shared\", or name one writer";
            self.report(
                Problem::new(code::BY_COHORT_SYNC, slice.writer_span.unwrap_or(slice.span), message)
                    .help(help),
            );
        }
        for route in routes {
            let layers = route.layers.as_ref().unwrap_or(&slice.layers);
            if let Some((phase, span)) = route.phase {
                if route.reads() {
                    self.reach(slice, Some(route), phase, span);
                }
                self.retired(slice, Some(route), phase, span);
            }
            if route.phase.is_some() || route.canary.is_some() || route.layers.is_some() {
                let (phase, span) = route.phase.unwrap_or((slice.phase, route.span));
                self.canary(
                    slice,
                    Some(route),
                    phase,
                    route.canary.as_ref().unwrap_or(&slice.canary),
                    layers,
                    span,
                );
            }
            if route.layers.is_some() {
                self.copied_writes(slice, layers);
            }
        }
    }

    /// Reads must come from a side that the writer's data reaches; copies should.
    fn reach(
        &self,
        slice: &SliceDraft<'_, 't>,
        route: Option<&RouteDraft<'v, 't>>,
        phase: Phase,
        span: Span,
    ) {
        let reached = |side| is_reached(slice.writer, slice.sync, side);
        // What the writer or `sync` gets wrong in itself is said elsewhere, once.
        if slice.writer == Writer::ByCohort || (phase == Phase::Retired && slice.writer != Writer::Extracted)
        {
            return;
        }
        let answering: &[Owner] = match phase {
            Phase::Legacy | Phase::Shadow => &[Owner::Legacy],
            Phase::Canary => &[Owner::Legacy, Owner::Extracted],
            Phase::Extracted | Phase::Retired => &[Owner::Extracted],
        };
        let whose =
            route.map_or_else(|| format!("slice `{}`", slice.name), |route| format!("route `{}`", route.id));
        let ways = |side: Owner| match side {
            Owner::Extracted => "say sync = \"stateless\", \"shared\", \"to-extracted\" or \"both\"",
            Owner::Legacy => "say sync = \"stateless\", \"shared\", \"to-legacy\" or \"both\"",
        };
        if let Some(side) = answering.iter().copied().find(|side| !reached(*side)) {
            let message = format!(
                "reads of {whose} are answered by {side}, which the data written by {} does not reach",
                slice.writer
            );
            let help = format!("{}; or writer = \"{side}\" once that side owns the data", ways(side));
            let problem = Problem::new(code::UNREACHED_READS, span, message).help(help);
            self.report(match slice.writer_span {
                Some(writer) if writer != span => problem.related(writer, "the writer is named here"),
                _ => problem,
            });
            return;
        }
        if let Some(side) = self.copied_to(slice, route, phase).filter(|side| !reached(*side)) {
            let message = format!(
                "reads of {whose} are copied to {side}, which the data written by {} does not reach: \
                 differences may only be stale data",
                slice.writer
            );
            let help = format!("{} if that is so", ways(side));
            self.report(Problem::new(code::UNSYNCED_SHADOW, span, message).help(help));
        }
    }

    /// The side that gets copies of reads. Once extracted answers, only where the file asks for it.
    fn copied_to(
        &self,
        slice: &SliceDraft<'_, 't>,
        route: Option<&RouteDraft<'v, 't>>,
        phase: Phase,
    ) -> Option<Owner> {
        let layers = route.and_then(|route| route.layers.as_ref()).unwrap_or(&slice.layers);
        let share = |key| nested(layers, "shadow", key).filter(|value| value.span.file != BUILT_IN);
        let shadow = layers.policy.shadow.as_ref()?;
        match phase {
            Phase::Shadow => Some(Owner::Extracted).filter(|_| shadow.sample.basis_points() > 0),
            Phase::Extracted => share("reverse_sample")
                .map(|_| Owner::Legacy)
                .filter(|_| shadow.reverse_sample.basis_points() > 0),
            Phase::Legacy | Phase::Canary | Phase::Retired => None,
        }
    }

    fn retired(
        &self,
        slice: &SliceDraft<'_, 't>,
        route: Option<&RouteDraft<'v, 't>>,
        phase: Phase,
        span: Span,
    ) {
        if phase != Phase::Retired || slice.writer == Writer::Extracted {
            return;
        }
        let whose =
            route.map_or_else(|| format!("slice `{}`", slice.name), |route| format!("route `{}`", route.id));
        let message = format!("{whose} is retired, but its writer is {}", slice.writer);
        let help = "say writer = \"extracted\": in phase retired legacy is never contacted";
        let problem = Problem::new(code::RETIRED_WRITER, span, message).help(help);
        self.report(match slice.writer_span.filter(|writer| *writer != span) {
            Some(writer) => problem.related(writer, "the writer is named here"),
            None => problem,
        });
    }

    fn canary(
        &self,
        slice: &SliceDraft<'_, 't>,
        route: Option<&RouteDraft<'v, 't>>,
        phase: Phase,
        canary: &CanaryDraft<'t>,
        layers: &Layers<'t>,
        span: Span,
    ) {
        if phase != Phase::Canary {
            return;
        }
        let whose =
            route.map_or_else(|| format!("slice `{}`", slice.name), |route| format!("route `{}`", route.id));
        if !canary.has_share() {
            let message = format!("{whose} is in phase canary without a share");
            let help = "say how many clients: canary = \"10%\"";
            self.report(Problem::new(code::CANARY_WITHOUT_SHARE, span, message).help(help));
        }
        if let Some(entry) = layers.table.get("cohort_by")
            && matches!(&entry.value.kind, super::document::Kind::List(list) if list.is_empty())
        {
            let message = format!("{whose} is in phase canary without a cohort key");
            let help = "name a source in `cohort_by`, such as \"cookie:strangler_cohort\"";
            let problem = Problem::new(code::CANARY_WITHOUT_KEY, span, message).help(help);
            self.report(problem.related(entry.value.span, "the list is empty here"));
        }
    }

    fn copied_writes(&self, slice: &SliceDraft<'_, 't>, layers: &Layers<'t>) {
        let copies = layers.policy.shadow.as_ref().is_some_and(|shadow| shadow.writes != ShadowWrites::Never);
        if !copies || slice.writer == Writer::Legacy {
            return;
        }
        let span = nested(layers, "shadow", "writes").map_or(slice.span, |value| value.span);
        let message =
            format!("writes of slice `{}` would be copied, but its writer is {}", slice.name, slice.writer);
        let help = "copies of writes need writer = \"legacy\"; otherwise say writes = \"never\"";
        self.report(Problem::new(code::COPIED_WRITES, span, message).help(help));
    }

    /// GET routes named like effects: a prefetching browser, or a copy, would set them off.
    fn effect_name(&self, route: &RouteDraft<'v, 't>) {
        const NAMES: [&str; 6] = ["logout", "callback", "confirm", "verify", "reset", "unsubscribe"];
        let methods = route.pattern.methods();
        if route.effect.is_some() || (methods.is_named() && !methods.names("GET")) {
            return;
        }
        let named = route.pattern.elements().iter().find_map(|element| match element {
            Element::Literal(text) => {
                let lower = text.to_ascii_lowercase();
                NAMES.into_iter().find(|name| lower.contains(name))
            }
            Element::Param { .. } => None,
        });
        let Some(name) = named else { return };
        let message = format!("route `{}` counts as reading, but `{name}` sounds like an effect", route.id);
        let help = "say effect = \"write\" if a GET changes something, effect = \"read\" if it does not";
        self.report(Problem::new(code::EFFECT_NAME, route.span, message).help(help));
    }

    /// Named path elements that cohort keys and rewrites refer to.
    fn path_names(&self) {
        struct Use<'r, 'v, 't> {
            name: String,
            required: bool,
            found: bool,
            lacking: Option<&'r RouteDraft<'v, 't>>,
        }
        let mut uses: BTreeMap<Span, Use<'_, 'v, 't>> = BTreeMap::new();
        for route in self.routes {
            let slice = self.slices.get(route.slice);
            let layers = route.layers.as_ref().or(slice.map(|slice| &slice.layers));
            let canary = route.canary.as_ref().or(slice.map(|slice| &slice.canary));
            let in_policy = layers.map(|layers| layers.path_names.as_slice()).unwrap_or_default();
            let in_canary = canary.map(|canary| canary.path_names.as_slice()).unwrap_or_default();
            for wanted in in_policy.iter().chain(in_canary) {
                let has = route.pattern.names().any(|name| name == wanted.name);
                let one = uses.entry(wanted.span).or_insert_with(|| Use {
                    name: wanted.name.clone(),
                    required: wanted.required,
                    found: false,
                    lacking: None,
                });
                one.found |= has;
                if !has {
                    one.lacking = one.lacking.or(Some(route));
                }
            }
        }
        for (span, Use { name, required, found, lacking }) in uses {
            let Some(lacking) = lacking.filter(|_| required || !found) else { continue };
            let message = if required {
                format!("`{{{name}}}` is no element of the pattern `{}`", lacking.id)
            } else {
                format!("no pattern that this applies to has an element `{{{name}}}`")
            };
            let help = "name an element as the pattern does";
            let problem = Problem::new(code::UNKNOWN_PATH_NAME, span, message).help(help);
            self.report(problem.related(lacking.span, "this pattern lacks it"));
        }
    }

    /// Ties, routes that never win, and ids that are not unique.
    pub(super) fn conflicts(&self, conflicts: &[Conflict]) {
        let route = |id: crate::words::RouteId| usize::try_from(id.0).ok().and_then(|id| self.routes.get(id));
        let example = |one: &RouteDraft<'v, 't>, other: &RouteDraft<'v, 't>, example: &str| {
            if one.secret || other.secret { String::new() } else { format!(": {example}") }
        };
        let mut tied: HashSet<Span> = HashSet::new();
        for conflict in conflicts {
            match conflict {
                Conflict::Tie { first, second, example: request } => {
                    let (Some(first), Some(second)) = (route(*first), route(*second)) else { continue };
                    let (first, second) =
                        if first.span <= second.span { (first, second) } else { (second, first) };
                    tied.extend([first.span, second.span]);
                    if self.context.is_full() {
                        continue;
                    }
                    let message = format!(
                        "routes `{}` and `{}` are equally specific and both match one request{}",
                        first.id,
                        second.id,
                        example(first, second, request)
                    );
                    let help = "make one more specific, or give it a higher `priority`";
                    let problem = Problem::new(code::TIE, second.span, message).help(help);
                    self.report(problem.related(first.span, "the other route"));
                }
                Conflict::NeverWins { loser, winner, example: request } => {
                    let Some(loser) = route(*loser) else { continue };
                    let winner = winner.and_then(route);
                    let message = match winner {
                        Some(winner) => format!(
                            "route `{}` never wins: `{}` takes every request of it{}",
                            loser.id,
                            winner.id,
                            example(loser, winner, request)
                        ),
                        None => format!(
                            "route `{}` never wins: other routes and `except` take every request of it",
                            loser.id
                        ),
                    };
                    let problem = Problem::new(code::NEVER_WINS, loser.span, message)
                        .help("remove it, or make it more specific");
                    self.report(match winner {
                        Some(winner) => problem.related(winner.span, "the route that hides it"),
                        None => problem,
                    });
                }
            }
        }
        self.duplicate_ids(&tied);
    }

    fn duplicate_ids(&self, tied: &HashSet<Span>) {
        let mut seen: HashMap<&str, &RouteDraft<'v, 't>> = HashMap::with_capacity(self.routes.len());
        for route in self.routes {
            let Some(first) = seen.get(&*route.id) else {
                seen.insert(&route.id, route);
                continue;
            };
            let defaulted = route.id_span.is_none() && first.id_span.is_none();
            if defaulted && tied.contains(&route.span) && tied.contains(&first.span) {
                continue;
            }
            let span = route.id_span.unwrap_or(route.span);
            let message = format!("two routes have the id `{}`", route.id);
            let help = match route.id_span {
                Some(_) => "an id is unique over all slices",
                None => "a route without `id` is called by its match text: give it an `id`",
            };
            let problem = Problem::new(code::DUPLICATE_ID, span, message).help(help);
            self.report(problem.related(first.id_span.unwrap_or(first.span), "first here"));
        }
    }
}

/// A value inside a table of a policy.
fn nested<'l, 't>(layers: &'l Layers<'t>, table: &str, key: &str) -> Option<&'l Value<'t>> {
    layers.table.get(table)?.value.as_table()?.get(key).map(|entry| &entry.value)
}

/// Upstreams that are this proxy itself.
pub(super) fn own_listeners(context: &Context<'_, '_>, server: &ServerDraft, upstreams: &Upstreams<'_, '_>) {
    let public = server.listen.iter().map(|(address, span)| (*address, *span, "public"));
    let listeners: Vec<_> = public.chain([(server.server.admin, server.admin, "admin")]).collect();
    for draft in &upstreams.drafts {
        for (endpoint, span) in draft.upstream.endpoints.iter().zip(&draft.endpoints) {
            let own = listeners.iter().find(|(address, ..)| net::is_listener(endpoint, *address));
            let Some((address, place, which)) = own else { continue };
            let message = format!("this is the proxy's own {which} listener, {address}");
            let help = "an upstream is another program: give its address";
            let problem = Problem::new(code::OWN_LISTENER, *span, message).help(help);
            context.report(if place.file == BUILT_IN {
                problem
            } else {
                problem.related(*place, "it listens here")
            });
        }
    }
}
