//! Hashes of a document's values, by which counterparts are found.
//!
//! Owns three meanings of *the same*: written the same (`exact`), equal under the rules (`equal`), and equal
//! but for notation (`soft`). Refuses judging by them alone: only what is exactly the same is not looked at
//! again, and 64 bits of XXH3 are taken for the value there.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::super::instant::Instant;
use super::super::value;
use super::document::{Document, Id, Type};
use super::places::{Place, Places};
use crate::decimal::Decimal;
use crate::snapshot::compare::ArrayRule;

/// Hashes of every value of a document.
#[derive(Debug)]
pub(super) struct Hashes {
    exact: Vec<u64>,
    equal: Vec<u64>,
    /// Of no number that may be off the value; none where every number must be exact.
    loose: Vec<u64>,
    /// The place of every value; none where no rule applies anywhere.
    places: Vec<Place>,
}

const ABSENT: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hashes what stands in an order.
fn chain(hash: u64, next: u64) -> u64 {
    xxh3_64_with_seed(&next.to_le_bytes(), hash)
}

fn tagged(what: Type, content: &[u8]) -> u64 {
    xxh3_64_with_seed(content, what as u64)
}

impl Hashes {
    /// Hashes a document; `places` are found on the way.
    pub(super) fn of(document: &Document<'_>, places: &mut Places<'_>) -> Self {
        let mut hashes = Hashes {
            exact: vec![0; document.len()],
            equal: vec![0; document.len()],
            loose: Vec::new(),
            places: places_of(document, places),
        };
        if places.have_tolerances() {
            hashes.loose = loose(document, &hashes, places);
        }
        for id in ids(document).rev() {
            let (exact, equal) = match document.what(id) {
                Type::Array => hashes.array(document, places, id),
                Type::Object => hashes.object(document, places, id),
                _ => scalar(document, places, hashes.place(id), id),
            };
            set(&mut hashes.exact, id, exact);
            set(&mut hashes.equal, id, equal);
        }
        hashes
    }

    /// Two values of one hash are written the same, but for the order of members and white space.
    pub(super) fn exact(&self, id: Id) -> u64 {
        get(&self.exact, id)
    }

    /// Two values of different hashes are not equal under the rules.
    pub(super) fn equal(&self, id: Id) -> u64 {
        get(&self.equal, id)
    }

    /// The same of an element of an array: there a number counts with its value even where it may be off, or
    /// every element would be everyone's counterpart. Elements that may be hidden are all alike.
    pub(super) fn equal_in_array(&self, document: &Document<'_>, places: &Places<'_>, id: Id) -> u64 {
        if places.here(self.place(id)).loose {
            ABSENT
        } else if document.what(id) == Type::Number {
            number(document.text(id))
        } else {
            self.equal(id)
        }
    }

    /// Two values of different hashes do not agree under the rules.
    pub(super) fn loose(&self, id: Id) -> u64 {
        get(if self.loose.is_empty() { &self.equal } else { &self.loose }, id)
    }

    /// A value's place.
    pub(super) fn place(&self, id: Id) -> Place {
        self.places.get(id.0 as usize).copied().unwrap_or(Places::ROOT)
    }

    fn array(&self, document: &Document<'_>, places: &Places<'_>, id: Id) -> (u64, u64) {
        let rule = places.here(self.place(id)).array;
        let in_order = matches!(rule, None | Some(ArrayRule::Ordered));
        let (mut exact, mut equal) = (Type::Array as u64, Type::Array as u64);
        for child in document.children(id) {
            exact = chain(exact, self.exact(child));
            let child_equal = self.equal_in_array(document, places, child);
            equal =
                if in_order { chain(equal, child_equal) } else { equal.wrapping_add(chain(1, child_equal)) };
        }
        (exact, equal)
    }

    fn object(&self, document: &Document<'_>, places: &Places<'_>, id: Id) -> (u64, u64) {
        let (mut exact, mut equal) = (Type::Object as u64, Type::Object as u64);
        let mut keys = Vec::new();
        for child in document.children(id) {
            let key = xxh3_64(&document.key(child));
            keys.push(key);
            exact = exact.wrapping_add(chain(key, self.exact(child)));
            if !places.here(self.place(child)).loose {
                equal = equal.wrapping_add(chain(key, self.equal(child)));
            }
        }
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        if keys.len() < count {
            // Of two members of one name readers take the first or the last: their order matters.
            exact = Type::Object as u64;
            for child in document.children(id) {
                exact = chain(chain(exact, xxh3_64(&document.key(child))), self.exact(child));
            }
        }
        (exact, equal)
    }
}

