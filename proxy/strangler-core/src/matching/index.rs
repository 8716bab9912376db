//! The element trie: many patterns compiled for one lookup.
//!
//! Owns the depth-first walk in order of specificity, with backtracking: the first leaf that holds a candidate
//! whose method and conditions hold is the winner. One step per element is a hash look-up, so that 10,000
//! routes cost what 10 do. Refuses owners and slices: it returns the number it was given.
//!
//! Patterns of different `paths` rules share one trie: its keys are in the loosest form that any of them asks
//! for, so that equally specific positions are one node, and a stricter candidate compares the whole path
//! once more at its leaf.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::path::{self, PathRules};
use super::pattern::{self, Element, HostPattern, Methods, ParamKind, Pattern};
use super::predicate::Predicates;
use super::request::Reading;

/// One pattern to be compiled.
#[derive(Clone, Debug)]
pub(super) struct Item<'a> {
    /// What a lookup returns.
    pub(super) id: u32,
    pub(super) pattern: &'a Pattern,
    /// `None`: no conditions.
    pub(super) when: Option<Arc<Predicates>>,
    pub(super) priority: i64,
}

/// Hashes short keys in one step. Keys come from the configuration, so that no client can choose collisions.
#[derive(Default)]
struct ElementHasher(u64);

impl Hasher for ElementHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// `str` ends its hash with a marker that one whole key does not need.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

type ByText = HashMap<Box<str>, u32, BuildHasherDefault<ElementHasher>>;

/// Patterns compiled for lookup.
#[derive(Debug, Default)]
pub(super) struct Index {
    exact: ByText,
    /// Keyed by what follows `*.`.
    wildcard: ByText,
    any: Option<u32>,
    nodes: Vec<Node>,
    /// The loosest of the patterns' rules; the trie's keys are in this form.
    keys: PathRules,
    /// Whether any pattern names HEAD, so that GET does not always imply it.
    names_head: bool,
}

/// A position in paths.
#[derive(Debug, Default)]
struct Node {
    literals: ByText,
    int: Option<u32>,
    uuid: Option<u32>,
    named: Option<u32>,
    /// Candidates whose path ends here, best first.
    ends: Vec<Candidate>,
    /// Candidates that take everything below, best first.
    tails: Vec<Candidate>,
}

/// A pattern at its leaf.
#[derive(Debug)]
struct Candidate {
    id: u32,
    methods: Methods,
    /// May be followed by one slash.
    extra_slash: bool,
    when: Option<Arc<Predicates>>,
    /// Set where its rules are stricter than the trie's keys: compared with the whole path.
    strict: Option<Box<Pattern>>,
    priority: i64,
}

impl Candidate {
    /// Greater is more specific, among candidates of one leaf.
    fn rank(&self) -> (bool, [usize; 4], i64) {
        let conditions = self.when.as_ref().map_or([0; 4], |when| when.counts());
        (self.methods.is_named(), conditions, self.priority)
    }
}

/// Which candidates a lookup takes by method.
#[derive(Clone, Copy)]
enum MethodRule<'a> {
    /// Those that name it, and those that name none.
    Usual(&'a str),
    /// HEAD where no HEAD route matches: also those that name GET.
    ImpliedHead,
    /// Only those that name HEAD.
    NamedHead,
}

impl MethodRule<'_> {
    fn takes(self, methods: &Methods) -> bool {
        match self {
            MethodRule::Usual(method) => !methods.is_named() || methods.names(method),
            MethodRule::ImpliedHead => !methods.is_named() || methods.names("HEAD") || methods.names("GET"),
            MethodRule::NamedHead => methods.names("HEAD"),
        }
    }
}

