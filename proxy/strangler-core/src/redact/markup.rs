//! HTML and XML, copied as they are but for their secrets: attributes by the names beside them, text by its looks.
//!
//! Reads tags as they come and builds no tree: what is malformed is still read, and nothing of it is left out.

use super::{Class, Redactor, names, spelling, text};

/// Whether a text has a tag in it.
pub(super) fn looks_like(text: &str) -> bool {
    let tag = text.match_indices('<').find(|(at, _)| {
        text.as_bytes()
            .get(at + 1)
            .is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'/' | b'!' | b'?'))
    });
    tag.is_some_and(|(at, _)| text.get(at..).is_some_and(|rest| rest.contains('>')))
}

/// The document with its secrets replaced.
pub(super) fn redacted(r: &Redactor<'_>, source: &str, depth: u32) -> String {
    let mut copy = Copy { r, out: String::with_capacity(source.len()), depth, pending: None, inside: None };
    let mut rest = source;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        copy.text(before);
        rest = copy.tag(tag);
    }
    copy.text(rest);
    copy.out
}

/// Elements that do not end a line such as `Code: <b>4711</b>`.
const INLINE: &[&str] = &[
    "b", "strong", "em", "i", "code", "span", "kbd", "tt", "samp", "td", "dd", "mark", "pre", "br", "small",
    "var",
];

struct Copy<'a, 'r> {
    r: &'a Redactor<'r>,
    out: String,
    depth: u32,
    /// The text before ended in a secret's name: the first word of the next is the secret.
    pending: Option<Class>,
    /// The element one is in holds a secret, and how sure that is.
    inside: Option<(Class, Holds)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    /// Nothing else: `<password>`, `<textarea name="secret">`.
    Only,
    /// If it is one word: `<span id="reset-code">`.
    OneWord,
}

struct Attribute<'t> {
    /// From the end of the one before to the value.
    lead: &'t str,
    name: &'t str,
    value: &'t str,
    /// The quote after the value; empty: none.
    quote: &'t str,
}

impl Copy<'_, '_> {
    fn text(&mut self, raw: &str) {
        if raw.is_empty() {
            return;
        }
        let plain = unescaped(raw).unwrap_or_else(|| raw.to_owned());
        let bare = plain.trim();
        if bare.is_empty() {
            self.out.push_str(raw);
            return;
        }
        let pending = self.pending.take();
        let inside = self.inside.take();
        let replaced = match inside {
            Some((class, holds)) if holds == Holds::Only || !bare.contains(char::is_whitespace) => {
                plain.replacen(bare, &self.r.replace(class, bare), 1)
            }
            _ => match pending.zip(bare.split_whitespace().next()) {
                Some((class, word)) => {
                    let first = plain.replacen(word, &self.r.replace(class, word), 1);
                    text::nested(self.r, &first, self.depth).into_owned()
                }
                None => text::nested(self.r, &plain, self.depth).into_owned(),
            },
        };
        if let Some(name) = bare.strip_suffix([':', '=']) {
            let words: Vec<&str> = name.split_whitespace().rev().take(3).collect();
            self.pending = words.iter().find_map(|word| names::class(word));
        }
        if replaced == plain { self.out.push_str(raw) } else { escape(&mut self.out, &replaced) }
    }

