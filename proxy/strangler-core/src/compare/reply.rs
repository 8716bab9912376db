//! The order of comparing: transport, status, headers, cookies, body.

use super::{Class, Compared, Context, Difference, End, Findings, Kind, NotCompared, Path, Reply, json};

/// Compares the replies of both sides to one request.
pub fn compare(context: &Context<'_>, legacy: &Reply, extracted: &Reply) -> Compared {
    match (legacy.end, extracted.end) {
        (End::Truncated | End::Failed(_), _) => return Compared::NotCompared(NotCompared::LegacyFailed),
        (End::TooLarge, _) | (_, End::TooLarge) => {
            return Compared::NotCompared(NotCompared::BodyTooLarge);
        }
        (End::Complete, _) => {}
    }
    let mut findings = Findings::new(context);
    if let End::Failed(transport) = extracted.end {
        let left = Class::of_status(legacy.status);
        let difference = Difference::new(Path::Transport, Kind::Transport, left, Class::Broken);
        findings.add(
            difference
                .showing(Some(legacy.status.to_string().as_bytes()), Some(transport.as_str().as_bytes())),
        );
        return Compared::Compared(findings.finish());
    }
    if legacy.status != extracted.status {
        let (left, right) = (Class::of_status(legacy.status), Class::of_status(extracted.status));
        let values = (legacy.status.to_string(), extracted.status.to_string());
        let difference = Difference::new(Path::Status, Kind::Status, left, right);
        findings.add(difference.showing(Some(values.0.as_bytes()), Some(values.1.as_bytes())));
        if left != right {
            return Compared::Compared(findings.finish());
        }
    }
    if extracted.end == End::Truncated {
        findings.add(Difference::new(Path::BODY, Kind::BodyTruncated, Class::Bytes, Class::Broken));
    } else if legacy.body != extracted.body
        && json::compare(&legacy.body, &extracted.body, &mut findings).is_err()
    {
        let difference = Difference::new(Path::BODY, Kind::BodyValue, Class::Bytes, Class::Bytes);
        findings.add(difference.showing(Some(&legacy.body), Some(&extracted.body)));
    }
    Compared::Compared(findings.finish())
}
