//! Arrays: which elements are held against which.
//!
//! Owns the rules `ordered`, `unordered` and `by:KEY`, and the kind `order`. Counterparts are found by hash
//! first; what is left is paired as well as its number allows. Indices in paths are those of the left array,
//! and of the right one where only that has the element.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::super::{Kind, Relation};
use super::align::{Pairs, common, gaps, matching};
use super::document::{Id, Type};
use super::places::Places;
use super::walk::{Half, Task, Walk};
use crate::snapshot::compare::ArrayRule;

/// How many elements without a counterpart are tried with each other.
const MOST_TRIED: usize = 64;

/// The elements of both sides of an array.
struct Elements {
    left: Vec<Id>,
    right: Vec<Id>,
}

/// What is not paired yet, by place.
#[derive(Default)]
struct Open {
    left: BTreeSet<usize>,
    right: BTreeSet<usize>,
}

impl Open {
    fn all(elements: &Elements) -> Self {
        Open { left: (0..elements.left.len()).collect(), right: (0..elements.right.len()).collect() }
    }

    fn close(&mut self, pairs: &Pairs) {
        for (left, right) in pairs {
            self.left.remove(left);
            self.right.remove(right);
        }
    }

    fn in_order(&self) -> Pairs {
        self.left.iter().copied().zip(self.right.iter().copied()).collect()
    }
}

