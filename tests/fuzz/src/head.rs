//! Request heads written as text: `METHOD TARGET`, then header lines.

use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// A request as routing is given it.
pub(crate) struct Head {
    pub(crate) method: String,
    /// Of the `Host` line; empty: none.
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
}

/// Reads a head; `None` where the first line is no request for a path. Lines that are no headers are left out.
pub(crate) fn read(text: &str) -> Option<Head> {
    let mut lines = text.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    Method::from_bytes(method.as_bytes()).ok()?;
    let visible = |c: char| !c.is_ascii_control() && c != ' ';
    if !target.starts_with('/') || !target.chars().all(visible) {
        return None;
    }
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let mut headers = HeaderMap::new();
    for line in lines.take(32) {
        let Some((name, value)) = line.split_once(':') else { continue };
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_bytes(value.trim_ascii().as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let host = headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = host.to_owned();
    Some(Head { method: method.to_owned(), host, path: path.to_owned(), query, headers })
}
