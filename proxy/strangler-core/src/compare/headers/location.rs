//! References to places of this site: the origin by which a side speaks of itself is no difference, and neither is
//! whether it says the whole path or only what leads there from the request.

/// What a reference means when the origins by which its side may speak of itself are taken out; any other
/// origin in its normal spelling (RFC 3986 §6.2). References of this site are resolved against `target`, path and
/// query of the request as its client sent it (§5.2).
pub(super) fn mapped(value: &str, own: &[String], target: &str) -> String {
    let Some((scheme, authority, rest)) = split(value) else {
        return if names_a_scheme(value) { value.to_owned() } else { resolved(value, target) };
    };
    let rest = resolved(if rest.starts_with('/') { rest } else { "/" }, target)
        + if rest.starts_with('/') { "" } else { rest };
    let is_own = own.iter().filter_map(|origin| split(origin)).any(|(own_scheme, own_authority, _)| {
        let own_scheme = own_scheme.unwrap_or("http");
        let asked = scheme.unwrap_or(own_scheme);
        asked.eq_ignore_ascii_case(own_scheme)
            && host(asked, authority).is_some_and(|name| host(own_scheme, own_authority) == Some(name))
    });
    if is_own {
        return rest;
    }
    let written = scheme.map(|scheme| scheme.to_ascii_lowercase() + ":").unwrap_or_default();
    let name = host(scheme.unwrap_or(""), authority).unwrap_or_else(|| authority.to_owned());
    format!("{written}//{name}{rest}")
}

/// Whether a reference begins with a scheme, such as `mailto:` (RFC 3986 §3.1), or names a host.
fn names_a_scheme(value: &str) -> bool {
    let end = value.find([':', '/', '?', '#', '\\']).unwrap_or(value.len());
    let (before, after) = value.split_at(end);
    let letters = before.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    value.starts_with("//")
        || after.starts_with(':') && letters && before.starts_with(|first: char| first.is_ascii_alphabetic())
}

/// A reference without scheme and host as the path, query and fragment it leads to (RFC 3986 §5.2.2).
fn resolved(reference: &str, target: &str) -> String {
    let (base_path, base_query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let end = reference.find(['?', '#']).unwrap_or(reference.len());
    let (path, rest) = reference.split_at(end);
    if path.is_empty() {
        let query = if rest.starts_with('?') { "" } else { base_query };
        return format!("{}{query}{rest}", without_dots(base_path));
    }
    let folder =
        if path.starts_with('/') { "" } else { base_path.rsplit_once('/').map_or("", |(folder, _)| folder) };
    let between = if path.starts_with('/') { "" } else { "/" };
    format!("{}{rest}", without_dots(&format!("{folder}{between}{path}")))
}

/// A path without `.` and `..` (RFC 3986 §5.2.4). It begins with a slash.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut elements = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(element) = elements.next() {
        let is_last = elements.peek().is_none();
        match element {
            "." | ".." => {
                if element == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(element),
        }
    }
    format!("/{}", kept.join("/"))
}

/// Scheme, authority and what follows it, of an HTTP reference that names a host.
fn split(value: &str) -> Option<(Option<&str>, &str, &str)> {
    let (scheme, rest) = match value.strip_prefix("//") {
        Some(rest) => (None, rest),
        None => value.split_once("://").map(|(scheme, rest)| (Some(scheme), rest))?,
    };
    if !scheme.is_none_or(|s| s.eq_ignore_ascii_case("http") || s.eq_ignore_ascii_case("https")) {
        return None;
    }
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    Some((scheme, authority, rest))
}

/// Host and port in lower case, without the scheme's own port; nothing where there is a user's name.
fn host(scheme: &str, authority: &str) -> Option<String> {
    if authority.contains('@') {
        return None;
    }
    let lower = authority.to_ascii_lowercase();
    let default = match scheme.to_ascii_lowercase().as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    let bare = if default.is_empty() { &lower } else { lower.strip_suffix(default).unwrap_or(&lower) };
    // An empty port is the scheme's own.
    Some(bare.strip_suffix(':').unwrap_or(bare).to_owned())
}

#[cfg(test)]
mod tests {
    use super::mapped;

    #[test]
    fn an_own_origin_is_taken_out_and_any_other_kept() {
        let own = [
            "http://10.0.0.1:8000".to_owned(),
            "https://shop.example".to_owned(),
            "http://[::1]:80".to_owned(),
        ];
        let check =
            |value: &str, expected: &str| assert_eq!(mapped(value, &own, "/x/y?z"), expected, "{value}");
        check("/a", "/a");
        check("a/b?c", "/x/a/b?c");
        check("", "/x/y?z");
        check("http://10.0.0.1:8000/a?b#c", "/a?b#c");
        check("HTTP://10.0.0.1:8000", "/");
        check("http://10.0.0.1:8000?q", "/?q");
        check("//10.0.0.1:8000/a", "/a");
        check("https://SHOP.example:443/a", "/a");
        check("https://shop.example:/a", "/a");
        check("http://[::1]/a", "/a");
        check("http://shop.example/a", "http://shop.example/a");
        check("http://10.0.0.1/a", "http://10.0.0.1/a");
        check("http://10.0.0.1:8000@evil.example/", "http://10.0.0.1:8000@evil.example/");
        check("http://10.0.0.1:8000.evil.example/", "http://10.0.0.1:8000.evil.example/");
        check("http://Products.Internal:80", "http://products.internal/");
        check("mailto:a@b", "mailto:a@b");
        check("ftp://10.0.0.1:8000/", "ftp://10.0.0.1:8000/");
    }

    #[test]
    fn what_is_relative_is_resolved_against_the_request() {
        // RFC 3986 §5.4, with what begins a path in front of it.
        for (reference, expected) in [
            ("g", "/b/c/g"),
            ("./g", "/b/c/g"),
            ("g/", "/b/c/g/"),
            ("/g", "/g"),
            ("?y", "/b/c/d;p?y"),
            ("g?y", "/b/c/g?y"),
            ("#s", "/b/c/d;p?q#s"),
            ("g#s", "/b/c/g#s"),
            ("g?y#s", "/b/c/g?y#s"),
            (";x", "/b/c/;x"),
            ("g;x=1/../y", "/b/c/y"),
            ("", "/b/c/d;p?q"),
            (".", "/b/c/"),
            ("..", "/b/"),
            ("../g", "/b/g"),
            ("../..", "/"),
            ("../../../g", "/g"),
            ("/../g", "/g"),
            ("g.", "/b/c/g."),
            ("..g", "/b/c/..g"),
            ("./g/.", "/b/c/g/"),
            ("g/./h", "/b/c/g/h"),
            ("g?y/../x", "/b/c/g?y/../x"),
            ("http://a/b/./c/../d", "/b/d"),
            ("http:g", "http:g"),
            ("g:h", "g:h"),
            ("1:h", "/b/c/1:h"),
            ("a b:c", "/b/c/a b:c"),
        ] {
            assert_eq!(mapped(reference, &["http://a".to_owned()], "/b/c/d;p?q"), expected, "{reference}");
        }
        for target in ["", "*", "/"] {
            assert_eq!(mapped("g", &[], target), "/g", "{target}");
        }
    }
}
