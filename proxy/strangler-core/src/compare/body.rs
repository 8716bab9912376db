//! Bodies, each compared as what it is: JSON, HTML, XML, a form, text, bytes.
//!
//! Owns which of these it is, from what both replies say and from what the bodies look like. A body that is not
//! JSON makes one difference at most, whose path is `$`; its example tells the place. Refuses content codings:
//! they are undone before.

use super::charset::{self, Fits};
use super::media::{Format, MediaType, sniffed};
use super::{Class, Difference, Findings, Kind, Path, form, json, markup, text};
use crate::snapshot::compare::CompareMode;

/// The body of one reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'a> {
    /// What the reply says it is, where it says so.
    pub(super) media: Option<&'a MediaType>,
    /// Codings undone.
    pub(super) bytes: &'a [u8],
}

impl Body<'_> {
    fn declared(&self) -> Option<Format> {
        self.media.map(MediaType::format)
    }
}

/// What kind of difference two bodies make as a whole, with an example of each side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) kind: Kind,
    pub(super) left: Class,
    pub(super) right: Class,
    pub(super) relation: Option<super::Relation>,
    pub(super) left_value: String,
    pub(super) right_value: String,
}

impl Whole {
    /// Of two texts that are there.
    pub(super) fn new(kind: Kind, left_value: String, right_value: String) -> Self {
        let (left, right) = match kind {
            Kind::BodyMissing => (Class::Text, Class::Absent),
            Kind::BodyExtra => (Class::Absent, Class::Text),
            _ => (Class::Text, Class::Text),
        };
        Whole { kind, left, right, relation: None, left_value, right_value }
    }

    fn into_difference(self) -> Difference {
        Difference::new(Path::BODY, self.kind, self.left, self.right)
            .related(self.relation)
            .showing(Some(self.left_value.as_bytes()), Some(self.right_value.as_bytes()))
    }
}

/// Adds the differences of two bodies.
pub(super) fn compare(left: &Body<'_>, right: &Body<'_>, findings: &mut Findings<'_>) {
    if left.bytes == right.bytes {
        return;
    }
    let mode = findings.context().rules.mode;
    let format = common_format(left, right);
    let difference = match format {
        // Neither may be what it says it is.
        Some(Format::Json) => match json::compare(left.bytes, right.bytes, findings) {
            Ok(()) => None,
            Err(json::Neither) => textual(mode, Format::Text, left, right).map(Whole::into_difference),
        },
        _ if left.bytes.is_empty() || right.bytes.is_empty() => Some(one_is_empty(left, right)),
        None => Some(other_type(left, right)),
        Some(Format::Bytes) if mode == CompareMode::Shape => None,
        Some(Format::Bytes) => match (parts(left), parts(right)) {
            (Some(ours), Some(theirs)) if ours == theirs => None,
            _ => Some(bytes(left.bytes, right.bytes)),
        },
        Some(format) => textual(mode, format, left, right).map(Whole::into_difference),
    };
    if let Some(difference) = difference {
        findings.add(difference);
    }
}

fn class_of(body: &Body<'_>) -> Class {
    match body.declared().unwrap_or_else(|| sniffed(body.bytes)) {
        Format::Bytes => Class::Bytes,
        _ => Class::Text,
    }
}

fn one_is_empty(left: &Body<'_>, right: &Body<'_>) -> Difference {
    if right.bytes.is_empty() {
        Difference::new(Path::BODY, Kind::BodyMissing, class_of(left), Class::Empty)
            .showing(Some(left.bytes), Some(b""))
    } else {
        Difference::new(Path::BODY, Kind::BodyExtra, Class::Empty, class_of(right))
            .showing(Some(b""), Some(right.bytes))
    }
}

fn other_type(left: &Body<'_>, right: &Body<'_>) -> Difference {
    let named = |body: &Body<'_>| match body.media {
        Some(media) => media.essence.clone(),
        None => "no content type".to_owned(),
    };
    Difference::new(Path::BODY, Kind::BodyType, class_of(left), class_of(right))
        .showing(Some(named(left).as_bytes()), Some(named(right).as_bytes()))
}

