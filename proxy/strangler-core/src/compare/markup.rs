//! HTML and XML, by the tree that they mean.
//!
//! Owns what two trees differ in, and where. Comments, the order of attributes and of classes, white space that
//! nobody sees, and the values of tokens made anew for every page are no differences; that a token is there is
//! one. All takes bounded work, whatever the documents: what is too deep or too large for a tree is compared as
//! text. Refuses to run or to fetch anything: no script, no entity, no schema.

mod align;
mod html;
mod normal;
mod tree;
mod xml;

use std::collections::HashSet;

use super::body::Whole;
use super::{Class, Kind, Relation, text, value};
use crate::snapshot::compare::CompareMode;
use tree::{Label, NodeId, Tree};

/// Why a document has no tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoTree {
    /// It is deeper or has more parts than a tree may have.
    TooLarge,
    /// It is not what it says it is.
    Malformed,
}

/// What two HTML documents, or pieces of such, differ in.
pub(super) fn html(mode: CompareMode, left: &str, right: &str) -> Option<Whole> {
    documents(mode, (left, html::tree(left)), (right, html::tree(right)))
}

/// What two XML documents differ in.
pub(super) fn xml(mode: CompareMode, left: &str, right: &str) -> Option<Whole> {
    documents(mode, (left, xml::tree(left)), (right, xml::tree(right)))
}

fn documents(
    mode: CompareMode,
    (left, ours): (&str, Result<Tree, NoTree>),
    (right, theirs): (&str, Result<Tree, NoTree>),
) -> Option<Whole> {
    let malformed = (ours.as_ref().err().copied(), theirs.as_ref().err().copied());
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) if mode == CompareMode::Shape => shapes(&ours, &theirs),
        (Ok(ours), Ok(theirs)) => trees(&ours, &theirs),
        _ if (malformed.0 == Some(NoTree::Malformed)) != (malformed.1 == Some(NoTree::Malformed)) => {
            let class = |none: Option<NoTree>| match none {
                Some(NoTree::Malformed) => Class::Unreadable,
                _ => Class::Text,
            };
            let mut whole = Whole::new(Kind::BodyParse, left.to_owned(), right.to_owned());
            (whole.left, whole.right) = (class(malformed.0), class(malformed.1));
            Some(whole)
        }
        _ => text::difference(mode, left, right),
    }
}

/// One difference of two trees, not yet described.
#[derive(Clone, Debug)]
struct Found {
    kind: Kind,
    left: Spot,
    right: Spot,
}

/// A place in a tree.
#[derive(Clone, Debug)]
struct Spot {
    node: NodeId,
    /// An attribute of it.
    attribute: Option<Box<str>>,
    /// Whether there is anything at this place; if not, it is where something is missed.
    is_there: bool,
}

impl Spot {
    fn at(node: NodeId) -> Self {
        Spot { node, attribute: None, is_there: true }
    }

    fn without(node: NodeId) -> Self {
        Spot { is_there: false, ..Spot::at(node) }
    }

    fn attribute(self, name: &str) -> Self {
        Spot { attribute: Some(name.into()), ..self }
    }
}

