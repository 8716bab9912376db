//! References to places of this site: the origin by which a side speaks of itself is no difference.

/// What a reference means when the origins by which its side may speak of itself are taken out; any other
/// origin in its normal spelling (RFC 3986 §6.2). Relative references stay as they came.
pub(super) fn mapped(value: &str, own: &[String]) -> String {
    let Some((scheme, authority, rest)) = split(value) else { return value.to_owned() };
    let rest = match rest.chars().next() {
        None => "/".to_owned(),
        Some('?' | '#') => format!("/{rest}"),
        Some(_) => rest.to_owned(),
    };
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
        let check = |value: &str, expected: &str| assert_eq!(mapped(value, &own), expected, "{value}");
        check("/a", "/a");
        check("a/b?c", "a/b?c");
        check("", "");
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
}
