//! From texts to a snapshot: the order in which everything is read, judged and compiled.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::check::{self, Whole};
use super::code::{self, Code};
use super::defaults::{self, Defaults, merge};
use super::diagnostic::Severity;
use super::document::{self, Document, Entry, Table};
use super::parts::Parts;
use super::policy::{self, Extras, Layers};
use super::problems::Context;
use super::reader::{self, Item, Reader};
use super::resolved::{Resolved, Resolver};
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
    let build = Build { context: &context, defaults: &defaults, parts: &parts, whole };
    let built = build.run(sources, &mut |_, _| {});
    let mut not_built = if whole { unbuilt(&parts) } else { Vec::new() };
    not_built.sort_by_key(|problem| problem.span);
    let not_built = not_built.into_iter().map(|problem| problem.diagnostic(&context.files)).collect();
    if !whole {
        context.retain(|problem| {
            !ABOUT_ABSENCE.contains(&problem.code)
                && documents.iter().all(|document| document.trusts(problem))
        });
    }
    let diagnostics = context.finish();
    let failed = !whole || diagnostics.iter().any(|problem| problem.severity == Severity::Error);
    Loaded { snapshot: built.filter(|_| !failed).map(Arc::new), diagnostics, not_built }
}

/// Problems that something is not there: with syntax errors, it may only not have been read.
const ABOUT_ABSENCE: [Code; 5] = [
    code::MISSING_KEY,
    code::UNKNOWN_UPSTREAM,
    code::UNKNOWN_SLICE,
    code::PUBLIC_ADMIN,
    code::INSECURE_PUBLIC_URL,
];

/// Every route's effective settings; `None` for a configuration that is in error.
pub(super) fn resolve(sources: &Sources, options: &LoadOptions<'_>) -> Option<Resolved> {
    let context = Context::new(Files::new(defaults::TEXT, sources), *options);
    let (defaults, documents) = read_documents(&context);
    let (main, included) = documents.split_first()?;
    let whole = documents.iter().all(|document| document.whole);
    let parts = Parts::read(&context, main, included);
    let (slice, route) = (defaults.section("slice"), defaults.section("route"));
    let resolver = Resolver::new(&context, parts.defaults, &slice, &route);
    let mut resolved = None;
    let build = Build { context: &context, defaults: &defaults, parts: &parts, whole };
    build.run(sources, &mut |slices, routes| resolved = Some(resolver.resolve(slices, routes)));
    let failed = context.any_since(0, |problem| problem.code.severity == Severity::Error);
    resolved.filter(|_| !failed)
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

/// What a configuration is built from.
struct Build<'c, 'v, 't, 'o> {
    context: &'c Context<'t, 'o>,
    defaults: &'c Defaults<'t>,
    parts: &'c Parts<'v, 't>,
    /// Whether every text is TOML throughout; otherwise nothing is judged as a whole.
    whole: bool,
}

/// Somebody who looks at what was read before it is compiled.
type Observer<'f, 'v, 't> = &'f mut dyn FnMut(&[SliceDraft<'v, 't>], &[RouteDraft<'v, 't>]);

impl<'v, 't> Build<'_, 'v, 't, '_> {
    /// Reads, judges and compiles. The snapshot counts only if nothing was reported as an error.
    fn run(&self, sources: &Sources, observe: Observer<'_, 'v, 't>) -> Option<Snapshot> {
        let Build { context, defaults, parts, whole } = *self;
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
        let read_slice = |(entry, table): &(&'v Entry<'t>, &'v Table<'t>)| (*entry, *table);
        let slices: Vec<SliceDraft<'v, 't>> = parts
            .slices
            .iter()
            .map(read_slice)
            .map(|(entry, table)| slice_reader.read(entry, table, &mut upstreams))
            .collect();
        let routes = self.routes(&extras, &slices);
        if !whole {
            return None;
        }
        upstreams.finish(context, legacy);
        check::own_listeners(context, &server, &upstreams);
        let listed: usize = slices.iter().map(|slice| slice.listed.len()).sum();
        let all_read = routes.len() == listed + parts.routes.len();
        let judged = Whole { context, slices: &slices, routes: &routes, all_read };
        judged.check();
        let (table, conflicts) = match_table(&slices, &routes);
        judged.conflicts(&conflicts);
        observe(&slices, &routes);
        let legacy = legacy?;
        let server = server.server;
        let compiled =
            Compiled { context, upstreams, slices, routes, legacy, server, limits, unmatched, table };
        Some(compiled.snapshot(content_hash(sources)))
    }

    /// Reads every route: by slice, then those with a table of their own.
    fn routes(&self, extras: &Extras<'_, 't>, slices: &[SliceDraft<'v, 't>]) -> Vec<RouteDraft<'v, 't>> {
        let by_name: HashMap<&str, usize> =
            slices.iter().enumerate().map(|(index, slice)| (&*slice.name, index)).collect();
        let slice_index = |name: &str| by_name.get(name).copied();
        let (context, defaults) = (self.context, self.defaults);
        let reader = RouteReader { context, defaults, extras, slices, slice_index: &slice_index };
        let listed = slices.iter().enumerate().flat_map(|(index, slice)| {
            let reader = &reader;
            slice.listed.iter().filter_map(move |value| reader.listed(index, value))
        });
        let stated = self.parts.routes.iter().filter_map(|value| reader.stated(value));
        listed.chain(stated).collect()
    }
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
    routes: &[RouteDraft<'_, '_>],
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
    routes: Vec<RouteDraft<'v, 't>>,
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
        let routes = routes.into_iter().filter_map(|draft| {
            let slice = slices.get(draft.slice)?;
            Some(Arc::new(route(context, draft, slice)))
        });
        let routes = routes.collect();
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

fn route(context: &Context<'_, '_>, draft: RouteDraft<'_, '_>, of: &SliceDraft<'_, '_>) -> Route {
    let RouteDraft {
        id: name,
        id_span: _,
        span,
        secret: _,
        slice,
        pattern,
        when,
        listed,
        effect,
        priority,
        phase,
        canary,
        layers,
        own: _,
        fallback_list: _,
    } = draft;
    Route {
        id: name,
        slice: SliceId(id(slice)),
        pattern,
        when,
        listed,
        effect,
        priority,
        phase: phase.map_or(of.phase, |(phase, _)| phase),
        canary: canary.map_or_else(|| of.canary.canary.clone(), |own| own.canary),
        policy: Arc::clone(&layers.as_ref().unwrap_or(&of.layers).policy),
        place: context.files.place(span),
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
        written: _,
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
