//! From texts to a snapshot: the order in which everything is read, judged and compiled.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::check::{self, Whole};
use super::code;
use super::defaults::{self, Defaults, merge};
use super::diagnostic::Severity;
use super::document::{self, Document, Table};
use super::parts::Parts;
use super::policy::{self, Extras, Layers};
use super::problems::Context;
use super::reader::{self, Item, Reader};
use super::route::{RouteDraft, RouteReader};
use super::server;
use super::slice::{SliceDraft, SliceReader};
use super::source::{BUILT_IN, Files};
use super::unbuilt::unbuilt;
use super::upstream::Upstreams;
use super::{LoadOptions, Loaded, Sources, content_hash};
use crate::matching::Table as MatchTable;
use crate::matching::table::Entry as MatchEntry;
use crate::snapshot::{Limits, Route, Server, Slice, Snapshot};
use crate::words::{SliceId, Unmatched, UpstreamId};

/// Reads a whole configuration.
pub(super) fn load(sources: &Sources, options: &LoadOptions<'_>) -> Loaded {
    let context = Context::new(Files::new(defaults::TEXT, sources), *options);
    let (defaults, documents) = read_documents(&context);
    let Some((main, included)) = documents.split_first() else {
        return Loaded { snapshot: None, diagnostics: context.finish(), not_built: Vec::new() };
    };
    let whole = documents.iter().all(|document| document.whole);
    let parts = Parts::read(&context, main, included);
    let built = build(&context, &defaults, &parts, whole, sources);
    let mut not_built = if whole { unbuilt(&parts) } else { Vec::new() };
    not_built.sort_by_key(|problem| problem.span);
    let not_built = not_built.into_iter().map(|problem| problem.diagnostic(&context.files)).collect();
    if !whole {
        context.retain(|problem| {
            problem.code != code::MISSING_KEY && documents.iter().all(|document| document.trusts(problem))
        });
    }
    let diagnostics = context.finish();
    let failed = !whole || diagnostics.iter().any(|problem| problem.severity == Severity::Error);
    Loaded { snapshot: built.filter(|_| !failed).map(Arc::new), diagnostics, not_built }
}

/// The built-in defaults and every written file.
pub(super) fn read_documents<'t>(context: &Context<'t, '_>) -> (Defaults<'t>, Vec<Document<'t>>) {
    let built_in = document::read(context, BUILT_IN, defaults::TEXT);
    let documents = context.files.written().map(|(file, text)| document::read(context, file, text)).collect();
    (Defaults(built_in.root), documents)
}

/// `[defaults]` over the built-in policy, read as one.
pub(super) fn base_layers<'t>(
    context: &Context<'t, '_>,
    extras: &Extras<'_, 't>,
    defaults: &Defaults<'t>,
    written: Option<&Table<'t>>,
) -> Rc<Layers<'t>> {
    let built_in = defaults.section("policy");
    let Some(written) = written else {
        return Rc::new(policy::layers(context, extras, built_in.into_owned()));
    };
    let mut reader = Reader::new("[defaults]", written);
    reader.also(&policy::KEYS);
    reader.done(context);
    Rc::new(policy::layers(context, extras, merge(&built_in, written)))
}

/// Reads, judges and compiles. The snapshot counts only if nothing was reported as an error.
fn build<'t>(
    context: &Context<'t, '_>,
    defaults: &Defaults<'t>,
    parts: &Parts<'_, 't>,
    whole: bool,
    sources: &Sources,
) -> Option<Snapshot> {
    let empty = Table::default();
    let server = server::server(context, defaults, parts.server.unwrap_or(&empty));
    let limits = server::limits(context, defaults, parts.limits.unwrap_or(&empty));
    let mut upstreams = Upstreams::read(context, defaults, &parts.upstreams);
    let legacy = parts.legacy.and_then(|item| upstreams.resolve(context, item));
    let unmatched = unmatched(context, defaults, parts.unmatched);

    let unavailable = defaults.section("unavailable");
    let extras = Extras { unavailable: &unavailable };
    let base = base_layers(context, &extras, defaults, parts.defaults);
    let slice_reader = SliceReader { context, defaults, extras: &extras, base: &base };
    let slices: Vec<SliceDraft<'_, 't>> =
        parts.slices.iter().map(|(entry, table)| slice_reader.read(entry, table, &mut upstreams)).collect();

    let by_name: HashMap<&str, usize> =
        slices.iter().enumerate().map(|(index, slice)| (&*slice.name, index)).collect();
    let slice_index = |name: &str| by_name.get(name).copied();
    let route_reader =
        RouteReader { context, defaults, extras: &extras, slices: &slices, slice_index: &slice_index };
    let mut routes: Vec<RouteDraft<'t>> = Vec::new();
    for (index, slice) in slices.iter().enumerate() {
        routes.extend(slice.listed.iter().filter_map(|value| route_reader.listed(index, value)));
    }
    routes.extend(parts.routes.iter().filter_map(|value| route_reader.stated(value)));

    if !whole {
        return None;
    }
    upstreams.finish(context, legacy);
    check::own_listeners(context, &server, &upstreams);
    let all_read =
        routes.len() == slices.iter().map(|slice| slice.listed.len()).sum::<usize>() + parts.routes.len();
    let judged = Whole { context, slices: &slices, routes: &routes, all_read };
    judged.check();
    let (table, conflicts) = match_table(&slices, &routes);
    judged.conflicts(&conflicts);
    let compiled = Compiled {
        context,
        upstreams,
        slices,
        routes,
        legacy: legacy?,
        server: server.server,
        limits,
        unmatched,
        table,
    };
    Some(compiled.snapshot(content_hash(sources)))
}

