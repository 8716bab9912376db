//! Walking two documents side by side.
//!
//! Owns which values are held against each other, and what of them differs; one difference per path. Refuses
//! recursion: what is to be compared stands on a list, so that no nesting exhausts the stack.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::super::findings::{Findings, Slot};
use super::super::value::{self, Judged};
use super::super::{Class, Difference, Kind, Relation, value::reversed};
use super::align::Budget;
use super::document::{Document, Id, Type};
use super::hashes::{Hashes, soft};
use super::places::{Place, Places};
use super::trail::{Trail, Trails};

/// One side: the document and its hashes.
#[derive(Debug)]
pub(super) struct Half<'a> {
    pub(super) document: &'a Document<'a>,
    pub(super) hashes: Hashes,
    soft: Option<Vec<u64>>,
}

impl<'a> Half<'a> {
    pub(super) fn new(document: &'a Document<'a>, places: &mut Places<'_>) -> Self {
        Half { document, hashes: Hashes::of(document, places), soft: None }
    }

    /// A value's hash in which notation has no part.
    pub(super) fn soft(&mut self, places: &Places<'_>, id: Id) -> u64 {
        let all = self.soft.get_or_insert_with(|| soft(self.document, &self.hashes, places));
        all.get(id.0 as usize).copied().unwrap_or(0)
    }

    /// What a value is.
    pub(super) fn class(&self, id: Id) -> Class {
        class(self.document, id)
    }
}

/// What a value is.
pub(super) fn class(document: &Document<'_>, id: Id) -> Class {
    match document.what(id) {
        Type::Null => Class::Null,
        Type::False | Type::True => Class::Bool,
        Type::Number if document.text(id).iter().all(|b| b.is_ascii_digit() || *b == b'-') => Class::Integer,
        Type::Number => Class::Decimal,
        Type::String => value::class_of(&document.string(id)),
        Type::Array => Class::Array,
        Type::Object => Class::Object,
    }
}

/// Two values to be held against each other, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pub(super) left: Id,
    pub(super) right: Id,
    pub(super) trail: Trail,
    pub(super) place: Place,
}

/// Where differences go.
#[derive(Debug)]
enum Outcome {
    /// To the findings.
    Told,
    /// Nowhere: whether there is one that counts is all that is asked.
    Asked {
        /// Whether one was met.
        differs: bool,
    },
}

/// Everything that decides what is found of a difference, so that the second of a kind is only counted.
type Sort = (u64, Place, Kind, Class, Class, Option<Relation>);

/// A comparison under way.
#[derive(Debug)]
pub(super) struct Walk<'a, 'f, 'r> {
    pub(super) left: Half<'a>,
    pub(super) right: Half<'a>,
    pub(super) places: Places<'r>,
    pub(super) trails: Trails,
    pub(super) budget: Budget,
    pub(super) questions_left: Budget,
    findings: &'f mut Findings<'r>,
    met: BTreeMap<Sort, Slot>,
    tasks: Vec<Task>,
    outcome: Outcome,
    /// How many questions are being asked within one another.
    questions: usize,
}

impl<'a, 'f, 'r> Walk<'a, 'f, 'r> {
    /// Over two documents from their roots.
    pub(super) fn new(
        left: &'a Document<'a>,
        right: &'a Document<'a>,
        mut places: Places<'r>,
        findings: &'f mut Findings<'r>,
    ) -> Self {
        Walk {
            left: Half::new(left, &mut places),
            right: Half::new(right, &mut places),
            places,
            trails: Trails::new(),
            budget: Budget::new(),
            questions_left: Budget::of_questions(),
            findings,
            met: BTreeMap::new(),
            tasks: Vec::new(),
            outcome: Outcome::Told,
            questions: 0,
        }
    }

    /// Compares everything.
    pub(super) fn run(&mut self) {
        self.hold(Document::ROOT, Document::ROOT, Trails::ROOT, Places::ROOT);
        self.work();
    }

    /// Notes that two values are to be held against each other.
    pub(super) fn hold(&mut self, left: Id, right: Id, trail: Trail, place: Place) {
        if self.left.hashes.exact(left) != self.right.hashes.exact(right) {
            self.tasks.push(Task { left, right, trail, place });
        }
    }