    /// Takes what begins with `<`; returns what follows it.
    fn tag<'t>(&mut self, tag: &'t str) -> &'t str {
        if let Some(comment) = tag.strip_prefix("<!--") {
            return self.aside("<!--", comment, "-->");
        }
        if let Some(data) = tag.strip_prefix("<![CDATA[") {
            return self.aside("<![CDATA[", data, "]]>");
        }
        let name = tag.get(1..).unwrap_or_default().trim_start_matches(['/', '!', '?']);
        let lead = tag.len() - name.len();
        let len =
            name.bytes().take_while(|b| !b.is_ascii_whitespace() && !matches!(b, b'>' | b'/' | b'<')).count();
        let name = name.get(..len).unwrap_or_default();
        if name.is_empty() {
            self.text("<");
            return tag.get(1..).unwrap_or_default();
        }
        let Some((attributes, end)) = attributes(tag, lead + len) else {
            // No end: the rest is text.
            self.out.push_str(&text::nested(self.r, tag, self.depth.max(4)));
            return "";
        };
        self.out.push_str(tag.get(..lead).unwrap_or_default());
        self.out.push_str(&self.r.text(name));
        self.attributes(name, &attributes, lead == 1);
        let close = tag.get(end..).unwrap_or_default();
        let close_len = close.find('>').map_or(close.len(), |at| at + 1);
        self.out.push_str(close.get(..close_len).unwrap_or_default());
        let rest = close.get(close_len..).unwrap_or_default();
        let name = name.to_ascii_lowercase();
        if lead == 1 && matches!(name.as_str(), "script" | "style") {
            let end = format!("</{name}");
            let at = rest.to_ascii_lowercase().find(&end).unwrap_or(rest.len());
            let (script, rest) = rest.split_at(at);
            self.out.push_str(&text::nested(self.r, script, self.depth.max(2)));
            return rest;
        }
        if !INLINE.contains(&name.as_str()) {
            self.pending = None;
        }
        rest
    }

    /// A stretch that is no markup.
    fn aside<'t>(&mut self, begin: &str, rest: &'t str, end: &str) -> &'t str {
        self.out.push_str(begin);
        let at = rest.find(end).unwrap_or(rest.len());
        let (inner, rest) = rest.split_at(at);
        self.out.push_str(&text::nested(self.r, inner, self.depth));
        let end = rest.get(..end.len()).unwrap_or(rest);
        self.out.push_str(end);
        rest.get(end.len()..).unwrap_or_default()
    }

    fn attributes(&mut self, element: &str, attributes: &[Attribute<'_>], is_opening: bool) {
        let of = |name: &str| attributes.iter().find(|a| a.name.eq_ignore_ascii_case(name)).map(|a| a.value);
        let named = ["name", "id", "property", "http-equiv", "autocomplete", "itemprop", "key"]
            .iter()
            .find_map(|name| names::class(of(name)?));
        let is_password = of("type").is_some_and(|kind| kind.eq_ignore_ascii_case("password"));
        let class = if is_password { Some(Class::Password) } else { named };
        for attribute in attributes {
            self.name(attribute);
            let plain = unescaped(attribute.value).unwrap_or_else(|| attribute.value.to_owned());
            let lower = attribute.name.to_ascii_lowercase();
            let of_value =
                matches!(lower.as_str(), "value" | "content" | "data-value").then_some(class).flatten();
            let is_label = matches!(
                lower.as_str(),
                "name"
                    | "id"
                    | "class"
                    | "for"
                    | "type"
                    | "property"
                    | "http-equiv"
                    | "autocomplete"
                    | "itemprop"
                    | "rel"
                    | "method"
                    | "key"
            );
            let own = if is_label { None } else { names::class(&lower) };
            let class = of_value.or(own).filter(|class| *class != Class::Code || plain.len() >= 4);
            let replaced = match class {
                Some(class) if !is_path(&plain) => self.r.replace(class, &plain),
                _ => text::nested(self.r, &plain, self.depth).into_owned(),
            };
            if replaced == plain {
                self.out.push_str(attribute.value)
            } else {
                escape(&mut self.out, &replaced)
            }
            self.out.push_str(attribute.quote);
        }
        self.inside = None;
        if is_opening {
            let local = element.rsplit(':').next().unwrap_or(element);
            let by_name = if local.eq_ignore_ascii_case("code") { None } else { names::class(local) };
            self.inside = match (by_name, class) {
                (Some(class), _) => Some((class, Holds::Only)),
                (None, Some(class)) if element.eq_ignore_ascii_case("textarea") => Some((class, Holds::Only)),
                (None, Some(class)) => Some((class, Holds::OneWord)),
                (None, None) => None,
            };
        }
    }
}

impl Copy<'_, '_> {
    /// Writes what stands before an attribute's value; its name may be anything.
    fn name(&mut self, attribute: &Attribute<'_>) {
        let redacted = text::nested(self.r, attribute.name, self.depth.max(3));
        if *redacted == *attribute.name {
            self.out.push_str(attribute.lead);
        } else {
            self.out.push_str(&attribute.lead.replacen(attribute.name, &redacted, 1));
        }
    }
}

/// `action="/password/reset"` is no password.
fn is_path(value: &str) -> bool {
    value.starts_with('/') || value.contains("://")
}

/// The attributes of a tag from `at` on, and where its end (`>` or `/>`) begins; `None`: it has none.
fn attributes(tag: &str, mut at: usize) -> Option<(Vec<Attribute<'_>>, usize)> {
    let bytes = tag.as_bytes();
    let skip = |from: usize, stop: fn(u8) -> bool| {
        bytes
            .get(from..)
            .map_or(from, |rest| rest.iter().position(|b| stop(*b)).map_or(bytes.len(), |len| from + len))
    };
    let mut attributes = Vec::new();
    loop {
        let lead_from = at;
        let name_from = skip(at, |b| !b.is_ascii_whitespace() && b != b'/');
        if *bytes.get(name_from)? == b'>' {
            return Some((attributes, lead_from));
        }
        let name_to = skip(name_from + 1, |b| b.is_ascii_whitespace() || matches!(b, b'=' | b'>' | b'/'));
        let equals = skip(name_to, |b| !b.is_ascii_whitespace());
        let name = tag.get(name_from..name_to)?;
        if bytes.get(equals) != Some(&b'=') {
            attributes.push(Attribute { lead: tag.get(lead_from..name_to)?, name, value: "", quote: "" });
            at = name_to;
            continue;
        }
        let value_from = skip(equals + 1, |b| !b.is_ascii_whitespace());
        let quoted = bytes.get(value_from).copied().filter(|b| matches!(b, b'"' | b'\''));
        let (from, to) = match quoted {
            Some(b'"') => (value_from + 1, skip(value_from + 1, |b| b == b'"')),
            Some(_) => (value_from + 1, skip(value_from + 1, |b| b == b'\'')),
            None => (value_from, skip(value_from, |b| b.is_ascii_whitespace() || b == b'>')),
        };
        let end = to + usize::from(quoted.is_some());
        attributes.push(Attribute {
            lead: tag.get(lead_from..from)?,
            name,
            value: tag.get(from..to)?,
            quote: tag.get(to..end)?,
        });
        at = end;
    }
}

/// A text with its character references resolved; `None` where it has none.
pub(super) fn unescaped(text: &str) -> Option<String> {
    if !text.contains('&') {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, reference) = rest.split_at(at);
        out.push_str(before);
        if let Some((said, len)) = spelling::reference(reference) {
            out.push(said);
            rest = reference.get(len..).unwrap_or_default();
        } else {
            out.push('&');
            rest = reference.get(1..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    Some(out)
}

pub(super) fn escape(out: &mut String, plain: &str) {
    for c in plain.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && !c.is_whitespace() => out.push_str(&format!("&#{};", u32::from(c))),
            c => out.push(c),
        }
    }
}
