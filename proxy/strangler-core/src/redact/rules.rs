//! `compare.redact`: what a configuration names beside the built-in list.

use super::{Class, Redactor, names, text};
use crate::snapshot::Redact;
use crate::snapshot::compare::{BodyPath, Select};

/// The rules of one route, by where they look.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    rules: &'a [Redact],
    paths: Vec<&'a BodyPath>,
}

/// Where in the body one stands: per rule, the steps that what led here may have taken, one bit each.
#[derive(Clone, Debug, Default)]
pub(super) struct States(Vec<u128>);

/// One level of a document.
#[derive(Debug)]
pub(super) enum Segment<'a> {
    Name(&'a str),
    Index(u32),
}

impl<'a> Rules<'a> {
    pub(super) fn new(rules: &'a [Redact]) -> Rules<'a> {
        let paths =
            rules.iter().filter_map(|rule| if let Redact::Body(path) = rule { Some(path) } else { None });
        Rules { rules, paths: paths.collect() }
    }

    pub(super) fn names_header(&self, name: &str) -> bool {
        self.rules
            .iter()
            .any(|rule| matches!(rule, Redact::Header(named) if named.eq_ignore_ascii_case(name)))
    }

    pub(super) fn names_query(&self, name: &str) -> bool {
        self.rules.iter().any(|rule| matches!(rule, Redact::Query(named) if named.eq_ignore_ascii_case(name)))
    }

    pub(super) fn names_form(&self, name: &str) -> bool {
        self.rules.iter().any(|rule| matches!(rule, Redact::Form(named) if named.eq_ignore_ascii_case(name)))
    }

    pub(super) fn names_element(&self, name: &str) -> bool {
        self.rules.iter().any(|rule| matches!(rule, Redact::Path(named) if named == name))
    }

    /// Whether a rule names members of this name, wherever they are.
    pub(super) fn names_member(&self, name: &str) -> bool {
        let name = name.rsplit(' ').next().unwrap_or(name);
        self.names_form(name)
            || self.paths.iter().any(|path| {
                matches!(path.steps.last(), Some(step) if matches!(&step.select, Select::Name(last) if last == name))
            })
    }

    /// Whether any rule looks into bodies.
    pub(super) fn look_into_bodies(&self) -> bool {
        !self.paths.is_empty()
    }

    /// At the root of a body.
    pub(super) fn body(&self) -> States {
        States(vec![1; self.paths.len()])
    }

    /// One level down.
    pub(super) fn step(&self, states: &States, segment: &Segment<'_>) -> States {
        let next = states.0.iter().zip(&self.paths).map(|(state, path)| {
            path.steps.iter().enumerate().fold(0u128, |next, (at, step)| {
                if state >> at & 1 == 0 {
                    return next;
                }
                let takes = match (&step.select, segment) {
                    (Select::Any, _) => true,
                    (Select::Name(wanted), Segment::Name(name)) => wanted == name,
                    (Select::Index(wanted), Segment::Index(index)) => wanted == index,
                    (Select::Name(_), Segment::Index(_)) | (Select::Index(_), Segment::Name(_)) => false,
                };
                next | if step.descendant { 1 << at } else { 0 } | if takes { 1 << (at + 1) } else { 0 }
            })
        });
        States(next.collect())
    }

    /// Whether a rule names what stands here.
    pub(super) fn covers(&self, states: &States) -> bool {
        states.0.iter().zip(&self.paths).any(|(state, path)| state >> path.steps.len() & 1 == 1)
    }
}

/// A value that a comparison found at a place, redacted as it would have been there.
pub(super) fn value_at(r: &Redactor<'_>, path: &str, value: &str) -> String {
    if let Some(name) = path.strip_prefix("header:") {
        return super::headers::value(r, name, value);
    }
    if path.starts_with("cookie:") {
        return r.replace(Class::Cookie, value);
    }
    let segments = segments(path);
    let mut states = r.rules.body();
    let mut class = r.rules.covers(&states).then_some(Class::Named);
    for segment in &segments {
        let next = match segment {
            Ok(index) => Segment::Index(*index),
            Err(name) => {
                class = class.or_else(|| names::class_of(name, value.trim_matches('"')));
                Segment::Name(name)
            }
        };
        states = r.rules.step(&states, &next);
        class = class.or_else(|| r.rules.covers(&states).then_some(Class::Named));
    }
    let Some(class) = class else { return text::redacted(r, value).into_owned() };
    if matches!(value, "null" | "true" | "false") {
        return value.to_owned();
    }
    // The value may be a document, a quoted string or a bare text.
    r.replace(class, value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value))
}

/// The levels of a concrete path such as `$.items[3]['a b']`; an index or a name each.
fn segments(path: &str) -> Vec<Result<u32, String>> {
    let mut segments = Vec::new();
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    while !rest.is_empty() {
        rest = rest.trim_start_matches('.');
        if let Some(inner) = rest.strip_prefix('[') {
            if let Some(quote) = inner.chars().next().filter(|c| matches!(c, '"' | '\'')) {
                let (mut name, mut end, mut escaped) = (String::new(), inner.len(), false);
                for (at, c) in inner.char_indices().skip(1) {
                    match c {
                        '\\' if !escaped => escaped = true,
                        c if c == quote && !escaped => {
                            end = at + 1;
                            break;
                        }
                        c => {
                            name.push(c);
                            escaped = false;
                        }
                    }
                }
                segments.push(Err(name));
                rest = inner.get(end..).unwrap_or_default().trim_start_matches(']');
            } else {
                let (index, tail) = inner.split_once(']').unwrap_or((inner, ""));
                segments.push(index.parse().map_err(|_| index.to_owned()));
                rest = tail;
            }
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, tail) = rest.split_at(end);
            if !name.is_empty() {
                segments.push(Err(name.to_owned()));
            }
            rest = tail;
        }
    }
    segments
}
