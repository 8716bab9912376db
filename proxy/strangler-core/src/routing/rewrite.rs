//! Changing the target on the extracted side (`rewrite`). Without one the original bytes are forwarded.
//!
//! Owns the text of the new target. Refuses to judge whether a client could send it: whoever sends it does.

use crate::matching::Pattern;
use crate::matching::path::{PathRules, loosened, normal};
use crate::snapshot::Rewrite;

/// A rewritten target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// Path and query; starts with `/`.
    pub target: String,
    /// The prefix that was removed.
    pub stripped: Option<String>,
}

/// The target that the extracted side is asked for instead of `path` and `query`, which are as sent; `pattern`
/// is that of the winning route.
pub fn rewrite(path: &str, query: Option<&str>, rule: &Rewrite, pattern: &Pattern) -> Rewritten {
    let original = path;
    let mut stripped = None;
    let mut path = match &rule.path {
        Some(template) if !template.is_empty() => fill(template, original, pattern),
        _ => original.to_owned(),
    };
    if let Some(prefix) = rule.strip_prefix.as_deref().map(|prefix| prefix.trim_end_matches('/'))
        && !prefix.is_empty()
        && let Some(rest) = strip(&path, prefix, pattern.rules)
    {
        path = rest;
        stripped = Some(prefix.to_owned());
    }
    if let Some(prefix) = rule.add_prefix.as_deref().map(|prefix| prefix.trim_end_matches('/'))
        && !prefix.is_empty()
    {
        path = if path == "/" { format!("{prefix}/") } else { format!("{prefix}{path}") };
    }
    if !path.starts_with('/') {
        path.insert(0, '/');
    }
    if let Some(query) = query {
        path.push('?');
        path.push_str(query);
    }
    Rewritten { target: path, stripped }
}

/// `path` without the elements of `prefix`, compared as the pattern compares them, however they are spelt; what is
/// left are the original bytes, and starts with `/`.
fn strip(path: &str, prefix: &str, rules: PathRules) -> Option<String> {
    let mut rest = path;
    for wanted in prefix.split('/').skip(1) {
        let after = rest.strip_prefix('/')?;
        let end = after.find('/').unwrap_or(after.len());
        let (sent, behind) = after.split_at(end);
        if sent != wanted && loosened(&normal(sent), rules) != loosened(&normal(wanted), rules) {
            return None;
        }
        rest = behind;
    }
    Some(if rest.is_empty() { "/".to_owned() } else { rest.to_owned() })
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
    use super::rewrite;
    use crate::matching::Pattern;
    use crate::matching::path::{PathRules, split_target};
    use crate::snapshot::Rewrite;

    fn rule(strip: &str, add: &str, path: &str) -> Rewrite {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Rewrite { strip_prefix: some(strip), add_prefix: some(add), path: some(path), host: None }
    }

    fn check(target: &str, rule: &Rewrite, expected: &str, stripped: Option<&str>) {
        check_under(PathRules::default(), target, rule, expected, stripped);
    }

    fn check_under(rules: PathRules, target: &str, rule: &Rewrite, expected: &str, stripped: Option<&str>) {
        let pattern = Pattern::parse("/shop/{kind}/{id}", rules).unwrap();
        let (path, query) = split_target(target);
        let rewritten = rewrite(path, query, rule, &pattern);
        assert_eq!(rewritten.target, expected, "{target}");
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
    fn a_prefix_is_stripped_however_it_is_spelt() {
        let strip = rule("/products", "", "");
        check("/%70roducts/%61?x", &strip, "/%61?x", Some("/products"));
        check("/Products/a", &strip, "/Products/a", None);
        check("/products;v=1/a", &strip, "/products;v=1/a", None);
        check("/products%2Fa", &strip, "/products%2Fa", None);
        check("/a%2fb/c/d", &rule("/a%2Fb/c", "", ""), "/d", Some("/a%2Fb/c"));
        let loose = PathRules { trailing_slash_same: true, case_insensitive: true, matrix_ignored: true };
        check_under(loose, "/PRODUCTS;v=1/A;w=2", &strip, "/A;w=2", Some("/products"));
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