/// Bodies of no known format: their sizes and hashes, never what is in them.
pub(super) fn bytes(left: &[u8], right: &[u8]) -> Difference {
    let described =
        |bytes: &[u8]| format!("{} bytes, xxh3 {:016x}", bytes.len(), xxhash_rust::xxh3::xxh3_64(bytes));
    Difference::new(Path::BODY, Kind::BodyValue, Class::Bytes, Class::Bytes)
        .showing(Some(described(left).as_bytes()), Some(described(right).as_bytes()))
}

/// What stands between the boundaries of a multipart body: they are made at random (RFC 2046 §5.1.1).
fn parts<'a>(body: &Body<'a>) -> Option<Vec<&'a [u8]>> {
    const LONGEST: usize = 70;
    const MOST_PARTS: usize = 10_000;
    let media = body.media.filter(|media| media.essence.starts_with("multipart/"))?;
    let boundary = media.parameters.get("boundary").filter(|text| (1..=LONGEST).contains(&text.len()))?;
    let mark = format!("--{boundary}");
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(rest) = body.bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(mark.as_bytes()) {
            parts.push(body.bytes.get(start..at)?);
            if parts.len() > MOST_PARTS {
                return None;
            }
            at += mark.len();
            start = at;
        } else {
            at += 1;
        }
    }
    parts.push(body.bytes.get(start..)?);
    Some(parts)
}

/// The format in which both bodies can be compared, if there is one.
fn common_format(left: &Body<'_>, right: &Body<'_>) -> Option<Format> {
    let (one, other) = match (left.declared(), right.declared()) {
        (Some(one), Some(other)) => (one, other),
        // A body that says nothing is taken for what the other says it is.
        (Some(one), None) | (None, Some(one)) => (one, one),
        (None, None) => (sniffed(left.bytes), sniffed(right.bytes)),
    };
    if one == other {
        return Some(one);
    }
    // A format of little meaning, or two that do not fit: what they look like decides.
    let looks = (sniffed(left.bytes), sniffed(right.bytes));
    if looks.0 == looks.1 && [one, other].contains(&looks.0) {
        return Some(looks.0);
    }
    match (one.min(other), one.max(other)) {
        (Format::Html, Format::Xml) => Some(Format::Html),
        (Format::Form, Format::Text) => Some(Format::Text),
        (Format::Text, Format::Bytes) if looks == (Format::Text, Format::Text) => Some(Format::Text),
        (Format::Text, Format::Bytes) | (_, Format::Bytes) if left.declared().is_none() => {
            Some(Format::Bytes)
        }
        _ => None,
    }
}

fn textual(mode: CompareMode, format: Format, left: &Body<'_>, right: &Body<'_>) -> Option<Whole> {
    let declared = |body: &Body<'_>| body.media.and_then(MediaType::charset);
    let one = charset::text(left.bytes, declared(left).as_deref(), format);
    let other = charset::text(right.bytes, declared(right).as_deref(), format);
    if mode == CompareMode::Full {
        if one.fits != other.fits {
            let class = |fits: Fits| if fits == Fits::Yes { Class::Text } else { Class::Unreadable };
            let mut whole = Whole::new(Kind::BodyEncoding, one.text.into_owned(), other.text.into_owned());
            (whole.left, whole.right) = (class(one.fits), class(other.fits));
            return Some(whole);
        }
        if one.text == other.text {
            return None;
        }
        if is_coded_twice(&one.text, &other.text) || is_coded_twice(&other.text, &one.text) {
            return Some(Whole::new(Kind::BodyEncoding, one.text.into_owned(), other.text.into_owned()));
        }
    }
    match format {
        Format::Html => markup::html(mode, &one.text, &other.text),
        Format::Xml => markup::xml(mode, &one.text, &other.text),
        Format::Form => form::difference(mode, &one.text, &other.text),
        Format::Text | Format::Json | Format::Bytes => text::difference(mode, &one.text, &other.text),
    }
}

/// Whether `twice` is what becomes of `once` when its UTF-8 is taken for Latin-1 and coded anew: `Ã©` for `é`.
fn is_coded_twice(once: &str, twice: &str) -> bool {
    if twice.len() <= once.len() || once.is_ascii() {
        return false;
    }
    let (bytes, _, unmappable) = encoding_rs::WINDOWS_1252.encode(twice);
    !unmappable && *bytes == *once.as_bytes()
}

#[cfg(test)]
mod tests;
