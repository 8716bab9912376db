//! Reading a match text.
//!
//! Owns its grammar and every complaint about it, each with a span and, where one is known, a way out.

use std::ops::Range;

use super::{Element, HostPattern, Methods, ParamKind, Pattern, PatternError};
use crate::matching::path::{self, PathRules};

/// Elements a pattern may have; bounds the depth of the trie.
const MAX_ELEMENTS: usize = 128;

/// Methods of RFC 9110 and RFC 5789.
const KNOWN_METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];

/// Part of a match text and where it begins.
#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    start: usize,
}

impl<'a> Part<'a> {
    fn span(self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    fn split_at(self, at: usize) -> (Part<'a>, Part<'a>) {
        let (left, right) = self.text.split_at(at);
        (Part { text: left, start: self.start }, Part { text: right, start: self.start + at })
    }

    fn split(self, separator: char) -> impl Iterator<Item = Part<'a>> {
        let mut start = self.start;
        self.text.split(separator).map(move |text| {
            let part = Part { text, start };
            start += text.len() + separator.len_utf8();
            part
        })
    }

    fn fails<T>(self, message: String, help: &str) -> Result<T, PatternError> {
        fail(self.span(), message, help)
    }
}

fn fail<T>(span: Range<usize>, message: String, help: &str) -> Result<T, PatternError> {
    let help = (!help.is_empty()).then(|| help.to_owned());
    Err(PatternError { message, span, help })
}

/// Parses a match text.
pub(super) fn parse(text: &str, rules: PathRules) -> Result<Pattern, PatternError> {
    let parts = words(text);
    let (methods, target) = match parts.as_slice() {
        [] => {
            return fail(
                0..text.len(),
                "a match needs a path".into(),
                "write for example \"GET /orders/{id}\"",
            );
        }
        [target] => (Methods::Any, *target),
        [methods, target] => {
            reject_misplaced_host(*methods)?;
            (parse_methods(*methods)?, *target)
        }
        [.., last] if parts.iter().any(|part| part.text.ends_with(',') || part.text.starts_with(',')) => {
            let span = 0..last.start;
            return fail(
                span,
                "methods are separated by a comma alone".into(),
                "write for example \"GET,HEAD /orders\"",
            );
        }
        [_, _, third, ..] => {
            return third.fails(
                format!("nothing can follow the path, but found {:?}", third.text),
                "a space in a path is written %20",
            );
        }
    };
    let Some(slash) = target.text.find('/') else {
        return no_path(target);
    };
    let (host, path) = target.split_at(slash);
    let (elements, tail) = parse_path(path, rules)?;
    Ok(Pattern { text: text.to_owned(), rules, methods, host: parse_host(host)?, elements, tail })
}

/// The parts between white space.
fn words(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = Part { text, start: 0 };
    loop {
        let trimmed = rest.text.trim_start();
        rest = rest.split_at(rest.text.len() - trimmed.len()).1;
        if rest.text.is_empty() {
            return parts;
        }
        let (word, after) = rest.split_at(rest.text.find(char::is_whitespace).unwrap_or(rest.text.len()));
        parts.push(word);
        rest = after;
    }
}

fn no_path<T>(target: Part<'_>) -> Result<T, PatternError> {
    let message = format!("{:?} has no path", target.text);
    if KNOWN_METHODS.iter().any(|known| known.eq_ignore_ascii_case(target.text)) {
        return target.fails(message, "write the path after the method: \"GET /orders\"");
    }
    target.fails(message, "a path begins with \"/\"; \"HOST/**\" matches a whole host")
}

/// `shop.example /path`: a host written where methods stand.
fn reject_misplaced_host(methods: Part<'_>) -> Result<(), PatternError> {
    if methods.text.contains('/') {
        return methods.fails(
            format!("{:?} stands where methods are expected", methods.text),
            "a match is \"METHOD HOST/PATH\"; a space in a path is written %20",
        );
    }
    if methods.text.contains('.') || methods.text.contains(':') {
        return methods.fails(
            format!("{:?} is not a method", methods.text),
            "a host is written directly before the path: \"GET shop.example/orders\"",
        );
    }
    Ok(())
}

