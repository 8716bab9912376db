//! The cookie by which a client without a cohort key is known from its next request on.
//!
//! Owns its value and when it may be sent along. Refuses whom it is for: that follows from the decision. Invariant: no
//! answer that a shared cache may keep for others carries it.

use std::fmt::Write as _;

use strangler_core::snapshot::Snapshot;
use strangler_core::snapshot::policy::CohortCookie;

use super::location::PublicOrigin;
use crate::http1::{Fields, ResponseHead};

/// Bytes of chance in a value: as good as unguessable.
const VALUE_BYTES: usize = 16;

/// Adds the cookie to an answer, where it may carry one, and returns its value.
pub(crate) fn issue(
    head: &mut ResponseHead,
    cookie: &CohortCookie,
    snapshot: &Snapshot,
    public: Option<&PublicOrigin>,
) -> Option<String> {
    // A cache merges a 304 into what it has stored for everybody (RFC 9111, 3.2 and 4.3.4).
    if head.status < 200 || head.status == 304 || is_shared(&head.fields) || sets(&head.fields, &cookie.name)
    {
        return None;
    }
    let value = value()?;
    let secure = match public {
        Some(public) => public.is_https(&snapshot.server.public_url),
        None => false,
    };
    let line = format!(
        "{}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{}",
        cookie.name,
        cookie.max_age.as_secs(),
        if secure { "; Secure" } else { "" }
    );
    head.fields.append(b"set-cookie", line.as_bytes());
    Some(value)
}

/// Hexadecimal digits that nobody can guess; `None` where the system has no chance to give.
fn value() -> Option<String> {
    let mut bytes = [0u8; VALUE_BYTES];
    getrandom::fill(&mut bytes).ok()?;
    let mut text = String::with_capacity(VALUE_BYTES * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    Some(text)
}

/// Whether the answer says that shared caches may store it (RFC 9111, 5.2.2; RFC 9213).
fn is_shared(fields: &Fields) -> bool {
    fields.iter().any(|field| {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name.as_bytes());
        let says = |wanted: &[&str]| {
            directives(field.value)
                .any(|said| wanted.iter().any(|name| said.eq_ignore_ascii_case(name.as_bytes())))
        };
        if is("cache-control") {
            says(&["public", "s-maxage"])
        } else {
            (is("cdn-cache-control") || is("surrogate-control")) && !says(&["no-store", "private"])
        }
    })
}

/// The names of a header's directives.
fn directives(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|byte| *byte == b',')
        .map(|part| part.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii())
}

/// Whether the answer sets a cookie of this name itself.
fn sets(fields: &Fields, name: &str) -> bool {
    fields.iter().filter(|field| field.name.eq_ignore_ascii_case(b"set-cookie")).any(|field| {
        let found = field.value.split(|byte| *byte == b'=').next().unwrap_or_default();
        found.trim_ascii() == name.as_bytes()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use strangler_core::snapshot::policy::CohortCookie;

    use super::issue;
    use crate::forward::location::PublicOrigin;
    use crate::forward::tests::{fields, snapshot};
    use crate::http1::{Fields, ResponseHead};

    fn issued(
        status: u16,
        lines: &[(&str, &str)],
        public_url: &[&str],
        scheme: &'static str,
    ) -> (Option<String>, Fields) {
        let mut snapshot = snapshot(&["http://10.1.1.1:8000"]);
        snapshot.server.public_url = public_url.iter().map(|url| (*url).to_owned()).collect();
        let cookie = CohortCookie { name: "cohort".to_owned(), max_age: Duration::from_secs(90 * 86_400) };
        let public = PublicOrigin { scheme, host: "shop.example".into() };
        let mut head = ResponseHead { status, fields: fields(lines), ..ResponseHead::default() };
        let value = issue(&mut head, &cookie, &snapshot, Some(&public));
        (value, head.fields)
    }

    fn cookies(fields: &Fields) -> Vec<String> {
        let of = fields.iter().filter(|line| line.name == b"set-cookie");
        of.map(|line| String::from_utf8(line.value.to_vec()).unwrap()).collect()
    }

    #[test]
    fn the_cookie_is_the_sites_and_no_scripts() {
        let (value, fields) = issued(200, &[("set-cookie", "sid=1")], &[], "http");
        let value = value.unwrap();
        assert!(value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit()), "{value}");
        assert_eq!(
            cookies(&fields),
            ["sid=1", &format!("cohort={value}; Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax")]
        );
        assert_ne!(issued(200, &[], &[], "http").0.unwrap(), value, "each client has a value of its own");
    }

    #[test]
    fn it_is_secure_where_the_site_is() {
        for (public_url, scheme, secure) in [
            (&[][..], "http", false),
            (&[], "https", true),
            (&["https://shop.example"], "http", true),
            (&["http://shop.example"], "https", false),
            (&["http://other.example", "https://third.example"], "https", true),
        ] {
            let (_, fields) = issued(200, &[], public_url, scheme);
            assert_eq!(cookies(&fields)[0].ends_with("; Secure"), secure, "{public_url:?} {scheme}");
        }
    }

    #[test]
    fn no_answer_that_others_may_get_carries_it() {
        for (lines, carries) in [
            (&[("Cache-Control", "public, max-age=60")][..], false),
            (&[("cache-control", "max-age=60"), ("cache-control", "S-MaxAge=60")], false),
            (&[("cache-control", "Public")], false),
            (&[("cdn-cache-control", "max-age=60")], false),
            (&[("surrogate-control", "max-age=60")], false),
            (&[("cdn-cache-control", "no-store")], true),
            (&[("cache-control", "max-age=60")], true),
            (&[("cache-control", "private, max-age=60")], true),
            (&[("cache-control", "no-store")], true),
            (&[("x-cache-control", "public")], true),
            (&[("set-cookie", "cohort=theirs; Path=/")], false),
            (&[("set-cookie", "cohorts=1")], true),
        ] {
            assert_eq!(issued(200, lines, &[], "http").0.is_some(), carries, "{lines:?}");
        }
        for (status, carries) in
            [(101, false), (304, false), (200, true), (204, true), (404, true), (302, true)]
        {
            assert_eq!(issued(status, &[], &[], "http").0.is_some(), carries, "{status}");
        }
    }
}