/// The weightiest difference of two trees. What noise cannot hide comes before what it can: presence, kind and
/// order before values, and white space last; of several, the first in the document.
fn trees(left: &Tree, right: &Tree) -> Option<Whole> {
    const WEIGHTIEST_FIRST: [Kind; 9] = [
        Kind::BodyMissing,
        Kind::BodyExtra,
        Kind::BodyType,
        Kind::BodyOrder,
        Kind::BodyTimeFormat,
        Kind::BodyNumberPrecision,
        Kind::BodyValue,
        Kind::BodyUuid,
        Kind::BodyWhitespace,
    ];
    let mut first: [Option<Found>; 9] = [const { None }; 9];
    let mut found = |kind: Kind, left: Spot, right: Spot| {
        let slot = WEIGHTIEST_FIRST.iter().zip(&mut first).find(|(other, _)| **other == kind);
        if let Some((_, slot)) = slot {
            slot.get_or_insert(Found { kind, left, right });
        }
    };
    let mut pairs = vec![(Tree::ROOT, Tree::ROOT)];
    while let Some((one, other)) = pairs.pop() {
        if left.hash(one) == right.hash(other) {
            continue;
        }
        match (left.label(one), right.label(other)) {
            (Label::Text(ours), Label::Text(theirs)) => {
                found(value_kind(ours, theirs), Spot::at(one), Spot::at(other))
            }
            (ours, theirs) if !ours.is_alike(theirs) => {
                found(Kind::BodyType, Spot::at(one), Spot::at(other));
                continue;
            }
            (ours, theirs) => attributes(ours.attributes(), theirs.attributes(), one, other, &mut found),
        }
        children(left, right, (one, other), &mut found, &mut pairs);
    }
    first.into_iter().flatten().next().map(|found| described(&found, left, right))
}

fn value_kind(left: &str, right: &str) -> Kind {
    if text::is_same_but_for_blanks(left, right) {
        Kind::BodyWhitespace
    } else {
        value::texts(left.as_bytes(), right.as_bytes()).map_or(Kind::BodyValue, |(kind, _)| kind)
    }
}

/// Both sorted by name.
fn attributes(
    ours: &[(Box<str>, Box<str>)],
    theirs: &[(Box<str>, Box<str>)],
    one: NodeId,
    other: NodeId,
    found: &mut impl FnMut(Kind, Spot, Spot),
) {
    let (mut ours, mut theirs) = (ours.iter().peekable(), theirs.iter().peekable());
    loop {
        let order = match (ours.peek(), theirs.peek()) {
            (Some((name, _)), Some((other, _))) => name.cmp(other),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => return,
        };
        let one_next = order.is_le().then(|| ours.next()).flatten();
        let other_next = order.is_ge().then(|| theirs.next()).flatten();
        match (one_next, other_next) {
            (Some((name, value)), Some((_, other_value))) if value != other_value => {
                let kind = value_kind(value, other_value);
                found(kind, Spot::at(one).attribute(name), Spot::at(other).attribute(name));
            }
            (Some((name, _)), None) => {
                found(Kind::BodyMissing, Spot::at(one).attribute(name), Spot::without(other));
            }
            (None, Some((name, _))) => {
                found(Kind::BodyExtra, Spot::without(one), Spot::at(other).attribute(name));
            }
            _ => {}
        }
    }
}

