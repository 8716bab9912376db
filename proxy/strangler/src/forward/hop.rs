//! Headers that belong to one connection, and headers that are the proxy's to say: removed in passing.

use crate::http1::{Fields, Known};

/// Removes what belongs to the connection it came on (RFC 9110, 7.6.1), what `Connection` names, and what `also`
/// holds for. Framing stays. With an upgrade, `Connection` and `Upgrade` name that and nothing else.
pub(crate) fn strip(fields: &mut Fields, upgrade: Option<&[u8]>, also: impl Fn(Known) -> bool) {
    // Nothing is nominated where there is no `Connection`, and that belongs to the connection itself.
    if upgrade.is_none() && !fields.known().any(|known| known.is_hop_by_hop() || also(known)) {
        return;
    }
    let nominated = nominated(fields);
    if let Some(protocols) = upgrade {
        fields.set(Known::Connection, b"Upgrade");
        fields.set(Known::Upgrade, protocols);
    }
    fields.retain(|line| {
        let upgrading = upgrade.is_some() && matches!(line.known, Known::Connection | Known::Upgrade);
        let of_connection = line.known.is_hop_by_hop() && !upgrading;
        let named = !nominated.is_empty() && is_nominated(line.known, line.name, &nominated);
        !(of_connection || named || also(line.known))
    });
}

/// The names in `Connection`, but for the usual options; empty for nearly every message.
fn nominated(fields: &Fields) -> Vec<Vec<u8>> {
    let usual = |option: &[u8]| {
        option.is_empty()
            || [b"keep-alive".as_slice(), b"close", b"upgrade", b"te"]
                .iter()
                .any(|o| option.eq_ignore_ascii_case(o))
    };
    fields.list(Known::Connection).filter(|option| !usual(option)).map(<[u8]>::to_ascii_lowercase).collect()
}

fn is_nominated(known: Known, name: &[u8], nominated: &[Vec<u8>]) -> bool {
    !known.is_protected() && nominated.iter().any(|one| name.eq_ignore_ascii_case(one))
}

/// Whether `Connection` names an option.
pub(crate) fn connection_says(fields: &Fields, option: &[u8]) -> bool {
    fields.list(Known::Connection).any(|found| found.eq_ignore_ascii_case(option))
}

/// The protocols that a message asks to upgrade to, `h2c` left out; `None` where there are none.
///
/// An upgrade counts only where `Connection` names it (RFC 9110, 7.8).
pub(crate) fn upgrade_of(fields: &Fields) -> Option<Vec<u8>> {
    if !fields.contains(Known::Upgrade) || !connection_says(fields, b"upgrade") {
        return None;
    }
    let is_h2c = |protocol: &[u8]| protocol.eq_ignore_ascii_case(b"h2c");
    let mut lines = fields.all(Known::Upgrade);
    if let (Some(only), None) = (lines.next(), lines.next())
        && !only.trim_ascii().is_empty()
        && !fields.list(Known::Upgrade).any(is_h2c)
    {
        return Some(only.to_vec());
    }
    let protocols: Vec<&[u8]> =
        fields.list(Known::Upgrade).filter(|protocol| !protocol.is_empty() && !is_h2c(protocol)).collect();
    if protocols.is_empty() { None } else { Some(protocols.join(&b", "[..])) }
}

/// Whether `accepted` names only protocols that `asked` names.
pub(crate) fn upgrade_matches(asked: &[u8], accepted: &[u8]) -> bool {
    let split = |value: &[u8]| -> Vec<Vec<u8>> {
        value.split(|byte| *byte == b',').map(|p| p.trim_ascii().to_ascii_lowercase()).collect()
    };
    let asked = split(asked);
    let accepted = split(accepted);
    !accepted.is_empty() && accepted.iter().all(|protocol| asked.contains(protocol))
}

/// Whether `TE` says that trailers are understood.
pub(crate) fn takes_trailers(fields: &Fields) -> bool {
    fields.list(Known::Te).any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
}

#[cfg(test)]
mod tests {
    use super::{strip, takes_trailers, upgrade_of};
    use crate::forward::tests::{fields, lines};

    fn check(before: &[(&str, &str)], after: &[(&str, &str)]) {
        let mut fields = fields(before);
        strip(&mut fields, None, |_| false);
        assert_eq!(
            lines(&fields),
            after.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>()
        );
    }

    #[test]
    fn what_belongs_to_one_connection_is_removed_and_the_rest_keeps_its_order() {
        check(
            &[
                ("host", "a"),
                ("connection", "close, X-Private"),
                ("keep-alive", "timeout=5"),
                ("x-a", "1"),
                ("proxy-connection", "x"),
                ("x-private", "1"),
                ("proxy-authorization", "x"),
                ("x-b", "1"),
                ("te", "gzip"),
                ("upgrade", "x"),
                ("x-a", "2"),
                ("transfer-encoding", "chunked"),
            ],
            &[("host", "a"), ("x-a", "1"), ("x-b", "1"), ("x-a", "2"), ("transfer-encoding", "chunked")],
        );
    }

    #[test]
    fn host_length_and_forwarding_headers_cannot_be_nominated_away() {
        let lines = [
            ("host", "a"),
            ("content-length", "0"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-anything", "1"),
            ("x-request-id", "1"),
            ("via", "1.1 x"),
        ];
        let mut before = lines.to_vec();
        before.push((
            "connection",
            "host, content-length, X-Forwarded-For, x-forwarded-anything, x-request-id, via",
        ));
        check(&before, &lines);
    }

    #[test]
    fn an_upgrade_counts_only_when_connection_names_it_and_never_as_h2c() {
        let check = |lines: &[(&str, &str)], expected: Option<&str>| {
            assert_eq!(
                upgrade_of(&fields(lines)),
                expected.map(|text| text.as_bytes().to_vec()),
                "{lines:?}"
            );
        };
        check(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")], Some("websocket"));
        check(&[("connection", "Upgrade"), ("upgrade", "h2c")], None);
        check(&[("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c, websocket")], Some("websocket"));
        check(&[("upgrade", "websocket")], None);
        check(&[("connection", "upgrade"), ("upgrade", "")], None);
        check(&[("connection", "upgrade")], None);
    }

    #[test]
    fn trailers_are_found_among_transfer_codings() {
        assert!(takes_trailers(&fields(&[("te", "gzip;q=0.5, Trailers")])));
        assert!(!takes_trailers(&fields(&[("te", "gzip")])));
    }
}
