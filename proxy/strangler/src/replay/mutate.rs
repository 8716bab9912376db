//! Mistakes, put into good answers one at a time, to see whether the rules notice them.
//!
//! Owns what a mistake looks like. Everything but the mistake stays byte by byte as it was.

use bytes::Bytes;
use serde::Serialize;
use strangler_core::compare::{End, Reply};

use super::scan::{Scalar, Sites, scan};

/// One kind of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mutation {
    /// A member of an object is missing.
    FieldDropped,
    /// A number becomes a text, a text a number, and so on.
    TypeChanged,
    /// A number is one too large.
    PlusOne,
    /// Two neighbours in an array have changed places.
    Reordered,
    /// The status is 500.
    ServerError,
    /// The body breaks off half-way.
    Truncated,
}

impl Mutation {
    /// Every kind, as reports list them.
    pub(crate) const ALL: [Mutation; 6] = [
        Mutation::FieldDropped,
        Mutation::TypeChanged,
        Mutation::PlusOne,
        Mutation::Reordered,
        Mutation::ServerError,
        Mutation::Truncated,
    ];

    /// In words.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Mutation::FieldDropped => "field dropped",
            Mutation::TypeChanged => "type changed",
            Mutation::PlusOne => "number one too large",
            Mutation::Reordered => "neighbours swapped",
            Mutation::ServerError => "status 500",
            Mutation::Truncated => "body truncated",
        }
    }
}

/// Answers that each have one mistake of a kind, at most `most` of them; `draw(n)` picks one of `0..n`.
///
/// None where the kind does not apply, such as a field of a page of HTML.
pub(super) fn mutants(
    mutation: Mutation,
    reply: &Reply,
    most: usize,
    draw: &mut dyn FnMut(usize) -> usize,
) -> Vec<Reply> {
    if reply.end != End::Complete {
        return Vec::new();
    }
    match mutation {
        Mutation::ServerError if reply.status == 500 => Vec::new(),
        Mutation::ServerError => vec![Reply { status: 500, ..reply.clone() }],
        Mutation::Truncated if reply.body.is_empty() => Vec::new(),
        Mutation::Truncated => {
            let body = reply.body.slice(..reply.body.len() / 2);
            vec![Reply { end: End::Truncated, body, ..reply.clone() }]
        }
        _ => {
            let Some(sites) = scan(&reply.body) else { return Vec::new() };
            let mut edits = edits(mutation, &sites, &reply.body);
            while edits.len() > most {
                edits.swap_remove(draw(edits.len()));
            }
            edits.iter().filter_map(|edit| edited(reply, edit)).collect()
        }
    }
}

/// Bytes of a body and what takes their place.
type Edit = Vec<(std::ops::Range<usize>, Vec<u8>)>;

fn edits(mutation: Mutation, sites: &Sites, body: &[u8]) -> Vec<Edit> {
    let scalars = || {
        sites.scalars.iter().filter_map(|(range, scalar)| Some((range, *scalar, body.get(range.clone())?)))
    };
    match mutation {
        Mutation::FieldDropped => {
            sites.members.iter().map(|range| vec![(range.clone(), Vec::new())]).collect()
        }
        Mutation::TypeChanged => scalars()
            .map(|(range, scalar, text)| vec![(range.clone(), of_another_type(scalar, text))])
            .collect(),
        Mutation::PlusOne => {
            let numbers = scalars().filter(|(_, scalar, _)| *scalar == Scalar::Number);
            numbers.filter_map(|(range, _, text)| Some(vec![(range.clone(), larger(text)?)])).collect()
        }
        Mutation::Reordered => {
            let swap = |(first, second): &(std::ops::Range<usize>, std::ops::Range<usize>)| {
                let (one, other) = (body.get(first.clone())?.to_vec(), body.get(second.clone())?.to_vec());
                Some(vec![(first.clone(), other), (second.clone(), one)])
            };
            sites.neighbours.iter().filter_map(swap).collect()
        }
        Mutation::ServerError | Mutation::Truncated => Vec::new(),
    }
}