impl Walk<'_, '_, '_> {
    /// Compares two arrays.
    pub(super) fn arrays(&mut self, task: Task) {
        let elements = Elements {
            left: self.left.document.children(task.left).collect(),
            right: self.right.document.children(task.right).collect(),
        };
        let (pairs, open) = match self.places.here(task.place).array {
            None | Some(ArrayRule::Ordered) => self.ordered(task, &elements),
            Some(ArrayRule::Unordered) => self.unordered(task, &elements),
            Some(ArrayRule::By(key)) => self.by_key(key, &elements),
        };
        for (at, other) in pairs {
            if let (Some(left), Some(right)) = (elements.left.get(at), elements.right.get(other))
                && self.left.hashes.exact(*left) != self.right.hashes.exact(*right)
            {
                let task = self.at(task, at);
                self.hold(*left, *right, task.trail, task.place);
            }
        }
        for at in open.left {
            let (task, id) = (self.at(task, at), elements.left.get(at).copied());
            self.tell(task, id, None, Kind::BodyMissing, None);
        }
        for at in open.right {
            let (task, id) = (self.at(task, at), elements.right.get(at).copied());
            self.tell(task, None, id, Kind::BodyExtra, None);
        }
    }

    /// The task of an element.
    fn at(&mut self, task: Task, index: usize) -> Task {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let trail = self.trails.element(task.trail, index);
        Task { trail, place: self.places.element(task.place, index), ..task }
    }

    /// In order: what is equal first, then what lies between equal ones by position.
    fn ordered(&mut self, task: Task, elements: &Elements) -> (Pairs, Open) {
        let (left, right) = (equal(&self.left, &elements.left), equal(&self.right, &elements.right));
        let ends = left.iter().zip(&right).take_while(|(one, other)| one == other).count();
        let shorter = left.len().min(right.len());
        let tails = left.iter().rev().zip(right.iter().rev());
        let tail = tails.take(shorter - ends).take_while(|(one, other)| one == other).count();
        let middle = (ends..left.len() - tail, ends..right.len() - tail);
        let mut pairs: Pairs = (0..ends).map(|at| (at, at)).collect();
        pairs.extend((0..tail).map(|at| (left.len() - 1 - at, right.len() - 1 - at)));
        let mut open = Open::all(elements);
        open.close(&pairs);
        if let Some(found) = self.another_order(elements, &open) {
            self.tell(task, Some(task.left), Some(task.right), Kind::BodyOrder, Some(Relation::Permutation));
            open.close(&found);
            pairs.extend(found);
            return (pairs, open);
        }
        let inner = (left.get(middle.0).unwrap_or_default(), right.get(middle.1).unwrap_or_default());
        let mut found = common(inner.0, inner.1, &mut self.budget);
        for (one, other) in gaps(&found, inner.0.len(), inner.1.len()) {
            let one: Vec<usize> = one.map(|at| at + ends).collect();
            let other: Vec<usize> = other.map(|at| at + ends).collect();
            pairs.extend(self.between(elements, &one, &other));
        }
        found.iter_mut().for_each(|(at, other)| (*at, *other) = (*at + ends, *other + ends));
        pairs.extend(found);
        open.close(&pairs);
        (pairs, open)
    }

    /// Elements between equal ones: arrays and objects that are the same but for notation, and the rest by
    /// position between those.
    fn between(&mut self, elements: &Elements, left: &[usize], right: &[usize]) -> Pairs {
        if left.is_empty() || right.is_empty() {
            return Pairs::new();
        }
        if left.len() == right.len() {
            return left.iter().copied().zip(right.iter().copied()).collect();
        }
        let one = self.soft_of(Side::Left, elements, left);
        let other = self.soft_of(Side::Right, elements, right);
        let found = common(&one, &other, &mut self.budget);
        let mut pairs = Pairs::new();
        for (one, other) in gaps(&found, left.len(), right.len()) {
            pairs.extend(one.zip(other));
        }
        pairs.extend(found);
        let place = |(one, other): (usize, usize)| Some((*left.get(one)?, *right.get(other)?));
        pairs.into_iter().filter_map(place).collect()
    }

    /// Soft hashes of elements; a scalar is like nothing else.
    fn soft_of(&mut self, side: Side, elements: &Elements, places: &[usize]) -> Vec<u64> {
        let (half, ids, lonely) = match side {
            Side::Left => (&mut self.left, &elements.left, 0),
            Side::Right => (&mut self.right, &elements.right, 1 << 63),
        };
        let soft = |place: &usize| {
            let id = ids.get(*place).copied().unwrap_or(super::document::Document::ROOT);
            match half.document.what(id) {
                Type::Array | Type::Object => half.soft(&self.places, id),
                _ => lonely | *place as u64,
            }
        };
        places.iter().map(soft).collect()
    }

    /// Counterparts for all that is open, where both sides have the same elements in another order: equal ones, or
    /// the same but for notation, or with the same identity.
    fn another_order(&mut self, elements: &Elements, open: &Open) -> Option<Pairs> {
        if open.left.len() != open.right.len() || open.left.len() < 2 {
            return None;
        }
        let moved = |pairs: &Pairs| {
            let whole = pairs.len() == open.left.len();
            whole && pairs.windows(2).any(|pair| matches!(pair, [one, next] if next.1 < one.1))
        };
        let equal = self.equals(elements, open);
        if equal.len() == open.left.len() {
            return moved(&equal).then_some(equal);
        }
        let soft = self.softly(elements, open);
        if soft.len() == open.left.len() {
            return moved(&soft).then_some(soft);
        }
        identity(self, elements, open).filter(moved)
    }

    /// Counterparts by value under the rules, those that are written the same first.
    fn equals(&mut self, elements: &Elements, open: &Open) -> Pairs {
        let keyed =
            |half: &Half<'_>, ids: &[Id], open: &BTreeSet<usize>, exact: bool| -> Vec<(usize, (u64, u64))> {
                let key = |at: &usize| {
                    let id = *ids.get(*at)?;
                    let exact = if exact { half.hashes.exact(id) } else { 0 };
                    Some((*at, (equal_in_array(half, id), exact)))
                };
                open.iter().filter_map(key).collect()
            };
        let mut left_open = Open { left: open.left.clone(), right: open.right.clone() };
        let mut pairs = Pairs::new();
        for exact in [true, false] {
            let left = keyed(&self.left, &elements.left, &left_open.left, exact);
            let right = keyed(&self.right, &elements.right, &left_open.right, exact);
            let found = matching(&left, &right);
            left_open.close(&found);
            pairs.extend(found);
        }
        pairs.sort_unstable();
        pairs
    }

    /// Counterparts among arrays and objects that are the same but for notation.
    fn softly(&mut self, elements: &Elements, open: &Open) -> Pairs {
        let (left, right): (Vec<usize>, Vec<usize>) =
            (open.left.iter().copied().collect(), open.right.iter().copied().collect());
        let one = self.soft_of(Side::Left, elements, &left);
        let other = self.soft_of(Side::Right, elements, &right);
        let keyed = |places: Vec<usize>, hashes: Vec<u64>| places.into_iter().zip(hashes).collect::<Vec<_>>();
        matching(&keyed(left, one), &keyed(right, other))
    }

    /// In any order: equal ones, then the same but for notation, then what has most in common.
    fn unordered(&mut self, task: Task, elements: &Elements) -> (Pairs, Open) {
        let mut open = Open::all(elements);
        let mut pairs = Pairs::new();
        if self.places.have_tolerances() {
            let found = self.agreeing(task, elements, &open);
            open.close(&found);
            pairs.extend(found);
        }
        for step in [Self::equals, Self::softly, Self::most_alike] {
            let found = step(self, elements, &open);
            open.close(&found);
            pairs.extend(found);
        }
        let rest = open.in_order();
        open.close(&rest);
        pairs.extend(rest);
        pairs.sort_unstable();
        (pairs, open)
    }

    /// Where numbers may be off a hash does not tell what is equal: written the same first, then by the size of
    /// those numbers, then by trying.
    fn agreeing(&mut self, task: Task, elements: &Elements, open: &Open) -> Pairs {
        let exact = |half: &Half<'_>, ids: &[Id], open: &BTreeSet<usize>| -> Vec<(usize, u64)> {
            let key = |at: &usize| Some((*at, half.hashes.exact(*ids.get(*at)?)));
            open.iter().filter_map(key).collect()
        };
        let mut pairs = matching(
            &exact(&self.left, &elements.left, &open.left),
            &exact(&self.right, &elements.right, &open.right),
        );
        let mut open = Open { left: open.left.clone(), right: open.right.clone() };
        open.close(&pairs);
        let found = self.nearest(task, elements, &open);
        open.close(&found);
        pairs.extend(found);
        if open.left.len() > MOST_TRIED || open.right.len() > MOST_TRIED {
            return pairs;
        }
        for at in open.left.clone() {
            let other = open.right.iter().copied().find(|other| self.do_agree(task, elements, at, *other));
            if let Some(other) = other {
                open.right.remove(&other);
                pairs.push((at, other));
            }
        }
        pairs
    }

    /// Counterparts that agree, of those that are the same but for numbers that may be off, smallest first.
    fn nearest(&mut self, task: Task, elements: &Elements, open: &Open) -> Pairs {
        let left = by_size(&self.left, &self.places, &elements.left, &open.left);
        let right = by_size(&self.right, &self.places, &elements.right, &open.right);
        let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
        let mut pairs = Pairs::new();
        while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
            if self.do_agree(task, elements, one.at, other.at) {
                pairs.push((one.at, other.at));
                left.next();
                right.next();
            } else if one.order(other).is_le() {
                left.next();
            } else {
                right.next();
            }
        }
        pairs
    }

    fn do_agree(&mut self, task: Task, elements: &Elements, at: usize, other: usize) -> bool {
        let (Some(left), Some(right)) = (elements.left.get(at), elements.right.get(other)) else {
            return false;
        };
        if self.left.hashes.loose(*left) != self.right.hashes.loose(*right) {
            return false;
        }
        let place = self.places.element(task.place, u32::try_from(at).unwrap_or(u32::MAX));
        self.agree(*left, *right, place)
    }

    /// Counterparts among few objects by how many members they have in common.
    fn most_alike(&mut self, elements: &Elements, open: &Open) -> Pairs {
        if open.left.len() > MOST_TRIED || open.right.len() > MOST_TRIED {
            return Pairs::new();
        }
        let members = |half: &Half<'_>, ids: &[Id], at: usize| -> BTreeSet<(Vec<u8>, u64)> {
            let object = ids.get(at).copied().filter(|id| half.document.what(*id) == Type::Object);
            let children = object.into_iter().flat_map(|id| half.document.children(id));
            children.map(|id| (half.document.key(id).into_owned(), half.hashes.equal(id))).collect()
        };
        let lefts: Vec<_> =
            open.left.iter().map(|at| (*at, members(&self.left, &elements.left, *at))).collect();
        let rights: Vec<_> =
            open.right.iter().map(|at| (*at, members(&self.right, &elements.right, *at))).collect();
        let mut alike = Vec::new();
        for (at, left) in &lefts {
            for (other, right) in &rights {
                if !self.budget.take(left.len() + right.len() + 1) {
                    return Pairs::new();
                }
                let common = left.intersection(right).count();
                if common > 0 {
                    alike.push((std::cmp::Reverse(common), *at, *other));
                }
            }
        }
        alike.sort_unstable();
        let (mut taken, mut others) = (BTreeSet::new(), BTreeSet::new());
        let mut pairs = Pairs::new();
        for (_, at, other) in alike {
            if !taken.contains(&at) && !others.contains(&other) {
                taken.insert(at);
                others.insert(other);
                pairs.push((at, other));
            }
        }
        pairs
    }

    /// By the value of a member: several of one value in their order, and those without it in theirs.
    fn by_key(&mut self, key: &str, elements: &Elements) -> (Pairs, Open) {
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

/// Which side is meant.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

/// Hashes under the rules of elements. Where a number may be off it counts with its value.
fn equal(half: &Half<'_>, ids: &[Id]) -> Vec<u64> {
    ids.iter().map(|id| equal_in_array(half, *id)).collect()
}

fn equal_in_array(half: &Half<'_>, id: Id) -> u64 {
    half.hashes.equal_in_array(half.document, id)
}

/// An element and the sizes of its numbers that may be off, by the names that they have.
struct Sized {
    at: usize,
    /// Of all else.
    hash: u64,
    sizes: Vec<(Vec<u8>, f64)>,
}

impl Sized {
    /// Those that are the same but for such numbers stand together, the smallest first.
    fn order(&self, other: &Sized) -> Ordering {
        let pairs = self.sizes.iter().zip(&other.sizes);
        let first = pairs.map(|(one, other)| one.1.total_cmp(&other.1)).find(|order| order.is_ne());
        self.hash.cmp(&other.hash).then(first.unwrap_or(Ordering::Equal))
    }
}

/// Elements with the sizes of their numbers that may be off, in order.
fn by_size(half: &Half<'_>, places: &Places<'_>, ids: &[Id], open: &BTreeSet<usize>) -> Vec<Sized> {
    let sizes = |id: Id| -> Vec<(Vec<u8>, f64)> {
        let mut sizes: Vec<(Vec<u8>, f64)> = half
            .document
            .within(id)
            .filter(|id| half.document.what(*id) == Type::Number)
            .filter(|id| places.here(half.hashes.place(*id)).tolerance.is_some())
            .map(|id| {
                // Only an order is made of it: what it loses in binary costs a counterpart at most.
                let text = String::from_utf8_lossy(half.document.text(id));
                (half.document.key(id).into_owned(), text.parse().unwrap_or(f64::MAX))
            })
            .collect();
        sizes.sort_by(|one, other| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)));
        sizes
    };
    let sized = |at: &usize| {
        let id = *ids.get(*at)?;
        Some(Sized { at: *at, hash: half.hashes.loose(id), sizes: sizes(id) })
    };
    let mut all: Vec<Sized> = open.iter().filter_map(sized).collect();
    all.sort_by(|one, other| one.order(other).then(one.at.cmp(&other.at)));
    all
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
fn identity(walk: &mut Walk<'_, '_, '_>, elements: &Elements, open: &Open) -> Option<Pairs> {
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
