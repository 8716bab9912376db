//! `${NAME}` and `${NAME:-default}` in string values.
//!
//! What an environment variable holds may be secret: the expanded text is for the snapshot, the written one
//! for people. Refuses the environment itself: it is a function.

/// Why a text cannot be expanded. Ranges are bytes of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ExpandError {
    /// No such variable, and no default.
    Unset { name: String },
    /// `${` without a name and `}`.
    Malformed { written: String },
}

/// The text with its variables replaced; `None` where it has none. Every failure is reported.
pub(super) fn expand(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    fail: &mut dyn FnMut(ExpandError),
) -> Option<String> {
    if !text.contains("${") {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let body = after.split_once('}');
        let parsed = body.and_then(|(body, _)| {
            let (name, default) = body.split_once(":-").map_or((body, None), |(n, d)| (n, Some(d)));
            is_name(name).then_some((name, default))
        });
        let (Some((_, tail)), Some((name, default))) = (body, parsed) else {
            let shown: String = after.chars().take(20).collect();
            fail(ExpandError::Malformed { written: format!("${{{shown}") });
            rest = after;
            continue;
        };
        // As in the shell: `:-` also stands in for an empty value.
        match (env(name), default) {
            (Some(value), None) => out.push_str(&value),
            (Some(value), Some(_)) if !value.is_empty() => out.push_str(&value),
            (_, Some(default)) => out.push_str(default),
            (None, None) => fail(ExpandError::Unset { name: name.to_owned() }),
        }
        rest = tail;
    }
    out.push_str(rest);
    Some(out)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::{ExpandError, expand};

    #[test]
    fn variables_defaults_and_literals() {
        let env = |name: &str| match name {
            "A" => Some("1".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let unset = |name: &str| ExpandError::Unset { name: name.to_owned() };
        let malformed = |written: &str| ExpandError::Malformed { written: written.to_owned() };
        let check = |text: &str, wanted: Option<&str>, wanted_errors: &[ExpandError]| {
            let mut errors = Vec::new();
            let got = expand(text, &env, &mut |error| errors.push(error));
            assert_eq!(got.as_deref(), wanted, "{text}");
            assert_eq!(errors, wanted_errors, "{text}");
        };
        check("plain $.path $$ {id}", None, &[]);
        check("x${A}y${A}", Some("x1y1"), &[]);
        check("${B:-b}${A:-b}${EMPTY:-e}${EMPTY}", Some("b1e"), &[]);
        check("${B:-}", Some(""), &[]);
        check("$${A} ${A}", Some("${A} 1"), &[]);
        check("${B} ${C}", Some(" "), &[unset("B"), unset("C")]);
        check("${A", Some("A"), &[malformed("${A")]);
        check("${1}${a-b}", Some("1}a-b}"), &[malformed("${1}${a-b}"), malformed("${a-b}")]);
        check("ü${A}ü", Some("ü1ü"), &[]);
    }
}