/// The reply with parts of its body replaced; the parts are in order.
fn edited(reply: &Reply, edit: &Edit) -> Option<Reply> {
    let mut body = Vec::with_capacity(reply.body.len() + 16);
    let mut at = 0;
    for (range, text) in edit {
        body.extend_from_slice(reply.body.get(at..range.start)?);
        body.extend_from_slice(text);
        at = range.end;
    }
    body.extend_from_slice(reply.body.get(at..)?);
    Some(Reply { body: Bytes::from(body), ..reply.clone() })
}

fn of_another_type(scalar: Scalar, text: &[u8]) -> Vec<u8> {
    match scalar {
        Scalar::Text => b"0".to_vec(),
        Scalar::Null => b"false".to_vec(),
        Scalar::Number | Scalar::Boolean => [b"\"", text, b"\""].concat(),
    }
}

/// A number whose whole part is one larger, away from zero; the rest of it as it was written.
fn larger(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    if text.contains(['e', 'E']) {
        return None;
    }
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, fraction) = rest.find('.').map_or((rest, ""), |dot| rest.split_at(dot));
    let whole = whole.parse::<u128>().ok()?.checked_add(1)?;
    Some(format!("{sign}{whole}{fraction}").into_bytes())
}

#[cfg(test)]
mod tests {
    use strangler_core::compare::FieldLines;

    use super::*;

    fn reply(body: &'static str) -> Reply {
        Reply {
            end: End::Complete,
            status: 200,
            headers: FieldLines::default(),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    fn bodies(mutation: Mutation, body: &'static str) -> Vec<String> {
        mutants(mutation, &reply(body), 100, &mut |_| 0)
            .into_iter()
            .map(|mutant| String::from_utf8(mutant.body.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn a_mistake_changes_nothing_but_itself() {
        for (mutation, body, wanted) in [
            (Mutation::FieldDropped, "{\"a\": 1, \"b\": 19.90}", vec!["{\"b\": 19.90}", "{\"a\": 1}"]),
            (
                Mutation::TypeChanged,
                "[19.90, \"x\", true, null]",
                vec![
                    "[\"19.90\", \"x\", true, null]",
                    "[19.90, 0, true, null]",
                    "[19.90, \"x\", \"true\", null]",
                    "[19.90, \"x\", true, false]",
                ],
            ),
            (
                Mutation::PlusOne,
                "[9, -1, 19.90, 1e3, \"1\"]",
                vec![
                    "[10, -1, 19.90, 1e3, \"1\"]",
                    "[9, -2, 19.90, 1e3, \"1\"]",
                    "[9, -1, 20.90, 1e3, \"1\"]",
                ],
            ),
            (Mutation::Reordered, "[1, {\"a\": 2}, 3]", vec!["[{\"a\": 2}, 1, 3]", "[1, 3, {\"a\": 2}]"]),
            (Mutation::FieldDropped, "<p>text</p>", vec![]),
            (Mutation::Truncated, "<p>text</p>", vec!["<p>te"]),
            (Mutation::Truncated, "", vec![]),
        ] {
            assert_eq!(bodies(mutation, body), wanted, "{mutation:?} of {body}");
        }
        let failed = mutants(Mutation::ServerError, &reply("{}"), 1, &mut |_| 0);
        assert_eq!((failed[0].status, &*failed[0].body), (500, &b"{}"[..]));
    }

    #[test]
    fn of_many_places_some_are_drawn() {
        let mut drawn = Vec::new();
        let some = mutants(Mutation::PlusOne, &reply("[1, 2, 3, 4, 5]"), 2, &mut |n| {
            drawn.push(n);
            n - 1
        });
        assert_eq!((some.len(), drawn), (2, vec![5, 4, 3]));
    }

    #[test]
    fn a_broken_answer_has_no_mistakes_put_into_it() {
        let broken = Reply { end: End::Truncated, ..reply("{\"a\": 1}") };
        for mutation in Mutation::ALL {
            assert_eq!(mutants(mutation, &broken, 10, &mut |_| 0), []);
        }
    }
}