fn parse_methods(part: Part<'_>) -> Result<Methods, PatternError> {
    let mut named: Vec<Box<str>> = Vec::new();
    for method in part.split(',') {
        check_method(method, part)?;
        if named.iter().any(|name| **name == *method.text) {
            return method.fails(format!("{} is named twice", method.text), "name each method once");
        }
        named.push(method.text.into());
    }
    Ok(Methods::Named(named.into_boxed_slice()))
}

fn check_method(method: Part<'_>, all: Part<'_>) -> Result<(), PatternError> {
    let text = method.text;
    if text.is_empty() {
        return all
            .fails("a method is missing beside a comma".into(), "write for example \"GET,HEAD /orders\"");
    }
    if text == "*" {
        return method.fails("\"*\" is not a method".into(), "leave the method out to match any");
    }
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.bytes().all(is_token) {
        return method.fails(format!("{text:?} is not a method"), "a method is a word such as GET");
    }
    if let Some(known) =
        KNOWN_METHODS.iter().find(|known| known.eq_ignore_ascii_case(text) && **known != text)
    {
        return method.fails(
            format!("methods are case-sensitive: unknown method {text:?}"),
            &format!("did you mean {known}?"),
        );
    }
    if text == "CONNECT" || text == "TRACE" {
        return method.fails(format!("{text} is never forwarded"), "such requests are always answered 405");
    }
    Ok(())
}

fn parse_host(part: Part<'_>) -> Result<HostPattern, PatternError> {
    let text = part.text;
    if text.is_empty() {
        return Ok(HostPattern::Any);
    }
    if KNOWN_METHODS.contains(&text) {
        return part.fails(
            format!("there is no space between {text} and the path"),
            "write for example \"GET /orders\"",
        );
    }
    if text == "*" || text == "**" {
        return part.fails(format!("{text:?} is not a host"), "leave the host out to match any");
    }
    if text.ends_with(':') && matches!(text.to_ascii_lowercase().as_str(), "http:" | "https:") {
        return part.fails("a match has no scheme".into(), "write \"shop.example/path\"");
    }
    if text.contains(['{', '}']) {
        return part
            .fails("names stand only in paths".into(), "\"*.shop.example\" matches one or more labels");
    }
    if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match name.parse::<std::net::Ipv6Addr>() {
            Ok(_) => Ok(HostPattern::Exact(text.to_ascii_lowercase().into_boxed_str())),
            Err(_) => part.fails(format!("{text:?} is not an IPv6 address"), ""),
        };
    }
    if let Some(colon) = text.rfind(':') {
        let port = part.split_at(colon).1;
        return port.fails("ports are ignored when hosts are compared".into(), "leave the port out");
    }
    let text = text.strip_suffix('.').unwrap_or(text);
    let (wildcard, name) = match text.strip_prefix("*.") {
        Some(suffix) => (true, suffix),
        None => (false, text),
    };
    if name.contains('*') {
        return part.fails("\"*\" can only be the first label of a host".into(), "write \"*.shop.example\"");
    }
    if !name.is_ascii() {
        return part.fails(format!("{text:?} is not a host name as it is sent"), "write its \"xn--\" form");
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if !name.split('.').all(is_label) {
        return part
            .fails(format!("{text:?} is not a host name"), "write for example \"shop.example/orders\"");
    }
    let name = name.to_ascii_lowercase().into_boxed_str();
    Ok(if wildcard { HostPattern::Wildcard(name) } else { HostPattern::Exact(name) })
}

