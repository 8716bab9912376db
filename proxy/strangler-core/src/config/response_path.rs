//! Paths into a JSON body: `$.items[*].id`, `$..request_id`, `$['a b'][0]`.
//!
//! A part of RFC 9535: names, quoted names, indices, wildcards, descendants. Refuses filters, slices of
//! arrays, unions and negative indices, which would not say the same of both responses.

use crate::snapshot::compare::{BodyPath, Select, Step};

/// More steps than any path has that a person wrote.
const MOST_STEPS: usize = 64;

/// Reads a path of a configuration.
pub(super) fn body(text: &str) -> Result<BodyPath, &'static str> {
    body_of(text, MOST_STEPS)
}

/// Reads a path of at most so many steps.
pub(crate) fn body_of(text: &str, most_steps: usize) -> Result<BodyPath, &'static str> {
    let mut rest = text.strip_prefix('$').ok_or("a path into the body begins with `$`")?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if steps.len() == most_steps {
            return Err("the path has too many steps");
        }
        let (descendant, after) = match (rest.strip_prefix(".."), rest.strip_prefix('.')) {
            (Some(after), _) => (true, after),
            (None, Some(after)) => (false, after),
            (None, None) if rest.starts_with('[') => (false, rest),
            _ => return Err("a step begins with `.` or `[`"),
        };
        let bracket = after.starts_with('[');
        if bracket && !descendant && rest.starts_with('.') {
            return Err("write `[` without the dot before it");
        }
        let (select, tail) = if bracket { in_brackets(after)? } else { bare(after)? };
        steps.push(Step { descendant, select });
        rest = tail;
    }
    Ok(BodyPath { text: text.to_owned(), steps })
}

fn bare(text: &str) -> Result<(Select, &str), &'static str> {
    if let Some(tail) = text.strip_prefix('*') {
        return Ok((Select::Any, tail));
    }
    if let Some(quote @ ('"' | '\'')) = text.chars().next() {
        let (name, tail) = quoted(text.get(1..).unwrap_or_default(), quote)?;
        return Ok((Select::Name(name), tail));
    }
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (name, tail) = text.split_at(end);
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '@' | '$');
    if name.is_empty() {
        return Err("a step has no name");
    }
    if !name.chars().all(plain) {
        return Err("quote a name that is not letters, digits, `_` and `-`: $['a b']");
    }
    Ok((Select::Name(name.to_owned()), tail))
}

fn in_brackets(text: &str) -> Result<(Select, &str), &'static str> {
    let inner = text.strip_prefix('[').ok_or("a step begins with `.` or `[`")?;
    let (select, tail) = match inner.chars().next() {
        Some('*') => (Select::Any, inner.get(1..).unwrap_or_default()),
        Some(quote @ ('"' | '\'')) => {
            let (name, tail) = quoted(inner.get(1..).unwrap_or_default(), quote)?;
            (Select::Name(name), tail)
        }
        _ => {
            let end = inner.find(|c: char| !c.is_ascii_digit()).unwrap_or(inner.len());
            let (digits, tail) = inner.split_at(end);
            let index = digits.parse().map_err(|_| "in brackets stands an index, `*` or a quoted name")?;
            (Select::Index(index), tail)
        }
    };
    Ok((select, tail.strip_prefix(']').ok_or("a `[` needs its `]`")?))
}

fn quoted(text: &str, quote: char) -> Result<(String, &str), &'static str> {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.push(chars.next().ok_or("a quoted name does not end")?.1),
            c if c == quote => return Ok((name, text.get(at + 1..).unwrap_or_default())),
            c => name.push(c),
        }
    }
    Err("a quoted name does not end")
}

#[cfg(test)]
mod tests {
    use super::body;
    use crate::snapshot::compare::Select;

    #[test]
    fn paths_are_read_step_by_step() {
        let check = |text: &str, wanted: &[&str]| {
            let path = body(text).unwrap();
            let steps: Vec<String> = path
                .steps
                .iter()
                .map(|step| {
                    let dots = if step.descendant { ".." } else { "" };
                    match &step.select {
                        Select::Name(name) => format!("{dots}{name}"),
                        Select::Index(index) => format!("{dots}[{index}]"),
                        Select::Any => format!("{dots}*"),
                    }
                })
                .collect();
            assert_eq!(steps, wanted, "{text}");
        };
        check("$", &[]);
        check("$.generated_at", &["generated_at"]);
        check("$..request_id", &["..request_id"]);
        check("$.items[*].rating", &["items", "*", "rating"]);
        check("$.*[0]", &["*", "[0]"]);
        check("$['a b']['c\\'d'].\"e.f\"", &["a b", "c'd", "e.f"]);
        check("$..[*]..*", &["..*", "..*"]);
        check("$.größe", &["größe"]);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "",
            "a",
            ".a",
            "$a",
            "$.",
            "$..",
            "$.a.",
            "$[",
            "$[a]",
            "$[-1]",
            "$[0",
            "$[99999999999]",
            "$.['a']",
            "$['a]",
            "$['a\\",
            "$.a b",
            "$[0:2]",
            "$[?(@.a)]",
        ] {
            assert!(body(text).is_err(), "{text}");
        }
        assert!(body(&format!("${}", ".a".repeat(65))).is_err());
    }
}
