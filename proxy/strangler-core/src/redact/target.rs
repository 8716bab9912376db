//! Targets of requests and URLs anywhere: paths, queries, and forms, which are written alike.

use super::{Class, Redactor, names, spelling, text};
use crate::matching::Pattern;
use crate::matching::path::elements;

/// Names beside values: a query's or a form's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pairs {
    Query,
    Form,
}

/// A request target (RFC 9112 section 3.2) or a URL.
pub(super) fn url(r: &Redactor<'_>, url: &str, depth: u32) -> String {
    let (rest, fragment) = url.split_once('#').map_or((url, None), |(rest, fragment)| (rest, Some(fragment)));
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let path_at = match rest.find("://").filter(|at| rest.get(..*at).is_some_and(is_scheme)) {
        Some(scheme) => {
            rest.get(scheme + 3..).and_then(|after| after.find('/')).map_or(rest.len(), |at| scheme + 3 + at)
        }
        None => 0,
    };
    let (origin, path) = rest.split_at(path_at);
    let mut out = self::origin(r, origin);
    out.push_str(&self::path(r, path));
    if let Some(query) = query {
        out.push('?');
        out.push_str(&pairs(r, query, Pairs::Query, depth));
    }
    if let Some(fragment) = fragment {
        out.push('#');
        // OAuth's implicit answer puts parameters there (RFC 6749 section 4.2.2).
        out.push_str(&pairs(r, fragment, Pairs::Query, depth));
    }
    foreign(r, out)
}

/// References of HTML and escapes of scripts have the marks that divide a URL or a form: looked at as a whole once more.
fn foreign(r: &Redactor<'_>, url: String) -> String {
    let is_foreign = url.match_indices(['&', '\\']).any(|(at, sign)| {
        sign == "\\" || url.get(at..).is_some_and(|rest| spelling::reference(rest).is_some())
    });
    if is_foreign { text::plain(r, &url) } else { url }
}

/// Scheme and authority, without who asks.
fn origin(r: &Redactor<'_>, origin: &str) -> String {
    let user =
        origin.split_once("://").and_then(|(scheme, authority)| Some((scheme, authority.rsplit_once('@')?)));
    match user {
        Some((scheme, (user, host))) => {
            let (scheme, host) = (text::plain(r, scheme), text::plain(r, host));
            format!("{scheme}://{}@{host}", r.replace(Class::Secret, user))
        }
        // A name may be made of a secret, as in `http://TOKEN.example`.
        None => text::plain(r, origin),
    }
}

/// Whether a text can be the scheme of a URL (RFC 3986 section 3.1); of none, as in `//host/path`, it can.
fn is_scheme(text: &str) -> bool {
    let rest = text.strip_prefix(|first: char| first.is_ascii_alphabetic());
    text.is_empty()
        || rest.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)))
}

/// How many elements after `reset` and its like may be a code.
const CODE_REACH: u8 = 2;

/// A path without a query.
pub(super) fn path(r: &Redactor<'_>, path: &str) -> String {
    let named = named_elements(r, path);
    let mut out = String::with_capacity(path.len());
    let mut at = 0;
    let mut reach: u8 = 0;
    for piece in path.split_inclusive('/') {
        let (element, slash) = piece.strip_suffix('/').map_or((piece, ""), |element| (element, "/"));
        let plain = spelling::said(element);
        let is_named = named.iter().any(|(start, end)| *start < at + element.len() && at < *end);
        if element.is_empty() {
        } else if is_named {
            out.push_str(&text::encoded(&r.replace(Class::Named, &plain)));
        } else if reach > 0 && !names::is_path_word(&plain) {
            out.push_str(&text::encoded(&r.replace(Class::Code, &plain)));
        } else {
            out.push_str(&plain_element(r, element, &plain));
        }
        if names::announces_code(&plain) {
            reach = CODE_REACH;
        } else if !element.is_empty() {
            reach = reach.saturating_sub(1);
        }
        out.push_str(slash);
        at += piece.len();
    }
    out
}