fn children(
    left: &Tree,
    right: &Tree,
    (one, other): (NodeId, NodeId),
    found: &mut impl FnMut(Kind, Spot, Spot),
    pairs: &mut Vec<(NodeId, NodeId)>,
) {
    let (ours, theirs) = (left.children(one), right.children(other));
    let hashes =
        |tree: &Tree, nodes: &[NodeId]| nodes.iter().map(|node| tree.hash(*node)).collect::<Vec<u64>>();
    let (our_hashes, their_hashes) = (hashes(left, ours), hashes(right, theirs));
    if our_hashes == their_hashes {
        return;
    }
    if align::is_permutation(&our_hashes, &their_hashes) {
        found(Kind::BodyOrder, Spot::at(one), Spot::at(other));
        return;
    }
    let is_alike = |ours_at: usize, theirs_at: usize| match (ours.get(ours_at), theirs.get(theirs_at)) {
        (Some(one), Some(other)) => left.label(*one).is_alike(right.label(*other)),
        _ => false,
    };
    let from = pairs.len();
    let aligned = align::pairs(&our_hashes, &their_hashes, is_alike);
    // What is missing here and too many there has moved.
    let lone = |hashes: &[u64], at: Option<usize>, opposite: Option<usize>| match opposite {
        None => at.and_then(|at| hashes.get(at)).copied(),
        Some(_) => None,
    };
    let missing: HashSet<u64> =
        aligned.iter().filter_map(|(one, other)| lone(&our_hashes, *one, *other)).collect();
    let extra: HashSet<u64> =
        aligned.iter().filter_map(|(one, other)| lone(&their_hashes, *other, *one)).collect();
    for (ours_at, theirs_at) in aligned {
        let child = ours_at.and_then(|at| ours.get(at));
        let other_child = theirs_at.and_then(|at| theirs.get(at));
        match (child, other_child) {
            (Some(child), Some(other_child)) => pairs.push((*child, *other_child)),
            (Some(child), None) if extra.contains(&left.hash(*child)) => {
                found(Kind::BodyOrder, Spot::at(one), Spot::at(other));
            }
            (None, Some(child)) if missing.contains(&right.hash(*child)) => {}
            (Some(child), None) => {
                let kind = lone_kind(left.label(*child), Kind::BodyMissing);
                found(kind, Spot::at(*child), Spot::without(other));
            }
            (None, Some(child)) => {
                let kind = lone_kind(right.label(*child), Kind::BodyExtra);
                found(kind, Spot::without(one), Spot::at(*child));
            }
            (None, None) => {}
        }
    }
    // The first is looked at first.
    if let Some(new) = pairs.get_mut(from..) {
        new.reverse();
    }
}

/// What it is that only one side has a node: nothing but a blank, such as between two words, is no content.
fn lone_kind(label: &Label, kind: Kind) -> Kind {
    match label {
        Label::Text(text) if text.bytes().all(|b| b.is_ascii_whitespace()) => Kind::BodyWhitespace,
        _ => kind,
    }
}

fn described(found: &Found, left: &Tree, right: &Tree) -> Whole {
    let shown = |tree: &Tree, spot: &Spot| {
        let place = tree.place(spot.node);
        match (&spot.attribute, spot.is_there) {
            (_, false) => format!("{place}: none"),
            (Some(name), true) => {
                let value = tree.label(spot.node).attribute(name).unwrap_or_default();
                format!("{place} @{name}: {value}")
            }
            (None, true) => format!("{place}: {}", tree.excerpt(spot.node)),
        }
    };
    let mut whole = Whole::new(found.kind, shown(left, &found.left), shown(right, &found.right));
    let texts = (content(left, &found.left), content(right, &found.right));
    whole.relation = match texts {
        _ if found.kind == Kind::BodyOrder => Some(Relation::Permutation),
        (Some(one), Some(other)) => {
            value::texts(one.as_bytes(), other.as_bytes()).and_then(|(_, relation)| relation)
        }
        _ => None,
    };
    whole
}

/// The text or attribute's value at a place.
fn content<'t>(tree: &'t Tree, spot: &Spot) -> Option<&'t str> {
    match (tree.label(spot.node), &spot.attribute) {
        (_, _) if !spot.is_there => None,
        (Label::Text(text), None) => Some(text),
        (label, Some(name)) => label.attribute(name),
        _ => None,
    }
}

/// What two trees differ in when only presence counts: which elements, attributes and texts there are under
/// which, no matter how many.
fn shapes(left: &Tree, right: &Tree) -> Option<Whole> {
    let (ours, theirs) = (left.presence(), right.presence());
    let lacking = |one: &[(u64, NodeId)], other: &[(u64, NodeId)]| {
        let known: HashSet<u64> = other.iter().map(|(path, _)| *path).collect();
        one.iter().find(|(path, _)| !known.contains(path)).map(|(_, node)| *node)
    };
    if let Some(node) = lacking(&ours, &theirs) {
        return Some(Whole::new(Kind::BodyMissing, left.place(node), "none".to_owned()));
    }
    lacking(&theirs, &ours).map(|node| Whole::new(Kind::BodyExtra, "none".to_owned(), right.place(node)))
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
