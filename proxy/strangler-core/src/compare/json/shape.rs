//! `mode = "shape"`: which members there are, and of which types; nothing else.
//!
//! Owns what the elements of an array have in common: their number and order are no shape, so all of them are
//! looked at as one. A member is there always, sometimes or never, and its types are those it has anywhere.
//! `null` is a type; times, ids and the like are not. What both sides have no element of has no shape to differ in.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Class, Difference, Findings, Kind, Relation};
use super::document::{Document, Id, Type};
use super::trail::{Trail, Trails};
use super::walk::class;

/// Values at one path of the shape.
struct Group {
    left: Vec<Id>,
    right: Vec<Id>,
    trail: Trail,
    told: Told,
}

/// Whether a difference of this path was told already; there is one per path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    No,
    Yes,
}

/// How many of some objects have a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Presence {
    Never,
    Sometimes,
    Always,
}

/// A member in all of some objects: in how many it is, and its values.
#[derive(Default)]
struct Member {
    objects: usize,
    values: Vec<Id>,
}

/// Adds what the shapes of two documents differ in.
pub(super) fn compare(left: &Document<'_>, right: &Document<'_>, findings: &mut Findings<'_>) {
    let mut shapes = Shapes { left, right, trails: Trails::new(), findings, groups: Vec::new() };
    shapes.groups.push(Group {
        left: vec![Document::ROOT],
        right: vec![Document::ROOT],
        trail: Trails::ROOT,
        told: Told::No,
    });
    while let Some(group) = shapes.groups.pop() {
        shapes.compare(&group);
    }
}

struct Shapes<'a, 'f, 'r> {
    left: &'a Document<'a>,
    right: &'a Document<'a>,
    trails: Trails,
    findings: &'f mut Findings<'r>,
    groups: Vec<Group>,
}

impl Shapes<'_, '_, '_> {
    fn compare(&mut self, group: &Group) {
        let left = types(self.left, &group.left);
        let right = types(self.right, &group.right);
        if group.told == Told::No && left != right {
            // What only one side has says most.
            let odd = |document: &Document<'_>, ids: &[Id], others: &BTreeSet<Type>| {
                ids.iter()
                    .copied()
                    .find(|id| !others.contains(&coarse(document, *id)))
                    .or(ids.first().copied())
            };
            let (one, other) = (odd(self.left, &group.left, &right), odd(self.right, &group.right, &left));
            self.tell(group.trail, one, other, Kind::BodyType, None);
        }
        self.objects(group);
        let inside = |document: &Document<'_>, ids: &[Id]| -> Vec<Id> {
            let arrays = ids.iter().filter(|id| document.what(**id) == Type::Array);
            arrays.flat_map(|id| document.children(*id)).collect()
        };
        let (left, right) = (inside(self.left, &group.left), inside(self.right, &group.right));
        if !left.is_empty() && !right.is_empty() {
            let trail = self.trails.each(group.trail);
            self.groups.push(Group { left, right, trail, told: Told::No });
        }
    }

    fn objects(&mut self, group: &Group) {
        let (left_objects, left) = members(self.left, &group.left);
        let (right_objects, right) = members(self.right, &group.right);
        if left_objects == 0 || right_objects == 0 {
            return;
        }
        let none = Member::default();
        let names: BTreeSet<&Vec<u8>> = left.keys().chain(right.keys()).collect();
        for name in names {
            let (one, other) = (left.get(name).unwrap_or(&none), right.get(name).unwrap_or(&none));
            let presence = (one.presence(left_objects), other.presence(right_objects));
            let trail = self.trails.member(group.trail, name);
            let mut told = Told::No;
            if presence.0 != presence.1 {
                let here = (types(self.left, &one.values), types(self.right, &other.values));
                let (more, less) =
                    if presence.0 > presence.1 { (&here.0, &here.1) } else { (&here.1, &here.0) };
                let null_only =
                    more.difference(less).all(|what| *what == Type::Null) && more.contains(&Type::Null);
                let (kind, relation) = match (null_only, presence.0 > presence.1) {
                    (true, _) => (Kind::BodyNullVsAbsent, Some(Relation::NullAbsent)),
                    (false, true) => (Kind::BodyMissing, None),
                    (false, false) => (Kind::BodyExtra, None),
                };
                let wanted = |document: &Document<'_>, values: &[Id]| {
                    let null =
                        values.iter().copied().find(|id| null_only && document.what(*id) == Type::Null);
                    null.or(values.first().copied())
                };
                let one = wanted(self.left, &one.values).filter(|_| presence.0 > presence.1);
                let other = wanted(self.right, &other.values).filter(|_| presence.1 > presence.0);
                self.tell(trail, one, other, kind, relation);
                told = Told::Yes;
            }
            if !one.values.is_empty() && !other.values.is_empty() {
                let (left, right) = (one.values.clone(), other.values.clone());
                self.groups.push(Group { left, right, trail, told });
            }
        }
    }

    fn tell(
        &mut self,
        trail: Trail,
        left: Option<Id>,
        right: Option<Id>,
        kind: Kind,
        relation: Option<Relation>,
    ) {
        if let Some(slot) = self.findings.no_room(false) {
            return self.findings.again(slot);
        }
        let class_of = |document: &Document<'_>, id: Option<Id>| {
            id.map_or(Class::Absent, |id| shape_class(class(document, id)))
        };
        let (one, other) = (class_of(self.left, left), class_of(self.right, right));
        let path = self.trails.path(trail);
        self.findings.add(Difference::new(path, kind, one, other).related(relation));
    }
}

impl Member {
    fn presence(&self, objects: usize) -> Presence {
        match self.objects {
            0 => Presence::Never,
            count if count < objects => Presence::Sometimes,
            _ => Presence::Always,
        }
    }
}

/// The types of values.
fn types(document: &Document<'_>, ids: &[Id]) -> BTreeSet<Type> {
    ids.iter().map(|id| coarse(document, *id)).collect()
}

/// A value's type, of which true and false are one.
fn coarse(document: &Document<'_>, id: Id) -> Type {
    match document.what(id) {
        Type::False => Type::True,
        other => other,
    }
}

/// Formats are not shape.
fn shape_class(class: Class) -> Class {
    match class {
        Class::Empty | Class::Uuid | Class::Time | Class::Url => Class::String,
        other => other,
    }
}

/// How many objects there are, and all their members by name.
fn members(document: &Document<'_>, ids: &[Id]) -> (usize, BTreeMap<Vec<u8>, Member>) {
    let mut members: BTreeMap<Vec<u8>, Member> = BTreeMap::new();
    let mut count = 0;
    for object in ids.iter().filter(|id| document.what(**id) == Type::Object) {
        count += 1;
        let mut seen = BTreeSet::new();
        for id in document.children(*object) {
            let name = document.key(id).into_owned();
            let member = members.entry(name.clone()).or_default();
            member.objects += usize::from(seen.insert(name));
            member.values.push(id);
        }
    }
    (count, members)
}