fn unmatched<'t>(
    context: &Context<'t, '_>,
    defaults: &Defaults<'t>,
    item: Option<Item<'_, 't>>,
) -> Unmatched {
    let built_in = defaults.0.get("unmatched").map(|entry| Item { key: "unmatched", value: &entry.value });
    item.or(built_in)
        .and_then(|item| reader::word(context, item, &["legacy", "reject"], Unmatched::from_word))
        .unwrap_or(Unmatched::Legacy)
}

fn match_table(
    slices: &[SliceDraft<'_, '_>],
    routes: &[RouteDraft<'_>],
) -> (MatchTable, Vec<crate::matching::table::Conflict>) {
    let entries: Vec<MatchEntry<'_>> = routes
        .iter()
        .map(|route| MatchEntry {
            pattern: &route.pattern,
            when: &route.when,
            priority: route.priority,
            slice: SliceId(id(route.slice)),
            listed: route.listed,
        })
        .collect();
    let excepts: Vec<_> = slices.iter().map(|slice| slice.except.clone()).collect();
    MatchTable::build(&entries, &excepts)
}

fn id(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// Everything read and judged, about to be put into its final form.
struct Compiled<'c, 'v, 't, 'o> {
    context: &'c Context<'t, 'o>,
    upstreams: Upstreams<'c, 't>,
    slices: Vec<SliceDraft<'v, 't>>,
    routes: Vec<RouteDraft<'t>>,
    legacy: usize,
    server: Server,
    limits: Limits,
    unmatched: Unmatched,
    table: MatchTable,
}

impl Compiled<'_, '_, '_, '_> {
    fn snapshot(self, hash: String) -> Snapshot {
        let Compiled { context, upstreams, slices, routes, legacy, server, limits, unmatched, table } = self;
        let mut sorted: Vec<_> =
            upstreams.drafts.into_iter().enumerate().map(|(was, draft)| (was, draft.upstream)).collect();
        sorted.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
        let now: HashMap<usize, UpstreamId> =
            sorted.iter().enumerate().map(|(now, (was, _))| (*was, UpstreamId(id(now)))).collect();
        let upstream_id =
            |was: Option<usize>| was.and_then(|was| now.get(&was).copied()).unwrap_or(UpstreamId(0));
        let routes: Vec<_> = {
            let slice_of = |route: &RouteDraft<'_>| slices.get(route.slice);
            routes
                .iter()
                .filter_map(|draft| Some(Arc::new(route(context, draft, slice_of(draft)?))))
                .collect()
        };
        Snapshot {
            hash,
            server,
            limits,
            legacy: upstream_id(Some(legacy)),
            unmatched,
            upstreams: sorted.into_iter().map(|(_, upstream)| Arc::new(upstream)).collect(),
            slices: slices
                .into_iter()
                .map(|draft| Arc::new(slice(context, upstream_id(draft.upstream), draft)))
                .collect(),
            routes,
            table,
        }
    }
}

fn route(context: &Context<'_, '_>, draft: &RouteDraft<'_>, slice: &SliceDraft<'_, '_>) -> Route {
    let layers = draft.layers.as_ref().unwrap_or(&slice.layers);
    let canary = draft.canary.as_ref().unwrap_or(&slice.canary);
    Route {
        id: Arc::clone(&draft.id),
        slice: SliceId(id(draft.slice)),
        pattern: draft.pattern.clone(),
        when: draft.when.clone(),
        listed: draft.listed,
        effect: draft.effect,
        priority: draft.priority,
        phase: draft.phase.map_or(slice.phase, |(phase, _)| phase),
        canary: canary.canary.clone(),
        policy: Arc::clone(&layers.policy),
        place: context.files.place(draft.span),
    }
}

fn slice(context: &Context<'_, '_>, upstream: UpstreamId, draft: SliceDraft<'_, '_>) -> Slice {
    let SliceDraft {
        name,
        span,
        upstream: _,
        phase,
        phase_span: _,
        writer,
        writer_span,
        sync,
        sync_lag,
        paths,
        version_from,
        except,
        team,
        review_by,
        layers,
        canary,
        routes_wrong: _,
        listed: _,
    } = draft;
    Slice {
        name,
        upstream,
        phase,
        canary: canary.canary,
        writer,
        writer_stated: writer_span.is_some(),
        sync,
        sync_lag,
        paths,
        version_from,
        except,
        team,
        review_by,
        policy: Arc::clone(&layers.policy),
        place: context.files.place(span),
    }
}