impl Index {
    /// Compiles patterns. Where several are equally specific, the one given first is found.
    pub(super) fn build<'a>(items: impl IntoIterator<Item = Item<'a>> + Clone) -> Index {
        let mut index = Index::default();
        for item in items.clone() {
            let rules = item.pattern.rules;
            index.keys.case_insensitive |= rules.case_insensitive;
            index.keys.matrix_ignored |= rules.matrix_ignored;
            index.names_head |= item.pattern.methods().names("HEAD");
        }
        for item in items {
            index.insert(item);
        }
        for node in &mut index.nodes {
            for leaf in [&mut node.ends, &mut node.tails] {
                leaf.sort_by(|a, b| b.rank().cmp(&a.rank()).then(a.id.cmp(&b.id)));
                leaf.shrink_to_fit();
            }
        }
        index
    }

    fn insert(&mut self, item: Item<'_>) {
        let Item { id, pattern, when, priority } = item;
        let mut at = self.root(pattern.host());
        for element in pattern.elements() {
            at = self.child(at, element);
        }
        let rules = pattern.rules;
        let has_params = pattern.elements().iter().any(|element| matches!(element, Element::Param { .. }));
        let stricter = (self.keys.case_insensitive && !rules.case_insensitive)
            || (self.keys.matrix_ignored && (!rules.matrix_ignored || has_params));
        let candidate = Candidate {
            id,
            methods: pattern.methods().clone(),
            extra_slash: pattern.allows_extra_slash(),
            when,
            strict: stricter.then(|| Box::new(pattern.clone())),
            priority,
        };
        if let Some(node) = self.nodes.get_mut(at as usize) {
            if pattern.has_tail() { node.tails.push(candidate) } else { node.ends.push(candidate) }
        }
    }

    fn root(&mut self, host: &HostPattern) -> u32 {
        let fresh = next_id(&self.nodes);
        let root = match host {
            HostPattern::Any => *self.any.get_or_insert(fresh),
            HostPattern::Wildcard(suffix) => *self.wildcard.entry(suffix.clone()).or_insert(fresh),
            HostPattern::Exact(host) => *self.exact.entry(host.clone()).or_insert(fresh),
        };
        if root == fresh {
            self.nodes.push(Node::default());
        }
        root
    }

    fn child(&mut self, parent: u32, element: &Element) -> u32 {
        let fresh = next_id(&self.nodes);
        let keys = self.keys;
        let Some(node) = self.nodes.get_mut(parent as usize) else { return fresh };
        let child = match element {
            Element::Literal(text) => {
                *node.literals.entry(path::loosened(text, keys).into()).or_insert(fresh)
            }
            Element::Param { kind: ParamKind::Int, .. } => *node.int.get_or_insert(fresh),
            Element::Param { kind: ParamKind::Uuid, .. } => *node.uuid.get_or_insert(fresh),
            Element::Param { kind: ParamKind::Any, .. } => *node.named.get_or_insert(fresh),
        };
        if child == fresh {
            self.nodes.push(Node::default());
        }
        child
    }

    /// The most specific pattern that takes a request, looked up under the normal path given.
    pub(super) fn find(&self, normal: &str, reading: &Reading<'_>) -> Option<u32> {
        if self.nodes.is_empty() {
            return None;
        }
        let loosened = path::loosened(normal, self.keys);
        let lookup = |rule| Lookup { index: self, normal, reading, rule }.hosts(&loosened);
        if reading.method != "HEAD" {
            return lookup(MethodRule::Usual(reading.method));
        }
        if self.names_head && lookup(MethodRule::NamedHead).is_some() {
            return lookup(MethodRule::Usual("HEAD"));
        }
        lookup(MethodRule::ImpliedHead)
    }
}

/// The id of the node that is pushed next.
fn next_id(nodes: &[Node]) -> u32 {
    u32::try_from(nodes.len()).unwrap_or(u32::MAX)
}

/// One walk through the trie.
#[derive(Clone, Copy)]
struct Lookup<'a> {
    index: &'a Index,
    normal: &'a str,
    reading: &'a Reading<'a>,
    rule: MethodRule<'a>,
}

impl Lookup<'_> {
    /// Exact host, wildcard hosts from the longest, any host.
    fn hosts(&self, path: &str) -> Option<u32> {
        let rest = match path.strip_prefix('/') {
            Some(rest) => Some(rest),
            None if path.is_empty() => None,
            None => return None,
        };
        let host = &*self.reading.host;
        if !self.index.exact.is_empty()
            && let Some(found) = self.index.exact.get(host).and_then(|root| self.walk(*root, rest))
        {
            return Some(found);
        }
        if !self.index.wildcard.is_empty() {
            let mut labels = host;
            while let Some((first, suffix)) = labels.split_once('.') {
                let whole = !first.is_empty() || labels.len() < host.len();
                let root = self.index.wildcard.get(suffix).filter(|_| whole);
                if let Some(found) = root.and_then(|root| self.walk(*root, rest)) {
                    return Some(found);
                }
                labels = suffix;
            }
        }
        self.walk(self.index.any?, rest)
    }

    /// The best candidate at or below a node; `rest` is what follows the last slash that was taken, `None` at
    /// the end of the path. The depth is bounded by the longest pattern.
    fn walk(&self, node: u32, rest: Option<&str>) -> Option<u32> {
        let node = self.index.nodes.get(node as usize)?;
        let Some(rest) = rest else {
            return self.first(&node.ends, false).or_else(|| self.first(&node.tails, false));
        };
        let (element, after) = match rest.bytes().position(|byte| byte == b'/') {
            Some(slash) => (rest.get(..slash)?, rest.get(slash + 1..)),
            None => (rest, None),
        };
        if !node.literals.is_empty()
            && let Some(child) = node.literals.get(element)
            && let Some(found) = self.walk(*child, after)
        {
            return Some(found);
        }
        if !element.is_empty() {
            if let Some(child) = node.int
                && pattern::is_int(element)
                && let Some(found) = self.walk(child, after)
            {
                return Some(found);
            }
            if let Some(child) = node.uuid
                && pattern::is_uuid(element)
                && let Some(found) = self.walk(child, after)
            {
                return Some(found);
            }
        }
        // Of an element that is nothing but parameters (`/;x=1`) nothing is left where some pattern ignores them; to
        // the others it is not empty. Who may take it is seen at the leaf.
        if (!element.is_empty() || self.index.keys.matrix_ignored)
            && let Some(child) = node.named
            && let Some(found) = self.walk(child, after)
        {
            return Some(found);
        }
        if element.is_empty()
            && after.is_none()
            && let Some(found) = self.first(&node.ends, true)
        {
            return Some(found);
        }
        self.first(&node.tails, false)
    }

    /// The first candidate of a leaf that takes the request.
    fn first(&self, leaf: &[Candidate], extra_slash: bool) -> Option<u32> {
        let takes = |candidate: &&Candidate| {
            (!extra_slash || candidate.extra_slash)
                && self.rule.takes(&candidate.methods)
                && candidate.strict.as_ref().is_none_or(|pattern| pattern.matches_path(self.normal))
                && candidate.when.as_ref().is_none_or(|when| when.hold(self.reading.view))
        };
        leaf.iter().find(takes).map(|candidate| candidate.id)
    }
}