/// The elements of a path that begins with `/`, and whether it ends in `/**`.
fn parse_path(part: Part<'_>, rules: PathRules) -> Result<(Vec<Element>, bool), PatternError> {
    if let Some(at) = part.text.find(['?', '#']) {
        let rest = part.split_at(at).1;
        return rest.fails(
            "a match is about the path, not what follows it".into(),
            "conditions on the query are written `when = { query = { name = \"value\" } }`",
        );
    }
    let mut parts: Vec<Part<'_>> = part.split('/').skip(1).collect();
    let tail = parts.last().is_some_and(|last| last.text == "**");
    if tail {
        parts.pop();
    }
    if parts.len() > MAX_ELEMENTS {
        return part.fails(format!("a path has at most {MAX_ELEMENTS} elements"), "");
    }
    let mut elements = Vec::with_capacity(parts.len());
    for element in parts {
        let parsed = parse_element(element, rules)?;
        if let Element::Param { name, .. } = &parsed
            && elements
                .iter()
                .any(|other| matches!(other, Element::Param { name: earlier, .. } if earlier == name))
        {
            return element
                .fails(format!("the name {name:?} is used twice"), "give each element a name of its own");
        }
        elements.push(parsed);
    }
    if rules.trailing_slash_same && !tail && ends_in_one_slash(&elements) {
        elements.pop();
    }
    Ok((elements, tail))
}

/// `/a/`, but neither `/` nor `/a//`.
fn ends_in_one_slash(elements: &[Element]) -> bool {
    let is_empty = |element: &Element| matches!(element, Element::Literal(text) if text.is_empty());
    matches!(elements, [.., before, last] if is_empty(last) && !is_empty(before))
}

fn parse_element(part: Part<'_>, rules: PathRules) -> Result<Element, PatternError> {
    let text = part.text;
    if text.contains(['{', '}']) {
        return parse_param(part);
    }
    if text == "**" {
        return part
            .fails("\"**\" can only be the last element".into(), "\"{name}\" matches exactly one element");
    }
    if text.contains('*') {
        return part.fails(
            format!("\"*\" has no meaning in {text:?}"),
            "\"{name}\" matches exactly one element, a last \"/**\" everything below",
        );
    }
    if let Some(at) = path::invalid_escape(text) {
        let length = text.get(at..).map_or(1, |rest| rest.chars().take(3).map(char::len_utf8).sum());
        let start = part.start + at;
        return fail(
            start..start + length,
            "\"%\" needs two hexadecimal digits".into(),
            "a literal \"%\" is written %25",
        );
    }
    if text.chars().any(char::is_control) {
        return part.fails(
            "a path has no control characters".into(),
            "escape it, such as %09 for a tab, or take it out",
        );
    }
    if let Some(ambiguity) = path::ambiguity(text) {
        return part.fails(
            format!("{text:?} holds {ambiguity}"),
            "requests with such paths are refused before they are matched",
        );
    }
    let normal = path::normal(text);
    Ok(Element::Literal(path::loosened(&normal, rules).into()))
}

/// `{name}`, `{name:int}`, `{name:uuid}`.
fn parse_param(part: Part<'_>) -> Result<Element, PatternError> {
    const HELP: &str = "a name is a whole element: \"/{name}/\", \"/{name:int}/\" or \"/{name:uuid}/\"";
    let inner = part.text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let Some(inner) = inner.filter(|inner| !inner.contains(['{', '}'])) else {
        return part.fails(format!("braces in {:?} do not enclose the whole element", part.text), HELP);
    };
    let (name, kind) = match inner.split_once(':') {
        None => (inner, ParamKind::Any),
        Some((name, "int")) => (name, ParamKind::Int),
        Some((name, "uuid")) => (name, ParamKind::Uuid),
        Some((name, other)) => {
            let (_, kind) = part.split_at(1 + name.len() + 1);
            let span = kind.start..kind.start + other.len();
            return fail(span, format!("unknown type {other:?}"), "the types are int and uuid");
        }
    };
    let mut characters = name.bytes();
    let starts_well = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    if !starts_well || !characters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
        return part.fails(
            format!("{:?} has no proper name", part.text),
            "a name is a letter or \"_\", then letters, digits, \"_\" or \"-\"",
        );
    }
    Ok(Element::Param { name: name.into(), kind })
}

#[cfg(test)]
mod tests;