    fn work(&mut self) {
        while let Some(task) = self.tasks.pop() {
            if matches!(self.outcome, Outcome::Asked { differs: true }) {
                self.tasks.clear();
                return;
            }
            let before = self.tasks.len();
            self.compare(task);
            // The first of what was noted is looked at first, so that examples are the first of their sort.
            self.tasks.get_mut(before..).unwrap_or_default().reverse();
        }
    }

    /// Whether two values show no difference that counts, as far as the budget goes.
    pub(super) fn agree(&mut self, left: Id, right: Id, place: Place) -> bool {
        /// Questions within questions cost more than they are worth.
        const MOST_QUESTIONS: usize = 4;
        let cost = self.left.document.size(left) + self.right.document.size(right);
        if self.questions == MOST_QUESTIONS || !self.questions_left.take(cost) {
            return false;
        }
        let tasks = std::mem::take(&mut self.tasks);
        let outcome = std::mem::replace(&mut self.outcome, Outcome::Asked { differs: false });
        self.questions += 1;
        self.hold(left, right, Trails::ROOT, place);
        self.work();
        self.questions -= 1;
        self.tasks = tasks;
        let answer = std::mem::replace(&mut self.outcome, outcome);
        matches!(answer, Outcome::Asked { differs: false })
    }

    fn compare(&mut self, task: Task) {
        let kinds = (self.left.document.what(task.left), self.right.document.what(task.right));
        match kinds {
            (Type::Object, Type::Object) => self.objects(task),
            (Type::Array, Type::Array) => self.arrays(task),
            (left, right) => {
                if let Some((kind, relation)) = self.scalars(task, left, right) {
                    self.tell(task, Some(task.left), Some(task.right), kind, relation);
                }
            }
        }
    }

    /// How two values differ of which at most one is an array or object and both are not the same.
    fn scalars(&self, task: Task, left: Type, right: Type) -> Option<Judged> {
        let (one, other) = (self.left.document, self.right.document);
        let number_in = |text: &[u8], wanted: Type| match wanted {
            Type::True => text.eq_ignore_ascii_case(b"true") || text == b"1",
            _ => text.eq_ignore_ascii_case(b"false") || text == b"0",
        };
        let truth = |text: &[u8], wanted: Type| {
            Some((Kind::BodyType, number_in(text, wanted).then_some(Relation::StringBool)))
        };
        match (left, right) {
            (Type::Number, Type::Number) => {
                let tolerance = self.places.here(task.place).tolerance;
                value::numbers(one.text(task.left), other.text(task.right), tolerance)
            }
            (Type::String, Type::String) => value::texts(&one.string(task.left), &other.string(task.right)),
            (Type::Number, Type::String) => {
                Some(value::number_and_text(one.text(task.left), &other.string(task.right)))
            }
            (Type::String, Type::Number) => {
                let (kind, relation) = value::number_and_text(other.text(task.right), &one.string(task.left));
                Some((kind, relation.map(reversed)))
            }
            (Type::True | Type::False, Type::True | Type::False) => {
                (left != right).then_some((Kind::BodyValue, None))
            }
            (Type::True | Type::False, Type::String) => truth(&other.string(task.right), left),
            (Type::True | Type::False, Type::Number) => truth(other.text(task.right), left),
            (Type::String, Type::True | Type::False) => truth(&one.string(task.left), right),
            (Type::Number, Type::True | Type::False) => truth(one.text(task.left), right),
            (Type::Null, Type::Null) => None,
            _ => Some((Kind::BodyType, None)),
        }
    }

    /// The path of a member; nobody is told it while only a question is asked.
    fn trail_of_member(&mut self, from: Trail, key: &[u8]) -> Trail {
        if matches!(self.outcome, Outcome::Told) { self.trails.member(from, key) } else { from }
    }

    /// The path of an element.
    pub(super) fn trail_of_element(&mut self, from: Trail, index: u32) -> Trail {
        if matches!(self.outcome, Outcome::Told) { self.trails.element(from, index) } else { from }
    }

    /// Members by name, whatever their order.
    fn objects(&mut self, task: Task) {
        let (left, right) =
            (members(self.left.document, task.left), members(self.right.document, task.right));
        let (mut at, mut other) = (0, 0);
        loop {
            let (one, two) = (run_of(&left, at), run_of(&right, other));
            let key = match (one.first(), two.first()) {
                (Some((one, _)), Some((two, _))) => one.min(two),
                (Some((key, _)), None) | (None, Some((key, _))) => key,
                (None, None) => return,
            };
            let of = |run: &[(Vec<u8>, Id)]| -> Vec<Id> {
                run.iter().take_while(|(name, _)| name == key).map(|(_, id)| *id).collect()
            };
            let (one, two) = (of(one), of(two));
            at += one.len();
            other += two.len();
            self.member(task, key, &one, &two);
        }
    }

