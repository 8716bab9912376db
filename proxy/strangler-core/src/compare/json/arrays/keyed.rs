//! Counterparts among elements by the value of a member: the one that the configuration names, or one that tells
//! elements apart.

use std::collections::{BTreeMap, BTreeSet};

use super::super::align::{Pairs, matching};
use super::super::document::{Id, Type};
use super::super::walk::{Half, Walk};
use super::{Elements, Open, Side};

impl Walk<'_, '_, '_> {
    /// By the value of a member: several of one value in their order, and those without it in theirs.
    pub(super) fn by_key(&mut self, key: &str, elements: &Elements) -> (Pairs, Open) {
        let mut open = Open::all(elements);
        let mut pairs = Pairs::new();
        for softly in [false, true] {
            let left = self.keys(Side::Left, elements, &open.left, key, softly);
            let right = self.keys(Side::Right, elements, &open.right, key, softly);
            let found = matching(&left, &right);
            open.close(&found);
            pairs.extend(found);
        }
        let keyed = |half: &Half<'_>, ids: &[Id], at: usize| {
            ids.get(at).is_some_and(|id| key_of(half, *id, key).is_some())
        };
        let without = |walk: &Self, open: &Open| Open {
            left: open.left.iter().copied().filter(|at| !keyed(&walk.left, &elements.left, *at)).collect(),
            right: open
                .right
                .iter()
                .copied()
                .filter(|at| !keyed(&walk.right, &elements.right, *at))
                .collect(),
        };
        let found = without(self, &open).in_order();
        open.close(&found);
        pairs.extend(found);
        // A side that has lost its keys: what is left is paired with what is left.
        let rest = without(self, &open);
        if !rest.left.is_empty() || !rest.right.is_empty() {
            let left = if rest.left.is_empty() { open.left.clone() } else { rest.left };
            let right = if rest.right.is_empty() { open.right.clone() } else { rest.right };
            let found = Open { left, right }.in_order();
            open.close(&found);
            pairs.extend(found);
        }
        pairs.sort_unstable();
        (pairs, open)
    }

    /// The values of a member in elements that have it, by their places.
    fn keys(
        &mut self,
        side: Side,
        elements: &Elements,
        open: &BTreeSet<usize>,
        key: &str,
        softly: bool,
    ) -> Vec<(usize, u64)> {
        let (half, ids) = match side {
            Side::Left => (&mut self.left, &elements.left),
            Side::Right => (&mut self.right, &elements.right),
        };
        let value = |at: &usize| {
            let value = key_of(half, *ids.get(*at)?, key)?;
            let hash = if softly { half.soft(&self.places, value) } else { half.hashes.equal(value) };
            Some((*at, hash))
        };
        open.iter().filter_map(value).collect()
    }
}

/// The scalar member of this name, if the element has exactly one.
fn key_of(half: &Half<'_>, element: Id, key: &str) -> Option<Id> {
    if half.document.what(element) != Type::Object {
        return None;
    }
    let mut found = half.document.children(element).filter(|id| *half.document.key(*id) == *key.as_bytes());
    let one = found.next()?;
    let scalar = !matches!(half.document.what(one), Type::Array | Type::Object | Type::Null);
    (scalar && found.next().is_none()).then_some(one)
}

/// Counterparts of all objects by a member that every one of them has, whose values are the same on both sides and
/// no two alike; `None` where there is no such member, or one of them is in the same order.
pub(super) fn identity(walk: &mut Walk<'_, '_, '_>, elements: &Elements, open: &Open) -> Option<Pairs> {
    /// Members of the first element that are tried.
    const MOST_CANDIDATES: usize = 16;
    let first = *elements.left.get(*open.left.first()?)?;
    if walk.left.document.what(first) != Type::Object {
        return None;
    }
    let names: Vec<String> = walk
        .left
        .document
        .children(first)
        .take(MOST_CANDIDATES)
        .map(|id| String::from_utf8_lossy(&walk.left.document.key(id)).into_owned())
        .collect();
    let mut best: Option<(usize, Pairs)> = None;
    for (position, name) in names.iter().enumerate() {
        let left = walk.keys(Side::Left, elements, &open.left, name, true);
        let right = walk.keys(Side::Right, elements, &open.right, name, true);
        let distinct: BTreeMap<u64, usize> = left.iter().map(|(at, hash)| (*hash, *at)).collect();
        let pairs = matching(&left, &right);
        if distinct.len() != open.left.len() || pairs.len() != open.left.len() {
            continue;
        }
        if pairs.windows(2).all(|pair| matches!(pair, [one, next] if one.1 < next.1)) {
            return None;
        }
        let name = name.to_ascii_lowercase();
        let rank = if matches!(&*name, "id" | "_id" | "uuid" | "key" | "sku" | "code" | "slug") {
            0
        } else if name.ends_with("id") {
            1
        } else {
            2 + position
        };
        if best.as_ref().is_none_or(|(known, _)| rank < *known) {
            best = Some((rank, pairs));
        }
    }
    best.map(|(_, pairs)| pairs)
}
