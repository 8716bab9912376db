//! Arrays: which elements are held against which.
//!
//! Owns the rules `ordered`, `unordered` and `by:KEY`, and the kind `order`. Counterparts are found by hash
//! first; what is left is paired as well as its number allows. Indices in paths are those of the left array,
//! and of the right one where only that has the element.

mod keyed;
mod tolerant;

use std::collections::BTreeSet;

use super::super::{Kind, Relation};
use super::align::{Pairs, common, gaps, matching};
use super::document::{Id, Type};
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
        let trail = self.trail_of_element(task.trail, index);
        Task { trail, place: self.places.element(task.place, index), ..task }
    }

    /// In order: what is equal first, then what lies between equal ones by position.
    fn ordered(&mut self, task: Task, elements: &Elements) -> (Pairs, Open) {
        let equal = |half: &Half<'_>, ids: &[Id]| -> Vec<u64> {
            let hash = |id: &Id| half.hashes.equal_in_array(half.document, &self.places, *id);
            ids.iter().map(hash).collect()
        };
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
        pairs.sort_unstable();
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
        keyed::identity(self, elements, open).filter(moved)
    }

    /// Counterparts by value under the rules, those that are written the same first.
    fn equals(&mut self, elements: &Elements, open: &Open) -> Pairs {
        let keyed =
            |half: &Half<'_>, ids: &[Id], open: &BTreeSet<usize>, exact: bool| -> Vec<(usize, (u64, u64))> {
                let key = |at: &usize| {
                    let id = *ids.get(*at)?;
                    let exact = if exact { half.hashes.exact(id) } else { 0 };
                    Some((*at, (half.hashes.equal_in_array(half.document, &self.places, id), exact)))
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
}

/// Which side is meant.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}