    /// The members of one name, of which there may be several.
    fn member(&mut self, task: Task, key: &[u8], left: &[Id], right: &[Id]) {
        let place = self.places.member(task.place, key);
        let (Some(last), Some(other)) = (left.last(), right.last()) else {
            let id = left.last().or(right.last()).copied();
            let null = id.is_some_and(|id| {
                let side = if left.is_empty() { self.right.document } else { self.left.document };
                side.what(id) == Type::Null
            });
            let trail = self.trail_of_member(task.trail, key);
            let task = Task { trail, place, ..task };
            let (kind, relation) = match (null, left.is_empty()) {
                (true, _) => (Kind::BodyNullVsAbsent, Some(Relation::NullAbsent)),
                (false, false) => (Kind::BodyMissing, None),
                (false, true) => (Kind::BodyExtra, None),
            };
            return self.tell(task, left.last().copied(), right.last().copied(), kind, relation);
        };
        let differs =
            |(one, other): (&Id, &Id)| self.left.hashes.exact(*one) != self.right.hashes.exact(*other);
        if left.len() != right.len() || left.iter().zip(right).rev().skip(1).any(differs) {
            // Readers take the last of several; which one differs is not worth two differences at one path.
            let last_differs = left.len() == right.len() && differs((last, other));
            let trail = self.trail_of_member(task.trail, key);
            if last_differs {
                self.hold(*last, *other, trail, place);
            } else {
                let task = Task { trail, place, ..task };
                self.tell(task, Some(*last), Some(*other), Kind::BodyDuplicate, None);
            }
        } else if differs((last, other)) {
            let trail = self.trail_of_member(task.trail, key);
            self.hold(*last, *other, trail, place);
        }
    }

    /// Tells of a difference at a task's path.
    pub(super) fn tell(
        &mut self,
        task: Task,
        left: Option<Id>,
        right: Option<Id>,
        kind: Kind,
        relation: Option<Relation>,
    ) {
        let here = self.places.here(task.place);
        if let Outcome::Asked { differs } = &mut self.outcome {
            *differs |= !here.loose;
            return;
        }
        let left_class = left.map_or(Class::Absent, |id| self.left.class(id));
        let right_class = right.map_or(Class::Absent, |id| self.right.class(id));
        let sort = (self.trails.general(task.trail), task.place, kind, left_class, right_class, relation);
        if let Some(slot) = self.met.get(&sort) {
            self.findings.again(*slot);
            return;
        }
        if let Some(slot) = self.findings.no_room(here.ignored) {
            self.findings.again(slot);
            return;
        }
        let path = self.trails.path(task.trail);
        let difference = Difference::new(path, kind, left_class, right_class).related(relation).showing(
            left.map(|id| shown(self.left.document, id)).as_deref(),
            right.map(|id| shown(self.right.document, id)).as_deref(),
        );
        let slot = self.findings.place(difference);
        self.met.insert(sort, slot);
    }
}

/// A value as an example shows it: a scalar as written, of a container how much it holds. What a path does not
/// lead to is not shown: there nobody could tell what must be redacted.
pub(super) fn shown<'t>(document: &Document<'t>, id: Id) -> Cow<'t, [u8]> {
    let count = |of: &str, some: &str| {
        let count = document.children(id).count();
        Cow::Owned(format!("{of} of {count} {some}{}", if count == 1 { "" } else { "s" }).into_bytes())
    };
    match document.what(id) {
        Type::Array => count("array", "element"),
        Type::Object => count("object", "member"),
        _ => Cow::Borrowed(document.text(id)),
    }
}

/// The members of an object in the order of their names.
fn members(document: &Document<'_>, object: Id) -> Vec<(Vec<u8>, Id)> {
    let mut members: Vec<(Vec<u8>, Id)> =
        document.children(object).map(|id| (document.key(id).into_owned(), id)).collect();
    members.sort();
    members
}

fn run_of(members: &[(Vec<u8>, Id)], from: usize) -> &[(Vec<u8>, Id)] {
    members.get(from..).unwrap_or_default()
}
