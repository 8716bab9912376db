//! `explain`: a request described in words, and where it would go.
//!
//! Owns the reading of that description, for the command line and the admin listener alike. Refuses to
//! decide: that is [`strangler_core::routing`], the same code that serves.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use strangler_core::routing::{self, Explanation, Facts, RequestView};
use strangler_core::snapshot::Snapshot;

/// Header lines that one question may hold.
const HEADERS_MAX: usize = 100;

/// A request that nobody has sent.
#[derive(Clone, Debug)]
pub struct ExplainRequest {
    method: String,
    host: Option<String>,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    client_ip: Option<IpAddr>,
}

/// Why a description is no request.
#[derive(Debug, thiserror::Error)]
pub enum ExplainRequestError {
    /// Not a method.
    #[error("`{0}` is no method")]
    Method(String),
    /// Not a URL.
    #[error("`{0}` is no URL: write a path such as /products/1, or http://shop.example/products/1")]
    Url(String),
    /// Not a header line.
    #[error("`{0}` is no header line: write `name: value`")]
    Header(String),
    /// Too many header lines.
    #[error("more than {HEADERS_MAX} header lines")]
    TooMany,
    /// Not an address.
    #[error("`{0}` is no IP address")]
    ClientIp(String),
}

impl ExplainRequest {
    /// Reads a description: `url` is a path or an absolute URL, `headers` are `name: value`.
    ///
    /// # Errors
    ///
    /// The first part that cannot be read.
    pub fn parse(
        method: &str,
        url: &str,
        headers: &[String],
        client_ip: Option<&str>,
    ) -> Result<ExplainRequest, ExplainRequestError> {
        Method::from_bytes(method.as_bytes()).map_err(|_| ExplainRequestError::Method(method.to_owned()))?;
        let (host, target) = split(url)?;
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target.as_str(), None),
        };
        let headers = header_map(headers)?;
        let client_ip = client_ip
            .map(|text| text.parse().map_err(|_| ExplainRequestError::ClientIp(text.to_owned())))
            .transpose()?;
        Ok(ExplainRequest {
            method: method.to_owned(),
            host,
            path: path.to_owned(),
            query,
            headers,
            client_ip,
        })
    }

    /// The authority it is routed on: of the URL, else of `Host`, else none.
    fn host(&self) -> &str {
        let line = || self.headers.get(http::header::HOST).and_then(|line| line.to_str().ok());
        self.host.as_deref().or_else(line).unwrap_or_default()
    }
}

/// Where a request would go under a configuration and the retreats in force, and why.
pub fn explain(snapshot: &Snapshot, facts: Facts<'_>, request: &ExplainRequest) -> Explanation {
    let view = RequestView {
        method: &request.method,
        host: request.host(),
        path: &request.path,
        query: request.query.as_deref(),
        headers: &request.headers,
        client_ip: request.client_ip,
    };
    routing::explain(snapshot, &view, facts)
}

/// Host and target of a URL; the fragment is never sent.
fn split(url: &str) -> Result<(Option<String>, String), ExplainRequestError> {
    let bad = || ExplainRequestError::Url(url.to_owned());
    let url = url.split_once('#').map_or(url, |(before, _)| before);
    if url.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
        return Err(bad());
    }
    if url.starts_with('/') {
        return Ok((None, url.to_owned()));
    }
    let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    let skip = if lower.starts_with("https://") {
        8
    } else if lower.starts_with("http://") {
        7
    } else {
        return Err(bad());
    };
    let rest = url.get(skip..).ok_or_else(bad)?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, target) = rest.split_at(end);
    if host.is_empty() || host.contains('@') {
        return Err(bad());
    }
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    Ok((Some(host.to_owned()), target))
}

fn header_map(lines: &[String]) -> Result<HeaderMap, ExplainRequestError> {
    if lines.len() > HEADERS_MAX {
        return Err(ExplainRequestError::TooMany);
    }
    let mut headers = HeaderMap::new();
    for line in lines {
        let bad = || ExplainRequestError::Header(line.clone());
        let (name, value) = line.split_once(':').ok_or_else(bad)?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| bad())?;
        let value = HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| bad())?;
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "helpers of tests")]

    use super::*;

    #[test]
    fn urls_are_read_as_a_client_would_send_them() {
        for (url, host, path, query) in [
            ("/a%2Fb?x=1?y", "", "/a%2Fb", Some("x=1?y")),
            ("http://Shop.example:8080/a", "Shop.example:8080", "/a", None),
            ("HTTPS://shop.example?x", "shop.example", "/", Some("x")),
            ("http://shop.example", "shop.example", "/", None),
            ("/a#part", "", "/a", None),
        ] {
            let request = ExplainRequest::parse("GET", url, &[], None).unwrap();
            assert_eq!(
                (request.host(), request.path.as_str(), request.query.as_deref()),
                (host, path, query),
                "{url}"
            );
        }
        for url in ["products", "ftp://a/", "http://", "http://user@shop/", "/a b", ""] {
            assert!(ExplainRequest::parse("GET", url, &[], None).is_err(), "{url}");
        }
    }

    #[test]
    fn the_urls_host_wins_over_the_header() {
        let headers = ["Host: other.example".to_owned()];
        let request = ExplainRequest::parse("GET", "http://shop.example/", &headers, None).unwrap();
        assert_eq!(request.host(), "shop.example");
        let request = ExplainRequest::parse("GET", "/", &headers, None).unwrap();
        assert_eq!(request.host(), "other.example");
        assert!(ExplainRequest::parse("GET", "/", &["no colon".to_owned()], None).is_err());
        assert!(ExplainRequest::parse("G T", "/", &[], None).is_err());
        assert!(ExplainRequest::parse("GET", "/", &[], Some("nobody")).is_err());
    }
}
