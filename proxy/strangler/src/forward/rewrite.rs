//! Changing the target on the extracted side (`rewrite`). Without one the original bytes are forwarded.

use http::Uri;
use strangler_core::matching::Pattern;
use strangler_core::snapshot::Rewrite;

/// A rewritten target.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rewritten {
    pub(crate) target: Uri,
    /// The prefix that was removed.
    pub(crate) stripped: Option<String>,
}

/// The target that the extracted side is asked for. `None` where the result is not a target.
pub(crate) fn rewrite(target: &Uri, rule: &Rewrite, pattern: &Pattern) -> Option<Rewritten> {
    let original = target.path();
    let mut stripped = None;
    let mut path = match &rule.path {
        Some(template) if !template.is_empty() => fill(template, original, pattern),
        _ => original.to_owned(),
    };
    if let Some(prefix) = rule.strip_prefix.as_deref().map(|prefix| prefix.trim_end_matches('/'))
        && !prefix.is_empty()
        && let Some(rest) = strip(&path, prefix)
    {
        path = rest;
        stripped = Some(prefix.to_owned());
    }
    if let Some(prefix) = rule.add_prefix.as_deref().map(|prefix| prefix.trim_end_matches('/'))
        && !prefix.is_empty()
    {
        path =
            if path == "/" && !prefix.is_empty() { format!("{prefix}/") } else { format!("{prefix}{path}") };
    }
    if !path.starts_with('/') {
        path.insert(0, '/');
    }
    if let Some(query) = target.query() {
        path.push('?');
        path.push_str(query);
    }
    Some(Rewritten { target: Uri::try_from(path).ok()?, stripped })
}

/// `path` without `prefix`, at an element boundary; what is left starts with `/`.
fn strip(path: &str, prefix: &str) -> Option<String> {
    match path.strip_prefix(prefix)? {
        "" => Some("/".to_owned()),
        rest if rest.starts_with('/') => Some(rest.to_owned()),
        _ => None,
    }
}

/// The template with each `{name}` replaced by the original bytes of that element.
fn fill(template: &str, path: &str, pattern: &Pattern) -> String {
    let mut filled = String::with_capacity(template.len() + path.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        match after.split_once('}') {
            Some((name, after)) => {
                filled.push_str(pattern.param(path, name).unwrap_or_default());
                rest = after;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use strangler_core::matching::Pattern;
    use strangler_core::matching::path::PathRules;
    use strangler_core::snapshot::Rewrite;

    use super::rewrite;

    fn rule(strip: &str, add: &str, path: &str) -> Rewrite {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Rewrite { strip_prefix: some(strip), add_prefix: some(add), path: some(path), host: None }
    }

    fn check(target: &str, rule: &Rewrite, expected: &str, stripped: Option<&str>) {
        let pattern = Pattern::parse("/shop/{kind}/{id}", PathRules::default()).unwrap();
        let rewritten = rewrite(&target.parse().unwrap(), rule, &pattern).unwrap();
        assert_eq!(rewritten.target.to_string(), expected, "{target}");
        assert_eq!(rewritten.stripped.as_deref(), stripped, "{target}");
    }

    #[test]
    fn a_prefix_is_stripped_at_an_element_boundary() {
        check("/products", &rule("/products", "", ""), "/", Some("/products"));
        check("/products/", &rule("/products/", "", ""), "/", Some("/products"));
        check("/products/a%2Fb?x=%20&y", &rule("/products", "", ""), "/a%2Fb?x=%20&y", Some("/products"));
        check("/productsets", &rule("/products", "", ""), "/productsets", None);
        check("/products//a", &rule("/products", "", ""), "//a", Some("/products"));
    }

    #[test]
    fn a_prefix_is_added() {
        check("/a?q", &rule("", "/v2", ""), "/v2/a?q", None);
        check("/old/a", &rule("/old", "/v2/", ""), "/v2/a", Some("/old"));
        check("/", &rule("", "/v2", ""), "/v2/", None);
    }

    #[test]
    fn a_template_takes_the_original_bytes_of_named_elements() {
        check("/shop/a%2fb/7?q=1", &rule("", "", "/items/{id}/{kind}"), "/items/7/a%2fb?q=1", None);
        check("/shop/a/7", &rule("", "", "/items/{missing}x"), "/items/x", None);
    }
}
