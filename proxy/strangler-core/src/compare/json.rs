//! JSON bodies, compared structurally on their texts.
//!
//! Owns reading, finding counterparts and the kinds of differences within a JSON body. Equal are numbers of equal
//! value, strings that say the same, objects with equal members in any order. Refuses recursion and unbounded
//! work: see `document`, `align`, and the bounds of [`Findings`].

mod align;
mod arrays;
mod document;
mod hashes;
mod places;
mod shape;
mod trail;
mod walk;

use document::Document;
use places::Places;
use walk::Walk;

use super::{Class, Difference, Findings, Kind, Path};
use crate::snapshot::compare::CompareMode;

/// Neither text can be read as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Neither;

/// Adds what two JSON texts differ in. A body without anything in it is an absent one.
///
/// # Errors
///
/// [`Neither`] text is JSON, or small enough to be looked at as such, and they are not the same bytes; nothing
/// was added.
pub(super) fn compare(left: &[u8], right: &[u8], findings: &mut Findings<'_>) -> Result<(), Neither> {
    if left == right {
        return Ok(());
    }
    let is_blank = |text: &[u8]| text.iter().all(u8::is_ascii_whitespace);
    match (is_blank(left), is_blank(right)) {
        (true, true) => return Ok(()),
        (false, true) => {
            let left_class =
                Document::read(left).map_or(Class::Unreadable, |it| walk::class(&it, Document::ROOT));
            let difference = Difference::new(Path::BODY, Kind::BodyMissing, left_class, Class::Absent);
            findings.add(difference);
            return Ok(());
        }
        (true, false) => {
            let class =
                Document::read(right).map_or(Class::Unreadable, |it| walk::class(&it, Document::ROOT));
            let difference = Difference::new(Path::BODY, Kind::BodyExtra, Class::Absent, class);
            findings.add(difference);
            return Ok(());
        }
        (false, false) => {}
    }
    let (one, other) = match (Document::read(left), Document::read(right)) {
        (Ok(one), Ok(other)) => (one, other),
        (Err(_), Err(_)) => return Err(Neither),
        (Ok(one), Err(error)) => {
            let class = walk::class(&one, Document::ROOT);
            let difference = Difference::new(Path::BODY, Kind::BodyParse, class, Class::Unreadable);
            findings.add(difference.showing(None, Some(error.to_string().as_bytes())));
            return Ok(());
        }
        (Err(error), Ok(other)) => {
            let class = walk::class(&other, Document::ROOT);
            let difference = Difference::new(Path::BODY, Kind::BodyParse, Class::Unreadable, class);
            findings.add(difference.showing(Some(error.to_string().as_bytes()), None));
            return Ok(());
        }
    };
    let rules = findings.context().rules;
    match rules.mode {
        CompareMode::Full => Walk::new(&one, &other, Places::new(rules), findings).run(),
        CompareMode::Shape => shape::compare(&one, &other, findings),
    }
    Ok(())
}

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