/// Whether a path holds nothing to replace, as far as a quick look tells; `false` may be wrong, `true` never.
pub fn is_plain_path(path: &str) -> bool {
    path.len() <= 256 && path.split('/').all(names::is_plain_element)
}

/// Whether a pattern names an element as secrets are named, such as `{code}`: a quick look.
pub fn names_secret(pattern: &Pattern) -> bool {
    const NAMES: &[&str] =
        &["code", "token", "secret", "password", "otp", "pin", "key", "session", "csrf", "email"];
    pattern.names().any(|name| NAMES.iter().any(|known| known.eq_ignore_ascii_case(name)))
}

/// Where in the path stand the elements that `path:NAME` names.
fn named_elements(r: &Redactor<'_>, path: &str) -> Vec<(usize, usize)> {
    let Some(pattern) = r.pattern.filter(|_| elements(path).is_some()) else { return Vec::new() };
    let secret =
        pattern.params(path).filter(|(name, _)| r.rules.names_element(name) || names::class(name).is_some());
    let place = |sent: &str| {
        // `params` gives slices of the path itself.
        let start = (sent.as_ptr() as usize).wrapping_sub(path.as_ptr() as usize);
        (start <= path.len()).then_some((start, start + sent.len()))
    };
    secret.filter_map(|(_, sent)| place(sent)).collect()
}

/// An element with its `;` parameters, such as `cart;jsessionid=…`; `plain` is what it says.
fn plain_element(r: &Redactor<'_>, element: &str, plain: &str) -> String {
    if plain.contains('/') {
        // `reset%2FCODE`: a path within an element.
        let redacted = path(r, plain);
        if redacted != plain {
            return text::encoded(&redacted).replace('/', "%2F");
        }
    }
    let mut parts = element.split(';');
    let mut out = text::nested(r, parts.next().unwrap_or_default(), 1).into_owned();
    for part in parts {
        out.push(';');
        out.push_str(&pair(r, part, Pairs::Query, 1));
    }
    out
}

/// `name=value` pairs joined by `&`.
pub(super) fn pairs(r: &Redactor<'_>, pairs: &str, kind: Pairs, depth: u32) -> String {
    let all: Vec<String> = pairs.split('&').map(|part| pair(r, part, kind, depth)).collect();
    foreign(r, all.join("&"))
}

fn pair(r: &Redactor<'_>, pair: &str, kind: Pairs, depth: u32) -> String {
    let Some((name, value)) = pair.split_once('=') else {
        return value_text(r, pair, depth);
    };
    let spaced = plus_decoded(name);
    let plain_name = spelling::said(&spaced);
    let plain = plus_decoded(value);
    let is_ruled = match kind {
        Pairs::Query => r.rules.names_query(&plain_name),
        Pairs::Form => r.rules.names_form(&plain_name),
    };
    let class = if is_ruled { Some(Class::Named) } else { names::class_of(&plain_name, &plain) };
    let value = match class {
        Some(class) => text::encoded(&r.replace(class, &plain)),
        None => value_text(r, value, depth),
    };
    format!("{}={value}", value_text(r, name, depth))
}

/// A value of which only its looks tell.
fn value_text(r: &Redactor<'_>, value: &str, depth: u32) -> String {
    let mut plain = text::decoded(value).unwrap_or_else(|| value.to_owned());
    let mut redacted = text::nested(r, &plain, depth + 1).into_owned();
    let is_secret = redacted != plain;
    if value.contains('+') {
        // A space in a query, a digit of base64 where somebody forgot to encode it: read as both.
        plain = if is_secret { redacted.replace('+', " ") } else { plus_decoded(value) };
        redacted = text::nested(r, &plain, depth + 1).into_owned();
    }
    if !is_secret && redacted == plain { value.to_owned() } else { text::encoded(&redacted) }
}

/// `application/x-www-form-urlencoded`, decoded.
fn plus_decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    text::decoded(&spaced).unwrap_or(spaced)
}
