//! Counterparts among elements of which numbers may be off, in arrays without order: a hash does not find them.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::super::align::{Pairs, matching};
use super::super::document::{Id, Type};
use super::super::places::Places;
use super::super::walk::{Half, Task, Walk};
use super::{Elements, MOST_TRIED, Open};

impl Walk<'_, '_, '_> {
    /// Where numbers may be off a hash does not tell what is equal: written the same first, then by the size of
    /// those numbers, then by trying.
    pub(super) fn agreeing(&mut self, task: Task, elements: &Elements, open: &Open) -> Pairs {
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