/// The places of all values, from the root down.
fn places_of(document: &Document<'_>, places: &mut Places<'_>) -> Vec<Place> {
    if places.are_free() {
        return Vec::new();
    }
    let mut all = vec![Places::ROOT; document.len()];
    for id in ids(document) {
        let place = all.get(id.0 as usize).copied().unwrap_or(Places::ROOT);
        let is_array = document.what(id) == Type::Array;
        for (index, child) in (0_u32..).zip(document.children(id)) {
            let there = if is_array {
                places.element(place, index)
            } else {
                places.member(place, &document.key(child))
            };
            if let Some(slot) = all.get_mut(child.0 as usize) {
                *slot = there;
            }
        }
    }
    all
}

fn ids(document: &Document<'_>) -> impl DoubleEndedIterator<Item = Id> + use<> {
    (0..u32::try_from(document.len()).unwrap_or(u32::MAX)).map(Id)
}

fn get(hashes: &[u64], id: Id) -> u64 {
    hashes.get(id.0 as usize).copied().unwrap_or(0)
}

fn set(hashes: &mut [u64], id: Id, hash: u64) {
    if let Some(slot) = hashes.get_mut(id.0 as usize) {
        *slot = hash;
    }
}

fn scalar(document: &Document<'_>, places: &Places<'_>, place: Place, id: Id) -> (u64, u64) {
    let what = document.what(id);
    match what {
        Type::String => {
            let hash = tagged(what, &document.string(id));
            (hash, hash)
        }
        Type::Number => {
            let text = document.text(id);
            let may_be_off = places.here(place).tolerance.is_some();
            (tagged(what, text), if may_be_off { tagged(what, b"") } else { number(text) })
        }
        _ => (tagged(what, b""), tagged(what, b"")),
    }
}

/// Equal numbers have one hash, however they are written.
fn number(text: &[u8]) -> u64 {
    match Decimal::read(text) {
        Some(number) => number.with_bytes(|bytes| tagged(Type::Number, bytes)),
        None => tagged(Type::Number, text),
    }
}

/// Hashes in which a number that may be off has no value, and arrays no order where one need not have it.
fn loose(document: &Document<'_>, hashes: &Hashes, places: &Places<'_>) -> Vec<u64> {
    let mut all = vec![0; document.len()];
    for id in ids(document).rev() {
        let what = document.what(id);
        let of = |child: Id| if places.here(hashes.place(child)).loose { ABSENT } else { get(&all, child) };
        let in_order = matches!(places.here(hashes.place(id)).array, None | Some(ArrayRule::Ordered));
        let hash = match what {
            Type::Array if in_order => {
                document.children(id).fold(what as u64, |hash, child| chain(hash, of(child)))
            }
            Type::Array => {
                document.children(id).map(|child| chain(1, of(child))).fold(what as u64, u64::wrapping_add)
            }
            Type::Object => document
                .children(id)
                .filter(|child| !places.here(hashes.place(*child)).loose)
                .map(|child| chain(xxh3_64(&document.key(child)), get(&all, child)))
                .fold(what as u64, u64::wrapping_add),
            _ => scalar(document, places, hashes.place(id), id).1,
        };
        set(&mut all, id, hash);
    }
    all
}

/// Hashes of every value in which notation has no part: numbers as strings, times, generated ids, case, white
/// space, `null` for absent. The loosest meaning of *the same*, only for finding counterparts.
pub(super) fn soft(document: &Document<'_>, hashes: &Hashes, places: &Places<'_>) -> Vec<u64> {
    let mut all = vec![0; document.len()];
    for id in ids(document).rev() {
        let what = document.what(id);
        let hash = match what {
            Type::Array => {
                document.children(id).fold(what as u64, |hash, child| chain(hash, get(&all, child)))
            }
            Type::Object => document
                .children(id)
                .filter(|child| document.what(*child) != Type::Null)
                .filter(|child| !places.here(hashes.place(*child)).loose)
                .map(|child| chain(xxh3_64(&document.key(child)), get(&all, child)))
                .fold(what as u64, u64::wrapping_add),
            Type::String => soft_text(&document.string(id)),
            Type::Number if places.here(hashes.place(id)).tolerance.is_some() => tagged(what, b""),
            Type::Number => number(document.text(id)),
            Type::Null | Type::False | Type::True => tagged(what, b""),
        };
        set(&mut all, id, hash);
    }
    all
}

fn soft_text(text: &[u8]) -> u64 {
    if let Some(number) = Decimal::read(text) {
        return number.with_bytes(|bytes| tagged(Type::Number, bytes));
    }
    if let Some(instant) = Instant::read(text) {
        return tagged(Type::String, &instant.common().to_le_bytes());
    }
    if value::class_of(text) == super::super::Class::Uuid {
        return tagged(Type::String, b"uuid");
    }
    let mut normal = Vec::with_capacity(text.len());
    for word in value::words(text) {
        normal.extend(word.iter().map(u8::to_ascii_lowercase));
        normal.push(b' ');
    }
    tagged(Type::String, &normal)
}
